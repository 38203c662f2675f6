package workspace

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// OutsideError says that a path leads out of the workspace.
type OutsideError struct {
	// Path is absolute.
	Path string
	Root string
}

func (e *OutsideError) Error() string {
	return fmt.Sprintf("%s is outside the workspace %s", e.Path, e.Root)
}

// Resolve gives the absolute, cleaned path of what a tool or a client names; a
// relative path is one below the root. Where it lies outside, directly or
// through a symbolic link, the error is an [OutsideError] and the path is given
// all the same, for a caller who may go there.
func (w *Local) Resolve(path string) (string, error) {
	if path == "" || strings.ContainsRune(path, 0) {
		return "", &os.PathError{Op: "resolve", Path: path, Err: syscall.EINVAL}
	}
	abs := w.abs(path)
	real, err := realPath(abs)
	if err != nil {
		return "", err
	}
	if !w.holds(real) {
		return abs, &OutsideError{Path: abs, Root: w.root}
	}
	return abs, nil
}

// Contains tells whether a path is the root or lies below it once symbolic
// links are followed, whether or not there is such a file yet.
func (w *Local) Contains(path string) bool {
	_, err := w.Resolve(path)
	return err == nil
}

// Rel shortens a path for display: relative to the root with slashes, or
// absolute when it lies outside.
func (w *Local) Rel(path string) string {
	abs := w.abs(path)
	for _, root := range []string{w.root, w.real} {
		if rel, ok := below(root, abs); ok {
			return filepath.ToSlash(rel)
		}
	}
	return filepath.ToSlash(abs)
}

func (w *Local) abs(path string) string {
	if !filepath.IsAbs(path) {
		path = filepath.Join(w.root, path)
	}
	return filepath.Clean(path)
}

// below compares names only.
func below(root, path string) (rel string, ok bool) {
	rel, err := filepath.Rel(root, path)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return "", false
	}
	return rel, true
}

// holds takes a path without symbolic links.
func (w *Local) holds(real string) bool {
	if _, ok := below(w.real, real); ok {
		return true
	}
	// The same folder may have several names: upper and lower case, short names on
	// Windows, Unicode forms on macOS, bind mounts.
	root, err := os.Stat(w.real)
	if err != nil {
		return false
	}
	for dir := real; ; {
		if info, err := os.Stat(dir); err == nil && os.SameFile(root, info) {
			return true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return false
		}
		dir = parent
	}
}

// maxLinks is how many symbolic links a path may lead through, as in the
// standard library.
const maxLinks = 255

// realPath follows every symbolic link in an absolute path, also one that leads
// to nothing: writing through it would create a file there. What does not exist
// is kept as it is.
func realPath(path string) (string, error) {
	done, rest := splitPath(path)
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			done = filepath.Dir(done)
			continue
		}
		next := filepath.Join(done, name)
		target, err := os.Readlink(next)
		if err != nil {
			// No link, or nothing there.
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", &os.PathError{Op: "resolve", Path: path, Err: syscall.ELOOP}
		}
		more := strings.Split(filepath.ToSlash(target), "/")
		if filepath.IsAbs(target) {
			done, more = splitPath(target)
		}
		rest = append(more, rest...)
	}
	return done, nil
}

// splitPath gives the root of an absolute path and the names below it.
func splitPath(path string) (root string, names []string) {
	volume := filepath.VolumeName(path)
	return volume + string(filepath.Separator), strings.Split(filepath.ToSlash(path[len(volume):]), "/")
}
