package openai

import (
	"bytes"
	"encoding/json"

	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// chunk is a chat.completion.chunk, or a whole chat.completion, as far as it is
// used. Fields that servers fill in their own ways are kept raw.
type chunk struct {
	ID      string          `json:"id"`
	Choices []choice        `json:"choices"`
	Usage   *usage          `json:"usage"`
	Error   json.RawMessage `json:"error"`
	// Object is "error" where vLLM fails in mid-stream.
	Object string `json:"object"`
	// Groq's place for usage.
	Groq *struct {
		Usage *usage          `json:"usage"`
		Error json.RawMessage `json:"error"`
	} `json:"x_groq"`
}

type choice struct {
	Index        int             `json:"index"`
	Delta        *delta          `json:"delta"`
	Message      *delta          `json:"message"`
	FinishReason json.RawMessage `json:"finish_reason"`
	// Moonshot's place for usage.
	Usage *usage `json:"usage"`
}

// delta is a piece of a message, or a whole one.
type delta struct {
	Content          json.RawMessage  `json:"content"`
	Refusal          json.RawMessage  `json:"refusal"`
	ReasoningContent json.RawMessage  `json:"reasoning_content"`
	Reasoning        json.RawMessage  `json:"reasoning"`
	ThinkingBlocks   []thinkingBlock  `json:"thinking_blocks"`
	ToolCalls        []toolCall       `json:"tool_calls"`
	FunctionCall     *functionOfACall `json:"function_call"`
}

type toolCall struct {
	Index    *int            `json:"index"`
	ID       json.RawMessage `json:"id"`
	Function functionOfACall `json:"function"`
	// Some servers leave out the function object.
	Name      json.RawMessage `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
	// Extra is where Gemini puts the signature of its thoughts.
	Extra json.RawMessage `json:"extra_content"`
}

type functionOfACall struct {
	Name      json.RawMessage `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

type thinkingBlock struct {
	Type      string  `json:"type"`
	Thinking  string  `json:"thinking"`
	Signature *string `json:"signature"`
	Data      string  `json:"data"`
}

// usage takes both the chat field names and those of the Responses API and of
// Anthropic, and what routers add.
type usage struct {
	PromptTokens      int           `json:"prompt_tokens"`
	InputTokens       int           `json:"input_tokens"`
	CompletionTokens  int           `json:"completion_tokens"`
	OutputTokens      int           `json:"output_tokens"`
	PromptDetails     *cacheDetails `json:"prompt_tokens_details"`
	InputDetails      *cacheDetails `json:"input_tokens_details"`
	CompletionDetails *struct {
		Reasoning int `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
	OutputDetails *struct {
		Reasoning int `json:"reasoning_tokens"`
	} `json:"output_tokens_details"`
	CacheHit     int     `json:"prompt_cache_hit_tokens"`
	Cached       int     `json:"cached_tokens"`
	CacheRead    int     `json:"cache_read_input_tokens"`
	CacheCreated int     `json:"cache_creation_input_tokens"`
	Cost         float64 `json:"cost"`
}

type cacheDetails struct {
	Cached int `json:"cached_tokens"`
	Write  int `json:"cache_write_tokens"`
	Create int `json:"cache_creation_tokens"`
}

func (u *usage) counts() llm.Usage {
	read := max(u.CacheHit, u.CacheRead, u.Cached)
	write := u.CacheCreated
	for _, d := range []*cacheDetails{u.PromptDetails, u.InputDetails} {
		if d != nil {
			read = max(read, d.Cached)
			write = max(write, d.Write, d.Create)
		}
	}
	reasoning := 0
	if d := u.CompletionDetails; d != nil {
		reasoning = d.Reasoning
	}
	if d := u.OutputDetails; d != nil {
		reasoning = max(reasoning, d.Reasoning)
	}
	return llm.Usage{
		PromptTokens:     max(u.PromptTokens, u.InputTokens),
		CompletionTokens: max(u.CompletionTokens, u.OutputTokens),
		CacheReadTokens:  read,
		CacheWriteTokens: write,
		ReasoningTokens:  reasoning,
		Cost:             u.Cost,
	}
}

func decodeChunk(data []byte) (*chunk, error) {
	c := new(chunk)
	if err := json.Unmarshal(data, c); err != nil {
		// Where one field has a form that nobody foresaw the rest still counts.
		if c.salvage(data) {
			return c, nil
		}
		return nil, err
	}
	return c, nil
}

// salvage reads what it can of a chunk that does not decode as a whole: each
// part on its own.
func (c *chunk) salvage(data []byte) bool {
	var parts struct {
		ID      json.RawMessage   `json:"id"`
		Choices []json.RawMessage `json:"choices"`
		Usage   json.RawMessage   `json:"usage"`
		Error   json.RawMessage   `json:"error"`
	}
	if json.Unmarshal(data, &parts) != nil {
		return false
	}
	*c = chunk{ID: text(parts.ID), Error: parts.Error}
	for _, raw := range parts.Choices {
		var one choice
		if json.Unmarshal(raw, &one) == nil {
			c.Choices = append(c.Choices, one)
		}
	}
	var u usage
	if isSet(parts.Usage) && json.Unmarshal(parts.Usage, &u) == nil {
		c.Usage = &u
	}
	return len(c.Choices) > 0 || c.Usage != nil || c.failed()
}

// failed tells whether the chunk is an error in the place of an answer.
func (c *chunk) failed() bool {
	return isSet(c.Error) || c.Object == "error" || c.Groq != nil && isSet(c.Groq.Error)
}

func (c *chunk) counted() *usage {
	if c.Usage != nil {
		return c.Usage
	}
	if c.Groq != nil && c.Groq.Usage != nil {
		return c.Groq.Usage
	}
	for i := range c.Choices {
		if c.Choices[i].Usage != nil {
			return c.Choices[i].Usage
		}
	}
	return nil
}

func isSet(raw json.RawMessage) bool {
	switch string(raw) {
	case "", "null", `""`, "false", "{}":
		return false
	}
	return true
}

// text is a JSON string's value; "" for anything else.
func text(raw json.RawMessage) string {
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// content splits what stands as a message's content: a string, or a list of
// parts as of Mistral's reasoning models.
func content(raw json.RawMessage) (said, thought string) {
	if len(raw) == 0 || raw[0] != '[' {
		return text(raw), ""
	}
	var parts []struct {
		Type     string          `json:"type"`
		Text     json.RawMessage `json:"text"`
		Thinking json.RawMessage `json:"thinking"`
	}
	if json.Unmarshal(raw, &parts) != nil {
		return "", ""
	}
	for _, p := range parts {
		said += text(p.Text)
		inner, _ := content(p.Thinking)
		thought += inner
	}
	return said, thought
}

// arguments gives a call's arguments as text: the string as it is, an object as
// its JSON.
func arguments(raw json.RawMessage) string {
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return ""
	case raw[0] == '"':
		return text(raw)
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return ""
	}
	return b.String()
}
