package conversation

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"

	"github.com/google/uuid"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// WhenBusy says what happens to a message that comes while a run goes on.
type WhenBusy string

// The choices: wait for the run's end, go in at the next step, or be refused.
const (
	Queue  WhenBusy = "queue"
	Steer  WhenBusy = "steer"
	Reject WhenBusy = "reject"
)

// Sent tells what became of a message.
type Sent struct {
	MessageID string
	// Seq is the message's event, if it was appended.
	Seq   int
	RunID string
	// Disposition is appended, started, queued or steered.
	Disposition string
}

// SendMessage puts a message of the user into the conversation and, with run,
// starts a run. The same message id twice gives the same answer. While a run
// goes on or waits, whenBusy says what happens; a message never approves
// anything.
func (c *Conversation) SendMessage(m Outgoing, run bool, whenBusy WhenBusy, reply func(Sent, error)) error {
	return c.request(func(err error) { reply(Sent{}, err) }, func(ctx context.Context) {
		if m.ID == "" {
			m.ID = uuid.NewString()
		} else if known, ok := c.known(m.ID); ok {
			reply(known, nil)
			return
		}
		// A message that waits is stored and told as part of the state.
		m.Message = c.masked(m.Message)
		sent, err := c.accept(ctx, m, run, whenBusy, reply)
		if err != nil {
			reply(Sent{}, err)
			return
		}
		c.sent[m.ID] = sent
	})
}

// Unsend takes back a message that waits, queued or meant for the next step, and
// gives it as it was kept. One that is in the log is a [StateError], one that
// nobody knows [ErrRequestNotFound].
func (c *Conversation) Unsend(id string, reply func(Outgoing, error)) error {
	return c.request(func(err error) { reply(Outgoing{}, err) }, func(context.Context) {
		same := func(m Outgoing) bool { return m.ID == id }
		for _, list := range []*[]Outgoing{&c.side.Steering, &c.side.Queue} {
			i := slices.IndexFunc(*list, same)
			if i < 0 {
				continue
			}
			m := (*list)[i]
			*list = slices.Delete(slices.Clone(*list), i, i+1)
			delete(c.sent, id) // the id may be used again
			c.touch()
			_ = c.secure() // logged
			reply(m, nil)
			return
		}
		if _, ok := c.history.store.Index(id); ok {
			reply(Outgoing{}, &StateError{Status: c.status, Message: "the message is part of the conversation already; go back with conversation/navigate"})
			return
		}
		reply(Outgoing{}, ErrRequestNotFound)
	})
}

// masked hides secrets in a message.
func (c *Conversation) masked(m event.LLMMessage) event.LLMMessage {
	raw := encoded(m)
	hidden := c.secrets.MaskJSON(raw)
	if bytes.Equal(raw, hidden) {
		return m
	}
	var out event.LLMMessage
	if err := json.Unmarshal(hidden, &out); err != nil {
		panic(err) // masking keeps an event what it is
	}
	return out
}

// known looks for a message that was sent before, in this process or another.
func (c *Conversation) known(id string) (Sent, bool) {
	if s, ok := c.sent[id]; ok {
		return s, true
	}
	if seq := c.history.seqOf(id); seq > 0 {
		return Sent{MessageID: id, Seq: seq, Disposition: "appended"}, true
	}
	if _, ok := c.history.store.Index(id); ok {
		return Sent{MessageID: id, Disposition: "appended"}, true // on another branch
	}
	same := func(m Outgoing) bool { return m.ID == id }
	switch {
	case slices.ContainsFunc(c.side.Queue, same):
		return Sent{MessageID: id, RunID: c.side.RunID, Disposition: "queued"}, true
	case slices.ContainsFunc(c.side.Steering, same):
		return Sent{MessageID: id, RunID: c.side.RunID, Disposition: "steered"}, true
	}
	return Sent{}, false
}

func (c *Conversation) accept(ctx context.Context, m Outgoing, run bool, whenBusy WhenBusy, reply func(Sent, error)) (Sent, error) {
	if c.run != nil {
		return c.acceptBusy(ctx, m, whenBusy, reply)
	}
	if run && c.direct != nil {
		return Sent{}, &BusyError{Status: c.status}
	}
	if c.awaited() {
		return c.acceptAwaited(ctx, m, run, reply)
	}
	if err := c.prepare(); err != nil {
		return Sent{}, err
	}
	if err := c.answerLost(c.side.StopReason); err != nil {
		return Sent{}, err
	}
	c.requeue()
	if err := c.takeQueue(); err != nil {
		return Sent{}, err
	}
	seq, err := c.appendMessage(m)
	if err != nil {
		return Sent{}, err
	}
	return c.accepted(ctx, Sent{MessageID: m.ID, Seq: seq, Disposition: "appended"}, run, reply)
}

// acceptAwaited takes a message that hooks see before it goes in: it is the first
// thing of the next run.
func (c *Conversation) acceptAwaited(ctx context.Context, m Outgoing, run bool, reply func(Sent, error)) (Sent, error) {
	c.side.Steering = append(slices.Concat(c.side.Steering, c.side.Queue), m)
	c.side.Queue = nil
	return c.accepted(ctx, Sent{MessageID: m.ID, Disposition: "queued"}, run, reply)
}

// accepted replies for a message that was taken while no run went on, and starts
// one if that is asked for.
func (c *Conversation) accepted(ctx context.Context, sent Sent, run bool, reply func(Sent, error)) (Sent, error) {
	if c.status == Finished || c.status == Stuck {
		c.side.StopReason, c.side.Error = "", nil
		c.setStatus(Idle)
	}
	c.touch()
	if !run {
		_ = c.secure() // logged
		reply(sent, nil)
		return sent, nil
	}
	sent.RunID, sent.Disposition = c.newRun(), "started"
	c.run.starter = sent.MessageID
	c.start(ctx, func() { reply(sent, nil) })
	return sent, nil
}

func (c *Conversation) acceptBusy(ctx context.Context, m Outgoing, whenBusy WhenBusy, reply func(Sent, error)) (Sent, error) {
	sent := Sent{MessageID: m.ID, RunID: c.run.id}
	switch whenBusy {
	case Reject:
		return Sent{}, &BusyError{c.run.id, c.status}
	case Steer:
		sent.Disposition = "steered"
		if err := c.hold(&c.side.Steering, m); err != nil {
			return Sent{}, err
		}
		reply(sent, nil)
		for len(c.side.Inputs) > 0 {
			c.answerInput(ctx, InputReply{
				InputAnswer: InputAnswer{Action: InputDecline}, RequestID: c.side.Inputs[0].RequestID, Via: "reject",
			}, func() {})
		}
		if c.status == WaitingForConfirmation {
			c.resolve(ctx, Resolution{Outcome: "rejected", Via: "reject", reason: m.Message.Text(), goOn: true}, func() {})
		}
	default:
		sent.Disposition = "queued"
		if err := c.hold(&c.side.Queue, m); err != nil {
			return Sent{}, err
		}
		reply(sent, nil)
	}
	return sent, nil
}

// hold puts a message behind those that wait; one that can't be stored is not
// taken.
func (c *Conversation) hold(list *[]Outgoing, m Outgoing) error {
	*list = append(*list, m)
	c.touch()
	err := c.secure()
	if err != nil {
		*list = (*list)[:len(*list)-1]
	}
	return err
}

// requeue puts what was meant for the next step of a run that is over before
// what waits.
func (c *Conversation) requeue() {
	if len(c.side.Steering) > 0 {
		c.side.Queue = slices.Concat(c.side.Steering, c.side.Queue)
		c.side.Steering = nil
		c.touch()
	}
}

// takeQueue appends what is queued. Where the disk refuses the rest stays queued.
func (c *Conversation) takeQueue() error {
	for len(c.side.Queue) > 0 {
		if _, err := c.appendMessage(c.side.Queue[0]); err != nil {
			return err
		}
		c.side.Queue = c.side.Queue[1:]
		c.touch()
	}
	return nil
}

// takeSteering appends what is meant for the next step, and puts a run that was
// about to finish back to work.
func (c *Conversation) takeSteering() error {
	for len(c.side.Steering) > 0 {
		if _, err := c.appendMessage(c.side.Steering[0]); err != nil {
			return err
		}
		c.tookSteering()
	}
	return nil
}

// tookSteering notes that the first message meant for the next step is in.
func (c *Conversation) tookSteering() {
	c.side.Steering = c.side.Steering[1:]
	c.run.starter = ""
	c.touch()
	if c.status == Finished {
		c.run.iteration = 0 // it is a new turn of the user's
		c.setStatus(Running)
	}
}

// appendMessage stores a message of the user, with what the agent and hooks add.
func (c *Conversation) appendMessage(m Outgoing, hooks ...string) (int, error) {
	m.Message.Role = event.RoleUser
	e := &event.Message{Meta: event.Meta{ID: m.ID, Source: event.SourceUser}, LLMMessage: m.Message, Sender: m.Sender}
	added := c.enrich(e, nil)
	e.ExtendedContent, e.ActivatedSkills = added.Content, added.Shown.Skills
	for _, text := range hooks {
		e.ExtendedContent = append(e.ExtendedContent, event.Text(text))
	}
	seq, err := c.append(e)
	if err == nil {
		c.show(added.Shown)
	}
	return seq, err
}

// enrich asks the agent what the model should read together with an event.
func (c *Conversation) enrich(e event.Event, a *event.Action) (added Enrichment) {
	shown := Shown{c.kept.ActivatedSkills, c.kept.ActivatedRules, c.kept.InvokedSkills}
	_ = c.guard("the context of an event", func() { added = c.agent.Enrich(e, a, shown) }) // logged; the event counts
	return added
}

// show notes what the conversation was shown, so that it is shown once.
func (c *Conversation) show(s Shown) {
	add := func(list *[]string, names []string) {
		for _, name := range names {
			if !slices.Contains(*list, name) {
				*list = append(*list, name)
				c.touch()
			}
		}
	}
	add(&c.kept.ActivatedSkills, s.Skills)
	add(&c.kept.ActivatedRules, s.Rules)
	add(&c.kept.InvokedSkills, s.Invoked)
}
