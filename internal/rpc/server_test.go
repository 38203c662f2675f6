package rpc_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// $/cancelRequest stops the waiting, not the run.
func TestCancelOfAWaitLeavesTheRun(t *testing.T) {
	s, c := connected(t, "", "")
	id := s.create("{}")
	run := s.request("conversation/run", `{"id":"`+id+`","wait":true}`)
	q := c.next(t)
	s.send(`{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":%d}}`, run)
	s.refused(s.answered(run), -32800, "")
	q.say("done all the same")
	s.await("the end", says("conversation/stateChanged", `"stopReason":"finished"`))
	s.drained()
	if n := s.count(replies(run)); n != 1 {
		t.Errorf("%d replies", n)
	}
	s.end()
}

func TestCancelOfAProgressInterrupts(t *testing.T) {
	s, c := connected(t, `"window":{"workDoneProgress":true}`, "")
	s.agree()
	id := s.create("{}")
	var ids struct{ RunID string }
	s.result(s.ask("conversation/run", `{"id":"`+id+`"}`), &ids)
	c.next(t)
	s.await("the progress", says("$/progress", `"kind":"begin"`))
	for _, odd := range []string{"5", `"none"`, "null", `{}`} {
		s.send(`{"jsonrpc":"2.0","method":"window/workDoneProgress/cancel","params":{"token":%s}}`, odd)
	}
	s.drained()
	if s.index(says("conversation/stateChanged", `"stopReason"`)) >= 0 {
		t.Error("a token that is none stopped the run")
	}
	s.send(`{"jsonrpc":"2.0","method":"window/workDoneProgress/cancel","params":{"token":%q}}`, ids.RunID)
	s.inOrder(says("conversation/event", "InterruptEvent"), says("conversation/stateChanged", `"stopReason":"interrupted"`), says("$/progress", `"kind":"end"`))
	s.end()
}

// A client that never answers for its progress hinders nothing.
func TestAProgressThatIsNotAnswered(t *testing.T) {
	s, c := connected(t, `"window":{"workDoneProgress":true}`, "")
	id := s.create("{}")
	s.ask("conversation/sendMessage", `{"id":"`+id+`","message":"go","run":true}`)
	c.next(t).say("done")
	s.await("the end", says("conversation/stateChanged", `"stopReason":"finished"`))
	s.drained()
	if n := s.count(says("$/progress")); n != 0 {
		t.Errorf("%d reports of a progress that the client did not agree to", n)
	}
	s.end()
}

// While the model thinks everything is answered.
func TestASlowModelHoldsUpNothing(t *testing.T) {
	s, c := connected(t, "", "")
	id := s.create("{}")
	s.ask("conversation/sendMessage", `{"id":"`+id+`","message":"go","run":true}`)
	q := c.next(t)
	for method, params := range map[string]string{
		"conversation/state": "", "conversation/events": "", "conversation/list": "", "conversation/open": `,"since":"start"`,
		"conversation/sendMessage": `,"message":"more"`, "conversation/update": `,"title":"Slow"`,
		"conversation/setConfirmationPolicy": `,"policy":{"kind":"NeverConfirm"}`, "conversation/updateSecrets": `,"secrets":{"A":"valuevalue"}`,
		"agent/ping": "", "agent/tools": "", "agent/models": "", "conversation/setSecurityAnalyzer": `,"analyzer":null`,
	} {
		if r := s.ask(method, `{"id":"`+id+`"`+params+`}`); r.Error != nil {
			t.Errorf("%s: %+v", method, r.Error)
		}
	}
	s.refused(s.ask("conversation/run", `{"id":"`+id+`"}`), -31002, "busy")
	s.refused(s.ask("conversation/rejectPendingActions", `{"id":"`+id+`"}`), -31004, "invalid_state")
	q.say("done")
	c.next(t).say("done with more")
	s.await("the end", says("conversation/stateChanged", `"stopReason":"finished"`))
	s.end()
}

func TestOverloaded(t *testing.T) {
	s, c, id, free := held(t)
	first := s.nextID + 1
	for range 64 {
		s.request("conversation/state", `{"id":"`+id+`"}`)
	}
	r := s.ask("conversation/state", `{"id":"`+id+`"}`)
	s.refused(r, -31008, "overloaded")
	if ms, _ := r.Error.Data["retryAfterMs"].(float64); ms <= 0 {
		t.Errorf("data %v", r.Error.Data)
	}
	// Others are served, and so is what waited once the queue moves.
	s.create("{}")
	free()
	for i := range 64 {
		if r := s.answered(first + i); r.Error != nil {
			t.Fatalf("request %d: %+v", i, r.Error)
		}
	}
	c.next(t).say("done")
	s.await("the end", says("conversation/stateChanged", `"stopReason":"finished"`))
	s.end()
}

// What was opened to read is not written to.
func TestReadMode(t *testing.T) {
	s, c := connected(t, "", "")
	id := s.create("{}")
	s.ask("conversation/sendMessage", `{"id":"`+id+`","message":"go","run":true}`)
	c.next(t).say("done")
	s.await("the end", says("conversation/stateChanged", `"stopReason":"finished"`))
	s.ask("conversation/close", `{"id":"`+id+`"}`)
	live := s.count(says("conversation/event"))
	var opened struct{ From, To int }
	s.result(s.ask("conversation/open", `{"id":"`+id+`","mode":"read","since":"start"}`), &opened)
	s.await("the last event", says("conversation/event", `"seq":3,`, `"replay":true`))
	if n := s.count(says("conversation/event")) - live; opened.From != 0 || opened.To != 3 || n != 3 {
		t.Errorf("opened %+v, %d events", opened, n)
	}
	for method, params := range map[string]string{
		"conversation/sendMessage": `,"message":"more"`, "conversation/run": "", "conversation/pause": "", "conversation/interrupt": "",
		"conversation/confirm": `,"requestId":"x","decision":"reject"`, "conversation/rejectPendingActions": "",
		"conversation/setConfirmationPolicy": `,"policy":{"kind":"NeverConfirm"}`, "conversation/setSecurityAnalyzer": `,"analyzer":null`,
		"conversation/updateSecrets": `,"secrets":{}`, "conversation/update": `,"title":"x"`, "conversation/generateTitle": "",
	} {
		if r := s.ask(method, `{"id":"`+id+`"`+params+`}`); r.Error == nil || r.Error.Code != -31003 || r.Error.Data["kind"] != "locked" {
			t.Errorf("%s: %s %+v", method, r.Result, r.Error)
		}
	}
	for _, method := range []string{"conversation/state", "conversation/events"} {
		if r := s.ask(method, `{"id":"`+id+`"}`); r.Error != nil {
			t.Errorf("%s: %+v", method, r.Error)
		}
	}
	// Opened to write it is written to.
	s.ask("conversation/open", `{"id":"`+id+`"}`)
	s.result(s.ask("conversation/update", `{"id":"`+id+`","title":"x"}`), &struct{}{})
	s.end()
}

// noKey is the failure that settings give.
type noKey struct{}

func (noKey) Error() string                  { return "no key" }
func (noKey) AuthRequired() (string, string) { return "test", "TEST_API_KEY" }

func TestAuthRequired(t *testing.T) {
	s, c := connected(t, "", "")
	c.resolve = func(context.Context, string) error { return noKey{} }
	id := s.create("{}")
	for method, params := range map[string]string{
		"conversation/run": "", "conversation/sendMessage": `,"message":"go","run":true`,
		"conversation/confirm": `,"requestId":"x","decision":"approve"`,
	} {
		r := s.ask(method, `{"id":"`+id+`"`+params+`}`)
		s.refused(r, -31005, "auth_required")
		if r.Error.Data["provider"] != "test" || r.Error.Data["setting"] != "TEST_API_KEY" {
			t.Errorf("%s: %v", method, r.Error.Data)
		}
	}
	// Nothing was begun, and reading and writing need no key.
	var info struct {
		Status string
		Cursor struct{ Seq int }
	}
	s.result(s.ask("conversation/state", `{"id":"`+id+`"}`), &info)
	if info.Status != "idle" || info.Cursor.Seq != 0 {
		t.Errorf("state %+v", info)
	}
	s.result(s.ask("conversation/sendMessage", `{"id":"`+id+`","message":"go"}`), &struct{}{})
	s.result(s.ask("conversation/generateTitle", `{"id":"`+id+`"}`), &struct{}{})
	c.resolve = nil
	s.ask("conversation/run", `{"id":"`+id+`"}`)
	c.next(t).say("done")
	s.await("the end", says("conversation/stateChanged", `"stopReason":"finished"`))
	s.end()
}

// A client that knows nothing of confirmations is asked with a plain message.
func TestShowMessageRequest(t *testing.T) {
	tests := []struct {
		name, answer, want string
		pending            bool
	}{
		{"approve", `{"title":"Approve"}`, `"stopReason":"finished"`, false},
		{"reject", `{"title":"Reject"}`, `"stopReason":"rejected"`, false},
		{"dismissed", `null`, `"stopReason":"waiting_for_confirmation"`, true},
		{"odd", `{"title":"Whatever"}`, `"stopReason":"waiting_for_confirmation"`, true},
		{"of another shape", `5`, `"stopReason":"waiting_for_confirmation"`, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, c := connected(t, "", "")
			id := s.create(`{"confirmationPolicy":{"kind":"AlwaysConfirm"}}`)
			s.ask("conversation/sendMessage", `{"id":"`+id+`","message":"go","run":true}`)
			c.next(t).do("1", "task_tracker", `{"command":"view"}`)
			asked := s.await("the question", says("window/showMessageRequest", `"title":"Approve"`, `"title":"Reject"`))
			s.send(`{"jsonrpc":"2.0","id":%s,"result":%s}`, asked.ID, tt.answer)
			if tt.name == "approve" {
				c.next(t).say("done")
			}
			s.await("the state", says("conversation/stateChanged", tt.want))
			s.drained()
			var info struct{ Pending []struct{ RequestID string } }
			s.result(s.ask("conversation/state", `{"id":"`+id+`"}`), &info)
			if (len(info.Pending) == 1) != tt.pending {
				t.Errorf("%d pending", len(info.Pending))
			}
			if tt.pending {
				s.result(s.ask("conversation/confirm", `{"id":"`+id+`","requestId":"`+info.Pending[0].RequestID+`","decision":"reject"}`), &struct{}{})
			}
			s.end()
		})
	}
}

// An answer that comes another way takes the question back.
func TestTheQuestionIsTakenBack(t *testing.T) {
	for _, options := range []string{"", `,"confirmation":{}`} {
		s, c := connected(t, "", options)
		method := "window/showMessageRequest"
		if options != "" {
			method = "conversation/requestConfirmation"
		}
		id := s.create(`{"confirmationPolicy":{"kind":"AlwaysConfirm"}}`)
		s.ask("conversation/sendMessage", `{"id":"`+id+`","message":"go","run":true}`)
		c.next(t).do("1", "task_tracker", `{"command":"view"}`)
		asked := s.await("the question", says(method))
		s.ask("conversation/rejectPendingActions", `{"id":"`+id+`"}`)
		s.await("the end of the question", says("$/cancelRequest", `"id":`+string(asked.ID)))
		s.await("the resolution", says("conversation/requestResolved", `"via":"reject"`, `"outcome":"rejected"`))
		// A late answer is of no use, and no harm.
		s.send(`{"jsonrpc":"2.0","id":%s,"result":{"decision":"approve","title":"Approve"}}`, asked.ID)
		s.drained()
		if n := s.count(says("conversation/event", "ObservationEvent")); n != 0 {
			t.Error("a late approval was taken")
		}
		s.end()
	}
}

// A conversation whose folder is gone can be looked at.
func TestReadingWithoutAFolder(t *testing.T) {
	s, c := connected(t, "", "")
	id := s.create(`{"workspace":"file://` + s.root + `/sub"}`)
	s.ask("conversation/sendMessage", `{"id":"`+id+`","message":"go","run":true}`)
	c.next(t).say("done")
	s.await("the end", says("conversation/stateChanged", `"stopReason":"finished"`))
	s.ask("conversation/close", `{"id":"`+id+`"}`)
	if err := os.RemoveAll(filepath.Join(s.root, "sub")); err != nil {
		t.Fatal(err)
	}
	var page struct{ Events []struct{ Seq int } }
	s.result(s.ask("conversation/events", `{"id":"`+id+`"}`), &page)
	if len(page.Events) != 3 {
		t.Errorf("%d events", len(page.Events))
	}
	s.result(s.ask("conversation/state", `{"id":"`+id+`"}`), &struct{}{})
	r := s.ask("conversation/open", `{"id":"`+id+`"}`)
	s.refused(r, -32602, "")
	if !strings.Contains(fmt.Sprint(r.Error.Data), "workspace") {
		t.Errorf("data %v", r.Error.Data)
	}
	s.end()
}
