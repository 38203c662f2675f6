package router

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// TestLifecycle feeds sequences to a new connection.
func TestLifecycle(t *testing.T) {
	ping, work := request("1", "agent/ping", "{}"), request("2", "work", "{}")
	initialize, shutdown := request("3", "initialize", "{}"), request("4", "shutdown", "null")
	for name, tt := range map[string]struct{ send, want []string }{
		"before initialize":             {[]string{work, ping}, []string{"2 error -32002", `1 "pong"`}},
		"unknown before initialize":     {[]string{request("5", "what", "{}")}, []string{"5 error -32002"}},
		"shutdown before initialize":    {[]string{shutdown, ping}, []string{"4 error -32002", `1 "pong"`}},
		"notification before":           {[]string{notification("note", "{}"), ping}, []string{`1 "pong"`}},
		"exit before initialize":        {[]string{notification("exit", "null")}, []string{"exit"}},
		"at once, without waiting":      {[]string{initialize, work}, []string{"3 {}", `2 "worked"`}},
		"initialize twice":              {[]string{initialize, initialize, work}, []string{"3 {}", "3 error -32600", `2 "worked"`}},
		"initialize fails, then works":  {[]string{request("6", "initialize", `{"fail":true}`), work, initialize, work}, []string{"6 error -31009", "2 error -32002", "3 {}", `2 "worked"`}},
		"initialize as a notification":  {[]string{notification("initialize", "{}"), work}, []string{"2 error -32002"}},
		"shutdown as a notification":    {[]string{initialize, notification("shutdown", "{}"), work}, []string{"3 {}", `2 "worked"`}},
		"after shutdown":                {[]string{initialize, shutdown, ping, initialize, shutdown, request("5", "what", "{}"), notification("note", "{}"), notification("exit", "null")}, []string{"3 {}", "1 error -32600", "3 error -32600", "4 error -32600", "5 error -32600", "exit", "4 null"}},
		"unknown method":                {[]string{initialize, request("5", "what", "{}"), request("6", "$/what", "{}")}, []string{"3 {}", "5 error -32601", "6 error -32601"}},
		"unknown notification":          {[]string{initialize, notification("what", "{}"), notification("$/what", "{}"), work}, []string{"3 {}", `2 "worked"`}},
		"a request as a notification":   {[]string{initialize, notification("work", "{}"), work}, []string{"3 {}", `2 "worked"`}},
		"a notification as a request":   {[]string{initialize, request("7", "note", "{}")}, []string{"3 {}", "noted"}},
		"cancel as a request":           {[]string{initialize, request("8", "$/cancelRequest", `{"id":1}`)}, []string{"3 {}", "8 error -32601"}},
		"cancel of nothing, everywhere": {[]string{cancel("1"), initialize, cancel("1"), cancel("null"), notification("$/cancelRequest", "[]"), notification("$/cancelRequest", "null"), work}, []string{"3 {}", `2 "worked"`}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				finish := make(chan struct{})
				r := newRig(t, Config{}, func(r *rig) {
					delete(r.methods, "initialize")
					Method(r.Router, "initialize", Options{Order: Inline}, func(_ context.Context, p struct{ Fail bool }) (struct{}, error) {
						if p.Fail {
							return struct{}{}, &protocol.Error{Code: protocol.CodeUnsupported, Message: "no"}
						}
						return struct{}{}, nil
					})
					r.Register("agent/ping", Options{Order: Inline, Early: true}, reply("pong"))
					r.Register("shutdown", Options{Order: Bypass}, func(_ context.Context, req *Request) error {
						<-finish // as slow as can be
						req.Reply(nil)
						return nil
					})
					mark := func(line string) Handler {
						return func(context.Context, *Request) error { r.mark(line); return nil }
					}
					r.Register("exit", Options{Order: Inline}, mark("exit"))
					r.Register("note", Options{Order: Inline}, mark("noted"))
					r.Register("work", Options{}, reply("worked"))
				})
				for _, f := range tt.send {
					r.send(f)
					synctest.Wait()
				}
				close(finish)
				r.expect(tt.want...)
				if name == "a notification as a request" {
					r.send(cancel("7")) // its handler never replies
					r.expect("7 error -32800")
				}
				r.close()
			})
		})
	}
}

// TestErrors: what a handler returns or does, and the reply.
func TestErrors(t *testing.T) {
	typed := &protocol.Error{Code: protocol.CodeBusy, Message: "it runs", Data: map[string]any{"runId": "r"}}
	domain := errors.New("domain")
	for name, tt := range map[string]struct {
		handle Handler
		want   string
	}{
		"typed":          {fail(typed), "1 error -31002"},
		"wrapped":        {fail(fmt.Errorf("opening: %w", fmt.Errorf("twice: %w", typed))), "1 error -31002"},
		"joined":         {fail(errors.Join(io.EOF, typed)), "1 error -31002"},
		"plain":          {fail(io.EOF), "1 error -32603"},
		"cancelled":      {fail(fmt.Errorf("waiting: %w", context.Canceled)), "1 error -32800"},
		"of a package":   {fail(fmt.Errorf("x: %w", domain)), "1 error -31004"},
		"panic":          {func(context.Context, *Request) error { panic("ouch") }, "1 error -32603"},
		"nil panic":      {func(context.Context, *Request) error { var m []int; _ = m[len(m)]; return nil }, "1 error -32603"},
		"no JSON":        {reply(func() {}), "1 error -32603"},
		"reply, error":   {func(ctx context.Context, q *Request) error { _ = reply(1)(ctx, q); return io.EOF }, "1 1"},
		"reply, panic":   {func(ctx context.Context, q *Request) error { _ = reply(1)(ctx, q); panic("late") }, "1 1"},
		"reply twice":    {func(ctx context.Context, q *Request) error { _ = reply(1)(ctx, q); return reply(2)(ctx, q) }, "1 1"},
		"null":           {reply(nil), "1 null"},
		"not escaped":    {reply("<&>"), `1 "<&>"`},
		"an empty reply": {reply(struct{}{}), "1 {}"},
	} {
		for order, orderName := range map[Order]string{Queued: "queued", Bypass: "bypass", Inline: "inline"} {
			t.Run(name+"/"+orderName, func(t *testing.T) {
				c := Config{Errors: func(err error) *protocol.Error {
					if errors.Is(err, domain) {
						return &protocol.Error{Code: protocol.CodeInvalidState}
					}
					return nil
				}}
				play(t, c, func(r *rig) {
					r.Register("m", Options{Order: order}, tt.handle)
					r.Register("ok", Options{Order: order}, reply("ok"))
				}, func(r *rig) {
					r.send(notification("m", "{}"), request("1", "m", "{}"))
					r.expect(tt.want)
					r.send(request("2", "ok", "{}"))
					r.expect(`2 "ok"`)
					if logged := strings.Contains(r.logs.String(), "TestErrors"); logged != strings.Contains(name, "panic") {
						t.Errorf("the log has a stack: %v\n%s", logged, r.logs)
					}
				})
			})
		}
	}
}

// TestErrorMessages: the context of an error reaches the client, a panic does not.
func TestErrorMessages(t *testing.T) {
	r := New(nil, Config{})
	typed := &protocol.Error{Code: protocol.CodeBusy, Message: "it runs", Data: map[string]any{"runId": "r"}}
	e := r.wireError("m", fmt.Errorf("opening x: %w", typed))
	if e.Message != "opening x: it runs" || e.Data["runId"] != "r" {
		t.Errorf("got %+v", e)
	}
	if e := internal("conversation/run"); !strings.Contains(e.Message, "conversation/run") {
		t.Errorf("the method is not named: %s", e.Message)
	}
}

// TestOrder: one conversation is first in, first out, whatever its id looks like;
// others, and what bypasses the queues, do not wait.
func TestOrder(t *testing.T) {
	const id, other = "6f1fb2ea-5b33-4c4e-9d0b-1f4f4f0b2f7a", "00000000-0000-4000-8000-000000000000"
	var g *gate
	play(t, Config{}, func(r *rig) {
		g = newGate(r)
		r.Register("gate", Options{}, g.handle)
		r.Register("pause", Options{Order: Bypass}, g.handle)
		r.Register("later", Options{}, func(_ context.Context, req *Request) error {
			go func() { <-g.free; req.Reply("late") }()
			return nil
		})
		note := func(_ context.Context, req *Request) error { r.mark("note " + string(req.Params)); return nil }
		r.Register("textDocument/didChange", Options{Order: Inline}, note)
		r.Register("note", Options{}, note)
		r.Register("custom", Options{Key: func(p json.RawMessage) string { return strings.ReplaceAll(string(p[7:len(p)-2]), "-", "") }}, note)
	}, func(r *rig) {
		r.send(
			request("1", "gate", `{"id":"`+id+`"}`),
			request("2", "gate", `{"id":"`+strings.ToUpper(strings.ReplaceAll(id, "-", ""))+`"}`),
			notification("note", `{"conversationId":"`+id+`"}`),
			request("3", "gate", `{"id":"`+other+`"}`),
			notification("custom", `{"to":"`+other+`"}`),
			request("4", "gate", `{}`),
			request("5", "gate", `[]`),
			request("6", "gate", `{"id":7,"conversationId":"`+other+`"}`),
			request("7", "pause", `{"id":"`+id+`"}`),
			notification("textDocument/didChange", `1`),
			notification("textDocument/didChange", `2`),
		)
		synctest.Wait()
		r.mu.Lock()
		slices.Sort(r.got) // those that don't wait for each other
		r.mu.Unlock()
		r.expect("begin 1", "begin 3", "begin 4", "begin 7", "note 1", "note 2")
		close(g.free)
		synctest.Wait()
		r.mu.Lock()
		got := r.got
		r.got = nil
		r.mu.Unlock()
		for _, order := range [][]string{
			{`1 "gate"`, "begin 2", `2 "gate"`},
			{"begin 2", `note {"conversationId":"` + id + `"}`},
			{`3 "gate"`, `note {"to":"` + other + `"}`},
			{`note {"to":"` + other + `"}`, "begin 6", `6 "gate"`},
			{`4 "gate"`, "begin 5", `5 "gate"`},
			{`7 "pause"`},
		} {
			last := -1
			for _, line := range order {
				i := slices.Index(got, line)
				if i <= last {
					t.Errorf("%s is not where it belongs in %q", line, got)
				}
				last = i
			}
		}
		// A handler that returns before it has replied lets the next begin.
		g.free = make(chan struct{})
		r.send(request("8", "later", `{"id":"x"}`), notification("note", `{"id":"x"}`))
		r.expect(`note {"id":"x"}`)
		close(g.free)
		r.expect(`8 "late"`)
	})
}

// TestAccept: the reply comes before what the handler sends next.
func TestAccept(t *testing.T) {
	play(t, Config{}, func(r *rig) {
		Accept(r.Router, "create", Options{}, func(_ context.Context, p struct{ Fail bool }, reply Reply[string]) error {
			if p.Fail {
				reply("", io.EOF)
			}
			if first := reply("id", nil); first == p.Fail {
				t.Error("the second reply was the answer")
			}
			r.out.Event("id", 1, 1, []byte(`{"method":"event","params":1}`))
			return io.ErrUnexpectedEOF
		})
		Notification(r.Router, "note", Options{}, func(_ context.Context, p struct{ N int }) error {
			r.mark(fmt.Sprint("note ", p.N))
			return nil
		})
	}, func(r *rig) {
		for range 100 {
			r.send(request("1", "create", `{}`))
			r.expect(`1 "id"`, "event 1")
		}
		r.send(request("1", "create", `{"fail":true}`))
		r.expect("1 error -32603", "event 1")
		r.send(notification("note", `{"n":"x"}`), notification("note", `{"n":2}`))
		r.expect("note 2")
		r.send(request("2", "note", `{"n":3}`))
		r.expect("note 3", "2 null")
	})
}

func TestOverload(t *testing.T) {
	var g *gate
	play(t, Config{MaxWaiting: 3, MaxWaitingTotal: 5}, func(r *rig) {
		g = newGate(r)
		r.Register("gate", Options{}, g.handle)
		r.Register("pause", Options{Order: Bypass}, g.handle)
		r.Register("ping", Options{Order: Inline}, reply("pong"))
	}, func(r *rig) {
		send := func(n int, method, id string) {
			for range n {
				r.send(request(`"`+id+`"`, method, `{"id":"`+id+`"}`))
			}
		}
		send(1+3, "gate", "a")
		r.expect(`begin "a"`)
		send(1, "gate", "a") // too many for a
		r.expect(`"a" error -31008`)
		send(1+2, "gate", "b")
		r.expect(`begin "b"`)
		send(1, "gate", "b") // too many in all
		r.expect(`"b" error -31008`)
		r.send(notification("gate", `{"id":"b"}`)) // dropped
		r.expect()
		send(1, "gate", "c") // does not wait
		r.expect(`begin "c"`)
		send(5, "pause", "p")
		r.expect(slices.Repeat([]string{`begin "p"`}, 5)...)
		send(1, "pause", "p") // too many past the queues
		send(1, "ping", "a")
		r.expect(`"p" error -31008`, `"a" "pong"`)
		r.send(cancel(`"c"`)) // one that runs makes no room in the queue of a
		r.expect(`"c" error -32800`, `cancelled "c"`)
		close(g.free)
		synctest.Wait()
		r.mu.Lock()
		answers := map[string]int{}
		for _, line := range r.got {
			answers[line]++
		}
		r.got = nil
		r.mu.Unlock()
		if answers[`"a" "gate"`] != 4 || answers[`"b" "gate"`] != 3 || answers[`"p" "pause"`] != 5 {
			t.Errorf("answers: %v", answers)
		}
		send(1, "gate", "a") // there is room again
		r.expect(`begin "a"`, `"a" "gate"`)
	})
}

// TestLimits: the limits of the protocol hold without configuration.
func TestLimits(t *testing.T) {
	if r := New(nil, Config{}); r.config.MaxWaiting != 64 || r.config.MaxWaitingTotal != 1024 {
		t.Errorf("the limits are %+v", r.config)
	}
}

// TestStress sends, cancels and replies from everywhere; each request gets one
// answer.
func TestStress(t *testing.T) {
	const n = 2000
	play(t, Config{MaxWaiting: 20, MaxWaitingTotal: 100}, func(r *rig) {
		for i, order := range []Order{Queued, Bypass, Inline} {
			r.Register(fmt.Sprint("m", i), Options{Order: order}, func(_ context.Context, req *Request) error {
				var all sync.WaitGroup
				for i := range 3 {
					all.Go(func() { req.Reply(i) })
				}
				if order == Bypass {
					all.Wait()
				}
				return io.EOF
			})
		}
	}, func(r *rig) {
		for i := range n {
			r.send(request(fmt.Sprint(i), fmt.Sprint("m", i%3), fmt.Sprintf(`{"id":"%d"}`, i%7)))
			if i%2 == 0 {
				r.send(cancel(fmt.Sprint(i)))
			}
		}
		synctest.Wait()
		r.mu.Lock()
		defer r.mu.Unlock()
		seen := map[string]int{}
		for _, line := range r.got {
			id, _, _ := strings.Cut(line, " ")
			seen[id]++
		}
		if len(r.got) != n || len(seen) != n {
			t.Errorf("%d answers to %d of %d requests", len(r.got), len(seen), n)
		}
		r.got = nil
	})
}
