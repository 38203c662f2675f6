package router

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/sourcegraph/jsonrpc2"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// TestCall: requests of the server, while the client goes on with its own.
func TestCall(t *testing.T) {
	type answer struct {
		Decision string           `json:"decision"`
		Remember *struct{ X int } `json:"remember"`
	}
	type outcome struct {
		answer *answer
		err    error
	}
	var outcomes chan outcome
	end := map[string]context.CancelFunc{}
	play(t, Config{}, func(r *rig) {
		outcomes = make(chan outcome, 1)
		r.Register("ask", Options{}, func(ctx context.Context, req *Request) error {
			ctx, end[req.rawID] = context.WithCancel(ctx)
			defer end[req.rawID]()
			var o outcome
			o.err = r.Call(ctx, "confirm", map[string]int{"n": 1}, &o.answer)
			outcomes <- o
			req.Reply("asked")
			return nil
		})
		r.Register("ping", Options{Order: Inline}, reply("pong"))
	}, func(r *rig) {
		for name, tt := range map[string]struct {
			reply string // members of the reply
			check func(outcome) bool
		}{
			"a result":     {`"result":{"decision":"approve"}`, func(o outcome) bool { return o.err == nil && o.answer.Decision == "approve" }},
			"null":         {`"result":null`, func(o outcome) bool { return o.err == nil && o.answer == nil }},
			"empty arrays": {`"result":{"decision":"reject","remember":[]}`, func(o outcome) bool { return o.err == nil && o.answer.Remember != nil }},
			"an error": {`"error":{"code":-32603,"message":"no"}`, func(o outcome) bool {
				var e *jsonrpc2.Error
				return errors.As(o.err, &e) && e.Code == -32603
			}},
			"malformed": {`"result":{"decision":7}`, func(o outcome) bool {
				var e *protocol.Error // it must not become an answer to our client
				return o.err != nil && !errors.As(o.err, &e)
			}},
		} {
			r.send(request("1", "ask", `{}`))
			r.expect(`confirm {"n":1}`)
			r.send(request("2", "ping", `{}`)) // the reader goes on
			r.expect(`2 "pong"`)
			r.send(frame(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,%s}`, r.lastID, tt.reply)))
			r.expect(`1 "asked"`)
			if o := <-outcomes; !tt.check(o) {
				t.Errorf("%s: got %+v, %v", name, o.answer, o.err)
			}
		}

		// The client is told when nobody waits for its answer any more.
		r.send(request(`"c"`, "ask", `{}`))
		r.expect(`confirm {"n":1}`)
		end[`"c"`]()
		r.expect(fmt.Sprintf(`$/cancelRequest {"id":%s}`, r.lastID), `"c" "asked"`)
		if o := <-outcomes; !errors.Is(o.err, context.Canceled) {
			t.Errorf("cancelled: %v", o.err)
		}
		r.send(frame(fmt.Sprintf(`{"id":%s,"error":{"code":-32800,"message":"cancelled"}}`, r.lastID)))
		r.expect()

		// A call whose context has ended is not made.
		ended, cancel := context.WithCancel(r.t.Context())
		cancel()
		if err := r.Call(ended, "confirm", nil, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("ended: %v", err)
		}
		if err := r.Call(r.t.Context(), "confirm", func() {}, nil); err == nil {
			t.Error("params without JSON were sent")
		}
		r.expect()

		// The connection ends.
		r.send(request("3", "ask", `{}`))
		r.expect(`confirm {"n":1}`)
		if err := r.in.Close(); err != nil {
			t.Fatal(err)
		}
		if o := <-outcomes; !errors.Is(o.err, jsonrpc2.ErrClosed) {
			t.Errorf("closed: %v", o.err)
		}
		r.expect(`3 "asked"`)
	})
}

// TestCallBeforeConnect waits for the connection.
func TestCallBeforeConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(nil, Config{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Call(ctx, "m", nil, nil) }()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
