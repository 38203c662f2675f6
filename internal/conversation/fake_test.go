package conversation_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/secret"
	"github.com/agent-rpc/agent-rpc/internal/conversation/stats"
)

// fake is an agent whose every move the test makes. Think and Act wait for an
// answer, or for their context unless the fake is deaf.
type fake struct {
	env conversation.AgentEnv

	mu     sync.Mutex
	thinks []*work // asked and not taken by the test yet
	acts   []*work
	all    []*work
	deaf   bool
	closed int
	stored bool // Spec says nothing of what the agent was made of

	concurrency int

	// What follows is set before it is used, or by a hook of the test.
	ready    error
	outside  map[string]string // by tool call id
	describe func(event.Event) *event.Display
	prompt   func([]secret.Info) *event.SystemPrompt
	spec     func()
	render   func()
	enrich   func(event.Event, *event.Action, conversation.Shown) conversation.Enrichment
	where    func(*event.Action) string
	ask      func(context.Context) (string, stats.Call, error)
	asked    conversation.Aside // the newest question to ask
	unpriced bool
	change   func(context.Context) error
	llm      atomic.Pointer[json.RawMessage] // what was switched to
	// think, if not nil, answers at once.
	think     func(conversation.Question) (*conversation.Thought, error)
	act       func(*event.Action) event.Event
	resources func(*event.Action) []string
	// condensers are the agent's.
	condensers []conversation.Condenser
}

// work is one call of Think or Act.
type work struct {
	ctx      context.Context
	question conversation.Question
	action   *event.Action
	output   func(string)
	ask      func(context.Context, conversation.Input) (conversation.InputAnswer, error)
	answers  chan answer
	returned chan struct{}
}

type answer struct {
	thought *conversation.Thought
	event   event.Event
	err     error
	panics  any
}

func (f *fake) work(w *work, list *[]*work) answer {
	w.answers, w.returned = make(chan answer, 1), make(chan struct{})
	defer close(w.returned)
	f.mu.Lock()
	*list = append(*list, w)
	f.all = append(f.all, w)
	deaf := f.deaf
	f.mu.Unlock()
	done := w.ctx.Done()
	if deaf {
		done = nil
	}
	select {
	case a := <-w.answers:
		if a.panics != nil {
			panic(a.panics)
		}
		return a
	case <-done:
		return answer{err: w.ctx.Err()}
	}
}

func (f *fake) Think(ctx context.Context, q conversation.Question) (*conversation.Thought, error) {
	if f.think != nil {
		return f.think(q)
	}
	a := f.work(&work{ctx: ctx, question: q}, &f.thinks)
	return a.thought, a.err
}

func (f *fake) Act(ctx context.Context, c conversation.Call) event.Event {
	a := c.Action
	if f.act != nil {
		return f.act(a)
	}
	result := f.work(&work{ctx: ctx, action: a, output: c.Output, ask: c.Ask}, &f.acts)
	if result.err != nil {
		return failed(a, "cancelled")
	}
	return result.event
}

func (f *fake) Concurrency() int { return max(1, f.concurrency) }

func (f *fake) Resources(a *event.Action) []string {
	if f.resources != nil {
		return f.resources(a)
	}
	return []string{"tool:" + a.ToolName}
}

func (f *fake) Action(tool string, arguments json.RawMessage) (*event.Action, error) {
	if tool != "terminal" {
		return nil, &conversation.ValueError{Field: "tool", Message: "there is only terminal"}
	}
	a := call("direct")
	a.Action = arguments
	return a, nil
}

func (f *fake) Ask(ctx context.Context, q conversation.Aside) (string, stats.Call, error) {
	if f.ask == nil {
		return "", stats.Call{}, errors.New("no model")
	}
	f.asked = q
	return f.ask(ctx)
}

func (f *fake) Switch(ctx context.Context, llm json.RawMessage) (func(), error) {
	if f.change != nil {
		if err := f.change(ctx); err != nil {
			return nil, err
		}
	}
	return func() { f.llm.Store(&llm) }, nil
}

func (f *fake) Spec() json.RawMessage {
	if f.spec != nil {
		f.spec()
	}
	if llm := f.llm.Load(); llm != nil {
		return json.RawMessage(`{"llm":` + string(*llm) + `,"kind":"Agent"}`)
	}
	if f.env.Spec != nil && !f.stored {
		return f.env.Spec
	}
	return json.RawMessage(`{"llm":{"model":"test/fake"},"kind":"Agent"}`)
}

// Lacks compares the names as they stand.
func (f *fake) Lacks(stored json.RawMessage) (lost []string) {
	names := func(agent json.RawMessage) (list []string) {
		var spec struct {
			Tools []struct{ Name string } `json:"tools"`
		}
		_ = json.Unmarshal(agent, &spec) // a test's agent
		for _, t := range spec.Tools {
			list = append(list, t.Name)
		}
		return list
	}
	return slices.DeleteFunc(names(stored), func(name string) bool { return slices.Contains(names(f.Spec()), name) })
}

func (f *fake) LLMs() []conversation.LLM {
	return []conversation.LLM{{UsageID: "agent", Model: "test/fake", Unpriced: f.unpriced}}
}

func (f *fake) Ready(context.Context) error { return f.ready }

func (f *fake) SystemPrompt(secrets []secret.Info) *event.SystemPrompt {
	if f.prompt != nil {
		return f.prompt(secrets)
	}
	return &event.SystemPrompt{Meta: event.Meta{Source: event.SourceAgent}, SystemPrompt: event.Text("You are a test.")}
}

func (f *fake) Enrich(e event.Event, a *event.Action, shown conversation.Shown) conversation.Enrichment {
	if f.enrich != nil {
		return f.enrich(e, a, shown)
	}
	return conversation.Enrichment{}
}

func (f *fake) Condensers() []conversation.Condenser { return f.condensers }

func (f *fake) Render(observation json.RawMessage) []event.Content {
	if f.render != nil {
		f.render()
	}
	return []event.Content{event.Text(string(observation))}
}

func (f *fake) Describe(e event.Event, action *event.Action) *event.Display {
	if f.describe != nil {
		return f.describe(e)
	}
	switch e := e.(type) {
	case *event.Action:
		return &event.Display{Title: e.ToolName, Status: event.StatusPending}
	case *event.Observation, *event.UserReject, *event.AgentError:
		if action == nil {
			return &event.Display{Title: "answer of nothing"}
		}
		return &event.Display{Title: "answer of " + action.ToolCallID, Status: event.StatusCompleted}
	}
	return nil
}

func (f *fake) Outside(a *event.Action) string {
	if f.where != nil {
		return f.where(a)
	}
	return f.outside[a.ToolCallID]
}

func (f *fake) Close(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed++
	return nil
}

// release lets everything that still waits return.
func (f *fake) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.all {
		select {
		case w.answers <- answer{err: context.Canceled}:
		default:
		}
	}
}

func (f *fake) take(list *[]*work) *work {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(*list) == 0 {
		return nil
	}
	w := (*list)[0]
	*list = (*list)[1:]
	return w
}

func cost() stats.Call {
	return stats.Call{UsageID: "agent", Model: "test/fake", ResponseID: "r", PromptTokens: 10, CompletionTokens: 1, At: time.Now()}
}

// say is an answer of text, which ends the turn.
func say(text string) *conversation.Thought {
	return &conversation.Thought{Final: true, Call: cost(), Events: []event.Event{&event.Message{
		Meta:       event.Meta{Source: event.SourceAgent},
		LLMMessage: event.LLMMessage{Role: event.RoleAssistant, Content: []event.Content{event.Text(text)}},
	}}}
}

// nothing is an answer with nothing to act on.
func nothing() *conversation.Thought {
	t := say("")
	t.Final, t.Nudge = false, "say something"
	return t
}

// do is an answer of tool calls.
func do(actions ...*event.Action) *conversation.Thought {
	t := &conversation.Thought{Call: cost()}
	response := uuid.NewString()
	for _, a := range actions {
		a.LLMResponseID = response
		t.Events = append(t.Events, a)
		if a.Action == nil {
			t.Events = append(t.Events, failed(a, "not valid"))
		}
	}
	return t
}

// call is a valid call of a tool; the tool is terminal unless the id says finish
// or think.
func call(id string) *event.Action {
	tool := "terminal"
	if id == "finish" || id == "think" {
		tool = id
	}
	return &event.Action{
		Meta: event.Meta{Source: event.SourceAgent}, ToolName: tool, ToolCallID: id,
		Action:       json.RawMessage(`{"command":` + string(must(json.Marshal(id))) + `,"kind":"TestAction"}`),
		ToolCall:     event.ToolCall{ID: id, Name: tool, Arguments: "{}", Origin: event.OriginCompletion},
		SecurityRisk: event.RiskUnknown,
	}
}

func invalid(id string) *event.Action {
	a := call(id)
	a.Action = nil
	return a
}

func risky(id string, risk event.Risk) *event.Action {
	a := call(id)
	a.SecurityRisk = risk
	return a
}

func observed(a *event.Action, text string) event.Event {
	return &event.Observation{
		Meta: event.Meta{Source: event.SourceEnvironment}, ToolName: a.ToolName, ToolCallID: a.ToolCallID, ActionID: a.ID,
		Observation: json.RawMessage(`{"text":` + string(must(json.Marshal(text))) + `,"kind":"TestObservation"}`),
	}
}

func failed(a *event.Action, text string) event.Event {
	return &event.AgentError{
		Meta: event.Meta{Source: event.SourceAgent}, ToolName: a.ToolName, ToolCallID: a.ToolCallID,
		Error: text, Classification: event.ClassAgentAction,
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
