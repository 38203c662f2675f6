package tasktracker

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// store keeps the list in TASKS.json of a directory, as OpenHands does; dir ""
// keeps nothing.
type store struct{ dir string }

func (s store) path() string { return filepath.Join(s.dir, "TASKS.json") }

// load gives the stored list. One that can't be understood is renamed, so that
// the next save does not destroy it.
func (s store) load() []Task {
	if s.dir == "" {
		return nil
	}
	raw, err := os.ReadFile(s.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		var tasks []Task
		if tasks, err = parse(raw); err == nil {
			return tasks
		}
	}
	_ = os.Rename(s.path(), s.path()+".unreadable") // the list starts anew either way
	return nil
}

// parse reads a stored list by the rules of an action's.
func parse(raw []byte) ([]Task, error) {
	args, err := json.Marshal(map[string]json.RawMessage{"task_list": raw})
	if err != nil {
		return nil, err
	}
	action, err := arguments.Decode(args)
	if err != nil {
		return nil, err
	}
	a, err := arguments.Read(action)
	return a.TaskList, err
}

// save writes the list whole or not at all.
func (s store) save(tasks []Task) error {
	if s.dir == "" {
		return nil
	}
	if tasks == nil {
		tasks = []Task{}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(tasks); err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return cause(err)
	}
	temp := s.path() + ".tmp"
	err := os.WriteFile(temp, bytes.TrimSuffix(b.Bytes(), []byte("\n")), 0o600)
	if err == nil {
		err = os.Rename(temp, s.path())
	}
	if err != nil {
		_ = os.Remove(temp) // the first error is the one that matters
	}
	return cause(err)
}

// cause takes the path off an error: it is ours, not the model's.
func cause(err error) error {
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		return pathErr.Err
	}
	if linkErr := (*os.LinkError)(nil); errors.As(err, &linkErr) {
		return linkErr.Err
	}
	return err
}
