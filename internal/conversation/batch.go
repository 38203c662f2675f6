package conversation

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// batch is the calls of one answer that are carried out: up to as many at a time
// as the agent allows, and never two that need the same thing. A call begins
// after those before it that need what it needs, so what depends on order keeps it.
// Each result is stored when it comes. It belongs to the conversation's goroutine.
type batch struct {
	work *phase
	ctx  context.Context // of the work; the calls that begin later need it
	// jobs are the calls up to the first finish, actions all of them.
	jobs      []*job
	actions   []*event.Action
	finishing bool
}

// job is one call of a [batch].
type job struct {
	action    *event.Action
	said      *event.Action // with the secrets that are masked in the log
	forgotten bool          // nobody knows them any more
	resources []string
	outside   string // a path that it may not touch
	state     jobState
}

type jobState int

const (
	jobWaits jobState = iota
	jobRuns
	jobDone
)

// act carries out actions.
func (c *Conversation) act(ctx context.Context, actions []*event.Action) {
	actions, err := c.rejectBlocked(actions)
	switch {
	case err != nil:
		c.fail(err)
		return
	case len(actions) == 0:
		c.run.approved = false
		c.stepped(ctx)
		return
	}
	b := &batch{actions: actions}
	approved := c.run.approved
	c.run.approved = false
	run, finishing := cutAfterFinish(actions)
	b.finishing = finishing
	for _, a := range run {
		j := &job{action: a, said: c.asSaid(a), forgotten: c.forgotten(a)}
		j.resources = c.resources(j.said)
		if !approved && !c.policy.Active() {
			j.outside = c.outside(a)
		}
		b.jobs = append(b.jobs, j)
	}
	c.beginChanges(ctx)
	c.run.acted = true
	b.ctx, b.work = c.startWork(ctx)
	c.run.batch = b
	c.schedule(ctx)
}

func (c *Conversation) resources(a *event.Action) (keys []string) {
	if err := c.guard("the look at what an action needs", func() { keys = c.agent.Resources(a) }); err != nil {
		return []string{"tool:" + a.ToolName}
	}
	return keys
}

// schedule begins the calls that may begin, and goes on when all are done.
func (c *Conversation) schedule(ctx context.Context) {
	b := c.run.batch
	limit := max(1, c.agent.Concurrency())
	for i, j := range b.jobs {
		if j.state != jobWaits || c.run.interrupting || b.running() >= limit || !b.free(i) {
			continue
		}
		refusal := c.refusal(j)
		if refusal == nil {
			c.begins(j)
			continue
		}
		if err := c.appendAll(refusal); err != nil {
			c.failBatch(err)
			return
		}
		j.state = jobDone
	}
	if b.running() > 0 {
		return
	}
	c.run.phase, c.run.batch = nil, nil
	b.work.shut()
	b.work.cancel()
	c.acted(ctx, b)
}

// refusal answers a call that can't be carried out; nil if it can.
func (c *Conversation) refusal(j *job) event.Event {
	switch {
	case j.forgotten:
		return answerForgotten(j.action)
	case j.outside != "":
		return answer(j.action, fmt.Sprintf("%s is outside the workspace %s, and nobody can be asked: the confirmation policy is NeverConfirm. "+
			"Work inside the workspace, or ask the user to allow it.", j.outside, c.workspace))
	}
	return nil
}

func (b *batch) running() (n int) {
	for _, j := range b.jobs {
		if j.state == jobRuns {
			n++
		}
	}
	return n
}

// free tells whether nothing before a call keeps it from beginning. A finish call
// ends the turn, so it comes after all others.
func (b *batch) free(i int) bool {
	for _, before := range b.jobs[:i] {
		if before.state == jobDone {
			continue
		}
		if b.jobs[i].action.ToolName == finishTool || slices.ContainsFunc(before.resources, func(key string) bool {
			return slices.Contains(b.jobs[i].resources, key)
		}) {
			return false
		}
	}
	return true
}

// begins carries out one call in a goroutine of its own.
func (c *Conversation) begins(j *job) {
	b, runID := c.run.batch, c.run.id
	j.state = jobRuns
	if len(c.side.Inputs) > 0 {
		// A question waits meanwhile: the disk must know that it is not alone.
		c.dirty = true
		_ = c.secure() // logged
	}
	noted := c.track.ready
	go func() {
		if noted != nil {
			select {
			case <-noted:
			case <-b.ctx.Done():
			}
		}
		deltas := c.newDeltas(b.work, runID)
		var result event.Event
		_ = c.guard("a tool", func() { // logged, and answered below
			result = c.agent.Act(b.ctx, Call{
				Action: j.said, RunID: runID, Ask: c.asker(b.work, j.action),
				Output: func(text string) { deltas.send("", j.action.ToolCallID, StreamStdout, text) },
			})
		})
		deltas.end()
		if result == nil {
			result = answer(j.action, "the tool broke while it carried out this call")
		}
		var hooks []*event.HookExecution
		if o, ok := result.(*event.Observation); ok && b.ctx.Err() == nil {
			call := HookCall{Type: PostToolUse, ToolName: j.action.ToolName, ToolInput: j.action.Action, ToolResponse: o.Observation}
			hooks = c.runHooks(b.ctx, call, func(e *event.HookExecution) { e.ActionID = j.action.ID })
		}
		_ = c.post(func(ctx context.Context) { // closed: nobody is left to be told
			if c.run != nil && c.run.phase == b.work {
				c.took(ctx, j, hooks, result)
			}
		})
	}()
}

// took takes the result of a call, and tells it before anything else begins.
func (c *Conversation) took(ctx context.Context, j *job, hooks []*event.HookExecution, result event.Event) {
	c.withdrawOf(j.action.ID)
	var added Enrichment
	if o, ok := result.(*event.Observation); ok {
		added = c.enrich(o, j.action)
		o.ExtendedContent = append(o.ExtendedContent, added.Content...)
	}
	if err := errors.Join(c.appendHooks(hooks), c.appendAll(result)); err != nil {
		c.failBatch(err)
		return
	}
	c.show(added.Shown)
	c.flush()
	j.state = jobDone
	if len(c.side.Inputs) > 0 {
		c.dirty = true // the questions may be alone now
	}
	c.schedule(ctx)
}

// failBatch ends the run because the disk did not take a result.
func (c *Conversation) failBatch(err error) {
	work := c.run.phase
	c.run.phase, c.run.batch = nil, nil
	work.cancel()
	work.shut()
	c.fail(err)
}

// cutAfterFinish gives the actions up to the first finish call.
func cutAfterFinish(actions []*event.Action) (run []*event.Action, finishing bool) {
	for i, a := range actions {
		if a.ToolName == finishTool {
			return actions[:i+1], true
		}
	}
	return actions, false
}

// finishTool is the tool whose call ends a turn.
const finishTool = "finish"

// acted goes on after a batch.
func (c *Conversation) acted(ctx context.Context, b *batch) {
	if c.run.interrupting {
		c.interrupted()
		return
	}
	for _, a := range b.actions[len(b.jobs):] {
		if err := c.appendAll(answer(a, "This call was not carried out: it came after the finish call, which ended the turn.")); err != nil {
			c.fail(err)
			return
		}
	}
	if b.finishing && c.succeeded(b.jobs[len(b.jobs)-1].action) {
		c.setStatus(Finished)
	}
	c.countChanges(ctx)
	c.stepped(ctx)
}

// succeeded tells whether the action was answered by an observation.
func (c *Conversation) succeeded(a *event.Action) bool {
	events := c.history.events
	for i := len(events) - 1; i >= 0; i-- {
		if o, ok := events[i].(*event.Observation); ok && o.ActionID == a.ID {
			return true
		}
		if e, ok := events[i].(*event.AgentError); ok && e.ToolCallID == a.ToolCallID {
			return false
		}
	}
	return false
}
