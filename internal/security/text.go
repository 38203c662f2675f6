package security

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// terminalTool is the tool whose command a shell runs.
const terminalTool = "terminal"

// terminalAction is what it is called with.
type terminalAction struct {
	Command *string `json:"command"`
	IsInput bool    `json:"is_input"`
}

// commandOf gives the text that a shell would run, or that is typed into what
// runs there; ok is false for other actions.
func commandOf(a *event.Action) (command string, typed, ok bool) {
	if a.ToolName != terminalTool {
		return "", false, false
	}
	var t terminalAction
	if json.Unmarshal(a.Action, &t) != nil || t.Command == nil {
		return "", false, false
	}
	return *t.Command, t.IsInput, true
}

// arguments are the texts that an action would carry out: every string in it.
// Where it can't be read it is its JSON itself.
func arguments(a *event.Action) []string {
	raw := a.Action
	if raw == nil {
		raw = json.RawMessage(a.ToolCall.Arguments)
	}
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return []string{string(raw)}
	}
	if fields, ok := v.(map[string]any); ok {
		delete(fields, "kind")
	}
	return leaves(v, nil)
}

func leaves(v any, out []string) []string {
	switch v := v.(type) {
	case string:
		out = append(out, v)
	case []any:
		for _, e := range v {
			out = leaves(e, out)
		}
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			out = leaves(v[name], out)
		}
	}
	return out
}

// execText is what an action would carry out, for patterns: names of tools and
// arguments, normalized and capped.
func execText(a *event.Action) string {
	texts := []string{a.ToolName}
	if a.ToolCall.Name != a.ToolName {
		texts = append(texts, a.ToolCall.Name)
	}
	return normalize(strings.Join(append(texts, arguments(a)...), "\n"))
}

// saidText is what the model says about an action, for patterns.
func saidText(a *event.Action) string {
	texts := []string{a.Summary, a.ReasoningContent}
	for _, c := range a.Thought {
		texts = append(texts, c.Text)
	}
	return normalize(strings.Join(texts, "\n"))
}

// normalize undoes what hides a text from patterns: letters of other widths and
// styles, characters that can't be seen, odd white space.
func normalize(text string) string {
	text = clip(text)
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case unicode.Is(unicode.Cc, r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r), unicode.Is(unicode.Variation_Selector, r):
			return -1
		}
		return r
	}, text)
	return strings.Join(strings.Fields(norm.NFKC.String(text)), " ")
}

// clip cuts a text to the length that is looked at.
func clip(text string) string {
	if len(text) <= maxText {
		return text
	}
	n := 0
	for i := range text {
		if n == maxText {
			return text[:i]
		}
		n++
	}
	return text
}
