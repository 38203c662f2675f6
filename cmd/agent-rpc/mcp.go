package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/agent-rpc/agent-rpc/internal/agent"
	"github.com/agent-rpc/agent-rpc/internal/config"
	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/mcp"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

// projectServers are the files in which a project brings MCP servers along; the
// second is what other agents read.
var projectServers = []string{filepath.Join(".openhands", "mcp.json"), ".mcp.json"}

// newServers makes the MCP servers of conversations.
func newServers(cfg *config.Config, log *slog.Logger, warn func(string)) func(conversation.AgentEnv, json.RawMessage) (agent.Servers, error) {
	return func(env conversation.AgentEnv, own json.RawMessage) (agent.Servers, error) {
		named, err := mcp.Parse(own)
		if err == nil && env.Stored == nil {
			err = mcp.Check(named)
		}
		if err != nil && env.Stored == nil {
			return nil, &conversation.ValueError{Field: "agent.mcp_config", Message: err.Error()}
		}
		if err != nil {
			warn("The MCP servers of a stored conversation can't be read: " + err.Error())
		}
		list, warnings := configuredServers(cfg, env.Workspace)
		for _, w := range warnings {
			warn(w)
		}
		if list = mcp.Merge(list, named); len(list) == 0 {
			return nil, nil
		}
		servers := mcp.New(list, mcp.Options{
			Workspace: env.Workspace, Dir: env.Dir, Environ: workspace.Environ(cfg.ServerKeys()), Version: versionOf().Version,
			Secret: env.Secret, Secrets: env.Secrets, Hide: env.Hide, Mask: env.Mask, Warn: warn,
			Log: log.With("conversation", env.ConversationID),
		})
		if servers.Len() == 0 {
			return nil, nil
		}
		return servers, nil
	}
}

// configuredServers gives the servers that every conversation in a folder has:
// those of the user's file, of the settings, and of the project where the user
// trusts it, later ones in the place of earlier ones. warnings tell what was left
// out.
func configuredServers(cfg *config.Config, folder string) (list []mcp.Config, warnings []string) {
	layer := func(origin string, raw json.RawMessage) {
		servers, err := mcp.Parse(raw)
		if err != nil {
			warnings = append(warnings, fmt.Sprintf("The MCP servers of %s can't be read: it %v", origin, err))
		}
		for i := range servers {
			servers[i].Origin = origin
		}
		list = mcp.Merge(list, servers)
	}
	file := func(path string) {
		raw, err := os.ReadFile(path)
		switch {
		case os.IsNotExist(err):
		case err != nil:
			warnings = append(warnings, fmt.Sprintf("MCP servers can't be read: %v", err))
		default:
			layer(tilde(path), raw)
		}
	}
	if home := cfg.Home(); home != "" {
		file(filepath.Join(home, ".openhands", "mcp.json"))
	}
	settings, _ := cfg.Settings() // what is wrong with the settings is told when a model is needed
	layer("settings", settings.Agent.MCPConfig.Reveal())
	if folder == "" || folder == cfg.Home() {
		return list, warnings
	}
	trusted := cfg.Trusted(folder)
	for _, name := range projectServers {
		path := filepath.Join(folder, name)
		if _, err := os.Stat(path); err != nil {
			continue
		}
		if !trusted {
			warnings = append(warnings, fmt.Sprintf("The MCP servers of %s were not started: %s is not in trusted_workspaces.", name, folder))
			continue
		}
		file(path)
	}
	return list, warnings
}
