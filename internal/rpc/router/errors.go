package router

import (
	"context"
	"errors"
	"fmt"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// BadParams is the error of params that a handler refuses; field names the one
// that is wrong, as a path: "policy.kind".
func BadParams(field, format string, args ...any) *protocol.Error {
	return &protocol.Error{
		Code:    protocol.CodeInvalidParams,
		Message: field + " " + fmt.Sprintf(format, args...),
		Data:    map[string]any{"field": field},
	}
}

// wireError is the one place where an error of a handler gets its code.
func (r *Router) wireError(method string, err error) *protocol.Error {
	var e *protocol.Error
	if !errors.As(err, &e) && r.config.Errors != nil {
		e = r.config.Errors(err)
	}
	switch {
	case e != nil:
		return &protocol.Error{Code: e.Code, Message: err.Error(), Data: e.Data}
	case errors.Is(err, context.Canceled):
		return refusal(protocol.CodeRequestCancelled, method+" was cancelled")
	default:
		return refusal(protocol.CodeInternalError, method+": "+err.Error())
	}
}

func refusal(code protocol.Code, message string) *protocol.Error {
	return &protocol.Error{Code: code, Message: message}
}

// internal is what a client learns of a mistake of ours; the log has the rest.
func internal(method string) *protocol.Error {
	return refusal(protocol.CodeInternalError, method+" failed because of an error in the server; its log says more")
}
