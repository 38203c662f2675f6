package acp

import (
	"context"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
)

// The extension methods. Their names begin with "_", as the protocol wants it.
const (
	methodSteering = "_session/steering"
	methodPause    = "_agent-rpc/pause"
	methodRun      = "_agent-rpc/run"
	methodSecrets  = "_agent-rpc/secrets"
)

// methodSettings and methodTerminal are the ways to give the agent a model.
const (
	authSettings = "settings"
	authTerminal = "terminal"
)

func (s *Server) initialize(_ context.Context, p initializeParams, reply func(initializeResult, error)) {
	backend, err := s.cfg.Backend(nil, host{server: s})
	if err != nil {
		reply(initializeResult{}, invalid("settings", err.Error()))
		return
	}
	s.backend = backend
	s.manager = conversation.NewManager(s.life, conversation.Config{
		Base: backend.ConversationsDir, NewAgent: backend.NewAgent, NewHooks: backend.NewHooks, NewChanges: backend.NewChanges,
		Security: backend.Security, Log: s.log, Secrets: s.secretOptions,
	})
	s.client.Store(&p.ClientCapabilities)
	sessions := map[string]struct{}{"list": {}, "delete": {}, "additionalDirectories": {}, "resume": {}, "close": {}}
	if s.cfg.Unstable {
		sessions["fork"] = struct{}{}
	}
	reply(initializeResult{
		ProtocolVersion: protocolVersion, // whatever the client asked for: it may leave
		AgentCapabilities: agentCapabilities{
			LoadSession:         true,
			PromptCapabilities:  promptCapabilities{Image: true, EmbeddedContext: true},
			MCPCapabilities:     mcpCapabilities{HTTP: true, SSE: true},
			SessionCapabilities: sessions,
			Meta:                meta{"agentRpc": meta{"methods": []string{methodPause, methodRun, methodSecrets}}},
		},
		AuthMethods: authMethods(p.ClientCapabilities.Auth.Terminal),
		AgentInfo:   implementation{Name: s.cfg.Name, Title: "agent-rpc", Version: s.cfg.Version},
		Meta:        meta{"steering": meta{"supported": true}},
	}, nil)
}

// authMethods are the ways to give the agent a model: it keeps no accounts.
func authMethods(terminal bool) []authMethod {
	methods := []authMethod{{
		ID: authSettings, Name: "Settings and environment",
		Description: "Name a model and its key: LLM_MODEL and LLM_API_KEY, or the key of one provider (ANTHROPIC_API_KEY, OPENAI_API_KEY, …), in the environment of the agent or in its config.toml. Then try again.",
	}}
	if terminal {
		methods = append(methods, authMethod{
			Type: authTerminal, ID: authTerminal, Name: "Check the set-up in a terminal",
			Description: "Says which model is configured, what is missing and how to get it.", Args: []string{"--check"},
		})
	}
	return methods
}

// authenticate tells whether the settings name a model whose key is at hand: there
// is nothing else to log in to.
func (s *Server) authenticate(_ context.Context, p authenticateParams, reply func(empty, error)) {
	if p.MethodID != authSettings {
		reply(empty{}, invalid("methodId", "must be "+authSettings))
		return
	}
	reply(empty{}, s.ready())
}

// ready tells why a new session's model could not be asked.
func (s *Server) ready() error {
	if s.backend.Ready == nil {
		return nil
	}
	return s.backend.Ready()
}
