package agent

import (
	"errors"
	"os/exec"
	"strings"
	"sync"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
	"github.com/agent-rpc/agent-rpc/internal/tool"
)

// interpret turns an answer into events, as section 4 of the reference says:
// tool calls first, then text, then thoughts without either.
func (a *Agent) interpret(resp *llm.Response, offers *tool.Set, analyzed bool) *conversation.Thought {
	m := resp.Message
	if len(m.ToolCalls) > 0 {
		return a.actions(resp, offers, analyzed)
	}
	t := &conversation.Thought{Events: []event.Event{&event.Message{
		Meta: event.Meta{Source: event.SourceAgent}, LLMMessage: m, LLMResponseID: resp.ID,
	}}}
	switch {
	case strings.TrimSpace(m.Text()) != "":
		t.Final = true
	case m.ReasoningContent != "" || len(m.ThinkingBlocks) > 0:
		t.Nudge = "You thought, but neither said nor did anything. Call a tool to go on with the task, or finish with a message."
	default:
		t.Nudge = "Your last answer was empty. Call a tool to go on with the task, or finish with a message."
	}
	return t
}

// actions makes an action of every call; a call that is not valid is answered
// at once. What the model thought goes with the first one.
func (a *Agent) actions(resp *llm.Response, offers *tool.Set, analyzed bool) *conversation.Thought {
	t := &conversation.Thought{}
	for i, c := range resp.Message.ToolCalls {
		e := &event.Action{
			Meta: event.Meta{Source: event.SourceAgent}, ToolCallID: c.ID, LLMResponseID: resp.ID,
			ToolName: c.Name, ToolCall: c, SecurityRisk: event.RiskUnknown,
		}
		if e.ToolCall.Origin == "" {
			e.ToolCall.Origin = "completion"
		}
		if i == 0 {
			for _, part := range resp.Message.Content {
				if part.Type != "image" && part.Text != "" {
					e.Thought = append(e.Thought, part)
				}
			}
			e.ReasoningContent = resp.Message.ReasoningContent
			e.ThinkingBlocks = resp.Message.ThinkingBlocks
			e.ResponsesReasoningItem = resp.Message.ResponsesReasoningItem
		}
		t.Events = append(t.Events, e)
		parsed, err := tool.ParseCall(offers, c.Name, c.Arguments, tool.ParseOptions{Analyzed: analyzed, Ripgrep: hasRipgrep()})
		if err == nil {
			e.ToolName, e.ToolCall.Name, e.ToolCall.Arguments = parsed.ToolName, parsed.ToolName, parsed.Arguments
			e.Action, e.SecurityRisk, e.Summary = parsed.Action, parsed.Risk, parsed.Summary
			continue
		}
		var broken *tool.CallError
		if errors.As(err, &broken) {
			e.ToolName, e.ToolCall.Name, e.ToolCall.Arguments = broken.ToolName, broken.ToolName, broken.Arguments
		}
		t.Events = append(t.Events, &event.AgentError{
			Meta: event.Meta{Source: event.SourceAgent}, ToolName: e.ToolName, ToolCallID: c.ID,
			Error: err.Error(), Classification: event.ClassAgentAction,
		})
	}
	return t
}

// hasRipgrep tells whether the terminal has rg.
var hasRipgrep = sync.OnceValue(func() bool {
	_, err := exec.LookPath("rg")
	return err == nil
})

// failure is a model's failure that the conversation can tell the model about.
type failure struct{ cause *llm.Error }

func (f failure) Error() string { return f.cause.Error() }

func (f failure) Unwrap() error { return f.cause }

// Nudge is what to tell the model so that it goes on; "" if that does not help.
func (f failure) Nudge() string {
	if f.cause.Kind == llm.ErrContentPolicy {
		return "The provider refused your last answer because of its content policy. Put it differently, or go on with another part of the task."
	}
	return ""
}

// Overflow tells that the request was longer than the model's window.
func (f failure) Overflow() bool { return f.cause.Kind == llm.ErrContextWindow }

// Malformed tells that the provider does not take the shape of the history.
func (f failure) Malformed() bool { return f.cause.Kind == llm.ErrHistory }

// ModelError tells whose failure it is.
func (f failure) ModelError() (provider string, httpStatus int, retryable bool) {
	return f.cause.Provider, f.cause.Status, f.cause.Retryable()
}

func asFailure(err error) error {
	var e *llm.Error
	if errors.As(err, &e) {
		return failure{e}
	}
	return err
}
