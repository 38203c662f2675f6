// Package agent makes the steps of a conversation: it tells the model what it
// is and what it can do, turns an answer into actions, and carries them out.
//
// It keeps no history and knows no client: the conversation hands it the
// messages and takes its events. It starts a goroutine only to close servers beside
// tools, which start their own.
package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/agent-rpc/agent-rpc/internal/agent/prompt"
	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/condenser"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/secret"
	"github.com/agent-rpc/agent-rpc/internal/conversation/stats"
	"github.com/agent-rpc/agent-rpc/internal/llm"
	"github.com/agent-rpc/agent-rpc/internal/skill"
	"github.com/agent-rpc/agent-rpc/internal/tool"
	"github.com/agent-rpc/agent-rpc/internal/tool/clienttool"
	"github.com/agent-rpc/agent-rpc/internal/tool/invokeskill"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

// Models finds the model of an agent.
type Models interface {
	// Name gives the model's name for an agent's llm object, without looking for
	// its key; "" if none is configured.
	Name(llm json.RawMessage) string
	// Resolve fills in what the object leaves open, the key too. It may ask the
	// client of the conversation for the key.
	Resolve(ctx context.Context, conversationID string, llm json.RawMessage) (llm.Config, error)
	// Open makes the client of a model. workspace is the conversation's folder.
	Open(cfg llm.Config, workspace string) (llm.Model, error)
}

// Buffers tell which files the user's editor holds with text that is not saved.
type Buffers interface {
	// Unsaved tells whether a file is one of them.
	Unsaved(path string) bool
	// Behind gives those whose files were changed by something else, each once.
	Behind() []string
}

// Deps are what every agent needs. AllowedRoots, if not nil, gives the folders
// that file tools may touch without asking, beside the workspace.
type Deps struct {
	Models       Models
	Tools        *tool.Registry
	AllowedRoots func() []string
	// AllowOutside lets file tools touch any path.
	AllowOutside bool
	// Buffers, if not nil, are the files that are open in the user's editor.
	Buffers Buffers
	// Home is the user's home directory, for skills and memory; none are read from
	// it if it is empty.
	Home string
	// Trusted tells whether the user trusts what a project brings along: commands
	// in the texts of its skills are run then. No project is trusted if it is nil.
	Trusted func(workspace string) bool
	// Private are the variables that such commands don't see.
	Private []string
	// Execute has the client carry out the calls of its own tools; a call that it has
	// not answered after ExecuteTimeout is given up. Without it such calls fail.
	Execute        func(ctx context.Context, conversationID string, call clienttool.Call) (tool.Result, error)
	ExecuteTimeout time.Duration
	// Servers, if not nil, makes the MCP servers of a conversation out of the agent's
	// mcp_config, which may be nil. It must start nothing, and may give nil.
	Servers func(env conversation.AgentEnv, config json.RawMessage) (Servers, error)
	// Warn, if not nil, tells the user what was left out of the context.
	Warn func(text string)
	// Log takes what tools that broke leave behind; nothing does if it is nil.
	Log *slog.Logger
}

// Servers are the MCP servers of a conversation; package mcp has them.
type Servers interface {
	// Tools gives the tools of all servers. It starts the servers the first time, and
	// waits for them within their time or until ctx ends.
	Tools(ctx context.Context) []tool.Tool
	// News gives what the model should be told of them, each once.
	News() []string
	// Close ends them; it returns when they ended, or ctx ends.
	Close(ctx context.Context) error
}

// Agent implements [conversation.Agent].
type Agent struct {
	deps      Deps
	env       conversation.AgentEnv
	spec      *Spec
	context   *skill.Context
	workspace *workspace.Local
	tools     *tool.Set
	byResult  map[string]tool.Tool

	loading sync.Once // fills what follows
	known   *skill.Known
	base    *offer
	stored  []json.RawMessage // the definitions as the log holds them

	servers Servers // nil if there are none
	keeps   func(tool string) bool
	// current is what the model may call now: base, and what servers offer.
	current atomic.Pointer[offer]
	news    news

	condensers []summarizer
	registry   *registry

	// mu guards llm, which is the agent's own model and one of the registry.
	mu  sync.Mutex
	llm *LLM
}

// New makes the agent of a conversation. It starts nothing.
func New(deps Deps, env conversation.AgentEnv) (*Agent, error) {
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if env.Seal == nil {
		env.Seal = func(string) string { return llm.SecretMask }
	}
	parse := ParseSpec
	if env.Stored != nil {
		parse = parseStored
	}
	spec, err := parse(env.Spec)
	if err != nil {
		return nil, &conversation.ValueError{Field: "agent", Message: err.Error()}
	}
	condensers, err := summarizers(spec.Condenser)
	var field *condenser.FieldError
	if errors.As(err, &field) {
		return nil, &conversation.ValueError{Field: strings.TrimSuffix("agent.condenser."+field.Field, "."), Message: field.Message}
	}
	ws, err := workspace.Open(env.Workspace, false)
	if err != nil {
		return nil, &conversation.ValueError{Field: "workspace", Message: err.Error()}
	}
	about, err := skill.ParseContext(spec.AgentContext)
	if err != nil {
		return nil, &conversation.ValueError{Field: "agent.agent_context", Message: err.Error()}
	}
	if env.Seed != nil && len(about.Secrets) > 0 {
		// Those of the conversation's own agent are checked; these may be the settings'.
		if err := env.Seed(about.Secrets); err != nil {
			deps.Log.Warn("the secrets of an agent's context are left out", "conversation", env.ConversationID, "error", err)
		}
	}
	a := &Agent{deps: deps, env: env, spec: spec, context: about, workspace: ws, byResult: map[string]tool.Tool{}}
	specs, extra, err := a.clientTools()
	if err != nil {
		return nil, &conversation.ValueError{Field: "clientTools", Message: err.Error()}
	}
	a.tools, err = deps.Tools.Open(tool.Env{Workspace: ws, Dir: env.Dir, Touch: env.Touch, Secrets: env.Secrets, Mask: env.Mask},
		tool.Selection{Specs: a.present(specs), BuiltIns: slices.DeleteFunc(spec.builtIns(), a.foreign), Filter: spec.FilterToolsRegex, Extra: extra})
	if err != nil {
		return nil, &conversation.ValueError{Field: "agent.tools", Message: err.Error()}
	}
	if a.keeps, err = tool.Filter(spec.FilterToolsRegex); err != nil {
		return nil, &conversation.ValueError{Field: "agent.filter_tools_regex", Message: err.Error()}
	}
	if deps.Servers != nil {
		if a.servers, err = deps.Servers(env, spec.fields["mcp_config"]); err != nil {
			return nil, err
		}
	}
	a.condensers, a.registry = condensers, &registry{models: deps.Models, env: env}
	a.llm = a.registry.add(a.registry.make(cmp.Or(usageOf(spec.LLM), defaultUsage), spec.LLM, nil))
	a.registerCondensers()
	for _, t := range append(a.tools.All(), a.invoke()) {
		a.byResult[t.Definition().ObservationKind] = t
	}
	return a, nil
}

// tool finds a tool for an action that may be of an earlier process.
func (a *Agent) tool(name string) (tool.Tool, bool) {
	if o := a.current.Load(); o != nil {
		if t, ok := o.set.ByName(name); ok {
			return t, true
		}
	}
	if t, ok := a.tools.ByName(name); ok || name != invokeskill.Name {
		return t, ok
	}
	return a.invoke(), true
}

// Spec implements [conversation.Agent].
func (a *Agent) Spec() json.RawMessage {
	own := a.own()
	cfg, opened := own.Config()
	if opened {
		return a.spec.encode(cfg, own.raw, a.env.Seal)
	}
	if len(own.raw) > 0 {
		if err := json.Unmarshal(own.raw, &cfg); err != nil {
			return a.spec.encode(nil, own.raw, a.env.Seal) // no model can be made of it; that is told when one is needed
		}
	}
	if cfg.Model == "" {
		cfg.Model = own.Name()
	}
	cfg.UsageID = own.UsageID()
	return a.spec.encode(cfg, own.raw, a.env.Seal)
}

// Ready implements [conversation.Agent].
func (a *Agent) Ready(ctx context.Context) error { return a.own().Ready(ctx) }

// SystemPrompt implements [conversation.Agent].
func (a *Agent) SystemPrompt(secrets []secret.Info) *event.SystemPrompt {
	text := prompt.System(a.spec.asksRisk())
	if a.spec.SystemPrompt != nil {
		text = *a.spec.SystemPrompt
	}
	a.load()
	dynamic := event.Text(prompt.Context(a.facts(secrets)))
	return &event.SystemPrompt{
		Meta: event.Meta{Source: event.SourceAgent}, SystemPrompt: event.Text(text), DynamicContext: &dynamic, Tools: a.stored,
	}
}

// Think implements [conversation.Agent].
func (a *Agent) Think(ctx context.Context, q conversation.Question) (*conversation.Thought, error) {
	offer := a.offer(ctx)
	told := a.news.take()
	resp, call, err := a.own().Complete(ctx, &llm.Request{Messages: withNews(q.Messages, told), Tools: offer.tools, CacheKey: q.CacheKey}, func(c llm.Chunk) {
		q.Stream(conversation.Piece{Stream: conversation.Stream(c.Stream), ToolCallID: c.CallID, Text: c.Text})
	})
	if err != nil {
		a.news.putBack(told)
		return nil, asFailure(err)
	}
	t := a.interpret(resp, offer.set, q.Analyzed)
	t.Call, t.Told = call, told
	return t, nil
}

// Ask implements [conversation.Agent].
func (a *Agent) Ask(ctx context.Context, q conversation.Aside) (string, stats.Call, error) {
	l, req := a.own(), &llm.Request{Messages: q.Messages}
	switch {
	case q.History:
		// Its own copy: it takes nothing that belongs to the run.
		l = a.LLM(askUsage, nil)
		req.Tools, req.NoCalls, req.CacheKey = a.lastOffer().tools, true, q.CacheKey
	case q.LLM != nil:
		// Not the conversation's, so it is registered nowhere; what it costs is.
		l = a.registry.make(cmp.Or(usageOf(q.LLM), titleUsage), q.LLM, nil)
	}
	resp, call, err := l.Complete(ctx, req, nil)
	if err != nil {
		return "", stats.Call{}, err
	}
	text := strings.TrimSpace(resp.Message.Text())
	if text == "" {
		provider, _, _ := strings.Cut(call.Model, "/")
		err = &llm.Error{Kind: llm.ErrNoResponse, Provider: provider, Message: "the answer holds no text"}
	}
	return text, call, err
}

// Act implements [conversation.Agent].
func (a *Agent) Act(ctx context.Context, call conversation.Call) (result event.Event) {
	action := call.Action
	failed := func(text string, class event.Classification) event.Event {
		return &event.AgentError{
			Meta: event.Meta{Source: event.SourceAgent}, ToolName: action.ToolName, ToolCallID: action.ToolCallID,
			Error: text, Classification: class,
		}
	}
	defer func() {
		if p := recover(); p != nil {
			a.deps.Log.Error("panic in a tool", "conversation", a.env.ConversationID, "tool", action.ToolName, "panic", p, "stack", string(debug.Stack()))
			result = failed(fmt.Sprintf("the tool %s broke: panic: %v", action.ToolName, p), event.ClassInternal)
		}
	}()
	a.load()
	t, ok := a.tool(action.ToolName)
	if !ok {
		// It may be a server's, in a process that has not started it yet.
		offer := a.offer(ctx)
		if t, ok = a.tool(action.ToolName); !ok {
			return failed(fmt.Sprintf("there is no tool %q any more; available: %s", action.ToolName, strings.Join(offer.set.Names(), ", ")), event.ClassAgentAction)
		}
	}
	observation, err := t.Run(ctx, tool.Call{
		ID: action.ToolCallID, RunID: call.RunID, Action: action.Action, Output: call.Output,
		Ask: func(ctx context.Context, q tool.Question) (tool.Answer, error) {
			answer, err := call.Ask(ctx, conversation.Input(q))
			return tool.Answer{Action: string(answer.Action), Content: answer.Content}, err
		},
	})
	var argument *tool.ArgumentError
	switch {
	case errors.As(err, &argument):
		return failed(argument.Message, event.ClassAgentAction)
	case err != nil && ctx.Err() != nil:
		return failed("The call was interrupted. It may have had effects already.", event.ClassAgentAction)
	case err != nil:
		return failed(fmt.Sprintf("the tool %s failed: %s", action.ToolName, err), event.ClassInternal)
	}
	return &event.Observation{
		Meta: event.Meta{Source: event.SourceEnvironment}, ToolName: action.ToolName, ToolCallID: action.ToolCallID,
		Observation: observation, ActionID: action.ID, ExtendedContent: a.unsavedNotes(t, action),
	}
}

// Concurrency implements [conversation.Agent].
func (a *Agent) Concurrency() int { return a.spec.ToolConcurrency }

// Resources implements [conversation.Agent].
func (a *Agent) Resources(action *event.Action) []string {
	t, ok := a.tool(action.ToolName)
	if !ok {
		return []string{"tool:" + action.ToolName} // a server's that has not started yet
	}
	return tool.Resources(t, action.Action)
}

// Action implements [conversation.Agent].
func (a *Agent) Action(name string, arguments json.RawMessage) (*event.Action, error) {
	offers := a.lastOffer().set
	t, ok := offers.ByName(name)
	if !ok {
		return nil, &conversation.ValueError{
			Field: "tool", Message: fmt.Sprintf("there is no tool %q; available: %s", name, strings.Join(offers.Names(), ", ")),
		}
	}
	if len(arguments) == 0 || string(arguments) == "null" || string(arguments) == "[]" {
		arguments = json.RawMessage("{}")
	}
	action, err := t.Decode(arguments)
	if err != nil {
		return nil, &conversation.ValueError{Field: "arguments", Message: err.Error()}
	}
	return &event.Action{
		Meta: event.Meta{Source: event.SourceUser}, ToolName: name, ToolCallID: uuid.NewString(), Action: action,
		SecurityRisk: event.RiskUnknown,
	}, nil
}

// Render implements [conversation.Agent].
func (a *Agent) Render(observation json.RawMessage) []event.Content {
	if kind, err := event.KindOf(observation); err == nil {
		if t := a.byResult[kind]; t != nil {
			return t.Render(observation)
		}
	}
	return tool.Render(observation)
}

// Outside implements [conversation.Agent].
func (a *Agent) Outside(action *event.Action) string {
	if a.deps.AllowOutside {
		return ""
	}
	t, _ := a.tool(action.ToolName)
	locator, ok := t.(tool.Locator)
	if !ok {
		return ""
	}
	for _, place := range locator.Locations(action.Action) {
		if !a.allowed(place.Path) {
			return place.Path
		}
	}
	return ""
}

func (a *Agent) allowed(path string) bool {
	if a.workspace.Contains(path) {
		return true
	}
	if a.deps.AllowedRoots == nil {
		return false
	}
	for _, root := range a.deps.AllowedRoots() {
		if ws, err := workspace.Open(root, false); err == nil && ws.Contains(path) {
			return true
		}
	}
	return false
}

// Close implements [conversation.Agent].
func (a *Agent) Close(ctx context.Context) error {
	if a.servers == nil {
		return a.tools.Close(ctx)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.servers.Close(ctx) }()
	return errors.Join(a.tools.Close(ctx), <-ended)
}
