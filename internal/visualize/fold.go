package visualize

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// fold is what has been seen of the conversation so far.
type fold struct {
	info    protocol.Info
	started time.Time // on the user's clock, for the status line
	start   *Usage    // at the first state seen
	first   time.Time // of the first and the last event, on the server's clock
	last    time.Time
	resumed time.Time // when the last wait for approval ended

	steps    int
	response string // the model's answer that the last step is from
	calls    []*call
	plan     plan
	changes  changes
	answer   string
	asked    map[string]bool // approvals that were printed, by request id
	shown    map[string]bool // and the actions in them
	failure  *event.ConversationError
	recent   []string // what the last steps did, for the reason why it is stuck
	streams  streams
}

// call is a tool call that has no answer yet.
type call struct {
	action  *event.Action
	display event.Display
	output  string // the last line it printed so far
}

// step is a tool call that has its answer.
type step struct {
	verb, object string
	// summary is one line about the outcome; empty if added and removed say it.
	summary        string
	diff           bool
	added, removed int
	took           time.Duration
	failed         bool
	// output is the end of what a failed step printed.
	output []string
}

// plan is the task list of the agent.
type plan []planItem

type planItem struct {
	Title  string `json:"title"`
	Status string `json:"status"` // todo, in_progress, done
}

func (p plan) done() (n int) {
	for _, item := range p {
		if item.Status == "done" {
			n++
		}
	}
	return n
}

// current is the item that is worked on, or the next one.
func (p plan) current() string {
	for _, status := range []string{"in_progress", "todo"} {
		for _, item := range p {
			if item.Status == status {
				return item.Title
			}
		}
	}
	return ""
}

// Event takes the next event of the conversation.
func (v *View) Event(n protocol.EventNotification) {
	if v.live != nil {
		v.live.clear()
	}
	e, err := event.Decode(whole(n.Event))
	if err != nil {
		if n.Display != nil {
			v.print.note(n.Display.Title)
		}
		return
	}
	at := e.Head().Time()
	if v.first.IsZero() {
		v.first = at
	}
	if _, ends := e.(*event.ConversationError); !ends {
		v.tellFailure()
	}
	v.take(e, n, at)
	if !at.IsZero() {
		v.last = at
	}
}

func (v *View) take(e event.Event, n protocol.EventNotification, at time.Time) {
	switch e := e.(type) {
	case *event.Message:
		v.message(e, at)
	case *event.Action:
		v.action(e, n.Display, at)
	case *event.Observation:
		v.observation(e, n.Display, at, n.Replay)
	case *event.AgentError:
		v.agentError(e, at)
	case *event.UserReject:
		c := v.answered(e.ToolCallID)
		s := &step{failed: true}
		s.verb, s.object = v.subject(c, n.Display, e.ToolName)
		reason := e.RejectionReason
		if reason == defaultRejection {
			reason = ""
		}
		v.print.rejected(s, reason, c != nil && v.shown[c.action.ID])
	case *event.Condensation:
		became := "forgotten"
		if e.Summary != nil {
			became = "→ summary"
		}
		v.print.note(fmt.Sprintf("History condensed: %s %s", plural(len(e.ForgottenEventIDs), "event"), became))
	case *event.CondensationRequest:
		v.print.note("Condensing the history")
	case *event.ConversationError:
		v.failure = e
	case *event.HookExecution:
		v.hook(e)
	case *event.ACPToolCall:
		v.acpCall(e, n.Display)
	case *event.Pause:
		if n.Replay {
			v.print.note("Paused")
		}
	case *event.Interrupt:
		if n.Replay {
			v.print.note("Stopped by you")
		}
	case *event.Unknown:
		if n.Display != nil {
			v.print.note(n.Display.Title)
		}
	case *event.SystemPrompt, *event.CondensationSummary,
		*event.StateUpdate, *event.StreamingDelta, *event.Token, *event.LLMCompletionLog:
		// Nothing a person would want to read.
	}
}

// defaultRejection is the reason OpenHands gives where the user gave none.
const defaultRejection = "User rejected the action"

func (v *View) message(e *event.Message, at time.Time) {
	text := strings.TrimSpace(e.LLMMessage.Text())
	switch {
	case e.Source == event.SourceAgent:
		v.countStep(e.LLMResponseID, e.ID)
		v.streams.end(e.ID)
		v.think(e.LLMMessage.ReasoningContent, e.LLMMessage.ThinkingBlocks, at)
		v.say(text)
	case e.Source == event.SourceUser:
		v.recent = nil
		v.print.user(text)
		if len(e.ActivatedSkills) > 0 {
			v.print.note("With the skills " + strings.Join(e.ActivatedSkills, ", "))
		}
	case text != "":
		v.print.note("To the agent: " + firstLine(text))
	}
}

func (v *View) action(e *event.Action, d *event.Display, at time.Time) {
	v.countStep(e.LLMResponseID, e.ID)
	v.streams.end(e.ID)
	v.think(e.ReasoningContent, e.ThinkingBlocks, at)
	v.say(strings.TrimSpace(event.TextOf(e.Thought)))
	if kind, _ := event.KindOf(e.Action); kind == "ThinkAction" {
		var think struct {
			Thought string `json:"thought"`
		}
		if json.Unmarshal(e.Action, &think) == nil && strings.TrimSpace(think.Thought) != "" {
			v.print.thought(0, strings.TrimSpace(think.Thought), v.options.Thinking)
		}
	}
	c := &call{action: e}
	if d != nil {
		c.display = *d
	}
	v.calls = append(v.calls, c)
}

func (v *View) observation(e *event.Observation, d *event.Display, at time.Time, replay bool) {
	c := v.answered(e.ToolCallID)
	var o struct {
		Content []event.Content `json:"content"`
		IsError bool            `json:"is_error"`
		Tasks   *plan           `json:"task_list"`
		Kind    string          `json:"kind"`
	}
	if err := json.Unmarshal(e.Observation, &o); err != nil {
		o.Content = []event.Content{event.Text("this result could not be read: " + err.Error())}
		o.IsError = true
	}
	failed := o.IsError || d != nil && d.Status == event.StatusFailed
	if !failed {
		switch {
		case o.Kind == "FinishObservation":
			v.finished(c)
			return
		case o.Kind == "ThinkObservation":
			return
		case o.Tasks != nil:
			v.newPlan(*o.Tasks)
			return
		}
	}
	s := &step{failed: failed, took: v.took(c, at, replay)}
	s.verb, s.object = v.subject(c, d, e.ToolName)
	if d != nil {
		s.summary = strings.TrimSpace(d.Summary)
		if d.Diff != nil && !failed {
			s.diff, s.summary = true, ""
			s.added, s.removed = countDiff(d.Diff)
			v.changes.add(d.Diff, d.Kind == event.DisplayDelete)
		}
	}
	if failed {
		lines := outputLines(event.TextOf(o.Content))
		if s.summary == "" && len(lines) > 0 {
			s.summary, lines = lines[0], lines[1:]
		}
		s.output = tail(lines)
	}
	v.remember(s)
	v.print.step(s)
}

// finished says the message of a finish call, once it is carried out: it may be
// the last of several calls, or be turned down.
func (v *View) finished(c *call) {
	var finish struct {
		Message string `json:"message"`
	}
	if c != nil && json.Unmarshal(c.action.Action, &finish) == nil {
		v.say(strings.TrimSpace(finish.Message))
	}
}

func (v *View) agentError(e *event.AgentError, at time.Time) {
	c := v.answered(e.ToolCallID)
	s := &step{failed: true, took: v.took(c, at, false)}
	s.verb, s.object = v.subject(c, nil, e.ToolName)
	if lines := outputLines(e.Error); len(lines) > 0 {
		s.summary, s.output = lines[0], tail(lines[1:])
	}
	v.remember(s)
	v.print.step(s)
}

func (v *View) hook(e *event.HookExecution) {
	if e.Success && !e.Blocked {
		return
	}
	s := &step{verb: "Hook", object: e.HookEventType + " " + e.HookCommand, failed: true, summary: fmt.Sprintf("exit %d", e.ExitCode)}
	if e.Error != "" {
		s.summary = firstLine(e.Error)
	}
	if e.Blocked {
		s.summary = strings.TrimSuffix("blocked: "+firstLine(e.Reason), ": ")
	}
	s.output = tail(outputLines(e.Stderr))
	v.print.step(s)
}

func (v *View) acpCall(e *event.ACPToolCall, d *event.Display) {
	if e.Status != event.StatusCompleted && e.Status != event.StatusFailed {
		return
	}
	s := &step{failed: e.IsError || e.Status == event.StatusFailed}
	if d == nil {
		d = &event.Display{Kind: e.ToolKind, Title: e.Title}
	}
	s.verb, s.object = v.subject(nil, d, e.Title)
	s.summary = d.Summary
	v.print.step(s)
}

func (v *View) think(reasoning string, blocks []event.Thinking, at time.Time) {
	text := strings.TrimSpace(reasoning)
	if text == "" {
		var parts []string
		for _, b := range blocks {
			if t := strings.TrimSpace(b.Thinking); t != "" {
				parts = append(parts, t)
			}
		}
		text = strings.Join(parts, "\n")
	}
	if text == "" {
		return
	}
	took := time.Duration(0)
	if !v.last.IsZero() && !at.IsZero() {
		took = at.Sub(v.last)
	}
	v.print.thought(took, text, v.options.Thinking)
}

func (v *View) say(text string) {
	if text == "" {
		return
	}
	v.answer = text
	v.print.say(v.options.Name, text)
}

func (v *View) newPlan(p plan) {
	if slices.Equal(p, v.plan) {
		return
	}
	v.plan = p
	v.print.plan(p)
}

// countStep counts the model's answers: several actions may be from one.
func (v *View) countStep(response, id string) {
	if response == "" {
		response = id
	}
	if response != v.response {
		v.response = response
		v.steps++
	}
}

// answered takes the call out of those that have no answer.
func (v *View) answered(toolCallID string) *call {
	i := slices.IndexFunc(v.calls, func(c *call) bool { return c.action.ToolCallID == toolCallID })
	if i < 0 {
		return nil
	}
	c := v.calls[i]
	v.calls = slices.Delete(v.calls, i, i+1)
	return c
}

// took is how long a call ran: from the latest of its action, the event before
// the answer and the end of a wait for approval. A stored conversation doesn't
// tell when the user approved, so where the policy asks nothing is said.
func (v *View) took(c *call, at time.Time, replay bool) time.Duration {
	if c == nil || at.IsZero() || replay && PolicyName(v.info.ConfirmationPolicy) != "never ask" {
		return 0
	}
	from := c.action.Time()
	for _, t := range []time.Time{v.last, v.resumed} {
		if t.After(from) {
			from = t
		}
	}
	return max(at.Sub(from), 0)
}

// tellFailure prints an error that did not end the conversation: more came
// after it.
func (v *View) tellFailure() {
	if v.failure == nil {
		return
	}
	what, detail := explain(v.failure.Code, v.failure.Detail, v.failure.Classification)
	v.failure = nil
	s := &step{verb: "Error", object: what, failed: true}
	if detail != "" {
		s.output = tail(outputLines(detail))
	}
	v.print.step(s)
}

// remember keeps what the last steps did.
func (v *View) remember(s *step) {
	v.recent = append(v.recent, s.verb+"\x00"+s.object+"\x00"+s.summary)
	if n := len(v.recent); n > 12 {
		v.recent = v.recent[n-12:]
	}
}

// State takes the whole state of the conversation, the newest each time.
func (v *View) State(info protocol.Info) {
	if v.start == nil {
		u := UsageOf(info)
		v.start = &u
	}
	if waited := v.info.Status == protocol.StatusWaitingForConfirmation || v.info.Status == protocol.StatusWaitingForInput; waited && info.Status != v.info.Status {
		if t, err := time.Parse(time.RFC3339, info.UpdatedAt); err == nil {
			v.resumed = t
		}
	}
	v.info = info
}

// tail is the end of a long output: the last 10 lines.
func tail(lines []string) []string {
	if n := len(lines); n > 10 {
		return lines[n-10:]
	}
	return lines
}
