package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

const (
	// MaxQueuedBytes bounds the events and deltas in an outbox, unless
	// [OutboxOptions] say otherwise.
	MaxQueuedBytes = 32 << 20

	// batchBytes is how much the writer takes at once, and the size of its
	// buffer: many small frames leave in one write.
	batchBytes = 64 << 10
)

// ErrClosed is the error of a message for an outbox that is closed.
var ErrClosed = errors.New("the connection to the client is closed")

// OutboxOptions are optional.
type OutboxOptions struct {
	// MaxQueuedBytes bounds the bodies of events and deltas that wait;
	// [MaxQueuedBytes] if 0. What is never dropped does not count.
	MaxQueuedBytes int
	// Lines puts each message on a line of its own instead of behind a header: the
	// transport of ACP. Bodies then hold no line breaks.
	Lines bool
}

// Outbox is the queue to one client and the only writer of its connection.
// Frames leave in the order in which they were put in. No method but Close ever
// blocks; all may be called from any goroutine. Bodies are whole JSON-RPC
// messages and belong to the outbox from then on.
//
// For each conversation every event is either sent or covered by exactly one
// conversation/gap, in order of seq. That holds because a conversation's frames
// stand in the queue as at most one gap per epoch, then events without a hole:
// what is dropped is always all of its events, and they extend that gap.
type Outbox struct {
	max   int
	lines bool
	done  chan struct{}

	mu    sync.Mutex
	wake  sync.Cond // something is queued, or closing
	queue list
	bytes int // of events and deltas, queued or pending
	kept  int // bytes of frames that are never dropped
	convs map[string]*conv

	deltas  map[DeltaKey]*delta
	pending []*delta // with text to flush, oldest first
	every   time.Duration
	flushed time.Time
	timer   *time.Timer // runs while something is pending

	closing bool
	ended   bool
	err     error
}

// conv is what waits for one conversation.
type conv struct {
	id          string
	first, last *frame // the events, linked by nextEvent
	gap, state  *frame
}

// NewOutbox starts the writer to w. It ends when Close has drained the queue or
// a write has failed.
func NewOutbox(w io.Writer, o OutboxOptions) *Outbox {
	if o.MaxQueuedBytes == 0 {
		o.MaxQueuedBytes = MaxQueuedBytes
	}
	out := newQueue(o.MaxQueuedBytes)
	out.lines = o.Lines
	go out.write(w)
	return out
}

// newQueue is an outbox without its writer.
func newQueue(limit int) *Outbox {
	o := &Outbox{max: limit, done: make(chan struct{}), convs: map[string]*conv{}, deltas: map[DeltaKey]*delta{}}
	o.wake.L = &o.mu
	return o
}

// Send queues a frame that is never dropped: a reply, a request, a
// conversation/requestResolved.
func (o *Outbox) Send(body []byte) { _ = o.send(body) } // only a reply has someone to tell

func (o *Outbox) send(body []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closing {
		if o.err != nil {
			return o.err
		}
		return ErrClosed
	}
	o.kept += len(body)
	o.push(&frame{body: body})
	return nil
}

// Waiting is how many bytes wait for the client to read.
func (o *Outbox) Waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes + o.kept
}

// Event queues a durable event, after the deltas that wait for its conversation.
// If it finds no room, the events of the conversation that wait are replaced by
// one conversation/gap, and so is this one if that made no room.
func (o *Outbox) Event(conversation string, epoch, seq int, body []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closing {
		return
	}
	o.flush(conversation)
	c := o.conv(conversation)
	if o.bytes+len(body) > o.max {
		o.dropEvents(c)
	}
	if o.bytes+len(body) > o.max {
		o.cover(c, epoch, seq, nil)
		return
	}
	f := &frame{kind: event, conv: c, epoch: epoch, seq: seq, body: body}
	if c.last == nil {
		c.first = f
	} else {
		c.last.nextEvent = f
	}
	c.last = f
	o.bytes += len(body)
	o.push(f)
}

// dropEvents replaces the events of c that wait by a gap where the first of them
// stood, so that what follows an event still follows the gap.
func (o *Outbox) dropEvents(c *conv) {
	for f := c.first; f != nil; {
		next := f.nextEvent
		f.nextEvent = nil // a gap must not keep what it replaces in memory
		o.bytes -= len(f.body)
		o.cover(c, f.epoch, f.seq, f)
		f = next
	}
	c.first, c.last = nil, nil
}

// cover extends the gap of c by one event, or begins a gap in the place of the
// event's frame, or at the end if the event was never queued. A gap never spans
// two epochs: their numbers don't compare.
func (o *Outbox) cover(c *conv, epoch, seq int, f *frame) {
	switch g := c.gap; {
	case g != nil && g.epoch == epoch:
		g.after, g.to = min(g.after, seq-1), max(g.to, seq)
		if f != nil {
			o.queue.remove(f)
		}
		return
	case f == nil:
		f = &frame{conv: c, epoch: epoch}
		o.push(f)
	}
	f.kind, f.body, f.after, f.to = gap, nil, seq-1, seq
	c.gap = f
}

// State queues a conversation/stateChanged and takes back an older one that
// still waits. The state that ends a run goes through [Outbox.Terminal].
func (o *Outbox) State(conversation string, body []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closing {
		return
	}
	c := o.conv(conversation)
	o.dropState(c)
	c.state = &frame{kind: state, conv: c, body: body}
	o.push(c.state)
}

// Terminal queues the conversation/stateChanged that ends a run, after the
// deltas that wait for the conversation. It is never dropped, and takes back an
// older state that still waits.
func (o *Outbox) Terminal(conversation string, body []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closing {
		return
	}
	o.flush(conversation)
	o.forget(conversation)
	o.dropState(o.conv(conversation))
	o.kept += len(body)
	o.push(&frame{body: body})
}

func (o *Outbox) dropState(c *conv) {
	if c.state != nil {
		o.queue.remove(c.state)
		c.state = nil
	}
}

// conv returns the record of a conversation. Records stay as long as the
// connection: they are small and as few as the conversations it has shown.
func (o *Outbox) conv(id string) *conv {
	c := o.convs[id]
	if c == nil {
		c = &conv{id: id}
		o.convs[id] = c
	}
	return c
}

func (o *Outbox) push(f *frame) {
	o.queue.push(f)
	o.wake.Signal()
}

// Close refuses what comes later, waits until everything queued is written, and
// ends the writer. If ctx ends first the rest is dropped; the writer then ends
// after the write it is in.
func (o *Outbox) Close(ctx context.Context) error {
	o.mu.Lock()
	if !o.closing {
		o.flushAll()
		o.shut()
	}
	o.mu.Unlock()
	select {
	case <-o.done:
		return o.Err()
	case <-ctx.Done():
		o.end(nil)
		return fmt.Errorf("draining the output: %w", context.Cause(ctx))
	}
}

// Done is closed when the writer has ended.
func (o *Outbox) Done() <-chan struct{} { return o.done }

// Err is the write error that ended the outbox, or nil.
func (o *Outbox) Err() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// shut lets nothing more in.
func (o *Outbox) shut() {
	o.closing = true
	if o.timer != nil {
		o.timer.Stop()
	}
	o.wake.Signal()
}

// end drops what is queued.
func (o *Outbox) end(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
	}
	o.shut()
	o.queue, o.bytes, o.kept = list{}, 0, 0
	o.convs, o.deltas, o.pending = nil, nil, nil
	o.ended = true
}

// take waits for frames and takes the next of them; none are left when it
// returns none.
func (o *Outbox) take(batch []*frame) []*frame {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.queue.first == nil && !o.closing {
		o.wake.Wait()
	}
	for size := 0; size < batchBytes && o.queue.first != nil; {
		f := o.pop()
		size += len(f.body)
		batch = append(batch, f)
	}
	return batch
}

// pop takes the first frame and lets go of it, so that nothing is added to a
// frame on its way.
func (o *Outbox) pop() *frame {
	f := o.queue.first
	o.queue.remove(f)
	switch f.kind {
	case sent:
		o.kept -= len(f.body)
	case event:
		o.bytes -= len(f.body)
		f.conv.first = f.nextEvent
		if f.conv.first == nil {
			f.conv.last = nil
		}
	case gap:
		if f.conv.gap == f {
			f.conv.gap = nil
		}
	case state:
		f.conv.state = nil
	case text:
		o.bytes -= len(f.body)
		if f.delta.queued == f {
			f.delta.queued = nil
			o.tidy(f.delta)
		}
	}
	return f
}

func (o *Outbox) write(w io.Writer) {
	defer close(o.done)
	buf := bufio.NewWriterSize(w, batchBytes)
	var batch []*frame
	for {
		batch = o.take(batch[:0])
		if len(batch) == 0 {
			o.end(nil)
			return
		}
		for _, f := range batch {
			// A write error stays in buf until Flush.
			body := f.message()
			if o.lines {
				_, _ = buf.Write(body)
				_ = buf.WriteByte('\n')
				continue
			}
			_, _ = buf.WriteString("Content-Length: ")
			_, _ = buf.Write(strconv.AppendInt(buf.AvailableBuffer(), int64(len(body)), 10))
			_, _ = buf.WriteString("\r\n\r\n")
			_, _ = buf.Write(body)
		}
		clear(batch)
		if err := buf.Flush(); err != nil {
			o.end(fmt.Errorf("writing to the client: %w", err))
			return
		}
	}
}

// message is the body of a frame. Gaps and deltas are encoded only now, since
// they grow while they wait.
func (f *frame) message() []byte {
	var method string
	var params any
	switch f.kind {
	case gap:
		method = protocol.NotifyGap
		params = protocol.GapNotification{ID: f.conv.id, Epoch: f.epoch, After: f.after, To: f.to}
	case text:
		method = protocol.NotifyDelta
		params = f.notification()
	default:
		return f.body
	}
	body, err := Notification(method, params)
	if err != nil {
		panic(err) // strings and integers always encode
	}
	return body
}
