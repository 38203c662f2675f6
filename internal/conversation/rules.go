package conversation

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/policy"
)

// Scope says where a rule holds.
type Scope string

// The scopes: one conversation, or all those in the same workspace.
const (
	ScopeConversation Scope = "conversation"
	ScopeWorkspace    Scope = "workspace"
)

// Rule is something that the user need not be asked again.
type Rule struct {
	policy.Rule
	Scope Scope
}

// maxRules bounds the rules of one scope.
const maxRules = 1000

// rules are the rules that hold here.
func (c *Conversation) rules() []Rule {
	var list []Rule
	for _, r := range c.side.Rules {
		list = append(list, Rule{r, ScopeConversation})
	}
	raw, err := c.workspaces.Get(c.workspace)
	if err != nil {
		c.log.Warn("the rules of the workspaces can't be read; what they cover is asked for", "error", err)
	}
	for _, r := range c.decodeRules(raw) {
		list = append(list, Rule{r, ScopeWorkspace})
	}
	return list
}

// remembered is what is kept for a workspace.
type remembered struct {
	Rules []policy.Rule `json:"rules"`
}

func (c *Conversation) decodeRules(raw json.RawMessage) []policy.Rule {
	var kept remembered
	if raw != nil && json.Unmarshal(raw, &kept) != nil {
		c.log.Warn("the rules of a workspace can't be read; what they cover is asked for", "workspace", c.workspace)
		return nil
	}
	return kept.Rules
}

// covered tells whether every action that asks is one that the user wants not to
// be asked about again. What is of high risk is asked about always.
func (c *Conversation) covered(actions []*event.Action, judged []askedAction) bool {
	var rules []Rule
	for i, a := range actions {
		switch {
		case !judged[i].Ask:
			continue
		case judged[i].Risk == event.RiskHigh:
			return false
		}
		if rules == nil {
			if rules = c.rules(); rules == nil {
				return false
			}
		}
		rule, err := c.rule(a)
		if err != nil || !slices.ContainsFunc(rules, func(r Rule) bool { return r.ID == rule.ID && r.Tool == rule.Tool }) {
			return false
		}
	}
	return true
}

// rule makes the rule that would remember an action.
func (c *Conversation) rule(a *event.Action) (rule policy.Rule, err error) {
	if _, said := c.said[a.ID]; said || slices.Contains(c.side.Masked, a.ID) {
		return rule, errors.New("it holds a secret, which is not kept")
	}
	if broken := c.guard("the rule of an action", func() { rule, err = c.security.Rule(a) }); broken != nil {
		return rule, broken
	}
	return rule, err
}

// rulesFor makes the rules that would remember what waits.
func (c *Conversation) rulesFor(p *Pending) ([]policy.Rule, error) {
	var rules []policy.Rule
	for _, a := range p.Actions {
		if !a.asks {
			continue
		}
		if a.Risk == event.RiskHigh {
			return nil, fmt.Errorf("%s is of high risk", a.Action.ToolName)
		}
		rule, err := c.rule(a.Action)
		if err != nil {
			return nil, err
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

// remember keeps rules. Those of the workspace are on disk when it returns.
func (c *Conversation) remember(scope Scope, rules []policy.Rule) error {
	add := func(known []policy.Rule) ([]policy.Rule, error) {
		known = slices.Clone(known)
		for _, r := range rules {
			if !slices.ContainsFunc(known, func(k policy.Rule) bool { return k.ID == r.ID && k.Tool == r.Tool }) {
				known = append(known, r)
			}
		}
		if len(known) > maxRules {
			return nil, &ValueError{"remember", fmt.Sprintf("there are %d rules already; forget some first", maxRules)}
		}
		return known, nil
	}
	if scope == ScopeWorkspace {
		return c.changeWorkspace(add)
	}
	list, err := add(c.side.Rules)
	if err == nil {
		c.side.Rules = list
	}
	return err
}

// forget drops all rules whose ids are not among keep.
func (c *Conversation) forget(keep []string) error {
	known := c.rules()
	for _, id := range keep {
		if !slices.ContainsFunc(known, func(r Rule) bool { return r.ID == id }) {
			return &ValueError{"rules", fmt.Sprintf("there is no rule %q", id)}
		}
	}
	drop := func(r policy.Rule) bool { return !slices.Contains(keep, r.ID) }
	if slices.ContainsFunc(known, func(r Rule) bool { return r.Scope == ScopeWorkspace && drop(r.Rule) }) {
		if err := c.changeWorkspace(func(list []policy.Rule) ([]policy.Rule, error) {
			return slices.DeleteFunc(list, drop), nil
		}); err != nil {
			return err
		}
	}
	c.side.Rules = slices.DeleteFunc(slices.Clone(c.side.Rules), drop)
	return nil
}

func (c *Conversation) changeWorkspace(change func([]policy.Rule) ([]policy.Rule, error)) error {
	var refused error
	err := c.workspaces.Change(c.workspace, func(raw json.RawMessage) (json.RawMessage, error) {
		var list []policy.Rule
		if list, refused = change(c.decodeRules(raw)); refused != nil || len(list) == 0 {
			return nil, refused
		}
		return json.Marshal(remembered{list})
	})
	if refused != nil {
		return refused
	}
	if err != nil {
		return &PersistenceError{err}
	}
	return nil
}
