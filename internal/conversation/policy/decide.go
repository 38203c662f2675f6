package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// Decide tells whether the actions of a response must wait for the user: all
// of them or none. A lone finish, think or ask_user never waits: to ask whether
// the user may be asked would be asking twice. Calls that were not
// valid don't count; their risk is UNKNOWN. risks are those of actions, in the
// same order; without an analyzer all are UNKNOWN. reason is a sentence for the
// user, "" where nothing waits.
func Decide(policy Confirmation, analyzer Analyzer, actions []*event.Action) (confirm bool, risks []event.Risk, reason string) {
	risks = make([]event.Risk, len(actions))
	var lone *event.Action
	valid := 0
	for i, a := range actions {
		risks[i] = event.RiskUnknown
		if a.Action == nil {
			continue
		}
		valid++
		lone = a
		if analyzer != nil {
			risks[i] = judge(analyzer, a)
		}
	}
	if valid == 0 || valid == 1 && slices.Contains(harmless, lone.ToolName) {
		return false, risks, ""
	}
	var why []string
	for i, a := range actions {
		if a.Action != nil && policy.ShouldConfirm(risks[i]) {
			why = append(why, explain(policy, a, risks[i]))
		}
	}
	return len(why) > 0, risks, strings.Join(why, "; ")
}

// harmless are the tools whose calls never wait alone.
var harmless = []string{"finish", "think", "ask_user"}

// judge never fails: what can't be judged is of high risk.
func judge(analyzer Analyzer, action *event.Action) (risk event.Risk) {
	defer func() {
		if recover() != nil {
			risk = event.RiskHigh
		}
	}()
	risk, err := analyzer.Risk(action)
	if err != nil {
		return event.RiskHigh
	}
	return known(risk)
}

func explain(policy Confirmation, action *event.Action, risk event.Risk) string {
	switch {
	case policy.Kind() == KindAlwaysConfirm:
		return fmt.Sprintf("%s: every action is to be confirmed", action.ToolName)
	case risk == event.RiskUnknown:
		return fmt.Sprintf("%s: its risk is not known", action.ToolName)
	}
	return fmt.Sprintf("%s: its risk is %s", action.ToolName, risk)
}
