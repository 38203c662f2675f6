// Package llm is what the agent knows of language models: one interface, the
// request and the answer, usage and cost, and typed errors.
//
// The wire of each provider lives in a package below this one; nothing here
// imports them, and no provider's type appears here. The package starts no
// goroutine.
package llm

import (
	"context"
	"encoding/json"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// Model answers requests. An implementation is safe for use by several
// goroutines, and Complete returns soon after its context is cancelled.
type Model interface {
	// Complete asks the model once, retries included. Chunks are handed to
	// stream in order, from the calling goroutine; stream may be nil. After the
	// first chunk nothing is retried. Every failure is an *[Error], or the
	// context's own error.
	Complete(ctx context.Context, req *Request, stream func(Chunk)) (*Response, error)
}

// Request is one question to a model.
type Request struct {
	// Messages begin with the system message. Histories are valid for strict
	// providers: each tool call of an assistant message is answered by a tool
	// message right after it.
	Messages []event.LLMMessage
	// Tools the model may call; nil for requests without tools.
	Tools []Tool
	// CacheKey names the conversation, for providers that route by it.
	CacheKey string
}

// Tool is a tool as the model sees it.
type Tool struct {
	Name        string
	Description string
	// Parameters is a JSON Schema object.
	Parameters json.RawMessage
}

// Response is a whole answer.
type Response struct {
	// ID is the provider's response id; made up where the provider gives none.
	ID string
	// Message has role assistant; its tool calls have ids that are unique within
	// the answer, and names.
	Message event.LLMMessage
	Usage   Usage
	// Latency is from sending the request to the end of the answer.
	Latency time.Duration
	// FinishReason is the provider's own word; "" where it gave none.
	FinishReason string
}

// Stream names what a [Chunk] belongs to.
type Stream string

// The streams of an answer.
const (
	StreamText      Stream = "text"
	StreamReasoning Stream = "reasoning"
	StreamArgs      Stream = "args"
)

// Chunk is a piece of an answer as it comes.
type Chunk struct {
	Stream Stream
	Text   string
	// CallIndex, CallID and CallName are set for StreamArgs: the position of the
	// tool call within the answer, and its id and name as the final message has
	// them.
	CallIndex int
	CallID    string
	CallName  string
}

// Usage counts the tokens of one answer and what they cost.
type Usage struct {
	PromptTokens     int
	CompletionTokens int
	CacheReadTokens  int
	CacheWriteTokens int
	ReasoningTokens  int
	// ContextWindow is the model's window in tokens; 0 if not known.
	ContextWindow int
	// Cost is in USD; 0 if not known.
	Cost float64
}

// Config is OpenHands' LLM object: how to reach a model. Fields that we don't
// use are kept in Extra, so that a stored agent stays whole.
type Config struct {
	Model   string `json:"model"`
	APIKey  Secret `json:"api_key,omitempty"`
	BaseURL string `json:"base_url,omitempty"`
	// UsageID names the bucket of the statistics; "default" if empty.
	UsageID string `json:"usage_id,omitempty"`
	// NumRetries counts attempts, as in OpenHands; 5 if nil.
	NumRetries *int `json:"num_retries,omitempty"`
	// RetryMultiplier, RetryMinWait and RetryMaxWait are seconds.
	RetryMultiplier *float64 `json:"retry_multiplier,omitempty"`
	RetryMinWait    *float64 `json:"retry_min_wait,omitempty"`
	RetryMaxWait    *float64 `json:"retry_max_wait,omitempty"`
	// Timeout is in seconds, for the whole wait for one attempt's next byte;
	// 300 if nil.
	Timeout            *float64          `json:"timeout,omitempty"`
	Temperature        *float64          `json:"temperature,omitempty"`
	TopP               *float64          `json:"top_p,omitempty"`
	TopK               *float64          `json:"top_k,omitempty"`
	MaxInputTokens     *int              `json:"max_input_tokens,omitempty"`
	MaxOutputTokens    *int              `json:"max_output_tokens,omitempty"`
	ReasoningEffort    string            `json:"reasoning_effort,omitempty"`
	ThinkingBudget     *int              `json:"extended_thinking_budget,omitempty"`
	CachingPrompt      *bool             `json:"caching_prompt,omitempty"`
	DisableVision      *bool             `json:"disable_vision,omitempty"`
	NativeToolCalling  *bool             `json:"native_tool_calling,omitempty"`
	Seed               *int              `json:"seed,omitempty"`
	InputCostPerToken  *float64          `json:"input_cost_per_token,omitempty"`
	OutputCostPerToken *float64          `json:"output_cost_per_token,omitempty"`
	ExtraHeaders       map[string]string `json:"extra_headers,omitempty"`
	ExtraBody          map[string]any    `json:"litellm_extra_body,omitempty"`
	// Extra holds the fields of the object that are not named above.
	Extra map[string]json.RawMessage `json:"-"`
}

// SecretMask is what OpenHands writes in place of a secret.
const SecretMask = "**********"

// Secret is a string that is never written out: it encodes as [SecretMask].
// The mask, a blank and null all decode as "".
type Secret string

// MarshalJSON writes the mask.
func (s Secret) MarshalJSON() ([]byte, error) {
	if s == "" {
		return []byte("null"), nil
	}
	return []byte(`"` + SecretMask + `"`), nil
}

// String gives the mask, so that a secret can't be printed by accident.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return SecretMask
}

// GoString gives the mask too.
func (s Secret) GoString() string { return s.String() }

// Reveal gives the value itself.
func (s Secret) Reveal() string { return string(s) }
