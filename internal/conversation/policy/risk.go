package policy

import (
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// rank is the place of a risk in the order LOW < MEDIUM < HIGH; 0 for UNKNOWN
// and for what is no risk.
func rank(risk event.Risk) int {
	switch risk {
	case event.RiskLow:
		return 1
	case event.RiskMedium:
		return 2
	case event.RiskHigh:
		return 3
	}
	return 0
}

// AtLeast tells whether risk is as high as than or higher. UNKNOWN stands
// beside the order: it is at least nothing. What is none of the four risks
// counts as HIGH.
func AtLeast(risk, than event.Risk) bool {
	risk, than = known(risk), known(than)
	return rank(risk) > 0 && rank(than) > 0 && rank(risk) >= rank(than)
}

// known gives HIGH for what is none of the four risks.
func known(risk event.Risk) event.Risk {
	if risk != event.RiskUnknown && rank(risk) == 0 {
		return event.RiskHigh
	}
	return risk
}

func list(words []string) string { return strings.Join(words, ", ") }
