// Package condenser decides when a history is too long, what of it the model is
// to forget, and asks for the summary that takes its place: OpenHands'
// condensers.
//
// It is pure but for the question that its caller asks for it. It holds the
// prompt of the summary, knows no model, changes no view and starts no goroutine.
package condenser

import (
	"encoding/json"
	"errors"
	"fmt"
)

// The kinds of OpenHands' Condenser that are acted on.
const (
	KindSummarizing = "LLMSummarizingCondenser"
	KindNoOp        = "NoOpCondenser"
	KindPipeline    = "PipelineCondenser"
)

// Rules are those of OpenHands' LLMSummarizingCondenser, less its model.
type Rules struct {
	// MaxSize is how many events a view may have.
	MaxSize int `json:"max_size"`
	// MaxTokens is how many tokens a request may have; 0 leaves it to the model's
	// window.
	MaxTokens int `json:"max_tokens"`
	// KeepFirst is how many events at the start are kept, the system prompt
	// among them.
	KeepFirst int `json:"keep_first"`
	// MinimumProgress is the least part of the view that a condensation must
	// forget, above 0 and below 1.
	MinimumProgress float64 `json:"minimum_progress"`
	// ResetAttempts is how often a summary of everything is tried, and
	// ResetScaling by how much its texts are cut at each further time.
	ResetAttempts int     `json:"hard_context_reset_max_retries"`
	ResetScaling  float64 `json:"hard_context_reset_context_scaling"`
}

// Defaults are those of OpenHands' class, for what a condenser leaves out.
func Defaults() Rules {
	return Rules{MaxSize: 240, KeepFirst: 2, MinimumProgress: 0.1, ResetAttempts: 5, ResetScaling: 0.8}
}

// Preset is the condenser of an agent that names none: that of OpenHands'
// standard agent.
func Preset() Rules {
	r := Defaults()
	r.MaxSize, r.KeepFirst = 80, 4
	return r
}

// FieldError says which field of a condenser is not right.
type FieldError struct {
	// Field is a path below the condenser: "max_size", "condensers[1].keep_first".
	Field   string
	Message string
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Message }

// ParseRules reads an LLMSummarizingCondenser. Errors are of type [*FieldError].
func ParseRules(raw json.RawMessage) (Rules, error) {
	r := Defaults()
	if err := json.Unmarshal(raw, &r); err != nil {
		field, message := "", "must be an object"
		var e *json.UnmarshalTypeError
		if errors.As(err, &e) && e.Field != "" {
			field, message = e.Field, "must be a number"
		}
		return r, &FieldError{field, message}
	}
	var given struct {
		MaxTokens *int `json:"max_tokens"`
	}
	_ = json.Unmarshal(raw, &given) // it was read above
	check := func(ok bool, field, message string) error {
		if ok {
			return nil
		}
		return &FieldError{field, message}
	}
	for _, err := range []error{
		check(r.MaxSize > 0, "max_size", "must be at least 1"),
		check(given.MaxTokens == nil || r.MaxTokens > 0, "max_tokens", "must be at least 1, or null"),
		check(r.KeepFirst >= 0, "keep_first", "must not be negative"),
		check(r.MinimumProgress > 0 && r.MinimumProgress < 1, "minimum_progress", "must be above 0 and below 1"),
		check(r.ResetAttempts > 0, "hard_context_reset_max_retries", "must be at least 1"),
		check(r.ResetScaling > 0 && r.ResetScaling < 1, "hard_context_reset_context_scaling", "must be above 0 and below 1"),
		check(r.MaxSize/2-r.KeepFirst-1 > 0, "max_size", fmt.Sprintf(
			"%d leaves no room beside keep_first %d: half of it must be more than keep_first and one", r.MaxSize, r.KeepFirst)),
	} {
		if err != nil {
			return r, err
		}
	}
	return r, nil
}
