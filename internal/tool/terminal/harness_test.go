//go:build linux || darwin

package terminal

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/tool"
)

// harness is one terminal under test.
type harness struct {
	t    testing.TB
	tool *terminal
	dir  string
}

// newHarness makes a terminal in an empty directory. Its home is empty too: the
// start-up files of whoever runs the tests must not matter.
func newHarness(t testing.TB, change ...func(*tool.Env, *Options)) *harness {
	t.Helper()
	dir := t.TempDir()
	env := tool.Env{Params: json.RawMessage(`{"no_change_timeout_seconds": 3}`)}
	opts := Options{Environ: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LANG=C.UTF-8"}}
	for _, f := range change {
		f(&env, &opts)
	}
	tl, err := newTerminal(dir, env, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tl.Close(); err != nil {
			t.Error(err)
		}
	})
	return &harness{t: t, tool: tl, dir: dir}
}

func withParams(text string) func(*tool.Env, *Options) {
	return func(env *tool.Env, _ *Options) { env.Params = json.RawMessage(text) }
}

// act makes one call with the arguments of a model.
func (h *harness) act(args string) Observation {
	h.t.Helper()
	return h.actContext(context.Background(), args, func(string) {})
}

func (h *harness) actContext(ctx context.Context, args string, out func(string)) Observation {
	h.t.Helper()
	o, err := h.try(ctx, args, out)
	if err != nil {
		h.t.Fatalf("%s: %v", args, err)
	}
	return o
}

func (h *harness) try(ctx context.Context, args string, out func(string)) (Observation, error) {
	action, err := h.tool.Decode(json.RawMessage(args))
	if err != nil {
		return Observation{}, err
	}
	raw, err := h.tool.Run(ctx, tool.Call{ID: "call_1", Action: action, Output: out})
	if err != nil {
		return Observation{}, err
	}
	var o Observation
	return o, json.Unmarshal(raw, &o)
}

// run runs a command.
func (h *harness) run(command string) Observation {
	h.t.Helper()
	return h.act(call(command))
}

// want runs a command that has to end with a code and an output.
func (h *harness) want(command, output string, code int) {
	h.t.Helper()
	o := h.run(command)
	if got := text(o); got != output || exit(o) != code {
		h.t.Errorf("%.200q: got %.2000q, exit code %d; want %.2000q, %d", command, got, exit(o), output, code)
	}
}

func call(command string) string {
	raw, err := json.Marshal(map[string]any{"command": command})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func input(text string) string {
	raw, err := json.Marshal(map[string]any{"command": text, "is_input": true})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func text(o Observation) string { return event.TextOf(o.Content) }

// exit gives the exit code; -99 where there is none.
func exit(o Observation) int {
	if o.ExitCode == nil {
		return -99
	}
	return *o.ExitCode
}

// watcher collects what a call streams, and tells when it has seen something.
type watcher struct {
	mu   sync.Mutex
	all  strings.Builder
	want string
	seen chan struct{}
	once sync.Once
}

func newWatcher(want string) *watcher { return &watcher{want: want, seen: make(chan struct{})} }

func (w *watcher) write(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all.WriteString(text)
	if w.want != "" && strings.Contains(w.all.String(), w.want) {
		w.once.Do(func() { close(w.seen) })
	}
}

func (w *watcher) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.String()
}

// eventually waits for what the system gives no signal of.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come true", what)
		}
		<-time.After(time.Millisecond)
	}
}

// sessionOf lists the processes that run in a session.
func sessionOf(t testing.TB, session int) []process {
	t.Helper()
	all, err := processes()
	if err != nil {
		t.Fatal(err)
	}
	var found []process
	for _, p := range all {
		if p.session == session {
			found = append(found, p)
		}
	}
	return found
}
