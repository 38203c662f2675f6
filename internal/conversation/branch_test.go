package conversation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

func (r *rig) navigate(eventID string) (conversation.Info, error) {
	r.t.Helper()
	var info conversation.Info
	var err error
	r.check(r.c.Navigate(eventID, func(i conversation.Info, e error) { info, err = i, e }))
	synctest.Wait()
	return info, err
}

// mustNavigate goes to an event, and lets the recorder know what it should: the
// branch is another one.
func (r *rig) mustNavigate(eventID string) conversation.Info {
	r.t.Helper()
	info, err := r.navigate(eventID)
	r.check(err)
	r.rec.mu.Lock()
	r.rec.epoch, r.rec.seq = info.Cursor.Epoch, info.Cursor.Seq
	r.rec.mu.Unlock()
	return info
}

// branch gives the ids of the events of the active branch.
func (r *rig) branch() (ids []string) {
	r.t.Helper()
	return idsOf(r.page(conversation.Query{}))
}

func idsOf(p conversation.Page) (ids []string) {
	for i, rec := range p.Records {
		if rec.Seq != i+1 {
			ids = append(ids, "out of order")
		}
		ids = append(ids, rec.Event.Head().ID)
	}
	return ids
}

// kinds names the events of the active branch.
func (r *rig) kinds() (kinds []string) {
	r.t.Helper()
	for _, rec := range r.page(conversation.Query{}).Records {
		kinds = append(kinds, strings.TrimSuffix(rec.Event.Kind(), "Event"))
	}
	return kinds
}

func (r *rig) branches() (list []conversation.Branch) {
	r.t.Helper()
	var err error
	r.check(r.c.Branches(func(b []conversation.Branch, e error) { list, err = b, e }))
	synctest.Wait()
	r.check(err)
	return list
}

func TestNavigate(t *testing.T) {
	talked(t, func(r *rig) {
		old := r.branch()
		epoch := r.info().Cursor.Epoch
		info := r.mustNavigate(old[1])
		if info.Status != conversation.Idle || info.StopReason != "" || info.Cursor != (conversation.Cursor{Epoch: epoch + 1, Seq: 2}) {
			t.Errorf("info: %+v", info)
		}
		if r.rec.last.Cursor != info.Cursor {
			t.Errorf("the observer was told %+v", r.rec.last.Cursor)
		}
		if s := r.state(); s["leaf_event_id"] != old[1] || s["head_is_empty"] != false || s["execution_status"] != "idle" {
			t.Errorf("stored: %v %v %v", s["leaf_event_id"], s["head_is_empty"], s["execution_status"])
		}
		r.ask("another way")
		r.reads(2, 2)
		now := r.branch()
		if !slices.Equal(now[:2], old[:2]) || len(now) != 3 || len(r.log()) != 6 {
			t.Errorf("the branch is %q, was %q; %d files", now, old, len(r.log()))
		}
		want := []conversation.Branch{{EventID: old[4], Seq: 5, Shared: 2}, {EventID: now[2], Seq: 3, Shared: 3, Active: true}}
		if diff := cmp.Diff(want, r.branches()); diff != "" {
			t.Error(diff)
		}
		if got := idsOf(r.page(conversation.Query{Branch: old[3]})); !slices.Equal(got, old[:4]) {
			t.Errorf("the other branch is %q", got)
		}
	})
}

// HEAD is where it was left, whoever opens the conversation, and however the
// process ended.
func TestHeadSurvives(t *testing.T) {
	restarts := map[string]func(r *rig){
		"closed": func(r *rig) { r.reopen() },
		"killed": func(r *rig) { crash(r); r.reopen() },
		"without a sidecar": func(r *rig) {
			r.close()
			r.check(os.Remove(filepath.Join(r.dir(), "agent_rpc.json")))
			r.reopen()
		},
		"between the two files": func(r *rig) {
			// The state is of before the last change.
			r.close()
			side := r.readJSON("agent_rpc.json")
			r.edit("agent_rpc.json", func(s map[string]any) { s["before"] = "0f0f0f0f-1111-4222-8333-444455556666" })
			r.edit("base_state.json", func(s map[string]any) {
				s["leaf_event_id"], s["head_is_empty"] = "0f0f0f0f-1111-4222-8333-444455556666", false
			})
			r.reopen()
			if now := r.readJSON("agent_rpc.json"); now["head"] != side["head"] {
				r.t.Errorf("HEAD was %v and is %v", side["head"], now["head"])
			}
		},
	}
	for name, restart := range restarts {
		t.Run(name, func(t *testing.T) {
			for _, seq := range []int{0, 1, 2, 4, 5} {
				talked(t, func(r *rig) {
					old := r.branch()
					to := ""
					if seq > 0 {
						to = old[seq-1]
					}
					info := r.mustNavigate(to)
					restart(r)
					now := r.info()
					if got := r.branch(); !slices.Equal(got, old[:seq]) {
						t.Errorf("at %d: the branch is %q, want %q", seq, got, old[:seq])
					}
					if name != "without a sidecar" && now.Cursor != info.Cursor {
						t.Errorf("at %d: cursor %+v, was %+v", seq, now.Cursor, info.Cursor)
					}
					r.ask("more")
					r.answer(say("done"))
					if got := r.kinds(); len(got) != max(seq, 1)+2 {
						t.Errorf("at %d: %q", seq, got)
					}
					restart(r)
					if got := r.branch(); len(got) != max(seq, 1)+2 {
						t.Errorf("at %d, again: %q", seq, got)
					}
				})
			}
		})
	}
}

// Another program may have moved HEAD.
func TestHeadMovedByAnotherProgram(t *testing.T) {
	talked(t, func(r *rig) {
		old, epoch := r.branch(), r.info().Cursor.Epoch
		r.close()
		r.edit("base_state.json", func(s map[string]any) { s["leaf_event_id"] = old[1] })
		r.reopen()
		if got := r.branch(); !slices.Equal(got, old[:2]) {
			t.Errorf("the branch is %q", got)
		}
		if c := r.info().Cursor; c.Epoch != epoch+1 {
			t.Errorf("cursor %+v, the epoch was %d", c, epoch)
		}
		// It may also have gone on from there.
		r.close()
		e := said("from Python")
		e.ParentID = old[1]
		foreign(r, e)
		r.edit("base_state.json", func(s map[string]any) { s["leaf_event_id"] = e.ID })
		r.reopen()
		if got := r.branch(); !slices.Equal(got, append(old[:2:2], e.ID)) {
			t.Errorf("the branch is %q", got)
		}
		if c := r.info().Cursor; c.Epoch != epoch+1 {
			t.Errorf("cursor %+v, though the branch only grew", c)
		}
	})
}

func TestNavigateIsRefused(t *testing.T) {
	t.Run("no such event", func(t *testing.T) {
		talked(t, func(r *rig) {
			before := r.info()
			for _, id := range []string{uuid.NewString(), "x", "../../etc", event.Root} {
				var value *conversation.ValueError
				if _, err := r.navigate(id); !errors.As(err, &value) || value.Field != "eventId" {
					t.Errorf("%q: %v", id, err)
				}
			}
			if now := r.info(); now.Cursor != before.Cursor || now.Status != before.Status {
				t.Errorf("it was %+v and is %+v", before, now)
			}
		})
	})
	t.Run("while a run goes on", func(t *testing.T) {
		play(t, conversation.Options{}, func(r *rig) {
			r.ask("work")
			var busy *conversation.BusyError
			if _, err := r.navigate(""); !errors.As(err, &busy) || busy.RunID == "" {
				t.Error(err)
			}
			r.answer(say("done"))
		})
	})
	t.Run("while it waits", func(t *testing.T) {
		waiting(t, func(r *rig) {
			var busy *conversation.BusyError
			if _, err := r.navigate(""); !errors.As(err, &busy) || busy.Status != conversation.WaitingForConfirmation {
				t.Error(err)
			}
		})
	})
	t.Run("a change of state", func(t *testing.T) {
		talked(t, func(r *rig) {
			r.close()
			u := update()
			foreign(r, u)
			r.reopen()
			var value *conversation.ValueError
			if _, err := r.navigate(u.ID); !errors.As(err, &value) {
				t.Error(err)
			}
		})
	})
}

func TestNavigateToWhereItIs(t *testing.T) {
	talked(t, func(r *rig) {
		before := r.info()
		info, err := r.navigate(r.leaf())
		r.check(err)
		if info.Cursor != before.Cursor || info.Status != conversation.Finished {
			t.Errorf("it was %+v and is %+v", before, info)
		}
	})
}

// Calls that stand open on a branch are not carried out, and those of another
// branch are none of this one's.
func TestPendingActionsOfBranches(t *testing.T) {
	talked(t, func(r *rig) {
		old := r.branch()
		r.mustNavigate(old[2]) // the call
		if p := r.info().Pending; len(p) != 0 {
			t.Errorf("pending: %+v", p)
		}
		r.rec.told()
		r.ask("go on")
		r.told("failed a", `user "go on"`)
		r.answer(do(call("b")))
		r.result("b")
		r.answer(say("done"))
		r.mustNavigate(old[1])
		r.ask("again")
		r.quietActs()
		r.answer(say("done"))
		// And back to the first branch, whose end was never lost.
		r.mustNavigate(old[4])
		if got := r.branch(); !slices.Equal(got, old) {
			t.Errorf("the branch is %q, want %q", got, old)
		}
	})
}

func TestMessagesOfBranches(t *testing.T) {
	talked(t, func(r *rig) {
		id := uuid.NewString()
		r.check(second(r.send("first", id, false, conversation.Queue)))
		old := r.branch()
		r.mustNavigate(old[1])
		// It was accepted once: to send it again is no error, and not a second one.
		sent, err := r.send("first", id, false, conversation.Queue)
		if err != nil || sent.Disposition != "appended" || sent.Seq != 0 {
			t.Errorf("%+v, %v", sent, err)
		}
		if got := r.branch(); len(got) != 2 {
			t.Errorf("the branch is %q", got)
		}
		r.mustNavigate(old[5])
		if sent, err = r.send("first", id, false, conversation.Queue); err != nil || sent.Seq != 6 {
			t.Errorf("%+v, %v", sent, err)
		}
	})
}

func (r *rig) unsend(id string) (m conversation.Outgoing, err error) {
	r.t.Helper()
	r.check(r.c.Unsend(id, func(o conversation.Outgoing, e error) { m, err = o, e }))
	synctest.Wait()
	return m, err
}

func TestUnsend(t *testing.T) {
	for _, busy := range []conversation.WhenBusy{conversation.Queue, conversation.Steer} {
		t.Run(string(busy), func(t *testing.T) {
			play(t, conversation.Options{}, func(r *rig) {
				r.ask("work")
				first, second := uuid.NewString(), uuid.NewString()
				for text, id := range map[string]string{"first": first, "second": second} {
					if _, err := r.send(text, id, false, busy); err != nil {
						t.Fatal(err)
					}
				}
				m, err := r.unsend(first)
				if err != nil || m.ID != first || m.Message.Text() != "first" {
					t.Errorf("%+v, %v", m, err)
				}
				if q := r.info().Queued; len(q) != 1 || q[0].ID != second {
					t.Errorf("queued: %+v", q)
				}
				if q := r.rec.last.Queued; len(q) != 1 {
					t.Errorf("the observer was told %+v", q)
				}
				if _, err := r.unsend(first); !errors.Is(err, conversation.ErrRequestNotFound) {
					t.Errorf("again: %v", err)
				}
				// Changed, it may be sent again.
				sent, err := r.send("first, changed", first, false, busy)
				if err != nil || sent.Disposition == "appended" {
					t.Errorf("%+v, %v", sent, err)
				}
				if _, err := r.unsend(second); err != nil {
					t.Error(err)
				}
				r.rec.told()
				r.answer(say("done"))
				r.answer(say("done"))
				r.told(`agent "done"`, `user "first, changed"`, `agent "done"`, "ended finished finished")
				var state *conversation.StateError
				if _, err := r.unsend(first); !errors.As(err, &state) {
					t.Errorf("when it is in: %v", err)
				}
			})
		})
	}
	t.Run("after a restart", func(t *testing.T) {
		play(t, conversation.Options{}, func(r *rig) {
			r.ask("work")
			id := uuid.NewString()
			r.check(second(r.send("later", id, false, conversation.Queue)))
			r.reopen()
			if m, err := r.unsend(id); err != nil || m.Message.Text() != "later" {
				t.Errorf("%+v, %v", m, err)
			}
			r.reopen()
			if q := r.info().Queued; len(q) != 0 {
				t.Errorf("queued: %+v", q)
			}
		})
	})
}

// fork makes a fork and gives a rig of its own for it.
func (r *rig) fork(o conversation.ForkOptions) (*rig, error) {
	r.t.Helper()
	c, err := r.manager.Fork(r.ctx, "", r.options.ID, o)
	if err != nil {
		return nil, err
	}
	f := &rig{t: r.t, ctx: r.ctx, manager: r.manager, options: r.options}
	f.use(c)
	return f, nil
}

func (r *rig) mustFork(o conversation.ForkOptions) *rig {
	r.t.Helper()
	f, err := r.fork(o)
	r.check(err)
	return f
}

func TestFork(t *testing.T) {
	o := conversation.Options{
		Policy: json.RawMessage(always), Analyzer: json.RawMessage(`{"kind":"LLMSecurityAnalyzer"}`), Title: "The source", Tags: map[string]string{"team": "a"},
		MaxIterations: 7, Secrets: map[string]json.RawMessage{"TOKEN": json.RawMessage(`"hunter2hunter2"`)},
	}
	play(t, o, func(r *rig) {
		r.ask("work")
		r.answer(say("done"))
		before, files, state := r.branch(), r.log(), r.state()
		f := r.mustFork(conversation.ForkOptions{Title: "The fork", Tags: map[string]string{"team": "b"}})
		info := f.info()
		if f.options.ID == r.options.ID || filepath.Dir(f.dir()) != filepath.Dir(r.dir()) {
			t.Errorf("it is in %s, the source in %s", f.dir(), r.dir())
		}
		if info.Status != conversation.Idle || info.StopReason != "" || info.RunID != "" || info.Cursor != (conversation.Cursor{Epoch: 1, Seq: 3}) {
			t.Errorf("info: %+v", info)
		}
		if info.Title != "The fork" || len(info.Tags) != 2 || info.Tags["team"] != "b" || info.MaxIterations != 7 || info.Workspace != "/workspace" {
			t.Errorf("info: %+v", info)
		}
		if string(info.ConfirmationPolicy) != string(r.info().ConfirmationPolicy) || string(info.SecurityAnalyzer) != string(r.info().SecurityAnalyzer) {
			t.Errorf("policy %s, analyzer %s", info.ConfirmationPolicy, info.SecurityAnalyzer)
		}
		if got := f.branch(); !slices.Equal(got, before) {
			t.Errorf("events %q, want %q", got, before)
		}
		if s := f.state(); s["persistence_dir"] != f.dir() || s["id"] != f.options.ID || s["last_user_message_id"] != before[1] || s["leaf_event_id"] != before[2] {
			t.Errorf("state: %v", s)
		}
		if strings.Contains(string(info.Stats), "prompt_tokens\":10") {
			t.Errorf("the statistics did not begin anew: %s", info.Stats)
		}
		// It goes on by itself, and hides what the source hides.
		r.rec.told()
		f.rec.told()
		f.ask("and on with hunter2hunter2")
		f.reads(4, 1)
		f.rec.told()
		if raw := string(f.page(conversation.Query{}).Records[3].JSON); strings.Contains(raw, "hunter2") {
			t.Errorf("the fork shows a secret: %s", raw)
		}
		r.told()
		if diff := cmp.Diff(files, r.log()); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(state, r.state()); diff != "" {
			t.Error(diff)
		}
		var names []string
		r.check(f.c.UpdateSecrets(nil, func(n []string, _ error) { names = n }))
		synctest.Wait()
		if !slices.Equal(names, []string{"TOKEN"}) {
			t.Errorf("secrets %q", names)
		}
	})
}

func TestForkKeepsStatsAndState(t *testing.T) {
	talked(t, func(r *rig) {
		r.close()
		r.edit("base_state.json", func(s map[string]any) {
			s["agent_state"] = map[string]any{"mood": "calm"}
			s["activated_knowledge_skills"], s["activated_path_rules"] = []any{"git"}, []any{"rule"}
			s["blocked_messages"] = map[string]any{"x": "y"}
		})
		r.reopen()
		want := r.state()
		f := r.mustFork(conversation.ForkOptions{KeepStats: true})
		got := f.state()
		for _, k := range []string{"agent_state", "activated_knowledge_skills", "activated_path_rules", "stats", "agent", "workspace", "max_iterations", "stuck_detection"} {
			if diff := cmp.Diff(want[k], got[k]); diff != "" {
				t.Errorf("%s: %s", k, diff)
			}
		}
		if b := got["blocked_messages"].(map[string]any); len(b) != 0 {
			t.Errorf("blocked: %v", b)
		}
	})
}

func TestForkFrom(t *testing.T) {
	talked(t, func(r *rig) {
		old := r.branch()
		for seq := range old {
			f := r.mustFork(conversation.ForkOptions{From: old[seq]})
			want := old[:seq+1]
			got := f.branch()
			if seq == 2 {
				// The call is open there, and answered: HEAD is the answer.
				if k := f.kinds(); len(k) != 4 || k[3] != "AgentError" {
					t.Errorf("events %q", k)
				}
				got = got[:3]
			}
			if !slices.Equal(got, want) {
				t.Errorf("from %d: %q, want %q", seq, got, want)
			}
			f.ask("on")
			f.quietActs()
			f.answer(say("done"))
			f.status(conversation.Finished, conversation.StopFinished)
			r.check(r.manager.Close(r.ctx, f.options.ID))
			c, err := r.manager.Open(r.ctx, "", f.options.ID)
			r.check(err)
			f.use(c)
			if got := f.branch(); len(got) != len(f.log()) || len(got) < seq+3 {
				t.Errorf("from %d: %d events of %d files after it was opened again", seq, len(got), len(f.log()))
			}
		}
		if got := r.branch(); !slices.Equal(got, old) {
			t.Errorf("the source is %q, was %q", got, old)
		}
	})
}

// A fork is made of what is stored, whoever holds the source and whatever it does.
func TestForkOfABusySource(t *testing.T) {
	states := map[string]struct {
		options conversation.Options
		begin   func(r *rig)
		answers int
	}{
		"thinking": {conversation.Options{}, func(r *rig) { r.ask("work") }, 0},
		"acting":   {conversation.Options{}, func(r *rig) { r.ask("work"); r.answer(do(call("a"), call("b"))); r.result("a") }, 1},
		"waiting":  {asking(), func(r *rig) { r.ask("work"); r.answer(do(call("a"), call("b"))) }, 2},
		"queued":   {conversation.Options{}, func(r *rig) { r.ask("work"); r.check(second(r.send("later", "", false, conversation.Queue))) }, 0},
		"paused":   {conversation.Options{}, func(r *rig) { r.ask("work"); r.pause(); r.answer(do(call("a"))) }, 1},
	}
	for name, tt := range states {
		for _, held := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				play(t, tt.options, func(r *rig) {
					tt.begin(r)
					before, files := r.info(), len(r.log())
					from := r
					if !held {
						// Another process holds it.
						from = &rig{t: r.t, ctx: r.ctx, options: r.options, manager: r.newManager()}
					}
					f, err := from.fork(conversation.ForkOptions{})
					r.check(err)
					defer func() { r.check(from.manager.Close(r.ctx, f.options.ID)) }()
					f.status(conversation.Idle, "")
					info := f.info()
					if len(info.Pending) != 0 || len(info.Queued) != 0 || len(f.log()) != files+tt.answers {
						t.Errorf("info %+v; %d events, the source has %d", info, len(f.log()), files)
					}
					f.ask("on")
					f.quietActs()
					f.answer(say("done"))
					f.status(conversation.Finished, conversation.StopFinished)
					if now := r.info(); now.Status != before.Status || now.Cursor != before.Cursor || len(now.Pending) != len(before.Pending) || len(now.Queued) != len(before.Queued) {
						t.Errorf("the source was %+v and is %+v", before, now)
					}
				})
			})
		}
	}
}

func TestForkOfBranches(t *testing.T) {
	talked(t, func(r *rig) {
		old := r.branch()
		r.mustNavigate(old[1])
		r.ask("another way")
		r.answer(say("done"))
		now := r.branch()
		all := r.mustFork(conversation.ForkOptions{})
		if got := all.branch(); !slices.Equal(got, now) || len(all.log()) != len(r.log()) {
			t.Errorf("the branch is %q of %d files", got, len(all.log()))
		}
		all.mustNavigate(old[4])
		if got := all.branch(); !slices.Equal(got, old) {
			t.Errorf("the other branch is %q", got)
		}
		one := r.mustFork(conversation.ForkOptions{From: old[3]}) // of the abandoned branch
		if got := one.branch(); !slices.Equal(got, old[:4]) || len(one.log()) != 4 {
			t.Errorf("the branch is %q of %d files", got, len(one.log()))
		}
		r.mustNavigate("")
		none := r.mustFork(conversation.ForkOptions{})
		if got := none.branch(); len(got) != 0 || none.state()["head_is_empty"] != true {
			t.Errorf("the branch is %q", got)
		}
		none.ask("begin")
		if got := none.kinds(); len(got) != 2 {
			t.Errorf("the branch is %q", got)
		}
	})
}

func TestForkInMemory(t *testing.T) {
	play(t, conversation.Options{Base: memory}, func(r *rig) {
		r.ask("work")
		r.answer(say("done"))
		f := r.mustFork(conversation.ForkOptions{})
		f.ask("on")
		f.reads(4, 1)
		if n := len(r.branch()); n != 3 {
			t.Errorf("the source has %d events", n)
		}
	})
}

func TestForkIsRefused(t *testing.T) {
	talked(t, func(r *rig) {
		long := strings.Repeat("x", 257)
		for field, o := range map[string]conversation.ForkOptions{
			"from":           {From: uuid.NewString()},
			"conversationId": {ID: "x"},
			"tags":           {Tags: map[string]string{"A": ""}},
			"title":          {Title: long},
		} {
			var value *conversation.ValueError
			if _, err := r.fork(o); !errors.As(err, &value) || value.Field != field {
				t.Errorf("%s: %v", field, err)
			}
		}
		var value *conversation.ValueError
		if _, err := r.fork(conversation.ForkOptions{ID: r.options.ID}); !errors.As(err, &value) || value.Field != "conversationId" {
			t.Errorf("the source's own id: %v", err)
		}
		if _, err := r.manager.Fork(r.ctx, "", uuid.NewString(), conversation.ForkOptions{}); !errors.Is(err, conversation.ErrNotFound) {
			t.Errorf("no source: %v", err)
		}
		if names, err := os.ReadDir(r.options.Base); err != nil || len(names) != 1 {
			t.Errorf("left: %v, %v", names, err)
		}
	})
	t.Run("the agent can't be made", func(t *testing.T) {
		talked(t, func(r *rig) {
			other := conversation.NewManager(r.ctx, conversation.Config{
				Base: r.options.Base, Log: discard,
				NewAgent: func(conversation.AgentEnv) (conversation.Agent, error) { return nil, errors.New("no agent") },
			})
			if _, err := other.Fork(r.ctx, "", r.options.ID, conversation.ForkOptions{}); err == nil || !strings.Contains(err.Error(), "no agent") {
				t.Error(err)
			}
			if names, err := os.ReadDir(r.options.Base); err != nil || len(names) != 1 {
				t.Errorf("left: %v, %v", names, err)
			}
		})
	})
}

// BenchmarkFork10k forks a conversation of 10,000 events that was closed, that is
// open, and up to an event.
func BenchmarkFork10k(b *testing.B) {
	const events = 10_000
	m := conversation.NewManager(b.Context(), conversation.Config{
		Base: b.TempDir(), Log: discard,
		NewAgent: func(env conversation.AgentEnv) (conversation.Agent, error) { return &fake{env: env}, nil },
	})
	c, _, err := m.Create(b.Context(), conversation.Options{Base: m.Base(), Workspace: "/workspace"})
	if err != nil {
		b.Fatal(err)
	}
	id := c.ID()
	if err := m.Close(b.Context(), id); err != nil {
		b.Fatal(err)
	}
	dir := filepath.Join(m.Base(), strings.ReplaceAll(id, "-", ""), "events")
	last := ""
	for i := range events {
		e := said(strings.Repeat("x", 800))
		e.ID, e.ParentID, e.Timestamp = uuid.NewString(), last, "2026-01-02T03:04:05.000006"
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("event-%05d-%s.json", i, e.ID)), must(event.Encode(e)), 0o600); err != nil {
			b.Fatal(err)
		}
		last = e.ID
	}
	fork := func(o conversation.ForkOptions) {
		f, err := m.Fork(b.Context(), "", id, o)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := m.Delete(b.Context(), "", f.ID()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	// Once it was open it is known that its events are one branch.
	if _, err := m.Open(b.Context(), "", id); err != nil {
		b.Fatal(err)
	}
	if err := m.Close(b.Context(), id); err != nil {
		b.Fatal(err)
	}
	b.Run("closed", func(b *testing.B) {
		for b.Loop() {
			fork(conversation.ForkOptions{})
		}
	})
	if _, err := m.Open(b.Context(), "", id); err != nil {
		b.Fatal(err)
	}
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			fork(conversation.ForkOptions{})
		}
	})
	b.Run("from", func(b *testing.B) {
		for b.Loop() {
			fork(conversation.ForkOptions{From: last})
		}
	})
	if err := m.CloseAll(context.WithoutCancel(b.Context())); err != nil {
		b.Fatal(err)
	}
}
