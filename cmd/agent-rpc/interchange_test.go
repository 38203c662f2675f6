//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/conversation/condenser"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/policy"
	"github.com/agent-rpc/agent-rpc/internal/conversation/stats"
	"github.com/agent-rpc/agent-rpc/internal/conversation/view"
	"github.com/agent-rpc/agent-rpc/internal/security"
)

// TestInterchange has one process with the SDK for all its parts.
func TestInterchange(t *testing.T) {
	t.Parallel()
	s := newSDK(t)
	for name, part := range map[string]func(*testing.T, *sdk){
		"kinds of events":          kindsOfEvents,
		"members":                  membersOfTheClass,
		"codec":                    codecOfTheSDK,
		"what we wrote":            whatWeWrote,
		"tools of the client":      toolsOfTheClient,
		"calls of MCP servers":     callsOfMCPServers,
		"what waits":               whatWaits,
		"what the SDK wrote":       whatTheSDKWrote,
		"states of the SDK":        statesOfTheSDK,
		"an approval of the SDK":   anApprovalOfTheSDK,
		"both at once":             bothAtOnce,
		"before 1.0":               before10,
		"every kind in one log":    everyKindInOneLog,
		"secrets under a key":      secretsUnderAKey,
		"condensations":            condensations,
		"branches of the SDK":      branchesOfTheSDK,
		"branches of ours":         branchesOfOurs,
		"statuses":                 statusesOfTheSDK,
		"a run that the SDK ended": aRunThatTheSDKEnded,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(t, s)
		})
	}
}

// kindsOfEvents: the kinds that the SDK has are the kinds that we have.
func kindsOfEvents(t *testing.T, s *sdk) {
	var kinds, examples []string
	s.ask(t, &kinds, "kinds")
	s.ask(t, &examples, "examples", "Event")
	shown := map[string]bool{}
	for _, text := range examples {
		kind, err := event.KindOf([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		shown[kind] = true
	}
	for _, kind := range kinds {
		if event.New(kind) == nil {
			t.Errorf("we don't know %s", kind)
		}
		if !shown[kind] {
			t.Errorf("the peer makes no %s", kind)
		}
	}
	if !slices.Equal(kinds, slices.Sorted(maps.Keys(shown))) {
		t.Errorf("the SDK knows %v, the examples are %v", kinds, slices.Sorted(maps.Keys(shown)))
	}
}

// membersOfTheClass: docs/openhands.md has a row for each member that the SDK's
// LocalConversation has.
func membersOfTheClass(t *testing.T, s *sdk) {
	page, err := os.ReadFile("../../docs/openhands.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for line := range strings.Lines(string(page)) {
		if first, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " | "); ok && strings.HasPrefix(line, "| `") {
			for name := range strings.SplitSeq(first, ", ") {
				rows[strings.Trim(name, "`")] = true
			}
		}
	}
	var members []string
	s.ask(t, &members, "members")
	if len(members) < 40 {
		t.Errorf("the SDK has only the members %v", members)
	}
	for _, name := range members {
		if !rows[name] {
			t.Errorf("docs/openhands.md has no row for %s", name)
		}
	}
}

// codecOfTheSDK: what the SDK's own serialiser writes, we read and write again
// with the same keys in the same order; and the SDK takes ours.
func codecOfTheSDK(t *testing.T, s *sdk) {
	marshal := func(v any, err error) ([]byte, error) {
		if err != nil {
			return nil, err
		}
		return json.Marshal(v)
	}
	for base, again := range map[string]func(raw []byte) ([]byte, error){
		"Event": func(raw []byte) ([]byte, error) {
			e, err := event.Decode(raw)
			if err != nil {
				return nil, err
			}
			return event.Encode(e)
		},
		"ConfirmationPolicy": func(raw []byte) ([]byte, error) { return marshal(policy.Parse(raw)) },
		"SecurityAnalyzer":   func(raw []byte) ([]byte, error) { return marshal(security.Judge{}.ParseAnalyzer(raw)) },
		"ConversationStats": func(raw []byte) ([]byte, error) {
			var s stats.Stats
			err := json.Unmarshal(raw, &s)
			return s.AppendJSON(nil), err
		},
	} {
		t.Run(base, func(t *testing.T) {
			var theirs, back []string
			s.ask(t, &theirs, "examples", base)
			var ours []string
			for _, text := range theirs {
				raw, err := again([]byte(text))
				var unsupported *policy.UnsupportedError
				if errors.As(err, &unsupported) {
					continue // it is kept as it stands: see statesOfTheSDK
				}
				if err != nil {
					t.Errorf("%v: %s", err, text)
					continue
				}
				sameText(t, "what we write", []byte(text), raw)
				ours = append(ours, string(raw))
			}
			if len(ours) == 0 {
				t.Fatal("no examples")
			}
			s.ask(t, &back, "accept", base, ours)
			for i := range ours {
				sameJSON(t, "what the SDK makes of ours", []byte(ours[i]), []byte(back[i]))
			}
		})
	}
	t.Run("Condenser", func(t *testing.T) {
		var theirs []string
		s.ask(t, &theirs, "examples", "Condenser")
		for _, text := range theirs {
			if !strings.HasSuffix(text, `"kind":"LLMSummarizingCondenser"}`) {
				continue
			}
			rules, err := condenser.ParseRules([]byte(text))
			if err != nil || rules != condenser.Defaults() {
				t.Errorf("the SDK's defaults are read as %+v (%v), ours are %+v", rules, err, condenser.Defaults())
			}
		}
	})
}

// anew begins a script that is played from its top, whatever the history holds.
const anew = `{"settings": {"resume": false}} `

// busy is a script with a run that uses every tool and makes every mistake.
const busy = `
	{"text": "I look.", "reasoning": "hm", "thinking": ["deep <&>"], "calls": [
		{"terminal": {"command": "echo out; echo err >&2; (exit 3)", "security_risk": "LOW", "summary": "say two things"}},
		{"file_editor": {"command": "create", "path": "${workspace}/a.txt", "file_text": "one\ntwo\n"}},
		{"task_tracker": {"command": "plan", "task_list": [{"title": "First", "notes": "é 🙂", "status": "in_progress"}]}},
	], "usage": {"prompt_tokens": 100, "completion_tokens": 20, "cache_read_tokens": 10, "context_window": 1000, "cost": 0.25}}
	{"calls": [
		{"file_editor": {"command": "view", "path": "${workspace}/a.txt"}},
		{"file_editor": {"command": "str_replace", "path": "${workspace}/a.txt", "old_str": "two", "new_str": "drei"}},
		{"file_editor": {"command": "insert", "path": "${workspace}/a.txt", "insert_line": 0, "new_str": "null"}},
		{"file_editor": {"command": "undo_edit", "path": "${workspace}/a.txt"}},
		{"file_editor": {"command": "view", "path": "${workspace}/missing.txt"}},
		{"task_tracker": {"command": "view"}},
	]}
	{"calls": [
		{"think": {"thought": "What now?"}},
		{"terminal": "{\"command\": "},
		{"terminal": {"no": "command"}},
		{"frobnicate": {"x": 1}},
		{"terminal": {"command": "echo $TOKEN"}},
	]}
	{"calls": [{"terminal": {"command": "cat", "security_risk": "HIGH"}}], "usage": {"prompt_tokens": 5, "completion_tokens": 1, "cost": 0.5}}
	{"calls": [{"finish": {"message": "All done."}}]}
	{"when": "Again", "text": "And again."}
`

// whatWeWrote: a conversation of ours, with all that a run can bring, in the SDK;
// which goes on with it; and so do we.
func whatWeWrote(t *testing.T, s *sdk) {
	p := newPlace(t, busy)
	h := p.start()
	h.initialize("")
	id := h.create(`"secrets":{"TOKEN":"v3ry-s3cret"},"tags":{"team":"core"},"title":"Ours","maxIterationPerRun":50,
		"confirmationPolicy":{"kind":"ConfirmRisky","threshold":"HIGH","confirm_unknown":false},"securityAnalyzer":{"kind":"LLMSecurityAnalyzer"}`)
	run := h.say(id, "Go")
	if i := h.settled(run); i.Status != "waiting_for_confirmation" {
		t.Fatalf("the run stands at %+v %+v", i, i.Error)
	}
	h.call(nil, "conversation/confirm", `{"id":%q,"requestId":%q,"decision":"reject","reason":"not now","then":"continue"}`, id, h.state(id).Pending[0].RequestID)
	if i := h.settled(run); i.Status != "finished" {
		t.Fatalf("the run ended as %+v %+v", i, i.Error)
	}
	h.call(nil, "conversation/close", `{"id":%q}`, id)
	stored := p.stored(id)
	_, before := p.baseState(id)
	for _, kind := range []string{"SystemPromptEvent", "MessageEvent", "ActionEvent", "ObservationEvent", "AgentErrorEvent", "UserRejectObservation"} {
		if count(t, stored, kind) == 0 {
			t.Errorf("the run left no %s", kind)
		}
	}

	s.resume(t, p, id)
	is := s.seen(t, id)
	sameEvents(t, stored, is)
	sameView(t, stored, is)
	for name, want := range before {
		switch name {
		case "agent":
			// The SDK fills in what we leave to its defaults.
			var ours, theirs any
			if json.Unmarshal(want, &ours) != nil || json.Unmarshal(is.State[name], &theirs) != nil || !holds(ours, theirs) {
				t.Errorf("the agent %s became %s", want, is.State[name])
			}
		case "max_iterations": // who opens a conversation says it
		case "secret_registry":
			var kept []string
			s.ask(t, &kept, "accept", "SecretRegistry", []string{string(want)})
			sameJSON(t, name, []byte(kept[0]), is.State[name])
		default:
			sameJSON(t, "base_state."+name, want, is.State[name])
		}
	}
	if len(is.State) != len(before) {
		t.Errorf("the SDK has %v, we stored %v", slices.Sorted(maps.Keys(is.State)), slices.Sorted(maps.Keys(before)))
	}
	if is.Cost != 0.75 || !is.Active || len(is.Pending) != 0 || !slices.Equal(is.Tools, []string{"terminal", "file_editor", "task_tracker"}) {
		t.Errorf("the SDK reads cost %v, policy active %v, pending %v, tools %v", is.Cost, is.Active, is.Pending, is.Tools)
	}
	if value, known := is.Secrets["TOKEN"]; !known || value != nil {
		t.Errorf("secrets %v; TOKEN is to be known and without a value", is.Secrets)
	}

	// The SDK goes on.
	s.ask(t, nil, "say", id, "From Python", "ada")
	var status string
	s.ask(t, &status, "run", id, []any{map[string]any{"text": "I look too.", "calls": []any{
		map[string]any{"file_editor": map[string]any{"command": "view", "path": p.folder + "/a.txt"}},
		map[string]any{"terminal": map[string]any{"command": "echo from python"}},
	}}, "Python is done."})
	if status != "finished" {
		t.Fatalf("the SDK's run ended as %s", status)
	}
	s.ask(t, nil, "close", id)

	// And so do we.
	h.create(fmt.Sprintf(`"conversationId":%q,"agent":{"llm":{"model":"scripted/%s"}}`, id, p.script))
	h.call(nil, "conversation/close", `{"id":%q}`, id)
	n := len(p.stored(id))
	if i := h.open(id); i.Status != "finished" || i.Cursor.Seq != n || i.Cursor.Epoch != 1 {
		t.Errorf("after the SDK: %+v, want %d events", i, n)
	}
	toldIsStored(t, h.events(id), p.stored(id))
	if i := h.settled(h.say(id, "Again")); i.Status != "finished" {
		t.Errorf("our next run ended as %+v %+v", i, i.Error)
	}
	h.shutdown()
	s.resume(t, p, id)
	is = s.seen(t, id)
	sameEvents(t, p.stored(id), is)
	sameView(t, p.stored(id), is)
	s.ask(t, nil, "close", id)
}

// sameView checks that the SDK and we show the model the same events.
func sameView(t *testing.T, stored [][]byte, is seen) {
	t.Helper()
	byID := map[string]event.Event{}
	for _, raw := range stored {
		e, err := event.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		byID[e.Head().ID] = e
	}
	var branch []event.Event
	for _, id := range is.Branch {
		branch = append(branch, byID[id])
	}
	var ids []string
	for _, e := range view.Rebuild(branch).Events() {
		ids = append(ids, e.Head().ID)
	}
	if !slices.Equal(ids, is.View) {
		t.Errorf("we show the model\n%v\nthe SDK\n%v", ids, is.View)
	}
}

// toolsOfTheClient: a tool that the editor carries out, a question to the user, a
// secret that the editor keeps, and hooks are in our files what the SDK knows.
func toolsOfTheClient(t *testing.T, s *sdk) {
	p := newPlace(t, anew+`{"calls": [{"pick": {"colour": "red"}}, {"ask_user": {"question": "Which one?"}}, {"terminal": {"command": "echo once >> ran"}}]} "Done."`)
	h := p.start()
	h.initialize(`"input":true`)
	id := h.create(`"secrets":{"ASKED":{"kind":"ClientSecret","description":"kept by the editor"}},
		"clientTools":[{"name":"pick","description":"Picks a colour.","parameters":{"type":"object","properties":{"colour":{"type":"string"}},"required":["colour"]}}],
		"hookConfig":{"pre_tool_use":[{"matcher":"terminal","hooks":[{"command":"echo '{\"decision\":\"deny\",\"reason\":\"not today\"}'; exit 2"}]}]}`)
	run := h.say(id, "Pick one")
	asked := h.await("the call of the tool", func(f *frame) bool { return f.Method == "conversation/executeTool" })
	h.frame(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"content":"picked"}}`, asked.ID))
	asked = h.await("the question", func(f *frame) bool { return f.Method == "conversation/requestInput" })
	h.frame(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"action":"accept","content":{"answer":"that one"}}}`, asked.ID))
	if i := h.settled(run); i.Status != "finished" {
		t.Fatalf("the run ended as %+v %+v", i, i.Error)
	}
	h.shutdown()
	stored := p.stored(id)
	for kind, n := range map[string]int{"HookExecutionEvent": 1, "UserRejectObservation": 1, "ObservationEvent": 2} {
		if count(t, stored, kind) != n {
			t.Errorf("%d %s, want %d", count(t, stored, kind), kind, n)
		}
	}
	// With agent=None the SDK reads the events before it knows the stored tools of
	// the client, and fails at its own as it does at ours.
	s.ask(t, nil, "create", p.conversations(), p.folder, id, "new")
	is := s.seen(t, id)
	sameEvents(t, stored, is)
	sameView(t, stored, is)
	if value, known := is.Secrets["ASKED"]; !known || value != nil {
		t.Errorf("secrets %v; ASKED is to be known and without a value", is.Secrets)
	}
	_, state := p.baseState(id)
	sameJSON(t, "hook_config", state["hook_config"], is.State["hook_config"])
	if !slices.Contains(is.Tools, "pick") || !slices.Contains(is.Tools, "ask_user") {
		t.Errorf("the SDK's agent has the tools %v", is.Tools)
	}
	s.ask(t, nil, "close", id)
}

// whatWaits: an action that waits with us waits in the SDK, which may reject it;
// and an interrupted run is a paused one there.
func whatWaits(t *testing.T, s *sdk) {
	p := newPlace(t, anew+`{"when": "Go", "calls": [{"terminal": {"command": "echo once >> ran"}}]} {"when": "Wait", "text": "Long", "wait": "forever"}`)
	h := p.start()
	h.initialize("")
	id := h.create(`"confirmationPolicy":{"kind":"AlwaysConfirm"}`)
	h.settled(h.say(id, "Go"))
	h.call(nil, "conversation/close", `{"id":%q}`, id)
	s.resume(t, p, id)
	is := s.seen(t, id)
	if status := string(is.State["execution_status"]); status != `"waiting_for_confirmation"` || len(is.Pending) != 1 {
		t.Fatalf("in the SDK: status %s, pending %v", status, is.Pending)
	}
	s.ask(t, nil, "do", id, "reject_pending_actions", "from python")
	s.ask(t, nil, "close", id)

	if i := h.open(id); i.Status != "idle" || len(i.Pending) != 0 {
		t.Errorf("after the SDK rejected it: %+v", i)
	}
	run := h.say(id, "Wait")
	h.call(nil, "conversation/interrupt", `{"id":%q}`, id)
	if i := h.settled(run); i.Status != "paused" {
		t.Errorf("after the interrupt: %+v", i)
	}
	h.shutdown()
	s.resume(t, p, id)
	is = s.seen(t, id)
	sameEvents(t, p.stored(id), is)
	sameView(t, p.stored(id), is)
	if string(is.State["execution_status"]) != `"paused"` || count(t, p.stored(id), "InterruptEvent") != 1 {
		t.Errorf("in the SDK: %s", is.State["execution_status"])
	}
	s.ask(t, nil, "close", id)
}

// whatTheSDKWrote: a conversation of the SDK, which ran tools in it, with us; we
// go on; and so does the SDK.
func whatTheSDKWrote(t *testing.T, s *sdk) {
	p := newPlace(t, anew+`{"calls": [{"terminal": {"command": "echo ours >> ran"}}]} "We are done."`)
	var id, status string
	s.ask(t, &id, "create", p.conversations(), p.folder, nil, "new", map[string]string{"TOKEN": "v3ry-s3cret"}, map[string]string{"title": "Theirs"})
	s.ask(t, nil, "policy", id, map[string]any{"kind": "ConfirmRisky", "threshold": "MEDIUM", "confirm_unknown": false})
	s.ask(t, nil, "analyzer", id, map[string]any{"kind": "LLMSecurityAnalyzer"})
	s.ask(t, nil, "say", id, "Go")
	s.ask(t, &status, "run", id, []any{
		map[string]any{"text": "First", "calls": []any{
			map[string]any{"terminal": map[string]any{"command": "echo $TOKEN; (exit 3)", "security_risk": "LOW", "summary": "print"}},
			map[string]any{"file_editor": map[string]any{"command": "create", "path": p.folder + "/b.txt", "file_text": "x\n", "security_risk": "LOW"}},
			map[string]any{"task_tracker": map[string]any{"command": "plan", "task_list": []any{map[string]any{"title": "One", "status": "todo"}}}},
			map[string]any{"think": map[string]any{"thought": "hm"}},
			map[string]any{"frobnicate": map[string]any{}},
			map[string]any{"terminal": "{"},
		}},
		map[string]any{"calls": []any{map[string]any{"finish": map[string]any{"message": "Bye."}}}},
	})
	if status != "finished" {
		t.Fatalf("the SDK's run ended as %s", status)
	}
	is := s.seen(t, id)
	s.ask(t, nil, "close", id)
	theirs := p.stored(id)
	_, before := p.baseState(id)
	sameView(t, theirs, is)

	h := p.start()
	h.initialize("")
	i := h.open(id)
	if i.Status != "finished" || i.Cursor.Seq != len(theirs) {
		t.Errorf("we read %+v, want %d events", i, len(theirs))
	}
	toldIsStored(t, h.events(id), theirs)
	var state map[string]json.RawMessage
	h.call(&state, "conversation/state", `{"id":%q}`, id)
	sameJSON(t, "confirmationPolicy", before["confirmation_policy"], state["confirmationPolicy"])
	sameJSON(t, "securityAnalyzer", before["security_analyzer"], state["securityAnalyzer"])
	if string(state["title"]) != `"Theirs"` {
		t.Errorf("title %s", state["title"])
	}
	_, after := p.baseState(id)
	sameState(t, s, before, after)

	// The stored agent has the SDK's own model for tests: ours has to be named.
	h.call(nil, "conversation/close", `{"id":%q}`, id)
	h.create(fmt.Sprintf(`"conversationId":%q,"agent":{"llm":{"model":"scripted/%s"},"tools":[{"name":"terminal"},{"name":"file_editor"},{"name":"task_tracker"}]}`, id, p.script))
	if i := h.settled(h.say(id, "And now?")); i.Status != "finished" {
		t.Errorf("our run ended as %+v %+v", i, i.Error)
	}
	h.shutdown()
	s.resume(t, p, id)
	is = s.seen(t, id)
	sameEvents(t, p.stored(id), is)
	sameView(t, p.stored(id), is)
	s.ask(t, nil, "say", id, "Still there?")
	s.ask(t, &status, "run", id, []any{"Yes."})
	if status != "finished" {
		t.Errorf("the SDK's next run ended as %s", status)
	}
	s.ask(t, nil, "close", id)
	ranOnce(t, p, p.stored(id))
}
