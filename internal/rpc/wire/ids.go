package wire

import (
	"encoding/json"
	"strconv"
	"sync"
)

// ids keeps the ids of both directions. The library knows only unsigned numbers
// and strings and takes a second use of an id in flight for the first, so each
// request of the client gets a number of ours and keeps its own id here, byte by
// byte, until it is answered.
type ids struct {
	mu   sync.Mutex
	last uint64
	// theirs are the client's requests that wait for a reply.
	theirs map[uint64]json.RawMessage
	// ours are our requests that wait for the client's reply.
	ours map[uint64]struct{}
}

func newIDs() *ids {
	return &ids{theirs: map[uint64]json.RawMessage{}, ours: map[uint64]struct{}{}}
}

// receive notes a request of the client.
func (t *ids) receive(raw json.RawMessage) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	t.theirs[t.last] = raw
	return t.last
}

// raw is the client's own id of a request that is not answered yet.
func (t *ids) raw(n uint64) (json.RawMessage, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	raw, ok := t.theirs[n]
	return raw, ok
}

// answer is raw, once: whoever gets the id is the one to reply.
func (t *ids) answer(n uint64) (json.RawMessage, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	raw, ok := t.theirs[n]
	delete(t.theirs, n)
	return raw, ok
}

// send notes a request of ours.
func (t *ids) send(n uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ours[n] = struct{}{}
}

// answered takes the id of a reply and tells which request of ours it belongs
// to, once.
func (t *ids) answered(raw json.RawMessage) (uint64, bool) {
	n, err := strconv.ParseUint(string(raw), 10, 64)
	if err != nil {
		// Languages with one kind of number may write 1 as 1.0.
		x, err := strconv.ParseFloat(string(raw), 64)
		if err != nil || x < 0 || x >= 1<<53 || x != float64(uint64(x)) {
			return 0, false
		}
		n = uint64(x)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.ours[n]
	delete(t.ours, n)
	return n, ok
}

// validID tells whether raw, which is valid JSON, is a number or a string that
// can be echoed.
func validID(raw json.RawMessage) bool {
	return len(raw) > 0 && (raw[0] == '"' || raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9')
}
