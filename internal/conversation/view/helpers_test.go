package view_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// The events of the tests, short to write.

func system(id, text string) *event.SystemPrompt {
	return &event.SystemPrompt{Meta: event.Meta{ID: id, Source: event.SourceAgent}, SystemPrompt: event.Text(text)}
}

func user(id, text string) *event.Message {
	return message(id, event.SourceUser, event.RoleUser, text)
}

func agent(id, text string) *event.Message {
	return message(id, event.SourceAgent, event.RoleAssistant, text)
}

func message(id string, source event.Source, role event.Role, text string) *event.Message {
	return &event.Message{
		Meta:       event.Meta{ID: id, Source: source},
		LLMMessage: event.LLMMessage{Role: role, Content: []event.Content{event.Text(text)}},
	}
}

// action is a valid call: its id is "A"+n, its tool call's "c"+n.
func action(n, response string, thought ...string) *event.Action {
	a := &event.Action{
		Meta:       event.Meta{ID: "A" + n, Source: event.SourceAgent},
		Action:     json.RawMessage(`{"kind":"TerminalAction"}`),
		ToolName:   "terminal",
		ToolCallID: "c" + n,
		ToolCall: event.ToolCall{
			ID: "c" + n, Name: "terminal", Arguments: `{"command": "` + n + `"}`, Origin: event.OriginCompletion,
		},
		LLMResponseID: response,
	}
	for _, text := range thought {
		a.Thought = append(a.Thought, event.Text(text))
	}
	return a
}

func thinking(a *event.Action) *event.Action {
	a.ThinkingBlocks = []event.Thinking{{Type: "thinking", Thinking: "hm"}}
	return a
}

func invalid(a *event.Action, arguments string) *event.Action {
	a.Action = nil
	a.ToolCall.Arguments = arguments
	return a
}

func observation(n, text string) *event.Observation {
	raw, _ := json.Marshal(map[string]string{"text": text})
	return &event.Observation{
		Meta: event.Meta{ID: "O" + n, Source: event.SourceEnvironment}, ToolName: "terminal",
		ToolCallID: "c" + n, ActionID: "A" + n, Observation: raw,
	}
}

func failure(n, text string) *event.AgentError {
	return &event.AgentError{Meta: event.Meta{ID: "E" + n, Source: event.SourceAgent}, ToolCallID: "c" + n, Error: text}
}

func rejection(n, reason string) *event.UserReject {
	return &event.UserReject{
		Meta: event.Meta{ID: "R" + n, Source: event.SourceEnvironment}, ToolCallID: "c" + n, ActionID: "A" + n, RejectionReason: reason,
	}
}

func condensation(id, summary string, offset int, forgotten ...string) *event.Condensation {
	return &event.Condensation{Meta: event.Meta{ID: id}, ForgottenEventIDs: forgotten, Summary: &summary, SummaryOffset: &offset}
}

func render(raw json.RawMessage) []event.Content {
	var o struct{ Text string }
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil
	}
	return []event.Content{event.Text(o.Text)}
}

// script writes messages one per line, for tables.
func script(messages []event.LLMMessage) string {
	var b strings.Builder
	for _, m := range messages {
		fmt.Fprintf(&b, "%s:", m.Role)
		if m.ToolCallID != "" {
			fmt.Fprintf(&b, " %s", m.ToolCallID)
		}
		if len(m.ThinkingBlocks) > 0 {
			b.WriteString(" (thinking)")
		}
		for _, p := range m.Content {
			fmt.Fprintf(&b, " %q", p.Text)
		}
		for _, c := range m.ToolCalls {
			fmt.Fprintf(&b, " %s[%s]", c.ID, c.Arguments)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func ids(events []event.Event) string {
	var list []string
	for _, e := range events {
		list = append(list, e.Head().ID)
	}
	return strings.Join(list, " ")
}

var nameRule = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

// strict gives what Anthropic or OpenAI would refuse in a request.
func strict(messages []event.LLMMessage) error {
	seen := make(map[string]bool)
	var open []event.ToolCall
	for i, m := range messages {
		if len(open) > 0 {
			if m.Role != event.RoleTool || m.ToolCallID != open[0].ID {
				return fmt.Errorf("message %d does not answer %s", i, open[0].ID)
			}
			if m.Name != open[0].Name {
				return fmt.Errorf("message %d names another tool", i)
			}
			open = open[1:]
		} else if m.Role == event.RoleTool {
			return fmt.Errorf("message %d answers no call", i)
		}
		first := i == 0 || i == 1 && messages[0].Role == event.RoleSystem
		if m.Role == event.RoleSystem && i > 0 {
			return fmt.Errorf("message %d is a system message", i)
		}
		if m.Role != event.RoleSystem && first && m.Role != event.RoleUser {
			return fmt.Errorf("the first message is of role %s", m.Role)
		}
		if (m.Role == event.RoleUser || m.Role == event.RoleAssistant) && !first && messages[i-1].Role == m.Role {
			return fmt.Errorf("messages %d and before have the same role", i)
		}
		if len(m.Content) == 0 && len(m.ToolCalls) == 0 {
			return fmt.Errorf("message %d is empty", i)
		}
		for _, p := range m.Content {
			if p.Type == "text" && strings.TrimSpace(p.Text) == "" || p.Type == "image" && len(p.ImageURLs) == 0 {
				return fmt.Errorf("message %d has a blank part", i)
			}
			if p.Type == "image" && (m.Role == event.RoleAssistant || m.Role == event.RoleSystem) {
				return fmt.Errorf("message %d has an image", i)
			}
		}
		for _, c := range m.ToolCalls {
			if m.Role != event.RoleAssistant || c.ID == "" || seen[c.ID] {
				return fmt.Errorf("call %q of message %d", c.ID, i)
			}
			seen[c.ID] = true
			var object map[string]json.RawMessage
			if err := json.Unmarshal([]byte(c.Arguments), &object); err != nil || object == nil {
				return fmt.Errorf("arguments %q of %s", c.Arguments, c.ID)
			}
			if !nameRule.MatchString(c.Name) {
				return fmt.Errorf("name %q of %s", c.Name, c.ID)
			}
		}
		if len(m.ToolCalls) > 0 {
			open = m.ToolCalls
		}
	}
	if len(open) > 0 {
		return fmt.Errorf("%s is not answered", open[0].ID)
	}
	if n := len(messages); n > 0 && messages[n-1].Role != event.RoleUser && messages[n-1].Role != event.RoleTool {
		return fmt.Errorf("the last message is of role %s", messages[n-1].Role)
	}
	return nil
}
