package router

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// cancelRequest is LSP's $/cancelRequest, or what another protocol has for it: it
// answers the request at once, and ends its context. Ids compare as they came: 1 is not "1".
func (r *Router) cancelRequest(params json.RawMessage) {
	var p map[string]json.RawMessage
	if json.Unmarshal(params, &p) != nil {
		return // a notification has no error reply
	}
	r.mu.Lock()
	found := slices.Clone(r.byID[string(p[r.config.Cancel.ID])])
	r.mu.Unlock()
	r.abandon(found, context.Canceled)
}

// abandon answers requests with err, unless they are answered, and sees to it
// that they don't begin or end soon.
func (r *Router) abandon(requests []*Request, err error) {
	r.mu.Lock()
	for _, q := range requests {
		r.unqueue(q)
	}
	r.mu.Unlock()
	for _, q := range requests {
		q.ReplyError(err)
	}
	for _, q := range requests {
		q.cancel()
	}
}

// Refuse answers every request that comes from now on with -31012 (-32600 after
// shutdown). Those that were taken in go on.
func (r *Router) Refuse() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.draining = true
}

// Shutdown refuses new requests, waits until the handlers of all that were taken
// in have returned, and answers what is left unanswered with -31012. If ctx ends
// first, those that wait are dropped and the contexts of those that run are
// cancelled, and Shutdown does not wait for them. It must not be called by a
// handler, which it would wait for.
func (r *Router) Shutdown(ctx context.Context) error {
	r.mu.Lock()
	r.draining = true
	idle := r.idle
	if r.active > 0 && idle == nil {
		idle = make(chan struct{})
		r.idle = idle
	}
	r.mu.Unlock()

	var err error
	if idle != nil {
		select {
		case <-idle:
		case <-ctx.Done():
			err = fmt.Errorf("waiting for requests to end: %w", context.Cause(ctx))
		}
	}
	r.mu.Lock()
	var left []*Request
	for q := range r.open {
		left = append(left, q)
	}
	r.mu.Unlock()
	r.abandon(left, refusal(protocol.CodeDraining, "the server is shutting down"))
	return err
}
