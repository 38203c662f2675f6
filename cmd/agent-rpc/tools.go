package main

import (
	"encoding/json"
	"os"

	"github.com/agent-rpc/agent-rpc/internal/agent"
	"github.com/agent-rpc/agent-rpc/internal/config"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/tool"
	"github.com/agent-rpc/agent-rpc/internal/tool/askuser"
	"github.com/agent-rpc/agent-rpc/internal/tool/fileeditor"
	"github.com/agent-rpc/agent-rpc/internal/tool/finish"
	"github.com/agent-rpc/agent-rpc/internal/tool/tasktracker"
	"github.com/agent-rpc/agent-rpc/internal/tool/terminal"
	"github.com/agent-rpc/agent-rpc/internal/tool/think"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

// newTools is the registry: a line for each tool. files is where file tools read
// and write.
func newTools(cfg *config.Config, files fileeditor.Files) *tool.Registry {
	return tool.NewRegistry(
		terminal.Entry(terminal.Options{Private: cfg.ServerKeys()}),
		fileeditor.Entry(fileeditor.Options{Files: files}),
		tasktracker.Entry(),
		askuser.Entry(),
		finish.Entry(),
		think.Entry(),
	)
}

// toolInfos describes the tools of an agent that names none, and ask_user, which
// it has where the client can put questions to the user.
func toolInfos(registry *tool.Registry) []protocol.ToolInfo {
	infos := []protocol.ToolInfo{}
	dir, err := os.Getwd()
	if err != nil {
		dir = os.TempDir()
	}
	ws, err := workspace.Open(dir, false)
	if err != nil {
		return infos
	}
	spec, err := agent.ParseSpec(nil)
	if err != nil {
		return infos
	}
	specs := append(spec.Tools, tool.Spec{Name: askuser.Name})
	set, err := registry.Open(tool.Env{Workspace: ws}, tool.Selection{Specs: specs, BuiltIns: spec.IncludeDefault})
	if err != nil {
		return infos
	}
	for _, d := range set.Definitions() {
		info := protocol.ToolInfo{Name: d.Name, Title: d.Title, Description: d.Description, InputSchema: d.Input, Default: d.Name != askuser.Name}
		if info.Title == "" {
			info.Title = d.Name
		}
		if d.Annotations != nil {
			info.Annotations, _ = json.Marshal(d.Annotations) // booleans and a string always encode
		}
		infos = append(infos, info)
	}
	return infos
}
