package conversation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// run is a run that executes or waits. It belongs to the conversation's
// goroutine.
type run struct {
	id        string
	iteration int
	// phase is the work that goes on: the model thinks or tools act. Nil between
	// steps and while the run waits.
	phase *phase
	// pausing and interrupting say what the user asked for.
	pausing      bool
	interrupting bool
	told         bool // Started was published
	// starter is the message that the run was started for, until one goes in.
	starter string
	// after is why the run before stopped.
	after StopReason
	// stopChecked tells that hooks have seen the end that is due, and blocked that
	// it is due because they blocked a message.
	stopChecked, blocked bool
	// batch is what the phase does where it carries out calls.
	batch *batch
	// acted tells that tools may have changed something since it was looked last
	// for the end.
	acted bool
	// approved tells that the user said yes to the actions that are open.
	approved bool
	// answered holds the answers, by request id, to questions that waited over a
	// restart, until their calls ask again.
	answered map[string]InputAnswer
	// overflows counts how often in a row the model refused the history.
	overflows int
	// condensed tells that the last step was a condensation.
	condensed bool
	// asked waits for the condensation that is the next step.
	asked []func(Info, error)
	// before is set in a run that only condenses: what it goes back to.
	before  *outcome
	waiters []func(Outcome)
	onEnd   []func()
}

// phase is one piece of work in goroutines of its own.
type phase struct {
	cancel context.CancelFunc

	mu   sync.Mutex
	over bool
}

// shut lets no delta pass from now on; one that is on its way gets through
// before it returns.
func (p *phase) shut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
}

// whileOpen calls tell, which must not block, unless the phase is shut.
func (p *phase) whileOpen(tell func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		tell()
	}
}

// workGrace is how long an interrupted model call or tool may take to end
// before its result is given up, and closeGrace how long when the conversation
// closes; its tools get toolsGrace to end what does not stop. The two of them fit
// into the time that a shutdown may take.
const (
	workGrace  = time.Second
	closeGrace = 250 * time.Millisecond
	toolsGrace = 800 * time.Millisecond
)

// Run starts a run, or approves what waits for confirmation, as run() of the
// reference does. reply gets the run's id. ended, if not nil, is called when
// the run ended or waits, after everything else was published.
func (c *Conversation) Run(reply func(runID string, err error), ended func(Outcome)) error {
	return c.request(func(err error) { reply("", err) }, func(ctx context.Context) {
		switch {
		case c.run != nil && c.status == WaitingForConfirmation:
			id := c.run.id
			c.wait(ended)
			c.resolve(ctx, Resolution{Outcome: "approved", Via: "run"}, func() { reply(id, nil) })
		case c.run != nil:
			reply("", &BusyError{c.run.id, c.status})
		case c.direct != nil:
			reply("", &BusyError{Status: c.status})
		default:
			id := c.newRun()
			c.wait(ended)
			c.start(ctx, func() { reply(id, nil) })
		}
	})
}

func (c *Conversation) wait(ended func(Outcome)) {
	if ended != nil {
		c.run.waiters = append(c.run.waiters, ended)
	}
}

// newRun makes the run's record; start sets it going.
func (c *Conversation) newRun() (id string) {
	c.run = &run{id: uuid.NewString(), after: c.side.StopReason}
	c.side.RunID, c.side.StopReason, c.side.Error, c.side.Iteration = c.run.id, "", nil, 0
	c.side.RunFrom = c.history.len()
	return c.run.id
}

// start begins the run that newRun made and calls accepted once it is stored. A
// conversation that is finished has nothing to do: its run ends at once, without
// asking the model.
func (c *Conversation) start(ctx context.Context, accepted func()) {
	if c.status != Finished {
		c.setStatus(Running)
	}
	c.touch()
	err := c.secure()
	accepted()
	c.tellStarted()
	if err != nil {
		c.fail(err) // after a crash nobody would know of what it did
		return
	}
	c.proceed(ctx)
}

// proceed begins the work of a run.
func (c *Conversation) proceed(ctx context.Context) {
	if err := c.prepare(); err != nil {
		c.fail(err)
		return
	}
	if err := c.answerLost(c.run.after); err != nil {
		c.fail(err)
		return
	}
	if c.run.after != StopPaused {
		// After a pause the turn that was paused is finished first.
		c.requeue()
		if c.status != Finished && c.history.open.Len() == 0 {
			c.steerQueue()
		}
	}
	c.greet(ctx, c.advance)
}

// steerQueue means what is queued for the next step.
func (c *Conversation) steerQueue() {
	c.side.Steering, c.side.Queue = slices.Concat(c.side.Steering, c.side.Queue), nil
}

// tellStarted tells once that the run goes on: at its start, or when it goes on
// after it waited in a process before this one.
func (c *Conversation) tellStarted() {
	if c.run.told {
		return
	}
	c.run.told = true
	id := c.run.id
	c.publish(func(o Observer) { o.Started(id) })
}

// prepare reads the history and makes sure that it begins with the system
// prompt.
func (c *Conversation) prepare() error {
	if err := c.history.load(); err != nil {
		return &PersistenceError{err}
	}
	prompt, err := c.missingPrompt()
	if err == nil && prompt != nil {
		_, err = c.append(prompt)
	}
	return err
}

// missingPrompt makes the system prompt that the history, which is loaded, should
// begin with; nil if it does.
func (c *Conversation) missingPrompt() (prompt *event.SystemPrompt, err error) {
	beginning := 0
	for _, e := range c.history.events {
		if beginning == 3 {
			break
		}
		switch e := e.(type) {
		case *event.HookExecution:
			continue // OpenHands logs those of a session's start before the prompt
		case *event.SystemPrompt:
			return nil, nil
		case *event.Message:
			if e.Source == event.SourceUser {
				return nil, nil // written by a release that kept its prompt elsewhere
			}
		}
		beginning++
	}
	err = c.guard("the system prompt", func() { prompt = c.agent.SystemPrompt(c.secrets.Infos()) })
	return prompt, err
}

// advance goes on with the run: it is the head of the reference's loop, where
// no work is going on.
func (c *Conversation) advance(ctx context.Context) {
	r := c.run
	if r.pausing {
		if c.status == Finished {
			c.end(Finished, StopFinished) // the queue waits: the user asked to stop
			return
		}
		if err := c.appendAll(&event.Pause{Meta: event.Meta{Source: event.SourceUser}}); err != nil {
			c.fail(err)
			return
		}
		c.end(Paused, StopPaused)
		return
	}
	if len(r.asked) > 0 {
		if d := c.dueOnRequest(); d != nil {
			c.condense(ctx, d)
			return
		}
		c.replyCondense(c.condensable())()
	}
	if c.history.open.Len() == 0 && len(c.side.Steering) > 0 {
		if c.hooks.Has(UserPromptSubmit) {
			c.submit(ctx)
			return
		}
		if err := c.takeSteering(); err != nil {
			c.fail(err)
			return
		}
	}
	if c.status == Finished {
		if len(c.side.Queue) == 0 {
			// At a limit hooks can't make it go on.
			if c.hooks.Has(Stop) && !r.stopChecked && r.iteration < c.maxIter && !c.spent() {
				c.checkStop(ctx)
				return
			}
			c.finish(ctx)
			return
		}
		if c.hooks.Has(UserPromptSubmit) {
			c.steerQueue()
			c.submit(ctx)
			return
		}
		if err := c.takeQueue(); err != nil {
			c.fail(err)
			return
		}
		// A new turn of the user's has its own budget of steps.
		r.iteration = 0
		c.setStatus(Running)
	}
	if c.stuckOn && !r.approved {
		verdict := c.detector.Check(c.history.events)
		if verdict.Nudge != "" {
			if err := c.appendAll(nudge(verdict.Nudge)); err != nil {
				c.fail(err)
				return
			}
		} else if verdict.Stuck {
			c.side.Error = &RunError{Code: "Stuck", Message: verdict.Detail, Classification: event.ClassAgentAction}
			c.end(Stuck, StopStuck)
			return
		}
	}
	open := c.history.open.Actions()
	switch {
	case len(open) == 0 && c.messageBlocked():
		// Nothing was done that could be gone on with.
		r.stopChecked, r.blocked = true, true
		c.setStatus(Finished)
		c.stepped(ctx)
	case len(open) == 0:
		r.approved, r.stopChecked, r.blocked = false, false, false
		c.think(ctx)
	case r.approved:
		c.act(ctx, open)
	default:
		// They were left open by a run that paused, maybe under another policy.
		c.decide(ctx)
	}
}

// stepped counts a step and applies the limits.
func (c *Conversation) stepped(ctx context.Context) {
	c.touch()
	r := c.run
	r.iteration++
	c.side.Iteration = r.iteration
	c.warnUnpriced()
	if c.spent() && c.status != Finished {
		detail := fmt.Sprintf("the conversation has cost $%.2f, and its budget is $%.2f", c.stats.TotalCost(), c.side.MaxBudget)
		if err := c.endWithError(StopBudget, "MaxBudgetReached", detail, nil); err != nil {
			c.log.Error("storing the end of a run", "conversation", c.id, "error", err)
		}
		return
	}
	if r.iteration >= c.maxIter && c.status != Finished {
		detail := fmt.Sprintf("the limit of %d steps per run was reached", c.maxIter)
		if err := c.endWithError(StopMaxIterations, "MaxIterationsReached", detail, nil); err != nil {
			c.log.Error("storing the end of a run", "conversation", c.id, "error", err)
		}
		return
	}
	c.advance(ctx)
}

// spent tells whether the budget is used up.
func (c *Conversation) spent() bool {
	return c.side.MaxBudget > 0 && c.stats.TotalCost() >= c.side.MaxBudget
}

// fail ends the run with an error.
func (c *Conversation) fail(err error) {
	code, detail := codeOf(err), err.Error()
	if storeErr := c.endWithError(StopError, code, detail, err); storeErr != nil {
		c.log.Error("storing the end of a run", "conversation", c.id, "error", storeErr)
	}
}

// endWithError answers what is open, stores the error and ends the run. The
// run ends even where the disk refuses.
func (c *Conversation) endWithError(reason StopReason, code, detail string, cause error) error {
	detail = c.secrets.Mask(detail)
	class := event.Classify(code, detail)
	c.side.Error = &RunError{Code: code, Message: detail, Classification: class}
	var err error
	if reason == StopError {
		err = c.answerOpen("The run ended with an error before this call was carried out: " + detail)
	}
	var persistence *PersistenceError
	if !errors.As(cause, &persistence) {
		_, appendErr := c.append(&event.ConversationError{
			Meta: event.Meta{Source: event.SourceEnvironment}, Code: code, Detail: detail, Classification: class,
		})
		err = errors.Join(err, appendErr)
	}
	c.end(Failed, reason)
	return err
}

// end is the one place where a run ends. Everything the run did is on disk and
// published before its terminal state; who waited for it is told last.
func (c *Conversation) end(s Status, reason StopReason) {
	c.cancelInputs("rule")
	r := c.run
	notCondensed := c.replyCondense(&StateError{Status: s, Message: "the run stopped before the history was condensed; ask again"})
	c.run = nil
	c.side.StopReason = reason
	if reason != StopPaused {
		c.requeue()
	}
	c.status = s
	c.unnamed = reason == StopFinished && !r.blocked && c.side.AutoTitle && c.tags["title"] == ""
	_ = c.save() // logged
	c.flush()
	if err := c.store.Sync(); err != nil {
		c.log.Error("syncing the conversation", "conversation", c.id, "error", err)
	}
	c.changed = false
	info, outcome := c.info(), Outcome{r.id, s, reason}
	for _, o := range c.listeners() {
		o.State(info, true)
		o.Ended(outcome)
	}
	for _, tell := range r.waiters {
		tell(outcome)
	}
	notCondensed()
	c.endChanges()
	for _, f := range r.onEnd {
		f()
	}
	if c.onChange != nil {
		c.onChange()
	}
}

// Pause asks the run to stop at the next step. reply gets pausing while the run
// goes on, and the status itself where there is nothing to pause.
func (c *Conversation) Pause(reply func(Status, error)) error {
	return c.request(func(err error) { reply(c.status, err) }, func(context.Context) {
		switch {
		case c.run != nil && (c.run.phase != nil || c.status == WaitingForInput):
			if !c.run.interrupting {
				c.run.pausing = true
				c.setStatus(c.working()) // a question still waits
			}
			reply(Pausing, nil)
		case c.status == Idle && c.run == nil:
			err := c.appendAll(&event.Pause{Meta: event.Meta{Source: event.SourceUser}})
			if err == nil {
				c.side.StopReason = StopPaused
				c.setStatus(Paused)
				_ = c.secure() // logged
			}
			reply(c.status, err)
		default:
			reply(c.status, nil)
		}
	})
}

// Interrupt stops the model call and the tools that run, now. The outcome is a
// state: paused, with every open call answered.
func (c *Conversation) Interrupt(reply func(error)) error {
	return c.request(reply, func(context.Context) {
		reply(nil)
		c.interrupt()
	})
}

// interrupt stops what goes on or waits; where nothing does it is a pause.
func (c *Conversation) interrupt() {
	r := c.run
	switch {
	case c.direct != nil:
		c.stopDirect(workGrace)
	case r == nil && c.status == Idle:
		if err := c.appendAll(&event.Pause{Meta: event.Meta{Source: event.SourceUser}}); err != nil {
			c.log.Error("storing a pause", "conversation", c.id, "error", err)
			return
		}
		c.side.StopReason = StopPaused
		c.setStatus(Paused)
	case r == nil:
	case r.phase == nil && c.status == WaitingForConfirmation:
		if p := c.confirmation(); p != nil {
			c.publishResolution(Resolution{RequestID: p.RequestID, Outcome: "cancelled", Via: "interrupt"})
		}
		c.interrupted()
	case r.phase == nil && c.status == WaitingForInput:
		c.cancelInputs("interrupt")
		c.interrupted()
	case r.interrupting:
	default:
		c.cancelWork(workGrace)
	}
}

// cancelWork stops the model call or the tools, and gives them up if they don't
// end in time.
func (c *Conversation) cancelWork(grace time.Duration) {
	r, work := c.run, c.run.phase
	r.interrupting = true
	if len(c.side.Inputs) > 0 {
		c.cancelInputs("interrupt")
		c.setStatus(c.working())
	}
	work.cancel()
	time.AfterFunc(grace, func() {
		_ = c.post(func(context.Context) { // closed meanwhile: nothing to give up
			if c.run == r && r.phase == work {
				c.log.Warn("the work did not end in time after an interrupt", "conversation", c.id)
				work.shut()
				r.phase, r.batch = nil, nil
				c.interrupted()
			}
		})
	})
}

// interrupted ends an interrupted run: every open action is answered.
func (c *Conversation) interrupted() {
	err := c.answerOpen("The call was interrupted by the user and the conversation is paused. It may have had effects already.")
	if err == nil {
		err = c.appendAll(&event.Interrupt{Meta: event.Meta{Source: event.SourceUser}})
	}
	if err != nil {
		c.fail(err)
		return
	}
	c.end(Paused, StopInterrupted)
}

// answerLost answers the actions that stand open although the run before them is
// over: the disk did not take their answers, or another program did not give
// them. Nobody knows whether they were carried out, so they are not carried out
// again. Only those that a pause or a limit left over never began.
func (c *Conversation) answerLost(after StopReason) error {
	switch after {
	case StopPaused, StopMaxIterations, StopBudget:
		return nil
	}
	return c.answerOpen("The run ended before it was known what became of this call. It may have had effects already; it was not run again.")
}

// answerOpen answers every open action with an error event.
func (c *Conversation) answerOpen(text string) error {
	for _, a := range c.history.open.Actions() {
		if err := c.appendAll(answer(a, text)); err != nil {
			return err
		}
	}
	return nil
}

func answer(a *event.Action, text string) *event.AgentError {
	return &event.AgentError{
		Meta: event.Meta{Source: event.SourceAgent}, ToolName: a.ToolName, ToolCallID: a.ToolCallID,
		Error: text, Classification: event.ClassAgentAction,
	}
}

// nudge is a message of the environment that the model reads as the user's.
func nudge(text string) *event.Message {
	return &event.Message{
		Meta:       event.Meta{Source: event.SourceEnvironment},
		LLMMessage: event.LLMMessage{Role: event.RoleUser, Content: []event.Content{event.Text(text)}},
	}
}

func (c *Conversation) appendAll(events ...event.Event) error {
	for _, e := range events {
		if _, err := c.append(e); err != nil {
			return err
		}
	}
	return nil
}

// broken ends a run whose handling broke.
func (c *Conversation) broken(err error) {
	if c.run == nil {
		return
	}
	if c.run.phase != nil {
		c.run.phase.shut()
		c.run.phase.cancel()
	}
	c.fail(err)
}

// codeOf names an error as OpenHands does: by its class, where it has one.
func codeOf(err error) string {
	var coded interface{ Code() string }
	var persistence *PersistenceError
	switch {
	case errors.As(err, &coded):
		return coded.Code()
	case errors.As(err, &persistence):
		return "PersistenceError"
	}
	return "InternalError"
}
