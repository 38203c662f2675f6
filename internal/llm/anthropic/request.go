package anthropic

import (
	"encoding/json"
	"strings"

	sdk "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/packages/param"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// Anthropic wants a cap on every answer; this one is for models that nobody
// knows a better one of.
const defaultMaxTokens = 16_384

// minBudget is the least thinking budget that Anthropic takes.
const minBudget = 1024

// defaultBudget is OpenHands' extended_thinking_budget.
const defaultBudget = 200_000

// params builds the request: what is not set is not sent.
func (m *model) params(req *llm.Request, t llm.Traits) sdk.MessageNewParams {
	c := &m.Config
	limit := defaultMaxTokens
	switch {
	case c.MaxOutputTokens != nil:
		limit = *c.MaxOutputTokens
	case t.MaxOutput > 0:
		limit = t.MaxOutput
	}
	p := sdk.MessageNewParams{
		Model:     m.Model,
		MaxTokens: int64(limit),
		Tools:     tools(req.Tools),
	}
	if req.NoCalls && len(req.Tools) > 0 {
		p.ToolChoice.OfNone = new(sdk.NewToolChoiceNoneParam())
	}
	b := builder{traits: t}
	b.history(req.Messages)
	p.System, p.Messages = b.system, b.messages

	thinking := false
	switch t.Thinking {
	case llm.ThinkingManual:
		budget := defaultBudget
		if c.ThinkingBudget != nil {
			budget = *c.ThinkingBudget
		}
		if budget = min(budget, limit-1); budget >= minBudget && mayThink(req.Messages) {
			p.Thinking = sdk.ThinkingConfigParamOfEnabled(int64(budget))
			thinking = true
		}
	case llm.ThinkingAdaptive:
		p.Thinking.OfAdaptive = &sdk.ThinkingConfigAdaptiveParam{Display: sdk.ThinkingConfigAdaptiveDisplaySummarized}
		thinking = true
	}
	p.OutputConfig.Effort = sdk.OutputConfigEffort(t.Effort)
	if t.Sampling && !thinking {
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
			p.TopK = param.NewOpt(int64(*c.TopK))
		}
	}
	return p
}

// mayThink tells whether manual thinking can be on: a turn whose calls are being
// answered must then begin with thinking, which it does not if another model, or
// this one without thinking, began it.
func mayThink(list []event.LLMMessage) bool {
	for i := len(list) - 1; i >= 0; i-- {
		switch msg := &list[i]; msg.Role {
		case event.RoleTool:
		case event.RoleAssistant:
			return len(msg.ToolCalls) == 0 || hasThinking(msg)
		default:
			return true
		}
	}
	return true
}

func hasThinking(msg *event.LLMMessage) bool {
	for i := range msg.ThinkingBlocks {
		if t := &msg.ThinkingBlocks[i]; t.Type == "redacted_thinking" || t.Signature != nil && *t.Signature != "" {
			return true
		}
	}
	return false
}

func tools(list []llm.Tool) []sdk.ToolUnionParam {
	var out []sdk.ToolUnionParam
	for _, t := range list {
		schema := t.Parameters
		if len(schema) == 0 {
			schema = json.RawMessage(`{"type":"object"}`)
		}
		p := &sdk.ToolParam{Name: t.Name, InputSchema: param.Override[sdk.ToolInputSchemaParam](schema)}
		if t.Description != "" {
			p.Description = param.NewOpt(t.Description)
		}
		out = append(out, sdk.ToolUnionParam{OfTool: p})
	}
	return out
}

// builder puts a history into wire form: the system message apart, then turns of
// user and assistant. Results of tools belong to the user's turn.
type builder struct {
	traits   llm.Traits
	system   []sdk.TextBlockParam
	messages []sdk.MessageParam
}

func (b *builder) history(list []event.LLMMessage) {
	last := -1
	for i := range list {
		if r := list[i].Role; r == event.RoleUser || r == event.RoleTool {
			last = i
		}
	}
	for i := range list {
		msg := &list[i]
		switch msg.Role {
		case event.RoleSystem:
			b.addSystem(msg)
		case event.RoleAssistant:
			b.turn(sdk.MessageParamRoleAssistant, b.assistant(msg))
		case event.RoleTool:
			b.turn(sdk.MessageParamRoleUser, b.toolResult(msg, i == last))
		default:
			b.turn(sdk.MessageParamRoleUser, b.user(msg, i == last))
		}
	}
}

// addSystem marks the first block only: what follows it changes from run to run.
func (b *builder) addSystem(msg *event.LLMMessage) {
	for _, c := range msg.Content {
		if c.Type == "image" || blank(c.Text) {
			continue
		}
		block := sdk.TextBlockParam{Text: c.Text}
		if b.traits.PromptCache && len(b.system) == 0 {
			block.CacheControl = sdk.NewCacheControlEphemeralParam()
		}
		b.system = append(b.system, block)
	}
}

// turn appends blocks to the turn under way if it has the same role: Anthropic
// wants all results of a turn's calls in one message.
func (b *builder) turn(role sdk.MessageParamRole, blocks []sdk.ContentBlockParamUnion) {
	if len(blocks) == 0 {
		return
	}
	if n := len(b.messages); n > 0 && b.messages[n-1].Role == role {
		b.messages[n-1].Content = append(b.messages[n-1].Content, blocks...)
		return
	}
	b.messages = append(b.messages, sdk.MessageParam{Role: role, Content: blocks})
}

func (b *builder) user(msg *event.LLMMessage, last bool) []sdk.ContentBlockParamUnion {
	var out []sdk.ContentBlockParamUnion
	for i := range msg.Content {
		c := &msg.Content[i]
		if c.Type != "image" {
			if !blank(c.Text) {
				out = append(out, sdk.NewTextBlock(c.Text))
			}
			continue
		}
		for _, img := range b.images(c) {
			out = append(out, sdk.ContentBlockParamUnion{OfImage: img})
		}
	}
	if len(out) == 0 && hasImage(msg.Content) {
		out = append(out, sdk.NewTextBlock(noImage))
	}
	if len(out) > 0 && last && b.traits.PromptCache {
		switch block := out[len(out)-1]; {
		case block.OfText != nil:
			block.OfText.CacheControl = sdk.NewCacheControlEphemeralParam()
		case block.OfImage != nil:
			block.OfImage.CacheControl = sdk.NewCacheControlEphemeralParam()
		}
	}
	return out
}

// assistant puts thinking first, then text, then calls: the order in which the
// model spoke. Thinking that no model signed is not Anthropic's and is left out.
func (b *builder) assistant(msg *event.LLMMessage) []sdk.ContentBlockParamUnion {
	var out []sdk.ContentBlockParamUnion
	for i := range msg.ThinkingBlocks {
		switch t := &msg.ThinkingBlocks[i]; {
		case t.Type == "redacted_thinking":
			out = append(out, sdk.NewRedactedThinkingBlock(t.Data))
		case t.Signature != nil && *t.Signature != "":
			out = append(out, sdk.NewThinkingBlock(*t.Signature, t.Thinking))
		}
	}
	for i := range msg.Content {
		if c := &msg.Content[i]; c.Type != "image" && !blank(c.Text) {
			out = append(out, sdk.NewTextBlock(c.Text))
		}
	}
	for i := range msg.ToolCalls {
		call := &msg.ToolCalls[i]
		out = append(out, sdk.NewToolUseBlock(wireID(call.ID), llm.ArgumentsObject(call.Arguments), call.Name))
	}
	return out
}

func (b *builder) toolResult(msg *event.LLMMessage, last bool) []sdk.ContentBlockParamUnion {
	r := &sdk.ToolResultBlockParam{ToolUseID: wireID(msg.ToolCallID)}
	var said []string
	for i := range msg.Content {
		if c := &msg.Content[i]; c.Type != "image" && !blank(c.Text) {
			said = append(said, c.Text)
		}
	}
	if len(said) == 0 && hasImage(msg.Content) && !b.traits.Vision {
		said = []string{noImage}
	}
	if len(said) > 0 {
		r.Content = append(r.Content, sdk.ToolResultBlockParamContentUnion{
			OfText: &sdk.TextBlockParam{Text: llm.CutMiddle(strings.Join(said, "\n"), llm.MaxToolText)},
		})
	}
	for i := range msg.Content {
		for _, img := range b.images(&msg.Content[i]) {
			r.Content = append(r.Content, sdk.ToolResultBlockParamContentUnion{OfImage: img})
		}
	}
	if last && b.traits.PromptCache {
		r.CacheControl = sdk.NewCacheControlEphemeralParam()
	}
	return []sdk.ContentBlockParamUnion{{OfToolResult: r}}
}

// images are the image blocks of a part, if the model can see.
func (b *builder) images(c *event.Content) []*sdk.ImageBlockParam {
	if c.Type != "image" || !b.traits.Vision {
		return nil
	}
	var out []*sdk.ImageBlockParam
	for _, url := range c.ImageURLs {
		if mediaType, data, ok := dataURL(url); ok {
			out = append(out, &sdk.ImageBlockParam{Source: sdk.ImageBlockParamSourceUnion{
				OfBase64: &sdk.Base64ImageSourceParam{Data: data, MediaType: sdk.Base64ImageSourceMediaType(mediaType)},
			}})
			continue
		}
		out = append(out, &sdk.ImageBlockParam{Source: sdk.ImageBlockParamSourceUnion{
			OfURL: &sdk.URLImageSourceParam{URL: url},
		}})
	}
	return out
}

// dataURL splits a base64 data: URL.
func dataURL(url string) (mediaType, data string, ok bool) {
	rest, ok := strings.CutPrefix(url, "data:")
	if !ok {
		return "", "", false
	}
	head, data, ok := strings.Cut(rest, ",")
	if !ok {
		return "", "", false
	}
	mediaType, params, _ := strings.Cut(head, ";")
	if !strings.Contains(";"+params, ";base64") {
		return "", "", false
	}
	return strings.ToLower(mediaType), data, true
}

const noImage = "[an image, left out: this model can't see images]"

func hasImage(content []event.Content) bool {
	for i := range content {
		if content[i].Type == "image" && len(content[i].ImageURLs) > 0 {
			return true
		}
	}
	return false
}

// blank: Anthropic refuses text blocks of nothing but white space.
func blank(text string) bool { return strings.TrimSpace(text) == "" }

// wireID keeps to the letters that Anthropic allows in ids. Ids of other
// providers, in a conversation that changed its model, may have more.
func wireID(id string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		}
		return '_'
	}, id)
}
