package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

const (
	workspacesFile = "agent_rpc_workspaces.json"
	workspacesLock = "agent_rpc_workspaces.lock"
	// workspacesWait bounds the waiting for another process that writes.
	workspacesWait = time.Second
)

// Workspaces is a file beside the conversations, and so outside of every
// project, that keeps a JSON value for each workspace. All processes share it: a
// change takes a lock, reads anew and replaces the file as a whole. It is safe
// for use by several goroutines.
type Workspaces struct {
	dir string

	mu     sync.Mutex
	seen   os.FileInfo // the file that values was read from; nil if there was none
	values map[string]json.RawMessage
}

// NewWorkspaces gives the file in a folder, which need not exist. Without a
// folder ("") nothing is kept.
func NewWorkspaces(dir string) *Workspaces { return &Workspaces{dir: dir} }

// Path is where the file is; "" if nothing is kept.
func (w *Workspaces) Path() string {
	if w.dir == "" {
		return ""
	}
	return filepath.Join(w.dir, workspacesFile)
}

// Get gives what is kept for the workspace at an absolute path; nil if nothing
// is. It reads the file only when it has changed. A file that can't be read is
// an error once for each of its versions, and holds nothing.
func (w *Workspaces) Get(path string) (json.RawMessage, error) {
	if w.dir == "" {
		return nil, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	info, err := os.Stat(w.Path())
	if errors.Is(err, fs.ErrNotExist) {
		w.seen, w.values = nil, nil
		return nil, nil
	}
	if err == nil && w.seen != nil && os.SameFile(info, w.seen) && info.ModTime().Equal(w.seen.ModTime()) && info.Size() == w.seen.Size() {
		return w.values[path], nil
	}
	w.seen, w.values = info, nil
	if err == nil {
		w.values, err = w.read()
	}
	return w.values[path], err
}

type workspaces struct {
	Version    int                        `json:"version"`
	Workspaces map[string]json.RawMessage `json:"workspaces"`
}

func (w *Workspaces) read() (map[string]json.RawMessage, error) {
	raw, err := os.ReadFile(w.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var file workspaces
	if err := json.Unmarshal(raw, &file); err != nil {
		return nil, fmt.Errorf("%s can't be read: %w", w.Path(), err)
	}
	if file.Version != 1 {
		return nil, fmt.Errorf("%s is of version %d, which this program does not know", w.Path(), file.Version)
	}
	return file.Workspaces, nil
}

// Change replaces what is kept for a workspace; change gets what is there (nil
// for nothing) and gives what is to be (nil to keep nothing). A file that can't
// be read is left as it is: the error says where it is.
func (w *Workspaces) Change(path string, change func(json.RawMessage) (json.RawMessage, error)) (err error) {
	if w.dir == "" {
		return errors.New("there is no folder to keep it in")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := os.MkdirAll(w.dir, dirMode); err != nil {
		return &WriteError{Path: w.dir, Err: cause(err)}
	}
	unlock, err := w.lock()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	values, err := w.read()
	if err != nil {
		return err
	}
	value, err := change(values[path])
	if err != nil {
		return err
	}
	if values == nil {
		values = map[string]json.RawMessage{}
	}
	if delete(values, path); value != nil {
		values[path] = value
	}
	raw, err := json.MarshalIndent(workspaces{1, values}, "", "  ")
	if err != nil {
		return err
	}
	w.seen = nil
	temp := filepath.Join(w.dir, tempName())
	if err = writeFile(temp, append(raw, '\n')); err == nil {
		// Before the name says so: a power failure must not leave an empty file.
		if err = syncPath(temp); err == nil {
			err = rename(temp, w.Path())
		}
	}
	if err != nil {
		_ = os.Remove(temp) // what is left of it is overwritten by the next change
		return &WriteError{Path: w.Path(), Err: cause(err)}
	}
	return nil
}

func (w *Workspaces) lock() (unlock func() error, err error) {
	path := filepath.Join(w.dir, workspacesLock)
	l := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(fileMode))
	deadline := time.Now().Add(workspacesWait)
	for pause := pollFirst; ; pause = min(2*pause, pollMost) {
		ok, err := l.TryLock()
		if err != nil {
			return nil, &WriteError{Path: path, Err: cause(err)}
		}
		if ok {
			return l.Unlock, nil
		}
		if time.Now().After(deadline) {
			return nil, &BusyError{Path: path}
		}
		time.Sleep(pause)
	}
}
