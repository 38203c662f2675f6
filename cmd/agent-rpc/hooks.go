package main

import (
	"log/slog"

	"github.com/agent-rpc/agent-rpc/internal/config"
	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/face"
	"github.com/agent-rpc/agent-rpc/internal/hook"
)

// newHooks makes the hooks of conversations. Files of hooks are read only where
// the user trusts the workspace.
func newHooks(cfg *config.Config, host face.Host, log *slog.Logger) conversation.NewHooks {
	warn := once(host.Warn)
	return func(env conversation.HookEnv) (conversation.Hooks, error) {
		return hook.New(hook.Deps{
			Files: func(workspace string) []string {
				if !cfg.Trusted(workspace) {
					return nil
				}
				files := []string{hook.File(workspace)}
				if home := cfg.Home(); home != "" {
					files = append(files, hook.File(home))
				}
				return files
			},
			Private: cfg.ServerKeys(), Warn: warn, Log: log,
		}, env)
	}
}
