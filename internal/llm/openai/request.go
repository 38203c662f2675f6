package openai

import (
	"strings"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/shared"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// params builds the request: what is not set is not sent.
func (m *model) params(req *llm.Request, t llm.Traits) sdk.ChatCompletionNewParams {
	c := &m.Config
	p := sdk.ChatCompletionNewParams{
		Model:    m.Model,
		Messages: m.messages(req.Messages, t),
		Tools:    tools(req.Tools),
	}
	if req.NoCalls && len(req.Tools) > 0 {
		p.ToolChoice.OfAuto = param.NewOpt(string(sdk.ChatCompletionToolChoiceOptionAutoNone))
	}
	extra := map[string]any{}
	if !m.Dialect.NoStreamOptions {
		p.StreamOptions.IncludeUsage = param.NewOpt(true)
	}
	if n := c.MaxOutputTokens; n != nil {
		if m.Dialect.MaxTokens {
			p.MaxTokens = param.NewOpt(int64(*n))
		} else {
			p.MaxCompletionTokens = param.NewOpt(int64(*n))
		}
	}
	if t.Sampling {
		temperature := c.Temperature
		if req.Temperature != nil {
			temperature = req.Temperature
		}
		if temperature != nil {
			p.Temperature = param.NewOpt(*temperature)
		}
		if c.TopP != nil {
			p.TopP = param.NewOpt(*c.TopP)
		}
		if c.TopK != nil {
			extra["top_k"] = *c.TopK
		}
	}
	if c.Seed != nil {
		p.Seed = param.NewOpt(int64(*c.Seed))
	}
	p.ReasoningEffort = shared.ReasoningEffort(t.Effort)
	if m.Dialect.CacheKey && req.CacheKey != "" {
		p.PromptCacheKey = param.NewOpt(req.CacheKey)
	}
	for name, value := range c.ExtraBody {
		extra[name] = value
	}
	if len(extra) > 0 {
		p.SetExtraFields(extra)
	}
	return p
}

func tools(list []llm.Tool) []sdk.ChatCompletionToolUnionParam {
	var out []sdk.ChatCompletionToolUnionParam
	for _, t := range list {
		f := shared.FunctionDefinitionParam{Name: t.Name}
		if t.Description != "" {
			f.Description = param.NewOpt(t.Description)
		}
		if len(t.Parameters) > 0 {
			f.SetExtraFields(map[string]any{"parameters": t.Parameters})
		}
		out = append(out, sdk.ChatCompletionFunctionTool(f))
	}
	return out
}

// messages puts the history into wire form. Images of tool results follow the
// results as a user's message: tool messages can't carry any.
func (m *model) messages(list []event.LLMMessage, t llm.Traits) []sdk.ChatCompletionMessageParamUnion {
	b := builder{traits: t, dialect: m.Dialect}
	if m.Dialect.Signatures {
		b.signature = m.signature
	}
	if t.PromptCache {
		b.mark(list)
	}
	for i := range list {
		msg := &list[i]
		if msg.Role != event.RoleTool {
			b.flushImages()
		}
		switch msg.Role {
		case event.RoleSystem:
			b.system(i, msg)
		case event.RoleAssistant:
			b.assistant(msg)
		case event.RoleTool:
			b.tool(i, msg)
		default:
			b.user(i, msg)
		}
	}
	b.flushImages()
	return b.out
}

// signature is what belongs to a call of Gemini's. The first call of an answer
// must have one from Gemini 3 on; where it is not known, since the process is
// another or another model made the call, Google's own word for that stands in.
func (m *model) signature(id string, first bool) any {
	if extra, ok := m.signed.Load(id); ok {
		return extra
	}
	if first && strings.Contains(m.Model, "gemini-3") {
		return map[string]any{"google": map[string]any{"thought_signature": "skip_thought_signature_validator"}}
	}
	return nil
}

type builder struct {
	traits  llm.Traits
	dialect Dialect
	// signature is the extra content of a call; nil if calls have none.
	signature func(id string, first bool) any
	out       []sdk.ChatCompletionMessageParamUnion
	// images wait for the end of a run of tool messages.
	images []string
	// static and last are the positions of the messages that carry a cache
	// marker; -1 for none.
	marked       bool
	static, last int
}

// mark finds what carries Anthropic's cache markers: the first block of the
// system message, and the last user's or tool's message.
func (b *builder) mark(list []event.LLMMessage) {
	b.marked, b.static, b.last = true, -1, -1
	for i := range list {
		switch list[i].Role {
		case event.RoleSystem:
			if b.static < 0 {
				b.static = i
			}
		case event.RoleUser, event.RoleTool:
			b.last = i
		}
	}
}

// ephemeral is the marker.
func ephemeral() map[string]any {
	return map[string]any{"cache_control": map[string]any{"type": "ephemeral"}}
}

func (b *builder) system(i int, msg *event.LLMMessage) {
	p := new(sdk.ChatCompletionSystemMessageParam)
	parts := texts(msg.Content)
	switch {
	case b.marked && i == b.static && len(parts) > 0:
		for _, text := range parts {
			p.Content.OfArrayOfContentParts = append(p.Content.OfArrayOfContentParts, sdk.ChatCompletionContentPartTextParam{Text: text})
		}
		p.Content.OfArrayOfContentParts[0].SetExtraFields(ephemeral())
	default:
		p.Content.OfString = param.NewOpt(strings.Join(parts, "\n"))
	}
	b.out = append(b.out, sdk.ChatCompletionMessageParamUnion{OfSystem: p})
}

func (b *builder) user(i int, msg *event.LLMMessage) {
	var urls []string
	if b.traits.Vision {
		urls = images(msg.Content)
	}
	parts := texts(msg.Content)
	if len(parts) == 0 && len(urls) == 0 {
		parts = []string{blank(msg.Content)}
	}
	mark := b.marked && i == b.last
	p := new(sdk.ChatCompletionUserMessageParam)
	if len(urls) == 0 && !mark && (len(parts) == 1 || b.traits.StringContent) {
		p.Content.OfString = param.NewOpt(strings.Join(parts, "\n"))
	} else {
		p.Content.OfArrayOfContentParts = b.parts(msg.Content, parts)
		if n := len(p.Content.OfArrayOfContentParts); mark && n > 0 {
			last := p.Content.OfArrayOfContentParts[n-1]
			switch {
			case last.OfText != nil:
				last.OfText.SetExtraFields(ephemeral())
			case last.OfImageURL != nil:
				last.OfImageURL.SetExtraFields(ephemeral())
			}
		}
	}
	b.out = append(b.out, sdk.ChatCompletionMessageParamUnion{OfUser: p})
}

// parts keeps the order of text and images.
func (b *builder) parts(content []event.Content, fallback []string) []sdk.ChatCompletionContentPartUnionParam {
	var out []sdk.ChatCompletionContentPartUnionParam
	for i := range content {
		switch c := &content[i]; {
		case c.Type != "image" && c.Text != "":
			out = append(out, sdk.TextContentPart(c.Text))
		case c.Type == "image" && b.traits.Vision:
			for _, url := range c.ImageURLs {
				out = append(out, sdk.ImageContentPart(sdk.ChatCompletionContentPartImageImageURLParam{URL: url}))
			}
		}
	}
	if len(out) == 0 {
		for _, text := range fallback {
			out = append(out, sdk.TextContentPart(text))
		}
	}
	return out
}

func (b *builder) assistant(msg *event.LLMMessage) {
	p := new(sdk.ChatCompletionAssistantMessageParam)
	parts := texts(msg.Content)
	text := strings.Join(parts, "\n")
	if len(msg.ToolCalls) == 0 || strings.TrimSpace(text) != "" {
		p.Content.OfString = param.NewOpt(text)
	}
	for i := range msg.ToolCalls {
		call := &msg.ToolCalls[i]
		f := &sdk.ChatCompletionMessageFunctionToolCallParam{
			ID: call.ID,
			Function: sdk.ChatCompletionMessageFunctionToolCallFunctionParam{
				Name:      call.Name,
				Arguments: string(llm.ArgumentsObject(call.Arguments)),
			},
		}
		if b.signature != nil {
			if extra := b.signature(call.ID, i == 0); extra != nil {
				f.SetExtraFields(map[string]any{"extra_content": extra})
			}
		}
		p.ToolCalls = append(p.ToolCalls, sdk.ChatCompletionMessageToolCallUnionParam{OfFunction: f})
	}
	extra := map[string]any{}
	if b.traits.EchoReasoning && msg.ReasoningContent != "" {
		extra["reasoning_content"] = msg.ReasoningContent
	}
	if b.dialect.LiteLLM && len(msg.ThinkingBlocks) > 0 {
		extra["thinking_blocks"] = msg.ThinkingBlocks
	}
	if len(extra) > 0 {
		p.SetExtraFields(extra)
	}
	b.out = append(b.out, sdk.ChatCompletionMessageParamUnion{OfAssistant: p})
}

func (b *builder) tool(i int, msg *event.LLMMessage) {
	p := &sdk.ChatCompletionToolMessageParam{ToolCallID: msg.ToolCallID}
	said := strings.Join(texts(msg.Content), "\n")
	if said == "" && !b.traits.Vision {
		said = blank(msg.Content)
	}
	p.Content.OfString = param.NewOpt(llm.CutMiddle(said, llm.MaxToolText))
	extra := map[string]any{}
	if b.marked && i == b.last {
		extra = ephemeral()
	}
	if msg.Name != "" {
		extra["name"] = msg.Name
	}
	if len(extra) > 0 {
		p.SetExtraFields(extra)
	}
	b.out = append(b.out, sdk.ChatCompletionMessageParamUnion{OfTool: p})
	if b.traits.Vision {
		b.images = append(b.images, images(msg.Content)...)
	}
}

func (b *builder) flushImages() {
	if len(b.images) == 0 {
		return
	}
	parts := []sdk.ChatCompletionContentPartUnionParam{sdk.TextContentPart("Images from the tool results above:")}
	for _, url := range b.images {
		parts = append(parts, sdk.ImageContentPart(sdk.ChatCompletionContentPartImageImageURLParam{URL: url}))
	}
	b.images = nil
	b.out = append(b.out, sdk.UserMessage(parts))
}

// texts are the text parts that say something.
func texts(content []event.Content) []string {
	var out []string
	for i := range content {
		if c := &content[i]; c.Type != "image" && c.Text != "" {
			out = append(out, c.Text)
		}
	}
	return out
}

func images(content []event.Content) []string {
	var out []string
	for i := range content {
		if c := &content[i]; c.Type == "image" {
			out = append(out, c.ImageURLs...)
		}
	}
	return out
}

// blank stands for a message that has nothing left to say.
func blank(content []event.Content) string {
	if len(images(content)) > 0 {
		return "[an image, left out: this model can't see images]"
	}
	return ""
}
