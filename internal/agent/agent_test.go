package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/agent"
	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/secret"
	"github.com/agent-rpc/agent-rpc/internal/llm"
	"github.com/agent-rpc/agent-rpc/internal/tool"
	"github.com/agent-rpc/agent-rpc/internal/tool/fileeditor"
	"github.com/agent-rpc/agent-rpc/internal/tool/finish"
	"github.com/agent-rpc/agent-rpc/internal/tool/tasktracker"
	"github.com/agent-rpc/agent-rpc/internal/tool/think"
)

// model is a model that gives what the test says, and Models that find it.
type model struct {
	response llm.Response
	err      error
	asked    *llm.Request
	chunks   []llm.Chunk

	resolved int
	missing  error
}

func (m *model) Complete(_ context.Context, req *llm.Request, stream func(llm.Chunk)) (*llm.Response, error) {
	m.asked = req
	for _, c := range m.chunks {
		stream(c)
	}
	if m.err != nil {
		return nil, m.err
	}
	return &m.response, nil
}

func (m *model) Name(raw json.RawMessage) string {
	var cfg struct{ Model string }
	_ = json.Unmarshal(raw, &cfg) // the name below shows
	if cfg.Model == "" {
		return "test/default"
	}
	return cfg.Model
}

func (m *model) Resolve(_ context.Context, _ string, raw json.RawMessage) (llm.Config, error) {
	m.resolved++
	cfg := llm.Config{Model: "test/default", APIKey: "sk-from-the-environment"}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &cfg); err != nil {
			return cfg, err
		}
	}
	return cfg, m.missing
}

func (m *model) Open(llm.Config, string) (llm.Model, error) { return m, nil }

// probe is a tool that does what its argument says.
type probe struct{ arguments *tool.Arguments[probeAction] }

type probeAction struct {
	Do string `json:"do" jsonschema:"What to do."`
}

func newProbe() probe { return probe{tool.NewArguments[probeAction]("ProbeAction")} }

func (p probe) Definition() *tool.Definition {
	return &tool.Definition{
		Name: "probe", Kind: "ProbeTool", Description: "A probe.", ActionKind: "ProbeAction",
		ObservationKind: "ProbeObservation", Input: p.arguments.Schema(),
	}
}

func (p probe) Decode(args json.RawMessage) (json.RawMessage, error) { return p.arguments.Decode(args) }

func (p probe) Run(_ context.Context, call tool.Call) (json.RawMessage, error) {
	a, err := p.arguments.Read(call.Action)
	if err != nil {
		return nil, err
	}
	switch a.Do {
	case "panic":
		panic("boom")
	case "argument":
		return nil, &tool.ArgumentError{Message: "that makes no sense"}
	case "break":
		return nil, errors.New("out of order")
	case "fail":
		return event.EncodeKind(tool.Failure("it failed"), "ProbeObservation")
	}
	call.Output("working")
	return event.EncodeKind(tool.Success("did "+a.Do), "ProbeObservation")
}

func (probe) Render(observation json.RawMessage) []event.Content {
	return append(tool.Render(observation), event.Text("(probed)"))
}

func (probe) Describe(action, observation json.RawMessage) event.Display {
	return event.Display{
		Kind: event.DisplayExecute, Status: tool.Status(observation), Summary: "probe",
		Diff: &event.Diff{Path: "/x", NewText: "new"},
	}
}

func (probe) Close() error { return nil }

func entry() tool.Entry {
	return tool.Entry{Name: "probe", Class: "ProbeTool", New: func(tool.Env) ([]tool.Tool, error) { return []tool.Tool{newProbe()}, nil }}
}

// made makes an agent in a folder of its own.
func made(t *testing.T, m *model, spec string, change ...func(*agent.Deps)) (a *agent.Agent, root string) {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	deps := agent.Deps{Models: m, Tools: tool.NewRegistry(
		entry(), fileeditor.Entry(fileeditor.Options{}), tasktracker.Entry(), finish.Entry(), think.Entry(),
	)}
	for _, f := range change {
		f(&deps)
	}
	var raw json.RawMessage
	if spec != "" {
		raw = json.RawMessage(spec)
	}
	a, err = agent.New(deps, conversation.AgentEnv{ConversationID: "c", Spec: raw, Workspace: root})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return a, root
}

// probing gives the agent of the spec the probe as its only tool.
func probing(spec string) string {
	return strings.Replace(spec, "{", `{"tools":[{"name":"probe"}],`, 1)
}

const withProbe = `{"tools":[{"name":"probe"},{"name":"file_editor"}]}`

func thought(t *testing.T, m *model, analyzed bool) *conversation.Thought {
	t.Helper()
	a, _ := made(t, m, withProbe)
	got, err := a.Think(t.Context(), conversation.Question{CacheKey: "c", Analyzed: analyzed, Stream: func(conversation.Piece) {}})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func said(text string, calls ...event.ToolCall) event.LLMMessage {
	m := event.LLMMessage{Role: event.RoleAssistant, ToolCalls: calls}
	if text != "" {
		m.Content = []event.Content{event.Text(text)}
	}
	return m
}

func TestAnswersWithoutCalls(t *testing.T) {
	reasoned, blocks := said("  \n"), said("")
	reasoned.ReasoningContent = "hm"
	blocks.ThinkingBlocks = []event.Thinking{{Type: "thinking", Thinking: "hm"}}
	tests := []struct {
		name    string
		message event.LLMMessage
		final   bool
		nudge   string
	}{
		{"text", said("hello"), true, ""},
		{"text beside reasoning", event.LLMMessage{Content: []event.Content{event.Text("hi")}, ReasoningContent: "hm"}, true, ""},
		{"reasoning and blanks", reasoned, false, "You thought"},
		{"thinking blocks", blocks, false, "You thought"},
		{"blanks", said(" \n"), false, "empty"},
		{"nothing", said(""), false, "empty"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := thought(t, &model{response: llm.Response{ID: "resp-1", Message: tt.message}}, false)
			if got.Final != tt.final || (tt.nudge == "") != (got.Nudge == "") || !strings.Contains(got.Nudge, tt.nudge) {
				t.Errorf("final %t, nudge %q", got.Final, got.Nudge)
			}
			m, ok := got.Events[0].(*event.Message)
			if len(got.Events) != 1 || !ok || m.Source != event.SourceAgent || m.LLMResponseID != "resp-1" || m.ID != "" {
				t.Errorf("events: %+v", got.Events)
			}
			if diff := cmp.Diff(tt.message, m.LLMMessage); diff != "" {
				t.Errorf("the message is not kept whole:\n%s", diff)
			}
		})
	}
}

func TestAnswersWithCalls(t *testing.T) {
	signature := "sig"
	message := said("Let me see.",
		event.ToolCall{ID: "1", Name: "probe", Arguments: `{"security_risk":"HIGH","summary":"Probe it","do":"x"}`},
		event.ToolCall{ID: "2", Name: "probe", Arguments: `{"do":`},
		event.ToolCall{ID: "3", Name: "nothing", Arguments: `{"secret":"hunter2"}`},
		event.ToolCall{ID: "4", Name: "probe", Arguments: `{"do":5,"odd":"hunter2"}`},
		event.ToolCall{ID: "5", Name: "str_replace_editor", Arguments: `{"path":"/x/a.txt"}`},
		event.ToolCall{ID: "6", Name: "finish", Arguments: `{"message":"done","security_risk":"HIGH"}`, Origin: "responses"},
	)
	message.Content = append(message.Content, event.Image("data:x"), event.Text(""))
	message.ReasoningContent = "hm"
	message.ThinkingBlocks = []event.Thinking{{Type: "thinking", Thinking: "hm", Signature: &signature}}
	got := thought(t, &model{response: llm.Response{ID: "resp-1", Message: message}}, true)
	if got.Final || got.Nudge != "" {
		t.Errorf("final %t, nudge %q", got.Final, got.Nudge)
	}
	var lines []string
	var actions []*event.Action
	for _, e := range got.Events {
		switch e := e.(type) {
		case *event.Action:
			actions = append(actions, e)
			if e.Source != event.SourceAgent || e.LLMResponseID != "resp-1" || e.ToolCall.Name != e.ToolName || e.ToolCall.ID != e.ToolCallID {
				t.Errorf("action: %+v", e)
			}
			lines = append(lines, "action "+e.ToolCallID+" "+e.ToolName+" "+string(e.SecurityRisk)+" "+string(e.Action))
		case *event.AgentError:
			if e.Source != event.SourceAgent || e.Classification != event.ClassAgentAction || strings.Contains(e.Error, "hunter2") {
				t.Errorf("error: %+v", e)
			}
			lines = append(lines, "error "+e.ToolCallID+" "+e.ToolName)
		}
	}
	want := []string{
		`action 1 probe HIGH {"do":"x","kind":"ProbeAction"}`,
		"action 2 probe UNKNOWN ", "error 2 probe",
		"action 3 nothing UNKNOWN ", "error 3 nothing",
		"action 4 probe UNKNOWN ", "error 4 probe",
		`action 5 file_editor UNKNOWN {"command":"view","path":"/x/a.txt","kind":"FileEditorAction"}`,
		`action 6 finish UNKNOWN {"message":"done","kind":"FinishAction"}`,
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	first, rest := actions[0], actions[1:]
	if event.TextOf(first.Thought) != "Let me see." || len(first.Thought) != 1 || first.ReasoningContent != "hm" || len(first.ThinkingBlocks) != 1 {
		t.Errorf("the first call's thought: %+v", first)
	}
	for _, a := range rest {
		if len(a.Thought) != 0 || a.ReasoningContent != "" || len(a.ThinkingBlocks) != 0 {
			t.Errorf("call %s repeats the thought: %+v", a.ToolCallID, a)
		}
	}
	if first.Summary != "Probe it" || !strings.HasPrefix(actions[4].Summary, "file_editor: ") {
		t.Errorf("summaries: %q, %q", first.Summary, actions[4].Summary)
	}
	if !json.Valid([]byte(actions[1].ToolCall.Arguments)) || !strings.Contains(actions[1].ToolCall.Arguments, "_openhands_malformed_tool_call") {
		t.Errorf("broken arguments are stored as %s", actions[1].ToolCall.Arguments)
	}
	if !strings.Contains(first.ToolCall.Arguments, `"security_risk":"HIGH"`) || first.ToolCall.Origin != "completion" || actions[5].ToolCall.Origin != "responses" {
		t.Errorf("tool calls: %+v, %+v", first.ToolCall, actions[5].ToolCall)
	}
}

func TestTheModelsWordAboutRisks(t *testing.T) {
	call := func(risk string) *model {
		return &model{response: llm.Response{Message: said("", event.ToolCall{ID: "1", Name: "probe", Arguments: `{"do":"x","security_risk":"` + risk + `"}`})}}
	}
	if a := thought(t, call("HIGH"), false).Events[0].(*event.Action); a.SecurityRisk != event.RiskUnknown || a.Action == nil {
		t.Errorf("without an analyzer: %s", a.SecurityRisk)
	}
	if events := thought(t, call("ODD"), false).Events; len(events) != 1 {
		t.Errorf("an odd risk without an analyzer: %d events", len(events))
	}
	if events := thought(t, call("ODD"), true).Events; len(events) != 2 || events[0].(*event.Action).Action != nil {
		t.Errorf("an odd risk with an analyzer: %d events", len(events))
	}
}

func TestWhatTheModelIsAsked(t *testing.T) {
	m := &model{
		response: llm.Response{ID: "r", Message: said("hi"), Usage: llm.Usage{PromptTokens: 3, CompletionTokens: 2, Cost: 0.5}},
		chunks: []llm.Chunk{
			{Stream: llm.StreamText, Text: "h"},
			{Stream: llm.StreamReasoning, Text: "r"},
			{Stream: llm.StreamArgs, CallID: "1", Text: "{"},
		},
	}
	a, _ := made(t, m, `{"tools":[{"name":"probe"},{"name":"file_editor"},{"name":"task_tracker"}],"llm":{"model":"test/named","usage_id":"mine"}}`)
	var pieces []conversation.Piece
	messages := []event.LLMMessage{said("question")}
	got, err := a.Think(t.Context(), conversation.Question{Messages: messages, CacheKey: "c", Stream: func(p conversation.Piece) { pieces = append(pieces, p) }})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]conversation.Piece{
		{Stream: conversation.StreamText, Text: "h"}, {Stream: conversation.StreamReasoning, Text: "r"}, {Stream: conversation.StreamArgs, ToolCallID: "1", Text: "{"},
	}, pieces); diff != "" {
		t.Errorf("pieces:\n%s", diff)
	}
	if c := got.Call; c.UsageID != "mine" || c.Model != "test/named" || c.PromptTokens != 3 || c.CompletionTokens != 2 || c.Cost != 0.5 || c.ResponseID != "r" {
		t.Errorf("call: %+v", c)
	}
	if m.asked.CacheKey != "c" || len(m.asked.Messages) != 1 {
		t.Errorf("asked: %+v", m.asked)
	}
	var names []string
	for _, offered := range m.asked.Tools {
		names = append(names, offered.Name)
		front := `"properties":{"security_risk":`
		if offered.Name == "finish" || offered.Name == "think" {
			front = `"properties":{"summary":`
			if strings.Contains(string(offered.Parameters), "security_risk") {
				t.Errorf("%s only reads, and is asked for its risk", offered.Name)
			}
		}
		if !strings.Contains(string(offered.Parameters), front) || offered.Description == "" {
			t.Errorf("%s does not begin with its risk and summary: %s", offered.Name, offered.Parameters)
		}
		risk, summary := strings.Index(string(offered.Parameters), `"security_risk"`), strings.Index(string(offered.Parameters), `"summary"`)
		if risk > summary || summary < 0 {
			t.Errorf("%s: the summary comes before the risk", offered.Name)
		}
	}
	if diff := cmp.Diff([]string{"probe", "file_editor", "task_tracker", "finish", "think"}, names); diff != "" {
		t.Errorf("tools:\n%s", diff)
	}
	// A question beside the conversation has no tools.
	m.chunks = nil
	text, c, err := a.Ask(t.Context(), conversation.Aside{Messages: messages})
	if text != "hi" || c.UsageID != "mine" || err != nil || m.asked.Tools != nil {
		t.Errorf("ask: %q %+v %v, with %d tools", text, c, err, len(m.asked.Tools))
	}
	if m.resolved != 1 {
		t.Errorf("the model was looked for %d times", m.resolved)
	}
}

func TestFailuresOfTheModel(t *testing.T) {
	tests := []struct {
		err   error
		nudge bool
	}{
		{&llm.Error{Kind: llm.ErrContentPolicy, Provider: "test", Message: "no"}, true},
		{&llm.Error{Kind: llm.ErrAuth, Provider: "test", Message: "no"}, false},
		{&llm.Error{Kind: llm.ErrContextWindow, Provider: "test", Message: "no"}, false},
		{context.Canceled, false},
	}
	for _, tt := range tests {
		a, _ := made(t, &model{err: tt.err}, withProbe)
		_, err := a.Think(t.Context(), conversation.Question{Stream: func(conversation.Piece) {}})
		if !errors.Is(err, tt.err) || err.Error() != tt.err.Error() {
			t.Errorf("%v became %v", tt.err, err)
		}
		var nudged interface{ Nudge() string }
		if got := errors.As(err, &nudged) && nudged.Nudge() != ""; got != tt.nudge {
			t.Errorf("%v: nudged %t", tt.err, got)
		}
	}
}

func TestAMissingKeyIsLookedForAgain(t *testing.T) {
	m := &model{missing: errors.New("no key"), response: llm.Response{Message: said("hi")}}
	a, _ := made(t, m, withProbe)
	if err := a.Ready(t.Context()); !errors.Is(err, m.missing) {
		t.Errorf("ready: %v", err)
	}
	if _, err := a.Think(t.Context(), conversation.Question{}); !errors.Is(err, m.missing) {
		t.Errorf("think: %v", err)
	}
	m.missing = nil
	if err := a.Ready(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
	if got := a.LLMs()[0].Model; got != "test/default" {
		t.Errorf("model %q", got)
	}
}

func TestAct(t *testing.T) {
	a, _ := made(t, &model{}, withProbe)
	tests := []struct {
		tool, do string
		class    event.Classification
		text     string
	}{
		{"probe", "panic", event.ClassInternal, "boom"},
		{"probe", "argument", event.ClassAgentAction, "that makes no sense"},
		{"probe", "break", event.ClassInternal, "out of order"},
		{"gone", "x", event.ClassAgentAction, "probe, file_editor, finish, think"},
		{"probe", "x", event.Classification{}, "did x"},
		{"probe", "fail", event.Classification{}, "it failed"},
	}
	for _, tt := range tests {
		t.Run(tt.tool+" "+tt.do, func(t *testing.T) {
			action := &event.Action{Meta: event.Meta{ID: "id"}, ToolName: tt.tool, ToolCallID: "1", Action: json.RawMessage(`{"do":"` + tt.do + `","kind":"ProbeAction"}`)}
			var output string
			switch e := a.Act(t.Context(), conversation.Call{Action: action, Output: func(text string) { output += text }}).(type) {
			case *event.AgentError:
				if e.Classification != tt.class || !strings.Contains(e.Error, tt.text) || e.ToolCallID != "1" || e.ToolName != tt.tool || e.Source != event.SourceAgent {
					t.Errorf("error: %+v", e)
				}
				if strings.Contains(e.Error, "goroutine") {
					t.Errorf("the model reads a stack: %s", e.Error)
				}
			case *event.Observation:
				if tt.class.Kind != "" || e.ActionID != "id" || e.ToolCallID != "1" || e.Source != event.SourceEnvironment || !strings.Contains(string(e.Observation), tt.text) {
					t.Errorf("observation: %+v", e)
				}
				if rendered := event.TextOf(a.Render(e.Observation)); !strings.Contains(rendered, tt.text) || !strings.HasSuffix(rendered, "(probed)") {
					t.Errorf("rendered: %q", rendered)
				}
				if tt.do == "x" && output != "working" {
					t.Errorf("output: %q", output)
				}
			}
		})
	}
	// What another program's tool gave is read as it is.
	if got := event.TextOf(a.Render(json.RawMessage(`{"content":[{"type":"text","text":"theirs"}],"kind":"OtherObservation"}`))); got != "theirs" {
		t.Errorf("rendered: %q", got)
	}
}

func TestDescribe(t *testing.T) {
	a, _ := made(t, &model{}, withProbe)
	valid := &event.Action{ToolName: "probe", ToolCallID: "1", Action: json.RawMessage(`{"do":"x","kind":"ProbeAction"}`), SecurityRisk: event.RiskHigh}
	broken := &event.Action{ToolName: "probe", ToolCallID: "1", SecurityRisk: event.RiskUnknown}
	gone := &event.Action{ToolName: "gone", ToolCallID: "1", Action: json.RawMessage(`{}`), SecurityRisk: event.RiskUnknown}
	diff := &event.Diff{Path: "/x", NewText: "new"}
	observation := func(isError bool) *event.Observation {
		raw := `{"content":[],"is_error":false,"kind":"ProbeObservation"}`
		if isError {
			raw = strings.Replace(raw, "false", "true", 1)
		}
		return &event.Observation{ToolName: "probe", ToolCallID: "1", Observation: json.RawMessage(raw)}
	}
	tests := []struct {
		name   string
		event  event.Event
		action *event.Action
		want   *event.Display
	}{
		{"call", valid, nil, &event.Display{Kind: "execute", Title: "probe", Status: "pending", Summary: "probe", Diff: diff, Risk: "HIGH"}},
		{"call that is not valid", broken, nil, &event.Display{Kind: "other", Title: "probe", Status: "pending"}},
		{"call of a tool that is gone", gone, nil, &event.Display{Kind: "other", Title: "gone", Status: "pending"}},
		{"result", observation(false), valid, &event.Display{Kind: "execute", Title: "probe", Status: "completed", Summary: "probe", Diff: diff, Risk: "HIGH"}},
		{"failed result", observation(true), valid, &event.Display{Kind: "execute", Title: "probe", Status: "failed", Summary: "probe", Diff: diff, Risk: "HIGH"}},
		{"result of an unknown call", observation(false), nil, &event.Display{Kind: "other", Title: "probe", Status: "completed"}},
		{"failed result of an unknown call", observation(true), nil, &event.Display{Kind: "other", Title: "probe", Status: "failed"}},
		{
			"rejection", &event.UserReject{ToolName: "probe", RejectionReason: "not\nthis"}, valid,
			&event.Display{Kind: "execute", Title: "probe", Status: "failed", Summary: "rejected: not …", Risk: "HIGH"},
		},
		{
			"rejection of an unknown call", &event.UserReject{ToolName: "probe", RejectionReason: "no"}, nil,
			&event.Display{Kind: "other", Title: "probe", Status: "failed", Summary: "rejected: no"},
		},
		{
			"error", &event.AgentError{ToolName: "probe", Error: "bad\nthing"}, broken,
			&event.Display{Kind: "other", Title: "probe", Status: "failed", Summary: "bad …"},
		},
		{
			"message with skills", &event.Message{ActivatedSkills: []string{"a", "b"}, LLMMessage: event.LLMMessage{Content: []event.Content{event.Text("Go\non")}}}, nil,
			&event.Display{Kind: "message", Title: "Go", Status: "completed", Summary: "with the skills a, b"},
		},
		{
			"hook", &event.HookExecution{HookEventType: "Stop", HookCommand: "./check\nmore", Success: true}, nil,
			&event.Display{Kind: "execute", Title: "Hook Stop: ./check", Status: "completed"},
		},
		{
			"hook that blocks", &event.HookExecution{HookEventType: "Stop", HookCommand: "x", Blocked: true, Reason: "not on Fridays\nmore"}, nil,
			&event.Display{Kind: "execute", Title: "Hook Stop: x", Status: "failed", Summary: "blocked: not on Fridays"},
		},
		{
			"hook that fails", &event.HookExecution{HookEventType: "Stop", HookCommand: "x", Error: "it failed"}, nil,
			&event.Display{Kind: "execute", Title: "Hook Stop: x", Status: "failed", Summary: "it failed"},
		},
		{
			"error of an unknown call", &event.AgentError{ToolName: "probe", Error: "bad"}, nil,
			&event.Display{Kind: "other", Title: "probe", Status: "failed", Summary: "bad"},
		},
		{
			"condensation", &event.Condensation{ForgottenEventIDs: make([]string, 42), Summary: new("USER: fix it\nDONE: nothing")}, nil,
			&event.Display{Kind: "system", Title: "History condensed: 42 events → summary", Status: "completed", Summary: "USER: fix it …"},
		},
		{
			"condensation without a summary", &event.Condensation{ForgottenEventIDs: make([]string, 1)}, nil,
			&event.Display{Kind: "system", Title: "History condensed: 1 event forgotten", Status: "completed"},
		},
		{
			"request for a condensation", &event.CondensationRequest{}, nil,
			&event.Display{Kind: "system", Title: "Condensing the history", Status: "completed"},
		},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, a.Describe(tt.event, tt.action)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	for _, e := range []event.Event{
		&event.SystemPrompt{}, &event.Message{}, &event.CondensationSummary{}, &event.Pause{},
		&event.Interrupt{}, &event.StateUpdate{}, &event.ConversationError{}, &event.StreamingDelta{}, &event.Token{},
		&event.LLMCompletionLog{}, &event.ACPToolCall{}, &event.Unknown{},
	} {
		if d := a.Describe(e, nil); d != nil {
			t.Errorf("%s has a display: %+v", e.Kind(), d)
		}
	}
}

func TestOutside(t *testing.T) {
	other := t.TempDir()
	view := func(path string) *event.Action {
		return &event.Action{ToolName: "file_editor", Action: json.RawMessage(`{"command":"view","path":` + quote(path) + `,"kind":"FileEditorAction"}`)}
	}
	a, root := made(t, &model{}, withProbe, func(d *agent.Deps) { d.AllowedRoots = func() []string { return []string{other, "/no/such/folder"} } })
	link := filepath.Join(root, "link")
	if err := os.Symlink("/", link); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		action *event.Action
		want   string
	}{
		{view(filepath.Join(root, "a.txt")), ""},
		{view(root), ""},
		{view(filepath.Join(other, "a.txt")), ""},
		{view("/etc/passwd"), "/etc/passwd"},
		{view(filepath.Join(root, "..", "a.txt")), filepath.Join(filepath.Dir(root), "a.txt")},
		{view(filepath.Join(link, "etc", "passwd")), filepath.Join(link, "etc", "passwd")},
		{&event.Action{ToolName: "probe", Action: json.RawMessage(`{"do":"/etc/passwd"}`)}, ""},
		{&event.Action{ToolName: "gone", Action: json.RawMessage(`{}`)}, ""},
	}
	for _, tt := range tests {
		if got := a.Outside(tt.action); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.action.Action, got, tt.want)
		}
	}
	free, _ := made(t, &model{}, withProbe, func(d *agent.Deps) { d.AllowOutside = true })
	if got := free.Outside(view("/etc/passwd")); got != "" {
		t.Errorf("where all is allowed: %q", got)
	}
}

func quote(s string) string {
	raw, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func TestSystemPrompt(t *testing.T) {
	tests := []struct {
		spec     string
		has, not []string
	}{
		{`{"kind":"Agent"}`, []string{"# Safety", "`security_risk`"}, nil},
		{`{"system_prompt_kwargs":{"llm_security_analyzer":false}}`, []string{"# Safety"}, []string{"`security_risk`"}},
		{`{"system_prompt":"Be brief."}`, []string{"Be brief."}, []string{"# Safety"}},
		{`{"system_prompt":""}`, nil, []string{"# Safety"}},
	}
	for _, tt := range tests {
		a, root := made(t, &model{}, probing(tt.spec))
		e := a.SystemPrompt([]secret.Info{{Name: "TOKEN", Description: "for the registry"}, {Name: "OTHER"}})
		if e.Source != event.SourceAgent || len(e.Tools) != 3 || e.ID != "" {
			t.Errorf("prompt: %+v", e)
		}
		for _, text := range tt.has {
			if !strings.Contains(e.SystemPrompt.Text, text) {
				t.Errorf("%s: the prompt has no %q", tt.spec, text)
			}
		}
		for _, text := range tt.not {
			if strings.Contains(e.SystemPrompt.Text, text) {
				t.Errorf("%s: the prompt has %q", tt.spec, text)
			}
		}
		for _, text := range []string{root, "\n- $TOKEN: for the registry\n- $OTHER\n\nNow: "} {
			if !strings.Contains(e.DynamicContext.Text, text) {
				t.Errorf("the context has no %q: %s", text, e.DynamicContext.Text)
			}
		}
		for _, text := range []string{e.SystemPrompt.Text, e.DynamicContext.Text} {
			if strings.Contains(text, "{{") || strings.Contains(text, "<no value>") {
				t.Errorf("a template was not filled in: %s", text)
			}
		}
		var stored struct{ Kind string }
		if err := json.Unmarshal(e.Tools[0], &stored); err != nil || stored.Kind != "ProbeTool" {
			t.Errorf("tool: %s", e.Tools[0])
		}
	}
	a, _ := made(t, &model{}, withProbe)
	if text := a.SystemPrompt(nil).DynamicContext.Text; strings.Contains(text, "$") {
		t.Errorf("the context tells of secrets that are not there: %s", text)
	}
}

func TestAgentsThatCanNotBeMade(t *testing.T) {
	deps := agent.Deps{Models: &model{}, Tools: tool.NewRegistry(entry(), finish.Entry(), think.Entry())}
	dir := t.TempDir()
	tests := []struct{ spec, workspace, field string }{
		{`{"tools":`, dir, "agent"},
		{`{"tools":[]}`, filepath.Join(dir, "none"), "workspace"},
		{`[1]`, dir, "agent"},
		{`{"kind":"ACPAgent"}`, dir, "agent"},
		{`{"tools":[{"name":"nothing"}]}`, dir, "agent.tools"},
		{`{"tools":[],"include_default_tools":["NoTool"]}`, dir, "agent.tools"},
		{`{"tools":[],"filter_tools_regex":"("}`, dir, "agent.tools"},
	}
	for _, tt := range tests {
		_, err := agent.New(deps, conversation.AgentEnv{Spec: json.RawMessage(tt.spec), Workspace: tt.workspace})
		var value *conversation.ValueError
		if !errors.As(err, &value) || value.Field != tt.field {
			t.Errorf("%s in %s: %v", tt.spec, tt.workspace, err)
		}
	}
}
