package tool

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// RawArguments reads the arguments of actions whose schema is not a Go struct's
// but was given as JSON. What it holds them against is what [Arguments] does:
// types, required and unknown parameters, enums; the rest of a schema is for the
// model. Values are safe for use by several goroutines.
type RawArguments struct {
	kind   string
	schema *jsonschema.Schema
	input  json.RawMessage
}

// NewRawArguments reads a JSON Schema of an object, for actions of the given
// kind. Its error says what is wrong with the schema.
func NewRawArguments(actionKind string, input json.RawMessage) (*RawArguments, error) {
	var schema jsonschema.Schema
	if err := json.Unmarshal(input, &schema); err != nil {
		return nil, fmt.Errorf("the schema can't be read: %w", err)
	}
	if schema.Type != "object" {
		return nil, errors.New(`the schema's type must be "object"`)
	}
	for _, reserved := range []string{"kind", paramRisk} {
		if schema.Properties[reserved] != nil {
			return nil, fmt.Errorf("the property %q is reserved", reserved)
		}
	}
	for _, name := range schema.Required {
		if schema.Properties[name] == nil {
			return nil, fmt.Errorf("the required property %q is not described", name)
		}
	}
	schema.AdditionalProperties = nil // an action has the fields of its kind, no others
	if err := order(&schema, input); err != nil {
		return nil, fmt.Errorf("the schema can't be read: %w", err)
	}
	return &RawArguments{actionKind, &schema, compact(input)}, nil
}

// order gives every object its properties' order, which reading JSON loses.
func order(schema *jsonschema.Schema, raw json.RawMessage) error {
	var parts struct {
		Properties json.RawMessage `json:"properties"`
		Items      json.RawMessage `json:"items"`
	}
	if json.Unmarshal(raw, &parts) != nil {
		return nil // true and false are schemas as well
	}
	if len(parts.Properties) > 0 && schema.Properties != nil {
		properties, err := parseObject(parts.Properties)
		if err != nil {
			return err
		}
		schema.PropertyOrder = properties.keys()
		for _, m := range properties {
			if err := order(schema.Properties[m.key], m.value); err != nil {
				return err
			}
		}
	}
	if schema.Items != nil {
		return order(schema.Items, parts.Items)
	}
	return nil
}

// Schema is the schema as it was given.
func (a *RawArguments) Schema() json.RawMessage { return a.input }

// Decode is [Tool.Decode]. Its error is an *[ArgumentError] that lists every
// problem.
func (a *RawArguments) Decode(args json.RawMessage) (json.RawMessage, error) {
	var c checker
	normal := c.check(a.schema, args, "")
	if len(c.problems) > 0 {
		return nil, &ArgumentError{strings.Join(c.problems, "; ")}
	}
	return event.EncodeKind(normal, a.kind)
}

// Read gives the arguments of an action: the action without its kind.
func (a *RawArguments) Read(action json.RawMessage) (json.RawMessage, error) {
	obj, err := parseObject(action)
	if err != nil {
		return nil, &ArgumentError{"the arguments are no object"}
	}
	return slices.DeleteFunc(obj, func(m member) bool { return m.key == "kind" }).encode(), nil
}

// DataArguments reads the arguments of actions that hold them under "data", as
// OpenHands' actions of MCP tools do. The schema is a server's, so it is taken as
// it comes: what can't be understood in it is not checked, nested objects are open
// where the schema does not close them, and any name may be a parameter's. Values
// are safe for use by several goroutines.
type DataArguments struct {
	kind   string
	schema *jsonschema.Schema // nil: anything goes
}

// NewDataArguments reads a JSON Schema of an object, for actions of the given kind.
func NewDataArguments(actionKind string, input json.RawMessage) *DataArguments {
	a := &DataArguments{kind: actionKind}
	var schema jsonschema.Schema
	if json.Unmarshal(input, &schema) != nil || order(&schema, input) != nil {
		return a
	}
	schema.Type, schema.Types = "object", nil
	closed := schema.AdditionalProperties == nil && len(schema.PatternProperties) == 0 && len(schema.Properties) > 0
	loosen(&schema)
	if closed {
		schema.AdditionalProperties = nil
	}
	a.schema = &schema
	return a
}

// loosen takes out of a schema what the checker would be stricter about than
// JSON Schema is.
func loosen(schema *jsonschema.Schema) {
	if len(schema.Types) > 0 && slices.ContainsFunc(schema.Types, func(t string) bool { return t != "null" && t != typeOf(schema) }) {
		schema.Types = nil
	}
	if slices.ContainsFunc(schema.Enum, func(v any) bool {
		switch v.(type) {
		case map[string]any, []any:
			return true
		}
		return false
	}) {
		schema.Enum = nil
	}
	if schema.AdditionalProperties == nil || len(schema.PatternProperties) > 0 {
		schema.AdditionalProperties = &jsonschema.Schema{}
	}
	for name, p := range schema.Properties {
		loosen(p)
		if !slices.Contains(schema.Required, name) {
			p.Default = nil // the server fills it in
		}
	}
	if schema.Items != nil {
		loosen(schema.Items)
	}
}

// Decode is [Tool.Decode]. Its error is an *[ArgumentError] that lists every
// problem.
func (a *DataArguments) Decode(args json.RawMessage) (json.RawMessage, error) {
	if a.schema == nil {
		obj, err := parseObject(args)
		if err != nil {
			return nil, &ArgumentError{"the arguments must be an object"}
		}
		return a.encode(obj.encode())
	}
	var c checker
	normal := c.check(a.schema, args, "")
	if len(c.problems) > 0 {
		return nil, &ArgumentError{strings.Join(c.problems, "; ")}
	}
	return a.encode(normal)
}

func (a *DataArguments) encode(data json.RawMessage) (json.RawMessage, error) {
	return event.EncodeKind(struct {
		Data json.RawMessage `json:"data"`
	}{data}, a.kind)
}

// Read gives the arguments of an action; its error is an *[ArgumentError].
func (a *DataArguments) Read(action json.RawMessage) (json.RawMessage, error) {
	var v struct {
		Data json.RawMessage `json:"data"`
	}
	if json.Unmarshal(action, &v) != nil {
		return nil, &ArgumentError{"the arguments are no object"}
	}
	if len(v.Data) == 0 || isNull(v.Data) {
		return json.RawMessage("{}"), nil
	}
	return v.Data, nil
}
