// Package form reads the schema of a structured question to the user, and holds
// answers against it. The schema is that of MCP's elicitation: a JSON Schema of an
// object, whose properties are the fields of a form. Any other object schema
// works too; its fields are then filled in as JSON. The package is pure.
package form

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/google/jsonschema-go/jsonschema"
)

// Form is a schema that was read.
type Form struct {
	// Fields are the properties, in the order of the schema.
	Fields []Field

	schema *jsonschema.Resolved
}

// Field is one property of a [Form].
type Field struct {
	Name        string
	Title       string // Name if the schema has none
	Description string
	// Type is JSON Schema's: string, boolean, integer, number, array or object; ""
	// where the schema does not say.
	Type     string
	Required bool
	// Default is JSON; nil if there is none.
	Default json.RawMessage
	// Choices are what a field may hold that is chosen from a list; those of a
	// boolean are yes and no. Nil for anything else.
	Choices []Choice
}

// Choice is one of several values of a [Field].
type Choice struct {
	Label string
	Value json.RawMessage
}

// fieldSchema is what a form takes of a property's schema.
type fieldSchema struct {
	Type        json.RawMessage   `json:"type"`
	Title       string            `json:"title"`
	Description string            `json:"description"`
	Default     json.RawMessage   `json:"default"`
	Enum        []json.RawMessage `json:"enum"`
	EnumNames   []string          `json:"enumNames"`
	OneOf       []struct {
		Const json.RawMessage `json:"const"`
		Title string          `json:"title"`
	} `json:"oneOf"`
}

// Parse reads a schema.
func Parse(schema json.RawMessage) (*Form, error) {
	var top struct {
		Type       string          `json:"type"`
		Properties json.RawMessage `json:"properties"`
		Required   []string        `json:"required"`
	}
	if err := json.Unmarshal(schema, &top); err != nil {
		return nil, fmt.Errorf("the schema is no object schema: %w", err)
	}
	if top.Type != "object" {
		return nil, errors.New(`the schema's type must be "object"`)
	}
	var parsed jsonschema.Schema
	if err := json.Unmarshal(schema, &parsed); err != nil {
		return nil, fmt.Errorf("the schema can't be read: %w", err)
	}
	resolved, err := parsed.Resolve(nil)
	if err != nil {
		return nil, fmt.Errorf("the schema can't be used: %w", err)
	}
	f := &Form{schema: resolved}
	names, properties, err := members(top.Properties)
	if err != nil {
		return nil, fmt.Errorf("the schema's properties: %w", err)
	}
	for i, name := range names {
		field, err := fieldOf(name, properties[i])
		if err != nil {
			return nil, fmt.Errorf("the schema of %q: %w", name, err)
		}
		field.Required = slices.Contains(top.Required, name)
		f.Fields = append(f.Fields, field)
	}
	return f, nil
}

func fieldOf(name string, raw json.RawMessage) (Field, error) {
	f := Field{Name: name, Title: name}
	var s fieldSchema
	if string(raw) == "true" {
		return f, nil
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return f, err
	}
	if s.Title != "" {
		f.Title = s.Title
	}
	f.Description, f.Default = s.Description, s.Default
	_ = json.Unmarshal(s.Type, &f.Type) // a list of types is none
	switch {
	case f.Type == "array" || f.Type == "object":
	case len(s.Enum) > 0:
		for i, value := range s.Enum {
			label := text(value)
			if i < len(s.EnumNames) {
				label = s.EnumNames[i]
			}
			f.Choices = append(f.Choices, Choice{label, value})
		}
	case len(s.OneOf) > 0:
		for _, one := range s.OneOf {
			if one.Const == nil {
				f.Choices = nil
				break
			}
			label := one.Title
			if label == "" {
				label = text(one.Const)
			}
			f.Choices = append(f.Choices, Choice{label, one.Const})
		}
	case f.Type == "boolean":
		f.Choices = []Choice{{"Yes", json.RawMessage("true")}, {"No", json.RawMessage("false")}}
	}
	return f, nil
}

// text gives a string itself, and anything else as JSON.
func text(value json.RawMessage) string {
	var s string
	if json.Unmarshal(value, &s) == nil {
		return s
	}
	return string(value)
}

// members gives the members of an object in order; none for what is absent.
func members(raw json.RawMessage) (names []string, values []json.RawMessage, err error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, nil, errors.New("must be an object")
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, nil, err
		}
		names, values = append(names, name.(string)), append(values, value)
	}
	return names, values, nil
}

// Check holds an answer against the schema. The answer is a JSON object; nothing
// is an empty one.
func (f *Form) Check(content json.RawMessage) error {
	value := map[string]any{}
	if len(bytes.TrimSpace(content)) > 0 {
		if err := json.Unmarshal(content, &value); err != nil || value == nil {
			return errors.New("must be an object")
		}
	}
	return f.schema.Validate(value)
}

// Choices gives the choices of a form that is nothing but one choice, such as
// yes or no: a client can put it as a row of buttons. Nil for any other form.
func (f *Form) Choices() []Choice {
	if len(f.Fields) != 1 {
		return nil
	}
	return f.Fields[0].Choices
}

// Chosen is the answer that chooses a value of a form which [Form.Choices] takes.
func (f *Form) Chosen(c Choice) json.RawMessage {
	raw, err := json.Marshal(map[string]json.RawMessage{f.Fields[0].Name: c.Value})
	if err != nil {
		panic(err) // a name and a value that came out of JSON
	}
	return raw
}
