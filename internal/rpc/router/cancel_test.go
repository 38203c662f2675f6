package router

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/rpc/wire"
)

func TestCancelRequest(t *testing.T) {
	var g *gate
	play(t, Config{MaxWaiting: 2}, func(r *rig) {
		g = newGate(r)
		r.Register("gate", Options{}, g.handle)
		r.Register("bypass", Options{Order: Bypass}, g.handle)
		r.Register("stubborn", Options{Order: Bypass}, func(_ context.Context, req *Request) error {
			<-g.free
			if req.Reply("late") {
				t.Error("a cancelled request was answered twice")
			}
			return nil
		})
		r.Register("later", Options{}, func(ctx context.Context, req *Request) error {
			go func() { // as run {wait: true} does
				select {
				case <-ctx.Done():
					r.mark("stopped waiting")
				case <-g.free:
					req.Reply("waited")
				}
			}()
			return nil
		})
	}, func(r *rig) {
		// One that runs is answered at once, and then its context ends.
		r.send(request("1", "gate", `{"id":"a"}`))
		r.expect("begin 1")
		r.send(cancel("1"))
		r.expect("1 error -32800", "cancelled 1")
		r.send(cancel("1")) // it is answered
		r.expect()

		// 1 is not "1", and white space or other spellings don't matter to nobody.
		r.send(request("1", "bypass", `{}`))
		r.expect("begin 1")
		r.send(cancel(`"1"`), cancel("1.0"), cancel("null"), cancel("2"))
		r.expect()
		r.send(notification("$/cancelRequest", `{ "id" : 1 , "_meta": {}}`))
		r.expect("1 error -32800", "cancelled 1")

		// One that waits never runs, and makes room.
		r.send(request(`"w"`, "gate", `{"id":"a"}`))
		r.expect(`begin "w"`)
		r.send(request("2", "gate", `{"id":"a"}`), request("3", "gate", `{"id":"a"}`), request("4", "gate", `{"id":"a"}`))
		r.expect("4 error -31008")
		r.send(cancel("2"), request("5", "gate", `{"id":"a"}`))
		r.expect("2 error -32800")
		r.send(cancel(`"w"`))
		r.expect(`"w" error -32800`, `cancelled "w"`, "begin 3")
		r.send(cancel("3"))
		r.expect("3 error -32800", "cancelled 3", "begin 5")
		r.send(cancel("5"))
		r.expect("5 error -32800", "cancelled 5")

		// Two in flight with the same id get an answer each.
		r.send(request("6", "gate", `{"id":"a"}`), request("6", "gate", `{"id":"b"}`))
		r.expect("begin 6", "begin 6")
		r.send(cancel("6"))
		r.expect("6 error -32800", "6 error -32800", "cancelled 6", "cancelled 6")

		// Nobody's second answer gets out.
		r.send(request("7", "stubborn", `{}`))
		r.expect()
		r.send(cancel("7"))
		r.expect("7 error -32800")

		// One whose handler has returned, but not replied, can be cancelled too.
		r.send(request("8", "later", `{}`))
		r.expect()
		r.send(cancel("8"))
		r.expect("8 error -32800", "stopped waiting")
		r.send(request("9", "later", `{}`))
		close(g.free)
		r.expect(`9 "waited"`)
	})
}

// TestCancelledBeforeItBegins: a request that was taken from its queue when it is
// cancelled, but has not begun, does nothing.
func TestCancelledBeforeItBegins(t *testing.T) {
	r := New(wire.NewStream(nil, nil, wire.StreamOptions{}), Config{})
	ctx, cancel := context.WithCancel(t.Context())
	q := &Request{router: r, notification: true, cancel: cancel}
	r.take(q)
	cancel()
	r.run(ctx, func(context.Context, *Request) error {
		t.Error("it began")
		return nil
	}, q)
	if r.active != 0 || len(r.open) != 0 {
		t.Error("it is not let go of")
	}
}

// TestShutdown: what was taken in is finished, what comes later is refused.
func TestShutdown(t *testing.T) {
	var g *gate
	register := func(r *rig) {
		g = newGate(r)
		r.Register("gate", Options{}, g.handle)
		r.Register("exit", Options{Order: Inline}, func(context.Context, *Request) error { r.mark("exit"); return nil })
		r.Register("never", Options{}, func(context.Context, *Request) error { return nil })
	}
	t.Run("waits", func(t *testing.T) {
		play(t, Config{}, register, func(r *rig) {
			r.send(request("1", "gate", `{"id":"a"}`), request("2", "gate", `{"id":"a"}`), request("3", "never", `{}`))
			r.expect("begin 1")
			done := make(chan error, 2)
			for range cap(done) { // twice is once
				go func() { done <- r.Shutdown(r.t.Context()) }()
			}
			synctest.Wait()
			r.send(request("4", "gate", `{}`), notification("gate", `{}`), notification("exit", `null`))
			r.expect("4 error -31012", "exit")
			select {
			case err := <-done:
				t.Errorf("Shutdown returned %v while a request runs", err)
			default:
			}
			close(g.free)
			for range cap(done) {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
			r.expect(`1 "gate"`, "begin 2", `2 "gate"`, "3 error -31012")
		})
	})
	t.Run("gives up", func(t *testing.T) {
		play(t, Config{}, register, func(r *rig) {
			r.send(request("1", "gate", `{"id":"a"}`), request("2", "gate", `{"id":"a"}`))
			r.expect("begin 1")
			ctx, cancel := context.WithTimeout(r.t.Context(), time.Second)
			defer cancel()
			if err := r.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Shutdown: %v", err)
			}
			synctest.Wait()
			r.mu.Lock()
			all := strings.Join(r.got, ", ")
			r.got = nil
			r.mu.Unlock()
			for _, want := range []string{"1 error -31012", "2 error -31012", "cancelled 1"} {
				if !strings.Contains(all, want) {
					t.Errorf("%s is not in %s", want, all)
				}
			}
			if strings.Contains(all, "begin 2") {
				t.Errorf("a request began after the end: %s", all)
			}
		})
	})
	t.Run("refuses", func(t *testing.T) {
		play(t, Config{}, register, func(r *rig) {
			r.Refuse()
			r.send(request("1", "gate", `{}`), request("2", "initialize", `{}`), request("3", "what", `{}`))
			r.expect("1 error -31012", "2 error -31012", "3 error -31012")
		})
	})
}

// TestEndOfInput: what was asked before the input ended is answered.
func TestEndOfInput(t *testing.T) {
	var g *gate
	play(t, Config{}, func(r *rig) {
		g = newGate(r)
		r.Register("gate", Options{}, g.handle)
	}, func(r *rig) {
		r.send(request("1", "gate", `{}`), request("2", "gate", `{}`))
		if err := r.in.Close(); err != nil {
			t.Fatal(err)
		}
		<-r.conn.DisconnectNotify()
		r.expect("begin 1")
		close(g.free)
		r.expect(`1 "gate"`, "begin 2", `2 "gate"`)
	})
}
