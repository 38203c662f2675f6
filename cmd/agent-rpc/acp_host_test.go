//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// acpHost is a client of the Agent Client Protocol that starts the program as Zed
// does. It keeps every message, takes nothing on stdout that is no message, and
// holds each against the published schema where that is installed.
type acpHost struct {
	*place
	proc   *exec.Cmd
	in     *os.File
	logs   logBuffer
	gone   chan struct{}
	schema *acpSchema // nil without the rig

	mu      sync.Mutex
	arrived *sync.Cond
	seen    []*frame // requests, notifications and replies, in order
	replies map[string]*frame
	// answers give the results of the agent's requests by method; a method without
	// one stays without an answer.
	answers map[string]func(params json.RawMessage) (result any, code int)
	methods map[string]string // of our requests, by id
	nextID  int
	closed  bool
	broken  string
}

// startACP starts agent-rpc acp.
func (p *place) startACP(args ...string) *acpHost {
	p.t.Helper()
	h := &acpHost{
		place: p, gone: make(chan struct{}), replies: map[string]*frame{}, methods: map[string]string{},
		answers: map[string]func(json.RawMessage) (any, int){}, schema: installedACPSchema(p.t),
	}
	h.arrived = sync.NewCond(&h.mu)
	h.logs.told = func() {}
	h.proc = exec.Command(binary(p.t), append([]string{"acp"}, args...)...)
	h.proc.Dir, h.proc.Stderr, h.proc.WaitDelay = p.folder, &h.logs, limit
	h.proc.Env = []string{"GORACE=atexit_sleep_ms=0", "GOCOVERDIR=" + os.TempDir()}
	for _, name := range slices.Sorted(maps.Keys(p.env)) {
		h.proc.Env = append(h.proc.Env, name+"="+p.env[name])
	}
	childIn, in, err := os.Pipe()
	if err != nil {
		p.t.Fatal(err)
	}
	out, childOut, err := os.Pipe()
	if err != nil {
		p.t.Fatal(err)
	}
	h.in, h.proc.Stdin, h.proc.Stdout = in, childIn, childOut
	if err := h.proc.Start(); err != nil {
		p.t.Fatal(err)
	}
	_, _ = childIn.Close(), childOut.Close() // they are the child's now
	go func() {
		h.read(out)
		_ = out.Close()
		_ = h.proc.Wait() // the state tells how it ended
		h.mu.Lock()
		h.closed = true
		h.arrived.Broadcast()
		h.mu.Unlock()
		close(h.gone)
	}()
	p.t.Cleanup(func() {
		_ = in.Close()
		_ = h.proc.Process.Kill() // it may be gone
		<-h.gone
		if strings.Contains(h.logs.String(), "DATA RACE") || p.t.Failed() && h.logs.String() != "" {
			p.t.Errorf("stderr:\n%s", h.logs.String())
		}
	})
	return h
}

func (h *acpHost) read(out *os.File) {
	r := bufio.NewReaderSize(out, 1<<20)
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return
		}
		f := &frame{raw: line}
		h.mu.Lock()
		if err := json.Unmarshal(line, f); err != nil || h.broken != "" {
			h.broken = fmt.Sprintf("no message on stdout: %q", line)
		} else if err := h.schema.check(f, h.methods[string(f.ID)]); err != nil {
			h.broken = fmt.Sprintf("%s breaks the schema: %v", line, err)
		}
		h.seen = append(h.seen, f)
		if f.Method == "" {
			h.replies[string(f.ID)] = f
		}
		answer := h.answers[f.Method]
		h.arrived.Broadcast()
		h.mu.Unlock()
		if f.Method != "" && f.ID != nil && answer != nil {
			if result, code := answer(f.Params); code != 0 {
				h.line(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":"no"}}`, f.ID, code))
			} else {
				raw, _ := json.Marshal(result)
				h.line(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%s}`, f.ID, raw))
			}
		}
	}
}

// line sends a line as it is.
func (h *acpHost) line(text string) { _, _ = h.in.WriteString(text + "\n") }

// await waits until done, which is called with the lock held.
func (h *acpHost) await(what string, done func() bool) {
	h.t.Helper()
	late := false
	timer := time.AfterFunc(limit, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		late = true
		h.arrived.Broadcast()
	})
	defer timer.Stop()
	h.mu.Lock()
	defer h.mu.Unlock()
	for !done() {
		if h.broken != "" {
			h.t.Fatal(h.broken)
		}
		if late || h.closed {
			h.t.Fatalf("waited in vain for %s; came:\n%s", what, h.transcript())
		}
		h.arrived.Wait()
	}
}

func (h *acpHost) transcript() string {
	var b strings.Builder
	for _, f := range h.seen {
		b.Write(f.raw)
	}
	return b.String()
}

// send sends a request and gives its id.
func (h *acpHost) send(method string, params any) string {
	h.t.Helper()
	raw, err := json.Marshal(params)
	if err != nil {
		h.t.Fatal(err)
	}
	h.mu.Lock()
	h.nextID++
	id := fmt.Sprintf(`"c%d"`, h.nextID)
	h.methods[id] = method
	h.mu.Unlock()
	h.line(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":%q,"params":%s}`, id, method, raw))
	return id
}

func (h *acpHost) reply(id string) *frame {
	h.t.Helper()
	h.await("the reply "+id, func() bool { return h.replies[id] != nil })
	return h.replies[id]
}

// ask sends a request and reads its result.
func (h *acpHost) ask(result any, method string, params any) {
	h.t.Helper()
	f := h.reply(h.send(method, params))
	if f.Error != nil {
		h.t.Fatalf("%s: %s", method, f.Error)
	}
	if result != nil {
		if err := json.Unmarshal(f.Result, result); err != nil {
			h.t.Fatal(err)
		}
	}
}

// refused sends a request and gives its error.
func (h *acpHost) refused(method string, params any) *rpcError {
	h.t.Helper()
	f := h.reply(h.send(method, params))
	if f.Error == nil {
		h.t.Fatalf("%s %v was served: %s", method, params, f.Result)
	}
	return f.Error
}

type obj = map[string]any

func (h *acpHost) initialize(capabilities obj) {
	h.t.Helper()
	h.ask(nil, "initialize", obj{"protocolVersion": 1, "clientCapabilities": capabilities, "clientInfo": obj{"name": "test", "version": "1"}})
}

// open makes a session in the place's folder.
func (h *acpHost) open() string {
	h.t.Helper()
	var s struct{ SessionID string }
	h.ask(&s, "session/new", obj{"cwd": h.folder, "mcpServers": []any{}})
	return s.SessionID
}

func text(s string) []any { return []any{obj{"type": "text", "text": s}} }

func (h *acpHost) prompt(session, words string) (stopReason string) {
	h.t.Helper()
	return h.stopped(h.send("session/prompt", obj{"sessionId": session, "prompt": text(words)}))
}

func (h *acpHost) stopped(id string) string {
	h.t.Helper()
	f := h.reply(id)
	if f.Error != nil {
		h.t.Fatal(f.Error)
	}
	var r struct{ StopReason string }
	if err := json.Unmarshal(f.Result, &r); err != nil {
		h.t.Fatal(err)
	}
	return r.StopReason
}

// answer sets what the client says to a method of the agent's.
func (h *acpHost) answer(method string, with func(params json.RawMessage) (any, int)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answers[method] = with
}

// choose answers every permission with an option.
func (h *acpHost) choose(option string) {
	h.answer("session/request_permission", func(json.RawMessage) (any, int) {
		return obj{"outcome": obj{"outcome": "selected", "optionId": option}}, 0
	})
}

// acpUpdate is what the tests read of an update.
type acpUpdate struct {
	SessionUpdate string
	MessageID     string
	ToolCallID    string
	Title, Status string
	Kind          string
	Content       json.RawMessage
	Locations     []struct {
		Path string
		Line int
	}
	Entries           []struct{ Content, Status string }
	AvailableCommands []struct{ Name string }
	CurrentModeID     string
	Used, Size        int
}

// text gives the text of a chunk.
func (u *acpUpdate) text() string {
	var c struct{ Text string }
	_ = json.Unmarshal(u.Content, &c) // a list has none
	return c.Text
}

// updates gives those that came from a position on, of a kind if one is given.
func (h *acpHost) updates(from int, kind string) (list []acpUpdate) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range h.seen[from:] {
		var p struct{ Update acpUpdate }
		if f.Method != "session/update" {
			continue
		}
		if err := json.Unmarshal(f.Params, &p); err != nil {
			h.t.Fatal(err)
		}
		if kind == "" || p.Update.SessionUpdate == kind {
			list = append(list, p.Update)
		}
	}
	return list
}

// said joins the chunks of a kind.
func (h *acpHost) said(from int, kind string) string {
	h.t.Helper()
	var b strings.Builder
	for _, u := range h.updates(from, kind) {
		b.WriteString(u.text())
	}
	return b.String()
}

// position is the number of messages so far.
func (h *acpHost) position() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.seen)
}

// asked waits for the nth request of a method.
func (h *acpHost) asked(method string, n int) (params json.RawMessage) {
	h.t.Helper()
	h.await(method, func() bool {
		count := 0
		for _, f := range h.seen {
			if f.Method == method {
				if count++; count == n {
					params = f.Params
					return true
				}
			}
		}
		return false
	})
	return params
}

// leave ends the input and gives the exit code.
func (h *acpHost) leave() int {
	h.t.Helper()
	_ = h.in.Close()
	select {
	case <-h.gone:
	case <-time.After(limit):
		h.t.Fatal("the process does not end")
	}
	if h.broken != "" {
		h.t.Error(h.broken)
	}
	return h.proc.ProcessState.ExitCode()
}

// kill ends the process at once.
func (h *acpHost) kill() {
	_ = h.proc.Process.Kill()
	<-h.gone
}

func acpWith(t *testing.T, script string, capabilities obj) *acpHost {
	h := newPlace(t, script).startACP()
	h.initialize(capabilities)
	return h
}

// runProgram runs the program to its end in the place.
func runProgram(t *testing.T, p *place, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(binary(t), args...)
	cmd.Dir = p.folder
	for _, name := range slices.Sorted(maps.Keys(p.env)) {
		cmd.Env = append(cmd.Env, name+"="+p.env[name])
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// eventually looks until it is so: for what nobody tells of.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
