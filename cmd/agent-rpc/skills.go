package main

import (
	"encoding/json"
	"fmt"
	"sync"

	"github.com/agent-rpc/agent-rpc/internal/config"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/skill"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

// defaultContext is the AgentContext of an agent that says nothing of its own:
// what the settings say, and beside it the skills, instruction files and memory of
// the project and of the user.
func defaultContext(a config.Agent) (json.RawMessage, error) {
	fields := map[string]json.RawMessage{}
	for _, name := range []string{"load_project_skills", "load_user_skills", "load_memory"} {
		fields[name] = json.RawMessage("true")
	}
	if raw := a.AgentContext.Reveal(); len(raw) > 0 {
		if err := json.Unmarshal(raw, &fields); err != nil {
			return nil, fmt.Errorf("reading agent.agent_context: %w", err)
		}
	}
	return json.Marshal(fields)
}

// skillInfos lists the skills of a default agent in a folder.
func skillInfos(cfg *config.Config, folder string) ([]protocol.SkillInfo, error) {
	settings, _ := cfg.Settings() // what is wrong with the settings is told when a model is needed
	raw, err := defaultContext(settings.Agent)
	if err != nil {
		return nil, err
	}
	context, err := skill.ParseContext(raw)
	if err != nil {
		return nil, fmt.Errorf("agent.agent_context: %w", err)
	}
	infos := []protocol.SkillInfo{}
	for _, s := range context.Load(folder, cfg.Home()).All {
		if !s.Command() {
			continue
		}
		info := protocol.SkillInfo{
			Name: s.Name, Description: s.Description, Origin: string(s.Origin),
			Command: "/" + s.Name, Triggers: s.Trigger.Words(), Invocable: s.Invocable(),
		}
		if info.Triggers == nil {
			info.Triggers = []string{}
		}
		if s.Source != "" {
			info.Source = workspace.ToURI(s.Source)
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// once passes a text on that was not passed on before.
func once(pass func(string)) func(string) {
	var told sync.Map
	return func(text string) {
		if _, known := told.LoadOrStore(text, true); !known {
			pass(text)
		}
	}
}
