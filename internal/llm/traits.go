package llm

// Traits is what a model can do and what it costs, as far as a request or its
// accounting depends on it.
type Traits struct {
	// ContextWindow is in tokens; 0 if not known.
	ContextWindow int
	// MaxOutput is the cap on an answer in tokens, for providers that insist on
	// one; 0 if not known.
	MaxOutput int
	// Vision: images may be sent.
	Vision bool
	// Effort is the reasoning effort to ask for; "" to ask for none.
	Effort string
	// Thinking is how an Anthropic model is told to think.
	Thinking ThinkingMode
	// Sampling: temperature, top_p and top_k may be sent.
	Sampling bool
	// PromptCache: the prompt is cached where markers say so, Anthropic's way.
	PromptCache bool
	// EchoReasoning: the model wants its reasoning_content back.
	EchoReasoning bool
	// StringContent: message content must be one string.
	StringContent bool
	Prices        Prices
}

// ThinkingMode is how extended thinking is asked for.
type ThinkingMode string

// The modes, as in OpenHands' capability_overrides.
const (
	ThinkingNone     ThinkingMode = "none"
	ThinkingManual   ThinkingMode = "manual"
	ThinkingAdaptive ThinkingMode = "adaptive"
)

// Prices are in USD per token. The zero value is "not known".
type Prices struct {
	Input, Output, CacheRead, CacheWrite float64
}

// Cost is the price of an answer in USD; 0 if the prices are not known.
func (p Prices) Cost(u Usage) float64 {
	fresh := max(u.PromptTokens-u.CacheReadTokens-u.CacheWriteTokens, 0)
	return float64(fresh)*p.Input +
		float64(u.CacheReadTokens)*p.CacheRead +
		float64(u.CacheWriteTokens)*p.CacheWrite +
		float64(u.CompletionTokens)*p.Output
}
