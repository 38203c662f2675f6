package agent_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
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
