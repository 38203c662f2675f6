package openai

import (
	"encoding/json"
	"strings"

	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// rule parts the blocks of the system message within the instructions.
const rule = "\n\n---\n\n"

// params builds the request: what is not set is not sent.
func (m *responder) params(req *llm.Request, t llm.Traits) responses.ResponseNewParams {
	c := &m.Config
	p := responses.ResponseNewParams{
		Model: m.Model,
		Store: param.NewOpt(false),
	}
	p.Input.OfInputItemList = inputItems(req.Messages, t)
	if text := instructions(req.Messages); text != "" {
		p.Instructions = param.NewOpt(text)
	}
	for _, tool := range req.Tools {
		f := &responses.FunctionToolParam{Name: tool.Name, Strict: param.NewOpt(false)}
		if tool.Description != "" {
			f.Description = param.NewOpt(tool.Description)
		}
		if len(tool.Parameters) > 0 {
			f.SetExtraFields(map[string]any{"parameters": tool.Parameters})
		}
		p.Tools = append(p.Tools, responses.ToolUnionParam{OfFunction: f})
	}
	switch {
	case len(p.Tools) == 0:
	case req.NoCalls:
		p.ToolChoice.OfToolChoiceMode = param.NewOpt(responses.ToolChoiceOptionsNone)
	default:
		p.ToolChoice.OfToolChoiceMode = param.NewOpt(responses.ToolChoiceOptionsAuto)
	}
	if t.Effort != "" {
		p.Reasoning.Effort = shared.ReasoningEffort(t.Effort)
	}
	if summary := c.ExtraString("reasoning_summary"); summary != "" {
		p.Reasoning.Summary = shared.ReasoningSummary(summary)
	}
	if t.Effort != "" && string(c.Extra["enable_encrypted_reasoning"]) != "false" {
		p.Include = []responses.ResponseIncludable{responses.ResponseIncludableReasoningEncryptedContent}
	}
	if c.MaxOutputTokens != nil {
		p.MaxOutputTokens = param.NewOpt(int64(*c.MaxOutputTokens))
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
	}
	if m.Dialect.CacheKey && req.CacheKey != "" {
		p.PromptCacheKey = param.NewOpt(req.CacheKey)
	}
	if len(c.ExtraBody) > 0 {
		p.SetExtraFields(c.ExtraBody)
	}
	return p
}

func instructions(list []event.LLMMessage) string {
	var parts []string
	for i := range list {
		if list[i].Role == event.RoleSystem {
			parts = append(parts, texts(list[i].Content)...)
		}
	}
	return strings.Join(parts, rule)
}

func inputItems(list []event.LLMMessage, t llm.Traits) responses.ResponseInputParam {
	var out responses.ResponseInputParam
	for i := range list {
		switch msg := &list[i]; msg.Role {
		case event.RoleSystem:
		case event.RoleAssistant:
			out = append(out, spoken(msg)...)
		case event.RoleTool:
			out = append(out, toolOutput(msg, t))
		default:
			if content := userContent(msg, t); len(content) > 0 {
				out = append(out, responses.ResponseInputItemParamOfMessage(content, responses.EasyInputMessageRoleUser))
			}
		}
	}
	return out
}

func userContent(msg *event.LLMMessage, t llm.Traits) responses.ResponseInputMessageContentListParam {
	var out responses.ResponseInputMessageContentListParam
	for i := range msg.Content {
		switch c := &msg.Content[i]; {
		case c.Type != "image" && c.Text != "":
			out = append(out, responses.ResponseInputContentParamOfInputText(c.Text))
		case c.Type == "image" && t.Vision:
			for _, url := range c.ImageURLs {
				out = append(out, responses.ResponseInputContentUnionParam{OfInputImage: &responses.ResponseInputImageParam{
					ImageURL: param.NewOpt(url), Detail: responses.ResponseInputImageDetailAuto,
				}})
			}
		}
	}
	if len(out) == 0 {
		if text := blank(msg.Content); text != "" {
			out = append(out, responses.ResponseInputContentParamOfInputText(text))
		}
	}
	return out
}

// spoken is what the model said, in the order in which it said it: reasoning,
// text, calls.
func spoken(msg *event.LLMMessage) []responses.ResponseInputItemUnionParam {
	var out []responses.ResponseInputItemUnionParam
	reasoned := false
	if item, ok := reasoningItem(msg.ResponsesReasoningItem); ok {
		out = append(out, item)
		reasoned = true
	}
	if text := strings.Join(texts(msg.Content), "\n"); strings.TrimSpace(text) != "" {
		out = append(out, responses.ResponseInputItemParamOfMessage(text, responses.EasyInputMessageRoleAssistant))
	}
	for i := range msg.ToolCalls {
		call := &msg.ToolCalls[i]
		f := &responses.ResponseFunctionToolCallParam{
			CallID: call.ID, Name: call.Name, Arguments: string(llm.ArgumentsObject(call.Arguments)),
		}
		// An item's id ties it to the reasoning before it, so it goes only with that.
		if reasoned && strings.HasPrefix(call.ResponsesItemID, "fc_") {
			f.ID = param.NewOpt(call.ResponsesItemID)
		}
		out = append(out, responses.ResponseInputItemUnionParam{OfFunctionCall: f})
	}
	return out
}

// reasoning is OpenHands' form of a reasoning item.
type reasoning struct {
	ID               string   `json:"id,omitempty"`
	Summary          []string `json:"summary"`
	Content          []string `json:"content,omitempty"`
	EncryptedContent string   `json:"encrypted_content,omitempty"`
	Status           string   `json:"status,omitempty"`
}

// reasoningItem puts a stored reasoning item into wire form. One that is not
// encrypted means nothing to a server that kept nothing.
func reasoningItem(raw json.RawMessage) (responses.ResponseInputItemUnionParam, bool) {
	var r reasoning
	if len(raw) == 0 || json.Unmarshal(raw, &r) != nil || r.EncryptedContent == "" {
		return responses.ResponseInputItemUnionParam{}, false
	}
	summary := make([]responses.ResponseReasoningItemSummaryParam, len(r.Summary))
	for i, text := range r.Summary {
		summary[i].Text = text
	}
	item := responses.ResponseInputItemParamOfReasoning(r.ID, summary)
	item.OfReasoning.EncryptedContent = param.NewOpt(r.EncryptedContent)
	return item, true
}

func toolOutput(msg *event.LLMMessage, t llm.Traits) responses.ResponseInputItemUnionParam {
	f := &responses.ResponseInputItemFunctionCallOutputParam{CallID: param.NewOpt(msg.ToolCallID)}
	text := strings.Join(texts(msg.Content), "\n")
	var urls []string
	if t.Vision {
		urls = images(msg.Content)
	} else if text == "" {
		text = blank(msg.Content)
	}
	text = llm.CutMiddle(text, llm.MaxToolText)
	if len(urls) == 0 {
		f.Output.OfString = param.NewOpt(text)
	} else {
		var list responses.ResponseFunctionCallOutputItemListParam
		if text != "" {
			list = append(list, responses.ResponseFunctionCallOutputItemUnionParam{OfInputText: &responses.ResponseInputTextContentParam{Text: text}})
		}
		for _, url := range urls {
			list = append(list, responses.ResponseFunctionCallOutputItemUnionParam{OfInputImage: &responses.ResponseInputImageContentParam{
				ImageURL: param.NewOpt(url), Detail: responses.ResponseInputImageContentDetailAuto,
			}})
		}
		f.Output.OfResponseFunctionCallOutputItemArray = list
	}
	return responses.ResponseInputItemUnionParam{OfFunctionCallOutput: f}
}
