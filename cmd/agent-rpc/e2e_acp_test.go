//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestACP holds sessions with agent-rpc acp, each part with a process of its own.
func TestACP(t *testing.T) {
	t.Parallel()
	for name, part := range map[string]func(*testing.T){
		"initialize":               acpInitialize,
		"a turn":                   acpTurn,
		"load":                     acpLoad,
		"resume":                   acpResume,
		"list, close and delete":   acpList,
		"fork":                     acpFork,
		"content":                  acpContent,
		"permissions":              acpPermissions,
		"nobody answers":           acpNobodyAnswers,
		"a permission that waited": acpWaited,
		"cancel":                   acpCancel,
		"two prompts":              acpTwoPrompts,
		"files of the editor":      acpFiles,
		"no files of the editor":   acpDisk,
		"additional directories":   acpDirectories,
		"modes and options":        acpModes,
		"questions":                acpQuestions,
		"steering":                 acpSteering,
		"pause and run":            acpPause,
		"secrets":                  acpSecrets,
		"MCP servers":              acpServers,
		"calls of MCP servers":     acpServerCalls,
		"condense":                 acpCondense,
		"limits and failures":      acpFailures,
		"no model":                 acpNoModel,
		"malformed input":          acpMalformed,
		"in the other face":        acpOtherFace,
		"the end of the input":     acpEnd,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(t)
		})
	}
}

func acpInitialize(t *testing.T) {
	h := newPlace(t, `"Hi."`).startACP()
	if e := h.refused("session/new", obj{"cwd": h.folder, "mcpServers": []any{}}); e.Code != -32002 {
		t.Error(e)
	}
	var r struct {
		ProtocolVersion   int
		AgentCapabilities struct {
			LoadSession         bool
			PromptCapabilities  struct{ Image, EmbeddedContext bool }
			SessionCapabilities map[string]any
		}
		AuthMethods []struct{ ID, Type string }
		AgentInfo   struct{ Name string }
	}
	h.ask(&r, "initialize", obj{"protocolVersion": 7, "clientCapabilities": obj{"auth": obj{"terminal": true}}})
	c := r.AgentCapabilities
	if r.ProtocolVersion != 1 || !c.LoadSession || !c.PromptCapabilities.Image || !c.PromptCapabilities.EmbeddedContext || r.AgentInfo.Name != "agent-rpc" {
		t.Errorf("%+v", r)
	}
	for _, name := range []string{"list", "resume", "close", "delete", "additionalDirectories"} {
		if _, ok := c.SessionCapabilities[name]; !ok {
			t.Errorf("no capability %s", name)
		}
	}
	if _, ok := c.SessionCapabilities["fork"]; ok {
		t.Error("fork is offered, which is not stable")
	}
	if len(r.AuthMethods) != 2 || r.AuthMethods[1].Type != "terminal" {
		t.Errorf("auth methods %+v", r.AuthMethods)
	}
	h.ask(nil, "authenticate", obj{"methodId": "settings"})
	h.refused("authenticate", obj{"methodId": "other"})
	h.refused("initialize", obj{"protocolVersion": 1})
}

// work is a script with all that a turn shows.
const work = `
{"settings": {"usage": {"prompt_tokens": 10, "completion_tokens": 5, "context_window": 1000, "cost": 0.5}}}
{"reasoning": "Let me think.", "text": "I look at it.", "chunk": 5, "calls": [
  {"terminal": {"command": "echo hello > a.txt", "security_risk": "LOW", "summary": "Write"}}]}
{"calls": [{"task_tracker": {"command": "plan", "task_list": [{"title": "One", "status": "done"}, {"title": "Two", "status": "in_progress"}], "security_risk": "LOW", "summary": "Plan"}}]}
{"calls": [{"file_editor": {"command": "str_replace", "path": "${workspace}/a.txt", "old_str": "hello", "new_str": "bye", "security_risk": "LOW", "summary": "Edit"}}]}
{"calls": [{"think": {"thought": "Nearly there."}}]}
{"calls": [{"terminal": {"command": "ls /nowhere-at-all", "security_risk": "LOW", "summary": "Look"}}]}
{"calls": [{"finish": {"message": "All done."}}]}
`

func acpTurn(t *testing.T) {
	h := acpWith(t, work, obj{})
	id := h.open()
	// What follows from a session comes after the answer that names it.
	h.await("the commands", func() bool { return strings.Contains(h.transcript(), "available_commands_update") })
	for _, f := range h.seen {
		if f.Method == "session/update" {
			t.Fatal("an update came before the session was known")
		}
		if strings.Contains(string(f.Result), id) {
			break
		}
	}
	if reason := h.prompt(id, "Go"); reason != "end_turn" {
		t.Error(reason)
	}
	if got := h.said(0, "agent_message_chunk"); got != "I look at it.All done." {
		t.Errorf("said %q", got)
	}
	if got := h.said(0, "agent_thought_chunk"); got != "Let me think.Nearly there." {
		t.Errorf("thought %q", got)
	}
	ids := map[string]bool{}
	for _, u := range h.updates(0, "agent_message_chunk") {
		ids[u.MessageID] = true
	}
	if len(ids) != 2 || ids[""] {
		t.Errorf("the two messages have the ids %v", ids)
	}
	if u := h.updates(0, "user_message_chunk"); len(u) > 0 {
		t.Error("the client is told what it said itself")
	}
	calls := h.updates(0, "tool_call")
	if len(calls) != 3 || calls[0].Kind != "execute" || calls[1].Kind != "edit" || calls[0].Status != "pending" {
		t.Fatalf("tool calls %+v", calls)
	}
	if l := calls[1].Locations; len(l) != 1 || l[0].Path != filepath.Join(h.folder, "a.txt") {
		t.Errorf("locations %+v", l)
	}
	var last []string
	for _, c := range calls {
		state := ""
		for _, u := range h.updates(0, "tool_call_update") {
			if u.ToolCallID == c.ToolCallID {
				state += " " + u.Status
				if c.Kind == "edit" && u.Status == "completed" && !strings.Contains(string(u.Content), `"diff"`) {
					t.Errorf("an edit without its diff: %s", u.Content)
				}
			}
		}
		last = append(last, state)
	}
	for i := range last { // a quick call may be over before it is told that it began
		last[i] = strings.TrimPrefix(last[i], " in_progress")
	}
	if !slices.Equal(last, []string{" completed", " completed", " failed"}) {
		t.Errorf("statuses %q", last)
	}
	if plan := h.updates(0, "plan"); len(plan) != 1 || fmt.Sprint(plan[0].Entries) != "[{One completed} {Two in_progress}]" {
		t.Errorf("plan %+v", plan)
	}
	if usage := h.updates(0, "usage_update"); len(usage) == 0 || usage[len(usage)-1].Size != 1000 || usage[len(usage)-1].Used != 15 {
		t.Errorf("usage %+v", usage)
	}
	if len(h.updates(0, "session_info_update")) == 0 {
		t.Error("no session_info_update")
	}
	if code := h.leave(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func acpLoad(t *testing.T) {
	h := acpWith(t, work, obj{})
	id := h.open()
	h.prompt(id, "Go")
	h.kill()
	again := h.startACP()
	again.initialize(obj{})
	if e := again.refused("session/prompt", obj{"sessionId": id, "prompt": text("x")}); !strings.Contains(e.Message, "load or resume") {
		t.Error(e)
	}
	if e := again.refused("session/load", obj{"sessionId": "11111111-2222-4333-8444-555555555555", "cwd": h.folder, "mcpServers": []any{}}); e.Code != -32002 {
		t.Error(e)
	}
	for range 2 { // a second time on the same connection gives the same
		from := again.position()
		reply := again.reply(again.send("session/load", obj{"sessionId": id, "cwd": h.folder, "mcpServers": []any{}}))
		if reply.Error != nil {
			t.Fatal(reply.Error)
		}
		again.mu.Lock()
		end := slices.Index(again.seen, reply)
		var kinds []string
		for _, f := range again.seen[from:end] {
			var p struct{ Update acpUpdate }
			if err := json.Unmarshal(f.Params, &p); err != nil {
				t.Fatal(err)
			}
			kinds = append(kinds, p.Update.SessionUpdate)
		}
		again.mu.Unlock()
		want := "user_message_chunk agent_thought_chunk agent_message_chunk tool_call tool_call_update plan tool_call tool_call_update agent_thought_chunk tool_call tool_call_update agent_message_chunk"
		if got := strings.Join(kinds, " "); got != want {
			t.Errorf("replayed %s\nwant     %s", got, want)
		}
		again.await("the commands after it", func() bool {
			return strings.Contains(string(again.seen[len(again.seen)-1].raw), "available_commands")
		})
	}
	if got := again.said(0, "user_message_chunk"); got != "GoGo" {
		t.Errorf("the user said %q", got)
	}
}

func acpResume(t *testing.T) {
	h := acpWith(t, `"One."`+"\n"+`"Two."`, obj{})
	id := h.open()
	h.prompt(id, "Go")
	h.kill()
	again := h.startACP()
	again.initialize(obj{})
	again.ask(nil, "session/resume", obj{"sessionId": id, "cwd": h.folder})
	if got := again.said(0, ""); got != "" {
		t.Errorf("resume replays %q", got)
	}
	if reason := again.prompt(id, "Go on"); reason != "end_turn" || again.said(0, "agent_message_chunk") != "Two." {
		t.Errorf("%s, said %q", reason, again.said(0, "agent_message_chunk"))
	}
}

func acpList(t *testing.T) {
	h := acpWith(t, `"One."`, obj{})
	one, two := h.open(), h.open()
	h.prompt(one, "Go")
	var list struct {
		Sessions []struct{ SessionID, Cwd, UpdatedAt string }
	}
	h.ask(&list, "session/list", obj{"cwd": h.folder})
	if len(list.Sessions) != 2 || list.Sessions[0].Cwd != h.folder || list.Sessions[0].UpdatedAt == "" {
		t.Errorf("%+v", list)
	}
	h.ask(&list, "session/list", obj{"cwd": "/"})
	if len(list.Sessions) != 0 {
		t.Errorf("in another folder: %+v", list)
	}
	h.ask(nil, "session/close", obj{"sessionId": one})
	h.ask(nil, "session/close", obj{"sessionId": one})
	h.ask(nil, "session/delete", obj{"sessionId": two})
	h.ask(&list, "session/list", obj{})
	if len(list.Sessions) != 1 || list.Sessions[0].SessionID != one {
		t.Errorf("after delete: %+v", list)
	}
	if _, err := os.Stat(h.conversation(two)); !os.IsNotExist(err) {
		t.Error("the deleted session is on the disk:", err)
	}
}

func acpFork(t *testing.T) {
	p := newPlace(t, `"One."`+"\n"+`"Two."`)
	stable := p.startACP()
	stable.initialize(obj{})
	if e := stable.refused("session/fork", obj{"sessionId": "x", "cwd": p.folder}); e.Code != -32601 {
		t.Error(e)
	}
	stable.leave()
	h := p.startACP("--unstable")
	h.initialize(obj{})
	id := h.open()
	h.prompt(id, "Go")
	var fork struct{ SessionID string }
	h.ask(&fork, "session/fork", obj{"sessionId": id, "cwd": p.folder, "mcpServers": []any{}})
	if fork.SessionID == "" || fork.SessionID == id {
		t.Fatalf("%+v", fork)
	}
	h.prompt(fork.SessionID, "And the copy")
	if a, b := len(h.stored(id)), len(h.stored(fork.SessionID)); b != a+2 {
		t.Errorf("%d events, %d in the copy", a, b)
	}
}

func acpContent(t *testing.T) {
	h := acpWith(t, `"Seen."`, obj{})
	id := h.open()
	file := "file://" + h.folder + "/a%20b.go"
	h.stopped(h.send("session/prompt", obj{"sessionId": id, "prompt": []any{
		obj{"type": "text", "text": "Look:"},
		obj{"type": "image", "data": "aGk=", "mimeType": "image/png"},
		obj{"type": "resource_link", "name": "a b.go", "uri": file},
		obj{"type": "resource", "resource": obj{"uri": file + "#L3:9", "text": "some code\n", "mimeType": "text/x-go"}},
		obj{"type": "resource", "resource": obj{"uri": "https://example.org/x", "text": "a page"}},
		obj{"type": "resource", "resource": obj{"uri": "x:y", "blob": "aGk=", "mimeType": "image/gif"}},
	}}))
	var stored struct {
		Message struct {
			Content []struct {
				Type, Text string
				Images     []string `json:"image_urls"`
			}
		} `json:"llm_message"`
	}
	for _, raw := range h.stored(id) {
		if strings.Contains(string(raw), "Look:") {
			if err := json.Unmarshal(raw, &stored); err != nil {
				t.Fatal(err)
			}
		}
	}
	var got []string
	for _, c := range stored.Message.Content {
		got = append(got, c.Text+strings.Join(c.Images, ""))
	}
	path := h.folder + "/a b.go"
	want := []string{"Look:", "data:image/png;base64,aGk=", "[file] " + path, "[selection] " + path + ":3-9\nsome code", "[resource] https://example.org/x\na page", "data:image/gif;base64,aGk="}
	if !slices.Equal(got, want) {
		t.Errorf("stored %q\nwant   %q", got, want)
	}
	for _, wrong := range []any{[]any{}, []any{obj{"type": "audio", "data": "aGk=", "mimeType": "audio/wav"}}, []any{obj{"type": "other"}}, []any{obj{"type": "text"}}} {
		if e := h.refused("session/prompt", obj{"sessionId": id, "prompt": wrong}); e.Code != -32602 {
			t.Errorf("%v: %s", wrong, e)
		}
	}
}

const risky = `
{"calls": [{"terminal": {"command": "echo one >> a.txt", "security_risk": "MEDIUM", "summary": "Write"}}]}
{"calls": [{"terminal": {"command": "echo one >> a.txt", "security_risk": "MEDIUM", "summary": "Write"}}]}
"Done."
`

func acpPermissions(t *testing.T) {
	for option, lines := range map[string]int{"approve": 2, "remember": 2, "reject": 0} {
		h := acpWith(t, risky, obj{})
		h.choose(option)
		id := h.open()
		if reason := h.prompt(id, "Go"); reason != "end_turn" {
			t.Error(reason)
		}
		raw, _ := os.ReadFile(filepath.Join(h.folder, "a.txt"))
		if n := strings.Count(string(raw), "one"); n != lines {
			t.Errorf("%s: %d lines were written", option, n)
		}
		questions := map[string]int{"approve": 2, "remember": 1, "reject": 1}[option]
		if n := strings.Count(h.transcript(), "session/request_permission"); n != questions {
			t.Errorf("%s: asked %d times", option, n)
		}
		var p struct {
			ToolCall struct{ ToolCallID, Title, Kind string }
			Options  []struct{ OptionID, Kind string }
		}
		if err := json.Unmarshal(h.asked("session/request_permission", 1), &p); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(p.Options) != "[{approve allow_once} {remember allow_always} {reject reject_once}]" || p.ToolCall.Kind != "execute" ||
			p.ToolCall.ToolCallID != h.updates(0, "tool_call")[0].ToolCallID {
			t.Errorf("%+v", p)
		}
		if u := h.updates(0, "tool_call_update"); option == "reject" && (len(u) != 1 || u[0].Status != "failed") {
			t.Errorf("rejected: %+v", u)
		}
		h.leave()
	}
}

// acpNobodyAnswers: a client that can't ask ends the turn, nothing is carried out,
// and the next prompt says what the user thinks.
func acpNobodyAnswers(t *testing.T) {
	h := acpWith(t, `{"calls": [{"terminal": {"command": "touch a.txt", "security_risk": "HIGH", "summary": "Write"}}]}`+"\n"+`"As you like."`, obj{})
	h.answer("session/request_permission", func(json.RawMessage) (any, int) { return nil, -32601 })
	id := h.open()
	if reason := h.prompt(id, "Go"); reason != "end_turn" {
		t.Error(reason)
	}
	if got := h.said(0, "agent_message_chunk"); !strings.Contains(got, "waits for your approval") {
		t.Errorf("said %q", got)
	}
	if reason := h.prompt(id, "No, leave it"); reason != "end_turn" {
		t.Error(reason)
	}
	if got := h.said(0, "agent_message_chunk"); !strings.HasSuffix(got, "As you like.") {
		t.Errorf("said %q", got)
	}
	if _, err := os.Stat(filepath.Join(h.folder, "a.txt")); err == nil {
		t.Error("it was carried out without a yes")
	}
}

// acpWaited: a permission is not lost with the connection.
func acpWaited(t *testing.T) {
	h := acpWith(t, risky, obj{})
	id := h.open()
	h.send("session/prompt", obj{"sessionId": id, "prompt": text("Go")})
	h.asked("session/request_permission", 1)
	h.kill()
	again := h.startACP()
	again.initialize(obj{})
	load := again.send("session/load", obj{"sessionId": id, "cwd": h.folder, "mcpServers": []any{}})
	again.asked("session/request_permission", 1)
	again.mu.Lock()
	replied, asked := slices.Index(again.seen, again.replies[load]), 0
	for i, f := range again.seen {
		if f.Method == "session/request_permission" {
			asked = i
		}
	}
	question := again.seen[asked]
	again.mu.Unlock()
	if replied < 0 || asked < replied {
		t.Error("it is asked before the session is known")
	}
	again.choose("approve")
	again.line(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"outcome":{"outcome":"selected","optionId":"approve"}}}`, question.ID))
	again.await("the end of the run", func() bool { return strings.Contains(again.transcript(), "Done.") })
	raw, _ := os.ReadFile(filepath.Join(h.folder, "a.txt"))
	if string(raw) != "one\none\n" {
		t.Errorf("wrote %q", raw)
	}
}

func acpCancel(t *testing.T) {
	t.Run("a model that thinks", func(t *testing.T) {
		h := acpWith(t, `{"text": "I begin", "wait": "forever"}`+"\n"+`"Again."`, obj{})
		id := h.open()
		turn := h.send("session/prompt", obj{"sessionId": id, "prompt": text("Go")})
		h.await("a chunk", func() bool { return strings.Contains(h.transcript(), "I begin") })
		h.line(fmt.Sprintf(`{"jsonrpc":"2.0","method":"session/cancel","params":{"sessionId":%q}}`, id))
		if reason := h.stopped(turn); reason != "cancelled" {
			t.Error(reason)
		}
		if reason := h.prompt(id, "Once more"); reason != "end_turn" {
			t.Error(reason)
		}
	})
	t.Run("at once", func(t *testing.T) {
		h := acpWith(t, `{"text": "x", "wait": "forever"}`, obj{})
		id := h.open()
		turn := h.send("session/prompt", obj{"sessionId": id, "prompt": text("Go")})
		h.line(fmt.Sprintf(`{"jsonrpc":"2.0","method":"session/cancel","params":{"sessionId":%q}}`, id))
		if reason := h.stopped(turn); reason != "cancelled" {
			t.Error(reason)
		}
		h.line(fmt.Sprintf(`{"jsonrpc":"2.0","method":"session/cancel","params":{"sessionId":%q}}`, id)) // nothing goes on
		h.line(`{"jsonrpc":"2.0","method":"session/cancel","params":{"sessionId":"nobody"}}`)
		h.ask(nil, "session/list", obj{})
	})
	t.Run("a permission", func(t *testing.T) {
		h := acpWith(t, risky, obj{})
		id := h.open()
		turn := h.send("session/prompt", obj{"sessionId": id, "prompt": text("Go")})
		h.asked("session/request_permission", 1)
		h.line(fmt.Sprintf(`{"jsonrpc":"2.0","method":"session/cancel","params":{"sessionId":%q}}`, id))
		if reason := h.stopped(turn); reason != "cancelled" {
			t.Error(reason)
		}
		h.await("the question to be taken back", func() bool { return strings.Contains(h.transcript(), "$/cancel_request") })
	})
	t.Run("a dismissed permission", func(t *testing.T) {
		h := acpWith(t, risky, obj{})
		h.answer("session/request_permission", func(json.RawMessage) (any, int) { return obj{"outcome": obj{"outcome": "cancelled"}}, 0 })
		if reason := h.prompt(h.open(), "Go"); reason != "cancelled" {
			t.Error(reason)
		}
		if _, err := os.Stat(filepath.Join(h.folder, "a.txt")); err == nil {
			t.Error("it was carried out")
		}
	})
	t.Run("the request", func(t *testing.T) {
		h := acpWith(t, `{"text": "I begin", "wait": "forever"}`+"\n"+`"Again."`, obj{})
		id := h.open()
		turn := h.send("session/prompt", obj{"sessionId": id, "prompt": text("Go")})
		h.await("a chunk", func() bool { return strings.Contains(h.transcript(), "I begin") })
		h.line(fmt.Sprintf(`{"jsonrpc":"2.0","method":"$/cancel_request","params":{"requestId":%s}}`, turn))
		if f := h.reply(turn); f.Error == nil || f.Error.Code != -32800 {
			t.Errorf("%s", f.raw)
		}
		if reason := h.prompt(id, "Once more"); reason != "end_turn" {
			t.Error(reason)
		}
	})
	t.Run("close", func(t *testing.T) {
		h := acpWith(t, `{"text": "I begin", "wait": "forever"}`, obj{})
		id := h.open()
		turn := h.send("session/prompt", obj{"sessionId": id, "prompt": text("Go")})
		h.await("a chunk", func() bool { return strings.Contains(h.transcript(), "I begin") })
		h.ask(nil, "session/close", obj{"sessionId": id})
		if reason := h.stopped(turn); reason != "cancelled" {
			t.Error(reason)
		}
	})
}

func acpTwoPrompts(t *testing.T) {
	h := acpWith(t, `{"text": "One.", "latency": 200}`+"\n"+`"Two."`, obj{})
	id := h.open()
	one := h.send("session/prompt", obj{"sessionId": id, "prompt": text("First")})
	two := h.send("session/prompt", obj{"sessionId": id, "prompt": text("Second")})
	if a, b := h.stopped(one), h.stopped(two); a != "end_turn" || b != "end_turn" {
		t.Error(a, b)
	}
	if got := h.said(0, "agent_message_chunk"); got != "One.Two." {
		t.Errorf("said %q", got)
	}
}

// acpFiles: what the editor has counts, saved or not, and it makes the edits.
func acpFiles(t *testing.T) {
	h := newPlace(t, `
{"calls": [{"file_editor": {"command": "view", "path": "${workspace}/a.txt", "security_risk": "LOW", "summary": "Look"}}]}
{"calls": [{"file_editor": {"command": "str_replace", "path": "${workspace}/a.txt", "old_str": "unsaved", "new_str": "edited", "security_risk": "LOW", "summary": "Edit"}}]}
{"calls": [{"file_editor": {"command": "create", "path": "${workspace}/new.txt", "file_text": "fresh", "security_risk": "LOW", "summary": "Make"}}]}
"Done."
`).startACP()
	path := filepath.Join(h.folder, "a.txt")
	if err := os.WriteFile(path, []byte("saved\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	buffers := map[string]string{path: "unsaved\n"} // only reader and writer of it: the agent asks one at a time
	h.initialize(obj{"fs": obj{"readTextFile": true, "writeTextFile": true}})
	h.answer("fs/read_text_file", func(raw json.RawMessage) (any, int) {
		var p struct{ Path string }
		_ = json.Unmarshal(raw, &p)
		content, ok := buffers[p.Path]
		if !ok {
			return nil, -32002
		}
		return obj{"content": content}, 0
	})
	h.answer("fs/write_text_file", func(raw json.RawMessage) (any, int) {
		var p struct{ Path, Content string }
		_ = json.Unmarshal(raw, &p)
		buffers[p.Path] = p.Content
		return obj{}, 0
	})
	if reason := h.prompt(h.open(), "Go"); reason != "end_turn" {
		t.Error(reason)
	}
	if !strings.Contains(h.transcript(), "unsaved") {
		t.Error("the agent did not see the unsaved text")
	}
	if buffers[path] != "edited\n" || buffers[filepath.Join(h.folder, "new.txt")] != "fresh" {
		t.Errorf("the editor has %q", buffers)
	}
	if raw, _ := os.ReadFile(path); string(raw) != "saved\n" {
		t.Errorf("the disk was written behind the editor's back: %q", raw)
	}
}

// acpDisk: an editor without files, or one that can't read a file, leaves the disk.
func acpDisk(t *testing.T) {
	for _, capabilities := range []obj{{}, {"fs": obj{"readTextFile": true}}} {
		h := acpWith(t, `
{"calls": [{"file_editor": {"command": "str_replace", "path": "${workspace}/a.txt", "old_str": "saved", "new_str": "edited", "security_risk": "LOW", "summary": "Edit"}}]}
"Done."
`, capabilities)
		h.answer("fs/read_text_file", func(json.RawMessage) (any, int) { return nil, -32603 })
		path := filepath.Join(h.folder, "a.txt")
		if err := os.WriteFile(path, []byte("saved\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		h.prompt(h.open(), "Go")
		if raw, _ := os.ReadFile(path); string(raw) != "edited\n" {
			t.Errorf("%v: %q", capabilities, raw)
		}
		h.leave()
	}
}

// acpDirectories: files in the other folders of a session are no strangers.
func acpDirectories(t *testing.T) {
	for _, known := range []bool{true, false} {
		h := acpWith(t, `{"calls": [{"file_editor": {"command": "create", "path": "${workspace}/../other/b.txt", "file_text": "x", "security_risk": "LOW", "summary": "Make"}}]}`+"\n"+`"Done."`, obj{})
		other := filepath.Join(filepath.Dir(h.folder), "other")
		if err := os.Mkdir(other, 0o755); err != nil {
			t.Fatal(err)
		}
		h.choose("reject")
		params := obj{"cwd": h.folder, "mcpServers": []any{}}
		if known {
			params["additionalDirectories"] = []string{other}
		}
		var s struct{ SessionID string }
		h.ask(&s, "session/new", params)
		h.prompt(s.SessionID, "Go")
		_, err := os.Stat(filepath.Join(other, "b.txt"))
		if written := err == nil; written != known {
			t.Errorf("a file in a folder that is known (%v) was written: %v", known, written)
		}
		h.leave()
	}
	h := acpWith(t, `"Hi."`, obj{})
	for _, wrong := range []obj{{"cwd": "relative", "mcpServers": []any{}}, {"cwd": "/nowhere-at-all", "mcpServers": []any{}}, {"cwd": h.folder, "mcpServers": []any{}, "additionalDirectories": []string{"x"}}} {
		if e := h.refused("session/new", wrong); e.Code != -32602 {
			t.Error(e)
		}
	}
}

func acpModes(t *testing.T) {
	h := acpWith(t, risky, obj{})
	var s struct {
		SessionID     string
		Modes         struct{ CurrentModeID string }
		ConfigOptions []struct{ ID, CurrentValue string }
	}
	h.ask(&s, "session/new", obj{"cwd": h.folder, "mcpServers": []any{}})
	if s.Modes.CurrentModeID != "ask-if-risky" || len(s.ConfigOptions) != 3 {
		t.Fatalf("%+v", s)
	}
	set := func(id, value string) string {
		h.ask(&s, "session/set_config_option", obj{"sessionId": s.SessionID, "configId": id, "value": value})
		for _, o := range s.ConfigOptions {
			if o.ID == id {
				return o.CurrentValue
			}
		}
		return ""
	}
	if got := set("mode", "ask"); got != "ask" {
		t.Errorf("mode %q", got)
	}
	if got := set("thought_level", "high"); got != "high" {
		t.Errorf("thought level %q", got)
	}
	if got := set("thought_level", "default"); got != "default" {
		t.Errorf("thought level %q", got)
	}
	if model := "scripted/" + h.script; set("model", model) != model {
		t.Errorf("model %+v", s.ConfigOptions)
	}
	h.ask(nil, "session/set_mode", obj{"sessionId": s.SessionID, "modeId": "never"})
	h.await("the mode", func() bool { return strings.Contains(h.transcript(), `"currentModeId":"never"`) })
	h.await("the option", func() bool { return strings.Contains(h.transcript(), "config_option_update") })
	if reason := h.prompt(s.SessionID, "Go"); reason != "end_turn" || strings.Contains(h.transcript(), "request_permission") {
		t.Errorf("%s, or it asked", reason)
	}
	for _, wrong := range []obj{{"configId": "mode", "value": "x"}, {"configId": "model", "value": "x/y"}, {"configId": "thought_level", "value": "x"}, {"configId": "x", "value": "y"}, {"configId": "mode", "value": 1}} {
		wrong["sessionId"] = s.SessionID
		if e := h.refused("session/set_config_option", wrong); e.Code != -32602 {
			t.Errorf("%v: %s", wrong, e)
		}
	}
	if e := h.refused("session/set_mode", obj{"sessionId": s.SessionID, "modeId": "x"}); e.Code != -32602 {
		t.Error(e)
	}
}

func acpQuestions(t *testing.T) {
	const script = `{"calls": [{"ask_user": {"question": "Which?", "options": ["red", "blue"]}}]}` + "\n" + `"So be it: ${last_tool_output}"`
	for action, said := range map[string]string{"accept": "So be it: blue", "decline": "So be it: The user declined to answer."} {
		h := acpWith(t, script, obj{"elicitation": obj{"form": obj{}}})
		h.answer("elicitation/create", func(json.RawMessage) (any, int) {
			if action == "accept" {
				return obj{"action": action, "content": obj{"answer": "blue"}}, 0
			}
			return obj{"action": action}, 0
		})
		if reason := h.prompt(h.open(), "Go"); reason != "end_turn" {
			t.Error(reason)
		}
		if got := h.said(0, "agent_message_chunk"); got != said {
			t.Errorf("said %q", got)
		}
		h.leave()
	}
}

func acpSteering(t *testing.T) {
	h := acpWith(t, `{"calls": [{"terminal": {"command": "while [ ! -e go ]; do sleep 0.05; done", "security_risk": "LOW", "summary": "Wait"}}]}`+"\n"+`"You said: ${last_user_message}"`, obj{})
	id := h.open()
	var r struct{ Outcome string }
	h.ask(&r, "_session/steering", obj{"sessionId": id, "prompt": text("x"), "idleBehavior": "promptRequired"})
	if r.Outcome != "promptRequired" {
		t.Error(r)
	}
	turn := h.send("session/prompt", obj{"sessionId": id, "prompt": text("Go")})
	h.await("the call", func() bool { return strings.Contains(h.transcript(), `"in_progress"`) })
	h.ask(&r, "_session/steering", obj{"sessionId": id, "prompt": text("Be quick")})
	if r.Outcome != "injected" {
		t.Error(r)
	}
	if err := os.WriteFile(filepath.Join(h.folder, "go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if reason := h.stopped(turn); reason != "end_turn" || h.said(0, "agent_message_chunk") != "You said: Be quick" {
		t.Errorf("%s, said %q", reason, h.said(0, "agent_message_chunk"))
	}
}

func acpPause(t *testing.T) {
	h := acpWith(t, `{"calls": [{"terminal": {"command": "while [ ! -e go ]; do sleep 0.05; done", "security_risk": "LOW", "summary": "Wait"}}]}`+"\n"+`"Done."`, obj{})
	id := h.open()
	turn := h.send("session/prompt", obj{"sessionId": id, "prompt": text("Go")})
	h.await("the call", func() bool { return strings.Contains(h.transcript(), `"in_progress"`) })
	h.ask(nil, "_agent-rpc/pause", obj{"sessionId": id})
	if err := os.WriteFile(filepath.Join(h.folder, "go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if f := h.reply(turn); !strings.Contains(string(f.Result), `"end_turn"`) || !strings.Contains(string(f.Result), `"paused"`) {
		t.Errorf("%s", f.raw)
	}
	if reason := h.stopped(h.send("_agent-rpc/run", obj{"sessionId": id})); reason != "end_turn" || h.said(0, "agent_message_chunk") != "Done." {
		t.Errorf("%s, said %q", reason, h.said(0, "agent_message_chunk"))
	}
}

func acpSecrets(t *testing.T) {
	h := acpWith(t, `{"calls": [{"terminal": {"command": "echo is:$TOKEN", "security_risk": "LOW", "summary": "Show"}}]}`+"\n"+`"Done."`, obj{})
	id := h.open()
	var r struct{ Names []string }
	h.ask(&r, "_agent-rpc/secrets", obj{"sessionId": id, "secrets": obj{"TOKEN": "s3cr3t-value"}})
	if !slices.Equal(r.Names, []string{"TOKEN"}) {
		t.Error(r)
	}
	h.prompt(id, "Go")
	if strings.Contains(h.transcript(), "s3cr3t-value") || !strings.Contains(h.transcript(), "is:<secret-hidden>") {
		t.Errorf("masked? %s", h.transcript())
	}
}

// acpServers: the client's servers are those of the conversation's agent, in
// OpenHands' format.
func acpServers(t *testing.T) {
	h := acpWith(t, `"Done."`, obj{})
	var s struct{ SessionID string }
	h.ask(&s, "session/new", obj{"cwd": h.folder, "mcpServers": []any{
		obj{"name": "files", "command": "/bin/false", "args": []string{"-x"}, "env": []any{obj{"name": "A", "value": "b"}}},
		obj{"type": "http", "name": "web", "url": "http://127.0.0.1:1/mcp", "headers": []any{obj{"name": "X-Any", "value": "v"}}},
	}})
	raw, err := os.ReadFile(filepath.Join(h.conversation(s.SessionID), "base_state.json"))
	if err != nil {
		t.Fatal(err)
	}
	var state struct {
		Agent struct {
			MCP map[string]struct {
				Command, URL, Transport string
				Args                    []string
			} `json:"mcp_config"`
		}
	}
	if err := json.Unmarshal(raw, &state); err != nil {
		t.Fatal(err)
	}
	if m := state.Agent.MCP; m["files"].Command != "/bin/false" || !slices.Equal(m["files"].Args, []string{"-x"}) || m["web"].URL != "http://127.0.0.1:1/mcp" || m["web"].Transport != "http" {
		t.Errorf("%s", raw)
	}
	if reason := h.prompt(s.SessionID, "Go"); reason != "end_turn" {
		t.Error("servers that don't start end the turn with", reason)
	}
	for _, wrong := range []any{obj{"name": "", "command": "x", "args": []any{}, "env": []any{}}, obj{"name": "x", "command": "", "args": []any{}, "env": []any{}}, obj{"type": "smoke", "name": "x"}} {
		if e := h.refused("session/new", obj{"cwd": h.folder, "mcpServers": []any{wrong}}); e.Code != -32602 {
			t.Error(e)
		}
	}
}

// acpServerCalls: a server that the client names is started, called when it is
// allowed, and gone with the session.
func acpServerCalls(t *testing.T) {
	h := acpWith(t, `{"calls": [{"echo": {"text": "hello"}}]} "Done."`, obj{})
	h.choose("approve")
	pids := filepath.Join(h.home, "pids")
	var s struct{ SessionID string }
	h.ask(&s, "session/new", obj{"cwd": h.folder, "mcpServers": []any{
		obj{"name": "fake", "command": "mcp-server", "args": []string{"family"}, "env": []any{obj{"name": "PIDS", "value": pids}}},
	}})
	if reason := h.prompt(s.SessionID, "Go"); reason != "end_turn" {
		t.Error(reason)
	}
	if !strings.Contains(h.log(s.SessionID), "hello 0 []") {
		t.Errorf("the tool of the server did not answer:\n%s", h.log(s.SessionID))
	}
	h.ask(nil, "session/close", obj{"sessionId": s.SessionID})
	family := h.family(pids)
	h.eventually("the server's end", func() bool { return gone(family) })
}

func acpCondense(t *testing.T) {
	h := acpWith(t, `"One."`, obj{})
	id := h.open()
	h.prompt(id, "Go")
	h.await("the commands", func() bool { return strings.Contains(h.transcript(), "available_commands_update") })
	if c := h.updates(0, "available_commands_update"); c[0].AvailableCommands[0].Name != "condense" {
		t.Errorf("%+v", c)
	}
	if e := h.refused("session/prompt", obj{"sessionId": id, "prompt": text("/condense")}); e.Message == "" {
		t.Error(e) // two events are too few, which is told
	}
}

func acpFailures(t *testing.T) {
	h := acpWith(t, `{"error": {"kind": "bad_request", "message": "no such luck"}}`, obj{})
	id := h.open()
	if e := h.refused("session/prompt", obj{"sessionId": id, "prompt": text("Go")}); e.Code != -32603 || !strings.Contains(e.Message, "no such luck") || e.Data["kind"] != "run_failed" {
		t.Error(e)
	}
	h.leave()

	p := newPlace(t, `{"calls": [{"think": {"thought": "Again."}}], "repeat": "forever"}`)
	if err := os.MkdirAll(filepath.Join(p.home, ".config/agent-rpc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.home, ".config/agent-rpc/config.toml"), []byte("max_iteration_per_run = 2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	h = p.startACP()
	h.initialize(obj{"session": obj{"notices": obj{}}})
	if reason := h.prompt(h.open(), "Go"); reason != "max_turn_requests" {
		t.Error(reason)
	}
	if len(h.updates(0, "notice")) != 1 {
		t.Error("the limit is not told")
	}
}

func acpNoModel(t *testing.T) {
	p := newPlace(t, "")
	delete(p.env, "LLM_MODEL")
	h := p.startACP()
	h.initialize(obj{})
	for _, e := range []*rpcError{h.refused("session/new", obj{"cwd": p.folder, "mcpServers": []any{}}), h.refused("authenticate", obj{"methodId": "settings"})} {
		if e.Code != -32000 || e.Data["kind"] != "auth_required" {
			t.Error(e)
		}
	}
	h.ask(nil, "session/list", obj{})
}

func acpMalformed(t *testing.T) {
	h := acpWith(t, `"Still here."`, obj{})
	for _, line := range []string{`{"jsonrpc":"2.0",`, `[]`, `{"jsonrpc":"2.0","id":null,"method":"x"}`, `{}`, `nonsense`, "", `{"jsonrpc":"2.0","id":"u","result":{}}`} {
		h.line(line)
	}
	h.await("five refusals", func() bool { return strings.Count(h.transcript(), `"id":null,"error"`) == 5 })
	if e := h.refused("session/levitate", obj{}); e.Code != -32601 {
		t.Error(e)
	}
	if e := h.refused("session/prompt", obj{"sessionId": "nobody", "prompt": text("x")}); e.Code != -32002 {
		t.Error(e)
	}
	h.mu.Lock()
	h.methods["7.5"] = "session/list"
	h.mu.Unlock()
	h.line(`{"jsonrpc":"2.0","id":7.5,"method":"session/list","params":{}}`)
	h.await("an id as it came", func() bool { return h.replies["7.5"] != nil })
	if reason := h.prompt(h.open(), "Go"); reason != "end_turn" {
		t.Error(reason)
	}
}

// acpOtherFace: what was begun here goes on over LSP.
func acpOtherFace(t *testing.T) {
	h := acpWith(t, `"One."`+"\n"+`"Two."`, obj{})
	id := h.open()
	h.prompt(id, "Go")
	if code := h.leave(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	before := len(h.stored(id))
	out, err := runProgram(t, h.place, "run", "-c", id, "--policy", "never", "Go on")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(out, "Two.") || len(h.stored(id)) != before+2 {
		t.Errorf("%d events were %d\n%s", len(h.stored(id)), before, out)
	}
}

// acpEnd: the process ends with its input, what it started ends with it, and the
// conversation says how.
func acpEnd(t *testing.T) {
	h := acpWith(t, `{"calls": [{"terminal": {"command": "echo $$ > pid; sleep 1000", "security_risk": "LOW", "summary": "Wait"}}]}`, obj{})
	id := h.open()
	h.send("session/prompt", obj{"sessionId": id, "prompt": text("Go")})
	var pid int
	eventually(t, "the command", func() bool {
		raw, err := os.ReadFile(filepath.Join(h.folder, "pid"))
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(raw)))
		return err == nil
	})
	if code := h.leave(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	eventually(t, "the end of the command", func() bool { return syscall.Kill(pid, 0) != nil })
	events := h.stored(id)
	if last := string(events[len(events)-1]); !strings.Contains(last, "InterruptEvent") {
		t.Errorf("the last event is %s", last)
	}
}
