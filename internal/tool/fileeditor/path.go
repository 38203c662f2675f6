package fileeditor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// checkPath holds the path against the command; info is nil for a file to be
// created.
func (t *Tool) checkPath(a *Action) (path string, info fs.FileInfo, err error) {
	if a.Path == "" {
		return "", nil, errors.New("parameter path is empty")
	}
	if !filepath.IsAbs(a.Path) {
		return "", nil, t.relativeError(a.Path)
	}
	path = filepath.Clean(a.Path)
	if t.allow != nil && t.outside(path) {
		if err := t.allow(path); err != nil {
			return "", nil, err
		}
	}
	info, err = t.files.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if a.Command == commandCreate {
			return path, nil, creatable(path)
		}
		return "", nil, fmt.Errorf("the path %s does not exist", a.Path)
	case err != nil:
		return "", nil, fmt.Errorf("the path %s can't be reached: %w", a.Path, plain(err))
	case a.Command == commandCreate:
		return "", nil, fmt.Errorf("%s exists already; create never overwrites, so change it with str_replace or insert", a.Path)
	case info.IsDir() && a.Command != commandView:
		return "", nil, fmt.Errorf("%s is a directory; only view works on directories", a.Path)
	case !info.IsDir() && !info.Mode().IsRegular():
		return "", nil, fmt.Errorf("%s is neither a regular file nor a directory", a.Path)
	}
	return path, info, nil
}

func (t *Tool) relativeError(given string) error {
	if strings.HasPrefix(given, "~") {
		return fmt.Errorf("the path %s does not exist: ~ is not expanded here, so write the absolute path", given)
	}
	candidate := filepath.Join(t.root, given)
	if _, err := t.files.Stat(candidate); err == nil {
		return fmt.Errorf("the path %s is not absolute; did you mean %s?", given, candidate)
	}
	return fmt.Errorf("the path %s is not absolute; begin it with %s", given, t.root)
}

// creatable tells why a file can't be made there, as far as that can be known
// before.
func creatable(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s is a symbolic link to a file that does not exist", path)
	}
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the directory %s does not exist; make it first", dir)
	case err != nil:
		return fmt.Errorf("the directory %s can't be reached: %w", dir, plain(err))
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	}
	return nil
}

// outside tells whether a path leads out of the workspace, links followed.
func (t *Tool) outside(path string) bool {
	root, err := filepath.EvalSymlinks(t.root)
	if err != nil {
		root = t.root
	}
	return !within(root, realPath(path))
}

// realPath follows the links of the part of a path that exists.
func realPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	dir := filepath.Dir(path)
	if dir == path {
		return path
	}
	return filepath.Join(realPath(dir), filepath.Base(path))
}

func within(root, path string) bool {
	rel, err := filepath.Rel(root, path)
	return err == nil && filepath.IsLocal(rel)
}

// plain takes the operation and the path off an error, which the message has.
func plain(err error) error {
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// checkParameters tells which parameter a command lacks.
func checkParameters(a *Action, info fs.FileInfo) error {
	var missing []string
	need := func(name string, there bool) {
		if !there {
			missing = append(missing, name)
		}
	}
	switch a.Command {
	case commandCreate:
		need("file_text", a.FileText != nil)
	case commandStrReplace:
		need("old_str", a.OldStr != nil)
		need("new_str", a.NewStr != nil)
	case commandInsert:
		need("insert_line", a.InsertLine != nil)
		need("new_str", a.NewStr != nil)
	}
	if len(missing) > 0 {
		return fmt.Errorf("command %s needs parameter %s", a.Command, strings.Join(missing, " and "))
	}
	if a.Command == commandStrReplace && *a.OldStr == *a.NewStr {
		return errors.New("old_str and new_str are the same: there is nothing to replace")
	}
	if a.Command == commandView && info.IsDir() && len(a.ViewRange) > 0 {
		return fmt.Errorf("%s is a directory; view_range works on files only", a.Path)
	}
	return nil
}
