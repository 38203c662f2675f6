package protocol

import "encoding/json"

// Code is a JSON-RPC error code.
type Code int64

// The standard codes of JSON-RPC and LSP, and ours.
const (
	CodeParseError           Code = -32700
	CodeInvalidRequest       Code = -32600
	CodeMethodNotFound       Code = -32601
	CodeInvalidParams        Code = -32602
	CodeInternalError        Code = -32603
	CodeServerNotInitialized Code = -32002
	CodeRequestCancelled     Code = -32800

	CodeConversationNotFound Code = -31001
	CodeBusy                 Code = -31002
	CodeLocked               Code = -31003
	CodeInvalidState         Code = -31004
	CodeAuthRequired         Code = -31005
	CodeLLMError             Code = -31006
	CodeOutsideWorkspace     Code = -31007
	CodeOverloaded           Code = -31008
	CodeUnsupported          Code = -31009
	CodeRequestNotFound      Code = -31010
	CodePersistenceError     Code = -31011
	CodeDraining             Code = -31012
)

// kinds names data.kind of every code; clients switch on it.
var kinds = map[Code]string{
	CodeParseError:           "parse_error",
	CodeInvalidRequest:       "invalid_request",
	CodeMethodNotFound:       "method_not_found",
	CodeInvalidParams:        "invalid_params",
	CodeInternalError:        "internal_error",
	CodeServerNotInitialized: "server_not_initialized",
	CodeRequestCancelled:     "request_cancelled",
	CodeConversationNotFound: "conversation_not_found",
	CodeBusy:                 "busy",
	CodeLocked:               "locked",
	CodeInvalidState:         "invalid_state",
	CodeAuthRequired:         "auth_required",
	CodeLLMError:             "llm_error",
	CodeOutsideWorkspace:     "outside_workspace",
	CodeOverloaded:           "overloaded",
	CodeUnsupported:          "unsupported",
	CodeRequestNotFound:      "request_not_found",
	CodePersistenceError:     "persistence_error",
	CodeDraining:             "draining",
}

// Kind is the word that stands in data.kind for a code.
func (c Code) Kind() string {
	if k, ok := kinds[c]; ok {
		return k
	}
	return "error"
}

// Retryable tells whether the same request may succeed later.
func (c Code) Retryable() bool {
	switch c {
	case CodeBusy, CodeLocked, CodeOverloaded, CodeRequestCancelled:
		return true
	}
	return false
}

// Error is an error reply. Data holds what the code's row in docs/protocol.md
// names; kind and retryable are added when it is written.
type Error struct {
	Code    Code
	Message string
	Data    map[string]any
}

func (e *Error) Error() string { return e.Message }

// MarshalJSON writes the error object of JSON-RPC.
func (e *Error) MarshalJSON() ([]byte, error) {
	data := map[string]any{"kind": e.Code.Kind(), "retryable": e.Code.Retryable()}
	for k, v := range e.Data {
		data[k] = v
	}
	return json.Marshal(struct {
		Code    Code           `json:"code"`
		Message string         `json:"message"`
		Data    map[string]any `json:"data"`
	}{e.Code, e.Message, data})
}

// Codes are all codes, in the order of docs/protocol.md.
func Codes() []Code {
	return []Code{
		CodeParseError, CodeInvalidRequest, CodeMethodNotFound, CodeInvalidParams, CodeInternalError, CodeServerNotInitialized,
		CodeRequestCancelled, CodeConversationNotFound, CodeBusy, CodeLocked, CodeInvalidState, CodeAuthRequired, CodeLLMError,
		CodeOutsideWorkspace, CodeOverloaded, CodeUnsupported, CodeRequestNotFound, CodePersistenceError, CodeDraining,
	}
}
