package conversation

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/store"
	"github.com/agent-rpc/agent-rpc/internal/conversation/view"
)

// history is the active branch of the event log. Seq counts its events from 1.
// While the log has one branch only, which is nearly always, seq is the file's
// index plus one and nothing is read before it is asked for.
type history struct {
	store *store.Store
	epoch int
	// branch holds the file index of each seq; nil while the log is linear.
	branch []int
	// known counts the files of the log that were looked at.
	known int
	// damaged are the files that could not be read when HEAD was last looked for.
	damaged []error
	// loaded tells that events and what follows it are filled.
	loaded bool
	events []event.Event
	view   *view.View
	open   view.Pending
	// lastUserMessage is the id of the newest message of the user.
	lastUserMessage string
}

// newHistory looks at the log. stored is HEAD as base_state.json names it, see
// [baseState.head].
func newHistory(s *store.Store, sc *sidecar, stored string) (*history, error) {
	h := &history{store: s, epoch: sc.Epoch}
	head, known := sc.head(stored, s.Len())
	// A power failure leaves the newest files empty.
	if sc.Linear && sc.Known <= s.Len() && h.endsAt(head, known) && h.continues(sc.Known) && h.endsWhole() {
		h.known = s.Len()
		return h, nil
	}
	if err := h.rebranch(head, known); err != nil {
		return nil, err
	}
	if sc.Head != "" && sc.Head != event.Root && h.seqOf(sc.Head) == 0 {
		h.epoch++
	}
	return h, nil
}

// endsAt tells whether head is the last of the first known files.
func (h *history) endsAt(head string, known int) bool {
	if known == 0 {
		return head == ""
	}
	return head == h.store.ID(known-1)
}

// endsWhole tells whether the newest event can be read.
func (h *history) endsWhole() bool {
	n := h.store.Len()
	if n == 0 {
		return true
	}
	_, err := h.decode(n - 1)
	return err == nil
}

// extends tells whether the events that old had are at their places still.
func (h *history) extends(old *history) bool {
	n := old.len()
	if n > h.len() {
		return false
	}
	for seq := 1; seq <= n; seq++ {
		if h.index(seq) != old.index(seq) {
			return false
		}
	}
	return true
}

// continues tells whether the events from index first on simply follow the ones
// before.
func (h *history) continues(first int) bool {
	for i := first; i < h.store.Len(); i++ {
		e, err := h.decode(i)
		if err != nil || e.Kind() == event.KindStateUpdate {
			return false
		}
		if i > 0 && e.Head().ParentID != "" && e.Head().ParentID != h.store.ID(i-1) {
			return false
		}
		if i > 0 && e.Head().ParentID == "" {
			return false
		}
	}
	return true
}

// rebranch reads the whole log and follows it from the root to HEAD: the event
// named by head, nothing for [event.Root], and the newest event for "" or where
// the named one was lost; what can be read before it where it can't be. Events from index known on that continue HEAD came
// after it was noted, and belong to the branch.
func (h *history) rebranch(head string, known int) error {
	t, err := h.readTree()
	if err != nil {
		return err
	}
	h.known, h.damaged = h.store.Len(), nil
	for _, i := range slices.Sorted(maps.Keys(t.damage)) {
		h.damaged = append(h.damaged, t.damage[i])
	}
	at := -1
	if head != event.Root {
		var ok bool
		if at, ok = h.store.Index(head); !ok {
			at = t.newest(len(t.parent) - 1)
		} else if t.damage[at] != nil {
			at = t.newest(at)
		}
	}
	for i := max(known, at+1); i < len(t.parent); i++ {
		if !t.artefact[i] && t.parent[i] == at {
			at = i
		}
	}
	h.take(t.path(at))
	return nil
}

// take makes a path through the log the branch.
func (h *history) take(path []int) {
	h.branch, h.loaded = path, false
	switch {
	case len(path) == h.known:
		h.branch = nil
	case path == nil:
		h.branch = []int{}
	}
}

// linear tells whether the log has one branch, of all its events.
func (h *history) linear() bool { return h.branch == nil }

// len is the seq of the newest event.
func (h *history) len() int {
	if h.branch != nil {
		return len(h.branch)
	}
	return h.known
}

func (h *history) index(seq int) int {
	if h.branch != nil {
		return h.branch[seq-1]
	}
	return seq - 1
}

// leaf is the id of the newest event, which is HEAD; "" if there is none.
func (h *history) leaf() string {
	if n := h.len(); n > 0 {
		return h.store.ID(h.index(n))
	}
	return ""
}

// seqOf gives the position of an event; 0 if it is not on the branch.
func (h *history) seqOf(id string) int {
	i, ok := h.store.Index(id)
	if !ok || i >= h.known {
		return 0
	}
	if h.branch == nil {
		return i + 1
	}
	at, ok := slices.BinarySearch(h.branch, i)
	if !ok {
		return 0
	}
	return at + 1
}

// raw reads the JSON of the event at seq.
func (h *history) raw(seq int) (json.RawMessage, error) { return h.store.Read(h.index(seq)) }

// at gives the event at seq.
func (h *history) at(seq int) (event.Event, error) {
	if h.loaded {
		return h.events[seq-1], nil
	}
	return h.decode(h.index(seq))
}

func (h *history) decode(index int) (event.Event, error) {
	raw, err := h.store.Read(index)
	if err != nil {
		return nil, err
	}
	return event.Decode(raw)
}

// load fills the events, the view and the open actions.
func (h *history) load() error {
	if h.loaded {
		return nil
	}
	return h.fill(nil)
}

// fill is load where the first events are known.
func (h *history) fill(first []event.Event) error {
	n := h.len()
	events := make([]event.Event, 0, n+16)
	h.open, h.lastUserMessage = view.Pending{}, ""
	for seq := 1; seq <= n; seq++ {
		var e event.Event
		if seq <= len(first) {
			e = first[seq-1]
		} else {
			var err error
			if e, err = h.decode(h.index(seq)); err != nil {
				return fmt.Errorf("reading event %d: %w", seq, err)
			}
		}
		events = append(events, e)
		h.note(e)
	}
	h.events = events
	h.view = view.Rebuild(events)
	h.loaded = true
	return nil
}

func (h *history) note(e event.Event) {
	h.open.Append(e)
	if m, ok := e.(*event.Message); ok && m.Source == event.SourceUser {
		h.lastUserMessage = m.ID
	}
}

// append stores an event at the end of the branch and gives its seq. What
// another process wrote meanwhile is taken in first; foreign is called for each
// such event.
func (h *history) append(e event.Event, raw json.RawMessage) (int, error) {
	index, err := h.store.Append(e.Head().ID, raw)
	if err != nil {
		return 0, err
	}
	if h.branch != nil {
		h.branch = append(h.branch, index)
	}
	h.known = index + 1
	if h.loaded {
		h.events = append(h.events, e)
		h.view.Append(e)
		h.note(e)
	}
	return h.len(), nil
}

// action finds the action that an observation-like event answers; nil if there
// is none. seq is where the answer stands, or will.
func (h *history) action(e event.Event, seq int) *event.Action {
	var match func(*event.Action) bool
	switch o := e.(type) {
	case *event.Observation:
		match = func(a *event.Action) bool { return a.ID == o.ActionID }
	case *event.UserReject:
		match = func(a *event.Action) bool { return a.ID == o.ActionID }
	case *event.AgentError:
		match = func(a *event.Action) bool { return a.ToolCallID == o.ToolCallID }
	default:
		return nil
	}
	// An answer stands near its action: as far back as a batch is long.
	const reach = 64
	for i := min(seq-1, h.len()); i >= 1 && i >= seq-reach; i-- {
		prev, err := h.at(i)
		if err != nil {
			return nil
		}
		if a, ok := prev.(*event.Action); ok && match(a) {
			return a
		}
	}
	return nil
}
