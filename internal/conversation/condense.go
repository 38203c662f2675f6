package conversation

import (
	"context"
	"fmt"

	"github.com/agent-rpc/agent-rpc/internal/conversation/condenser"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/stats"
	"github.com/agent-rpc/agent-rpc/internal/conversation/view"
)

// Condenser is a condenser of an agent: its rules, and the model that writes its
// summaries.
type Condenser struct {
	condenser.Rules
	// Summarize asks that model, without tools and without streaming. It is called
	// from a goroutine of the conversation.
	Summarize func(ctx context.Context, question []event.LLMMessage) (string, stats.Call, error)
}

// maxOverflows is how often in a row the model may refuse a history before the
// run ends: after the first time it is condensed, after the second summarized
// as a whole.
const maxOverflows = 3

// measure is what the model counted for a view whose weight is known.
type measure struct{ tokens, weight, window int }

// condensation is one that is due.
type condensation struct {
	*condenser.Plan
	by    Condenser
	asked bool // by a verb
}

// Condense makes the model forget the older part of the history, with a summary
// in its place, as condense() of the reference does; unlike there it never
// carries out actions that are open. Where nothing goes on it is a run of one
// step, after which status, stop reason and error are what they were. While a
// run executes it is the run's next step. reply comes when it is done, after
// its events, of which a condensation that fails leaves none.
func (c *Conversation) Condense(reply func(Info, error)) error {
	refuse := func(err error) { reply(Info{}, err) }
	return c.request(refuse, func(ctx context.Context) {
		if c.status == WaitingForConfirmation {
			refuse(&StateError{
				Status: c.status, Allowed: []Status{Idle, Running, Paused, Finished, Failed, Stuck},
				Message: "the run waits for a decision about its actions; decide first",
			})
			return
		}
		if err := c.history.load(); err != nil {
			refuse(&PersistenceError{err})
			return
		}
		if err := c.condensable(); err != nil {
			refuse(err)
			return
		}
		if c.run != nil {
			c.run.asked = append(c.run.asked, reply)
			return
		}
		before := outcome{c.status, c.side.StopReason, c.side.Error}
		c.newRun()
		c.run.before = &before
		c.run.asked = append(c.run.asked, reply)
		c.setStatus(Running)
		c.touch()
		_ = c.secure() // logged
		c.tellStarted()
		c.condense(ctx, c.dueOnRequest())
	})
}

// outcome is how a conversation stood before a run that only condenses.
type outcome struct {
	status Status
	reason StopReason
	err    *RunError
}

// condensable tells why a request can't be met; nil if it can.
func (c *Conversation) condensable() error {
	switch {
	case len(c.agent.Condensers()) == 0:
		return &StateError{Status: c.status, Message: `the agent has no condenser that can be asked; give it one, such as {"kind":"LLMSummarizingCondenser"}`}
	case c.dueOnRequest() == nil:
		return &StateError{Status: c.status, Message: fmt.Sprintf("the history is too short to condense: the model reads %d events", c.history.view.Len())}
	}
	return nil
}

// dueOnRequest is the condensation that a user gets for the asking. It never is
// one of everything: that is for histories that don't fit any more.
func (c *Conversation) dueOnRequest() *condensation {
	d := c.plan(condenser.Need{Requested: true})
	if d == nil || d.Reset {
		return nil
	}
	d.asked = true
	return d
}

// due is the condensation that the next step needs; nil if the model can be
// asked as it is. After a condensation the model has its say first: how long a
// request is is only estimated.
func (c *Conversation) due() *condensation {
	v := c.history.view
	if c.run.condensed && !v.CondensationRequested() {
		return nil
	}
	d := c.plan(condenser.Need{
		Requested: v.CondensationRequested(), Everything: v.CondensationRequested() && c.run.overflows >= maxOverflows-1,
	})
	if d != nil && !d.Hard && v.Len() < c.condenseFrom {
		return nil
	}
	return d
}

// plan asks the agent's condensers in their order: the first that has something
// to do does it.
func (c *Conversation) plan(n condenser.Need) *condensation {
	list := c.agent.Condensers()
	if len(list) == 0 {
		return nil
	}
	n.Tokens, n.Limit = c.size()
	for _, k := range list {
		if p := k.Plan(c.history.view, n, c.agent.Render); p != nil {
			return &condensation{Plan: p, by: k}
		}
	}
	return nil
}

// size is about how many tokens a request would have now, and how many it may
// have, 0 if that is not known yet. What the model counted last time is scaled
// by how much text there is now; before it ever counted, four bytes are a token.
// An eighth of the window is left for the answer.
func (c *Conversation) size() (tokens, limit int) {
	weight := c.history.view.Weight(c.agent.Render)
	m := c.measured
	if m.weight == 0 || m.tokens == 0 {
		return weight / 4, m.window / 8 * 7
	}
	return int(float64(weight) * float64(m.tokens) / float64(m.weight)), m.window / 8 * 7
}

// condense carries out a condensation as a phase of the run.
func (c *Conversation) condense(ctx context.Context, d *condensation) {
	c.begin(ctx, func(ctx context.Context, _ *phase) func(context.Context) {
		var calls []stats.Call
		ask := func(ctx context.Context, question []event.LLMMessage) (string, string, error) {
			text, call, err := d.by.Summarize(ctx, question)
			if err == nil {
				calls = append(calls, call)
			}
			return text, call.ResponseID, err
		}
		var e *event.Condensation
		var err error
		if broken := c.guard("a condensation", func() { e, err = d.Condense(ctx, ask) }); broken != nil {
			err = broken
		}
		return func(ctx context.Context) { c.condensed(ctx, d, e, calls, err) }
	})
}

// condensed takes the summary.
func (c *Conversation) condensed(ctx context.Context, d *condensation, e *event.Condensation, calls []stats.Call, err error) {
	for _, call := range calls {
		c.stats.Add(call)
	}
	c.touch()
	if err != nil {
		c.notCondensed(ctx, d, err)
		return
	}
	if d.asked {
		if err := c.appendAll(&event.CondensationRequest{Meta: event.Meta{Source: event.SourceEnvironment}}); err != nil {
			c.fail(err)
			return
		}
	}
	if err := c.appendAll(e); err != nil {
		c.fail(err)
		return
	}
	c.condenseFrom, c.run.condensed = 0, true
	defer c.replyCondense(nil)()
	if c.run.interrupting {
		c.interrupted()
		return
	}
	c.condensedStep(ctx)
}

// notCondensed goes on without: where nobody needs it, or only the user asked
// for it, the run is as it was before.
func (c *Conversation) notCondensed(ctx context.Context, d *condensation, err error) {
	switch {
	case c.run.interrupting:
		c.interrupted()
	case d.asked:
		defer c.replyCondense(err)()
		c.condensedStep(ctx)
	case !d.Hard:
		v := c.history.view
		c.condenseFrom = v.Len() + max(1, int(float64(d.by.MaxSize)*d.by.MinimumProgress))
		c.log.Warn("the history was not condensed", "conversation", c.id, "error", err)
		c.ask(ctx)
	default:
		c.fail(fmt.Errorf("the history is too long for the model and could not be condensed: %w", err))
	}
}

// condensedStep goes on after a condensation. A run that was made for it is
// over, unless there is something to do now.
func (c *Conversation) condensedStep(ctx context.Context) {
	r := c.run
	if r.before == nil {
		c.stepped(ctx)
		return
	}
	before := *r.before
	r.before = nil
	if r.pausing {
		c.advance(ctx)
		return
	}
	if len(c.side.Queue)+len(c.side.Steering) > 0 {
		c.proceed(ctx)
		return
	}
	c.side.Error = before.err
	c.end(before.status, before.reason)
}

// replyCondense takes the requests for a condensation that wait, and gives what
// answers them once everything before was published.
func (c *Conversation) replyCondense(err error) func() {
	asked := c.run.asked
	c.run.asked = nil
	return func() {
		if len(asked) == 0 {
			return
		}
		_ = c.secure() // logged
		c.flush()
		var info Info
		if err == nil {
			info = c.info()
		}
		for _, reply := range asked {
			reply(info, err)
		}
	}
}

// overflow is a failure of the model that another history may mend.
type overflow interface {
	error
	// Overflow tells that the history is too long, Malformed that the provider
	// does not take its shape.
	Overflow() bool
	Malformed() bool
}

// overflowed asks for a condensation after the model refused the history, and
// ends the run where that can't help.
func (c *Conversation) overflowed(ctx context.Context, err overflow) {
	c.run.overflows++
	switch {
	case len(c.agent.Condensers()) == 0 && err.Malformed():
		c.fail(err)
		return
	case len(c.agent.Condensers()) == 0:
		c.fail(fmt.Errorf(`%w. The agent has no condenser: set its "condenser" to {"kind":"LLMSummarizingCondenser"}, or choose a model with a larger window`, err))
		return
	case c.run.overflows >= maxOverflows:
		c.fail(fmt.Errorf("%w. Condensing the history %d times in a row did not help: choose a model with a larger window, or begin a new conversation",
			err, c.run.overflows-1))
		return
	}
	if err.Malformed() {
		c.history.view = view.Rebuild(c.history.events)
	}
	if c.plan(condenser.Need{Requested: true}) == nil {
		c.fail(fmt.Errorf("%w. There is nothing left in the history to condense: choose a model with a larger window, or begin a new conversation", err))
		return
	}
	if err := c.appendAll(&event.CondensationRequest{Meta: event.Meta{Source: event.SourceEnvironment}}); err != nil {
		c.fail(err)
		return
	}
	c.stepped(ctx)
}
