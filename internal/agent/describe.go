package agent

import (
	"fmt"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/tool"
)

// Describe implements [conversation.Agent].
func (a *Agent) Describe(e event.Event, action *event.Action) *event.Display {
	switch e := e.(type) {
	case *event.Message:
		return describeMessage(e)
	case *event.HookExecution:
		return describeHook(e)
	case *event.Action:
		return a.describeCall(e, nil, event.StatusPending)
	case *event.Observation:
		if action == nil {
			action = &event.Action{ToolName: e.ToolName, ToolCallID: e.ToolCallID}
		}
		return a.describeCall(action, e, tool.Status(e.Observation))
	case *event.UserReject:
		d := a.describeAnswered(action, e.ToolName)
		d.Summary = "rejected: " + firstLine(e.RejectionReason)
		return d
	case *event.AgentError:
		d := a.describeAnswered(action, e.ToolName)
		d.Summary = firstLine(e.Error)
		return d
	case *event.CondensationRequest:
		return &event.Display{Kind: event.DisplaySystem, Title: "Condensing the history", Status: event.StatusCompleted}
	case *event.Condensation:
		return describeCondensation(e)
	}
	return nil
}

func describeCondensation(e *event.Condensation) *event.Display {
	d := &event.Display{Kind: event.DisplaySystem, Status: event.StatusCompleted}
	events := fmt.Sprintf("%d events", len(e.ForgottenEventIDs))
	if len(e.ForgottenEventIDs) == 1 {
		events = "1 event"
	}
	d.Title = "History condensed: " + events + " forgotten"
	if e.Summary != nil {
		d.Title = "History condensed: " + events + " → summary"
		d.Summary = firstLine(*e.Summary)
	}
	return d
}

// describeMessage tells which skills a message was taken in with; others need no
// display.
func describeMessage(e *event.Message) *event.Display {
	if len(e.ActivatedSkills) == 0 {
		return nil
	}
	return &event.Display{
		Kind: event.DisplayMessage, Title: tool.FirstLine(e.LLMMessage.Text()), Status: event.StatusCompleted,
		Summary: "with the skills " + strings.Join(e.ActivatedSkills, ", "),
	}
}

func describeHook(e *event.HookExecution) *event.Display {
	d := &event.Display{
		Kind: event.DisplayExecute, Title: "Hook " + e.HookEventType + ": " + tool.FirstLine(e.HookCommand), Status: event.StatusCompleted,
	}
	switch {
	case e.Blocked:
		d.Status, d.Summary = event.StatusFailed, "blocked: "+tool.FirstLine(e.Reason)
	case !e.Success:
		d.Status, d.Summary = event.StatusFailed, tool.FirstLine(e.Error)
	}
	return d
}

// describeAnswered is the display of a call that was not carried out.
func (a *Agent) describeAnswered(action *event.Action, toolName string) *event.Display {
	if action == nil {
		return &event.Display{Kind: event.DisplayOther, Title: toolName, Status: event.StatusFailed}
	}
	d := a.describeCall(action, nil, event.StatusFailed)
	d.Status, d.Diff = event.StatusFailed, nil
	return d
}

func (a *Agent) describeCall(action *event.Action, o *event.Observation, status string) *event.Display {
	d := event.Display{Kind: event.DisplayOther, Title: action.ToolName, Status: status}
	if t, ok := a.tool(action.ToolName); ok && action.Action != nil {
		if o != nil {
			d = t.Describe(action.Action, o.Observation)
		} else {
			d = t.Describe(action.Action, nil)
			d.Status = status
			d.Diff = a.masked(d.Diff)
		}
	}
	if d.Title == "" {
		d.Title = action.ToolName
	}
	if action.SecurityRisk != event.RiskUnknown {
		d.Risk = action.SecurityRisk
	}
	return &d
}

// masked hides secrets in the preview of a change: unlike an event it is made
// from the file as it is on disk.
func (a *Agent) masked(d *event.Diff) *event.Diff {
	if d == nil || a.env.Mask == nil {
		return d
	}
	m := event.Diff{Path: d.Path, NewText: a.env.Mask(d.NewText)}
	if d.OldText != nil {
		m.OldText = new(a.env.Mask(*d.OldText))
	}
	return &m
}

func firstLine(s string) string {
	line, _, more := strings.Cut(strings.TrimSpace(s), "\n")
	if more {
		line += " …"
	}
	return line
}
