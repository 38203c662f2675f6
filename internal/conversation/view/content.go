package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// MaxResultChars is how many characters a text of a result may have before its
// middle is left out, as in OpenHands.
const MaxResultChars = 50_000

// texts gives the text parts that are not blank.
func texts(parts []event.Content) []event.Content {
	return without(parts, func(p event.Content) bool { return p.Type == "image" || blank(p.Text) })
}

// visible gives the parts that hold something.
func visible(parts []event.Content) []event.Content {
	return without(parts, func(p event.Content) bool {
		if p.Type == "image" {
			return len(p.ImageURLs) == 0
		}
		return blank(p.Text)
	})
}

// without gives the parts that are not bad; parts itself is not written to.
func without(parts []event.Content, bad func(event.Content) bool) []event.Content {
	if !slices.ContainsFunc(parts, bad) {
		return parts
	}
	return slices.DeleteFunc(slices.Clone(parts), bad)
}

func blank(text string) bool { return strings.TrimSpace(text) == "" }

func orText(text, otherwise string) string {
	if blank(text) {
		return otherwise
	}
	return text
}

// arguments gives the arguments of a call as a JSON object. What is no object
// is replaced by one that OpenHands knows; the error that answers the call tells
// the model what was wrong.
func arguments(text string) string {
	raw := bytes.TrimSpace([]byte(text))
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return "{}"
	}
	if raw[0] == '{' && json.Valid(raw) {
		return text
	}
	return `{"_openhands_malformed_tool_call": true, "error": "the arguments were not a JSON object"}`
}

// maxToolName is the longest name of a tool that every provider takes.
const maxToolName = 64

// toolName gives a name that providers accept. Models make up names, and the
// call must be sent back to them all the same.
func toolName(name string) string {
	if name == "" {
		return "unknown_tool"
	}
	allowed := func(r rune) bool {
		return r == '_' || r == '-' || '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z'
	}
	if len(name) <= maxToolName && !strings.ContainsFunc(name, func(r rune) bool { return !allowed(r) }) {
		return name
	}
	name = strings.Map(func(r rune) rune {
		if allowed(r) {
			return r
		}
		return '_'
	}, name)
	return name[:min(len(name), maxToolName)]
}

func limited(parts []event.Content) []event.Content {
	long := func(p event.Content) bool { return len(p.Text) > MaxResultChars }
	if !slices.ContainsFunc(parts, long) {
		return parts
	}
	parts = slices.Clone(parts)
	for i := range parts {
		parts[i].Text = CutMiddle(parts[i].Text, MaxResultChars)
	}
	return parts
}

// CutMiddle shortens text to limit characters, a notice included; a limit with
// no room for the notice leaves nothing but the notice.
func CutMiddle(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	total := utf8.RuneCountInString(text)
	if total <= limit {
		return text
	}
	notice := fmt.Sprintf("\n[... %d characters in all; the middle is left out ...]\n", total)
	keep := max(limit-utf8.RuneCountInString(notice), 0)
	head := (keep + 1) / 2
	return text[:offset(text, head)] + notice + text[offset(text, total-(keep-head)):]
}

// offset is the byte at which the character n begins.
func offset(text string, n int) int {
	for i := range text {
		if n == 0 {
			return i
		}
		n--
	}
	return len(text)
}
