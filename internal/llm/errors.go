package llm

import (
	"fmt"
	"time"
)

// ErrorKind says what went wrong with a model, as far as anyone must act on it.
type ErrorKind string

// The kinds of failure.
const (
	// ErrAuth: the key is missing or refused.
	ErrAuth ErrorKind = "auth"
	// ErrRateLimit: too many requests, or the account's quota is used up.
	ErrRateLimit ErrorKind = "rate_limit"
	// ErrContextWindow: the request is longer than the model's window.
	ErrContextWindow ErrorKind = "context_window"
	// ErrHistory: the provider refuses the shape of the history.
	ErrHistory ErrorKind = "malformed_history"
	// ErrContentPolicy: the provider refuses the content.
	ErrContentPolicy ErrorKind = "content_policy"
	// ErrBadRequest: any other refusal that a retry does not mend.
	ErrBadRequest ErrorKind = "bad_request"
	// ErrTimeout: no answer in time.
	ErrTimeout ErrorKind = "timeout"
	// ErrUnavailable: no connection, or the server failed.
	ErrUnavailable ErrorKind = "unavailable"
	// ErrNoResponse: the server answered with nothing, or its stream was cut.
	ErrNoResponse ErrorKind = "no_response"
)

// Error is a failed model call.
type Error struct {
	Kind ErrorKind
	// Provider as in the model's prefix: "openai", "anthropic", …
	Provider string
	// Status is the HTTP status; 0 if there was none. For an error inside a
	// stream it is the one that the error names, if any.
	Status int
	// Message is the provider's own text, or ours; no secret is in it.
	Message string
	// RetryAfter is what the provider asked to wait; 0 if it did not say.
	RetryAfter time.Duration
	// Setting names what to set, for ErrAuth: "ANTHROPIC_API_KEY".
	Setting string
	// Err is the cause, if any.
	Err error
}

func (e *Error) Error() string {
	if e.Status != 0 {
		return fmt.Sprintf("%s: %s (HTTP %d)", e.Provider, e.Message, e.Status)
	}
	return fmt.Sprintf("%s: %s", e.Provider, e.Message)
}

func (e *Error) Unwrap() error { return e.Err }

// Code is the name of OpenHands' exception class for this failure; it stands in
// ConversationErrorEvent.code.
func (e *Error) Code() string {
	switch e.Kind {
	case ErrAuth:
		return "LLMAuthenticationError"
	case ErrRateLimit:
		return "LLMRateLimitError"
	case ErrContextWindow:
		return "LLMContextWindowExceedError"
	case ErrHistory:
		return "LLMMalformedConversationHistoryError"
	case ErrContentPolicy:
		return "LLMContentPolicyViolationError"
	case ErrBadRequest:
		return "LLMBadRequestError"
	case ErrTimeout:
		return "LLMTimeoutError"
	case ErrUnavailable:
		return "LLMServiceUnavailableError"
	case ErrNoResponse:
		return "LLMNoResponseError"
	}
	return "LLMError"
}

// ModelError is what the wire says of the failure.
func (e *Error) ModelError() (provider string, httpStatus int, retryable bool) {
	return e.Provider, e.Status, e.Retryable()
}

// Retryable tells whether the same request may succeed later.
func (e *Error) Retryable() bool {
	switch e.Kind {
	case ErrRateLimit, ErrTimeout, ErrUnavailable, ErrNoResponse:
		return true
	}
	return false
}
