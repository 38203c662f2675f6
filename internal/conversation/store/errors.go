package store

import (
	"errors"
	"fmt"
	"io/fs"
)

// Errors without further data.
var (
	// ErrNotFound says that there is no such conversation.
	ErrNotFound = errors.New("conversation not found")
	// ErrReadOnly says that the store was opened to read.
	ErrReadOnly = errors.New("conversation is open read-only")
	// ErrClosed says that the store is closed.
	ErrClosed = errors.New("conversation store is closed")
	// ErrRange says that there is no event with that index.
	ErrRange = errors.New("no event with that index")
)

// IDError says that an id can't be used in a path.
type IDError struct {
	ID string
	// Want is what an id should be.
	Want string
}

func (e *IDError) Error() string { return fmt.Sprintf("bad id %q: it must be %s", e.ID, e.Want) }

// LockedError says that another process holds the conversation.
type LockedError struct {
	// Holder tells who; it is zero when the holder did not say.
	Holder
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return "conversation is open in another process"
	}
	return fmt.Sprintf("conversation is open in process %d on %s", e.PID, e.Host)
}

// BusyError says that somebody held the lock of the event log for too long.
type BusyError struct{ Path string }

func (e *BusyError) Error() string {
	return fmt.Sprintf("event log is locked by another program for more than %s: %s", appendWait, e.Path)
}

// DuplicateError says that the log has an event with that id already.
type DuplicateError struct {
	ID    string
	Index int
}

func (e *DuplicateError) Error() string {
	return fmt.Sprintf("event %s is in the log already, at index %d", e.ID, e.Index)
}

// ChangedError says that another program wrote to the log, so that nothing was
// appended. The store has reread the directory: the events before From are as
// they were, those from From up to Len are new to the caller. After reading
// them the caller may append again.
type ChangedError struct{ From, Len int }

func (e *ChangedError) Error() string {
	return fmt.Sprintf("another program changed the event log from index %d on; it has %d events now", e.From, e.Len)
}

// CorruptError says that a file does not hold what it should: it is gone, empty,
// half-written or no JSON. Other events can still be read.
type CorruptError struct {
	Path string
	Err  error
}

func (e *CorruptError) Error() string { return fmt.Sprintf("%s is damaged: %v", e.Path, e.Err) }

// Unwrap gives the cause.
func (e *CorruptError) Unwrap() error { return e.Err }

var (
	errEmpty   = errors.New("the file is empty")
	errNotJSON = errors.New("not one whole JSON value")
)

// WriteError says that something could not be written. What was there before is
// unchanged.
type WriteError struct {
	Path string
	Err  error
}

func (e *WriteError) Error() string {
	return fmt.Sprintf("writing %s: %v (%s)", e.Path, e.Err, e.Remedy())
}

// Unwrap gives the cause.
func (e *WriteError) Unwrap() error { return e.Err }

// Remedy tells the user what would help.
func (e *WriteError) Remedy() string {
	switch {
	case isFull(e.Err):
		return "free some disk space or raise the quota, then try again"
	case errors.Is(e.Err, fs.ErrPermission), isReadOnly(e.Err):
		return "make the directory writable or choose another persistence directory"
	case errors.Is(e.Err, fs.ErrNotExist):
		return "the conversation's directory was removed; open it again"
	}
	return "check the persistence directory and its file system"
}
