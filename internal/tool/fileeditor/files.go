package fileeditor

import (
	"context"
	"io/fs"
)

// Files is where the editor reads and writes: workspace.Disk, or
// workspace.Buffers, which puts the unsaved texts of the user's editor before it. Paths are
// absolute and clean. Implementations are safe for use by several goroutines.
type Files interface {
	// Stat follows symbolic links. A file that is not there is fs.ErrNotExist.
	Stat(path string) (fs.FileInfo, error)
	// Read gives the whole content of a regular file.
	Read(path string) ([]byte, error)
	// Write makes data the whole content of the file, or fails and leaves the
	// file as it was. It returns soon after ctx ends.
	Write(ctx context.Context, path string, data []byte) error
}

// Peeker is what [Files] have beside it whose Read may wait for the user's editor.
type Peeker interface {
	// Peek is Read that does not wait: what the editor said last.
	Peek(path string) ([]byte, error)
}

// peeking are files that are looked at and not waited for.
type peeking struct{ Peeker }

func (p peeking) Read(path string) ([]byte, error) { return p.Peek(path) }
