package rpc

import (
	"cmp"
	"context"

	"github.com/google/uuid"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

func (s *Server) sendMessage(ctx context.Context, p protocol.SendMessageParams, reply func(protocol.SendMessageResult, error)) {
	fail := func(err error) { reply(protocol.SendMessageResult{}, err) }
	m, err := fromMessage(p.Message)
	if err != nil {
		fail(err)
		return
	}
	if p.MessageID != "" {
		id, err := uuid.Parse(p.MessageID)
		if err != nil {
			fail(invalid("messageId", "must be a UUID"))
			return
		}
		p.MessageID = id.String()
	}
	whenBusy := conversation.WhenBusy(p.WhenBusy)
	switch whenBusy {
	case "":
		whenBusy = conversation.Queue
	case conversation.Queue, conversation.Steer, conversation.Reject:
	default:
		fail(invalid("whenBusy", `must be "queue", "steer" or "reject"`))
		return
	}
	c, err := s.writable(ctx, p.ID)
	if err == nil && p.Run {
		err = c.Agent().Ready(ctx)
	}
	if err != nil {
		fail(err)
		return
	}
	message := conversation.Outgoing{ID: p.MessageID, Message: m, Sender: p.Sender}
	s.accepted(c.SendMessage(message, p.Run, whenBusy, func(sent conversation.Sent, err error) {
		reply(protocol.SendMessageResult{MessageID: sent.MessageID, Seq: sent.Seq, RunID: sent.RunID, Disposition: sent.Disposition}, err)
	}), fail)
}

func (s *Server) run(ctx context.Context, p protocol.RunParams, reply func(protocol.RunResult, error)) {
	fail := func(err error) { reply(protocol.RunResult{}, err) }
	c, err := s.writable(ctx, p.ID)
	if err == nil {
		err = c.Agent().Ready(ctx)
	}
	if err != nil {
		fail(err)
		return
	}
	started := func(runID string, err error) {
		if err != nil || !p.Wait {
			reply(protocol.RunResult{RunID: runID}, err)
		}
	}
	var ended func(conversation.Outcome)
	if p.Wait {
		ended = func(o conversation.Outcome) {
			reply(protocol.RunResult{RunID: o.RunID, Status: protocol.Status(o.Status), StopReason: protocol.StopReason(o.StopReason)}, nil)
		}
	}
	s.accepted(c.Run(started, ended), fail)
}

func (s *Server) pause(ctx context.Context, p protocol.IDParams, reply func(protocol.PauseResult, error)) {
	c, err := s.writable(ctx, p.ID)
	if err != nil {
		reply(protocol.PauseResult{}, err)
		return
	}
	s.accepted(c.Pause(func(status conversation.Status, err error) {
		reply(protocol.PauseResult{Status: protocol.Status(status)}, err)
	}), func(err error) { reply(protocol.PauseResult{}, err) })
}

func (s *Server) interrupt(ctx context.Context, p protocol.IDParams, reply func(struct{}, error)) {
	c, err := s.writable(ctx, p.ID)
	if err != nil {
		reply(struct{}{}, err)
		return
	}
	s.accepted(c.Interrupt(func(err error) { reply(struct{}{}, err) }), func(err error) { reply(struct{}{}, err) })
}

func (s *Server) condense(ctx context.Context, p protocol.IDParams, reply func(protocol.Info, error)) {
	fail := func(err error) { reply(protocol.Info{}, err) }
	c, err := s.writable(ctx, p.ID)
	if err != nil {
		fail(err)
		return
	}
	s.accepted(c.Condense(func(info conversation.Info, err error) { reply(toInfo(info), err) }), fail)
}

func (s *Server) confirm(ctx context.Context, p protocol.ConfirmParams, reply func(protocol.ConfirmResult, error)) {
	fail := func(err error) { reply(protocol.ConfirmResult{}, err) }
	if p.Decision != "approve" && p.Decision != "reject" {
		fail(invalid("decision", `must be "approve" or "reject"`))
		return
	}
	answer := conversation.Confirmation{
		RequestID: p.RequestID, Approve: p.Decision == "approve", Reason: p.Reason, Via: "confirm", Client: s.client.Load().name,
	}
	if p.Remember != nil {
		// Without a scope it is none that there is: the conversation says so.
		answer.Remember = conversation.Scope(cmp.Or(p.Remember.Scope, "none"))
	}
	switch p.Then {
	case "":
	case "continue", "stop":
		answer.GoOn = new(p.Then == "continue")
	default:
		fail(invalid("then", `must be "continue" or "stop"`))
		return
	}
	c, err := s.writable(ctx, p.ID)
	if err != nil {
		fail(err)
		return
	}
	if answer.Approve {
		if err := c.Agent().Ready(ctx); err != nil {
			fail(err)
			return
		}
	}
	s.accepted(c.Confirm(answer, func(accepted bool, by *conversation.Resolution, err error) {
		reply(protocol.ConfirmResult{Accepted: accepted, ResolvedBy: toResolvedBy(by)}, err)
	}), fail)
}

func (s *Server) rejectPendingActions(ctx context.Context, p protocol.RejectParams, reply func(protocol.RejectResult, error)) {
	fail := func(err error) { reply(protocol.RejectResult{}, err) }
	c, err := s.writable(ctx, p.ID)
	if err != nil {
		fail(err)
		return
	}
	reason := conversation.DefaultRejection
	if p.Reason != nil {
		reason = *p.Reason
	}
	s.accepted(c.RejectPendingActions(reason, func(n int, err error) { reply(protocol.RejectResult{Rejected: n}, err) }), fail)
}
