package conversation

import (
	"fmt"
	"slices"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// tree says how the events of a log hang together, by their file indexes.
// OpenHands: an event names its parent; one that does not follows the one before
// it, as all did in older releases.
type tree struct {
	// parent is -1 for an event that begins a branch.
	parent []int
	// artefact marks the changes of state that OpenHands' agent-server logs. They
	// are never HEAD.
	artefact []bool
}

// readTree reads the whole log, up to the first file that can't be read: it
// breaks the log there, not the conversation.
func (h *history) readTree() (tree, error) {
	var t tree
	for raw, err := range h.store.Range(0, h.store.Len()) {
		if err != nil {
			break
		}
		e, err := event.Decode(raw)
		if err != nil {
			break
		}
		i := len(t.parent)
		parent := -1
		switch p := e.Head().ParentID; p {
		case "":
			parent = i - 1
		case event.Root:
		default:
			at, ok := h.store.Index(p)
			if !ok || at >= i {
				return tree{}, fmt.Errorf("event %d names the parent %s, which is not before it", i, p)
			}
			parent = at
		}
		t.parent = append(t.parent, parent)
		t.artefact = append(t.artefact, e.Kind() == event.KindStateUpdate)
	}
	return t, nil
}

// newest is the index of the last event that can be HEAD; -1 if there is none.
func (t tree) newest() int {
	i := len(t.artefact) - 1
	for i >= 0 && t.artefact[i] {
		i--
	}
	return i
}

// path gives the indexes from the root to the event at i; nil for -1.
func (t tree) path(i int) []int {
	var path []int
	for ; i >= 0; i = t.parent[i] {
		if !t.artefact[i] {
			path = append(path, i)
		}
	}
	slices.Reverse(path)
	return path
}

// branchTo gives the branch that ends with an event of the log, loaded; "" ends
// before the first. field names the param for the error where there is none.
func (h *history) branchTo(id, field string) (*history, error) {
	path, err := h.pathTo(id, field)
	if err != nil {
		return nil, err
	}
	to := &history{store: h.store, epoch: h.epoch, known: h.known}
	to.take(path)
	var shared []event.Event
	if h.loaded {
		n := 0
		for n < min(h.len(), to.len()) && h.index(n+1) == to.index(n+1) {
			n++
		}
		shared = h.events[:n]
	}
	if err := to.fill(shared); err != nil {
		return nil, &PersistenceError{err}
	}
	return to, nil
}

func (h *history) pathTo(id, field string) ([]int, error) {
	if id == "" {
		return nil, nil
	}
	at, ok := h.store.Index(id)
	if !ok || at >= h.known {
		return nil, &ValueError{field, fmt.Sprintf("the conversation has no event %q", id)}
	}
	if h.linear() {
		path := make([]int, at+1)
		for i := range path {
			path[i] = i
		}
		return path, nil
	}
	t, err := h.readTree()
	switch {
	case err != nil:
		return nil, &PersistenceError{err}
	case at >= len(t.parent):
		return nil, &PersistenceError{fmt.Errorf("an event before %s can't be read", id)}
	case t.artefact[at]:
		return nil, &ValueError{field, fmt.Sprintf("event %q is a change of state, which belongs to no branch", id)}
	}
	return t.path(at), nil
}
