package condenser

import (
	"encoding/json"
	"slices"
	"sort"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/view"
)

// Need is what calls for a condensation beside the number of events.
type Need struct {
	// Requested: somebody asked for it, or the model refused the history.
	Requested bool
	// Everything: an ordinary condensation did not help.
	Everything bool
	// Tokens is about how long a request with this view is, and Limit how long the
	// model allows it to be; 0 if not known.
	Tokens, Limit int
}

// Plan is a condensation that is due.
type Plan struct {
	// Hard: the run can't go on without it.
	Hard bool
	// Reset: everything is summarized, because no part of it can be.
	Reset bool
	// Events is how many are forgotten.
	Events int

	rules   Rules
	forgets []string // ids
	offset  int
	texts   []text
	instead *Plan // what to try where this one turns out to be too long
}

// Plan gives the condensation that is due; nil where none is, or none is
// possible. render is that of [view.View.Messages].
//
// As in OpenHands a request, and a request to the model that would be too long,
// are hard reasons, a view of too many events is a soft one, and of several
// reasons the one that forgets most counts. Unlike there the system prompt is
// never forgotten, nor a call that waits for its result.
func (r Rules) Plan(v *view.View, n Need, render func(json.RawMessage) []event.Content) *Plan {
	limit := n.Limit
	if r.MaxTokens > 0 && (limit <= 0 || r.MaxTokens < limit) {
		limit = r.MaxTokens
	}
	long := limit > 0 && n.Tokens > limit
	hard := n.Requested || n.Everything || long
	if !hard && v.Len() <= r.MaxSize {
		return nil
	}
	cuts, events := v.Cuts(), v.Events()
	plan := func(start, end int) *Plan {
		p := &Plan{Hard: hard, rules: r, offset: start}
		for _, e := range events[start:end] {
			if _, prompt := e.(*event.SystemPrompt); prompt {
				continue
			}
			p.forgets = append(p.forgets, e.Head().ID)
			p.texts = append(p.texts, describe(e, render))
		}
		p.Events = len(p.forgets)
		return p
	}
	var part, all *Plan
	if !n.Everything {
		if start, end, ok := r.part(v, cuts, n, limit, long, render); ok {
			part = plan(start, end)
		}
	}
	if end := cuts[len(cuts)-1]; hard && end > prompts(events) && news(events[:end]) {
		all = plan(prompts(events), end)
		all.Reset = true
	}
	if part == nil {
		return all
	}
	if all != nil && all.Events > part.Events {
		part.instead = all
	}
	return part
}

// part finds what is forgotten: the events from start up to end.
func (r Rules) part(v *view.View, cuts []int, n Need, limit int, long bool, render func(json.RawMessage) []event.Content) (start, end int, ok bool) {
	size := v.Len()
	suffix := size
	if n.Requested {
		suffix = min(suffix, size/2-r.KeepFirst-1)
	}
	if size > r.MaxSize {
		suffix = min(suffix, r.MaxSize/2-r.KeepFirst-1)
	}
	first := max(r.KeepFirst, prompts(v.Events()))
	if long {
		suffix = min(suffix, suffixWithin(v.Weights(render), first, n.Tokens, limit))
	}
	start, ok = next(cuts, first)
	if !ok {
		return 0, 0, false
	}
	end, ok = next(cuts, size-suffix)
	if !ok || end <= start || float64(end-start) < float64(size)*r.MinimumProgress || !news(v.Events()[start:end]) {
		return 0, 0, false
	}
	return start, end, true
}

// suffixWithin gives how many of the last events may stay so that what stands
// between them and the first ones is enough to come down to half of the limit.
func suffixWithin(weights []int, first, tokens, limit int) int {
	total := 0
	for _, w := range weights {
		total += w
	}
	// What goes, as a part of the whole, is the same in tokens and in bytes.
	goes := float64(tokens-limit/2) / float64(tokens) * float64(total)
	sum := 0.0
	for i := min(first, len(weights)); i < len(weights); i++ {
		if sum += float64(weights[i]); sum >= goes {
			return len(weights) - i - 1
		}
	}
	return 0
}

// next is the first cut from at on.
func next(cuts []int, at int) (int, bool) {
	i := sort.SearchInts(cuts, at)
	if i == len(cuts) {
		return 0, false
	}
	return cuts[i], true
}

// prompts is how many events stand at the start that are never forgotten.
func prompts(events []event.Event) int {
	i := slices.IndexFunc(events, func(e event.Event) bool {
		_, prompt := e.(*event.SystemPrompt)
		return !prompt
	})
	if i < 0 {
		return len(events)
	}
	return i
}

// news tells whether there is more to forget than one summary, of which another
// summary would be made.
func news(events []event.Event) bool {
	summaries := 0
	for _, e := range events {
		switch e.(type) {
		case *event.SystemPrompt:
		case *event.CondensationSummary:
			summaries++
		default:
			return true
		}
	}
	return summaries > 1
}
