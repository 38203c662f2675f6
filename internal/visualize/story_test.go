package visualize

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// story makes the notifications of a conversation as a server would send them.
// Everything goes through JSON once, so that a view sees what is on the wire.
type story struct {
	t     testing.TB
	items []item
	at    time.Time
	seq   int
	n     int
	info  protocol.Info
	step  int
}

// item is one thing a view is told, in JSON, or something a client does.
type item struct {
	method string
	params json.RawMessage
	do     func(v *View)
}

const root = "/home/u/payments-api"

func newStory(t testing.TB) *story {
	return &story{t: t, at: time.Date(2026, 8, 22, 14, 2, 0, 0, time.Local), info: protocol.Info{
		ID: "7f3a19c2-1111-4222-8333-944455556666", Workspace: "file://" + root, Status: protocol.StatusRunning,
		RunID: "run-1", Model: "anthropic/claude-sonnet-4-5", MaxIterationPerRun: 500,
		ConfirmationPolicy: json.RawMessage(`{"threshold":"MEDIUM","confirm_unknown":true,"kind":"ConfirmRisky"}`),
		Stats:              json.RawMessage(`{"usage_to_metrics":{}}`),
	}}
}

func (s *story) send(method string, params any) *story {
	raw, err := json.Marshal(params)
	if err != nil {
		s.t.Fatal(err)
	}
	s.items = append(s.items, item{method: method, params: raw})
	return s
}

func (s *story) do(f func(v *View)) *story {
	s.items = append(s.items, item{do: f})
	return s
}

// wait lets time pass on the server's clock.
func (s *story) wait(d time.Duration) *story {
	s.at = s.at.Add(d)
	return s
}

func (s *story) id(prefix string) string {
	s.n++
	return fmt.Sprintf("%s-%d", prefix, s.n)
}

func (s *story) event(e event.Event, d *event.Display) *story {
	meta := e.Head()
	if meta.ID == "" {
		meta.ID = s.id("event")
	}
	meta.Timestamp = event.Timestamp(s.at)
	raw, err := event.Encode(e)
	if err != nil {
		s.t.Fatal(err)
	}
	s.seq++
	return s.send(protocol.NotifyEvent, protocol.EventNotification{ID: s.info.ID, Epoch: 1, Seq: s.seq, Event: raw, Display: d})
}

func (s *story) state(status protocol.Status, reason protocol.StopReason) *story {
	s.info.Status, s.info.StopReason = status, reason
	s.info.UpdatedAt = s.at.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	return s.send(protocol.NotifyStateChanged, protocol.StateChangedNotification{Info: s.info, Seq: s.seq})
}

func (s *story) spent(cost float64, prompt, completion, perTurn int) *story {
	s.info.Stats = json.RawMessage(fmt.Sprintf(`{"usage_to_metrics":{"agent":{"model_name":"m","accumulated_cost":%g,"accumulated_token_usage":{"model":"m","prompt_tokens":%d,"completion_tokens":%d,"context_window":200000,"per_turn_token":%d}}}}`,
		cost, prompt, completion, perTurn))
	return s
}

func (s *story) user(text string) *story {
	return s.event(&event.Message{Meta: event.Meta{Source: event.SourceUser}, LLMMessage: event.LLMMessage{Role: event.RoleUser, Content: []event.Content{event.Text(text)}}}, nil)
}

func (s *story) agent(text string) *story {
	return s.event(&event.Message{
		Meta: event.Meta{Source: event.SourceAgent}, LLMResponseID: s.id("response"),
		LLMMessage: event.LLMMessage{Role: event.RoleAssistant, Content: []event.Content{event.Text(text)}},
	}, nil)
}

// act is a tool call of a new answer of the model.
type act struct {
	tool, kind, title string
	action            any
	actionKind        string
	thinking, text    string
	same              bool // of the same answer as the call before
	risk              event.Risk
}

func (s *story) act(a act) (*story, string) {
	if !a.same {
		s.step++
	}
	call := s.id("call")
	var action json.RawMessage
	if a.actionKind == "" {
		a.actionKind = "TerminalAction"
	}
	if a.action == nil {
		a.action = map[string]any{"command": a.title}
	}
	action, err := event.EncodeKind(a.action, a.actionKind)
	if err != nil {
		s.t.Fatal(err)
	}
	if a.tool == "" {
		a.tool = "terminal"
	}
	e := &event.Action{
		Meta: event.Meta{Source: event.SourceAgent}, Action: action, ToolName: a.tool, ToolCallID: call,
		ToolCall: event.ToolCall{ID: call, Name: a.tool, Arguments: "{}", Origin: "completion"}, LLMResponseID: fmt.Sprintf("response-step-%d", s.step),
		SecurityRisk: a.risk, ReasoningContent: a.thinking,
	}
	if a.text != "" {
		e.Thought = []event.Content{event.Text(a.text)}
	}
	e.ID = "action-" + call
	s.event(e, &event.Display{Kind: a.kind, Title: a.title, Status: event.StatusPending, Risk: a.risk})
	return s, call
}

// result answers a call.
func (s *story) result(call string, d event.Display, output string, extra map[string]any) *story {
	o := map[string]any{"content": []event.Content{event.Text(output)}, "is_error": false}
	kind := "TerminalObservation"
	for k, v := range extra {
		if k == "kind" {
			kind = v.(string)
			continue
		}
		o[k] = v
	}
	raw, err := event.EncodeKind(o, kind)
	if err != nil {
		s.t.Fatal(err)
	}
	if d.Status == "" {
		d.Status = event.StatusCompleted
	}
	return s.event(&event.Observation{
		Meta: event.Meta{Source: event.SourceEnvironment}, ToolName: "tool", ToolCallID: call,
		ActionID: "action-" + call, Observation: raw,
	}, &d)
}

// did is a call with its result after some time.
func (s *story) did(a act, d event.Display, after time.Duration, output string, extra map[string]any) *story {
	_, call := s.act(a)
	s.wait(after)
	if d.Kind == "" {
		d.Kind = a.kind
	}
	if d.Title == "" {
		d.Title = a.title
	}
	return s.result(call, d, output, extra)
}

func (s *story) delta(stream, target, text string) *story {
	n := protocol.DeltaNotification{ID: s.info.ID, RunID: s.info.RunID, Stream: stream, Text: text}
	if stream == "stdout" {
		n.Target.ToolCallID = target
	} else {
		n.Target.MessageID = target
	}
	return s.send(protocol.NotifyDelta, n)
}

// play tells a view everything, from JSON.
func (s *story) play(v *View) {
	s.t.Helper()
	for _, it := range s.items {
		if it.do != nil {
			it.do(v)
			continue
		}
		var err error
		switch it.method {
		case protocol.NotifyEvent:
			var n protocol.EventNotification
			if err = json.Unmarshal(it.params, &n); err == nil {
				v.Event(n)
			}
		case protocol.NotifyDelta:
			var n protocol.DeltaNotification
			if err = json.Unmarshal(it.params, &n); err == nil {
				v.Delta(n)
			}
		case protocol.NotifyStateChanged:
			var n protocol.StateChangedNotification
			if err = json.Unmarshal(it.params, &n); err == nil {
				v.State(n.Info)
			}
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

func text(s string) *string { return &s }

func eventNotification(raw []byte, title, summary string) protocol.EventNotification {
	return protocol.EventNotification{Seq: 1, Event: raw, Display: &event.Display{Kind: "read", Title: title, Summary: summary, Status: event.StatusFailed}}
}

func BenchmarkEvent(b *testing.B) {
	s := newStory(b)
	_, call := s.act(act{kind: "execute", title: "go test ./..."})
	s.result(call, event.Display{Kind: "execute", Title: "go test ./...", Summary: "exit 1", Status: event.StatusFailed}, lines("line ", 200), nil)
	for b.Loop() {
		s.play(New(discard{}, discard{}, Options{TTY: true, Color: true, Width: 80}))
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
