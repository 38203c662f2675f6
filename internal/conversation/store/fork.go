package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Copy says what a new conversation takes over from another.
type Copy struct {
	// Base and ID are where the new conversation is to be; Base "" makes it in
	// memory.
	Base, ID string
	// Events are the indexes of the events, in their new order, and More the
	// events behind them.
	Events []int
	More   []NewEvent
	// State and Sidecar are the contents of its files.
	State, Sidecar []byte
	// Files tells that what tools keep beside the log is taken along too.
	Files bool
}

// NewEvent is an event that is to be written.
type NewEvent struct {
	ID  string
	Raw []byte
}

const forkPrefix = ".forking-"

// Fork makes a new conversation of this one. The events are not copied but
// linked where the file system can: an event file is never changed. On disk the
// conversation is put together out of sight and then moved to its place, so that
// a process that dies on the way leaves nothing that is listed; the next fork or
// delete removes what it left. The store in memory is only given for one in
// memory, and [fs.ErrExist] where the id is taken.
func (s *Store) Fork(c Copy) (inMemory *Store, err error) {
	if s.isClosed() {
		return nil, ErrClosed
	}
	names, err := s.forkNames(c)
	if err != nil {
		return nil, err
	}
	if c.Base == "" {
		inMemory = Memory()
		return inMemory, s.forkInto(inMemory, names, c)
	}
	if err := s.forkOnDisk(names, c); err != nil {
		return nil, fmt.Errorf("forking into conversation %s: %w", c.ID, err)
	}
	return nil, nil
}

// forkNames gives the file names of the events that are taken over, old and new.
func (s *Store) forkNames(c Copy) ([][2]string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	names := make([][2]string, len(c.Events))
	for i, at := range c.Events {
		if at < 0 || at >= len(s.index.events) {
			return nil, fmt.Errorf("event %d: %w", at, ErrRange)
		}
		e := s.index.events[at]
		names[i] = [2]string{e.name, eventName(i, e.id)}
	}
	return names, nil
}

// forkInto fills a new store with what is read from this one.
func (s *Store) forkInto(to *Store, names [][2]string, c Copy) error {
	for _, name := range names {
		raw, err := s.dir.readEvent(name[0])
		if err != nil {
			return missing(name[0], err)
		}
		if err := to.dir.writeEvent(name[1], raw); err != nil {
			return err
		}
	}
	if err := to.finishFork(len(names), c); err != nil {
		return err
	}
	to.existed = true
	_, err := to.reread()
	return err
}

// finishFork writes what is new, behind the first n events.
func (s *Store) finishFork(n int, c Copy) error {
	for i, e := range c.More {
		if err := s.dir.writeEvent(eventName(n+i, e.ID), e.Raw); err != nil {
			return err
		}
	}
	return errors.Join(s.dir.save(sidecarFile, c.Sidecar), s.dir.save(stateFile, c.State))
}

func (s *Store) forkOnDisk(names [][2]string, c Copy) error {
	root, err := Path(c.Base, c.ID)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(root); err == nil {
		return fs.ErrExist
	}
	if err := sweep(c.Base); err != nil {
		return err
	}
	staging := filepath.Join(c.Base, fmt.Sprintf("%s%s-%d-%d", forkPrefix, filepath.Base(root), os.Getpid(), time.Now().UnixNano()))
	d, err := openDisk(staging, ReadWrite)
	if err != nil {
		return err
	}
	err = s.forkFiles(d, names, c)
	if err == nil {
		err = d.sync()
	}
	if err == nil && !movesOpen {
		err = d.close()
	}
	if err == nil {
		err = d.moveTo(root)
	}
	if err != nil {
		_ = bury(staging) // what can't be removed now goes with the next fork
	}
	return errors.Join(err, d.close())
}

func (s *Store) forkFiles(d *disk, names [][2]string, c Copy) error {
	from, ok := s.dir.(*disk)
	if !ok {
		return s.forkInto(&Store{dir: d, mode: ReadWrite, index: newIndex(nil)}, names, c)
	}
	for _, name := range names {
		if err := d.link(filepath.Join(from.events, name[0]), filepath.Join(d.events, name[1])); err != nil {
			return err
		}
	}
	d.pending.add(d.events)
	if err := d.takeFiles(from, observationsDir, d.link, func(string) bool { return true }); err != nil {
		return err
	}
	if c.Files {
		// What tools keep may be changed in place, so it is copied.
		if err := d.takeFiles(from, ".", d.copy, isTools); err != nil {
			return err
		}
	}
	return (&Store{dir: d, mode: ReadWrite}).finishFork(len(names), c)
}

// isTools tells whether a file beside the log is a tool's.
func isTools(name string) bool {
	switch name {
	case stateFile, sidecarFile, ownerLock, "meta.json", "owner_lease.json":
		return false
	}
	return !strings.HasPrefix(name, ".")
}

// takeFiles takes over the files of a directory whose names are wanted.
func (d *disk) takeFiles(from *disk, dir string, take func(from, to string) error, wanted func(name string) bool) error {
	entries, err := os.ReadDir(filepath.Join(from.root, dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !wanted(e.Name()) {
			continue
		}
		to := filepath.Join(d.root, dir)
		if err := os.MkdirAll(to, dirMode); err != nil {
			return &WriteError{Path: to, Err: cause(err)}
		}
		if err := take(filepath.Join(from.root, dir, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
		d.pending.add(to)
	}
	return nil
}

// link gives a file a second name, or copies it where that can't be.
func (d *disk) link(from, to string) error {
	err := os.Link(from, to)
	if err == nil {
		return nil
	}
	if _, gone := os.Lstat(from); gone != nil {
		return missing(from, gone)
	}
	return d.copy(from, to)
}

func (d *disk) copy(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return missing(from, err)
	}
	defer func() { _ = source.Close() }() // opened for reading: nothing to lose
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return &WriteError{Path: to, Err: cause(err)}
	}
	_, err = io.Copy(f, source)
	if err := errors.Join(err, f.Close()); err != nil {
		return &WriteError{Path: to, Err: cause(err)}
	}
	d.pending.add(to)
	return nil
}

// moveTo moves the directory to a place that must be free.
func (d *disk) moveTo(root string) error {
	if err := rename(d.root, root); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fs.ErrExist
		}
		return &WriteError{Path: root, Err: cause(err)}
	}
	if err := syncPath(filepath.Dir(root)); err != nil {
		return &WriteError{Path: filepath.Dir(root), Err: cause(err)}
	}
	return nil
}

// sweepFork removes what a process that died left of a fork. Who still works on
// one holds its lock.
func sweepFork(dir string) error {
	l, err := tryOwn(filepath.Join(dir, ownerLock))
	var locked *LockedError
	if errors.As(err, &locked) || errors.Is(err, errContended) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !movesOpen {
		if err := l.Unlock(); err != nil {
			return err
		}
	}
	return errors.Join(bury(dir), l.Unlock())
}
