package config

import (
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/agent-rpc/agent-rpc/internal/llm"
)

var (
	settingsFields = sync.OnceValue(func() map[string]reflect.Type { return fieldsOf(reflect.TypeFor[Settings]()) })
	agentFields    = sync.OnceValue(func() map[string]reflect.Type { return fieldsOf(reflect.TypeFor[Agent]()) })
	llmFields      = sync.OnceValue(func() map[string]reflect.Type { return fieldsOf(reflect.TypeFor[llm.Config]()) })
)

// fieldsOf gives the types of a struct's fields by their JSON names.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	names := map[string]reflect.Type{}
	for i := range t.NumField() {
		if name := jsonName(t.Field(i)); name != "" {
			names[name] = t.Field(i).Type
		}
	}
	return names
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "-" {
		return ""
	}
	return name
}

// atLeast are the lowest values of numbers.
var atLeast = map[string]float64{
	"max_iteration_per_run":    1,
	"max_budget_per_run":       0,
	"client_tool_timeout":      1,
	"tool_concurrency_limit":   1,
	"num_retries":              0,
	"retry_multiplier":         0,
	"retry_min_wait":           0,
	"retry_max_wait":           0,
	"timeout":                  0,
	"temperature":              0,
	"top_p":                    0,
	"top_k":                    0,
	"max_input_tokens":         1,
	"max_output_tokens":        1,
	"extended_thinking_budget": 0,
	"input_cost_per_token":     0,
	"output_cost_per_token":    0,
}

// assign sets the field of the JSON name in the struct that into points to. A
// name that it has not is no error. The error tells what is expected, never
// what was given.
func assign(into any, name string, raw json.RawMessage) error {
	v := reflect.ValueOf(into).Elem()
	for i := range v.NumField() {
		if jsonName(v.Type().Field(i)) != name {
			continue
		}
		fresh := reflect.New(v.Field(i).Type())
		if err := json.Unmarshal(raw, fresh.Interface()); err != nil {
			return expected(v.Field(i).Type(), err)
		}
		if low, ok := atLeast[name]; ok {
			var n float64
			if json.Unmarshal(raw, &n) == nil && n < low {
				return errors.New("must be at least " + strconv.FormatFloat(low, 'g', -1, 64))
			}
		}
		v.Field(i).Set(fresh.Elem())
		return nil
	}
	return nil
}

// expected says what a value of the type looks like.
func expected(t reflect.Type, err error) error {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var wrong *json.UnmarshalTypeError
	if t.Implements(reflect.TypeFor[json.Marshaler]()) && !errors.As(err, &wrong) {
		return err // one of ours, which quotes nothing
	}
	switch t.Kind() {
	case reflect.String:
		return errors.New("must be a string")
	case reflect.Bool:
		return errors.New("must be true or false")
	case reflect.Int:
		return errors.New("must be a whole number")
	case reflect.Float64:
		return errors.New("must be a number")
	case reflect.Map:
		return errors.New("must be a table whose values have the right type")
	case reflect.Slice:
		if !errors.As(err, &wrong) {
			return err
		}
		return errors.New("must be a list whose items have the right type")
	}
	return errors.New("has the wrong type")
}

// fromText reads the value of a variable as OpenHands does: true, 1, yes and on
// are true, objects are JSON.
func fromText(t reflect.Type, text string) (json.RawMessage, error) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return json.Marshal(text)
	case reflect.Bool:
		switch strings.ToLower(text) {
		case "true", "1", "yes", "on":
			return json.RawMessage("true"), nil
		}
		return json.RawMessage("false"), nil
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, errors.New("must be a whole number")
		}
		return json.RawMessage(strconv.Itoa(n)), nil
	case reflect.Float64:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, errors.New("must be a number")
		}
		raw, err := json.Marshal(n)
		if err != nil {
			return nil, errors.New("must be a finite number")
		}
		return raw, nil
	}
	if t == reflect.TypeFor[Kind]() && !strings.HasPrefix(text, "{") {
		return json.Marshal(text)
	}
	if !json.Valid([]byte(text)) {
		return nil, errors.New("must be JSON")
	}
	return json.RawMessage(text), nil
}
