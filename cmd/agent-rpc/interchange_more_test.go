//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// opens starts a server with the script and opens the conversation in it.
func (p *place) opens(id string) (*host, info) {
	p.t.Helper()
	h := p.start()
	h.initialize("")
	return h, h.open(id)
}

// everyKindInOneLog: the SDK stores every kind of event; we tell each as it is,
// go on behind them, and the SDK reads it all again.
func everyKindInOneLog(t *testing.T, s *sdk) {
	p := newPlace(t, anew+`"Done."`)
	var id string
	var logged []string
	s.ask(t, &id, "create", p.conversations(), p.folder)
	s.ask(t, &logged, "log", id)
	s.ask(t, nil, "close", id)
	theirs := p.stored(id)

	h, i := p.opens(id)
	var told []string
	for _, e := range h.events(id) {
		told = append(told, kindOf(t, e.Event).ID)
	}
	// The changes of the state, which OpenHands' server logs, are on no branch.
	var branch []string
	for _, raw := range theirs {
		if e := kindOf(t, raw); e.Kind != "ConversationStateUpdateEvent" {
			branch = append(branch, e.ID)
		}
	}
	slices.Sort(told)
	slices.Sort(branch)
	if !slices.Equal(told, branch) || i.Cursor.Seq != len(branch) || len(logged) != len(theirs) {
		t.Errorf("%d events are stored, %d are on the branch, we tell %d (cursor %d)", len(theirs), len(branch), len(told), i.Cursor.Seq)
	}
	h.call(nil, "conversation/sendMessage", `{"id":%q,"message":"Behind all that"}`, id)
	h.shutdown()

	stored := p.stored(id)
	if len(stored) != len(theirs)+1 {
		t.Errorf("%d events after one message to %d", len(stored), len(theirs))
	}
	for i := range theirs {
		if string(stored[i]) != string(theirs[i]) {
			t.Errorf("event %d was changed", i)
		}
	}
	s.resume(t, p, id)
	is := s.seen(t, id)
	sameEvents(t, stored, is)
	if is.Branch[len(is.Branch)-1] != kindOf(t, stored[len(stored)-1]).ID || len(is.Branch) != len(branch)+1 {
		t.Errorf("the branch of the SDK has %d events and ends in %s", len(is.Branch), is.Branch[len(is.Branch)-1])
	}
	s.ask(t, nil, "close", id)
}

// statesOfTheSDK: opening and closing a conversation loses nothing of its state,
// whatever agent, condenser, policy and analyzer it has.
func statesOfTheSDK(t *testing.T, s *sdk) {
	p := newPlace(t, anew+`"Done."`)
	h := p.start()
	h.initialize("")
	part := func(name, base string) {
		var examples []string
		s.ask(t, &examples, "examples", base)
		for _, example := range examples {
			var id string
			s.ask(t, &id, "create", p.conversations(), p.folder, nil, "new", map[string]string{"A": "1"}, map[string]string{"team": "x"})
			s.ask(t, nil, "close", id)
			_, before := p.baseState(id)
			if name == "condenser" {
				var agent map[string]json.RawMessage
				if err := json.Unmarshal(before["agent"], &agent); err != nil {
					t.Fatal(err)
				}
				agent["condenser"] = json.RawMessage(example)
				before["agent"], _ = json.Marshal(agent) // it was JSON
			} else {
				before[name] = json.RawMessage(example)
			}
			raw, err := json.Marshal(before)
			if err == nil {
				err = os.WriteFile(filepath.Join(p.conversation(id), "base_state.json"), raw, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			h.open(id)
			h.call(nil, "conversation/sendMessage", `{"id":%q,"message":"Hello"}`, id)
			h.call(nil, "conversation/close", `{"id":%q}`, id)
			_, after := p.baseState(id)
			for _, field := range []string{"leaf_event_id", "last_user_message_id"} {
				before[field] = after[field] // there was a message
			}
			sameState(t, s, before, after)
			s.resume(t, p, id)
			sameEvents(t, p.stored(id), s.seen(t, id))
			s.ask(t, nil, "close", id)
		}
	}
	part("agent", "Agent")
	part("condenser", "Condenser")
	part("confirmation_policy", "ConfirmationPolicy")
	part("security_analyzer", "SecurityAnalyzer")
	part("stats", "ConversationStats")
	part("secret_registry", "SecretRegistry")
	h.shutdown()
}

// statusesOfTheSDK: every status that the SDK stores is one of ours.
func statusesOfTheSDK(t *testing.T, s *sdk) {
	p := newPlace(t, anew+`"Done."`)
	h := p.start()
	h.initialize("")
	for status, want := range map[string]string{
		"idle": "idle", "paused": "paused", "finished": "finished", "error": "error", "stuck": "stuck", "deleting": "deleting",
		"running":                  "error", // its process is gone
		"waiting_for_confirmation": "idle",  // nothing waits
	} {
		var id string
		s.ask(t, &id, "create", p.conversations(), p.folder)
		s.ask(t, nil, "say", id, "Hello")
		s.ask(t, nil, "status", id, status)
		s.ask(t, nil, "close", id)
		if got := h.open(id).Status; got != want {
			t.Errorf("%s of the SDK is %s, want %s", status, got, want)
		}
		h.call(nil, "conversation/close", `{"id":%q}`, id)
		s.resume(t, p, id)
		if got := string(s.seen(t, id).State["execution_status"]); got != `"`+want+`"` {
			t.Errorf("%s of the SDK, after us, is %s in the SDK", status, got)
		}
		s.ask(t, nil, "close", id)
	}
	h.shutdown()
}

// anApprovalOfTheSDK: what the SDK wants to have approved is approved with us.
func anApprovalOfTheSDK(t *testing.T, s *sdk) {
	p := newPlace(t, anew+`"Done."`)
	var id, status string
	s.ask(t, &id, "create", p.conversations(), p.folder)
	s.ask(t, nil, "policy", id, map[string]any{"kind": "AlwaysConfirm"})
	s.ask(t, nil, "say", id, "Go")
	s.ask(t, &status, "run", id, []any{map[string]any{"calls": []any{map[string]any{"terminal": map[string]any{"command": "echo once >> ran"}}}}})
	s.ask(t, nil, "close", id)
	if status != "waiting_for_confirmation" {
		t.Fatalf("the SDK's run stands at %s", status)
	}
	h := p.start()
	h.initialize("")
	h.create(fmt.Sprintf(`"conversationId":%q,"agent":{"llm":{"model":"scripted/%s"},"tools":[{"name":"terminal"},{"name":"file_editor"},{"name":"task_tracker"}]}`, id, p.script))
	i := h.state(id)
	if i.Status != "waiting_for_confirmation" || len(i.Pending) != 1 {
		t.Fatalf("with us: %+v", i)
	}
	h.call(nil, "conversation/confirm", `{"id":%q,"requestId":%q,"decision":"approve"}`, id, i.Pending[0].RequestID)
	if i := h.settled(i.RunID); i.Status != "finished" {
		t.Errorf("the run ended as %+v %+v", i, i.Error)
	}
	h.shutdown()
	ranOnce(t, p, p.stored(id))
	s.resume(t, p, id)
	if is := s.seen(t, id); len(is.Pending) != 0 {
		t.Errorf("in the SDK %v still wait", is.Pending)
	}
	s.ask(t, nil, "close", id)
}

// aRunThatTheSDKEnded: the limits and failures that the SDK logs, with us.
func aRunThatTheSDKEnded(t *testing.T, s *sdk) {
	p := newPlace(t, anew+`"Done."`)
	var id, status string
	s.ask(t, &id, "create", p.conversations(), p.folder)
	s.ask(t, nil, "say", id, "Go")
	s.ask(t, &status, "run", id, []any{map[string]any{"calls": []any{map[string]any{"think": map[string]any{"thought": "hm"}}}}}) // the model has no second answer
	s.ask(t, nil, "close", id)
	if !strings.HasPrefix(status, "error") {
		t.Fatalf("the SDK's run ended as %s", status)
	}
	stored := p.stored(id)
	if count(t, stored, "ConversationErrorEvent") != 1 {
		t.Error("the SDK logged no error")
	}
	h, i := p.opens(id)
	if i.Status != "error" || i.StopReason != "error" || i.Cursor.Seq != len(stored) {
		t.Errorf("with us: %+v", i)
	}
	h.shutdown()
}

// bothAtOnce: both programs have the conversation open and append as fast as
// they can; no event is lost, and no position is used twice.
func bothAtOnce(t *testing.T, s *sdk) {
	const each = 40
	p := newPlace(t, anew+`"Done."`)
	h := p.start()
	h.initialize("")
	id := h.create("")
	h.call(nil, "conversation/sendMessage", `{"id":%q,"message":"First"}`, id)
	s.resume(t, p, id)
	var theirs []string
	var failed error
	var wg sync.WaitGroup
	wg.Go(func() { failed = s.try(t, &theirs, "many", id, each) })
	for n := range each {
		h.call(nil, "conversation/sendMessage", `{"id":%q,"message":"ours %d"}`, id, n)
	}
	wg.Wait()
	if failed != nil {
		t.Fatal(failed)
	}
	stored := p.stored(id) // it checks the positions
	if len(stored) != 2+2*each {
		t.Errorf("%d events are stored, want %d", len(stored), 2+2*each)
	}
	ids := map[string]bool{}
	for _, raw := range stored {
		ids[kindOf(t, raw).ID] = true
	}
	if len(ids) != len(stored) {
		t.Errorf("%d ids for %d events", len(ids), len(stored))
	}
	for _, one := range theirs {
		if !ids[one] {
			t.Errorf("event %s of the SDK is lost", one)
		}
	}
	if _, err := os.Stat(filepath.Join(p.conversation(id), "events", ".eventlog.lock")); err != nil {
		t.Error(err)
	}
	s.ask(t, nil, "close", id)
	h.shutdown()
	s.resume(t, p, id)
	sameEvents(t, stored, s.seen(t, id))
	s.ask(t, nil, "close", id)
}

// before10: a conversation of a release before 1.0 opens, is shown whole and
// goes on; nothing of it is changed but base_state.json, which is as it is now.
func before10(t *testing.T, s *sdk) {
	p := newPlace(t, anew+`{"calls": [{"terminal": {"command": "echo new >> ran"}}]} "Done."`)
	cmd := s.python(t, s.where["old"], "testdata/openhands/before10.py", p.conversations(), p.folder)
	var logs strings.Builder
	cmd.Stderr = &logs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, last(logs.String(), 4000))
	}
	id := strings.TrimSpace(string(out))
	theirs := p.stored(id)
	_, before := p.baseState(id)
	if before["agent_status"] == nil || before["secrets_manager"] == nil || before["execution_status"] != nil {
		t.Fatalf("that is no state from before 1.0: %s", before)
	}

	h, i := p.opens(id)
	if i.Status != "idle" || i.Cursor.Seq != len(theirs) {
		t.Errorf("we read %+v, want %d events", i, len(theirs))
	}
	toldIsStored(t, h.events(id), theirs)
	var state map[string]json.RawMessage
	h.call(&state, "conversation/state", `{"id":%q}`, id)
	sameJSON(t, "confirmationPolicy", before["confirmation_policy"], state["confirmationPolicy"])
	h.call(nil, "conversation/close", `{"id":%q}`, id)
	h.create(fmt.Sprintf(`"conversationId":%q,"confirmationPolicy":{"kind":"NeverConfirm"},"agent":{"llm":{"model":"scripted/%s"},"tools":[{"name":"terminal"},{"name":"file_editor"}]}`, id, p.script))
	if i := h.settled(h.say(id, "And now?")); i.Status != "finished" {
		t.Errorf("the run ended as %+v %+v", i, i.Error)
	}
	h.shutdown()
	stored := p.stored(id)
	for i := range theirs {
		if string(stored[i]) != string(theirs[i]) {
			t.Errorf("event %d was changed", i)
		}
	}
	_, after := p.baseState(id)
	if string(after["execution_status"]) != `"finished"` || after["agent_status"] != nil || after["secrets_manager"] != nil {
		t.Errorf("the state is now %s", after)
	}
	if string(after["security_analyzer"]) != `{"kind":"LLMSecurityAnalyzer"}` {
		t.Errorf("the analyzer is stored as %s", after["security_analyzer"])
	}
	var agent []string
	s.ask(t, &agent, "accept", "Agent", []string{string(after["agent"])})
	if !strings.Contains(string(after["secret_registry"]), `"TOKEN":{"kind":"StaticSecret"}`) {
		t.Errorf("the secret is stored as %s", after["secret_registry"])
	}
}

// secretsUnderAKey: with the same OH_SECRET_KEY both read what the other sealed.
func secretsUnderAKey(t *testing.T, s *sdk) {
	const key = "a key of the disk"
	p := newPlace(t, anew+`{"calls": [{"terminal": {"command": "printf %s \"$THEIRS\" | wc -c; printf %s \"$OURS\" | wc -c"}}]} "Done."`)
	p.env["OH_SECRET_KEY"] = key
	var id string
	s.ask(t, &id, "create", p.conversations(), p.folder, nil, "new", map[string]string{"THEIRS": "seven77"}, nil, key)
	s.ask(t, nil, "say", id, "Hello")
	s.ask(t, nil, "close", id)
	h := p.start()
	h.initialize("")
	h.create(fmt.Sprintf(`"conversationId":%q,"secrets":{"OURS":"n1ne99999"},"agent":{"llm":{"model":"scripted/%s"},"tools":[{"name":"terminal"},{"name":"file_editor"},{"name":"task_tracker"}]}`, id, p.script))
	if i := h.settled(h.say(id, "Go")); i.Status != "finished" {
		t.Errorf("the run ended as %+v %+v", i, i.Error)
	}
	h.shutdown()
	if printed := p.printed(id); len(printed) != 1 || strings.Join(strings.Fields(printed[0]), " ") != "7 9" {
		t.Errorf("the command saw values of these lengths: %q", printed)
	}
	raw, _ := p.baseState(id)
	if strings.Contains(string(raw), "seven77") || strings.Contains(string(raw), "n1ne99999") {
		t.Error("a value is stored in clear")
	}
	s.resume(t, p, id, nil, nil, key)
	for name, want := range map[string]string{"THEIRS": "seven77", "OURS": "n1ne99999"} {
		if got := s.seen(t, id).Secrets[name]; got == nil || *got != want {
			t.Errorf("the SDK reads %s as %v", name, got)
		}
	}
	s.ask(t, nil, "close", id)
}

// condensations: what either side made the model forget is forgotten on both.
func condensations(t *testing.T, s *sdk) {
	p := newPlace(t, anew+`"One." "Two." "Three." "Four." {"for": "other", "text": "We counted."} "Five."`)
	h := p.start()
	h.initialize("")
	id := h.create(`"agent":{"condenser":{"llm":{},"max_size":12,"keep_first":2,"kind":"LLMSummarizingCondenser"}}`)
	for n := range 4 {
		h.settled(h.say(id, fmt.Sprint("Number ", n)))
	}
	h.call(nil, "conversation/condense", `{"id":%q}`, id)
	h.call(nil, "conversation/close", `{"id":%q}`, id)
	stored := p.stored(id)
	if count(t, stored, "Condensation") != 1 || count(t, stored, "CondensationRequest") != 1 {
		t.Fatalf("nothing was condensed: %s", stored)
	}
	s.resume(t, p, id)
	is := s.seen(t, id)
	sameEvents(t, stored, is)
	sameView(t, stored, is)
	if !slices.ContainsFunc(is.View, func(id string) bool { return strings.HasSuffix(id, "-summary") }) {
		t.Errorf("the SDK shows no summary: %v", is.View)
	}

	// The SDK condenses once more.
	for _, text := range []string{"Number 5", "Number 6", "Number 7"} {
		s.ask(t, nil, "say", id, text)
		var status string
		s.ask(t, &status, "run", id, []any{"Counted."})
	}
	s.ask(t, nil, "script", id, []any{"We counted on."}, "condenser")
	s.ask(t, nil, "do", id, "condense")
	is = s.seen(t, id)
	s.ask(t, nil, "close", id)
	stored = p.stored(id)
	if count(t, stored, "Condensation") != 2 {
		t.Error("the SDK condensed nothing")
	}
	sameView(t, stored, is)
	if i := h.open(id); i.Cursor.Seq != len(stored) {
		t.Errorf("with us: %+v, want %d events", i, len(stored))
	}
	h.shutdown()
}

// branchesOfTheSDK: where the SDK went back and began anew, we follow; its forks
// open too.
func branchesOfTheSDK(t *testing.T, s *sdk) {
	p := newPlace(t, anew+`"Done."`)
	var id, fork, status string
	s.ask(t, &id, "create", p.conversations(), p.folder)
	s.ask(t, nil, "say", id, "One way")
	s.ask(t, &status, "run", id, []any{"I went."})
	root := s.seen(t, id).Branch[0]
	s.ask(t, &fork, "do", id, "fork")
	s.ask(t, nil, "do", id, "navigate_to", root)
	s.ask(t, nil, "say", id, "Another way")
	is := s.seen(t, id)
	s.ask(t, nil, "close", id)
	s.ask(t, nil, "close", fork)

	h := p.start()
	h.initialize("")
	for id, n := range map[string]int{id: 2, fork: 3} {
		if i := h.open(id); i.Cursor.Seq != n {
			t.Errorf("with us the branch has %d events, want %d", i.Cursor.Seq, n)
		}
	}
	for _, e := range h.events(id) {
		if !slices.Contains(is.Branch, kindOf(t, e.Event).ID) {
			t.Errorf("we tell %s, which is not on the branch", e.Event)
		}
	}
	h.call(nil, "conversation/sendMessage", `{"id":%q,"message":"Behind it"}`, id)
	h.shutdown()
	s.resume(t, p, id)
	is = s.seen(t, id)
	sameEvents(t, p.stored(id), is)
	sameView(t, p.stored(id), is)
	if len(is.Branch) != 3 || len(is.Events) != 5 {
		t.Errorf("the SDK sees a branch of %d in %d events", len(is.Branch), len(is.Events))
	}

	// An empty branch.
	s.ask(t, nil, "do", id, "navigate_to", nil)
	s.ask(t, nil, "close", id)
	h, i := p.opens(id)
	if i.Cursor.Seq != 0 {
		t.Errorf("an empty branch is %+v with us", i)
	}
	h.call(nil, "conversation/sendMessage", `{"id":%q,"message":"From the root"}`, id)
	h.shutdown()
	s.resume(t, p, id)
	is = s.seen(t, id)
	sameEvents(t, p.stored(id), is)
	if len(is.Branch) != 1 && len(is.Branch) != 2 { // with or without another prompt
		t.Errorf("the branch from the root is %v", is.Branch)
	}
	s.ask(t, nil, "close", id)
}

// branchesOfOurs: the SDK follows what we forked and where we went, and goes on
// there; so do we after it.
func branchesOfOurs(t *testing.T, s *sdk) {
	p := newPlace(t, `{"calls": [{"terminal": {"command": "echo one"}}]}
"The first answer."
"The second answer."
"On the other branch."
`)
	h := p.start()
	h.initialize("")
	id := h.create("")
	for _, text := range []string{"One", "Two"} {
		if i := h.settled(h.say(id, text)); i.Status != "finished" {
			t.Fatalf("the run ended as %+v %+v", i, i.Error)
		}
	}
	branch := func(id string) (events []json.RawMessage, ids []string) {
		var page struct {
			Events []struct{ Event json.RawMessage }
		}
		h.call(&page, "conversation/events", `{"id":%q}`, id)
		for _, e := range page.Events {
			events, ids = append(events, e.Event), append(ids, kindOf(t, e.Event).ID)
		}
		return events, ids
	}
	all, ids := branch(id)
	var first string // the event that ends the first turn
	for i, e := range all {
		if kindOf(t, e).Kind == "MessageEvent" && strings.Contains(string(e), "Two") {
			first = ids[i-1]
		}
	}
	var forked struct{ Conversation info }
	h.call(&forked, "conversation/fork", `{"id":%q,"from":%q,"title":"A fork"}`, id, first)
	fork := forked.Conversation.ID
	h.call(nil, "conversation/navigate", `{"id":%q,"eventId":%q}`, id, first)
	if i := h.settled(h.say(id, "Three")); i.Status != "finished" {
		t.Fatalf("the run on the other branch ended as %+v %+v", i, i.Error)
	}
	branches := map[string][]string{}
	for _, c := range []string{id, fork} {
		_, branches[c] = branch(c)
		h.call(nil, "conversation/close", `{"id":%q}`, c)
	}
	if got := len(p.stored(id)); got != len(all)+2 {
		t.Errorf("%d events are stored, want those of both branches: %d", got, len(all)+2)
	}
	for _, c := range []string{id, fork} {
		s.resume(t, p, c)
		is := s.seen(t, c)
		if !slices.Equal(is.Branch, branches[c]) {
			t.Errorf("the SDK is on the branch\n%v\nwe on\n%v", is.Branch, branches[c])
		}
		sameEvents(t, p.stored(c), is)
		sameView(t, p.stored(c), is)
		s.ask(t, nil, "say", c, "From Python", "ada")
		s.ask(t, nil, "close", c)
	}
	if _, state := p.baseState(fork); !strings.Contains(string(state["tags"]), `"A fork"`) {
		t.Errorf("the tags of the fork are %s", state["tags"])
	}
	for _, c := range []string{id, fork} {
		if i := h.open(c); i.Cursor.Seq != len(branches[c])+1 {
			t.Errorf("after the SDK: %+v, want %d events", i, len(branches[c])+1)
		}
	}
	h.shutdown()
}
