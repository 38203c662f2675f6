package anthropic

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// streamEvent is an event of a message stream, as far as it is used.
type streamEvent struct {
	Type    string   `json:"type"`
	Index   int      `json:"index"`
	Message *message `json:"message"`
	Block   *block   `json:"content_block"`
	Delta   *struct {
		Type        string       `json:"type"`
		Text        string       `json:"text"`
		Thinking    string       `json:"thinking"`
		Signature   string       `json:"signature"`
		PartialJSON string       `json:"partial_json"`
		StopReason  string       `json:"stop_reason"`
		StopDetails *stopDetails `json:"stop_details"`
	} `json:"delta"`
	Usage *usage `json:"usage"`
}

// message is a whole answer, or the beginning of one.
type message struct {
	Type        string       `json:"type"`
	ID          string       `json:"id"`
	Content     []block      `json:"content"`
	StopReason  string       `json:"stop_reason"`
	StopDetails *stopDetails `json:"stop_details"`
	Usage       *usage       `json:"usage"`
}

type stopDetails struct {
	Explanation string `json:"explanation"`
}

type block struct {
	Type      string          `json:"type"`
	Text      string          `json:"text"`
	Thinking  string          `json:"thinking"`
	Signature string          `json:"signature"`
	Data      string          `json:"data"`
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Input     json.RawMessage `json:"input"`
}

// usage holds pointers: the last event repeats some counts and leaves out others.
type usage struct {
	Input         *int `json:"input_tokens"`
	Output        *int `json:"output_tokens"`
	CacheRead     *int `json:"cache_read_input_tokens"`
	CacheWrite    *int `json:"cache_creation_input_tokens"`
	OutputDetails *struct {
		Thinking int `json:"thinking_tokens"`
	} `json:"output_tokens_details"`
}

// assembler builds one answer from events, and hands out the pieces as they come.
type assembler struct {
	emit   func(llm.Chunk)
	id     string
	blocks []*building
	open   map[int]*building
	calls  int

	input, output, cacheRead, cacheWrite, thought int

	stop, explanation string
	// done: the server said that nothing follows.
	done bool
}

// building is a content block under way.
type building struct {
	kind      string
	text      strings.Builder
	signature strings.Builder
	data      string
	id, name  string
	// call is the position among the tool calls.
	call int
	// input is what the block began with; it counts if no pieces follow.
	input json.RawMessage
}

func newAssembler(emit func(llm.Chunk)) *assembler {
	if emit == nil {
		emit = func(llm.Chunk) {}
	}
	return &assembler{emit: emit, open: map[int]*building{}}
}

// add takes the next event; kinds that are not known are passed over.
func (a *assembler) add(e *streamEvent) {
	switch e.Type {
	case "message_start":
		if e.Message != nil {
			a.id = e.Message.ID
			a.count(e.Message.Usage)
		}
	case "content_block_start":
		if e.Block != nil {
			a.open[e.Index] = a.begin(e.Block)
		}
	case "content_block_delta":
		if b := a.open[e.Index]; b != nil && e.Delta != nil {
			switch e.Delta.Type {
			case "text_delta":
				a.piece(b, e.Delta.Text)
			case "thinking_delta":
				a.piece(b, e.Delta.Thinking)
			case "input_json_delta":
				a.piece(b, e.Delta.PartialJSON)
			case "signature_delta":
				b.signature.WriteString(e.Delta.Signature)
			}
		}
	case "content_block_stop":
		if b := a.open[e.Index]; b != nil {
			a.end(b)
			delete(a.open, e.Index)
		}
	case "message_delta":
		if e.Delta != nil {
			a.stopped(e.Delta.StopReason, e.Delta.StopDetails)
		}
		a.count(e.Usage)
	case "message_stop":
		a.done = true
	}
}

// whole takes an answer that was not streamed.
func (a *assembler) whole(m *message) {
	a.id = m.ID
	for i := range m.Content {
		a.end(a.begin(&m.Content[i]))
	}
	a.stopped(m.StopReason, m.StopDetails)
	a.count(m.Usage)
	a.done = true
}

func (a *assembler) stopped(reason string, details *stopDetails) {
	if reason != "" {
		a.stop = reason
	}
	if details != nil {
		a.explanation = details.Explanation
	}
}

// begin opens a block; nil for kinds that have no place in a message.
func (a *assembler) begin(from *block) *building {
	b := &building{kind: from.Type, data: from.Data, input: from.Input}
	switch from.Type {
	case "text":
		a.piece(b, from.Text)
	case "thinking":
		a.piece(b, from.Thinking)
		b.signature.WriteString(from.Signature)
	case "redacted_thinking":
	case "tool_use":
		b.id, b.name, b.call = from.ID, from.Name, a.calls
		if b.id == "" || a.used(b.id) {
			b.id = "toolu_" + rand.Text()[:24]
		}
		a.calls++
	default:
		return nil
	}
	a.blocks = append(a.blocks, b)
	return b
}

func (a *assembler) used(id string) bool {
	for _, b := range a.blocks {
		if b.kind == "tool_use" && b.id == id {
			return true
		}
	}
	return false
}

func (a *assembler) piece(b *building, text string) {
	if text == "" {
		return
	}
	b.text.WriteString(text)
	switch b.kind {
	case "text":
		a.emit(llm.Chunk{Stream: llm.StreamText, Text: text})
	case "thinking":
		a.emit(llm.Chunk{Stream: llm.StreamReasoning, Text: text})
	case "tool_use":
		a.emit(llm.Chunk{Stream: llm.StreamArgs, Text: text, CallIndex: b.call, CallID: b.id, CallName: b.name})
	}
}

// end closes a block. Input that came whole with the block's beginning is
// handed out now, since nothing else followed.
func (a *assembler) end(b *building) {
	if b == nil || b.kind != "tool_use" || b.text.Len() > 0 {
		return
	}
	var compact bytes.Buffer
	if json.Compact(&compact, b.input) == nil && compact.String() != "{}" && compact.String() != "null" {
		a.piece(b, compact.String())
	}
}

func (a *assembler) count(u *usage) {
	if u == nil {
		return
	}
	set := func(to *int, from *int) {
		if from != nil {
			*to = max(*to, *from)
		}
	}
	set(&a.input, u.Input)
	set(&a.output, u.Output)
	set(&a.cacheRead, u.CacheRead)
	set(&a.cacheWrite, u.CacheWrite)
	if u.OutputDetails != nil {
		a.thought = max(a.thought, u.OutputDetails.Thinking)
	}
}

// response is the answer; call it once, when no more events come.
func (a *assembler) response() *llm.Response {
	for i := range a.open {
		a.end(a.open[i])
	}
	msg := event.LLMMessage{Role: event.RoleAssistant}
	var reasoning strings.Builder
	for _, b := range a.blocks {
		text := b.text.String()
		switch b.kind {
		case "text":
			if text != "" {
				msg.Content = append(msg.Content, event.Text(text))
			}
		case "thinking":
			block := event.Thinking{Type: "thinking", Thinking: text}
			if b.signature.Len() > 0 {
				signature := b.signature.String()
				block.Signature = &signature
			}
			msg.ThinkingBlocks = append(msg.ThinkingBlocks, block)
			reasoning.WriteString(text)
		case "redacted_thinking":
			msg.ThinkingBlocks = append(msg.ThinkingBlocks, event.Thinking{Type: b.kind, Data: b.data})
		case "tool_use":
			if strings.TrimSpace(text) == "" {
				text = "{}"
			}
			if b.name == "" {
				b.name = "unknown"
			}
			msg.ToolCalls = append(msg.ToolCalls, event.ToolCall{
				ID: b.id, Name: b.name, Arguments: text, Origin: "completion",
			})
		}
	}
	msg.ReasoningContent = reasoning.String()
	if a.id == "" {
		a.id = "msg_" + rand.Text()
	}
	return &llm.Response{
		ID:      a.id,
		Message: msg,
		Usage: llm.Usage{
			PromptTokens:     a.input + a.cacheRead + a.cacheWrite,
			CompletionTokens: a.output,
			CacheReadTokens:  a.cacheRead,
			CacheWriteTokens: a.cacheWrite,
			ReasoningTokens:  a.thought,
		},
		FinishReason: a.stop,
	}
}
