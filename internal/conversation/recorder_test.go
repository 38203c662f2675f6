package conversation_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// reporter is what a testing.T and a rapid.T have in common.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// recorder observes a conversation, writes down what it is told and holds it to
// the promises of [conversation.Observer]:
//
//   - everything but deltas comes one at a time
//   - seq has no gap, and an event is on disk, byte for byte, when it is told
//   - no delta after the event that ends it, and none is missing
//   - a state tells of no event that was not told
//   - a run begins once, has one terminal state, and ends after that
type recorder struct {
	t   reporter
	dir string // the conversation's directory; "" in memory

	inside atomic.Int32

	mu      sync.Mutex
	lines   []string
	epoch   int
	seq     int
	events  []event.Event
	final   map[string]bool // ids of messages and calls that are over
	offset  map[string]int
	begun   map[string]bool
	states  map[string]int // terminal states by run
	ended   map[string]bool
	last    conversation.Info
	asked   map[string]bool
	answers map[string]int
	// onState is called with every terminal state and onEvent with every event,
	// from the callback.
	onState func(conversation.Info)
	onEvent func(event.Event)
	// full tells that no state can be stored.
	full bool
}

func newRecorder(t reporter, dir string, at conversation.Cursor) *recorder {
	return &recorder{
		t: t, dir: dir, epoch: at.Epoch, seq: at.Seq, final: map[string]bool{}, offset: map[string]int{}, begun: map[string]bool{},
		states: map[string]int{}, ended: map[string]bool{}, asked: map[string]bool{}, answers: map[string]int{},
	}
}

func (r *recorder) enter(what string) func() {
	if n := r.inside.Add(1); n != 1 {
		r.t.Errorf("%s came while another callback ran", what)
	}
	r.mu.Lock()
	return func() {
		r.mu.Unlock()
		r.inside.Add(-1)
	}
}

func (r *recorder) note(format string, args ...any) {
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

func (r *recorder) Event(epoch int, rec conversation.Record) {
	defer r.enter("Event")()
	if epoch == r.epoch && rec.Seq != r.seq+1 {
		r.t.Errorf("event %d came after %d", rec.Seq, r.seq)
	}
	r.epoch, r.seq = epoch, rec.Seq
	r.events = append(r.events, rec.Event)
	id := rec.Event.Head().ID
	if r.dir != "" {
		found, err := filepath.Glob(filepath.Join(r.dir, "events", "event-*-"+id+".json"))
		if err != nil || len(found) != 1 {
			r.t.Errorf("event %d (%s) was told before it was on disk", rec.Seq, rec.Event.Kind())
		} else if raw, err := os.ReadFile(found[0]); err != nil || !bytes.Equal(raw, rec.JSON) {
			r.t.Errorf("event %d on disk is not what was told (%v):\n%s\n%s", rec.Seq, err, raw, rec.JSON)
		}
	}
	if again, err := event.Encode(rec.Event); err != nil || !bytes.Equal(again, rec.JSON) {
		r.t.Errorf("event %d in memory is not what is stored (%v):\n%s\n%s", rec.Seq, err, again, rec.JSON)
	}
	switch e := rec.Event.(type) {
	case *event.Message:
		r.note("%s %q", e.Source, e.LLMMessage.Text())
	case *event.Action:
		r.final["args "+e.ToolCallID] = true
		r.note("call %s", e.ToolCallID)
	case *event.Observation:
		r.final["stdout "+e.ToolCallID] = true
		r.note("result %s", e.ToolCallID)
	case *event.AgentError:
		r.final["stdout "+e.ToolCallID] = true
		r.note("failed %s", e.ToolCallID)
	case *event.UserReject:
		r.note("rejected %s: %s", e.ToolCallID, e.RejectionReason)
	case *event.ConversationError:
		r.note("error %s", e.Code)
	default:
		r.note("%s", strings.ToLower(strings.TrimSuffix(rec.Event.Kind(), "Event")))
	}
	r.final["text "+id], r.final["reasoning "+id] = true, true
	if r.onEvent != nil {
		r.onEvent(rec.Event)
	}
}

func (r *recorder) Delta(d conversation.Delta) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := string(d.Stream) + " " + d.MessageID + d.ToolCallID
	if r.final[key] {
		r.t.Errorf("a delta of %s came after its event: %q", key, d.Text)
	}
	if d.Offset != r.offset[key] {
		r.t.Errorf("a delta of %s begins at %d, the one before ended at %d", key, d.Offset, r.offset[key])
	}
	r.offset[key] += len(d.Text)
	if d.RunID == "" || r.states[d.RunID] > 0 {
		r.t.Errorf("a delta of run %q, which is over", d.RunID)
	}
	r.note("delta %s %q", d.Stream, d.Text)
}

func (r *recorder) State(info conversation.Info, ended bool) {
	defer r.enter("State")()
	if info.Cursor.Epoch == r.epoch && info.Cursor.Seq != r.seq {
		r.t.Errorf("a state at %d was told after event %d", info.Cursor.Seq, r.seq)
	}
	if !ended && info.RunID != "" && r.states[info.RunID] > 0 {
		r.t.Errorf("a state of run %s after its terminal one", info.RunID)
	}
	switch info.Status {
	case conversation.WaitingForConfirmation, conversation.WaitingForInput:
		if len(info.Pending) == 0 {
			r.t.Errorf("status %s with nothing pending", info.Status)
		}
	default:
		if len(info.Pending) > 0 {
			r.t.Errorf("status %s with %d pending", info.Status, len(info.Pending))
		}
	}
	r.last = info
	if !ended {
		r.note("%s", info.Status)
		return
	}
	if r.states[info.RunID]++; r.states[info.RunID] > 1 {
		r.t.Errorf("run %s has two terminal states", info.RunID)
	}
	switch info.Status {
	case conversation.Running, conversation.Pausing, conversation.WaitingForConfirmation, conversation.WaitingForInput:
		r.t.Errorf("the terminal state is %s", info.Status)
	}
	if stored := r.stored(); r.dir != "" && !r.full && stored != info.Status {
		r.t.Errorf("the terminal state %s was told while %q was on disk", info.Status, stored)
	}
	r.note("ended %s %s", info.Status, info.StopReason)
	if r.onState != nil {
		r.onState(info)
	}
}

// stored is the status in base_state.json.
func (r *recorder) stored() conversation.Status {
	var state struct {
		Status conversation.Status `json:"execution_status"`
	}
	if raw, err := os.ReadFile(filepath.Join(r.dir, "base_state.json")); err == nil {
		_ = json.Unmarshal(raw, &state) // the empty status shows
	}
	return state.Status
}

func (r *recorder) Started(runID string) {
	defer r.enter("Started")()
	if r.begun[runID] {
		r.t.Errorf("run %s began twice", runID)
	}
	r.begun[runID] = true
}

func (r *recorder) Ended(o conversation.Outcome) {
	defer r.enter("Ended")()
	if r.states[o.RunID] != 1 {
		r.t.Errorf("run %s ended after %d terminal states", o.RunID, r.states[o.RunID])
	}
	if r.ended[o.RunID] {
		r.t.Errorf("run %s ended twice", o.RunID)
	}
	if o.Status != r.last.Status || o.StopReason != r.last.StopReason {
		r.t.Errorf("the outcome %v is not the state %s %s", o, r.last.Status, r.last.StopReason)
	}
	r.ended[o.RunID] = true
}

func (r *recorder) Waiting(p conversation.Pending) {
	defer r.enter("Waiting")()
	if len(p.Actions) == 0 || p.RequestID == "" || p.RunID == "" {
		r.t.Errorf("asked about nothing: %+v", p)
	}
	r.asked[p.RequestID] = true
	if p.Kind == conversation.KindInput {
		r.note("asks %q", p.Message)
		return
	}
	r.note("asks %d", len(p.Actions))
}

func (r *recorder) Resolved(res conversation.Resolution) {
	defer r.enter("Resolved")()
	if !r.asked[res.RequestID] && res.Via != "rule" { // a rule answers before anyone is asked
		r.t.Errorf("%s was resolved, but nobody was asked", res.RequestID)
	}
	if r.answers[res.RequestID]++; r.answers[res.RequestID] > 1 {
		r.t.Errorf("%s was resolved twice", res.RequestID)
	}
	r.note("%s via %s", res.Outcome, res.Via)
}

// told gives what was written down since the last call, states on the way and
// the prompt left out.
func (r *recorder) told() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var lines []string
	for _, l := range r.lines {
		switch conversation.Status(l) {
		case conversation.Running, conversation.Idle, conversation.Finished, conversation.Failed, conversation.Stuck, "systemprompt":
		default:
			lines = append(lines, l)
		}
	}
	r.lines = nil
	return lines
}

// open tells how many runs began and did not end.
func (r *recorder) open() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for id := range r.begun {
		if !r.ended[id] {
			n++
		}
	}
	return n
}
