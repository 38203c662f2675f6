package conversation

import (
	"bytes"
	"slices"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// MaxPage is the most events that one [Page] holds.
const MaxPage = 500

// Query asks for a page of the history. Without After and Before it starts at
// the oldest event; with Before it gives the newest ones before it.
type Query struct {
	// Branch is the id of the event that ends the branch to read; "" for the active
	// one.
	Branch        string
	After, Before *int
	Limit         int
	MaxBytes      int
	Kinds         []string
}

// Page is a part of the history, in ascending order. Next is the After of the
// next page and Prev the Before of the one before; nil at the ends.
type Page struct {
	Records    []Record
	Next, Prev *int
}

// page reads a page. It scans from one end of the range and stops when the
// page is full.
func (c *Conversation) page(q Query) (Page, error) {
	h := c.history
	if q.Branch != "" {
		var err error
		if h, err = h.pathTo(q.Branch, "branch"); err != nil {
			return Page{}, err
		}
	}
	n := h.len()
	first, last := 1, n
	if q.After != nil {
		first = max(*q.After+1, 1)
	}
	if q.Before != nil {
		last = min(*q.Before-1, n)
	}
	limit := q.Limit
	if limit <= 0 || limit > MaxPage {
		limit = MaxPage
	}
	backward := q.Before != nil && q.After == nil
	var p Page
	size := 0
	seq, step := first, 1
	if backward {
		seq, step = last, -1
	}
	for ; seq >= first && seq <= last; seq += step {
		if len(p.Records) == limit {
			break
		}
		r, ok, err := c.matching(h, seq, q.Kinds)
		if err != nil {
			return Page{}, err
		}
		if !ok {
			continue
		}
		if size += len(r.JSON); q.MaxBytes > 0 && size > q.MaxBytes && len(p.Records) > 0 {
			break
		}
		p.Records = append(p.Records, r)
	}
	if backward {
		slices.Reverse(p.Records)
		if seq >= first {
			p.Prev = new(seq + 1)
		}
		if last < n && last >= 0 {
			p.Next = new(max(last, 0))
		}
		return p, nil
	}
	if seq <= last {
		p.Next = new(seq - 1)
	}
	if first > 1 {
		p.Prev = new(min(first, n+1))
	}
	return p, nil
}

func (c *Conversation) matching(h *history, seq int, kinds []string) (Record, bool, error) {
	if len(kinds) > 0 {
		raw, err := h.raw(seq)
		if err != nil {
			return Record{}, false, &PersistenceError{err}
		}
		kind, err := event.KindOf(bytes.TrimSpace(raw))
		if err != nil || !slices.Contains(kinds, kind) {
			return Record{}, false, nil
		}
	}
	r, err := c.record(h, seq)
	if err != nil {
		return Record{}, false, &PersistenceError{err}
	}
	return r, true, nil
}
