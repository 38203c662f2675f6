package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/config"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

// An agent that says nothing of its context has what the project and the user
// keep for agents, as far as the settings don't say otherwise. One that says
// something has just that.
func TestDefaultContext(t *testing.T) {
	for _, tt := range []struct{ name, spec, settings, want string }{
		{"nothing", ``, ``, `{"load_memory":true,"load_project_skills":true,"load_user_skills":true}`},
		{"null", `{"agent_context":null}`, ``, `{"load_memory":true,"load_project_skills":true,"load_user_skills":true}`},
		{"settings", `{}`, `{"load_project_skills":false,"system_message_suffix":"x"}`, `{"load_memory":true,"load_project_skills":false,"load_user_skills":true,"system_message_suffix":"x"}`},
		{"its own", `{"agent_context":{"load_memory":true}}`, `{"load_project_skills":true}`, `{"load_memory":true}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			raw, err := withDefaults(json.RawMessage(tt.spec), config.Agent{AgentContext: config.Hidden(tt.settings)})
			if err != nil {
				t.Fatal(err)
			}
			var got struct {
				Context json.RawMessage `json:"agent_context"`
			}
			if err := json.Unmarshal(raw, &got); err != nil || string(got.Context) != tt.want {
				t.Errorf("got %s, %v; want %s", got.Context, err, tt.want)
			}
		})
	}
}

func TestSkillInfos(t *testing.T) {
	home, project := t.TempDir(), t.TempDir()
	project, err := filepath.EvalSymlinks(project)
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		filepath.Join(project, "AGENTS.md"):                              "not a command",
		filepath.Join(project, ".agents", "skills", "ship", "SKILL.md"):  "---\nname: ship\ndescription: Ships it.\ndisable-model-invocation: true\n---\nx",
		filepath.Join(home, ".openhands", "microagents", "git.md"):       "---\ntriggers: [git, commit]\n---\nx",
		filepath.Join(home, ".openhands", "microagents", "always.md"):    "x",
		filepath.Join(home, ".openhands", "microagents", "for_paths.md"): "---\npaths: '*.go'\n---\nx",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := skillInfos(config.Load(func(string) (string, bool) { return "", false }, home), project)
	if err != nil {
		t.Fatal(err)
	}
	want := []protocol.SkillInfo{
		{Name: "ship", Description: "Ships it.", Command: "/ship", Triggers: []string{}, Origin: "project", Source: workspace.ToURI(filepath.Join(project, ".agents", "skills", "ship", "SKILL.md"))},
		{Name: "git", Command: "/git", Triggers: []string{"git", "commit"}, Origin: "user", Source: workspace.ToURI(filepath.Join(home, ".openhands", "microagents", "git.md")), Invocable: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOnce(t *testing.T) {
	var told []string
	warn := once(func(text string) { told = append(told, text) })
	for _, text := range []string{"a", "b", "a"} {
		warn(text)
	}
	if diff := cmp.Diff([]string{"a", "b"}, told); diff != "" {
		t.Error(diff)
	}
}
