package rpc

import (
	"context"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// changed answers with the new state.
func changed(reply func(protocol.Info, error)) func(conversation.Info, error) {
	return func(i conversation.Info, err error) {
		if err != nil {
			reply(protocol.Info{}, err)
			return
		}
		reply(toInfo(i), nil)
	}
}

func (s *Server) setConfirmationPolicy(ctx context.Context, p protocol.SetConfirmationPolicyParams, reply func(protocol.Info, error)) {
	c, err := s.writable(ctx, p.ID)
	if err == nil {
		err = c.SetConfirmationPolicy(p.Policy, changed(reply))
	}
	if err != nil {
		reply(protocol.Info{}, err)
	}
}

func (s *Server) setSecurityAnalyzer(ctx context.Context, p protocol.SetSecurityAnalyzerParams, reply func(protocol.Info, error)) {
	c, err := s.writable(ctx, p.ID)
	if err == nil {
		err = c.SetSecurityAnalyzer(p.Analyzer, changed(reply))
	}
	if err != nil {
		reply(protocol.Info{}, err)
	}
}

func (s *Server) update(ctx context.Context, p protocol.UpdateParams, reply func(protocol.Info, error)) {
	c, err := s.writable(ctx, p.ID)
	if err == nil {
		err = c.Update(conversation.Update{
			Title: p.Title, Tags: p.Tags, MaxIterations: p.MaxIterationPerRun, MaxBudget: p.MaxBudgetPerRun, Rules: p.Rules,
		}, changed(reply))
	}
	if err != nil {
		reply(protocol.Info{}, err)
	}
}

func (s *Server) updateSecrets(ctx context.Context, p protocol.UpdateSecretsParams, reply func(protocol.UpdateSecretsResult, error)) {
	c, err := s.writable(ctx, p.ID)
	if err == nil {
		err = c.UpdateSecrets(p.Secrets, func(names []string, err error) {
			if names == nil {
				names = []string{}
			}
			reply(protocol.UpdateSecretsResult{Names: names}, err)
		})
	}
	if err != nil {
		reply(protocol.UpdateSecretsResult{}, err)
	}
}
