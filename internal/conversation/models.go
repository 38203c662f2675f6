package conversation

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/stats"
	"github.com/agent-rpc/agent-rpc/internal/conversation/view"
)

// SwitchModel makes another model the agent's own: switch_llm of the reference.
// It holds from the next step on, also of a run that goes on. llm is an llm
// object; its usage id, if the conversation knows it, stands for the model that is
// known. SwitchModel may wait for the client to give a key, and changes nothing
// where the model can't be used. It must not be called from the conversation's
// own goroutine.
func (c *Conversation) SwitchModel(ctx context.Context, llm json.RawMessage, reply func(Info, error)) error {
	var install func()
	var err error
	if broken := c.guard("the change of a model", func() { install, err = c.agent.Switch(ctx, llm) }); broken != nil {
		err = broken
	}
	if err != nil {
		reply(Info{}, err)
		return nil
	}
	return c.change(reply, func() error {
		install()
		c.measured = measure{} // of the model before
		return nil
	})
}

// AskAgent answers a question about the conversation beside it: ask_agent of the
// reference. It leaves no event and changes no status, and may come while a run
// goes on; what it costs is counted. It ends with ctx.
func (c *Conversation) AskAgent(ctx context.Context, question string, reply func(string, error)) error {
	refuse := func(err error) { reply("", err) }
	if strings.TrimSpace(question) == "" {
		refuse(&ValueError{"question", "is empty"})
		return nil
	}
	return c.request(refuse, func(life context.Context) {
		var messages []event.LLMMessage
		var err error
		if broken := c.guard("a side question", func() { messages, err = c.asideMessages(question) }); broken != nil {
			err = broken
		}
		if err != nil {
			refuse(err)
			return
		}
		go func() {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(life, cancel)()
			answer, call, err := c.aside(ctx, Aside{Messages: messages, History: true, CacheKey: c.id})
			if closed := c.request(refuse, func(context.Context) {
				c.count(call)
				reply(c.secrets.Mask(answer), err)
			}); closed != nil {
				refuse(closed)
			}
		}()
	})
}

// asideMessages is the history as the model knows it, with a question at its end.
func (c *Conversation) asideMessages(question string) ([]event.LLMMessage, error) {
	if err := c.history.load(); err != nil {
		return nil, &PersistenceError{err}
	}
	prompt, err := c.missingPrompt()
	if err != nil {
		return nil, err
	}
	v := c.history.view
	if prompt != nil {
		v = view.Rebuild(slices.Concat([]event.Event{prompt}, c.history.events))
	}
	return v.Messages(c.agent.Render, event.LLMMessage{Role: event.RoleUser, Content: []event.Content{event.Text(
		"This is a question on the side, not a part of the task. Answer it briefly and in words, from what you know of this conversation; " +
			"call no tool and begin nothing new. Afterwards the work goes on as if it had not been asked.\n<question>\n" +
			strings.TrimSpace(question) + "\n</question>")}}), nil
}

// aside asks a model beside the run; what breaks is an error.
func (c *Conversation) aside(ctx context.Context, q Aside) (text string, call stats.Call, err error) {
	if broken := c.guard("a side question", func() { text, call, err = c.agent.Ask(ctx, q) }); broken != nil {
		err = broken
	}
	return text, call, err
}

// warnUnpriced says once that a budget can't hold what a model costs.
func (c *Conversation) warnUnpriced() {
	if c.side.MaxBudget == 0 || c.unpriced {
		return
	}
	for _, l := range c.agent.LLMs() {
		if l.Unpriced {
			c.unpriced = true
			c.log.Warn("what a model costs is not known, so the budget can't stop it: set input_cost_per_token and output_cost_per_token",
				"conversation", c.id, "model", l.Model, "budget", c.side.MaxBudget)
			return
		}
	}
}

// count adds what a side question cost to the statistics; nothing if the model
// did not answer.
func (c *Conversation) count(call stats.Call) {
	if call.UsageID != "" {
		c.stats.Add(call)
		c.touch()
		_ = c.secure() // logged
	}
}
