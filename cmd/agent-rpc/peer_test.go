package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/client/clienttest"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// usePeer puts a peer in place of the server where a test asks for one: PEER
// names what it plays. It speaks the real frames through the real pipes of a
// child process.
func usePeer() {
	play := plays[os.Getenv("PEER")]
	if play == nil {
		return
	}
	serve = func(_ context.Context, in io.Reader, out io.Writer) int {
		if os.Getenv("PEER") == "mute" {
			gate()
			_, _ = io.Copy(io.Discard, in)
			return 0
		}
		p := &clienttest.Peer{StateDir: os.Getenv("PEER_STATE"), Play: play, Conversations: history()}
		if os.Getenv("PEER") == "nokey" {
			p.Refuse = func(method string) *protocol.Error {
				if method != protocol.MethodSendMessage {
					return nil
				}
				return &protocol.Error{Code: protocol.CodeAuthRequired, Message: "no key", Data: map[string]any{"provider": "anthropic", "setting": "ANTHROPIC_API_KEY"}}
			}
		}
		code := p.Serve(in, out)
		if file := os.Getenv("PEER_LOG"); file != "" {
			var b strings.Builder
			for _, m := range p.Got() {
				fmt.Fprintf(&b, "%s %s\n", m.Method, m.Params)
			}
			if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
		return code
	}
}

// gate waits until the test lets the peer go on: it holds the other end of a
// connection. Without one it is open.
func gate() {
	addr := os.Getenv("PEER_GATE")
	if addr == "" {
		return
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	_, _ = io.Copy(io.Discard, conn) // ends when the test closes it
	_ = conn.Close()
}

const dangerous = "cd build && rm -rf ./cache"

var plays = map[string]func(r *clienttest.Run){
	"finish": func(r *clienttest.Run) {
		begin(r)
		r.Act("1", "go test ./...", event.RiskLow)
		r.Delta("1", "ok\n")
		gate()
		r.Done("1", "go test ./...", "ok\n", "6 passed", false)
		r.Say("All `tests` pass: " + r.Message)
		r.Info.Stats = json.RawMessage(`{"usage_to_metrics":{"agent":{"accumulated_cost":0.42,"accumulated_token_usage":{"prompt_tokens":900,"completion_tokens":40}}}}`)
		r.State(protocol.StatusFinished, protocol.StopFinished)
	},
	"ask": func(r *clienttest.Run) {
		if r.Message != "" {
			begin(r)
		}
		gate()
		r.Act("1", dangerous, event.RiskHigh)
		answer, ok := r.Wait(pending())
		switch {
		case !ok:
		case answer.Decision == "approve":
			r.Done("1", dangerous, "", "", false)
			r.Say("Removed.")
			r.State(protocol.StatusFinished, protocol.StopFinished)
		default:
			reason := answer.Reason
			if reason == "" {
				reason = "User rejected the action"
			}
			r.Event(&event.UserReject{
				Meta: event.Meta{Source: event.SourceEnvironment}, ToolName: "terminal", ToolCallID: "1", ActionID: "action-1",
				RejectionReason: reason, RejectionSource: "user",
			}, nil)
			if answer.Reason == "" {
				r.State(protocol.StatusIdle, protocol.StopRejected)
				return
			}
			r.Say("Then I list them.")
			r.State(protocol.StatusFinished, protocol.StopFinished)
		}
	},
	"slow": func(r *clienttest.Run) {
		begin(r)
		r.Act("1", "npm run build", event.RiskLow)
		if os.Getenv("PEER_STOPS") == "" {
			select {
			case <-r.Paused:
			case <-r.Gone:
				return
			}
		}
		if os.Getenv("PEER_PAUSES") != "" {
			r.Done("1", "npm run build", "built\n", "", false)
			r.State(protocol.StatusPaused, protocol.StopPaused)
			return
		}
		select {
		case <-r.Interrupted:
		case <-r.Gone:
			return
		}
		r.Event(&event.AgentError{Meta: event.Meta{Source: event.SourceAgent}, ToolName: "terminal", ToolCallID: "1", Error: "The call was interrupted.", Classification: event.ClassAgentAction}, nil)
		r.Event(&event.Interrupt{Meta: event.Meta{Source: event.SourceUser}}, nil)
		r.State(protocol.StatusPaused, protocol.StopInterrupted)
	},
	"deaf": func(r *clienttest.Run) {
		begin(r)
		r.Act("1", "npm run build", event.RiskLow)
		<-r.Gone
	},
	"refused": func(r *clienttest.Run) {
		begin(r)
		detail := "anthropic: invalid x-api-key (HTTP 401)"
		r.Event(&event.ConversationError{Meta: event.Meta{Source: event.SourceEnvironment}, Code: "LLMAuthenticationError", Detail: detail, Classification: event.ClassAuth}, nil)
		r.Info.Model = "anthropic/claude-sonnet-4-5"
		r.Info.Error = &protocol.RunError{Code: "LLMAuthenticationError", Message: detail, Classification: event.ClassAuth}
		r.State(protocol.StatusError, protocol.StopError)
	},
	"stuck": func(r *clienttest.Run) {
		begin(r)
		for i := range 4 {
			id := fmt.Sprint(i)
			r.Act(id, "make", event.RiskLow)
			r.Done(id, "make", "no rule\n", "exit 2", true)
		}
		r.State(protocol.StatusStuck, protocol.StopStuck)
	},
	"limit": func(r *clienttest.Run) {
		begin(r)
		r.State(protocol.StatusError, protocol.StopMaxIterations)
	},
	"gap": func(r *clienttest.Run) {
		r.Lose(func() {
			begin(r)
			r.Act("1", "ls", event.RiskLow)
			r.Done("1", "ls", "a\n", "1 line", false)
		})
		r.Say("Nothing is lost.")
		r.State(protocol.StatusFinished, protocol.StopFinished)
	},
	"dies": func(r *clienttest.Run) {
		begin(r)
		fmt.Fprintln(os.Stderr, "agent-rpc: the disk is full")
		os.Exit(7)
	},
	"nokey": func(*clienttest.Run) {},
	"mute":  func(*clienttest.Run) {},
}

func begin(r *clienttest.Run) {
	r.User()
	r.State(protocol.StatusRunning, "")
}

func pending() protocol.Pending {
	return protocol.Pending{
		RequestID: "request-1", RunID: "run-1", Kind: "confirmation",
		Options: []protocol.Option{{ID: "approve", Label: "Approve"}, {ID: "reject", Label: "Reject"}, {ID: "remember", Label: "Remember"}},
		Actions: []protocol.PendingAction{{
			ActionID: "action-1", Tool: "terminal", Title: dangerous, Kind: event.DisplayExecute, Risk: event.RiskHigh,
			Reason: "deletes 3 files", Input: json.RawMessage(`{"command":"` + dangerous + `","is_input":false,"kind":"TerminalAction"}`),
			Parts: []protocol.ActionPart{{Text: "cd build", Risk: event.RiskLow}, {Text: "rm -rf ./cache", Risk: event.RiskHigh, Reason: "deletes 3 files"}},
		}},
	}
}

// history is what is stored before a test begins.
func history() []*clienttest.Conversation {
	info := func(id, title string, status protocol.Status, updated string) protocol.Info {
		return protocol.Info{
			ID: id, Title: title, Workspace: "file:///srv/payments-api", Status: status, CreatedAt: "2026-08-22T12:00:00.000Z", UpdatedAt: updated,
			Cursor: protocol.Cursor{Epoch: 1, Seq: 3}, MaxIterationPerRun: 500, ConfirmationPolicy: json.RawMessage(`{"kind":"NeverConfirm"}`), Model: "openai/gpt-5.5",
			Stats:   json.RawMessage(`{"usage_to_metrics":{"agent":{"accumulated_cost":0.61,"accumulated_token_usage":{"prompt_tokens":56000,"completion_tokens":2000}}}}`),
			Pending: []protocol.Pending{}, Queued: []protocol.Queued{}, Tags: map[string]string{},
		}
	}
	at := func(second int) string { return fmt.Sprintf("2026-08-22T14:02:%02d.000000", second) }
	encode := func(seq int, e event.Event, d *event.Display) protocol.SeqEvent {
		e.Head().ID, e.Head().Timestamp = fmt.Sprintf("event-%d", seq), at(seq)
		raw, err := event.Encode(e)
		if err != nil {
			panic(err)
		}
		return protocol.SeqEvent{Seq: seq, Event: raw, Display: d}
	}
	events := []protocol.SeqEvent{
		encode(1, &event.Message{Meta: event.Meta{Source: event.SourceUser}, LLMMessage: event.LLMMessage{Role: event.RoleUser, Content: []event.Content{event.Text("Retry failed *webhooks*")}}}, nil),
		encode(2, &event.Action{
			Meta: event.Meta{Source: event.SourceAgent}, Action: json.RawMessage(`{"command":"go test","kind":"TerminalAction"}`), ToolName: "terminal", ToolCallID: "c1",
			LLMResponseID: "r1", Thought: []event.Content{event.Text("Let me test.")},
		}, &event.Display{Kind: "execute", Title: "go test", Status: "pending"}),
		encode(3, &event.Observation{
			Meta: event.Meta{Source: event.SourceEnvironment}, ToolName: "terminal", ToolCallID: "c1", ActionID: "event-2",
			Observation: json.RawMessage(`{"content":[{"type":"text","text":"FAIL TestRetry\n"}],"is_error":false,"kind":"TerminalObservation"}`),
		},
			&event.Display{Kind: "execute", Title: "go test", Status: "failed", Summary: "exit 1"}),
	}
	waiting := info("7f3b0000-0000-4000-8000-000000000002", "", protocol.StatusWaitingForConfirmation, "2024-05-01T12:00:00.000Z")
	waiting.RunID, waiting.StopReason = "run-0", protocol.StopWaitingForConfirmation
	waiting.Pending = []protocol.Pending{pending()}
	return []*clienttest.Conversation{
		{Info: info("91bc0000-0000-4000-8000-000000000001", "Retry\x1b[31m webhooks", protocol.StatusFinished, "2024-05-01T12:00:00.000Z"), Events: events},
		{Info: waiting},
		{Info: info("7f3b1111-0000-4000-8000-000000000003", "日本語のタイトル", protocol.StatusIdle, "2024-05-01T12:00:00.000Z")},
	}
}
