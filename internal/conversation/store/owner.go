package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// Holder is who has a conversation open for writing.
type Holder struct {
	PID  int    `json:"pid"`
	Host string `json:"host"`
}

// Owner tells who has a conversation open for writing: nil if nobody. It
// creates nothing and takes no lock that lasts.
func Owner(base, id string) (*Holder, error) {
	root, err := Path(base, id)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(root, ownerLock)
	l := flock.New(path, flock.SetFlag(os.O_RDONLY))
	ok, err := l.TryRLock()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !ok {
		h := readHolder(path)
		return &h, nil
	}
	return nil, l.Unlock()
}

// ownerWait bounds how long Open tries while others only look who the owner is
// or while the directory is being deleted.
const ownerWait = time.Second

// takeOwnership makes the directory and locks it.
func takeOwnership(root string) (*flock.Flock, error) {
	events := filepath.Join(root, eventsDir)
	path := filepath.Join(root, ownerLock)
	deadline := time.Now().Add(ownerWait)
	for pause := pollFirst; ; pause = min(2*pause, pollMost) {
		var l *flock.Flock
		err := os.MkdirAll(events, dirMode)
		if err != nil {
			err = &WriteError{Path: events, Err: cause(err)}
		} else {
			l, err = tryOwn(path)
		}
		// A directory that is deleted meanwhile may be found by one call and be gone
		// at the next; a file in its place is another error.
		again := errors.Is(err, errContended) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist)
		if !again || time.Now().After(deadline) {
			return l, err
		}
		time.Sleep(pause)
	}
}

var errContended = errors.New("the lock is being looked at or moved")

func tryOwn(path string) (*flock.Flock, error) {
	l := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(fileMode))
	ok, err := l.TryLock()
	if err != nil {
		return nil, &WriteError{Path: path, Err: cause(err)}
	}
	if ok {
		if !isAt(l, path) {
			// Deleted between open and lock.
			return nil, errors.Join(errContended, l.Unlock())
		}
		writeHolder(path)
		return l, nil
	}
	// Those who only look hold a shared lock, an owner an exclusive one.
	shared, err := l.TryRLock()
	if err != nil {
		return nil, &WriteError{Path: path, Err: cause(err)}
	}
	if shared {
		return nil, errors.Join(errContended, l.Unlock())
	}
	return nil, &LockedError{Holder: readHolder(path)}
}

// On Windows a locked byte can't be read or written by others. flock takes byte
// 0, so what others should read begins at byte 1; a fixed length spares us from
// truncating.
const (
	holderStart = 1
	holderSize  = 512
)

// writeHolder says who we are. It is a courtesy: a failure changes nothing.
func writeHolder(path string) {
	host, err := os.Hostname()
	if err != nil {
		host = "this machine"
	}
	raw, err := json.Marshal(Holder{PID: os.Getpid(), Host: host})
	if err != nil || len(raw) >= holderSize {
		return
	}
	f, err := os.OpenFile(path, os.O_RDWR, fileMode)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	text := bytes.Repeat([]byte(" "), holderSize)
	copy(text, raw)
	text[holderSize-1] = '\n'
	_, _ = f.WriteAt(text, holderStart)
	// Makes the file plain text; refused on Windows, where nobody reads byte 0.
	_, _ = f.WriteAt([]byte("\n"), 0)
}

func readHolder(path string) Holder {
	f, err := os.Open(path)
	if err != nil {
		return Holder{}
	}
	defer func() { _ = f.Close() }()
	text := make([]byte, holderSize)
	n, _ := f.ReadAt(text, holderStart)
	var h Holder
	if json.Unmarshal(text[:n], &h) != nil {
		return Holder{}
	}
	return h
}
