package conversation

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// UpdateSecrets adds, replaces and (with null) forgets secrets. reply gets the
// names that are known then.
func (c *Conversation) UpdateSecrets(values map[string]json.RawMessage, reply func(names []string, err error)) error {
	return c.request(func(err error) { reply(nil, err) }, func(context.Context) {
		if err := c.secrets.Update(values); err != nil {
			reply(nil, &ValueError{"secrets", err.Error()})
			return
		}
		c.dirty = true
		_ = c.secure() // logged
		reply(c.secrets.Names(), nil)
	})
}

// variables gives an agent the variables that a command names. It is called by
// tools, from their goroutine, and may wait for a server or the client.
func (c *Conversation) variables(ctx context.Context, command string) (vars map[string]string, missing []string) {
	vars, missing = c.secrets.Variables(ctx, command)
	for _, why := range missing {
		c.log.Warn("a secret that a command names has no value", "conversation", c.id, "secret", why)
	}
	return vars, missing
}

// seed takes in the secrets that an agent brings with it.
func (c *Conversation) seed(agent json.RawMessage) error {
	var spec struct {
		Context struct {
			Secrets map[string]json.RawMessage `json:"secrets"`
		} `json:"agent_context"`
	}
	if json.Unmarshal(agent, &spec) != nil {
		return nil // what is wrong with an agent is told by whoever makes it
	}
	return c.secrets.Seed(spec.Context.Secrets)
}

// warnUnread says what is stored encrypted and can't be read.
func (c *Conversation) warnUnread() {
	if names := c.secrets.Unread(); len(names) > 0 || c.unread > 0 {
		c.log.Warn("stored secrets can't be read: they are encrypted with another key. Set OH_SECRET_KEY to the key that they were stored with, "+
			"or give them again; until then they are kept as they are", "conversation", c.id, "secrets", names, "of the agent", c.unread)
	}
}

// mask hides secrets in an event that is encoded. What the model said where an
// action holds one is kept, so that it is carried out as it was said.
func (c *Conversation) mask(e event.Event, raw json.RawMessage) (event.Event, json.RawMessage, error) {
	masked := c.secrets.MaskJSON(raw)
	if len(masked) == len(raw) && &masked[0] == &raw[0] {
		return e, raw, nil
	}
	hidden, err := event.Decode(masked)
	if err != nil {
		return nil, nil, err
	}
	if a, ok := hidden.(*event.Action); ok && a.Action != nil {
		said, err := event.Decode(raw)
		if err != nil {
			return nil, nil, err
		}
		if action := said.(*event.Action).Action; !bytes.Equal(action, a.Action) {
			if c.said == nil {
				c.said = map[string]json.RawMessage{}
			}
			c.said[a.ID] = action
		}
	}
	return hidden, masked, nil
}

// asSaid gives an action as the model said it, with the secrets that are masked
// in the log. It must not be stored or shown.
func (c *Conversation) asSaid(a *event.Action) *event.Action {
	action, ok := c.said[a.ID]
	if !ok {
		return a
	}
	said := *a
	said.Action = action
	return &said
}

// allAsSaid is asSaid for a batch.
func (c *Conversation) allAsSaid(actions []*event.Action) []*event.Action {
	said := slices.Clone(actions)
	for i, a := range said {
		said[i] = c.asSaid(a)
	}
	return said
}

// forgotten tells that the secrets in an action were lost with the process that
// knew them.
func (c *Conversation) forgotten(a *event.Action) bool {
	_, known := c.said[a.ID]
	return !known && slices.Contains(c.side.Masked, a.ID)
}

// answerForgotten answers an action whose secrets were lost.
func answerForgotten(a *event.Action) *event.AgentError {
	return answer(a, fmt.Sprintf("This call was not carried out: it held the value of a secret, which is not stored, and the process has ended meanwhile. "+
		"Call %s again, and name the secret's variable instead of its value.", a.ToolName))
}

// forgetSaid drops what was kept of actions that are answered, and notes the
// others in the sidecar.
func (c *Conversation) forgetSaid() {
	if len(c.said)+len(c.side.Masked) == 0 || !c.history.loaded {
		return
	}
	var masked []string
	for _, a := range c.history.open.Actions() {
		if _, known := c.said[a.ID]; known || slices.Contains(c.side.Masked, a.ID) {
			masked = append(masked, a.ID)
		}
	}
	c.side.Masked = masked
	for id := range c.said {
		if !slices.Contains(masked, id) {
			delete(c.said, id)
		}
	}
}

// makeAgent makes the agent: what is given of one, on top of the stored one.
func (c *Conversation) makeAgent(e env, o Options) error {
	stored := c.kept.Agent
	var spec json.RawMessage
	spec, c.unread = c.secrets.Unseal(stored)
	given := o.Agent
	if given != nil {
		given = c.secrets.Fill(given, spec)
	}
	spec, err := joinAgents(spec, given, o.Profile)
	if err != nil {
		return err
	}
	tools, err := withStored(o.ClientTools, storedClientTools(stored))
	if err != nil {
		return err
	}
	if err := c.seed(spec); err != nil && given != nil {
		return &ValueError{"agent.agent_context.secrets", err.Error()}
	} else if err != nil {
		c.log.Warn("the secrets of the stored agent can't be read", "conversation", c.id, "error", err)
	}
	a, err := e.newAgent(AgentEnv{
		ConversationID: c.id, Spec: spec, Stored: stored, ClientTools: tools, AskUser: o.AskUser && stored == nil, Workspace: c.workspace, Dir: c.store.Dir(), Touch: c.touchFile,
		Secrets: c.variables, Secret: c.secrets.Value, Mask: c.secrets.Mask, Hide: c.secrets.Hide, Seal: c.secrets.Seal, Seed: c.secrets.Seed,
	})
	if err != nil {
		return err
	}
	c.agent, c.given = a, spec
	if given != nil && stored != nil {
		return keepsTools(a, stored)
	}
	return nil
}
