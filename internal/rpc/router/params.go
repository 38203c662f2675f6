package router

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
)

// params decodes the params of a request. A member of P without omitempty is
// required if it is a string, a list, a map or raw JSON.
func params[P any](req *Request) (P, error) {
	var p P
	raw := req.Params
	if len(raw) == 0 || string(raw) == "null" {
		raw = json.RawMessage("{}")
	}
	if err := Decode(raw, &p); err != nil {
		return p, err
	}
	if name := missing(reflect.ValueOf(p)); name != "" {
		return p, BadParams(name, "is required")
	}
	return p, nil
}

// Decode decodes what a client sent into the value that v points to. Members
// that are not known are ignored. Where an object is expected an empty array is
// one, since Lua encodes {} as []; types that decode themselves, json.RawMessage
// among them, are left alone. The error is a *protocol.Error with code -32602
// that names the member.
func Decode(raw json.RawMessage, v any) error {
	err := json.Unmarshal(raw, v)
	if err == nil {
		return nil
	}
	value := reflect.ValueOf(v).Elem()
	if fixed := objects(raw, value.Type()); !bytes.Equal(fixed, raw) {
		raw = fixed
		value.SetZero()
		if err = json.Unmarshal(raw, v); err == nil {
			return nil
		}
	}
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) && mismatch.Type != nil {
		field := mismatch.Field
		if field == "" {
			field = culprit(raw, value.Type())
		}
		return BadParams(field, "must be %s, not %s", describe(mismatch.Type), article(mismatch.Value))
	}
	return BadParams(culprit(raw, value.Type()), "is not valid: %v", err)
}

// objects turns empty arrays into empty objects where t expects an object.
func objects(raw json.RawMessage, t reflect.Type) json.RawMessage {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return raw
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		if isEmptyArray(raw) {
			return json.RawMessage("{}")
		}
		var m map[string]json.RawMessage
		if json.Unmarshal(raw, &m) != nil || m == nil {
			return raw
		}
		changed := false
		for name, old := range m {
			if of := member(t, name); of != nil {
				m[name] = objects(old, of)
				changed = changed || !bytes.Equal(m[name], old)
			}
		}
		return encodeIf(changed, m, raw)
	case reflect.Slice, reflect.Array:
		var list []json.RawMessage
		if json.Unmarshal(raw, &list) != nil {
			return raw
		}
		changed := false
		for i, old := range list {
			list[i] = objects(old, t.Elem())
			changed = changed || !bytes.Equal(list[i], old)
		}
		return encodeIf(changed, list, raw)
	}
	return raw
}

func encodeIf(changed bool, v any, raw json.RawMessage) json.RawMessage {
	if !changed {
		return raw
	}
	out, err := json.Marshal(v)
	if err != nil {
		return raw
	}
	return out
}

func isEmptyArray(raw json.RawMessage) bool {
	inner, ok := bytes.CutPrefix(bytes.TrimSpace(raw), []byte("["))
	return ok && string(bytes.TrimSpace(inner)) == "]"
}

// member is the type of a member of an object, or nil.
func member(t reflect.Type, name string) reflect.Type {
	if t.Kind() == reflect.Map {
		return t.Elem()
	}
	fields := reflect.VisibleFields(t)
	i := slices.IndexFunc(fields, func(f reflect.StructField) bool { return strings.EqualFold(jsonName(f), name) })
	if i < 0 {
		return nil
	}
	return fields[i].Type
}

// jsonName is the name of a field in JSON, or "".
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	switch {
	case !f.IsExported() || name == "-" || f.Anonymous && name == "":
		return ""
	case name == "":
		return f.Name
	}
	return name
}

// missing is the name of a required member that is not there, or "".
func missing(v reflect.Value) string {
	if v.Kind() != reflect.Struct {
		return ""
	}
	for _, f := range reflect.VisibleFields(v.Type()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" || strings.Contains(f.Tag.Get("json"), ",omit") {
			continue
		}
		field, err := v.FieldByIndexErr(f.Index)
		if err != nil {
			continue // in an embedded pointer that is nil
		}
		switch field.Kind() {
		case reflect.String, reflect.Slice, reflect.Map:
			if field.IsZero() {
				return name
			}
		}
	}
	return ""
}

// culprit finds the member that does not decode alone.
func culprit(raw json.RawMessage, t reflect.Type) string {
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) == nil {
		for name, value := range m {
			one, err := json.Marshal(map[string]json.RawMessage{name: value})
			if err == nil && json.Unmarshal(one, reflect.New(t).Interface()) != nil {
				return name
			}
		}
	}
	return "params"
}

func describe(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "a boolean"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "an integer"
}

// article puts one before what encoding/json calls a value: "number 1.5".
func article(value string) string {
	switch {
	case strings.HasPrefix(value, "array"), strings.HasPrefix(value, "object"):
		return "an " + value
	case strings.HasPrefix(value, "bool"):
		return "a boolean"
	case strings.HasPrefix(value, "number "):
		return strings.TrimPrefix(value, "number ")
	}
	return "a " + value
}
