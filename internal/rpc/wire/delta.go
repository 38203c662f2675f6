package wire

import (
	"math"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// DeltaKey names what a delta is a part of: one stream of one message or one
// tool call.
type DeltaKey struct {
	Conv       string
	RunID      string
	MessageID  string // or ToolCallID
	ToolCallID string
	Stream     string // "text", "reasoning", "stdout" or "args"
}

// delta is what waits of one stream. Its text passes through two places: here
// until it is flushed, then in a frame of the queue until the writer takes it.
type delta struct {
	key     DeltaKey
	offset  int    // of text, in bytes
	text    []byte // may end within a character
	pending bool   // in Outbox.pending
	queued  *frame
}

// SetMaxHz sets how often the deltas of a stream are flushed, in times per
// second; 0 or less, as at the beginning, sends none.
func (o *Outbox) SetMaxHz(hz float64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.every = 0
	if hz > 0 {
		o.every = time.Duration(math.Min(math.Max(float64(time.Second)/hz, float64(time.Millisecond)), float64(time.Minute)))
	}
}

// Delta adds to a stream; offset is that of text, in bytes from the beginning of
// the stream. What comes within the interval of [Outbox.SetMaxHz], or while a
// delta of the stream waits in the queue, is merged. Text is lost when half of
// the queue is full, which the next offset shows. No message ends within a
// character, and a byte that is not UTF-8 becomes a question mark.
func (o *Outbox) Delta(k DeltaKey, offset int, text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closing || o.every == 0 || text == "" || o.bytes+len(text) > o.max/2 {
		return
	}
	d := o.deltas[k]
	if d == nil {
		d = &delta{key: k, offset: offset}
		o.deltas[k] = d
	}
	if offset != d.offset+len(d.text) {
		o.emit(d)
		o.bytes -= len(d.text)
		d.text, d.offset = nil, offset
	}
	d.text = append(d.text, text...)
	o.bytes += len(text)
	if d.pending || complete(d.text) == 0 {
		return
	}
	d.pending = true
	o.pending = append(o.pending, d)
	if len(o.pending) == 1 {
		o.schedule()
	}
}

// schedule flushes now if the last time is long enough ago, else at its time.
func (o *Outbox) schedule() {
	wait := o.every - time.Since(o.flushed)
	switch {
	case wait <= 0:
		o.flushAll()
	case o.timer == nil:
		o.timer = time.AfterFunc(wait, o.tick)
	default:
		o.timer.Reset(wait)
	}
}

func (o *Outbox) tick() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closing {
		o.flushAll()
	}
}

// flushAll moves what is pending into the queue.
func (o *Outbox) flushAll() {
	if len(o.pending) == 0 {
		return
	}
	for _, d := range o.pending {
		d.pending = false
		o.emit(d)
	}
	o.pending = slices.Delete(o.pending, 0, len(o.pending))
	o.flushed = time.Now()
}

// flush moves what is pending of a conversation into the queue.
func (o *Outbox) flush(conversation string) {
	if len(o.pending) == 0 {
		return
	}
	o.pending = slices.DeleteFunc(o.pending, func(d *delta) bool {
		if d.key.Conv != conversation {
			return false
		}
		d.pending = false
		o.emit(d)
		return true
	})
	if len(o.pending) == 0 && o.timer != nil {
		o.timer.Stop()
	}
}

// emit queues the text of d up to the last whole character. It joins the frame
// of d that is queued already, if it goes on where that ends.
func (o *Outbox) emit(d *delta) {
	n := complete(d.text)
	if n == 0 {
		return
	}
	ready := d.text[:n]
	if q := d.queued; q != nil && q.offset+len(q.body) == d.offset {
		q.body = append(q.body, ready...)
	} else {
		d.queued = &frame{kind: text, delta: d, offset: d.offset, body: slices.Clone(ready)}
		o.push(d.queued)
	}
	d.offset += n
	d.text = append(d.text[:0], d.text[n:]...)
}

// forget drops the characters that were begun and will not be completed.
func (o *Outbox) forget(conversation string) {
	for _, d := range o.deltas {
		if d.key.Conv == conversation && !d.pending {
			o.bytes -= len(d.text)
			d.text = nil
			o.tidy(d)
		}
	}
}

// tidy forgets a stream of which nothing waits.
func (o *Outbox) tidy(d *delta) {
	if len(d.text) == 0 && d.queued == nil {
		delete(o.deltas, d.key)
	}
}

// notification is the params of a delta's frame.
func (f *frame) notification() protocol.DeltaNotification {
	return protocol.DeltaNotification{
		ID:     f.delta.key.Conv,
		RunID:  f.delta.key.RunID,
		Target: protocol.DeltaTarget{MessageID: f.delta.key.MessageID, ToolCallID: f.delta.key.ToolCallID},
		Stream: f.delta.key.Stream,
		Offset: f.offset,
		Text:   printable(f.body),
	}
}

// complete is the length of b without a character that is begun at its end.
func complete(b []byte) int {
	for i := len(b) - 1; i >= 0 && i >= len(b)-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if utf8.FullRune(b[i:]) {
				break
			}
			return i
		}
	}
	return len(b)
}

// printable replaces bytes that are not UTF-8 by as many others, so that offsets
// stay right.
func printable(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			out = append(out, '?')
		} else {
			out = append(out, b[:n]...)
		}
		b = b[n:]
	}
	return string(out)
}
