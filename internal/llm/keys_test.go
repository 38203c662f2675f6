package llm

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestProvider(t *testing.T) {
	tests := []struct {
		model, baseURL string
		name, rest     string
		keyVar         string
		needsKey       bool
	}{
		{"anthropic/claude-sonnet-5", "", "anthropic", "claude-sonnet-5", "ANTHROPIC_API_KEY", true},
		{"claude-opus-5", "", "anthropic", "claude-opus-5", "ANTHROPIC_API_KEY", true},
		{"openai/gpt-5.5", "", "openai", "gpt-5.5", "OPENAI_API_KEY", true},
		{"Grok-4.5", "", "xai", "Grok-4.5", "XAI_API_KEY", true},
		{"gpt-5.5", "", "openai", "gpt-5.5", "OPENAI_API_KEY", true},
		{"gemini-2.5-pro", "", "gemini", "gemini-2.5-pro", "GEMINI_API_KEY", true},
		{"openrouter/anthropic/claude-sonnet-5", "", "openrouter", "anthropic/claude-sonnet-5", "OPENROUTER_API_KEY", true},
		{"ollama/qwen3", "", "ollama", "qwen3", "", false},
		{"ollama/qwen3", "https://ollama.example.com/v1", "ollama", "qwen3", "", false},
		{"openhands/m", "", "openhands", "m", "LLM_API_KEY", true},
		{"scripted/demo", "", "scripted", "demo", "", false},
		{"replay/a/b", "", "replay", "a/b", "", false},
		{"openai/m", "https://api.openai.com/v1/", "openai", "m", "OPENAI_API_KEY", true},
		{"openai/m", "http://localhost:8000/v1", "openai", "m", "LLM_API_KEY", false},
		{"openai/m", "http://127.0.0.1:8000/v1", "openai", "m", "LLM_API_KEY", false},
		{"openai/m", "http://[::1]:8000/v1", "openai", "m", "LLM_API_KEY", false},
		{"openai/m", "http://[::ffff:127.0.0.1]:8000/v1", "openai", "m", "LLM_API_KEY", false},
		{"openai/m", "http://host.docker.internal:80", "openai", "m", "LLM_API_KEY", false},
		{"openai/m", "https://llm.example.com/v1", "openai", "m", "LLM_API_KEY", true},
		{"openai/m", "https://127.0.0.1.example.com", "openai", "m", "LLM_API_KEY", true},
		{"openai/m", "https://localhost@example.com", "openai", "m", "LLM_API_KEY", true},
		{"openai/m", "not a url", "openai", "m", "LLM_API_KEY", true},
		{"mistralai/Devstral", "https://llm.example.com/v1", "openai", "mistralai/Devstral", "LLM_API_KEY", true},
		{"some-host/model", "", "some-host", "model", "SOME_HOST_API_KEY", true},
		{"azure/m", "https://me.example/openai/v1", "azure", "m", "AZURE_API_KEY", true},
		{"litellm_proxy/m", "http://localhost:4000", "litellm_proxy", "m", "LITELLM_PROXY_API_KEY", false},
		{"qwen", "https://llm.example.com", "openai", "qwen", "LLM_API_KEY", true},
		{"qwen", "", "", "qwen", "", true},
		{"", "", "", "", "", true},
	}
	for _, tt := range tests {
		t.Run(tt.model+" "+tt.baseURL, func(t *testing.T) {
			got := Provider(tt.model, tt.baseURL)
			if got.Name != tt.name || got.Model != tt.rest || got.KeyVar != tt.keyVar || got.NeedsKey != tt.needsKey {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestProvidersTable(t *testing.T) {
	if !slices.IsSortedFunc(providers, func(a, b ProviderInfo) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the table is not sorted: the search fails")
	}
	for _, p := range Providers() {
		if p.NeedsKey && p.KeyVar == "" {
			t.Errorf("%s needs a key that has no variable", p.Name)
		}
		if p.DefaultModel == "" {
			continue
		}
		if got := Provider(p.DefaultModel, ""); got.Name != p.Name || got.DefaultBaseURL == "" {
			t.Errorf("%s: its default model %s is of %s", p.Name, p.DefaultModel, got.Name)
		}
	}
}

func TestConfigIsNeverPrintedWithSecrets(t *testing.T) {
	const secret = "sk-very-secret"
	c := Config{
		Model:        "openai/m",
		APIKey:       secret,
		BaseURL:      "https://user:" + secret + "@example.com/v1?key=" + secret,
		ExtraHeaders: map[string]string{"Authorization": secret},
		ExtraBody:    map[string]any{"key": secret},
		Extra:        map[string]json.RawMessage{"aws_secret_access_key": json.RawMessage(`"` + secret + `"`)},
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, v := range []any{c, &c, struct{ C Config }{c}} {
			if got := fmt.Sprintf(format, v); strings.Contains(got, secret) {
				t.Errorf("%s prints the secret: %s", format, got)
			}
		}
	}
}

func FuzzProvider(f *testing.F) {
	f.Add("openai/m", "http://localhost")
	f.Add("a/b/c", "::")
	f.Fuzz(func(t *testing.T, model, baseURL string) {
		got := Provider(model, baseURL)
		if strings.ContainsAny(got.KeyVar, "=\x00 ") {
			t.Errorf("%q is no name of a variable", got.KeyVar)
		}
		if !strings.HasSuffix(model, got.Model) {
			t.Errorf("%q is not the end of %q", got.Model, model)
		}
	})
}
