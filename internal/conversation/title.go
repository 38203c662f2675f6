package conversation

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/agent-rpc/agent-rpc/internal/conversation/stats"
	"github.com/agent-rpc/agent-rpc/internal/conversation/title"
)

// GenerateTitle makes a title of the first user message, with the model of the llm
// object (the agent's own if it is nil) where it can be asked and from the text
// itself otherwise, and keeps it.
func (c *Conversation) GenerateTitle(maxLength int, llm json.RawMessage, reply func(string, error)) error {
	refuse := func(err error) { reply("", err) }
	return c.request(refuse, func(ctx context.Context) {
		text, err := c.titleText()
		if err != nil {
			refuse(err)
			return
		}
		go func() {
			name, call, err := c.askTitle(ctx, text, maxLength, llm)
			if closed := c.request(refuse, func(context.Context) {
				c.count(call)
				if err != nil {
					refuse(err)
					return
				}
				told := c.setTitle(name)
				reply(name, nil)
				told()
			}); closed != nil {
				refuse(closed)
			}
		}()
	})
}

// nameIfDue gives a conversation without a title one after a run that finished, if
// that is wanted. Nothing waits for it, and where it fails nobody is told.
func (c *Conversation) nameIfDue(ctx context.Context) {
	if !c.unnamed || c.closing {
		return
	}
	c.unnamed = false
	text, err := c.titleText()
	if err != nil {
		return // the message that was answered had no text
	}
	go func() {
		name, call, err := c.askTitle(ctx, text, title.DefaultLength, nil)
		_ = c.post(func(context.Context) { // closed meanwhile: the next run tries again
			if c.closing {
				return
			}
			c.count(call)
			if err == nil && c.tags["title"] == "" {
				c.setTitle(name)()
			}
		})
	}()
}

func (c *Conversation) titleText() (string, error) {
	if err := c.history.load(); err != nil {
		return "", &PersistenceError{err}
	}
	text, err := title.Text(c.history.events)
	if err != nil {
		return "", &StateError{Status: c.status, Message: "there is no message of the user to make a title of"}
	}
	return text, nil
}

// askTitle asks the model for a title and falls back on the text itself. What is
// wrong with the llm object is an error.
func (c *Conversation) askTitle(ctx context.Context, text string, maxLength int, llm json.RawMessage) (string, stats.Call, error) {
	reply, call, err := c.aside(ctx, Aside{Messages: title.Request(text, maxLength), LLM: llm})
	if err == nil {
		if name, ok := title.Clean(reply, maxLength); ok {
			return c.secrets.Mask(name), call, nil
		}
	} else {
		var value *ValueError
		if llm != nil && errors.As(err, &value) {
			return "", call, err
		}
		c.log.Info("the title is made without the model", "conversation", c.id, "error", err)
	}
	return title.Fallback(text, maxLength), call, nil
}

// setTitle stores a title and gives what tells of it.
func (c *Conversation) setTitle(name string) (tell func()) {
	if len([]rune(name)) <= maxTag {
		setTitle(&c.tags, name)
	}
	c.touch()
	_ = c.secure() // logged
	return func() {
		if c.onChange != nil {
			c.onChange()
		}
	}
}
