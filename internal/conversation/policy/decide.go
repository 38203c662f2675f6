package policy

import (
	"fmt"
	"slices"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// Judgement is what the policy says of one action.
type Judgement struct {
	Risk event.Risk
	// Ask tells that the action needs the user's consent, and with it its batch.
	Ask bool
	// Reason is a sentence for the user that says why it is asked; "" where Ask
	// is false.
	Reason string
}

// Decide judges the actions of a response, in their order. If one of them asks,
// all wait. A lone finish, think or ask_user never asks: to ask whether the user
// may be asked would be asking twice. Calls that were not valid don't count;
// their risk is UNKNOWN. Without an analyzer all risks are UNKNOWN.
func Decide(policy Confirmation, analyzer Analyzer, actions []*event.Action) []Judgement {
	judged := make([]Judgement, len(actions))
	var lone *event.Action
	valid := 0
	for i, a := range actions {
		judged[i].Risk = event.RiskUnknown
		if a.Action == nil {
			continue
		}
		valid++
		lone = a
		v := Verdict{Risk: event.RiskUnknown}
		if analyzer != nil {
			v = Judge(analyzer, a)
		}
		judged[i].Risk = v.Risk
		if judged[i].Ask = policy.ShouldConfirm(v.Risk); judged[i].Ask {
			judged[i].Reason = explain(policy, v)
		}
	}
	if valid == 1 && slices.Contains(harmless, lone.ToolName) {
		for i := range judged {
			judged[i].Ask, judged[i].Reason = false, ""
		}
	}
	return judged
}

// harmless are the tools whose calls never wait alone.
var harmless = []string{"finish", "think", "ask_user"}

func explain(policy Confirmation, v Verdict) string {
	switch {
	case v.Reason != "":
		return v.Reason
	case policy.Kind() == KindAlwaysConfirm:
		return "every action is to be confirmed"
	case v.Risk == event.RiskUnknown:
		return "its risk is not known"
	}
	return fmt.Sprintf("its risk is %s", v.Risk)
}
