package conversation

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/policy"
)

// SetConfirmationPolicy changes the policy, from the next decision on; what
// waits goes on waiting.
func (c *Conversation) SetConfirmationPolicy(raw json.RawMessage, reply func(Info, error)) error {
	return c.change(reply, func() error {
		p, err := policy.Parse(raw)
		if err != nil {
			return &ValueError{"policy", err.Error()}
		}
		c.policy = p
		return nil
	})
}

// SetSecurityAnalyzer changes the analyzer; null takes it away.
func (c *Conversation) SetSecurityAnalyzer(raw json.RawMessage, reply func(Info, error)) error {
	return c.change(reply, func() error {
		a, err := c.security.ParseAnalyzer(raw)
		if err != nil {
			return &ValueError{"analyzer", err.Error()}
		}
		c.analyzer, c.kept.Analyzer = a, nil
		return nil
	})
}

// Update is a change of what the user may set at any time. Nil fields stay.
type Update struct {
	Title         *string
	Tags          map[string]string
	MaxIterations *int
	MaxBudget     *float64 // USD; 0 for no limit
	// Rules are the ids of the rules that stay; all others are forgotten. Nil keeps
	// all.
	Rules []string
}

// Update changes title, tags (all of them) and the limits of runs, and forgets
// rules.
func (c *Conversation) Update(u Update, reply func(Info, error)) error {
	return c.change(reply, func() error {
		if u.MaxIterations != nil && *u.MaxIterations < 1 {
			return &ValueError{"maxIterationPerRun", "must be at least 1"}
		}
		if err := checkBudget(u.MaxBudget); err != nil {
			return err
		}
		tags := maps.Clone(c.tags)
		if u.Tags != nil {
			old, named := tags["title"]
			tags = maps.Clone(u.Tags)
			if _, given := tags["title"]; !given && named {
				tags["title"] = old
			}
		}
		if u.Title != nil {
			setTitle(&tags, *u.Title)
		}
		c.maskTags(tags)
		if err := checkTags(tags); err != nil {
			return err
		}
		if u.Rules != nil {
			if err := c.forget(u.Rules); err != nil {
				return err
			}
		}
		c.tags = tags
		if u.MaxIterations != nil {
			c.maxIter = *u.MaxIterations
		}
		if u.MaxBudget != nil {
			c.side.MaxBudget = *u.MaxBudget
		}
		return nil
	})
}

// checkBudget takes amounts that are 0 or more; nil is fine.
func checkBudget(usd *float64) error {
	if usd != nil && *usd < 0 {
		return &ValueError{"maxBudgetPerRun", "must be an amount in USD, or 0 for no limit"}
	}
	return nil
}

// maskTags hides secrets in tags, the title among them.
func (c *Conversation) maskTags(tags map[string]string) {
	for k, v := range tags {
		tags[k] = c.secrets.Mask(v)
	}
}

func setTitle(tags *map[string]string, text string) {
	if *tags == nil {
		*tags = map[string]string{}
	}
	if text == "" {
		delete(*tags, "title")
	} else {
		(*tags)["title"] = text
	}
}

// change applies a change of the state and hands out the new one.
func (c *Conversation) change(reply func(Info, error), apply func() error) error {
	return c.request(func(err error) { reply(Info{}, err) }, func(context.Context) {
		if err := apply(); err != nil {
			reply(Info{}, err)
			return
		}
		c.touch()
		if err := c.secure(); err != nil {
			reply(Info{}, err) // it counts until the process ends
			return
		}
		reply(c.info(), nil)
		if c.onChange != nil {
			c.onChange()
		}
	})
}

// Events hands out a page of the history.
func (c *Conversation) Events(q Query, reply func(Page, error)) error {
	return c.request(func(err error) { reply(Page{}, err) }, func(context.Context) { reply(c.page(q)) })
}

// Branches hands out the branches of the log.
func (c *Conversation) Branches(reply func([]Branch, error)) error {
	return c.request(func(err error) { reply(nil, err) }, func(context.Context) { reply(c.history.branches()) })
}

// Since is where a subscription begins: at a cursor, at the start or at the
// end.
type Since struct {
	Cursor *Cursor
	Start  bool
}

// Opened tells what a subscriber will be sent first: the events after From, up
// to and including To.
type Opened struct {
	Info     Info
	From, To int
	// Reset tells that the cursor was of another epoch, or beyond the end.
	Reset bool
}

// Subscribe makes o an observer: after reply it gets the old events that it
// asked for, and then all that happens.
func (c *Conversation) Subscribe(o Observer, since Since, reply func(Opened, error)) error {
	return c.request(func(err error) { reply(Opened{}, err) }, func(context.Context) {
		opened := c.opening(since)
		reply(opened, nil)
		c.flush()
		c.replay(o, opened.From, opened.To)
		list := slices.Clone(c.listeners())
		if !slices.Contains(list, o) {
			list = append(list, o)
			c.observers.Store(&list)
		}
		for _, p := range c.pending() {
			o.Waiting(p)
		}
	})
}

// Replay hands o the old events that it asks for, after reply, and nothing that
// happens later.
func (c *Conversation) Replay(o Observer, since Since, reply func(Opened)) error {
	return c.post(func(context.Context) {
		opened := c.opening(since)
		reply(opened)
		c.replay(o, opened.From, opened.To)
	})
}

func (c *Conversation) opening(since Since) Opened {
	n := c.history.len()
	opened := Opened{Info: c.info(), From: n, To: n}
	switch {
	case since.Start:
		opened.From = 0
	case since.Cursor != nil && (since.Cursor.Epoch != c.history.epoch || since.Cursor.Seq > n || since.Cursor.Seq < 0):
		opened.From, opened.Reset = 0, true
	case since.Cursor != nil:
		opened.From = since.Cursor.Seq
	}
	return opened
}

func (c *Conversation) replay(o Observer, from, to int) {
	for seq := from + 1; seq <= to; seq++ {
		r, err := c.record(c.history, seq)
		if err != nil {
			c.log.Error("replaying an event", "conversation", c.id, "seq", seq, "error", err)
			continue
		}
		r.Replay = true
		o.Event(c.history.epoch, r)
	}
}

// record reads the event at seq with its display.
func (c *Conversation) record(h *history, seq int) (Record, error) {
	raw, err := h.raw(seq)
	if err != nil {
		return Record{}, err
	}
	var e event.Event
	if h.loaded {
		e = h.events[seq-1]
	} else if e, err = event.Decode(raw); err != nil {
		return Record{}, err
	}
	return Record{Seq: seq, Event: e, JSON: raw, Display: c.describe(e, h.action(e, seq))}, nil
}

// Unsubscribe ends what Subscribe began.
func (c *Conversation) Unsubscribe(o Observer) {
	_ = c.post(func(context.Context) { // closed: nobody is told anything any more
		list := slices.DeleteFunc(slices.Clone(c.listeners()), func(other Observer) bool { return other == o })
		c.observers.Store(&list)
	})
}
