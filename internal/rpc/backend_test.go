package rpc_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/agent"
	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/hook"
	"github.com/agent-rpc/agent-rpc/internal/llm"
	"github.com/agent-rpc/agent-rpc/internal/llm/scripted"
	"github.com/agent-rpc/agent-rpc/internal/mcp"
	"github.com/agent-rpc/agent-rpc/internal/mcp/mcptest"
	"github.com/agent-rpc/agent-rpc/internal/rpc"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/security"
	"github.com/agent-rpc/agent-rpc/internal/tool"
	"github.com/agent-rpc/agent-rpc/internal/tool/askuser"
	"github.com/agent-rpc/agent-rpc/internal/tool/clienttool"
	"github.com/agent-rpc/agent-rpc/internal/tool/fileeditor"
	"github.com/agent-rpc/agent-rpc/internal/tool/finish"
	"github.com/agent-rpc/agent-rpc/internal/tool/tasktracker"
	"github.com/agent-rpc/agent-rpc/internal/tool/terminal"
	"github.com/agent-rpc/agent-rpc/internal/tool/think"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
	"github.com/agent-rpc/agent-rpc/internal/workspace/baseline"
)

// scriptModels plays the script at a path for every conversation, as
// scripted/test. Other models, scripted/NAME, and profiles are NAME.script beside
// it.
type scriptModels struct{ path string }

func (m scriptModels) Name(raw json.RawMessage) string {
	cfg, _ := m.Resolve(context.Background(), "", raw) // the name shows
	return cfg.Model
}

func (m scriptModels) Resolve(_ context.Context, _ string, raw json.RawMessage) (llm.Config, error) {
	cfg := llm.Config{}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &cfg); err != nil {
			return cfg, &conversation.ValueError{Field: "agent.llm", Message: err.Error()}
		}
	}
	if cfg.Model == "" {
		profile, ok := strings.CutPrefix(cfg.UsageID, conversation.ProfileUsage)
		if !ok {
			profile = "test"
		}
		cfg.Model = "scripted/" + profile
	}
	return cfg, nil
}

func (m scriptModels) Open(cfg llm.Config, workspace string) (llm.Model, error) {
	path := m.path
	if name := strings.TrimPrefix(cfg.Model, "scripted/"); name != "test" {
		path = m.beside(name)
	}
	cfg.Model = "scripted/" + path
	return scripted.Open(cfg, scripted.Options{Workspace: workspace})
}

func (m scriptModels) beside(name string) string {
	return filepath.Join(filepath.Dir(m.path), name+".script")
}

// profile tells whether there is a script of the name.
func (m scriptModels) profile(name string) error {
	if _, err := os.Stat(m.beside(name)); err != nil {
		return fmt.Errorf("there is no profile %q", name)
	}
	return nil
}

func testBackend(models agent.Models, base string, defaults conversation.Options) func(json.RawMessage, rpc.Host) (rpc.Backend, error) {
	return func(_ json.RawMessage, host rpc.Host) (rpc.Backend, error) {
		profile := func(name string) error { return fmt.Errorf("there is no profile %q", name) }
		if scripts, ok := models.(scriptModels); ok {
			profile = scripts.profile
		}
		deps := agent.Deps{Models: models, Tools: testTools(host), ExecuteTimeout: time.Minute, Execute: func(ctx context.Context, id string, call clienttool.Call) (tool.Result, error) {
			content, failed, err := host.ExecuteTool(ctx, id, rpc.ToolCall(call))
			return tool.Result{Content: content, IsError: failed}, err
		}, AllowedRoots: host.Roots, Buffers: host.Buffers(), Warn: host.Warn, Servers: testServers(host)}
		return rpc.Backend{
			Security: security.Judge{},
			NewAgent: func(env conversation.AgentEnv) (conversation.Agent, error) { return agent.New(deps, env) },
			NewHooks: func(env conversation.HookEnv) (conversation.Hooks, error) {
				return hook.New(hook.Deps{Log: slog.New(slog.DiscardHandler)}, env)
			},
			NewChanges: func(env conversation.ChangesEnv) (conversation.Changes, error) {
				ws, err := workspace.Open(env.Workspace, false)
				if err != nil {
					return nil, err
				}
				return baseline.New(ws, host.Buffers(), env, slog.New(slog.DiscardHandler)), nil
			},
			ConversationsDir: base,
			StateDir:         stateOf(base),
			Defaults:         func() conversation.Options { return defaults },
			Tools:            func() []protocol.ToolInfo { return []protocol.ToolInfo{} },
			Skills:           func(string) ([]protocol.SkillInfo, error) { return []protocol.SkillInfo{}, nil },
			Models:           func() protocol.ModelsResult { return protocol.ModelsResult{Models: []protocol.ModelInfo{}} },
			Profile:          profile,
		}, nil
	}
}

func TestMain(m *testing.M) {
	mcptest.Main()
	os.Exit(m.Run())
}

// testServers makes MCP servers; the command "self" is this test itself.
func testServers(host rpc.Host) func(conversation.AgentEnv, json.RawMessage) (agent.Servers, error) {
	return func(env conversation.AgentEnv, raw json.RawMessage) (agent.Servers, error) {
		list, err := mcp.Parse(raw)
		if err == nil {
			err = mcp.Check(list)
		}
		if err != nil {
			return nil, &conversation.ValueError{Field: "agent.mcp_config", Message: err.Error()}
		}
		if len(list) == 0 {
			return nil, nil
		}
		for i := range list {
			if list[i].Command == "self" {
				list[i].Command = os.Args[0]
			}
		}
		return mcp.New(list, mcp.Options{
			Workspace: env.Workspace, Dir: env.Dir, Environ: os.Environ(), Secret: env.Secret, Secrets: env.Secrets, Hide: env.Hide, Mask: env.Mask, Warn: host.Warn,
		}), nil
	}
}

// stateOf is the folder of transcripts and prompts beside that of conversations.
func stateOf(base string) string {
	if base == "" {
		return ""
	}
	return filepath.Join(filepath.Dir(base), "state")
}

func testTools(host rpc.Host) *tool.Registry {
	return tool.NewRegistry(
		terminal.Entry(terminal.Options{}),
		fileeditor.Entry(fileeditor.Options{Files: host.Buffers()}),
		tasktracker.Entry(),
		askuser.Entry(),
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
