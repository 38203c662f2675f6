package agent_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/agent"
	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/condenser"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
	"github.com/agent-rpc/agent-rpc/internal/tool"
)

const defaultRest = `"minimum_progress":0.1,"hard_context_reset_max_retries":5,"hard_context_reset_context_scaling":0.8,"kind":"LLMSummarizingCondenser"}`

// What is stored is whole, in OpenHands' order, and the same again when it is
// read.
func TestStoredCondenser(t *testing.T) {
	for name, c := range map[string]struct{ given, want string }{
		"none is the preset": {
			`{}`, `{"llm":{"model":"test/named","usage_id":"condenser"},"max_size":80,"keep_first":4,` + defaultRest,
		},
		"null is none":              {`{"condenser":null}`, `{"kind":"NoOpCondenser"}`},
		"one that does nothing":     {`{"condenser":{"kind":"NoOpCondenser"}}`, `{"kind":"NoOpCondenser"}`},
		"one that nobody knows":     {`{"condenser":{"b":1.10,"a":[],"kind":"LaterCondenser"}}`, `{"b":1.10,"a":[],"kind":"LaterCondenser"}`},
		"one that is said in short": {`{"condenser":{"kind":"LLMSummarizingCondenser","max_tokens":null}}`, `{"llm":{"model":"test/named","usage_id":"condenser"},"max_size":240,"keep_first":2,` + defaultRest},
		"one with a model": {
			`{"condenser":{"kind":"LLMSummarizingCondenser","extra":1,"max_tokens":9000,"llm":{"model":"m","api_key":"sk-x","usage_id":"small"}}}`,
			`{"llm":{"api_key":"**********","model":"m","usage_id":"small"},"max_size":240,"max_tokens":9000,"keep_first":2,` +
				strings.Replace(defaultRest, `"kind"`, `"extra":1,"kind"`, 1),
		},
		"a pipeline": {
			`{"condenser":{"condensers":[{"kind":"NoOpCondenser"},{"kind":"LLMSummarizingCondenser"}],"kind":"PipelineCondenser"}}`,
			`{"condensers":[{"kind":"NoOpCondenser"},{"llm":{"model":"test/named","usage_id":"condenser"},"max_size":240,"keep_first":2,` + defaultRest + `],"kind":"PipelineCondenser"}`,
		},
		"an empty pipeline": {`{"condenser":{"kind":"PipelineCondenser"}}`, `{"condensers":[],"kind":"PipelineCondenser"}`},
	} {
		t.Run(name, func(t *testing.T) {
			spec := probing(strings.Replace(c.given, "{", `{"llm":{"model":"test/named"},`, 1))
			spec = strings.Replace(spec, ",}", "}", 1)
			for range 2 {
				a, _ := made(t, &model{}, spec)
				stored := a.Spec()
				var got struct{ Condenser json.RawMessage }
				if err := json.Unmarshal(stored, &got); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.want, string(got.Condenser)); diff != "" {
					t.Fatal(diff)
				}
				spec = string(stored)
			}
		})
	}
}

func TestCondensersThatAreWrong(t *testing.T) {
	deps := agent.Deps{Models: &model{}, Tools: tool.NewRegistry(entry())}
	for raw, field := range map[string]string{
		`5`:                "agent.condenser.kind",
		`{}`:               "agent.condenser.kind",
		`{"max_size":100}`: "agent.condenser.kind",
		`{"kind":"LLMSummarizingCondenser","max_size":4}`:                                                             "agent.condenser.max_size",
		`{"kind":"PipelineCondenser","condensers":[{"kind":"X"},{"kind":"LLMSummarizingCondenser","keep_first":-1}]}`: "agent.condenser.condensers[1].keep_first",
	} {
		_, err := agent.New(deps, conversation.AgentEnv{
			Spec: json.RawMessage(`{"tools":[],"include_default_tools":[],"condenser":` + raw + `}`), Workspace: t.TempDir(),
		})
		var value *conversation.ValueError
		if !errors.As(err, &value) || value.Field != field {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestCondensers(t *testing.T) {
	own := condenser.Preset()
	small := condenser.Defaults()
	small.MaxSize = 20
	for name, c := range map[string]struct {
		spec  string
		rules []condenser.Rules
		model string
		usage string
	}{
		"the preset": {`{}`, []condenser.Rules{own}, "test/default", "condenser"},
		"none":       {`{"condenser":{"kind":"NoOpCondenser"}}`, nil, "", ""},
		"unknown":    {`{"condenser":{"kind":"LaterCondenser"}}`, nil, "", ""},
		"another model": {
			`{"condenser":{"kind":"LLMSummarizingCondenser","max_size":20,"llm":{"model":"test/small","usage_id":"small"}}}`,
			[]condenser.Rules{small},
			"test/small", "small",
		},
		"another model without a usage id": {
			`{"condenser":{"kind":"LLMSummarizingCondenser","max_size":20,"llm":{"model":"test/small"}}}`, []condenser.Rules{small}, "test/small", "condenser",
		},
		"a pipeline": {
			`{"condenser":{"kind":"PipelineCondenser","condensers":[{"kind":"LLMSummarizingCondenser","max_size":20},{"kind":"NoOpCondenser"},{"kind":"LLMSummarizingCondenser"}]}}`,
			[]condenser.Rules{small, condenser.Defaults()},
			"test/default", "condenser",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := &model{response: llm.Response{ID: "r1", Message: said("the summary"), Usage: llm.Usage{PromptTokens: 5}}}
			a, _ := made(t, m, strings.Replace(probing(c.spec), ",}", "}", 1))
			var rules []condenser.Rules
			for _, k := range a.Condensers() {
				rules = append(rules, k.Rules)
			}
			if diff := cmp.Diff(c.rules, rules); diff != "" {
				t.Fatal(diff)
			}
			if len(rules) == 0 {
				return
			}
			text, call, err := a.Condensers()[0].Summarize(t.Context(), []event.LLMMessage{{Role: event.RoleUser, Content: []event.Content{event.Text("sum up")}}})
			if err != nil || text != "the summary" || call.Model != c.model || call.UsageID != c.usage || call.ResponseID != "r1" || call.PromptTokens != 5 {
				t.Errorf("%q, %+v, %v", text, call, err)
			}
			if len(m.asked.Tools) > 0 || len(m.asked.Messages) != 1 {
				t.Errorf("asked %+v", m.asked)
			}
		})
	}
}

// The failure of a condenser's model says whether a shorter question would help,
// and whose it is.
func TestCondenserFails(t *testing.T) {
	for kind, long := range map[llm.ErrorKind]bool{llm.ErrContextWindow: true, llm.ErrHistory: false, llm.ErrUnavailable: false} {
		a, _ := made(t, &model{err: &llm.Error{Kind: kind, Provider: "test", Status: 400}}, withProbe)
		_, _, err := a.Condensers()[0].Summarize(t.Context(), nil)
		var failure interface {
			Overflow() bool
			Malformed() bool
			ModelError() (string, int, bool)
		}
		if !errors.As(err, &failure) || failure.Overflow() != long || failure.Malformed() != (kind == llm.ErrHistory) {
			t.Fatalf("%s: %v", kind, err)
		}
		if provider, status, retryable := failure.ModelError(); provider != "test" || status != 400 || retryable != (kind == llm.ErrUnavailable) {
			t.Errorf("%s: %s %d %t", kind, provider, status, retryable)
		}
	}
}
