package acp

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// The classes of OpenHands whose events are shown as something else than a tool
// call.
const (
	kindFinish          = "FinishAction"
	kindThink           = "ThinkAction"
	kindTasks           = "TaskTrackerAction"
	kindFinishResult    = "FinishObservation"
	kindTasksResult     = "TaskTrackerObservation"
	updateToolCall      = "tool_call"
	updateToolCallDelta = "tool_call_update"
)

// call is a tool call that is open. The client knows it by the id of its action,
// which no model can use twice.
type call struct {
	action *event.Action
	shown  toolCall
	// quiet calls are shown in another way, unless they fail.
	quiet   bool
	started bool
}

// Event implements [conversation.Observer].
func (s *session) Event(_ int, r conversation.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e := r.Event.(type) {
	case *event.Message:
		s.message(e, r.Replay)
	case *event.Action:
		s.action(e, r)
	case *event.Observation:
		s.observation(e, r.Display)
	case *event.UserReject:
		s.failed(s.callOf(e.ActionID, e.ToolCallID), "Rejected: "+e.RejectionReason)
	case *event.AgentError:
		s.failed(s.callOf("", e.ToolCallID), e.Error)
	case *event.Condensation:
		s.condensation(e)
	case *event.HookExecution:
		if d := r.Display; d != nil {
			s.send(toolCall{SessionUpdate: updateToolCall, ToolCallID: e.ID, Title: d.Title, Kind: event.DisplayOther, Status: d.Status, Content: textContent(d.Summary)})
		}
	case *event.ConversationError:
		// The error of a run that ended is the answer to its prompt; of an old one
		// there is no such answer.
		if r.Replay {
			s.send(messageChunk{"agent_message_chunk", textBlock(e.Detail), e.ID})
		}
	}
}

// message sends a message of the agent, or one of the user's that the client has
// not sent itself.
func (s *session) message(e *event.Message, replay bool) {
	switch {
	case e.Source == event.SourceAgent:
		s.rest(conversation.StreamReasoning, e.ID, reasoning(e.LLMMessage.ReasoningContent, e.LLMMessage.ThinkingBlocks))
		s.rest(conversation.StreamText, e.ID, e.LLMMessage.Text())
	case e.Source == event.SourceUser && replay:
		for _, b := range blocks(e.LLMMessage.Content) {
			s.send(messageChunk{"user_message_chunk", b, e.ID})
		}
	}
}

// reasoning gives what a model thought, which stands in one of two places.
func reasoning(text string, thinking []event.Thinking) string {
	if text != "" {
		return text
	}
	var parts []string
	for _, t := range thinking {
		if t.Thinking != "" {
			parts = append(parts, t.Thinking)
		}
	}
	return strings.Join(parts, "\n")
}

func (s *session) action(e *event.Action, r conversation.Record) {
	s.rest(conversation.StreamReasoning, e.ID, reasoning(e.ReasoningContent, e.ThinkingBlocks))
	s.rest(conversation.StreamText, e.ID, event.TextOf(e.Thought))
	c := &call{action: e, shown: callShown(e, r.Display)}
	s.calls[e.ID] = c
	switch kind, _ := event.KindOf(e.Action); kind {
	case kindFinish:
		c.quiet = true
	case kindThink:
		c.quiet = true
		var a struct {
			Thought string `json:"thought"`
		}
		if json.Unmarshal(e.Action, &a) == nil {
			s.send(messageChunk{"agent_thought_chunk", textBlock(a.Thought), e.ID + ".think"})
		}
	case kindTasks:
		var a struct {
			Command string `json:"command"`
		}
		_ = json.Unmarshal(e.Action, &a) // an action that was stored can be read
		c.quiet = a.Command == "plan"
	}
	if !c.quiet {
		s.send(c.shown)
	}
	if !r.Replay {
		// By its next turn the conversation carries the call out, or asks.
		_ = s.conversation.Info(s.startAll) // closed: nothing starts any more
	}
}

// startAll notes that the open calls are carried out, where the run goes on.
func (s *session) startAll(i conversation.Info) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i.Status == conversation.Running {
		for _, c := range s.calls {
			s.start(c)
		}
	}
}

// callShown is a tool call as it is announced.
func callShown(e *event.Action, d *event.Display) toolCall {
	t := toolCall{
		SessionUpdate: updateToolCall, ToolCallID: e.ID, Name: e.ToolName, Title: e.ToolName, Kind: event.DisplayOther,
		Status: event.StatusPending, RawInput: e.Action,
	}
	if d != nil {
		t.Title, t.Kind = d.Title, kindOf(d.Kind)
		t.Locations, t.Content = locations(d.Locations), diffContent(d.Diff)
		if d.Risk != "" {
			t.Meta = meta{"agentRpc": meta{"risk": d.Risk}}
		}
	}
	return t
}

// kindOf gives a kind of the protocol's: those of a display are, but for those of
// events that are no tool call.
func kindOf(kind string) string {
	if slices.Contains([]string{event.DisplayRead, event.DisplayEdit, event.DisplayDelete, event.DisplayMove, event.DisplaySearch, event.DisplayExecute, event.DisplayThink, event.DisplayFetch}, kind) {
		return kind
	}
	return event.DisplayOther
}

func locations(list []event.Location) []location {
	var out []location
	for _, l := range list {
		out = append(out, location(l))
	}
	return out
}

func diffContent(d *event.Diff) []toolCallContent {
	if d == nil {
		return nil
	}
	return []toolCallContent{{Type: "diff", Path: d.Path, OldText: d.OldText, NewText: &d.NewText}}
}

func textContent(text string) []toolCallContent {
	if text == "" {
		return nil
	}
	b := textBlock(text)
	return []toolCallContent{{Type: "content", Content: &b}}
}

// callOf finds an open call by its action, or the newest with the model's id.
func (s *session) callOf(actionID, toolCallID string) *call {
	if c := s.calls[actionID]; c != nil {
		return c
	}
	for _, c := range s.calls {
		if c.action.ToolCallID == toolCallID {
			return c
		}
	}
	return nil
}

// started notes that a tool has begun, from its first output.
func (s *session) started(toolCallID string) {
	if c := s.callOf("", toolCallID); c != nil {
		s.start(c)
	}
}

func (s *session) start(c *call) {
	if c.started {
		return
	}
	c.started = true
	if !c.quiet {
		s.send(toolCall{SessionUpdate: updateToolCallDelta, ToolCallID: c.action.ID, Status: event.StatusInProgress})
	}
}

func (s *session) observation(e *event.Observation, d *event.Display) {
	c := s.callOf(e.ActionID, e.ToolCallID)
	if c == nil {
		return // of a call that was before what the client was shown
	}
	kind, _ := event.KindOf(e.Observation)
	content := s.conversation.Agent().Render(e.Observation)
	status := event.StatusCompleted
	if d != nil {
		status = d.Status
	}
	if status == event.StatusFailed {
		s.failed(c, event.TextOf(content))
		return
	}
	delete(s.calls, c.action.ID)
	if kind == kindTasksResult {
		s.plan(e.Observation)
	}
	if c.quiet {
		if kind == kindFinishResult {
			if text := event.TextOf(content); text != "" {
				s.send(messageChunk{"agent_message_chunk", textBlock(text), e.ID})
			}
		}
		return
	}
	u := toolCall{SessionUpdate: updateToolCallDelta, ToolCallID: c.action.ID, Status: status}
	if d != nil {
		u.Locations, u.Content = locations(d.Locations), diffContent(d.Diff)
		if d.Summary != "" {
			u.Meta = meta{"agentRpc": meta{"summary": d.Summary}}
		}
	}
	if u.Content == nil {
		u.Content = output(content)
	}
	s.send(u)
}

// output shows what a tool gave as it is: clients take text for Markdown.
func output(content []event.Content) []toolCallContent {
	var list []toolCallContent
	for _, b := range blocks(content) {
		if b.Text != nil {
			b = textBlock(fenced(*b.Text))
		}
		list = append(list, toolCallContent{Type: "content", Content: &b})
	}
	return list
}

// fenced puts a text between fences that it does not hold.
func fenced(text string) string {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence + "\n" + strings.TrimRight(text, "\n") + "\n" + fence
}

// failed ends a call that was not carried out, or not well.
func (s *session) failed(c *call, why string) {
	if c == nil {
		return
	}
	delete(s.calls, c.action.ID)
	if c.quiet {
		c.shown.Status, c.shown.Content = event.StatusFailed, textContent(fenced(why))
		s.send(c.shown)
		return
	}
	s.send(toolCall{SessionUpdate: updateToolCallDelta, ToolCallID: c.action.ID, Status: event.StatusFailed, Content: textContent(fenced(why))})
}

// plan sends the list of the task tracker, which has no priorities.
func (s *session) plan(observation json.RawMessage) {
	var o struct {
		Tasks []struct {
			Title  string `json:"title"`
			Status string `json:"status"`
		} `json:"task_list"`
	}
	if json.Unmarshal(observation, &o) != nil {
		return
	}
	u := planUpdate{"plan", []planEntry{}}
	for _, t := range o.Tasks {
		status := map[string]string{"in_progress": "in_progress", "done": "completed"}[t.Status]
		if status == "" {
			status = "pending"
		}
		u.Entries = append(u.Entries, planEntry{t.Title, "medium", status})
	}
	s.send(u)
}

// condensation tells a client that shows it what the model has forgotten.
func (s *session) condensation(e *event.Condensation) {
	if s.server.client.Load().Session.Compaction == nil {
		return
	}
	u := compactionUpdate{SessionUpdate: "compaction_update", CompactionID: e.ID, Status: "completed"}
	if e.Summary != nil {
		u.Summary = []contentBlock{textBlock(*e.Summary)}
	}
	s.send(u)
}
