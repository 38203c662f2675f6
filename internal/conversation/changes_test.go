package conversation_test

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
)

// changes is what looks after the changes in tests. Each look is written down and
// waits while the test holds it.
type changes struct {
	mu    sync.Mutex
	looks []string
	held  map[string]chan struct{}
	err   error
	panic bool
	// n is what the next looks count.
	n      conversation.ChangeCount
	undone conversation.UndoResult
}

func (c *changes) look(ctx context.Context, what string) (conversation.ChangeCount, error) {
	c.mu.Lock()
	c.looks = append(c.looks, what)
	held := c.held[strings.Fields(what)[0]]
	c.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
			return conversation.ChangeCount{}, ctx.Err()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.panic {
		panic("in a look")
	}
	return c.n, c.err
}

func (c *changes) Begin(ctx context.Context, run string) (conversation.ChangeCount, error) {
	return c.look(ctx, "begin "+run)
}
func (c *changes) Touch(path string) { _, _ = c.look(context.Background(), "touch "+path) }
func (c *changes) Count(ctx context.Context) (conversation.ChangeCount, error) {
	return c.look(ctx, "count")
}

func (c *changes) End(ctx context.Context) (conversation.ChangeCount, error) {
	return c.look(ctx, "end")
}

func (c *changes) List(ctx context.Context, run bool) ([]conversation.FileChange, error) {
	what := "list"
	if run {
		what = "list run"
	}
	n, err := c.look(ctx, what)
	return []conversation.FileChange{{
		Path: "/workspace/a", Status: conversation.FileModified, Additions: n.Additions, Hunks: []conversation.Hunk{{ID: "h", Text: "+sesame\n"}},
	}}, err
}

func (c *changes) Before(ctx context.Context, path string) ([]byte, bool, error) {
	_, err := c.look(ctx, "before "+path)
	return []byte("open sesame"), true, err
}

func (c *changes) Keep(ctx context.Context, path string, hunks []string) (conversation.ChangeCount, error) {
	return c.look(ctx, strings.Join(append([]string{"keep", path}, hunks...), " "))
}

func (c *changes) Undo(ctx context.Context, path string, hunks []string) (conversation.UndoResult, conversation.ChangeCount, error) {
	n, err := c.look(ctx, strings.Join(append([]string{"undo", path}, hunks...), " "))
	return c.undone, n, err
}

// hold keeps looks of a kind from ending until the function that it gives is
// called.
func (c *changes) hold(what string) (release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == nil {
		c.held = map[string]chan struct{}{}
	}
	gate := make(chan struct{})
	c.held[what] = gate
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.held, what)
		close(gate)
	}
}

// looked gives the looks since the last call, without the ids of runs.
func (c *changes) looked() string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.looks
	c.looks = nil
	for i, l := range list {
		if strings.HasPrefix(l, "begin ") {
			list[i] = "begin"
		}
	}
	return strings.Join(list, ", ")
}

func (c *changes) counts(n conversation.ChangeCount) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n = n
}

// tracked plays a conversation whose changes are looked after.
func tracked(t *testing.T, o conversation.Options, test func(*rig, *changes)) {
	t.Helper()
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, t.Context(), root, o)
		r.changes = &changes{}
		r.manager = r.newManager()
		defer r.end()
		r.create()
		test(r, r.changes)
	})
}

func (c *changes) want(t *testing.T, want string) {
	t.Helper()
	if got := c.looked(); got != want {
		t.Errorf("looks: %s; want: %s", got, want)
	}
}

// TestLooks: the workspace is noted beside the first model call and before the
// first tool acts, and looked at once more before the terminal state.
func TestLooks(t *testing.T) {
	tracked(t, conversation.Options{}, func(r *rig, c *changes) {
		noted := c.hold("begin")
		r.ask("work")
		c.want(t, "begin")
		r.answer(do(call("a")))
		r.quiet() // the tool waits
		noted()
		r.agent.env.Touch("/workspace/a")
		r.result("a")
		c.want(t, "touch /workspace/a, count")
		seen := c.hold("end")
		r.answer(say("done"))
		c.want(t, "end")
		r.told(`user "work"`, "call a", "result a", `agent "done"`)
		r.status(conversation.Running, "")
		c.counts(conversation.ChangeCount{Files: 1, Additions: 2, Deletions: 3})
		var terminal conversation.Info
		r.rec.onState = func(i conversation.Info) { terminal = i }
		seen()
		r.told("ended finished finished")
		if terminal.Changes != c.n {
			t.Errorf("the terminal state has %+v", terminal.Changes)
		}
		r.reopen()
		c.want(t, "")
		if i := r.info(); i.Changes != c.n {
			t.Errorf("stored: %+v", i.Changes)
		}
	})
}

// TestTalkIsNotLookedAt: without a tool nothing is waited for.
func TestTalkIsNotLookedAt(t *testing.T) {
	tracked(t, conversation.Options{}, func(r *rig, c *changes) {
		defer c.hold("begin")()
		r.ask("hello")
		r.answer(say("hello"))
		r.told(`user "hello"`, `agent "hello"`, "ended finished finished")
	})
}

// TestMessageWhileLooking: a run that is about to end goes on, and is looked after
// as before.
func TestMessageWhileLooking(t *testing.T) {
	tracked(t, conversation.Options{}, func(r *rig, c *changes) {
		r.ask("work")
		r.answer(do(call("a")))
		r.result("a")
		c.want(t, "begin, count")
		seen := c.hold("end")
		r.answer(say("done"))
		if sent, err := r.send("more", "", true, conversation.Queue); err != nil || sent.Disposition != "queued" {
			t.Errorf("%+v, %v", sent, err)
		}
		seen()
		c.want(t, "end, begin")
		r.answer(say("done again"))
		r.told(`user "work"`, "call a", "result a", `agent "done"`, `user "more"`, `agent "done again"`, "ended finished finished")
		c.want(t, "end")
	})
}

func TestInterruptWhileLooking(t *testing.T) {
	tracked(t, conversation.Options{}, func(r *rig, c *changes) {
		r.ask("work")
		r.answer(do(call("a")))
		r.result("a")
		seen := c.hold("end")
		r.answer(say("done"))
		r.interrupt()
		r.status(conversation.Paused, conversation.StopInterrupted)
		seen()
	})
}

// TestCountsAreFew: counts are made one at a time, twice a second at most.
func TestCountsAreFew(t *testing.T) {
	tracked(t, conversation.Options{}, func(r *rig, c *changes) {
		r.ask("work")
		c.want(t, "begin")
		for range 3 {
			r.answer(do(call("a")))
			r.result("a")
		}
		c.want(t, "count")
		r.thinking()
		c.counts(conversation.ChangeCount{Files: 1})
		time.Sleep(500 * time.Millisecond) // in the bubble
		c.want(t, "count")
		if i := r.info(); i.Changes.Files != 1 || r.rec.last.Changes.Files != 1 {
			t.Errorf("%+v, told %+v", i.Changes, r.rec.last.Changes)
		}
		time.Sleep(time.Minute)
		c.want(t, "")
		r.interrupt()
		c.want(t, "end")
		time.Sleep(time.Minute)
		c.want(t, "")
	})
}

// TestLooksWhileWaiting: what happens while a run waits is not its own.
func TestLooksWhileWaiting(t *testing.T) {
	tracked(t, asking(), func(r *rig, c *changes) {
		r.ask("work")
		r.answer(do(call("a")))
		c.want(t, "begin, end")
		r.reopen()
		c.want(t, "")
		r.mustRun()
		c.mu.Lock()
		if want := "begin " + r.rec.last.RunID; len(c.looks) != 1 || c.looks[0] != want {
			t.Errorf("looks %q, want %q", c.looks, want)
		}
		c.mu.Unlock()
		c.looked()
		r.result("a")
		r.answer(say("done"))
		c.want(t, "count, end")
	})
}

// TestLooksThatFail: a look that fails or breaks is no failure of the run.
func TestLooksThatFail(t *testing.T) {
	for _, breaks := range []bool{false, true} {
		tracked(t, conversation.Options{}, func(r *rig, c *changes) {
			c.err, c.panic = errors.New("no git"), breaks
			r.ask("work")
			r.answer(do(call("a")))
			r.agent.env.Touch("/workspace/a")
			r.result("a")
			r.answer(say("done"))
			r.told(`user "work"`, "call a", "result a", `agent "done"`, "ended finished finished")
			var got error
			r.check(r.c.KeepChanges("", nil, func(err error) { got = err }))
			synctest.Wait()
			if got == nil {
				t.Error("keeping did not fail")
			}
		})
	}
}

// TestCloseEndsTheLooks: a run that is ended by closing is looked at once more, and
// a look that takes too long is given up.
func TestCloseEndsTheLooks(t *testing.T) {
	tracked(t, conversation.Options{}, func(r *rig, c *changes) {
		r.ask("work")
		r.answer(do(call("a")))
		c.want(t, "begin")
		c.counts(conversation.ChangeCount{Files: 2})
		r.reopen()
		c.want(t, "end")
		if i := r.info(); i.Changes.Files != 2 {
			t.Errorf("%+v", i.Changes)
		}
		r.mustRun()
		c.want(t, "begin")
		defer c.hold("end")()
		begun := time.Now()
		r.close()
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("closing took %s", took)
		}
	})
}

// TestLookAfterADeath: what a run changed whose process died is looked at when the
// conversation is opened.
func TestLookAfterADeath(t *testing.T) {
	tracked(t, conversation.Options{}, func(r *rig, c *changes) {
		r.ask("work")
		r.answer(do(call("a")))
		r.close()
		c.looked()
		r.edit("base_state.json", func(s map[string]any) { s["execution_status"] = "running" })
		c.counts(conversation.ChangeCount{Files: 3})
		r.reopen()
		c.want(t, "end")
		if i := r.info(); i.Changes.Files != 3 {
			t.Errorf("%+v", i.Changes)
		}
	})
}

// verb waits for the reply of a verb about changes.
func verb(r *rig, call func(reply func(error)) error) (err error) {
	r.t.Helper()
	err = errors.New("no reply")
	r.check(call(func(e error) { err = e }))
	synctest.Wait()
	return err
}

func TestChangesVerbs(t *testing.T) {
	o := conversation.Options{Secrets: map[string]json.RawMessage{"WORD": json.RawMessage(`"sesame"`)}}
	tracked(t, o, func(r *rig, c *changes) {
		r.ask("one")
		r.answer(say("done"))
		r.ask("two")
		r.answer(say("done"))
		c.looked()
		c.counts(conversation.ChangeCount{Files: 1, Additions: 4})
		seq := func(n int) conversation.ChangesSince { return conversation.ChangesSince{Seq: &n} }
		last := r.info().Cursor.Seq
		for _, tt := range []struct {
			since conversation.ChangesSince
			want  string
		}{
			{conversation.ChangesSince{}, "list"},
			{conversation.ChangesSince{Run: true}, "list, list run"},
			{seq(0), "list"},
			{seq(2), "list"},
			{seq(last), "list, list run"},
			{seq(last - 1), "list, list run"},
			{seq(last + 1), ""},
			{seq(-1), ""},
		} {
			var list []conversation.FileChange
			err := verb(r, func(reply func(error)) error {
				return r.c.Changes(tt.since, func(l []conversation.FileChange, err error) { list = l; reply(err) })
			})
			var value *conversation.ValueError
			switch {
			case tt.want == "":
				if !errors.As(err, &value) || value.Field != "since" {
					t.Errorf("since %+v: %v", tt.since, err)
				}
			case err != nil || len(list) != 1 || strings.Contains(list[0].Hunks[0].Text, "sesame"):
				t.Errorf("since %+v: %+v, %v", tt.since, list, err)
			}
			c.want(t, tt.want)
		}
		if i := r.info(); i.Changes != c.n || r.rec.last.Changes != c.n {
			t.Errorf("after a list: %+v, told %+v", i.Changes, r.rec.last.Changes)
		}
		var text string
		if err := verb(r, func(reply func(error)) error {
			return r.c.Baseline("/workspace/a", func(data []byte, _ bool, err error) { text = string(data); reply(err) })
		}); err != nil || text != "open <secret-hidden>" {
			t.Errorf("%q, %v", text, err)
		}
		c.counts(conversation.ChangeCount{})
		if err := verb(r, func(reply func(error)) error { return r.c.KeepChanges("/workspace/a", []string{"h"}, reply) }); err != nil {
			t.Error(err)
		}
		c.want(t, "before /workspace/a, keep /workspace/a h")
		if r.rec.last.Changes != c.n {
			t.Errorf("told %+v", r.rec.last.Changes)
		}
	})
}

func TestChangesOfNobody(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		var state *conversation.StateError
		if err := verb(r, func(reply func(error)) error { return r.c.KeepChanges("", nil, reply) }); !errors.As(err, &state) {
			t.Errorf("%v", err)
		}
	})
}

// TestUndoneIsTold: the model is told what was taken back before it is asked the
// next time, once, also over a restart.
func TestUndoneIsTold(t *testing.T) {
	const begins = "The user took back changes that you made to files:\n\n"
	const ends = "\n\nThe files are without them now. Read a file again before you edit it, and don't make these changes again unless the user asks for it."
	o := conversation.Options{Secrets: map[string]json.RawMessage{"WORD": json.RawMessage(`"sesame"`)}}
	tracked(t, o, func(r *rig, c *changes) {
		undo := func(files ...conversation.Undone) {
			c.undone.Undone = files
			if err := verb(r, func(reply func(error)) error {
				return r.c.UndoChanges("", nil, func(_ conversation.UndoResult, err error) { reply(err) })
			}); err != nil {
				t.Fatal(err)
			}
		}
		r.ask("work")
		r.answer(do(call("a")))
		undo(conversation.Undone{Path: "/workspace/sub/a"})
		undo(conversation.Undone{Path: "/workspace/sub/a"})
		undo(conversation.Undone{Path: "/else/b", Hunks: []conversation.Hunk{{OldStart: 3, OldLines: 1, Text: "-old\n+sesame\n"}}})
		undo()
		r.told(`user "work"`, "call a")
		r.result("a")
		told := begins + "- sub/a: all of it\n- /else/b, these parts:\n@@ -3,1 @@\n-old\n+<secret-hidden>" + ends
		r.told("result a", "environment "+strconv.Quote(told))
		if q := r.thinking().question.Messages; !strings.Contains(q[len(q)-1].Text(), "sub/a: all of it") {
			t.Errorf("the model was asked %+v", q[len(q)-1])
		}
		r.interrupt()
		undo(conversation.Undone{Path: "/workspace/c"})
		side := string(must(json.Marshal(r.readJSON("agent_rpc.json"))))
		if !strings.Contains(side, "c: all of it") {
			t.Errorf("agent_rpc.json: %s", side)
		}
		r.reopen()
		r.mustRun()
		r.told("environment " + strconv.Quote(begins+"- c: all of it"+ends))
		r.answer(say("done"))
		r.told(`agent "done"`, "ended finished finished")
		r.ask("more")
		r.answer(say("done"))
		r.told(`user "more"`, `agent "done"`, "ended finished finished")
	})
}

// TestUndoneIsToldOnce: a process that died between the event and the record has
// told it.
func TestUndoneIsToldOnce(t *testing.T) {
	tracked(t, conversation.Options{}, func(r *rig, c *changes) {
		r.ask("work")
		r.interrupt()
		c.undone.Undone = []conversation.Undone{{Path: "/workspace/a"}}
		r.check(r.c.UndoChanges("", nil, func(conversation.UndoResult, error) {}))
		synctest.Wait()
		note := r.readJSON("agent_rpc.json")["undone"]
		r.mustRun()
		r.close()
		r.edit("agent_rpc.json", func(side map[string]any) { side["undone"] = note })
		r.reopen()
		r.mustRun()
		r.answer(say("done"))
		r.told(`agent "done"`, "ended finished finished")
	})
}
