package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
)

// Mode says what a store is opened for.
type Mode int

const (
	// ReadOnly takes no lock and creates nothing: a snapshot, see [Store.Refresh].
	ReadOnly Mode = iota
	// ReadWrite creates the directory where it is missing and holds its lock.
	ReadWrite
)

// Store is one conversation's files. Safe for use by several goroutines; what
// is appended is readable from the return of Append on.
type Store struct {
	dir     directory
	mode    Mode
	existed bool

	// writing makes writers wait for each other, also while one of them waits for
	// another program. It is taken before mu.
	writing sync.Mutex

	mu     sync.RWMutex
	index  *index
	closed bool
}

// directory is where the files of a conversation are: on disk or in memory.
// Calls that write come one at a time.
type directory interface {
	// path is "" in memory.
	path() string
	// lock keeps other programs from appending and tells whether one did.
	lock() (*guard, error)
	// mark makes a later lock tell changes from now on.
	mark()
	eventNames() ([]string, error)
	readEvent(name string) ([]byte, error)
	// writeEvent and save write all or nothing, and mark.
	writeEvent(name string, raw []byte) error
	setAside(names []string) error
	load(name string) ([]byte, error)
	save(name string, raw []byte) error
	sync() error
	// stop ends a lock that waits with [ErrClosed].
	stop()
	close() error
}

// guard is a held lock of the event log.
type guard struct {
	changed bool
	unlock  func() error
}

func (g *guard) release() {
	if g.unlock != nil {
		// The lock goes with its descriptor in any case.
		_ = g.unlock()
	}
}

// Open opens the conversation with this id (a UUID, with dashes or without)
// below base. Its errors are [ErrNotFound] (only when reading), [IDError],
// [LockedError] and [WriteError]. Damaged events do not keep it from opening.
func Open(base, id string, mode Mode) (*Store, error) {
	path, err := Path(base, id)
	if err != nil {
		return nil, err
	}
	d, err := openDisk(path, mode)
	if err != nil {
		return nil, fmt.Errorf("opening conversation %s: %w", id, err)
	}
	s := &Store{dir: d, mode: mode, existed: d.exists(stateFile), index: newIndex(nil)}
	if _, err := s.Refresh(); err != nil {
		return nil, errors.Join(fmt.Errorf("opening conversation %s: %w", id, err), d.close())
	}
	if mode == ReadOnly && !s.existed && s.Len() == 0 {
		return nil, fmt.Errorf("opening conversation %s: %w", id, ErrNotFound)
	}
	return s, nil
}

// Memory makes a store that keeps nothing on disk and behaves like an empty one
// opened with [ReadWrite].
func Memory() *Store {
	return &Store{dir: newMemory(), mode: ReadWrite, index: newIndex(nil)}
}

// Dir is the conversation's directory; "" in memory.
func (s *Store) Dir() string { return s.dir.path() }

// Existed tells whether base_state.json was there when the store was opened:
// the conversation is resumed, not begun.
func (s *Store) Existed() bool { return s.existed }

// Len is the number of events.
func (s *Store) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.index.events)
}

// ID is the id of event i, known from its file name; "" if there is none.
func (s *Store) ID(i int) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if i < 0 || i >= len(s.index.events) {
		return ""
	}
	return s.index.events[i].id
}

// Index finds an event by its id without reading a file.
func (s *Store) Index(id string) (int, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	i, ok := s.index.byID[id]
	return i, ok
}

// Problems tells what was passed over when the directory was last read: names
// that are none, gaps, ids and indexes that repeat. At most 100, by file name.
func (s *Store) Problems() []Problem {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return append([]Problem(nil), s.index.problems...)
}

// Append writes an event, one JSON value, at the end of the log. It is not
// flushed to the medium, see [Store.Sync]. When it fails nothing is written and
// the log is as before, but for [ChangedError]. Other errors: [DuplicateError],
// [IDError] (an event id is hex digits and dashes, at least eight), [BusyError]
// after 30 s, [WriteError], [ErrReadOnly], [ErrClosed].
func (s *Store) Append(id string, raw []byte) (int, error) {
	if !isEventID(id) {
		return 0, &IDError{ID: id, Want: "8 to 128 hex digits and dashes"}
	}
	if !json.Valid(raw) {
		return 0, fmt.Errorf("event %s: %w", id, errNotJSON)
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.writable(); err != nil {
		return 0, err
	}
	g, err := s.dir.lock()
	if err != nil {
		return 0, err
	}
	defer g.release()
	if g.changed {
		known := s.Len()
		from, err := s.reread()
		if err != nil {
			return 0, err
		}
		if n := s.Len(); from < known || n > known {
			return 0, &ChangedError{From: from, Len: n}
		}
	}
	if i, ok := s.Index(id); ok {
		return 0, &DuplicateError{ID: id, Index: i}
	}
	// Once the gap is filled OpenHands would take the files behind it for events
	// that came after ours.
	if orphans := s.index.orphans; len(orphans) > 0 {
		if err := s.dir.setAside(orphans); err != nil {
			return 0, err
		}
		s.index.orphans = nil
	}
	n := s.Len()
	e := entry{id: id, name: eventName(n, id)}
	if err := s.dir.writeEvent(e.name, raw); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index.events = append(s.index.events, e)
	s.index.byID[id] = n
	return n, nil
}

// Refresh reads the directory anew and gives the first index at which the log
// differs from what was known; that is [Store.Len] when nothing changed.
func (s *Store) Refresh() (from int, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.isClosed() {
		return 0, ErrClosed
	}
	g, err := s.dir.lock()
	if err != nil {
		return 0, err
	}
	defer g.release()
	if !g.changed {
		return s.Len(), nil
	}
	return s.reread()
}

// reread needs writing and, where there is one, the lock of the log.
func (s *Store) reread() (from int, err error) {
	// A program that takes no lock may write while we read: marking first makes
	// the next append see it.
	s.dir.mark()
	names, err := s.dir.eventNames()
	if err != nil {
		return 0, err
	}
	x := newIndex(names)
	s.mu.Lock()
	defer s.mu.Unlock()
	from = x.differsFrom(s.index)
	s.index = x
	return from, nil
}

// LoadState reads base_state.json. Where there is none the error is
// [fs.ErrNotExist]; a [CorruptError] when it is no JSON.
func (s *Store) LoadState() ([]byte, error) { return s.load(stateFile) }

// SaveState replaces base_state.json, all or nothing.
func (s *Store) SaveState(raw []byte) error { return s.save(stateFile, raw) }

// LoadSidecar is LoadState for agent_rpc.json.
func (s *Store) LoadSidecar() ([]byte, error) { return s.load(sidecarFile) }

// SaveSidecar is SaveState for agent_rpc.json.
func (s *Store) SaveSidecar(raw []byte) error { return s.save(sidecarFile, raw) }

func (s *Store) load(name string) ([]byte, error) {
	if s.isClosed() {
		return nil, ErrClosed
	}
	raw, err := s.dir.load(name)
	if err != nil {
		return nil, err
	}
	return whole(filepath.Join(s.Dir(), name), raw)
}

func (s *Store) save(name string, raw []byte) error {
	if !json.Valid(raw) {
		return fmt.Errorf("saving %s: %w", name, errNotJSON)
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.writable(); err != nil {
		return err
	}
	return s.dir.save(name, raw)
}

// Sync flushes to the medium all that was written since the last Sync.
func (s *Store) Sync() error {
	if s.isClosed() {
		return ErrClosed
	}
	return s.dir.sync()
}

// Close syncs and lets go of the lock. It may be called twice; a waiting Append
// ends with [ErrClosed].
func (s *Store) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	s.dir.stop()
	// The lock of the directory is ours until the last write is done.
	s.writing.Lock()
	defer s.writing.Unlock()
	syncErr := s.dir.sync()
	return errors.Join(syncErr, s.dir.close())
}

// Abandon is Close, and removes the directory again where Open made it and
// nothing was written.
func (s *Store) Abandon() error {
	if s.existed || s.Len() > 0 || s.mode != ReadWrite {
		return s.Close()
	}
	d, ok := s.dir.(*disk)
	if ok && movesOpen {
		// While the lock is ours nobody else can be about to write.
		d.removeEmpty()
	}
	err := s.Close()
	if ok && !movesOpen {
		d.removeEmpty()
	}
	return err
}

func (s *Store) writable() error {
	if s.mode != ReadWrite {
		return ErrReadOnly
	}
	if s.isClosed() {
		return ErrClosed
	}
	return nil
}

func (s *Store) isClosed() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.closed
}

// whole checks that a file holds one JSON value.
func whole(path string, raw []byte) ([]byte, error) {
	if len(raw) == 0 {
		return nil, &CorruptError{Path: path, Err: errEmpty}
	}
	if !json.Valid(raw) {
		return nil, &CorruptError{Path: path, Err: errNotJSON}
	}
	return raw, nil
}

// missing turns the absence of a file that should be there into damage.
func missing(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &CorruptError{Path: path, Err: errors.New("the file is gone")}
	}
	return err
}
