package wire

// kind is the delivery class of a frame.
type kind uint8

const (
	sent  kind = iota // kept whatever happens
	event             // becomes a gap
	gap
	state // only the newest
	text  // a delta: merged, or lost
)

// frame is one message in the queue.
type frame struct {
	prev, next *frame
	kind       kind
	body       []byte // of a delta: its text, not encoded yet
	conv       *conv  // nil for sent and text

	epoch, seq int    // of an event; a gap has the epoch
	nextEvent  *frame // of the same conversation

	after, to int // of a gap

	delta  *delta
	offset int
}

// list is the queue: linked, so that what is dropped leaves nothing behind.
type list struct{ first, last *frame }

func (l *list) push(f *frame) {
	f.prev = l.last
	if l.last == nil {
		l.first = f
	} else {
		l.last.next = f
	}
	l.last = f
}

func (l *list) remove(f *frame) {
	if f.prev == nil {
		l.first = f.next
	} else {
		f.prev.next = f.next
	}
	if f.next == nil {
		l.last = f.prev
	} else {
		f.next.prev = f.prev
	}
	f.prev, f.next = nil, nil
}
