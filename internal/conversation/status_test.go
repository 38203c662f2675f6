package conversation_test

import (
	"errors"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

func TestAMessageRunsToItsAnswer(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.status(conversation.Idle, "")
		sent := r.ask("hello")
		if sent.Disposition != "started" || sent.Seq != 2 || sent.RunID == "" || sent.MessageID == "" {
			t.Errorf("sent: %+v", sent)
		}
		r.status(conversation.Running, "")
		r.told(`user "hello"`)
		r.answer(say("hi"))
		r.status(conversation.Finished, conversation.StopFinished)
		r.told(`agent "hi"`, "ended finished finished")
	})
}

func TestARunWithNothingToDoAsksTheModel(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.mustRun()
		r.answer(say("what shall I do?"))
		r.status(conversation.Finished, conversation.StopFinished)
	})
}

func TestToolsRunUntilTheyFinish(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("work")
		r.answer(do(call("a"), call("b")))
		r.result("a")
		r.result("b")
		r.answer(do(call("finish")))
		r.result("finish")
		r.status(conversation.Finished, conversation.StopFinished)
		r.told(`user "work"`, "call a", "call b", "result a", "result b", "call finish", "result finish", "ended finished finished")
	})
}

func TestARunOnAFinishedConversationEndsAtOnce(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("hello")
		r.answer(say("hi"))
		r.rec.told()
		id := r.mustRun()
		r.quiet()
		r.told("ended finished finished")
		if r.rec.states[id] != 1 {
			t.Errorf("the run has %d terminal states", r.rec.states[id])
		}
	})
}

func TestAMessageWakesAFinishedConversation(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("hello")
		r.answer(say("hi"))
		if _, err := r.send("again", "", false, conversation.Queue); err != nil {
			t.Fatal(err)
		}
		r.status(conversation.Idle, "")
		r.quiet()
		r.mustRun()
		r.answer(say("hi again"))
		r.status(conversation.Finished, conversation.StopFinished)
	})
}

func TestRunWhileRunningIsBusy(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		id := r.ask("hello").RunID
		_, err := r.run()
		var busy *conversation.BusyError
		if !errors.As(err, &busy) || busy.RunID != id || busy.Status != conversation.Running {
			t.Errorf("a second run: %v", err)
		}
		r.pause()
		if _, err := r.run(); !errors.As(err, &busy) || busy.Status != conversation.Pausing {
			t.Errorf("a run while pausing: %v", err)
		}
		r.answer(say("hi"))
	})
}

func TestTheLimitOfStepsEndsTheRun(t *testing.T) {
	play(t, conversation.Options{MaxIterations: 2}, func(r *rig) {
		r.ask("work")
		r.answer(do(call("a")))
		r.result("a")
		r.answer(do(call("b")))
		r.result("b")
		r.status(conversation.Failed, conversation.StopMaxIterations)
		r.told(`user "work"`, "call a", "result a", "call b", "result b", "error MaxIterationsReached", "ended error max_iterations")
		if e := r.info().Error; e == nil || e.Code != "MaxIterationsReached" {
			t.Errorf("error: %+v", e)
		}
		// A message leaves the error as it is; the next run has its own budget.
		if _, err := r.send("go on", "", false, conversation.Queue); err != nil {
			t.Fatal(err)
		}
		if s := r.info().Status; s != conversation.Failed {
			t.Errorf("status after a message: %s", s)
		}
		r.mustRun()
		r.answer(do(call("c")))
		r.result("c")
		r.answer(say("done"))
		r.status(conversation.Finished, conversation.StopFinished)
	})
}

func TestFinishingOnTheLastStepIsFinished(t *testing.T) {
	for _, last := range []*conversation.Thought{say("done"), do(call("finish"))} {
		play(t, conversation.Options{MaxIterations: 2}, func(r *rig) {
			r.ask("work")
			r.answer(do(call("a")))
			r.result("a")
			r.answer(last)
			if !last.Final {
				r.result("finish")
			}
			r.status(conversation.Finished, conversation.StopFinished)
		})
	}
}

func TestALowerLimitCountsWhileRunning(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("work")
		r.answer(do(call("a")))
		limit := 1
		var info conversation.Info
		r.check(r.c.Update(conversation.Update{MaxIterations: &limit}, func(i conversation.Info, err error) { info = i; r.check(err) }))
		r.result("a")
		if info.MaxIterations != 1 || info.Status != conversation.Running {
			t.Errorf("info: %+v", info)
		}
		r.status(conversation.Failed, conversation.StopMaxIterations)
	})
}

func TestCallsAfterFinishAreAnswered(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("work")
		r.answer(do(call("a"), call("finish"), call("b")))
		r.result("a")
		r.result("finish")
		r.told(`user "work"`, "call a", "call finish", "call b", "result a", "result finish", "failed b", "ended finished finished")
		r.ask("more")
		r.answer(say("nothing was left over"))
	})
}

func TestAFinishThatFailedDoesNotEndTheTurn(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("work")
		r.answer(do(call("finish")))
		w := r.acting()
		w.answers <- answer{event: failed(w.action, "no")}
		r.answer(say("then so"))
		r.status(conversation.Finished, conversation.StopFinished)
		r.told(`user "work"`, "call finish", "failed finish", `agent "then so"`, "ended finished finished")
	})
}

func TestInvalidCallsAreAnsweredAndTheRestRuns(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("work")
		r.answer(do(invalid("a"), call("b"), invalid("c")))
		r.result("b")
		r.answer(do(invalid("d")))
		r.answer(say("well"))
		r.told(`user "work"`, "call a", "failed a", "call b", "call c", "failed c", "result b", "call d", "failed d", `agent "well"`,
			"ended finished finished")
	})
}

func TestEmptyAnswersAreNudgedAndThreeAreStuck(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("work")
		r.answer(nothing())
		r.answer(nothing())
		r.answer(nothing())
		r.quiet()
		r.status(conversation.Stuck, conversation.StopStuck)
		r.told(`user "work"`, `agent ""`, `environment "say something"`, `agent ""`, `environment "say something"`, `agent ""`,
			`environment "say something"`, "ended stuck stuck")
		if e := r.info().Error; e == nil || e.Code != "Stuck" || e.Message == "" {
			t.Errorf("error: %+v", e)
		}
	})
}

// stick drives a run into the repeat pattern.
func stick(r *rig) {
	r.t.Helper()
	r.ask("work")
	for range 4 {
		a := call("same")
		a.Action = []byte(`{"command":"ls","kind":"TestAction"}`)
		r.answer(do(a))
		r.result("same")
	}
}

func TestRepetitionIsStuck(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		stick(r)
		r.quiet()
		r.status(conversation.Stuck, conversation.StopStuck)
		// A bare run finds the same loop before it does anything.
		r.rec.told()
		r.mustRun()
		r.quiet()
		r.told("ended stuck stuck")
		// A message has a fresh window.
		if _, err := r.send("try something else", "", false, conversation.Queue); err != nil {
			t.Fatal(err)
		}
		r.status(conversation.Idle, "")
		if e := r.info().Error; e != nil {
			t.Errorf("an idle conversation tells the error %+v", e)
		}
		r.mustRun()
		r.answer(say("all right"))
		r.status(conversation.Finished, conversation.StopFinished)
	})
}

func TestWithoutStuckDetectionRepetitionGoesOn(t *testing.T) {
	off := false
	play(t, conversation.Options{StuckDetection: &off}, func(r *rig) {
		stick(r)
		r.answer(say("enough"))
		r.status(conversation.Finished, conversation.StopFinished)
	})
}

func TestRepeatedErrorsAreNudgedOnceThenStuck(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("work")
		fail := func() {
			a := call("same")
			a.Action = []byte(`{"command":"ls","kind":"TestAction"}`)
			r.answer(do(a))
			w := r.acting()
			w.answers <- answer{event: failed(w.action, "no such thing")}
		}
		for range 3 {
			fail()
		}
		r.status(conversation.Running, "")
		nudges := 0
		for _, e := range r.rec.events {
			if m, ok := e.(*event.Message); ok && m.Source == event.SourceEnvironment {
				nudges++
			}
		}
		if nudges != 1 {
			t.Errorf("%d nudges after three failures", nudges)
		}
		fail()
		r.status(conversation.Stuck, conversation.StopStuck)
	})
}

func TestAlternationIsStuck(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("work")
		for i := range 6 {
			id := []string{"a", "b"}[i%2]
			r.answer(do(call(id)))
			r.result(id)
		}
		r.quiet()
		r.status(conversation.Stuck, conversation.StopStuck)
	})
}

func TestStatsAreCounted(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("work")
		r.answer(do(call("a")))
		r.result("a")
		r.answer(say("done"))
		usage := r.state()["stats"].(map[string]any)["usage_to_metrics"].(map[string]any)["agent"].(map[string]any)
		if n := usage["accumulated_token_usage"].(map[string]any)["prompt_tokens"]; n != 20.0 {
			t.Errorf("prompt tokens on disk: %v", n)
		}
	})
}
