package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/agent"
	"github.com/agent-rpc/agent-rpc/internal/config"
	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/secret"
	"github.com/agent-rpc/agent-rpc/internal/conversation/secret/fernet"
	"github.com/agent-rpc/agent-rpc/internal/face"
	"github.com/agent-rpc/agent-rpc/internal/llm"
	"github.com/agent-rpc/agent-rpc/internal/llm/catalog"
	"github.com/agent-rpc/agent-rpc/internal/llm/provider"
	"github.com/agent-rpc/agent-rpc/internal/llm/scripted"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/security"
	"github.com/agent-rpc/agent-rpc/internal/tool"
	"github.com/agent-rpc/agent-rpc/internal/tool/clienttool"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
	"github.com/agent-rpc/agent-rpc/internal/workspace/baseline"
)

// This file joins the parts: settings, models, tools and agents behind the face
// that serves them. Nothing else in the program knows all of them.

// newConfig finds the settings; it reads nothing yet.
func newConfig() *config.Config {
	return withCipher(config.Load(os.LookupEnv, homeDir()))
}

// withCipher lets settings read secrets that are encrypted.
func withCipher(cfg *config.Config) *config.Config {
	cfg.SetCipher(func(key string) config.Cipher { return fernet.FromSecret(key) })
	return cfg
}

// homeDir is the user's home: what the environment says, else what the system
// knows of the user. Without one it is empty: only absolute paths work then, and
// say so.
func homeDir() string {
	if dir, err := os.UserHomeDir(); err == nil && filepath.IsAbs(dir) {
		return dir
	}
	if u, err := user.Current(); err == nil && filepath.IsAbs(u.HomeDir) {
		return u.HomeDir
	}
	return ""
}

// newBackend makes what the server translates to.
func newBackend(log *slog.Logger) func(json.RawMessage, face.Host) (face.Backend, error) {
	return func(settings json.RawMessage, host face.Host) (face.Backend, error) {
		cfg := newConfig()
		if len(settings) > 0 {
			if err := cfg.SetClient(settings); err != nil {
				return face.Backend{}, err
			}
		}
		registry := newTools(cfg, host.Buffers())
		models := &models{cfg: cfg, host: host, log: log}
		return face.Backend{
			NewAgent:         newAgents(cfg, models, host),
			NewHooks:         newHooks(cfg, host, log),
			NewChanges:       newChanges(host, log),
			ConversationsDir: cfg.ConversationsDir(),
			StateDir:         cfg.StateDir(),
			Defaults:         func() conversation.Options { return defaults(cfg) },
			Security:         security.Judge{},
			Tools:            func() []protocol.ToolInfo { return toolInfos(registry) },
			Skills:           func(workspace string) ([]protocol.SkillInfo, error) { return skillInfos(cfg, workspace) },
			Models:           models.infos,
			Secrets:          func() secret.Options { return secretOptions(cfg) },
			Profile:          cfg.CheckProfile,
			Ready:            models.ready,
		}, nil
	}
}

// newChanges makes what looks after the changes of conversations.
func newChanges(host face.Host, log *slog.Logger) conversation.NewChanges {
	return func(env conversation.ChangesEnv) (conversation.Changes, error) {
		ws, err := workspace.Open(env.Workspace, false)
		if err != nil {
			return nil, &conversation.ValueError{Field: "workspace", Message: err.Error()}
		}
		return baseline.New(ws, looking{host.Of(env.ConversationID).Buffers()}, env, log), nil
	}
}

// looking are the editor's files for who looks at many of them: it does not wait
// for the editor.
type looking struct{ face.Files }

// Read implements baseline's Files.
func (l looking) Read(path string) ([]byte, error) { return l.Peek(path) }

// secretOptions are what settings and environment say of the secrets of
// conversations.
func secretOptions(cfg *config.Config) secret.Options {
	o := secret.Options{Server: os.Getenv("OH_INTERNAL_SERVER_URL")}
	s, _ := cfg.Settings() // what is wrong with the settings is told when a model is needed
	if key := s.SecretKey.Reveal(); key != "" {
		o.Key = fernet.FromSecret(key)
		if len(key) >= minKey {
			o.Hide = []string{key}
		}
	}
	return o
}

// minKey is the length from which on the key of what is stored is hidden: a word
// stands in any text.
const minKey = 12

// defaults are what the settings say of new conversations.
func defaults(cfg *config.Config) conversation.Options {
	s, _ := cfg.Settings() // what is wrong with the settings is told when a model is needed
	var thresholds json.RawMessage
	if s.StuckDetectionThresholds != nil {
		thresholds, _ = json.Marshal(s.StuckDetectionThresholds) // numbers always encode
	}
	return conversation.Options{
		Policy: json.RawMessage(s.ConfirmationPolicy), Analyzer: json.RawMessage(s.SecurityAnalyzer),
		MaxIterations: s.MaxIterationPerRun, StuckDetection: &s.StuckDetection,
		MaxBudget: &s.MaxBudgetPerRun, AutoTitle: &s.AutoTitle, StuckThresholds: thresholds,
	}
}

// newAgents makes the agents of conversations; the settings fill in what a
// conversation's own Agent does not say.
func newAgents(cfg *config.Config, m *models, host face.Host) conversation.NewAgent {
	warn := once(host.Warn)
	return func(env conversation.AgentEnv) (conversation.Agent, error) {
		// What is wrong with the settings is told when a model is needed.
		settings, _ := cfg.Settings()
		host := host.Of(env.ConversationID)
		deps := agent.Deps{
			Models: m.masked(env.Mask), Tools: newTools(cfg, host.Buffers()), AllowedRoots: host.Roots, Buffers: host.Buffers(), AllowOutside: settings.AllowOutside, Log: m.log,
			Execute: executor(host), ExecuteTimeout: time.Duration(settings.ClientToolTimeout * float64(time.Second)),
			Home: cfg.Home(), Trusted: cfg.Trusted, Private: cfg.ServerKeys(), Warn: warn,
			Servers: newServers(cfg, m.log, warn),
		}
		if env.Stored == nil {
			spec, err := withDefaults(env.Spec, settings.Agent)
			if err != nil {
				return nil, err
			}
			env.Spec = spec
		}
		return agent.New(deps, env)
	}
}

// executor has the client carry out the calls of its own tools.
func executor(host face.Host) func(context.Context, string, clienttool.Call) (tool.Result, error) {
	return func(ctx context.Context, conversationID string, call clienttool.Call) (tool.Result, error) {
		content, failed, err := host.ExecuteTool(ctx, conversationID, face.ToolCall(call))
		return tool.Result{Content: content, IsError: failed}, err
	}
}

// withDefaults puts the settings' agent below a conversation's own.
func withDefaults(spec json.RawMessage, defaults config.Agent) (json.RawMessage, error) {
	fields := map[string]json.RawMessage{}
	if len(spec) > 0 {
		if err := json.Unmarshal(spec, &fields); err != nil {
			return nil, &conversation.ValueError{Field: "agent", Message: err.Error()}
		}
	}
	raw, err := json.Marshal(defaults)
	if err != nil {
		return nil, err
	}
	var below map[string]json.RawMessage
	if err := json.Unmarshal(raw, &below); err != nil {
		return nil, err
	}
	for name, value := range below {
		switch string(value) {
		case "null", `""`, "0", "{}", "[]":
			continue
		}
		if name == "agent_context" || name == "mcp_config" {
			continue // they may hold secrets, and are masked here
		}
		if _, given := fields[name]; !given {
			fields[name] = value
		}
	}
	if given, ok := fields["agent_context"]; !ok || string(given) == "null" {
		if fields["agent_context"], err = defaultContext(defaults); err != nil {
			return nil, err
		}
	}
	return json.Marshal(fields)
}

// models finds and opens the models of agents.
type models struct {
	cfg  *config.Config
	host face.Host
	log  *slog.Logger
	mask func(string) string
}

func (m *models) masked(mask func(string) string) *models {
	own := *m
	own.mask = mask
	return &own
}

// Name implements [agent.Models].
func (m *models) Name(raw json.RawMessage) string {
	cfg, _ := m.find(raw) // a missing key does not hide the name
	return cfg.Model
}

// find looks a model up. One under a profile's usage id has what the profile says,
// as long as there is one: a stored agent goes on without.
func (m *models) find(raw json.RawMessage) (llm.Config, error) {
	var object struct {
		Model   string `json:"model"`
		UsageID string `json:"usage_id"`
	}
	_ = json.Unmarshal(raw, &object) // what is wrong with it is told below
	name, ok := strings.CutPrefix(object.UsageID, conversation.ProfileUsage)
	if !ok {
		return m.cfg.Resolve(raw)
	}
	if err := m.cfg.CheckProfile(name); err != nil {
		if object.Model == "" {
			return llm.Config{}, &conversation.ValueError{Field: "profile", Message: err.Error()}
		}
		m.log.Info("a model is used without its profile", "profile", name, "error", err)
		return m.cfg.Resolve(raw)
	}
	return m.cfg.ResolveProfile(name, raw)
}

// authRequired gives the settings' error the form in which the face knows it.
type authRequired struct{ cause *config.AuthRequired }

func (e authRequired) Error() string { return e.cause.Message }

func (e authRequired) Unwrap() error { return e.cause }

// AuthRequired tells which provider's model needs which setting.
func (e authRequired) AuthRequired() (provider, setting string) {
	return e.cause.Provider, e.cause.Setting
}

// Resolve implements [agent.Models]: a key that no setting has is asked of the
// client.
func (m *models) Resolve(ctx context.Context, conversationID string, raw json.RawMessage) (llm.Config, error) {
	cfg, err := m.find(raw)
	var (
		missing *config.AuthRequired
		wrong   *config.FieldError
	)
	switch {
	case errors.As(err, &wrong):
		return cfg, &conversation.ValueError{Field: wrong.Field, Message: wrong.Message}
	case !errors.As(err, &missing):
		return cfg, err
	}
	if strings.HasSuffix(missing.Setting, "_KEY") && cfg.Model != "" {
		if key := m.host.Secret(ctx, conversationID, missing.Setting); key != "" {
			cfg.APIKey = llm.Secret(key)
			return cfg, nil
		}
	}
	return cfg, authRequired{missing}
}

// ready tells why the default model could not be asked.
func (m *models) ready() error {
	_, err := m.find(nil)
	var missing *config.AuthRequired
	if errors.As(err, &missing) {
		return authRequired{missing}
	}
	return err
}

// Open implements [agent.Models].
func (m *models) Open(cfg llm.Config, workspace string) (llm.Model, error) {
	if native := cfg.NativeToolCalling; native != nil && !*native {
		m.log.Warn("native_tool_calling = false has no effect: tools are offered the provider's own way", "model", cfg.Model)
	}
	play := func(cfg llm.Config) (llm.Model, error) {
		return scripted.Open(cfg, scripted.Options{Workspace: workspace, Log: m.log})
	}
	model, err := provider.Open(cfg, provider.Options{
		Builtin:   map[string]func(llm.Config) (llm.Model, error){"scripted": play, "replay": play},
		UserAgent: "agent-rpc/" + versionOf().Version,
		OnRetry: func(attempt, attempts int, wait time.Duration, err error) {
			m.log.Warn("the model did not answer; it is asked again", "attempt", attempt, "of", attempts, "in", wait, "error", err)
		},
	})
	if err != nil {
		return nil, err
	}
	settings, _ := m.cfg.Settings() // what is wrong with them was told by Resolve
	if settings.Record != "" {
		model = scripted.Record(model, settings.Record, scripted.RecordOptions{Mask: m.mask, Workspace: workspace, Log: m.log})
	}
	return model, nil
}

// infos lists the models that this server can use.
func (m *models) infos() protocol.ModelsResult {
	result := protocol.ModelsResult{Models: []protocol.ModelInfo{}, Default: m.Name(nil), Profiles: profileInfos(m.cfg)}
	available := map[string]bool{}
	for _, i := range catalog.All() {
		id := i.Model()
		ok, known := available[i.Provider]
		if !known {
			raw, err := json.Marshal(map[string]string{"model": id})
			if err == nil {
				_, err = m.cfg.Resolve(raw)
			}
			ok = err == nil
			available[i.Provider] = ok
		}
		result.Models = append(result.Models, protocol.ModelInfo{
			ID: id, Name: i.ID, Provider: i.Provider, ContextWindow: i.ContextWindow,
			InputCost: i.Input, OutputCost: i.Output, Vision: i.Vision, Reasoning: i.Reasoning, Available: ok,
		})
	}
	return result
}

// profileInfos lists the saved models.
func profileInfos(cfg *config.Config) []protocol.ProfileInfo {
	list := []protocol.ProfileInfo{}
	for _, p := range cfg.Profiles() {
		info := protocol.ProfileInfo{Name: p.Name, Model: p.Model, BaseURL: p.BaseURL, APIKeySet: p.APIKeySet}
		if p.Err != nil {
			info.Error = p.Err.Error()
		}
		list = append(list, info)
	}
	return list
}
