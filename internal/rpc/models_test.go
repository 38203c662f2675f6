package rpc_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// Questions on the side are answered while the model thinks, in whatever order the
// model answers them, and leave no event.
func TestAskAgentDuringARun(t *testing.T) {
	s, c := connected(t, "", "")
	id := s.create("{}")
	s.ask("conversation/sendMessage", `{"id":"`+id+`","message":"Go","run":true}`)
	step := c.next(t)
	first := s.request("conversation/askAgent", `{"id":"`+id+`","question":"First?"}`)
	one := c.next(t)
	second := s.request("conversation/askAgent", `{"id":"`+id+`","question":"Second?"}`)
	two := c.next(t)
	for _, q := range []*question{one, two} {
		if !q.request.NoCalls || len(q.request.Tools) == 0 || q.stream != nil {
			t.Errorf("asked with %d tools, calls %t, streaming %t", len(q.request.Tools), !q.request.NoCalls, q.stream != nil)
		}
	}
	var answer struct{ Answer string }
	two.say("Second.")
	if s.result(s.answered(second), &answer); answer.Answer != "Second." {
		t.Errorf("answered %q", answer.Answer)
	}
	one.say("First.")
	if s.result(s.answered(first), &answer); answer.Answer != "First." {
		t.Errorf("answered %q", answer.Answer)
	}
	step.say("done")
	s.await("the end", says("conversation/stateChanged", `"stopReason":"finished"`))
	if n := s.count(says("conversation/event")); n != 3 {
		t.Errorf("%d events, want the prompt, the message and the answer", n)
	}
	s.end()
}

// cancelRequest ends a question and the call of the model, and nothing else.
func TestAskAgentIsCancelled(t *testing.T) {
	s, c := connected(t, "", "")
	id := s.create("{}")
	s.ask("conversation/sendMessage", `{"id":"`+id+`","message":"Go","run":true}`)
	step := c.next(t)
	asked := s.request("conversation/askAgent", `{"id":"`+id+`","question":"What?"}`)
	side := c.next(t)
	s.send(`{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":%d}}`, asked)
	s.refused(s.answered(asked), -32800, "")
	select {
	case <-side.ended:
	case <-time.After(watchdog):
		t.Error("the model is asked still")
	}
	step.say("done")
	s.await("the end", says("conversation/stateChanged", `"stopReason":"finished"`))
	s.end()
}

// A question that fails says how.
func TestAskAgentFails(t *testing.T) {
	s, c := connected(t, "", "")
	id := s.create("{}")
	asked := s.request("conversation/askAgent", `{"id":"`+id+`","question":"What?"}`)
	c.next(t).fail(&llm.Error{Kind: llm.ErrRateLimit, Provider: "test", Status: 429, Message: "slow down"})
	r := s.answered(asked)
	s.refused(r, -31006, "llm_error")
	if fmt.Sprintf("%v %v %v", r.Error.Data["provider"], r.Error.Data["httpStatus"], r.Error.Data["retryable"]) != "test 429 true" {
		t.Errorf("data %v", r.Error.Data)
	}
	asked = s.request("conversation/askAgent", `{"id":"`+id+`","question":"What?"}`)
	c.next(t).say(" \n")
	s.refused(s.answered(asked), -31006, "llm_error")
	c.resolve = func(context.Context, string) error { return noKey{} }
	other := s.create("{}")
	s.refused(s.ask("conversation/askAgent", `{"id":"`+other+`","question":"What?"}`), -31005, "auth_required")
	s.refused(s.ask("conversation/switchModel", `{"id":"`+other+`","llm":{"model":"test/other"}}`), -31005, "auth_required")
	s.end()
}

// Requests behind a change of the model see the new one, also where the client is
// asked for its key meanwhile.
func TestSwitchModelHoldsTheQueue(t *testing.T) {
	s, c := connected(t, "", "")
	id := s.create("{}")
	looking, found := make(chan bool, 1), make(chan bool)
	c.resolve = func(ctx context.Context, _ string) error {
		select {
		case looking <- true:
		default:
		}
		select {
		case <-found:
		case <-ctx.Done():
		}
		return ctx.Err()
	}
	switched := s.request("conversation/switchModel", `{"id":"`+id+`","llm":{"model":"test/other","usage_id":"other"}}`)
	<-looking
	sent := s.request("conversation/sendMessage", `{"id":"`+id+`","message":"Go","run":true}`)
	state := s.request("conversation/state", `{"id":"`+id+`"}`)
	s.ask("agent/ping", "{}")
	if s.index(replies(sent)) >= 0 {
		t.Error("a message overtook the change of the model")
	}
	close(found)
	var info struct{ Llms []struct{ UsageID string } }
	if s.result(s.answered(switched), &info); len(info.Llms) == 0 || info.Llms[0].UsageID != "other" {
		t.Errorf("switched to %+v", info)
	}
	c.next(t).say("done")
	if s.result(s.answered(state), &info); info.Llms[0].UsageID != "other" {
		t.Errorf("the state after it is %+v", info)
	}
	end := s.await("the end", says("conversation/stateChanged", `"stopReason":"finished"`))
	if !strings.Contains(string(end.raw), `"other":{"model_name"`) {
		t.Errorf("the step was counted elsewhere: %s", end.raw)
	}
	s.end()
}
