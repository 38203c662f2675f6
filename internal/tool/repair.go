package tool

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// parameter is what repairing needs to know of a parameter's schema: the types
// that a value may have, and those of its items.
type parameter struct{ types, items []string }

func (p parameter) takes(t string) bool { return slices.Contains(p.types, t) }

// parameters are a tool's own parameters by name.
type parameters map[string]parameter

// parametersOf gives what can be made out of the tool's schema.
func parametersOf(def *Definition) parameters {
	input, err := parseObject(def.Input)
	if err != nil {
		return nil
	}
	props, err := parseObject(input.get("properties"))
	if err != nil {
		return nil
	}
	params := parameters{}
	for _, m := range props {
		params[m.key] = parameterOf(m.value)
	}
	return params
}

func (p parameters) has(key string) bool {
	_, ok := p[key]
	return ok
}

func parameterOf(schema json.RawMessage) parameter {
	p := parameter{types: schemaTypes(schema)}
	var list struct {
		Items json.RawMessage   `json:"items"`
		AnyOf []json.RawMessage `json:"anyOf"`
	}
	if json.Unmarshal(schema, &list) != nil {
		return p
	}
	p.items = schemaTypes(list.Items)
	for _, branch := range list.AnyOf {
		if p.items == nil {
			p.items = parameterOf(branch).items
		}
	}
	return p
}

// schemaTypes gives all types that a schema allows by type, anyOf or oneOf.
func schemaTypes(schema json.RawMessage) []string {
	var s struct {
		Type  json.RawMessage   `json:"type"`
		AnyOf []json.RawMessage `json:"anyOf"`
		OneOf []json.RawMessage `json:"oneOf"`
	}
	if json.Unmarshal(schema, &s) != nil {
		return nil
	}
	var one string
	var types []string
	switch {
	case len(s.Type) == 0:
	case json.Unmarshal(s.Type, &one) == nil:
		types = []string{one}
	case json.Unmarshal(s.Type, &types) != nil:
		types = nil
	}
	for _, branch := range append(s.AnyOf, s.OneOf...) {
		types = append(types, schemaTypes(branch)...)
	}
	return types
}

// repairArguments makes values fit their parameters where only one meaning is
// possible. What does not fit is left for the tool to turn down.
func repairArguments(params parameters, args object) {
	for i := range args {
		args[i].value = repairValue(params[args[i].key], args[i].value)
	}
}

func repairValue(p parameter, raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 || len(p.types) == 0 {
		return raw
	}
	switch {
	case raw[0] == '"' && !p.takes("string"):
		var text string
		if json.Unmarshal(raw, &text) != nil {
			return raw
		}
		if p.takes("array") || p.takes("object") {
			if value := container(p, text); value != nil {
				raw = value
			}
		} else {
			return scalar(p, text, raw)
		}
	case raw[0] == '[' && p.takes("string") && !p.takes("array"):
		var parts []string
		var items []json.RawMessage
		if json.Unmarshal(raw, &items) != nil || slices.ContainsFunc(items, isNull) || json.Unmarshal(raw, &parts) != nil {
			return raw
		}
		return quote(strings.Join(parts, ""))
	}
	if raw[0] == '[' && len(p.items) > 0 {
		return repairItems(parameter{types: p.items}, raw)
	}
	return raw
}

// repairItems makes the scalars of a list fit, as in ["1", "20"].
func repairItems(p parameter, raw json.RawMessage) json.RawMessage {
	var items []json.RawMessage
	if p.takes("string") || json.Unmarshal(raw, &items) != nil {
		return raw
	}
	changed := false
	for i, item := range items {
		var text string
		if item[0] == '"' && json.Unmarshal(item, &text) == nil {
			items[i] = scalar(p, text, item)
			changed = changed || !bytes.Equal(items[i], item)
		}
	}
	if !changed {
		return raw
	}
	out, err := json.Marshal(items)
	if err != nil {
		return raw
	}
	return out
}

// container reads a list or an object that was given as its JSON text, with
// anything after its last bracket left out; nil if it is none.
func container(p parameter, text string) json.RawMessage {
	text = strings.TrimSpace(text)
	for _, kind := range []struct{ name, open, end string }{{"array", "[", "]"}, {"object", "{", "}"}} {
		end := strings.LastIndex(text, kind.end)
		if !p.takes(kind.name) || !strings.HasPrefix(text, kind.open) || end < 0 {
			continue
		}
		raw := []byte(text[:end+1])
		if !json.Valid(raw) {
			raw = escapeControls(raw)
		}
		if json.Valid(raw) {
			return compact(raw)
		}
	}
	return nil
}

// scalar reads a number or a boolean that was given as a string, as OpenHands'
// own validation does.
func scalar(p parameter, text string, raw json.RawMessage) json.RawMessage {
	text = strings.TrimSpace(text)
	if p.takes("integer") {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return strconv.AppendInt(nil, n, 10)
		}
	}
	if p.takes("number") {
		var n json.Number
		if text != "" && text[0] != '"' && json.Unmarshal([]byte(text), &n) == nil && n != "" {
			return json.RawMessage(text)
		}
	}
	if p.takes("boolean") {
		switch strings.ToLower(text) {
		case "true":
			return json.RawMessage("true")
		case "false":
			return json.RawMessage("false")
		}
	}
	return raw
}
