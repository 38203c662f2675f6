package conversation_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/secret"
	"github.com/agent-rpc/agent-rpc/internal/security"
)

// rig is one conversation with a fake agent, observed by a recorder. It lives in
// a synctest bubble: after every verb it waits until all that follows from it is
// done, and the second of grace after an interrupt takes no time.
type rig struct {
	t       reporter
	ctx     context.Context
	manager *conversation.Manager
	options conversation.Options
	// setUp is called with every agent that is made.
	setUp func(*fake)
	// secrets are the options of the conversation's secrets.
	secrets secret.Options
	// hooks, if not nil, are the conversation's.
	hooks *hooks
	// changes, if not nil, are looked after.
	changes *changes

	c     *conversation.Conversation
	agent *fake
	rec   *recorder
}

// play runs a test in a bubble with a conversation on disk.
func play(t *testing.T, o conversation.Options, test func(*rig)) {
	t.Helper()
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, t.Context(), root, o)
		defer r.end()
		r.create()
		test(r)
	})
}

// prepared is play without a conversation, for tests that put something on disk
// before or set the agent up.
func prepared(t *testing.T, test func(*rig)) {
	t.Helper()
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, t.Context(), root, conversation.Options{})
		defer r.end()
		test(r)
	})
}

func newRig(t reporter, ctx context.Context, root string, o conversation.Options) *rig {
	r := &rig{t: t, ctx: ctx, options: o}
	if r.options.Workspace == "" {
		r.options.Workspace = "/workspace"
	}
	switch r.options.Base {
	case "":
		r.options.Base = root
	case memory:
		r.options.Base = ""
	}
	r.manager = r.newManager()
	return r
}

var discard = slog.New(slog.DiscardHandler)

func unix(seconds int64) time.Time { return time.Unix(seconds, 0) }

// memory as Options.Base keeps the conversation in memory.
const memory = "memory"

func (r *rig) newManager() *conversation.Manager {
	return conversation.NewManager(context.WithoutCancel(r.ctx), conversation.Config{
		NewChanges: func(conversation.ChangesEnv) (conversation.Changes, error) {
			if r.changes == nil {
				return nil, nil
			}
			return r.changes, nil
		},
		Base: r.options.Base, Log: discard, Secrets: func(string) secret.Options { return r.secrets }, NewHooks: r.newHooks,
		Security: security.Judge{},
		NewAgent: func(env conversation.AgentEnv) (conversation.Agent, error) {
			f := &fake{env: env}
			if r.setUp != nil {
				r.setUp(f)
			}
			return f, nil
		},
	})
}

func (r *rig) create() {
	r.t.Helper()
	c, _, err := r.manager.Create(r.ctx, r.options)
	if err != nil {
		r.t.Fatalf("create: %v", err)
	}
	r.use(c)
}

// use makes c the conversation of the rig and observes it.
func (r *rig) use(c *conversation.Conversation) {
	r.t.Helper()
	r.c, r.agent = c, c.Agent().(*fake)
	r.options.ID = c.ID()
	info := r.info()
	r.rec = newRecorder(r.t, r.dir(), info.Cursor)
	r.check(c.Subscribe(r.rec, conversation.Since{}, func(conversation.Opened, error) {}))
	synctest.Wait()
}

// dir is where the conversation is stored; "" in memory.
func (r *rig) dir() string {
	if r.options.Base == "" {
		return ""
	}
	return filepath.Join(r.options.Base, strings.ReplaceAll(r.options.ID, "-", ""))
}

func (r *rig) end() {
	r.t.Helper()
	if r.c != nil {
		r.agent.mu.Lock()
		r.agent.deaf = false
		r.agent.mu.Unlock()
		if err := r.manager.CloseAll(r.ctx); err != nil {
			r.t.Errorf("closing: %v", err)
		}
		r.agent.release()
		synctest.Wait()
	}
}

// reopen closes the conversation and opens it with a manager of its own, as
// another process would.
func (r *rig) reopen() {
	r.t.Helper()
	r.close()
	r.manager = r.newManager()
	c, err := r.manager.Open(r.ctx, "", r.options.ID)
	if err != nil {
		r.t.Fatalf("open: %v", err)
	}
	r.use(c)
}

func (r *rig) close() {
	r.t.Helper()
	r.check(r.manager.CloseAll(r.ctx))
	r.agent.release()
	synctest.Wait()
}

func (r *rig) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatalf("%v", err)
	}
}

// The verbs, each until all is done that follows from it.

func (r *rig) info() (info conversation.Info) {
	r.t.Helper()
	synctest.Wait()
	r.check(r.c.Info(func(i conversation.Info) { info = i }))
	synctest.Wait()
	return info
}

func (r *rig) run() (runID string, err error) {
	r.t.Helper()
	r.check(r.c.Run(func(id string, e error) { runID, err = id, e }, nil))
	synctest.Wait()
	return runID, err
}

// mustRun starts a run.
func (r *rig) mustRun() string {
	r.t.Helper()
	id, err := r.run()
	r.check(err)
	return id
}

// ask sends a message and runs.
func (r *rig) ask(text string) conversation.Sent {
	r.t.Helper()
	sent, err := r.send(text, "", true, conversation.Queue)
	r.check(err)
	return sent
}

func (r *rig) send(text, id string, run bool, busy conversation.WhenBusy) (sent conversation.Sent, err error) {
	r.t.Helper()
	r.check(r.c.SendMessage(message(text, id), run, busy, func(s conversation.Sent, e error) { sent, err = s, e }))
	synctest.Wait()
	return sent, err
}

func message(text, id string) conversation.Outgoing {
	return conversation.Outgoing{ID: id, Message: event.LLMMessage{Role: event.RoleUser, Content: []event.Content{event.Text(text)}}}
}

func (r *rig) pause() (status conversation.Status) {
	r.t.Helper()
	var err error
	r.check(r.c.Pause(func(s conversation.Status, e error) { status, err = s, e }))
	synctest.Wait()
	r.check(err)
	return status
}

func (r *rig) interrupt() {
	r.t.Helper()
	var err error
	r.check(r.c.Interrupt(func(e error) { err = e }))
	synctest.Wait()
	r.check(err)
}

func (r *rig) confirm(a conversation.Confirmation) (accepted bool, by *conversation.Resolution, err error) {
	r.t.Helper()
	if a.Via == "" {
		a.Via = "confirm"
	}
	r.check(r.c.Confirm(a, func(ok bool, res *conversation.Resolution, e error) { accepted, by, err = ok, res, e }))
	synctest.Wait()
	return accepted, by, err
}

// requestID is what waits.
func (r *rig) requestID() string {
	r.t.Helper()
	pending := r.info().Pending
	if len(pending) != 1 {
		r.t.Fatalf("%d requests wait, want 1; status %s", len(pending), r.info().Status)
	}
	return pending[0].RequestID
}

func (r *rig) reject(reason string) (n int, err error) {
	r.t.Helper()
	r.check(r.c.RejectPendingActions(reason, func(k int, e error) { n, err = k, e }))
	synctest.Wait()
	return n, err
}

func (r *rig) setPolicy(raw string) {
	r.t.Helper()
	var err error
	r.check(r.c.SetConfirmationPolicy(json.RawMessage(raw), func(_ conversation.Info, e error) { err = e }))
	synctest.Wait()
	r.check(err)
}

// The agent's moves.

// thinking is the model call that goes on.
func (r *rig) thinking() *work {
	r.t.Helper()
	synctest.Wait()
	w := r.agent.take(&r.agent.thinks)
	if w == nil {
		r.t.Fatalf("the model was not asked; status %s, told %q", r.info().Status, r.rec.told())
	}
	return w
}

// acting is the tool call that goes on.
func (r *rig) acting() *work {
	r.t.Helper()
	synctest.Wait()
	w := r.agent.take(&r.agent.acts)
	if w == nil {
		r.t.Fatalf("no tool was called; status %s, told %q", r.info().Status, r.rec.told())
	}
	return w
}

// answer lets the model call that goes on return.
func (r *rig) answer(t *conversation.Thought) {
	r.t.Helper()
	r.thinking().answers <- answer{thought: t}
	synctest.Wait()
}

// result lets the tool call that goes on return, and checks which it is.
func (r *rig) result(id string) {
	r.t.Helper()
	w := r.acting()
	if w.action.ToolCallID != id {
		r.t.Fatalf("the tool call is %s, want %s", w.action.ToolCallID, id)
	}
	w.answers <- answer{event: observed(w.action, "done "+id)}
	synctest.Wait()
}

// quiet checks that neither the model nor a tool was asked.
func (r *rig) quiet() {
	r.t.Helper()
	synctest.Wait()
	if w := r.agent.take(&r.agent.thinks); w != nil {
		r.t.Fatalf("the model was asked")
	}
	if w := r.agent.take(&r.agent.acts); w != nil {
		r.t.Fatalf("the tool call %s was carried out", w.action.ToolCallID)
	}
}

// status checks the status and why the last run stopped.
func (r *rig) status(want conversation.Status, why conversation.StopReason) {
	r.t.Helper()
	if i := r.info(); i.Status != want || i.StopReason != why {
		r.t.Fatalf("status %q %q, want %q %q; told %q", i.Status, i.StopReason, want, why, r.rec.told())
	}
}

// told checks what the observer was told since the last time: events, terminal
// states, questions, deltas.
func (r *rig) told(want ...string) {
	r.t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(want, r.rec.told()); diff != "" {
		r.t.Fatalf("told (-want +got):\n%s", diff)
	}
}

// log gives the names of the event files.
func (r *rig) log() []string {
	r.t.Helper()
	names, err := filepath.Glob(filepath.Join(r.dir(), "events", "event-*.json"))
	r.check(err)
	return names
}

// state reads base_state.json.
func (r *rig) state() map[string]any {
	r.t.Helper()
	return r.readJSON("base_state.json")
}

func (r *rig) readJSON(name string) map[string]any {
	r.t.Helper()
	raw, err := os.ReadFile(filepath.Join(r.dir(), name))
	r.check(err)
	var v map[string]any
	r.check(json.Unmarshal(raw, &v))
	return v
}

func (r *rig) remove(path string) {
	r.t.Helper()
	r.check(os.Remove(path))
}

func (r *rig) read(path string) ([]byte, error) { return os.ReadFile(path) }

// edit changes a JSON file of a conversation that is closed.
func (r *rig) edit(name string, change func(map[string]any)) {
	r.t.Helper()
	v := r.readJSON(name)
	change(v)
	r.check(os.WriteFile(filepath.Join(r.dir(), name), must(json.Marshal(v)), 0o600))
}

const (
	always = `{"kind":"AlwaysConfirm"}`
	never  = `{"kind":"NeverConfirm"}`
)

// asking are the options of a conversation that asks for every action.
func asking() conversation.Options { return conversation.Options{Policy: json.RawMessage(always)} }
