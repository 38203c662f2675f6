//go:build linux || darwin

package terminal

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCommands(t *testing.T) {
	h := newHarness(t)
	if err := os.WriteFile(filepath.Join(h.dir, "script.sh"), []byte("exit 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	lines := strings.Repeat("it's a \\ line\n", 1500)
	long := strings.Repeat("x", 20_000)
	tests := []struct {
		name, command, output string
		code                  int
	}{
		{"output", "echo hello", "hello", 0},
		{"no output", "true", "", 0},
		{"failure", "false", "", 1},
		{"the last code is kept", "echo $?", "1", 0},
		{"code of a subshell", "(exit 7)", "", 7},
		{"code of a script", "sh script.sh", "", 3},
		{"no newline at the end", "printf 'no newline'", "no newline", 0},
		{"leading blanks stay", "printf '  a\\n b\\n'", "  a\n b", 0},
		{"leading newline stays", "printf '\\na\\n\\n\\n'", "\na", 0},
		{"unknown command", "no-such-command-here", "bash: no-such-command-here: command not found", 127},
		{"here-document", "cat <<EOF\na $((1+1)) b\n\ttab\nEOF", "a 2 b\n\ttab", 0},
		{"quoted here-document", "cat <<'EOF'\n$HOME `x` \\n ! ''' \"\nEOF", "$HOME `x` \\n ! ''' \"", 0},
		{"loop over lines", "for i in 1 2 3; do\n  echo $i\ndone", "1\n2\n3", 0},
		{"function over lines", "f() {\n  echo f $1\n}", "", 0},
		{"function stays", "f x", "f x", 0},
		{"list", "echo a; echo b && echo c || echo d", "a\nb\nc", 0},
		{"continued line", "echo a \\\n  b", "a b", 0},
		{"trailing backslash", `echo a\`, `a\`, 0},
		{"comment", "# only a comment", "", 0},
		{"comment at the end", "false # why", "", 1},
		{"escaped operators", `echo a \; b \& c \| d \< e \>`, "a ; b & c | d < e >", 0},
		{"find -exec", `find . -name script.sh -exec echo {} \;`, "./script.sh", 0},
		{"history is off", "echo !! !x !$ \"!a\"", "!! !x !$ !a", 0},
		{"percent and backslash", `printf '%s\n' '%d\n\\'`, `%d\n\\`, 0},
		{"single quotes", `echo 'it'\''s'`, "it's", 0},
		{"tabs in the command", "echo 'a\tb'", "a\tb", 0},
		{"control characters in the command", "printf %s '\x03\x04\x1a\x7f\x01' | od -An -tx1", " 03 04 1a 7f 01", 0},
		{"characters", "echo 'grüße 你好 🎉'", "grüße 你好 🎉", 0},
		{"20 KB", "echo " + long + " | wc -c", "20001", 0},
		{"20 KB of lines", "cat <<'EOF' | cksum\n" + lines + "EOF", cksum(t, lines), 0},
		{"stderr", "echo err >&2", "err", 0},
		{"a terminal", "test -t 0 && test -t 1 && test -t 2 && stty size", "200 256", 0},
		{"marks in the output", "echo '###PS1JSON###'; echo '###PS1END###'", "###PS1JSON###\n###PS1END###", 0},
		{"trace", "set -x; echo a; set +x", "++ echo a\na\n++ set +x", 0},
		{"unset variables", "set -u; echo $nothing_here", "bash: nothing_here: unbound variable", 1},
		{"goes on after set -u", "echo on; set +u", "on", 0},
		{"variable", "V='a b'", "", 0},
		{"variable stays", `echo "$V"`, "a b", 0},
		{"alias", "alias hi='echo hi there'", "", 0},
		{"alias stays", "hi", "hi there", 0},
		{"return outside of a function", "return 2>/dev/null", "", 2},
		{"carriage returns", `printf '10%%\r50%%\r100%%\ndone\r\n'`, "100%\ndone", 0},
		{"colours stay", `printf '\033[31mred\033[0m\033[6n\033]10;?\007\033[c\033[2Kx\n'`, "\x1b[31mred\x1b[0mx", 0},
		{"posix mode", "set -o posix; true; set +o posix", "", 0},
		{"a mode of its own", "stty echo onlcr -icanon", "", 0},
		{"modes are put back", "echo a; echo b", "a\nb", 0},
		{"a nested shell", "bash --norc -c 'echo $0 $PS1'", "bash", 0},
		{"no history file", `echo "[$HISTFILE]"; history | wc -l`, "[]\n0", 0},
		{"a deep stack of quotes", `bash -c "bash -c 'echo \"\$(echo \"in\")\"'"`, "in", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h.t = t
			h.want(tt.command, tt.output, tt.code)
		})
	}
}

func TestBrokenSyntax(t *testing.T) {
	h := newHarness(t)
	for _, command := range []string{`echo "abc`, "echo 'abc", "echo `abc", "echo $(abc", "if true", "for i in 1; do", "f() {", "echo )", "echo ${a b}", "cat <<<"} {
		o := h.run(command)
		if exit(o) == 0 || exit(o) == unknownCode || text(o) == "" || o.IsError {
			t.Errorf("%s: exit code %d, output %q", command, exit(o), text(o))
		}
		h.want("echo on", "on", 0)
	}
	// What bash warns of differs between its versions.
	if o := h.run("cat <<EOF\nno end"); exit(o) != 0 || !strings.HasSuffix(text(o), "no end") {
		t.Errorf("here-document without end: %q", text(o))
	}
}

func TestAllBytes(t *testing.T) {
	for _, shell := range []string{"bash", "sh"} {
		t.Run(shell, func(t *testing.T) {
			h := newHarness(t, withParams(`{"shell_path": "`+shell+`"}`))
			var all strings.Builder
			for b := range 0x80 {
				if b != 0 {
					all.WriteByte(byte(b))
				}
			}
			all.WriteString("äöü€🎉")
			data := strings.Repeat(all.String(), 30)
			h.want("printf %s "+quote(data)+" | cksum", cksum(t, data), 0)
		})
	}
}

func TestLongCommand(t *testing.T) {
	h := newHarness(t)
	data := strings.Repeat("0123456789abcdé\n", 20_000)
	h.want("cksum <<'EOF'\n"+data+"EOF", cksum(t, data), 0)
	if pid := h.tool.shell.pid; mustSession(t, pid) != pid {
		t.Error("the shell has no session of its own")
	}
}

// cksum gives what the program of that name says of text.
func cksum(t *testing.T, text string) string {
	t.Helper()
	cmd := exec.Command("cksum")
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func mustSession(t *testing.T, pid int) int {
	t.Helper()
	sid, err := unix.Getsid(pid)
	if err != nil {
		t.Fatal(err)
	}
	return sid
}

func TestMetadata(t *testing.T) {
	h := newHarness(t)
	names := []string{"plain", "with space", `quote"and'`, "back\\slash", "dollar$(date)`x`", "new\nline", "ünï", "!bang", "per%cent\\n"}
	for _, name := range names {
		dir := filepath.Join(h.dir, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		o := h.run("cd " + quote(dir))
		if o.Metadata.WorkingDir != dir {
			t.Errorf("working dir %q, want %q; output %q", o.Metadata.WorkingDir, dir, text(o))
		}
	}
	o := h.run("sleep 100 & cd " + quote(h.dir))
	if o.Metadata.PID <= 1 || o.Metadata.ExitCode != 0 || exit(o) != 0 {
		t.Errorf("after a background command: %+v", o.Metadata)
	}
	if o.Metadata.Username != h.tool.user || o.Metadata.Hostname != h.tool.host || h.tool.host == "" {
		t.Errorf("user and host: %+v", o.Metadata)
	}
	python := filepath.Join(h.dir, "python")
	if err := os.WriteFile(python, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if o := h.run("PATH=$PWD:$PATH"); o.Metadata.PyInterpreterPath != python {
		t.Errorf("python is %q, want %q", o.Metadata.PyInterpreterPath, python)
	}
	if o := h.run("cd /; PATH=/nothing"); o.Metadata.PyInterpreterPath != "" || o.Metadata.WorkingDir != "/" {
		t.Errorf("without python: %+v", o.Metadata)
	}
}

func BenchmarkCommand(b *testing.B) {
	h := newHarness(b)
	h.want("true", "", 0)
	for b.Loop() {
		h.want("true", "", 0)
	}
}

func BenchmarkStart(b *testing.B) {
	h := newHarness(b)
	for b.Loop() {
		h.act(`{"command":"true","reset":true}`)
	}
}
