//go:build unix

package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// These are the ways in which an editor ends its server, or is gone.
var endings = []struct {
	name string
	end  func(h *host)
	code int
}{
	{"end of stdin", func(h *host) { _ = h.in.Close() }, 1},
	{"SIGTERM", func(h *host) { _ = h.proc.Process.Signal(syscall.SIGTERM) }, 1},
	{"SIGINT", func(h *host) { _ = h.proc.Process.Signal(syscall.SIGINT) }, 1},
	{"SIGHUP", func(h *host) { _ = h.proc.Process.Signal(syscall.SIGHUP) }, 1},
	{"exit", func(h *host) { h.notify("exit", "null") }, 1},
	{"shutdown and exit", func(h *host) {
		h.call(nil, "shutdown", "null")
		h.notify("exit", "null")
	}, 0},
	{"shutdown and end of stdin", func(h *host) {
		h.call(nil, "shutdown", "null")
		_ = h.in.Close()
	}, 0},
}

// Commands that hold the named pipe while they run. What escapes into a session
// of its own through an intermediate process that is gone (setsid sleep 1000 &)
// is out of reach: nothing tells whose it is.
var lasting = []struct{ name, command string }{
	{"plain", `sleep 1000 9>${workspace}/held`},
	{"pipeline", `(sleep 1000 | cat) 9>${workspace}/held`},
	{"ignores signals", `trap '' INT TERM HUP; sleep 1000 9>${workspace}/held`},
	{"a script that ignores signals", `bash -c 'trap "" INT TERM HUP QUIT; while :; do sleep 1; done' 9>${workspace}/held`},
}

// TestEndInterruptsAndLeavesNothing: however the server ends, the run is stored
// as interrupted, the exit code is what the protocol says, and what the agent
// started is gone.
func TestEndInterruptsAndLeavesNothing(t *testing.T) {
	for _, e := range endings {
		for _, c := range lasting {
			t.Run(e.name+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				p := newPlace(t, `{"calls": [{"terminal": {"command": """`+c.command+`"""}}]} "Never said."`)
				opened := p.fifo("held")
				h := p.start()
				h.initialize("")
				id := h.create("")
				run := h.say(id, "Go")
				let := opened()
				e.end(h)
				if code := h.exit(); code != e.code {
					t.Errorf("exit code %d, want %d", code, e.code)
				}
				ended(t, let, c.command)

				again := p.start()
				again.initialize("")
				i := again.open(id)
				if i.Status != "paused" || i.StopReason != "interrupted" || i.RunID != run {
					t.Errorf("the run is stored as %+v", i)
				}
				answered(t, p.stored(id))
				again.shutdown()
			})
		}
	}
}

// TestEndEndsBackgroundJobs: a job that a command left behind ends with the
// server, also between two turns.
func TestEndEndsBackgroundJobs(t *testing.T) {
	for _, e := range endings {
		for name, command := range map[string]string{
			"job":             `sleep 1000 9>${workspace}/held &`,
			"nohup":           `nohup sleep 1000 9>${workspace}/held >/dev/null 2>&1 &`,
			"ignores signals": `bash -c 'trap "" INT TERM HUP; while :; do sleep 1; done' 9>${workspace}/held &`,
		} {
			t.Run(e.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				p := newPlace(t, `{"calls": [{"terminal": {"command": """`+command+`"""}}]} "It runs."`)
				opened := p.fifo("held")
				h := p.start()
				h.initialize("")
				id := h.create("")
				if i := h.settled(h.say(id, "Go")); i.Status != "finished" {
					t.Fatalf("the run ended as %+v", i)
				}
				let := opened()
				e.end(h)
				if code := h.exit(); code != e.code {
					t.Errorf("exit code %d, want %d", code, e.code)
				}
				ended(t, let, command)
			})
		}
	}
}

// TestEndOfConversationEndsItsCommands: conversation/close and delete leave
// nothing behind either, and the server goes on.
func TestEndOfConversationEndsItsCommands(t *testing.T) {
	for _, method := range []string{"conversation/close", "conversation/delete"} {
		for _, c := range lasting {
			t.Run(method+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				p := newPlace(t, `{"calls": [{"terminal": {"command": """`+c.command+`"""}}]}`)
				opened := p.fifo("held")
				h := p.start()
				h.initialize("")
				id := h.create("")
				h.say(id, "Go")
				let := opened()
				h.call(nil, method, `{"id":%q}`, id)
				ended(t, let, c.command)
				h.call(nil, "agent/ping", "{}")
				h.shutdown()
			})
		}
	}
}

// TestShutdownIsPrompt: shutdown answers within the protocol's 1.5 s, whatever
// runs. The bound is three times that, for machines with other work to do.
func TestShutdownIsPrompt(t *testing.T) {
	const limit = 3 * 1500 * time.Millisecond
	scripts := map[string]string{
		"model": `{"text": "Thinking", "chunk": 2, "wait": "forever"}`,
	}
	for _, c := range lasting {
		scripts[c.name] = `{"calls": [{"terminal": {"command": """` + c.command + `"""}}]}`
	}
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, script)
			h := p.start()
			h.initialize(`"deltas":{}`)
			id := h.create("")
			if name == "model" {
				h.say(id, "Go")
				h.await("a delta", func(f *frame) bool { return f.Method == "conversation/delta" })
			} else {
				opened := p.fifo("held")
				h.say(id, "Go")
				opened()
			}
			begin := time.Now()
			h.call(nil, "shutdown", "null")
			if took := time.Since(begin); took > limit {
				t.Errorf("shutdown took %s", took)
			} else {
				t.Logf("shutdown took %s", took)
			}
			if err := h.refused(-32600, "agent/tools", "{}"); err.Message == "" {
				t.Error("an error without a message")
			}
			h.notify("exit", "null")
			if code := h.exit(); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// TestExitBeforeInitialize: a client that changes its mind.
func TestExitBeforeInitialize(t *testing.T) {
	for _, e := range endings {
		if e.code == 0 {
			continue // shutdown is refused before initialize
		}
		t.Run(e.name, func(t *testing.T) {
			h := newPlace(t, "").start()
			h.call(nil, "agent/ping", "{}")
			e.end(h)
			if code := h.exit(); code != 1 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// TestServerEndsWithItsEditor: when the process that initialize named is gone,
// so is the server, although its stdin is still open.
func TestServerEndsWithItsEditor(t *testing.T) {
	p := newPlace(t, `{"calls": [{"terminal": {"command": "sleep 1000 9>${workspace}/held"}}]}`)
	opened := p.fifo("held")
	editor := exec.Command("sleep", "1000")
	if err := editor.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = editor.Process.Kill(); _ = editor.Wait() }) // it may be gone
	h := p.start()
	h.initializeFor(editor.Process.Pid, "")
	id := h.create("")
	run := h.say(id, "Go")
	let := opened()
	if err := editor.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = editor.Wait() // it was killed
	if code := h.exit(); code != 1 {
		t.Errorf("exit code %d", code)
	}
	ended(t, let, "the command")

	again := p.start()
	again.initialize("")
	if i := again.open(id); i.Status != "paused" || i.StopReason != "interrupted" || i.RunID != run {
		t.Errorf("the run is stored as %+v", i)
	}
	again.shutdown()

	t.Run("gone before", func(t *testing.T) {
		h := p.start()
		h.initializeFor(editor.Process.Pid, "")
		if code := h.exit(); code != 1 {
			t.Errorf("exit code %d", code)
		}
	})
}

// TestEditorThatTakesNoLogs: a client may close its end of stderr; the server
// goes on, and so do pipelines in its commands, which live by SIGPIPE.
func TestEditorThatTakesNoLogs(t *testing.T) {
	p := newPlace(t, `
{"calls": [{"terminal": {"command": "yes | head -n 1; echo ${PIPESTATUS[0]}"}}]}
{"calls": [{"finish": {"message": "${last_tool_output}"}}]}`)
	p.env["AGENT_RPC_LOG"] = "debug"
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	h := p.startWith(writer)
	h.initialize("")
	h.notify("no/such", "{}") // which is logged
	h.call(nil, "agent/ping", "{}")
	id := h.create("")
	if i := h.settled(h.say(id, "Go")); i.Status != "finished" {
		t.Fatalf("the run ended as %+v", i)
	}
	events := p.stored(id)
	if last := string(events[len(events)-1]); !strings.Contains(last, "141") {
		t.Errorf("a program whose reader is gone did not end with SIGPIPE: %s", last)
	}
	h.shutdown()
}

// answered checks that every action has exactly one answer.
func answered(t *testing.T, events [][]byte) {
	t.Helper()
	calls, answers := map[string]string{}, map[string]int{}
	for _, raw := range events {
		switch e := kindOf(t, raw); e.Kind {
		case "ActionEvent":
			calls[e.ToolCallID] = e.ID
		case "ObservationEvent", "AgentErrorEvent", "UserRejectObservation":
			answers[e.ToolCallID]++
		}
	}
	for call := range calls {
		if answers[call] != 1 {
			t.Errorf("the call %s has %d answers", call, answers[call])
		}
	}
	for call := range answers {
		if calls[call] == "" {
			t.Errorf("an answer to %s, which nobody called", call)
		}
	}
}
