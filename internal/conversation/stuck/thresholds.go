package stuck

import (
	"encoding/json"
	"fmt"
)

// Thresholds is OpenHands' StuckDetectionThresholds: how often something must
// happen to be a loop. Each is at least 1.
type Thresholds struct {
	ActionObservation  int `json:"action_observation"`
	ActionError        int `json:"action_error"`
	Monologue          int `json:"monologue"`
	AlternatingPattern int `json:"alternating_pattern"`
}

// Defaults are OpenHands' thresholds.
func Defaults() Thresholds {
	return Thresholds{ActionObservation: 4, ActionError: 3, Monologue: 3, AlternatingPattern: 6}
}

// UnmarshalJSON gives the fields that are absent their defaults and refuses one
// below 1.
func (t *Thresholds) UnmarshalJSON(data []byte) error {
	type plain Thresholds
	p := plain(Defaults())
	if err := json.Unmarshal(data, &p); err != nil {
		return fmt.Errorf("stuck detection thresholds: %w", err)
	}
	for _, field := range []struct {
		name  string
		value int
	}{
		{"action_observation", p.ActionObservation},
		{"action_error", p.ActionError},
		{"monologue", p.Monologue},
		{"alternating_pattern", p.AlternatingPattern},
	} {
		if field.value < 1 {
			return fmt.Errorf("stuck detection thresholds: %s is %d, must be at least 1", field.name, field.value)
		}
	}
	*t = Thresholds(p)
	return nil
}

// orDefault fills in what was never set.
func (t Thresholds) orDefault() Thresholds {
	d := Defaults()
	fill := func(value *int, otherwise int) {
		if *value < 1 {
			*value = otherwise
		}
	}
	fill(&t.ActionObservation, d.ActionObservation)
	fill(&t.ActionError, d.ActionError)
	fill(&t.Monologue, d.Monologue)
	fill(&t.AlternatingPattern, d.AlternatingPattern)
	return t
}

func (t Thresholds) largest() int {
	return max(t.ActionObservation, t.ActionError, t.Monologue, t.AlternatingPattern)
}
