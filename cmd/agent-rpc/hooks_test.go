package main

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/config"
	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/face"
	"github.com/agent-rpc/agent-rpc/internal/hook"
)

// warned is a host that is only told warnings.
type warned struct {
	face.Host
	texts []string
}

func (w *warned) Warn(text string) { w.texts = append(w.texts, text) }

// A project's hooks, and the user's for it, run only where the project is trusted
// and the conversation has none of its own.
func TestHookFiles(t *testing.T) {
	home, project := t.TempDir(), t.TempDir()
	write := func(folder, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(hook.File(folder)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(hook.File(folder), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(home, `{"Stop":[{"hooks":[{"command":"x"}]}]}`)
	for _, tt := range []struct {
		name, trusted, file, own string
		start, stop              bool
		warnings                 int
	}{
		{"not trusted", `[]`, `{"SessionStart":[{"hooks":[{"command":"x"}]}]}`, "", false, false, 0},
		{"trusted", `["` + filepath.ToSlash(project) + `"]`, `{"SessionStart":[{"hooks":[{"command":"x"}]}]}`, "", true, false, 0},
		{"its own", `["` + filepath.ToSlash(project) + `"]`, `{"SessionStart":[{"hooks":[{"command":"x"}]}]}`, `{"Stop":[{"hooks":[{"command":"y"}]}]}`, false, true, 0},
		{"the user's", `["` + filepath.ToSlash(project) + `"]`, "", "", false, true, 0},
		{"broken", `["` + filepath.ToSlash(project) + `"]`, "{", "", false, false, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.file == "" {
				if err := os.Remove(hook.File(project)); err != nil {
					t.Fatal(err)
				}
			} else {
				write(project, tt.file)
			}
			cfg := config.Load(func(name string) (string, bool) { return tt.trusted, name == "AGENT_RPC_TRUSTED_WORKSPACES" }, home)
			host := &warned{}
			var own json.RawMessage
			if tt.own != "" {
				own = json.RawMessage(tt.own)
			}
			h, err := newHooks(cfg, host, slog.New(slog.DiscardHandler))(conversation.HookEnv{Workspace: project, Config: own})
			if err != nil {
				t.Fatal(err)
			}
			if start, stop := h.Has(conversation.SessionStart), h.Has(conversation.Stop); start != tt.start || stop != tt.stop || len(host.texts) != tt.warnings {
				t.Errorf("start %v, stop %v, warned %q", start, stop, host.texts)
			}
		})
	}
}
