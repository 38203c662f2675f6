package provider

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/llm"
	"github.com/agent-rpc/agent-rpc/internal/llm/catalog"
)

// overrides is OpenHands' capability_overrides: what the user knows better.
type overrides struct {
	Effort      *bool            `json:"supports_reasoning_effort"`
	Thinking    llm.ThinkingMode `json:"thinking_mode"`
	Sampling    *bool            `json:"supports_sampling_params"`
	PromptCache *bool            `json:"supports_prompt_cache"`
	Vision      *bool            `json:"supports_vision"`
	Responses   *bool            `json:"supports_responses_api"`
}

func overridesOf(cfg *llm.Config) (over overrides) {
	// What can't be read overrides nothing.
	_ = json.Unmarshal(cfg.Extra["capability_overrides"], &over)
	return over
}

// usesResponses tells whether the model is asked through the Responses API:
// where the config says so, and for GPT-5 at OpenAI itself, which does not take
// tools together with reasoning in chat completions.
func usesResponses(cfg *llm.Config, r route) bool {
	if r.vendor.anthropic {
		return false
	}
	switch cfg.ExtraString("api_mode") {
	case "responses":
		return true
	case "chat":
		return false
	}
	if over := overridesOf(cfg); over.Responses != nil {
		return *over.Responses
	}
	f := family(strings.ToLower(r.model))
	return r.prefix == "openai" && !r.custom && f.is("gpt-5", "codex-mini-latest")
}

// traitsOf joins the catalog, the families of OpenHands' rules and the user's
// own word, which counts most.
func traitsOf(cfg *llm.Config, r route) llm.Traits {
	over := overridesOf(cfg)
	canonical := cfg.ExtraString("model_canonical_name")
	lookup := canonical
	if canonical == "" {
		lookup = r.prefix + "/" + r.model
	}
	info, _ := catalog.Lookup(lookup)
	f := family(strings.ToLower(lookup))

	t := llm.Traits{
		ContextWindow: info.ContextWindow,
		MaxOutput:     maxOutput(f, info, r),
		Vision:        vision(cfg, f, info, over),
		EchoReasoning: f.is("kimi", "minimax", "deepseek"),
		StringContent: f.is("deepseek", "glm", "groq/kimi-k2-instruct", "groq/moonshotai/kimi-k2-instruct", "openrouter/minimax"),
	}
	if n := cfg.MaxInputTokens; n != nil {
		t.ContextWindow = *n
	}
	// What one provider asks for a model says nothing of what another does, but
	// for those that pass on the maker's price.
	if info.Provider == r.prefix || proxies[r.prefix] || r.prefix == "azure" || canonical != "" {
		t.Prices = llm.Prices{
			Input:      info.Input / 1e6,
			Output:     info.Output / 1e6,
			CacheRead:  info.CacheRead / 1e6,
			CacheWrite: info.CacheWrite / 1e6,
		}
	}
	if in, out := cfg.InputCostPerToken, cfg.OutputCostPerToken; in != nil && out != nil {
		t.Prices = llm.Prices{Input: *in, Output: *out, CacheRead: *in, CacheWrite: *in}
	}
	var force bool
	if json.Unmarshal(cfg.Extra["force_string_serializer"], &force) == nil && len(cfg.Extra["force_string_serializer"]) > 0 {
		t.StringContent = force
	}

	reasons := len(info.Efforts) > 0 || f.reasons()
	if over.Effort != nil {
		reasons = *over.Effort
	}
	t.Effort = effort(cfg, f, info, r, reasons)
	if r.vendor.anthropic && cfg.ReasoningEffort != "none" {
		t.Thinking = thinking(f, info, over)
	}
	t.Sampling = !reasons || f.is("gemini")
	if over.Sampling != nil {
		t.Sampling = *over.Sampling
	}
	t.PromptCache = promptCache(cfg, f, r, over)
	return t
}

// family is a model's whole name in lower case, for questions about its kind.
type family string

// is tells whether the name contains one of the parts.
func (f family) is(parts ...string) bool {
	return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(string(f), p) })
}

// name is what stands after the last slash.
func (f family) name() string { return string(f[strings.LastIndexByte(string(f), '/')+1:]) }

// reasons knows families that take a reasoning effort and that the catalog may
// not have, or not as such.
func (f family) reasons() bool {
	name := f.name()
	switch {
	case strings.Contains(name, "gpt-5-chat"):
		return false
	case f.is("gpt-5", "gemini-2.5", "gemini-3"):
		return true
	}
	for _, o := range []string{"o1", "o3", "o4"} {
		if name == o || strings.HasPrefix(name, o+"-") {
			return true
		}
	}
	return false
}

// effort is what to ask for. OpenHands asks for "high" where the user says
// nothing. Not here: of GPT-5, whose newer versions refuse an effort beside
// tools in chat completions, and of routers, which would want the reasoning
// back in forms of their own.
func effort(cfg *llm.Config, f family, info catalog.Info, r route, reasons bool) string {
	const byDefault = "high"
	level := cfg.ReasoningEffort
	switch {
	case !reasons:
		return ""
	case level == "none":
		// Leaving it out would mean the model's own default.
		if slices.Contains(info.Efforts, "none") && !r.vendor.anthropic {
			return level
		}
		return ""
	case level != "":
		return level
	case f.is("gpt-5") && !usesResponses(cfg, r):
		// GPT-5.6 refuses tools here unless it is told not to reason.
		if r.prefix == "openai" && slices.Contains(info.Efforts, "none") {
			return "none"
		}
		return ""
	case router[r.prefix] || !slices.Contains(info.Efforts, byDefault):
		return ""
	}
	return byDefault
}

// router are the providers that pass models of all makers on.
var router = map[string]bool{
	"openrouter": true, "vercel_ai_gateway": true, "aihubmix": true, "huggingface": true,
}

// thinking is how the models of Anthropic are told to think. Those that take an
// effort of "max" decide for themselves how much.
func thinking(f family, info catalog.Info, over overrides) llm.ThinkingMode {
	switch over.Thinking {
	case llm.ThinkingAdaptive, llm.ThinkingManual, llm.ThinkingNone:
		return over.Thinking
	}
	switch {
	case slices.Contains(info.Efforts, "max"):
		return llm.ThinkingAdaptive
	case f.is("sonnet-4-5", "sonnet-4-6", "haiku-4-5", "opus-4-5", "sonnet-4.5", "sonnet-4.6", "haiku-4.5", "opus-4.5"):
		return llm.ThinkingManual
	}
	return llm.ThinkingNone
}

// maxOutput is the cap on an answer where the user sets none.
func maxOutput(f family, info catalog.Info, r route) int {
	switch {
	case f.is("claude-3-7-sonnet", "claude-sonnet-4", "kimi-k2-thinking"):
		return 64_000
	case f.is("claude-3-5"):
		return 8192
	case f.is("claude-3-"):
		return 4096
	}
	n := info.MaxOutput
	if n >= info.ContextWindow {
		n /= 2
	}
	if r.custom && !proxies[r.prefix] {
		n = min(n, 16_384)
	}
	if f.is("o3") {
		n = min(n, 100_000)
	}
	return n
}

var proxies = map[string]bool{"litellm_proxy": true, "openhands": true}

// vision: the user's word, then the catalog, then names that say it.
func vision(cfg *llm.Config, f family, info catalog.Info, over overrides) bool {
	switch {
	case cfg.DisableVision != nil:
		return !*cfg.DisableVision
	case over.Vision != nil:
		return *over.Vision
	case info.ID != "":
		return info.Vision
	}
	return f.is("claude", "gpt-4o", "gpt-4.1", "gpt-5", "gemini", "vision", "llava", "pixtral", "-vl", "vl:", "gemma-3", "gemma3")
}

// promptCache: Anthropic's markers are for its models, at servers that know them.
func promptCache(cfg *llm.Config, f family, r route, over overrides) bool {
	switch {
	case cfg.CachingPrompt != nil && !*cfg.CachingPrompt:
		return false
	case over.PromptCache != nil:
		return *over.PromptCache
	case r.vendor.anthropic:
		return true
	}
	return f.is("claude") && (proxies[r.prefix] || r.prefix == "openrouter")
}
