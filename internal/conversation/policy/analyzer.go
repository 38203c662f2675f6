package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// Analyzer judges actions. An error means that it could not tell; the action
// counts as HIGH then.
type Analyzer interface {
	// Kind is OpenHands' class name.
	Kind() string
	// Judge judges one valid action. It may be called from any goroutine.
	Judge(action *event.Action) (Verdict, error)
}

// Verdict is what an analyzer says of an action.
type Verdict struct {
	Risk event.Risk
	// Reason is a sentence for the user that says more than the risk; "" if there
	// is no more to say.
	Reason string
}

// Judge asks an analyzer and never fails: what can't be judged is of high risk.
func Judge(analyzer Analyzer, action *event.Action) (v Verdict) {
	defer func() {
		if p := recover(); p != nil {
			v = Verdict{event.RiskHigh, fmt.Sprintf("it could not be judged: %s broke: %v", analyzer.Kind(), p)}
		}
	}()
	v, err := analyzer.Judge(action)
	if err != nil {
		return Verdict{event.RiskHigh, fmt.Sprintf("it could not be judged: %s", err)}
	}
	v.Risk = known(v.Risk)
	return v
}

// KindLLMSecurityAnalyzer is the kind of [LLM].
const KindLLMSecurityAnalyzer = "LLMSecurityAnalyzer"

// LLM is OpenHands' LLMSecurityAnalyzer: the risk that the model itself gave.
type LLM struct{}

// Kind implements [Analyzer].
func (LLM) Kind() string { return KindLLMSecurityAnalyzer }

// Judge implements [Analyzer].
func (LLM) Judge(action *event.Action) (Verdict, error) {
	if action.SecurityRisk == "" {
		return Verdict{Risk: event.RiskUnknown}, nil
	}
	return Verdict{Risk: action.SecurityRisk}, nil
}

// MarshalJSON writes the analyzer as OpenHands does.
func (a LLM) MarshalJSON() ([]byte, error) { return event.EncodeKind(struct{}{}, a.Kind()) }

// ParseLLM reads an [LLM], for [Kinds].
func ParseLLM(json.RawMessage, Kinds) (Analyzer, error) { return LLM{}, nil }

// Kinds are the analyzers that can be used: how to read each, by its kind. A
// reader gets them too, for the analyzers within its own.
type Kinds map[string]func(raw json.RawMessage, kinds Kinds) (Analyzer, error)

// openHands are the kinds that OpenHands knows.
var openHands = []string{
	KindLLMSecurityAnalyzer, "PatternSecurityAnalyzer", "PolicyRailSecurityAnalyzer", "EnsembleSecurityAnalyzer",
	"GraySwanAnalyzer", "ToolShieldLLMSecurityAnalyzer",
}

// Parse reads an analyzer; null and nothing give nil. A kind of OpenHands that
// is not among them gives an [*UnsupportedError], any other kind a [*KindError].
func (k Kinds) Parse(raw json.RawMessage) (Analyzer, error) {
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
	if parse := k[fields.Kind]; parse != nil {
		a, err := parse(raw, k)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", what, fields.Kind, err)
		}
		return a, nil
	}
	usable := slices.Sorted(maps.Keys(k))
	if slices.Contains(openHands, fields.Kind) {
		return nil, &UnsupportedError{what, fields.Kind, usable}
	}
	return nil, &KindError{what, fields.Kind, usable}
}
