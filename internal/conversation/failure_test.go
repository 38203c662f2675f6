package conversation_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/secret"
)

// modelError is a failure as package agent gives it.
type modelError struct{ code, text, nudge string }

func (e modelError) Error() string { return e.text }
func (e modelError) Code() string  { return e.code }
func (e modelError) Nudge() string { return e.nudge }

func TestAFailedModelCallEndsTheRun(t *testing.T) {
	tests := []struct {
		err        error
		code, kind string
	}{
		{modelError{code: "LLMAuthenticationError", text: "no key"}, "LLMAuthenticationError", "auth"},
		{modelError{code: "LLMContextWindowExceedError", text: "too long"}, "LLMContextWindowExceedError", "agent_action"},
		{modelError{code: "LLMRateLimitError", text: "slow down"}, "LLMRateLimitError", "rate_limit"},
		{errors.New("odd"), "InternalError", ""},
		{context.DeadlineExceeded, "InternalError", ""},
	}
	for _, tt := range tests {
		t.Run(tt.code, func(t *testing.T) {
			play(t, conversation.Options{}, func(r *rig) {
				r.ask("work")
				r.thinking().answers <- answer{err: tt.err}
				r.status(conversation.Failed, conversation.StopError)
				r.told(`user "work"`, "error "+tt.code, "ended error error")
				e := r.info().Error
				if e == nil || e.Code != tt.code || e.Message != tt.err.Error() || tt.kind != "" && e.Classification.Kind != tt.kind {
					t.Errorf("error: %+v", e)
				}
				stored, ok := r.rec.events[len(r.rec.events)-1].(*event.ConversationError)
				if !ok || stored.Source != event.SourceEnvironment || stored.Classification != e.Classification {
					t.Errorf("stored: %+v", stored)
				}
				// It survives, and the next run leaves it behind.
				r.reopen()
				r.status(conversation.Failed, conversation.StopError)
				if again := r.info().Error; again == nil || *again != *e {
					t.Errorf("after opening again: %+v", again)
				}
				r.mustRun()
				if e := r.info().Error; e != nil {
					t.Errorf("while running: %+v", e)
				}
				r.answer(say("done"))
				r.status(conversation.Finished, conversation.StopFinished)
			})
		})
	}
}

func TestARefusalTheModelCanMendIsNudged(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("work")
		r.thinking().answers <- answer{err: modelError{code: "LLMContentPolicyViolationError", text: "no", nudge: "put it differently"}}
		r.answer(say("so"))
		r.status(conversation.Finished, conversation.StopFinished)
		r.told(`user "work"`, `environment "put it differently"`, `agent "so"`, "ended finished finished")
	})
}

func TestARefusalAtTheLimitEndsTheRun(t *testing.T) {
	play(t, conversation.Options{MaxIterations: 2}, func(r *rig) {
		r.ask("work")
		for range 2 {
			r.thinking().answers <- answer{err: modelError{code: "LLMContentPolicyViolationError", text: "no", nudge: "put it differently"}}
		}
		r.status(conversation.Failed, conversation.StopMaxIterations)
	})
}

func TestPanicsOfTheAgent(t *testing.T) {
	t.Run("in Think", func(t *testing.T) {
		play(t, conversation.Options{}, func(r *rig) {
			r.ask("work")
			r.thinking().answers <- answer{panics: "boom"}
			r.status(conversation.Failed, conversation.StopError)
			if e := r.info().Error; e == nil || !strings.Contains(e.Message, "boom") || strings.Contains(e.Message, "goroutine") {
				t.Errorf("error: %+v", e)
			}
			r.mustRun()
			r.answer(say("done"))
		})
	})
	t.Run("in Think, with nothing", func(t *testing.T) {
		play(t, conversation.Options{}, func(r *rig) {
			r.ask("work")
			r.thinking().answers <- answer{}
			r.status(conversation.Failed, conversation.StopError)
		})
	})
	t.Run("in Act", func(t *testing.T) {
		play(t, conversation.Options{}, func(r *rig) {
			r.ask("work")
			r.answer(do(call("a"), call("b")))
			r.acting().answers <- answer{panics: "boom"}
			r.result("b")
			r.answer(say("done"))
			r.told(`user "work"`, "call a", "call b", "failed a", "result b", `agent "done"`, "ended finished finished")
		})
	})
	t.Run("in Act, with nothing", func(t *testing.T) {
		play(t, conversation.Options{}, func(r *rig) {
			r.ask("work")
			r.answer(do(call("a")))
			r.acting().answers <- answer{}
			r.told(`user "work"`, "call a", "failed a")
		})
	})
	t.Run("in Describe", func(t *testing.T) {
		play(t, asking(), func(r *rig) {
			r.agent.describe = func(event.Event) *event.Display { panic("boom") }
			r.ask("work")
			r.answer(do(call("a")))
			r.status(conversation.WaitingForConfirmation, conversation.StopWaiting)
			r.mustRun()
			r.result("a")
			r.answer(say("done"))
			r.told(`user "work"`, "call a", "waiting_for_confirmation", "asks 1", "approved via run", "result a", `agent "done"`,
				"ended finished finished")
			var page conversation.Page
			r.check(r.c.Events(conversation.Query{}, func(p conversation.Page, err error) { page = p; r.check(err) }))
			r.quiet()
			if len(page.Records) != 5 {
				t.Errorf("%d events", len(page.Records))
			}
		})
	})
	t.Run("in Render", func(t *testing.T) {
		play(t, conversation.Options{}, func(r *rig) {
			r.agent.render = func() { panic("boom") }
			r.ask("work")
			r.answer(do(call("a")))
			r.result("a")
			r.status(conversation.Failed, conversation.StopError)
			r.told(`user "work"`, "call a", "result a", "error InternalError", "ended error error")
			r.agent.render = nil
			r.mustRun()
			r.answer(say("done"))
		})
	})
	t.Run("in Spec", func(t *testing.T) {
		play(t, conversation.Options{}, func(r *rig) {
			r.agent.spec = func() { panic("boom") }
			r.ask("work")
			r.agent.spec = nil
			r.answer(say("done"))
			r.status(conversation.Finished, conversation.StopFinished)
			if s := r.state()["execution_status"]; s != "finished" {
				t.Errorf("stored %v", s)
			}
		})
	})
	t.Run("in Outside", func(t *testing.T) {
		play(t, conversation.Options{}, func(r *rig) {
			r.agent.where = func(*event.Action) string { panic("boom") }
			r.ask("work")
			r.answer(do(call("a")))
			// What can't be judged is not carried out.
			r.told(`user "work"`, "call a", "failed a")
		})
		play(t, conversation.Options{Policy: []byte(`{"kind":"ConfirmRisky","confirm_unknown":false}`)}, func(r *rig) {
			r.agent.where = func(*event.Action) string { panic("boom") }
			r.ask("work")
			r.answer(do(call("a")))
			r.status(conversation.WaitingForConfirmation, conversation.StopWaiting)
		})
	})
	t.Run("in SystemPrompt", func(t *testing.T) {
		play(t, conversation.Options{}, func(r *rig) {
			r.agent.prompt = func([]secret.Info) *event.SystemPrompt { panic("boom") }
			if _, err := r.send("work", "", true, conversation.Queue); err == nil {
				t.Error("no error")
			}
			r.status(conversation.Idle, "")
			r.mustRun()
			r.status(conversation.Failed, conversation.StopError)
			r.agent.prompt = nil
			r.ask("work")
			r.answer(say("done"))
			r.status(conversation.Finished, conversation.StopFinished)
		})
	})
}

// breakDisk makes the log unwritable; mend brings it back.
func breakDisk(r *rig) (mend func()) {
	r.t.Helper()
	events := filepath.Join(r.dir(), "events")
	r.check(os.Rename(events, events+".away"))
	r.check(os.WriteFile(events, nil, 0o600))
	return func() {
		r.t.Helper()
		r.check(os.Remove(events))
		r.check(os.Rename(events+".away", events))
	}
}

func TestADiskThatRefuses(t *testing.T) {
	persistence := func(t *testing.T, err error) {
		t.Helper()
		var p *conversation.PersistenceError
		if !errors.As(err, &p) {
			t.Errorf("got %v, want a PersistenceError", err)
		}
	}
	t.Run("a message", func(t *testing.T) {
		play(t, conversation.Options{}, func(r *rig) {
			mend := breakDisk(r)
			_, err := r.send("work", "aaaaaaaa-1111-4111-8111-111111111111", true, conversation.Queue)
			persistence(t, err)
			r.status(conversation.Idle, "")
			r.quiet()
			mend()
			// It was not sent: the same id may be tried again.
			sent, err := r.send("work", "aaaaaaaa-1111-4111-8111-111111111111", true, conversation.Queue)
			if err != nil || sent.Disposition != "started" {
				t.Errorf("sent %+v, %v", sent, err)
			}
			r.answer(say("done"))
		})
	})
	t.Run("a run", func(t *testing.T) {
		play(t, conversation.Options{}, func(r *rig) {
			mend := breakDisk(r)
			r.mustRun()
			r.quiet()
			r.status(conversation.Failed, conversation.StopError)
			r.told("ended error error")
			mend()
			r.mustRun()
			r.answer(say("done"))
			r.status(conversation.Finished, conversation.StopFinished)
		})
	})
	t.Run("a pause", func(t *testing.T) {
		play(t, conversation.Options{}, func(r *rig) {
			defer breakDisk(r)()
			var err error
			r.check(r.c.Pause(func(_ conversation.Status, e error) { err = e }))
			r.status(conversation.Idle, "")
			persistence(t, err)
		})
	})
	for _, tt := range []struct {
		name string
		step func(r *rig)
	}{
		{"an answer", func(r *rig) { r.answer(say("done")) }},
		{"calls", func(r *rig) { r.answer(do(call("a"), call("b"))) }},
		{"a failure", func(r *rig) { r.thinking().answers <- answer{err: errors.New("no")} }},
		{"an empty answer", func(r *rig) { r.answer(nothing()) }},
		{"an interrupt", func(r *rig) { r.interrupt() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, conversation.Options{}, func(r *rig) {
				r.ask("work")
				mend := breakDisk(r)
				tt.step(r)
				r.quietActs()
				// Nothing was published that is not stored, and the run has its end.
				r.status(conversation.Failed, conversation.StopError)
				r.told(`user "work"`, "ended error error")
				if e := r.info().Error; e == nil || e.Message == "" {
					t.Errorf("error: %+v", e)
				}
				mend()
				r.agent.thinks = nil
				r.mustRun()
				r.answer(say("done"))
				r.status(conversation.Finished, conversation.StopFinished)
			})
		})
	}
	t.Run("a result", func(t *testing.T) {
		play(t, conversation.Options{}, func(r *rig) {
			r.ask("work")
			r.answer(do(call("a"), call("b")))
			mend := breakDisk(r)
			r.result("a")
			r.status(conversation.Failed, conversation.StopError)
			r.told(`user "work"`, "call a", "call b", "ended error error")
			mend()
			// What became of the calls is not known: they are not made again.
			r.agent.acts = nil
			r.reopen()
			r.status(conversation.Failed, conversation.StopError)
			r.mustRun()
			r.quietActs()
			r.told("failed a", "failed b")
			r.answer(say("done"))
			r.status(conversation.Finished, conversation.StopFinished)
		})
	})
	t.Run("what waits", func(t *testing.T) {
		play(t, conversation.Options{}, func(r *rig) {
			r.ask("work")
			for _, busy := range []conversation.WhenBusy{conversation.Queue, conversation.Steer} {
				if _, err := r.send(string(busy), "", false, busy); err != nil {
					t.Fatal(err)
				}
			}
			r.thinking().answers <- answer{err: errors.New("no")}
			r.info()
			mend := breakDisk(r)
			_, err := r.send("newest", "", true, conversation.Queue)
			persistence(t, err)
			r.mustRun()
			r.quiet()
			r.status(conversation.Failed, conversation.StopError)
			if n := len(r.info().Queued); n != 2 {
				t.Errorf("%d messages wait still", n)
			}
			mend()
			r.rec.told()
			r.mustRun()
			r.told(`user "steer"`, `user "queue"`)
			r.answer(say("done"))
		})
	})
	t.Run("what waits for the end of the turn", func(t *testing.T) {
		play(t, conversation.Options{}, func(r *rig) {
			r.ask("work")
			var mend func()
			if _, err := r.send("queued", "", false, conversation.Queue); err != nil {
				t.Fatal(err)
			}
			r.agent.act = func(a *event.Action) event.Event { return observed(a, "done") }
			r.rec.onEvent = func(e event.Event) {
				if o, ok := e.(*event.Observation); ok && o.ToolCallID == "finish" {
					mend = breakDisk(r)
				}
			}
			r.answer(do(call("finish")))
			r.status(conversation.Failed, conversation.StopError)
			if n := len(r.info().Queued); n != 1 {
				t.Errorf("%d messages wait still", n)
			}
			mend()
		})
	})
	t.Run("a decision", func(t *testing.T) {
		waiting(t, func(r *rig) {
			mend := breakDisk(r)
			accepted, _, err := r.confirm(conversation.Confirmation{RequestID: r.requestID()})
			if !accepted || err != nil {
				t.Errorf("accepted %t, %v", accepted, err)
			}
			r.status(conversation.Failed, conversation.StopError)
			r.told("rejected via confirm", "ended error error")
			mend()
			// They are not carried out without the consent that was refused.
			r.ask("go on")
			r.quietActs()
			r.told("failed a", "failed b", `user "go on"`)
		})
	})
}

// quietActs checks that no tool was called.
func (r *rig) quietActs() {
	r.t.Helper()
	r.info()
	if w := r.agent.take(&r.agent.acts); w != nil {
		r.t.Fatalf("the tool call %s was carried out", w.action.ToolCallID)
	}
}

// A full disk takes no state: nothing is accepted that would be forgotten.
func TestAStateThatCanNotBeStored(t *testing.T) {
	persistence := func(t *testing.T, err error) {
		t.Helper()
		var p *conversation.PersistenceError
		if !errors.As(err, &p) {
			t.Errorf("got %v, want a PersistenceError", err)
		}
	}
	t.Run("a message that would wait", func(t *testing.T) {
		play(t, conversation.Options{}, func(r *rig) {
			r.ask("work")
			mend := breakState(r)
			for _, busy := range []conversation.WhenBusy{conversation.Queue, conversation.Steer} {
				_, err := r.send("later", "", false, busy)
				persistence(t, err)
			}
			if n := len(r.info().Queued); n != 0 {
				t.Errorf("%d messages wait", n)
			}
			mend()
			if _, err := r.send("later", "", false, conversation.Queue); err != nil {
				t.Error(err)
			}
			r.answer(say("done"))
			r.told(`user "work"`, `agent "done"`, `user "later"`)
		})
	})
	t.Run("a run", func(t *testing.T) {
		play(t, conversation.Options{}, func(r *rig) {
			mend := breakState(r)
			r.mustRun()
			r.quiet()
			r.status(conversation.Failed, conversation.StopError)
			mend()
			r.mustRun()
			r.answer(say("done"))
			r.status(conversation.Finished, conversation.StopFinished)
		})
	})
	t.Run("an approval", func(t *testing.T) {
		waiting(t, func(r *rig) {
			mend := breakState(r)
			if accepted, _, err := r.confirm(conversation.Confirmation{RequestID: r.requestID(), Approve: true}); !accepted || err != nil {
				t.Errorf("accepted %t, %v", accepted, err)
			}
			r.quietActs()
			r.status(conversation.Failed, conversation.StopError)
			mend()
			// The next turn of the conversation writes what is behind.
			r.info()
			if s := r.state()["execution_status"]; s != "error" {
				t.Errorf("stored %v", s)
			}
		})
	})
	t.Run("a new conversation", func(t *testing.T) {
		play(t, conversation.Options{}, func(r *rig) {
			id := "aaaaaaaa-1111-4111-8111-111111111111"
			dir := filepath.Join(filepath.Dir(r.dir()), strings.ReplaceAll(id, "-", ""))
			r.check(os.MkdirAll(filepath.Join(dir, "base_state.json", "in the way"), 0o700))
			o := r.options
			o.ID = id
			_, _, err := r.newManager().Create(r.ctx, o)
			persistence(t, err)
		})
	})
}

// breakState makes base_state.json unwritable; mend brings it back.
func breakState(r *rig) (mend func()) {
	r.t.Helper()
	path := filepath.Join(r.dir(), "base_state.json")
	r.check(os.Rename(path, path+".away"))
	r.check(os.MkdirAll(filepath.Join(path, "in the way"), 0o700))
	r.rec.full = true
	return func() {
		r.t.Helper()
		r.rec.full = false
		r.check(os.RemoveAll(path))
		r.check(os.Rename(path+".away", path))
	}
}
