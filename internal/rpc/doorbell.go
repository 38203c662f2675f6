package rpc

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// doorbell asks the client about what waits. It is no more than that: the truth
// is the conversation's pending list, an answer that is missing, null or wrong
// leaves everything as it is, and nothing is ever approved by default.
type doorbell struct {
	server       *Server
	conversation *conversation.Conversation

	mu      sync.Mutex
	ringing map[string]context.CancelFunc // by request id
}

// ring asks in a goroutine that ends with the answer, or when the request is
// resolved some other way.
func (d *doorbell) ring(p conversation.Pending) {
	client := d.server.client.Load()
	ctx, cancel := context.WithCancel(d.server.life)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ringing == nil {
		d.ringing = map[string]context.CancelFunc{}
	}
	if _, already := d.ringing[p.RequestID]; already {
		cancel()
		return
	}
	d.ringing[p.RequestID] = cancel
	go func() {
		defer d.silence(p.RequestID)
		if client.options != nil && client.options.Confirmation != nil {
			d.ask(ctx, client, p)
		} else {
			d.askPlainly(ctx, client, p)
		}
	}()
}

// silence takes the question back.
func (d *doorbell) silence(requestID string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if cancel := d.ringing[requestID]; cancel != nil {
		cancel()
		delete(d.ringing, requestID)
	}
}

func (d *doorbell) ask(ctx context.Context, client *client, p conversation.Pending) {
	var raw json.RawMessage
	err := d.server.call(ctx, protocol.RequestConfirmation,
		protocol.ConfirmationParams{ID: d.conversation.ID(), Pending: toPending(p)}, &raw)
	if err != nil {
		if ctx.Err() == nil {
			d.server.log.Info("the client did not answer a confirmation; it stays pending", "requestId", p.RequestID, "error", err)
		}
		return
	}
	var reply *protocol.ConfirmationReply
	if err := json.Unmarshal(raw, &reply); err != nil || reply == nil {
		return // shown, still pending
	}
	d.answer(client, p.RequestID, reply.Decision, reply.Reason)
}

func (d *doorbell) answer(client *client, requestID, decision, reason string) {
	if decision != "approve" && decision != "reject" {
		d.server.log.Warn("a confirmation was answered with neither approve nor reject; it stays pending", "decision", decision)
		return
	}
	_ = d.conversation.Confirm(conversation.Confirmation{ // closed: it waits on disk
		RequestID: requestID, Approve: decision == "approve", Reason: reason, Via: "reply", Client: client.name,
	}, func(bool, *conversation.Resolution, error) {})
}

// askPlainly asks a client that knows nothing of confirmations.
func (d *doorbell) askPlainly(ctx context.Context, client *client, p conversation.Pending) {
	type item struct {
		Title string `json:"title"`
	}
	options := toPending(p).Options
	var lines []string
	for _, a := range p.Actions {
		action := toPendingAction(a)
		lines = append(lines, fmt.Sprintf("%s [%s]", action.Title, action.Risk))
	}
	params := struct {
		Type    int    `json:"type"`
		Message string `json:"message"`
		Actions []item `json:"actions"`
	}{3, "The agent asks to " + strings.Join(lines, "; ") + " (" + p.Reason + ")", nil}
	for _, o := range options {
		params.Actions = append(params.Actions, item{o.Label})
	}
	var chosen *item
	if err := d.server.call(ctx, "window/showMessageRequest", params, &chosen); err != nil || chosen == nil {
		return
	}
	for _, o := range options {
		if o.Label == chosen.Title {
			d.answer(client, p.RequestID, o.ID, "")
		}
	}
}
