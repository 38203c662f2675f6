// Package clienttool makes tools of what a client offers to carry out itself:
// OpenHands' client tools. The model sees the client's own schema; a call is
// handed to the client, and its result is the model's. OpenHands acknowledges such
// a call at once and never reads a result; its loader takes what is stored here.
//
// The package knows no wire: how a call reaches the client is the caller's doing.
// It starts no goroutine.
package clienttool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/tool"
)

// The kinds of the JSON, which are OpenHands' class names. The kind of an action
// is the prefix and the tool's name.
const (
	Kind             = "ClientTool"
	ActionKindPrefix = "ClientAction_"
	ObservationKind  = "ClientToolObservation"
)

// Spec is OpenHands' ClientToolSpec.
type Spec struct {
	Name        string            `json:"name"`
	Description string            `json:"description"`
	Parameters  json.RawMessage   `json:"parameters"`
	Annotations *tool.Annotations `json:"annotations,omitempty"`
}

// Call is a call for the client.
type Call struct {
	// ID is the tool call's id, RunID the run's; "" outside of one.
	ID, RunID string
	Name      string
	// Arguments are an object that fits the spec's parameters.
	Arguments json.RawMessage
}

// Execute has the client carry out a call and waits for its result. Its error is
// for the model: the client does not serve calls, or answered with an error.
type Execute func(ctx context.Context, call Call) (tool.Result, error)

// Tool is one tool of a client.
type Tool struct {
	def     tool.Definition
	args    *tool.RawArguments
	execute Execute
	timeout time.Duration
}

var nameRule = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// New makes the tool of a spec. Its error says what is wrong with that. A call
// that the client does not answer within the timeout is given up.
func New(spec Spec, execute Execute, timeout time.Duration) (*Tool, error) {
	if !nameRule.MatchString(spec.Name) {
		return nil, fmt.Errorf("the name %q must be 1 to 64 of A-Z, a-z, 0-9, _ and -", spec.Name)
	}
	if len(spec.Parameters) == 0 || string(spec.Parameters) == "null" || string(spec.Parameters) == "[]" {
		spec.Parameters = json.RawMessage(`{"type":"object","properties":{}}`)
	}
	kind := ActionKindPrefix + spec.Name
	args, err := tool.NewRawArguments(kind, spec.Parameters)
	if err != nil {
		return nil, fmt.Errorf("%s: parameters: %w", spec.Name, err)
	}
	return &Tool{args: args, execute: execute, timeout: timeout, def: tool.Definition{
		Name: spec.Name, Kind: Kind, Description: spec.Description, ActionKind: kind, ObservationKind: ObservationKind,
		Annotations: spec.Annotations, Input: args.Schema(), Client: true,
	}}, nil
}

// Params are the parameters of the agent's tool in which OpenHands keeps the spec
// of a client tool.
func Params(d *tool.Definition) json.RawMessage {
	raw, err := json.Marshal(map[string]Spec{"spec": {d.Name, d.Description, d.Input, d.Annotations}})
	if err != nil {
		panic(err) // the schema has been read as JSON
	}
	return raw
}

// Definition implements [tool.Tool].
func (t *Tool) Definition() *tool.Definition { return &t.def }

// Decode implements [tool.Tool].
func (t *Tool) Decode(args json.RawMessage) (json.RawMessage, error) { return t.args.Decode(args) }

// Run implements [tool.Tool].
func (t *Tool) Run(ctx context.Context, call tool.Call) (json.RawMessage, error) {
	args, err := t.args.Read(call.Action)
	if err != nil {
		return nil, err
	}
	waiting, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	result, err := t.execute(waiting, Call{ID: call.ID, RunID: call.RunID, Name: t.def.Name, Arguments: args})
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(waiting.Err(), context.DeadlineExceeded):
		result = tool.Failure(fmt.Sprintf("The editor has not carried out %s within %s. It may go on with it.", t.def.Name, t.timeout))
	case err != nil:
		result = tool.Failure(err.Error())
	}
	if result.Content == nil {
		result.Content = []event.Content{}
	}
	return event.EncodeKind(result, ObservationKind)
}

// Render implements [tool.Tool].
func (t *Tool) Render(observation json.RawMessage) []event.Content { return tool.Render(observation) }

// Describe implements [tool.Tool].
func (t *Tool) Describe(_, observation json.RawMessage) event.Display {
	d := event.Display{Kind: event.DisplayOther, Title: t.def.Name, Status: tool.Status(observation)}
	if t.def.Annotations != nil && t.def.Annotations.Title != "" {
		d.Title = t.def.Annotations.Title
	}
	if t.def.ReadOnly() {
		d.Kind = event.DisplayRead
	}
	var r tool.Result
	if json.Unmarshal(observation, &r) == nil {
		d.Summary = tool.FirstLine(event.TextOf(r.Content))
	}
	return d
}

// Close implements [tool.Tool].
func (t *Tool) Close() error { return nil }
