package wire

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/sourcegraph/jsonrpc2"
)

// BenchmarkOutboxEvents sends encoded events through a pipe of the system to a
// client that reads them; the producer is held back so that none is dropped.
func BenchmarkOutboxEvents(b *testing.B) {
	for _, size := range []int{300, 16 << 10} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			r, w, err := os.Pipe()
			if err != nil {
				b.Fatal(err)
			}
			const step = 1 << 20
			read := make(chan struct{}, 16) // a token per step that the client has read
			for range cap(read) {
				read <- struct{}{}
			}
			clientDone := make(chan struct{})
			go func() {
				defer close(clientDone)
				buf := make([]byte, 64<<10)
				for n := 0; ; {
					m, err := r.Read(buf)
					if err != nil {
						return
					}
					for n += m; n >= step; n -= step {
						read <- struct{}{}
					}
				}
			}()
			o := NewOutbox(w, OutboxOptions{MaxQueuedBytes: 64 << 20})
			body := eventBody("a", 1, 1, size)
			frame := len(frameOf(string(body)))
			b.SetBytes(int64(frame))
			b.ReportAllocs()
			credit, seq := 0, 0
			for b.Loop() {
				if credit < frame {
					<-read
					credit += step
				}
				credit -= frame
				seq++
				o.Event("a", 1, seq, body)
			}
			if err := o.Close(b.Context()); err != nil {
				b.Fatal(err)
			}
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
			<-clientDone
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			_ = r.Close() // nothing is read from it any more
		})
	}
}

// BenchmarkOutboxFull is the cost of an event for a client that does not read.
func BenchmarkOutboxFull(b *testing.B) {
	o := newQueue(MaxQueuedBytes)
	body := eventBody("a", 1, 1, 300)
	b.ReportAllocs()
	seq := 0
	for b.Loop() {
		seq++
		o.Event("a", 1, seq, body)
	}
}

func BenchmarkOutboxDeltas(b *testing.B) {
	o := NewOutbox(io.Discard, OutboxOptions{})
	o.SetMaxHz(30)
	key := DeltaKey{Conv: "a", RunID: "r", MessageID: "m", Stream: "text"}
	b.ReportAllocs()
	offset := 0
	for b.Loop() {
		o.Delta(key, offset, "token ")
		offset += len("token ")
	}
	if err := o.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkStreamRead reads requests through the library into a handler.
func BenchmarkStreamRead(b *testing.B) {
	for _, size := range []int{200, 16 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			frame := frameOf(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"m","params":{"id":"x","text":%q}}`, strings.Repeat("x", size)))
			r, w := io.Pipe()
			o := NewOutbox(io.Discard, OutboxOptions{})
			s := NewStream(r, o, StreamOptions{})
			done := make(chan struct{})
			n := 0
			conn := s.Conn(b.Context(), handlerFunc(func(_ context.Context, _ *jsonrpc2.Conn, req *jsonrpc2.Request) {
				if err := s.Reply(req.ID, json.RawMessage(`{}`)); err != nil {
					b.Error(err)
				}
				if n++; n == b.N {
					close(done)
				}
			}))
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				if _, err := io.WriteString(w, frame); err != nil {
					b.Fatal(err)
				}
			}
			<-done
			b.StopTimer()
			if err := conn.Close(); err != nil {
				b.Fatal(err)
			}
			if err := o.Close(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkStreamReply is the cost of a reply of 16 KiB, encoded once.
func BenchmarkStreamReply(b *testing.B) {
	o := NewOutbox(io.Discard, OutboxOptions{})
	s := NewStream(strings.NewReader(""), o, StreamOptions{})
	result := struct{ Text string }{strings.Repeat("x", 16<<10)}
	b.ReportAllocs()
	for b.Loop() {
		n := s.ids.receive(json.RawMessage("1"))
		if err := s.Reply(jsonrpc2.ID{Num: n}, result); err != nil {
			b.Fatal(err)
		}
	}
	if err := o.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}
