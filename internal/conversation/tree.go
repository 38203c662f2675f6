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
	// are never HEAD. Nor is what can't be read: where nothing follows it, it is one
	// of them.
	artefact []bool
	// damage tells by index why an event can't be read.
	damage map[int]error
}

// readTree reads the whole log. What can't be read stands behind the event before
// it: a branch that leads through it can be named, and says so when it is read.
func (h *history) readTree() (tree, error) {
	t := tree{damage: map[int]error{}}
	for raw, err := range h.store.Range(0, h.store.Len()) {
		i := len(t.parent)
		var e event.Event
		if err == nil {
			e, err = event.Decode(raw)
		}
		if err != nil {
			t.damage[i] = err
			t.parent, t.artefact = append(t.parent, i-1), append(t.artefact, false)
			continue
		}
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
	followed := make([]bool, len(t.parent)+1)
	for i, parent := range slices.Backward(t.parent) {
		if t.damage[i] != nil && !followed[i+1] {
			t.artefact[i] = true
		}
		if !t.artefact[i] {
			followed[parent+1] = true
		}
	}
	return t, nil
}

// newest is the index of the last event up to i that can be HEAD; -1 if there is
// none.
func (t tree) newest(i int) int {
	for i >= 0 && (t.artefact[i] || t.damage[i] != nil) {
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

// Branch is one branch of a log, by the event that ends it.
type Branch struct {
	EventID string
	// Seq is its length, and Shared how many of its events are on the active branch
	// too.
	Seq, Shared int
	// Active tells that it is the active branch.
	Active bool
}

// branches gives the branches of the log, those that ended first first. A branch
// that goes on behind HEAD counts beside the active one.
func (h *history) branches() ([]Branch, error) {
	n := h.len()
	active := Branch{EventID: h.leaf(), Seq: n, Shared: n, Active: true}
	if h.linear() {
		if n == 0 {
			return nil, nil
		}
		return []Branch{active}, nil
	}
	t, err := h.readTree()
	if err != nil {
		return nil, &PersistenceError{err}
	}
	// The root stands before all.
	seq, shared, goesOn := make([]int, len(t.parent)+1), make([]int, len(t.parent)+1), make([]bool, len(t.parent)+1)
	for i, parent := range t.parent {
		seq[i+1], shared[i+1] = seq[parent+1], shared[parent+1]
		if t.artefact[i] {
			continue
		}
		goesOn[parent+1] = true
		seq[i+1]++
		if at := seq[i+1]; at <= n && h.index(at) == i {
			shared[i+1]++
		}
	}
	var list []Branch
	for i := range t.parent {
		id := h.store.ID(i)
		switch {
		case t.artefact[i]:
		case id == active.EventID:
			list = append(list, active)
		case !goesOn[i+1]:
			list = append(list, Branch{EventID: id, Seq: seq[i+1], Shared: shared[i+1]})
		}
	}
	return list, nil
}

// branchTo gives the branch that ends with an event of the log, loaded; "" ends
// before the first. field names the param for the error where there is none.
func (h *history) branchTo(id, field string) (*history, error) {
	to, err := h.pathTo(id, field)
	if err != nil {
		return nil, err
	}
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

// pathTo is branchTo, not loaded.
func (h *history) pathTo(id, field string) (*history, error) {
	to := &history{store: h.store, epoch: h.epoch, known: h.known}
	if id == "" {
		to.take(nil)
		return to, nil
	}
	at, ok := h.store.Index(id)
	if !ok || at >= h.known {
		return nil, &ValueError{field, fmt.Sprintf("the conversation has no event %q", id)}
	}
	if h.linear() {
		to.take(straight(at + 1))
		return to, nil
	}
	t, err := h.readTree()
	switch {
	case err != nil:
		return nil, &PersistenceError{err}
	case t.damage[at] != nil:
		return nil, &PersistenceError{t.damage[at]}
	case t.artefact[at]:
		return nil, &ValueError{field, fmt.Sprintf("event %q is a change of state, which belongs to no branch", id)}
	}
	to.take(t.path(at))
	return to, nil
}
