package view

import (
	"slices"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// Pending keeps the actions of a branch that nobody answered yet: valid calls
// without an observation or rejection that names them, and without an error
// that names their tool call. The zero value is ready.
type Pending struct{ actions []*event.Action }

// Append takes the next event of the branch.
func (p *Pending) Append(e event.Event) {
	switch e := e.(type) {
	case *event.Action:
		if e.Action != nil {
			p.actions = append(p.actions, e)
		}
	case *event.Observation:
		p.drop(func(a *event.Action) bool { return a.ID == e.ActionID })
	case *event.UserReject:
		p.drop(func(a *event.Action) bool { return a.ID == e.ActionID })
	case *event.AgentError:
		p.drop(func(a *event.Action) bool { return a.ToolCallID == e.ToolCallID })
	}
}

func (p *Pending) drop(answered func(*event.Action) bool) {
	p.actions = slices.DeleteFunc(p.actions, answered)
}

// Actions are the pending actions, oldest first; nil if there are none. The
// slice is the caller's.
func (p *Pending) Actions() []*event.Action {
	if len(p.actions) == 0 {
		return nil
	}
	return slices.Clone(p.actions)
}

// Len is the number of pending actions.
func (p *Pending) Len() int { return len(p.actions) }

// Unmatched gives the pending actions of a branch, oldest first.
func Unmatched(events []event.Event) []*event.Action {
	var p Pending
	for _, e := range events {
		p.Append(e)
	}
	return p.actions
}
