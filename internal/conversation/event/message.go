package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Role says who speaks in an [LLMMessage].
type Role string

// The roles of chat models.
const (
	RoleSystem    Role = "system"
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
	RoleTool      Role = "tool"
)

// LLMMessage is OpenHands' Message: one message as a model sees it.
type LLMMessage struct {
	Role                   Role            `json:"role"`
	Content                []Content       `json:"content"`
	ToolCalls              []ToolCall      `json:"tool_calls,omitempty"`
	ToolCallID             string          `json:"tool_call_id,omitempty"`
	Name                   string          `json:"name,omitempty"`
	ReasoningContent       string          `json:"reasoning_content,omitempty"`
	ThinkingBlocks         []Thinking      `json:"thinking_blocks"`
	ResponsesReasoningItem json.RawMessage `json:"responses_reasoning_item,omitempty"`
}

// Text joins the text parts of the message without a separator.
func (m *LLMMessage) Text() string { return TextOf(m.Content) }

// MarshalJSON writes absent lists as empty ones, as OpenHands does.
func (m LLMMessage) MarshalJSON() ([]byte, error) {
	type plain LLMMessage
	p := plain(m)
	p.Content = orEmpty(p.Content)
	p.ThinkingBlocks = orEmpty(p.ThinkingBlocks)
	p.ToolCalls = withOrigins(p.ToolCalls)
	p.ResponsesReasoningItem = orAbsent(p.ResponsesReasoningItem)
	return marshal(p)
}

// UnmarshalJSON also takes content that is null or a bare string.
func (m *LLMMessage) UnmarshalJSON(data []byte) error {
	type plain LLMMessage
	aux := struct {
		*plain
		Content json.RawMessage `json:"content"`
	}{plain: (*plain)(m)}
	if err := json.Unmarshal(data, &aux); err != nil {
		return err
	}
	m.Content = nil
	switch raw := bytes.TrimSpace(aux.Content); {
	case len(raw) == 0 || bytes.Equal(raw, []byte("null")):
	case raw[0] == '"':
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
		m.Content = []Content{Text(text)}
	default:
		return json.Unmarshal(raw, &m.Content)
	}
	return nil
}

// Content is a text or an image part. Type is "text" or "image".
type Content struct {
	CachePrompt bool
	Type        string
	Text        string
	// ImageURLs are http(s) or data: URLs; only for images.
	ImageURLs []string
}

// Text makes a text part.
func Text(text string) Content { return Content{Type: "text", Text: text} }

// Image makes an image part.
func Image(urls ...string) Content { return Content{Type: "image", ImageURLs: urls} }

// TextOf joins the text of the parts without a separator.
func TextOf(parts []Content) string {
	switch len(parts) {
	case 0:
		return ""
	case 1:
		return parts[0].Text
	}
	var b strings.Builder
	for i := range parts {
		b.WriteString(parts[i].Text)
	}
	return b.String()
}

type textContent struct {
	CachePrompt bool   `json:"cache_prompt"`
	Type        string `json:"type"`
	Text        string `json:"text"`
}

type imageContent struct {
	CachePrompt bool     `json:"cache_prompt"`
	Type        string   `json:"type"`
	ImageURLs   []string `json:"image_urls"`
}

// MarshalJSON writes OpenHands' TextContent or ImageContent.
func (c Content) MarshalJSON() ([]byte, error) {
	if c.Type == "image" {
		return marshal(imageContent{c.CachePrompt, c.Type, orEmpty(c.ImageURLs)})
	}
	return marshal(textContent{c.CachePrompt, "text", c.Text})
}

// UnmarshalJSON reads OpenHands' TextContent or ImageContent.
func (c *Content) UnmarshalJSON(data []byte) error {
	var raw struct {
		CachePrompt bool     `json:"cache_prompt"`
		Type        string   `json:"type"`
		Text        string   `json:"text"`
		ImageURLs   []string `json:"image_urls"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	if raw.Type == "" && raw.ImageURLs != nil {
		raw.Type = "image"
	}
	switch raw.Type {
	case "text", "":
		*c = Content{CachePrompt: raw.CachePrompt, Type: "text", Text: raw.Text}
	case "image":
		*c = Content{CachePrompt: raw.CachePrompt, Type: "image", ImageURLs: raw.ImageURLs}
	default:
		return fmt.Errorf("content type %q is neither text nor image", raw.Type)
	}
	return nil
}

// ToolCall is OpenHands' MessageToolCall. Arguments is a JSON text.
type ToolCall struct {
	ID              string `json:"id"`
	ResponsesItemID string `json:"responses_item_id,omitempty"`
	Name            string `json:"name"`
	Arguments       string `json:"arguments"`
	// Origin is [OriginCompletion] or [OriginResponses].
	Origin string `json:"origin"`
}

// The APIs that a [ToolCall] may come from.
const (
	OriginCompletion = "completion"
	OriginResponses  = "responses"
)

// Thinking is a thinking block of an Anthropic model. Its bytes must reach the
// model again unchanged.
type Thinking struct {
	// Type is "thinking" or "redacted_thinking".
	Type      string
	Thinking  string
	Signature *string
	// Data is the opaque content of a redacted block.
	Data string
}

// MarshalJSON writes OpenHands' ThinkingBlock or RedactedThinkingBlock.
func (t Thinking) MarshalJSON() ([]byte, error) {
	if t.Type == "redacted_thinking" {
		return marshal(struct {
			Type string `json:"type"`
			Data string `json:"data"`
		}{t.Type, t.Data})
	}
	return marshal(struct {
		Type      string  `json:"type"`
		Thinking  string  `json:"thinking"`
		Signature *string `json:"signature,omitempty"`
	}{"thinking", t.Thinking, t.Signature})
}

// UnmarshalJSON reads OpenHands' ThinkingBlock or RedactedThinkingBlock.
func (t *Thinking) UnmarshalJSON(data []byte) error {
	var raw struct {
		Type      string  `json:"type"`
		Thinking  string  `json:"thinking"`
		Signature *string `json:"signature"`
		Data      string  `json:"data"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	*t = Thinking{raw.Type, raw.Thinking, raw.Signature, raw.Data}
	return nil
}
