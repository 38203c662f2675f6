package scripted

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// performance is an answer that is ready to be played.
type performance struct {
	latency  time.Duration
	beats    []beat
	rest     time.Duration
	hang     bool
	fail     *llm.Error
	response *llm.Response
}

// beat is a chunk and how long to wait before it.
type beat struct {
	after time.Duration
	chunk llm.Chunk
}

// perform fills in an answer; n is its number.
func (m *Model) perform(a *answer, names template, n int, want purpose) *performance {
	msg := event.LLMMessage{Role: event.RoleAssistant, ReasoningContent: names.text(a.reasoning)}
	if text := names.text(a.text); text != "" {
		msg.Content = []event.Content{event.Text(text)}
	}
	for _, t := range a.thinking {
		t.Thinking = names.text(t.Thinking)
		msg.ThinkingBlocks = append(msg.ThinkingBlocks, t)
	}
	for i, c := range a.calls {
		id := c.id
		if id == "" {
			id = callID(n, i)
		}
		msg.ToolCalls = append(msg.ToolCalls, event.ToolCall{
			ID: id, Name: c.name, Arguments: names.json(c.arguments), Origin: "completion",
		})
	}
	response := &llm.Response{ID: a.id, Message: msg, Usage: a.usage, FinishReason: a.finish}
	if response.ID == "" {
		response.ID = fmt.Sprintf("scripted-response-%d", n)
		if want != forStep {
			response.ID = fmt.Sprintf("scripted-%s-%d", want, n)
		}
	}
	if response.FinishReason == "" {
		response.FinishReason = "stop"
		if len(msg.ToolCalls) > 0 {
			response.FinishReason = "tool_calls"
		}
	}
	p := &performance{latency: a.latency, rest: a.rest, hang: a.hang, response: response}
	if a.chunks != nil {
		p.beats = recordedBeats(a.chunks, &msg)
	} else {
		p.beats = evenBeats(a, &msg)
	}
	if f := a.fail; f != nil {
		p.beats = p.beats[:min(f.AfterChunks, len(p.beats))]
		p.fail = &llm.Error{
			Kind:       f.Kind,
			Provider:   m.provider,
			Status:     f.Status,
			Message:    names.text(f.Message),
			RetryAfter: time.Duration(f.RetryAfter * float64(time.Second)),
			Setting:    f.Setting,
		}
	}
	if m.provider == "replay" && !m.opts.KeepDelays {
		p.latency, p.rest = 0, 0
		for i := range p.beats {
			p.beats[i].after = 0
		}
	}
	return p
}

// play waits and streams, and tells how it ended.
func (p *performance) play(ctx context.Context, stream func(llm.Chunk)) error {
	if err := sleep(ctx, p.latency); err != nil {
		return err
	}
	for i := range p.beats {
		if err := sleep(ctx, p.beats[i].after); err != nil {
			return err
		}
		if stream != nil {
			stream(p.beats[i].chunk)
		}
	}
	if err := sleep(ctx, p.rest); err != nil {
		return err
	}
	if p.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	if p.fail != nil {
		return p.fail
	}
	return nil
}

// sleep waits for d, or until the context ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// streams gives the texts of a message that are streamed, in the order in which
// models send them.
func streams(msg *event.LLMMessage) []llm.Chunk {
	var all []llm.Chunk
	reasoning := msg.ReasoningContent
	if reasoning == "" {
		for i := range msg.ThinkingBlocks {
			reasoning += msg.ThinkingBlocks[i].Thinking
		}
	}
	if reasoning != "" {
		all = append(all, llm.Chunk{Stream: llm.StreamReasoning, Text: reasoning})
	}
	if text := msg.Text(); text != "" {
		all = append(all, llm.Chunk{Stream: llm.StreamText, Text: text})
	}
	for i := range msg.ToolCalls {
		c := &msg.ToolCalls[i]
		all = append(all, llm.Chunk{Stream: llm.StreamArgs, Text: c.Arguments, CallIndex: i, CallID: c.ID, CallName: c.Name})
	}
	return all
}

// evenBeats cuts a message into chunks of the answer's size.
func evenBeats(a *answer, msg *event.LLMMessage) []beat {
	var beats []beat
	for _, whole := range streams(msg) {
		rest := whole.Text
		for {
			piece := whole
			piece.Text = rest
			if a.chunk > 0 {
				piece.Text, _ = cut(rest, a.chunk)
			}
			rest = rest[len(piece.Text):]
			after := a.delay
			if len(beats) == 0 {
				after = 0
			}
			beats = append(beats, beat{after, piece})
			if rest == "" {
				break
			}
		}
	}
	return beats
}

// recordedBeats cuts a message as it was cut when it was recorded. The last
// chunk of a stream takes what is left of it, so that nothing is lost where a
// mask or a template changed a length.
func recordedBeats(chunks []chunk, msg *event.LLMMessage) []beat {
	type key struct {
		stream llm.Stream
		call   int
	}
	rest := map[key]llm.Chunk{}
	last := map[key]int{}
	for _, s := range streams(msg) {
		rest[key{s.Stream, s.CallIndex}] = s
	}
	for i, c := range chunks {
		last[key{c.Stream, c.Call}] = i
	}
	var beats []beat
	for i, c := range chunks {
		k := key{c.Stream, c.Call}
		piece := rest[k]
		if piece.Stream == "" {
			continue
		}
		left := piece
		n := min(c.Size, len(piece.Text))
		for n < len(piece.Text) && !utf8.RuneStart(piece.Text[n]) {
			n++
		}
		if last[k] == i {
			n = len(piece.Text)
		}
		piece.Text, left.Text = piece.Text[:n], piece.Text[n:]
		rest[k] = left
		beats = append(beats, beat{time.Duration(c.After * float64(time.Millisecond)), piece})
	}
	return beats
}
