// Package clienttest is a peer for tests of clients: it speaks the real frames
// of the protocol over any stream and plays runs that a test wrote. It keeps no
// conversation on disk, runs no tool and asks no model; what it sends is what
// the test gives it.
//
// A peer starts one goroutine per run; [Peer.Serve] waits for them.
package clienttest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// Peer is a server as far as a client can tell.
type Peer struct {
	// StateDir stands in the answer to initialize.
	StateDir string
	// Conversations that are there already.
	Conversations []*Conversation
	// Play is a run: it sends events and states and ends with a terminal state.
	Play func(r *Run)
	// Refuse gives an error for a request before anything else is done; nil lets
	// every request through.
	Refuse func(method string) *protocol.Error

	out     sync.Mutex
	w       io.Writer
	mu      sync.Mutex
	current *Run
	runs    sync.WaitGroup
	down    bool
	got     []Message
}

// Got lists every request, reply and notification that came, in order.
func (p *Peer) Got() []Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got)
}

// Message is what the client sent.
type Message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// Conversation is a stored conversation.
type Conversation struct {
	Info   protocol.Info
	Events []protocol.SeqEvent
}

// Run is one run of a conversation; its methods are for [Peer.Play].
type Run struct {
	*Conversation
	// Message is what the user sent; empty for conversation/run.
	Message string
	// Confirmed, Paused and Interrupted take what the client asks for.
	Confirmed   chan protocol.ConfirmParams
	Paused      chan struct{}
	Interrupted chan struct{}
	// Gone is closed when the client is gone.
	Gone chan struct{}
	peer *Peer
	n    int
}

// Serve speaks until the client is gone. The result is the exit code of a
// server: 0 only after shutdown.
func (p *Peer) Serve(r io.Reader, w io.Writer) int {
	p.w = w
	in := bufio.NewReader(r)
	defer p.runs.Wait()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.current != nil {
			close(p.current.Gone)
		}
	}()
	for {
		body, err := ReadFrame(in)
		if err != nil {
			break
		}
		var m Message
		if err := json.Unmarshal(body, &m); err != nil {
			p.send(map[string]any{"jsonrpc": "2.0", "id": nil, "error": &protocol.Error{Code: protocol.CodeParseError, Message: err.Error()}})
			continue
		}
		p.mu.Lock()
		p.got = append(p.got, m)
		p.mu.Unlock()
		if m.Method == "exit" {
			break
		}
		if m.ID == nil || m.Method == "" {
			continue
		}
		result, refused, after := p.handle(m)
		reply := map[string]any{"jsonrpc": "2.0", "id": m.ID}
		if refused != nil {
			reply["error"] = refused
		} else {
			reply["result"] = result
		}
		p.send(reply)
		if after != nil {
			after()
		}
	}
	if p.down {
		return 0
	}
	return 1
}

func (p *Peer) handle(m Message) (result any, refused *protocol.Error, after func()) {
	if p.Refuse != nil {
		if e := p.Refuse(m.Method); e != nil {
			return nil, e, nil
		}
	}
	var id protocol.IDParams
	_ = json.Unmarshal(m.Params, &id) // methods without an id have none
	switch m.Method {
	case "initialize":
		return map[string]any{
			"capabilities": map[string]any{"experimental": map[string]any{"agentRpc": protocol.ServerOptions{
				Version: protocol.Version, Features: map[string]bool{}, StateDir: p.StateDir,
			}}},
			"serverInfo": map[string]string{"name": "agent-rpc", "version": "test"},
		}, nil, nil
	case "shutdown":
		p.down = true
		return nil, nil, nil
	case protocol.MethodList:
		list := protocol.ListResult{Items: []protocol.Info{}}
		for _, c := range p.Conversations {
			list.Items = append(list.Items, c.Info)
		}
		return list, nil, nil
	case protocol.MethodCreate:
		var params protocol.CreateParams
		if err := json.Unmarshal(m.Params, &params); err != nil {
			return nil, &protocol.Error{Code: protocol.CodeInvalidParams, Message: err.Error()}, nil
		}
		c := p.create(params)
		return protocol.CreateResult{Conversation: c.Info, Cursor: c.Info.Cursor}, nil, nil
	}
	c := p.find(id.ID)
	if c == nil {
		return nil, &protocol.Error{Code: protocol.CodeConversationNotFound, Message: "no conversation " + id.ID}, nil
	}
	switch m.Method {
	case protocol.MethodState:
		return c.Info, nil, nil
	case protocol.MethodOpen:
		return protocol.OpenResult{Conversation: c.Info, From: len(c.Events), To: len(c.Events)}, nil, nil
	case protocol.MethodEvents:
		return p.events(c, m.Params), nil, nil
	case protocol.MethodDelete:
		p.remove(c)
		return struct{}{}, nil, nil
	case protocol.MethodSendMessage:
		var params protocol.SendMessageParams
		var text string
		if json.Unmarshal(m.Params, &params) != nil || json.Unmarshal(params.Message, &text) != nil {
			return nil, &protocol.Error{Code: protocol.CodeInvalidParams, Message: "message is no text"}, nil
		}
		return protocol.SendMessageResult{MessageID: "message-1", RunID: "run-1", Disposition: "started"}, nil, p.starter(c, text)
	case protocol.MethodRun:
		return protocol.RunResult{RunID: "run-1"}, nil, p.starter(c, "")
	case protocol.MethodConfirm:
		return p.confirm(m.Params)
	case protocol.MethodPause:
		if r := p.running(); r != nil {
			r.State(protocol.StatusPausing, "")
			r.Paused <- struct{}{}
		}
		return protocol.PauseResult{Status: protocol.StatusPausing}, nil, nil
	case protocol.MethodInterrupt:
		if r := p.running(); r != nil {
			r.Interrupted <- struct{}{}
		}
		return struct{}{}, nil, nil
	}
	return nil, &protocol.Error{Code: protocol.CodeMethodNotFound, Message: m.Method + " is not known"}, nil
}

func (p *Peer) create(params protocol.CreateParams) *Conversation {
	if c := p.find(params.ConversationID); params.ConversationID != "" && c != nil {
		if params.ConfirmationPolicy != nil {
			c.Info.ConfirmationPolicy = params.ConfirmationPolicy
		}
		return c
	}
	c := &Conversation{Info: protocol.Info{
		ID: "7f3a19c2-1111-4222-8333-944455556666", Workspace: params.Workspace, Title: params.Title, Status: protocol.StatusIdle,
		CreatedAt: "2026-08-22T12:02:00.000Z", UpdatedAt: "2026-08-22T12:02:00.000Z", Cursor: protocol.Cursor{Epoch: 1},
		MaxIterationPerRun: 500, ConfirmationPolicy: json.RawMessage(`{"kind":"NeverConfirm"}`), Model: "scripted/test",
		Stats: json.RawMessage(`{"usage_to_metrics":{}}`), Pending: []protocol.Pending{}, Queued: []protocol.Queued{}, Tags: map[string]string{},
	}}
	if params.MaxIterationPerRun != nil {
		c.Info.MaxIterationPerRun = *params.MaxIterationPerRun
	}
	if params.ConfirmationPolicy != nil {
		c.Info.ConfirmationPolicy = params.ConfirmationPolicy
	}
	p.Conversations = append(p.Conversations, c)
	return c
}

func (p *Peer) find(id string) *Conversation {
	for _, c := range p.Conversations {
		if strings.ReplaceAll(c.Info.ID, "-", "") == strings.ReplaceAll(id, "-", "") {
			return c
		}
	}
	return nil
}

func (p *Peer) remove(c *Conversation) {
	for i := range p.Conversations {
		if p.Conversations[i] == c {
			p.Conversations = append(p.Conversations[:i], p.Conversations[i+1:]...)
			return
		}
	}
}

// events answers in pages of two, so that clients must ask again.
func (p *Peer) events(c *Conversation, raw json.RawMessage) protocol.EventsResult {
	var params protocol.EventsParams
	_ = json.Unmarshal(raw, &params) // it was read once already
	after := 0
	if params.After != nil {
		after = *params.After
	}
	page := protocol.EventsResult{Events: []protocol.SeqEvent{}}
	for _, e := range c.Events {
		if e.Seq <= after {
			continue
		}
		if len(page.Events) == 2 {
			next := page.Events[1].Seq
			page.Next = &next
			break
		}
		page.Events = append(page.Events, e)
	}
	return page
}

func (p *Peer) starter(c *Conversation, text string) func() {
	return func() {
		r := &Run{
			Conversation: c, Message: text, peer: p, Confirmed: make(chan protocol.ConfirmParams, 1),
			Paused: make(chan struct{}, 8), Interrupted: make(chan struct{}, 8), Gone: make(chan struct{}),
		}
		c.Info.RunID = "run-1"
		p.mu.Lock()
		p.current = r
		p.mu.Unlock()
		p.runs.Add(1)
		go func() {
			defer p.runs.Done()
			if p.Play != nil {
				p.Play(r)
			}
		}()
	}
}

func (p *Peer) running() *Run {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current
}

func (p *Peer) confirm(raw json.RawMessage) (any, *protocol.Error, func()) {
	var params protocol.ConfirmParams
	if err := json.Unmarshal(raw, &params); err != nil {
		return nil, &protocol.Error{Code: protocol.CodeInvalidParams, Message: err.Error()}, nil
	}
	r := p.running()
	if r == nil {
		return nil, &protocol.Error{Code: protocol.CodeRequestNotFound, Message: "nothing waits"}, nil
	}
	r.Confirmed <- params
	return protocol.ConfirmResult{Accepted: true}, nil, nil
}

// Notify sends a notification.
func (p *Peer) Notify(method string, params any) {
	p.send(map[string]any{"jsonrpc": "2.0", "method": method, "params": params})
}

// Ask sends a request; the answer is among what the peer got.
func (p *Peer) Ask(id, method string, params any) {
	p.send(map[string]any{"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

func (p *Peer) send(m any) {
	body, err := json.Marshal(m)
	if err != nil {
		panic(err) // a test gave something that is no JSON
	}
	p.out.Lock()
	defer p.out.Unlock()
	_, _ = fmt.Fprintf(p.w, "Content-Length: %d\r\n\r\n%s", len(body), body) // the client may be gone
}

// Event sends an event and keeps it. Its id and time are filled in.
func (r *Run) Event(e event.Event, d *event.Display) {
	meta := e.Head()
	r.n++
	if meta.ID == "" {
		meta.ID = fmt.Sprintf("event-%d", r.n)
	}
	if meta.Timestamp == "" {
		meta.Timestamp = event.Timestamp(time.Date(2026, 8, 22, 14, 2, r.n, 0, time.Local))
	}
	raw, err := event.Encode(e)
	if err != nil {
		panic(err) // a test gave something that is no event
	}
	seq := len(r.Events) + 1
	r.Events = append(r.Events, protocol.SeqEvent{Seq: seq, Event: raw, Display: d})
	r.Info.Cursor.Seq = seq
	r.peer.Notify(protocol.NotifyEvent, protocol.EventNotification{ID: r.Info.ID, Epoch: 1, Seq: seq, Event: raw, Display: d})
}

// Lose keeps the events that f sends from the client, as a server does that has
// no room for them, and tells it of the gap.
func (r *Run) Lose(f func()) {
	after := len(r.Events)
	w := r.peer.w
	r.peer.out.Lock()
	r.peer.w = io.Discard
	r.peer.out.Unlock()
	f()
	r.peer.out.Lock()
	r.peer.w = w
	r.peer.out.Unlock()
	r.State(r.Info.Status, r.Info.StopReason)
	r.peer.Notify(protocol.NotifyGap, protocol.GapNotification{ID: r.Info.ID, After: after, To: len(r.Events)})
}

// User sends the user's message as an event.
func (r *Run) User() {
	r.Event(&event.Message{Meta: event.Meta{Source: event.SourceUser}, LLMMessage: event.LLMMessage{Role: event.RoleUser, Content: []event.Content{event.Text(r.Message)}}}, nil)
}

// Say sends a message of the agent.
func (r *Run) Say(text string) {
	r.Event(&event.Message{
		Meta: event.Meta{Source: event.SourceAgent}, LLMResponseID: fmt.Sprintf("response-%d", r.n),
		LLMMessage: event.LLMMessage{Role: event.RoleAssistant, Content: []event.Content{event.Text(text)}},
	}, nil)
}

// Act sends a tool call that runs a command.
func (r *Run) Act(callID, command string, risk event.Risk) {
	action, _ := json.Marshal(map[string]any{"command": command, "kind": "TerminalAction"}) // always encodes
	r.Event(&event.Action{
		Meta: event.Meta{ID: "action-" + callID, Source: event.SourceAgent}, Action: action, ToolName: "terminal", ToolCallID: callID,
		ToolCall: event.ToolCall{ID: callID, Name: "terminal", Arguments: "{}", Origin: "completion"}, LLMResponseID: "response-" + callID, SecurityRisk: risk,
	},
		&event.Display{Kind: event.DisplayExecute, Title: command, Status: event.StatusPending, Risk: risk})
}

// Done sends the result of a tool call.
func (r *Run) Done(callID, command, output, summary string, failed bool) {
	o, _ := json.Marshal(map[string]any{"content": []event.Content{event.Text(output)}, "is_error": false, "kind": "TerminalObservation"}) // always encodes
	d := &event.Display{Kind: event.DisplayExecute, Title: command, Status: event.StatusCompleted, Summary: summary}
	if failed {
		d.Status = event.StatusFailed
	}
	r.Event(&event.Observation{Meta: event.Meta{Source: event.SourceEnvironment}, ToolName: "terminal", ToolCallID: callID, ActionID: "action-" + callID, Observation: o}, d)
}

// State sends the state with another status.
func (r *Run) State(status protocol.Status, reason protocol.StopReason) {
	r.peer.mu.Lock()
	r.Info.Status, r.Info.StopReason = status, reason
	info := r.Info
	r.peer.mu.Unlock()
	r.peer.Notify(protocol.NotifyStateChanged, protocol.StateChangedNotification{Info: info, Seq: info.Cursor.Seq})
}

// Delta sends a piece of a command's output.
func (r *Run) Delta(callID, text string) {
	r.peer.Notify(protocol.NotifyDelta, protocol.DeltaNotification{
		ID: r.Info.ID, RunID: "run-1", Stream: "stdout",
		Target: protocol.DeltaTarget{ToolCallID: callID}, Text: text,
	})
}

// Wait waits for approval of actions and gives the answer; ok is false when the
// client went away first.
func (r *Run) Wait(p protocol.Pending) (answer protocol.ConfirmParams, ok bool) {
	r.Info.Pending = []protocol.Pending{p}
	r.State(protocol.StatusWaitingForConfirmation, protocol.StopWaitingForConfirmation)
	r.peer.Ask("ask-"+p.RequestID, protocol.RequestConfirmation, protocol.ConfirmationParams{ID: r.Info.ID, Pending: p})
	select {
	case answer = <-r.Confirmed:
	case <-r.Gone:
		return answer, false
	}
	r.Info.Pending = []protocol.Pending{}
	r.peer.Notify(protocol.NotifyRequestResolved, protocol.RequestResolvedNotification{
		ID: r.Info.ID, RequestID: p.RequestID,
		Outcome: map[string]string{"approve": "approved", "reject": "rejected"}[answer.Decision], By: protocol.ResolvedBy{Via: "confirm"},
	})
	r.State(protocol.StatusRunning, "")
	return answer, true
}

// ReadFrame reads one frame as a client writes them.
func ReadFrame(r *bufio.Reader) ([]byte, error) {
	n := -1
	for {
		l, err := r.ReadString('\n')
		if err != nil {
			return nil, err
		}
		if l = strings.TrimSpace(l); l == "" {
			break
		}
		if _, err := fmt.Sscanf(l, "Content-Length: %d", &n); err != nil {
			return nil, errors.New("header " + l)
		}
	}
	if n < 0 {
		return nil, errors.New("no Content-Length")
	}
	body := make([]byte, n)
	_, err := io.ReadFull(r, body)
	return body, err
}
