package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestWorkspaces(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "conversations")
	a, b := NewWorkspaces(dir), NewWorkspaces(dir) // two processes
	get := func(w *Workspaces, path, want string) {
		t.Helper()
		got, err := w.Get(path)
		var plain bytes.Buffer
		if got != nil {
			err = errors.Join(err, json.Compact(&plain, got))
		}
		if err != nil || plain.String() != want {
			t.Errorf("%s: %s, %v; want %s", path, got, err, want)
		}
	}
	set := func(w *Workspaces, path, value string) {
		t.Helper()
		if err := w.Change(path, func(json.RawMessage) (json.RawMessage, error) {
			if value == "" {
				return nil, nil
			}
			return json.RawMessage(value), nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	get(a, "/p", "")
	set(a, "/p", `{"n":1}`)
	set(b, "/q", `{"n":2}`)
	get(a, "/p", `{"n":1}`)
	get(a, "/q", `{"n":2}`)
	set(a, "/p", "")
	get(b, "/p", "")
	get(b, "/q", `{"n":2}`)
	no := errors.New("no")
	if err := a.Change("/q", func(json.RawMessage) (json.RawMessage, error) { return nil, no }); !errors.Is(err, no) {
		t.Errorf("a change that gives up: %v", err)
	}
	get(b, "/q", `{"n":2}`)
	if err := NewWorkspaces("").Change("/p", nil); err == nil {
		t.Error("kept nowhere")
	}
	// What can't be read holds nothing, and is not overwritten.
	for _, broken := range []string{"{", `{"version":2}`} {
		if err := os.WriteFile(a.Path(), []byte(broken), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := a.Get("/q"); err == nil || got != nil || !strings.Contains(err.Error(), a.Path()) {
			t.Errorf("%s: %s, %v", broken, got, err)
		}
		if err := a.Change("/q", func(json.RawMessage) (json.RawMessage, error) { return nil, nil }); err == nil {
			t.Errorf("%s was overwritten", broken)
		}
		if raw, err := os.ReadFile(a.Path()); err != nil || string(raw) != broken {
			t.Errorf("it holds %s now, %v", raw, err)
		}
	}
}

// TestWorkspacesAtOnce: no change is lost.
func TestWorkspacesAtOnce(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 4 {
		w := NewWorkspaces(dir)
		wg.Go(func() {
			for range 10 {
				if err := w.Change("/p", func(raw json.RawMessage) (json.RawMessage, error) {
					n := 0
					if raw != nil {
						if err := json.Unmarshal(raw, &n); err != nil {
							return nil, err
						}
					}
					return json.Marshal(n + 1)
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got, err := NewWorkspaces(dir).Get("/p"); err != nil || string(got) != "40" {
		t.Errorf("%s, %v", got, err)
	}
}
