package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"
)

// TestModel does what people and programs do to a conversation in any order and
// compares the store with a plain list.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base, err := os.MkdirTemp("", "store-model-")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(base) }()
		m := &model{base: base}
		m.open(t)
		defer func() { _ = m.s.Close() }()
		t.Repeat(map[string]func(*rapid.T){
			"":        m.check,
			"append":  m.append,
			"foreign": m.foreign,
			"chop":    m.chop,
			"damage":  m.damage,
			"junk":    m.junk,
			"state":   m.state,
			"refresh": m.refresh,
			"reopen":  m.reopen,
			"sync":    m.sync,
		})
	})
}

type model struct {
	base string
	s    *Store
	ids  int
	// disk is what is there, known what the store was told.
	disk, known []modelEvent
	lastState   string
}

type modelEvent struct {
	id, raw string
	damaged bool
}

func (m *model) open(t *rapid.T) {
	s, err := Open(m.base, convID, ReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	if s.Existed() != (m.lastState != "") {
		t.Fatalf("Existed is %v", s.Existed())
	}
	m.s = s
	m.learn()
}

func (m *model) learn() { m.known = append([]modelEvent(nil), m.disk...) }

func (m *model) next() modelEvent {
	m.ids++
	return modelEvent{id: eventID(m.ids), raw: fmt.Sprintf(`{"n":%d}`, m.ids)}
}

func (m *model) path(i int) string {
	return filepath.Join(m.s.Dir(), "events", eventName(i, m.disk[i].id))
}

func (m *model) append(t *rapid.T) {
	e := m.next()
	from, changed := m.difference()
	n, err := m.s.Append(e.id, []byte(e.raw))
	if changed {
		var told *ChangedError
		if !errors.As(err, &told) || told.From != from || told.Len != len(m.disk) {
			t.Fatalf("Append: %v; the log differs from %d on and has %d", err, from, len(m.disk))
		}
		m.learn()
		n, err = m.s.Append(e.id, []byte(e.raw))
	}
	if err != nil || n != len(m.disk) {
		t.Fatalf("Append: %d, %v", n, err)
	}
	m.disk = append(m.disk, e)
	m.learn()
}

func (m *model) difference() (from int, changed bool) {
	n := min(len(m.disk), len(m.known))
	for i := range n {
		if m.disk[i].id != m.known[i].id {
			return i, true
		}
	}
	return n, len(m.disk) != len(m.known)
}

func (m *model) foreign(t *rapid.T) {
	m.disk = append(m.disk, m.next())
	i := len(m.disk) - 1
	if err := os.WriteFile(m.path(i), []byte(m.disk[i].raw), 0o600); err != nil {
		t.Fatal(err)
	}
}

// chop takes events away from the end.
func (m *model) chop(t *rapid.T) {
	if len(m.disk) == 0 {
		t.Skip("nothing to take away")
	}
	keep := rapid.IntRange(0, len(m.disk)-1).Draw(t, "keep")
	for i := len(m.disk) - 1; i >= keep; i-- {
		if err := os.Remove(m.path(i)); err != nil {
			t.Fatal(err)
		}
	}
	m.disk = m.disk[:keep]
}

func (m *model) damage(t *rapid.T) {
	if len(m.disk) == 0 {
		t.Skip("nothing to damage")
	}
	i := rapid.IntRange(0, len(m.disk)-1).Draw(t, "index")
	keep := rapid.IntRange(0, len(m.disk[i].raw)-1).Draw(t, "bytes")
	if m.disk[i].damaged {
		t.Skip("damaged already")
	}
	if err := os.WriteFile(m.path(i), []byte(m.disk[i].raw[:keep]), 0o600); err != nil {
		t.Fatal(err)
	}
	m.disk[i].damaged = true
	if i < len(m.known) && m.known[i].id == m.disk[i].id {
		m.known[i].damaged = true
	}
}

func (m *model) junk(t *rapid.T) {
	name := rapid.SampledFrom([]string{"x.json", "event-1-abcdefab.json", ".hidden", "event-00000-abcdefab.json.tmp"}).Draw(t, "name")
	if err := os.WriteFile(filepath.Join(m.s.Dir(), "events", name), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (m *model) state(t *rapid.T) {
	m.lastState = fmt.Sprintf(`{"state":%d}`, rapid.IntRange(0, 1<<30).Draw(t, "state"))
	if err := m.s.SaveState([]byte(m.lastState)); err != nil {
		t.Fatal(err)
	}
}

func (m *model) refresh(t *rapid.T) {
	want, _ := m.difference()
	if from, err := m.s.Refresh(); err != nil || from != want {
		t.Fatalf("Refresh: %d, %v, want %d", from, err, want)
	}
	m.learn()
}

func (m *model) reopen(t *rapid.T) {
	if err := m.s.Close(); err != nil {
		t.Fatal(err)
	}
	m.open(t)
}

func (m *model) sync(t *rapid.T) {
	if err := m.s.Sync(); err != nil {
		t.Fatal(err)
	}
}

func (m *model) check(t *rapid.T) {
	if m.s.Len() != len(m.known) {
		t.Fatalf("Len is %d, want %d", m.s.Len(), len(m.known))
	}
	i := 0
	for raw, err := range m.s.Range(0, m.s.Len()) {
		want := m.known[i]
		if at, ok := m.s.Index(want.id); !ok || at != i || m.s.ID(i) != want.id {
			t.Fatalf("event %d: %s found at %d, %v", i, want.id, at, ok)
		}
		gone := i >= len(m.disk) || m.disk[i].id != want.id
		if want.damaged || gone {
			var corrupt *CorruptError
			if !errors.As(err, &corrupt) {
				t.Fatalf("event %d is damaged (gone: %v) and reads as %q, %v", i, gone, raw, err)
			}
		} else if err != nil || string(raw) != want.raw {
			t.Fatalf("event %d: %q, %v, want %q", i, raw, err, want.raw)
		}
		i++
	}
	if raw, err := m.s.LoadState(); m.lastState != "" && string(raw) != m.lastState {
		t.Fatalf("state %s, %v, want %s", raw, err, m.lastState)
	}
}
