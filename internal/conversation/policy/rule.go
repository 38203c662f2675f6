package policy

import "github.com/agent-rpc/agent-rpc/internal/conversation/event"

// Part is one simple command of a command.
type Part struct {
	// Text is as it stands in the command.
	Text   string
	Risk   event.Risk
	Reason string
}

// Rule is what a user wants not to be asked again: one action, exactly.
type Rule struct {
	// ID is equal for actions that are the same.
	ID   string `json:"id"`
	Tool string `json:"tool"`
	// Text is what the rule is about, for people: a command or arguments.
	Text string `json:"text"`
}
