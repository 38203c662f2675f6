package terminal

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// maxKept is how much of one command's output is kept, in bytes: its head and
// its tail, half each.
const maxKept = 8 << 20

// buffer keeps the head and the tail of a text of any length. The zero value is
// empty and keeps maxKept bytes.
type buffer struct {
	head []byte
	// tail is a ring once it is full; next is where the next byte goes.
	tail []byte
	next int
	// total counts all that was written.
	total int64
	// half is the room for head and tail each.
	half int
}

func (b *buffer) write(p []byte) {
	if b.half == 0 {
		b.half = maxKept / 2
	}
	b.total += int64(len(p))
	n := min(b.half-len(b.head), len(p))
	b.head = append(b.head, p[:n]...)
	p = p[n:]
	if over := len(p) - b.half; over > 0 {
		p = p[over:]
	}
	n = min(b.half-len(b.tail), len(p))
	b.tail = append(b.tail, p[:n]...)
	for p = p[n:]; len(p) > 0; p = p[n:] {
		n = copy(b.tail[b.next:], p)
		b.next = (b.next + n) % b.half
	}
}

// take gives the text and empties the buffer. Where bytes were lost a note
// stands in their place.
func (b *buffer) take() []byte {
	head, tail := b.head, b.tail
	lost := b.total - int64(len(head)) - int64(len(tail))
	if b.next > 0 {
		tail = append(bytes.Clone(tail[b.next:]), tail[:b.next]...)
	}
	*b = buffer{half: b.half}
	if lost == 0 {
		return append(head, tail...)
	}
	wholeHead, wholeTail := trimEnd(head), trimStart(tail)
	lost += int64(len(head) - len(wholeHead) + len(tail) - len(wholeTail))
	note := fmt.Sprintf("\n[%d bytes of output came here and were not kept]\n", lost)
	return append(append(wholeHead, note...), wholeTail...)
}

// trimEnd takes a character that was cut off the end.
func trimEnd(p []byte) []byte {
	for i := 1; i < utf8.UTFMax && i <= len(p); i++ {
		if b := p[len(p)-i]; utf8.RuneStart(b) {
			if !utf8.FullRune(p[len(p)-i:]) {
				return p[:len(p)-i]
			}
			break
		}
	}
	return p
}

// trimStart takes the rest of a cut character off the start.
func trimStart(p []byte) []byte {
	for i := 0; i < utf8.UTFMax-1 && len(p) > 0 && !utf8.RuneStart(p[0]); i++ {
		p = p[1:]
	}
	return p
}
