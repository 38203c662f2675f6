package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/agent"
	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// The agent's own model comes first; of two models under one usage id the first
// stays, and one without a configuration of its own has the agent's.
func TestTheModelsOfAConversation(t *testing.T) {
	m := &model{response: llm.Response{Message: said("hi"), Usage: llm.Usage{PromptTokens: 3}}}
	a, _ := made(t, m, probing(`{"llm":{"model":"test/named"}}`))
	small := a.LLM("small", []byte(`{"model":"test/small","usage_id":"small"}`))
	if again := a.LLM("small", []byte(`{"model":"test/large"}`)); again != small {
		t.Error("a usage id was taken twice")
	}
	same := a.LLM("hook", nil)
	if diff := cmp.Diff([]conversation.LLM{
		{UsageID: "agent", Model: "test/named"}, {UsageID: "condenser", Model: "test/named"}, {UsageID: "small", Model: "test/small"}, {UsageID: "hook", Model: "test/named"},
	}, a.LLMs()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if m.resolved != 0 {
		t.Error("a key was looked for although no model was asked")
	}
	for l, usage := range map[interface {
		UsageID() string
	}]string{small: "small", same: "hook"} {
		if l.UsageID() != usage {
			t.Errorf("usage id %q, want %q", l.UsageID(), usage)
		}
	}
	_, call, err := same.Complete(t.Context(), &llm.Request{}, nil)
	if err != nil || call.UsageID != "hook" || call.Model != "test/named" || call.PromptTokens != 3 {
		t.Errorf("call %+v, %v", call, err)
	}
}

// A model that answered with tokens and without a price is told of.
func TestAnUnpricedModel(t *testing.T) {
	for _, tt := range []struct {
		spec  string
		usage llm.Usage
		want  bool
	}{
		{`{"llm":{}}`, llm.Usage{PromptTokens: 1}, true},
		{`{"llm":{}}`, llm.Usage{PromptTokens: 1, Cost: 0.1}, false},
		{`{"llm":{}}`, llm.Usage{}, false},
		{`{"llm":{"model":"openai/own","base_url":"http://127.0.0.1:1/v1"}}`, llm.Usage{PromptTokens: 1}, false},
		{`{"llm":{"model":"ollama/own"}}`, llm.Usage{PromptTokens: 1}, false},
		{`{"llm":{"model":"ollama/own","base_url":"https://ollama.example/v1"}}`, llm.Usage{PromptTokens: 1}, true},
		{`{"llm":{"model":"openai/own","input_cost_per_token":0,"output_cost_per_token":0}}`, llm.Usage{PromptTokens: 1}, false},
	} {
		a, _ := made(t, &model{response: llm.Response{Message: said("hi"), Usage: tt.usage}}, probing(tt.spec))
		if _, err := a.Think(t.Context(), conversation.Question{}); err != nil {
			t.Fatal(err)
		}
		if got := a.LLMs()[0].Unpriced; got != tt.want {
			t.Errorf("%s with %+v: unpriced %t", tt.spec, tt.usage, got)
		}
	}
}

// world is Models whose models answer with what they are.
type world struct {
	resolved []string
	opened   []llm.Config
	asked    []*llm.Request
	missing  error
	answer   event.LLMMessage
}

func (w *world) Name(raw json.RawMessage) string {
	var cfg llm.Config
	_ = json.Unmarshal(raw, &cfg) // the name shows
	return cfg.Model
}

func (w *world) Resolve(_ context.Context, _ string, raw json.RawMessage) (llm.Config, error) {
	w.resolved = append(w.resolved, string(raw))
	var cfg llm.Config
	if err := json.Unmarshal(raw, &cfg); err != nil {
		return cfg, err
	}
	if cfg.Model == "" {
		cfg.Model = "test/of-" + cfg.UsageID
	}
	return cfg, w.missing
}

func (w *world) Open(cfg llm.Config, _ string) (llm.Model, error) {
	w.opened = append(w.opened, cfg)
	return spoken{w, cfg.Model}, nil
}

type spoken struct {
	*world
	name string
}

func (s spoken) Complete(_ context.Context, req *llm.Request, _ func(llm.Chunk)) (*llm.Response, error) {
	s.world.asked = append(s.world.asked, req)
	answer := s.answer
	if answer.Role == "" {
		answer = said(s.name)
	}
	return &llm.Response{Message: answer, Usage: llm.Usage{PromptTokens: 1, Cost: 0.5}}, nil
}

func inWorld(t *testing.T, spec string) (*agent.Agent, *world) {
	w := &world{}
	if !strings.Contains(spec, "condenser") {
		spec = strings.Replace(spec, "{", `{"condenser":null,`, 1)
	}
	a, _ := made(t, &model{}, probing(spec), func(d *agent.Deps) { d.Models = w })
	return a, w
}

func switchTo(t *testing.T, a *agent.Agent, llm string) {
	t.Helper()
	install, err := a.Switch(t.Context(), json.RawMessage(llm))
	if err != nil {
		t.Fatal(err)
	}
	install()
}

// usages are the models of the agent, as USAGE=MODEL.
func usages(a *agent.Agent) (list []string) {
	for _, l := range a.LLMs() {
		list = append(list, l.UsageID+"="+l.Model)
	}
	return list
}

func thinks(t *testing.T, a *agent.Agent) (model, usage string) {
	t.Helper()
	got, err := a.Think(t.Context(), conversation.Question{})
	if err != nil {
		t.Fatal(err)
	}
	return got.Call.Model, got.Call.UsageID
}

func storedLLM(t *testing.T, a *agent.Agent, part string) map[string]any {
	t.Helper()
	var spec map[string]any
	if err := json.Unmarshal(a.Spec(), &spec); err != nil {
		t.Fatal(err)
	}
	if part != "" {
		spec = spec[part].(map[string]any)
	}
	return spec["llm"].(map[string]any)
}

func TestSwitch(t *testing.T) {
	a, w := inWorld(t, `{"llm":{"model":"test/first"}}`)
	if name, usage := thinks(t, a); name != "test/first" || usage != "agent" {
		t.Fatalf("%s %s", name, usage)
	}
	install, err := a.Switch(t.Context(), json.RawMessage(`{"model":"test/second","usage_id":"profile:fast","api_key":"sk-of-the-second"}`))
	if err != nil {
		t.Fatal(err)
	}
	if name, _ := thinks(t, a); name != "test/first" {
		t.Errorf("before it is installed %s thinks", name)
	}
	install()
	if name, usage := thinks(t, a); name != "test/second" || usage != "profile:fast" {
		t.Errorf("%s thinks as %s", name, usage)
	}
	if got := storedLLM(t, a, ""); got["model"] != "test/second" || got["usage_id"] != "profile:fast" || got["api_key"] != llm.SecretMask {
		t.Errorf("stored: %v", got)
	}

	// A usage id that is known stands for its model, whatever else is said.
	opened := len(w.opened)
	switchTo(t, a, `{"usage_id":"agent","model":"test/third"}`)
	switchTo(t, a, `{"usage_id":"profile:fast"}`)
	switchTo(t, a, `{"usage_id":"agent"}`)
	if name, usage := thinks(t, a); name != "test/first" || usage != "agent" || len(w.opened) != opened {
		t.Errorf("back to %s as %s, %d opened", name, usage, len(w.opened)-opened)
	}

	// Without one the model's name is taken, unless another configuration has it.
	switchTo(t, a, `{"model":"test/third"}`)
	switchTo(t, a, `{"model":"test/third","temperature":0.5}`)
	switchTo(t, a, `{"model":"test/third"}`)
	if diff := cmp.Diff([]string{"test/third=test/third", "agent=test/first", "profile:fast=test/second", "test/third-2=test/third"}, usages(a)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSwitchThatIsRefused(t *testing.T) {
	a, w := inWorld(t, `{"llm":{"model":"test/first"}}`)
	w.missing = errors.New("no key")
	if install, err := a.Switch(t.Context(), json.RawMessage(`{"model":"test/second"}`)); install != nil || !errors.Is(err, w.missing) {
		t.Errorf("%v", err)
	}
	w.missing = nil
	if diff := cmp.Diff([]string{"agent=test/first"}, usages(a)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// The condenser's model follows if it was the agent's, and has its key; it keeps
// its usage id.
func TestTheCondenserFollows(t *testing.T) {
	for _, tt := range []struct{ condenser, want string }{
		{`{"model":"test/first","temperature":0.5,"usage_id":"condenser"}`, "test/second"},
		{`{"model":"test/first","temperature":0.5,"api_key":"**********"}`, "test/second"},
		{`{"usage_id":"condenser"}`, "test/second"},
		{`{"model":"test/first","usage_id":"condenser"}`, "test/first"},
		{`{"model":"test/other","usage_id":"condenser"}`, "test/other"},
	} {
		a, _ := inWorld(t, `{"llm":{"model":"test/first","temperature":0.5,"api_key":"sk-of-the-first"},"condenser":{"kind":"LLMSummarizingCondenser","llm":`+tt.condenser+`,"max_size":80}}`)
		if diff := cmp.Diff([]string{"agent=test/first", "condenser=" + storedLLM(t, a, "condenser")["model"].(string)}, usages(a)); diff != "" {
			t.Errorf("before: -want +got:\n%s", diff)
		}
		switchTo(t, a, `{"model":"test/second","usage_id":"profile:fast","api_key":"sk-of-the-second"}`)
		if got := storedLLM(t, a, "condenser"); got["model"] != tt.want || tt.want == "test/second" && got["usage_id"] != "condenser" {
			t.Errorf("%s: stored %v", tt.condenser, got)
		}
		condenser := a.LLM("condenser", nil)
		_, call, err := condenser.Complete(t.Context(), &llm.Request{}, nil)
		if err != nil || call.Model != tt.want || call.UsageID != "condenser" {
			t.Errorf("%s: asked %s as %s, %v", tt.condenser, call.Model, call.UsageID, err)
		}
		if cfg, _ := condenser.Config(); tt.want == "test/second" && cfg.APIKey != "sk-of-the-second" {
			t.Errorf("%s: it has not the key of the model that it follows", tt.condenser)
		}
		if strings.Contains(string(a.Spec()), "sk-of") {
			t.Errorf("a key is stored: %s", a.Spec())
		}
	}
}

// A side question is asked by a copy of the agent's model, which may call nothing,
// and the copy is made anew after a switch.
func TestAside(t *testing.T) {
	a, w := inWorld(t, `{"llm":{"model":"test/first","api_key":"sk-of-the-first"}}`)
	q := conversation.Aside{Messages: []event.LLMMessage{said("question")}, History: true, CacheKey: "c"}
	answer, call, err := a.Ask(t.Context(), q)
	if err != nil || answer != "test/first" || call.UsageID != "ask-agent-llm" || call.Cost != 0.5 {
		t.Fatalf("%q, %+v, %v", answer, call, err)
	}
	if req := w.asked[0]; !req.NoCalls || len(req.Tools) == 0 || req.CacheKey != "c" || len(req.Messages) != 1 {
		t.Errorf("asked: %+v", req)
	}
	if n := len(w.opened); n != 2 || w.opened[1].APIKey != "sk-of-the-first" {
		t.Errorf("%d models were opened", n)
	}
	switchTo(t, a, `{"model":"test/second"}`)
	if answer, call, _ := a.Ask(t.Context(), q); answer != "test/second" || call.UsageID != "ask-agent-llm" {
		t.Errorf("after a switch: %q as %s", answer, call.UsageID)
	}
	if diff := cmp.Diff([]string{"test/second=test/second", "agent=test/first", "ask-agent-llm=test/second"}, usages(a)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	w.answer = said(" \n", event.ToolCall{ID: "1", Name: "probe", Arguments: "{}"})
	var failed *llm.Error
	if _, call, err := a.Ask(t.Context(), q); !errors.As(err, &failed) || failed.Kind != llm.ErrNoResponse || failed.Provider != "test" || call.Cost != 0.5 {
		t.Errorf("an answer without text: %+v, %v", call, err)
	}
}

// A model that is asked for a title by its description is no model of the
// conversation, but what it costs is counted.
func TestAsideOfAnotherModel(t *testing.T) {
	a, w := inWorld(t, `{"llm":{"model":"test/first"}}`)
	for raw, usage := range map[string]string{`{"model":"test/small"}`: "title", `{"model":"test/small","usage_id":"mine"}`: "mine"} {
		answer, call, err := a.Ask(t.Context(), conversation.Aside{Messages: []event.LLMMessage{said("question")}, LLM: json.RawMessage(raw)})
		if err != nil || answer != "test/small" || call.UsageID != usage {
			t.Errorf("%s: %q as %s, %v", raw, answer, call.UsageID, err)
		}
	}
	if req := w.asked[0]; len(req.Tools) != 0 || req.NoCalls {
		t.Errorf("asked: %+v", req)
	}
	if diff := cmp.Diff([]string{"agent=test/first"}, usages(a)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
