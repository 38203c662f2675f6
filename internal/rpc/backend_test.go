package rpc_test

import (
	"context"
	"encoding/json"

	"github.com/agent-rpc/agent-rpc/internal/agent"
	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/llm"
	"github.com/agent-rpc/agent-rpc/internal/llm/scripted"
	"github.com/agent-rpc/agent-rpc/internal/rpc"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/tool"
	"github.com/agent-rpc/agent-rpc/internal/tool/fileeditor"
	"github.com/agent-rpc/agent-rpc/internal/tool/finish"
	"github.com/agent-rpc/agent-rpc/internal/tool/tasktracker"
	"github.com/agent-rpc/agent-rpc/internal/tool/terminal"
	"github.com/agent-rpc/agent-rpc/internal/tool/think"
)

// scriptModels plays the script at a path for every conversation.
type scriptModels struct{ path string }

func (m scriptModels) Name(json.RawMessage) string { return "scripted/test" }

func (m scriptModels) Resolve(context.Context, string, json.RawMessage) (llm.Config, error) {
	return llm.Config{Model: "scripted/" + m.path}, nil
}

func (m scriptModels) Open(cfg llm.Config, workspace string) (llm.Model, error) {
	return scripted.Open(cfg, scripted.Options{Workspace: workspace})
}

func testBackend(models agent.Models, base string) func(json.RawMessage, rpc.Host) (rpc.Backend, error) {
	return func(_ json.RawMessage, host rpc.Host) (rpc.Backend, error) {
		deps := agent.Deps{Models: models, Tools: testTools(), AllowedRoots: host.Roots}
		return rpc.Backend{
			NewAgent:         func(env conversation.AgentEnv) (conversation.Agent, error) { return agent.New(deps, env) },
			ConversationsDir: base,
			Tools:            func() []protocol.ToolInfo { return []protocol.ToolInfo{} },
			Models:           func() protocol.ModelsResult { return protocol.ModelsResult{Models: []protocol.ModelInfo{}} },
		}, nil
	}
}

func testTools() *tool.Registry {
	return tool.NewRegistry(
		terminal.Entry(terminal.Options{}),
		fileeditor.Entry(fileeditor.Options{}),
		tasktracker.Entry(),
		finish.Entry(),
		think.Entry(),
	)
}
