//go:build unix

package workspace

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain also makes this binary a program that writes the files of
// its arguments, to be run as an unprivileged user: root may write anywhere.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "write-as-user" {
		w, err := Open(os.Args[2], false)
		if err != nil {
			fmt.Println("open:", err)
			os.Exit(1)
		}
		for _, path := range os.Args[3:] {
			fmt.Println(path, w.WriteFile(path, []byte("new")))
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestWriteFileWithoutPermission runs as a user who may not do everything.
func TestWriteFileWithoutPermission(t *testing.T) {
	dir := t.TempDir()
	// The user must get at it.
	for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	locked := filepath.Join(dir, "locked")
	write(t, filepath.Join(locked, "writable"), "old")
	write(t, filepath.Join(locked, "readonly"), "old")
	write(t, filepath.Join(dir, "open", "readonly"), "old")
	for path, mode := range map[string]os.FileMode{
		"locked/writable": 0o666, "locked/readonly": 0o444, "open/readonly": 0o444, "open": 0o777, "locked": 0o555,
	} {
		if err := os.Chmod(filepath.Join(dir, path), mode); err != nil {
			t.Fatal(err)
		}
	}
	defer func() { _ = os.Chmod(locked, 0o755) }()
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, self, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "write-as-user", dir, "locked/writable", "locked/readonly", "locked/new", "open/readonly", "open/new")
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		path, result, _ := strings.Cut(strings.TrimSpace(line), " ")
		ok := path == "locked/writable" || path == "open/new"
		if ok != (result == "<nil>") || !ok && !strings.Contains(result, "permission denied") {
			t.Errorf("%s: %s", path, result)
		}
		want := map[bool]string{true: "new", false: "old"}[ok]
		if path != "locked/new" && read(t, filepath.Join(dir, path)) != want {
			t.Errorf("%s holds %s", path, read(t, filepath.Join(dir, path)))
		}
	}
	wantNames(t, locked, "readonly", "writable")
	wantNames(t, filepath.Join(dir, "open"), "new", "readonly")
}

func TestWriteFileKeepsTheOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	w := mustOpen(t)
	path := filepath.Join(w.Root(), "file")
	write(t, path, "old")
	if err := errors.Join(os.Chown(path, 1234, 5678), os.Chmod(path, 0o755|os.ModeSetuid)); err != nil {
		t.Fatal(err)
	}
	if err := w.WriteFile(path, []byte("new")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st := info.Sys().(*syscall.Stat_t); st.Uid != 1234 || st.Gid != 5678 || info.Mode() != 0o755|os.ModeSetuid {
		t.Errorf("owner %d:%d, mode %v", st.Uid, st.Gid, info.Mode())
	}
}

func TestPipesAreNotOpened(t *testing.T) {
	w := mustOpen(t)
	if err := syscall.Mkfifo(filepath.Join(w.Root(), "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	// Opening one would wait for ever.
	if _, err := w.ReadFile("pipe"); !errors.Is(err, ErrNotRegular) {
		t.Errorf("ReadFile: %v", err)
	}
	if err := w.WriteFile("pipe", nil); !errors.Is(err, ErrNotRegular) {
		t.Errorf("WriteFile: %v", err)
	}
	if r := w.Upload(filepath.Join(w.Root(), "pipe"), "x"); r.Success {
		t.Errorf("Upload: %+v", r)
	}
}

func TestExecute(t *testing.T) {
	t.Setenv("LLM_API_KEY", "sk-secret")
	t.Setenv("SESSION_API_KEY", "sk-secret")
	t.Setenv("WORKSPACE_TEST", "seen")
	w := mustOpen(t)
	write(t, filepath.Join(w.Root(), "sub", "file"), "text")
	for _, c := range []struct {
		name string
		in   Command
		want CommandResult
	}{
		{"output", Command{Line: "echo out; echo err >&2"}, CommandResult{Stdout: "out\n", Stderr: "err\n"}},
		{"exit code", Command{Line: "exit 7"}, CommandResult{ExitCode: 7}},
		{"signal", Command{Line: "kill -TERM $$"}, CommandResult{ExitCode: 143}},
		{"no such command", Command{Line: "nosuchcommand-x 2>/dev/null"}, CommandResult{ExitCode: 127}},
		{"directory", Command{Line: "cat file", Dir: "sub"}, CommandResult{Stdout: "text"}},
		{"absolute directory", Command{Line: "pwd", Dir: "/"}, CommandResult{Stdout: "/\n"}},
		{"no input", Command{Line: "cat; echo end"}, CommandResult{Stdout: "end\n"}},
		{"quotes", Command{Line: `printf '%s|' "a b" 'c"d' $((1+1))`}, CommandResult{Stdout: `a b|c"d|2|`}},
		{"several lines", Command{Line: "x=1\necho $x\n"}, CommandResult{Stdout: "1\n"}},
		{"environment", Command{Line: `echo "$WORKSPACE_TEST$LLM_API_KEY$SESSION_API_KEY"`}, CommandResult{Stdout: "seen\n"}},
		{"own environment", Command{Line: `echo "$A$WORKSPACE_TEST"`, Env: []string{"A=b"}}, CommandResult{Stdout: "b\n"}},
		{"no limit", Command{Line: "true", Timeout: -1}, CommandResult{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.want.Command = c.in.Line
			got, err := w.Execute(t.Context(), c.in)
			if err != nil || got != c.want {
				t.Errorf("got %+v, %v\nwant %+v", got, err, c.want)
			}
		})
	}
	if _, err := w.Execute(t.Context(), Command{Line: "true", Dir: "none"}); err == nil {
		t.Error("ran in a directory that is not there")
	}
}

func TestExecuteBoundsOutput(t *testing.T) {
	w := mustOpen(t)
	r, err := w.Execute(t.Context(), Command{Line: "echo first; head -c 5000000 /dev/zero | tr '\\0' x; echo; echo last", Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Stdout) > maxOutput+100 || !strings.HasPrefix(r.Stdout, "first\nxxx") || !strings.HasSuffix(r.Stdout, "xxx\nlast\n") || !strings.Contains(r.Stdout, " bytes left out …]\n") {
		t.Errorf("%d bytes: %.20q … %.20q", len(r.Stdout), r.Stdout, r.Stdout[max(0, len(r.Stdout)-20):])
	}
}

// witness is a named pipe that a command's processes hold open: it ends when
// the last of them has.
func witness(t *testing.T, w *Local) (gone func() error) {
	t.Helper()
	path := filepath.Join(w.Root(), "witness")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return func() error {
		if err := f.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			return err
		}
		_, err := io.Copy(io.Discard, f)
		return err
	}
}

func TestExecuteTimeout(t *testing.T) {
	w := mustOpen(t)
	gone := witness(t, w)
	// A child and a grandchild hold the pipe and the output.
	line := "exec 3>witness; echo begun; (trap '' TERM; sleep 1000) & sleep 1000"
	r, err := w.Execute(t.Context(), Command{Line: line, Timeout: 300 * time.Millisecond})
	if want := (CommandResult{Command: line, ExitCode: -1, Stdout: "begun\n", TimeoutOccurred: true}); err != nil || r != want {
		t.Errorf("got %+v, %v", r, err)
	}
	if err := gone(); err != nil {
		t.Errorf("processes are left: %v", err)
	}
}

func TestExecuteCancel(t *testing.T) {
	w := mustOpen(t)
	gone := witness(t, w)
	ready := filepath.Join(w.Root(), "ready")
	if err := syscall.Mkfifo(ready, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		// Opens when the command does.
		f, err := os.Open(ready)
		if err == nil {
			_ = f.Close()
		}
		cancel()
	}()
	r, err := w.Execute(ctx, Command{Line: "exec 3>witness; echo begun; : >ready; sleep 1000 | sleep 1000"})
	if !errors.Is(err, context.Canceled) || r.ExitCode != -1 || r.TimeoutOccurred || r.Stdout != "begun\n" {
		t.Errorf("got %+v, %v", r, err)
	}
	if err := gone(); err != nil {
		t.Errorf("processes are left: %v", err)
	}
	if r, err := w.Execute(ctx, Command{Line: "echo x"}); !errors.Is(err, context.Canceled) || r.Stdout != "" {
		t.Errorf("after the cancel: %+v, %v", r, err)
	}
}

// TestExecuteLeavesNothingBehind ends a shell that has a background process; it
// must not wait for that one.
func TestExecuteLeavesNothingBehind(t *testing.T) {
	w := mustOpen(t)
	gone := witness(t, w)
	r, err := w.Execute(t.Context(), Command{Line: "exec 3>witness; sleep 1000 & echo done", Timeout: time.Minute})
	if err != nil || r.Stdout != "done\n" || r.ExitCode != 0 {
		t.Errorf("got %+v, %v", r, err)
	}
	if err := gone(); err != nil {
		t.Errorf("processes are left: %v", err)
	}
}

// TestExecuteDoesNotWaitForADaemon starts a process that leaves the group and
// keeps the output open.
func TestExecuteDoesNotWaitForADaemon(t *testing.T) {
	if _, err := exec.LookPath("setsid"); err != nil {
		t.Skip("no setsid here")
	}
	w := mustOpen(t)
	r, err := w.Execute(t.Context(), Command{Line: "mkfifo p; setsid sh -c 'echo $$; echo >p; exec sleep 1000' & read x <p; echo done", Timeout: time.Minute})
	lines := bufio.NewScanner(strings.NewReader(r.Stdout))
	for lines.Scan() {
		if pid, err := strconv.Atoi(lines.Text()); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	if err != nil || !strings.Contains(r.Stdout, "done\n") {
		t.Errorf("got %+v, %v", r, err)
	}
}

// What a command is given to read, and what it does not read.
func TestExecuteInput(t *testing.T) {
	w, err := Open(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("line\n", 1<<18)
	for line, want := range map[string]string{
		"cat | wc -c | tr -d ' '": strconv.Itoa(len(large)) + "\n",
		"echo none":               "none\n",
		"read a; echo $a":         "line\n",
	} {
		r, err := w.Execute(t.Context(), Command{Line: line, Input: large})
		if err != nil || r.Stdout != want || r.ExitCode != 0 {
			t.Errorf("%s: %+v, %v", line, r, err)
		}
	}
}
