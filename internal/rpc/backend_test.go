package rpc_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/agent"
	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/hook"
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

func testBackend(models agent.Models, base string, defaults conversation.Options) func(json.RawMessage, rpc.Host) (rpc.Backend, error) {
	return func(_ json.RawMessage, host rpc.Host) (rpc.Backend, error) {
		deps := agent.Deps{Models: models, Tools: testTools(host), AllowedRoots: host.Roots, Buffers: host.Buffers(), Warn: host.Warn}
		return rpc.Backend{
			NewAgent: func(env conversation.AgentEnv) (conversation.Agent, error) { return agent.New(deps, env) },
			NewHooks: func(env conversation.HookEnv) (conversation.Hooks, error) {
				return hook.New(hook.Deps{Log: slog.New(slog.DiscardHandler)}, env)
			},
			ConversationsDir: base,
			Defaults:         func() conversation.Options { return defaults },
			Tools:            func() []protocol.ToolInfo { return []protocol.ToolInfo{} },
			Skills:           func(string) ([]protocol.SkillInfo, error) { return []protocol.SkillInfo{}, nil },
			Models:           func() protocol.ModelsResult { return protocol.ModelsResult{Models: []protocol.ModelInfo{}} },
			Profile:          func(name string) error { return fmt.Errorf("there is no profile %q", name) },
		}, nil
	}
}

func testTools(host rpc.Host) *tool.Registry {
	return tool.NewRegistry(
		terminal.Entry(terminal.Options{}),
		fileeditor.Entry(fileeditor.Options{Files: host.Buffers()}),
		tasktracker.Entry(),
		finish.Entry(),
		think.Entry(),
	)
}

// The settings hold for new conversations, unless create says otherwise, and
// not for one that is resumed.
func TestDefaults(t *testing.T) {
	s := newSession(t)
	s.write(s.script, []byte(`"Hello."`))
	s.defaults = conversation.Options{Policy: json.RawMessage(`{"kind":"AlwaysConfirm"}`), MaxIterations: 7}
	s.start()
	s.step(`request initialize {"processId":null,"capabilities":{},"workspaceFolders":[{"uri":"$ROOT","name":"p"}],"initializationOptions":{"agentRpc":{"versions":[1]}}}`)
	for _, tt := range []struct {
		params, policy string
		limit          int
	}{
		{`{}`, "AlwaysConfirm", 7},
		{`{"confirmationPolicy":{"kind":"NeverConfirm"},"maxIterationPerRun":3}`, "NeverConfirm", 3},
		{`{"conversationId":"$ID","maxIterationPerRun":9}`, "AlwaysConfirm", 9},
		{`{"conversationId":"$ID"}`, "AlwaysConfirm", 9},
	} {
		id := strconv.Itoa(s.request("conversation/create", s.expand(tt.params)))
		m := s.look("the reply", func(m message) bool { return m.Method == "" && string(m.ID) == id })
		s.learn(m)
		var reply struct {
			Result struct {
				Conversation struct {
					MaxIterationPerRun int
					ConfirmationPolicy struct{ Kind string }
				}
			}
		}
		if err := json.Unmarshal(m.raw, &reply); err != nil {
			t.Fatal(err)
		}
		if c := reply.Result.Conversation; c.ConfirmationPolicy.Kind != tt.policy || c.MaxIterationPerRun != tt.limit {
			t.Errorf("create %s: got %s and %d, want %s and %d", tt.params, c.ConfirmationPolicy.Kind, c.MaxIterationPerRun, tt.policy, tt.limit)
		}
	}
	s.end()
}
