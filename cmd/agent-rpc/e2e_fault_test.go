//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/llm/llmtest"
)

// These are the faults of the world outside: of files, of models and of commands.
// docs/faults.md says for each what is kept and what the user is told.

// finished makes a conversation that ran two commands and ended its server.
func finished(t *testing.T) (p *place, id string) {
	p = newPlace(t, `
{"calls": [{"terminal": {"command": "echo first >> ran"}}]}
{"calls": [{"terminal": {"command": "echo second >> ran"}}]}
"Done."
{"calls": [{"terminal": {"command": "echo third >> ran"}}]}
"Done again."`)
	h := p.start()
	h.initialize("")
	id = h.create("")
	if i := h.settled(h.say(id, "Go")); i.Status != "finished" {
		t.Fatalf("the run ended as %+v", i)
	}
	h.shutdown()
	return p, id
}

// files gives the paths of the stored events.
func (p *place) files(id string) []string {
	p.t.Helper()
	names, err := filepath.Glob(filepath.Join(p.conversation(id), "events", "event-*.json"))
	if err != nil || len(names) == 0 {
		p.t.Fatal(names, err)
	}
	return names
}

func overwrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedConversation damages a stored conversation of eight events. What is
// not damaged is kept, what is damaged stays where it is, and the user is told
// which file it is: in the log where the conversation goes on, in an error where
// it does not.
func TestDamagedConversation(t *testing.T) {
	for name, d := range map[string]struct {
		damage func(t *testing.T, p *place, id string)
		events int    // that are left; -1: it can't be opened
		refuse bool   // it can be read, and goes on no more
		told   string // what of the name of the file is said
	}{
		"the newest event is empty": {
			func(t *testing.T, p *place, id string) { overwrite(t, p.files(id)[6], "") }, 6, false, "event-00006-",
		},
		"the newest events are half-written": {
			func(t *testing.T, p *place, id string) {
				for _, path := range p.files(id)[4:] {
					overwrite(t, path, `{"kind":"Obs`)
				}
			}, 4, false, "event-00004-",
		},
		"an event in the middle is half-written": {
			func(t *testing.T, p *place, id string) { overwrite(t, p.files(id)[3], `{"kind":"Obs`) }, 7, true, "event-00003-",
		},
		"an event is missing": {
			func(t *testing.T, p *place, id string) {
				if err := os.Remove(p.files(id)[3]); err != nil {
					t.Fatal(err)
				}
			}, 3, false, "event-00004-",
		},
		"the state is half-written": {
			func(t *testing.T, p *place, id string) {
				overwrite(t, filepath.Join(p.conversation(id), "base_state.json"), `{"id":`)
			}, -1, false, "base_state.json",
		},
		"the state is of another conversation": {
			func(t *testing.T, p *place, id string) {
				overwrite(t, filepath.Join(p.conversation(id), "base_state.json"), `{"id":"3c2a0d43-4f75-4d9e-9a3e-2b6ad0d9f3a1"}`)
			}, -1, false, "3c2a0d43-4f75-4d9e-9a3e-2b6ad0d9f3a1",
		},
		"agent_rpc.json is half-written": {
			func(t *testing.T, p *place, id string) {
				overwrite(t, filepath.Join(p.conversation(id), "agent_rpc.json"), `{"version":1,"run`)
			}, 7, false, "agent_rpc.json",
		},
		"agent_rpc.json has another shape": {
			func(t *testing.T, p *place, id string) {
				overwrite(t, filepath.Join(p.conversation(id), "agent_rpc.json"), `{"version":1,"queue":5}`)
			}, 7, false, "agent_rpc.json",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, id := finished(t)
			d.damage(t, p, id)
			before := contents(t, p.conversation(id))
			h := p.start()
			h.initialize("")
			logged := func() {
				t.Helper()
				h.wait("the warning", func() bool { return strings.Contains(h.logs.String(), d.told) })
			}
			said := func(err *rpcError) {
				t.Helper()
				if err.Data["kind"] != "persistence_error" || !strings.Contains(err.Message, d.told) {
					t.Errorf("the error does not name %s: %s", d.told, err)
				}
			}
			switch {
			case d.events < 0:
				said(h.refused(-31011, "conversation/open", `{"id":%q}`, id))
				said(h.refused(-31011, "conversation/sendMessage", `{"id":%q,"message":"Go on","run":true}`, id))
			case d.refuse:
				h.call(nil, "conversation/open", `{"id":%q}`, id)
				said(h.refused(-31011, "conversation/sendMessage", `{"id":%q,"message":"Go on","run":true}`, id))
				var page struct{ Events []json.RawMessage }
				h.call(&page, "conversation/events", `{"id":%q,"limit":3}`, id)
				if len(page.Events) != 3 {
					t.Errorf("%d events can be read before the damage", len(page.Events))
				}
			default:
				if i := h.open(id); i.Cursor.Seq != d.events || i.Status != "finished" {
					t.Errorf("it opens as %+v, want %d events", i, d.events)
				}
				logged()
				if i := h.settled(h.say(id, "Go on")); i.Status != "finished" {
					t.Errorf("the run ended as %+v %+v", i, i.Error)
				}
			}
			// The server lives, and so do other conversations.
			h.create("")
			h.shutdown()
			after := contents(t, p.conversation(id))
			for path, text := range before {
				if !strings.Contains(path, "event-") && (d.events >= 0 || !strings.HasSuffix(path, ".json")) {
					continue // what opening writes anew, and locks
				}
				aside := strings.Replace(path, "events/", "events.orphaned/", 1)
				if after[path] != text && after[aside] != text {
					t.Errorf("%s was changed to %q", path, after[path])
				}
			}
		})
	}
}

// contents gives the files below a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, pattern := range []string{"*", "*/*"} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
				raw, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				found[strings.TrimPrefix(name, dir+"/")] = string(raw)
			}
		}
	}
	return found
}

// TestClockThatWentBack opens a conversation of tomorrow, which is what is stored
// when the clock goes back: the order of events is that of the log, and nothing
// waits for the time to come.
func TestClockThatWentBack(t *testing.T) {
	p, id := finished(t)
	for _, path := range append(p.files(id), filepath.Join(p.conversation(id), "agent_rpc.json")) {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(raw, &fields); err != nil {
			t.Fatal(err)
		}
		for name, tomorrow := range map[string]string{"timestamp": `"2999-01-01T00:00:00.000000"`, "createdAt": `"2999-01-01T00:00:00Z"`, "updatedAt": `"2999-01-01T00:00:00Z"`} {
			if fields[name] != nil {
				fields[name] = json.RawMessage(tomorrow)
			}
		}
		if raw, err = json.Marshal(fields); err != nil {
			t.Fatal(err)
		}
		overwrite(t, path, string(raw))
	}
	before := p.stored(id)
	h := p.start()
	h.initialize("")
	if i := h.open(id); i.Status != "finished" || i.Cursor.Seq != len(before) {
		t.Errorf("it opens as %+v", i)
	}
	if i := h.settled(h.say(id, "Go on")); i.Status != "finished" {
		t.Errorf("the run ended as %+v", i)
	}
	after := p.stored(id)
	if len(after) <= len(before) || !bytes.Equal(bytes.Join(after[:len(before)], nil), bytes.Join(before, nil)) {
		t.Errorf("%d events were there, %d are now", len(before), len(after))
	}
	var list struct{ Items []info }
	h.call(&list, "conversation/list", "{}")
	if len(list.Items) != 1 || list.Items[0].ID != id {
		t.Errorf("the list is %+v", list.Items)
	}
	h.shutdown()
	h = p.start()
	h.initialize("")
	if i := h.open(id); i.Status != "finished" || i.Cursor.Seq != len(after) {
		t.Errorf("it opens again as %+v", i)
	}
	toldIsStored(t, h.events(id), after)
	h.shutdown()
}

// nonsense is a model's server that gives every request to serve, after it has
// looked whether the history is one that a strict provider accepts.
func nonsense(t *testing.T, p *place, serve func(w http.ResponseWriter, r *http.Request)) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		if _, err := body.ReadFrom(r.Body); err != nil {
			return // the client is gone
		}
		if err := llmtest.StrictChat(body.Bytes()); err != nil {
			t.Errorf("%v\n%s", err, body.Bytes())
		}
		serve(w, r)
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	p.env["LLM_MODEL"], p.env["LLM_BASE_URL"], p.env["LLM_API_KEY"] = "openai/test", s.URL, "sk-test"
	p.env["LLM_NUM_RETRIES"] = "1"
}

// speak answers as a model does.
func speak(w http.ResponseWriter, delta object) {
	w.Header().Set("Content-Type", "text/event-stream")
	sendEvent(w, "", object{"id": "chatcmpl-1", "choices": []object{{"index": 0, "delta": delta}}})
	sendEvent(w, "", object{"id": "chatcmpl-1", "choices": []object{{"index": 0, "delta": object{}, "finish_reason": "stop"}}})
	_, _ = fmt.Fprint(w, "data: [DONE]\n\n") // the client may be gone
}

func callOf(name, arguments string) object {
	return object{"content": "", "tool_calls": []object{{
		"index": 0, "id": "call-1", "type": "function", "function": object{"name": name, "arguments": arguments},
	}}}
}

// TestModelThatIsNoUse: a model that never answers, or answers nonsense for ever,
// ends the run with a state that says so, or can be interrupted. The message is
// kept, and when the model is itself again the conversation goes on.
func TestModelThatIsNoUse(t *testing.T) {
	silent := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	say := func(delta object) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) { speak(w, delta) }
	}
	text := func(kind, body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			_, _ = fmt.Fprint(w, body) // the client may be gone
		}
	}
	for name, m := range map[string]struct {
		serve          func(http.ResponseWriter, *http.Request)
		interrupt      bool
		status, reason string
		code           string
	}{
		"never answers":                  {silent, false, "error", "error", "LLMTimeoutError"},
		"never answers, and interrupted": {silent, true, "paused", "interrupted", ""},
		"stops in the middle": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			sendEvent(w, "", object{"id": "chatcmpl-1", "choices": []object{{"index": 0, "delta": object{"content": "I will"}}}})
			<-r.Context().Done()
		}, false, "error", "error", "LLMTimeoutError"},
		"a page instead of an answer": {text("text/html", "<html>It works!</html>"), false, "error", "error", ""},
		"no JSON":                     {text("text/event-stream", "data: {\"choices\":[{\n\ndata: nonsense\n\n"), false, "error", "error", ""},
		"says nothing":                {say(object{"content": " \n"}), false, "stuck", "stuck", ""},
		"a tool that is not there":    {say(callOf("no such tool!", `{"a":1}`)), false, "stuck", "stuck", ""},
		"arguments that are none":     {say(callOf("terminal", `{"command": "ls`)), false, "stuck", "stuck", ""},
		"words without an end": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for r.Context().Err() == nil {
				sendEvent(w, "", object{"id": "chatcmpl-1", "choices": []object{{"index": 0, "delta": object{"content": "and so on, "}}}})
			}
		}, true, "paused", "interrupted", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, "")
			asked := make(chan struct{}, 1000)
			well := make(chan struct{})
			nonsense(t, p, func(w http.ResponseWriter, r *http.Request) {
				select {
				case asked <- struct{}{}:
				default:
				}
				select {
				case <-well:
					speak(w, object{"content": "I am well."})
				default:
					m.serve(w, r)
				}
			})
			if m.code == "LLMTimeoutError" {
				p.env["LLM_TIMEOUT"] = "0.2"
			}
			h := p.start()
			h.initialize(`"deltas":{}`)
			id := h.create("")
			run := h.say(id, "Go")
			if m.interrupt {
				<-asked
				h.call(nil, "conversation/interrupt", `{"id":%q}`, id)
			}
			i := h.settled(run)
			if i.Status != m.status || i.StopReason != m.reason {
				t.Errorf("the run ended as %+v %+v", i, i.Error)
			}
			if m.status == "error" && (i.Error == nil || i.Error.Message == "" || i.Error.Code == "InternalError" || m.code != "" && i.Error.Code != m.code) {
				t.Errorf("the error is %+v", i.Error)
			}
			t.Logf("%s: %+v after %d requests", i.Status, i.Error, len(asked))
			stored := p.stored(id)
			if n := count(t, stored, "MessageEvent"); n == 0 {
				t.Error("the user's message is lost")
			}
			if calls, answers := count(t, stored, "ActionEvent"), count(t, stored, "AgentErrorEvent"); calls != answers {
				t.Errorf("%d calls have %d answers", calls, answers) // their ids are all the same
			}
			toldIsStored(t, h.events(id), stored)
			h.kill()

			close(well)
			delete(p.env, "LLM_TIMEOUT")
			h = p.start()
			h.initialize("")
			if again := h.open(id); again.Status != m.status || again.StopReason != m.reason {
				t.Errorf("the run is stored as %+v", again)
			}
			if i := h.settled(h.say(id, "Go on")); i.Status != "finished" {
				t.Errorf("the next run ended as %+v %+v", i, i.Error)
			}
			h.shutdown()
		})
	}
}

// TestInterruptOfAnyCommand: an interrupt ends a command whatever it does with
// signals; its call is answered, and the next command runs.
func TestInterruptOfAnyCommand(t *testing.T) {
	for _, c := range lasting {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, `{"calls": [{"terminal": {"command": """`+c.command+`"""}}]}
{"calls": [{"terminal": {"command": "echo next >> ran"}}]} "Done."`)
			opened := p.fifo("held")
			h := p.start()
			h.initialize("")
			id := h.create("")
			run := h.say(id, "Go")
			let := opened()
			h.call(nil, "conversation/interrupt", `{"id":%q}`, id)
			if i := h.settled(run); i.Status != "paused" || i.StopReason != "interrupted" {
				t.Errorf("the run ended as %+v", i)
			}
			ended(t, let, c.command)
			answered(t, p.stored(id))
			if n := count(t, p.stored(id), "InterruptEvent"); n != 1 {
				t.Errorf("%d events tell of the interrupt", n)
			}
			if i := h.settled(h.say(id, "Go on")); i.Status != "finished" {
				t.Errorf("the next run ended as %+v", i)
			}
			ranOnce(t, p, p.stored(id))
			h.shutdown()
		})
	}
}

// TestFloodOfOutput: a command that prints 100 MB costs neither memory nor disk,
// and the model sees the beginning and the end.
func TestFloodOfOutput(t *testing.T) {
	t.Parallel()
	p := newPlace(t, `{"calls": [{"terminal": {"command": "echo the beginning; yes a line of output | head -c 100000000; echo; echo the end"}}]} "Done."`)
	h := p.start()
	h.initialize("")
	id := h.create("")
	before := memory(t, h)
	if i := h.settled(h.say(id, "Go")); i.Status != "finished" {
		t.Fatalf("the run ended as %+v", i)
	}
	after := memory(t, h)
	t.Logf("memory %d MB, then %d MB", before>>20, after>>20)
	limit := 100 << 20 // whoever keeps all of it has it more than once
	if raceEnabled {
		limit *= 2 // it keeps notes of all memory
	}
	if after > before+limit {
		t.Errorf("memory grew from %d to %d MB", before>>20, after>>20)
	}
	found := false
	for _, raw := range p.stored(id) {
		if len(raw) > 1<<20 {
			t.Errorf("an event of %d bytes is stored", len(raw))
		}
		if kindOf(t, raw).Kind == "ObservationEvent" {
			found = bytes.Contains(raw, []byte("the beginning")) && bytes.Contains(raw, []byte("the end"))
		}
	}
	if !found {
		t.Error("the result does not show the beginning and the end")
	}
	h.shutdown()
}

// TestLongConversation opens a conversation of ten thousand events, pages through
// its end and goes on with it, before and after a kill.
func TestLongConversation(t *testing.T) {
	t.Parallel()
	p, id := finished(t)
	overwrite(t, p.script, `{"when": "^Go on", "then": ["I do."]}`)
	files := p.files(id)
	last := kindOf(t, p.stored(id)[len(files)-1]).ID
	const many = 10_000
	for i := len(files); i < many; i++ {
		next := fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
		source, role := "user", "user"
		if i%2 == 1 {
			source, role = "agent", "assistant"
		}
		overwrite(t, filepath.Join(p.conversation(id), "events", fmt.Sprintf("event-%05d-%s.json", i, next)), fmt.Sprintf(
			`{"kind":"MessageEvent","id":%q,"parent_id":%q,"timestamp":"2026-01-01T00:00:00.000000","source":%q,"llm_message":{"role":%q,"content":[{"type":"text","text":"message %d"}]}}`,
			next, last, source, role, i))
		last = next
	}
	h := p.start()
	h.initialize("")
	h.call(nil, "conversation/open", `{"id":%q,"agent":{"condenser":null}}`, id)
	seq := many
	for _, end := range []string{"kill", "shutdown"} {
		if i := h.state(id); i.Cursor.Seq != seq {
			t.Fatalf("it opens as %+v, want %d events", i, seq)
		}
		var page struct {
			Events []struct {
				Seq   int
				Event struct{ ID string }
			}
		}
		h.call(&page, "conversation/events", `{"id":%q,"before":%d,"limit":500}`, id, many+1)
		if len(page.Events) != 500 || page.Events[499].Event.ID != last || page.Events[499].Seq != many {
			t.Errorf("the last page has %d events", len(page.Events))
		}
		i := h.settled(h.say(id, "Go on"))
		if i.Status != "finished" {
			t.Errorf("the run ended as %+v %+v", i, i.Error)
		}
		seq = i.Cursor.Seq
		if n := len(p.stored(id)); n != seq {
			t.Errorf("%d events are stored, %d told", n, seq)
		}
		if end == "shutdown" {
			h.shutdown()
			break
		}
		h.kill()
		h = p.start()
		h.initialize("")
		h.call(nil, "conversation/open", `{"id":%q}`, id)
	}
}
