//go:build linux || darwin

package terminal

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/agent-rpc/agent-rpc/internal/tool"
)

// start runs a command that does not end, and reads until it has printed
// ready.
func (h *harness) start(command, ready string) {
	h.t.Helper()
	raw := strings.TrimSuffix(call(command), "}") + `,"timeout":0.02}`
	o := h.act(raw)
	for all := text(o); !strings.Contains(all, ready); all += text(o) {
		if exit(o) != unknownCode {
			h.t.Fatalf("%s: ended with %d: %q", command, exit(o), all)
		}
		o = h.act(`{"command":"","timeout":0.02}`)
	}
	if exit(o) != unknownCode {
		h.t.Fatalf("%s: exit code %d, want one that runs", command, exit(o))
	}
}

// wants checks what a call gave.
func (h *harness) wants(o Observation, output string, code int) {
	h.t.Helper()
	if text(o) != output || exit(o) != code {
		h.t.Errorf("got %.2000q, exit code %d; want %.2000q, %d", text(o), exit(o), output, code)
	}
}

// What is to be interrupted says that it is ready itself: a C-c between the
// shell's fork and the program's start would be lost.
func TestInput(t *testing.T) {
	tests := []struct {
		name, command, ready, input, output string
		code                                int
	}{
		{"a line", "echo ready; read x; echo got $x", "ready", "hello world", "got hello world", 0},
		{"blanks stay", "echo ready; IFS= read -r x; echo \"[$x]\"", "ready", "  a\\tb ", `[  a\tb ]`, 0},
		{"two lines", "echo ready; read x; read y; echo $x $y", "ready", "1\n2", "1 2", 0},
		{"an empty line", "echo ready; read x; echo \"[$x]\"", "ready", "\n", "[]", 0},
		{"Return by name", "echo ready; read x; echo \"[$x]\"", "ready", "enter", "[]", 0},
		{"end of input", "echo ready; cat; echo end", "ready", "C-d", "end", 0},
		{"interrupt", "sh -c 'echo ready; exec sleep 100'; echo not this", "ready", "C-c", "", 130},
		{"interrupt, another name", "sh -c 'echo ready; exec sleep 100'", "ready", "ctrl+C", "", 130},
		{"interrupt a shell loop", "echo ready; while :; do :; done", "ready", "C-c", "", 130},
		{"backspace", "stty -icanon; echo ready; dd bs=1 count=1 2>/dev/null | od -An -tx1", "ready", "BS", " 7f", 0},
		{"text to another shell", "echo ready; bash --norc --noprofile +o history -c 'read a; eval \"$a\"'", "ready", "echo $((6*7)); exit 5", "42", 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t)
			h.start(tt.command, tt.ready)
			h.wants(h.act(input(tt.input)), tt.output, tt.code)
			h.want("echo on", "on", 0)
		})
	}
}

func TestKeys(t *testing.T) {
	tests := []struct{ text, bytes, name string }{
		{"ENTER", "\r", "ENTER"},
		{" up ", "\x1b[A", "UP"},
		{"Left", "\x1b[D", "LEFT"},
		{"RIGHT", "\x1b[C", "RIGHT"},
		{"PGDN", "\x1b[6~", "PGDN"},
		{"HOME", "\x1b[H", "HOME"},
		{"C-c", "\x03", "CTRL+C"},
		{"c-D", "\x04", "CTRL+D"},
		{"CTRL-z", "\x1a", "CTRL+Z"},
		{"ctrl+l", "\x0c", "CTRL+L"},
		{"C-", "", ""},
		{"C-cc", "", ""},
		{"C-1", "", ""},
		{"enter now", "", ""},
		{"", "", ""},
	}
	for _, tt := range tests {
		if bytes, name, ok := key(tt.text); bytes != tt.bytes || name != tt.name || ok != (tt.bytes != "") {
			t.Errorf("%q: got %q, %q, %v; want %q, %q", tt.text, bytes, name, ok, tt.bytes, tt.name)
		}
	}
}

func TestTyped(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", "\r"},
		{"\n", "\r"},
		{"a", "a\r"},
		{"a\n", "a\r"},
		{"a\r\n", "a\r"},
		{"def f():\n  pass\n\n", "def f():\r  pass\r\r"},
	}
	for _, tt := range tests {
		if got := typed(tt.text); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestControlKeyWithoutIsInput(t *testing.T) {
	h := newHarness(t)
	h.start("echo ready; sleep 100", "ready")
	o := h.run("C-c")
	h.wants(o, "", 130)
	if !strings.Contains(o.Metadata.Suffix, "CTRL+C was sent") {
		t.Errorf("suffix %q", o.Metadata.Suffix)
	}
	if o := h.run("C-c"); exit(o) != 127 {
		t.Errorf("with nothing running it is a command: exit code %d, %q", exit(o), text(o))
	}
}

func TestSuspend(t *testing.T) {
	h := newHarness(t)
	h.start("sh -c 'echo ready; exec sleep 100'", "ready")
	o := h.act(input("C-z"))
	if exit(o) != 148 || !strings.Contains(text(o), "Stopped") {
		t.Errorf("C-z: exit code %d, %q", exit(o), text(o))
	}
	if o := h.run("jobs"); exit(o) != 0 || !strings.Contains(text(o), "Stopped") {
		t.Errorf("after it: %d, %q", exit(o), text(o))
	}
}

func TestQuiet(t *testing.T) {
	h := newHarness(t, withParams(`{"no_change_timeout_seconds": 0.3}`))
	o := h.run("echo started; sleep 100")
	h.wants(o, "started", unknownCode)
	if o.IsError || o.Timeout || o.Metadata.ExitCode != unknownCode || o.Metadata.PID != -1 || o.Metadata.WorkingDir != "" ||
		!strings.Contains(o.Metadata.Suffix, "0.3 seconds") || o.Metadata.Prefix != "" {
		t.Errorf("after no output: %+v", o)
	}
	o = h.act(`{"command":""}`)
	h.wants(o, "", unknownCode)
	if o.Metadata.Prefix == "" {
		t.Error("the second result should say that it is the rest")
	}
	o = h.run("echo no")
	h.wants(o, "", unknownCode)
	if !o.IsError || !strings.Contains(o.Metadata.Suffix, "echo no") {
		t.Errorf("a command while another runs: %+v", o)
	}
	h.wants(h.act(input("C-c")), "", 130)
	h.want("echo on", "on", 0)
}

func TestOutputKeepsACallWaiting(t *testing.T) {
	h := newHarness(t, withParams(`{"no_change_timeout_seconds": 1}`))
	// A line every tenth of the limit, for longer than the limit.
	h.wants(h.run("for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do sleep 0.1; printf .; done"), strings.Repeat(".", 15), 0)
}

func TestTimeout(t *testing.T) {
	h := newHarness(t)
	o := h.act(`{"command":"sleep 100","timeout":0.05}`)
	h.wants(o, "", unknownCode)
	if !strings.Contains(o.Metadata.Suffix, "0.05 seconds") {
		t.Errorf("suffix %q", o.Metadata.Suffix)
	}
	if !h.tool.shell.alive() || !h.tool.running {
		t.Error("the command should go on")
	}
	h.wants(h.act(input("C-c")), "", 130)
	// Nothing waits at all, and what was sent at once comes to nothing at C-c.
	h.wants(h.act(`{"command":"sleep 100","timeout":0}`), "", unknownCode)
	h.wants(h.act(input("C-c")), "", 130)
	// A timeout takes the place of the limit without output.
	h2 := newHarness(t, withParams(`{"no_change_timeout_seconds": 0.05}`))
	h2.wants(h2.act(`{"command":"sleep 0.5; echo end","timeout":60}`), "end", 0)
}

// block makes a command wait until the test lets it go on.
func (h *harness) block() (command string, release func()) {
	h.t.Helper()
	fifo := filepath.Join(h.dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		h.t.Fatal(err)
	}
	return "read released <fifo", func() {
		h.t.Helper()
		if err := os.WriteFile(fifo, []byte("go\n"), 0o600); err != nil {
			h.t.Fatal(err)
		}
	}
}

// waitEnd waits until the shell's screen has the end of the running command.
func (h *harness) waitEnd() {
	h.t.Helper()
	s := h.tool.shell.screen
	eventually(h.t, "the end of the command", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.ended != nil
	})
}

func TestEndedMeanwhile(t *testing.T) {
	tests := []struct {
		name, args, output string
		code               int
		prefix, suffix     string
	}{
		{"another command", call("echo next; false"), "late\nnext", 1, "exit code 4", "exit code 1"},
		{"more output", `{"command":""}`, "late", 4, "", "exit code 4"},
		{"input", input("lost"), "late", 4, "", "not sent"},
		{"a key", call("C-c"), "late", 4, "", "not sent"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t)
			wait, release := h.block()
			h.start("echo ready; "+wait+"; echo late; (exit 4)", "ready")
			release()
			h.waitEnd()
			o := h.act(tt.args)
			h.wants(o, tt.output, tt.code)
			if !strings.Contains(o.Metadata.Prefix, tt.prefix) || !strings.Contains(o.Metadata.Suffix, tt.suffix) {
				t.Errorf("notes %q and %q", o.Metadata.Prefix, o.Metadata.Suffix)
			}
			h.want("echo on", "on", 0)
		})
	}
}

// What a program leaves unread is a command for the shell, as at any terminal.
// It must not be taken for the end of another one.
func TestUnreadInput(t *testing.T) {
	h := newHarness(t)
	wait, release := h.block()
	h.start("echo ready; "+wait, "ready")
	h.wants(h.act(`{"command":"echo stray; (exit 9)","is_input":true,"timeout":0.01}`), "", unknownCode)
	release()
	o := h.act(`{"command":""}`)
	h.wants(o, "", 0)
	s := h.tool.shell.screen
	eventually(t, "the end of the stray command", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.latest.exitCode == 9
	})
	o = h.run("sleep 0.1; echo next; (exit 3)")
	h.wants(o, "stray\nnext", 3)
	if !strings.Contains(o.Metadata.Prefix, "after the last command") {
		t.Errorf("prefix %q", o.Metadata.Prefix)
	}
}

func TestBackgroundOutput(t *testing.T) {
	h := newHarness(t)
	wait, release := h.block()
	h.run("(" + wait + "; echo from behind) &")
	release()
	s := h.tool.shell.screen
	eventually(t, "the output", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.output.total > 0
	})
	o := h.run("echo in front")
	if !strings.HasPrefix(text(o), "from behind\nin front") || o.Metadata.Prefix == "" {
		t.Errorf("got %q, prefix %q", text(o), o.Metadata.Prefix)
	}
}

func TestNothingRuns(t *testing.T) {
	h := newHarness(t)
	for _, args := range []string{`{"command":""}`, `{"command":"  \n"}`, input("x"), input("")} {
		if o := h.act(args); !o.IsError || o.ExitCode != nil || o.Metadata.ExitCode != unknownCode {
			t.Errorf("%s: %+v", args, o)
		}
	}
	if h.tool.shell != nil {
		t.Error("a shell was started for nothing")
	}
}

func TestReset(t *testing.T) {
	h := newHarness(t)
	h.run("V=1; cd /")
	old := h.tool.shell
	h.start("echo ready; sleep 100", "ready")
	o := h.act(`{"command":"","reset":true}`)
	if o.Command != "[RESET]" || exit(o) != 0 || o.IsError || text(o) == "" {
		t.Errorf("reset: %+v", o)
	}
	if left := sessionOf(t, old.pid); old.alive() || len(left) > 0 {
		t.Errorf("of the old shell %v is left", left)
	}
	h.want(`echo "[$V]" $PWD`, "[] "+h.dir, 0)
	h.run("V=1")
	o = h.act(`{"command":"echo \"[$V]\"; false","reset":true}`)
	if o.Command != `[RESET] echo "[$V]"; false` || exit(o) != 1 || !strings.HasSuffix(text(o), "\n\n[]") {
		t.Errorf("reset with a command: %+v", o)
	}
	_, err := h.try(context.Background(), `{"command":"x","reset":true,"is_input":true}`, func(string) {})
	if argErr := (*tool.ArgumentError)(nil); !errors.As(err, &argErr) {
		t.Errorf("reset with input: %v", err)
	}
	h.want("echo on", "on", 0)
}

func TestShellEnds(t *testing.T) {
	tests := []struct {
		name, command, output string
		code                  int
	}{
		{"exit", "echo bye; exit 3", "bye", 3},
		{"exit 0", "exit 0", "exit", 0},
		{"killed", "echo bye; kill -9 $$", "bye", 137},
		{"replaced", "exec sh -c 'echo other; exit 5'", "other", 5},
		{"errexit", "set -e; false", "", 1},
		{"with a job", "sleep 100 & exit 6", "", 6},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t)
			h.run("V=1; cd /")
			pid := h.tool.shell.pid
			o := h.run(tt.command)
			if exit(o) != tt.code || !strings.Contains(text(o), tt.output) {
				t.Errorf("got %q, %d", text(o), exit(o))
			}
			if !strings.Contains(o.Metadata.Suffix, "The shell itself ended") {
				t.Errorf("suffix %q", o.Metadata.Suffix)
			}
			if left := sessionOf(t, pid); len(left) > 0 {
				t.Errorf("processes %v are left", left)
			}
			o = h.run(`echo "[$V]" $PWD`)
			h.wants(o, "[] "+h.dir, 0)
			if !strings.Contains(o.Metadata.Prefix, "new one") {
				t.Errorf("prefix %q", o.Metadata.Prefix)
			}
			if o := h.run("echo on"); o.Metadata.Prefix != "" {
				t.Errorf("the note came twice: %q", o.Metadata.Prefix)
			}
		})
	}
}

func TestShellDiesBetweenCalls(t *testing.T) {
	h := newHarness(t)
	h.run("V=1")
	kill := func() {
		sh := h.tool.shell
		if err := syscall.Kill(sh.pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-sh.exited
	}
	kill()
	o := h.run("echo \"[$V]\"")
	h.wants(o, "[]", 0)
	if !strings.Contains(o.Metadata.Prefix, "exit code 137") {
		t.Errorf("prefix %q", o.Metadata.Prefix)
	}
	h.start("echo ready; sleep 100", "ready")
	kill()
	o = h.act(`{"command":""}`)
	if exit(o) != 137 || !strings.Contains(o.Metadata.Suffix, "ended") {
		t.Errorf("waiting for output: %+v", o)
	}
	h.want("echo on", "on", 0)
	h.start("echo ready; sleep 100", "ready")
	kill()
	o = h.run("echo next")
	h.wants(o, "next", 0)
	if !strings.Contains(o.Metadata.Prefix, "exit code 137") {
		t.Errorf("prefix %q", o.Metadata.Prefix)
	}
}

func TestCancel(t *testing.T) {
	tests := []struct {
		name, command string
		code          int
		kept          bool
		suffix        string
	}{
		{"a program", "echo ready; sleep 100; echo not this", 130, true, "C-c"},
		{"a pipeline", "echo ready; sleep 100 | cat | cat", 130, true, "C-c"},
		{"a script", "sh -c 'echo ready; sleep 100; sleep 100'", 130, true, "C-c"},
		{"a shell loop", "echo ready; while :; do :; done", 130, true, "C-c"},
		{"a loop of programs", "echo ready; while :; do sleep 0.01; done", 130, true, "C-c"},
		{"a program with keys of its own", "stty raw; echo ready; sleep 100", 130, true, "C-c"},
		{"a program that ignores it", "(trap '' INT; echo ready; sleep 100; sleep 100)", 137, true, "killed"},
		{"a shell that ignores it", "trap '' INT; echo ready; while :; do :; done", 137, false, "with the shell"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t)
			h.tool.grace = 300 * time.Millisecond
			h.run("V=1")
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			w := newWatcher("ready")
			go func() {
				<-w.seen
				cancel()
			}()
			o := h.actContext(ctx, call(tt.command), w.write)
			if text(o) != "ready" && !strings.HasPrefix(text(o), "ready\n") || exit(o) != tt.code || strings.Contains(text(o), "not this") {
				t.Errorf("got %q, exit code %d", text(o), exit(o))
			}
			if !strings.Contains(o.Metadata.Suffix, "Interrupted") || !strings.Contains(o.Metadata.Suffix, tt.suffix) {
				t.Errorf("suffix %q", o.Metadata.Suffix)
			}
			o = h.run(`echo "[$V]"`)
			want := "[1]"
			if !tt.kept {
				want = "[]"
				if o.Metadata.Prefix == "" {
					t.Error("the loss of the shell goes unsaid")
				}
			}
			h.wants(o, want, 0)
		})
	}
}

func TestCancelledBefore(t *testing.T) {
	h := newHarness(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range 2 {
		o := h.actContext(ctx, call("echo ran"), func(string) {})
		if strings.Contains(text(o), "ran") || !strings.Contains(o.Metadata.Suffix, "Interrupted") || exit(o) != 130 {
			t.Errorf("got %+v", o)
		}
		h.want("echo on", "on", 0)
	}
}

// Cancelled at any moment, a command ends and the shell stays.
func TestCancelAnywhere(t *testing.T) {
	h := newHarness(t)
	h.run("V=1")
	long := call(": '" + strings.Repeat("some text to send\n", 2000) + "'; sleep 100")
	for i := range 30 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*100*time.Microsecond)
		o := h.actContext(ctx, long, func(string) {})
		cancel()
		if exit(o) != 130 && exit(o) != 0 {
			t.Errorf("%d: exit code %d, %q", i, exit(o), o.Metadata.Suffix)
		}
		if o := h.run("echo $V"); text(o) != "1" || exit(o) != 0 {
			t.Fatalf("%d: then got %q, exit code %d, %+v", i, text(o), exit(o), o.Metadata)
		}
	}
}

func TestRefusals(t *testing.T) {
	h := newHarness(t, func(_ *tool.Env, o *Options) { o.Environ = append(o.Environ, idleVariable+"=100") })
	tests := []struct{ name, args, says string }{
		{"several commands", call("touch a\ntouch b"), "(2) touch b"},
		{"data", call(`["touch", "a"]`), "data"},
		{"a long timeout", `{"command":"touch a","timeout":91}`, "at most 90 seconds"},
		{"reset and several commands", `{"command":"touch a\ntouch b","reset":true}`, "(1) touch a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := h.act(tt.args)
			if !o.IsError || o.ExitCode != nil || !strings.Contains(text(o), tt.says) || o.Metadata.ExitCode != unknownCode {
				t.Errorf("got %+v", o)
			}
		})
	}
	if h.tool.shell != nil {
		t.Error("a shell was started for nothing")
	}
	h.wants(h.act(`{"command":"ls","timeout":90}`), "", 0)
	h.start("echo ready; read x; read y; echo $x $y", "ready")
	h.wants(h.act(input("several\nlines")), "several lines", 0)
}
