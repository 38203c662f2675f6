package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// Settings are the settings of all sources together. The JSON names are the
// keys of the settings file.
type Settings struct {
	// Profile is a saved model of OpenHands: ~/.openhands/profiles/NAME.json.
	Profile string `json:"profile"`
	// LLM is the model as the settings have it, before [Config.Resolve] chose
	// what they leave open and looked up the key.
	LLM llm.Config `json:"llm"`
	// Agent is what an agent has that the client does not describe.
	Agent Agent `json:"agent"`
	// ConfirmationPolicy and SecurityAnalyzer are OpenHands' objects; nil if they
	// are not set.
	ConfirmationPolicy Kind `json:"confirmation_policy"`
	SecurityAnalyzer   Kind `json:"security_analyzer"`
	// MaxIterationPerRun is 500 if it is not set.
	MaxIterationPerRun int `json:"max_iteration_per_run"`
	// MaxBudgetPerRun is in USD; 0 for no limit.
	MaxBudgetPerRun float64 `json:"max_budget_per_run"`
	// AutoTitle gives conversations a title after their first run.
	AutoTitle bool `json:"auto_title"`
	// StuckDetection is true if it is not set.
	StuckDetection bool `json:"stuck_detection"`
	// StuckDetectionThresholds are OpenHands' numbers, by name; nil for its defaults.
	StuckDetectionThresholds Thresholds `json:"stuck_detection_thresholds"`
	// ClientToolTimeout is how many seconds the editor has for a call of one of its
	// own tools; 600 if it is not set.
	ClientToolTimeout float64 `json:"client_tool_timeout"`
	// ConversationsDir is an absolute path.
	ConversationsDir string `json:"conversations_dir"`
	// AllowOutside lets file tools leave the workspace without asking.
	AllowOutside bool `json:"allow_outside"`
	// SecretKey encrypts the secrets of conversations on disk; "" stores none.
	SecretKey llm.Secret `json:"secret_key"`
	// TrustedWorkspaces are folders whose projects may bring commands along that
	// run without being asked for: hooks, and commands in the texts of skills. See
	// [Config.Trusted].
	TrustedWorkspaces []string `json:"trusted_workspaces"`
	// Record is the absolute path of a file that each call of a model is written
	// to; "" for none.
	Record string `json:"record"`
}

// String tells which model is configured; nothing secret is in it.
func (s Settings) String() string { return "settings with model " + s.LLM.String() }

// GoString is what String gives.
func (s Settings) GoString() string { return s.String() }

// Agent holds fields of OpenHands' Agent JSON; those that are not set are zero.
type Agent struct {
	Tools               []Tool   `json:"tools"`
	IncludeDefaultTools []string `json:"include_default_tools"`
	// FilterToolsRegex is matched at the start of a tool's name.
	FilterToolsRegex     string         `json:"filter_tools_regex"`
	SystemPrompt         string         `json:"system_prompt"`
	SystemPromptKwargs   map[string]any `json:"system_prompt_kwargs"`
	ToolConcurrencyLimit int            `json:"tool_concurrency_limit"`
	Condenser            Kind           `json:"condenser"`
	// AgentContext and MCPConfig may hold secrets.
	AgentContext Hidden `json:"agent_context"`
	MCPConfig    Hidden `json:"mcp_config"`
}

// Tool is one tool of an agent. A bare string is its name.
type Tool struct {
	Name   string         `json:"name"`
	Params map[string]any `json:"params"`
}

// UnmarshalJSON reads a name or an object.
func (t *Tool) UnmarshalJSON(data []byte) error {
	type plain Tool
	p := plain{Params: map[string]any{}}
	if json.Unmarshal(data, &p.Name) != nil {
		if json.Unmarshal(data, &p) != nil {
			return errors.New("must be the name of a tool, or an object with name and params")
		}
	}
	if p.Name == "" {
		return errors.New("a tool needs a name")
	}
	if p.Params == nil {
		p.Params = map[string]any{}
	}
	*t = Tool(p)
	return nil
}

// Thresholds is OpenHands' StuckDetectionThresholds: how often something must
// happen to be a loop.
type Thresholds map[string]int

var thresholds = []string{"action_observation", "action_error", "monologue", "alternating_pattern"}

// MarshalJSON writes the object.
func (t Thresholds) MarshalJSON() ([]byte, error) { return json.Marshal(map[string]int(t)) }

// UnmarshalJSON reads the object.
func (t *Thresholds) UnmarshalJSON(data []byte) error {
	var numbers map[string]int
	if json.Unmarshal(data, &numbers) != nil {
		return errors.New("must be a table of whole numbers")
	}
	for name, n := range numbers {
		switch {
		case !slices.Contains(thresholds, name):
			return fmt.Errorf("has only %s", strings.Join(thresholds, ", "))
		case n < 1:
			return fmt.Errorf("%s must be at least 1", name)
		}
	}
	*t = numbers
	return nil
}

// Kind is an object of OpenHands with a "kind". A bare string is short for an
// object that has nothing else.
type Kind json.RawMessage

// MarshalJSON writes the object.
func (k Kind) MarshalJSON() ([]byte, error) { return json.RawMessage(k).MarshalJSON() }

// UnmarshalJSON reads the object, or its kind.
func (k *Kind) UnmarshalJSON(data []byte) error {
	var name string
	if json.Unmarshal(data, &name) == nil && name != "" {
		quoted, err := json.Marshal(name)
		*k = Kind(fmt.Sprintf(`{"kind":%s}`, quoted))
		return err
	}
	var head struct {
		Kind string `json:"kind"`
	}
	if json.Unmarshal(data, &head) != nil || head.Kind == "" {
		return errors.New(`must be the name of a kind, or an object with "kind"`)
	}
	*k = bytes.Clone(data)
	return nil
}

// Hidden is JSON that may hold secrets: it prints and encodes as a mask.
type Hidden json.RawMessage

// MarshalJSON writes the mask.
func (h Hidden) MarshalJSON() ([]byte, error) {
	if len(h) == 0 {
		return []byte("null"), nil
	}
	return []byte(`"` + llm.SecretMask + `"`), nil
}

// UnmarshalJSON reads an object.
func (h *Hidden) UnmarshalJSON(data []byte) error {
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil {
		return errors.New("must be an object")
	}
	*h = bytes.Clone(data)
	return nil
}

// String gives the mask.
func (h Hidden) String() string {
	if len(h) == 0 {
		return ""
	}
	return llm.SecretMask
}

// GoString gives the mask too.
func (h Hidden) GoString() string { return h.String() }

// Reveal gives the JSON itself.
func (h Hidden) Reveal() json.RawMessage { return json.RawMessage(h) }

// builtin are the settings that nobody set.
func (c *Config) builtin() Settings {
	return Settings{
		MaxIterationPerRun: 500,
		StuckDetection:     true,
		ClientToolTimeout:  600,
		ConversationsDir:   c.absolute(".openhands/conversations"),
	}
}

// Settings gives the settings of all sources together. With an error they hold
// what could be read all the same.
func (c *Config) Settings() (Settings, error) {
	layers, err := c.layers()
	s := c.builtin()
	for _, l := range layers {
		l.apply(&s)
	}
	s.LLM = mergeLLM(layers).config
	s.ConversationsDir = c.absolute(s.ConversationsDir)
	if dir := c.env(conversationsVar); dir != "" {
		s.ConversationsDir = c.expand(dir)
	}
	if key := c.env(secretKeyVar); key != "" {
		s.SecretKey = llm.Secret(key)
	}
	s.Record = c.absolute(s.Record)
	return s, err
}

// Warnings tells what is odd in the settings but stops nothing: keys that
// nobody knows, variables that make no sense, files that others can read.
func (c *Config) Warnings() []string {
	layers, err := c.layers()
	var all []string
	if err != nil {
		all = append(all, err.Error())
	}
	for _, l := range layers {
		all = append(all, l.warnings...)
	}
	return slices.Compact(all)
}
