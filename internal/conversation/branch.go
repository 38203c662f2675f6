package conversation

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"time"

	"github.com/google/uuid"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/store"
)

// Navigate makes an event HEAD, so that the next one is appended behind it:
// navigate_to of the reference. "" makes the branch empty. What is not on the
// branch any more stays on disk. It is refused with a [BusyError] while a run
// goes on or waits, and with a [ValueError] where there is no such event.
func (c *Conversation) Navigate(eventID string, reply func(Info, error)) error {
	return c.change(reply, func() error {
		if err := c.free(); err != nil {
			return err
		}
		if eventID == c.history.leaf() {
			return nil
		}
		branch, err := c.history.branchTo(eventID, "eventId")
		if err != nil {
			return err
		}
		branch.epoch++
		c.history = branch
		// What was true of the end of the other branch is not of this one's.
		c.status = Idle
		c.side.StopReason, c.side.Error, c.side.Iteration = "", nil, 0
		c.sent, c.measured, c.condenseFrom = map[string]Sent{}, measure{}, 0
		return nil
	})
}

// ForkOptions are the parameters of OpenHands' fork.
type ForkOptions struct {
	// ID of the new conversation; a new one if empty.
	ID string
	// From is the event with which the new conversation ends; "" takes the whole
	// log over, with HEAD where it is.
	From  string
	Title string
	Tags  map[string]string
	// KeepStats takes the statistics over, which otherwise begin anew.
	KeepStats bool
}

// fork is what is needed to make the conversation without the one that it is
// made of.
type fork struct {
	from    *store.Store
	copy    store.Copy
	options Options
}

// Fork makes a conversation of another one, which is open here, with another
// process or not at all, and is not changed. Only what is stored is taken over,
// so a run of it does not matter. The new conversation is opened.
func (m *Manager) Fork(ctx context.Context, base, id string, o ForkOptions) (*Conversation, error) {
	id, err := ParseID(id)
	if err != nil {
		return nil, err
	}
	if o.ID == "" {
		o.ID = uuid.NewString()
	} else if o.ID, err = ParseID(o.ID); err != nil {
		return nil, &ValueError{"conversationId", "must be a UUID"}
	}
	f, free, err := m.planFork(ctx, base, id, o)
	if err != nil {
		return nil, err
	}
	defer free()
	if m.Exists(f.copy.Base, o.ID) {
		return nil, &ValueError{"conversationId", "there is a conversation with this id already"}
	}
	f.options.made, err = f.from.Fork(f.copy)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, &ValueError{"conversationId", "there is a conversation with this id already"}
	case errors.Is(err, store.ErrClosed):
		return nil, ErrClosed
	case err != nil:
		return nil, &PersistenceError{err}
	}
	c, err := m.slotFor(ctx, f.options)
	if err != nil && f.copy.Base != "" {
		err = errors.Join(err, store.Delete(f.copy.Base, o.ID))
	}
	return c, err
}

// planFork reads what a fork takes over; free lets go of it.
func (m *Manager) planFork(ctx context.Context, base, id string, o ForkOptions) (f *fork, free func(), err error) {
	m.mu.Lock()
	draining, s := m.draining, m.slots[id]
	m.mu.Unlock()
	if draining {
		return nil, nil, ErrDraining
	}
	if c := m.Opened(id); c != nil && s != nil {
		done := make(chan error, 1)
		if err := c.request(func(err error) { done <- err }, func(context.Context) {
			var err error
			f, err = c.fork(s.base, o)
			done <- err
		}); err != nil {
			return nil, nil, err
		}
		return f, func() {}, c.until(ctx, done)
	}
	snap, err := m.Peek(base, id)
	if err != nil {
		return nil, nil, err
	}
	free = func() { _ = snap.Close() } // opened for reading: nothing to lose
	if base == "" {
		base = m.base
	}
	if f, err = snap.c.fork(base, o); err != nil {
		free()
	}
	return f, free, err
}

// fork says what a fork takes over, which is what the reference does and more.
// A fork is not less careful than its source: policy, analyzer, hooks and
// secrets are taken over too.
func (c *Conversation) fork(base string, o ForkOptions) (*fork, error) {
	tags := maps.Clone(o.Tags)
	if o.Title != "" {
		setTitle(&tags, o.Title)
	}
	c.maskTags(tags)
	if err := checkTags(tags); err != nil {
		return nil, err
	}
	branch, events, linear := c.history, straight(c.history.known), c.history.linear()
	if o.From != "" {
		var err error
		if branch, err = c.history.branchTo(o.From, "from"); err != nil {
			return nil, err
		}
		events, linear = straight(branch.len()), true
		for i := range events {
			events[i] = branch.index(i + 1)
		}
	} else if err := branch.load(); err != nil {
		return nil, &PersistenceError{err}
	}
	answers, leaf, err := forkAnswers(branch)
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	n := len(events) + len(answers)
	side := sidecar{
		Version: 1, Epoch: 1, Linear: linear, Known: n, Seq: branch.len() + len(answers), CreatedAt: now, UpdatedAt: now,
		MaxBudget: c.side.MaxBudget, AutoTitle: c.side.AutoTitle, StuckThresholds: c.side.StuckThresholds, ClientSecrets: c.secrets.Clients(),
	}
	state := baseState{
		ID: o.ID, Agent: c.kept.Agent, Workspace: workspaceState{c.workspace, "LocalWorkspace"},
		MaxIterations: c.maxIter, StuckDetection: &c.stuckOn, ExecutionStatus: Idle, Policy: encoded(c.policy), Analyzer: c.analyzerJSON(),
		ActivatedSkills: c.kept.ActivatedSkills, ActivatedRules: c.kept.ActivatedRules, AgentState: c.kept.AgentState,
		LastUserMessageID: branch.lastUserMessage, LeafEventID: leaf, HeadIsEmpty: leaf == "" && n > 0,
		SecretRegistry: encoded(c.secrets), Tags: tags, HookConfig: c.secrets.MaskJSON(c.hooks.Config()),
	}
	f := &fork{from: c.store, options: Options{ID: o.ID, Base: base, MustExist: base != "", secrets: c.secrets}}
	if c.agent != nil {
		state.Agent = c.agent.Spec()
		f.options.Agent = c.secrets.Fill(state.Agent, c.given)
	}
	if o.KeepStats {
		state.Stats = c.stats.AppendJSON(nil)
	}
	if base != "" {
		if state.PersistenceDir, err = store.Path(base, o.ID); err != nil {
			return nil, err
		}
	}
	side.Head = state.head()
	side.Before = side.Head
	f.copy = store.Copy{
		Base: base, ID: o.ID, Events: events, More: answers, State: state.encode(), Sidecar: encoded(side), Files: o.From == "",
	}
	return f, nil
}

// forkAnswers answers the calls that stand open at the end of a fork: they are
// the source's, and a fork carries nothing out that it did not ask for itself.
func forkAnswers(branch *history) (list []store.NewEvent, leaf string, err error) {
	leaf = branch.leaf()
	for _, a := range branch.open.Actions() {
		e := answer(a, "The conversation was forked before this call was answered, so it was not carried out here. Call it again if it is needed.")
		e.ID, e.Timestamp, e.ParentID = uuid.NewString(), event.Timestamp(time.Now()), leaf
		raw, err := event.Encode(e)
		if err != nil {
			return nil, "", err
		}
		list = append(list, store.NewEvent{ID: e.ID, Raw: raw})
		leaf = e.ID
	}
	return list, leaf, nil
}

// straight is the path to the nth event of a log that has one branch.
func straight(n int) []int {
	p := make([]int, n)
	for i := range p {
		p[i] = i
	}
	return p
}
