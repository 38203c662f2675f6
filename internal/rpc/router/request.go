package router

import (
	"context"
	"encoding/json"

	"github.com/sourcegraph/jsonrpc2"

	"github.com/agent-rpc/agent-rpc/internal/rpc/wire"
)

// Request is a request or a notification of the client.
type Request struct {
	Method string
	// Params are the bytes that came; nil if there were none.
	Params json.RawMessage

	router       *Router
	id           jsonrpc2.ID
	rawID        string // the client's own
	notification bool
	key          string
	bypass       bool
	run          func()
	cancel       context.CancelFunc

	// Under the router's lock.
	claimed  bool // someone answers it
	answered bool
	returned bool // the handler has, or will never run
}

// Reply answers the request with a result and tells whether this was its answer:
// only the first one is. It has been queued when Reply returns, so that what the
// caller sends next follows it. On a notification it does nothing.
func (q *Request) Reply(result any) bool {
	return q.answer(true, func(s *wire.Stream) error { return s.Reply(q.id, result) })
}

// ReplyError answers the request with an error, as [Request.Reply] does with a
// result.
func (q *Request) ReplyError(err error) bool {
	e := q.router.wireError(q.Method, err)
	return q.answer(false, func(s *wire.Stream) error { return s.ReplyError(q.id, e) })
}

func (q *Request) answer(ok bool, send func(*wire.Stream) error) bool {
	r := q.router
	r.mu.Lock()
	first := r.claim(q, ok)
	r.mu.Unlock()
	if !first {
		return false
	}
	if err := send(r.stream); err != nil {
		// It has no JSON, or the client is gone: the stream knows.
		if r.stream.ReplyError(q.id, internal(q.Method)) == nil {
			r.log.Error("an answer has no JSON", "method", q.Method, "error", err)
		} else {
			r.log.Debug("an answer was not sent", "method", q.Method, "error", err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answered(q)
	return true
}
