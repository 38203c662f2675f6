package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Entry is one conversation of a list.
type Entry struct {
	// ID is a UUID with dashes.
	ID string
	// Dir is its directory.
	Dir string
	// State, Sidecar and Events are the modification times of base_state.json, of
	// agent_rpc.json and of events/ (up to three seconds early); zero where there
	// is none. While none of them changes the conversation did not change.
	State, Sidecar, Events time.Time
}

// Updated is the last of the times.
func (e Entry) Updated() time.Time {
	last := e.State
	for _, t := range []time.Time{e.Sidecar, e.Events} {
		if t.After(last) {
			last = t
		}
	}
	return last
}

// Exists tells whether a conversation is stored, without reading a file.
func Exists(base, id string) bool {
	path, err := Path(base, id)
	if err != nil {
		return false
	}
	_, err = os.Stat(filepath.Join(path, stateFile))
	return err == nil
}

// List gives the conversations below base in the order of their ids, without
// reading a file. A base that does not exist holds none.
func List(base string) ([]Entry, error) {
	names, err := os.ReadDir(base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing conversations: %w", err)
	}
	var list []Entry
	for _, n := range names {
		if !isDirName(n.Name()) {
			continue
		}
		dir := filepath.Join(base, n.Name())
		e := Entry{
			ID: dashed(n.Name()), Dir: dir,
			State:   modTime(filepath.Join(dir, stateFile)),
			Sidecar: modTime(filepath.Join(dir, sidecarFile)),
			Events:  modTime(filepath.Join(dir, eventsDir)),
		}
		if e.State.IsZero() && !hasEvents(dir) {
			continue
		}
		list = append(list, e)
	}
	return list, nil
}

func modTime(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// hasEvents tells a conversation that lost its state from a directory in which
// none was ever begun.
func hasEvents(dir string) bool {
	names, err := readNames(filepath.Join(dir, eventsDir))
	return err == nil && len(newIndex(names).events) > 0
}

const deletedPrefix = ".deleted-"

// Delete removes a conversation; one that is not there is no error. It gives a
// [LockedError] when another process has it open. The directory is moved out of
// sight first, so that nobody sees half of it.
func Delete(base, id string) error {
	root, err := Path(base, id)
	if err != nil {
		return err
	}
	if err := deleteDir(base, root); err != nil {
		return fmt.Errorf("deleting conversation %s: %w", id, err)
	}
	return nil
}

func deleteDir(base, root string) error {
	if _, err := os.Lstat(root); errors.Is(err, fs.ErrNotExist) {
		return sweep(base)
	}
	unlock := func() error { return nil }
	l, err := takeOwnership(root)
	var locked *LockedError
	switch {
	case err == nil:
		unlock = l.Unlock
	case errors.As(err, &locked) && locked.isUs():
		// What this process has open it may delete.
	default:
		return err
	}
	var closeErr, moveErr error
	if !movesOpen {
		closeErr = unlock()
	}
	grave := fmt.Sprintf("%s%s-%d-%d", deletedPrefix, filepath.Base(root), os.Getpid(), time.Now().UnixNano())
	if err := rename(root, filepath.Join(base, grave)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		moveErr = &WriteError{Path: root, Err: cause(err)}
	}
	if err := errors.Join(closeErr, moveErr, unlock()); err != nil {
		return err
	}
	return sweep(base)
}

// sweep removes what was deleted, and what killed processes left half-done.
func sweep(base string) error {
	names, err := readNames(base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		remove := bury
		switch {
		case strings.HasPrefix(name, deletedPrefix):
		case strings.HasPrefix(name, forkPrefix):
			remove = sweepFork
		default:
			continue
		}
		if err := remove(filepath.Join(base, name)); err != nil {
			return &WriteError{Path: filepath.Join(base, name), Err: cause(err)}
		}
	}
	return nil
}

// bury removes a directory that was moved away. A program that found the
// directory before the move may still have put a file in while it was emptied;
// none can find it any more, so that happens hardly twice.
func bury(dir string) error {
	const tries = 5
	var err error
	for range tries {
		if err = os.RemoveAll(dir); err == nil || !errors.Is(err, syscall.ENOTEMPTY) {
			return err
		}
	}
	return err
}

// isUs tells whether the holder is this process.
func (h Holder) isUs() bool {
	host, err := os.Hostname()
	return err == nil && h.PID == os.Getpid() && h.Host == host
}
