//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The tests in the files e2e_*_test.go run the program as an editor does: as a
// child process, over its stdin and stdout. The child is this test's own binary,
// so it has the race detector whenever the tests have it.

// limit is how long a test waits for something that has to come.
const limit = 100 * time.Second

// place is what several processes of one test share: a home, a folder to work
// in and a script for the model.
type place struct {
	t                    *testing.T
	home, folder, script string
	// env is added to the environment of the processes.
	env map[string]string
}

func newPlace(t *testing.T, script string) *place {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := &place{t: t, home: filepath.Join(dir, "home"), folder: filepath.Join(dir, "project"), script: filepath.Join(dir, "model.script")}
	for _, d := range []string{p.home, p.folder} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(p.script, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	p.env = map[string]string{"HOME": p.home, "PATH": os.Getenv("PATH"), "LLM_MODEL": "scripted/" + p.script}
	return p
}

// conversation is the folder in which a conversation is stored.
func (p *place) conversation(id string) string {
	return filepath.Join(p.home, ".openhands", "conversations", strings.ReplaceAll(id, "-", ""))
}

// stored gives the files of the events, in order; it fails where they do not
// count from 0 without a gap or where one is no JSON.
func (p *place) stored(id string) [][]byte {
	p.t.Helper()
	names, err := filepath.Glob(filepath.Join(p.conversation(id), "events", "event-*.json"))
	if err != nil {
		p.t.Fatal(err)
	}
	slices.Sort(names)
	var events [][]byte
	for i, name := range names {
		if !strings.HasPrefix(filepath.Base(name), fmt.Sprintf("event-%05d-", i)) {
			p.t.Errorf("the event at position %d is stored as %s", i, filepath.Base(name))
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			p.t.Fatal(err)
		}
		if !json.Valid(raw) {
			p.t.Errorf("%s is no JSON: %q", filepath.Base(name), raw)
		}
		events = append(events, raw)
	}
	return events
}

// host is an editor, as far as the tests need one. It keeps every message that
// the server sends and takes nothing on stdout that is no frame.
type host struct {
	*place
	proc *exec.Cmd
	in   *os.File
	logs logBuffer
	// gone is closed when the process has ended and all its output is read.
	gone   chan struct{}
	killed bool
	// stateDir is where the server says that it stores conversations.
	stateDir string

	mu      sync.Mutex
	arrived *sync.Cond
	frames  []*frame
	looked  int // frames before this one were looked at by await
	replies map[string]*frame
	came    map[string][]wireEvent // by conversation, in order
	nextID  int
	closed  bool // the output ended
	broken  string
	held    bool   // the editor does not read
	answer  string // to each question of the server; "" for none
}

// frame is a message of the server.
type frame struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *rpcError       `json:"error"`
	raw    []byte
}

type rpcError struct {
	Code    int            `json:"code"`
	Message string         `json:"message"`
	Data    map[string]any `json:"data"`
}

func (e *rpcError) String() string {
	if e == nil {
		return "no error"
	}
	return fmt.Sprintf("error %d %s %v", e.Code, e.Message, e.Data)
}

// logBuffer is what a process wrote to stderr.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
	told func() // called when there is more
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	n, err := b.text.Write(p)
	b.mu.Unlock()
	b.told()
	return n, err
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// start starts the server with the place's environment and nothing of ours.
func (p *place) start() *host {
	p.t.Helper()
	return p.startWith(nil)
}

// startWith takes the place of stderr, which is kept if it is nil.
func (p *place) startWith(stderr *os.File) *host {
	p.t.Helper()
	h := &host{place: p, gone: make(chan struct{}), replies: map[string]*frame{}, came: map[string][]wireEvent{}}
	h.arrived = sync.NewCond(&h.mu)
	h.logs.told = func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.arrived.Broadcast()
	}
	h.proc = exec.Command(binary(p.t))
	h.proc.Dir, h.proc.Stderr = p.folder, &h.logs
	if stderr != nil {
		h.proc.Stderr = stderr
		defer func() { _ = stderr.Close() }() // the child has its own
	}
	// The race detector would wait a second at the end of the process.
	h.proc.Env = []string{"GORACE=atexit_sleep_ms=0", "GOCOVERDIR=" + os.TempDir()}
	for _, name := range slices.Sorted(maps.Keys(p.env)) {
		h.proc.Env = append(h.proc.Env, name+"="+p.env[name])
	}
	// A child of the server that keeps stderr open must not keep us.
	h.proc.WaitDelay = limit
	childIn, in, err := os.Pipe()
	if err != nil {
		p.t.Fatal(err)
	}
	out, childOut, err := os.Pipe()
	if err != nil {
		p.t.Fatal(err)
	}
	h.in = in
	h.proc.Stdin, h.proc.Stdout = childIn, childOut
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
		h.release()
		_ = in.Close()            // most tests did
		_ = h.proc.Process.Kill() // it may be gone
		<-h.gone
		if strings.Contains(h.logs.String(), "DATA RACE") {
			p.t.Errorf("the race detector spoke:\n%s", h.logs.String())
		}
		if p.t.Failed() && h.logs.String() != "" {
			p.t.Logf("stderr of pid %d:\n%s", h.proc.Process.Pid, h.logs.String())
		}
	})
	return h
}

// read takes frames exactly as the protocol writes them; anything else breaks
// the stream. Half a frame is allowed at the end of a process that was killed.
func (h *host) read(out io.Reader) {
	r := bufio.NewReaderSize(out, 64<<10)
	for {
		h.mu.Lock()
		for h.held {
			h.arrived.Wait()
		}
		h.mu.Unlock()
		line, err := r.ReadString('\n')
		if err != nil && line == "" {
			return
		}
		n := -1
		if text, ok := strings.CutPrefix(line, "Content-Length: "); ok && strings.HasSuffix(text, "\r\n") {
			if size, err := strconv.Atoi(strings.TrimSuffix(text, "\r\n")); err == nil {
				n = size
			}
		}
		empty := ""
		if n >= 0 {
			empty, err = r.ReadString('\n')
		}
		f := &frame{}
		if n >= 0 && empty == "\r\n" {
			f.raw = make([]byte, n)
			if _, err = io.ReadFull(r, f.raw); err == nil {
				err = json.Unmarshal(f.raw, f)
			}
		}
		h.mu.Lock()
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			if !h.killed {
				h.broken = fmt.Sprintf("the output ended inside a frame: %q %q", line, f.raw)
			}
		case n < 0 || empty != "\r\n" || err != nil:
			h.broken = fmt.Sprintf("no frame on stdout: %q %q (%v)", line, f.raw, err)
		default:
			h.frames = append(h.frames, f)
			switch f.Method {
			case "":
				h.replies[string(f.ID)] = f
			case "conversation/event":
				var e wireEvent
				if err := json.Unmarshal(f.Params, &e); err != nil {
					h.broken = err.Error()
				}
				h.came[e.ID] = append(h.came[e.ID], e)
			}
			answer := h.answer
			h.arrived.Broadcast()
			h.mu.Unlock()
			if answer != "" && f.Method != "" && f.ID != nil {
				h.frame(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%s}`, f.ID, answer))
			}
			continue
		}
		h.arrived.Broadcast()
		h.mu.Unlock()
		_, _ = io.Copy(io.Discard, r) // the process must be able to end
		return
	}
}

// answers gives the same result to each request of the server.
func (h *host) answers(result string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = result
}

// hold stops reading, at the latest after the next frame; release goes on.
func (h *host) hold() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held = true
}

func (h *host) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held = false
	h.arrived.Broadcast()
}

// wait returns when done says so; it fails when that can't happen any more or
// takes too long. done is called with the lock held.
func (h *host) wait(what string, done func() bool) {
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
		switch {
		case h.broken != "":
			h.t.Fatalf("waiting for %s: %s", what, h.broken)
		case h.closed:
			h.t.Fatalf("the server ended before %s came (exit code %d); stderr:\n%s", what, h.proc.ProcessState.ExitCode(), h.logs.String())
		case late:
			h.t.Fatalf("%s did not come; the last messages:\n%s", what, h.tail())
		}
		h.arrived.Wait()
	}
}

func (h *host) tail() string {
	var b strings.Builder
	for _, f := range h.frames[max(0, len(h.frames)-12):] {
		fmt.Fprintf(&b, "%.400s\n", f.raw)
	}
	return b.String()
}

// await gives the next message that fits, and passes over those before it.
func (h *host) await(what string, fits func(*frame) bool) *frame {
	h.t.Helper()
	var found *frame
	h.wait(what, func() bool {
		for h.looked < len(h.frames) {
			f := h.frames[h.looked]
			h.looked++
			if fits(f) {
				found = f
				return true
			}
		}
		return false
	})
	return found
}

// all gives the messages so far that fit.
func (h *host) all(fits func(*frame) bool) []*frame {
	h.mu.Lock()
	defer h.mu.Unlock()
	var found []*frame
	for _, f := range h.frames {
		if fits(f) {
			found = append(found, f)
		}
	}
	return found
}

// write sends bytes as they are. A server that is gone takes nothing, which the
// waiting after it finds out.
func (h *host) write(raw string) { _, _ = io.WriteString(h.in, raw) }

// frame sends a body with its header.
func (h *host) frame(body string) {
	h.write(fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body))
}

func (h *host) notify(method, params string) {
	h.frame(fmt.Sprintf(`{"jsonrpc":"2.0","method":%q,"params":%s}`, method, params))
}

// send sends a request and gives its id.
func (h *host) send(method, params string) string {
	h.mu.Lock()
	h.nextID++
	id := strconv.Itoa(h.nextID)
	h.mu.Unlock()
	h.frame(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":%q,"params":%s}`, id, method, params))
	return id
}

func (h *host) reply(id string) *frame {
	h.t.Helper()
	var f *frame
	h.wait("the reply to request "+id, func() bool {
		f = h.replies[id]
		return f != nil
	})
	return f
}

// try sends a request and gives the reply, also if it is an error.
func (h *host) try(method, params string, args ...any) *frame {
	h.t.Helper()
	return h.reply(h.send(method, fmt.Sprintf(params, args...)))
}

// call sends a request that has to succeed and decodes its result.
func (h *host) call(result any, method, params string, args ...any) {
	h.t.Helper()
	f := h.try(method, params, args...)
	if f.Error != nil {
		h.t.Fatalf("%s %s: %s", method, fmt.Sprintf(params, args...), f.Error)
	}
	if result != nil {
		if err := json.Unmarshal(f.Result, result); err != nil {
			h.t.Fatalf("the result of %s: %v in %s", method, err, f.Result)
		}
	}
}

// refused sends a request that has to fail with a code.
func (h *host) refused(code int, method, params string, args ...any) *rpcError {
	h.t.Helper()
	f := h.try(method, params, args...)
	if f.Error == nil || f.Error.Code != code {
		h.t.Fatalf("%s %s: %s, want code %d", method, fmt.Sprintf(params, args...), f.Error, code)
	}
	return f.Error
}

// initialize shakes hands; options are the fields of the agentRpc block beside
// versions.
func (h *host) initialize(options string) {
	h.t.Helper()
	h.initializeFor(0, options)
}

// initializeFor also names the process that the server belongs to; 0 for none.
func (h *host) initializeFor(pid int, options string) {
	h.t.Helper()
	parent := "null"
	if pid > 0 {
		parent = strconv.Itoa(pid)
	}
	if options != "" {
		options = "," + options
	}
	var result struct {
		Capabilities struct {
			Experimental struct {
				AgentRPC struct{ StateDir string }
			}
		}
	}
	h.call(&result, "initialize", `{"processId":%s,"rootUri":null,"capabilities":{},"workspaceFolders":[{"uri":%q,"name":"project"}],
		"initializationOptions":{"agentRpc":{"versions":[1]%s}}}`, parent, "file://"+h.folder, options)
	h.stateDir = result.Capabilities.Experimental.AgentRPC.StateDir
	h.notify("initialized", "{}")
}

// info is what the tests look at of a conversation's state.
type info struct {
	ID         string
	Status     string
	RunID      string
	StopReason string
	Cursor     struct{ Epoch, Seq int }
	Error      *struct{ Code, Message string }
	Pending    []struct{ RequestID, RunID string }
	Queued     []queued
	LockedBy   *struct{ PID int }
}

// queued is a message that waits.
type queued struct {
	MessageID string
	Message   json.RawMessage
}

// create makes a conversation; params are the fields of its params.
func (h *host) create(params string) string {
	h.t.Helper()
	var result struct{ Conversation info }
	h.call(&result, "conversation/create", "{%s}", params)
	return result.Conversation.ID
}

// say sends a message and starts a run; the result is the run's id.
func (h *host) say(id, text string) string {
	h.t.Helper()
	var sent struct{ RunID, Disposition string }
	h.call(&sent, "conversation/sendMessage", `{"id":%q,"message":%q,"run":true}`, id, text)
	if sent.RunID == "" || sent.Disposition != "started" {
		h.t.Fatalf("the message started no run: %+v", sent)
	}
	return sent.RunID
}

func (h *host) state(id string) info {
	h.t.Helper()
	var i info
	h.call(&i, "conversation/state", `{"id":%q}`, id)
	return i
}

// settled waits for the state in which a run ended or waits.
func (h *host) settled(run string) info {
	h.t.Helper()
	var i info
	h.await("the end of the run", func(f *frame) bool {
		if f.Method != "conversation/stateChanged" {
			return false
		}
		i = info{}
		if err := json.Unmarshal(f.Params, &i); err != nil {
			h.broken = err.Error()
			return false
		}
		return i.RunID == run && i.StopReason != ""
	})
	return i
}

// open opens a stored conversation from its start and waits for the replay.
func (h *host) open(id string) info {
	h.t.Helper()
	var result struct {
		Conversation info
		From, To     int
	}
	h.call(&result, "conversation/open", `{"id":%q,"since":"start"}`, id)
	if result.From != 0 || result.To != result.Conversation.Cursor.Seq {
		h.t.Errorf("open from the start replays %d..%d of %d", result.From, result.To, result.Conversation.Cursor.Seq)
	}
	h.wait("the replay", func() bool { return len(h.came[id]) >= result.To })
	return result.Conversation
}

// wireEvent is an event as it came, with its bytes.
type wireEvent struct {
	ID     string
	Seq    int
	Event  json.RawMessage
	Replay bool
}

// events gives the events of a conversation that came, by seq.
func (h *host) events(id string) map[int]wireEvent {
	h.mu.Lock()
	defer h.mu.Unlock()
	found := map[int]wireEvent{}
	for _, e := range h.came[id] {
		found[e.Seq] = e
	}
	return found
}

// kill ends the process as the system does when memory is short.
func (h *host) kill() {
	h.mu.Lock()
	h.killed = true
	h.mu.Unlock()
	_ = h.proc.Process.Kill() // it may have ended
	<-h.gone
}

// exit waits for the end of the process and gives its exit code.
func (h *host) exit() int {
	h.t.Helper()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-h.gone:
	case <-timer.C:
		h.t.Fatal("the server does not end")
	}
	if h.broken != "" {
		h.t.Error(h.broken)
	}
	return h.proc.ProcessState.ExitCode()
}

// shutdown ends the server as a client should.
func (h *host) shutdown() {
	h.t.Helper()
	h.call(nil, "shutdown", "null")
	h.notify("exit", "null")
	if code := h.exit(); code != 0 {
		h.t.Errorf("exit code %d after shutdown", code)
	}
}

// kindOf gives an event's kind and the ids by which an answer is matched with
// its action.
func kindOf(t *testing.T, raw []byte) (e struct {
	ID         string `json:"id"`
	Kind       string `json:"kind"`
	ActionID   string `json:"action_id"`
	ToolCallID string `json:"tool_call_id"`
	Code       string `json:"code"`
},
) {
	t.Helper()
	if err := json.Unmarshal(raw, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// fifo makes a named pipe in the workspace. The function that it returns waits
// until a process has it open, and gives a channel that is closed when none has.
func (p *place) fifo(name string) (opened func() (let <-chan error)) {
	p.t.Helper()
	path := filepath.Join(p.folder, name)
	mkfifo(p.t, path)
	type result struct {
		file *os.File
		err  error
	}
	ready := make(chan result, 1)
	go func() {
		f, err := os.Open(path) // until somebody writes
		ready <- result{f, err}
	}()
	return func() <-chan error {
		p.t.Helper()
		timer := time.NewTimer(limit)
		defer timer.Stop()
		var r result
		select {
		case r = <-ready:
		case <-timer.C:
			p.t.Fatal("nobody opened ", name)
		}
		if r.err != nil {
			p.t.Fatal(r.err)
		}
		p.t.Cleanup(func() { _ = r.file.Close() }) // only read from
		let := make(chan error, 1)
		go func() {
			_, err := io.Copy(io.Discard, r.file)
			let <- err
		}()
		return let
	}
}

// ended waits until no process has the pipe open.
func ended(t *testing.T, let <-chan error, what string) {
	t.Helper()
	timer := time.NewTimer(limit / 4)
	defer timer.Stop()
	select {
	case err := <-let:
		if err != nil {
			t.Error(err)
		}
	case <-timer.C:
		t.Errorf("%s is still running", what)
	}
}
