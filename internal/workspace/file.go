package workspace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
)

// ErrNotRegular says that a path is a directory, a pipe or a device, which is
// neither read nor replaced.
var ErrNotRegular = errors.New("not a regular file")

// Disk is the file system as it is, for tools that may as well be given what the
// editor has open ([Buffers]). Paths are absolute. The zero value is ready.
type Disk struct{}

// Stat follows symbolic links.
func (Disk) Stat(path string) (fs.FileInfo, error) { return os.Stat(path) }

// Read gives the whole content of a regular file.
func (Disk) Read(path string) ([]byte, error) { return os.ReadFile(path) }

// Write replaces the content of a file as [Local.WriteFile] does.
func (Disk) Write(ctx context.Context, path string, data []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return replace(path, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
}

// ReadFile reads a regular file. A relative path is one below the root; whether
// the path lies inside is for the caller to ask ([Local.Resolve]).
func (w *Local) ReadFile(path string) ([]byte, error) {
	abs := w.abs(path)
	if info, err := os.Stat(abs); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: abs, Err: ErrNotRegular}
	}
	return os.ReadFile(abs)
}

// WriteFile replaces the content of a file, or creates it with its parent
// directories. Readers see the old content or the new one, never a part, and
// what fails leaves the old one. A symbolic link stays and its target changes;
// the mode stays, and the owner where the system allows it. A file without write
// permission is refused though its directory would allow to replace it. In a
// directory that takes no new file the file is written in place.
//
// As for ReadFile, the caller asks whether the path lies inside.
func (w *Local) WriteFile(path string, data []byte) error {
	return Disk{}.Write(context.Background(), w.abs(path), data)
}

// replace lets write fill a new file and puts it in the place of path.
func replace(path string, write func(*os.File) error) error {
	path, err := realPath(path)
	if err != nil {
		return err
	}
	old, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return err
		}
	case err != nil:
		return err
	case !old.Mode().IsRegular():
		return &fs.PathError{Op: "write", Path: path, Err: ErrNotRegular}
	default:
		if err := checkWritable(path); err != nil {
			return err
		}
	}
	temp := filepath.Join(filepath.Dir(path), "."+uuid.NewString()+".tmp")
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrPermission) && old != nil {
		return overwrite(path, write)
	}
	if err != nil {
		// The user did not name the temporary file.
		return &fs.PathError{Op: "write", Path: path, Err: cause(err)}
	}
	if err := fill(f, old, write); err != nil {
		return errors.Join(&fs.PathError{Op: "write", Path: path, Err: cause(err)}, os.Remove(temp))
	}
	if err := rename(temp, path); err != nil {
		if old != nil && overwrite(path, write) == nil {
			return os.Remove(temp) // the file is a mount of its own: nothing takes its place
		}
		return errors.Join(&fs.PathError{Op: "write", Path: path, Err: cause(err)}, os.Remove(temp))
	}
	return nil
}

func fill(f *os.File, old fs.FileInfo, write func(*os.File) error) error {
	err := write(f)
	if err == nil && old != nil {
		// Before the mode, for it takes the set-user-id bit away.
		keepOwner(f, old)
		err = f.Chmod(old.Mode())
	}
	if err == nil {
		// Without it a power failure may leave neither the old nor the new content.
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func checkWritable(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

func overwrite(path string, write func(*os.File) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	var link *os.LinkError
	if errors.As(err, &link) {
		return link.Err
	}
	return err
}

// FileOperationResult is OpenHands' answer to an upload or a download. A failure
// is told in it.
type FileOperationResult struct {
	Success         bool   `json:"success"`
	SourcePath      string `json:"source_path"`
	DestinationPath string `json:"destination_path"`
	// FileSize is in bytes; nil on failure.
	FileSize *int64 `json:"file_size,omitempty"`
	Error    string `json:"error,omitempty"`
}

// Upload copies a file of this machine into the workspace, with its mode and
// its modification time. A relative destination is one below the root (the
// reference takes the process's directory), a relative source one below the
// process's directory.
func (w *Local) Upload(source, destination string) FileOperationResult {
	return copyFile(source, destination, source, w.abs(destination))
}

// Download is Upload the other way round.
func (w *Local) Download(source, destination string) FileOperationResult {
	return copyFile(source, destination, w.abs(source), destination)
}

func copyFile(source, destination, from, to string) FileOperationResult {
	r := FileOperationResult{SourcePath: source, DestinationPath: destination}
	size, err := copyWhole(from, to)
	if err != nil {
		r.Error = err.Error()
		return r
	}
	r.Success, r.FileSize = true, &size
	return r
}

func copyWhole(from, to string) (size int64, err error) {
	to, err = filepath.Abs(to)
	if err != nil {
		return 0, err
	}
	info, err := os.Stat(from)
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, &fs.PathError{Op: "copy", Path: from, Err: ErrNotRegular}
	}
	if there, err := os.Stat(to); err == nil && os.SameFile(info, there) {
		return 0, fmt.Errorf("%s and %s are the same file", from, to)
	}
	in, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	defer func() { _ = in.Close() }()
	err = replace(to, func(out *os.File) error {
		size, err = io.Copy(out, in)
		return err
	})
	if err != nil {
		return 0, err
	}
	return size, errors.Join(os.Chmod(to, info.Mode().Perm()), os.Chtimes(to, time.Time{}, info.ModTime()))
}
