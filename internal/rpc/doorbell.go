package rpc

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
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
		declares := client.options != nil
		switch {
		case p.Kind == conversation.KindInput && declares && client.options.Input != nil:
			d.askInput(ctx, client, p)
		case p.Kind == conversation.KindInput:
			d.askChoice(ctx, client, p)
		case declares && client.options.Confirmation != nil:
			d.ask(ctx, client, p)
		default:
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
	answer := conversation.Confirmation{Reason: reply.Reason}
	if reply.Remember != nil {
		answer.Remember = conversation.Scope(cmp.Or(reply.Remember.Scope, "none"))
	}
	d.answer(client, p.RequestID, reply.Decision, answer)
}

func (d *doorbell) answer(client *client, requestID, decision string, answer conversation.Confirmation) {
	if decision != "approve" && decision != "reject" {
		d.server.log.Warn("a confirmation was answered with neither approve nor reject; it stays pending", "decision", decision)
		return
	}
	answer.RequestID, answer.Approve, answer.Via, answer.Client = requestID, decision == "approve", "reply", client.name
	_ = d.conversation.Confirm(answer, func(_ bool, _ *conversation.Resolution, err error) { // closed: it waits on disk
		if err != nil {
			d.server.log.Warn("the answer to a confirmation was refused; it stays pending", "requestId", requestID, "error", err)
		}
	})
}

// askPlainly asks a client that knows nothing of confirmations.
func (d *doorbell) askPlainly(ctx context.Context, client *client, p conversation.Pending) {
	options := toPending(p).Options
	var labels []string
	for _, o := range options {
		labels = append(labels, o.Label)
	}
	chosen, ok := d.server.choose(ctx, plainQuestion(p), labels)
	if !ok || chosen == later {
		if ctx.Err() == nil { // closed, or the editor knows no questions
			d.server.tell(messageWarning, "The agent asks: "+subjectOf(p)+" (approve or reject it with a code action)")
		}
		return
	}
	for _, o := range options {
		switch {
		case o.Label != chosen:
		case o.ID == "remember":
			d.answer(client, p.RequestID, "approve", conversation.Confirmation{Remember: conversation.ScopeConversation})
		default:
			d.answer(client, p.RequestID, o.ID, conversation.Confirmation{})
		}
	}
}

// plainQuestion says what waits, in whole: nobody should approve what they have not
// seen.
func plainQuestion(p conversation.Pending) string {
	var lines []string
	for _, a := range p.Actions {
		action := toPendingAction(a)
		line := action.Title
		var input struct {
			Command string `json:"command"`
		}
		if action.Kind == event.DisplayExecute && json.Unmarshal(action.Input, &input) == nil && input.Command != "" && !strings.HasSuffix(line, input.Command) {
			line += "\n" + input.Command // the title holds one line of it
		}
		why := strings.ToLower(string(action.Risk)) + " risk"
		if reason := action.Reason; reason != "" && !strings.Contains(reason, "its risk is") {
			why += ": " + reason
		}
		lines = append(lines, line+" ["+why+"]")
	}
	if len(lines) == 1 {
		return "The agent asks: " + lines[0]
	}
	return "The agent asks:\n" + strings.Join(lines, "\n")
}

// later is an answer that leaves everything as it is.
const later = "Later"

// choose shows the user a message with buttons; false if none was pressed.
func (s *Server) choose(ctx context.Context, message string, labels []string) (label string, ok bool) {
	type item struct {
		Title string `json:"title"`
	}
	params := struct {
		Type    int    `json:"type"`
		Message string `json:"message"`
		Actions []item `json:"actions"`
	}{3, message, nil}
	if name := s.client.Load().name; name == "Eglot" || name == "Emacs" {
		// The return key of Emacs takes the first one, which must decide nothing.
		labels = slices.Insert(labels, 0, later)
	}
	for _, l := range labels {
		params.Actions = append(params.Actions, item{l})
	}
	var chosen *item
	if err := s.call(ctx, "window/showMessageRequest", params, &chosen); err != nil || chosen == nil {
		return "", false
	}
	return chosen.Title, true
}
