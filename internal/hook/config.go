// Package hook runs the hooks of a conversation: commands, or questions to the
// model, that look at what the agent is about to do and may stop it. It is
// OpenHands' HookConfig.
//
// A hook runs in the workspace as the user, with the environment of this process
// without its keys, and is told no secret. Its processes end with it, when its
// time is over or the run is interrupted. Hooks that don't hold the agent up run
// in goroutines of their own, which end at [Hooks.Close].
package hook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
)

// types are the points at which hooks run, in OpenHands' order, with their keys.
var types = []struct {
	key  string
	name conversation.HookType
}{
	{"pre_tool_use", conversation.PreToolUse},
	{"post_tool_use", conversation.PostToolUse},
	{"user_prompt_submit", conversation.UserPromptSubmit},
	{"session_start", conversation.SessionStart},
	{"session_end", conversation.SessionEnd},
	{"stop", conversation.Stop},
}

// Config is OpenHands' HookConfig.
type Config map[conversation.HookType][]Matcher

// Matcher is the hooks for some of the tools.
type Matcher struct {
	// Matcher is "*" or "" for all tools, a regular expression that a name must
	// match as a whole where it is /between slashes/ or has characters that only
	// those have, or a name.
	Matcher string       `json:"matcher"`
	Hooks   []Definition `json:"hooks"`

	pattern *regexp.Regexp
}

// Definition is one hook.
type Definition struct {
	// Type is command, prompt or agent.
	Type         string   `json:"type"`
	Name         string   `json:"name,omitempty"`
	Command      string   `json:"command"`
	Prompt       string   `json:"prompt,omitempty"`
	SystemPrompt string   `json:"system_prompt,omitempty"`
	Tools        []string `json:"tools"`
	// Timeout is in seconds.
	Timeout       float64 `json:"timeout"`
	MaxIterations int     `json:"max_iterations"`
	// Async lets the agent go on while the command runs.
	Async bool `json:"async"`
}

// The kinds of hooks.
const (
	typeCommand = "command"
	typePrompt  = "prompt"
	typeAgent   = "agent"
)

// ParseConfig reads a HookConfig: its keys in snake_case or PascalCase, below
// "hooks" or at the top. What is not known is an error, which names it.
func ParseConfig(raw json.RawMessage) (Config, error) {
	fields, err := object(raw)
	if err != nil {
		return nil, err
	}
	if inner, ok := fields["hooks"]; ok {
		if len(fields) > 1 {
			return nil, errors.New("beside hooks there must be nothing")
		}
		if fields, err = object(inner); err != nil {
			return nil, fmt.Errorf("hooks: %w", err)
		}
	}
	c := Config{}
	for _, t := range types {
		snake, inSnake := fields[t.key]
		pascal, inPascal := fields[string(t.name)]
		if inSnake && inPascal {
			return nil, fmt.Errorf("%s and %s are the same", t.key, t.name)
		}
		list := snake
		if inPascal {
			list = pascal
		}
		delete(fields, t.key)
		delete(fields, string(t.name))
		matchers, err := parseMatchers(list)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.key, err)
		}
		if len(matchers) > 0 {
			c[t.name] = matchers
		}
	}
	if unknown := slices.Sorted(maps.Keys(fields)); len(unknown) > 0 {
		return nil, fmt.Errorf("%s is not known; there are %s", unknown[0], keys())
	}
	return c, nil
}

func keys() string {
	var list []string
	for _, t := range types {
		list = append(list, t.key)
	}
	return strings.Join(list, ", ")
}

// object reads an object; an empty list, as Lua has it, is an empty one.
func object(raw json.RawMessage) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if string(bytes.TrimSpace(raw)) == "[]" {
		return fields, nil
	}
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, errors.New("must be an object")
	}
	return fields, nil
}

func parseMatchers(raw json.RawMessage) ([]Matcher, error) {
	switch string(bytes.TrimSpace(raw)) {
	case "", "null", "{}":
		return nil, nil
	}
	var list []Matcher
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil {
		return nil, fmt.Errorf("must be a list of {matcher, hooks}: %w", err)
	}
	for i := range list {
		if err := list[i].compile(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (m *Matcher) compile() error {
	text := m.Matcher
	if inner, ok := strings.CutPrefix(text, "/"); ok && len(inner) > 1 && strings.HasSuffix(inner, "/") {
		text = inner[:len(inner)-1]
	} else if text == "*" || !strings.ContainsAny(text, `|.*+?[](){}^$\`) {
		return nil
	}
	var err error
	if m.pattern, err = regexp.Compile(`\A(?:` + text + `)\z`); err != nil {
		return fmt.Errorf("matcher %q is no regular expression: %w", m.Matcher, err)
	}
	return nil
}

// fits tells whether the hooks are for a tool; a point without a tool fits all.
func (m *Matcher) fits(tool string) bool {
	switch {
	case tool == "" || m.Matcher == "" || m.Matcher == "*":
		return true
	case m.pattern != nil:
		return m.pattern.MatchString(tool)
	}
	return m.Matcher == tool
}

// UnmarshalJSON fills in OpenHands' defaults, and checks.
func (m *Matcher) UnmarshalJSON(data []byte) error {
	type plain Matcher
	m.Matcher = "*"
	if err := strict(data, (*plain)(m)); err != nil {
		return err
	}
	if m.Hooks == nil {
		m.Hooks = []Definition{}
	}
	return nil
}

// UnmarshalJSON fills in OpenHands' defaults, and checks.
func (d *Definition) UnmarshalJSON(data []byte) error {
	type plain Definition
	*d = Definition{Type: typeCommand, Timeout: 60, MaxIterations: 3}
	if err := strict(data, (*plain)(d)); err != nil {
		return err
	}
	if d.Tools == nil {
		d.Tools = []string{}
	}
	switch {
	case d.Type == typeCommand && strings.TrimSpace(d.Command) == "":
		return errors.New("a hook of type command needs a command")
	case (d.Type == typePrompt || d.Type == typeAgent) && strings.TrimSpace(d.Prompt) == "":
		return fmt.Errorf("a hook of type %s needs a prompt", d.Type)
	case d.Type != typeCommand && d.Type != typePrompt && d.Type != typeAgent:
		return fmt.Errorf("the type of a hook is command, prompt or agent, not %q", d.Type)
	case d.Type != typeCommand && d.Async:
		return errors.New("only a command can be async")
	case d.Timeout <= 0 || d.Timeout > 24*60*60:
		return errors.New("the timeout of a hook must be more than 0 s, and a day at the most")
	case d.MaxIterations < 1:
		return errors.New("max_iterations must be at least 1")
	}
	return nil
}

func strict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

func (d *Definition) timeout() time.Duration {
	return time.Duration(d.Timeout * float64(time.Second))
}

// title names the hook in events.
func (d *Definition) title() string {
	switch {
	case d.Type == typeCommand:
		return d.Command
	case d.Name != "":
		return d.Name
	}
	return d.Prompt
}

// MarshalJSON writes the config as OpenHands stores it.
func (c Config) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	for i, t := range types {
		matchers := c[t.name]
		if matchers == nil {
			matchers = []Matcher{}
		}
		raw, err := json.Marshal(matchers)
		if err != nil {
			return nil, err
		}
		sep := ","
		if i == 0 {
			sep = "{"
		}
		fmt.Fprintf(&b, "%s%q:%s", sep, t.key, raw)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
