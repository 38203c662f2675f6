package scripted

import (
	"encoding/json"
	"regexp"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// purpose is what a request wants.
type purpose string

const (
	forStep  purpose = "step"  // the agent's next step: the request has tools
	forTitle purpose = "title" // a title of the conversation
	forOther purpose = "other" // any other request without tools: a summary, a question
)

// script is a parsed script.
type script struct {
	name string
	// rules are tried in order before the queue of their purpose.
	rules  []rule
	queues map[purpose][]answer
	resume bool
}

// rule holds answers for requests that match.
type rule struct {
	purpose purpose
	// user is matched against the last user message, output against the tool
	// message that the request ends with; nil matches anything.
	user, output *regexp.Regexp
	answers      []answer
}

// answer is one answer of the model, before its templates are filled in.
type answer struct {
	text      string
	reasoning string
	thinking  []event.Thinking
	calls     []call
	usage     llm.Usage
	id        string
	finish    string

	latency time.Duration // before the first chunk
	delay   time.Duration // between chunks
	chunk   int           // in characters; 0 is all at once
	chunks  []chunk       // the chunks as they were recorded; nil if not
	rest    time.Duration // from the last recorded chunk to the end

	times int // how often it is used; 0 is for ever
	hang  bool
	fail  *failure
	want  *requestRecord // what was asked when this was recorded
}

// silent tells whether the answer leaves no message in the history.
func (a *answer) silent() bool { return a.hang || a.fail != nil }

type call struct {
	id, name  string
	arguments string
}

type chunk struct {
	Stream llm.Stream `json:"stream"`
	// Size is in bytes of the stream's text.
	Size int `json:"size"`
	// After is in ms since the chunk before; for the first, since the request.
	After float64 `json:"after,omitempty"`
	Call  int     `json:"call,omitempty"`
}

type failure struct {
	Kind        llm.ErrorKind `json:"kind"`
	Status      int           `json:"status,omitempty"`
	Message     string        `json:"message,omitempty"`
	RetryAfter  float64       `json:"retry_after,omitempty"` // seconds
	Setting     string        `json:"setting,omitempty"`
	AfterChunks int           `json:"after_chunks,omitempty"`
}

// entry is one object of a script, as it is written. The recorder writes it too.
type entry struct {
	For        purpose           `json:"for,omitempty"`
	When       string            `json:"when,omitempty"`
	WhenOutput string            `json:"when_output,omitempty"`
	Then       []json.RawMessage `json:"then,omitempty"`

	Text         *string           `json:"text,omitempty"`
	Reasoning    string            `json:"reasoning,omitempty"`
	Thinking     []json.RawMessage `json:"thinking,omitempty"`
	Calls        []json.RawMessage `json:"calls,omitempty"`
	Usage        *usage            `json:"usage,omitempty"`
	ID           string            `json:"id,omitempty"`
	FinishReason string            `json:"finish_reason,omitempty"`

	Latency *float64 `json:"latency,omitempty"` // ms
	Delay   *float64 `json:"delay,omitempty"`   // ms
	Chunk   *int     `json:"chunk,omitempty"`
	Chunks  []chunk  `json:"chunks,omitempty"`
	Rest    float64  `json:"rest,omitempty"` // ms

	Repeat json.RawMessage `json:"repeat,omitempty"`
	Wait   string          `json:"wait,omitempty"`
	Error  json.RawMessage `json:"error,omitempty"`

	Settings json.RawMessage `json:"settings,omitempty"`

	// Time, Model and Request are written by the recorder.
	Time    string         `json:"time,omitempty"`
	Model   string         `json:"model,omitempty"`
	Request *requestRecord `json:"request,omitempty"`
}

// usage is [llm.Usage] as scripts write it, with OpenHands' names.
type usage struct {
	PromptTokens     int     `json:"prompt_tokens,omitempty"`
	CompletionTokens int     `json:"completion_tokens,omitempty"`
	CacheReadTokens  int     `json:"cache_read_tokens,omitempty"`
	CacheWriteTokens int     `json:"cache_write_tokens,omitempty"`
	ReasoningTokens  int     `json:"reasoning_tokens,omitempty"`
	ContextWindow    int     `json:"context_window,omitempty"`
	Cost             float64 `json:"cost,omitempty"`
}

// settings hold for the answers that follow them.
type settings struct {
	Latency *float64 `json:"latency"`
	Delay   *float64 `json:"delay"`
	Chunk   *int     `json:"chunk"`
	Usage   *usage   `json:"usage"`
	Resume  *bool    `json:"resume"`
}
