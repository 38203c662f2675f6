package conversation

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/form"
)

// Input is a structured question to the user in the middle of a call: MCP's
// elicitation.
type Input struct {
	Message string
	// Schema is a JSON Schema of an object: what an answer holds.
	Schema json.RawMessage
	// Repeatable says that the call has done nothing but ask, so that it may be
	// made again: then the question can wait over a restart.
	Repeatable bool
}

// InputAction is what the user does with a question.
type InputAction string

// The actions, which are MCP's.
const (
	InputAccept  InputAction = "accept"
	InputDecline InputAction = "decline"
	InputCancel  InputAction = "cancel"
)

// InputAnswer is the user's answer to an [Input].
type InputAnswer struct {
	Action InputAction
	// Content fits the schema; only with InputAccept.
	Content json.RawMessage
}

// InputReply is an [InputAnswer] to the request that waits.
type InputReply struct {
	InputAnswer
	RequestID string
	// Via is reply or answer; Client names who answered.
	Via    string
	Client string
}

// input is a question that waits. What is stored of it is enough to ask it again.
type input struct {
	RequestID  string          `json:"requestId"`
	ActionID   string          `json:"actionId"`
	Message    string          `json:"message"`
	Schema     json.RawMessage `json:"schema"`
	Repeatable bool            `json:"repeatable,omitempty"`

	// answers holds the call that waits; nil after a restart.
	answers chan inputResult
}

type inputResult struct {
	answer InputAnswer
	err    error
}

// inputRequest is the id of the nth question of an action. It is the same when
// the call is made again.
func inputRequest(actionID string, n int) string {
	return uuid.NewSHA1(requests, []byte("input "+strconv.Itoa(n)+" "+actionID)).String()
}

// asker makes the function with which one call asks.
func (c *Conversation) asker(work *phase, a *event.Action) func(context.Context, Input) (InputAnswer, error) {
	var asked atomic.Int32
	return func(ctx context.Context, q Input) (InputAnswer, error) {
		if _, err := form.Parse(q.Schema); err != nil {
			return InputAnswer{}, err
		}
		in := input{
			RequestID: inputRequest(a.ID, int(asked.Add(1))), ActionID: a.ID,
			Message: c.secrets.Mask(q.Message), Schema: c.secrets.MaskJSON(q.Schema), Repeatable: q.Repeatable,
			answers: make(chan inputResult, 1),
		}
		refuse := func(err error) { in.answers <- inputResult{err: err} }
		if err := c.request(refuse, func(context.Context) { c.askInput(work, in) }); err != nil {
			return InputAnswer{}, err
		}
		select {
		case r := <-in.answers:
			return r.answer, r.err
		case <-ctx.Done():
			_ = c.post(func(context.Context) { c.withdraw(in.RequestID) }) // closed: nobody is asked any more
			return InputAnswer{}, ctx.Err()
		}
	}
}

// askInput makes the run wait for an answer. It belongs to the conversation's
// goroutine, as all that follows.
func (c *Conversation) askInput(work *phase, in input) {
	r := c.run
	if r == nil || r.phase != work || r.interrupting {
		in.answers <- inputResult{err: context.Canceled}
		return
	}
	if answer, ok := r.answered[in.RequestID]; ok {
		delete(r.answered, in.RequestID)
		in.answers <- inputResult{answer: answer}
		return
	}
	c.side.Inputs = append(c.side.Inputs, in)
	c.setStatus(WaitingForInput)
	c.tellWaiting(c.pendingInput(&in))
}

// pendingInput is a question as the user sees it.
func (c *Conversation) pendingInput(in *input) Pending {
	p := Pending{RequestID: in.RequestID, RunID: c.side.RunID, Kind: KindInput, Message: in.Message, Schema: in.Schema}
	for _, a := range c.history.open.Actions() {
		if a.ID == in.ActionID {
			p.Actions = []PendingAction{{Action: a, Display: c.describe(a, nil), Risk: a.SecurityRisk}}
		}
	}
	return p
}

// withdraw takes a question back whose call has given it up.
func (c *Conversation) withdraw(requestID string) {
	if c.run == nil || c.closing {
		return
	}
	if in := c.takeInput(requestID); in != nil {
		c.publishResolution(Resolution{RequestID: requestID, Outcome: "cancelled", Via: "rule"})
		c.setStatus(c.working())
	}
}

// withdrawOf takes back what an action that is over had asked.
func (c *Conversation) withdrawOf(actionID string) {
	for _, in := range slices.Clone(c.side.Inputs) {
		if in.ActionID == actionID {
			c.withdraw(in.RequestID)
			in.answers <- inputResult{err: context.Canceled}
		}
	}
}

// takeInput takes a question off the list; nil if it does not wait.
func (c *Conversation) takeInput(requestID string) *input {
	i := slices.IndexFunc(c.side.Inputs, func(in input) bool { return in.RequestID == requestID })
	if i < 0 {
		return nil
	}
	in := c.side.Inputs[i]
	c.side.Inputs = slices.Delete(c.side.Inputs, i, i+1)
	c.touch()
	return &in
}

// cancelInputs takes every question back.
func (c *Conversation) cancelInputs(via string) {
	for _, in := range slices.Clone(c.side.Inputs) {
		c.takeInput(in.RequestID)
		c.publishResolution(Resolution{RequestID: in.RequestID, Outcome: "cancelled", Via: via})
		if in.answers != nil {
			in.answers <- inputResult{err: context.Canceled}
		}
	}
}

// working is the status of a run that executes.
func (c *Conversation) working() Status {
	switch {
	case len(c.side.Inputs) > 0:
		return WaitingForInput
	case c.run.pausing:
		return Pausing
	}
	return Running
}

// Answer answers a question that waits. accepted is false if it was resolved
// before; by says how then. An answer that does not fit the schema is a
// [ValueError], and the question goes on waiting.
func (c *Conversation) Answer(a InputReply, reply func(accepted bool, by *Resolution, err error)) error {
	return c.request(func(err error) { reply(false, nil, err) }, func(ctx context.Context) {
		i := slices.IndexFunc(c.side.Inputs, func(in input) bool { return in.RequestID == a.RequestID })
		if i < 0 || c.run == nil {
			reply(c.resolvedBefore(a.RequestID, "is a confirmation; answer it with conversation/confirm"))
			return
		}
		if a.Action != InputAccept {
			a.Content = nil
		} else if err := c.side.Inputs[i].check(a.Content); err != nil {
			reply(false, nil, &ValueError{"content", err.Error()})
			return
		}
		c.answerInput(ctx, a, func() { reply(true, nil, nil) })
	})
}

func (in *input) check(content json.RawMessage) error {
	f, err := form.Parse(in.Schema)
	if err != nil {
		return fmt.Errorf("the question can't be answered: %w", err)
	}
	return f.Check(content)
}

// resolvedBefore says what became of a request that is not there to be answered.
func (c *Conversation) resolvedBefore(requestID, other string) (accepted bool, by *Resolution, err error) {
	for i := len(c.side.Resolved) - 1; i >= 0; i-- {
		if r := c.side.Resolved[i]; r.RequestID == requestID {
			return false, &r, nil
		}
	}
	for _, p := range c.pending() {
		if p.RequestID == requestID {
			return false, nil, &ValueError{"requestId", "the request " + other}
		}
	}
	return false, nil, ErrRequestNotFound
}

var inputOutcomes = map[InputAction]string{InputAccept: "approved", InputDecline: "rejected", InputCancel: "cancelled"}

// answerInput gives an answer to the call that waits for it, and calls accepted
// once the answer is stored. After a restart there is no such call: the calls
// that are open are then carried out, and the one that asks is answered at once.
func (c *Conversation) answerInput(ctx context.Context, a InputReply, accepted func()) {
	in := c.takeInput(a.RequestID)
	c.publishResolution(Resolution{RequestID: a.RequestID, Outcome: inputOutcomes[a.Action], Via: a.Via, Client: a.Client})
	c.setStatus(c.working())
	if in.answers != nil {
		_ = c.secure() // logged
		accepted()
		in.answers <- inputResult{answer: a.InputAnswer}
		return
	}
	if c.run.answered == nil {
		c.run.answered = map[string]InputAnswer{}
	}
	c.run.answered[a.RequestID] = a.InputAnswer
	if len(c.side.Inputs) > 0 {
		_ = c.secure() // logged
		accepted()
		return
	}
	_ = c.secure() // logged
	accepted()
	c.tellStarted()
	c.act(ctx, c.history.open.Actions())
}

// onlyAsks tells whether all that goes on are questions that may be asked again,
// so that the run can wait over a restart.
func (c *Conversation) onlyAsks() bool {
	if c.run == nil || len(c.side.Inputs) == 0 || c.run.interrupting {
		return false
	}
	for _, in := range c.side.Inputs {
		if !in.Repeatable {
			return false
		}
	}
	if c.run.batch == nil {
		return true
	}
	for _, j := range c.run.batch.jobs {
		waits := slices.ContainsFunc(c.side.Inputs, func(in input) bool { return in.ActionID == j.action.ID })
		if j.state == jobRuns && !waits {
			return false
		}
	}
	return true
}

// recoverInputs lets a run wait again that waited when its process ended. It is
// false where it does not: another program has answered, or something was going on
// beside the questions.
func (c *Conversation) recoverInputs() (bool, error) {
	if c.status != Paused && c.status != Running {
		c.side.Inputs = nil
	}
	if len(c.side.Inputs) == 0 {
		return false, nil
	}
	if err := c.history.load(); err != nil {
		return false, err
	}
	open := c.history.open.Actions()
	c.side.Inputs = slices.DeleteFunc(c.side.Inputs, func(in input) bool {
		return !slices.ContainsFunc(open, func(a *event.Action) bool { return a.ID == in.ActionID })
	})
	if len(c.side.Inputs) == 0 {
		return false, nil
	}
	if c.side.Executing {
		c.status = Running // and its process died
		return false, nil
	}
	if c.side.RunID == "" {
		c.side.RunID = uuid.NewString()
	}
	c.run = &run{id: c.side.RunID, iteration: c.side.Iteration}
	c.status, c.side.StopReason = WaitingForInput, ""
	return true, nil
}
