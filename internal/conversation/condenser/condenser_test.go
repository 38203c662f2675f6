package condenser_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/conversation/condenser"
)

func TestParseRules(t *testing.T) {
	changed := func(change func(*condenser.Rules)) condenser.Rules {
		r := condenser.Defaults()
		change(&r)
		return r
	}
	for raw, want := range map[string]condenser.Rules{
		`{}`:                    condenser.Defaults(),
		`{"max_tokens":null}`:   condenser.Defaults(),
		`{"llm":{},"kind":"x"}`: condenser.Defaults(),
		`{"max_size":10,"keep_first":3,"max_tokens":1000}`: changed(func(r *condenser.Rules) { r.MaxSize, r.KeepFirst, r.MaxTokens = 10, 3, 1000 }),
		`{"minimum_progress":0.5,"hard_context_reset_max_retries":1,"hard_context_reset_context_scaling":0.5}`: changed(func(r *condenser.Rules) {
			r.MinimumProgress, r.ResetAttempts, r.ResetScaling = 0.5, 1, 0.5
		}),
	} {
		got, err := condenser.ParseRules(json.RawMessage(raw))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", raw, err, diff)
		}
	}
	for raw, field := range map[string]string{
		`{"max_size":0}`:                            "max_size",
		`{"max_size":6,"keep_first":2}`:             "max_size", // 3-2-1 leaves nothing
		`{"max_size":"many"}`:                       "max_size",
		`{"max_size":1.5}`:                          "max_size",
		`{"max_tokens":0}`:                          "max_tokens",
		`{"keep_first":-1}`:                         "keep_first",
		`{"minimum_progress":0}`:                    "minimum_progress",
		`{"minimum_progress":1}`:                    "minimum_progress",
		`{"hard_context_reset_max_retries":0}`:      "hard_context_reset_max_retries",
		`{"hard_context_reset_context_scaling":1}`:  "hard_context_reset_context_scaling",
		`{"hard_context_reset_context_scaling":-1}`: "hard_context_reset_context_scaling",
		`[]`: "",
	} {
		_, err := condenser.ParseRules(json.RawMessage(raw))
		var wrong *condenser.FieldError
		if !errors.As(err, &wrong) || wrong.Field != field || wrong.Message == "" {
			t.Errorf("%s: %v", raw, err)
		}
	}
	if _, err := condenser.ParseRules(json.RawMessage(`{"max_size":8,"keep_first":2}`)); err != nil {
		t.Errorf("the smallest that has room: %v", err)
	}
}
