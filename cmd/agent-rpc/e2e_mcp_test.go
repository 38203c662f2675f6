//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// settings writes the user's settings file.
func (p *place) settings(text string) {
	p.t.Helper()
	p.file(filepath.Join(p.home, ".config", "agent-rpc", "config.toml"), text)
}

func (p *place) file(path, text string) {
	p.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// log gives all that is stored of a conversation.
func (p *place) log(id string) string {
	var b strings.Builder
	for _, raw := range p.stored(id) {
		b.Write(raw)
	}
	return b.String()
}

// family reads the process ids that a server of that mode leaves: its own and its
// child's.
func (p *place) family(path string) (pids [2]int) {
	p.t.Helper()
	p.eventually("the server", func() bool {
		raw, err := os.ReadFile(path)
		if err != nil {
			return false
		}
		n, _ := fmt.Sscan(string(raw), &pids[0], &pids[1]) // it may be written just now
		return n == 2
	})
	return pids
}

func (p *place) eventually(what string, is func() bool) {
	p.t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			p.t.Fatalf("%s: it did not come to that", what)
		}
	}
}

// gone tells that processes have ended. One that has and that nobody waits for,
// for its parent was killed, counts as ended.
func gone(pids [2]int) bool {
	for _, pid := range pids {
		if syscall.Kill(pid, 0) != nil {
			continue
		}
		if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err != nil || !strings.Contains(string(stat), ") Z ") {
			return false
		}
	}
	return true
}

// TestMCPSources: the servers of the user's file, of the settings, of the agent and,
// where it is trusted, of the project.
func TestMCPSources(t *testing.T) {
	const script = anew + `{"calls": [{"user_echo": {"text": "user"}}, {"settings_echo": {"text": "settings"}}, {"own_echo": {"text": "own"}}, {"project_echo": {"text": "project"}}, {"other_echo": {"text": "other"}}]} "Done."`
	for _, trusted := range []bool{false, true} {
		t.Run(fmt.Sprintf("trusted %t", trusted), func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, script)
			trust := ""
			if trusted {
				trust = fmt.Sprintf("trusted_workspaces = [%q]\n", p.folder)
			}
			p.settings(trust + "[agent.mcp_config.settings]\ncommand = \"mcp-server\"\nargs = [\"good\"]\n[agent.mcp_config.user]\ncommand = \"mcp-server\"\nargs = [\"good\"]\n")
			p.file(filepath.Join(p.home, ".openhands", "mcp.json"), `{"mcpServers":{"user":{"command":"not-this-one"},"off":{"command":"x","enabled":false}}}`)
			p.file(filepath.Join(p.folder, ".mcp.json"), `{"mcpServers":{"project":{"command":"mcp-server","args":["good"]}}}`)
			p.file(filepath.Join(p.folder, ".openhands", "mcp.json"), `{"other":{"command":"mcp-server","args":["good"]}}`)
			h := p.start()
			h.initialize("")
			id := h.create(`"agent":{"mcp_config":{"own":{"command":"mcp-server","args":["good"]}}}`)
			if i := h.settled(h.say(id, "Go")); i.Status != "finished" {
				t.Fatalf("the run ended as %+v %+v", i, i.Error)
			}
			log := p.log(id)
			for _, name := range []string{"user", "settings", "own", "project", "other"} {
				want := trusted || name != "project" && name != "other"
				if got := strings.Contains(log, `"`+name+` 0 []"`); got != want {
					t.Errorf("the tool of %s answered: %t", name, got)
				}
			}
			if _, state := p.baseState(id); strings.Contains(string(state["agent"]), "settings") {
				t.Errorf("servers of the settings are stored: %s", state["agent"])
			}
			h.mu.Lock()
			warned := strings.Contains(fmt.Sprint(h.told("window/showMessage")), "is not in trusted_workspaces")
			h.mu.Unlock()
			if warned == trusted {
				t.Errorf("the user was told that the project's servers did not start: %t", warned)
			}
			h.shutdown()
		})
	}
}

// told gives the params of all messages of a method; the lock is held.
func (h *host) told(method string) (all []string) {
	for _, f := range h.frames {
		if f.Method == method {
			all = append(all, string(f.Params))
		}
	}
	return all
}

// TestMCPInterrupt: a call that hangs ends with the interrupt, and the server goes
// on; neither create nor an interrupt waits for a server that does not come up.
func TestMCPInterrupt(t *testing.T) {
	p := newPlace(t, anew+`{"calls": [{"hang": {}}]} {"when": "On", "calls": [{"echo": {"text": "back"}}]} "Done."`)
	h := p.start()
	h.initialize(`"deltas":{"maxHz":1000}`)
	mark := filepath.Join(p.home, "cancelled")
	id := h.create(fmt.Sprintf(`"mcpServers":{"fake":{"command":"mcp-server","args":["good"],"env":{"CANCELLED":%q}}}`, mark))
	run := h.say(id, "Go")
	h.await("the call", func(f *frame) bool {
		return f.Method == "conversation/event" && strings.Contains(string(f.Params), `"tool_name":"hang"`)
	})
	began := time.Now()
	h.call(nil, "conversation/interrupt", `{"id":%q}`, id)
	if i := h.settled(run); i.Status != "paused" || time.Since(began) > 3*time.Second {
		t.Errorf("after %s: %+v %+v", time.Since(began), i, i.Error)
	}
	if i := h.settled(h.say(id, "On")); i.Status != "finished" || !strings.Contains(p.log(id), "back 0 []") {
		t.Errorf("the next run ended as %+v %+v", i, i.Error)
	}

	deaf := h.create(`"mcpServers":{"deaf":{"command":"mcp-server","args":["deaf"]}}`)
	run = h.say(deaf, "Go")
	h.await("the run", func(f *frame) bool {
		return f.Method == "conversation/stateChanged" && strings.Contains(string(f.Params), run)
	})
	began = time.Now()
	h.call(nil, "conversation/interrupt", `{"id":%q}`, deaf)
	if i := h.settled(run); i.Status != "paused" || time.Since(began) > 3*time.Second {
		t.Errorf("while the server starts, after %s: %+v %+v", time.Since(began), i, i.Error)
	}
	h.shutdown()
}

// TestMCPProcesses: whatever way the server goes, its MCP servers and what they
// started go as well.
func TestMCPProcesses(t *testing.T) {
	for name, end := range map[string]func(h *host, id string){
		"close":    func(h *host, id string) { h.call(nil, "conversation/close", `{"id":%q}`, id) },
		"shutdown": func(h *host, _ string) { h.shutdown() },
		"kill":     func(h *host, _ string) { h.kill() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, `"Done."`)
			h := p.start()
			h.initialize("")
			pids := filepath.Join(p.home, "pids")
			id := h.create(fmt.Sprintf(`"mcpServers":{"fake":{"command":"mcp-server","args":["family"],"env":{"PIDS":%q}}}`, pids))
			if _, err := os.Stat(pids); err == nil {
				t.Error("the server was started by create")
			}
			if i := h.settled(h.say(id, "Go")); i.Status != "finished" {
				t.Fatalf("the run ended as %+v %+v", i, i.Error)
			}
			family := p.family(pids)
			if gone(family) {
				t.Fatal("the processes do not run")
			}
			end(h, id)
			p.eventually("the end of the processes", func() bool { return gone(family) })
		})
	}
}
