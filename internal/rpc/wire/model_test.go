package wire

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// TestOutboxModel plays random producers against a client that takes a frame now
// and then, and checks what protocol.md promises of the order.
func TestOutboxModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		o := newQueue(rapid.IntRange(0, 2000).Draw(rt, "room"))
		o.every = time.Hour // the timer is the action "tick"
		client := newModel()
		take := func() {
			if f := o.pop(); f != nil {
				client.receive(rt, parseMessage(t, f.message()))
			}
		}
		conv := rapid.SampledFrom([]string{"a", "b"})
		seq, epoch, offset := map[string]int{}, map[string]int{}, map[string]int{}
		rt.Repeat(map[string]func(*rapid.T){
			"event": func(rt *rapid.T) {
				c := conv.Draw(rt, "conversation")
				seq[c]++
				o.Event(c, epoch[c], seq[c], eventBody(c, epoch[c], seq[c], rapid.IntRange(0, 500).Draw(rt, "size")))
			},
			"new epoch": func(rt *rapid.T) {
				c := conv.Draw(rt, "conversation")
				epoch[c]++
				seq[c] = 0
			},
			"state": func(rt *rapid.T) {
				c := conv.Draw(rt, "conversation")
				client.states++
				o.State(c, fmt.Appendf(nil, `{"jsonrpc":"2.0","method":"state","params":{"id":%q,"n":%d}}`, c, client.states))
			},
			"terminal": func(rt *rapid.T) {
				c := conv.Draw(rt, "conversation")
				client.states++
				client.expected = append(client.expected, client.states)
				o.Terminal(c, fmt.Appendf(nil, `{"jsonrpc":"2.0","method":"terminal","params":{"id":%q,"epoch":%d,"seq":%d,"n":%d}}`, c, epoch[c], seq[c], client.states))
			},
			"delta": func(rt *rapid.T) {
				c := conv.Draw(rt, "conversation")
				text := rapid.SliceOfN(rapid.SampledFrom([]byte("ab\xe2\x82\xac\xff")), 1, 20).Draw(rt, "text")
				o.Delta(DeltaKey{Conv: c, MessageID: "m"}, offset[c], string(text))
				offset[c] += len(text)
			},
			"tick": func(*rapid.T) { o.tick() },
			"read": func(*rapid.T) {
				if o.queue.first != nil {
					take()
				}
			},
			"": func(rt *rapid.T) { checkBytes(rt, o) },
		})
		for _, c := range []string{"a", "b"} { // the end of the last run
			client.states++
			client.expected = append(client.expected, client.states)
			o.Terminal(c, fmt.Appendf(nil, `{"jsonrpc":"2.0","method":"terminal","params":{"id":%q,"epoch":%d,"seq":%d,"n":%d}}`, c, epoch[c], seq[c], client.states))
		}
		for o.queue.first != nil {
			take()
		}
		if o.bytes != 0 || len(o.deltas) != 0 || len(o.pending) != 0 || o.queue.last != nil {
			rt.Fatalf("left behind: %d bytes, %d deltas, %d of them pending", o.bytes, len(o.deltas), len(o.pending))
		}
		for c := range seq {
			if got := client.at[c][epoch[c]]; got != seq[c] {
				rt.Fatalf("%s ended at %d of %d", c, got, seq[c])
			}
		}
		if len(client.expected) > 0 {
			rt.Fatalf("terminal states %v did not arrive", client.expected)
		}
		if o.timer != nil {
			o.timer.Stop()
		}
	})
}

// checkBytes counts what is accounted for.
func checkBytes(rt *rapid.T, o *Outbox) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := 0
	for f := o.queue.first; f != nil; f = f.next {
		if f.kind == event || f.kind == text {
			n += len(f.body)
		}
	}
	for _, d := range o.deltas {
		n += len(d.text)
	}
	if n != o.bytes || n > o.max {
		rt.Fatalf("%d bytes are queued, %d accounted for, %d allowed", n, o.bytes, o.max)
	}
}

type model struct {
	at       map[string]map[int]int // the last seq by conversation and epoch
	state    map[string]int         // the last state seen
	states   int                    // put in
	expected []int                  // terminal states on their way
	offset   map[string]int
}

func newModel() *model {
	return &model{at: map[string]map[int]int{}, state: map[string]int{}, offset: map[string]int{}}
}

func (c *model) receive(rt *rapid.T, m message) {
	var p struct {
		ID                       string
		Epoch, Seq, After, To, N int
		Offset                   int
		Text                     string
	}
	decode(rt, m.Params, &p)
	if c.at[p.ID] == nil {
		c.at[p.ID] = map[int]int{}
	}
	last := c.at[p.ID][p.Epoch]
	switch m.Method {
	case protocol.NotifyEvent:
		if p.Seq != last+1 {
			rt.Fatalf("%s: event %d after %d", p.ID, p.Seq, last)
		}
		c.at[p.ID][p.Epoch] = p.Seq
	case protocol.NotifyGap:
		if p.After != last || p.To <= p.After {
			rt.Fatalf("%s: gap %d-%d after %d", p.ID, p.After, p.To, last)
		}
		c.at[p.ID][p.Epoch] = p.To
	case protocol.NotifyDelta:
		if p.Offset < c.offset[p.ID] {
			rt.Fatalf("%s: offset %d after %d", p.ID, p.Offset, c.offset[p.ID])
		}
		c.offset[p.ID] = p.Offset + len(p.Text)
	case "terminal":
		if c.expected[0] != p.N {
			rt.Fatalf("terminal state %d, want %d", p.N, c.expected[0])
		}
		c.expected = c.expected[1:]
		if last < p.Seq {
			rt.Fatalf("%s: the terminal state of %d after event %d", p.ID, p.Seq, last)
		}
		fallthrough
	case "state":
		if p.N <= c.state[p.ID] {
			rt.Fatalf("%s: state %d after %d", p.ID, p.N, c.state[p.ID])
		}
		c.state[p.ID] = p.N
	}
}
