// Package security judges what an agent wants to do: OpenHands' analyzers of
// patterns, of rails and of several together, what a shell command is made of,
// and which actions a rule of the user covers.
//
// A command is judged by its syntax tree, so that what hides in a substitution,
// a wrapper such as sudo or sh -c, a here-document or an alias is judged as if
// it stood alone. What can't be told is UNKNOWN, never LOW. Nothing is run,
// looked up or resolved: the names of files and the values of variables stay
// what they are in the text. The package keeps nothing and starts no goroutine.
package security

import (
	"encoding/json"

	"github.com/agent-rpc/agent-rpc/internal/conversation/policy"
)

// Judge is what conversations need of this package.
type Judge struct{}

// ParseAnalyzer reads an analyzer; see [policy.Kinds.Parse].
func (Judge) ParseAnalyzer(raw json.RawMessage) (policy.Analyzer, error) { return kinds().Parse(raw) }

// kinds are the analyzers that can be used. Those of an ensemble are read with
// the same list.
func kinds() policy.Kinds {
	return policy.Kinds{
		policy.KindLLMSecurityAnalyzer: policy.ParseLLM,
		KindPattern:                    parsePattern,
		KindPolicyRail:                 parseRail,
		KindEnsemble:                   parseEnsemble,
	}
}
