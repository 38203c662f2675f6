package view

import (
	"slices"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// condense forgets what the condensation names and puts its summary in place.
// The offset counts in the list that is left; one beyond the end appends.
func (v *View) condense(c *event.Condensation) {
	forgotten := make(map[string]bool, len(c.ForgottenEventIDs))
	for _, id := range c.ForgottenEventIDs {
		forgotten[id] = true
	}
	left := make([]entry, 0, len(v.entries)+1)
	for _, e := range v.entries {
		if !forgotten[e.ev.Head().ID] {
			left = append(left, e)
		}
	}
	atEnd := false
	if c.Summary != nil && c.SummaryOffset != nil {
		offset := min(max(*c.SummaryOffset, 0), len(left))
		atEnd = offset == len(left)
		left = slices.Insert(left, offset, entry{ev: &event.CondensationSummary{
			Meta:    event.Meta{ID: c.ID + "-summary", Timestamp: c.Timestamp, Source: event.SourceEnvironment},
			Summary: *c.Summary,
		}})
	}
	v.batch = nil
	v.replace(enforce(left))
	if atEnd || v.loop != nil && v.loop.size > v.sizeOf(v.loop) {
		v.loop = nil
	}
}

// sizeOf counts the entries of a loop that are left.
func (v *View) sizeOf(l *loop) int {
	n := 0
	for _, e := range v.entries {
		if e.loop() == l {
			n++
		}
	}
	return n
}

// enforce takes away what a condensation left in pieces, until nothing changes.
// Results without a call and second results never come into a view, so they
// need no rule here.
func enforce(entries []entry) []entry {
	for {
		count(entries)
		n := len(entries)
		entries = slices.DeleteFunc(entries, entry.broken)
		if len(entries) == n {
			return entries
		}
	}
}

func count(entries []entry) {
	for _, e := range entries {
		if b := e.call.batch; b != nil {
			b.present = 0
			e.call.call().answered = false
		}
		if l := e.loop(); l != nil {
			l.present = 0
		}
	}
	for _, e := range entries {
		if b := e.call.batch; b != nil {
			if c := e.call.call(); e.ev == event.Event(c.action) {
				b.present++
			} else {
				c.answered = true
			}
		}
		if l := e.loop(); l != nil {
			l.present++
		}
	}
}

// broken tells whether the entry must go: its batch or its tool loop is not
// whole, or its call was answered and the answer forgotten.
func (e entry) broken() bool {
	b := e.call.batch
	if b == nil {
		return false
	}
	if l := e.loop(); l != nil && l.present < l.size {
		return true
	}
	if b.present < len(b.calls) {
		return true
	}
	c := e.call.call()
	return c.result != nil && !c.answered
}

// replace makes the entries the view's.
func (v *View) replace(entries []entry) {
	v.entries = entries
	v.events = make([]event.Event, len(entries), len(entries)+len(entries)/4+8)
	v.weight, v.weighed = 0, 0
	clear(v.byAction)
	clear(v.byCallID)
	v.conv.reset()
	for i, e := range entries {
		v.events[i] = e.ev
		switch ev := e.ev.(type) {
		case *event.Action:
			if e.call.index == 0 {
				v.conv.addBatch(e.call.batch)
			}
			v.byAction[ev.ID] = e.call
			v.byCallID[ev.ToolCallID] = e.call
		case *event.Message:
			v.conv.addMessage(ev)
		case *event.CondensationSummary:
			v.conv.addSummary(ev)
		}
	}
}

// Cuts are the positions, ascending from 0 to [View.Len], where a condensation
// may begin or end without breaking anything: not inside a batch and its
// results, not inside a tool loop, and not after a call that nobody answered.
func (v *View) Cuts() []int {
	n := len(v.entries)
	// reach[i] is the last position that entry i ties to its own.
	reach := make([]int, n)
	begin := make(map[any]int)
	tie := func(group any, i, to int) {
		if _, ok := begin[group]; !ok {
			begin[group] = i
		}
		reach[begin[group]] = max(reach[begin[group]], to)
	}
	for i, e := range v.entries {
		if e.call.batch == nil {
			continue
		}
		to := i
		if e.call.call().result == nil {
			to = n
		}
		tie(e.call.batch, i, to)
		if l := e.loop(); l != nil {
			tie(l, i, i)
		}
	}
	cuts := make([]int, 0, n+1)
	last := 0
	for i := range n + 1 {
		if i == 0 || i > last {
			cuts = append(cuts, i)
		}
		if i < n {
			last = max(last, reach[i])
		}
	}
	return cuts
}
