package scripted

import (
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// purposeOf tells what a request wants. Only the agent's own steps may call tools;
// a title is asked for with a system and a user message, the first of which
// speaks of a title.
func purposeOf(req *llm.Request) purpose {
	switch {
	case req.NoCalls:
		return forOther
	case len(req.Tools) > 0:
		return forStep
	}
	if n := len(req.Messages); n == 0 || n > 2 || req.Messages[n-1].Role != event.RoleUser {
		return forOther
	}
	first, _ := cut(req.Messages[0].Text(), 400)
	if strings.Contains(strings.ToLower(first), "title") {
		return forTitle
	}
	return forOther
}

// moment is how far a conversation is when the model is asked.
type moment struct {
	// turn counts the user messages; user is the last one.
	turn int
	user string
	// output is the last tool message; atOutput tells that nothing follows it.
	output   string
	atOutput bool
	// answers counts the assistant messages.
	answers int
}

// pass moves the moment behind a message.
func (m *moment) pass(msg *event.LLMMessage) {
	switch msg.Role {
	case event.RoleUser:
		m.turn++
		m.user = msg.Text()
		m.atOutput = false
	case event.RoleTool:
		m.output = msg.Text()
		m.atOutput = true
	case event.RoleAssistant:
		m.answers++
		m.atOutput = false
	}
}

func momentOf(messages []event.LLMMessage) moment {
	var m moment
	for i := range messages {
		m.pass(&messages[i])
	}
	return m
}

// fresh tells that nothing was said yet but the first message.
func fresh(messages []event.LLMMessage) bool {
	n := 0
	for i := range messages {
		if messages[i].Role != event.RoleSystem {
			n++
		}
	}
	return n <= 1
}

// titleOf makes the title that is given where the script has none: the first
// words of what the user said.
func titleOf(req *llm.Request) string {
	text := strings.Join(strings.Fields(named(req)), " ")
	title, whole := cut(text, 40)
	if !whole {
		if i := strings.LastIndexByte(title, ' '); i > 0 {
			title = title[:i]
		}
		title += "…"
	}
	if title == "" {
		return "Scripted conversation"
	}
	return title
}

// named is the text that a title is asked for: what stands in <message>, else
// the whole question.
func named(req *llm.Request) string {
	text := req.Messages[len(req.Messages)-1].Text()
	if _, inner, ok := strings.Cut(text, "<message>"); ok {
		text, _, _ = strings.Cut(inner, "</message>")
	}
	return strings.TrimSpace(text)
}

// cut gives the first n characters of s, and whether that is all of it.
func cut(s string, n int) (string, bool) {
	for i := range s {
		if n == 0 {
			return s[:i], false
		}
		n--
	}
	return s, true
}
