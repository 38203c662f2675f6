package security

import (
	"encoding/json"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/policy"
)

// KindPolicyRail is the kind of [Rail].
const KindPolicyRail = "PolicyRailSecurityAnalyzer"

// The names of the rails.
const (
	railFetch  = "fetch-to-exec"
	railDisk   = "raw-disk-op"
	railDelete = "catastrophic-delete"
)

// Rail is OpenHands' PolicyRailSecurityAnalyzer: three things that must not
// happen unseen. What is downloaded is run; a disk is written to or formatted; a
// folder that the system or the user can't do without is deleted.
type Rail struct{}

func parseRail(json.RawMessage, policy.Kinds) (policy.Analyzer, error) { return Rail{}, nil }

// Kind implements [policy.Analyzer].
func (Rail) Kind() string { return KindPolicyRail }

// MarshalJSON writes the analyzer as OpenHands does.
func (a Rail) MarshalJSON() ([]byte, error) { return event.EncodeKind(struct{}{}, a.Kind()) }

// Judge implements [policy.Analyzer]: HIGH for a rail, UNKNOWN where a command
// can't be looked into, else LOW.
func (Rail) Judge(action *event.Action) (policy.Verdict, error) {
	var found []finding
	for _, c := range commands(action) {
		for _, p := range c.script.parts {
			for _, f := range p.findings {
				switch {
				case f.rail != "":
					f.id = f.rail
					found = append(found, f.of(p.text))
				case f.risk == event.RiskUnknown && c.strict:
					found = append(found, f.of(p.text))
				}
			}
		}
		if c.strict && c.script.problem != "" {
			found = append(found, finding{risk: event.RiskUnknown, why: c.script.problem})
		}
	}
	return worst(found), nil
}
