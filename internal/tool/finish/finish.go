// Package finish is OpenHands' finish: the call that ends the agent's turn with
// a message. That the turn ends is the agent's doing, not this package's. It
// starts no goroutine.
package finish

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
const Name = "finish"

// The kinds of the tool's JSON, which are OpenHands' class names.
const (
	ActionKind      = "FinishAction"
	ObservationKind = "FinishObservation"
)

// Action is OpenHands' FinishAction.
type Action struct {
	Message string `json:"message" jsonschema:"The answer to the user."`
}

var arguments = tool.NewArguments[Action](ActionKind)

var definition = tool.Definition{
	Name: Name, Kind: "FinishTool", ActionKind: ActionKind, ObservationKind: ObservationKind,
	Description: description,
	Annotations: &tool.Annotations{Title: Name, ReadOnlyHint: true, IdempotentHint: true},
	Input:       arguments.Schema(),
}

// Tool is the finish tool. It holds nothing.
type Tool struct{}

// Entry is the tool's line in a registry.
func Entry() tool.Entry {
	return tool.Entry{Class: "FinishTool", BuiltIn: true, New: func(tool.Env) ([]tool.Tool, error) {
		return []tool.Tool{Tool{}}, nil
	}}
}

// Definition implements [tool.Tool].
func (Tool) Definition() *tool.Definition { return &definition }

// Decode implements [tool.Tool].
func (Tool) Decode(args json.RawMessage) (json.RawMessage, error) { return arguments.Decode(args) }

// Run implements [tool.Tool]: the observation is the message.
func (Tool) Run(_ context.Context, call tool.Call) (json.RawMessage, error) {
	a, err := arguments.Read(call.Action)
	if err != nil {
		return nil, err
	}
	return event.EncodeKind(tool.Success(a.Message), ObservationKind)
}

// Render implements [tool.Tool].
func (Tool) Render(observation json.RawMessage) []event.Content { return tool.Render(observation) }

// Describe implements [tool.Tool].
func (Tool) Describe(action, observation json.RawMessage) event.Display {
	d := event.Display{Kind: event.DisplayOther, Title: "Finish", Status: tool.Status(observation)}
	if a, err := arguments.Read(action); err == nil {
		d.Summary = tool.FirstLine(a.Message)
	}
	return d
}

// Close implements [tool.Tool].
func (Tool) Close() error { return nil }

// Message gives the message of a stored finish action; "" if it is none.
func Message(action json.RawMessage) string {
	a, err := arguments.Read(action)
	if err != nil {
		return ""
	}
	return a.Message
}
