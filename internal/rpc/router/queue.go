package router

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// enqueue takes a request into a queue, or refuses it if too many wait.
func (r *Router) enqueue(key string, q *Request) *protocol.Error {
	r.mu.Lock()
	defer r.mu.Unlock()
	q.key = key
	waiting, busy := r.queues[key]
	if !busy {
		r.queues[key] = nil
		r.taken(q)
		go r.work(key, q)
		return nil
	}
	if len(waiting) >= r.config.MaxWaiting || r.waiting >= r.config.MaxWaitingTotal {
		return overloaded()
	}
	r.waiting++
	r.queues[key] = append(waiting, q)
	r.taken(q)
	return nil
}

// work runs the requests of one queue until none is left.
func (r *Router) work(key string, q *Request) {
	for q != nil {
		q.run()
		q = r.next(key)
	}
}

// next takes the first request that waits. A queue without any is given up.
func (r *Router) next(key string) *Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	waiting := r.queues[key]
	if len(waiting) == 0 {
		delete(r.queues, key)
		return nil
	}
	q := waiting[0]
	waiting[0] = nil
	r.queues[key] = waiting[1:]
	r.waiting--
	return q
}

// unqueue takes a request out of its queue if it still waits there: it will not
// run. The lock is held.
func (r *Router) unqueue(q *Request) {
	waiting := r.queues[q.key]
	i := slices.Index(waiting, q)
	if i < 0 {
		return
	}
	r.queues[q.key] = slices.Delete(waiting, i, i+1)
	r.waiting--
	r.returned(q)
}

func overloaded() *protocol.Error {
	return &protocol.Error{
		Code:    protocol.CodeOverloaded,
		Message: "too many requests wait",
		Data:    map[string]any{"retryAfterMs": retryAfterMs},
	}
}

// conversationKey is the conversation that params name, however they write its
// id.
func conversationKey(params json.RawMessage) string {
	var p struct {
		ID             json.RawMessage `json:"id"`
		ConversationID json.RawMessage `json:"conversationId"`
	}
	if json.Unmarshal(params, &p) != nil {
		return "" // the handler will say what is wrong
	}
	for _, raw := range []json.RawMessage{p.ID, p.ConversationID} {
		var id string
		if json.Unmarshal(raw, &id) == nil && id != "" {
			return strings.ToLower(strings.ReplaceAll(id, "-", ""))
		}
	}
	return ""
}
