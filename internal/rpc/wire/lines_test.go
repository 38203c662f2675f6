package wire

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// TestLines: a message is a line; blank ones are nothing, one that is too long is
// refused once, and the last needs no end.
func TestLines(t *testing.T) {
	long := strings.Repeat("x", 3*readBuffer)
	var refused []string
	in := newLines(strings.NewReader("{\"a\":1}\r\n\n  \n"+long+"\n"+`{"b":2}`), readBuffer, func(e *protocol.Error) { refused = append(refused, e.Message) })
	var got []string
	for {
		body, err := in.next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			break
		}
		got = append(got, string(body))
	}
	if !slices.Equal(got, []string{`{"a":1}`, `{"b":2}`}) || len(refused) != 1 || !strings.Contains(refused[0], "over the limit") {
		t.Errorf("got %q, refused %q", got, refused)
	}
}

// TestLinesOut: an outbox of lines writes each message on one, in order, and knows
// how much waits.
func TestLinesOut(t *testing.T) {
	var b bytes.Buffer
	o := newQueue(MaxQueuedBytes)
	o.lines = true
	o.Send([]byte(`{"a":1}`))
	o.Send([]byte(`{"b":2}`))
	if n := o.Waiting(); n != 14 {
		t.Errorf("%d bytes wait", n)
	}
	o.shut()
	o.write(&b)
	if b.String() != "{\"a\":1}\n{\"b\":2}\n" || o.Waiting() != 0 {
		t.Errorf("wrote %q, %d bytes wait", b.String(), o.Waiting())
	}
}
