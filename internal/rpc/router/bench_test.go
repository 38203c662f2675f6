package router

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/rpc/wire"
)

// BenchmarkRouter takes requests from the bytes of the client to its reply.
func BenchmarkRouter(b *testing.B) {
	for name, order := range map[string]Order{"queued": Queued, "bypass": Bypass, "inline": Inline} {
		b.Run(name, func(b *testing.B) {
			in, client := io.Pipe()
			out := wire.NewOutbox(io.Discard, wire.OutboxOptions{})
			r := New(wire.NewStream(in, out, wire.StreamOptions{}), Config{MaxWaiting: b.N + 1, MaxWaitingTotal: b.N + 1})
			r.phase = ready
			Method(r, "conversation/pause", Options{Order: order}, func(_ context.Context, p protocol.IDParams) (protocol.PauseResult, error) {
				return protocol.PauseResult{Status: protocol.StatusPaused}, nil
			})
			r.Connect(b.Context())
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				if _, err := io.WriteString(client, request(fmt.Sprint(i), "conversation/pause", `{"id":"6f1fb2ea-5b33-4c4e-9d0b-1f4f4f0b2f7a"}`)); err != nil {
					b.Fatal(err)
				}
			}
			if err := client.Close(); err != nil {
				b.Fatal(err)
			}
			<-r.conn.DisconnectNotify()
			if err := r.Shutdown(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			if err := out.Close(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
}
