package conversation_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
)

const choice = `{"type":"object","properties":{"answer":{"type":"string","enum":["red","blue"]}},"required":["answer"]}`

// asks lets the tool call that goes on ask the user, and gives what it is told.
func (r *rig) asks(w *work, repeatable bool) <-chan answered {
	r.t.Helper()
	got := make(chan answered, 1)
	go func() {
		a, err := w.ask(w.ctx, conversation.Input{Message: "Which colour?", Schema: json.RawMessage(choice), Repeatable: repeatable})
		got <- answered{a, err}
	}()
	synctest.Wait()
	return got
}

type answered struct {
	conversation.InputAnswer
	err error
}

// reply answers what waits.
func (r *rig) reply(a conversation.InputReply) (accepted bool, by *conversation.Resolution, err error) {
	r.t.Helper()
	if a.Via == "" {
		a.Via = "answer"
	}
	r.check(r.c.Answer(a, func(ok bool, res *conversation.Resolution, e error) { accepted, by, err = ok, res, e }))
	synctest.Wait()
	return accepted, by, err
}

func accept(id, content string) conversation.InputReply {
	return conversation.InputReply{RequestID: id, InputAnswer: conversation.InputAnswer{Action: conversation.InputAccept, Content: json.RawMessage(content)}}
}

// asking a question leads into a call that asks.
func questioned(t *testing.T, repeatable bool, test func(*rig, *work, <-chan answered)) {
	t.Helper()
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("work")
		r.answer(do(call("a"), call("b")))
		w := r.acting()
		got := r.asks(w, repeatable)
		r.status(conversation.WaitingForInput, "")
		r.told(`user "work"`, "call a", "call b", "waiting_for_input", `asks "Which colour?"`)
		test(r, w, got)
	})
}

func TestInput(t *testing.T) {
	questioned(t, true, func(r *rig, w *work, got <-chan answered) {
		p := r.info().Pending[0]
		if p.Kind != conversation.KindInput || p.Message != "Which colour?" || string(p.Schema) != choice || len(p.Actions) != 1 || p.Actions[0].Action.ToolCallID != "a" {
			t.Errorf("pending %+v", p)
		}
		if stored := r.state()["execution_status"]; stored != "paused" {
			t.Errorf("stored as %v", stored)
		}
		// Neither a run nor a message answers it, nor what does not fit.
		var busy *conversation.BusyError
		if _, err := r.run(); !errors.As(err, &busy) || busy.Status != conversation.WaitingForInput {
			t.Errorf("run: %v", err)
		}
		if sent, err := r.send("red", "", false, conversation.Queue); sent.Disposition != "queued" || err != nil {
			t.Errorf("sent %+v, %v", sent, err)
		}
		var state *conversation.StateError
		if _, err := r.reject("no"); !errors.As(err, &state) {
			t.Errorf("reject: %v", err)
		}
		var value *conversation.ValueError
		for _, content := range []string{``, `{}`, `{"answer":"green"}`, `"red"`, `null`} {
			if accepted, _, err := r.reply(accept(p.RequestID, content)); accepted || !errors.As(err, &value) || value.Field != "content" {
				t.Errorf("%s: %t, %v", content, accepted, err)
			}
		}
		if _, _, err := r.confirm(conversation.Confirmation{RequestID: p.RequestID, Approve: true}); !errors.As(err, &value) {
			t.Errorf("confirm: %v", err)
		}
		if _, _, err := r.reply(accept("11111111-2222-4333-8444-555555555555", `{"answer":"red"}`)); !errors.Is(err, conversation.ErrRequestNotFound) {
			t.Errorf("another request: %v", err)
		}
		r.status(conversation.WaitingForInput, "")

		if accepted, _, err := r.reply(accept(p.RequestID, `{"answer":"red"}`)); !accepted || err != nil {
			t.Errorf("%t, %v", accepted, err)
		}
		if a := <-got; a.err != nil || a.Action != conversation.InputAccept || string(a.Content) != `{"answer":"red"}` {
			t.Errorf("the tool got %+v", a)
		}
		r.status(conversation.Running, "")
		// The first answer wins.
		accepted, by, err := r.reply(accept(p.RequestID, `{"answer":"blue"}`))
		if accepted || err != nil || by == nil || by.Via != "answer" || by.Outcome != "approved" {
			t.Errorf("the second answer: %t, %+v, %v", accepted, by, err)
		}
		w.answers <- answer{event: observed(w.action, "red")}
		r.result("b")
		r.answer(say("done"))
		r.answer(say("done too"))
		r.told("waiting_for_input", "approved via answer", "result a", "result b", `agent "done"`, `user "red"`, `agent "done too"`, "ended finished finished")
	})
}

func TestInputDeclined(t *testing.T) {
	for action, outcome := range map[conversation.InputAction]string{conversation.InputDecline: "rejected", conversation.InputCancel: "cancelled"} {
		questioned(t, true, func(r *rig, w *work, got <-chan answered) {
			reply := conversation.InputReply{RequestID: r.requestID(), InputAnswer: conversation.InputAnswer{Action: action, Content: json.RawMessage(`{}`)}, Via: "reply"}
			if accepted, _, err := r.reply(reply); !accepted || err != nil {
				t.Errorf("%t, %v", accepted, err)
			}
			if a := <-got; a.err != nil || a.Action != action || a.Content != nil {
				t.Errorf("the tool got %+v", a)
			}
			w.answers <- answer{event: observed(w.action, "none")}
			r.told(outcome+" via reply", "result a")
		})
	}
}

func TestInputWaitsForARunThatWaits(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		var ended []conversation.Outcome
		r.check(r.c.Run(func(string, error) {}, func(o conversation.Outcome) { ended = append(ended, o) }))
		r.answer(do(call("a")))
		r.asks(r.acting(), true)
		if len(ended) != 1 || ended[0].Status != conversation.WaitingForInput || ended[0].StopReason != "" {
			t.Errorf("the run was said to be %+v", ended)
		}
	})
}

func TestInputInterrupted(t *testing.T) {
	questioned(t, true, func(r *rig, _ *work, got <-chan answered) {
		r.interrupt()
		if a := <-got; a.err == nil {
			t.Errorf("the tool got %+v", a)
		}
		r.told("cancelled via interrupt", "failed a", "failed b", "interrupt", "ended paused interrupted")
		if n := len(r.info().Pending); n != 0 {
			t.Errorf("%d wait", n)
		}
		r.reopen()
		r.status(conversation.Paused, conversation.StopInterrupted)
	})
}

func TestInputWithdrawn(t *testing.T) {
	questioned(t, true, func(r *rig, w *work, _ <-chan answered) {
		// The tool gave its question up: it ended for a reason of its own.
		ctx, cancel := context.WithCancel(w.ctx)
		second := make(chan answered, 1)
		go func() {
			a, err := w.ask(ctx, conversation.Input{Message: "And?", Schema: json.RawMessage(choice)})
			second <- answered{a, err}
		}()
		synctest.Wait()
		if n := len(r.info().Pending); n != 2 {
			t.Errorf("%d wait", n)
		}
		cancel()
		if a := <-second; !errors.Is(a.err, context.Canceled) {
			t.Errorf("the tool got %+v", a)
		}
		r.told("waiting_for_input", `asks "And?"`, "cancelled via rule", "waiting_for_input")
		if p := r.info().Pending; len(p) != 1 || p[0].Message != "Which colour?" {
			t.Errorf("pending %+v", p)
		}
	})
}

func TestInputOfABrokenSchema(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("work")
		r.answer(do(call("a")))
		w := r.acting()
		if _, err := w.ask(w.ctx, conversation.Input{Schema: json.RawMessage(`{"type":"string"}`)}); err == nil {
			t.Error("it was asked")
		}
		r.status(conversation.Running, "")
	})
}

func TestInputAndPause(t *testing.T) {
	questioned(t, true, func(r *rig, w *work, _ <-chan answered) {
		if got := r.pause(); got != conversation.Pausing {
			t.Errorf("pause: %s", got)
		}
		r.status(conversation.WaitingForInput, "")
		if accepted, _, err := r.reply(accept(r.requestID(), `{"answer":"red"}`)); !accepted || err != nil {
			t.Errorf("%t, %v", accepted, err)
		}
		r.status(conversation.Pausing, "")
		w.answers <- answer{event: observed(w.action, "red")}
		r.result("b")
		r.status(conversation.Paused, conversation.StopPaused)
	})
}

func TestInputAndSteering(t *testing.T) {
	questioned(t, true, func(r *rig, w *work, got <-chan answered) {
		if sent, err := r.send("neither", "", false, conversation.Steer); sent.Disposition != "steered" || err != nil {
			t.Errorf("sent %+v, %v", sent, err)
		}
		if a := <-got; a.err != nil || a.Action != conversation.InputDecline {
			t.Errorf("the tool got %+v", a)
		}
		w.answers <- answer{event: observed(w.action, "none")}
		r.result("b")
		r.told("rejected via reject", "result a", "result b", `user "neither"`)
		r.thinking()
	})
}

// A run that waits for an answer waits on over a restart, as one that waits for
// an approval does: the request keeps its id, and with the answer the calls that
// are open are carried out, each once.
func TestInputOverARestart(t *testing.T) {
	questioned(t, true, func(r *rig, _ *work, _ <-chan answered) {
		id, run := r.requestID(), r.info().RunID
		snapshot := func() conversation.Info {
			snap := must(r.manager.Peek(r.options.Base, r.options.ID))
			defer func() { r.check(snap.Close()) }()
			return snap.Info()
		}
		r.close()
		r.told() // untouched
		if i := snapshot(); i.Status != conversation.WaitingForInput || len(i.Pending) != 1 {
			t.Errorf("stored as %s with %d pending", i.Status, len(i.Pending))
		}
		items, _, err := r.manager.List(r.ctx, conversation.Filter{})
		if err != nil || len(items) != 1 || items[0].Status != conversation.WaitingForInput {
			t.Errorf("listed as %+v, %v", items, err)
		}
		r.reopen()
		r.status(conversation.WaitingForInput, "")
		r.told(`asks "Which colour?"`)
		if r.requestID() != id || r.info().RunID != run {
			t.Error("it is another request")
		}
		r.quiet()
		if accepted, _, err := r.reply(accept(id, `{"answer":"blue"}`)); !accepted || err != nil {
			t.Errorf("%t, %v", accepted, err)
		}
		r.status(conversation.Running, "")
		w := r.acting()
		if got := <-r.asks(w, true); got.err != nil || string(got.Content) != `{"answer":"blue"}` {
			t.Errorf("the tool got %+v", got)
		}
		w.answers <- answer{event: observed(w.action, "blue")}
		r.result("b")
		r.answer(say("done"))
		r.told("approved via answer", "result a", "result b", `agent "done"`, "ended finished finished")
		if r.info().RunID != run {
			t.Error("it is another run")
		}
	})
}

// After a restart there is no call that waits, and the other ways out work all the
// same.
func TestInputOverARestartEndsOtherwise(t *testing.T) {
	for name, tt := range map[string]struct {
		do   func(*rig)
		told []string
	}{
		"interrupted": {func(r *rig) { r.interrupt() }, []string{"cancelled via interrupt", "failed a", "failed b", "interrupt", "ended paused interrupted"}},
		"closed":      {func(r *rig) { r.reopen() }, []string{`asks "Which colour?"`}},
		"steered": {func(r *rig) {
			if _, err := r.send("neither", "", false, conversation.Steer); err != nil {
				t.Error(err)
			}
			w := r.acting()
			if got := <-r.asks(w, true); got.Action != conversation.InputDecline {
				t.Errorf("the tool got %+v", got)
			}
			w.answers <- answer{event: observed(w.action, "none")}
		}, []string{"rejected via reject", "result a"}},
		"paused": {func(r *rig) {
			if got := r.pause(); got != conversation.Pausing {
				t.Errorf("pause: %s", got)
			}
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			questioned(t, true, func(r *rig, _ *work, _ <-chan answered) {
				r.reopen()
				r.told(`asks "Which colour?"`)
				tt.do(r)
				r.told(tt.told...)
			})
		})
	}
}

// A question in the middle of a call that has done more than ask can't wait over
// a restart: its call ends with its process, and the log says so.
func TestInputThatCantBeRepeated(t *testing.T) {
	questioned(t, false, func(r *rig, _ *work, got <-chan answered) {
		r.close()
		<-got
		r.told("cancelled via interrupt", "failed a", "failed b", "interrupt", "ended paused interrupted")
		r.reopen()
		r.status(conversation.Paused, conversation.StopInterrupted)
	})
}

// died opens what is on disk while the conversation is open still, as after a
// kill: the lock is gone with the process, and so is what was in memory.
func (r *rig) died() {
	r.t.Helper()
	side, state, log := r.readJSON("agent_rpc.json"), r.readJSON("base_state.json"), r.log()
	r.close()
	for _, name := range r.log() {
		if !slices.Contains(log, name) {
			r.remove(name)
		}
	}
	for name, was := range map[string]map[string]any{"agent_rpc.json": side, "base_state.json": state} {
		r.edit(name, func(now map[string]any) {
			clear(now)
			for k, v := range was {
				now[k] = v
			}
		})
	}
	r.reopen()
}

func TestInputAfterAKill(t *testing.T) {
	t.Run("repeatable", func(t *testing.T) {
		questioned(t, true, func(r *rig, _ *work, _ <-chan answered) {
			r.died()
			r.status(conversation.WaitingForInput, "")
			r.told(`asks "Which colour?"`)
		})
	})
	t.Run("not repeatable", func(t *testing.T) {
		questioned(t, false, func(r *rig, _ *work, _ <-chan answered) {
			r.died()
			r.status(conversation.Failed, conversation.StopError)
			if n := len(r.info().Pending); n != 0 {
				t.Errorf("%d wait", n)
			}
			r.mustRun()
			r.quietActs()
		})
	})
	t.Run("beside another call", func(t *testing.T) {
		parallel(t, 2, func(r *rig) {
			r.ask("work")
			r.answer(do(call("a"), call("b")))
			w := r.acts("a", "b")
			other := w["b"]
			r.asks(w["a"], true)
			r.status(conversation.WaitingForInput, "")
			if r.readJSON("agent_rpc.json")["executing"] != true {
				t.Error("the disk does not know of the other call")
			}
			other.answers <- answer{event: observed(other.action, "done")}
			r.info()
			if r.readJSON("agent_rpc.json")["executing"] != nil {
				t.Error("the disk does not know that the question is alone")
			}
			r.died()
			r.status(conversation.WaitingForInput, "")
			id := r.requestID()
			if accepted, _, err := r.reply(accept(id, `{"answer":"red"}`)); !accepted || err != nil {
				t.Errorf("%t, %v", accepted, err)
			}
			if w := r.acting(); w.action.ToolCallID != "a" {
				t.Errorf("%s is carried out", w.action.ToolCallID)
			}
			r.quietActs()
		})
	})
	t.Run("while another call goes on", func(t *testing.T) {
		parallel(t, 2, func(r *rig) {
			r.ask("work")
			r.answer(do(call("a"), call("b")))
			r.asks(r.acting(), true)
			r.died()
			r.status(conversation.Failed, conversation.StopError)
		})
	})
	t.Run("answered by another program", func(t *testing.T) {
		questioned(t, true, func(r *rig, _ *work, _ <-chan answered) {
			r.close()
			r.edit("base_state.json", func(s map[string]any) { s["execution_status"] = "finished" })
			r.reopen()
			r.status(conversation.Finished, conversation.StopFinished)
			if n := len(r.info().Pending); n != 0 {
				t.Errorf("%d wait", n)
			}
		})
	})
}

// A question ends with the call that asks it.
func TestInputEndsWithItsCall(t *testing.T) {
	questioned(t, true, func(r *rig, w *work, got <-chan answered) {
		w.answers <- answer{event: observed(w.action, "without an answer")}
		r.told("cancelled via rule", "result a")
		if a := <-got; a.err == nil {
			t.Errorf("the tool got %+v", a)
		}
		r.status(conversation.Running, "")
		r.result("b")
	})
}
