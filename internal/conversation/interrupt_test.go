package conversation_test

import (
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
)

func TestInterruptWhileThinking(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("work")
		begun := time.Now()
		r.interrupt()
		r.interrupt()
		r.status(conversation.Paused, conversation.StopInterrupted)
		if took := time.Since(begun); took != 0 {
			t.Errorf("it took %s", took)
		}
		r.told(`user "work"`, "interrupt", "ended paused interrupted")
		// After it is over it does nothing any more.
		r.interrupt()
		r.status(conversation.Paused, conversation.StopInterrupted)
		r.told()
		r.thinking() // the one that was cancelled
		r.mustRun()
		r.answer(say("done"))
		r.status(conversation.Finished, conversation.StopFinished)
	})
}

func TestInterruptWhileActing(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("work")
		r.answer(do(call("a"), call("b"), call("c")))
		r.result("a")
		r.interrupt()
		r.status(conversation.Paused, conversation.StopInterrupted)
		// What was done has its result, the rest is answered, and c was never begun.
		r.told(`user "work"`, "call a", "call b", "call c", "result a", "failed b", "failed c", "interrupt", "ended paused interrupted")
		if w := r.acting(); w.action.ToolCallID != "b" {
			t.Errorf("%s was cancelled", w.action.ToolCallID)
		}
		r.quiet()
		r.mustRun()
		r.answer(say("done"))
		r.status(conversation.Finished, conversation.StopFinished)
	})
}

func TestInterruptOfAToolThatIgnoresIt(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.agent.deaf = true
		r.ask("work")
		r.answer(do(call("a")))
		w := r.acting()
		w.output("one ")
		r.interrupt()
		w.output("two ")
		r.status(conversation.Running, "")
		begun := time.Now()
		time.Sleep(time.Second) // in the bubble: the grace
		r.status(conversation.Paused, conversation.StopInterrupted)
		if took := time.Since(begun); took != time.Second {
			t.Errorf("the grace was %s", took)
		}
		w.output("three")
		r.told(`user "work"`, "call a", `delta stdout "one "`, `delta stdout "two "`, "failed a", "interrupt", "ended paused interrupted")
		// The next run does not wait for it, and what it gives then is discarded.
		r.mustRun()
		model := r.thinking()
		w.answers <- answer{event: observed(w.action, "late")}
		r.told()
		model.answers <- answer{thought: say("done")}
		r.told(`agent "done"`, "ended finished finished")
	})
}

func TestInterruptOfAModelThatIgnoresIt(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.agent.deaf = true
		r.ask("work")
		w := r.thinking()
		r.interrupt()
		time.Sleep(time.Second) // in the bubble
		r.status(conversation.Paused, conversation.StopInterrupted)
		w.question.Stream(conversation.Piece{Stream: conversation.StreamText, Text: "late"})
		w.answers <- answer{thought: say("late")}
		r.told(`user "work"`, "interrupt", "ended paused interrupted")
		r.status(conversation.Paused, conversation.StopInterrupted)
	})
}

func TestAnAnswerThatComesWithTheInterruptIsKept(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.agent.deaf = true
		r.ask("work")
		w := r.thinking()
		r.interrupt()
		w.answers <- answer{thought: do(call("a"))}
		r.told(`user "work"`, "call a", "failed a", "interrupt", "ended paused interrupted")
		r.quiet()
	})
}

func TestInterruptWhileWaiting(t *testing.T) {
	play(t, asking(), func(r *rig) {
		r.ask("work")
		r.answer(do(call("a"), call("b")))
		r.interrupt()
		r.status(conversation.Paused, conversation.StopInterrupted)
		r.told(`user "work"`, "call a", "call b", "waiting_for_confirmation", "asks 2", "cancelled via interrupt",
			"failed a", "failed b", "interrupt", "ended paused interrupted")
	})
}

func TestInterruptWhereNothingRuns(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		// From idle it is a pause, as in the reference.
		r.interrupt()
		r.status(conversation.Paused, conversation.StopPaused)
		r.told("pause", "paused")
		r.ask("hello")
		r.answer(say("hi"))
		r.interrupt()
		r.status(conversation.Finished, conversation.StopFinished)
		r.told(`user "hello"`, `agent "hi"`, "ended finished finished")
	})
}

func TestInterruptWhilePausing(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("work")
		r.pause()
		r.interrupt()
		r.status(conversation.Paused, conversation.StopInterrupted)
		r.told(`user "work"`, "pausing", "interrupt", "ended paused interrupted")
	})
}

func TestPauseWhileInterruptingChangesNothing(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.agent.deaf = true
		r.ask("work")
		w := r.thinking()
		r.interrupt()
		r.pause()
		w.answers <- answer{thought: say("late")}
		r.status(conversation.Paused, conversation.StopInterrupted)
	})
}

// Tools may talk on after they returned; nobody hears them.
func TestNoDeltaAfterTheResult(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("work")
		model := r.thinking()
		model.question.Stream(conversation.Piece{Stream: conversation.StreamText, Text: "I "})
		model.question.Stream(conversation.Piece{Stream: conversation.StreamArgs, ToolCallID: "a", Text: "{"})
		model.answers <- answer{thought: do(call("a"), call("b"))}
		synctest.Wait()
		model.question.Stream(conversation.Piece{Stream: conversation.StreamText, Text: "late"})
		w := r.acting()
		w.output("out")
		w.answers <- answer{event: observed(w.action, "out")}
		synctest.Wait()
		w.output("late")
		r.result("b")
		r.answer(say("done"))
		r.told(`user "work"`, `delta text "I "`, `delta args "{"`, "call a", "call b", `delta stdout "out"`, "result a", "result b",
			`agent "done"`, "ended finished finished")
	})
}

func TestCloseInEveryPhase(t *testing.T) {
	tests := []struct {
		name    string
		options conversation.Options
		until   func(*rig)
		status  conversation.Status
		why     conversation.StopReason
	}{
		{"idle", conversation.Options{}, func(*rig) {}, conversation.Idle, ""},
		{"thinking", conversation.Options{}, func(r *rig) { r.ask("work"); r.thinking() }, conversation.Paused, conversation.StopInterrupted},
		{
			"acting",
			conversation.Options{},
			func(r *rig) { r.ask("work"); r.answer(do(call("a"), call("b"))); r.result("a"); r.acting() },
			conversation.Paused, conversation.StopInterrupted,
		},
		{"pausing", conversation.Options{}, func(r *rig) { r.ask("work"); r.pause(); r.thinking() }, conversation.Paused, conversation.StopInterrupted},
		{
			"waiting", asking(), func(r *rig) { r.ask("work"); r.answer(do(call("a"))) },
			conversation.WaitingForConfirmation, conversation.StopWaiting,
		},
		{"paused", conversation.Options{}, func(r *rig) { r.pause() }, conversation.Paused, conversation.StopPaused},
		{
			"finished",
			conversation.Options{},
			func(r *rig) { r.ask("work"); r.answer(say("done")) },
			conversation.Finished, conversation.StopFinished,
		},
		{"interrupted, deaf", conversation.Options{}, func(r *rig) {
			r.agent.deaf = true
			r.ask("work")
			r.thinking()
			r.interrupt()
		}, conversation.Paused, conversation.StopInterrupted},
		{"acting, deaf", conversation.Options{}, func(r *rig) {
			r.agent.deaf = true
			r.ask("work")
			r.answer(do(call("a")))
			r.acting()
		}, conversation.Paused, conversation.StopInterrupted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, tt.options, func(r *rig) {
				tt.until(r)
				runs := r.rec.open()
				begun := time.Now()
				first := r.agent
				r.close()
				if took := time.Since(begun); took > time.Second/2 {
					t.Errorf("closing took %s", took)
				}
				if first.closed != 1 {
					t.Errorf("the tools were closed %d times", first.closed)
				}
				if n := r.rec.open(); n != 0 && tt.status != conversation.WaitingForConfirmation {
					t.Errorf("%d of %d runs have no end", n, runs)
				}
				if s := r.rec.stored(); s != tt.status {
					t.Errorf("status on disk: %s, want %s", s, tt.status)
				}
				n := len(r.log())
				r.reopen()
				r.status(tt.status, tt.why)
				if len(r.log()) != n {
					t.Errorf("opening added %d events", len(r.log())-n)
				}
				r.quiet()
			})
		})
	}
}

func TestACloseTwiceIsOne(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("work")
		done := make(chan error, 2)
		for range 2 {
			go func() { done <- r.c.Close(r.ctx) }()
		}
		r.check(<-done)
		r.check(<-done)
		if r.agent.closed != 1 {
			t.Errorf("the tools were closed %d times", r.agent.closed)
		}
		r.told(`user "work"`, "interrupt", "ended paused interrupted")
		if err := r.c.Info(func(conversation.Info) { t.Error("answered") }); err == nil {
			t.Error("a closed conversation takes requests")
		}
	})
}

// What was asked for in the moment of closing is answered, and starts nothing.
func TestVerbsBehindACloseAreRefused(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		// The terminal state is told while the conversation closes: what is posted
		// from there stands in the mailbox behind the end.
		var errs []error
		note := func(err error) { errs = append(errs, err) }
		r.ask("work")
		r.rec.onState = func(conversation.Info) {
			r.check(r.c.Run(func(_ string, err error) { note(err) }, nil))
			r.check(r.c.SendMessage(message("late", ""), true, conversation.Queue, func(_ conversation.Sent, err error) { note(err) }))
			r.check(r.c.Pause(func(_ conversation.Status, err error) { note(err) }))
			r.check(r.c.Interrupt(note))
			r.check(r.c.Confirm(conversation.Confirmation{}, func(_ bool, _ *conversation.Resolution, err error) { note(err) }))
			r.check(r.c.RejectPendingActions("", func(_ int, err error) { note(err) }))
			r.check(r.c.SetConfirmationPolicy([]byte(always), func(_ conversation.Info, err error) { note(err) }))
			r.check(r.c.UpdateSecrets(nil, func(_ []string, err error) { note(err) }))
			r.check(r.c.GenerateTitle(50, nil, func(_ string, err error) { note(err) }))
			r.check(r.c.Events(conversation.Query{}, func(_ conversation.Page, err error) { note(err) }))
			r.check(r.c.Subscribe(newRecorder(t, "", conversation.Cursor{}), conversation.Since{}, func(_ conversation.Opened, err error) { note(err) }))
		}
		r.check(r.c.Close(r.ctx))
		if len(errs) != 11 {
			t.Fatalf("%d of 11 requests were answered", len(errs))
		}
		for i, err := range errs {
			if err != conversation.ErrClosed {
				t.Errorf("request %d: %v", i, err)
			}
		}
		r.thinking() // the one that was interrupted
		r.quiet()
	})
}

func TestATitleInTheMakingEndsWithTheConversation(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("hello")
		r.answer(say("hi"))
		asked, got := titleInTheMaking(r)
		<-asked
		r.check(r.c.Close(r.ctx))
		if err := <-got; err != conversation.ErrClosed {
			t.Errorf("the title: %v", err)
		}
	})
}

// A model that streams on while it is given up is not heard behind the end. This
// one is outside a bubble, where nothing may go on while the clock does.
func TestDeltasWhileGivingUp(t *testing.T) {
	m := conversation.NewManager(t.Context(), conversation.Config{Log: discard, NewAgent: func(env conversation.AgentEnv) (conversation.Agent, error) {
		return &fake{env: env, think: func(q conversation.Question) (*conversation.Thought, error) {
			for t.Context().Err() == nil { // it ends with the test, and ignores all else
				q.Stream(conversation.Piece{Stream: conversation.StreamText, Text: "on and on "})
				runtime.Gosched()
			}
			return say("late"), nil
		}}, nil
	}})
	for range 4 {
		c, _, err := m.Create(t.Context(), conversation.Options{Workspace: "/workspace"})
		if err != nil {
			t.Fatal(err)
		}
		rec := newRecorder(t, "", conversation.Cursor{Epoch: 1})
		started := make(chan struct{})
		err = c.Subscribe(rec, conversation.Since{}, func(conversation.Opened, error) {})
		err = errors.Join(err, c.Run(func(string, error) { close(started) }, nil))
		if err != nil {
			t.Fatal(err)
		}
		<-started
	}
	if err := m.CloseAll(t.Context()); err != nil {
		t.Error(err)
	}
}
