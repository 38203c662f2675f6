package conversation_test

import (
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
)

func TestPauseBeforeARun(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		for range 3 {
			if s := r.pause(); s != conversation.Paused {
				t.Errorf("pause: %s", s)
			}
		}
		r.status(conversation.Paused, conversation.StopPaused)
		r.told("pause", "paused")
		r.ask("go on")
		r.status(conversation.Running, "")
		r.answer(say("hi"))
		r.status(conversation.Finished, conversation.StopFinished)
	})
}

func TestPauseWhileThinking(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("work")
		for range 2 {
			if s := r.pause(); s != conversation.Pausing {
				t.Errorf("pause: %s", s)
			}
		}
		r.status(conversation.Pausing, "")
		if s := r.state()["execution_status"]; s != "running" {
			t.Errorf("pausing is stored as %v", s)
		}
		r.answer(do(call("a"), call("b")))
		// The calls of the answer are not carried out.
		r.quiet()
		r.status(conversation.Paused, conversation.StopPaused)
		r.told(`user "work"`, "pausing", "call a", "call b", "pause", "ended paused paused")
		r.mustRun()
		r.result("a")
		r.result("b")
		r.answer(say("done"))
		r.told("result a", "result b", `agent "done"`, "ended finished finished")
	})
}

func TestPauseWhileThinkingOfWhatNeedsConsent(t *testing.T) {
	play(t, asking(), func(r *rig) {
		r.ask("work")
		r.pause()
		r.answer(do(call("a")))
		r.quiet()
		r.status(conversation.WaitingForConfirmation, conversation.StopWaiting)
		r.told(`user "work"`, "pausing", "call a", "waiting_for_confirmation", "asks 1")
		// What was asked for before the question is not held against the answer.
		r.mustRun()
		r.result("a")
		r.answer(say("done"))
		r.status(conversation.Finished, conversation.StopFinished)
	})
}

func TestPauseWhileActing(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("work")
		r.answer(do(call("a"), call("b")))
		r.pause()
		r.result("a")
		r.result("b")
		r.quiet()
		r.status(conversation.Paused, conversation.StopPaused)
		r.told(`user "work"`, "call a", "call b", "pausing", "result a", "result b", "pause", "ended paused paused")
		r.mustRun()
		r.answer(say("done"))
		r.status(conversation.Finished, conversation.StopFinished)
	})
}

func TestPauseAndFinish(t *testing.T) {
	for _, last := range []*conversation.Thought{say("done"), do(call("finish"))} {
		play(t, conversation.Options{}, func(r *rig) {
			r.ask("work")
			if _, err := r.send("and this", "", false, conversation.Queue); err != nil {
				t.Fatal(err)
			}
			if !last.Final {
				r.answer(last)
				r.pause()
				r.result("finish")
			} else {
				r.pause()
				r.answer(last)
			}
			r.quiet()
			r.status(conversation.Finished, conversation.StopFinished)
			if n := len(r.info().Queued); n != 1 {
				t.Errorf("%d messages wait, want 1: the user asked to stop", n)
			}
			// The next run answers what waits.
			r.mustRun()
			r.answer(say("that too"))
			r.status(conversation.Finished, conversation.StopFinished)
			if n := len(r.info().Queued); n != 0 {
				t.Errorf("%d messages wait still", n)
			}
		})
	}
}

func TestPauseStopsAnEndlessLoop(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("work")
		for _, id := range []string{"a", "b", "c"} {
			r.answer(do(call(id)))
			r.result(id)
		}
		r.pause()
		r.answer(do(call("d")))
		r.quiet()
		r.status(conversation.Paused, conversation.StopPaused)
	})
}

func TestPauseLeavesOtherStatusesAlone(t *testing.T) {
	t.Run("waiting", func(t *testing.T) {
		play(t, asking(), func(r *rig) {
			r.ask("work")
			r.answer(do(call("a")))
			if s := r.pause(); s != conversation.WaitingForConfirmation {
				t.Errorf("pause: %s", s)
			}
			r.status(conversation.WaitingForConfirmation, conversation.StopWaiting)
		})
	})
	t.Run("finished", func(t *testing.T) {
		play(t, conversation.Options{}, func(r *rig) {
			r.ask("work")
			r.answer(say("done"))
			if s := r.pause(); s != conversation.Finished {
				t.Errorf("pause: %s", s)
			}
			r.status(conversation.Finished, conversation.StopFinished)
		})
	})
	t.Run("error", func(t *testing.T) {
		play(t, conversation.Options{MaxIterations: 1}, func(r *rig) {
			r.ask("work")
			r.answer(do(call("a")))
			r.result("a")
			if s := r.pause(); s != conversation.Failed {
				t.Errorf("pause: %s", s)
			}
		})
	})
	t.Run("stuck", func(t *testing.T) {
		play(t, conversation.Options{}, func(r *rig) {
			stick(r)
			if s := r.pause(); s != conversation.Stuck {
				t.Errorf("pause: %s", s)
			}
		})
	})
}

// What stayed open at a pause is judged again: the policy may be another one.
func TestThePolicyOfTheDayDecidesWhatResumes(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("work")
		r.pause()
		r.answer(do(call("a")))
		r.setPolicy(always)
		r.status(conversation.Paused, conversation.StopPaused)
		r.mustRun()
		r.quiet()
		r.status(conversation.WaitingForConfirmation, conversation.StopWaiting)
		r.mustRun()
		r.result("a")
		r.answer(say("done"))
		r.status(conversation.Finished, conversation.StopFinished)
	})
}
