package fileeditor

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Files is where the editor reads and writes. [Disk] is the plain one; an
// editor's unsaved buffers can stand before it. Paths are absolute and clean.
// Implementations are safe for use by several goroutines.
type Files interface {
	// Stat follows symbolic links. A file that is not there is fs.ErrNotExist.
	Stat(path string) (fs.FileInfo, error)
	// Read gives the whole content of a regular file.
	Read(path string) ([]byte, error)
	// Write makes data the whole content of the file, or fails and leaves the
	// file as it was. It returns soon after ctx ends.
	Write(ctx context.Context, path string, data []byte) error
}

// Disk is the file system as it is.
type Disk struct{}

// Stat implements [Files].
func (Disk) Stat(path string) (fs.FileInfo, error) { return os.Stat(path) }

// Read implements [Files].
func (Disk) Read(path string) ([]byte, error) { return os.ReadFile(path) }

// Write implements [Files]. The new content is written beside the file and
// renamed over it, so that nobody ever sees half of it. The mode stays, the
// owner where the system allows it, and a symbolic link stays a link: its target
// is what changes. Only where the directory allows no new file, or the file is a
// mount of its own, it is overwritten in place.
func (Disk) Write(ctx context.Context, path string, data []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	target, info, err := resolve(path)
	if err != nil {
		return err
	}
	if info != nil {
		// A rename would replace a file that its owner protected.
		if err := checkWritable(target); err != nil {
			return err
		}
	}
	temp, err := writeTemp(target, data, info)
	switch {
	case err == nil:
		if err = os.Rename(temp, target); err == nil {
			return nil
		}
		_ = os.Remove(temp) // the error of the rename is the one that matters
	case !errors.Is(err, fs.ErrPermission):
		// Such as a full disk: to overwrite the file now would lose it.
		return err
	}
	if info == nil {
		return err
	}
	return os.WriteFile(target, data, info.Mode().Perm())
}

// resolve follows symbolic links; info is nil where there is no file yet.
func resolve(path string) (string, fs.FileInfo, error) {
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	info, err := os.Stat(target)
	return target, info, err
}

func checkWritable(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

// writeTemp writes data to a new file beside target and gives its path.
func writeTemp(target string, data []byte, info fs.FileInfo) (string, error) {
	dir, base := filepath.Split(target)
	if len(base) > 128 {
		base = base[:128] // a name has a limit, and the rest is added to it
	}
	path := filepath.Join(dir, "."+base+"."+rand.Text()[:8]+".tmp")
	mode := fs.FileMode(0o666)
	if info != nil {
		mode = info.Mode().Perm()
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err == nil && info != nil {
		err = keepAttributes(f, info)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = os.Remove(path) // the first error is the one that matters
		return "", err
	}
	return path, nil
}
