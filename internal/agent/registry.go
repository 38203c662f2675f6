package agent

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/stats"
	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// The usage ids that are ours to give. The agent's own model has the first one
// unless its llm object names another; "profile:NAME" is the model of a profile.
const (
	defaultUsage   = "agent"
	askUsage       = "ask-agent-llm"
	titleUsage     = "title"
	condenserUsage = "condenser"
)

// LLM is one model of a conversation under its usage id. Making one looks for no
// key and opens nothing; that is done when it is first asked. It is safe for use
// by several goroutines.
type LLM struct {
	models Models
	env    conversation.AgentEnv
	// raw is the llm object; of is set where the model is another's configuration
	// under its own usage id.
	raw json.RawMessage
	of  *LLM

	mu       sync.Mutex
	usageID  string
	cfg      llm.Config
	model    llm.Model // nil until it was opened
	unpriced bool
}

// UsageID names the bucket of the statistics that the model fills.
func (l *LLM) UsageID() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.usageID
}

// Name is the model's name, "PROVIDER/NAME"; "" if none is configured.
func (l *LLM) Name() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.model != nil:
		return l.cfg.Model
	case l.of != nil:
		return l.of.Name()
	}
	return l.models.Name(l.raw)
}

// Ready makes sure that the model can be asked: it is configured and its key is
// at hand. It may ask the client for the key. A failure is asked about anew at the
// next call, so that a key that was set meanwhile is found.
func (l *LLM) Ready(ctx context.Context) error {
	l.mu.Lock()
	ready := l.model != nil
	l.mu.Unlock()
	if ready {
		return nil
	}
	cfg, err := l.resolve(ctx)
	if err != nil {
		return err
	}
	if key := cfg.APIKey.Reveal(); l.env.Hide != nil && len(key) >= minKey {
		l.env.Hide(key)
	}
	model, err := l.models.Open(cfg, l.env.Workspace)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.model == nil {
		l.cfg, l.model, l.usageID = cfg, model, cfg.UsageID
	}
	return nil
}

// minKey is the length from which on a model's key is hidden: servers on one's own
// machine get words for keys.
const minKey = 16

func (l *LLM) resolve(ctx context.Context) (llm.Config, error) {
	if l.of != nil {
		if err := l.of.Ready(ctx); err != nil {
			return llm.Config{}, err
		}
		cfg, _ := l.of.Config()
		cfg.UsageID = l.UsageID()
		return cfg, nil
	}
	cfg, err := l.models.Resolve(ctx, l.env.ConversationID, l.raw)
	if err != nil {
		return cfg, err
	}
	if usageOf(l.raw) != "" || cfg.UsageID == "" || l.UsageID() != defaultUsage {
		cfg.UsageID = l.UsageID()
	}
	return cfg, nil
}

// Config is the configuration once the model was opened; false before.
func (l *LLM) Config() (llm.Config, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cfg, l.model != nil
}

// Complete asks the model once and tells what the answer cost, in the model's own
// bucket. Secrets are hidden in what it is asked.
func (l *LLM) Complete(ctx context.Context, req *llm.Request, stream func(llm.Chunk)) (*llm.Response, stats.Call, error) {
	if err := l.Ready(ctx); err != nil {
		return nil, stats.Call{}, err
	}
	l.mu.Lock()
	model, cfg := l.model, l.cfg
	l.mu.Unlock()
	hidden := *req
	hidden.Messages = l.hidden(req.Messages)
	resp, err := model.Complete(ctx, &hidden, stream)
	if err != nil {
		return nil, stats.Call{}, err
	}
	u := resp.Usage
	l.mu.Lock()
	l.unpriced = u.Cost == 0 && u.PromptTokens+u.CompletionTokens > 0 && !llm.Free(cfg)
	l.mu.Unlock()
	return resp, stats.Call{
		UsageID: cfg.UsageID, Model: cfg.Model, ResponseID: resp.ID, Latency: resp.Latency, Cost: u.Cost, At: time.Now(),
		PromptTokens: u.PromptTokens, CompletionTokens: u.CompletionTokens, CacheReadTokens: u.CacheReadTokens,
		CacheWriteTokens: u.CacheWriteTokens, ReasoningTokens: u.ReasoningTokens, ContextWindow: u.ContextWindow,
	}, nil
}

func (l *LLM) info() conversation.LLM {
	i := conversation.LLM{UsageID: l.UsageID(), Model: l.Name()}
	l.mu.Lock()
	defer l.mu.Unlock()
	i.Unpriced = l.unpriced
	return i
}

// registry holds the models of a conversation, in the order in which they came:
// OpenHands' LLMRegistry. The first model under a usage id stays.
type registry struct {
	models Models
	env    conversation.AgentEnv

	mu   sync.Mutex
	list []*LLM
}

// make gives a model that is not registered.
func (r *registry) make(usageID string, raw json.RawMessage, of *LLM) *LLM {
	return &LLM{models: r.models, env: r.env, usageID: usageID, raw: raw, of: of}
}

// add registers the model, unless there is one under its usage id, and gives the
// one that is registered.
func (r *registry) add(l *LLM) *LLM {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := l.UsageID()
	for _, known := range r.list {
		if known.UsageID() == id {
			return known
		}
	}
	r.list = append(r.list, l)
	return l
}

// get gives the model of the usage id; nil if there is none.
func (r *registry) get(usageID string) *LLM {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.list {
		if l.UsageID() == usageID {
			return l
		}
	}
	return nil
}

// remove forgets the usage id; one that is not known is fine.
func (r *registry) remove(usageID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = slices.DeleteFunc(r.list, func(l *LLM) bool { return l.UsageID() == usageID })
}

// all lists the models, the first first.
func (r *registry) all() []*LLM {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.list)
}

// LLM gives the model that the conversation has under the usage id. The first
// call registers it: as the llm object says, or, where that is nil, with the
// configuration that the agent's own model has at that time.
func (a *Agent) LLM(usageID string, raw json.RawMessage) *LLM {
	if l := a.registry.get(usageID); l != nil {
		return l
	}
	var of *LLM
	if len(raw) == 0 {
		of = a.own()
	}
	return a.registry.add(a.registry.make(usageID, raw, of))
}

// LLMs implements [conversation.Agent].
func (a *Agent) LLMs() []conversation.LLM {
	own := a.own()
	list := []conversation.LLM{own.info()}
	for _, l := range a.registry.all() {
		if l != own {
			list = append(list, l.info())
		}
	}
	return list
}

// own is the agent's own model, which makes the steps.
func (a *Agent) own() *LLM {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.llm
}

// usageOf is the usage id that an llm object names; "" if it names none.
func usageOf(raw json.RawMessage) string {
	var head struct {
		UsageID string `json:"usage_id"`
	}
	_ = json.Unmarshal(raw, &head) // what can't be read is told when the model is needed
	return strings.TrimSpace(head.UsageID)
}
