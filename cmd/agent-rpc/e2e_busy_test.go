//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/llm/llmtest"
)

// busyModel is a model's server that keeps a conversation busy at every moment: it
// speaks in small pieces, has commands run that leave a line each, files edited,
// thoughts noted and the user asked, calls what is not there, and writes summaries.
// It takes no history that a strict provider would refuse.
type busyModel struct {
	t      *testing.T
	folder string

	mu    sync.Mutex
	asked int  // how often for a step
	goOn  bool // after the kill
}

// busySteps is how many pairs of steps the busy conversation has, and busyEvents
// how many events come of them at least.
const (
	busySteps  = 6
	busyEvents = 2 + 8*busySteps + 1
)

// busyPlace is a place with a model that keeps every conversation busy.
func busyPlace(t *testing.T) (*place, *busyModel) {
	p := newPlace(t, "")
	m := &busyModel{t: t, folder: p.folder}
	s := httptest.NewServer(http.HandlerFunc(m.serve))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	p.env["LLM_MODEL"], p.env["LLM_BASE_URL"], p.env["LLM_API_KEY"] = "openai/busy", s.URL, "sk-test"
	return p, m
}

// busyOptions make a conversation that forgets soon, and has hooks.
const busyOptions = `"agent":{"condenser":{"kind":"LLMSummarizingCondenser","max_size":20,"keep_first":2}},
	"hookConfig":{"UserPromptSubmit":[{"hooks":[{"command":"true"}]}],"PreToolUse":[{"matcher":"file_editor","hooks":[{"command":"true"}]}],"Stop":[{"hooks":[{"command":"true"}]}]}`

func (m *busyModel) serve(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	if _, err := body.ReadFrom(r.Body); err != nil {
		return // the client is gone
	}
	if err := llmtest.StrictChat(body.Bytes()); err != nil {
		m.t.Errorf("%v\n%s", err, body.Bytes())
	}
	var request struct{ Tools []json.RawMessage }
	if err := json.Unmarshal(body.Bytes(), &request); err != nil {
		m.t.Error(err)
	}
	text, calls := "What happened so far, in short.", []object(nil)
	if len(request.Tools) > 0 {
		text, calls = m.step()
	}
	w.Header().Set("Content-Type", "text/event-stream")
	say := func(delta object) {
		sendEvent(w, "", object{"id": "chatcmpl-1", "choices": []object{{"index": 0, "delta": delta}}})
	}
	for len(text) > 0 {
		n := min(16, len(text))
		say(object{"content": text[:n]})
		text = text[n:]
	}
	for _, c := range calls {
		say(object{"tool_calls": []object{c}})
	}
	sendEvent(w, "", object{"id": "chatcmpl-1", "choices": []object{{"index": 0, "delta": object{}, "finish_reason": "stop"}}})
	_, _ = fmt.Fprint(w, "data: [DONE]\n\n") // the client may be gone
}

// after tells the model of the kill.
func (m *busyModel) after() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.goOn, m.asked = true, 0
}

func (m *busyModel) step() (text string, calls []object) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.asked
	m.asked++
	call := func(name string, arguments object) {
		raw, err := json.Marshal(arguments)
		if err != nil {
			m.t.Error(err)
		}
		calls = append(calls, object{
			"index": len(calls), "id": fmt.Sprintf("call-%t-%d-%d", m.goOn, n, len(calls)), "type": "function",
			"function": object{"name": name, "arguments": string(raw)},
		})
	}
	run := func(format string, args ...any) { call("terminal", object{"command": fmt.Sprintf(format, args...)}) }
	i := n / 2
	file := filepath.Join(m.folder, fmt.Sprintf("file-%d.txt", i))
	switch {
	case m.goOn && n == 0:
		run("echo on >> ran")
		return "I go on.", calls
	case m.goOn:
		return "That is all.", nil
	case i == busySteps:
		return "Everything is done.", nil
	case n%2 == 0:
		run("echo %[1]d-first >> ran; echo out; echo %[1]d-second >> ran", i)
		call("file_editor", object{"command": "create", "path": file, "file_text": "one\ntwo\n"})
		run("echo %d-third >> ran", i)
	default:
		call("file_editor", object{"command": "str_replace", "path": file, "old_str": "two", "new_str": "three"})
		switch i % 3 {
		case 0:
			call("no_such_tool", object{"i": i})
		case 1:
			call("ask_user", object{"question": "Shall I go on?"})
		case 2:
			call("think", object{"thought": "And then?"})
		}
	}
	return fmt.Sprintf("Step %d begins and says so.", n), calls
}
