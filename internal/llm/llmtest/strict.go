package llmtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// StrictChat gives what OpenAI, or a stricter server of its chat completions,
// would refuse in the history of a request; nil if it is valid.
//
// The system message stands first and nowhere else; the user speaks first and,
// but for the results of tools, last; each tool call is answered once, in order,
// by the messages right after it, and nothing else is an answer; ids are unique,
// names legal, arguments objects; nothing is blank.
func StrictChat(body []byte) error {
	var req struct {
		Messages []struct {
			Role       string
			Content    json.RawMessage
			ToolCallID string `json:"tool_call_id"`
			ToolCalls  []struct {
				ID       string
				Function struct{ Name, Arguments string }
			} `json:"tool_calls"`
		}
	}
	if err := json.Unmarshal(body, &req); err != nil {
		return err
	}
	var h calls
	last := ""
	for i, m := range req.Messages {
		fail := func(format string, a ...any) error {
			return fmt.Errorf("message %d (%s): %s", i, m.Role, fmt.Sprintf(format, a...))
		}
		if m.Role == "tool" {
			if err := h.answer(m.ToolCallID); err != nil {
				return fail("%v", err)
			}
		} else if err := h.done(); err != nil {
			return fail("%v", err)
		}
		silent := len(m.Content) == 0 || string(m.Content) == "null"
		if silent && (m.Role != "assistant" || len(m.ToolCalls) == 0) {
			return fail("it has no content")
		}
		if !silent {
			if err := content(m.Content); err != nil {
				return fail("%v", err)
			}
		}
		first := i == 0 || i == 1 && req.Messages[0].Role == "system"
		switch {
		case m.Role == "system" && i > 0, m.Role != "system" && first && m.Role != "user":
			return fail("it stands in the wrong place")
		case m.Role != "assistant" && len(m.ToolCalls) > 0:
			return fail("it makes calls")
		case m.Role == last && m.Role != "tool":
			return fail("the one before has the same role")
		}
		for _, c := range m.ToolCalls {
			if err := h.call(c.ID, c.Function.Name, []byte(c.Function.Arguments)); err != nil {
				return fail("%v", err)
			}
		}
		last = m.Role
	}
	if last != "user" && last != "tool" {
		return fmt.Errorf("the last message is of role %q", last)
	}
	return h.done()
}

// StrictAnthropic gives what Anthropic would refuse in the history of a request
// to its messages API; nil if it is valid. Beside the rules of [StrictChat] the
// roles alternate, the results of an answer's calls are the first blocks of the
// message right after it, and thinking is signed and stands first.
func StrictAnthropic(body []byte) error {
	type block struct {
		Type, Text, ID, Name, Thinking, Signature, Data string
		ToolUseID                                       string `json:"tool_use_id"`
		Input, Content                                  json.RawMessage
	}
	var req struct {
		System   json.RawMessage
		Messages []struct {
			Role    string
			Content json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &req); err != nil {
		return err
	}
	if len(req.System) > 0 {
		if err := content(req.System); err != nil {
			return fmt.Errorf("system: %w", err)
		}
	}
	var h calls
	for i, m := range req.Messages {
		fail := func(format string, a ...any) error {
			return fmt.Errorf("message %d (%s): %s", i, m.Role, fmt.Sprintf(format, a...))
		}
		if want := []string{"user", "assistant"}[i%2]; m.Role != want {
			return fail("it should be the %s's", want)
		}
		if err := content(m.Content); err != nil {
			return fail("%v", err)
		}
		var blocks []block
		if json.Unmarshal(m.Content, &blocks) != nil {
			blocks = []block{{Type: "text"}} // a string, looked at above
		}
		for j, b := range blocks {
			var err error
			switch {
			case b.Type == "tool_result":
				if j > 0 && blocks[j-1].Type != "tool_result" {
					return fail("a result stands after something else")
				}
				if err = h.answer(b.ToolUseID); err == nil {
					err = content(b.Content)
				}
			case b.Type == "tool_use" && m.Role == "assistant":
				err = h.call(b.ID, b.Name, b.Input)
			case m.Role == "user":
				err = h.done()
			case strings.HasSuffix(b.Type, "thinking"):
				if j > 0 && !strings.HasSuffix(blocks[j-1].Type, "thinking") {
					err = errors.New("thinking stands after something else")
				} else if b.Signature == "" && b.Data == "" {
					err = errors.New("thinking is not signed")
				}
			}
			if err != nil {
				return fail("%v", err)
			}
		}
		if m.Role == "user" {
			if err := h.done(); err != nil {
				return fail("%v", err)
			}
		}
	}
	if len(req.Messages)%2 == 0 {
		return errors.New("the last message is not the user's")
	}
	return nil
}

// calls follows the tool calls of a history.
type calls struct {
	seen map[string]bool
	open []string
}

var (
	legalID   = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
	legalName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
)

func (c *calls) call(id, name string, arguments []byte) error {
	var object map[string]any
	switch {
	case c.seen[id]:
		return fmt.Errorf("the id %q was used before", id)
	case !legalID.MatchString(id), !legalName.MatchString(name):
		return fmt.Errorf("the call %q of %q has an illegal id or name", id, name)
	case json.Unmarshal(arguments, &object) != nil || object == nil:
		return fmt.Errorf("the arguments of %s are no object: %s", id, arguments)
	}
	if c.seen == nil {
		c.seen = map[string]bool{}
	}
	c.seen[id] = true
	c.open = append(c.open, id)
	return nil
}

func (c *calls) answer(id string) error {
	if len(c.open) == 0 || c.open[0] != id {
		return fmt.Errorf("%q answers no call that is open: %q", id, c.open)
	}
	c.open = c.open[1:]
	return nil
}

func (c *calls) done() error {
	if len(c.open) > 0 {
		return fmt.Errorf("the calls %q have no answer", c.open)
	}
	return nil
}

// content tells what is wrong with a message's content: text or parts, none of
// which may be blank.
func content(raw json.RawMessage) error {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		if strings.TrimSpace(text) == "" {
			return errors.New("its text is blank")
		}
		return nil
	}
	var parts []struct{ Type, Text string }
	if err := json.Unmarshal(raw, &parts); err != nil {
		return fmt.Errorf("its content can't be read: %w", err)
	}
	if len(parts) == 0 {
		return errors.New("it has no content")
	}
	for _, p := range parts {
		if p.Type == "text" && strings.TrimSpace(p.Text) == "" {
			return errors.New("a text of it is blank")
		}
	}
	return nil
}
