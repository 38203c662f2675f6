//go:build linux || darwin

package terminal

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/tool"
)

// rc gives the home directory a .bashrc.
func (h *harness) rc(text string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, ".bashrc"), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func TestStartUpFiles(t *testing.T) {
	const check = `echo "$V"; hi 2>/dev/null; echo end`
	tests := []struct {
		name, rc, output, note string
	}{
		{"kept", "export V=1; alias hi='echo hi'; PATH=$PATH:/more", "1\nhi\nend", ""},
		{"a prompt", "V=1; PS1='$(sleep 1)$ '; PS2='more> '; PROMPT_COMMAND='echo prompt'; PS0='before'", "1\nend", ""},
		{"a prompt command for good", "V=1; PROMPT_COMMAND='true'; readonly PROMPT_COMMAND", "1\nend", ""},
		{"hooks", "V=1; trap 'echo debug' DEBUG; f() { echo hook; }; PROMPT_COMMAND=(f f)", "1\nend", ""},
		{"noise", "V=1; echo hello; echo -n world >&2; printf '\\033]0;title\\033'", "1\nend", ""},
		{"another place", "V=1; cd /", "1\nend", ""},
		{"modes", "V=1; stty echo -icanon onlcr; bind 'set bell-style none'", "1\nend", ""},
		{"line editing", "V=1; set -o vi; set -o emacs", "1\nend", ""},
		{"history", "V=1; HISTFILE=$HOME/hist; HISTSIZE=100; set -o history -H; shopt -s histappend; history -a", "1\nend", ""},
		{"an early return", "V=1; return; V=2", "1\nend", ""},
		{"broken", "V=1\nif", "1\nend", ""},
		{"cd is another", "V=1; cd() { echo changing; builtin cd \"$@\"; }", "1\nend", ""},
		{"strict", "V=1; set -u", "1\nend", ""},
		{"exported prompt", "V=1; export PS1='$ '; set -a", "1\nend", ""},
		{"exit", "V=1; exit 4", "\nend", "without them"},
		{"another program", "V=1; exec cat", "\nend", "without them"},
		{"a prompt for good", "V=1; PS1='$ '; readonly PS1", "\nend", "without them"},
		{"endless", "V=1; while :; do :; done", "\nend", "without them"},
		{"a question", "V=1; read -p 'password: ' x; read -p 'again: ' x", "\nend", "without them"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t)
			if tt.note != "" {
				h.tool.startLimit = 500 * time.Millisecond
			}
			h.rc(tt.rc)
			o := h.run(check)
			h.wants(o, tt.output, 0)
			if (tt.note == "") != (o.Metadata.Prefix == "") || !strings.Contains(o.Metadata.Prefix, tt.note) {
				t.Errorf("prefix %q", o.Metadata.Prefix)
			}
			if o.Metadata.WorkingDir != h.dir {
				t.Errorf("working dir %q", o.Metadata.WorkingDir)
			}
			h.want("bash --norc -c 'echo \"[$PS1]\"'", "[]", 0)
			h.act(`{"command":"","reset":true}`)
			if _, err := os.Stat(filepath.Join(h.dir, "hist")); err == nil {
				t.Error("a history file was written")
			}
		})
	}
}

func TestCancelWhileStarting(t *testing.T) {
	h := newHarness(t)
	h.rc("touch started; sleep 100")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		defer cancel()
		eventually(t, "the start-up file", func() bool {
			_, err := os.Stat(filepath.Join(h.dir, "started"))
			return err == nil
		})
	}()
	o := h.actContext(ctx, call("echo no"), func(string) {})
	h.wants(o, "", 130)
	if h.tool.shell != nil {
		t.Error("half a shell is left")
	}
	h.rc("")
	h.want("echo on", "on", 0)
}

func TestNoEnvironment(t *testing.T) {
	for _, shell := range []string{"bash", "sh"} {
		h := newHarness(t, withParams(`{"shell_path":"`+shell+`"}`), func(_ *tool.Env, o *Options) { o.Environ = []string{} })
		h.want("echo grüße $TERM $AI_AGENT", "grüße xterm-256color openhands", 0)
		h.want("cd /tmp && pwd", "/tmp", 0)
	}
}

func TestPOSIXShell(t *testing.T) {
	path := t.TempDir()
	for _, name := range []string{"sh", "sleep", "cat", "wc", "printf", "stty"} {
		for _, dir := range []string{"/bin", "/usr/bin"} {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				_ = os.Symlink(filepath.Join(dir, name), filepath.Join(path, name)) // it may be there already
			}
		}
	}
	t.Setenv("PATH", path)
	h := newHarness(t)
	if filepath.Base(h.tool.path) != "sh" || h.tool.dialect != posix {
		t.Fatalf("without bash the shell is %s", h.tool.path)
	}
	h.want("echo hello", "hello", 0)
	h.want("false", "", 1)
	h.want("echo $?", "1", 0)
	h.want("V='a b'; cd /", "", 0)
	h.want(`echo "$V" $PWD`, "a b /", 0)
	h.want("cat <<EOF\na $((1+1)) b\n\ttab\nEOF", "a 2 b\n\ttab", 0)
	h.want("echo "+strings.Repeat("x", 20_000)+" | wc -c", "20001", 0)
	h.want("for i in 1 2; do\n  echo $i\ndone", "1\n2", 0)
	h.want("stty echo", "", 0)
	h.want("echo 'it'\\''s'", "it's", 0)
	if o := h.run(`echo "abc`); exit(o) == 0 || exit(o) == unknownCode {
		t.Errorf("open quote: %d, %q", exit(o), text(o))
	}
	h.start("echo ready; read x; echo got $x", "ready")
	h.wants(h.act(input("hello")), "got hello", 0)
	h.start("echo ready; cat", "ready")
	h.wants(h.act(input("C-d")), "", 0)
	h.start("sh -c 'echo ready; exec sleep 100'", "ready")
	h.wants(h.act(input("C-c")), "", 130)
	o := h.run("exit 3")
	if exit(o) != 3 {
		t.Errorf("exit: %+v", o)
	}
	h.want(`echo "[$V]"`, "[]", 0)
}

func TestEnviron(t *testing.T) {
	tests := []struct {
		name      string
		inherited []string
		overlay   map[string]string
		want      []string
		not       []string
	}{
		{"defaults", nil, nil, []string{"AI_AGENT=openhands", "GIT_PAGER=cat", "PAGER=cat", "TERM=xterm-256color", "PWD=/w"}, nil},
		{"kept", []string{"AI_AGENT=me", "PAGER=less", "GIT_PAGER=", "X=a=b"}, nil, []string{"AI_AGENT=me", "PAGER=less", "GIT_PAGER=", "X=a=b"}, nil},
		{"a blank agent", []string{"AI_AGENT= "}, nil, []string{"AI_AGENT=openhands"}, nil},
		{"session key", []string{"SESSION_API_KEY=k"}, map[string]string{"SESSION_API_KEY": "k"}, nil, []string{"SESSION_API_KEY"}},
		{"our own", []string{"LLM_API_KEY=k", "Y=1"}, nil, []string{"Y=1"}, []string{"LLM_API_KEY"}},
		{"asked for", []string{"LLM_API_KEY=k"}, map[string]string{"LLM_API_KEY": "theirs"}, []string{"LLM_API_KEY=theirs"}, nil},
		{"libraries", []string{"LD_LIBRARY_PATH=/ours", "LD_LIBRARY_PATH_ORIG=/theirs"}, nil, []string{"LD_LIBRARY_PATH=/theirs"}, nil},
		{"no libraries", []string{"LD_LIBRARY_PATH=/ours", "LD_LIBRARY_PATH_ORIG="}, nil, nil, []string{"LD_LIBRARY_PATH"}},
		{"only libraries", []string{"LD_LIBRARY_PATH=/theirs"}, nil, []string{"LD_LIBRARY_PATH=/theirs"}, nil},
		{"prompts and history", []string{"PS1=$", "PROMPT_COMMAND=x", "HISTFILE=/h", "TERM=dumb"}, nil, []string{"TERM=xterm-256color"}, []string{"PS1", "PROMPT_COMMAND", "HISTFILE"}},
		{"overlay wins", []string{"A=1"}, map[string]string{"A": "2", "B": "3"}, []string{"A=2", "B=3"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := environ(tt.inherited, []string{"LLM_API_KEY"}, tt.overlay, "/w")
			for _, want := range tt.want {
				if !slices.Contains(got, want) {
					t.Errorf("%s is missing in %q", want, got)
				}
			}
			for _, not := range tt.not {
				if slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, not+"=") }) {
					t.Errorf("%s is in %q", not, got)
				}
			}
		})
	}
}

func TestNew(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, dir, params, err string }{
		{"no params", "", "", ""},
		{"null", "", "null", ""},
		{"all", "", `{"username":"me","no_change_timeout_seconds":5,"terminal_type":"tmux","shell_path":"sh","env":{"A":"1"}}`, ""},
		{"nulls", "", `{"username":null,"no_change_timeout_seconds":null,"terminal_type":null,"shell_path":null,"env":null}`, ""},
		{"unknown parameter", "", `{"shell":"x"}`, `"shell"`},
		{"no such shell", "", `{"shell_path":"/no/such/shell"}`, "shell_path"},
		{"shell that can't run", "", `{"shell_path":"` + file + `"}`, "shell_path"},
		{"name of a variable", "", `{"env":{"1A":"x"}}`, "env"},
		{"value of a variable", "", `{"env":{"A":1}}`, "env"},
		{"negative limit", "", `{"no_change_timeout_seconds":-1}`, "no_change_timeout_seconds"},
		{"PowerShell", "", `{"terminal_type":"powershell"}`, "terminal_type"},
		{"no object", "", `[1]`, "must be"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := tt.dir
			if dir == "" {
				dir = t.TempDir()
			}
			tl, err := newTerminal(dir, tool.Env{Params: []byte(tt.params)}, Options{})
			switch {
			case tt.err == "" && err != nil:
				t.Error(err)
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("got error %v, want one with %q", err, tt.err)
			case tt.err == "" && (tl.shell != nil || tl.Close() != nil || tl.Close() != nil):
				t.Error("a shell was started, or closing twice failed")
			}
		})
	}
}

// A workspace that is gone does not keep its conversation from being read; a
// command in it fails and says where.
func TestNoWorkingDirectory(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "gone")
	tl, err := newTerminal(gone, tool.Env{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tl.Close(); err != nil {
			t.Error(err)
		}
	}()
	action, err := tl.Decode([]byte(`{"command":"pwd"}`))
	if err != nil {
		t.Fatal(err)
	}
	observation, err := tl.Run(t.Context(), tool.Call{ID: "1", Action: action, Output: func(string) {}})
	if err == nil || !strings.Contains(err.Error(), gone) {
		t.Errorf("got %s, error %v, want an error that names %s", observation, err, gone)
	}
}
