package event

import "strings"

// Classification says what kind of failure an error is and what helps.
type Classification struct {
	// Kind is auth, quota, rate_limit, config, transient, agent_action,
	// internal or unknown.
	Kind      string `json:"kind"`
	Retryable bool   `json:"retryable"`
	// UserAction is none, retry or settings.
	UserAction string `json:"user_action"`
	ErrorID    string `json:"error_id,omitempty"`
}

func (c *Classification) fill() {
	if c.Kind == "" {
		c.Kind = "unknown"
	}
	if c.UserAction == "" {
		c.UserAction = "none"
	}
}

// The classifications OpenHands uses.
var (
	ClassAuth        = Classification{Kind: "auth", UserAction: "settings"}
	ClassQuota       = Classification{Kind: "quota", UserAction: "settings"}
	ClassRateLimit   = Classification{Kind: "rate_limit", Retryable: true, UserAction: "retry"}
	ClassConfig      = Classification{Kind: "config", UserAction: "settings"}
	ClassTransient   = Classification{Kind: "transient", Retryable: true, UserAction: "retry"}
	ClassAgentAction = Classification{Kind: "agent_action", UserAction: "none"}
	ClassInternal    = Classification{Kind: "internal", UserAction: "none"}
	ClassUnknown     = Classification{Kind: "unknown", UserAction: "none"}
)

var (
	classOverflow = Classification{Kind: "agent_action", Retryable: true, UserAction: "retry"}

	classByCode = codes(map[Classification][]string{
		ClassAuth:      {"LLMAuthenticationError", "ACPAuthRequired"},
		ClassRateLimit: {"LLMRateLimitError"},
		ClassQuota:     {"MaxBudgetReached"},
		ClassConfig: {
			"LLMBadRequestError", "LLMContentPolicyViolationError", "NotFoundError", "LibTmuxException",
			"ACPInitError", "ACPSpawnError", "ACPPromptError",
		},
		classOverflow:    {"LLMContextWindowExceedError", "LLMMalformedConversationHistoryError"},
		ClassAgentAction: {"MaxIterationsReached", "ConversationOwnershipLostError"},
		ClassInternal:    {"KeyError", "AssertionError", "PydanticSerializationError", "AttributeError", "TypeError"},
	})

	classByTransport = codes(map[Classification][]string{
		ClassTransient: {
			"LLMServiceUnavailableError", "LLMTimeoutError", "LLMNoResponseError", "ReadTimeout", "MCPTimeoutError",
			"BadGatewayError", "HTTPStatusError", "RequestError", "APIError", "OpenAIError", "AnthropicError",
		},
	})
)

func codes(table map[Classification][]string) map[string]Classification {
	byCode := make(map[string]Classification)
	for class, names := range table {
		for _, name := range names {
			byCode[name] = class
		}
	}
	return byCode
}

var classByWord = []struct {
	class Classification
	words []string
}{
	{ClassAuth, []string{"api key", "unauthorized", "authentication", "access denied", "status 401", "status 403"}},
	{ClassQuota, []string{"quota", "budget", "credit balance", "billing"}},
	{ClassRateLimit, []string{"rate limit", "too many requests", "429"}},
	{ClassConfig, []string{"model not found", "does not exist", "not configured", "invalid model"}},
	{ClassTransient, []string{"timeout", "timed out", "connection", "gateway", "unavailable", "status 5", "overloaded"}},
	{ClassInternal, []string{"panic", "internal error"}},
}

// Classify gives the class of an error by its code (an OpenHands class name),
// then by words of its detail, then by the codes of transports.
func Classify(code, detail string) Classification {
	if c, ok := classByCode[code]; ok {
		return c
	}
	lower := strings.ToLower(detail)
	for _, row := range classByWord {
		for _, word := range row.words {
			if strings.Contains(lower, word) {
				return row.class
			}
		}
	}
	if c, ok := classByTransport[code]; ok {
		return c
	}
	return ClassUnknown
}
