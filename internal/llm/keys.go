package llm

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// ProviderInfo is what must be known of a provider to reach it.
type ProviderInfo struct {
	// Name is the first part of the model's name, as LiteLLM spells it:
	// "anthropic", "together_ai".
	Name string
	// Model is the model's name without the provider, as the provider's own API
	// takes it.
	Model string
	// KeyVar is the environment variable that holds the key; "" for the models
	// that have none.
	KeyVar string
	// NeedsKey tells that a call without a key can't succeed. It is false for
	// servers on this machine or on a private network.
	NeedsKey bool
	// DefaultBaseURL is where the provider listens; "" if that must be set.
	DefaultBaseURL string
	// DefaultModel is the model, with its provider, that is used when the
	// provider's key is all that is configured; "" if there is no such choice.
	DefaultModel string
}

// providers is sorted by name. DefaultBaseURL of all but anthropic is the root
// of a chat completions API.
var providers = []ProviderInfo{
	{Name: "anthropic", KeyVar: "ANTHROPIC_API_KEY", NeedsKey: true, DefaultBaseURL: "https://api.anthropic.com", DefaultModel: "anthropic/claude-sonnet-5"},
	{Name: "azure", KeyVar: "AZURE_API_KEY", NeedsKey: true},
	{Name: "cerebras", KeyVar: "CEREBRAS_API_KEY", NeedsKey: true, DefaultBaseURL: "https://api.cerebras.ai/v1", DefaultModel: "cerebras/gpt-oss-120b"},
	{Name: "dashscope", KeyVar: "DASHSCOPE_API_KEY", NeedsKey: true, DefaultBaseURL: "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", DefaultModel: "dashscope/qwen3.6-plus"},
	{Name: "deepinfra", KeyVar: "DEEPINFRA_API_KEY", NeedsKey: true, DefaultBaseURL: "https://api.deepinfra.com/v1/openai"},
	{Name: "deepseek", KeyVar: "DEEPSEEK_API_KEY", NeedsKey: true, DefaultBaseURL: "https://api.deepseek.com/v1", DefaultModel: "deepseek/deepseek-v4-pro"},
	{Name: "fireworks_ai", KeyVar: "FIREWORKS_API_KEY", NeedsKey: true, DefaultBaseURL: "https://api.fireworks.ai/inference/v1"},
	{Name: "gemini", KeyVar: "GEMINI_API_KEY", NeedsKey: true, DefaultBaseURL: "https://generativelanguage.googleapis.com/v1beta/openai", DefaultModel: "gemini/gemini-2.5-pro"},
	{Name: "groq", KeyVar: "GROQ_API_KEY", NeedsKey: true, DefaultBaseURL: "https://api.groq.com/openai/v1", DefaultModel: "groq/moonshotai/kimi-k2-instruct-0905"},
	{Name: "hosted_vllm", KeyVar: "HOSTED_VLLM_API_KEY"},
	{Name: "litellm_proxy", KeyVar: "LITELLM_PROXY_API_KEY", NeedsKey: true},
	{Name: "lm_studio", KeyVar: "LM_STUDIO_API_KEY", DefaultBaseURL: "http://localhost:1234/v1"},
	{Name: "mistral", KeyVar: "MISTRAL_API_KEY", NeedsKey: true, DefaultBaseURL: "https://api.mistral.ai/v1", DefaultModel: "mistral/devstral-medium-latest"},
	{Name: "moonshot", KeyVar: "MOONSHOT_API_KEY", NeedsKey: true, DefaultBaseURL: "https://api.moonshot.ai/v1", DefaultModel: "moonshot/kimi-k3"},
	{Name: "nvidia_nim", KeyVar: "NVIDIA_NIM_API_KEY", NeedsKey: true, DefaultBaseURL: "https://integrate.api.nvidia.com/v1"},
	{Name: "ollama", KeyVar: "OLLAMA_API_KEY", DefaultBaseURL: "http://localhost:11434/v1"},
	{Name: "ollama_chat", KeyVar: "OLLAMA_API_KEY", DefaultBaseURL: "http://localhost:11434/v1"},
	{Name: "openai", KeyVar: "OPENAI_API_KEY", NeedsKey: true, DefaultBaseURL: "https://api.openai.com/v1", DefaultModel: "openai/gpt-5.5"},
	{Name: "openhands", KeyVar: "OPENHANDS_API_KEY", NeedsKey: true, DefaultBaseURL: "https://llm-proxy.app.all-hands.dev/v1"},
	{Name: "openrouter", KeyVar: "OPENROUTER_API_KEY", NeedsKey: true, DefaultBaseURL: "https://openrouter.ai/api/v1", DefaultModel: "openrouter/anthropic/claude-sonnet-5"},
	{Name: "replay"},
	{Name: "scripted"},
	{Name: "together_ai", KeyVar: "TOGETHERAI_API_KEY", NeedsKey: true, DefaultBaseURL: "https://api.together.xyz/v1"},
	{Name: "vercel_ai_gateway", KeyVar: "VERCEL_AI_GATEWAY_API_KEY", NeedsKey: true, DefaultBaseURL: "https://ai-gateway.vercel.sh/v1"},
	{Name: "xai", KeyVar: "XAI_API_KEY", NeedsKey: true, DefaultBaseURL: "https://api.x.ai/v1", DefaultModel: "xai/grok-4.5"},
	{Name: "zai", KeyVar: "ZAI_API_KEY", NeedsKey: true, DefaultBaseURL: "https://api.z.ai/api/paas/v4", DefaultModel: "zai/glm-5.2"},
}

// Providers lists the providers that are known by name, sorted.
func Providers() []ProviderInfo { return slices.Clone(providers) }

// Provider tells which provider serves a model.
//
// "PROVIDER/NAME" names it. A bare name is looked up by its first letters
// (claude, gemini); any other is OpenAI's, or that of the compatible server at
// baseURL. A first part that is no provider we know belongs to the model's name
// where baseURL is set ("mistralai/Devstral" on one's own vLLM); without one it
// is given back as the provider's name, with no DefaultBaseURL.
func Provider(model, baseURL string) ProviderInfo {
	name, rest, slash := strings.Cut(model, "/")
	info, known := providerNamed(name)
	switch {
	case slash && known:
		info.Model = rest
	case slash && baseURL == "":
		info = ProviderInfo{Name: name, Model: rest, KeyVar: keyVar(name), NeedsKey: true}
	default:
		info, _ = providerNamed(guessProvider(model))
		info.Model = model
	}
	if info.NeedsKey && private(baseURL) {
		info.NeedsKey = false
	}
	return info
}

func providerNamed(name string) (ProviderInfo, bool) {
	i, ok := slices.BinarySearchFunc(providers, name, func(p ProviderInfo, name string) int {
		return strings.Compare(p.Name, name)
	})
	if !ok {
		return ProviderInfo{}, false
	}
	return providers[i], true
}

func guessProvider(model string) string {
	switch {
	case strings.HasPrefix(model, "claude"):
		return "anthropic"
	case strings.HasPrefix(model, "gemini"):
		return "gemini"
	}
	return "openai"
}

// keyVar is the variable of a provider that the table does not have.
func keyVar(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, name) + "_API_KEY"
}

// private tells whether a URL leads to this machine or to a private network,
// where servers commonly take no key.
func private(rawURL string) bool {
	u, err := url.Parse(rawURL)
	if err != nil || u.Hostname() == "" {
		return false
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast() || addr.IsUnspecified()
	}
	return !strings.Contains(host, ".") ||
		strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".local") || strings.HasSuffix(host, ".internal")
}

// String names the model and where it is; keys and headers are left out, so
// that a config can be printed.
func (c Config) String() string {
	key := "no key"
	if c.APIKey != "" {
		key = "key set"
	}
	if c.BaseURL == "" {
		return fmt.Sprintf("%s (%s)", c.Model, key)
	}
	return fmt.Sprintf("%s at %s (%s)", c.Model, redactURL(c.BaseURL), key)
}

// GoString is what String gives.
func (c Config) GoString() string { return c.String() }

func redactURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "a base_url that is not a URL"
	}
	u.RawQuery, u.Fragment = "", ""
	return u.Redacted()
}
