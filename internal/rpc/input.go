package rpc

import (
	"context"
	"encoding/json"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/form"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// askInput puts a tool's question to the client. As with confirmations only an
// answer that fits counts: anything else leaves it pending.
func (d *doorbell) askInput(ctx context.Context, client *client, p conversation.Pending) {
	var raw json.RawMessage
	err := d.server.call(ctx, protocol.RequestInput,
		protocol.InputParams{ID: d.conversation.ID(), RequestID: p.RequestID, Message: p.Message, Schema: p.Schema}, &raw)
	if err != nil {
		if ctx.Err() == nil {
			d.server.log.Info("the client did not answer a question; it stays pending", "requestId", p.RequestID, "error", err)
		}
		return
	}
	var reply *protocol.InputReply
	if err := json.Unmarshal(raw, &reply); err != nil || reply == nil {
		return // shown, still pending
	}
	d.answerInput(client, p.RequestID, *reply)
}

// askChoice asks a client that knows nothing of forms, where the form is one
// choice; any other question stays pending.
func (d *doorbell) askChoice(ctx context.Context, client *client, p conversation.Pending) {
	f, err := form.Parse(p.Schema)
	if err != nil || len(f.Choices()) == 0 {
		d.server.log.Warn("a question waits that this client can't show; answer it with conversation/answer", "requestId", p.RequestID)
		return
	}
	var labels []string
	for _, c := range f.Choices() {
		labels = append(labels, c.Label)
	}
	chosen, ok := d.server.choose(ctx, p.Message, labels)
	if !ok {
		return
	}
	for _, c := range f.Choices() {
		if c.Label == chosen {
			d.answerInput(client, p.RequestID, protocol.InputReply{Action: string(conversation.InputAccept), Content: f.Chosen(c)})
			return
		}
	}
}

func (d *doorbell) answerInput(client *client, requestID string, reply protocol.InputReply) {
	answer, err := fromInput(requestID, reply)
	if err == nil {
		answer.Via, answer.Client = "reply", client.name
		err = d.conversation.Answer(answer, func(_ bool, _ *conversation.Resolution, err error) {
			if err != nil {
				d.server.log.Warn("the answer to a question does not fit; it stays pending", "requestId", requestID, "error", err)
			}
		})
	}
	if err != nil {
		d.server.log.Warn("the answer to a question does not fit; it stays pending", "requestId", requestID, "error", err)
	}
}

// fromInput reads a client's answer.
func fromInput(requestID string, reply protocol.InputReply) (a conversation.InputReply, err error) {
	a.RequestID, a.Action, a.Content = requestID, conversation.InputAction(reply.Action), object(reply.Content)
	switch a.Action {
	case conversation.InputAccept, conversation.InputDecline, conversation.InputCancel:
		return a, nil
	}
	return a, invalid("action", `must be "accept", "decline" or "cancel"`)
}

func (s *Server) answer(ctx context.Context, p protocol.AnswerParams, reply func(protocol.AnswerResult, error)) {
	fail := func(err error) { reply(protocol.AnswerResult{}, err) }
	answer, err := fromInput(p.RequestID, p.InputReply)
	if err != nil {
		fail(err)
		return
	}
	answer.Via, answer.Client = "answer", s.client.Load().name
	c, err := s.writable(ctx, p.ID)
	if err == nil {
		err = c.Agent().Ready(ctx)
	}
	if err != nil {
		fail(err)
		return
	}
	s.accepted(c.Answer(answer, func(accepted bool, by *conversation.Resolution, err error) {
		reply(protocol.AnswerResult{Accepted: accepted, ResolvedBy: toResolvedBy(by)}, err)
	}), fail)
}
