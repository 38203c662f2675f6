package conversation

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// HookType is a point of a conversation at which hooks run.
type HookType string

// The points. PreToolUse, UserPromptSubmit and Stop may be blocked by a hook.
const (
	PreToolUse       HookType = "PreToolUse"
	PostToolUse      HookType = "PostToolUse"
	UserPromptSubmit HookType = "UserPromptSubmit"
	SessionStart     HookType = "SessionStart"
	SessionEnd       HookType = "SessionEnd"
	Stop             HookType = "Stop"
)

// Hooks run what is configured for the points of a conversation: OpenHands'
// HookConfig. Package hook implements it; cmd plugs it in.
type Hooks interface {
	// Config is the HookConfig as OpenHands stores it; nil if none was given.
	Config() json.RawMessage
	// Has tells whether there are hooks for the point.
	Has(t HookType) bool
	// Run runs the hooks that fit, one after the other, until one blocks where
	// blocking has a meaning; it returns early when ctx ends. It is called from
	// working goroutines and never fails: what went wrong stands in the events,
	// which have no ids.
	Run(ctx context.Context, call HookCall) []*event.HookExecution
	// Close ends what still runs in the background, and returns when it has ended
	// or ctx ends.
	Close(ctx context.Context)
}

// HookCall is what happened. Secrets are masked in it.
type HookCall struct {
	Type HookType
	// ToolName, ToolInput and, after the call, ToolResponse are of a tool call.
	ToolName     string
	ToolInput    json.RawMessage
	ToolResponse json.RawMessage
	// Message is the user's, or why the run stops.
	Message string
}

// HookEnv is what a conversation gives its hooks.
type HookEnv struct {
	ConversationID string
	// Workspace is the absolute path of the workspace's root.
	Workspace string
	// Config is OpenHands' HookConfig; nil if the conversation has none.
	Config json.RawMessage
	// Ask asks the agent's model without tools.
	Ask func(ctx context.Context, messages []event.LLMMessage) (string, error)
}

// NewHooks makes the hooks of a conversation. It must be quick and start nothing.
// An error says what is wrong with the config.
type NewHooks func(env HookEnv) (Hooks, error)

// noHooks is a conversation without hooks. What is stored is kept.
type noHooks struct{ config json.RawMessage }

func (h noHooks) Config() json.RawMessage                            { return h.config }
func (noHooks) Has(HookType) bool                                    { return false }
func (noHooks) Run(context.Context, HookCall) []*event.HookExecution { return nil }
func (noHooks) Close(context.Context)                                {}

// makeHooks makes the hooks that are given, or else the stored ones.
func (c *Conversation) makeHooks(e env, given json.RawMessage) error {
	config := c.kept.HookConfig
	if given != nil {
		config = given
	}
	c.hooks = noHooks{config}
	if e.newHooks == nil {
		return nil
	}
	hooks, err := e.newHooks(HookEnv{ConversationID: c.id, Workspace: c.workspace, Config: config, Ask: c.askForHook})
	switch {
	case err == nil:
		c.hooks = hooks
	case given != nil:
		return &ValueError{"hookConfig", err.Error()}
	default:
		c.log.Warn("the stored hooks can't be read and don't run", "conversation", c.id, "error", err)
	}
	return nil
}

// askForHook asks the agent's model on behalf of a hook and counts what it cost.
func (c *Conversation) askForHook(ctx context.Context, messages []event.LLMMessage) (string, error) {
	text, call, err := c.agent.Ask(ctx, Aside{Messages: messages})
	if call.UsageID != "" {
		_ = c.post(func(context.Context) { // closed: nobody counts any more
			c.stats.Add(call)
			c.touch()
		})
	}
	return text, err
}

// runHooks runs the hooks of a point; about names the action or the message that
// the events are about. It is called from working goroutines.
func (c *Conversation) runHooks(ctx context.Context, call HookCall, about func(*event.HookExecution)) (list []*event.HookExecution) {
	if !c.hooks.Has(call.Type) {
		return nil
	}
	call.ToolInput = c.secrets.MaskJSON(call.ToolInput)
	call.ToolResponse = c.secrets.MaskJSON(call.ToolResponse)
	_ = c.guard("a hook", func() { list = c.hooks.Run(ctx, call) }) // logged; nothing was blocked
	for _, e := range list {
		e.Source = event.SourceHook
		if about != nil {
			about(e)
		}
	}
	return list
}

// blocked gives why hooks blocked; false if none did.
func blocked(list []*event.HookExecution) (reason string, ok bool) {
	for _, e := range list {
		if e.Blocked {
			return e.Reason, true
		}
	}
	return "", false
}

// contexts gives what hooks want the model to read.
func contexts(list []*event.HookExecution) (texts []string) {
	for _, e := range list {
		if e.AdditionalContext != "" {
			texts = append(texts, e.AdditionalContext)
		}
	}
	return texts
}

func (c *Conversation) appendHooks(list []*event.HookExecution) error {
	for _, e := range list {
		if err := c.appendAll(e); err != nil {
			return err
		}
	}
	return nil
}

// awaited tells whether hooks run before a message of the user goes in. They run
// outside the conversation's goroutine and as part of a run, where they can be
// interrupted; so the message waits for one.
func (c *Conversation) awaited() bool {
	return c.hooks.Has(UserPromptSubmit) || !c.greeted && c.hooks.Has(SessionStart)
}

// greet runs the hooks of a session's start once, then goes on.
func (c *Conversation) greet(ctx context.Context, then func(context.Context)) {
	if c.greeted || !c.hooks.Has(SessionStart) {
		c.greeted = true
		then(ctx)
		return
	}
	c.greeted = true
	finished := c.status == Finished
	if finished {
		c.setStatus(Running) // it is not over yet
	}
	c.begin(ctx, func(ctx context.Context, _ *phase) func(context.Context) {
		list := c.runHooks(ctx, HookCall{Type: SessionStart}, nil)
		return c.hooksRan(list, func(ctx context.Context) {
			if finished {
				c.setStatus(Finished)
			}
			then(ctx)
		})
	})
}

// hooksRan stores what hooks did and goes on, unless the run was interrupted
// meanwhile.
func (c *Conversation) hooksRan(list []*event.HookExecution, then func(context.Context)) func(context.Context) {
	return func(ctx context.Context) {
		err := c.appendHooks(list)
		switch {
		case err != nil:
			c.fail(err)
		case c.run.interrupting:
			c.interrupted()
		default:
			then(ctx)
		}
	}
}

// submit lets hooks see the first message that is meant for the next step, and
// takes it in with what they add. One that they block goes in too; the turn then
// ends without the model.
func (c *Conversation) submit(ctx context.Context) {
	m := c.side.Steering[0]
	finished := c.status == Finished
	if finished {
		c.run.iteration = 0 // it is a new turn of the user's
		c.setStatus(Running)
	}
	c.begin(ctx, func(ctx context.Context, _ *phase) func(context.Context) {
		list := c.runHooks(ctx, HookCall{Type: UserPromptSubmit, Message: m.Message.Text()}, func(e *event.HookExecution) { e.MessageID = m.ID })
		return c.hooksRan(list, func(ctx context.Context) {
			if len(c.side.Steering) == 0 || c.side.Steering[0].ID != m.ID {
				c.withdrawn(ctx, m.ID, finished)
				return
			}
			if _, err := c.appendMessage(m, contexts(list)...); err != nil {
				c.fail(err)
				return
			}
			c.tookSteering()
			if reason, ok := blocked(list); ok {
				c.kept.BlockedMessages.set(m.ID, reason)
				c.touch()
			}
			c.advance(ctx)
		})
	})
}

// withdrawn goes on where a message was taken back while hooks saw it. A run that
// was finished before it is so again, and one that was started for it alone has
// nothing to answer.
func (c *Conversation) withdrawn(ctx context.Context, id string, finished bool) {
	switch {
	case finished:
		c.setStatus(Finished)
	case c.run.starter == id && len(c.side.Steering) == 0:
		c.interrupted()
		return
	}
	c.advance(ctx)
}

// messageBlocked tells, once, that hooks blocked the newest message of the user.
func (c *Conversation) messageBlocked() bool {
	id := c.history.lastUserMessage
	if _, ok := c.kept.BlockedMessages[id]; !ok {
		return false
	}
	delete(c.kept.BlockedMessages, id)
	c.touch()
	return true
}

// checkCalls lets hooks see the calls of an answer before they are stored. Their
// events go before the action that they are about; the ids of the actions that
// they block come with the reason. It is called from the goroutine that thinks.
func (c *Conversation) checkCalls(ctx context.Context, t *Thought) (vetoes reasons) {
	if !c.hooks.Has(PreToolUse) {
		return nil
	}
	events := make([]event.Event, 0, len(t.Events))
	for _, e := range t.Events {
		if a, ok := e.(*event.Action); ok && a.Action != nil && ctx.Err() == nil {
			call := HookCall{Type: PreToolUse, ToolName: a.ToolName, ToolInput: a.Action}
			list := c.runHooks(ctx, call, func(e *event.HookExecution) { e.ActionID = a.ID })
			for _, e := range list {
				events = append(events, e)
			}
			if reason, ok := blocked(list); ok {
				vetoes.set(a.ID, reason)
			}
		}
		events = append(events, e)
	}
	t.Events = events
	return vetoes
}

// rejectBlocked answers the actions that hooks blocked, and gives the others.
func (c *Conversation) rejectBlocked(actions []*event.Action) (rest []*event.Action, err error) {
	for _, a := range actions {
		reason, ok := c.kept.BlockedActions[a.ID]
		if !ok {
			rest = append(rest, a)
			continue
		}
		if err := c.appendAll(&event.UserReject{
			Meta: event.Meta{Source: event.SourceEnvironment}, ToolName: a.ToolName, ToolCallID: a.ToolCallID,
			RejectionReason: reason, RejectionSource: "hook", ActionID: a.ID,
		}); err != nil {
			return nil, err
		}
		delete(c.kept.BlockedActions, a.ID)
		c.touch()
	}
	return rest, nil
}

// checkStop lets hooks say whether the run may end as finished. Where they block
// it goes on, and the model reads why.
func (c *Conversation) checkStop(ctx context.Context) {
	c.run.stopChecked = true
	c.setStatus(Running) // it is not over yet
	c.begin(ctx, func(ctx context.Context, _ *phase) func(context.Context) {
		list := c.runHooks(ctx, HookCall{Type: Stop, Message: "agent_finished"}, nil)
		return c.hooksRan(list, func(ctx context.Context) {
			reason, ok := blocked(list)
			if !ok {
				c.setStatus(Finished)
				c.advance(ctx)
				return
			}
			if texts := contexts(list); len(texts) > 0 {
				reason = strings.Join(texts, "\n")
			}
			if reason != "" {
				if err := c.appendAll(nudge("[Stop hook feedback] " + reason)); err != nil {
					c.fail(err)
					return
				}
			}
			c.advance(ctx)
		})
	})
}

// endSession runs the hooks of a session's end, if it began, and ends those that
// still run.
func (c *Conversation) endSession(ctx context.Context) {
	if c.greeted {
		if err := c.appendHooks(c.runHooks(ctx, HookCall{Type: SessionEnd}, nil)); err != nil {
			c.log.Error("storing what hooks did", "conversation", c.id, "error", err)
		}
	}
	_ = c.guard("the end of hooks", func() { c.hooks.Close(ctx) }) // logged
}

// reasons are OpenHands' blocked_actions and blocked_messages: why, by id.
type reasons map[string]string

func (r *reasons) set(id, reason string) {
	if *r == nil {
		*r = reasons{}
	}
	(*r)[id] = reason
}

// UnmarshalJSON passes over what is no text.
func (r *reasons) UnmarshalJSON(data []byte) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	for id, v := range raw {
		var reason string
		if json.Unmarshal(v, &reason) == nil {
			r.set(id, reason)
		}
	}
	return nil
}
