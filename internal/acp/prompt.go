package acp

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/face"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

// prompt is a session/prompt that waits for the end of its turn. It belongs to the
// session's lock.
type prompt struct {
	runID     string // "" until it was accepted
	messageID string
	waits     bool // its message is queued
	cancelled bool
	reply     func(promptResult, error)
}

// prompt sends a message and answers when the run ends. One that comes while a run
// goes on waits in the conversation's queue, and is answered with it; one that comes
// while the agent waits for the user is the user's answer: what waits is rejected
// with it as the reason.
func (s *Server) prompt(ctx context.Context, p promptParams, reply func(promptResult, error)) {
	fail := func(err error) { reply(promptResult{}, err) }
	sess, err := s.active(p.SessionID)
	var m event.LLMMessage
	if err == nil {
		m, err = messageOf(p.Prompt)
	}
	if err == nil {
		err = sess.conversation.Agent().Ready(ctx)
	}
	if err != nil {
		fail(err)
		return
	}
	if strings.TrimSpace(m.Text()) == "/"+commandCondense {
		sess.condense(reply)
		return
	}
	one := &prompt{messageID: uuid.NewString(), reply: reply}
	whenBusy := sess.add(one)
	context.AfterFunc(ctx, func() {
		// The client took the request back ($/cancel_request), or it is answered.
		if sess.waitsFor(one) {
			sess.cancel()
		}
	})
	err = sess.conversation.SendMessage(conversation.Outgoing{ID: one.messageID, Message: m}, true, whenBusy, func(sent conversation.Sent, err error) {
		if err != nil {
			sess.drop(one)
			reply(promptResult{}, err)
			return
		}
		sess.accepted(one, sent)
	})
	if err != nil {
		sess.drop(one)
		fail(err)
	}
}

func (s *session) add(p *prompt) conversation.WhenBusy {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prompts = append(s.prompts, p)
	switch s.info.Status {
	case conversation.WaitingForConfirmation, conversation.WaitingForInput:
		return conversation.Steer
	}
	return conversation.Queue
}

func (s *session) drop(p *prompt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prompts = slices.DeleteFunc(s.prompts, func(other *prompt) bool { return other == p })
}

func (s *session) waitsFor(p *prompt) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.prompts, p)
}

func (s *session) accepted(p *prompt, sent conversation.Sent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.runID, p.waits = sent.RunID, sent.Disposition == "queued"
}

// endPrompts answers the prompts of a run that is over.
func (s *session) endPrompts(o conversation.Outcome) {
	told := false
	s.prompts = slices.DeleteFunc(s.prompts, func(p *prompt) bool {
		if p.runID != o.RunID {
			return false
		}
		result, err := s.result(o)
		if p.cancelled {
			result, err = promptResult{StopReason: cancelled}, nil // whatever else happened
		}
		if e := s.info.Error; e != nil && err == nil && !p.cancelled && !told {
			told = true
			s.tell(e.Message)
		}
		p.reply(result, err)
		return true
	})
}

// result is what a run's end is as the end of a turn. A run that failed is an
// error.
func (s *session) result(o conversation.Outcome) (promptResult, error) {
	result := promptResult{StopReason: endTurn, Meta: meta{"agentRpc": meta{"stopReason": o.StopReason}}}
	switch o.StopReason {
	case conversation.StopInterrupted:
		result.StopReason = cancelled
	case conversation.StopMaxIterations, conversation.StopBudget:
		result.StopReason = maxTurnRequests
	case conversation.StopError:
		e := s.info.Error
		if e == nil {
			break
		}
		if e.Code == "LLMContentPolicyViolationError" {
			result.StopReason = refusal
			break
		}
		failure := &protocol.Error{Code: protocol.CodeInternalError, Message: e.Message, Data: map[string]any{
			"kind": "run_failed", "code": e.Code, "classification": e.Classification.Kind, "retryable": e.Classification.Retryable,
		}}
		if e.Classification.Kind == event.ClassAuth.Kind {
			failure.Code = codeAuthRequired
		}
		return result, failure
	}
	return result, nil
}

// tell shows the user what is no message of the agent's: as a notice where the
// client shows such things, as a message else.
func (s *session) tell(text string) {
	if s.server.client.Load().Session.Notices != nil {
		s.send(noticeUpdate{"notice", "warning", text, ""})
		return
	}
	s.send(messageChunk{"agent_message_chunk", textBlock(text), uuid.NewString()})
}

// cancel ends the turns of a session: every prompt that waits is answered
// cancelled, however its run ends.
func (s *Server) cancel(_ context.Context, p sessionParams) error {
	if sess := s.opened(p.SessionID); sess != nil {
		sess.cancel()
	}
	return nil // one that is not there does nothing
}

func (s *session) cancel() {
	_ = s.conversation.Info(func(i conversation.Info) { // closed: its prompts are answered
		for _, id := range s.cancelPrompts() {
			_ = s.conversation.Unsend(id, func(conversation.Outgoing, error) {}) // it is in by now, or gone with the conversation
		}
		switch i.Status {
		case conversation.Running, conversation.Pausing, conversation.WaitingForConfirmation, conversation.WaitingForInput:
			_ = s.conversation.Interrupt(func(error) {})
		}
	})
}

// cancelPrompts marks the prompts that wait and gives the messages that are queued.
func (s *session) cancelPrompts() (queued []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.prompts {
		p.cancelled = true
		if p.waits {
			queued = append(queued, p.messageID)
		}
	}
	return queued
}

// giveUp ends the turns of a run that waits for an answer that does not come. What
// waits goes on waiting: the next prompt answers it.
func (s *session) giveUp(runID, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prompts = slices.DeleteFunc(s.prompts, func(p *prompt) bool {
		if p.runID != runID {
			return false
		}
		s.tell(why)
		result := promptResult{StopReason: endTurn, Meta: meta{"agentRpc": meta{"status": s.info.Status}}}
		if p.cancelled {
			result = promptResult{StopReason: cancelled}
		}
		p.reply(result, nil)
		return true
	})
}

func (s *session) condense(reply func(promptResult, error)) {
	err := s.conversation.Condense(func(_ conversation.Info, err error) {
		reply(promptResult{StopReason: endTurn}, err)
	})
	if err != nil {
		reply(promptResult{}, err)
	}
}

// messageOf makes a message of what the user sends.
func messageOf(list []contentBlock) (event.LLMMessage, error) {
	m := event.LLMMessage{Role: event.RoleUser}
	if len(list) == 0 {
		return m, invalid("prompt", "is empty")
	}
	for i, b := range list {
		c, err := b.content()
		if err != nil {
			return m, invalid(fmt.Sprintf("prompt[%d]", i), err.Error())
		}
		m.Content = append(m.Content, c)
	}
	return m, nil
}

func (b *contentBlock) content() (event.Content, error) {
	switch b.Type {
	case "text":
		if b.Text == nil {
			return event.Content{}, fmt.Errorf("text is missing")
		}
		return event.Text(*b.Text), nil
	case "image":
		if b.Data == "" && b.URI == "" {
			return event.Content{}, fmt.Errorf("data is missing")
		}
		if b.Data == "" {
			return event.Image(b.URI), nil
		}
		return event.Image("data:" + b.MimeType + ";base64," + b.Data), nil
	case "resource_link":
		kind, place := placeOf(b.URI)
		return face.Shared(kind, place, ""), nil
	case "resource":
		if b.Resource == nil {
			return event.Content{}, fmt.Errorf("resource is missing")
		}
		return b.Resource.content(), nil
	case "audio":
		return event.Content{}, fmt.Errorf("audio is not served; the agent's promptCapabilities say so")
	}
	return event.Content{}, fmt.Errorf("type %q is none of text, image, resource_link, resource", b.Type)
}

func (r *resource) content() event.Content {
	kind, place := placeOf(r.URI)
	switch {
	case r.Text != nil:
		return face.Shared(kind, place, strings.TrimRight(*r.Text, "\n"))
	case r.Blob != nil && strings.HasPrefix(r.MimeType, "image/"):
		return event.Image("data:" + r.MimeType + ";base64," + *r.Blob)
	}
	return face.Shared(kind, place, "")
}

// placeOf gives what a URI names as it is written in a message. Lines stand in a
// file's fragment: #L3, #L3:9, #L3-L9.
func placeOf(uri string) (kind, place string) {
	base, fragment, _ := strings.Cut(uri, "#")
	path, err := workspace.FromURI(base)
	if err != nil {
		if unescaped, err := url.PathUnescape(uri); err == nil {
			uri = unescaped
		}
		return "resource", uri
	}
	lines := strings.NewReplacer("L", "", ":", "-").Replace(strings.TrimPrefix(fragment, "L"))
	from, to, span := strings.Cut(lines, "-")
	switch {
	case !number(from) || span && !number(to):
		return "file", path
	case !span || from == to:
		return "selection", path + ":" + from
	}
	return "selection", path + ":" + from + "-" + to
}

func number(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// rawString reads a value that must be a string.
func rawString(field string, raw json.RawMessage) (string, error) {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", invalid(field, "must be a string")
	}
	return s, nil
}
