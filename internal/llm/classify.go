package llm

import (
	"net/http"
	"strings"
)

// Classify gives the kind of a failure from the HTTP status (0 if there was
// none, as for an error inside a stream) and the provider's own words: message,
// type and code in one text. The order of the tests is that of OpenHands.
func Classify(status int, text string) ErrorKind {
	text = strings.ToLower(text)
	for _, rule := range rules {
		if rule.status(status) || rule.words(status) && containsAny(text, rule.phrases) {
			return rule.kind
		}
	}
	if status >= 500 || status == 0 {
		return ErrUnavailable
	}
	return ErrBadRequest
}

type rule struct {
	kind ErrorKind
	// status tells whether the status alone decides.
	status func(int) bool
	// words tells whether phrases count at this status.
	words   func(int) bool
	phrases []string
}

// rules are tried in order. Phrases are in lower case.
var rules = []rule{
	{ErrContextWindow, is(http.StatusRequestEntityTooLarge), always, []string{
		"contextwindowexceeded",
		"context_length_exceeded",
		"context length exceeded",
		"model_context_window_exceeded",
		"maximum context length",
		"exceeds the available context size",
		"exceed context limit",
		"exceeds the context window",
		"exceeds the model's context",
		"context window exceeds",
		"exceeded model token limit",
		"prompt is too long",
		"prompt too long",
		"input is too long",
		"input token count exceeds",
		"exceeds the maximum number of tokens allowed",
		"reduce the length of the messages",
		"range of input length should be",
		"request_too_large",
		// llama.cpp, LM Studio and Ollama.
		"exceed_context_size_error",
		"context size has been exceeded",
		"context the overflows",
		"greater than the context length",
		"exceeds the context length",
		"reached context length of",
		// vLLM and SGLang.
		"longer than the maximum model length",
		"longer than the model's context length",
		"exceeds the maximum allowed input length",
		// TGI, and the routers that run it.
		"`inputs` tokens + `max_new_tokens` must be",
		"`inputs` must have less than",
		// xAI, Azure, Zhipu, Cohere and Copilot.
		"maximum prompt length is",
		"input tokens exceed the configured limit",
		"prompt exceeds max length",
		"tokens in the prompt cannot exceed",
		"model_max_prompt_tokens_exceeded",
	}},
	{ErrHistory, never, always, []string{
		"tool_use` ids were found without `tool_result`",
		"`tool_result` block must have a corresponding `tool_use`",
		"unexpected `tool_use_id`",
		"`tool_use` ids must be unique",
		"each tool_use must have a single result",
		"did not have response messages",
		"must be followed by tool messages",
		"must be a response to a preceding message with 'tool_calls'",
		"must be a response to a preceeding message with 'tool_calls'",
		"tool result's tool id",
		"no tool call found for function call output",
		"no tool output found for function call",
		"number of function response parts",
		"function response turn comes immediately after a function call turn",
		"expected `thinking` or `redacted_thinking`",
		"blocks in the latest assistant message cannot be modified",
		"invalid `signature` in `thinking` block",
		"unable to parse tool call arguments",
		"failed to parse tool call arguments",
		"tool_use.input: input should be a valid dictionary",
		"roles must alternate",
	}},
	// A moderated input comes with 403 from some routers: a new key won't help.
	{ErrContentPolicy, never, is(http.StatusForbidden), policyPhrases},
	{ErrAuth, is(http.StatusUnauthorized, http.StatusForbidden), notLimited, []string{
		"invalid api key",
		"invalid_api_key",
		"incorrect api key",
		"missing api key",
		"no api key",
		"api key not valid",
		"api_key_invalid",
		"api key is missing",
		"api key required",
		"invalid x-api-key",
		"authentication_error",
		"authenticationerror",
		"invalid authentication",
		"authentication failed",
		"unauthorized",
		"access denied",
		"status code: 401",
		"status code: 403",
		"error code: 401",
		"error code: 403",
	}},
	{ErrRateLimit, is(http.StatusTooManyRequests), inStream, append([]string{
		"rate limit",
		"rate_limit",
		"ratelimit",
		"too many requests",
		"resource_exhausted",
		"tokens per minute",
	}, spentPhrases...)},
	{ErrTimeout, is(http.StatusRequestTimeout, http.StatusGatewayTimeout), inStream, []string{
		"timed out",
		"timeout",
		"deadline exceeded",
	}},
	{ErrUnavailable, func(s int) bool { return s >= 500 }, inStream, []string{
		"overloaded",
		"unavailable",
		"internal server error",
		"internal_server_error",
		"api_error",
		"server_error",
		"bad gateway",
		"connection error",
	}},
	{ErrContentPolicy, never, notServer, policyPhrases},
	{ErrBadRequest, func(s int) bool { return s >= 400 }, inStream, []string{
		"invalid_request_error",
		"bad request",
		"not_found_error",
		"not found",
		"does not exist",
	}},
}

// policyPhrases are said of content that a provider won't take or give.
var policyPhrases = []string{
	"content_policy_violation",
	"content policy",
	"content_filter",
	"content management policy",
	"usage policy",
	"usage policies",
	"safety system",
	"safety reasons",
	"requires moderation",
	"input was flagged",
	"prohibited_content",
	"data_inspection_failed",
	"sensitive words",
}

// spentPhrases are said of an account that has nothing left: waiting seconds
// does not help.
var spentPhrases = []string{
	"insufficient_quota",
	"exceeded your current quota",
	"insufficient balance",
	"insufficient credits",
	"credit balance is too low",
	"billing_hard_limit",
	"billing_not_active",
}

func is(statuses ...int) func(int) bool {
	return func(s int) bool {
		for _, status := range statuses {
			if s == status {
				return true
			}
		}
		return false
	}
}

func always(int) bool { return true }
func never(int) bool  { return false }

// inStream: there was no status, so words are all there is.
func inStream(status int) bool  { return status == 0 }
func notServer(status int) bool { return status < 500 }

func notLimited(status int) bool {
	return status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout
}

func containsAny(text string, phrases []string) bool {
	for _, p := range phrases {
		if strings.Contains(text, p) {
			return true
		}
	}
	return false
}
