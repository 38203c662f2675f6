package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// Analyzer judges actions. An error means that it could not tell; the action
// counts as HIGH then.
type Analyzer interface {
	// Kind is OpenHands' class name.
	Kind() string
	// Risk judges one valid action. It may be called from any goroutine.
	Risk(action *event.Action) (event.Risk, error)
}

// KindLLMSecurityAnalyzer is the kind of [LLM].
const KindLLMSecurityAnalyzer = "LLMSecurityAnalyzer"

var (
	supported = []string{KindLLMSecurityAnalyzer}
	// later are the kinds of OpenHands that this package does not carry out.
	later = []string{
		"PatternSecurityAnalyzer", "PolicyRailSecurityAnalyzer", "EnsembleSecurityAnalyzer",
		"GraySwanAnalyzer", "ToolShieldLLMSecurityAnalyzer",
	}
)

// LLM is OpenHands' LLMSecurityAnalyzer: the risk that the model itself gave.
type LLM struct{}

// Kind implements [Analyzer].
func (LLM) Kind() string { return KindLLMSecurityAnalyzer }

// Risk implements [Analyzer].
func (LLM) Risk(action *event.Action) (event.Risk, error) {
	if action.SecurityRisk == "" {
		return event.RiskUnknown, nil
	}
	return action.SecurityRisk, nil
}

// MarshalJSON writes the analyzer as OpenHands does.
func (a LLM) MarshalJSON() ([]byte, error) { return event.EncodeKind(struct{}{}, a.Kind()) }

// ParseAnalyzer reads an analyzer; null and nothing give nil. A kind of
// OpenHands that is not carried out gives an [*UnsupportedError], any other
// kind a [*KindError].
func ParseAnalyzer(raw json.RawMessage) (Analyzer, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return nil, nil
	}
	const what = "security analyzer"
	var fields struct {
		Kind string `json:"kind"`
	}
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	switch {
	case fields.Kind == KindLLMSecurityAnalyzer:
		return LLM{}, nil
	case slices.Contains(later, fields.Kind):
		return nil, &UnsupportedError{what, fields.Kind, supported}
	}
	return nil, &KindError{what, fields.Kind, supported}
}
