package conversation_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// TestModel plays random sequences of verbs with an agent that answers at random
// and holds the conversation, after every move, to a model of it that is written
// down from the specification: statuses, what is told, what waits, what goes on.
// The recorder holds it to its promises all the while.
func TestModel(t *testing.T) {
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(bubbled{t}, func(rt *rapid.T) {
			base, err := os.MkdirTemp(root, "")
			if err != nil {
				rt.Fatal(err)
			}
			defer func() { _ = os.RemoveAll(base) }() // the test's directory goes too
			off := false
			r := newRig(rt, t.Context(), base, conversation.Options{MaxIterations: modelLimit, StuckDetection: &off})
			defer r.end()
			r.create()
			m := &model{rig: r, status: conversation.Idle}
			rt.Repeat(m.actions())
		})
	})
}

// bubbled hides that it is a T, for rapid would ask that one for its deadline,
// which may not be done in a bubble.
type bubbled struct{ *testing.T }

const modelLimit = 5

type model struct {
	rig *rig

	status    conversation.Status
	reason    conversation.StopReason
	always    bool // the policy
	run       bool // one goes on or waits
	phase     string
	pausing   bool
	iteration int
	open      []string // calls without an answer
	batch     []string // those that are carried out
	finishing bool
	held      *work // the call that goes on, once it has asked
	question  bool  // it waits for an answer
	repeats   bool  // it can wait over a restart
	detached  bool  // it does: there is no call any more
	steer     []string
	queue     []string
	said      []string // what the observer is told
	calls     int
	texts     int
}

func (m *model) tell(format string, args ...any) {
	m.said = append(m.said, fmt.Sprintf(format, args...))
}

// The rules.

func (m *model) start() {
	before := m.reason
	m.run, m.iteration, m.reason = true, 0, ""
	if m.status != conversation.Finished {
		m.status = conversation.Running
	}
	m.answerLost(before)
	if before != conversation.StopPaused {
		m.requeue()
		if m.status != conversation.Finished && len(m.open) == 0 {
			m.takeQueue()
		}
	}
	m.advance()
}

func (m *model) advance() {
	if m.pausing {
		if m.status == conversation.Finished {
			m.end(conversation.Finished, conversation.StopFinished)
			return
		}
		m.tell("pause")
		m.end(conversation.Paused, conversation.StopPaused)
		return
	}
	if len(m.open) == 0 && len(m.steer) > 0 {
		for _, text := range m.steer {
			m.tell("user %q", text)
		}
		m.steer = nil
		if m.status == conversation.Finished {
			m.status, m.iteration = conversation.Running, 0
		}
	}
	if m.status == conversation.Finished {
		if len(m.queue) == 0 {
			m.end(conversation.Finished, conversation.StopFinished)
			return
		}
		m.takeQueue()
		m.status, m.iteration = conversation.Running, 0
	}
	if len(m.open) > 0 {
		m.decide()
	} else {
		m.phase = "think"
	}
}

func (m *model) decide() {
	harmless := len(m.open) == 1 && m.open[0] == "finish"
	switch {
	case len(m.open) == 0:
		m.step()
	case m.always && !harmless && len(m.steer) > 0:
		m.rejectOpen(m.steer[0])
		m.step()
	case m.always && !harmless:
		m.iteration++
		m.pausing = false
		m.status, m.reason = conversation.WaitingForConfirmation, conversation.StopWaiting
		m.tell("asks %d", len(m.open))
	case m.pausing:
		m.step()
	default:
		m.act()
	}
}

func (m *model) act() {
	m.phase, m.batch, m.finishing = "act", slices.Clone(m.open), false
	if i := slices.Index(m.open, "finish"); i >= 0 {
		m.batch, m.finishing = m.batch[:i+1], true
	}
}

func (m *model) step() {
	m.iteration++
	if m.iteration >= modelLimit && m.status != conversation.Finished {
		m.tell("error MaxIterationsReached")
		m.end(conversation.Failed, conversation.StopMaxIterations)
		return
	}
	m.advance()
}

func (m *model) end(s conversation.Status, why conversation.StopReason) {
	m.run, m.phase, m.pausing, m.held = false, "", false, nil
	m.status, m.reason = s, why
	if why != conversation.StopPaused {
		m.requeue()
	}
	m.tell("ended %s %s", s, why)
}

func (m *model) answerLost(after conversation.StopReason) {
	if after != conversation.StopPaused && after != conversation.StopMaxIterations {
		m.failOpen()
	}
}

func (m *model) failOpen() {
	for _, id := range m.open {
		m.tell("failed %s", id)
	}
	m.open = nil
}

func (m *model) rejectOpen(reason string) {
	for _, id := range m.open {
		m.tell("rejected %s: %s", id, reason)
	}
	m.open = nil
}

func (m *model) interrupted() {
	if m.question {
		m.tell("cancelled via interrupt")
		m.question, m.detached = false, false
	}
	m.failOpen()
	m.tell("interrupt")
	m.end(conversation.Paused, conversation.StopInterrupted)
}

func (m *model) requeue() { m.queue, m.steer = slices.Concat(m.steer, m.queue), nil }

func (m *model) takeQueue() {
	for _, text := range m.queue {
		m.tell("user %q", text)
	}
	m.queue = nil
}

func (m *model) waits() bool { return m.status == conversation.WaitingForConfirmation }

func (m *model) working() conversation.Status {
	switch {
	case m.question:
		return conversation.WaitingForInput
	case m.pausing:
		return conversation.Pausing
	}
	return conversation.Running
}

// answered goes on with the call that asked. Where it waited over a restart it is
// made again.
func (m *model) answered(outcome, via string) {
	m.tell("%s via %s", outcome, via)
	m.question = false
	m.status = m.working()
	if m.detached {
		m.act()
	}
}

// The moves: each makes one in the conversation and in the model.

func (m *model) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"":          m.check,
		"agent":     m.agent,
		"agent ":    m.agent, // more likely than what disturbs it
		"agent  ":   m.agent,
		"agent   ":  m.agent,
		"run":       m.doRun,
		"send":      m.send,
		"pause":     m.pause,
		"interrupt": m.interrupt,
		"confirm":   m.confirm,
		"ask":       m.ask,
		"ask ":      m.ask,
		"answer":    m.reply,
		"tool":      m.tool,
		"reject":    m.reject,
		"policy":    m.policy,
		"unsend":    m.unsend,
		"reopen":    m.reopen,
	}
}

func (m *model) agent(t *rapid.T) {
	switch m.phase {
	case "think":
		m.answer(t)
	case "act":
		m.result(t)
	default:
		t.Skip("nothing goes on")
	}
}

func (m *model) answer(t *rapid.T) {
	w := m.rig.thinking()
	m.phase = ""
	var a answer
	switch rapid.SampledFrom([]string{"say", "do", "do", "do", "nothing", "nudge", "fail", "panic"}).Draw(t, "answer") {
	case "say":
		a.thought = say("hello")
		m.tell(`agent "hello"`)
		m.status = conversation.Finished
		m.step()
	case "nothing":
		a.thought = nothing()
		m.tell(`agent ""`)
		m.tell(`environment "say something"`)
		m.step()
	case "nudge":
		a.err = modelError{code: "LLMContentPolicyViolationError", text: "no", nudge: "otherwise"}
		m.tell(`environment "otherwise"`)
		m.step()
	case "fail":
		a.err = errors.New("no")
		m.tell("error InternalError")
		m.end(conversation.Failed, conversation.StopError)
	case "panic":
		a.panics = "boom"
		m.tell("error InternalError")
		m.end(conversation.Failed, conversation.StopError)
	case "do":
		var actions []*event.Action
		finish := false
		for _, kind := range rapid.SliceOfN(rapid.SampledFrom([]string{"valid", "valid", "invalid", "finish"}), 1, 3).Draw(t, "calls") {
			m.calls++
			id := fmt.Sprintf("call%d", m.calls)
			switch {
			case kind == "invalid":
				actions = append(actions, invalid(id))
				m.tell("call %s", id)
				m.tell("failed %s", id)
				continue
			case kind == "finish" && !finish:
				id, finish = "finish", true
			}
			actions = append(actions, call(id))
			m.open = append(m.open, id)
			m.tell("call %s", id)
		}
		a.thought = do(actions...)
		m.decide()
	}
	w.answers <- a
}

func (m *model) result(t *rapid.T) {
	w := m.held
	if w == nil {
		w = m.rig.acting()
	}
	m.held = nil
	if m.question {
		m.tell("cancelled via rule")
		m.question = false
		m.status = m.working()
	}
	id := w.action.ToolCallID
	if len(m.batch) == 0 || id != m.batch[0] {
		t.Fatalf("%s is carried out, want %v", id, m.batch)
	}
	m.batch, m.open = m.batch[1:], slices.DeleteFunc(m.open, func(other string) bool { return other == id })
	ok := rapid.Bool().Draw(t, "succeeds")
	if ok {
		w.answers <- answer{event: observed(w.action, id)}
		m.tell("result %s", id)
	} else {
		w.answers <- answer{event: failed(w.action, id)}
		m.tell("failed %s", id)
	}
	if len(m.batch) > 0 {
		return
	}
	m.phase = ""
	if m.finishing {
		m.failOpen()
		if ok {
			m.status = conversation.Finished
		}
	}
	m.step()
}

func (m *model) doRun(t *rapid.T) {
	switch {
	case m.waits():
		m.tell("approved via run")
		m.status, m.reason = conversation.Running, ""
		m.act()
	case m.run:
		var busy *conversation.BusyError
		if _, err := m.rig.run(); !errors.As(err, &busy) {
			t.Fatalf("a second run: %v", err)
		}
		return
	default:
		m.start()
	}
	m.rig.mustRun()
}

func (m *model) send(t *rapid.T) {
	m.texts++
	text := fmt.Sprintf("message %d", m.texts)
	run := rapid.Bool().Draw(t, "run")
	busy := rapid.SampledFrom([]conversation.WhenBusy{conversation.Queue, conversation.Steer, conversation.Reject}).Draw(t, "when busy")
	want, refused := "", false
	switch {
	case !m.run:
		m.answerLost(m.reason)
		m.requeue()
		m.takeQueue()
		m.tell("user %q", text)
		if m.status == conversation.Finished {
			m.status, m.reason = conversation.Idle, ""
		}
		want = "appended"
		if run {
			want = "started"
			m.start()
		}
	case busy == conversation.Reject:
		refused = true
	case busy == conversation.Queue:
		want = "queued"
		m.queue = append(m.queue, text)
	default:
		want = "steered"
		m.steer = append(m.steer, text)
		if m.waits() {
			m.tell("rejected via reject")
			m.rejectOpen(text)
			m.status, m.reason = conversation.Running, ""
			m.advance()
		}
		if m.question {
			m.answered("rejected", "reject")
		}
	}
	sent, err := m.rig.send(text, "", run, busy)
	defer m.askAgain(t, conversation.InputDecline)
	if (err != nil) != refused || sent.Disposition != want {
		t.Fatalf("sent %+v, %v; want %q", sent, err, want)
	}
}

// unsend takes back a message that waits.
func (m *model) unsend(t *rapid.T) {
	waiting := m.rig.info().Queued
	if len(waiting) == 0 {
		if _, err := m.rig.unsend("nobody"); !errors.Is(err, conversation.ErrRequestNotFound) {
			t.Fatalf("taking back what was never sent: %v", err)
		}
		return
	}
	n := rapid.IntRange(0, len(waiting)-1).Draw(t, "which")
	if n < len(m.steer) {
		m.steer = slices.Delete(m.steer, n, n+1)
	} else {
		m.queue = slices.Delete(m.queue, n-len(m.steer), n-len(m.steer)+1)
	}
	back, err := m.rig.unsend(waiting[n].ID)
	if err != nil || back.Message.Text() != waiting[n].Message.Text() {
		t.Fatalf("took back %+v, %v; want %+v", back, err, waiting[n])
	}
}

func (m *model) pause(t *rapid.T) {
	want := m.status
	switch {
	case m.phase != "" || m.question:
		m.pausing = true
		m.status = m.working()
		want = conversation.Pausing
	case m.status == conversation.Idle:
		m.tell("pause")
		m.status, m.reason = conversation.Paused, conversation.StopPaused
		want = conversation.Paused
	}
	if got := m.rig.pause(); got != want {
		t.Fatalf("pause: %s, want %s", got, want)
	}
}

func (m *model) interrupt(*rapid.T) {
	switch {
	case m.phase != "" || m.question:
		m.interrupted()
	case m.waits():
		m.tell("cancelled via interrupt")
		m.interrupted()
	case m.status == conversation.Idle:
		m.tell("pause")
		m.status, m.reason = conversation.Paused, conversation.StopPaused
	}
	m.rig.interrupt()
	m.forget()
}

// forget drops the work that an interrupt cancelled.
func (m *model) forget() {
	if m.phase == "" {
		m.rig.agent.thinks, m.rig.agent.acts = nil, nil
	}
}

func (m *model) confirm(t *rapid.T) {
	if !m.waits() {
		t.Skip("nothing waits")
	}
	c := conversation.Confirmation{
		RequestID: m.rig.requestID(), Approve: rapid.Bool().Draw(t, "approve"), Reason: rapid.SampledFrom([]string{"", "not this"}).Draw(t, "reason"),
	}
	m.reason = ""
	reason := c.Reason
	if reason == "" {
		reason = conversation.DefaultRejection
	}
	switch {
	case c.Approve:
		m.tell("approved via confirm")
		m.status = conversation.Running
		m.act()
	case c.Reason == "":
		m.tell("rejected via confirm")
		m.rejectOpen(reason)
		m.end(conversation.Idle, conversation.StopRejected)
	default:
		m.tell("rejected via confirm")
		m.rejectOpen(reason)
		m.status = conversation.Running
		m.advance()
	}
	if accepted, _, err := m.rig.confirm(c); !accepted || err != nil {
		t.Fatalf("confirm: %t, %v", accepted, err)
	}
}

func (m *model) reject(t *rapid.T) {
	want, refused := len(m.open), false
	switch {
	case m.waits():
		m.tell("rejected via reject")
		m.rejectOpen("no")
		m.end(conversation.Idle, conversation.StopRejected)
	case m.run:
		want, refused = 0, true
	default:
		m.rejectOpen("no")
	}
	if n, err := m.rig.reject("no"); n != want || (err != nil) != refused {
		t.Fatalf("reject: %d, %v, want %d", n, err, want)
	}
}

func (m *model) policy(*rapid.T) {
	m.always = !m.always
	m.rig.setPolicy(map[bool]string{true: always, false: never}[m.always])
}

// ask lets the call that goes on ask the user.
func (m *model) ask(t *rapid.T) {
	if m.phase != "act" || m.question {
		t.Skip("nothing that could ask goes on")
	}
	if m.held == nil {
		m.held = m.rig.acting()
	}
	m.question, m.repeats = true, rapid.Bool().Draw(t, "repeatable")
	m.status = m.working()
	m.tell(`asks "Which colour?"`)
	m.rig.asks(m.held, m.repeats)
}

func (m *model) reply(t *rapid.T) {
	if !m.question {
		t.Skip("nobody asks")
	}
	answer := accept(m.rig.requestID(), `{"answer":"blue"}`)
	if rapid.Bool().Draw(t, "wrong") {
		wrong := answer
		wrong.Content = []byte(`{}`)
		var value *conversation.ValueError
		if accepted, _, err := m.rig.reply(wrong); accepted || !errors.As(err, &value) {
			t.Fatalf("an answer that does not fit: %t, %v", accepted, err)
		}
	}
	outcome := "approved"
	if rapid.Bool().Draw(t, "declines") {
		answer.Action, outcome = conversation.InputDecline, "rejected"
	}
	m.answered(outcome, "answer")
	if accepted, _, err := m.rig.reply(answer); !accepted || err != nil {
		t.Fatalf("answer: %t, %v", accepted, err)
	}
	m.askAgain(t, answer.Action)
}

// askAgain is what a call does that is made again: it asks, and has its answer at
// once.
func (m *model) askAgain(t *rapid.T, want conversation.InputAction) {
	if !m.detached || m.question {
		return
	}
	m.detached = false
	m.held = m.rig.acting()
	if got := <-m.rig.asks(m.held, true); got.err != nil || got.Action != want {
		t.Fatalf("the call that is made again got %+v", got)
	}
}

// tool makes a call outside of a run.
func (m *model) tool(t *rapid.T) {
	d := m.rig.runTool("terminal")
	if m.run {
		var busy *conversation.BusyError
		if !errors.As(d.err, &busy) {
			t.Fatalf("a call during a run: %v", d.err)
		}
		return
	}
	w := m.rig.acting()
	w.answers <- answer{event: observed(w.action, "done")}
	m.rig.info()
	if d.over != 1 || d.err != nil || d.result.Observation == nil {
		t.Fatalf("the call gave %+v", d)
	}
}

func (m *model) reopen(t *rapid.T) {
	switch {
	case m.question && (m.repeats || m.detached):
		m.phase, m.held, m.detached, m.pausing = "", nil, true, false
	case m.phase != "":
		m.interrupted()
	}
	m.rig.close()
	m.compare(t)
	m.rig.reopen()
	if m.question {
		m.tell(`asks "Which colour?"`)
	}
	if m.waits() {
		m.tell("asks %d", len(m.open))
	}
}

// check compares the conversation with the model.
func (m *model) check(t *rapid.T) {
	i := m.rig.info()
	if i.Status != m.status || i.StopReason != m.reason {
		t.Errorf("status %s %q, want %s %q", i.Status, i.StopReason, m.status, m.reason)
	}
	var queued []string
	for _, q := range i.Queued {
		queued = append(queued, q.Message.Text())
	}
	if want := slices.Concat(m.steer, m.queue); !slices.Equal(queued, want) {
		t.Errorf("%q wait, want %q", queued, want)
	}
	if n := len(m.rig.log()); n != i.Cursor.Seq {
		t.Errorf("%d files for %d events", n, i.Cursor.Seq)
	}
	m.rig.agent.mu.Lock()
	thinks, acts := len(m.rig.agent.thinks), len(m.rig.agent.acts)
	m.rig.agent.mu.Unlock()
	want := map[string]string{"": "0 0", "think": "1 0", "act": "0 1"}[m.phase]
	if m.held != nil {
		want = "0 0" // it was taken
	}
	if got := fmt.Sprint(thinks, acts); got != want {
		t.Errorf("%d model calls and %d tool calls go on, want %q", thinks, acts, m.phase)
	}
	m.compare(t)
	if t.Failed() {
		t.FailNow()
	}
}

// compare compares what was told.
func (m *model) compare(t *rapid.T) {
	told := slices.DeleteFunc(m.rig.rec.told(), func(line string) bool {
		switch conversation.Status(line) {
		case conversation.Pausing, conversation.Paused, conversation.WaitingForConfirmation, conversation.WaitingForInput:
			return true
		}
		return false
	})
	if diff := cmp.Diff(m.said, told, cmp.Transformer("", func(s []string) []string { return append([]string{}, s...) })); diff != "" {
		t.Fatalf("told (-want +got):\n%s", diff)
	}
	m.said = nil
}
