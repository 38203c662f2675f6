package hook

import (
	"context"
	_ "embed"
	"encoding/json"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

//go:embed prompt.md
var systemPrompt string

// ask lets the model decide. An answer that can't be understood, and no answer,
// allow what is asked about.
func (h *Hooks) ask(ctx context.Context, d *Definition, input json.RawMessage, e *event.HookExecution) {
	if h.env.Ask == nil {
		e.ExitCode, e.Error = -1, "there is no model to ask; nothing was checked"
		return
	}
	system := systemPrompt
	if d.SystemPrompt != "" {
		system = d.SystemPrompt
	}
	ctx, cancel := context.WithTimeout(ctx, d.timeout())
	defer cancel()
	text, err := h.env.Ask(ctx, []event.LLMMessage{
		{Role: event.RoleSystem, Content: []event.Content{event.Text(strings.TrimSpace(system))}},
		{Role: event.RoleUser, Content: []event.Content{event.Text(d.Prompt + "\n\nWhat happened:\n" + string(input))}},
	})
	if err != nil {
		e.ExitCode, e.Error = -1, "the model did not answer: "+err.Error()
		return
	}
	e.Stdout = text
	v := answer(between(text))
	if v.Decision = strings.ToLower(v.Decision); v.Decision != "allow" && v.Decision != "deny" {
		e.Error = "the model did not decide; nothing was blocked"
		return
	}
	e.Success = true
	v.apply(e)
	if e.Blocked && e.Reason == "" {
		e.Reason = "blocked by the hook " + d.title()
	}
}

// between cuts out the object that a model may have wrapped in words.
func between(text string) string {
	from, to := strings.Index(text, "{"), strings.LastIndex(text, "}")
	if from < 0 || to < from {
		return ""
	}
	return text[from : to+1]
}
