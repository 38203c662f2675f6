package conversation

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/secret"
)

// direct is what RunTool or RerunActions carry out, outside of a run. It belongs
// to the conversation's goroutine.
type direct struct {
	cancel context.CancelFunc
	giveUp func()
	onEnd  []func()
}

// ToolResult is what came of a call outside of a run: an observation, or an error
// of a tool that could not give one.
type ToolResult struct {
	ActionID    string
	Tool        string
	Observation json.RawMessage
	Error       string
	// Skipped says that the call was not made: it asks the user, who can only be
	// asked in a run.
	Skipped bool
}

// Rerun is what RerunActions did.
type Rerun struct {
	// OK says that every call gave an observation.
	OK      bool
	Results []ToolResult
}

// RunTool carries out one call of a tool: the reference's execute_tool. It
// passes by the loop, the policy and the log: no event tells of it. It is for
// debugging, and is refused while a run goes on or waits.
func (c *Conversation) RunTool(tool string, arguments json.RawMessage, reply func(ToolResult, error)) error {
	return c.request(func(err error) { reply(ToolResult{}, err) }, func(ctx context.Context) {
		if err := c.free(); err != nil {
			reply(ToolResult{}, err)
			return
		}
		a, err := c.agent.Action(tool, arguments)
		if err != nil {
			reply(ToolResult{}, err)
			return
		}
		c.directly(ctx, []*event.Action{a}, func(r Rerun) {
			result := r.Results[0]
			if result.Skipped {
				result.Error = ErrNoRun.Error()
			}
			reply(result, nil)
		})
	})
}

// RerunActions carries out every valid call of the whole log again, in order, as
// the reference's rerun_actions does, and stops at the first that fails. The log
// stays as it is. What the calls do to the world they do again.
func (c *Conversation) RerunActions(reply func(Rerun, error)) error {
	return c.request(func(err error) { reply(Rerun{}, err) }, func(ctx context.Context) {
		if err := c.free(); err != nil {
			reply(Rerun{}, err)
			return
		}
		var actions []*event.Action
		for i := range c.history.store.Len() {
			e, err := c.history.decode(i)
			if err != nil {
				reply(Rerun{}, &PersistenceError{fmt.Errorf("reading event %d: %w", i, err)})
				return
			}
			if a, ok := e.(*event.Action); ok && a.Action != nil {
				actions = append(actions, a)
			}
		}
		c.directly(ctx, actions, func(r Rerun) { reply(r, nil) })
	})
}

// free tells whether a call may be made outside of a run.
func (c *Conversation) free() error {
	switch {
	case c.run != nil:
		return &BusyError{c.run.id, c.status}
	case c.direct != nil:
		return &BusyError{Status: c.status}
	}
	return nil
}

// directly carries out actions one after the other in a goroutine of its own, and
// hands what came of them to done.
func (c *Conversation) directly(ctx context.Context, actions []*event.Action, done func(Rerun)) {
	ctx, cancel := context.WithCancel(ctx)
	results := make(chan ToolResult, len(actions))
	d := &direct{cancel: cancel}
	finish := func(last *ToolResult) {
		cancel()
		c.direct = nil
		var r Rerun
		for range len(results) {
			r.Results = append(r.Results, <-results)
		}
		if last != nil {
			r.Results = append(r.Results, *last)
		}
		r.OK = len(r.Results) == len(actions) && (len(r.Results) == 0 || r.Results[len(r.Results)-1].Error == "")
		done(r)
		for _, f := range d.onEnd {
			f()
		}
	}
	d.giveUp = func() {
		a := actions[min(len(results), len(actions)-1)]
		finish(&ToolResult{ActionID: a.ID, Tool: a.ToolName, Error: "the call was interrupted and did not end in time"})
	}
	c.direct = d
	go func() {
		for _, a := range actions {
			r := c.actDirectly(ctx, a)
			results <- r
			if r.Error != "" {
				break
			}
		}
		_ = c.post(func(context.Context) { // closed: nobody is left to be told
			if c.direct == d {
				finish(nil)
			}
		})
	}()
}

// actDirectly carries out one action.
func (c *Conversation) actDirectly(ctx context.Context, a *event.Action) ToolResult {
	r := ToolResult{ActionID: a.ID, Tool: a.ToolName}
	switch {
	case ctx.Err() != nil:
		r.Error = "interrupted before this call"
		return r
	case a.ID != "" && bytes.Contains(a.Action, []byte(secret.Hidden)):
		r.Error = "the call held the value of a secret, which is not stored"
		return r
	}
	asked := false
	var result event.Event
	err := c.guard("a tool", func() {
		result = c.agent.Act(ctx, Call{
			Action: a, Output: func(string) {},
			Ask: func(context.Context, Input) (InputAnswer, error) {
				asked = true
				return InputAnswer{}, ErrNoRun
			},
		})
	})
	switch e := result.(type) {
	case *event.Observation:
		r.Observation = c.secrets.MaskJSON(e.Observation)
	case *event.AgentError:
		r.Error = c.secrets.Mask(e.Error)
	default:
		r.Error = "the tool broke"
		if err != nil {
			r.Error = err.Error()
		}
	}
	if asked {
		return ToolResult{ActionID: a.ID, Tool: a.ToolName, Skipped: true}
	}
	return r
}

// stopDirect cancels a call outside of a run, and gives it up if it does not end
// in time.
func (c *Conversation) stopDirect(grace time.Duration) {
	d := c.direct
	d.cancel()
	time.AfterFunc(grace, func() {
		_ = c.post(func(context.Context) { // closed meanwhile: nothing to give up
			if c.direct == d {
				d.giveUp()
			}
		})
	})
}
