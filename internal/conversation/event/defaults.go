package event

import (
	"bytes"
	"encoding/json"
	"slices"
)

// defaulter is an event with fields that OpenHands gives a default. The method
// works on a copy: an event may be shared, so encoding never writes to it.
type defaulter interface{ withDefaults() Event }

func (e SystemPrompt) withDefaults() Event {
	e.Tools = orEmpty(e.Tools)
	return &e
}

func (e Message) withDefaults() Event {
	if e.LLMMessage.Role == "" {
		e.LLMMessage.Role = RoleUser
		if e.Source == SourceAgent {
			e.LLMMessage.Role = RoleAssistant
		}
	}
	e.ActivatedSkills = orEmpty(e.ActivatedSkills)
	e.ExtendedContent = orEmpty(e.ExtendedContent)
	e.CriticResult = orAbsent(e.CriticResult)
	return &e
}

func (e Action) withDefaults() Event {
	e.Thought = orEmpty(e.Thought)
	e.ThinkingBlocks = orEmpty(e.ThinkingBlocks)
	e.ResponsesReasoningItem = orAbsent(e.ResponsesReasoningItem)
	e.Action = orAbsent(e.Action)
	e.ToolCall.Origin = orText(e.ToolCall.Origin, OriginCompletion)
	if e.SecurityRisk == "" {
		e.SecurityRisk = RiskUnknown
	}
	e.CriticResult = orAbsent(e.CriticResult)
	return &e
}

func (e Observation) withDefaults() Event {
	e.ExtendedContent = orEmpty(e.ExtendedContent)
	return &e
}

func (e UserReject) withDefaults() Event {
	e.RejectionReason = orText(e.RejectionReason, DefaultRejection)
	e.RejectionSource = orText(e.RejectionSource, "user")
	return &e
}

func (e AgentError) withDefaults() Event {
	e.Classification.fill()
	return &e
}

func (e ConversationError) withDefaults() Event {
	if e.Classification.Kind == "" {
		e.Classification = Classify(e.Code, e.Detail)
	}
	e.Classification.fill()
	return &e
}

func (e Condensation) withDefaults() Event {
	e.ForgottenEventIDs = orEmpty(e.ForgottenEventIDs)
	return &e
}

func (e StateUpdate) withDefaults() Event {
	e.Value = orAbsent(e.Value)
	return &e
}

func (e HookExecution) withDefaults() Event {
	e.HookInput = orAbsent(e.HookInput)
	return &e
}

func (e Token) withDefaults() Event {
	e.PromptTokenIDs = orEmpty(e.PromptTokenIDs)
	e.ResponseTokenIDs = orEmpty(e.ResponseTokenIDs)
	return &e
}

func (e LLMCompletionLog) withDefaults() Event {
	e.ModelName = orText(e.ModelName, "unknown")
	e.UsageID = orText(e.UsageID, "default")
	return &e
}

func (e ACPToolCall) withDefaults() Event {
	e.RawInput = orAbsent(e.RawInput)
	e.RawOutput = orAbsent(e.RawOutput)
	e.Content = orAbsent(e.Content)
	return &e
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// orAbsent makes a JSON null an absent field.
func orAbsent(raw json.RawMessage) json.RawMessage {
	if bytes.Equal(bytes.TrimSpace(raw), []byte("null")) {
		return nil
	}
	return raw
}

func orText(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// withOrigins gives calls that all have an origin; it never writes to calls.
func withOrigins(calls []ToolCall) []ToolCall {
	missing := func(c ToolCall) bool { return c.Origin == "" }
	if !slices.ContainsFunc(calls, missing) {
		return calls
	}
	calls = slices.Clone(calls)
	for i := range calls {
		calls[i].Origin = orText(calls[i].Origin, OriginCompletion)
	}
	return calls
}
