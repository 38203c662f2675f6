// Package askuser is ask_user: the agent asks the user a question in the middle
// of its work. OpenHands has no such tool, so it is stored as one of OpenHands'
// client tools, which its loader takes. It starts no goroutine.
package askuser

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/tool"
	"github.com/agent-rpc/agent-rpc/internal/tool/clienttool"
)

//go:embed description.md
var description string

// Name is what models call the tool, and its name in an agent's tools.
const Name = "ask_user"

const actionKind = clienttool.ActionKindPrefix + Name

// Action is what the model asks.
type Action struct {
	Question string   `json:"question" jsonschema:"The question, in the user's language. One that can be understood by itself."`
	Options  []string `json:"options,omitempty" jsonschema:"The answers to choose from: two or more, short and different. Leave it out for an answer in the user's own words."`
}

var arguments = tool.NewArguments[Action](actionKind)

var definition = tool.Definition{
	Name: Name, Kind: clienttool.Kind, ActionKind: actionKind, ObservationKind: clienttool.ObservationKind,
	Description: strings.TrimSpace(description), Input: arguments.Schema(), Client: true,
	Annotations: &tool.Annotations{Title: "Ask the user", ReadOnlyHint: true, IdempotentHint: true},
}

// Tool is the ask_user tool. It holds nothing.
type Tool struct{}

// Entry is the tool's line in a registry.
func Entry() tool.Entry {
	return tool.Entry{Name: Name, Class: "AskUserTool", New: func(tool.Env) ([]tool.Tool, error) {
		return []tool.Tool{Tool{}}, nil
	}}
}

// Definition implements [tool.Tool].
func (Tool) Definition() *tool.Definition { return &definition }

// Decode implements [tool.Tool].
func (Tool) Decode(args json.RawMessage) (json.RawMessage, error) {
	action, err := arguments.Decode(args)
	if err != nil {
		return nil, err
	}
	a, err := arguments.Read(action)
	if err != nil {
		return nil, err
	}
	return action, a.check()
}

func (a *Action) check() error {
	if strings.TrimSpace(a.Question) == "" {
		return &tool.ArgumentError{Message: "parameter question is empty"}
	}
	for i, option := range a.Options {
		if strings.TrimSpace(option) == "" {
			return &tool.ArgumentError{Message: fmt.Sprintf("parameter options[%d] is empty", i)}
		}
		if slices.Contains(a.Options[:i], option) {
			return &tool.ArgumentError{Message: fmt.Sprintf("parameter options[%d] is there twice", i)}
		}
	}
	if len(a.Options) == 1 {
		return &tool.ArgumentError{Message: "parameter options must have two or more, or none"}
	}
	return nil
}

// answer is the form that the user fills in.
type answer struct {
	Answer string `json:"answer"`
}

func (a *Action) schema() json.RawMessage {
	field := map[string]any{"type": "string", "title": "Answer", "minLength": 1}
	if len(a.Options) > 0 {
		field = map[string]any{"type": "string", "title": "Answer", "enum": a.Options}
	}
	raw, err := json.Marshal(map[string]any{
		"type": "object", "properties": map[string]any{"answer": field}, "required": []string{"answer"},
	})
	if err != nil {
		panic(err) // strings always encode
	}
	return raw
}

// Run implements [tool.Tool]. To decline is an answer too, no failure.
func (Tool) Run(ctx context.Context, call tool.Call) (json.RawMessage, error) {
	a, err := arguments.Read(call.Action)
	if err != nil {
		return nil, err
	}
	reply, err := call.Ask(ctx, tool.Question{Message: a.Question, Schema: a.schema(), Repeatable: true})
	if err != nil {
		return nil, err
	}
	text := "The user closed the question without an answer."
	switch reply.Action {
	case "accept":
		var given answer
		if err := json.Unmarshal(reply.Content, &given); err != nil {
			return nil, err
		}
		text = given.Answer
	case "decline":
		text = "The user declined to answer."
	}
	return event.EncodeKind(tool.Success(text), clienttool.ObservationKind)
}

// Render implements [tool.Tool].
func (Tool) Render(observation json.RawMessage) []event.Content { return tool.Render(observation) }

// Describe implements [tool.Tool].
func (Tool) Describe(action, observation json.RawMessage) event.Display {
	d := event.Display{Kind: event.DisplayOther, Title: "Ask the user", Status: tool.Status(observation)}
	if a, err := arguments.Read(action); err == nil {
		d.Title = "Ask " + tool.FirstLine(a.Question)
	}
	if observation != nil {
		d.Summary = tool.FirstLine(event.TextOf(tool.Render(observation)))
	}
	return d
}

// Close implements [tool.Tool].
func (Tool) Close() error { return nil }
