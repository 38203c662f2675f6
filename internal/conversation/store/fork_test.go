package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const forkID = "0f0f0f0f-1111-4222-8333-444455556666"

func forkCopy(base string, events ...int) Copy {
	return Copy{Base: base, ID: forkID, Events: events, State: []byte(`{"id":"fork"}`), Sidecar: []byte(`{"version":1}`)}
}

// source is a conversation of four events, with what tools and OpenHands' server
// keep beside them.
func source(t testing.TB, base string) *Store {
	s := mustOpen(t, base)
	appendN(t, s, 4)
	for _, err := range []error{s.SaveState([]byte(`{"id":"source"}`)), s.SaveSidecar([]byte(`{"version":1,"queue":[]}`))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"observations/out.txt", "TASKS.json", "meta.json", "owner_lease.json", ".hidden", "subagents/x/TASKS.json"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(s.Dir(), name)), 0o700); err != nil {
			t.Fatal(err)
		}
		writeTest(t, filepath.Join(s.Dir(), name), name)
	}
	return s
}

func TestForkTakesOver(t *testing.T) {
	tests := []struct {
		name   string
		copy   func(*Copy)
		want   []string
		beside []string
	}{
		{"everything", func(c *Copy) { c.Events, c.Files = []int{0, 1, 2, 3}, true }, []string{eventID(0), eventID(1), eventID(2), eventID(3)}, []string{"TASKS.json"}},
		{"a path", func(c *Copy) { c.Events = []int{0, 3} }, []string{eventID(0), eventID(3)}, nil},
		{"nothing", func(*Copy) {}, nil, nil},
		{"more", func(c *Copy) {
			c.Events, c.More = []int{1}, []NewEvent{{eventID(7), []byte(body(7))}, {eventID(8), []byte(body(8))}}
		}, []string{eventID(1), eventID(7), eventID(8)}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			base := t.TempDir()
			s := source(t, base)
			before := tree(t, s.Dir())
			c := forkCopy(base)
			tt.copy(&c)
			if made, err := s.Fork(c); made != nil || err != nil {
				t.Fatal(made, err)
			}
			f, err := Open(base, forkID, ReadWrite)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = f.Close() })
			if !f.Existed() || f.Len() != len(tt.want) || len(f.Problems()) != 0 {
				t.Fatalf("existed %t, %d events, problems %v", f.Existed(), f.Len(), f.Problems())
			}
			want := append([]string{"agent-rpc.lock", "agent_rpc.json", "base_state.json", "events/.eventlog.lock", "observations/out.txt"}, tt.beside...)
			for i, id := range tt.want {
				want = append(want, "events/"+eventName(i, id))
				if f.ID(i) != id {
					t.Errorf("event %d is %s, want %s", i, f.ID(i), id)
				}
				raw, err := f.Read(i)
				if at, ok := s.Index(id); ok && string(raw) != body(at) || err != nil {
					t.Errorf("event %d: %s, %v", i, raw, err)
				}
			}
			slices.Sort(want)
			wantTree(t, f.Dir(), want...)
			if state, err := f.LoadState(); string(state) != `{"id":"fork"}` || err != nil {
				t.Errorf("state: %s, %v", state, err)
			}
			// Neither of the two notices what becomes of the other.
			if _, err := f.Append(eventID(20), []byte(body(20))); err != nil {
				t.Error(err)
			}
			writeTest(t, filepath.Join(f.Dir(), "TASKS.json"), "changed")
			wantTree(t, s.Dir(), before...)
			if text := readFile(t, filepath.Join(s.Dir(), "TASKS.json")); text != "TASKS.json" {
				t.Errorf("the source's file is %q now", text)
			}
			if err := Delete(base, convID); err != nil {
				t.Fatal(err)
			}
			if raw, err := f.Read(0); err != nil {
				t.Errorf("after the source is gone: %s, %v", raw, err)
			}
			onlyLists(t, base, forkID)
		})
	}
}

// onlyLists checks what is listed, and that nothing half-made is left.
func onlyLists(t testing.TB, base string, ids ...string) {
	t.Helper()
	list, err := List(base)
	if err != nil || len(list) != len(ids) {
		t.Fatalf("listed: %v, %v", list, err)
	}
	for i, id := range ids {
		if list[i].ID != id {
			t.Errorf("listed: %v, want %s", list, id)
		}
	}
	names, err := readNames(base)
	if err != nil || len(names) != len(ids) {
		t.Errorf("left: %q, %v", names, err)
	}
}

func TestForkFails(t *testing.T) {
	base := t.TempDir()
	s := source(t, base)
	t.Run("no such event", func(t *testing.T) {
		if _, err := s.Fork(forkCopy(base, 0, 4)); !errors.Is(err, ErrRange) {
			t.Error(err)
		}
		onlyLists(t, base, convID)
	})
	t.Run("an event file is gone", func(t *testing.T) {
		path := filepath.Join(s.Dir(), "events", eventName(2, eventID(2)))
		text := readFile(t, path)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		var corrupt *CorruptError
		if _, err := s.Fork(forkCopy(base, 0, 1, 2, 3)); !errors.As(err, &corrupt) {
			t.Error(err)
		}
		onlyLists(t, base, convID)
		writeTest(t, path, text)
	})
	t.Run("the id is taken", func(t *testing.T) {
		c := forkCopy(base, 0)
		c.ID = convID
		if _, err := s.Fork(c); !errors.Is(err, fs.ErrExist) {
			t.Error(err)
		}
		onlyLists(t, base, convID)
	})
	t.Run("the id is no id", func(t *testing.T) {
		c := forkCopy(base, 0)
		c.ID = "../elsewhere"
		var id *IDError
		if _, err := s.Fork(c); !errors.As(err, &id) {
			t.Error(err)
		}
	})
	t.Run("closed", func(t *testing.T) {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Fork(forkCopy(base, 0)); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
}

func TestForkInMemory(t *testing.T) {
	s := Memory()
	appendN(t, s, 4)
	f, err := s.Fork(forkCopy("", 0, 2))
	if err != nil || f.Len() != 2 || f.ID(1) != eventID(2) || !f.Existed() || f.Dir() != "" {
		t.Fatalf("%+v %v", f, err)
	}
	if i, err := f.Append(eventID(9), []byte(body(9))); i != 2 || err != nil || s.Len() != 4 {
		t.Errorf("appended at %d, %v; the source has %d", i, err, s.Len())
	}
}

// What a process that died left of a fork goes with the next fork or delete; what
// one still works on stays.
func TestForksAreSwept(t *testing.T) {
	base := t.TempDir()
	s := source(t, base)
	dead, alive := filepath.Join(base, forkPrefix+"dead"), filepath.Join(base, forkPrefix+"alive")
	leave := func() {
		if err := os.MkdirAll(filepath.Join(dead, "events"), 0o700); err != nil {
			t.Fatal(err)
		}
		writeTest(t, filepath.Join(dead, "events", eventName(0, eventID(0))), body(0))
	}
	d, err := openDisk(alive, ReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	leave()
	onlyListed := func() {
		t.Helper()
		for _, name := range must(readNames(base)) {
			if strings.HasSuffix(name, "dead") {
				t.Error("the dead one is left")
			}
		}
		if _, err := os.Stat(filepath.Join(alive, "events")); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Fork(forkCopy(base, 0)); err != nil {
		t.Fatal(err)
	}
	onlyListed()
	leave()
	if err := Delete(base, forkID); err != nil {
		t.Fatal(err)
	}
	onlyListed()
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	if err := Delete(base, forkID); err != nil {
		t.Fatal(err)
	}
	onlyLists(t, base, convID)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A conversation that was not begun leaves nothing, and nothing is lost.
func TestAbandon(t *testing.T) {
	base := t.TempDir()
	if err := mustOpen(t, base).Abandon(); err != nil {
		t.Fatal(err)
	}
	onlyLists(t, base)
	for name, write := range map[string]func(s *Store) error{
		"an event": func(s *Store) error { _, err := s.Append(eventID(0), []byte(body(0))); return err },
		"a state":  func(s *Store) error { return s.SaveState([]byte(`{}`)) },
		"a file":   func(s *Store) error { return os.WriteFile(filepath.Join(s.Dir(), "notes"), nil, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			base := t.TempDir()
			s := mustOpen(t, base)
			if err := write(s); err != nil {
				t.Fatal(err)
			}
			before := tree(t, s.Dir())
			if err := s.Abandon(); err != nil {
				t.Fatal(err)
			}
			wantTree(t, s.Dir(), before...)
			if h, err := Owner(base, convID); h != nil || err != nil {
				t.Errorf("held by %v, %v", h, err)
			}
		})
	}
}

func TestObservation(t *testing.T) {
	base := t.TempDir()
	s := source(t, base)
	f, err := s.Observation("out.txt")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	dir := filepath.Join(s.Dir(), "observations")
	if err := os.Symlink(filepath.Join(s.Dir(), "base_state.json"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", ".", "..", "../base_state.json", "/etc/passwd", "folder", "link", "none", `..\base_state.json`, "folder/../out.txt", "a\x00b"} {
		if f, err := s.Observation(name); err == nil {
			t.Errorf("%q was opened", name)
			_ = f.Close()
		} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := Memory().Observation("out.txt"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func BenchmarkFork10k(b *testing.B) {
	base := bench10k(b)
	s := mustOpen(b, base)
	c := forkCopy(base)
	for i := range s.Len() {
		c.Events = append(c.Events, i)
	}
	for b.Loop() {
		if _, err := s.Fork(c); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := Delete(base, forkID); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
