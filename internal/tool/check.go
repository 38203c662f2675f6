package tool

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// checker holds arguments against a schema and collects what is wrong with
// them. Every problem names a field and a rule, never a value: a value may be a
// whole file, or a secret.
type checker struct{ problems []string }

func (c *checker) fail(path, format string, args ...any) {
	subject := "the arguments"
	if path != "" {
		subject = "parameter " + path
	}
	c.problems = append(c.problems, subject+" "+fmt.Sprintf(format, args...))
}

// check gives the value with defaults filled in and nulls dropped, its keys in
// the order of the schema.
func (c *checker) check(schema *jsonschema.Schema, raw json.RawMessage, path string) json.RawMessage {
	before := len(c.problems)
	switch typeOf(schema) {
	case "object":
		raw = c.object(schema, raw, path)
	case "array":
		raw = c.array(schema, raw, path)
	case "string":
		var s string
		if json.Unmarshal(raw, &s) != nil || isNull(raw) {
			c.fail(path, "must be a string")
		}
	case "boolean":
		var b bool
		if json.Unmarshal(raw, &b) != nil || isNull(raw) {
			c.fail(path, "must be true or false")
		}
	case "integer", "number":
		raw = c.number(schema, raw, path)
	default:
		if !json.Valid(raw) {
			c.fail(path, "must be JSON")
		}
	}
	if len(c.problems) == before {
		c.enum(schema, raw, path)
	}
	return raw
}

func (c *checker) object(schema *jsonschema.Schema, raw json.RawMessage, path string) json.RawMessage {
	obj, err := parseObject(raw)
	if err != nil {
		c.fail(path, "must be an object")
		return raw
	}
	open := schema.AdditionalProperties != nil && schema.AdditionalProperties.Not == nil
	for _, m := range obj {
		if schema.Properties[m.key] == nil && !open {
			c.problems = append(c.problems, "unknown parameter "+join(path, name(m.key)))
		}
	}
	var out object
	for _, key := range schema.PropertyOrder {
		prop, value := schema.Properties[key], obj.remove(key)
		if value == nil || isNull(value) {
			value = prop.Default
		}
		switch {
		case value != nil:
			out.set(key, c.check(prop, value, join(path, key)))
		case slices.Contains(schema.Required, key):
			c.problems = append(c.problems, "required parameter "+join(path, key)+" is missing")
		}
	}
	if open {
		for _, m := range obj {
			out.set(m.key, c.check(schema.AdditionalProperties, m.value, join(path, name(m.key))))
		}
	}
	return out.encode()
}

func (c *checker) array(schema *jsonschema.Schema, raw json.RawMessage, path string) json.RawMessage {
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil || isNull(raw) {
		c.fail(path, "must be a list")
		return raw
	}
	if schema.Items == nil {
		return raw
	}
	out := []byte{'['}
	for i, item := range items {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, c.check(schema.Items, item, fmt.Sprintf("%s[%d]", path, i))...)
	}
	return append(out, ']')
}

// number also takes an integer that is written as a float, as JSON Schema does.
func (c *checker) number(schema *jsonschema.Schema, raw json.RawMessage, path string) json.RawMessage {
	var n json.Number
	if json.Unmarshal(raw, &n) != nil || len(raw) == 0 || raw[0] == '"' || isNull(raw) {
		c.fail(path, "must be %s", article(typeOf(schema)))
		return raw
	}
	value, err := n.Float64()
	if err != nil {
		c.fail(path, "is out of range")
		return raw
	}
	if typeOf(schema) == "integer" {
		const exact = 1 << 53
		whole, err := strconv.ParseInt(n.String(), 10, 64)
		if err != nil && (value != math.Trunc(value) || math.Abs(value) > exact) {
			c.fail(path, "must be an integer")
			return raw
		}
		if err != nil {
			whole = int64(value)
		}
		raw = strconv.AppendInt(nil, whole, 10)
	}
	if schema.Minimum != nil && value < *schema.Minimum {
		c.fail(path, "must be %s or more", strconv.FormatFloat(*schema.Minimum, 'f', -1, 64))
	}
	return raw
}

func (c *checker) enum(schema *jsonschema.Schema, raw json.RawMessage, path string) {
	if schema.Enum == nil {
		return
	}
	var value any
	if json.Unmarshal(raw, &value) == nil && slices.Contains(schema.Enum, value) {
		return
	}
	allowed := make([]string, len(schema.Enum))
	for i, v := range schema.Enum {
		allowed[i] = fmt.Sprint(v)
	}
	c.fail(path, "must be one of %s", strings.Join(allowed, ", "))
}

// typeOf gives the schema's type; of several the first that is not null.
func typeOf(schema *jsonschema.Schema) string {
	if schema.Type != "" {
		return schema.Type
	}
	for _, t := range schema.Types {
		if t != "null" {
			return t
		}
	}
	return ""
}

func article(noun string) string {
	if noun == "integer" {
		return "an integer"
	}
	return "a " + noun
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// maxName bounds how much of a parameter's name goes into an error: a model
// that broke its JSON may have put a whole file there.
const maxName = 64

func name(key string) string {
	runes := []rune(strings.ToValidUTF8(key, "\uFFFD"))
	if len(runes) > maxName {
		runes = append(runes[:maxName], '…')
	}
	return strconv.Quote(string(runes))
}
