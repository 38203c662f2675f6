package conversation_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// waiting plays a conversation until it waits for consent to calls a and b.
func waiting(t *testing.T, test func(*rig)) {
	t.Helper()
	play(t, asking(), func(r *rig) {
		r.ask("work")
		r.answer(do(call("a"), call("b")))
		r.quiet()
		r.status(conversation.WaitingForConfirmation, conversation.StopWaiting)
		r.told(`user "work"`, "call a", "call b", "waiting_for_confirmation", "asks 2")
		test(r)
	})
}

func TestRunApproves(t *testing.T) {
	waiting(t, func(r *rig) {
		id := r.info().RunID
		if again := r.mustRun(); again != id {
			t.Errorf("run %s, want the one that waited, %s", again, id)
		}
		r.result("a")
		r.result("b")
		r.answer(say("done"))
		r.told("approved via run", "result a", "result b", `agent "done"`, "ended finished finished")
	})
}

func TestConfirm(t *testing.T) {
	yes, no := true, false
	stopped := []string{"rejected via confirm", "rejected a: User rejected the action", "rejected b: User rejected the action", "ended idle rejected"}
	tests := []struct {
		name   string
		answer conversation.Confirmation
		told   []string
		goesOn bool
	}{
		{"approve", conversation.Confirmation{Approve: true}, []string{"approved via confirm", "result a", "result b"}, true},
		{"reject", conversation.Confirmation{}, stopped, false},
		{
			"reject with a reason",
			conversation.Confirmation{Reason: "not this"},
			[]string{"rejected via confirm", "rejected a: not this", "rejected b: not this"},
			true,
		},
		{"reject and go on", conversation.Confirmation{GoOn: &yes}, stopped[:3], true},
		{
			"reject with a reason and stop",
			conversation.Confirmation{Reason: "not this", GoOn: &no},
			[]string{"rejected via confirm", "rejected a: not this", "rejected b: not this", "ended idle rejected"},
			false,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			waiting(t, func(r *rig) {
				tt.answer.RequestID = r.requestID()
				accepted, by, err := r.confirm(tt.answer)
				if !accepted || by != nil || err != nil {
					t.Errorf("accepted %t, by %v, %v", accepted, by, err)
				}
				if tt.answer.Approve {
					r.result("a")
					r.result("b")
				}
				r.told(tt.told...)
				if tt.goesOn {
					r.answer(say("I see"))
					r.status(conversation.Finished, conversation.StopFinished)
				} else {
					r.quiet()
					r.status(conversation.Idle, conversation.StopRejected)
				}
				// The first answer won.
				tt.answer.Approve = !tt.answer.Approve
				accepted, by, err = r.confirm(tt.answer)
				if accepted || by == nil || by.Via != "confirm" || err != nil {
					t.Errorf("a second answer: accepted %t, by %v, %v", accepted, by, err)
				}
				r.reopen()
				if accepted, by, err = r.confirm(tt.answer); accepted || by == nil || err != nil {
					t.Errorf("an answer after opening again: accepted %t, by %v, %v", accepted, by, err)
				}
				r.quiet()
			})
		})
	}
}

func TestConfirmWhatNobodyAsked(t *testing.T) {
	waiting(t, func(r *rig) {
		if _, _, err := r.confirm(conversation.Confirmation{RequestID: "other", Approve: true}); !errors.Is(err, conversation.ErrRequestNotFound) {
			t.Errorf("got %v", err)
		}
		r.quiet()
		r.status(conversation.WaitingForConfirmation, conversation.StopWaiting)
	})
}

func TestRejectPendingActions(t *testing.T) {
	waiting(t, func(r *rig) {
		n, err := r.reject("")
		if n != 2 || err != nil {
			t.Errorf("rejected %d, %v", n, err)
		}
		r.told("rejected via reject", "rejected a: User rejected the action", "rejected b: User rejected the action", "ended idle rejected")
		if n, err := r.reject("again"); n != 0 || err != nil {
			t.Errorf("rejected %d, %v", n, err)
		}
		// The model is told at the next run.
		r.mustRun()
		if n := len(r.thinking().question.Messages); n != 5 {
			t.Errorf("the model reads %d messages, want prompt, message, calls and two answers", n)
		}
	})
}

func TestRejectPendingActionsInOtherStatuses(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		if n, err := r.reject("no"); n != 0 || err != nil {
			t.Errorf("idle: %d, %v", n, err)
		}
		r.ask("work")
		var state *conversation.StateError
		if _, err := r.reject("no"); !errors.As(err, &state) || state.Status != conversation.Running {
			t.Errorf("running: %v", err)
		}
		r.pause()
		r.answer(do(call("a")))
		r.status(conversation.Paused, conversation.StopPaused)
		if n, err := r.reject("no"); n != 1 || err != nil {
			t.Errorf("paused with an open call: %d, %v", n, err)
		}
		r.status(conversation.Paused, conversation.StopPaused)
		r.mustRun()
		r.answer(say("all right"))
		r.status(conversation.Finished, conversation.StopFinished)
	})
}

func TestWhatNeedsNoConsent(t *testing.T) {
	tests := []struct {
		name string
		do   *conversation.Thought
		ids  []string
	}{
		{"a lone finish", do(call("finish")), []string{"finish"}},
		{"a lone think", do(call("think")), []string{"think"}},
		{"only invalid calls", do(invalid("a")), nil},
		{"a lone finish beside an invalid call", do(invalid("a"), call("finish")), []string{"finish"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, asking(), func(r *rig) {
				r.ask("work")
				r.answer(tt.do)
				for _, id := range tt.ids {
					r.result(id)
				}
				if s := r.info().Status; s == conversation.WaitingForConfirmation {
					t.Error("it asked")
				}
			})
		})
	}
	t.Run("text", func(t *testing.T) {
		play(t, asking(), func(r *rig) {
			r.ask("work")
			r.answer(say("hi"))
			r.status(conversation.Finished, conversation.StopFinished)
		})
	})
}

func TestABatchWaitsAsAWhole(t *testing.T) {
	play(t, conversation.Options{
		Policy: json.RawMessage(`{"kind":"ConfirmRisky"}`), Analyzer: json.RawMessage(`{"kind":"LLMSecurityAnalyzer"}`),
	}, func(r *rig) {
		r.ask("work")
		w := r.thinking()
		if !w.question.Analyzed {
			t.Error("the model's word about risks does not count")
		}
		w.answers <- answer{thought: do(risky("a", event.RiskLow))}
		r.result("a")
		r.answer(do(risky("b", event.RiskLow), risky("c", event.RiskHigh), call("think")))
		r.quiet()
		p := r.info().Pending[0]
		if len(p.Actions) != 3 || p.Actions[1].Risk != event.RiskHigh || p.Actions[1].Reason == "" || p.Reason == "" || p.Actions[0].Display == nil {
			t.Errorf("pending: %+v", p)
		}
		r.mustRun()
		r.result("b")
		r.result("c")
		r.result("think")
	})
}

func TestAnotherPolicyWhileWaitingKeepsWaiting(t *testing.T) {
	waiting(t, func(r *rig) {
		id := r.requestID()
		r.setPolicy(never)
		r.quiet()
		r.status(conversation.WaitingForConfirmation, conversation.StopWaiting)
		if again := r.requestID(); again != id {
			t.Errorf("the request is %s now, was %s", again, id)
		}
		if _, _, err := r.confirm(conversation.Confirmation{RequestID: id, Approve: true}); err != nil {
			t.Fatal(err)
		}
		r.result("a")
		r.result("b")
		// From the next decision on it counts.
		r.answer(do(call("c")))
		r.result("c")
	})
}

func TestOutsideTheWorkspace(t *testing.T) {
	low := json.RawMessage(`{"kind":"ConfirmRisky","confirm_unknown":false}`)
	outside := func(r *rig) {
		r.agent.outside = map[string]string{"b": "/etc/passwd"}
		r.ask("work")
		r.answer(do(call("a"), call("b")))
	}
	t.Run("asks under ConfirmRisky", func(t *testing.T) {
		play(t, conversation.Options{Policy: low}, func(r *rig) {
			outside(r)
			r.quiet()
			p := r.info().Pending[0]
			if want := "/etc/passwd is outside the workspace"; p.Reason != want || p.Actions[1].Reason != want || p.Actions[0].Reason != "it waits with the others" {
				t.Errorf("reasons: %q %+v", p.Reason, p.Actions)
			}
			// The reason survives.
			r.reopen()
			if again := r.info().Pending[0]; again.Reason != p.Reason || again.RequestID != p.RequestID {
				t.Errorf("after opening again: %+v", again)
			}
			r.mustRun()
			r.result("a")
			r.result("b")
		})
	})
	t.Run("asks under AlwaysConfirm", func(t *testing.T) {
		play(t, asking(), func(r *rig) {
			outside(r)
			r.quiet()
			r.mustRun()
			r.result("a")
			r.result("b")
		})
	})
	t.Run("is refused under NeverConfirm", func(t *testing.T) {
		play(t, conversation.Options{}, func(r *rig) {
			outside(r)
			r.result("a")
			r.told(`user "work"`, "call a", "call b", "result a", "failed b")
			r.answer(say("pity"))
		})
	})
	t.Run("what was approved is carried out, whatever the policy is then", func(t *testing.T) {
		play(t, asking(), func(r *rig) {
			outside(r)
			r.setPolicy(never)
			r.mustRun()
			r.result("a")
			r.result("b")
		})
	})
	t.Run("what was refused consent for while it was paused", func(t *testing.T) {
		play(t, conversation.Options{}, func(r *rig) {
			r.agent.outside = map[string]string{"b": "/etc/passwd"}
			r.ask("work")
			r.pause()
			r.answer(do(call("b")))
			r.setPolicy(string(low))
			r.mustRun()
			r.quiet()
			r.status(conversation.WaitingForConfirmation, conversation.StopWaiting)
		})
	})
}

func TestWaitingSurvivesARestart(t *testing.T) {
	waiting(t, func(r *rig) {
		id, runID := r.requestID(), r.info().RunID
		r.reopen()
		r.status(conversation.WaitingForConfirmation, conversation.StopWaiting)
		if again := r.info(); again.RunID != runID || again.Pending[0].RequestID != id {
			t.Errorf("run %s request %s, want %s %s", again.RunID, again.Pending[0].RequestID, runID, id)
		}
		r.told("asks 2") // the doorbell is rung again
		if r.rec.begun[runID] {
			t.Error("the run is told to go on while it waits")
		}
		if accepted, _, err := r.confirm(conversation.Confirmation{RequestID: id, Approve: true}); !accepted || err != nil {
			t.Errorf("accepted %t, %v", accepted, err)
		}
		if !r.rec.begun[runID] {
			t.Error("nobody was told that the run goes on")
		}
		r.result("a")
		r.result("b")
		r.answer(say("done"))
		r.told("approved via confirm", "result a", "result b", `agent "done"`, "ended finished finished")
	})
}

func TestStepsThatWaitedCount(t *testing.T) {
	o := asking()
	o.MaxIterations = 3
	play(t, o, func(r *rig) {
		r.ask("work")
		r.answer(do(call("a"))) // 1
		r.reopen()
		r.mustRun()
		r.result("a")           // 2
		r.answer(do(call("b"))) // 3
		r.mustRun()
		r.result("b") // 4
		r.status(conversation.Failed, conversation.StopMaxIterations)
	})
}

// An outcome of what waited is told once, to who waits for the run too.
func TestWhoWaitsForARunIsToldThatItAsks(t *testing.T) {
	play(t, asking(), func(r *rig) {
		var outcomes []conversation.Outcome
		wait := func() {
			r.check(r.c.Run(func(_ string, err error) { r.check(err) }, func(o conversation.Outcome) { outcomes = append(outcomes, o) }))
		}
		wait()
		r.answer(do(call("a")))
		r.quiet()
		wait() // approves
		r.result("a")
		r.answer(say("done"))
		if len(outcomes) != 2 || outcomes[0].Status != conversation.WaitingForConfirmation || outcomes[0].StopReason != conversation.StopWaiting ||
			outcomes[1].Status != conversation.Finished || outcomes[0].RunID != outcomes[1].RunID {
			t.Errorf("outcomes: %+v", outcomes)
		}
	})
}

// What was approved does not wait again after a kill: the disk says so before the
// tools begin.
func TestAnApprovalIsOnDiskBeforeTheTools(t *testing.T) {
	waiting(t, func(r *rig) {
		var stored conversation.Status
		r.agent.act = func(a *event.Action) event.Event {
			if stored == "" {
				stored = r.rec.stored()
			}
			return observed(a, "done")
		}
		r.mustRun()
		if stored != conversation.Running {
			t.Errorf("the tools began while the disk said %s", stored)
		}
	})
}
