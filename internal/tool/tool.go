// Package tool is what every tool is: a name, a schema, typed arguments, one
// call that gives an observation, and how a client may show it. The registry
// makes the tools of one conversation; the packages below hold the tools, each
// with its code, its prompt and its test.
//
// A tool's failure is a result for the model, never a Go error that ends a run.
// The package starts goroutines only in [Set.Close], one per tool; it does not
// wait for one that outlives the context.
package tool

import (
	"context"
	"encoding/json"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

// Tool is one tool of one conversation. Calls come one at a time, unless the tool
// is a [Resourcer]; Close may come while one goes on.
type Tool interface {
	// Definition never changes during the tool's life.
	Definition() *Definition
	// Decode checks the arguments (security_risk and summary already taken out)
	// and gives them as the action's JSON: known fields only, defaults filled in,
	// "kind" last. Its error goes to the model: it names the field and the rule,
	// never the value.
	Decode(args json.RawMessage) (action json.RawMessage, err error)
	// Run carries out an action that Decode gave. A failure that the model should
	// read is an observation with is_error; an error of type [ArgumentError] says
	// that the call made no sense, any other error that the tool itself broke.
	Run(ctx context.Context, call Call) (observation json.RawMessage, err error)
	// Render gives a stored observation as the model reads it.
	Render(observation json.RawMessage) []event.Content
	// Describe gives what a client shows: observation is nil until there is one.
	Describe(action, observation json.RawMessage) event.Display
	// Close frees what the tool holds: processes, files. It may be called twice.
	Close() error
}

// Locator is what a tool that acts on files has beside [Tool].
type Locator interface {
	// Locations gives the places that an action would read or change, with
	// absolute clean paths; none where the action can't be read.
	Locations(action json.RawMessage) []event.Location
}

// Resourcer is what a tool has beside [Tool] whose calls may run side by side.
type Resourcer interface {
	// Resources names what an action needs for itself while it is carried out,
	// such as "file:/path"; none if it may run beside anything. It must be quick.
	Resources(action json.RawMessage) []string
}

// Resources names what a call of a tool needs for itself: what the tool says, or
// else the tool.
func Resources(t Tool, action json.RawMessage) []string {
	if r, ok := t.(Resourcer); ok {
		return r.Resources(action)
	}
	return []string{"tool:" + t.Definition().Name}
}

// Call is one call of a tool.
type Call struct {
	// ID is the tool call's id, RunID the run's; "" outside of one.
	ID, RunID string
	// Action is what Decode gave.
	Action json.RawMessage
	// Output takes the tool's output as it comes, for people to watch; never nil.
	// Secrets are masked behind it.
	Output func(text string)
	// Ask asks the user and waits for the answer; never nil. Its error is for the
	// tool to return as it is.
	Ask func(ctx context.Context, q Question) (Answer, error)
}

// Question is a structured question to the user: MCP's elicitation.
type Question struct {
	Message string
	// Schema is a JSON Schema of an object: what an answer holds.
	Schema json.RawMessage
	// Repeatable says that the call has done nothing but ask, so that it may be
	// carried out again from its start: then the question can wait over a restart.
	Repeatable bool
}

// Answer is the user's answer.
type Answer struct {
	// Action is accept, decline or cancel.
	Action string
	// Content fits the schema; only with accept.
	Content json.RawMessage
}

// ArgumentError says that a call's arguments made no sense together. The model
// reads it.
type ArgumentError struct{ Message string }

func (e *ArgumentError) Error() string { return e.Message }

// Definition describes a tool to models and, as an event, to the log.
type Definition struct {
	// Name is what the model calls: "terminal".
	Name string
	// Kind is OpenHands' class name: "TerminalTool".
	Kind string
	// Title stands in the stored definition; Name if empty.
	Title string
	// Description is the tool's prompt.
	Description string
	// ActionKind and ObservationKind are OpenHands' class names.
	ActionKind      string
	ObservationKind string
	Annotations     *Annotations
	// Input is the JSON Schema of the action, without security_risk and summary.
	Input json.RawMessage
	// Client says that it is stored as one of OpenHands' client tools: with its
	// name and its schema.
	Client bool
}

// Annotations are the hints of MCP's tool annotations.
type Annotations struct {
	Title           string `json:"title,omitempty"`
	ReadOnlyHint    bool   `json:"readOnlyHint"`
	DestructiveHint bool   `json:"destructiveHint"`
	IdempotentHint  bool   `json:"idempotentHint"`
	OpenWorldHint   bool   `json:"openWorldHint"`
}

// ReadOnly tells whether the tool only reads; such a tool has no risk.
func (d *Definition) ReadOnly() bool { return d.Annotations != nil && d.Annotations.ReadOnlyHint }

// Env is what a conversation gives its tools.
type Env struct {
	Workspace *workspace.Local
	// Dir is the conversation's directory on disk; "" when it is kept in memory.
	Dir string
	// Touch is to be told of a file, by its absolute path, before a tool writes it,
	// so that what was there can be brought back; nil if nobody looks.
	Touch func(path string)
	// Secrets gives the environment variables that a command names, and says of
	// each that has no value why, a line each. It may wait for a server or for the
	// client, and ends with ctx. nil if there are none.
	Secrets func(ctx context.Context, command string) (vars map[string]string, missing []string)
	// Mask hides the conversation's secrets in text that a tool writes to a file
	// itself; nil if there are none. What a tool returns is masked behind it.
	Mask func(text string) string
	// Params are the parameters of the tool's spec; may be empty.
	Params json.RawMessage
}

// Result is the part that every observation has; observations embed it first.
type Result struct {
	Content []event.Content `json:"content"`
	IsError bool            `json:"is_error"`
}

// Failure makes a result that says to the model what went wrong.
func Failure(text string) Result {
	return Result{Content: []event.Content{event.Text(text)}, IsError: true}
}

// Success makes a result of one text.
func Success(text string) Result {
	return Result{Content: []event.Content{event.Text(text)}}
}

// ErrorHeader is put before the content of a failed observation.
const ErrorHeader = "[The tool reported an error]\n"

// Render gives the content of an observation as a model reads it by default:
// an error header where it failed, then its content.
func Render(observation json.RawMessage) []event.Content {
	var r Result
	err := json.Unmarshal(observation, &r)
	if r.Content == nil {
		if text, failed, ok := older(observation); ok {
			return Result{Content: []event.Content{event.Text(text)}, IsError: failed}.Render()
		}
	}
	if err != nil {
		return []event.Content{event.Text("[this observation could not be read: " + err.Error() + "]")}
	}
	return r.Render()
}

// older reads an observation of a release of OpenHands before 1.0: its text is a
// string, which each tool called by a name of its own.
func older(observation json.RawMessage) (text string, failed, ok bool) {
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(observation, &fields) // what is no object has no fields
	for _, name := range []string{"error", "output", "content", "message"} {
		if json.Unmarshal(fields[name], &text) == nil && text != "" {
			return text, name == "error" || string(fields["error"]) == "true", true
		}
	}
	return "", false, false
}

// Render is what the function [Render] does.
func (r Result) Render() []event.Content {
	if !r.IsError {
		return r.Content
	}
	return append([]event.Content{event.Text(ErrorHeader)}, r.Content...)
}
