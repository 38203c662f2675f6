package fileeditor

import (
	"io/fs"
	"os"
)

// keepAttributes gives f the mode of the file it will replace; the owner comes
// from the directory.
func keepAttributes(f *os.File, info fs.FileInfo) error { return f.Chmod(info.Mode().Perm()) }
