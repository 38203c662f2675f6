package security

import (
	"encoding/json"
	"fmt"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/policy"
)

// KindEnsemble is the kind of [Ensemble].
const KindEnsemble = "EnsembleSecurityAnalyzer"

// Ensemble is OpenHands' EnsembleSecurityAnalyzer: the highest risk that one of
// several analyzers finds. Those that can't tell don't count, unless all can't,
// or PropagateUnknown makes one of them enough.
type Ensemble struct {
	Analyzers        []policy.Analyzer `json:"analyzers"`
	PropagateUnknown bool              `json:"propagate_unknown"`
}

// maxEnsembles bounds ensembles in ensembles.
const maxEnsembles = 8

func parseEnsemble(raw json.RawMessage, all policy.Kinds) (policy.Analyzer, error) {
	return parseEnsembleAt(raw, all, 1)
}

func parseEnsembleAt(raw json.RawMessage, all policy.Kinds, depth int) (policy.Analyzer, error) {
	if depth > maxEnsembles {
		return nil, fmt.Errorf("more than %d ensembles within each other", maxEnsembles)
	}
	var fields struct {
		Analyzers        []json.RawMessage `json:"analyzers"`
		PropagateUnknown bool              `json:"propagate_unknown"`
	}
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, err
	}
	if len(fields.Analyzers) == 0 {
		return nil, fmt.Errorf("analyzers must hold at least one")
	}
	deeper := policy.Kinds{}
	for kind, parse := range all {
		deeper[kind] = parse
	}
	deeper[KindEnsemble] = func(raw json.RawMessage, _ policy.Kinds) (policy.Analyzer, error) {
		return parseEnsembleAt(raw, all, depth+1)
	}
	e := &Ensemble{PropagateUnknown: fields.PropagateUnknown}
	for i, raw := range fields.Analyzers {
		a, err := deeper.Parse(raw)
		if err == nil && a == nil {
			err = fmt.Errorf("is null")
		}
		if err != nil {
			return nil, fmt.Errorf("analyzers[%d]: %w", i, err)
		}
		e.Analyzers = append(e.Analyzers, a)
	}
	return e, nil
}

// Kind implements [policy.Analyzer].
func (*Ensemble) Kind() string { return KindEnsemble }

// MarshalJSON writes the analyzer as OpenHands does.
func (e *Ensemble) MarshalJSON() ([]byte, error) {
	type fields Ensemble
	return event.EncodeKind((*fields)(e), KindEnsemble)
}

// Judge implements [policy.Analyzer]. One that fails counts as HIGH.
func (e *Ensemble) Judge(action *event.Action) (policy.Verdict, error) {
	best := policy.Verdict{Risk: event.RiskUnknown}
	for _, a := range e.Analyzers {
		v := policy.Judge(a, action)
		switch {
		case v.Risk == event.RiskUnknown && e.PropagateUnknown:
			return v, nil
		case v.Risk == event.RiskUnknown:
			if best.Risk == event.RiskUnknown && best.Reason == "" {
				best.Reason = v.Reason
			}
		case best.Risk == event.RiskUnknown, v.Risk != best.Risk && policy.AtLeast(v.Risk, best.Risk),
			v.Risk == best.Risk && best.Reason == "":
			best = v
		}
	}
	return best, nil
}
