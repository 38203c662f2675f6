package conversation_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// parallel plays with an agent that carries out up to n calls at a time, each
// beside any other unless test says what they need.
func parallel(t *testing.T, n int, test func(*rig)) {
	t.Helper()
	prepared(t, func(r *rig) {
		r.setUp = func(f *fake) {
			f.concurrency = n
			f.resources = func(*event.Action) []string { return nil }
		}
		r.create()
		test(r)
	})
}

// takeAll gives the tool calls that go on, by id.
func (r *rig) takeAll() (ids []string, byID map[string]*work) {
	r.t.Helper()
	r.info()
	byID = map[string]*work{}
	for w := r.agent.take(&r.agent.acts); w != nil; w = r.agent.take(&r.agent.acts) {
		byID[w.action.ToolCallID] = w
		ids = append(ids, w.action.ToolCallID)
	}
	slices.Sort(ids)
	return ids, byID
}

func (r *rig) acts(want ...string) map[string]*work {
	r.t.Helper()
	ids, byID := r.takeAll()
	if !slices.Equal(ids, want) {
		r.t.Fatalf("%q go on, want %q", ids, want)
	}
	return byID
}

// A result is stored and told when it comes.
func TestConcurrency(t *testing.T) {
	parallel(t, 2, func(r *rig) {
		r.ask("work")
		r.answer(do(call("a"), call("b"), call("c")))
		w := r.acts("a", "b")
		w["a"].output("one ")
		w["b"].output("two ")
		w["b"].answers <- answer{event: observed(w["b"].action, "b")}
		r.told(`user "work"`, "call a", "call b", "call c", `delta stdout "one "`, `delta stdout "two "`, "result b")
		c := r.acts("c")["c"]
		c.answers <- answer{event: observed(c.action, "c")}
		r.told("result c")
		r.quiet()
		w["a"].answers <- answer{event: observed(w["a"].action, "a")}
		r.told("result a")
		// The model reads the results in the order of its calls.
		q := r.thinking().question
		var read []string
		for _, m := range q.Messages {
			if m.Role == event.RoleTool {
				read = append(read, m.ToolCallID)
			}
		}
		if !slices.Equal(read, []string{"a", "b", "c"}) {
			t.Errorf("the model reads %q", read)
		}
	})
}

func TestConcurrencyInterrupted(t *testing.T) {
	parallel(t, 2, func(r *rig) {
		r.ask("work")
		r.answer(do(call("a"), call("b"), call("c")))
		w := r.acts("a", "b")
		w["b"].answers <- answer{event: observed(w["b"].action, "b")}
		r.acts("c")
		r.interrupt()
		// Which of the two ends first is not promised.
		told := r.rec.told()
		slices.Sort(told[5:7])
		want := []string{`user "work"`, "call a", "call b", "call c", "result b", "failed a", "failed c", "interrupt", "ended paused interrupted"}
		if !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}

func TestConcurrencyAfterAKill(t *testing.T) {
	parallel(t, 3, func(r *rig) {
		r.ask("work")
		r.answer(do(call("a"), call("b"), call("c")))
		w := r.acts("a", "b", "c")
		w["c"].answers <- answer{event: observed(w["c"].action, "c")}
		r.info()
		r.died()
		r.status(conversation.Failed, conversation.StopError)
		// What was done has its result.
		var answers []string
		for _, name := range r.log() {
			e := must(event.Decode(must(r.read(name))))
			switch e := e.(type) {
			case *event.Observation:
				answers = append(answers, "result "+e.ToolCallID)
			case *event.AgentError:
				answers = append(answers, "failed "+e.ToolCallID)
			}
		}
		if !slices.Equal(answers, []string{"result c", "failed a", "failed b"}) {
			t.Errorf("stored: %q", answers)
		}
	})
}

func TestFinishComesLast(t *testing.T) {
	parallel(t, 4, func(r *rig) {
		r.ask("work")
		r.answer(do(call("a"), call("b"), call("finish"), call("c")))
		w := r.acts("a", "b")
		w["b"].answers <- answer{event: observed(w["b"].action, "b")}
		r.acts()
		w["a"].answers <- answer{event: observed(w["a"].action, "a")}
		finish := r.acts("finish")["finish"]
		finish.answers <- answer{event: observed(finish.action, "bye")}
		r.status(conversation.Finished, conversation.StopFinished)
		r.told(`user "work"`, "call a", "call b", "call finish", "call c", "result b", "result a", "result finish", "failed c", "ended finished finished")
	})
}

// TestAnyBatch holds the scheduling to its promises with any calls, needs and
// order of ends: never more at a time than allowed, never two that need the same,
// what needs the same in the order of the calls, and all of them once.
func TestAnyBatch(t *testing.T) {
	prepared(t, func(r *rig) {
		needs := map[string][]string{}
		limit := 0
		r.options.Base = "" // the log grows long
		r.manager = r.newManager()
		r.setUp = func(f *fake) {
			f.resources = func(a *event.Action) []string { return needs[a.ToolCallID] }
		}
		r.create()
		rapid.Check(bubbled{t}, func(rt *rapid.T) {
			clear(needs)
			limit = rapid.IntRange(1, 4).Draw(rt, "limit")
			r.agent.concurrency = limit
			var actions []*event.Action
			var order []string
			for i := range rapid.IntRange(1, 7).Draw(rt, "calls") {
				id := string(rune('a' + i))
				needs[id] = rapid.SliceOfN(rapid.SampledFrom([]string{"x", "y", "z"}), 0, 2).Draw(rt, "needs")
				order = append(order, id)
				actions = append(actions, call(id))
			}
			r.ask("work")
			r.answer(do(actions...))
			going := map[string]*work{}
			var begun []string
			for len(begun) < len(order) || len(going) > 0 {
				ids, byID := r.takeAll()
				for _, id := range ids {
					for other := range going {
						if shares(needs[id], needs[other]) {
							rt.Fatalf("%s and %s go on together", id, other)
						}
					}
					for _, before := range order[:slices.Index(order, id)] {
						if shares(needs[id], needs[before]) && !slices.Contains(begun, before) {
							rt.Fatalf("%s begins before %s", id, before)
						}
					}
					going[id] = byID[id]
					begun = append(begun, id)
				}
				if len(going) == 0 || len(going) > limit {
					rt.Fatalf("%d go on of at most %d; begun %q", len(going), limit, begun)
				}
				next := rapid.SampledFrom(slices.Sorted(keys(going))).Draw(rt, "ends")
				going[next].answers <- answer{event: observed(going[next].action, next)}
				delete(going, next)
			}
			slices.Sort(begun)
			if !slices.Equal(begun, order) {
				rt.Fatalf("begun %q", begun)
			}
			r.answer(say("done"))
			if s := r.info().Status; s != conversation.Finished {
				rt.Fatalf("status %s", s)
			}
			r.rec.told()
		})
	})
}

func shares(a, b []string) bool {
	return slices.ContainsFunc(a, func(key string) bool { return slices.Contains(b, key) })
}

func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
