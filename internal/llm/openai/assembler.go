package openai

import (
	"crypto/rand"
	"encoding/json"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// assembler builds one answer from chunks, and hands out the pieces as they come.
type assembler struct {
	emit      func(llm.Chunk)
	id        string
	text      strings.Builder
	reasoning strings.Builder
	thinking  []event.Thinking
	calls     []*call
	finish    string
	usage     llm.Usage
	sawChoice bool
	// closed: the token count came on its own, which is after the last choice.
	closed bool
	// done: the server said that nothing follows.
	done bool
}

// call is a tool call under way. Its id and name don't change once a piece of it
// was handed out.
type call struct {
	id, name string
	// wire is the index that the server gives it; -1 if none.
	wire int
	args strings.Builder
	// json follows args, to know where they are complete.
	json scanner
	// shown is how much of args was handed out.
	shown int
	// extra belongs to the call and goes back with it as it came.
	extra json.RawMessage
}

func newAssembler(emit func(llm.Chunk)) *assembler {
	if emit == nil {
		emit = func(llm.Chunk) {}
	}
	return &assembler{emit: emit}
}

// add takes the next chunk.
func (a *assembler) add(c *chunk) {
	if a.id == "" {
		a.id = c.ID
	}
	if u := c.counted(); u != nil {
		// Servers that count in every chunk count from the beginning.
		a.usage = u.counts()
		a.closed = a.sawChoice && len(c.Choices) == 0
	}
	for i := range c.Choices {
		one := &c.Choices[i]
		if one.Index != 0 {
			continue
		}
		a.sawChoice = true
		for _, d := range []*delta{one.Delta, one.Message} {
			if d != nil {
				a.addDelta(d)
			}
		}
		if reason := text(one.FinishReason); reason != "" {
			a.finish = reason
		}
	}
}

func (a *assembler) addDelta(d *delta) {
	thought := text(d.ReasoningContent)
	if thought == "" {
		thought = text(d.Reasoning)
	}
	said, inner := content(d.Content)
	if thought += inner; thought != "" {
		a.reasoning.WriteString(thought)
		a.emit(llm.Chunk{Stream: llm.StreamReasoning, Text: thought})
	}
	for _, b := range d.ThinkingBlocks {
		a.addThinking(b)
	}
	if said += text(d.Refusal); said != "" {
		a.text.WriteString(said)
		a.emit(llm.Chunk{Stream: llm.StreamText, Text: said})
	}
	for i := range d.ToolCalls {
		t := &d.ToolCalls[i]
		name, args := text(t.Function.Name), arguments(t.Function.Arguments)
		if name == "" {
			name = text(t.Name)
		}
		if args == "" {
			args = arguments(t.Arguments)
		}
		index := -1
		if t.Index != nil {
			index = *t.Index
		}
		// Named entries of one list are calls of their own, also where the server
		// tells them apart by nothing else.
		fresh := i > 0 && name != "" && (index < 0 || sameIndex(t.Index, d.ToolCalls[i-1].Index))
		a.addCall(piece{index, text(t.ID), name, args, fresh, t.Extra})
	}
	if f := d.FunctionCall; f != nil {
		a.addCall(piece{index: -1, name: text(f.Name), args: arguments(f.Arguments)})
	}
}

// addThinking joins LiteLLM's pieces of Anthropic's blocks: text comes first,
// the signature ends a block.
func (a *assembler) addThinking(b thinkingBlock) {
	if b.Type == "redacted_thinking" {
		a.thinking = append(a.thinking, event.Thinking{Type: b.Type, Data: b.Data})
		return
	}
	n := len(a.thinking)
	if n == 0 || a.thinking[n-1].Type != "thinking" || a.thinking[n-1].Signature != nil {
		a.thinking = append(a.thinking, event.Thinking{Type: "thinking"})
		n++
	}
	last := &a.thinking[n-1]
	last.Thinking += b.Thinking
	if b.Signature != nil && *b.Signature != "" {
		last.Signature = b.Signature
	}
}

func sameIndex(a, b *int) bool { return a != nil && b != nil && *a == *b }

// piece is a piece of a tool call: index is -1, id and name are "" where the
// server left them out.
type piece struct {
	index          int
	id, name, args string
	// fresh: it begins a call for sure.
	fresh bool
	extra json.RawMessage
}

func (a *assembler) addCall(p piece) {
	c := a.find(p)
	if c == nil {
		if p.id == "" && p.name == "" && strings.TrimSpace(p.args) == "" {
			return
		}
		c = &call{wire: p.index}
		a.calls = append(a.calls, c)
	}
	if c.name == "" {
		c.name = p.name
	}
	if c.id == "" && p.id != "" && a.byID(p.id) == nil {
		c.id = p.id
	}
	if isSet(p.extra) {
		c.extra = p.extra
	}
	if p.args != "" && !c.repeats(p.args) {
		c.args.WriteString(p.args)
		c.json.add(p.args)
	}
	if c.name == "" {
		// Nobody can show a piece of a call without its name; it waits.
		return
	}
	if c.id == "" {
		c.id = newCallID()
	}
	if all := c.args.String(); len(all) > c.shown {
		a.emit(llm.Chunk{
			Stream: llm.StreamArgs, Text: all[c.shown:],
			CallIndex: a.position(c), CallID: c.id, CallName: c.name,
		})
		c.shown = len(all)
	}
}

// find gives the call that a piece belongs to; nil if it begins a new one. An
// id or a name that was not there before begins one, whatever the index says,
// unless the piece clearly goes on inside unfinished arguments.
func (a *assembler) find(p piece) *call {
	if p.fresh {
		return nil
	}
	last := a.candidate(p.index, p.id)
	if last == nil {
		// A piece that names nothing can only go on with what is there.
		if p.id == "" && p.name == "" && len(a.calls) > 0 {
			return a.calls[len(a.calls)-1]
		}
		return nil
	}
	var (
		otherID   = p.id != "" && last.id != "" && p.id != last.id
		otherName = p.name != "" && last.name != "" && p.name != last.name
		complete  = last.json.complete()
		opens     = strings.HasPrefix(strings.TrimLeft(p.args, " \t\r\n"), "{")
		inside    = last.json.open() && p.args != "" && !opens
	)
	switch {
	case otherName:
		return nil
	case otherID && inside:
		// Some servers make up an id for every piece.
		return last
	case otherID && p.name != "":
		return nil
	case otherID && complete && (opens || strings.TrimSpace(p.args) == ""):
		return nil
	case p.name != "" && complete && opens && !last.repeats(p.args):
		// The same tool again, without an id to tell the calls apart.
		return nil
	}
	return last
}

// candidate is the call that a piece with this index and id would go on with.
func (a *assembler) candidate(index int, id string) *call {
	if id != "" {
		if c := a.byID(id); c != nil && (index < 0 || c.wire < 0 || c.wire == index) {
			return c
		}
	}
	for i := len(a.calls) - 1; i >= 0; i-- {
		if c := a.calls[i]; index < 0 || c.wire == index {
			return c
		}
	}
	return nil
}

func (a *assembler) byID(id string) *call {
	for _, c := range a.calls {
		if c.id == id {
			return c
		}
	}
	return nil
}

func (a *assembler) position(c *call) int {
	for i := range a.calls {
		if a.calls[i] == c {
			return i
		}
	}
	return -1
}

// repeats tells whether the piece is the whole of the arguments once more, as
// some servers send at the end.
func (c *call) repeats(args string) bool {
	return c.json.complete() && strings.TrimSpace(args) == strings.TrimSpace(c.args.String())
}

// empty tells whether nothing of an answer has come yet.
func (a *assembler) empty() bool {
	return a.text.Len() == 0 && a.reasoning.Len() == 0 && len(a.calls) == 0 && len(a.thinking) == 0
}

// whole tells whether the answer is complete. Servers say so in different ways:
// an end mark, a finish reason, or the count of tokens once all choices are done.
func (a *assembler) whole() bool { return a.done || a.closed || a.finish != "" }

// response is the answer; call it once, when no more chunks come.
func (a *assembler) response() *llm.Response {
	msg := event.LLMMessage{
		Role:             event.RoleAssistant,
		ReasoningContent: a.reasoning.String(),
		ThinkingBlocks:   a.thinking,
	}
	if a.text.Len() > 0 {
		msg.Content = []event.Content{event.Text(a.text.String())}
	}
	for _, c := range a.calls {
		args := c.args.String()
		if strings.TrimSpace(args) == "" {
			args = "{}"
		}
		if c.name == "" {
			c.name = "unknown"
		}
		if c.id == "" {
			c.id = newCallID()
		}
		msg.ToolCalls = append(msg.ToolCalls, event.ToolCall{
			ID: c.id, Name: c.name, Arguments: args, Origin: "completion",
		})
	}
	if a.id == "" {
		a.id = "chatcmpl-" + rand.Text()
	}
	return &llm.Response{ID: a.id, Message: msg, Usage: a.usage, FinishReason: a.finish}
}

func newCallID() string { return "call_" + rand.Text()[:24] }

// scanner follows a JSON object piece by piece, as far as to know whether it is
// open, complete, or not an object at all.
type scanner struct {
	depth             int
	quoted, escaped   bool
	started, finished bool
}

func (s *scanner) add(text string) {
	for i := 0; i < len(text); i++ {
		b := text[i]
		switch {
		case s.escaped:
			s.escaped = false
		case s.quoted:
			switch b {
			case '\\':
				s.escaped = true
			case '"':
				s.quoted = false
			}
		case b == '"':
			s.quoted = true
		case b == '{' || b == '[':
			s.started = true
			s.depth++
		case b == '}' || b == ']':
			s.depth--
			s.finished = s.depth == 0
		}
	}
}

// open: the object has begun and is not complete.
func (s *scanner) open() bool { return s.started && !s.finished }

// complete: the object has ended.
func (s *scanner) complete() bool { return s.started && s.finished }
