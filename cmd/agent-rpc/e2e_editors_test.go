//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The tests of this file run the program in real editors that know nothing of it
// but LSP, set up as docs/editors.md says, in a terminal, with the keys that a user
// presses. scripts/rig-helix and scripts/rig-neovim provide them.

const editorsScript = `
{"when": "^greet", "then": [
  {"text": "I change the greeting.", "calls": [{"file_editor": {"command": "str_replace", "path": "${workspace}/main.go", "old_str": "hello moon", "new_str": "hello world", "security_risk": "LOW"}}]},
  {"calls": [{"terminal": {"command": "rm -rf build", "security_risk": "HIGH"}}]},
  "The greeting is new.\n\nThe build folder is gone."
]}
{"when": "^tidy", "then": [
  {"calls": [{"terminal": {"command": "rm -rf dist", "security_risk": "HIGH"}}]},
  "Tidy."
]}
{"text": "I heard: ${last_user_message}", "repeat": "forever"}
`

const editorsFile = `package main

import "fmt"

// agent: greet the world, not the moon
func main() {
	fmt.Println("hello moon")
}
`

// screen is an editor in a terminal, in a tmux server of its own.
type screen struct {
	*place
	tmux, socket string
}

// newScreen starts an editor on main.go. The agent's process id is in the home.
func newScreen(t *testing.T, rig map[string]string, env map[string]string, argv ...string) *screen {
	t.Helper()
	p := newPlace(t, editorsScript)
	for _, dir := range []string{"build", "dist", ".git"} {
		if err := os.Mkdir(filepath.Join(p.folder, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	bin := filepath.Join(p.home, "bin")
	wrapper := fmt.Sprintf("#!/bin/sh\necho $$ >%q\nexec %q \"$@\"\n", filepath.Join(p.home, "pid"), binary(t))
	for path, text := range map[string]string{filepath.Join(p.folder, "main.go"): editorsFile, filepath.Join(bin, "agent-rpc"): wrapper} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp("", "tmux") // short: it becomes the address of a socket
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{place: p, tmux: rig["tmux"], socket: filepath.Join(dir, "s")}
	all := []string{
		"-i", "HOME=" + p.home, "PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"), "TERM=tmux-256color", "LC_ALL=C.UTF-8", "LLM_MODEL=scripted/" + p.script,
		"TERMINFO_DIRS=" + rig["terminfo"], "GORACE=atexit_sleep_ms=0", "GOCOVERDIR=" + os.TempDir(),
	}
	for name, value := range env {
		all = append(all, name+"="+strings.ReplaceAll(value, "$HOME", p.home))
	}
	t.Cleanup(func() {
		_ = s.command("kill-server").Run() // the editor has quit, unless the test failed
		s.awaitEnd()
		_ = os.RemoveAll(dir)
	})
	start := append([]string{"new-session", "-d", "-x", "110", "-y", "32", "-c", p.folder, "env"}, append(all, argv...)...)
	if out, err := s.command(append([]string{"-f", "/dev/null"}, start...)...).CombinedOutput(); err != nil {
		t.Fatalf("tmux: %v: %s", err, out)
	}
	return s
}

func (s *screen) command(args ...string) *exec.Cmd {
	cmd := exec.Command(s.tmux, append([]string{"-u", "-S", s.socket}, args...)...)
	cmd.Env = []string{"LC_ALL=C.UTF-8", "TERM=xterm-256color", "PATH=" + os.Getenv("PATH")}
	return cmd
}

// press sends keys, by tmux's names.
func (s *screen) press(keys ...string) {
	s.t.Helper()
	if out, err := s.command(append([]string{"send-keys"}, keys...)...).CombinedOutput(); err != nil {
		s.t.Fatalf("pressing %v: %v: %s", keys, err, out)
	}
}

// write types a text.
func (s *screen) write(text string) {
	s.t.Helper()
	s.press("-l", text)
}

// enter types a line, and the key that ends it.
func (s *screen) enter(text string) {
	s.t.Helper()
	s.write(text)
	s.press("Enter")
}

func (s *screen) text() string {
	out, err := s.command("capture-pane", "-p", "-J").Output()
	if err != nil {
		return "" // not there yet, or gone
	}
	return string(out)
}

// await looks at the screen again and again until done says so.
func (s *screen) await(what string, done func(text string) bool) {
	s.t.Helper()
	if !s.within(limit, done) {
		s.t.Fatalf("waited in vain for %s; the screen:\n%s", what, s.text())
	}
}

func (s *screen) within(limit time.Duration, done func(text string) bool) bool {
	again := time.NewTicker(30 * time.Millisecond)
	defer again.Stop()
	late := time.After(limit)
	for {
		if done(s.text()) {
			return true
		}
		select {
		case <-again.C:
		case <-late:
			return false
		}
	}
}

// see waits for texts that are on the screen at once.
func (s *screen) see(texts ...string) {
	s.t.Helper()
	s.await(fmt.Sprintf("%q", texts), func(screen string) bool {
		for _, text := range texts {
			if !strings.Contains(screen, text) {
				return false
			}
		}
		return true
	})
	if testing.Verbose() {
		s.t.Logf("saw %q:\n%s", texts, strings.TrimRight(s.text(), "\n"))
	}
}

// onDisk compares main.go.
func (s *screen) onDisk(want string) {
	s.t.Helper()
	if got, err := os.ReadFile(filepath.Join(s.folder, "main.go")); err != nil || string(got) != want {
		s.t.Errorf("main.go on the disk is %q (%v)", got, err)
	}
}

func (s *screen) lacks(name string) {
	s.t.Helper()
	if _, err := os.Stat(filepath.Join(s.folder, name)); !errors.Is(err, os.ErrNotExist) {
		s.t.Errorf("%s is still there (%v)", name, err)
	}
}

// awaitEnd waits until the agent's process is gone.
func (s *screen) awaitEnd() {
	raw, err := os.ReadFile(filepath.Join(s.home, "pid"))
	if err != nil {
		return // it never began
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		s.t.Error(err)
		return
	}
	if !s.within(limit, func(string) bool { return syscall.Kill(pid, 0) != nil }) {
		s.t.Errorf("the agent's process %d has not ended", pid)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// setUp gives the code block of a language in a section of docs/editors.md.
func setUp(t *testing.T, section, language string) string {
	t.Helper()
	raw, err := os.ReadFile("../../docs/editors.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "\n### "+section+"\n")
	found := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindStringSubmatch(rest)
	if found == nil {
		t.Fatalf("docs/editors.md has no %s for %s", language, section)
	}
	return found[1]
}

func TestHelix(t *testing.T) {
	t.Parallel()
	rig := provided(t, "rig-helix", "HELIX_MISSING")
	config := t.TempDir()
	if err := os.Mkdir(filepath.Join(config, "helix"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(config, "helix", "languages.toml"), []byte(setUp(t, "Helix", "toml")), 0o644); err != nil {
		t.Fatal(err)
	}
	s := newScreen(t, rig, map[string]string{"HELIX_RUNTIME": rig["runtime"], "XDG_CONFIG_HOME": config}, rig["hx"], "main.go")
	s.see("hello moon")

	// The text that nobody saved is the one that is changed.
	s.press("g", "e", "o")
	s.see("INS")
	s.write("// not saved")
	s.press("Escape")
	s.see("NOR", "[+]", "// not saved")
	s.press("5", "G")
	s.see(" 5:1")
	s.actions("Ask agent: greet the world, not the moon", "Ask agent to fix this", "Ask agent to explain this", "Ask agent to write tests for this", "Ask agent …")
	s.press("Enter")
	s.see("The agent asks: Run rm -rf build (approve or reject it with a code action)", "hello world")
	s.onDisk(editorsFile)

	// It knows no questions; what waits is decided by a code action.
	s.actions("Agent: approve “Run rm -rf build”", "Agent: reject “Run rm -rf build”", "Agent: stop")
	s.press("Enter")
	s.see("Agent: The greeting is new. (agentRpc.open shows it all)")
	s.lacks("build")
	s.press("7", "G")
	s.see(" 7:1")
	s.press("Space", "k")
	s.see("Changed by the agent: Edit main.go", "Step 1 of “greet the world, not the moon”")
	s.press("Escape")

	s.press("Space", "a")
	s.see("Agent: show the conversation “greet the world, not the moon”")
	s.press("Up", "Enter")
	s.see("# greet the world, not the moon", "I change the greeting.", "The build folder is gone.")

	// A message is written into a file; saving it sends it.
	s.enter(":lsp-workspace-command agentRpc.send")
	s.see("Write below what the agent should do", "It goes to the conversation “greet the world, not the moon”")
	s.press("o")
	s.see("INS")
	s.write("How are you?")
	s.press("Escape")
	s.see("NOR", "How are you?")
	s.enter(":w")
	// Helix may say that it has written the file after the agent has answered, so the
	// message is not waited for.
	s.await("the answer in the transcript", func(string) bool {
		names, err := filepath.Glob(filepath.Join(s.home, ".local/state/agent-rpc/transcripts/*.md"))
		if err != nil || len(names) != 1 {
			return false
		}
		page, err := os.ReadFile(names[0])
		return err == nil && strings.Contains(string(page), "I heard: How are you?")
	})
	s.enter(":lsp-workspace-command agentRpc.open")
	s.see("# greet the world, not the moon")
	s.enter(":reload")
	s.press("g", "e")
	s.see("I heard: How are you?")
	s.enter(":qa!")
	s.awaitEnd()
}

// actions opens Helix' menu of code actions, as soon as the server is there.
func (s *screen) actions(titles ...string) {
	s.t.Helper()
	s.press("Space", "a")
	for !s.within(limit/20, func(text string) bool { return strings.Contains(text, titles[0]) }) {
		if !strings.Contains(s.text(), "server") {
			break
		}
		s.press("Space", "a") // "No configured language server supports code actions": it is starting
	}
	s.see(titles...)
}

func TestPlainNeovim(t *testing.T) {
	t.Parallel()
	tmux := provided(t, "rig-helix", "HELIX_MISSING")
	rig := provided(t, "rig-neovim", "NEOVIM_MISSING")
	init := filepath.Join(t.TempDir(), "init.lua")
	if err := os.WriteFile(init, []byte(setUp(t, "Neovim without the plugin", "lua")), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"nvim010", "nvim012"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			s := newScreen(t, tmux, nil, rig[version], "--clean", "-u", init, "main.go")
			s.see("hello moon")
			s.press("G", "o")
			s.see("INSERT")
			s.write("// not saved")
			s.press("Escape")
			s.await("the end of inserting", func(text string) bool { return !strings.Contains(text, "INSERT") })
			s.enter(fmt.Sprintf(":lua print(vim.wait(%d, function() return (vim.lsp.get_clients()[1] or {}).initialized end) and 'at your service')", limit.Milliseconds()))
			s.see("at your service")
			s.enter(":5")
			s.enter(":lua vim.lsp.buf.code_action()")
			s.see("1: Ask agent: greet the world, not the moon", "2: Ask agent to fix this", "5: Ask agent …")
			s.enter("1")
			s.see("The agent asks: Run rm -rf build", "1: Approve", "2: Reject")

			// Who closes the question has not answered it.
			s.press("Enter")
			s.see("approve or reject it with a code action")
			s.press("Enter")
			s.see("hello world")
			s.onDisk(editorsFile)
			s.enter(":Agent approve")
			s.see("Agent: The greeting is new. (agentRpc.open shows it all)")
			s.lacks("build")

			s.enter(":7")
			s.enter(":lua vim.lsp.buf.hover()")
			s.see("Changed by the agent", "Edit main.go", "Step 1 of “greet the world, not the moon”")
			s.enter(":Agent open")
			s.see("# greet the world, not the moon", "I change the greeting.")

			s.enter(":Agent send tidy up")
			s.see("The agent asks: Run rm -rf dist", "1: Approve", "2: Reject")
			s.enter("1")
			s.see("Agent: Tidy.")
			s.lacks("dist")
			s.enter(":qa!")
			s.awaitEnd()
		})
	}
}
