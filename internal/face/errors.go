package face

import (
	"errors"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

// authRequired is what the settings say where a model or its key is missing.
type authRequired interface {
	error
	AuthRequired() (provider, setting string)
}

// modelError is a failed model call.
type modelError interface {
	error
	ModelError() (provider string, httpStatus int, retryable bool)
}

// ToError gives the errors of the packages behind the handlers their codes; nil
// for those it does not know.
func ToError(err error) *protocol.Error {
	var (
		busy        *conversation.BusyError
		state       *conversation.StateError
		locked      *conversation.LockedError
		value       *conversation.ValueError
		persistence *conversation.PersistenceError
		outside     *workspace.OutsideError
		auth        authRequired
		model       modelError
	)
	reply := func(code protocol.Code, data map[string]any) *protocol.Error {
		return &protocol.Error{Code: code, Message: err.Error(), Data: data}
	}
	switch {
	case errors.Is(err, conversation.ErrNotFound):
		return reply(protocol.CodeConversationNotFound, nil)
	case errors.As(err, &busy):
		return reply(protocol.CodeBusy, map[string]any{"runId": busy.RunID, "status": busy.Status})
	case errors.As(err, &locked):
		if locked.Owner.PID == 0 {
			return reply(protocol.CodeLocked, nil) // nobody holds it: it was opened for reading
		}
		return reply(protocol.CodeLocked, map[string]any{"lockedBy": protocol.LockOwner{PID: locked.Owner.PID, Host: locked.Owner.Host}})
	case errors.As(err, &state):
		allowed := state.Allowed
		if allowed == nil {
			allowed = []conversation.Status{}
		}
		return reply(protocol.CodeInvalidState, map[string]any{"status": state.Status, "allowed": allowed})
	case errors.As(err, &auth):
		provider, setting := auth.AuthRequired()
		return reply(protocol.CodeAuthRequired, map[string]any{"provider": provider, "setting": setting})
	case errors.As(err, &model):
		provider, status, retryable := model.ModelError()
		return reply(protocol.CodeLLMError, map[string]any{"provider": provider, "httpStatus": status, "retryable": retryable})
	case errors.As(err, &outside):
		return reply(protocol.CodeOutsideWorkspace, map[string]any{"path": outside.Path})
	case errors.Is(err, conversation.ErrNotCopied):
		return reply(protocol.CodeUnsupported, nil)
	case errors.Is(err, conversation.ErrRequestNotFound):
		return reply(protocol.CodeRequestNotFound, nil)
	case errors.As(err, &persistence):
		return reply(protocol.CodePersistenceError, nil)
	case errors.As(err, &value):
		return reply(protocol.CodeInvalidParams, map[string]any{"field": value.Field})
	case errors.Is(err, conversation.ErrDraining):
		return reply(protocol.CodeDraining, nil)
	case errors.Is(err, conversation.ErrClosed):
		return reply(protocol.CodeConversationNotFound, map[string]any{"retryable": true})
	}
	return nil
}
