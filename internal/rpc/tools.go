package rpc

import (
	"context"
	"errors"
	"fmt"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/face"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/rpc/router"
)

// ToolCall is a call of one of the client's own tools.
type ToolCall = face.ToolCall

// ExecuteTool implements [Host].
func (s *Server) ExecuteTool(ctx context.Context, conversationID string, call ToolCall) ([]event.Content, bool, error) {
	var result *protocol.ExecuteToolResult
	err := s.call(ctx, protocol.RequestExecuteTool, protocol.ExecuteToolParams{
		ID: conversationID, RunID: call.RunID, ToolCallID: call.ID, Name: call.Name, Arguments: call.Arguments,
	}, &result)
	switch {
	case router.Refused(err, int64(protocol.CodeMethodNotFound)):
		return nil, false, fmt.Errorf("%s can't be carried out: the editor that is connected does not serve %s", call.Name, protocol.RequestExecuteTool)
	case err != nil:
		return nil, false, fmt.Errorf("the editor did not carry out %s: %w", call.Name, err)
	case result == nil || object(result.Content) == nil:
		return nil, false, errors.New("the editor answered the call of " + call.Name + " without content")
	}
	content, err := fromContent(result.Content)
	if err != nil {
		return nil, false, fmt.Errorf("the editor's result of %s can't be read: %w", call.Name, err)
	}
	return content, result.IsError, nil
}

func (s *Server) runTool(ctx context.Context, p protocol.RunToolParams, reply func(protocol.RunToolResult, error)) {
	fail := func(err error) { reply(protocol.RunToolResult{}, err) }
	c, err := s.writable(ctx, p.ID)
	if err != nil {
		fail(err)
		return
	}
	s.accepted(c.RunTool(p.Tool, p.Arguments, func(r conversation.ToolResult, err error) { reply(toToolResult(r), err) }), fail)
}

func (s *Server) rerunActions(ctx context.Context, p protocol.IDParams, reply func(protocol.RerunActionsResult, error)) {
	fail := func(err error) { reply(protocol.RerunActionsResult{}, err) }
	c, err := s.writable(ctx, p.ID)
	if err != nil {
		fail(err)
		return
	}
	s.accepted(c.RerunActions(func(r conversation.Rerun, err error) {
		result := protocol.RerunActionsResult{OK: r.OK, Results: []protocol.RerunResult{}}
		for _, one := range r.Results {
			result.Results = append(result.Results, protocol.RerunResult{
				ActionID: one.ActionID, Tool: one.Tool, RunToolResult: toToolResult(one), Skipped: one.Skipped,
			})
		}
		reply(result, err)
	}), fail)
}

func toToolResult(r conversation.ToolResult) protocol.RunToolResult {
	return protocol.RunToolResult{Observation: r.Observation, Error: r.Error}
}
