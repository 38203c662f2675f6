package acp

import (
	"context"
	"fmt"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
)

// Questions to the client are a doorbell and no more: the truth is the
// conversation's pending list. Nothing is approved by anything but an answer that
// says so; what can't be asked waits, and the turn ends so that the user can say
// what they think.

// The options of a permission.
const (
	optionApprove  = "approve"
	optionRemember = "remember"
	optionReject   = "reject"
)

// ring asks in a goroutine that ends with the answer, or when the request is
// resolved some other way. It is called with the lock held.
func (s *session) ring(p conversation.Pending) {
	if _, already := s.ringing[p.RequestID]; already {
		return
	}
	ctx, cancel := context.WithCancel(s.server.life)
	s.ringing[p.RequestID] = cancel
	go func() {
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.silence(p.RequestID)
		}()
		if p.Kind == conversation.KindInput {
			s.elicit(ctx, p)
		} else {
			s.askPermission(ctx, p)
		}
	}()
}

// silence takes the question back.
func (s *session) silence(requestID string) {
	if cancel := s.ringing[requestID]; cancel != nil {
		cancel()
		delete(s.ringing, requestID)
	}
}

func (s *session) askPermission(ctx context.Context, p conversation.Pending) {
	var result permissionResult
	err := s.server.call(ctx, "session/request_permission", s.permission(p), &result)
	if ctx.Err() != nil {
		return // it was resolved meanwhile
	}
	answer := conversation.Confirmation{RequestID: p.RequestID, Via: "reply", Client: "acp"}
	switch {
	case err != nil:
		s.server.log.Info("the client did not answer a permission; it stays pending", "requestId", p.RequestID, "error", err)
		s.giveUp(p.RunID, "The agent waits for your approval: "+p.Reason)
		return
	case result.Outcome.Outcome == cancelled:
		s.cancel()
		return
	case result.Outcome.OptionID == optionApprove:
		answer.Approve = true
	case result.Outcome.OptionID == optionRemember && p.Memorable:
		answer.Approve, answer.Remember = true, conversation.ScopeConversation
	case result.Outcome.OptionID == optionReject:
	default:
		s.server.log.Warn("a permission was answered with none of its options; it stays pending", "option", result.Outcome.OptionID)
		s.giveUp(p.RunID, "The agent waits for your approval: "+p.Reason)
		return
	}
	_ = s.conversation.Confirm(answer, func(_ bool, _ *conversation.Resolution, err error) { // closed: it waits on disk
		if err != nil {
			s.server.log.Warn("the answer to a permission was refused; it stays pending", "requestId", p.RequestID, "error", err)
			go s.giveUp(p.RunID, "The agent waits for your approval: "+p.Reason)
		}
	})
}

// permission is the question about a batch, which is decided as one.
func (s *session) permission(p conversation.Pending) permissionParams {
	params := permissionParams{SessionID: s.id, Options: []permissionOption{}, Meta: meta{"agentRpc": meta{"requestId": p.RequestID, "reason": p.Reason}}}
	approve, remember, reject := "Allow", "Allow, and don't ask again in this conversation", "Reject"
	for i, a := range p.Actions {
		shown := callShown(a.Action, a.Display)
		shown.SessionUpdate = ""
		if i == 0 {
			params.ToolCall = shown
		}
		if len(p.Actions) > 1 {
			text := fmt.Sprintf("%s [%s]", shown.Title, a.Risk)
			params.ToolCall.Content = append(params.ToolCall.Content, textContent(text)...)
		}
	}
	if n := len(p.Actions); n > 1 {
		params.ToolCall.Title = fmt.Sprintf("%d actions: %s, …", n, params.ToolCall.Title)
		approve, reject = fmt.Sprintf("Allow all %d", n), fmt.Sprintf("Reject all %d", n)
		remember = fmt.Sprintf("Allow all %d, and don't ask again in this conversation", n)
	}
	params.Options = append(params.Options, permissionOption{optionApprove, approve, "allow_once"})
	if p.Memorable {
		params.Options = append(params.Options, permissionOption{optionRemember, remember, "allow_always"})
	}
	params.Options = append(params.Options, permissionOption{optionReject, reject, "reject_once"})
	return params
}

// elicit puts a tool's question to the user.
func (s *session) elicit(ctx context.Context, p conversation.Pending) {
	if s.server.client.Load().Elicitation.Form == nil {
		s.giveUp(p.RunID, "The agent asks: "+p.Message)
		return
	}
	params := elicitationParams{Mode: "form", SessionID: s.id, Message: p.Message, RequestedSchema: p.Schema}
	if len(p.Actions) > 0 {
		params.ToolCallID = p.Actions[0].Action.ID
	}
	var result elicitationResult
	err := s.server.call(ctx, "elicitation/create", params, &result)
	if ctx.Err() != nil {
		return
	}
	answer := conversation.InputReply{RequestID: p.RequestID, Via: "reply", Client: "acp"}
	answer.Action = conversation.InputAction(result.Action)
	switch answer.Action {
	case conversation.InputAccept:
		answer.Content = result.Content
	case conversation.InputDecline, conversation.InputCancel:
	default:
		s.server.log.Info("the client did not answer a question; it stays pending", "requestId", p.RequestID, "error", err)
		s.giveUp(p.RunID, "The agent asks: "+p.Message)
		return
	}
	_ = s.conversation.Answer(answer, func(_ bool, _ *conversation.Resolution, err error) { // closed: it waits on disk
		if err != nil {
			s.server.log.Warn("the answer to a question does not fit; it stays pending", "requestId", p.RequestID, "error", err)
			go s.giveUp(p.RunID, "The agent asks: "+p.Message)
		}
	})
}
