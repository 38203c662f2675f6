package conversation_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// states brings a conversation into each status. run tells whether a run goes on
// or waits.
var states = []struct {
	name  string
	o     conversation.Options
	until func(*rig)
	want  conversation.Status
	run   bool
}{
	{"idle", conversation.Options{}, func(*rig) {}, conversation.Idle, false},
	{"thinking", conversation.Options{}, func(r *rig) { r.ask("work") }, conversation.Running, true},
	{"acting", conversation.Options{}, func(r *rig) { r.ask("work"); r.answer(do(call("a"))) }, conversation.Running, true},
	{"pausing", conversation.Options{}, func(r *rig) { r.ask("work"); r.pause() }, conversation.Pausing, true},
	{"paused", conversation.Options{}, func(r *rig) { r.pause() }, conversation.Paused, false},
	{"interrupted", conversation.Options{}, func(r *rig) { r.ask("work"); r.interrupt(); r.thinking() }, conversation.Paused, false},
	{"waiting", asking(), func(r *rig) { r.ask("work"); r.answer(do(call("a"))) }, conversation.WaitingForConfirmation, true},
	{"rejected", asking(), func(r *rig) {
		r.ask("work")
		r.answer(do(call("a")))
		if _, err := r.reject("no"); err != nil {
			r.t.Fatalf("%v", err)
		}
	}, conversation.Idle, false},
	{"finished", conversation.Options{}, func(r *rig) { r.ask("work"); r.answer(say("done")) }, conversation.Finished, false},
	{"error", conversation.Options{}, func(r *rig) { r.ask("work"); r.thinking().answers <- answer{err: errors.New("no")} }, conversation.Failed, false},
	{"stuck", conversation.Options{}, stick, conversation.Stuck, false},
}

func TestSendMessageInEveryStatus(t *testing.T) {
	for _, tt := range states {
		for _, busy := range []conversation.WhenBusy{conversation.Queue, conversation.Steer, conversation.Reject} {
			t.Run(tt.name+" "+string(busy), func(t *testing.T) {
				play(t, tt.o, func(r *rig) {
					tt.until(r)
					before := r.info()
					if before.Status != tt.want {
						t.Fatalf("status %s, want %s", before.Status, tt.want)
					}
					sent, err := r.send("new", "", false, busy)
					after := r.info()
					if !tt.run {
						want := tt.want
						if want == conversation.Finished || want == conversation.Stuck {
							want = conversation.Idle
						}
						if err != nil || sent.Disposition != "appended" || sent.Seq != after.Cursor.Seq || after.Status != want {
							t.Errorf("sent %+v, %v; status %s, want %s", sent, err, after.Status, want)
						}
						r.quiet()
						return
					}
					switch busy {
					case conversation.Reject:
						var taken *conversation.BusyError
						if !errors.As(err, &taken) || taken.RunID != before.RunID || taken.Status != tt.want || len(after.Queued) != 0 {
							t.Errorf("got %v", err)
						}
						return
					case conversation.Queue:
						if err != nil || sent.Disposition != "queued" || sent.RunID != before.RunID || sent.Seq != 0 || len(after.Queued) != 1 {
							t.Errorf("sent %+v, %v", sent, err)
						}
					case conversation.Steer:
						if err != nil || sent.Disposition != "steered" || sent.RunID != before.RunID {
							t.Errorf("sent %+v, %v", sent, err)
						}
					}
					if after.Status != tt.want && (busy != conversation.Steer || tt.want != conversation.WaitingForConfirmation) {
						t.Errorf("status %s, want %s", after.Status, tt.want)
					}
				})
			})
		}
	}
}

// The same message id gives the same answer, also from another process.
func TestAMessageIsSentOnce(t *testing.T) {
	for _, tt := range states {
		t.Run(tt.name, func(t *testing.T) {
			play(t, tt.o, func(r *rig) {
				tt.until(r)
				id := uuid.NewString()
				first, err := r.send("new", id, false, conversation.Queue)
				if err != nil || first.MessageID != id {
					t.Fatalf("sent %+v, %v", first, err)
				}
				again, err := r.send("new", id, true, conversation.Reject)
				if err != nil || again != first {
					t.Errorf("again: %+v, %v, want %+v", again, err, first)
				}
				r.reopen()
				again, err = r.send("new", id, true, conversation.Reject)
				if err != nil || again.MessageID != id || again.Disposition != first.Disposition || again.Seq != first.Seq {
					t.Errorf("after opening again: %+v, %v, want %+v", again, err, first)
				}
				r.quiet()
			})
		})
	}
}

func TestQueuedMessagesAreATurnOfTheirOwn(t *testing.T) {
	play(t, conversation.Options{MaxIterations: 2}, func(r *rig) {
		run := r.ask("one").RunID
		for _, text := range []string{"two", "three"} {
			if _, err := r.send(text, "", true, conversation.Queue); err != nil {
				t.Fatal(err)
			}
		}
		r.answer(do(call("a")))
		r.result("a")
		r.answer(say("done one"))
		// The same run goes on, with its own budget of steps.
		r.status(conversation.Running, "")
		r.answer(do(call("b")))
		r.result("b")
		r.answer(say("done two and three"))
		r.status(conversation.Finished, conversation.StopFinished)
		r.told(`user "one"`, "call a", "result a", `agent "done one"`, `user "two"`, `user "three"`, "call b", "result b",
			`agent "done two and three"`, "ended finished finished")
		if n := r.rec.states[run]; n != 1 || len(r.rec.states) != 1 {
			t.Errorf("terminal states: %v", r.rec.states)
		}
	})
}

func TestSteeringGoesInAtTheNextStep(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("work")
		r.answer(do(call("a"), call("b")))
		if _, err := r.send("other way", "", false, conversation.Steer); err != nil {
			t.Fatal(err)
		}
		r.result("a")
		r.result("b")
		r.told(`user "work"`, "call a", "call b", "result a", "result b", `user "other way"`)
		if n := len(r.info().Queued); n != 0 {
			t.Errorf("%d messages wait", n)
		}
		r.answer(say("all right"))
	})
}

// A turn that was about to finish answers what was said meanwhile, with a budget
// of its own.
func TestSteeringIntoTheLastAnswer(t *testing.T) {
	play(t, conversation.Options{MaxIterations: 2}, func(r *rig) {
		r.ask("work")
		if _, err := r.send("and this", "", false, conversation.Steer); err != nil {
			t.Fatal(err)
		}
		r.answer(say("done"))
		r.status(conversation.Running, "")
		r.answer(do(call("a")))
		r.result("a")
		r.answer(say("that too"))
		r.told(`user "work"`, `agent "done"`, `user "and this"`, "call a", "result a", `agent "that too"`, "ended finished finished")
	})
}

func TestSteeringWhileWaitingRejects(t *testing.T) {
	waiting(t, func(r *rig) {
		if _, err := r.send("do it otherwise", "", false, conversation.Steer); err != nil {
			t.Fatal(err)
		}
		r.told("rejected via reject", "rejected a: do it otherwise", "rejected b: do it otherwise", `user "do it otherwise"`)
		r.answer(say("all right"))
		r.status(conversation.Finished, conversation.StopFinished)
	})
}

// What the user said while the model thought is the answer to its question.
func TestSteeringBeforeTheQuestion(t *testing.T) {
	play(t, asking(), func(r *rig) {
		r.ask("work")
		if _, err := r.send("do it otherwise", "", false, conversation.Steer); err != nil {
			t.Fatal(err)
		}
		r.answer(do(call("a")))
		r.told(`user "work"`, "call a", "rejected a: do it otherwise", `user "do it otherwise"`)
		r.answer(say("all right"))
		r.status(conversation.Finished, conversation.StopFinished)
	})
}

func TestQueuedMessagesWaitForTheDecision(t *testing.T) {
	waiting(t, func(r *rig) {
		if _, err := r.send("and this", "", true, conversation.Queue); err != nil {
			t.Fatal(err)
		}
		r.quiet()
		r.status(conversation.WaitingForConfirmation, conversation.StopWaiting)
		if _, err := r.reject("no"); err != nil {
			t.Fatal(err)
		}
		r.quiet()
		r.status(conversation.Idle, conversation.StopRejected)
		r.mustRun()
		r.told("waiting_for_confirmation", "rejected via reject", "rejected a: no", "rejected b: no", "ended idle rejected", `user "and this"`)
		r.answer(say("all right"))
	})
}

// left leaves a steered and a queued message behind an ended run.
func left(r *rig, end func()) {
	r.t.Helper()
	r.ask("work")
	for _, m := range []struct {
		text string
		busy conversation.WhenBusy
	}{{"queued", conversation.Queue}, {"steered", conversation.Steer}, {"queued too", conversation.Queue}} {
		if _, err := r.send(m.text, "", false, m.busy); err != nil {
			r.t.Fatalf("%v", err)
		}
	}
	end()
	if q := r.info().Queued; len(q) != 3 || q[0].Message.Text() != "steered" {
		r.t.Errorf("what waits: %+v", q)
	}
	r.rec.told()
}

func TestWhatWaitsAfterAnEnd(t *testing.T) {
	interrupt := func(r *rig) func() { return func() { r.interrupt(); r.thinking() } }
	fail := func(r *rig) func() { return func() { r.thinking().answers <- answer{err: errors.New("no")} } }
	pause := func(r *rig) func() { return func() { r.pause(); r.answer(do(call("a"))) } }
	for _, end := range []struct {
		name string
		by   func(*rig) func()
	}{{"interrupt", interrupt}, {"error", fail}} {
		t.Run(end.name+", then a run", func(t *testing.T) {
			play(t, conversation.Options{}, func(r *rig) {
				left(r, end.by(r))
				r.mustRun()
				r.told(`user "steered"`, `user "queued"`, `user "queued too"`)
				r.answer(say("done"))
				r.status(conversation.Finished, conversation.StopFinished)
			})
		})
		t.Run(end.name+", then a restart and a run", func(t *testing.T) {
			play(t, conversation.Options{}, func(r *rig) {
				left(r, end.by(r))
				r.reopen()
				r.mustRun()
				r.told(`user "steered"`, `user "queued"`, `user "queued too"`)
			})
		})
		t.Run(end.name+", then a message", func(t *testing.T) {
			play(t, conversation.Options{}, func(r *rig) {
				left(r, end.by(r))
				r.ask("newest")
				r.told(`user "steered"`, `user "queued"`, `user "queued too"`, `user "newest"`)
			})
		})
	}
	t.Run("pause, then a run", func(t *testing.T) {
		play(t, conversation.Options{}, func(r *rig) {
			left(r, pause(r))
			// The turn that was paused is finished first.
			r.mustRun()
			r.result("a")
			r.told("result a", `user "steered"`)
			r.answer(say("done"))
			r.told(`agent "done"`, `user "queued"`, `user "queued too"`)
			r.answer(say("that too"))
			r.status(conversation.Finished, conversation.StopFinished)
		})
	})
}

// A message that comes in the moment the run finishes is answered: either it
// goes into the run, or it wakes the conversation and starts the next one.
func TestAMessageInTheMomentOfFinishing(t *testing.T) {
	play(t, conversation.Options{Base: memory}, func(r *rig) {
		const n = 200
		r.agent.think = func(q conversation.Question) (*conversation.Thought, error) {
			return say("answer"), nil
		}
		// No waiting in between: the messages fall into every moment of the runs.
		for i := range n {
			r.check(r.c.SendMessage(message(fmt.Sprint(i), ""), true, conversation.Queue, func(_ conversation.Sent, err error) { r.check(err) }))
		}
		synctest.Wait()
		r.status(conversation.Finished, conversation.StopFinished)
		var users []string
		for _, e := range r.rec.events {
			if m, ok := e.(*event.Message); ok && m.Source == event.SourceUser {
				users = append(users, m.LLMMessage.Text())
			}
		}
		if len(users) != n {
			t.Fatalf("%d messages of %d arrived", len(users), n)
		}
		for i, text := range users {
			if text != fmt.Sprint(i) {
				t.Fatalf("message %d is %s", i, text)
			}
		}
		if last, ok := r.rec.events[len(r.rec.events)-1].(*event.Message); !ok || last.Source != event.SourceAgent {
			t.Error("the last message was not answered")
		}
		if open := r.rec.open(); open != 0 {
			t.Errorf("%d runs did not end", open)
		}
	})
}

func TestEmptyAndLongMessages(t *testing.T) {
	for _, text := range []string{"", "one\ntwo\r\n\x00three", "ünïcödé 🐛"} {
		play(t, conversation.Options{}, func(r *rig) {
			sent, err := r.send(text, "", false, conversation.Queue)
			if err != nil || sent.Seq != 2 {
				t.Fatalf("sent %+v, %v", sent, err)
			}
			m := r.rec.events[1].(*event.Message)
			if m.LLMMessage.Text() != text || m.LLMMessage.Role != event.RoleUser || m.ID != sent.MessageID {
				t.Errorf("stored %+v", m)
			}
			if id := r.state()["last_user_message_id"]; id != sent.MessageID {
				t.Errorf("last_user_message_id is %v", id)
			}
		})
	}
}
