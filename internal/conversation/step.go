package conversation

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/policy"
)

// begin starts a phase of work: do runs in a goroutine of its own and gives
// what is to be done with its result in the conversation's goroutine. A result
// that comes after the phase was given up is thrown away.
func (c *Conversation) begin(ctx context.Context, do func(context.Context, *phase) func(context.Context)) {
	workCtx, work := c.startWork(ctx)
	go func() {
		defer work.cancel()
		then := do(workCtx, work)
		_ = c.post(func(ctx context.Context) { // closed: the result is of no use
			if c.run != nil && c.run.phase == work {
				c.run.phase = nil
				work.shut()
				then(ctx)
			}
		})
	}()
}

// startWork makes the run's phase. After a crash nothing that may have been done
// is done again, and nothing that was approved waits again, so the disk says that
// the run executes before it does; and what led to the work is told before it, for
// a tool may ask the client.
func (c *Conversation) startWork(ctx context.Context) (context.Context, *phase) {
	ctx, cancel := context.WithCancel(ctx)
	work := &phase{cancel: cancel}
	c.run.phase = work
	_ = c.secure() // logged
	c.flush()
	return ctx, work
}

// think makes the model's step: a condensation where one is due, else a question.
func (c *Conversation) think(ctx context.Context) {
	if d := c.due(); d != nil {
		c.condense(ctx, d)
		return
	}
	c.ask(ctx)
}

// ask asks the model once.
func (c *Conversation) ask(ctx context.Context) {
	if err := c.tellUndone(); err != nil {
		c.fail(err)
		return
	}
	c.beginChanges(ctx)
	weight := c.history.view.Weight(c.agent.Render)
	q := Question{
		Messages: c.history.view.Messages(c.agent.Render),
		CacheKey: c.id,
		EventID:  uuid.NewString(),
		Analyzed: c.analyzer != nil,
	}
	runID := c.run.id
	c.begin(ctx, func(ctx context.Context, work *phase) (then func(context.Context)) {
		deltas := c.newDeltas(work, runID)
		q.Stream = func(p Piece) {
			if p.ToolCallID != "" {
				deltas.send("", p.ToolCallID, p.Stream, p.Text)
			} else {
				deltas.send(q.EventID, "", p.Stream, p.Text)
			}
		}
		var t *Thought
		var err error
		if broken := c.guard("the model call", func() { t, err = c.agent.Think(ctx, q) }); broken != nil {
			err = broken
		} else if t == nil && err == nil {
			err = errors.New("internal error: the model call gave nothing")
		}
		deltas.end()
		var vetoes reasons
		if err == nil {
			identify(t.Events, q.EventID)
			vetoes = c.checkCalls(ctx, t)
		}
		return func(ctx context.Context) {
			if t != nil {
				c.measured = measure{t.Call.PromptTokens, weight, t.Call.ContextWindow}
			}
			c.thought(ctx, t, vetoes, err)
		}
	})
}

// identify gives the events of an answer their ids; deltas have named the first.
func identify(events []event.Event, first string) {
	for i, e := range events {
		if e.Head().ID = first; i > 0 {
			e.Head().ID = uuid.NewString()
		}
	}
}

// thought takes the model's answer.
func (c *Conversation) thought(ctx context.Context, t *Thought, vetoes reasons, err error) {
	if t != nil {
		c.stats.Add(t.Call)
	}
	switch {
	case c.run.interrupting && err != nil:
		c.interrupted()
		return
	case err != nil:
		c.modelFailed(ctx, err)
		return
	}
	c.run.overflows, c.run.condensed = 0, false
	events := make([]event.Event, 0, len(t.Told)+len(t.Events))
	for _, text := range t.Told {
		events = append(events, nudge(text))
	}
	if err := c.appendAll(append(events, t.Events...)...); err != nil {
		c.fail(err)
		return
	}
	for id, reason := range vetoes {
		c.kept.BlockedActions.set(id, reason)
		c.touch()
	}
	switch {
	case c.run.interrupting:
		c.interrupted()
	case t.Final:
		c.setStatus(Finished)
		c.stepped(ctx)
	case t.Nudge != "":
		if err := c.appendAll(nudge(t.Nudge)); err != nil {
			c.fail(err)
			return
		}
		c.stepped(ctx)
	default:
		c.decide(ctx)
	}
}

// modelFailed goes on after failures that the model can mend, and ends the run
// after others.
func (c *Conversation) modelFailed(ctx context.Context, err error) {
	var long overflow
	if errors.As(err, &long) && (long.Overflow() || long.Malformed()) {
		c.overflowed(ctx, long)
		return
	}
	var nudged interface{ Nudge() string }
	if errors.As(err, &nudged) {
		if text := nudged.Nudge(); text != "" {
			if err := c.appendAll(nudge(text)); err != nil {
				c.fail(err)
				return
			}
			c.stepped(ctx)
			return
		}
	}
	c.fail(err)
}

// decide lets the policy say whether the new actions may be carried out.
func (c *Conversation) decide(ctx context.Context) {
	actions, err := c.rejectBlocked(c.history.open.Actions())
	switch {
	case err != nil:
		c.fail(err)
		return
	case len(actions) == 0:
		c.stepped(ctx) // every call was invalid or blocked, and is answered
		return
	}
	d := c.judge(actions)
	if d.confirm && !c.covered(actions, d.actions) {
		if len(c.side.Steering) > 0 {
			// What the user said meanwhile is the answer: the model reads it first.
			if _, err := c.rejectOpen(c.side.Steering[0].Message.Text()); err != nil {
				c.fail(err)
				return
			}
			c.stepped(ctx)
			return
		}
		c.side.Asked = &asked{Reason: d.reason, Actions: map[string]askedAction{}}
		for i, a := range actions {
			c.side.Asked.Actions[a.ID] = d.actions[i]
		}
		c.askUser()
		return
	}
	if c.run.pausing {
		c.stepped(ctx) // the actions stay open until the run goes on
		return
	}
	if d.confirm {
		c.publishResolution(Resolution{RequestID: requestID(actions), Outcome: "approved", Via: "rule"})
	}
	c.act(ctx, actions)
}

// decision is what is said of a batch.
type decision struct {
	confirm bool
	reason  string
	actions []askedAction // in the order of the batch
}

// judge applies the confirmation policy and the rule for files outside the
// workspace.
func (c *Conversation) judge(actions []*event.Action) decision {
	var d decision
	var reasons []string
	for i, j := range policy.Decide(c.policy, c.analyzer, c.allAsSaid(actions)) {
		said := askedAction{j.Risk, j.Ask, c.secrets.Mask(j.Reason)}
		if said.Ask {
			reasons = append(reasons, actions[i].ToolName+": "+said.Reason)
		}
		if path := c.outside(actions[i]); path != "" && c.policy.Active() {
			said.Ask, said.Reason = true, c.secrets.Mask(path)+" is outside the workspace"
			reasons = append(reasons, said.Reason)
		}
		d.confirm = d.confirm || said.Ask
		d.actions = append(d.actions, said)
	}
	for i := range d.actions {
		if d.confirm && !d.actions[i].Ask {
			d.actions[i].Reason = "it waits with the others"
		}
	}
	d.reason = strings.Join(reasons, "; ")
	return d
}

// outside gives the first path outside the workspace that an action would touch.
// Where the agent can't tell the action counts as one.
func (c *Conversation) outside(a *event.Action) (path string) {
	if err := c.guard("the look at an action's paths", func() { path = c.agent.Outside(c.asSaid(a)) }); err != nil {
		return "a path of " + a.ToolName + " that could not be read, and so"
	}
	return path
}

// deltas sends the pieces of one call of the agent, masked, with their offsets.
type deltas struct {
	c     *Conversation
	work  *phase
	runID string
	mu    sync.Mutex
	ended bool
	order []*deltaStream
}

type deltaStream struct {
	messageID, toolCallID string
	stream                Stream
	offset                int
	mask                  masker
}

// masker hides secrets in a stream, also where one is split over pieces.
type masker interface {
	Write(text string) string
	Flush() string
}

func (c *Conversation) newDeltas(work *phase, runID string) *deltas {
	return &deltas{c: c, work: work, runID: runID}
}

func (d *deltas) send(messageID, toolCallID string, stream Stream, text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return // a tool may talk on after it returned; its result has been taken
	}
	var s *deltaStream
	for _, known := range d.order {
		if known.messageID == messageID && known.toolCallID == toolCallID && known.stream == stream {
			s = known
		}
	}
	if s == nil {
		s = &deltaStream{messageID: messageID, toolCallID: toolCallID, stream: stream, mask: d.c.secrets.Stream()}
		d.order = append(d.order, s)
	}
	d.emit(s, s.mask.Write(text))
}

// end sends what the masks held back; nothing is sent after it.
func (d *deltas) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
	for _, s := range d.order {
		d.emit(s, s.mask.Flush())
	}
}

func (d *deltas) emit(s *deltaStream, text string) {
	if text == "" {
		return
	}
	delta := Delta{d.runID, s.messageID, s.toolCallID, s.stream, s.offset, text}
	s.offset += len(text)
	d.work.whileOpen(func() {
		for _, o := range d.c.listeners() {
			o.Delta(delta)
		}
	})
}
