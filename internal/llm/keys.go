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

// providers is sorted by name. Those without a key variable need no key.
var providers = []ProviderInfo{
	{Name: "aihubmix", KeyVar: "AIHUBMIX_API_KEY", NeedsKey: true, DefaultBaseURL: "https://aihubmix.com/v1"},
	{Name: "anthropic", KeyVar: "ANTHROPIC_API_KEY", NeedsKey: true, DefaultBaseURL: "https://api.anthropic.com", DefaultModel: "anthropic/claude-sonnet-5"},
	{Name: "azure", KeyVar: "AZURE_API_KEY", NeedsKey: true},
	{Name: "cerebras", KeyVar: "CEREBRAS_API_KEY", NeedsKey: true, DefaultBaseURL: "https://api.cerebras.ai/v1", DefaultModel: "cerebras/gpt-oss-120b"},
	{Name: "dashscope", KeyVar: "DASHSCOPE_API_KEY", NeedsKey: true, DefaultBaseURL: "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", DefaultModel: "dashscope/qwen3.6-plus"},
	{Name: "deepseek", KeyVar: "DEEPSEEK_API_KEY", NeedsKey: true, DefaultBaseURL: "https://api.deepseek.com/v1", DefaultModel: "deepseek/deepseek-v4-pro"},
	{Name: "fireworks_ai", KeyVar: "FIREWORKS_API_KEY", NeedsKey: true, DefaultBaseURL: "https://api.fireworks.ai/inference/v1"},
	{Name: "gemini", KeyVar: "GEMINI_API_KEY", NeedsKey: true, DefaultBaseURL: "https://generativelanguage.googleapis.com/v1beta/openai", DefaultModel: "gemini/gemini-2.5-pro"},
	{Name: "groq", KeyVar: "GROQ_API_KEY", NeedsKey: true, DefaultBaseURL: "https://api.groq.com/openai/v1", DefaultModel: "groq/moonshotai/kimi-k2-instruct-0905"},
	{Name: "hosted_vllm"},
	{Name: "huggingface", KeyVar: "HF_TOKEN", NeedsKey: true, DefaultBaseURL: "https://router.huggingface.co/v1"},
	{Name: "litellm_proxy", KeyVar: "LITELLM_PROXY_API_KEY", NeedsKey: true},
	{Name: "llamafile", DefaultBaseURL: "http://localhost:8080/v1"},
	{Name: "lm_studio", DefaultBaseURL: "http://localhost:1234/v1"},
	{Name: "minimax", KeyVar: "MINIMAX_API_KEY", NeedsKey: true, DefaultBaseURL: "https://api.minimax.io/v1"},
	{Name: "mistral", KeyVar: "MISTRAL_API_KEY", NeedsKey: true, DefaultBaseURL: "https://api.mistral.ai/v1", DefaultModel: "mistral/devstral-medium-latest"},
	{Name: "moonshot", KeyVar: "MOONSHOT_API_KEY", NeedsKey: true, DefaultBaseURL: "https://api.moonshot.ai/v1", DefaultModel: "moonshot/kimi-k3"},
	{Name: "nebius", KeyVar: "NEBIUS_API_KEY", NeedsKey: true, DefaultBaseURL: "https://api.tokenfactory.nebius.com/v1"},
	{Name: "nvidia_nim", KeyVar: "NVIDIA_NIM_API_KEY", NeedsKey: true, DefaultBaseURL: "https://integrate.api.nvidia.com/v1"},
	{Name: "ollama", DefaultBaseURL: "http://localhost:11434/v1"},
	{Name: "ollama_chat", DefaultBaseURL: "http://localhost:11434/v1"},
	{Name: "openai", KeyVar: "OPENAI_API_KEY", NeedsKey: true, DefaultBaseURL: "https://api.openai.com/v1", DefaultModel: "openai/gpt-5.5"},
	{Name: "openhands", KeyVar: "LLM_API_KEY", NeedsKey: true, DefaultBaseURL: "https://llm-proxy.app.all-hands.dev"},
	{Name: "openrouter", KeyVar: "OPENROUTER_API_KEY", NeedsKey: true, DefaultBaseURL: "https://openrouter.ai/api/v1", DefaultModel: "openrouter/anthropic/claude-sonnet-5"},
	{Name: "perplexity", KeyVar: "PERPLEXITYAI_API_KEY", NeedsKey: true, DefaultBaseURL: "https://api.perplexity.ai"},
	{Name: "replay"},
	{Name: "sambanova", KeyVar: "SAMBANOVA_API_KEY", NeedsKey: true, DefaultBaseURL: "https://api.sambanova.ai/v1"},
	{Name: "scripted"},
	{Name: "together_ai", KeyVar: "TOGETHERAI_API_KEY", NeedsKey: true, DefaultBaseURL: "https://api.together.xyz/v1"},
	{Name: "vercel_ai_gateway", KeyVar: "VERCEL_AI_GATEWAY_API_KEY", NeedsKey: true, DefaultBaseURL: "https://ai-gateway.vercel.sh/v1"},
	{Name: "xai", KeyVar: "XAI_API_KEY", NeedsKey: true, DefaultBaseURL: "https://api.x.ai/v1", DefaultModel: "xai/grok-4.5"},
	{Name: "zai", KeyVar: "ZAI_API_KEY", NeedsKey: true, DefaultBaseURL: "https://api.z.ai/api/paas/v4", DefaultModel: "zai/glm-5.2"},
}

// Providers lists the providers that are known by name, sorted.
func Providers() []ProviderInfo { return slices.Clone(providers) }

// AnyKeyVar is the environment variable of a key for whatever server is
// configured, OpenHands' own.
const AnyKeyVar = "LLM_API_KEY"

// Provider tells which provider serves a model.
//
// "PROVIDER/NAME" names it. A bare name is looked up by how it begins (claude,
// gemini, gpt, …). Any other name, also one whose first part is no provider we
// know ("mistralai/Devstral"), is that of the compatible server at baseURL;
// without one the first part is given back as the provider's name, "" if there
// is none, with no DefaultBaseURL.
//
// Where baseURL leads elsewhere than to the provider itself, KeyVar is
// [AnyKeyVar], and a server on this machine needs no key.
func Provider(model, baseURL string) ProviderInfo {
	name, rest, slash := strings.Cut(model, "/")
	info, known := ProviderNamed(name)
	if slash && known {
		info.Model = rest
	} else {
		info, known = ProviderNamed(GuessProvider(model))
		info.Model = model
	}
	switch {
	case known:
	case baseURL != "":
		info, _ = ProviderNamed("openai")
		info.Model = model
	case slash:
		info = ProviderInfo{Name: name, Model: rest, KeyVar: keyVar(name), NeedsKey: true}
	default:
		info.NeedsKey = true
	}
	if baseURL != "" && info.KeyVar != "" && info.DefaultBaseURL != "" && !SameHost(baseURL, info.DefaultBaseURL) {
		info.KeyVar = AnyKeyVar
	}
	if Local(baseURL) {
		info.NeedsKey = false
	}
	return info
}

// ProviderNamed looks a provider up by its name.
func ProviderNamed(name string) (ProviderInfo, bool) {
	i, ok := slices.BinarySearchFunc(providers, name, func(p ProviderInfo, name string) int {
		return strings.Compare(p.Name, name)
	})
	if !ok {
		return ProviderInfo{}, false
	}
	return providers[i], true
}

// GuessProvider names the provider of a model without one, by how the name
// begins; "" if that says nothing.
func GuessProvider(model string) string {
	if strings.Contains(model, "/") {
		return ""
	}
	for _, g := range [][2]string{
		{"claude", "anthropic"},
		{"gemini", "gemini"},
		{"deepseek", "deepseek"},
		{"grok", "xai"},
		{"kimi", "moonshot"},
		{"gpt", "openai"},
		{"chatgpt", "openai"},
		{"codex", "openai"},
		{"o1", "openai"},
		{"o3", "openai"},
		{"o4", "openai"},
	} {
		if strings.HasPrefix(strings.ToLower(model), g[0]) {
			return g[1]
		}
	}
	return ""
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

// Local tells whether a URL leads to this machine.
func Local(rawURL string) bool {
	host := hostname(rawURL)
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().IsLoopback() || addr.IsUnspecified()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || host == "host.docker.internal"
}

// Free tells whether the model costs nothing: it runs on this machine, plays a
// script, or the config says so.
func Free(cfg Config) bool {
	switch Provider(cfg.Model, cfg.BaseURL).Name {
	case "scripted", "replay":
		return true
	case "ollama", "ollama_chat", "lm_studio", "llamafile":
		if cfg.BaseURL == "" {
			return true
		}
	}
	in, out := cfg.InputCostPerToken, cfg.OutputCostPerToken
	return Local(cfg.BaseURL) || in != nil && out != nil && *in == 0 && *out == 0
}

// SameHost tells whether two URLs lead to the same server, whatever their path.
// It is false where either names none.
func SameHost(a, b string) bool {
	host := hostname(a)
	return host != "" && host == hostname(b)
}

func hostname(rawURL string) string {
	u, err := url.Parse(strings.TrimSpace(rawURL))
	if err != nil {
		return ""
	}
	return strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
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
