package store

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"
)

const convID = "6f1c2a34-9b77-4f0e-8a51-0c4d5e6f7a8b"

// TestSuite holds what every store must do, wherever it keeps its bytes.
func TestSuite(t *testing.T) {
	t.Run("disk", func(t *testing.T) {
		suite(t, func(t *testing.T) *Store { return mustOpen(t, t.TempDir()) })
	})
	t.Run("memory", func(t *testing.T) {
		suite(t, func(t *testing.T) *Store { return Memory() })
	})
}

func suite(t *testing.T, open func(*testing.T) *Store) {
	t.Run("new is empty", func(t *testing.T) {
		s := open(t)
		if s.Existed() || s.Len() != 0 || s.ID(0) != "" || len(s.Problems()) != 0 {
			t.Errorf("existed %v, len %d, id %q, problems %v", s.Existed(), s.Len(), s.ID(0), s.Problems())
		}
		if _, err := s.LoadState(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("LoadState: %v", err)
		}
		if _, err := s.LoadSidecar(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("LoadSidecar: %v", err)
		}
	})
	t.Run("append and read", func(t *testing.T) {
		s := open(t)
		for i := range 40 {
			raw := []byte(body(i))
			got, err := s.Append(eventID(i), raw)
			if err != nil || got != i {
				t.Fatalf("Append %d: %d, %v", i, got, err)
			}
			// The store keeps its own copy.
			clear(raw)
		}
		wantLog(t, s, 40)
		if i, ok := s.Index("00000000-none"); ok {
			t.Errorf("found an id that is not there at %d", i)
		}
	})
	t.Run("range bounds", func(t *testing.T) {
		s := open(t)
		appendN(t, s, 20)
		for _, c := range []struct{ from, to, first, n int }{
			{0, 20, 0, 20}, {5, 9, 5, 4}, {-3, 2, 0, 2}, {18, 99, 18, 2}, {7, 7, 0, 0}, {9, 3, 0, 0}, {50, 60, 0, 0},
		} {
			i := c.first
			for raw, err := range s.Range(c.from, c.to) {
				if err != nil || string(raw) != body(i) {
					t.Errorf("Range(%d, %d) at %d: %s, %v", c.from, c.to, i, raw, err)
				}
				i++
			}
			if i-c.first != c.n {
				t.Errorf("Range(%d, %d) gave %d events, want %d", c.from, c.to, i-c.first, c.n)
			}
		}
		for range s.Range(0, 20) {
			break
		}
	})
	t.Run("append while ranging", func(t *testing.T) {
		s := open(t)
		appendN(t, s, 10)
		seen := 0
		for range s.Range(0, s.Len()) {
			if _, err := s.Append(eventID(10+seen), []byte(body(10+seen))); err != nil {
				t.Fatal(err)
			}
			seen++
		}
		if seen != 10 {
			t.Errorf("saw %d events, want the 10 from before the loop", seen)
		}
		wantLog(t, s, 20)
	})
	t.Run("what can't be appended", func(t *testing.T) {
		s := open(t)
		appendN(t, s, 2)
		var duplicate *DuplicateError
		if _, err := s.Append(eventID(1), []byte("{}")); !errors.As(err, &duplicate) || duplicate.Index != 1 {
			t.Errorf("duplicate: %v", err)
		}
		for _, id := range []string{"", "abc", "../../../../etc/passwd", "0000000g", "00000000/"} {
			var bad *IDError
			if _, err := s.Append(id, []byte("{}")); !errors.As(err, &bad) {
				t.Errorf("id %q: %v", id, err)
			}
		}
		for _, raw := range []string{"", "{", `{"a":1}x`} {
			if _, err := s.Append(eventID(9), []byte(raw)); err == nil {
				t.Errorf("appended %q", raw)
			}
		}
		wantLog(t, s, 2)
	})
	t.Run("read out of range", func(t *testing.T) {
		s := open(t)
		appendN(t, s, 1)
		for _, i := range []int{-1, 1, 1 << 40} {
			if _, err := s.Read(i); !errors.Is(err, ErrRange) {
				t.Errorf("Read(%d): %v", i, err)
			}
		}
	})
	t.Run("state and sidecar", func(t *testing.T) {
		s := open(t)
		for _, raw := range []string{`{"a":1}`, `{"b":22222222}`, `{}`} {
			if err := s.SaveState([]byte(raw)); err != nil {
				t.Fatal(err)
			}
			if err := s.SaveSidecar([]byte(`{"sidecar":` + raw + `}`)); err != nil {
				t.Fatal(err)
			}
			if got, err := s.LoadState(); err != nil || string(got) != raw {
				t.Errorf("state: %s, %v", got, err)
			}
			if got, err := s.LoadSidecar(); err != nil || string(got) != `{"sidecar":`+raw+`}` {
				t.Errorf("sidecar: %s, %v", got, err)
			}
		}
		if err := s.SaveState([]byte(`{"half":`)); err == nil {
			t.Error("saved half a state")
		}
		if got, _ := s.LoadState(); string(got) != `{}` {
			t.Errorf("a refused save changed the state to %s", got)
		}
	})
	t.Run("refresh without a change", func(t *testing.T) {
		s := open(t)
		appendN(t, s, 3)
		if from, err := s.Refresh(); err != nil || from != 3 {
			t.Errorf("Refresh: %d, %v", from, err)
		}
		wantLog(t, s, 3)
	})
	t.Run("closed", func(t *testing.T) {
		s := open(t)
		appendN(t, s, 1)
		for range 2 {
			if err := s.Close(); err != nil {
				t.Fatalf("Close: %v", err)
			}
		}
		_, appendErr := s.Append(eventID(1), []byte("{}"))
		_, readErr := s.Read(0)
		_, loadErr := s.LoadState()
		_, refreshErr := s.Refresh()
		errs := []error{appendErr, readErr, loadErr, refreshErr, s.SaveState([]byte("{}")), s.Sync()}
		for _, err := range s.Range(0, 1) {
			errs = append(errs, err)
		}
		for i, err := range errs {
			if !errors.Is(err, ErrClosed) {
				t.Errorf("call %d after Close: %v", i, err)
			}
		}
	})
	t.Run("several goroutines", func(t *testing.T) {
		s := open(t)
		const each = 25
		errs := make(chan error)
		for w := range 4 {
			go func() {
				var err error
				for i := range each {
					if _, e := s.Append(eventID(w*each+i), []byte(body(i))); e != nil {
						err = e
					}
					for _, e := range s.Range(0, s.Len()) {
						err = errors.Join(err, e)
					}
					err = errors.Join(err, s.SaveState([]byte("{}")), s.Sync())
				}
				errs <- err
			}()
		}
		for range 4 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		ids := map[string]bool{}
		for i := range s.Len() {
			ids[s.ID(i)] = true
		}
		if s.Len() != 4*each || len(ids) != 4*each {
			t.Errorf("%d events with %d ids, want %d", s.Len(), len(ids), 4*each)
		}
	})
}

func mustOpen(t testing.TB, base string) *Store {
	t.Helper()
	s, err := Open(base, convID, ReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func appendN(t testing.TB, s *Store, n int) {
	t.Helper()
	for range n {
		i := s.Len()
		if _, err := s.Append(eventID(i), []byte(body(i))); err != nil {
			t.Fatal(err)
		}
	}
}

// wantLog checks that a store has the n events of appendN, through every way to
// read them.
func wantLog(t testing.TB, s *Store, n int) {
	t.Helper()
	if s.Len() != n {
		t.Errorf("Len is %d, want %d", s.Len(), n)
	}
	var ranged []string
	for raw, err := range s.Range(0, n) {
		if err != nil {
			t.Error(err)
		}
		ranged = append(ranged, string(raw))
	}
	var want []string
	for i := range n {
		want = append(want, body(i))
		if raw, err := s.Read(i); err != nil || string(raw) != body(i) {
			t.Errorf("event %d: %s, %v", i, raw, err)
		}
		if got, ok := s.Index(eventID(i)); !ok || got != i || s.ID(i) != eventID(i) {
			t.Errorf("event %d: found at %d, %v; its id is %s", i, got, ok, s.ID(i))
		}
	}
	if !slices.Equal(ranged, want) {
		t.Errorf("Range gave %q\nwant %q", ranged, want)
	}
}

func eventID(i int) string { return fmt.Sprintf("%08x-1111-4222-8333-944455556666", i) }

func body(i int) string {
	return fmt.Sprintf(`{"id":"%s","n":%d,"text":"zwölf Boxkämpfer","kind":"PauseEvent"}`, eventID(i), i)
}
