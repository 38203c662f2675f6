package tool

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// Arguments reads the arguments of one action into the Go struct A. The struct
// is the one source of the schema:
//
//	type Action struct {
//		Command string `json:"command" enum:"view,plan" default:"view" jsonschema:"What to do."`
//		Line    *int   `json:"line,omitempty" minimum:"0" jsonschema:"Where to start."`
//	}
//
// A field is required unless it has omitempty, omitzero or a default. The tag
// jsonschema is the description; a default is JSON, or the text itself for a
// string. Values are safe for use by several goroutines.
type Arguments[A any] struct {
	kind   string
	schema *jsonschema.Schema
	input  json.RawMessage
}

// NewArguments derives the schema of A for actions of the given kind. It
// panics where A can't be described, which is a mistake in the program.
func NewArguments[A any](actionKind string) *Arguments[A] {
	schema, err := jsonschema.For[A](nil)
	if err != nil {
		panic(fmt.Sprintf("schema of %s: %v", actionKind, err))
	}
	if err := applyTags(schema, reflect.TypeFor[A]()); err != nil {
		panic(fmt.Sprintf("schema of %s: %v", actionKind, err))
	}
	return &Arguments[A]{kind: actionKind, schema: schema, input: simplify(schema)}
}

// Schema is the JSON Schema for [Definition.Input]: type, description,
// properties, required, items and enum only, properties in the order of the
// struct.
func (a *Arguments[A]) Schema() json.RawMessage { return a.input }

// Decode is [Tool.Decode] for the struct. Its error is an *[ArgumentError] that
// lists every problem.
func (a *Arguments[A]) Decode(args json.RawMessage) (json.RawMessage, error) {
	var c checker
	normal := c.check(a.schema, args, "")
	if len(c.problems) > 0 {
		return nil, &ArgumentError{strings.Join(c.problems, "; ")}
	}
	var action A
	if err := json.Unmarshal(normal, &action); err != nil {
		return nil, &ArgumentError{misfit(err)}
	}
	return event.EncodeKind(action, a.kind)
}

// Read gives the struct of an action that Decode gave or that was stored.
// Fields it does not know are passed over.
func (a *Arguments[A]) Read(action json.RawMessage) (A, error) {
	var v A
	if err := json.Unmarshal(action, &v); err != nil {
		return v, &ArgumentError{misfit(err)}
	}
	return v, nil
}

// misfit tells which field a value does not fit, without the value: the text
// of encoding/json may quote it.
func misfit(err error) string {
	var typeErr *json.UnmarshalTypeError
	if errors.As(err, &typeErr) && typeErr.Field != "" {
		return fmt.Sprintf("parameter %s does not fit its type", name(typeErr.Field))
	}
	return "the arguments do not fit the parameters"
}

// applyTags adds to a derived schema what the library has no tags for.
func applyTags(schema *jsonschema.Schema, t reflect.Type) error {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		if t.Kind() == reflect.Slice {
			if schema = schema.Items; schema == nil {
				return nil
			}
		}
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || schema.Properties == nil {
		return nil
	}
	schema.Required = nil
	for i := range t.NumField() {
		field := t.Field(i)
		key, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		prop := schema.Properties[key]
		if prop == nil {
			return fmt.Errorf("field %s has no plain json name", field.Name)
		}
		if err := applyFieldTags(prop, field); err != nil {
			return fmt.Errorf("field %s: %w", field.Name, err)
		}
		optional := strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
		if !optional && prop.Default == nil {
			schema.Required = append(schema.Required, key)
		}
		if err := applyTags(prop, field.Type); err != nil {
			return err
		}
	}
	return nil
}

func applyFieldTags(prop *jsonschema.Schema, field reflect.StructField) error {
	if list, ok := field.Tag.Lookup("enum"); ok {
		for _, value := range strings.Split(list, ",") {
			prop.Enum = append(prop.Enum, value)
		}
	}
	if text, ok := field.Tag.Lookup("minimum"); ok {
		var minimum float64
		if err := json.Unmarshal([]byte(text), &minimum); err != nil {
			return fmt.Errorf("minimum: %w", err)
		}
		prop.Minimum = &minimum
	}
	if text, ok := field.Tag.Lookup("default"); ok {
		prop.Default = json.RawMessage(text)
		if field.Type.Kind() == reflect.String {
			prop.Default = quote(text)
		}
		if !json.Valid(prop.Default) {
			return errors.New("the default is no JSON")
		}
	}
	return nil
}
