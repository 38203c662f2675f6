// Package conversation is OpenHands' LocalConversation: one conversation with an
// agent over a folder, with its events, its state and its runs.
//
// Each open conversation is owned by one goroutine. Everything that reads or
// changes its state is a function posted to that goroutine's mailbox; the model
// and the tools work in goroutines of their own, which hand their results back
// through the mailbox. What is published was on disk before.
//
// It knows no tool, no provider and no wire: the agent comes in through the
// [Agent] interface, the faces listen as an [Observer].
package conversation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/policy"
	"github.com/agent-rpc/agent-rpc/internal/conversation/secret"
	"github.com/agent-rpc/agent-rpc/internal/conversation/stats"
	"github.com/agent-rpc/agent-rpc/internal/conversation/store"
	"github.com/agent-rpc/agent-rpc/internal/conversation/stuck"
)

// DefaultMaxIterations is OpenHands' limit of steps per run.
const DefaultMaxIterations = 500

// Conversation is one open conversation. Its verbs return at once: what they
// found or did is handed to their reply function, from the conversation's own
// goroutine, before anything that follows from it is published. Where a verb
// returns an error itself (the conversation is closed), reply is not called;
// where the conversation closes before the verb's turn comes, reply gets
// [ErrClosed].
type Conversation struct {
	id        string
	workspace string
	agent     Agent           // nil only in a Snapshot whose agent could not be made
	given     json.RawMessage // what the agent was made of, secrets in clear; never stored
	secrets   *secret.Registry
	hooks     Hooks
	security  Security
	// workspaces keeps what holds for all conversations of a workspace.
	workspaces *store.Workspaces
	log        *slog.Logger
	box        *mailbox
	ended      chan struct{}
	observers  atomic.Pointer[[]Observer]

	// What follows belongs to the conversation's goroutine.

	store     *store.Store
	history   *history
	side      *sidecar
	kept      baseState // what OpenHands stores and we only carry along
	status    Status
	maxIter   int
	stuckOn   bool
	detector  stuck.Detector
	policy    policy.Confirmation
	analyzer  policy.Analyzer // nil if there is none
	stats     stats.Stats
	tags      map[string]string
	run       *run
	direct    *direct // a call outside of a run
	track     tracking
	diedInRun bool // it was opened after its process had died in a run
	greeted   bool // a run has been going on since it was opened
	measured  measure
	// condenseFrom is how long the view must be before a condensation that failed
	// and that nobody needs is tried again.
	condenseFrom int
	sent         map[string]Sent
	// said holds the actions that are open and whose secrets are masked in the
	// log, as the model said them, by their id. It is never stored.
	said     map[string]json.RawMessage
	unread   int // secrets of the stored agent that can't be read
	out      []func(Observer)
	dirty    bool // base_state.json is behind
	unstored bool // it could not be written, which was logged
	changed  bool // observers have not been told the newest state
	onChange func()
	closing  bool
	unpriced bool // it was said that a budget can't hold
	unnamed  bool // a run has finished, and the conversation wants a title
}

// ID is the conversation's id, with dashes.
func (c *Conversation) ID() string { return c.id }

// Workspace is the absolute path of the workspace's root.
func (c *Conversation) Workspace() string { return c.workspace }

// Agent is the conversation's agent.
func (c *Conversation) Agent() Agent { return c.agent }

// Done is closed when the conversation has been closed.
func (c *Conversation) Done() <-chan struct{} { return c.ended }

// loop is the conversation's goroutine. What it started ends with it.
func (c *Conversation) loop(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer close(c.ended)
	for !c.closing {
		<-c.box.wake
		for _, f := range c.box.take() {
			c.turn(ctx, f)
		}
	}
	for _, f := range c.box.shut() {
		c.turn(ctx, f)
	}
}

// turn runs one posted function, then stores and publishes what it did.
func (c *Conversation) turn(ctx context.Context, f func(context.Context)) {
	if err := c.guard("a conversation", func() { f(ctx) }); err != nil {
		_ = c.guard("the end of a run", func() { c.broken(err) }) // logged, and there is no more to do
	}
	_ = c.guard("a conversation's state", c.settle)     // logged; the next turn tries again
	_ = c.guard("a title", func() { c.nameIfDue(ctx) }) // logged
}

// guard turns a panic into an error, and writes down where it came from.
func (c *Conversation) guard(what string, f func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("panic in "+what, "conversation", c.id, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("internal error: panic in %s: %v", what, p)
		}
	}()
	f()
	return nil
}

// describe asks the agent what to show of an event; where it breaks a client
// shows what it can.
func (c *Conversation) describe(e event.Event, action *event.Action) (d *event.Display) {
	if c.agent == nil {
		return nil
	}
	_ = c.guard("a display", func() { d = c.agent.Describe(e, action) }) // logged
	return d
}

// settle brings the disk and the observers up to date.
func (c *Conversation) settle() {
	_ = c.secure() // logged
	c.flush()
	if c.changed {
		c.changed = false
		info := c.info()
		if c.run == nil {
			// The terminal state of a run is told once.
			info.RunID = ""
		}
		for _, o := range c.listeners() {
			o.State(info, false)
		}
	}
}

// publish queues something for the observers until the turn is over.
func (c *Conversation) publish(tell func(Observer)) { c.out = append(c.out, tell) }

func (c *Conversation) flush() {
	out := c.out
	c.out = nil
	for _, tell := range out {
		for _, o := range c.listeners() {
			tell(o)
		}
	}
}

func (c *Conversation) listeners() []Observer {
	if p := c.observers.Load(); p != nil {
		return *p
	}
	return nil
}

// post hands f to the conversation's goroutine.
func (c *Conversation) post(f func(context.Context)) error {
	if !c.box.post(f) {
		return ErrClosed
	}
	return nil
}

// request posts a verb. One whose turn comes when the conversation has closed is
// refused: its store is gone, and nothing may start any more.
func (c *Conversation) request(refuse func(error), f func(context.Context)) error {
	return c.post(func(ctx context.Context) {
		if c.closing {
			refuse(ErrClosed)
			return
		}
		f(ctx)
	})
}

// append stamps an event, masks it, stores it and publishes it.
func (c *Conversation) append(e event.Event) (int, error) {
	for {
		m := e.Head()
		if m.ID == "" {
			m.ID = uuid.NewString()
		}
		if m.Timestamp == "" {
			m.Timestamp = event.Timestamp(time.Now())
		}
		m.ParentID = c.history.leaf()
		if m.ParentID == "" && c.history.store.Len() > 0 {
			m.ParentID = event.Root
		}
		raw, err := event.Encode(e)
		if err != nil {
			return 0, err
		}
		if e, raw, err = c.mask(e, raw); err != nil {
			return 0, err
		}
		seq, err := c.history.append(e, raw)
		var changed *store.ChangedError
		if errors.As(err, &changed) {
			if err := c.takeForeign(changed.From); err != nil {
				return 0, &PersistenceError{err}
			}
			continue
		}
		if err != nil {
			return 0, &PersistenceError{err}
		}
		c.publishEvent(seq, e, raw)
		return seq, nil
	}
}

func (c *Conversation) publishEvent(seq int, e event.Event, raw json.RawMessage) {
	r := Record{Seq: seq, Event: e, JSON: raw, Display: c.describe(e, c.history.action(e, seq)), cuts: new(cuts)}
	epoch := c.history.epoch
	c.publish(func(o Observer) { o.Event(epoch, r) })
}

// takeForeign takes in the events that another program, such as the Python SDK,
// wrote to the log.
func (c *Conversation) takeForeign(from int) error {
	h, old := c.history, *c.history
	before := old.len()
	c.touch()
	if h.linear() && from == h.known && h.continues(from) {
		h.known, h.loaded = h.store.Len(), false
	} else {
		if err := h.rebranch("", h.store.Len()); err != nil {
			return err
		}
		if from < old.known || !h.extends(&old) {
			h.epoch++
		}
	}
	if err := h.load(); err != nil {
		return err
	}
	for seq := before + 1; seq <= h.len(); seq++ {
		raw, err := h.raw(seq)
		if err != nil {
			return err
		}
		e, err := h.at(seq)
		if err != nil {
			return err
		}
		c.publishEvent(seq, e, raw)
	}
	return nil
}

// touch notes that the state changed.
func (c *Conversation) touch() { c.dirty, c.changed = true, true }

// setStatus changes the status.
func (c *Conversation) setStatus(s Status) {
	if c.status != s {
		c.status = s
		c.touch()
	}
}

// secure stores the state if the disk is behind. What a verb accepts is stored
// before its reply: it survives the death of the process right after.
func (c *Conversation) secure() error {
	if c.dirty {
		return c.save()
	}
	return nil
}

// save writes agent_rpc.json and base_state.json, in this order: a process that
// dies between them leaves a status that is one step behind its record, which
// recover understands, never one whose run is not known. Where it fails a
// run that executes goes on: its events are what counts, and the state is written
// when something next happens. Errors are of type [*PersistenceError]; the first in
// a row is logged.
func (c *Conversation) save() error {
	var err error
	_ = c.guard("the state's encoding", func() { err = c.write() }) // logged; the disk is not to blame
	if c.dirty = err != nil; !c.dirty {
		c.unstored = false
		return nil
	}
	if !c.unstored {
		c.log.Error("storing the state", "conversation", c.id, "error", err)
	}
	c.unstored = true
	return &PersistenceError{err}
}

func (c *Conversation) write() error {
	c.side.UpdatedAt = time.Now().UTC()
	c.side.Epoch, c.side.Linear, c.side.Known, c.side.Seq = c.history.epoch, c.history.linear(), c.history.known, c.history.len()
	c.side.Executing = c.run != nil && c.status != WaitingForConfirmation && !c.onlyAsks()
	c.side.ClientSecrets = c.secrets.Clients()
	c.forgetSaid()
	s := c.kept
	s.ID, s.Agent, s.Workspace = c.id, c.agent.Spec(), workspaceState{c.workspace, "LocalWorkspace"}
	s.PersistenceDir, s.MaxIterations, s.StuckDetection = c.store.Dir(), c.maxIter, &c.stuckOn
	s.ExecutionStatus, s.Policy, s.Analyzer = c.status.stored(), encoded(c.policy), c.analyzerJSON()
	s.LastUserMessageID, s.LeafEventID = c.history.lastUserMessage, c.history.leaf()
	s.HeadIsEmpty = s.LeafEventID == "" && c.history.store.Len() > 0
	s.Stats, s.SecretRegistry, s.Tags = c.stats.AppendJSON(nil), encoded(c.secrets), c.tags
	s.HookConfig = c.secrets.MaskJSON(c.hooks.Config())
	c.side.Head = s.head()
	side, err := json.Marshal(c.side)
	if err != nil {
		return err
	}
	sideErr := c.store.SaveSidecar(side)
	if err := errors.Join(sideErr, c.store.SaveState(s.encode())); err != nil {
		return err
	}
	c.side.Before = c.side.Head
	return nil
}

// info is a snapshot of the state.
func (c *Conversation) info() Info {
	i := Info{
		ID: c.id, Title: c.tags["title"], Workspace: c.workspace, Status: c.status,
		RunID: c.side.RunID, StopReason: c.side.StopReason, Error: c.side.Error,
		CreatedAt: c.side.CreatedAt, UpdatedAt: c.side.UpdatedAt,
		Cursor:        Cursor{c.history.epoch, c.history.len()},
		MaxIterations: c.maxIter, MaxBudget: c.side.MaxBudget, AutoTitle: c.side.AutoTitle,
		ConfirmationPolicy: encoded(c.policy), SecurityAnalyzer: c.analyzerJSON(),
		LLMs: c.llms(), Stats: c.stats.AppendSnapshot(nil), Rules: c.rules(),
		Queued: c.queued(), Tags: maps.Clone(c.tags), Pending: c.pending(), StuckThresholds: c.thresholds(), Changes: c.side.Changes,
	}
	i.Model = i.LLMs[0].Model
	return i
}

// thresholds are those of stuck detection; nil where it is off.
func (c *Conversation) thresholds() *stuck.Thresholds {
	if !c.stuckOn {
		return nil
	}
	if c.side.StuckThresholds == nil {
		return new(stuck.Defaults())
	}
	return new(*c.side.StuckThresholds)
}

// llms are the agent's models, or the stored agent's own where there is no agent.
func (c *Conversation) llms() []LLM {
	if c.agent != nil {
		return c.agent.LLMs()
	}
	var spec struct {
		LLM struct {
			Model   string `json:"model"`
			UsageID string `json:"usage_id"`
		} `json:"llm"`
	}
	_ = json.Unmarshal(c.kept.Agent, &spec) // what can't be read has no name
	return []LLM{{UsageID: spec.LLM.UsageID, Model: spec.LLM.Model}}
}

// queued are the messages that wait, in the order in which they would go in.
func (c *Conversation) queued() []Outgoing {
	return slices.Concat(c.side.Steering, c.side.Queue)
}

// analyzerJSON is the analyzer as it is stored; nil if there is none. One that
// this version can't run is kept as it was.
func (c *Conversation) analyzerJSON() json.RawMessage {
	if c.analyzer == nil {
		return c.kept.Analyzer
	}
	return encoded(c.analyzer)
}

// encoded is for values of ours, which always encode.
func encoded(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}

// Info hands out a snapshot of the state.
func (c *Conversation) Info(reply func(Info)) error {
	return c.post(func(context.Context) { reply(c.info()) })
}

// Close ends a run that executes (its state says so), ends the tools, writes
// what is left and gives up the lock. A run that waits stays waiting, on disk.
// It may be called twice, and returns when all is done or ctx ends.
func (c *Conversation) Close(ctx context.Context) error {
	_ = c.post(func(ctx context.Context) { c.close(ctx) }) // closed already: fine
	select {
	case <-c.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Conversation) close(ctx context.Context) {
	if c.closing {
		return
	}
	if c.direct != nil {
		c.direct.onEnd = append(c.direct.onEnd, func() { c.close(ctx) })
		c.stopDirect(closeGrace)
		return
	}
	if c.onlyAsks() && c.run.phase != nil {
		// The questions wait on disk; the calls that ask are made again.
		_ = c.save() // logged
		c.run.phase.shut()
		c.run.phase.cancel()
		c.run.phase, c.run.batch = nil, nil
	}
	if c.run != nil && c.run.phase != nil {
		// Finish closing when the work has ended.
		c.run.onEnd = append(c.run.onEnd, func() { c.close(ctx) })
		c.cancelWork(closeGrace)
		return
	}
	c.endChanges()
	c.closing = true
	ctx, cancel := context.WithTimeout(ctx, toolsGrace)
	defer cancel()
	tools := make(chan struct{})
	go func() {
		defer close(tools)
		_ = c.guard("the end of the tools", func() { // logged
			if err := c.agent.Close(ctx); err != nil {
				c.log.Warn("closing the tools", "conversation", c.id, "error", err)
			}
		})
	}()
	c.endSession(ctx)
	<-tools
	c.awaitChanges(ctx)
	c.settle()
	if err := c.store.Sync(); err != nil {
		c.log.Error("syncing the conversation", "conversation", c.id, "error", err)
	}
	if err := c.store.Close(); err != nil {
		c.log.Error("unlocking the conversation", "conversation", c.id, "error", err)
	}
}
