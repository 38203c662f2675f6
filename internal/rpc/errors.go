package rpc

import (
	"github.com/agent-rpc/agent-rpc/internal/face"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// invalid says that a param is not right.
func invalid(field, message string) *protocol.Error {
	return &protocol.Error{Code: protocol.CodeInvalidParams, Message: field + ": " + message, Data: map[string]any{"field": field}}
}

// toError gives errors their codes, with secrets hidden.
func (s *Server) toError(err error) *protocol.Error {
	e := face.ToError(err)
	if e != nil {
		e.Message = s.cfg.Hidden.Mask(e.Message)
	}
	return e
}
