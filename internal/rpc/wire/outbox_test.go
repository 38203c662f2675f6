package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// eventBody is an event notification of exactly n bytes.
func eventBody(conv string, epoch, seq, n int) []byte {
	b := fmt.Sprintf(`{"jsonrpc":"2.0","method":"conversation/event","params":{"id":%q,"epoch":%d,"seq":%d,"event":"%%s"}}`, conv, epoch, seq)
	return []byte(fmt.Sprintf(b, strings.Repeat("e", max(0, n-len(b)+2))))
}

func note(text string) []byte {
	return []byte(fmt.Sprintf(`{"jsonrpc":"2.0","method":%q}`, text))
}

// brief renders what the outbox wrote: "event a 3", "gap a 3-5", "delta m 0 text".
func brief(t testing.TB, m message) string {
	t.Helper()
	switch m.Method {
	case protocol.NotifyEvent:
		var p protocol.EventNotification
		decode(t, m.Params, &p)
		return fmt.Sprintf("event %s %d", p.ID, p.Seq)
	case protocol.NotifyGap:
		var p protocol.GapNotification
		decode(t, m.Params, &p)
		return fmt.Sprintf("gap %s %d-%d", p.ID, p.After, p.To)
	case protocol.NotifyDelta:
		var p protocol.DeltaNotification
		decode(t, m.Params, &p)
		return fmt.Sprintf("delta %s %d %s", p.Target.MessageID+p.Target.ToolCallID, p.Offset, p.Text)
	}
	return m.Method
}

func decode(t fataler, raw json.RawMessage, v any) {
	t.Helper()
	if err := json.Unmarshal(raw, v); err != nil {
		t.Fatalf("%v in %.100s", err, raw)
	}
}

// slow is an outbox whose client does not read until it is told to.
type slow struct {
	*Outbox
	t    *testing.T
	r    *io.PipeReader
	w    *io.PipeWriter
	read *frames
}

// newSlow runs in a synctest bubble. The writer is blocked from the beginning,
// in a frame "plug", so that the whole queue is what the test puts in.
func newSlow(t *testing.T, o OutboxOptions) *slow {
	r, w := io.Pipe()
	s := &slow{NewOutbox(w, o), t, r, w, newFrames(r, 1<<30, func(e *protocol.Error) { t.Error(e) })}
	s.Send(note("plug"))
	synctest.Wait()
	return s
}

// next reads one frame.
func (s *slow) next() string {
	return brief(s.t, readMessage(s.t, s.read))
}

// drain closes the outbox and returns what the client gets, without the plug.
func (s *slow) drain() []string {
	s.t.Helper()
	closed := make(chan error, 1)
	go func() {
		closed <- s.Close(s.t.Context())
		_ = s.w.Close() // never fails
	}()
	all := []string{}
	for {
		body, err := s.read.next()
		if err != nil {
			break
		}
		all = append(all, brief(s.t, parseMessage(s.t, body)))
	}
	if err := <-closed; err != nil {
		s.t.Error(err)
	}
	if len(all) == 0 || all[0] != "plug" {
		s.t.Fatalf("the plug is not first: %q", all)
	}
	return all[1:]
}

func (s *slow) event(conv string, seq, size int) {
	s.Event(conv, 1, seq, eventBody(conv, 1, seq, size))
}

func (s *slow) delta(message string, offset int, text string) {
	s.Delta(DeltaKey{Conv: "a", RunID: "r", MessageID: message, Stream: "text"}, offset, text)
}

// TestOutboxSlowClient: each case puts things into the queue of a client that
// does not read, with room for 1000 bytes of events, and says what it gets when
// it reads again. A case that blocks would deadlock the bubble.
func TestOutboxSlowClient(t *testing.T) {
	for name, tt := range map[string]struct {
		put  func(*slow)
		want []string
	}{
		"all fits": {
			func(s *slow) {
				s.event("a", 1, 300)
				s.Send(note("reply"))
				s.event("b", 1, 300)
				s.event("a", 2, 300)
			},
			[]string{"event a 1", "reply", "event b 1", "event a 2"},
		},
		"full: one gap, then what has room again": {
			func(s *slow) {
				for seq := 1; seq <= 4; seq++ {
					s.event("a", seq, 300)
				}
			},
			[]string{"gap a 0-3", "event a 4"},
		},
		"full again: the gap grows": {
			func(s *slow) {
				for seq := 1; seq <= 7; seq++ {
					s.event("a", seq, 300)
				}
			},
			[]string{"gap a 0-6", "event a 7"},
		},
		"the gap keeps its place": {
			func(s *slow) {
				s.event("a", 1, 300)
				s.Send(note("reply"))
				s.event("a", 2, 300)
				s.Terminal("a", note("terminal 1"))
				s.event("a", 3, 300)
				s.event("a", 4, 300)
				s.Terminal("a", note("terminal 2"))
			},
			[]string{"gap a 0-3", "reply", "terminal 1", "event a 4", "terminal 2"},
		},
		"another conversation is left alone": {
			func(s *slow) {
				s.event("a", 1, 300)
				s.event("b", 8, 300)
				s.event("a", 2, 300)
				s.event("b", 9, 300)
			},
			[]string{"event a 1", "gap b 7-8", "event a 2", "event b 9"},
		},
		"no room although it gave up everything": {
			func(s *slow) {
				s.event("a", 1, 500)
				s.event("a", 2, 500)
				s.event("b", 5, 300)
				s.event("b", 6, 300)
				s.Terminal("b", note("terminal"))
				s.event("b", 7, 300)
			},
			[]string{"event a 1", "event a 2", "gap b 4-7", "terminal"},
		},
		"an event that never fits": {
			func(s *slow) { s.event("a", 1, 2000); s.event("a", 2, 300) },
			[]string{"gap a 0-1", "event a 2"},
		},
		"what is never dropped takes no room": {
			func(s *slow) {
				for i := range 5 {
					s.Send(note(fmt.Sprint(i, strings.Repeat("r", 1000))))
				}
				s.State("a", note(strings.Repeat("s", 1000)))
				s.event("a", 1, 1000)
			},
			[]string{
				"0" + strings.Repeat("r", 1000), "1" + strings.Repeat("r", 1000), "2" + strings.Repeat("r", 1000),
				"3" + strings.Repeat("r", 1000), "4" + strings.Repeat("r", 1000), strings.Repeat("s", 1000), "event a 1",
			},
		},
		"a gap per epoch": {
			func(s *slow) {
				s.Event("a", 1, 9, eventBody("a", 1, 9, 400))
				s.Event("a", 2, 1, eventBody("a", 2, 1, 400))
				s.Event("a", 2, 2, eventBody("a", 2, 2, 400))
			},
			[]string{"gap a 8-9", "gap a 0-1", "event a 2"},
		},
		"a replay that is dropped": {
			func(s *slow) {
				for _, seq := range []int{8, 9, 1, 2, 3} {
					s.event("a", seq, 250)
				}
			},
			[]string{"gap a 0-9", "event a 3"},
		},
		"states collapse": {
			func(s *slow) {
				s.State("a", note("a1"))
				s.State("b", note("b1"))
				s.event("a", 1, 300)
				s.State("a", note("a2"))
				s.Send(note("reply"))
				s.State("a", note("a3"))
			},
			[]string{"b1", "event a 1", "reply", "a3"},
		},
		"terminal states stay, older states go": {
			func(s *slow) {
				s.State("a", note("running 1"))
				s.State("b", note("running b"))
				s.Terminal("a", note("terminal 1"))
				s.State("a", note("running 2"))
				s.Terminal("a", note("terminal 2"))
				s.State("a", note("running 3"))
			},
			[]string{"running b", "terminal 1", "terminal 2", "running 3"},
		},
		"deltas precede the event that follows": {
			func(s *slow) {
				s.delta("m", 0, "ab")
				s.delta("m", 2, "cd")
				s.delta("n", 0, "x")
				s.Delta(DeltaKey{Conv: "b", ToolCallID: "t", Stream: "stdout"}, 0, "out")
				s.event("a", 1, 300)
				s.delta("o", 0, "later")
				s.Terminal("a", note("terminal"))
			},
			// The first delta leaves at once, and takes along what joins it in the queue.
			[]string{"delta m 0 abcd", "delta n 0 x", "event a 1", "delta o 0 later", "terminal", "delta t 0 out"},
		},
		"deltas are dropped, not events": {
			func(s *slow) {
				s.event("a", 1, 400)
				s.delta("m", 0, strings.Repeat("x", 90))
				s.delta("m", 90, strings.Repeat("y", 20))
				s.event("a", 2, 500)
				s.delta("m", 110, "z")
			},
			[]string{"event a 1", "delta m 0 " + strings.Repeat("x", 90), "event a 2"},
		},
		"a lost delta shows in the offset": {
			func(s *slow) { s.delta("m", 0, "ab"); s.delta("m", 5, "fg"); s.delta("m", 7, "h") },
			[]string{"delta m 0 ab", "delta m 5 fgh"},
		},
		"a character in two deltas": {
			func(s *slow) {
				s.delta("m", 0, "a\xe2\x82")
				s.event("a", 1, 10)
				s.delta("m", 3, "\xacb")
				s.event("a", 2, 10)
			},
			[]string{"delta m 0 a€b", "event a 1", "event a 2"},
		},
		"half a character at the end of a run": {
			func(s *slow) { s.delta("m", 0, "a\xe2\x82"); s.Terminal("a", note("terminal")); s.delta("m", 0, "b") },
			[]string{"delta m 0 a", "terminal", "delta m 0 b"},
		},
		"bytes that are not UTF-8 keep the offsets": {
			func(s *slow) { s.delta("m", 0, "a\xff\xfe\xe2b"); s.event("a", 1, 10); s.delta("m", 6, "c") },
			[]string{"delta m 0 a???b", "event a 1", "delta m 6 c"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSlow(t, OutboxOptions{MaxQueuedBytes: 1000})
				s.SetMaxHz(30)
				tt.put(s)
				if diff := cmp.Diff(tt.want, s.drain()); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestOutboxGapIsSent: once the gap is on its way the next begins after it.
func TestOutboxGapIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlow(t, OutboxOptions{MaxQueuedBytes: 1000})
		for seq := 1; seq <= 4; seq++ {
			s.event("a", seq, 300)
		}
		if got := s.next(); got != "plug" {
			t.Fatal(got)
		}
		synctest.Wait() // the writer has taken the gap and event 4
		for seq := 5; seq <= 8; seq++ {
			s.event("a", seq, 300)
		}
		s.Send(note("plug")) // for drain
		want := []string{"gap a 0-3", "event a 4", "gap a 4-7", "event a 8", "plug"}
		for _, w := range want {
			if got := s.next(); got != w {
				t.Errorf("got %s, want %s", got, w)
			}
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestOutboxMemory: a client that never reads costs no more than the queue holds,
// however long it goes on.
func TestOutboxMemory(t *testing.T) {
	o := newQueue(10_000)
	for seq := range 1000 {
		o.Event("a", 1, seq+1, make([]byte, 300))
		o.State("a", make([]byte, 300))
	}
	frames := 0
	for f := o.queue.first; f != nil; f = f.next {
		frames++
		if f.kind == gap && (f.nextEvent != nil || f.body != nil) {
			t.Error("the gap keeps what it replaces in memory")
		}
	}
	if limit := 10_000/300 + 2; frames > limit {
		t.Errorf("%d frames are queued, want at most %d", frames, limit)
	}
}

// TestDeltaRate streams 5,000 chunks in two seconds of fake time.
func TestDeltaRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		o := NewOutbox(w, OutboxOptions{})
		o.SetMaxHz(30)
		var all []message
		read := make(chan struct{})
		go func() {
			defer close(read)
			client := newFrames(r, 1<<20, func(e *protocol.Error) { t.Error(e) })
			for {
				body, err := client.next()
				if err != nil {
					return
				}
				all = append(all, parseMessage(t, body))
			}
		}()
		const chunks = 5000
		for i := range chunks {
			o.Delta(DeltaKey{Conv: "a", RunID: "r", MessageID: "m", Stream: "text"}, i*4, "tok ")
			time.Sleep(400 * time.Microsecond) // fake: the bubble's clock
		}
		synctest.Wait()
		if len(all) < 50 {
			t.Errorf("only %d notifications while streaming: the text must not wait for the end", len(all))
		}
		if err := o.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		<-read
		if len(all) > 65 {
			t.Errorf("%d notifications in two seconds at 30 Hz", len(all))
		}
		offset := 0
		for _, m := range all {
			var p protocol.DeltaNotification
			decode(t, m.Params, &p)
			if p.Offset != offset {
				t.Fatalf("offset %d, want %d", p.Offset, offset)
			}
			offset += len(p.Text)
		}
		if offset != chunks*4 {
			t.Errorf("%d bytes arrived of %d", offset, chunks*4)
		}
	})
}

// TestDeltaIdle: with nothing pending no timer runs, so that nothing happens.
func TestDeltaIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newQueue(1000)
		o.Delta(DeltaKey{Conv: "a"}, 0, "off") // not asked for
		o.SetMaxHz(1)
		o.Delta(DeltaKey{Conv: "a"}, 0, "at once")
		o.pop()
		o.Delta(DeltaKey{Conv: "a"}, 7, "later")
		if o.queue.first != nil {
			t.Error("a delta left before its time")
		}
		o.Event("a", 1, 1, nil)
		if o.timer.Stop() {
			t.Error("the timer runs although the event has flushed everything")
		}
		for o.queue.first != nil {
			o.pop()
		}
		if len(o.deltas) != 0 || o.bytes != 0 {
			t.Errorf("%d streams and %d bytes are kept", len(o.deltas), o.bytes)
		}
		for _, hz := range []float64{1e-300, 1e300} {
			o.SetMaxHz(hz)
			if o.every < time.Millisecond || o.every > time.Minute {
				t.Errorf("%g Hz is every %s", hz, o.every)
			}
		}
	})
}

// TestOutboxWriteFails: the error is told, and everything put in later is
// dropped without harm.
func TestOutboxWriteFails(t *testing.T) {
	broken := errors.New("broken pipe")
	r, w := io.Pipe()
	o := NewOutbox(w, OutboxOptions{})
	o.SetMaxHz(30)
	_ = r.CloseWithError(broken) // never fails
	o.Send(note("x"))
	<-o.Done()
	if !errors.Is(o.Err(), broken) {
		t.Errorf("Err is %v", o.Err())
	}
	o.Event("a", 1, 1, note("e"))
	o.State("a", note("s"))
	o.Terminal("a", note("t"))
	o.Delta(DeltaKey{Conv: "a"}, 0, "d")
	if err := o.send(note("y")); !errors.Is(err, broken) {
		t.Errorf("sending later: %v", err)
	}
	if err := o.Close(t.Context()); !errors.Is(err, broken) {
		t.Errorf("Close: %v", err)
	}
}

// TestOutboxCloseGivesUp: Close does not wait longer than its context for a
// client that does not read.
func TestOutboxCloseGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlow(t, OutboxOptions{})
		s.event("a", 1, 300)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v", err)
		}
		if err := s.r.Close(); err != nil {
			t.Error(err)
		}
		<-s.Done()
	})
}

// TestOutboxCoalesces: what is queued leaves in few writes.
func TestOutboxCoalesces(t *testing.T) {
	o := newQueue(MaxQueuedBytes)
	for seq := range 10_000 {
		o.event1(seq + 1)
	}
	var w countWriter
	go o.write(&w)
	if err := o.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.writes > 10_000*350/batchBytes*2 {
		t.Errorf("%d writes for %d bytes", w.writes, w.bytes)
	}
}

func (o *Outbox) event1(seq int) { o.Event("a", 1, seq, eventBody("a", 1, seq, 300)) }

type countWriter struct{ writes, bytes int }

func (w *countWriter) Write(p []byte) (int, error) {
	w.writes++
	w.bytes += len(p)
	return len(p), nil
}

// TestOutboxConcurrent: producers on every side, a client that reads in small
// pieces, a queue that is always full: still every event is sent or in one gap.
func TestOutboxConcurrent(t *testing.T) {
	const convs, events = 4, 3000
	r, w := io.Pipe()
	o := NewOutbox(w, OutboxOptions{MaxQueuedBytes: 3000})
	o.SetMaxHz(1000)
	var producers sync.WaitGroup
	for c := range convs {
		id := string(rune('a' + c))
		producers.Go(func() {
			for seq := 1; seq <= events; seq++ {
				o.Delta(DeltaKey{Conv: id, MessageID: fmt.Sprint(seq)}, 0, "text")
				o.Event(id, 1, seq, eventBody(id, 1, seq, 200))
				if seq%10 == 0 {
					o.State(id, note("state"))
				}
				if seq%100 == 0 {
					o.Terminal(id, fmt.Appendf(nil, `{"jsonrpc":"2.0","method":"terminal","params":{"id":%q,"seq":%d}}`, id, seq))
				}
			}
		})
	}
	closed := make(chan error, 1)
	go func() {
		producers.Wait()
		err := o.Close(t.Context())
		_ = w.Close() // never fails
		closed <- err
	}()
	tr := newTracker()
	client := newFrames(iotest.HalfReader(r), 1<<20, func(e *protocol.Error) { t.Error(e) })
	for {
		body, err := client.next()
		if err != nil {
			break
		}
		tr.add(t, parseMessage(t, body))
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	for c := range convs {
		id := string(rune('a' + c))
		if tr.seq[id] != events || tr.terminals[id] != events/100 {
			t.Errorf("conversation %s came to seq %d with %d terminal states", id, tr.seq[id], tr.terminals[id])
		}
	}
}

// tracker is a client that follows the numbers of one epoch.
type tracker struct {
	seq       map[string]int
	terminals map[string]int
}

func newTracker() *tracker { return &tracker{map[string]int{}, map[string]int{}} }

func (c *tracker) add(t testing.TB, m message) {
	t.Helper()
	var p struct {
		ID             string
		Seq, After, To int
	}
	if m.Method == "state" {
		return
	}
	decode(t, m.Params, &p)
	switch m.Method {
	case protocol.NotifyEvent:
		if p.Seq != c.seq[p.ID]+1 {
			t.Fatalf("%s: event %d after %d", p.ID, p.Seq, c.seq[p.ID])
		}
		c.seq[p.ID] = p.Seq
	case protocol.NotifyGap:
		if p.After != c.seq[p.ID] || p.To <= p.After {
			t.Fatalf("%s: gap %d-%d after %d", p.ID, p.After, p.To, c.seq[p.ID])
		}
		c.seq[p.ID] = p.To
	case "terminal":
		c.terminals[p.ID]++
		if c.seq[p.ID] < p.Seq {
			t.Fatalf("%s: the terminal state of %d after event %d", p.ID, p.Seq, c.seq[p.ID])
		}
	}
}
