package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/agent-rpc/agent-rpc/internal/agent"
	"github.com/agent-rpc/agent-rpc/internal/config"
	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/mcp"
	"github.com/agent-rpc/agent-rpc/internal/visualize"
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

func newMCP() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mcp",
		Short: "List and test the MCP servers of conversations in this folder",
		Long: `The MCP servers that every conversation in this folder has: those of
~/.openhands/mcp.json, of the settings, and of the project where you trust it. A
conversation may bring more.`,
		Example: `  agent-rpc mcp list
  agent-rpc mcp test files`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newMCPList(), newMCPTest())
	return cmd
}

// ServerInfo is what `agent-rpc mcp list --json` and `mcp test --json` print of a
// server.
type ServerInfo struct {
	Name      string `json:"name"`
	Transport string `json:"transport"`
	// Reached is the command or the URL, without secrets, Origin where the server is
	// named.
	Reached string `json:"reached"`
	Origin  string `json:"origin"`
	Enabled bool   `json:"enabled"`
	// Server and Protocol are what the server says of itself, Tools the names that a
	// model calls; only after a test.
	Server   string   `json:"server,omitempty"`
	Protocol string   `json:"protocol,omitempty"`
	Tools    []string `json:"tools,omitempty"`
	Error    string   `json:"error,omitempty"`
}

func serverInfo(s mcp.Status) ServerInfo {
	i := ServerInfo{
		Name: s.Config.Name, Transport: s.Config.Transport, Reached: s.Config.Reached(), Origin: s.Config.Origin, Enabled: !s.Config.Disabled,
		Server: s.Server, Protocol: s.Protocol,
	}
	for _, d := range s.Tools {
		i.Tools = append(i.Tools, d.Name)
	}
	switch {
	case s.Err != nil:
		i.Error = s.Err.Error()
	case s.Config.Err != nil:
		i.Error = s.Config.Err.Error()
	}
	return i
}

// serversHere are the servers of the folder that the program was started in; what
// was left out goes to stderr.
func serversHere(cfg *config.Config) []mcp.Config {
	dir, err := os.Getwd()
	if err != nil {
		dir = ""
	}
	list, warnings := configuredServers(cfg, dir)
	for _, w := range warnings {
		report(w, "")
	}
	return list
}

func newMCPList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the servers; none is started",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			infos := []ServerInfo{}
			for _, c := range serversHere(newConfig()) {
				infos = append(infos, serverInfo(mcp.Status{Config: c}))
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), infos)
			}
			return printServers(cmd.OutOrStdout(), infos)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printServers(w io.Writer, infos []ServerInfo) error {
	if len(infos) == 0 {
		_, err := fmt.Fprintln(w, "There are no MCP servers here. docs/mcp.md says where they are named.")
		return err
	}
	rows := [][]string{{"NAME", "FROM", "REACHED"}}
	for _, i := range infos {
		reached := i.Transport + " " + i.Reached
		switch {
		case i.Error != "":
			reached = "can't be used: " + i.Error
		case !i.Enabled:
			reached = "(off) " + reached
		}
		rows = append(rows, []string{clean(i.Name), clean(i.Origin), clean(reached)})
	}
	for _, row := range visualize.Table(rows) {
		if _, err := fmt.Fprintln(w, row); err != nil {
			return err
		}
	}
	return nil
}

func newMCPTest() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "test [NAME...]",
		Short: "Start servers, list their tools and end them",
		Long: `Start the servers that are named, or all, list their tools and end them again.
${NAME} in their configuration is looked up in the environment alone: a
conversation's secrets are not here. The exit code is 1 when one does not come up.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg := newConfig()
			list := serversHere(cfg)
			for _, name := range args {
				if !slices.ContainsFunc(list, func(c mcp.Config) bool { return c.Name == name }) {
					return &problem{fmt.Sprintf("there is no MCP server %q here", name), "agent-rpc mcp list shows them", exitUsage}
				}
			}
			if len(args) > 0 {
				for i := range list {
					list[i].Disabled = !slices.Contains(args, list[i].Name)
				}
			}
			infos, err := testServers(cmd.Context(), cfg, list)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), infos)
			} else {
				err = printTested(cmd.OutOrStdout(), infos)
			}
			if err != nil {
				return &problem{"writing the output: " + err.Error(), "", exitError}
			}
			if slices.ContainsFunc(infos, func(i ServerInfo) bool { return i.Error != "" }) {
				return exitCode(exitError)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func testServers(ctx context.Context, cfg *config.Config, list []mcp.Config) ([]ServerInfo, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, &problem{"the current folder is not known: " + err.Error(), "", exitError}
	}
	servers := mcp.New(list, mcp.Options{
		Workspace: dir, Environ: workspace.Environ(cfg.ServerKeys()), Version: versionOf().Version,
		Log: slog.New(slog.DiscardHandler),
	})
	servers.Tools(ctx)
	infos := []ServerInfo{}
	for _, s := range servers.Statuses() {
		infos = append(infos, serverInfo(s))
	}
	const grace = 2 * time.Second
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := servers.Close(closing); err != nil {
		return nil, &problem{err.Error(), "", exitError}
	}
	if ctx.Err() != nil {
		return nil, exitCode(exitInterrupted)
	}
	return infos, nil
}

func printTested(w io.Writer, infos []ServerInfo) error {
	if len(infos) == 0 {
		return printServers(w, nil)
	}
	l := lookOf(os.Stdout, false)
	okay, failed := "ok  ", "FAIL"
	if l.tty {
		okay, failed = "✓", "✗"
	}
	for _, i := range infos {
		line := fmt.Sprintf("%s %s  %s, MCP %s, %d tools", okay, clean(i.Name), clean(i.Server), clean(i.Protocol), len(i.Tools))
		if i.Error != "" {
			line = fmt.Sprintf("%s %s  %s", failed, clean(i.Name), clean(i.Error))
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
		for _, name := range i.Tools {
			if _, err := fmt.Fprintln(w, "     "+clean(name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// servers looks at the MCP servers; none is started.
func (d *examination) servers() []Check {
	const name = "mcp"
	dir, err := os.Getwd()
	if err != nil {
		dir = ""
	}
	list, warnings := configuredServers(d.config, dir)
	var checks []Check
	for _, w := range warnings {
		checks = append(checks, warning(name, w, ""))
	}
	for _, c := range list {
		what := c.Name + ": " + c.Transport + " " + c.Reached() + ", from " + c.Origin
		switch _, err := d.lookPath(c.Command); {
		case c.Disabled:
			checks = append(checks, ok(name, c.Name+": off, from "+c.Origin))
		case c.Err != nil:
			checks = append(checks, warning(name, c.Name+", from "+c.Origin+": "+c.Err.Error(), "conversations go on without its tools; see docs/mcp.md"))
		case c.Command != "" && !strings.Contains(c.Command, "${") && err != nil:
			checks = append(checks, warning(name, c.Name+": "+c.Command+" is not on the PATH", "install it, or name its path; conversations go on without its tools"))
		default:
			checks = append(checks, ok(name, what))
		}
	}
	return checks
}
