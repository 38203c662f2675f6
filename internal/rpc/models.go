package rpc

import (
	"context"
	"encoding/json"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

func (s *Server) switchModel(ctx context.Context, p protocol.SwitchModelParams, reply func(protocol.Info, error)) {
	fail := func(err error) { reply(protocol.Info{}, err) }
	llm, err := s.llmOf("llm", p.LLM)
	switch {
	case err != nil:
	case (p.Profile == "") == (llm == nil):
		err = invalid("profile", "give either profile or llm")
	case p.Profile != "":
		llm, err = s.profile("profile", p.Profile)
	}
	var c *conversation.Conversation
	if err == nil {
		c, err = s.writable(ctx, p.ID)
	}
	if err == nil {
		err = c.SwitchModel(ctx, llm, changed(reply))
	}
	if err != nil {
		fail(err)
	}
}

// llmOf reads an llm object, or the name of a profile; nil where there is none.
func (s *Server) llmOf(field string, raw json.RawMessage) (json.RawMessage, error) {
	raw = object(raw)
	if raw == nil {
		return nil, nil
	}
	var name string
	if json.Unmarshal(raw, &name) == nil {
		return s.profile(field, name)
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return nil, invalid(field, "must be OpenHands' LLM object, or the name of a profile")
	}
	if len(fields) == 0 {
		return nil, invalid(field, "names no model")
	}
	return raw, nil
}

// profile is the llm object of a profile that exists.
func (s *Server) profile(field, name string) (json.RawMessage, error) {
	if err := s.backend.Profile(name); err != nil {
		return nil, invalid(field, err.Error())
	}
	return conversation.ProfileLLM(name), nil
}

func (s *Server) askAgent(ctx context.Context, p protocol.AskAgentParams, reply func(protocol.AskAgentResult, error)) {
	c, err := s.writable(ctx, p.ID)
	if err == nil {
		err = c.AskAgent(ctx, p.Question, func(answer string, err error) {
			reply(protocol.AskAgentResult{Answer: answer}, err)
		})
	}
	if err != nil {
		reply(protocol.AskAgentResult{}, err)
	}
}

func (s *Server) generateTitle(ctx context.Context, p protocol.GenerateTitleParams, reply func(protocol.GenerateTitleResult, error)) {
	fail := func(err error) { reply(protocol.GenerateTitleResult{}, err) }
	const defaultLength, longest = 50, 256
	switch {
	case p.MaxLength == 0:
		p.MaxLength = defaultLength
	case p.MaxLength < 4 || p.MaxLength > longest:
		fail(invalid("maxLength", "must be from 4 to 256"))
		return
	}
	llm, err := s.llmOf("llm", p.LLM)
	if err != nil {
		fail(err)
		return
	}
	c, err := s.writable(ctx, p.ID)
	if err == nil {
		err = c.GenerateTitle(p.MaxLength, llm, func(title string, err error) {
			reply(protocol.GenerateTitleResult{Title: title}, err)
		})
	}
	if err != nil {
		fail(err)
	}
}
