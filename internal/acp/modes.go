package acp

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
)

// The modes of a session are its confirmation policies, by the names that
// agent-rpc run has for them.
const (
	modeAsk    = "ask"
	modeRisky  = "ask-if-risky"
	modeNever  = "never"
	modeCustom = "custom"
)

var modes = []mode{
	{modeRisky, "Ask if risky", "Asks before what is rated MEDIUM or higher, or not rated, or known to be dangerous"},
	{modeAsk, "Always ask", "Asks before every action"},
	{modeNever, "Never ask", "Carries everything out"},
}

var policies = map[string]string{
	modeAsk:   `{"kind":"AlwaysConfirm"}`,
	modeRisky: `{"kind":"ConfirmRisky","threshold":"MEDIUM","confirm_unknown":true}`,
	modeNever: `{"kind":"NeverConfirm"}`,
}

// analyzer is what docs/security.md recommends.
const analyzer = `{"kind":"EnsembleSecurityAnalyzer","analyzers":[{"kind":"LLMSecurityAnalyzer"},{"kind":"PatternSecurityAnalyzer"}]}`

// withPolicy lets a new conversation ask if it is risky, unless the settings say
// otherwise: the protocol has no place where a client would say it.
func withPolicy(o conversation.Options) conversation.Options {
	if o.Policy == nil {
		o.Policy = json.RawMessage(policies[modeRisky])
	}
	if o.Analyzer == nil {
		o.Analyzer = json.RawMessage(analyzer)
	}
	return o
}

// modeOf is the mode of a policy.
func modeOf(raw json.RawMessage) string {
	var p struct {
		Kind      string `json:"kind"`
		Threshold string `json:"threshold"`
		Unknown   *bool  `json:"confirm_unknown"`
	}
	_ = json.Unmarshal(raw, &p) // it is one that was read
	switch {
	case p.Kind == "AlwaysConfirm":
		return modeAsk
	case p.Kind == "NeverConfirm":
		return modeNever
	case p.Kind == "ConfirmRisky" && p.Threshold == "MEDIUM" && (p.Unknown == nil || *p.Unknown):
		return modeRisky
	}
	return modeCustom
}

// modesOf are the modes to choose from; a policy that is none of them is there only
// where it is the current one.
func modesOf(current string) modeState {
	list := slices.Clone(modes)
	if current == modeCustom {
		list = append(list, mode{modeCustom, "Custom", "As the conversation's confirmation policy says"})
	}
	return modeState{current, list}
}

func (s *Server) setMode(_ context.Context, p setModeParams, reply func(empty, error)) {
	sess, err := s.active(p.SessionID)
	if err == nil {
		err = sess.setMode("modeId", p.ModeID, func(_ conversation.Info, err error) { reply(empty{}, err) })
	}
	if err != nil {
		reply(empty{}, err)
	}
}

func (s *session) setMode(field, id string, reply func(conversation.Info, error)) error {
	raw, ok := policies[id]
	if !ok && (id != modeCustom || s.currentMode() != modeCustom) {
		return invalid(field, fmt.Sprintf("there is no mode %q", id))
	}
	if !ok {
		return s.conversation.Info(func(i conversation.Info) { reply(i, nil) })
	}
	s.mu.Lock()
	judged := s.info.SecurityAnalyzer != nil
	s.mu.Unlock()
	if id == modeRisky && !judged {
		// Without an analyzer every risk is unknown and everything would ask.
		if err := s.conversation.SetSecurityAnalyzer(json.RawMessage(analyzer), func(conversation.Info, error) {}); err != nil {
			return err
		}
	}
	return s.conversation.SetConfirmationPolicy(json.RawMessage(raw), reply)
}

func (s *session) currentMode() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mode
}

// The ids of the config options.
const (
	configMode  = "mode"
	configModel = "model"
	configLevel = "thought_level"
)

// levels are the reasoning efforts; the first leaves it to the model.
var levels = []choice{{"default", "Default", ""}, {"none", "None", ""}, {"low", "Low", ""}, {"medium", "Medium", ""}, {"high", "High", ""}}

// configOptions are the choices that a session offers: how much is asked, the
// model, and how much it thinks.
func (s *session) configOptions(i conversation.Info) []configOption {
	current := modeOf(i.ConfirmationPolicy)
	var policies []choice
	for _, m := range modesOf(current).AvailableModes {
		policies = append(policies, choice{m.ID, m.Name, m.Description})
	}
	model, effort := currentModel(i), s.spec().Effort
	efforts := levels
	if effort == "" {
		effort = levels[0].Value
	} else if !slices.ContainsFunc(levels, func(l choice) bool { return l.Value == effort }) {
		efforts = append(slices.Clone(levels), choice{Value: effort, Name: effort})
	}
	return []configOption{
		{Type: "select", ID: configMode, Name: "Approvals", Category: "mode", CurrentValue: current, Options: policies},
		{Type: "select", ID: configModel, Name: "Model", Category: "model", CurrentValue: model, Options: withCurrent(s.models, model)},
		{Type: "select", ID: configLevel, Name: "Reasoning effort", Category: "thought_level", CurrentValue: effort, Options: efforts},
	}
}

// currentModel is the value of the model that makes the steps: its name, or its
// profile.
func currentModel(i conversation.Info) string {
	if len(i.LLMs) > 0 && strings.HasPrefix(i.LLMs[0].UsageID, conversation.ProfileUsage) {
		return i.LLMs[0].UsageID
	}
	return cmp.Or(i.Model, "none")
}

// withCurrent makes sure that the current model is among the choices.
func withCurrent(groups []choiceGroup, current string) []choiceGroup {
	for _, g := range groups {
		if slices.ContainsFunc(g.Options, func(c choice) bool { return c.Value == current }) {
			return groups
		}
	}
	own := choiceGroup{"current", "Configured", []choice{{Value: current, Name: strings.TrimPrefix(current, conversation.ProfileUsage)}}}
	return append([]choiceGroup{own}, groups...)
}

// modelGroups are the models that can be used: those that are saved, and those of
// the providers whose keys are at hand.
func (s *Server) modelGroups() []choiceGroup {
	result := s.backend.Models()
	var groups []choiceGroup
	add := func(group, name string, c choice) {
		if n := len(groups); n == 0 || groups[n-1].Group != group {
			groups = append(groups, choiceGroup{Group: group, Name: name})
		}
		g := &groups[len(groups)-1]
		g.Options = append(g.Options, c)
	}
	for _, p := range result.Profiles {
		if p.Error == "" {
			add("profiles", "Saved models", choice{conversation.ProfileUsage + p.Name, p.Name, p.Model})
		}
	}
	available := slices.DeleteFunc(slices.Clone(result.Models), func(m modelInfo) bool { return !m.Available })
	slices.SortStableFunc(available, func(a, b modelInfo) int { return strings.Compare(a.Provider, b.Provider) })
	for _, m := range available {
		add("provider:"+m.Provider, m.Provider, choice{m.ID, m.Name, ""})
	}
	return groups
}

// llmSpec is the agent's own model as OpenHands stores it.
type llmSpec struct {
	Effort string
	fields map[string]json.RawMessage
}

func (s *session) spec() (l llmSpec) {
	var agent struct {
		LLM map[string]json.RawMessage `json:"llm"`
	}
	_ = json.Unmarshal(s.conversation.Agent().Spec(), &agent) // its own encoding
	l.fields = agent.LLM
	_ = json.Unmarshal(agent.LLM["reasoning_effort"], &l.Effort) // absent is the default
	return l
}

// withEffort gives the llm object of the same model that thinks more, or less. Keys
// are none of it: the settings have them.
func (l llmSpec) withEffort(effort string) json.RawMessage {
	fields := map[string]json.RawMessage{}
	for name, v := range l.fields {
		switch name {
		case "api_key", "usage_id", "reasoning_effort", "aws_access_key_id", "aws_secret_access_key", "aws_session_token":
		default:
			fields[name] = v
		}
	}
	if effort != levels[0].Value {
		fields["reasoning_effort"], _ = json.Marshal(effort) // a string always encodes
	}
	raw, err := json.Marshal(fields)
	if err != nil {
		panic(err) // members that came out of JSON
	}
	return raw
}

func (s *Server) setConfigOption(ctx context.Context, p setConfigParams, reply func(configResult, error)) {
	sess, err := s.active(p.SessionID)
	var value string
	if err == nil {
		value, err = rawString("value", p.Value)
	}
	if err != nil {
		reply(configResult{}, err)
		return
	}
	done := func(i conversation.Info, err error) {
		if err != nil {
			reply(configResult{}, err)
			return
		}
		reply(configResult{sess.told(i)}, nil)
	}
	switch p.ConfigID {
	case configMode:
		err = sess.setMode("value", value, done)
	case configModel:
		err = sess.setModel(ctx, value, done)
	case configLevel:
		if !slices.ContainsFunc(levels, func(l choice) bool { return l.Value == value }) {
			err = invalid("value", fmt.Sprintf("there is no reasoning effort %q", value))
			break
		}
		err = sess.conversation.SwitchModel(ctx, sess.spec().withEffort(value), done)
	default:
		err = invalid("configId", fmt.Sprintf("there is no option %q", p.ConfigID))
	}
	if err != nil {
		reply(configResult{}, err)
	}
}

// told gives the options as the client learns them from an answer, so that they are
// not told again.
func (s *session) told(i conversation.Info) []configOption {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.options = s.configOptions(i)
	return s.options
}

func (s *session) setModel(ctx context.Context, value string, done func(conversation.Info, error)) error {
	if name, ok := strings.CutPrefix(value, conversation.ProfileUsage); ok {
		if err := s.server.backend.Profile(name); err != nil {
			return invalid("value", err.Error())
		}
		return s.conversation.SwitchModel(ctx, conversation.ProfileLLM(name), done)
	}
	s.mu.Lock()
	known := withCurrent(s.models, currentModel(s.info))
	s.mu.Unlock()
	if !slices.ContainsFunc(known, func(g choiceGroup) bool {
		return slices.ContainsFunc(g.Options, func(c choice) bool { return c.Value == value })
	}) {
		return invalid("value", fmt.Sprintf("there is no model %q to choose", value))
	}
	raw, err := json.Marshal(map[string]string{"model": value})
	if err != nil {
		return err
	}
	return s.conversation.SwitchModel(ctx, raw, done)
}
