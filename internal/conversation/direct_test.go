package conversation_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// runTool begins a call outside of a run; what came of it is in the result when
// it is over.
func (r *rig) runTool(tool string) *direct {
	r.t.Helper()
	d := new(direct)
	r.check(r.c.RunTool(tool, json.RawMessage(`{"command":"ls"}`), func(result conversation.ToolResult, err error) {
		d.over, d.result, d.err = d.over+1, result, err
	}))
	synctest.Wait()
	return d
}

type direct struct {
	over   int
	result conversation.ToolResult
	err    error
}

func TestRunTool(t *testing.T) {
	play(t, conversation.Options{Policy: json.RawMessage(always), Secrets: map[string]json.RawMessage{"KEY": json.RawMessage(`"hunter22"`)}}, func(r *rig) {
		d := r.runTool("terminal")
		w := r.acting()
		if string(w.action.Action) != `{"command":"ls"}` || d.over != 0 {
			t.Errorf("carried out: %s; over %d", w.action.Action, d.over)
		}
		// Meanwhile nothing else begins, and what only talks goes on.
		var busy *conversation.BusyError
		if _, err := r.run(); !errors.As(err, &busy) {
			t.Errorf("run: %v", err)
		}
		if _, err := r.send("work", "", true, conversation.Queue); !errors.As(err, &busy) {
			t.Errorf("send and run: %v", err)
		}
		if second := r.runTool("terminal"); !errors.As(second.err, &busy) {
			t.Errorf("a second one: %v", second.err)
		}
		if _, err := r.send("hello", "", false, conversation.Queue); err != nil {
			t.Error(err)
		}
		w.answers <- answer{event: observed(w.action, "the key is hunter22")}
		r.status(conversation.Idle, "")
		if d.over != 1 || d.err != nil || string(d.result.Observation) != `{"text":"the key is <secret-hidden>","kind":"TestObservation"}` {
			t.Errorf("%+v: %s", d, d.result.Observation)
		}
		// No event tells of it, and the policy was not asked.
		r.told(`user "hello"`)
		r.mustRun()
		if d := r.runTool("terminal"); !errors.As(d.err, &busy) || busy.RunID == "" {
			t.Errorf("during a run: %v", d.err)
		}
		r.answer(say("done"))
		r.runTool("terminal")
	})
}

func TestRunToolFails(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		var value *conversation.ValueError
		if d := r.runTool("browser"); !errors.As(d.err, &value) || value.Field != "tool" {
			t.Errorf("an unknown tool: %v", d.err)
		}
		for name, tt := range map[string]struct {
			answer answer
			want   string
		}{
			"error":   {answer{event: failed(call("x"), "no such thing")}, "no such thing"},
			"nothing": {answer{}, "the tool broke"},
			"panic":   {answer{panics: "boom"}, "internal error: panic in a tool: boom"},
		} {
			d := r.runTool("terminal")
			r.acting().answers <- tt.answer
			r.info()
			if d.over != 1 || d.err != nil || d.result.Error != tt.want || d.result.Observation != nil {
				t.Errorf("%s: %+v", name, d)
			}
		}
		// There is nobody who waits for a question.
		d := r.runTool("terminal")
		w := r.acting()
		if _, err := w.ask(w.ctx, conversation.Input{Message: "?", Schema: json.RawMessage(choice)}); !errors.Is(err, conversation.ErrNoRun) {
			t.Errorf("a question: %v", err)
		}
		w.answers <- answer{event: failed(w.action, "it could not ask")}
		r.info()
		if d.result.Error == "" || d.over != 1 {
			t.Errorf("%+v", d)
		}
		r.status(conversation.Idle, "")
		r.told()
	})
}

func TestRunToolInterrupted(t *testing.T) {
	for name, end := range map[string]func(*rig){
		"interrupt": func(r *rig) { r.interrupt() },
		"close":     func(r *rig) { r.check(r.c.Close(context.Background())) },
	} {
		for _, deaf := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				play(t, conversation.Options{}, func(r *rig) {
					r.agent.deaf = deaf
					d := r.runTool("terminal")
					w := r.acting()
					end(r)
					if deaf {
						time.Sleep(2 * time.Second) // in the bubble: longer than the grace
						w.answers <- answer{event: observed(w.action, "late")}
					}
					synctest.Wait()
					if d.over != 1 || d.result.Error == "" {
						t.Errorf("%+v", d)
					}
					r.told()
				})
			})
		}
	}
}

func TestRerunActions(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		rerun := func() (got *conversation.Rerun, fail *error) {
			got, fail = new(conversation.Rerun), new(error)
			r.check(r.c.RerunActions(func(rerun conversation.Rerun, err error) { *got, *fail = rerun, err }))
			synctest.Wait()
			return got, fail
		}
		if got, err := rerun(); *err != nil || !got.OK || len(got.Results) != 0 {
			t.Errorf("of nothing: %+v, %v", got, *err)
		}
		r.ask("work")
		r.answer(do(call("a"), invalid("b"), call("c")))
		r.result("a")
		if _, err := rerun(); *err == nil {
			t.Error("during a run")
		}
		r.result("c")
		r.answer(say("done"))
		r.rec.told()
		log := len(r.log())

		got, _ := rerun()
		r.result("a")
		r.result("c")
		if !got.OK || len(got.Results) != 2 || got.Results[1].Tool != "terminal" || got.Results[1].Observation == nil || got.Results[1].ActionID == "" {
			t.Errorf("%+v", got)
		}
		got, _ = rerun()
		w := r.acting()
		w.answers <- answer{event: failed(w.action, "not again")}
		r.quiet()
		if got.OK || len(got.Results) != 1 || got.Results[0].Error != "not again" {
			t.Errorf("%+v", got)
		}
		// A call that asks is left out: nobody would answer.
		got, _ = rerun()
		w = r.acting()
		_, err := w.ask(w.ctx, conversation.Input{Message: "?", Schema: json.RawMessage(choice)})
		w.answers <- answer{event: failed(w.action, err.Error())}
		r.result("c")
		if !got.OK || len(got.Results) != 2 || !got.Results[0].Skipped || got.Results[1].Skipped {
			t.Errorf("%+v", got)
		}
		if len(r.log()) != log {
			t.Error("the log grew")
		}
		r.told()
		r.status(conversation.Finished, conversation.StopFinished)
	})
}

func TestRerunOfAConversationOnDisk(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("work")
		r.answer(do(call("a")))
		r.result("a")
		r.answer(say("done"))
		r.reopen()
		var acted []string
		r.agent.act = func(a *event.Action) event.Event {
			acted = append(acted, a.ToolCallID)
			return observed(a, "again")
		}
		ok := false
		r.check(r.c.RerunActions(func(rerun conversation.Rerun, err error) { ok = rerun.OK && err == nil }))
		synctest.Wait()
		if !ok || len(acted) != 1 {
			t.Errorf("ok %t, %q", ok, acted)
		}
	})
}
