package conversation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/store"
)

// cuts are the forms of one event for clients with a limit, each made once.
type cuts struct {
	mu    sync.Mutex
	forms map[int]json.RawMessage
}

// Cut gives the event's JSON for a client that takes strings of up to limit
// bytes, see [event.Cut]; 0 is no limit. The form is made once, whoever asks.
func (r Record) Cut(limit int) json.RawMessage {
	if limit <= 0 || len(r.JSON) <= limit {
		return r.JSON
	}
	if r.cuts == nil {
		return event.Cut(r.JSON, r.Event.Head().ID, limit)
	}
	r.cuts.mu.Lock()
	defer r.cuts.mu.Unlock()
	form, ok := r.cuts.forms[limit]
	if !ok {
		form = event.Cut(r.JSON, r.Event.Head().ID, limit)
		if r.cuts.forms == nil {
			r.cuts.forms = map[int]json.RawMessage{}
		}
		r.cuts.forms[limit] = form
	}
	return form
}

// BlobQuery asks for a piece of something large: a string of an event, named as
// [event.Blob] does, or "observations/NAME", which is what a tool saved because
// it was too long for its event.
type BlobQuery struct {
	Blob string
	// Offset and Limit are in bytes; Limit is [DefaultPiece] if 0.
	Offset, Limit int
}

// The length of a piece in bytes, and the most.
const (
	DefaultPiece = 256 << 10
	MaxPiece     = 4 << 20
)

// BlobPiece is a part of something large.
type BlobPiece struct {
	// Text is the part, whole characters of UTF-8, and Data what it is where it is
	// no text; nil where it is.
	Text string
	Data []byte
	// Offset is where it begins: up to three bytes before the one that was asked
	// for, where that is in the middle of a character. Size is the length of the
	// whole.
	Offset, Size int
	// End is where the next piece begins.
	End int
}

// Blob reads a piece of something large of a conversation that need not be open.
// A [ValueError] says that the conversation has nothing of that name.
func (m *Manager) Blob(base, id string, q BlobQuery, reply func(BlobPiece, error)) {
	if c := m.Opened(id); c != nil {
		err := c.request(func(err error) { reply(BlobPiece{}, err) }, func(context.Context) { reply(readBlob(c.store, q)) })
		if err == nil {
			return
		}
	}
	if base == "" {
		base = m.base
	}
	id, err := ParseID(id)
	if err != nil {
		reply(BlobPiece{}, err)
		return
	}
	s, err := store.Open(base, id, store.ReadOnly)
	switch {
	case errors.Is(err, store.ErrNotFound):
		reply(BlobPiece{}, ErrNotFound)
		return
	case err != nil:
		reply(BlobPiece{}, &PersistenceError{err})
		return
	}
	p, err := readBlob(s, q)
	reply(p, errors.Join(err, s.Close()))
}

func readBlob(s *store.Store, q BlobQuery) (BlobPiece, error) {
	none := func() (BlobPiece, error) {
		return BlobPiece{}, &ValueError{"blob", fmt.Sprintf("the conversation has nothing that is named %q", q.Blob)}
	}
	first, rest, _ := strings.Cut(q.Blob, "/")
	if first == observations {
		f, err := s.Observation(rest)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
			return none()
		}
		if err != nil {
			return BlobPiece{}, &PersistenceError{err}
		}
		defer func() { _ = f.Close() }() // opened for reading: nothing to lose
		info, err := f.Stat()
		if err != nil {
			return BlobPiece{}, &PersistenceError{err}
		}
		return readPiece(f, int(info.Size()), q)
	}
	at, ok := s.Index(first)
	if !ok {
		return none()
	}
	raw, err := s.Read(at)
	if err != nil {
		return BlobPiece{}, &PersistenceError{err}
	}
	text, ok := event.StringAt(raw, q.Blob[len(first):])
	if !ok {
		return none()
	}
	return readPiece(strings.NewReader(text), len(text), q)
}

// observations is the folder in which tools save what is too long for an event.
const observations = "observations"

func readPiece(r io.ReaderAt, size int, q BlobQuery) (BlobPiece, error) {
	switch {
	case q.Offset < 0 || q.Offset > size:
		return BlobPiece{}, &ValueError{"offset", fmt.Sprintf("must be from 0 to %d", size)}
	case q.Limit < 0 || q.Limit > MaxPiece:
		return BlobPiece{}, &ValueError{"limit", fmt.Sprintf("must be from 1 to %d", MaxPiece)}
	case q.Limit == 0:
		q.Limit = DefaultPiece
	}
	// A character may begin up to three bytes before the piece, and end as far
	// behind it.
	const around = utf8.UTFMax - 1
	from := max(q.Offset-around, 0)
	buf := make([]byte, min(q.Offset+q.Limit+around, size)-from)
	if n, err := r.ReadAt(buf, int64(from)); err != nil && (n < len(buf) || !errors.Is(err, io.EOF)) {
		return BlobPiece{}, &PersistenceError{err}
	}
	start, end := q.Offset-from, min(q.Offset-from+q.Limit, len(buf))
	if first, _ := character(buf, start); first < start {
		start = first
	}
	if first, last := character(buf, end); first > start {
		end = first
	} else if first < end {
		end = last // at least one character
	}
	p := BlobPiece{Offset: from + start, Size: size, End: from + end}
	if part := buf[start:end]; utf8.Valid(part) {
		p.Text = string(part)
	} else {
		p.Data = part
	}
	return p, nil
}

// character gives the bounds of the character in whose middle at is; at itself
// where it is in none.
func character(buf []byte, at int) (first, last int) {
	for first = at - 1; first >= max(at-utf8.UTFMax+1, 0); first-- {
		if _, n := utf8.DecodeRune(buf[first:]); n > 1 && first+n > at {
			return first, first + n
		}
	}
	return at, at
}
