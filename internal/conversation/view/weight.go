package view

import (
	"encoding/json"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// imageWeight stands for an image. Providers count one as about a thousand
// tokens, whatever its bytes.
const imageWeight = 4000

// Weight is how much text a request with this view holds, in bytes, tools
// included; an image counts as 4000. It says nothing of tokens by itself: see
// what the model counted for a weight that is known. render is that of
// [View.Messages]. The cost is that of what is new since the last call.
func (v *View) Weight(render func(observation json.RawMessage) []event.Content) int {
	for ; v.weighed < len(v.entries); v.weighed++ {
		v.weight += v.entries[v.weighed].weigh(render)
	}
	return v.weight
}

// Weights are the weights of [View.Events], in their order. The sum is
// [View.Weight].
func (v *View) Weights(render func(observation json.RawMessage) []event.Content) []int {
	weights := make([]int, len(v.entries))
	for i := range v.entries {
		weights[i] = v.entries[i].weigh(render)
	}
	return weights
}

func (e *entry) weigh(render func(json.RawMessage) []event.Content) int {
	if e.weight > 0 {
		return e.weight
	}
	switch ev := e.ev.(type) {
	case *event.SystemPrompt:
		e.weight = len(ev.SystemPrompt.Text)
		if ev.DynamicContext != nil {
			e.weight += len(ev.DynamicContext.Text)
		}
		for _, t := range ev.Tools {
			e.weight += len(t)
		}
	case *event.Message:
		e.weight = weightOf(ev.LLMMessage.Content) + weightOf(ev.ExtendedContent) + len(ev.LLMMessage.ReasoningContent)
	case *event.CondensationSummary:
		e.weight = len(ev.Summary)
	case *event.Action:
		e.weight = weightOf(ev.Thought) + len(ev.ToolCall.Name) + len(ev.ToolCall.Arguments) + len(ev.ReasoningContent)
		for _, t := range ev.ThinkingBlocks {
			e.weight += len(t.Thinking)
		}
	default:
		if c := e.call.call(); c.text == nil {
			c.text = resultContent(c.result, render)
		}
		e.weight = weightOf(e.call.call().text)
	}
	e.weight++ // so that what is empty is not weighed again
	return e.weight
}

func weightOf(parts []event.Content) (n int) {
	for _, p := range parts {
		n += len(p.Text) + imageWeight*len(p.ImageURLs)
	}
	return n
}
