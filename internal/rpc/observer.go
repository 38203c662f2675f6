package rpc

import (
	"encoding/json"
	"strconv"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/rpc/wire"
)

// subscription tells the client what happens in one conversation. It is an
// [conversation.Observer]: it encodes and queues, and never waits.
type subscription struct {
	server *Server
	id     string
	quoted []byte // id as JSON
	bell   doorbell
	runs   progress
}

func (s *Server) subscribe(c *conversation.Conversation) *subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.subscriptions[c]; known != nil {
		return known
	}
	sub := &subscription{server: s, id: c.ID(), quoted: []byte(strconv.Quote(c.ID()))}
	sub.bell = doorbell{server: s, conversation: c}
	sub.runs = progress{server: s, conversation: c}
	s.subscriptions[c] = sub
	go func() {
		<-c.Done()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.subscriptions, c)
	}()
	return sub
}

// Event implements [conversation.Observer]. The event's own JSON is copied, not
// encoded again.
func (s *subscription) Event(epoch int, r conversation.Record) {
	if !r.Replay {
		s.runs.report(r)
	}
	if !s.server.speaks() {
		return
	}
	limit := s.server.client.Load().maxEventBytes()
	body := r.Cut(limit)
	b := make([]byte, 0, len(body)+512)
	b = append(b, `{"jsonrpc":"2.0","method":"`+protocol.NotifyEvent+`","params":{"id":`...)
	b = append(b, s.quoted...)
	b = append(b, `,"epoch":`...)
	b = strconv.AppendInt(b, int64(epoch), 10)
	b = append(b, `,"seq":`...)
	b = strconv.AppendInt(b, int64(r.Seq), 10)
	b = append(b, `,"event":`...)
	b = append(b, body...)
	if d := toDisplay(r.Display, limit); d != nil {
		if display, err := json.Marshal(d); err == nil {
			b = append(b, `,"display":`...)
			b = append(b, display...)
		}
	}
	if r.Replay {
		b = append(b, `,"replay":true`...)
	}
	b = append(b, `}}`...)
	s.server.out.Event(s.id, epoch, r.Seq, b)
}

// Delta implements [conversation.Observer].
func (s *subscription) Delta(d conversation.Delta) {
	if !s.server.client.Load().deltas() {
		return
	}
	s.server.out.Delta(wire.DeltaKey{
		Conv: s.id, RunID: d.RunID, MessageID: d.MessageID, ToolCallID: d.ToolCallID, Stream: string(d.Stream),
	}, d.Offset, d.Text)
}

// State implements [conversation.Observer].
func (s *subscription) State(i conversation.Info, ended bool) {
	if !s.server.speaks() {
		return
	}
	body := encode(protocol.NotifyStateChanged, protocol.StateChangedNotification{Info: toInfo(i), Seq: i.Cursor.Seq})
	if ended || i.Status == conversation.WaitingForConfirmation || i.Status == conversation.WaitingForInput {
		s.server.out.Terminal(s.id, body)
	} else {
		s.server.out.State(s.id, body)
	}
}

// Started implements [conversation.Observer].
func (s *subscription) Started(runID string) { s.runs.begin(runID) }

// Ended implements [conversation.Observer].
func (s *subscription) Ended(o conversation.Outcome) { s.runs.end(o) }

// Waiting implements [conversation.Observer].
func (s *subscription) Waiting(p conversation.Pending) {
	s.runs.say("waits for your decision")
	s.bell.ring(p)
}

// Resolved implements [conversation.Observer].
func (s *subscription) Resolved(r conversation.Resolution) {
	if s.server.speaks() {
		s.server.out.Send(encode(protocol.NotifyRequestResolved, protocol.RequestResolvedNotification{
			ID: s.id, RequestID: r.RequestID, Outcome: r.Outcome, By: protocol.ResolvedBy{Client: r.Client, Via: r.Via},
		}))
	}
	s.bell.silence(r.RequestID)
}

// encode makes the body of a notification.
func encode(method string, params any) []byte {
	body, err := json.Marshal(struct {
		Version string `json:"jsonrpc"`
		Method  string `json:"method"`
		Params  any    `json:"params"`
	}{"2.0", method, params})
	if err != nil {
		panic("encoding " + method + ": " + err.Error()) // our own types encode, a test sends each
	}
	return body
}
