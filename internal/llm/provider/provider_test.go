package provider

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
	"github.com/agent-rpc/agent-rpc/internal/llm/llmtest"
)

func ptr[T any](v T) *T { return &v }

func TestResolve(t *testing.T) {
	const local = "http://127.0.0.1:9"
	for _, c := range []struct {
		model, base string
		// want is where it goes, as a URL without its scheme and the name on
		// the wire, or the beginning of the error.
		want string
		key  string
		need bool
		name string
	}{
		{"openai/gpt-4o", "", "api.openai.com/v1 gpt-4o", "OPENAI_API_KEY", true, "openai"},
		{"openai/gpt-4o", "https://api.openai.com", "api.openai.com/v1 gpt-4o", "OPENAI_API_KEY", true, "openai"},
		{"openai/gpt-4o", "https://api.openai.com/", "api.openai.com/v1 gpt-4o", "OPENAI_API_KEY", true, "openai"},
		{"openai/my-model", "https://models.example.org/v1/", "models.example.org/v1 my-model", "LLM_API_KEY", true, "openai"},
		{"openai/my-model", local, "127.0.0.1:9 my-model", "LLM_API_KEY", false, "openai"},
		{"openai/my-model", "http://[::1]:8000/v1", "[::1]:8000/v1 my-model", "LLM_API_KEY", false, "openai"},
		{"anthropic/claude-x", "", "api.anthropic.com claude-x", "ANTHROPIC_API_KEY", true, "anthropic"},
		{"anthropic/claude-x", "https://proxy.example.org", "proxy.example.org claude-x", "LLM_API_KEY", true, "anthropic"},
		{"ollama/llama3:8b", "", "localhost:11434/v1 llama3:8b", "", false, "ollama"},
		{"ollama_chat/llama3", "http://box:11434", "box:11434/v1 llama3", "LLM_API_KEY", false, "ollama_chat"},
		{"lm_studio/qwen/qwen3", "", "localhost:1234/v1 qwen/qwen3", "", false, "lm_studio"},
		{"openrouter/anthropic/claude-sonnet-4.5", "", "openrouter.ai/api/v1 anthropic/claude-sonnet-4.5", "OPENROUTER_API_KEY", true, "openrouter"},
		{"groq/llama", "", "api.groq.com/openai/v1 llama", "GROQ_API_KEY", true, "groq"},
		{"gemini/gemini-2.5-pro", "", "generativelanguage.googleapis.com/v1beta/openai gemini-2.5-pro", "GEMINI_API_KEY", true, "gemini"},
		{"deepseek/deepseek-chat", "", "api.deepseek.com/v1 deepseek-chat", "DEEPSEEK_API_KEY", true, "deepseek"},
		{"mistral/devstral", "", "api.mistral.ai/v1 devstral", "MISTRAL_API_KEY", true, "mistral"},
		{"xai/grok-4", "", "api.x.ai/v1 grok-4", "XAI_API_KEY", true, "xai"},
		{"openhands/claude-sonnet-4-5", "", "llm-proxy.app.all-hands.dev claude-sonnet-4-5", "LLM_API_KEY", true, "openhands"},
		{"litellm_proxy/any/thing", "https://proxy.example.org", "proxy.example.org any/thing", "LITELLM_PROXY_API_KEY", true, "litellm_proxy"},
		{"litellm_proxy/any", "", "model \"litellm_proxy/any\" needs a base_url", "", false, "litellm_proxy"},
		{"hosted_vllm/meta/llama", "https://gpu.example.org", "gpu.example.org/v1 meta/llama", "", false, "hosted_vllm"},
		{"azure/gpt", "https://me.openai.azure.com", "me.openai.azure.com/openai/deployments/gpt gpt", "AZURE_API_KEY", true, "azure"},
		{"azure/gpt", "https://me.openai.azure.com/openai/v1", "me.openai.azure.com/openai/v1 gpt", "AZURE_API_KEY", true, "azure"},
		// Without a prefix.
		{"claude-opus-4-1", "", "api.anthropic.com claude-opus-4-1", "ANTHROPIC_API_KEY", true, "anthropic"},
		{"gpt-4o", "", "api.openai.com/v1 gpt-4o", "OPENAI_API_KEY", true, "openai"},
		{"o3-mini", "", "api.openai.com/v1 o3-mini", "OPENAI_API_KEY", true, "openai"},
		{"o4-mini", local, "127.0.0.1:9 o4-mini", "LLM_API_KEY", false, "openai"},
		{" gemini-2.5-flash ", "", "generativelanguage.googleapis.com/v1beta/openai gemini-2.5-flash", "GEMINI_API_KEY", true, "gemini"},
		{"my-own", local, "127.0.0.1:9 my-own", "LLM_API_KEY", false, "openai"},
		{"meta-llama/Llama-3", "https://gpu.example.org/v1", "gpu.example.org/v1 meta-llama/Llama-3", "LLM_API_KEY", true, "openai"},
		{"my-own", "", "model \"my-own\" does not say whose it is", "", false, "my-own"},
		{"nobody/x", "", "model \"nobody/x\" does not say whose it is", "", false, "nobody"},
		{"nobody/gpt-4o", "", "model \"nobody/gpt-4o\" does not say whose it is", "", false, "nobody"},
		{"bedrock/anthropic.claude", "", "models of bedrock/ can't be reached directly: use litellm_proxy/ or openrouter/", "", false, "bedrock"},
		{"openai/", "", "model \"openai/\" has no name", "", false, "openai"},
		{"", "", "no model is set", "", false, ""},
		{"openai/x", "localhost:8000", "base_url \"localhost:8000\" is not", "", false, "openai"},
		{"openai/x", "ftp://h", "base_url \"ftp://h\" is not", "", false, "openai"},
		{"openai/x", "http://a b", "base_url", "", false, "openai"},
		{"scripted/demo", "", "model \"scripted/demo\" needs a base_url", "", false, "scripted"},
	} {
		cfg := llm.Config{Model: c.model, BaseURL: c.base}
		r, err := resolve(&cfg)
		got := ""
		if err != nil {
			var failed *llm.Error
			if !errors.As(err, &failed) || failed.Kind != llm.ErrBadRequest {
				t.Errorf("%s: error %#v", c.model, err)
				continue
			}
			got = failed.Message
			if len(got) > len(c.want) {
				got = got[:len(c.want)]
			}
			if _, err := Open(cfg, Options{}); err == nil {
				t.Errorf("%s was opened", c.model)
			}
		} else {
			_, at, _ := strings.Cut(r.base, "://")
			got = at + " " + r.model
		}
		if got != c.want {
			t.Errorf("%s at %q went to %q, want %q", c.model, c.base, got, c.want)
		}
		if KeyVar(cfg) != c.key || NeedsKey(cfg) != c.need || Name(cfg) != c.name {
			t.Errorf("%s at %q: key in %q, needed %v, name %q", c.model, c.base, KeyVar(cfg), NeedsKey(cfg), Name(cfg))
		}
	}
}

func TestResponsesAPI(t *testing.T) {
	for in, want := range map[string]bool{
		`{"model":"openai/gpt-5.5"}`:                                                       true,
		`{"model":"gpt-5"}`:                                                                true,
		`{"model":"openai/gpt-4o"}`:                                                        false,
		`{"model":"openai/gpt-5","base_url":"https://h/v1"}`:                               false,
		`{"model":"openai/gpt-5","base_url":"https://api.openai.com"}`:                     true,
		`{"model":"openai/gpt-5","base_url":"https://h/v1","api_mode":"responses"}`:        true,
		`{"model":"openai/gpt-5","api_mode":"chat"}`:                                       false,
		`{"model":"openai/gpt-5","api_mode":"auto"}`:                                       true,
		`{"model":"openai/gpt-4o","capability_overrides":{"supports_responses_api":true}}`: true,
		`{"model":"openrouter/openai/gpt-5"}`:                                              false,
		`{"model":"anthropic/claude-x","api_mode":"responses"}`:                            false,
	} {
		var cfg llm.Config
		if err := json.Unmarshal([]byte(in), &cfg); err != nil {
			t.Fatal(err)
		}
		r, err := resolve(&cfg)
		if err != nil {
			t.Fatal(err)
		}
		if got := usesResponses(&cfg, r); got != want {
			t.Errorf("%s: %v", in, got)
		}
	}
}

func TestHeadersMayCarryTheKey(t *testing.T) {
	cfg := llm.Config{Model: "openai/x", ExtraHeaders: map[string]string{"Authorization": "Bearer abcdefgh"}}
	if NeedsKey(cfg) {
		t.Error("a key is asked for beside the header that carries one")
	}
}

type builtin struct{ llm.Model }

func TestBuiltin(t *testing.T) {
	opts := Options{Builtin: map[string]func(llm.Config) (llm.Model, error){
		"scripted": func(cfg llm.Config) (llm.Model, error) { return builtin{}, nil },
		"replay": func(cfg llm.Config) (llm.Model, error) {
			return nil, errors.New("no file " + strings.TrimPrefix(cfg.Model, "replay/"))
		},
	}}
	for _, name := range []string{"scripted", "scripted/demo"} {
		if m, err := Open(llm.Config{Model: name, BaseURL: "https://x"}, opts); m != (builtin{}) || err != nil {
			t.Errorf("%s opened as %v, %v", name, m, err)
		}
	}
	if _, err := Open(llm.Config{Model: "replay//tmp/a"}, opts); err == nil || err.Error() != "no file /tmp/a" {
		t.Errorf("got %v", err)
	}
}

// TestOpen goes all the way: a config, a server, an answer.
func TestOpen(t *testing.T) {
	const (
		chat      = `data: {"id":"r","choices":[{"delta":{"content":"hi"},"finish_reason":"stop"}]}` + "\n\n" + `data: {"choices":[],"usage":{"prompt_tokens":1000000,"completion_tokens":0}}` + "\n\ndata: [DONE]\n\n"
		anthropic = `{"type":"message","id":"m","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","usage":{"input_tokens":1000000,"output_tokens":0}}`
	)
	for _, c := range []struct {
		cfg    string
		answer string
		uri    string
		header string
		// body are fields that must be there, as JSON; "" for those that must not.
		body map[string]string
		cost float64
	}{
		{
			`{"model":"openai/gpt-4o","temperature":0.5,"api_version":"x"}`, chat, "/chat/completions", "Bearer sk-test-key",
			map[string]string{"model": `"gpt-4o"`, "temperature": `0.5`, "reasoning_effort": "", "prompt_cache_key": "", "stream_options": `{"include_usage":true}`},
			2.5,
		},
		{
			`{"model":"openai/gpt-5","api_mode":"responses"}`, `{"id":"r","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"hi"}]}],"usage":{"input_tokens":1000000,"output_tokens":0}}`,
			"/responses", "Bearer sk-test-key",
			map[string]string{"reasoning": `{"effort":"high"}`, "include": `["reasoning.encrypted_content"]`, "store": "false", "tools": ""},
			1.25,
		},
		{
			`{"model":"openai/o3","temperature":0.5}`, chat, "/chat/completions", "Bearer sk-test-key",
			map[string]string{"temperature": "", "reasoning_effort": `"high"`},
			2,
		},
		{
			`{"model":"openai/gpt-4o","input_cost_per_token":0.000001,"output_cost_per_token":0.000001,"max_output_tokens":9}`, chat, "/chat/completions", "Bearer sk-test-key",
			map[string]string{"max_completion_tokens": `9`},
			1,
		},
		{
			`{"model":"mistral/x","max_output_tokens":9}`, chat, "/chat/completions", "Bearer sk-test-key",
			map[string]string{"max_tokens": `9`, "stream_options": ""},
			0,
		},
		{
			`{"model":"azure/gpt-4o","api_version":"2025-01-01"}`, chat, "/openai/deployments/gpt-4o/chat/completions?api-version=2025-01-01", "sk-test-key",
			map[string]string{"model": `"gpt-4o"`},
			2.5,
		},
		{
			`{"model":"ollama/llama3"}`, chat, "/v1/chat/completions", "Bearer sk-test-key",
			map[string]string{"model": `"llama3"`},
			0,
		},
		{
			`{"model":"litellm_proxy/claude-sonnet-4-5"}`, chat, "/chat/completions", "Bearer sk-test-key",
			map[string]string{"messages": `[{"content":[{"text":"hi","type":"text","cache_control":{"type":"ephemeral"}}],"role":"user"}]`},
			3,
		},
		{
			`{"model":"anthropic/claude-sonnet-4-5","extended_thinking_budget":3000}`, anthropic, "/v1/messages", "sk-test-key",
			map[string]string{"model": `"claude-sonnet-4-5"`, "max_tokens": "64000", "thinking": `{"budget_tokens":3000,"type":"enabled"}`, "output_config": ""},
			3,
		},
		{
			`{"model":"anthropic/claude-sonnet-4-5","reasoning_effort":"none","caching_prompt":false,"temperature":0}`, anthropic, "/v1/messages", "sk-test-key",
			map[string]string{"thinking": "", "temperature": "0", "messages": `[{"content":[{"text":"hi","type":"text"}],"role":"user"}]`},
			3,
		},
		{
			`{"model":"anthropic/claude-opus-4-8"}`, anthropic, "/v1/messages", "sk-test-key",
			map[string]string{"max_tokens": "16384", "thinking": `{"display":"summarized","type":"adaptive"}`, "output_config": `{"effort":"high"}`},
			5,
		},
	} {
		s := llmtest.Serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(c.answer)) })
		var cfg llm.Config
		if err := json.Unmarshal([]byte(c.cfg), &cfg); err != nil {
			t.Fatal(err)
		}
		cfg.BaseURL, cfg.APIKey = s.URL, "sk-test-key"
		m, err := Open(cfg, Options{UserAgent: "agent-rpc/1"})
		if err != nil {
			t.Fatal(err)
		}
		res, err := m.Complete(t.Context(), &llm.Request{CacheKey: "c", Messages: []event.LLMMessage{{Role: event.RoleUser, Content: []event.Content{event.Text("hi")}}}}, nil)
		if err != nil {
			t.Errorf("%s: %v", c.cfg, err)
			continue
		}
		raw, header, uri := s.Last(t)
		if res.Message.Text() != "hi" || res.Usage.Cost < c.cost-1e-9 || res.Usage.Cost > c.cost+1e-9 {
			t.Errorf("%s answered %q for %v USD, want %v", c.cfg, res.Message.Text(), res.Usage.Cost, c.cost)
		}
		key := header.Get("Authorization") + header.Get("X-Api-Key") + header.Get("Api-Key")
		if uri != c.uri || key != c.header || header.Get("User-Agent") != "agent-rpc/1" {
			t.Errorf("%s asked %s with %v", c.cfg, uri, header)
		}
		var body map[string]json.RawMessage
		if err := json.Unmarshal(raw, &body); err != nil {
			t.Fatal(err)
		}
		for name, want := range c.body {
			if got := string(body[name]); got != want {
				t.Errorf("%s sent %s %s, want %s", c.cfg, name, got, want)
			}
		}
	}
}

func TestOpenRetries(t *testing.T) {
	n := 0
	s := llmtest.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		n++
		if n < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte(`{"choices":[{"message":{"content":"at last"},"finish_reason":"stop"}]}`))
	})
	var told []int
	m, err := Open(llm.Config{Model: "openai/x", BaseURL: s.URL, RetryMinWait: ptr(0.0), RetryMaxWait: ptr(0.001)}, Options{
		OnRetry: func(attempt, attempts int, wait time.Duration, err error) { told = append(told, attempt, attempts) },
	})
	if err != nil {
		t.Fatal(err)
	}
	res, err := m.Complete(t.Context(), llmtest.Ask("hi"), nil)
	if err != nil || res.Message.Text() != "at last" {
		t.Fatalf("got %v, %v", res, err)
	}
	if diff := cmp.Diff([]int{1, 5, 2, 5}, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestNobodyAtHome(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for model, want := range map[string]string{
		"ollama/x":    "is Ollama running at http://127.0.0.1:1/v1?",
		"lm_studio/x": "is LM Studio's server running at",
		"openai/x":    "is the model server running at http://127.0.0.1:1?",
	} {
		m, err := Open(llm.Config{Model: model, BaseURL: "http://127.0.0.1:1", NumRetries: ptr(1)}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = m.Complete(ctx, llmtest.Ask("hi"), nil)
		var failed *llm.Error
		if !errors.As(err, &failed) || failed.Kind != llm.ErrUnavailable || !strings.Contains(failed.Message, want) || !strings.Contains(failed.Message, "127.0.0.1:1") {
			t.Errorf("%s: %v", model, err)
		}
	}
}

func TestTraits(t *testing.T) {
	for _, c := range []struct {
		cfg  string
		want llm.Traits
	}{
		{`{"model":"openai/gpt-4o"}`, llm.Traits{ContextWindow: 128_000, MaxOutput: 8192, Vision: true, Sampling: true}},
		{`{"model":"openai/gpt-5"}`, llm.Traits{ContextWindow: 400_000, MaxOutput: 128_000, Vision: true, Effort: "high"}},
		{`{"model":"openai/gpt-5","api_mode":"chat"}`, llm.Traits{ContextWindow: 400_000, MaxOutput: 128_000, Vision: true}},
		{`{"model":"openai/gpt-5","reasoning_effort":"minimal"}`, llm.Traits{ContextWindow: 400_000, MaxOutput: 128_000, Vision: true, Effort: "minimal"}},
		{`{"model":"openai/gpt-5.6-sol","api_mode":"chat"}`, llm.Traits{ContextWindow: 1_050_000, MaxOutput: 128_000, Vision: true, Effort: "none"}},
		{`{"model":"openai/o3","reasoning_effort":"none"}`, llm.Traits{ContextWindow: 200_000, MaxOutput: 50_000, Vision: true}},
		{`{"model":"openai/gpt-5-chat-latest"}`, llm.Traits{Vision: true, Sampling: true}},
		{`{"model":"gemini/gemini-2.5-pro"}`, llm.Traits{ContextWindow: 1_048_576, MaxOutput: 50_000, Vision: true, Sampling: true}},
		{`{"model":"openai/own","base_url":"http://h/v1"}`, llm.Traits{Sampling: true}},
		{`{"model":"openai/own","base_url":"http://h/v1","max_input_tokens":9000,"disable_vision":false,"force_string_serializer":true}`, llm.Traits{ContextWindow: 9000, Sampling: true, Vision: true, StringContent: true}},
		{`{"model":"openai/own","base_url":"http://h/v1","model_canonical_name":"openai/gpt-4o"}`, llm.Traits{ContextWindow: 128_000, MaxOutput: 8192, Vision: true, Sampling: true}},
		{`{"model":"openai/own","base_url":"http://h/v1","reasoning_effort":"low","capability_overrides":{"supports_reasoning_effort":true,"supports_vision":true,"supports_sampling_params":true,"supports_prompt_cache":true}}`, llm.Traits{Effort: "low", Vision: true, Sampling: true, PromptCache: true}},
		{`{"model":"openai/gpt-4o","disable_vision":true,"capability_overrides":[]}`, llm.Traits{ContextWindow: 128_000, MaxOutput: 8192, Sampling: true}},
		{`{"model":"deepseek/deepseek-chat"}`, llm.Traits{ContextWindow: 163_840, MaxOutput: 8192, Sampling: true, EchoReasoning: true, StringContent: true}},
		{`{"model":"openrouter/minimax/minimax-nope"}`, llm.Traits{Sampling: true, EchoReasoning: true, StringContent: true}},
		{`{"model":"ollama/llava:7b"}`, llm.Traits{Sampling: true, Vision: true}},
		{`{"model":"anthropic/claude-haiku-4-5"}`, llm.Traits{ContextWindow: 200_000, MaxOutput: 64_000, Vision: true, Sampling: true, PromptCache: true, Thinking: llm.ThinkingManual}},
		{`{"model":"anthropic/claude-opus-4-1","caching_prompt":false}`, llm.Traits{ContextWindow: 200_000, MaxOutput: 32_000, Vision: true, Sampling: true, Thinking: llm.ThinkingNone}},
		{`{"model":"anthropic/claude-opus-5"}`, llm.Traits{ContextWindow: 1_000_000, MaxOutput: 128_000, Vision: true, PromptCache: true, Effort: "high", Thinking: llm.ThinkingAdaptive}},
		{`{"model":"anthropic/claude-opus-5","capability_overrides":{"thinking_mode":"none"}}`, llm.Traits{ContextWindow: 1_000_000, MaxOutput: 128_000, Vision: true, PromptCache: true, Effort: "high", Thinking: llm.ThinkingNone}},
		{`{"model":"anthropic/claude-3-5-sonnet-20241022"}`, llm.Traits{MaxOutput: 8192, Vision: true, Sampling: true, PromptCache: true, Thinking: llm.ThinkingNone}},
	} {
		var cfg llm.Config
		if err := json.Unmarshal([]byte(c.cfg), &cfg); err != nil {
			t.Fatal(err)
		}
		r, err := resolve(&cfg)
		if err != nil {
			t.Fatal(err)
		}
		got := traitsOf(&cfg, r)
		got.Prices = llm.Prices{}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.cfg, diff)
		}
	}
}
