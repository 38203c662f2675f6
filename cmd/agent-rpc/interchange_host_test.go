//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The tests in the files interchange_*_test.go hold us against OpenHands' own
// Python SDK: each side reads, and goes on with, what the other one wrote.
// scripts/openhands-sdk provides it.

// provided asks a script where what a test needs is. `make test` has installed it
// by then, and has put why it could not into the variable missing; here it is only
// looked for. scripts/test-go knows the reasons of a skip.
func provided(t *testing.T, script, missing string) (where map[string]string) {
	t.Helper()
	out, err := exec.Command("../../scripts/"+script, "--installed").Output()
	where = map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		where[name] = value
	}
	var failed *exec.ExitError
	switch {
	case err == nil:
		return where
	case errors.As(err, &failed) && where["reason"] != "":
		// What kept it from being installed says more than that it is not there.
		reason := where["reason"]
		if said := os.Getenv(missing); said != "" {
			reason = said
		}
		t.Skip(reason)
	default:
		t.Fatal(err)
	}
	return nil
}

// sdk is a Python process that holds the SDK; it answers one question at a time.
type sdk struct {
	where map[string]string
	mu    sync.Mutex
	in    io.Writer
	out   *bufio.Reader
	logs  logBuffer
}

// newSDK starts the process; it ends with the test.
func newSDK(t *testing.T) *sdk {
	t.Helper()
	s := &sdk{where: provided(t, "openhands-sdk", "OPENHANDS_SDK_MISSING")}
	s.logs.told = func() {}
	proc := s.python(t, s.where["sdk"], "testdata/openhands/peer.py")
	proc.Stderr = &s.logs
	in, err := proc.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := proc.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := proc.Start(); err != nil {
		t.Fatal(err)
	}
	s.in, s.out = in, bufio.NewReaderSize(out, 1<<20)
	t.Cleanup(func() {
		_ = in.Close() // it ends then
		late := time.AfterFunc(limit, func() { _ = proc.Process.Kill() })
		defer late.Stop()
		if err := proc.Wait(); err != nil {
			t.Errorf("the SDK ended with %v", err)
		}
		if t.Failed() {
			t.Logf("the SDK said:\n%s", last(s.logs.String(), 8000))
		}
	})
	return s
}

// python is a command of the interpreter with the packages of path.
func (s *sdk) python(t *testing.T, path string, args ...string) *exec.Cmd {
	cmd := exec.Command(s.where["python"], args...)
	cmd.Env = []string{
		"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "PYTHONPATH=" + path, "PYTHONNOUSERSITE=1", "PYTHONUTF8=1",
		"OPENHANDS_SUPPRESS_BANNER=1", "LITELLM_LOCAL_MODEL_COST_MAP=True",
	}
	return cmd
}

func last(text string, n int) string { return text[max(0, len(text)-n):] }

// try asks the SDK; the error is what it raised.
func (s *sdk) try(t *testing.T, result any, do string, with ...any) error {
	t.Helper()
	ask, err := json.Marshal(map[string]any{"do": do, "with": append([]any{}, with...)})
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.in.Write(append(ask, '\n')); err != nil {
		t.Fatalf("asking the SDK: %v\n%s", err, last(s.logs.String(), 8000))
	}
	line, err := s.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("the SDK does not answer: %v\n%s", err, last(s.logs.String(), 8000))
	}
	var reply struct {
		OK    json.RawMessage `json:"ok"`
		Error string          `json:"error"`
	}
	if err := json.Unmarshal(line, &reply); err != nil {
		t.Fatal(err)
	}
	if reply.Error != "" {
		return errors.New(reply.Error)
	}
	if result != nil {
		if err := json.Unmarshal(reply.OK, result); err != nil {
			t.Fatal(err)
		}
	}
	return nil
}

// ask asks what the SDK must be able to do.
func (s *sdk) ask(t *testing.T, result any, do string, with ...any) {
	t.Helper()
	if err := s.try(t, result, do, with...); err != nil {
		t.Fatalf("the SDK fails at %s: %v", do, err)
	}
}

// seen is what the SDK makes of a conversation.
type seen struct {
	Events   []json.RawMessage
	Branch   []string
	View     []string
	Messages []struct {
		Role    string
		Content []struct{ Text string }
	}
	Pending []string
	State   map[string]json.RawMessage
	Secrets map[string]*string
	Cost    float64
	Active  bool
	Tools   []string
}

func (s *sdk) seen(t *testing.T, id string) (is seen) {
	t.Helper()
	s.ask(t, &is, "seen", id)
	return is
}

// resume lets the SDK open a stored conversation with the agent that is stored.
func (s *sdk) resume(t *testing.T, p *place, id string, more ...any) {
	t.Helper()
	var got string
	s.ask(t, &got, "create", append([]any{p.conversations(), p.folder, id, nil}, more...)...)
	if got != id {
		t.Fatalf("the SDK opened %s for %s", got, id)
	}
}

// conversations is the folder that holds the conversations.
func (p *place) conversations() string { return filepath.Join(p.home, ".openhands", "conversations") }

// baseState reads a conversation's base_state.json.
func (p *place) baseState(id string) (raw []byte, fields map[string]json.RawMessage) {
	p.t.Helper()
	raw, err := os.ReadFile(filepath.Join(p.conversation(id), "base_state.json"))
	if err == nil {
		err = json.Unmarshal(raw, &fields)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return raw, fields
}

// tokens is a JSON text without what does not matter: spaces, the escapes of
// strings and how numbers are written. The order of keys is part of it.
func tokens(t *testing.T, raw []byte) (list []string) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(raw))
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatalf("%v in %s", err, raw)
		}
		list = append(list, fmt.Sprintf("%T %v", token, token))
	}
}

// sameText compares JSON texts with their order of keys.
func sameText(t *testing.T, what string, want, got []byte) {
	t.Helper()
	if diff := cmp.Diff(tokens(t, want), tokens(t, got)); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s\nwant %s\ngot  %s", what, diff, want, got)
	}
}

// sameJSON compares JSON texts whatever the order of keys, and without regard to
// the order of the lists called unordered.
func sameJSON(t *testing.T, what string, want, got []byte, unordered ...string) {
	t.Helper()
	value := func(raw []byte) (v any) {
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatalf("%v in %s", err, raw)
		}
		if fields, ok := v.(map[string]any); ok {
			for _, name := range unordered {
				if list, ok := fields[name].([]any); ok {
					slices.SortFunc(list, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
				}
			}
		}
		return v
	}
	if diff := cmp.Diff(value(want), value(got)); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", what, diff)
	}
}

// sameEvents checks that the SDK has read every event, and all of each.
func sameEvents(t *testing.T, stored [][]byte, is seen) {
	t.Helper()
	if len(stored) != len(is.Events) {
		t.Fatalf("%d events are stored, the SDK sees %d", len(stored), len(is.Events))
	}
	for i, raw := range stored {
		sameJSON(t, fmt.Sprintf("event %d", i), raw, is.Events[i], "forgotten_event_ids")
	}
}

// sameState checks that we keep of a stored state what the SDK itself keeps when
// it reads it and writes it again: it drops the values that it can't know.
func sameState(t *testing.T, s *sdk, before, after map[string]json.RawMessage) {
	t.Helper()
	read := func(base string, raw json.RawMessage) json.RawMessage {
		var again []string
		s.ask(t, &again, "accept", base, []string{string(raw)})
		return json.RawMessage(again[0])
	}
	for name, want := range before {
		got := after[name]
		switch name {
		case "secret_registry":
			want = read("SecretRegistry", want)
		case "agent":
			want, got = read("Agent", want), read("Agent", got)
		}
		sameJSON(t, "base_state."+name, want, got)
	}
	if len(after) != len(before) {
		t.Errorf("%d fields were stored, now %d", len(before), len(after))
	}
}

// holds tells whether got has all that want has; more may be in its objects.
func holds(want, got any) bool {
	switch want := want.(type) {
	case map[string]any:
		fields, ok := got.(map[string]any)
		for name, value := range want {
			ok = ok && holds(value, fields[name])
		}
		return ok
	case []any:
		list, ok := got.([]any)
		ok = ok && len(list) == len(want)
		for i := range want {
			ok = ok && holds(want[i], list[i])
		}
		return ok
	}
	return want == got
}
