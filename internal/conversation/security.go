package conversation

import (
	"encoding/json"
	"errors"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/policy"
)

// Security is what a conversation wants to know of the actions of its agent.
// Package security implements it; cmd plugs it in. It is asked from several
// goroutines and returns at once.
type Security interface {
	// ParseAnalyzer reads a SecurityAnalyzer; null and nothing give nil.
	ParseAnalyzer(raw json.RawMessage) (policy.Analyzer, error)
	// Parts gives the simple commands of an action; nil where it is no command or
	// can't be taken apart.
	Parts(a *event.Action) []policy.Part
	// Rule makes the rule that remembers an action; the error says why it can't be
	// remembered.
	Rule(a *event.Action) (policy.Rule, error)
}

// modelOnly is the Security of a manager that is given none.
type modelOnly struct{}

func (modelOnly) ParseAnalyzer(raw json.RawMessage) (policy.Analyzer, error) {
	return policy.Kinds{policy.KindLLMSecurityAnalyzer: policy.ParseLLM}.Parse(raw)
}

func (modelOnly) Parts(*event.Action) []policy.Part { return nil }

func (modelOnly) Rule(*event.Action) (policy.Rule, error) {
	return policy.Rule{}, errors.New("nothing is remembered here")
}
