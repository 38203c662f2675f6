package view

import (
	"encoding/json"
	"slices"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// What stands in a request where the log has nothing to say.
const (
	textOpening   = "(The beginning of this conversation is no longer available.)"
	textContinue  = "Please continue."
	textNoMessage = "(empty message)"
	textNoOutput  = "(no output)"
	textPending   = "This call has not been executed yet."
	textInvalid   = "This call was not valid and was not executed."
	rejected      = "Action rejected: "
)

// Messages gives the history for a request, then ask (which is not kept).
// render gives a stored observation as the model reads it; for the same
// observation it must always give the same, since the result is kept.
//
// Strict providers accept the list whatever was logged:
//   - The system prompt stands first, also where a condensation forgot it. Of
//     several prompts the first counts.
//   - The first message after it is the user's and the last one is not the
//     assistant's; a short line is put in where the log has none.
//   - The calls of one response are one assistant message with the thought,
//     reasoning and thinking blocks of the first. Each call is answered right
//     after it, in call order, once; what came in between stands after the
//     results. A call without an answer gets one that says so.
//   - Ids of calls are unique, names are letters, digits, _ and -, arguments are
//     JSON objects.
//   - No message and no text part is blank. Adjacent user messages are one;
//     adjacent ones of the assistant have a short line of the user's between them.
//   - A text of a result has at most [MaxResultChars] characters.
//
// The cost is that of what changed since the last call. The caller must not
// change what the messages hold.
func (v *View) Messages(render func(observation json.RawMessage) []event.Content, ask ...event.LLMMessage) []event.LLMMessage {
	c := &v.conv
	c.flatten(render)
	c.shared = max(c.shared, len(c.out))
	out := slices.Clip(c.out)
	for _, m := range ask {
		if n := len(out); n > 0 && plainUser(m) && plainUser(out[n-1]) {
			out, m = out[:n-1:n-1], merged(out[n-1], m)
		}
		out = append(out, m)
	}
	if n := len(out); n > 0 && out[n-1].Role != event.RoleUser && out[n-1].Role != event.RoleTool {
		out = append(out, userMessage(textContinue))
	}
	return out
}

// conversion is the messages of a view, made as far as they were asked for.
type conversion struct {
	system *event.SystemPrompt
	items  []item

	// out is the messages of the first done items. Its first shared elements were
	// given away and are never written again.
	out    []event.LLMMessage
	done   int
	shared int
}

// item is what stands together in a request: one message, or a batch with its
// results.
type item struct {
	message event.LLMMessage
	batch   *batch
	at      int // where a batch begins in out
}

func (c *conversion) reset() {
	c.items = nil
	c.forget()
}

func (c *conversion) forget() {
	c.out, c.done, c.shared = nil, 0, 0
}

func (c *conversion) setSystem(e *event.SystemPrompt) {
	if c.system == nil {
		c.system = e
		c.forget()
	}
}

func (c *conversion) addBatch(b *batch) {
	b.item = len(c.items)
	c.items = append(c.items, item{batch: b})
}

// touch marks the messages of a batch as out of date.
func (c *conversion) touch(b *batch) {
	if b.item < c.done {
		c.truncate(c.items[b.item].at)
		c.done = b.item
	}
}

func (c *conversion) addSummary(e *event.CondensationSummary) {
	c.items = append(c.items, item{message: userMessage(orText(e.Summary, textNoMessage))})
}

// addMessage leaves out an answer without text: providers refuse it, and
// reasoning without an answer is of no use to the next turn.
func (c *conversion) addMessage(e *event.Message) {
	m := e.LLMMessage
	content := m.Content
	if len(e.ExtendedContent) > 0 {
		content = slices.Concat(content, e.ExtendedContent)
	}
	if m.Role == event.RoleAssistant {
		if content = texts(content); len(content) == 0 {
			return
		}
		c.items = append(c.items, item{message: event.LLMMessage{
			Role:                   event.RoleAssistant,
			Content:                content,
			ReasoningContent:       m.ReasoningContent,
			ThinkingBlocks:         m.ThinkingBlocks,
			ResponsesReasoningItem: m.ResponsesReasoningItem,
		}})
		return
	}
	if content = visible(content); len(content) == 0 {
		content = []event.Content{event.Text(textNoMessage)}
	}
	c.items = append(c.items, item{message: event.LLMMessage{Role: event.RoleUser, Content: content}})
}

// flatten makes the messages of the items that have none yet.
func (c *conversion) flatten(render func(json.RawMessage) []event.Content) {
	if c.done == 0 {
		c.truncate(0)
		c.addSystem()
	}
	for ; c.done < len(c.items); c.done++ {
		it := &c.items[c.done]
		it.at = len(c.out)
		if it.batch == nil {
			c.push(it.message)
			continue
		}
		c.push(it.batch.message())
		for i := range it.batch.calls {
			c.push(it.batch.calls[i].answer(render))
		}
	}
}

func (c *conversion) addSystem() {
	if c.system == nil {
		return
	}
	parts := []event.Content{c.system.SystemPrompt}
	if c.system.DynamicContext != nil {
		parts = append(parts, *c.system.DynamicContext)
	}
	if parts = texts(parts); len(parts) > 0 {
		c.out = append(c.out, event.LLMMessage{Role: event.RoleSystem, Content: parts})
	}
}

func (c *conversion) push(m event.LLMMessage) {
	n := len(c.out)
	first := n == 0 || c.out[n-1].Role == event.RoleSystem
	if first && m.Role != event.RoleUser {
		c.out = append(c.out, userMessage(textOpening))
	}
	switch {
	case first:
	case plainUser(m) && plainUser(c.out[n-1]):
		m = merged(c.out[n-1], m)
		c.truncate(n - 1)
	case m.Role == event.RoleAssistant && c.out[n-1].Role == event.RoleAssistant:
		c.out = append(c.out, userMessage(textContinue))
	}
	c.out = append(c.out, m)
}

// truncate shortens out so that it may be written on; what was given away stays
// as it is.
func (c *conversion) truncate(n int) {
	if n < c.shared {
		c.out = slices.Clone(c.out[:n])
		c.shared = 0
		return
	}
	c.out = c.out[:n]
}

// merged is two user messages as one.
func merged(a, b event.LLMMessage) event.LLMMessage {
	a.Content = slices.Concat(a.Content, b.Content)
	return a
}

func plainUser(m event.LLMMessage) bool {
	return m.Role == event.RoleUser && m.ToolCallID == "" && m.Name == "" && len(m.ToolCalls) == 0
}

func userMessage(text string) event.LLMMessage {
	return event.LLMMessage{Role: event.RoleUser, Content: []event.Content{event.Text(text)}}
}

// message is the assistant's message that makes the calls.
func (b *batch) message() event.LLMMessage {
	first := b.calls[0].action
	calls := make([]event.ToolCall, len(b.calls))
	for i := range b.calls {
		c := &b.calls[i]
		calls[i] = c.action.ToolCall
		calls[i].ID = c.wireID
		calls[i].Name = c.name()
		calls[i].Arguments = arguments(calls[i].Arguments)
	}
	return event.LLMMessage{
		Role:                   event.RoleAssistant,
		Content:                texts(first.Thought),
		ToolCalls:              calls,
		ReasoningContent:       first.ReasoningContent,
		ThinkingBlocks:         first.ThinkingBlocks,
		ResponsesReasoningItem: first.ResponsesReasoningItem,
	}
}

// answer is the message that answers the call.
func (c *call) answer(render func(json.RawMessage) []event.Content) event.LLMMessage {
	if c.result != nil && c.text == nil {
		c.text = resultContent(c.result, render)
	}
	content := c.text
	switch {
	case c.result != nil:
	case c.action.Action == nil:
		content = []event.Content{event.Text(textInvalid)}
	default:
		content = []event.Content{event.Text(textPending)}
	}
	return event.LLMMessage{Role: event.RoleTool, ToolCallID: c.wireID, Name: c.name(), Content: content}
}

func (c *call) name() string {
	return toolName(orText(c.action.ToolCall.Name, c.action.ToolName))
}

func resultContent(result event.Event, render func(json.RawMessage) []event.Content) []event.Content {
	var content []event.Content
	switch e := result.(type) {
	case *event.Observation:
		content = visible(render(e.Observation))
		if len(e.ExtendedContent) > 0 {
			content = slices.Concat(content, visible(e.ExtendedContent))
		}
	case *event.UserReject:
		content = []event.Content{event.Text(rejected + orText(e.RejectionReason, event.DefaultRejection))}
	case *event.AgentError:
		content = visible([]event.Content{event.Text(e.Error)})
	}
	if len(content) == 0 {
		content = []event.Content{event.Text(textNoOutput)}
	}
	return limited(content)
}
