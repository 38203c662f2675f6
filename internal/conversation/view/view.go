// Package view turns the events of a branch into what a model may read: the
// list of events that a model knows of, with condensations carried out, and
// the messages of a request.
//
// The messages suit strict providers whatever the log looks like: every tool
// call is answered, in order, right after the message that makes it; see
// [View.Messages]. The package does not decide when to condense, holds no
// prompt, does no I/O and starts no goroutine. A [View] belongs to one
// goroutine; what it returns is never changed afterwards and may be shared.
package view

import (
	"slices"
	"strconv"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// View is what a model sees of a branch. The zero value is an empty view.
//
// It holds OpenHands' four properties after each Append: a call has at most one
// result; a batch (the calls of one response) is there as a whole or not at
// all; a result has its call, and a call that was answered has its result; a
// tool loop that began with thinking blocks is there as a whole or not at all.
// A call that nobody answered yet stays: it waits to be executed.
type View struct {
	entries []entry
	events  []event.Event // of entries, in the same order
	request bool

	weight  int // of the first weighed entries
	weighed int

	// What finds the call that a result answers.
	byAction map[string]callRef
	byCallID map[string]callRef
	wireIDs  map[string]bool

	batch *batch // the batch that the next action may join
	loop  *loop  // the tool loop that goes on

	conv conversion
}

// entry is one event of the view with what it belongs to.
type entry struct {
	ev     event.Event
	call   callRef // of actions and results; the zero value for others
	weight int     // 0 until it was weighed
}

func (e entry) loop() *loop {
	if e.call.batch == nil {
		return nil
	}
	return e.call.call().loop
}

// batch is the calls of one response of the model.
type batch struct {
	response string
	calls    []call
	item     int // where its messages stand in the conversion

	present int // scratch of enforce
}

// call is one tool call. Its result is nil while nobody answered it.
type call struct {
	action *event.Action
	result event.Event
	loop   *loop
	wireID string          // the id in messages; unique in the view
	text   []event.Content // the result as a model reads it, once it was rendered

	answered bool // scratch of enforce: the result is in the view
}

type callRef struct {
	batch *batch
	index int
}

func (r callRef) call() *call { return &r.batch.calls[r.index] }

// loop is a run of calls and results that began with thinking blocks.
type loop struct {
	size int

	present int // scratch of enforce
}

// Rebuild makes the view of a branch, root first. It gives the same view as
// appending the events one by one.
func Rebuild(events []event.Event) *View {
	v := new(View)
	for _, e := range events {
		v.Append(e)
	}
	return v
}

// Append takes the next event of the branch. Its cost does not depend on the
// length of the view, but for a [event.Condensation].
func (v *View) Append(e event.Event) {
	switch e := e.(type) {
	case *event.Action:
		v.appendAction(e)
	case *event.Observation:
		v.appendResult(e, e.ActionID, e.ToolCallID)
	case *event.UserReject:
		v.appendResult(e, e.ActionID, e.ToolCallID)
	case *event.AgentError:
		v.appendResult(e, "", e.ToolCallID)
	case *event.Message:
		v.batch, v.loop = nil, nil
		v.add(entry{ev: e})
		v.conv.addMessage(e)
	case *event.SystemPrompt:
		v.batch, v.loop = nil, nil
		v.add(entry{ev: e})
		v.conv.setSystem(e)
	case *event.CondensationSummary:
		v.batch, v.loop = nil, nil
		v.add(entry{ev: e})
		v.conv.addSummary(e)
	case *event.Condensation:
		v.request = false
		v.condense(e)
	case *event.CondensationRequest:
		v.request = true
	}
}

// Events are the events that a model knows of. The caller must not change the
// slice; later calls of Append don't either.
func (v *View) Events() []event.Event { return slices.Clip(v.events) }

// Len is the number of [View.Events].
func (v *View) Len() int { return len(v.events) }

// CondensationRequested tells whether a condensation was asked for and not
// done yet.
func (v *View) CondensationRequested() bool { return v.request }

func (v *View) add(e entry) {
	v.entries = append(v.entries, e)
	v.events = append(v.events, e.ev)
}

func (v *View) appendAction(a *event.Action) {
	if v.byAction == nil {
		v.byAction = make(map[string]callRef)
		v.byCallID = make(map[string]callRef)
		v.wireIDs = make(map[string]bool)
	}
	if !v.batch.takes(a) {
		v.batch = &batch{response: a.LLMResponseID}
		v.conv.addBatch(v.batch)
	}
	if len(a.ThinkingBlocks) > 0 {
		v.loop = new(loop)
	}
	ref := callRef{v.batch, len(v.batch.calls)}
	v.batch.calls = append(v.batch.calls, call{action: a, loop: v.loop, wireID: v.wireID(a)})
	v.conv.touch(v.batch)
	v.byAction[a.ID] = ref
	v.byCallID[a.ToolCallID] = ref
	v.addCall(a, ref)
}

// takes tells whether the action belongs to the batch. A response's actions are
// logged before any of them is executed, so a batch ends with its first real
// result; an error in between answers a call that was not valid. Response ids
// alone don't tell: there are servers that give every response the same one.
func (b *batch) takes(a *event.Action) bool {
	if b == nil || b.response != a.LLMResponseID {
		return false
	}
	if event.TextOf(a.Thought) != "" || a.ReasoningContent != "" || len(a.ThinkingBlocks) > 0 {
		return false
	}
	return !slices.ContainsFunc(b.calls, func(c call) bool { return c.action.ToolCallID == a.ToolCallID })
}

// appendResult adds a result to the call that it answers. One that answers no
// call, or a call that has its answer, is left out.
func (v *View) appendResult(e event.Event, actionID, callID string) {
	ref, ok := v.byAction[actionID]
	if !ok || actionID == "" {
		ref, ok = v.byCallID[callID]
	}
	if !ok || ref.call().result != nil {
		return
	}
	ref.call().result = e
	if _, failed := e.(*event.AgentError); !failed && ref.batch == v.batch {
		v.batch = nil
	}
	v.conv.touch(ref.batch)
	v.addCall(e, ref)
}

// addCall adds an action or a result. A result belongs to the loop of its
// action even where something came in between.
func (v *View) addCall(e event.Event, ref callRef) {
	if l := ref.call().loop; l != nil {
		l.size++
	}
	v.add(entry{ev: e, call: ref})
}

// wireID gives the id of the call in messages. Providers want ids that are
// unique in a request; there are models that count from zero in every response.
func (v *View) wireID(a *event.Action) string {
	id := a.ToolCallID
	if id == "" {
		id = "call_" + strings.ReplaceAll(a.ID, "-", "")
	}
	unique := id
	for n := 2; v.wireIDs[unique]; n++ {
		unique = id + "_" + strconv.Itoa(n)
	}
	v.wireIDs[unique] = true
	return unique
}
