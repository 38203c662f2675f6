package event_test

import (
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

func TestClassify(t *testing.T) {
	overflow := event.Classification{Kind: "agent_action", Retryable: true, UserAction: "retry"}
	for _, c := range []struct {
		code, detail string
		want         event.Classification
	}{
		{"LLMAuthenticationError", "timed out", event.ClassAuth},
		{"LLMRateLimitError", "", event.ClassRateLimit},
		{"MaxBudgetReached", "", event.ClassQuota},
		{"NotFoundError", "", event.ClassConfig},
		{"LLMContextWindowExceedError", "", overflow},
		{"MaxIterationsReached", "", event.ClassAgentAction},
		{"TypeError", "429", event.ClassInternal},
		{"OpenAIError", "Incorrect API key provided", event.ClassAuth},
		{"OpenAIError", "You exceeded your current QUOTA", event.ClassQuota},
		{"OpenAIError", "Too Many Requests", event.ClassRateLimit},
		{"", "the connection was reset", event.ClassTransient},
		{"LLMTimeoutError", "", event.ClassTransient},
		{"", "", event.ClassUnknown},
		{"ValueError", "odd", event.ClassUnknown},
	} {
		if got := event.Classify(c.code, c.detail); got != c.want {
			t.Errorf("%s, %q: %+v, want %+v", c.code, c.detail, got, c.want)
		}
	}
}
