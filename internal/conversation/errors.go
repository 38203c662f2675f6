package conversation

import (
	"errors"
	"fmt"
)

// ErrNotFound says that there is no such conversation.
var ErrNotFound = errors.New("conversation not found")

// ErrClosed says that the conversation was closed meanwhile.
var ErrClosed = errors.New("conversation is closed")

// ErrDraining says that the process is shutting down.
var ErrDraining = errors.New("the server is shutting down")

// ErrNoRun says that a tool asked the user something outside of a run.
var ErrNoRun = errors.New("outside of a run nobody can be asked")

// ErrRequestNotFound says that no such request waits, or ever did.
var ErrRequestNotFound = errors.New("no such request")

// BusyError says that a run is going on, or without a RunID that a call is
// carried out by RunTool or RerunActions.
type BusyError struct {
	RunID  string
	Status Status
}

func (e *BusyError) Error() string {
	if e.RunID == "" {
		return "a tool call outside of a run is going on"
	}
	return fmt.Sprintf("a run is going on (status %s)", e.Status)
}

// StateError says that a verb makes no sense in the conversation's state.
type StateError struct {
	Status Status
	// Allowed lists the statuses in which it would.
	Allowed []Status
	Message string
}

func (e *StateError) Error() string { return e.Message }

// LockedError says that another process holds the conversation, or that it was
// opened for reading only.
type LockedError struct {
	Owner   Owner
	Message string
}

func (e *LockedError) Error() string { return e.Message }

// ValueError says that a value given by the caller is not right.
type ValueError struct {
	Field   string
	Message string
}

func (e *ValueError) Error() string { return e.Field + ": " + e.Message }

// PersistenceError says that the disk refused.
type PersistenceError struct{ Err error }

func (e *PersistenceError) Error() string { return "storing the conversation: " + e.Err.Error() }

func (e *PersistenceError) Unwrap() error { return e.Err }
