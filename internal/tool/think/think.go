// Package think is OpenHands' think: a call that does nothing but keep a thought
// in the conversation. It starts no goroutine.
package think

import (
	"context"
	_ "embed"
	"encoding/json"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/tool"
)

//go:embed description.md
var description string

// Name is what models call the tool.
const Name = "think"

// The kinds of the tool's JSON, which are OpenHands' class names.
const (
	ActionKind      = "ThinkAction"
	ObservationKind = "ThinkObservation"
)

// Action is OpenHands' ThinkAction.
type Action struct {
	Thought string `json:"thought" jsonschema:"The thought."`
}

const acknowledgement = "The thought is noted."

var arguments = tool.NewArguments[Action](ActionKind)

var definition = tool.Definition{
	Name: Name, Kind: "ThinkTool", ActionKind: ActionKind, ObservationKind: ObservationKind,
	Description: description,
	Annotations: &tool.Annotations{ReadOnlyHint: true, IdempotentHint: true},
	Input:       arguments.Schema(),
}

// Tool is the think tool. It holds nothing.
type Tool struct{}

// Entry is the tool's line in a registry.
func Entry() tool.Entry {
	return tool.Entry{Class: "ThinkTool", BuiltIn: true, New: func(tool.Env) ([]tool.Tool, error) {
		return []tool.Tool{Tool{}}, nil
	}}
}

// Definition implements [tool.Tool].
func (Tool) Definition() *tool.Definition { return &definition }

// Decode implements [tool.Tool].
func (Tool) Decode(args json.RawMessage) (json.RawMessage, error) { return arguments.Decode(args) }

// Run implements [tool.Tool].
func (Tool) Run(context.Context, tool.Call) (json.RawMessage, error) {
	return event.EncodeKind(tool.Success(acknowledgement), ObservationKind)
}

// Render implements [tool.Tool].
func (Tool) Render(observation json.RawMessage) []event.Content { return tool.Render(observation) }

// Describe implements [tool.Tool].
func (Tool) Describe(action, observation json.RawMessage) event.Display {
	d := event.Display{Kind: event.DisplayThink, Title: "Think", Status: tool.Status(observation)}
	if a, err := arguments.Read(action); err == nil {
		d.Summary = tool.FirstLine(a.Thought)
	}
	return d
}

// Close implements [tool.Tool].
func (Tool) Close() error { return nil }
