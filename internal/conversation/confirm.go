package conversation

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/policy"
)

// DefaultRejection is OpenHands' reason for a rejection without one.
const DefaultRejection = "User rejected the action"

// requests is the namespace of request ids, which are made from the ids of the
// actions, so that they are the same after a restart.
var requests = uuid.MustParse("0c8f6a52-6d0f-4f3c-9a54-2f4c2f0b7c11")

// maxResolved bounds how many resolutions are remembered.
const maxResolved = 100

// pending gives all that waits for the user.
func (c *Conversation) pending() []Pending {
	if c.run == nil {
		return nil
	}
	if p := c.confirmation(); p != nil {
		return []Pending{*p}
	}
	var list []Pending
	for i := range c.side.Inputs {
		list = append(list, c.pendingInput(&c.side.Inputs[i]))
	}
	return list
}

// confirmation gives the actions that wait for the user; nil if none do.
func (c *Conversation) confirmation() *Pending {
	if c.status != WaitingForConfirmation || c.run == nil {
		return nil
	}
	actions := c.history.open.Actions()
	p := &Pending{RunID: c.run.id, Kind: KindConfirmation}
	why := c.side.Asked
	if why == nil {
		why = &asked{}
	}
	for _, a := range actions {
		said, ok := why.Actions[a.ID]
		if !ok { // stored by a version that did not say
			said = askedAction{Risk: a.SecurityRisk, Ask: true, Reason: why.Reason}
		}
		shown := PendingAction{Action: a, Display: c.describe(a, nil), Risk: said.Risk, Reason: said.Reason, asks: said.Ask}
		_ = c.guard("the parts of a command", func() { shown.Parts = c.parts(a) }) // logged
		p.Actions = append(p.Actions, shown)
	}
	p.RequestID, p.Reason = requestID(actions), why.Reason
	_, err := c.rulesFor(p)
	p.Memorable = err == nil
	return p
}

// parts takes a command apart as the model said it: what stands in for a secret
// would read as something else.
func (c *Conversation) parts(a *event.Action) []policy.Part {
	parts := c.security.Parts(c.asSaid(a))
	for i := range parts {
		parts[i].Text, parts[i].Reason = c.secrets.Mask(parts[i].Text), c.secrets.Mask(parts[i].Reason)
	}
	return parts
}

// requestID names the question about a batch.
func requestID(actions []*event.Action) string {
	var ids []string
	for _, a := range actions {
		ids = append(ids, a.ID)
	}
	return uuid.NewSHA1(requests, []byte(strings.Join(ids, " "))).String()
}

// askUser makes the run wait for a decision about its open actions.
func (c *Conversation) askUser() {
	c.run.iteration++
	c.side.Iteration = c.run.iteration
	c.run.pausing = false
	c.side.StopReason = StopWaiting
	c.setStatus(WaitingForConfirmation)
	c.tellWaiting(*c.confirmation())
	c.endChanges()
}

// tellWaiting stores and tells that the run waits for p.
func (c *Conversation) tellWaiting(p Pending) {
	_ = c.save() // logged
	c.flush()
	if err := c.store.Sync(); err != nil {
		c.log.Error("syncing the conversation", "conversation", c.id, "error", err)
	}
	c.changed = false
	info := c.info()
	for _, o := range c.listeners() {
		o.State(info, false)
		o.Waiting(p)
	}
	waiters := c.run.waiters
	c.run.waiters = nil
	for _, tell := range waiters {
		tell(Outcome{c.run.id, c.status, c.side.StopReason})
	}
	c.replyCondense(&StateError{Status: c.status, Message: "the run waits for a decision about its actions; decide first, then ask again"})()
}

// Confirmation is a user's answer to a [Pending].
type Confirmation struct {
	RequestID string
	Approve   bool
	// Reason is the reason of a rejection; with one the run goes on, so that the
	// model can react, without one it stops. GoOn says otherwise.
	Reason string
	GoOn   *bool
	// Remember is where an approval holds for the same actions too; "" for
	// nowhere.
	Remember Scope
	// Via is reply or confirm; Client names who answered.
	Via    string
	Client string
}

// Confirm answers what waits. accepted is false if it was resolved before; by
// says how then.
func (c *Conversation) Confirm(answer Confirmation, reply func(accepted bool, by *Resolution, err error)) error {
	return c.request(func(err error) { reply(false, nil, err) }, func(ctx context.Context) {
		p := c.confirmation()
		if p == nil || p.RequestID != answer.RequestID {
			reply(c.resolvedBefore(answer.RequestID, "is a question; answer it with conversation/answer"))
			return
		}
		if err := c.rememberAnswer(answer, p); err != nil {
			reply(false, nil, err)
			return
		}
		r := Resolution{Outcome: "approved", Via: answer.Via, Client: answer.Client}
		if !answer.Approve {
			r.Outcome, r.reason, r.goOn = "rejected", answer.Reason, answer.Reason != ""
			if answer.GoOn != nil {
				r.goOn = *answer.GoOn
			}
		}
		c.resolve(ctx, r, func() { reply(true, nil, nil) })
	})
}

// rememberAnswer keeps the rules that an approval asks for. Where they can't be
// kept nothing is decided.
func (c *Conversation) rememberAnswer(answer Confirmation, p *Pending) error {
	switch answer.Remember {
	case "":
		return nil
	case ScopeConversation, ScopeWorkspace:
	default:
		return &ValueError{"remember.scope", `must be "conversation" or "workspace"`}
	}
	if !answer.Approve {
		return &ValueError{"remember", "only an approval can be remembered"}
	}
	rules, err := c.rulesFor(p)
	if err != nil {
		return &ValueError{"remember", "this can't be remembered: " + err.Error() + "; approve it without remember"}
	}
	return c.remember(answer.Remember, rules)
}

// resolve carries out a decision about what waits, and calls accepted once the
// decision is stored.
func (c *Conversation) resolve(ctx context.Context, r Resolution, accepted func()) {
	r.RequestID = c.confirmation().RequestID
	c.publishResolution(r)
	c.side.StopReason, c.side.Asked = "", nil
	var err error
	if r.Outcome == "approved" {
		c.run.approved = true
	} else {
		_, err = c.rejectOpen(r.reason)
	}
	c.setStatus(Running)
	err = errors.Join(err, c.secure())
	accepted()
	c.tellStarted()
	switch {
	case err != nil:
		c.fail(err)
	case c.run.approved || r.goOn:
		c.greet(ctx, c.advance)
	default:
		c.end(Idle, StopRejected)
	}
}

func (c *Conversation) publishResolution(r Resolution) {
	c.side.Resolved = append(c.side.Resolved, r)
	if extra := len(c.side.Resolved) - maxResolved; extra > 0 {
		c.side.Resolved = c.side.Resolved[extra:]
	}
	c.dirty = true
	c.publish(func(o Observer) { o.Resolved(r) })
}

// rejectOpen answers every open action with a rejection.
func (c *Conversation) rejectOpen(reason string) (int, error) {
	if reason == "" {
		reason = DefaultRejection
	}
	actions := c.history.open.Actions()
	for _, a := range actions {
		if err := c.appendAll(&event.UserReject{
			Meta: event.Meta{Source: event.SourceEnvironment}, ToolName: a.ToolName, ToolCallID: a.ToolCallID,
			RejectionReason: reason, RejectionSource: "user", ActionID: a.ID,
		}); err != nil {
			return 0, err
		}
	}
	return len(actions), nil
}

// RejectPendingActions answers every open action with a rejection and ends the
// run that waits; the model is told at its next run.
func (c *Conversation) RejectPendingActions(reason string, reply func(rejected int, err error)) error {
	return c.request(func(err error) { reply(0, err) }, func(ctx context.Context) {
		if c.run != nil && c.status != WaitingForConfirmation {
			reply(0, &StateError{
				Status: c.status, Allowed: []Status{WaitingForConfirmation, Idle, Paused},
				Message: "the actions of a run that executes can't be rejected; interrupt it instead",
			})
			return
		}
		if c.run != nil {
			n := len(c.history.open.Actions())
			c.resolve(ctx, Resolution{Outcome: "rejected", Via: "reject", reason: reason}, func() { reply(n, nil) })
			return
		}
		if err := c.history.load(); err != nil {
			reply(0, &PersistenceError{err})
			return
		}
		n, err := c.rejectOpen(reason)
		if n > 0 {
			c.touch()
			_ = c.secure() // logged
		}
		reply(n, err)
	})
}
