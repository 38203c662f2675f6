package conversation_test

import (
	"bytes"
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

	"github.com/google/uuid"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/store"
)

func TestIDs(t *testing.T) {
	prepared(t, func(r *rig) {
		id := "6F1C2A34-9B77-4f0e-8a51-0c4d5e6f7a8b"
		bare := strings.ToLower(strings.ReplaceAll(id, "-", ""))
		r.options.ID = bare
		r.create()
		if r.c.ID() != strings.ToLower(id) {
			t.Errorf("id %s", r.c.ID())
		}
		for _, form := range []string{id, bare, strings.ToLower(id)} {
			if r.manager.Opened(form) != r.c {
				t.Errorf("%s does not find it", form)
			}
			if c, err := r.manager.Open(r.ctx, "", form); c != r.c || err != nil {
				t.Errorf("opening %s: %v", form, err)
			}
			if snap, err := r.manager.Peek("", form); err != nil {
				t.Errorf("peeking %s: %v", form, err)
			} else {
				r.check(snap.Close())
			}
		}
		if filepath.Base(r.dir()) != bare {
			t.Errorf("directory %s", r.dir())
		}
		if r.manager.Opened("nonsense") != nil {
			t.Error("nonsense is open")
		}
		var value *conversation.ValueError
		for _, err := range []error{
			second(r.manager.Open(r.ctx, "", "../x")), second(r.manager.Peek("", "x")), r.manager.Delete(r.ctx, "", "x"),
		} {
			if !errors.As(err, &value) || value.Field != "id" {
				t.Errorf("got %v", err)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestWhatDoesNotExist(t *testing.T) {
	prepared(t, func(r *rig) {
		id := uuid.NewString()
		if _, err := r.manager.Open(r.ctx, "", id); !errors.Is(err, conversation.ErrNotFound) {
			t.Errorf("open: %v", err)
		}
		if _, err := r.manager.Peek("", id); !errors.Is(err, conversation.ErrNotFound) {
			t.Errorf("peek: %v", err)
		}
		r.check(r.manager.Delete(r.ctx, "", id))
		r.check(r.manager.Close(r.ctx, id))
		if entries, err := os.ReadDir(r.options.Base); err != nil || len(entries) != 0 {
			t.Errorf("it left %v behind, %v", entries, err)
		}
		if items, next, err := r.manager.List(r.ctx, conversation.Filter{Base: filepath.Join(r.options.Base, "none")}); len(items) != 0 || next != "" || err != nil {
			t.Errorf("list: %v %q %v", items, next, err)
		}
	})
}

func TestTags(t *testing.T) {
	tests := []struct {
		tags map[string]string
		ok   bool
	}{
		{map[string]string{"a1": "x", "0": ""}, true},
		{map[string]string{"a": strings.Repeat("ü", 256)}, true},
		{map[string]string{"a": strings.Repeat("ü", 257)}, false},
		{map[string]string{"a\n": "x"}, false},
		{map[string]string{"a b": "x"}, false},
		{map[string]string{"abcdefghijklmnopqrstuvwxyz0123456789": "any text: ✓\n"}, true},
		{map[string]string{}, true},
		{map[string]string{"": "x"}, false},
		{map[string]string{"A": "x"}, false},
		{map[string]string{"a-b": "x"}, false},
		{map[string]string{"ä": "x"}, false},
	}
	for _, tt := range tests {
		play(t, conversation.Options{Title: "Old", Tags: map[string]string{"x": "1"}}, func(r *rig) {
			var info conversation.Info
			var err error
			r.check(r.c.Update(conversation.Update{Tags: tt.tags}, func(i conversation.Info, e error) { info, err = i, e }))
			r.quiet()
			var value *conversation.ValueError
			if ok := err == nil; ok != tt.ok || !ok && (!errors.As(err, &value) || value.Field != "tags") {
				t.Errorf("%v: %v", tt.tags, err)
			}
			if tt.ok && (info.Title != "Old" || info.Tags["x"] != "" || len(info.Tags) != len(tt.tags)+1) {
				t.Errorf("%v became %v, want them all new but for the title", tt.tags, info.Tags)
			}
			if now := r.info().Tags; !tt.ok && (now["x"] != "1" || now["title"] != "Old") {
				t.Errorf("%v left %v", tt.tags, now)
			}
		})
	}
}

func TestUpdate(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		update := func(u conversation.Update) (conversation.Info, error) {
			var info conversation.Info
			var err error
			r.check(r.c.Update(u, func(i conversation.Info, e error) { info, err = i, e }))
			r.quiet()
			return info, err
		}
		title, none, zero, many := "A title", "", 0, 9
		if i, err := update(conversation.Update{Title: &title}); err != nil || i.Title != title || i.Tags["title"] != title {
			t.Errorf("title: %+v, %v", i, err)
		}
		if i, err := update(conversation.Update{Title: &none}); err != nil || i.Title != "" || len(i.Tags) != 0 {
			t.Errorf("no title: %+v, %v", i, err)
		}
		if i, err := update(conversation.Update{MaxIterations: &many}); err != nil || i.MaxIterations != 9 {
			t.Errorf("limit: %+v, %v", i, err)
		}
		long := strings.Repeat("x", 300)
		for _, u := range []conversation.Update{{MaxIterations: &zero}, {Title: &long}, {MaxIterations: &many, Tags: map[string]string{"-": ""}}} {
			var value *conversation.ValueError
			if _, err := update(u); !errors.As(err, &value) {
				t.Errorf("%+v: %v", u, err)
			}
		}
		if s := r.state(); s["max_iterations"] != 9.0 {
			t.Errorf("on disk: %v", s["max_iterations"])
		}
	})
}

func TestSettingsOfARunningConversation(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("work")
		r.setPolicy(always)
		var info conversation.Info
		var err error
		set := func(raw string) {
			r.check(r.c.SetSecurityAnalyzer(json.RawMessage(raw), func(i conversation.Info, e error) { info, err = i, e }))
			r.info()
		}
		set(`{"kind":"LLMSecurityAnalyzer"}`)
		if err != nil || string(info.SecurityAnalyzer) != `{"kind":"LLMSecurityAnalyzer"}` || info.Status != conversation.Running {
			t.Errorf("analyzer: %s, %v", info.SecurityAnalyzer, err)
		}
		var value *conversation.ValueError
		if set(`{"kind":"Odd"}`); !errors.As(err, &value) || value.Field != "analyzer" {
			t.Errorf("an odd analyzer: %v", err)
		}
		if set(`null`); err != nil || info.SecurityAnalyzer != nil {
			t.Errorf("no analyzer: %s, %v", info.SecurityAnalyzer, err)
		}
		r.check(r.c.SetConfirmationPolicy(json.RawMessage(`{"kind":"Odd"}`), func(_ conversation.Info, e error) { err = e }))
		if r.info(); !errors.As(err, &value) || value.Field != "policy" {
			t.Errorf("an odd policy: %v", err)
		}
		r.answer(do(call("a")))
		r.status(conversation.WaitingForConfirmation, conversation.StopWaiting)
	})
}

func TestASecondProcessIsLockedOut(t *testing.T) {
	talked(t, func(r *rig) {
		// The lock is held by our own process; its file says otherwise.
		lock := must(os.OpenFile(filepath.Join(r.dir(), "agent-rpc.lock"), os.O_WRONLY, 0))
		must(lock.WriteAt(fmt.Appendf(nil, "%-510s", `{"pid":1,"host":"elsewhere"}`), 1))
		r.check(lock.Close())
		other := r.newManager()
		var locked *conversation.LockedError
		if _, err := other.Open(r.ctx, "", r.c.ID()); !errors.As(err, &locked) || locked.Owner.PID != 1 || locked.Owner.Host != "elsewhere" {
			t.Errorf("open: %v", err)
		}
		if err := other.Delete(r.ctx, "", r.c.ID()); !errors.As(err, &locked) {
			t.Errorf("delete: %v", err)
		}
		// Reading needs no lock.
		snap, err := other.Peek("", r.c.ID())
		r.check(err)
		if i := snap.Info(); i.Status != conversation.Finished || i.LockedBy == nil || i.LockedBy.PID != 1 || i.Cursor.Seq != 5 {
			t.Errorf("info: %+v", i)
		}
		if page, err := snap.Events(conversation.Query{}); err != nil || len(page.Records) != 5 || page.Records[3].Display.Title != "answer of a" {
			t.Errorf("%d events, %v", len(page.Records), err)
		}
		r.check(snap.Close())
		items, _, err := other.List(r.ctx, conversation.Filter{})
		if err != nil || len(items) != 1 || items[0].LockedBy == nil {
			t.Errorf("list: %+v, %v", items, err)
		}
		r.close()
		c, err := other.Open(r.ctx, "", r.options.ID)
		r.check(err)
		r.manager = other
		r.use(c)
	})
}

func TestDeleteWhileRunning(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("work")
		r.answer(do(call("a")))
		c := r.c
		r.check(r.manager.Delete(r.ctx, "", c.ID()))
		<-c.Done()
		r.told(`user "work"`, "call a", "failed a", "interrupt", "ended paused interrupted")
		if _, err := os.Stat(r.dir()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the directory: %v", err)
		}
		if r.manager.Opened(c.ID()) != nil {
			t.Error("it is open still")
		}
		r.check(r.manager.Delete(r.ctx, "", c.ID()))
		// The id may be used again.
		r.create()
		r.status(conversation.Idle, "")
		r.ask("anew")
		r.answer(say("hi"))
	})
}

func TestMemory(t *testing.T) {
	play(t, conversation.Options{Base: memory}, func(r *rig) {
		r.ask("work")
		r.answer(do(call("a")))
		r.result("a")
		r.answer(say("done"))
		r.status(conversation.Finished, conversation.StopFinished)
		if n := len(r.page(conversation.Query{}).Records); n != 5 {
			t.Errorf("%d events", n)
		}
		if r.agent.env.Dir != "" {
			t.Errorf("directory %q", r.agent.env.Dir)
		}
		id := r.c.ID()
		r.check(r.manager.Close(r.ctx, id))
		if _, err := r.manager.Open(r.ctx, t.TempDir(), id); !errors.Is(err, conversation.ErrNotFound) {
			t.Errorf("open: %v", err)
		}
		r.create()
		r.status(conversation.Idle, "")
	})
}

func TestShutdownOfMany(t *testing.T) {
	prepared(t, func(r *rig) {
		const n = 8
		var all []*conversation.Conversation
		for i := range n {
			r.options.ID = ""
			r.create()
			all = append(all, r.c)
			if i%2 == 0 {
				r.agent.deaf = i%4 == 0
				r.ask("work")
			}
		}
		r.check(r.manager.CloseAll(r.ctx))
		for _, c := range all {
			<-c.Done()
			c.Agent().(*fake).release()
		}
		if _, _, err := r.manager.Create(r.ctx, conversation.Options{Workspace: "/workspace", Base: r.options.Base}); !errors.Is(err, conversation.ErrDraining) {
			t.Errorf("create: %v", err)
		}
		if _, err := r.manager.Open(r.ctx, "", all[0].ID()); !errors.Is(err, conversation.ErrDraining) {
			t.Errorf("open: %v", err)
		}
		r.manager = r.newManager()
		items, _, err := r.manager.List(r.ctx, conversation.Filter{})
		if err != nil || len(items) != n {
			t.Fatalf("%d conversations, %v", len(items), err)
		}
		for _, i := range items {
			if i.LockedBy != nil || i.Status != conversation.Idle && i.Status != conversation.Paused {
				t.Errorf("%s is %s, locked by %v", i.ID, i.Status, i.LockedBy)
			}
		}
	})
}

// An agent that can't be made leaves nothing open and nothing locked.
func TestAnAgentThatCanNotBeMade(t *testing.T) {
	for _, broken := range []string{"error", "panic"} {
		t.Run(broken, func(t *testing.T) {
			prepared(t, func(r *rig) {
				r.create()
				id := r.c.ID()
				r.close()
				r.manager = r.newManager()
				r.setUp = func(*fake) {
					if broken == "panic" {
						panic("boom")
					}
				}
				if broken == "error" {
					r.manager = conversation.NewManager(r.ctx, conversation.Config{
						Base: r.options.Base, Log: discard,
						NewAgent: func(conversation.AgentEnv) (conversation.Agent, error) { return nil, errors.New("boom") },
					})
				}
				for range 2 {
					if _, err := r.manager.Open(r.ctx, "", id); err == nil || !strings.Contains(err.Error(), "boom") {
						t.Errorf("open: %v", err)
					}
				}
				r.setUp = nil
				r.manager = r.newManager()
				r.create()
			})
		})
	}
}

func TestOpenAtOnce(t *testing.T) {
	talked(t, func(r *rig) {
		id := r.c.ID()
		r.close()
		r.manager = r.newManager()
		got := make(chan *conversation.Conversation)
		for range 8 {
			go func() {
				c, err := r.manager.Open(r.ctx, "", id)
				r.check(err)
				got <- c
			}()
		}
		first := <-got
		for range 7 {
			if c := <-got; c != first {
				t.Error("there are two of it")
			}
		}
		r.use(first)
	})
}

func TestList(t *testing.T) {
	prepared(t, func(r *rig) {
		var ids []string // the newest first
		for i := range 7 {
			r.options.ID = ""
			r.options.Title = fmt.Sprintf("Title %d", i)
			r.options.Workspace = []string{"/one", "/two"}[i%2]
			r.create()
			ids = slices.Insert(ids, 0, r.c.ID())
			r.close()
			// The list goes by the files' times, which may be too coarse to tell.
			stamp := int64(1700000000 + i*100)
			for _, name := range []string{"base_state.json", "agent_rpc.json", "events"} {
				r.check(os.Chtimes(filepath.Join(r.dir(), name), unix(stamp), unix(stamp)))
			}
			r.manager = r.newManager()
		}
		list := func(f conversation.Filter) (got []string, next string) {
			t.Helper()
			items, next, err := r.manager.List(r.ctx, f)
			r.check(err)
			for _, i := range items {
				got = append(got, i.ID)
			}
			return got, next
		}
		if got, next := list(conversation.Filter{}); !slices.Equal(got, ids) || next != "" {
			t.Errorf("all: %v %q, want %v", got, next, ids)
		}
		// Pages of every size hold each conversation once.
		for limit := 1; limit <= 8; limit++ {
			var all []string
			f := conversation.Filter{Limit: limit}
			for {
				got, next := list(f)
				if len(got) > limit {
					t.Errorf("a page of %d has %d", limit, len(got))
				}
				all = append(all, got...)
				if f.Cursor = next; next == "" {
					break
				}
			}
			if !slices.Equal(all, ids) {
				t.Errorf("pages of %d: %v, want %v", limit, all, ids)
			}
		}
		if got, _ := list(conversation.Filter{Workspace: "/one"}); !slices.Equal(got, []string{ids[0], ids[2], ids[4], ids[6]}) {
			t.Errorf("of a workspace: %v", got)
		}
		for _, q := range []string{"TITLE 3", ids[3], ids[3][:13]} {
			if got, _ := list(conversation.Filter{Query: q}); !slices.Equal(got, ids[3:4]) {
				t.Errorf("%s: %v", q, got)
			}
		}
		if got, _ := list(conversation.Filter{Query: "title 3", Workspace: "/one"}); len(got) != 0 {
			t.Errorf("both: %v", got)
		}
		var value *conversation.ValueError
		if _, _, err := r.manager.List(r.ctx, conversation.Filter{Cursor: "odd"}); !errors.As(err, &value) || value.Field != "cursor" {
			t.Errorf("an odd cursor: %v", err)
		}
		// A conversation that can't be read is left out, and the others are there.
		r.check(os.WriteFile(filepath.Join(r.options.Base, strings.ReplaceAll(ids[2], "-", ""), "base_state.json"), []byte("{"), 0o600))
		if got, _ := list(conversation.Filter{}); len(got) != 6 {
			t.Errorf("%d with a damaged one", len(got))
		}
	})
}

// The list tells of what is open as it is, and of what waits what it waits for.
func TestListOfOpenConversations(t *testing.T) {
	waiting(t, func(r *rig) {
		check := func(m *conversation.Manager) {
			t.Helper()
			items, _, err := m.List(r.ctx, conversation.Filter{})
			if err != nil || len(items) != 1 || items[0].Status != conversation.WaitingForConfirmation || len(items[0].Pending) != 1 ||
				items[0].Cursor.Seq != 4 || len(items[0].Queued) != 1 {
				t.Errorf("list: %+v, %v", items, err)
			}
		}
		_, err := r.send("next", "", false, conversation.Queue)
		r.check(err)
		check(r.manager)
		r.close()
		r.manager = r.newManager()
		check(r.manager)
	})
	play(t, conversation.Options{Base: memory}, func(r *rig) {
		r.ask("work")
		items, _, err := r.manager.List(r.ctx, conversation.Filter{Base: t.TempDir()})
		if err != nil || len(items) != 1 || items[0].Status != conversation.Running {
			t.Errorf("list: %+v, %v", items, err)
		}
	})
}

func TestListTellsWhatWaits(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("work")
		r.pause()
		if _, err := r.send("steered", "", false, conversation.Steer); err != nil {
			t.Fatal(err)
		}
		r.answer(do(call("a")))
		r.close()
		r.manager = r.newManager()
		items, _, err := r.manager.List(r.ctx, conversation.Filter{})
		if err != nil || len(items) != 1 || len(items[0].Queued) != 1 {
			t.Errorf("list: %+v, %v", items, err)
		}
	})
}

func TestPages(t *testing.T) {
	talked(t, func(r *rig) {
		seqs := func(p conversation.Page) (list []int) {
			for _, rec := range p.Records {
				list = append(list, rec.Seq)
			}
			return list
		}
		for limit := 1; limit <= 6; limit++ {
			for _, reopened := range []bool{false, true} {
				if reopened {
					r.reopen()
				}
				var forward, backward []int
				q := conversation.Query{Limit: limit}
				for {
					p := r.page(q)
					forward = append(forward, seqs(p)...)
					if q.After = p.Next; p.Next == nil {
						break
					}
				}
				end := 6
				q = conversation.Query{Limit: limit, Before: &end}
				for {
					p := r.page(q)
					backward = append(seqs(p), backward...)
					if q.Before = p.Prev; p.Prev == nil {
						break
					}
				}
				if want := []int{1, 2, 3, 4, 5}; !slices.Equal(forward, want) || !slices.Equal(backward, want) {
					t.Errorf("pages of %d: forward %v, backward %v", limit, forward, backward)
				}
			}
		}
		if got := seqs(r.page(conversation.Query{Kinds: []string{event.KindAction, event.KindObservation}})); !slices.Equal(got, []int{3, 4}) {
			t.Errorf("by kind: %v", got)
		}
		if got := seqs(r.page(conversation.Query{MaxBytes: 1})); !slices.Equal(got, []int{1}) {
			t.Errorf("of one byte: %v", got)
		}
	})
}

func TestSubscriptions(t *testing.T) {
	talked(t, func(r *rig) {
		epoch := r.info().Cursor.Epoch
		cursor := func(epoch, seq int) conversation.Since {
			return conversation.Since{Cursor: &conversation.Cursor{Epoch: epoch, Seq: seq}}
		}
		tests := []struct {
			name  string
			since conversation.Since
			from  int
			reset bool
		}{
			{"the end", conversation.Since{}, 5, false},
			{"the start", conversation.Since{Start: true}, 0, false},
			{"a cursor", cursor(epoch, 3), 3, false},
			{"the newest", cursor(epoch, 5), 5, false},
			{"another epoch", cursor(epoch+1, 3), 0, true},
			{"beyond the end", cursor(epoch, 6), 0, true},
			{"before the start", cursor(epoch, -1), 0, true},
		}
		for _, tt := range tests {
			rec := newRecorder(t, r.dir(), conversation.Cursor{Epoch: epoch, Seq: tt.from})
			var opened conversation.Opened
			r.check(r.c.Subscribe(rec, tt.since, func(o conversation.Opened, err error) {
				r.check(err)
				opened = o
				if len(rec.events) != 0 {
					t.Errorf("%s: events came before the answer", tt.name)
				}
			}))
			synctest.Wait()
			if opened.From != tt.from || opened.To != 5 || opened.Reset != tt.reset || len(rec.events) != 5-tt.from {
				t.Errorf("%s: %d to %d, reset %t, %d events", tt.name, opened.From, opened.To, opened.Reset, len(rec.events))
			}
			r.c.Unsubscribe(rec)
		}
		r.ask("more")
		if len(r.rec.events) == 0 {
			t.Error("the first observer was forgotten")
		}
	})
}

// A conversation whose agent can't be made, because its folder is gone, can be
// read and listed all the same.
func TestReadingWithoutAnAgent(t *testing.T) {
	waiting(t, func(r *rig) {
		r.close()
		m := conversation.NewManager(r.ctx, conversation.Config{
			Base: r.options.Base, Log: discard,
			NewAgent: func(conversation.AgentEnv) (conversation.Agent, error) { return nil, errors.New("the folder is gone") },
		})
		snap, err := m.Peek("", r.options.ID)
		r.check(err)
		defer func() { r.check(snap.Close()) }()
		opened := snap.Opening(conversation.Since{Start: true})
		if i := opened.Info; i.Status != conversation.WaitingForConfirmation || len(i.Pending) != 1 || i.Model != "test/fake" {
			t.Errorf("info: %+v", i)
		}
		rec := newRecorder(t, r.dir(), conversation.Cursor{Epoch: opened.Info.Cursor.Epoch})
		snap.Replay(rec, opened.From, opened.To)
		page, err := snap.Events(conversation.Query{})
		if len(rec.events) != 4 || len(page.Records) != 4 || err != nil {
			t.Errorf("%d events, %d in a page, %v", len(rec.events), len(page.Records), err)
		}
		if items, _, err := m.List(r.ctx, conversation.Filter{}); len(items) != 1 || err != nil {
			t.Errorf("list: %+v, %v", items, err)
		}
		if _, err := m.Open(r.ctx, "", r.options.ID); err == nil {
			t.Error("it can be opened for writing")
		}
	})
}

func TestAForeignStoreKeepsItsLock(t *testing.T) {
	prepared(t, func(r *rig) {
		id := uuid.NewString()
		s, err := store.Open(r.options.Base, id, store.ReadWrite)
		r.check(err)
		r.options.ID = id
		var locked *conversation.LockedError
		if _, _, err := r.manager.Create(r.ctx, r.options); !errors.As(err, &locked) {
			t.Errorf("create: %v", err)
		}
		r.check(s.Close())
		r.create()
	})
}

func TestContextsOfCallers(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.agent.deaf = true
		r.ask("work")
		ctx, cancel := context.WithCancel(r.ctx)
		cancel()
		if err := r.c.Close(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("close: %v", err)
		}
		// The close goes on all the same.
		<-r.c.Done()
		r.told(`user "work"`, "interrupt", "ended paused interrupted")
	})
}

// What nobody has opened since its process died is shown as opening would find
// it, and nothing is written for that.
func TestADeadRunIsShownAsDead(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("work")
		r.answer(do(call("a")))
		other := r.newManager()
		show := func() (list []conversation.Info) {
			t.Helper()
			snap, err := other.Peek("", r.options.ID)
			r.check(err)
			list = append(list, snap.Info())
			r.check(snap.Close())
			listed, _, err := other.List(r.ctx, conversation.Filter{})
			r.check(err)
			return append(list, listed...)
		}
		for _, i := range show() {
			if i.Status != conversation.Running || i.LockedBy == nil {
				t.Errorf("while it runs: %s, held by %v", i.Status, i.LockedBy)
			}
		}
		crash(r)
		files := r.log()
		before := must(os.ReadFile(filepath.Join(r.dir(), "base_state.json")))
		shown := show()
		if len(shown) != 2 {
			t.Fatalf("%d are shown", len(shown))
		}
		if after := must(os.ReadFile(filepath.Join(r.dir(), "base_state.json"))); !bytes.Equal(before, after) || len(r.log()) != len(files) {
			t.Error("looking has changed something")
		}
		r.reopen()
		found := r.info()
		for _, i := range shown {
			if i.Status != found.Status || i.StopReason != found.StopReason || i.RunID != found.RunID || i.Error == nil || i.Error.Code != found.Error.Code {
				t.Errorf("shown as %+v, found as %+v", i, found)
			}
		}
	})
}

// A conversation that could not be made leaves no folder.
func TestAFailedCreateLeavesNothing(t *testing.T) {
	prepared(t, func(r *rig) {
		id := uuid.NewString()
		for _, o := range []conversation.Options{
			{},
			{Workspace: "/w", Policy: json.RawMessage(`{"kind":"Odd"}`)},
			{Workspace: "/w", Tags: map[string]string{"A": "b"}},
			{Workspace: "/w", Secrets: map[string]json.RawMessage{"": json.RawMessage(`"x"`)}},
		} {
			o.Base, o.ID = r.options.Base, id
			if _, _, err := r.manager.Create(r.ctx, o); err == nil {
				t.Errorf("%+v was made", o)
			}
		}
		if names, err := os.ReadDir(r.options.Base); err != nil || len(names) != 0 {
			t.Errorf("left: %v, %v", names, err)
		}
		if r.manager.Exists(r.options.Base, id) {
			t.Error("it exists")
		}
		r.options.ID = id
		r.create()
		if !r.manager.Exists(r.options.Base, strings.ReplaceAll(id, "-", "")) || !r.newManager().Exists(r.options.Base, id) {
			t.Error("it does not exist")
		}
	})
}
