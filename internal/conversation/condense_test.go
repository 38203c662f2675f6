package conversation_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/condenser"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/stats"
)

// refusal is a model that does not take the history.
type refusal struct{ long, malformed bool }

func (refusal) Error() string { return "the history is refused" }

func (r refusal) Overflow() bool { return r.long }

func (r refusal) Malformed() bool { return r.malformed }

func (refusal) Code() string { return "LLMContextWindowExceedError" }

var tooLong = refusal{long: true}

// summaries is a condenser whose model gives one summary after the other, or
// fails, or waits until it is let go.
type summaries struct {
	err   error
	wait  chan struct{}
	asked int
}

func (s *summaries) condenser(maxSize int) conversation.Condenser {
	r := condenser.Defaults()
	r.MaxSize = maxSize
	return conversation.Condenser{Rules: r, Summarize: func(ctx context.Context, _ []event.LLMMessage) (string, stats.Call, error) {
		s.asked++
		if s.wait != nil {
			select {
			case <-s.wait:
			case <-ctx.Done():
				return "", stats.Call{}, ctx.Err()
			}
		}
		if s.err != nil {
			return "", stats.Call{}, s.err
		}
		call := cost()
		call.UsageID, call.ResponseID = "condenser", fmt.Sprint("summary-", s.asked)
		return fmt.Sprint("summary ", s.asked), call, nil
	}}
}

// condensing plays a test with an agent that has a condenser.
func condensing(t *testing.T, maxSize int, test func(*rig, *summaries)) {
	t.Helper()
	prepared(t, func(r *rig) {
		s := &summaries{}
		r.setUp = func(f *fake) { f.condensers = []conversation.Condenser{s.condenser(maxSize)} }
		r.create()
		test(r, s)
	})
}

// steps lets the agent make n calls and have their results.
func (r *rig) steps(from, n int) {
	r.t.Helper()
	for i := range n {
		id := fmt.Sprint("c", from+i)
		r.answer(do(call(id)))
		r.result(id)
	}
}

// worked is a conversation that finished after six calls, ready to be condensed.
func (r *rig) worked() {
	r.t.Helper()
	r.ask("go")
	r.steps(0, 6)
	r.answer(say("done"))
	r.rec.told()
}

// reply is the answer to a request for a condensation.
type reply struct {
	info conversation.Info
	err  error
	came bool
}

func (r *rig) condense() *reply {
	r.t.Helper()
	var got reply
	r.check(r.c.Condense(func(i conversation.Info, err error) { got = reply{i, err, true} }))
	synctest.Wait()
	return &got
}

func (r *rig) refuse(err error) {
	r.t.Helper()
	r.thinking().answers <- answer{err: err}
	synctest.Wait()
}

// reads gives what the model is asked, in short.
func reads(w *work) string {
	var list []string
	for _, m := range w.question.Messages {
		text := m.Text()
		if len(m.ToolCalls) > 0 {
			text = m.ToolCalls[0].ID
		}
		list = append(list, fmt.Sprintf("%s %s", m.Role, text))
	}
	return strings.Join(list, " | ")
}

func called(n int) (lines []string) {
	for i := range n {
		lines = append(lines, fmt.Sprint("call c", i), fmt.Sprint("result c", i))
	}
	return lines
}

// count counts the events of a kind that were told.
func count[E event.Event](r *rig) (n int) {
	r.rec.mu.Lock()
	defer r.rec.mu.Unlock()
	for _, e := range r.rec.events {
		if _, ok := e.(E); ok {
			n++
		}
	}
	return n
}

func usage(info conversation.Info, id string) bool {
	return strings.Contains(string(info.Stats), `"`+id+`":{`)
}

func TestLongHistoryIsCondensed(t *testing.T) {
	condensing(t, 10, func(r *rig, s *summaries) {
		r.ask("go")
		r.steps(0, 5) // with the prompt and the message it is twelve events
		w := r.thinking()
		r.told(slices.Concat([]string{`user "go"`}, called(5), []string{"condensation"})...)
		if got := reads(w); !strings.HasPrefix(got, "system You are a test. | user gosummary 1 | assistant c4 | tool") {
			t.Errorf("the model reads %s", got)
		}
		w.answers <- answer{thought: say("done")}
		r.status(conversation.Finished, conversation.StopFinished)
		if info := r.info(); s.asked != 1 || !usage(info, "condenser") || !usage(info, "agent") {
			t.Errorf("asked %d times; %s", s.asked, info.Stats)
		}
		r.reopen()
		r.ask("more")
		if got := reads(r.thinking()); !strings.Contains(got, "summary 1 | assistant c4") {
			t.Errorf("after a restart the model reads %s", got)
		}
	})
}

// A summary that nobody needs and that can't be had stops nothing, and is not
// asked for again at every step.
func TestSummaryThatIsNotNeeded(t *testing.T) {
	condensing(t, 20, func(r *rig, s *summaries) {
		s.err = errors.New("no such model")
		r.ask("go")
		r.steps(0, 9)
		if s.asked != 0 {
			t.Fatal("asked too early")
		}
		r.steps(9, 4)
		if s.asked < 2 || s.asked > 4 {
			t.Errorf("asked %d times in 4 steps", s.asked)
		}
		s.err = nil
		r.steps(13, 2)
		r.answer(say("done"))
		r.status(conversation.Finished, conversation.StopFinished)
		if n := count[*event.Condensation](r); n != 1 {
			t.Errorf("%d condensations", n)
		}
	})
}

// The window counts as soon as the model has said how long it is.
func TestRequestThatWouldNotFit(t *testing.T) {
	condensing(t, 240, func(r *rig, s *summaries) {
		r.ask("go")
		for i := 0; s.asked == 0; i++ {
			if i == 6 {
				t.Fatal("the history was sent although it can't fit")
			}
			a := do(call(fmt.Sprint("c", i)))
			a.Call.PromptTokens, a.Call.ContextWindow = 1000, 1600
			r.answer(a)
			w := r.acting()
			w.answers <- answer{event: observed(w.action, strings.Repeat("x", 100))}
			synctest.Wait()
		}
		if got := reads(r.thinking()); !strings.Contains(got, "summary 1") {
			t.Errorf("the model reads %s", got)
		}
	})
}

func TestOverflow(t *testing.T) {
	for name, err := range map[string]error{"too long": tooLong, "a shape that is refused": refusal{malformed: true}} {
		t.Run("is cured: "+name, func(t *testing.T) {
			condensing(t, 240, func(r *rig, s *summaries) {
				r.ask("go")
				r.steps(0, 6)
				r.rec.told()
				r.refuse(err)
				r.told("condensationrequest", "condensation")
				r.answer(say("done"))
				r.status(conversation.Finished, conversation.StopFinished)
				if s.asked != 1 {
					t.Errorf("asked %d times", s.asked)
				}
			})
		})
	}
	t.Run("takes everything at the second time and ends at the third", func(t *testing.T) {
		condensing(t, 240, func(r *rig, s *summaries) {
			r.ask("go")
			r.steps(0, 6)
			r.rec.told()
			r.refuse(tooLong)
			r.refuse(tooLong)
			w := r.thinking()
			if got := reads(w); got != "system You are a test. | user summary 2" {
				t.Errorf("the model reads %s", got)
			}
			w.answers <- answer{err: tooLong}
			r.told("condensationrequest", "condensation", "condensationrequest", "condensation", "error LLMContextWindowExceedError", "ended error error")
			if e := r.info().Error; s.asked != 2 || !strings.Contains(e.Message, "the history is refused. Condensing the history 2 times") || !strings.Contains(e.Message, "larger window") {
				t.Errorf("asked %d times: %+v", s.asked, e)
			}
		})
	})
	t.Run("counts anew after an answer", func(t *testing.T) {
		condensing(t, 240, func(r *rig, _ *summaries) {
			r.ask("go")
			for i := range 4 {
				r.steps(10*i, 6)
				r.refuse(tooLong)
			}
			r.answer(say("done"))
			r.status(conversation.Finished, conversation.StopFinished)
		})
	})
	t.Run("of a history of nothing", func(t *testing.T) {
		condensing(t, 240, func(r *rig, s *summaries) {
			r.ask("go")
			r.refuse(tooLong) // the one message is summarized
			r.refuse(tooLong) // then nothing is left
			r.status(conversation.Failed, conversation.StopError)
			if e := r.info().Error; s.asked != 1 || !strings.Contains(e.Message, "nothing left") {
				t.Errorf("asked %d times: %+v", s.asked, e)
			}
			r.quiet()
		})
	})
	t.Run("without a condenser names the remedy", func(t *testing.T) {
		play(t, conversation.Options{}, func(r *rig) {
			r.ask("go")
			r.steps(0, 6)
			r.refuse(tooLong)
			r.status(conversation.Failed, conversation.StopError)
			if e := r.info().Error; e.Code != "LLMContextWindowExceedError" || !strings.Contains(e.Message, "LLMSummarizingCondenser") {
				t.Errorf("%+v", e)
			}
			if n := count[*event.CondensationRequest](r); n != 0 {
				t.Errorf("%d requests that nobody can meet", n)
			}
		})
	})
	t.Run("whose summary can't be had ends the run", func(t *testing.T) {
		condensing(t, 240, func(r *rig, s *summaries) {
			s.err = errors.New("no such model")
			r.ask("go")
			r.steps(0, 6)
			r.refuse(tooLong)
			r.status(conversation.Failed, conversation.StopError)
			if e := r.info().Error; !strings.Contains(e.Message, "could not be condensed: no such model") {
				t.Errorf("%+v", e)
			}
			// The next run tries again: the log says what is missing.
			s.err = nil
			r.mustRun()
			r.answer(say("done"))
			r.status(conversation.Finished, conversation.StopFinished)
		})
	})
}

func TestCondenseOutsideARun(t *testing.T) {
	condensing(t, 240, func(r *rig, s *summaries) {
		r.worked()
		run := r.info().RunID
		got := r.condense()
		r.check(got.err)
		r.told("condensationrequest", "condensation", "ended finished finished")
		info := got.info
		if !got.came || info.Status != conversation.Finished || info.StopReason != conversation.StopFinished || info.RunID == run ||
			info.Cursor != r.info().Cursor || !usage(info, "condenser") || s.asked != 1 {
			t.Errorf("asked %d times: %+v", s.asked, got)
		}
		r.quiet()
		r.ask("more")
		if got := reads(r.thinking()); !strings.Contains(got, "summary 1") {
			t.Errorf("the model reads %s", got)
		}
	})
}

func TestCondenseIsRefused(t *testing.T) {
	refused := func(r *rig, words string) {
		r.t.Helper()
		before := len(r.log())
		got := r.condense()
		var state *conversation.StateError
		if !got.came || !errors.As(got.err, &state) || !strings.Contains(got.err.Error(), words) {
			r.t.Errorf("%+v", got)
		}
		if n := len(r.log()); n != before {
			r.t.Errorf("%d events were written", n-before)
		}
	}
	t.Run("without a condenser", func(t *testing.T) {
		play(t, conversation.Options{}, func(r *rig) { refused(r, "no condenser") })
	})
	t.Run("of a history that is too short", func(t *testing.T) {
		condensing(t, 240, func(r *rig, _ *summaries) {
			refused(r, "too short")
			r.ask("go")
			r.steps(0, 1)
			refused(r, "too short")
			r.answer(say("done"))
			refused(r, "too short")
			r.status(conversation.Finished, conversation.StopFinished)
		})
	})
	t.Run("while a decision is waited for", func(t *testing.T) {
		condensing(t, 240, func(r *rig, s *summaries) {
			r.ask("go")
			r.steps(0, 6)
			r.setPolicy(always)
			r.answer(do(call("c9")))
			refused(r, "decide first")
			r.status(conversation.WaitingForConfirmation, conversation.StopWaiting)
			if s.asked != 0 {
				t.Error("the model was asked")
			}
		})
	})
	t.Run("by a model that can't be asked", func(t *testing.T) {
		condensing(t, 240, func(r *rig, s *summaries) {
			s.err = errors.New("no such model")
			r.worked()
			before := len(r.log())
			if got := r.condense(); !got.came || !errors.Is(got.err, s.err) || len(r.log()) != before {
				t.Errorf("%+v; %d events", got, len(r.log())-before)
			}
			r.status(conversation.Finished, conversation.StopFinished)
			// Nothing of it is left: the next run asks the model as if nothing was.
			r.ask("more")
			r.answer(say("done"))
			r.status(conversation.Finished, conversation.StopFinished)
		})
	})
}

func TestCondenseInsideARun(t *testing.T) {
	t.Run("is the next step", func(t *testing.T) {
		condensing(t, 240, func(r *rig, s *summaries) {
			r.ask("go")
			r.steps(0, 6)
			r.answer(do(call("c6")))
			r.rec.told()
			got := r.condense()
			if got.came || s.asked != 0 {
				t.Fatal("it did not wait for the step")
			}
			r.result("c6")
			r.told("result c6", "condensationrequest", "condensation")
			if !got.came || got.err != nil || got.info.Status != conversation.Running {
				t.Errorf("%+v", got)
			}
			r.answer(say("done"))
			r.status(conversation.Finished, conversation.StopFinished)
		})
	})
	t.Run("is the last one where nothing is left to do", func(t *testing.T) {
		condensing(t, 240, func(r *rig, _ *summaries) {
			r.ask("go")
			r.steps(0, 6)
			got := r.condense()
			r.rec.told()
			r.answer(say("done"))
			r.told(`agent "done"`, "condensationrequest", "condensation", "ended finished finished")
			if !got.came || got.err != nil {
				t.Errorf("%+v", got)
			}
		})
	})
	t.Run("leaves it alone when it fails", func(t *testing.T) {
		condensing(t, 240, func(r *rig, s *summaries) {
			s.err = errors.New("no such model")
			r.ask("go")
			r.steps(0, 6)
			got := r.condense()
			r.answer(do(call("c6")))
			r.result("c6")
			r.answer(say("done"))
			r.status(conversation.Finished, conversation.StopFinished)
			if !errors.Is(got.err, s.err) || s.asked != 1 {
				t.Errorf("asked %d times: %+v", s.asked, got)
			}
		})
	})
	for name, c := range map[string]struct {
		stop   func(*rig)
		status conversation.Status
	}{
		"stopped by an interrupt":   {func(r *rig) { r.interrupt() }, conversation.Paused},
		"stopped by a pause":        {func(r *rig) { r.pause(); r.answer(do(call("c7"))) }, conversation.Paused},
		"stopped by an error":       {func(r *rig) { r.refuse(errors.New("broken")) }, conversation.Failed},
		"that waits for a decision": {func(r *rig) { r.setPolicy(always); r.answer(do(call("c7"))) }, conversation.WaitingForConfirmation},
	} {
		t.Run("is refused in one "+name, func(t *testing.T) {
			condensing(t, 240, func(r *rig, s *summaries) {
				r.ask("go")
				r.steps(0, 6)
				got := r.condense()
				c.stop(r)
				var state *conversation.StateError
				if !errors.As(got.err, &state) || s.asked != 0 {
					t.Errorf("asked %d times: %+v", s.asked, got)
				}
				if status := r.info().Status; status != c.status {
					t.Errorf("status %s", status)
				}
			})
		})
	}
}

func TestCondenseIsInterrupted(t *testing.T) {
	condensing(t, 240, func(r *rig, s *summaries) {
		s.wait = make(chan struct{})
		r.worked()
		got := r.condense()
		if i := r.info(); i.Status != conversation.Running || got.came {
			t.Errorf("status %s, %+v", i.Status, got)
		}
		r.interrupt()
		r.told("interrupt", "ended paused interrupted")
		var state *conversation.StateError
		if !errors.As(got.err, &state) {
			t.Errorf("%+v", got)
		}
	})
}

// What comes while a conversation is condensed is neither lost nor in the way.
func TestMessageWhileCondensing(t *testing.T) {
	for _, busy := range []conversation.WhenBusy{conversation.Queue, conversation.Steer} {
		t.Run(string(busy), func(t *testing.T) {
			condensing(t, 240, func(r *rig, s *summaries) {
				s.wait = make(chan struct{})
				r.worked()
				got := r.condense()
				sent, err := r.send("and this", "", true, busy)
				r.check(err)
				if _, err := r.run(); err == nil {
					t.Error("a second run began")
				}
				close(s.wait)
				read := reads(r.thinking())
				if !got.came || got.err != nil || sent.RunID == "" || !strings.Contains(read, "summary 1") || !strings.HasSuffix(read, "user and this") {
					t.Errorf("%+v, %+v; the model reads %s", got, sent, read)
				}
				r.answerLast(say("done"))
			})
		})
	}
}

// answerLast lets the model call return that was looked at before.
func (r *rig) answerLast(t *conversation.Thought) {
	r.t.Helper()
	r.agent.mu.Lock()
	w := r.agent.all[len(r.agent.all)-1]
	r.agent.mu.Unlock()
	w.answers <- answer{thought: t}
	r.status(conversation.Finished, conversation.StopFinished)
}

// Open calls of a paused run are neither carried out nor forgotten.
func TestCondenseWithOpenCalls(t *testing.T) {
	condensing(t, 240, func(r *rig, _ *summaries) {
		r.ask("go")
		r.steps(0, 6)
		w := r.thinking()
		r.pause()
		w.answers <- answer{thought: do(call("c6"), call("c7"))}
		r.status(conversation.Paused, conversation.StopPaused)
		r.rec.told()
		r.check(r.condense().err)
		r.told("condensationrequest", "condensation", "ended paused paused")
		r.quiet()
		r.mustRun()
		r.result("c6")
		r.result("c7")
		if got := reads(r.thinking()); !strings.Contains(got, "summary 1") || !strings.HasSuffix(got, `"done c7","kind":"TestObservation"}`) {
			t.Errorf("the model reads %s", got)
		}
	})
}

// A conversation that failed is one that failed, also after it was condensed.
func TestCondenseAfterAnError(t *testing.T) {
	condensing(t, 240, func(r *rig, _ *summaries) {
		r.ask("go")
		r.steps(0, 6)
		r.refuse(errors.New("broken"))
		before := r.info()
		r.rec.told()
		got := r.condense()
		r.check(got.err)
		r.told("condensationrequest", "condensation", "ended error error")
		if diff := cmp.Diff(before.Error, got.info.Error); diff != "" || got.info.Status != before.Status {
			t.Errorf("%s %s", got.info.Status, diff)
		}
	})
}

// A pause while the summary is written holds once it is there.
func TestPauseWhileCondensing(t *testing.T) {
	condensing(t, 240, func(r *rig, s *summaries) {
		s.wait = make(chan struct{})
		r.worked()
		r.condense()
		if status := r.pause(); status != conversation.Pausing {
			t.Errorf("status %s", status)
		}
		close(s.wait)
		r.told("pausing", "condensationrequest", "condensation", "pause", "ended paused paused")
	})
}

// The first condenser that has something to do does it.
func TestSeveralCondensers(t *testing.T) {
	prepared(t, func(r *rig) {
		first, second := &summaries{}, &summaries{}
		r.setUp = func(f *fake) { f.condensers = []conversation.Condenser{first.condenser(240), second.condenser(10)} }
		r.create()
		r.ask("go")
		r.steps(0, 6)
		if first.asked != 0 || second.asked != 1 {
			t.Errorf("asked %d and %d times", first.asked, second.asked)
		}
	})
}

// A conversation that is closed while it is condensed is as an interrupted one.
func TestCloseWhileCondensing(t *testing.T) {
	condensing(t, 240, func(r *rig, s *summaries) {
		s.wait = make(chan struct{})
		r.worked()
		got := r.condense()
		r.reopen()
		r.status(conversation.Paused, conversation.StopInterrupted)
		if got.err == nil {
			t.Errorf("%+v", got)
		}
	})
}
