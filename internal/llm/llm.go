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
	// NoCalls asks for an answer in words: the tools are there so that a history
	// with calls is accepted.
	NoCalls bool
	// CacheKey names the conversation, for providers that route by it.
	CacheKey string
	// Temperature overrides the config's for this request; nil leaves it.
	Temperature *float64
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

// Usage counts the tokens of one answer and what they cost. It is the zero
// value where the provider counted nothing; such an answer is not recorded.
type Usage struct {
	// PromptTokens includes what was read from and written to the prompt cache,
	// whichever way the provider counts.
	PromptTokens     int
	CompletionTokens int
	CacheReadTokens  int
	CacheWriteTokens int
	// ReasoningTokens are part of CompletionTokens.
	ReasoningTokens int
	// ContextWindow is the model's window in tokens; 0 if not known.
	ContextWindow int
	// Cost is in USD; 0 if not known.
	Cost float64
}
