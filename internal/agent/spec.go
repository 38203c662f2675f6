package agent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/agent-rpc/agent-rpc/internal/conversation/condenser"
	"github.com/agent-rpc/agent-rpc/internal/tool"
	"github.com/agent-rpc/agent-rpc/internal/tool/invokeskill"
)

// Spec is OpenHands' Agent JSON, as far as we act on it. Every field is
// optional; what is not named here is kept and stored again.
type Spec struct {
	LLM                json.RawMessage `json:"llm"`
	Tools              []tool.Spec     `json:"tools"`
	FilterToolsRegex   string          `json:"filter_tools_regex"`
	IncludeDefault     []string        `json:"include_default_tools"`
	SystemPrompt       *string         `json:"system_prompt"`
	SystemPromptKwargs struct {
		Risk *bool `json:"llm_security_analyzer"`
	} `json:"system_prompt_kwargs"`
	AgentContext    json.RawMessage `json:"agent_context"`
	ToolConcurrency int             `json:"tool_concurrency_limit"`
	Condenser       json.RawMessage `json:"condenser"`
	Kind            string          `json:"kind"`

	fields map[string]json.RawMessage
}

// DefaultTools are the tools of an agent that names none, by registry name.
var DefaultTools = []string{"terminal", "file_editor", "task_tracker"}

// fieldOrder is the order in which OpenHands writes an Agent.
var fieldOrder = []string{
	"llm", "tools", "mcp_config", "filter_tools_regex", "include_default_tools", "agent_context", "system_prompt",
	"system_prompt_filename", "security_policy_filename", "system_prompt_kwargs", "condenser", "critic", "tool_concurrency_limit",
}

// ParseSpec reads an Agent; nothing, null and an empty array give the default one.
func ParseSpec(raw json.RawMessage) (*Spec, error) {
	s := &Spec{fields: map[string]json.RawMessage{}}
	if len(bytes.TrimSpace(raw)) == 0 || bytes.Equal(bytes.TrimSpace(raw), []byte("[]")) {
		raw = json.RawMessage("{}")
	}
	if err := json.Unmarshal(raw, s); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &s.fields); err != nil {
		return nil, err
	}
	if s.fields == nil {
		s.fields = map[string]json.RawMessage{}
	}
	if s.Kind != "" && s.Kind != "Agent" {
		return nil, fmt.Errorf("kind %q is not supported; known: Agent", s.Kind)
	}
	if !s.namesTools() {
		s.Tools = []tool.Spec{}
		for _, name := range DefaultTools {
			s.Tools = append(s.Tools, tool.Spec{Name: name})
		}
	}
	for i := range s.Tools {
		if len(s.Tools[i].Params) == 0 || string(s.Tools[i].Params) == "null" {
			s.Tools[i].Params = json.RawMessage("{}")
		}
	}
	if s.IncludeDefault == nil {
		s.IncludeDefault = []string{"FinishTool", "ThinkTool"}
	}
	if s.ToolConcurrency < 1 {
		s.ToolConcurrency = 1
	}
	if _, given := s.fields["condenser"]; !given {
		s.Condenser = encoded(struct {
			condenser.Rules
			MaxTokens *int   `json:"max_tokens"`
			Kind      string `json:"kind"`
		}{condenser.Preset(), nil, condenser.KindSummarizing})
	} else if absent(s.Condenser) {
		// Null is none. It must be told from an agent that says nothing of it.
		s.Condenser = encoded(map[string]string{"kind": condenser.KindNoOp})
	}
	s.Condenser = following(s.Condenser, s.LLM)
	s.fields["condenser"] = s.Condenser
	return s, nil
}

// parseStored reads an Agent that a conversation has already: one without a
// condenser has none, for OpenHands stores no null.
func parseStored(raw json.RawMessage) (*Spec, error) {
	s, err := ParseSpec(raw)
	if err != nil {
		return nil, err
	}
	var own map[string]json.RawMessage
	_ = json.Unmarshal(raw, &own) // was read before
	if absent(own["condenser"]) {
		s.Condenser = nil
		delete(s.fields, "condenser")
	}
	return s, nil
}

// namesTools tells whether the agent says which tools it has.
func (s *Spec) namesTools() bool { return !absent(s.fields["tools"]) }

// builtIns are the built-in tools but for invoke_skill, which every agent has
// that has skills.
func (s *Spec) builtIns() []string {
	return slices.DeleteFunc(slices.Clone(s.IncludeDefault), func(class string) bool { return class == invokeskill.Class })
}

// Lacks implements [conversation.Agent]. A tool that an agent has on its own where
// there is use for it is none to lose.
func (a *Agent) Lacks(stored json.RawMessage) (names []string) {
	spec, err := ParseSpec(stored)
	if err != nil {
		return nil
	}
	for _, name := range append(spec.toolNames(), spec.builtIns()...) {
		same := func(own string) bool { return a.deps.Tools.Same(own, name) }
		if !slices.ContainsFunc(a.spec.toolNames(), same) && !slices.ContainsFunc(a.spec.builtIns(), same) {
			names = append(names, name)
		}
	}
	return names
}

// present leaves out the tools that only the program knew which held the
// conversation before: it opens all the same, and stays what it is for that one.
func (a *Agent) present(specs []tool.Spec) []tool.Spec {
	return slices.DeleteFunc(slices.Clone(specs), func(t tool.Spec) bool { return a.foreign(t.Name) })
}

// foreign tells that a tool is not here and that the stored agent has it.
func (a *Agent) foreign(name string) bool {
	if a.env.Stored == nil || a.deps.Tools.Has(name) {
		return false
	}
	before, err := ParseSpec(a.env.Stored)
	if err != nil || !slices.Contains(append(before.toolNames(), before.builtIns()...), name) {
		return false
	}
	a.deps.Log.Warn("the conversation has a tool that is not here", "conversation", a.env.ConversationID, "tool", name)
	return true
}

func (s *Spec) toolNames() (names []string) {
	for _, t := range s.Tools {
		names = append(names, t.Name)
	}
	return names
}

// asksRisk tells whether the prompt asks the model to rate its calls.
func (s *Spec) asksRisk() bool {
	return s.SystemPromptKwargs.Risk == nil || *s.SystemPromptKwargs.Risk
}

// encode writes the Agent with its model's config, or its own LLM object if that
// is nil, in OpenHands' order and with its credentials sealed.
func (s *Spec) encode(model any, own json.RawMessage, seal func(string) string) json.RawMessage {
	fields := make(map[string]json.RawMessage, len(s.fields))
	for name, raw := range s.fields {
		fields[name] = sealed(name, raw, seal)
	}
	set := func(name string, v any) {
		if raw, err := json.Marshal(v); err == nil {
			fields[name] = raw
		}
	}
	fallback := func(name, raw string) {
		if v, ok := fields[name]; !ok || string(v) == "null" {
			fields[name] = json.RawMessage(raw)
		}
	}
	own = sealed("llm", own, seal)
	if fields["llm"] = own; model != nil {
		set("llm", model)
		fields["llm"] = withOwn(fields["llm"], own)
	}
	set("tools", s.Tools)
	set("include_default_tools", s.IncludeDefault)
	set("tool_concurrency_limit", s.ToolConcurrency)
	fallback("mcp_config", "{}")
	fallback("system_prompt_filename", `"system_prompt.j2"`)
	fallback("security_policy_filename", `"security_policy.j2"`)
	fallback("system_prompt_kwargs", `{"llm_security_analyzer":true}`)
	fields["condenser"] = storedCondenser(fields["condenser"], fields["llm"])
	return object(fields, fieldOrder, "Agent")
}

// object writes an object of OpenHands: the fields that are named in their order,
// then the others, and its kind at the end. Fields that are null are left out.
func object(fields map[string]json.RawMessage, order []string, kind string) json.RawMessage {
	var b bytes.Buffer
	put := func(name string) {
		raw, ok := fields[name]
		if !ok || absent(raw) || name == "kind" {
			return
		}
		fmt.Fprintf(&b, "%s:%s,", encoded(name), raw)
	}
	b.WriteByte('{')
	for _, name := range order {
		put(name)
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(order, name) {
			put(name)
		}
	}
	fmt.Fprintf(&b, `"kind":%s}`, encoded(kind))
	return b.Bytes()
}

// encoded is for values that always encode.
func encoded(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("null")
	}
	return raw
}
