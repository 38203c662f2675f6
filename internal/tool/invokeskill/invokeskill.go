// Package invokeskill is OpenHands' invoke_skill: it gives the model the text of
// a skill that its prompt lists by name. Which skills there are is the agent's to
// say. It starts no goroutine.
package invokeskill

import (
	"context"
	_ "embed"
	"encoding/json"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/tool"
)

//go:embed description.md
var description string

// Name is what models call the tool; Class is OpenHands' name of it.
const (
	Name  = "invoke_skill"
	Class = "InvokeSkillTool"
)

// The kinds of the tool's JSON, which are OpenHands' class names.
const (
	ActionKind      = "InvokeSkillAction"
	ObservationKind = "InvokeSkillObservation"
)

// Action is OpenHands' InvokeSkillAction.
type Action struct {
	Name string `json:"name" jsonschema:"The name of the skill, as it is listed."`
}

// Observation is OpenHands' InvokeSkillObservation.
type Observation struct {
	tool.Result
	SkillName string `json:"skill_name"`
}

// Skills are the skills of one conversation.
type Skills interface {
	// Invoke gives the text of a skill. An error is for the model: it says why
	// there is none, and which skills there are.
	Invoke(ctx context.Context, name string) (text string, err error)
}

var arguments = tool.NewArguments[Action](ActionKind)

var definition = tool.Definition{
	Name: Name, Kind: Class, ActionKind: ActionKind, ObservationKind: ObservationKind,
	Description: description,
	Annotations: &tool.Annotations{Title: Name, ReadOnlyHint: true, IdempotentHint: true},
	Input:       arguments.Schema(),
}

// Tool is the invoke_skill tool of one conversation.
type Tool struct{ skills Skills }

// New makes the tool.
func New(skills Skills) *Tool { return &Tool{skills} }

// Definition implements [tool.Tool].
func (*Tool) Definition() *tool.Definition { return &definition }

// Decode implements [tool.Tool].
func (*Tool) Decode(args json.RawMessage) (json.RawMessage, error) { return arguments.Decode(args) }

// Run implements [tool.Tool].
func (t *Tool) Run(ctx context.Context, call tool.Call) (json.RawMessage, error) {
	a, err := arguments.Read(call.Action)
	if err != nil {
		return nil, err
	}
	o := Observation{SkillName: strings.TrimSpace(a.Name)}
	text, err := t.skills.Invoke(ctx, o.SkillName)
	if err != nil {
		o.Result = tool.Failure(err.Error())
	} else {
		o.Result = tool.Success(text)
	}
	return event.EncodeKind(o, ObservationKind)
}

// Render implements [tool.Tool].
func (*Tool) Render(observation json.RawMessage) []event.Content { return tool.Render(observation) }

// Describe implements [tool.Tool].
func (*Tool) Describe(action, observation json.RawMessage) event.Display {
	d := event.Display{Kind: event.DisplayRead, Title: "Skill", Status: tool.Status(observation)}
	if a, err := arguments.Read(action); err == nil {
		d.Title = "Skill " + tool.FirstLine(a.Name)
	}
	if d.Status == event.StatusFailed {
		d.Summary = tool.FirstLine(event.TextOf(tool.Render(observation)[1:]))
	}
	return d
}

// Close implements [tool.Tool].
func (*Tool) Close() error { return nil }

// Invoked gives the name of the skill that a stored observation holds; "" if it
// holds none.
func Invoked(observation json.RawMessage) string {
	if kind, err := event.KindOf(observation); err != nil || kind != ObservationKind {
		return ""
	}
	var o Observation
	if json.Unmarshal(observation, &o) != nil || o.IsError {
		return ""
	}
	return o.SkillName
}
