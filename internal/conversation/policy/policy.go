// Package policy decides whether actions need the user's consent: OpenHands'
// confirmation policies, the order of risks, and what an analyzer and a rule
// are. It only knows the analyzer that trusts the model's own word; others come
// from elsewhere and implement [Analyzer]. It asks nobody, keeps nothing and
// starts no goroutine.
package policy

import (
	"encoding/json"
	"fmt"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// The kinds of policies, each equal to OpenHands' class name.
const (
	KindAlwaysConfirm = "AlwaysConfirm"
	KindNeverConfirm  = "NeverConfirm"
	KindConfirmRisky  = "ConfirmRisky"
)

// Confirmation is OpenHands' ConfirmationPolicy. The zero value never asks. In
// JSON it is {"kind": …}, for ConfirmRisky with "threshold" and
// "confirm_unknown".
type Confirmation struct {
	kind           string
	threshold      event.Risk
	confirmUnknown bool
}

// Always asks for every action.
func Always() Confirmation { return Confirmation{kind: KindAlwaysConfirm} }

// Never asks for none.
func Never() Confirmation { return Confirmation{} }

// Risky asks for actions of the threshold's risk or a higher one, and for those
// of unknown risk if confirmUnknown is set. The threshold is LOW, MEDIUM or HIGH.
func Risky(threshold event.Risk, confirmUnknown bool) (Confirmation, error) {
	if rank(threshold) == 0 {
		return Confirmation{}, fmt.Errorf("confirmation policy %s: threshold is %q, must be LOW, MEDIUM or HIGH", KindConfirmRisky, threshold)
	}
	return Confirmation{KindConfirmRisky, threshold, confirmUnknown}, nil
}

// Parse reads a policy. An unknown or missing kind gives a [*KindError].
func Parse(raw json.RawMessage) (Confirmation, error) {
	var c Confirmation
	if err := c.UnmarshalJSON(raw); err != nil {
		return Confirmation{}, err
	}
	return c, nil
}

// Kind is OpenHands' class name of the policy.
func (c Confirmation) Kind() string {
	if c.kind == "" {
		return KindNeverConfirm
	}
	return c.kind
}

// Active tells whether the policy can ever ask.
func (c Confirmation) Active() bool { return c.Kind() != KindNeverConfirm }

// ShouldConfirm tells whether an action of this risk needs the user's consent.
// A risk that is none of the four is taken for HIGH.
func (c Confirmation) ShouldConfirm(risk event.Risk) bool {
	switch c.Kind() {
	case KindAlwaysConfirm:
		return true
	case KindConfirmRisky:
		if risk == event.RiskUnknown {
			return c.confirmUnknown
		}
		return AtLeast(risk, c.threshold)
	}
	return false
}

// MarshalJSON writes the policy as OpenHands does.
func (c Confirmation) MarshalJSON() ([]byte, error) {
	if c.Kind() != KindConfirmRisky {
		return event.EncodeKind(struct{}{}, c.Kind())
	}
	return event.EncodeKind(struct {
		Threshold      event.Risk `json:"threshold"`
		ConfirmUnknown bool       `json:"confirm_unknown"`
	}{c.threshold, c.confirmUnknown}, c.kind)
}

// UnmarshalJSON is what [Parse] does.
func (c *Confirmation) UnmarshalJSON(data []byte) error {
	fields := struct {
		Kind           string     `json:"kind"`
		Threshold      event.Risk `json:"threshold"`
		ConfirmUnknown bool       `json:"confirm_unknown"`
	}{Threshold: event.RiskHigh, ConfirmUnknown: true}
	if err := json.Unmarshal(data, &fields); err != nil {
		return fmt.Errorf("confirmation policy: %w", err)
	}
	switch fields.Kind {
	case KindAlwaysConfirm:
		*c = Always()
	case KindNeverConfirm:
		*c = Never()
	case KindConfirmRisky:
		risky, err := Risky(fields.Threshold, fields.ConfirmUnknown)
		if err != nil {
			return err
		}
		*c = risky
	default:
		return &KindError{"confirmation policy", fields.Kind, []string{KindAlwaysConfirm, KindNeverConfirm, KindConfirmRisky}}
	}
	return nil
}

// KindError says that a kind is missing or not known.
type KindError struct {
	// What is what was read: "confirmation policy" or "security analyzer".
	What string
	// Kind is the kind given; "" if none was.
	Kind string
	// Known are the kinds there are.
	Known []string
}

func (e *KindError) Error() string {
	if e.Kind == "" {
		return fmt.Sprintf("%s has no kind; known kinds: %s", e.What, list(e.Known))
	}
	return fmt.Sprintf("%s of kind %q is not known; known kinds: %s", e.What, e.Kind, list(e.Known))
}

// UnsupportedError says that a kind is OpenHands' but not carried out here.
type UnsupportedError struct {
	What string
	Kind string
	// Supported are the kinds that can be used.
	Supported []string
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("%s of kind %s is not supported; supported: %s", e.What, e.Kind, list(e.Supported))
}
