//go:build unix

package main

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// console is the program on a terminal of its own.
type console struct {
	t    *testing.T
	cmd  *exec.Cmd
	pty  *os.File
	gate net.Listener // what the peer waits for
	log  string

	mu     sync.Mutex
	screen strings.Builder
	more   chan struct{} // holds a token when there is more on the screen
	ended  chan struct{}
	seen   int
}

const patience = 20 * time.Second

// onTerminal starts the program on a terminal of 80 columns.
func onTerminal(t *testing.T, peer string, env []string, args ...string) *console {
	t.Helper()
	return start(t, peer, env, binary(t), args...)
}

func start(t *testing.T, peer string, env []string, program string, args ...string) *console {
	t.Helper()
	gate, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x := &console{t: t, gate: gate, log: filepath.Join(t.TempDir(), "log"), more: make(chan struct{}, 1), ended: make(chan struct{})}
	x.cmd = exec.Command(program, args...)
	x.cmd.Env = append(os.Environ(), "TERM=xterm-256color", "NO_COLOR=", "GORACE=atexit_sleep_ms=0", "HOME="+t.TempDir(),
		"PEER="+peer, "PEER_GATE="+gate.Addr().String(), "PEER_LOG="+x.log)
	x.cmd.Env = append(x.cmd.Env, env...)
	x.pty, err = pty.StartWithSize(x.cmd, &pty.Winsize{Rows: 40, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(x.ended)
		buf := make([]byte, 4096)
		for {
			n, err := x.pty.Read(buf)
			x.mu.Lock()
			x.screen.Write(buf[:n])
			x.mu.Unlock()
			select {
			case x.more <- struct{}{}:
			default:
			}
			if err != nil { // EIO: the program ended
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = gate.Close()
		_ = x.cmd.Process.Kill() // gone already unless the test failed
		<-x.ended
		_ = x.pty.Close()
	})
	return x
}

// see waits until there is a text after what was seen before.
func (x *console) see(text string) {
	x.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		x.mu.Lock()
		screen := x.screen.String()
		x.mu.Unlock()
		if i := strings.Index(screen[x.seen:], text); i >= 0 {
			x.seen += i + len(text)
			return
		}
		select {
		case <-x.more:
		case <-x.ended:
			x.t.Fatalf("the program ended without %q; screen:\n%q", text, screen[x.seen:])
		case <-deadline.C:
			x.t.Fatalf("no %q within %s; screen:\n%q", text, patience, screen[x.seen:])
		}
	}
}

func (x *console) press(keys string) {
	x.t.Helper()
	if _, err := x.pty.WriteString(keys); err != nil {
		x.t.Fatal(err)
	}
}

// open lets the peer go on. It waits until the peer is at the gate.
func (x *console) open() {
	x.t.Helper()
	conn, err := x.gate.Accept()
	if err != nil {
		x.t.Fatal(err)
	}
	_ = conn.Close()
}

// exits waits for the end.
func (x *console) exits(want int) {
	x.t.Helper()
	err := x.cmd.Wait()
	<-x.ended
	code := 0
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		code = failed.ExitCode()
	}
	if code != want {
		x.t.Errorf("exit code %d, want %d; screen:\n%s", code, want, x.whole())
	}
}

func (x *console) whole() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.screen.String()
}

// sent tells whether the client sent a request.
func (x *console) sent(text string) bool {
	x.t.Helper()
	log, err := os.ReadFile(x.log)
	if err != nil {
		x.t.Fatal(err)
	}
	return strings.Contains(string(log), text)
}

func TestApprove(t *testing.T) {
	x := onTerminal(t, "ask", nil, "run", "Clean up")
	x.see("Clean up")
	x.open()
	x.see("HIGH RISK")
	x.see("remember this command")
	x.see("Approve? ")
	x.press("y")
	x.see("Approve? y"[len("Approve? "):])
	x.see("Removed.")
	x.see("Finished")
	x.exits(exitFinished)
	if !x.sent(`conversation/confirm {"id":"7f3a19c2-1111-4222-8333-944455556666","requestId":"request-1","decision":"approve"}`) {
		t.Error("no approval was sent")
	}
}

// Enter alone, a key that means nothing, a pasted text: each asks again. What
// was typed before the question is thrown away.
func TestNothingIsApprovedByMistake(t *testing.T) {
	x := onTerminal(t, "ask", nil, "run", "Clean up")
	x.see("Clean up")
	x.see("Thinking") // the program holds the terminal now
	x.press("y\ny\n")
	x.open()
	x.see("Approve? ")
	for _, keys := range []string{"\r", "x", "yes please\r", "\x1b[A", "q\r"} {
		x.press(keys)
		x.see("Approve? ")
	}
	x.press("n")
	x.see("rejected")
	x.see("Rejected by you")
	x.exits(exitInterrupted)
	if x.sent(`"decision":"approve"`) || !x.sent(`"decision":"reject"}`) {
		t.Error("what was sent is not one rejection")
	}
	if strings.Contains(x.whole(), "y\r\ny") {
		t.Errorf("keys were shown while nobody asked:\n%s", x.whole())
	}
}

func TestRejectWithReason(t *testing.T) {
	x := onTerminal(t, "ask", nil, "run", "Clean up")
	x.open()
	x.see("Approve? ")
	x.press("r")
	x.see("Reason? ")
	x.press("\r") // no reason: back to the question
	x.see("Approve? ")
	x.press("r")
	x.see("Reason? ")
	x.press("list thexé")
	x.see("list thexé")
	x.press("\x7f\x7f")
	x.press("m first")
	x.see("list them first")
	x.press("\r")
	x.see(`rejected: "list them first"`)
	x.see("Then I list them.")
	x.exits(exitFinished)
	if !x.sent(`"decision":"reject","reason":"list them first"`) {
		t.Error("the reason was not sent")
	}
}

func TestRemember(t *testing.T) {
	x := onTerminal(t, "ask", nil, "run", "Clean up")
	x.open()
	x.see("Approve? ")
	x.press("A")
	x.see("Finished")
	x.exits(exitFinished)
	if !x.sent(`"decision":"approve","remember":{"scope":"workspace"}`) {
		t.Error("remember was not sent")
	}
}

// Ctrl+C at the question leaves everything as it is.
func TestCtrlCAtTheQuestion(t *testing.T) {
	x := onTerminal(t, "ask", nil, "run", "Clean up")
	x.open()
	x.see("Approve? ")
	x.press("\x03")
	x.see("nothing was run")
	x.exits(exitInterrupted)
	if x.sent("conversation/confirm") || x.sent("conversation/interrupt") {
		t.Error("Ctrl+C at the question sent something")
	}
}

// A server that never answers keeps nobody either.
func TestCtrlCWhileStarting(t *testing.T) {
	x := onTerminal(t, "mute", nil, "run", "Build it")
	x.open() // the server runs
	x.press("\x03")
	x.exits(exitInterrupted)
}

// NO_COLOR keeps the layout.
func TestNoColor(t *testing.T) {
	x := onTerminal(t, "finish", []string{"NO_COLOR=1", "PEER_GATE="}, "run", "Test it")
	x.see("✓ Finished · 2 steps")
	x.exits(exitFinished)
	if colored := regexp.MustCompile(`\x1b\[[0-9;]*m`).FindString(x.whole()); colored != "" {
		t.Errorf("there is a colour: %q", colored)
	}
}

func TestContinueWaiting(t *testing.T) {
	x := onTerminal(t, "ask", []string{"PEER_GATE="}, "run", "-c", "7f3b0")
	x.see("HIGH RISK")
	x.see("Approve? ")
	x.press("\x03")
	x.exits(exitInterrupted)
}

func TestPause(t *testing.T) {
	x := onTerminal(t, "slow", []string{"PEER_PAUSES=1"}, "run", "Build it")
	x.see("npm run build")
	x.press("\x03")
	x.see("Pausing after npm run build… Ctrl+C again stops it now.")
	x.see("Paused")
	x.exits(exitInterrupted)
	if !x.sent("conversation/pause") || x.sent("conversation/interrupt") {
		t.Error("one Ctrl+C is one pause")
	}
}

func TestInterrupt(t *testing.T) {
	x := onTerminal(t, "slow", nil, "run", "Build it")
	x.see("npm run build")
	x.press("\x03")
	x.see("Pausing after")
	x.see("pausing · Ctrl+C stop")
	x.press("\x03")
	x.see("Stopped by you during npm run build; its processes have ended")
	x.exits(exitInterrupted)
	if !x.sent("conversation/interrupt") {
		t.Error("the second Ctrl+C is an interrupt")
	}
}

// SIGTERM does not wait for the step.
func TestTerminate(t *testing.T) {
	x := onTerminal(t, "slow", []string{"PEER_STOPS=1"}, "run", "Build it")
	x.see("npm run build")
	if err := x.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	x.see("Stopped by you during npm run build")
	x.exits(exitInterrupted)
	if x.sent("conversation/pause") {
		t.Error("SIGTERM paused")
	}
}

// A server that does not stop keeps nobody: the third Ctrl+C leaves.
func TestThirdCtrlC(t *testing.T) {
	x := onTerminal(t, "deaf", nil, "run", "Build it")
	x.see("npm run build")
	for _, answer := range []string{"Pausing after", "Stopping"} {
		x.press("\x03")
		x.see(answer)
	}
	x.press("\x03")
	x.exits(exitInterrupted)
}

// The terminal is given back as it was, and nothing of the live lines stays.
func TestTerminalIsGivenBack(t *testing.T) {
	x := onTerminal(t, "finish", nil, "run", "Test it")
	x.see("ok") // the live line of the command
	x.see("Ctrl+C pause")
	x.open()
	x.see("Finished")
	x.exits(exitFinished)
	saved, err := quiet(x.pty)
	if err != nil {
		t.Skip("the terminal of a program that ended can't be asked here")
	}
	if saved.Lflag&(syscall.ECHO|syscall.ICANON) != syscall.ECHO|syscall.ICANON {
		t.Error("echo or line editing is off still")
	}
}

// Where only stdout is redirected the question is put on stderr.
func TestQuestionWithRedirectedOutput(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no sh")
	}
	x := start(t, "ask", []string{"PEER_GATE="}, sh, "-c", binary(t)+" run 'Clean up' >"+out)
	x.see("HIGH RISK")
	x.see("Approve? ")
	x.press("y")
	x.exits(exitFinished)
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(got), "\nok    Run cd build && rm -rf ./cache (1.0s)\n") || strings.Contains(string(got), "\x1b") {
		t.Errorf("the file holds:\n%s", got)
	}
}

// A terminal that can do nothing shows all that is approved, in plain text.
func TestQuestionOnADumbTerminal(t *testing.T) {
	x := onTerminal(t, "ask", []string{"TERM=dumb", "PEER_GATE="}, "run", "Clean up")
	x.see("ask   Run cd build && rm -rf ./cache [HIGH: deletes 3 files]")
	x.see("y approve, n reject, r reject with reason, a remember this command")
	x.see("Approve? ")
	x.press("y")
	x.see("done  finished")
	x.exits(exitFinished)
	if strings.Contains(x.whole(), "\x1b") {
		t.Errorf("control sequences on a dumb terminal: %q", x.whole())
	}
}

// On a terminal the user answers the demonstration's approval.
func TestDemoAsks(t *testing.T) {
	x := onTerminal(t, "ask", []string{"PEER_GATE="}, "demo")
	x.see("demo: scripted model, no network, no key")
	x.see("Approve? ")
	x.press("n")
	x.see("Rejected by you")
	x.see("stored in")
	x.exits(exitInterrupted)
}

// script writes a script for the model and gives the environment that plays it.
func script(t *testing.T, text string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "model.script")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return []string{"LLM_MODEL=scripted/" + file, "HOME=" + t.TempDir()}
}

// With the real server: two Ctrl+C end what runs, with all its processes.
func TestInterruptForReal(t *testing.T) {
	dir := t.TempDir()
	env := script(t, `{"calls": [{"terminal": {"command": "echo begun; sleep 1000 & echo $! >pid; wait", "security_risk": "LOW", "summary": "Wait"}}]}`)
	x := onTerminal(t, "", env, "run", "--cwd", dir, "Wait")
	x.see("begun")
	x.press("\x03")
	x.see("Pausing after echo begun")
	x.press("\x03")
	x.see("Stopped by you during echo begun")
	x.exits(exitInterrupted)
	text, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	// It is not our child, so the system does not tell when it is gone.
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for syscall.Kill(pid, 0) == nil {
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("process %d is there still", pid)
		}
	}
}

// With the real server: what waits, because nobody could answer, is answered
// later by another process.
func TestAnswerLater(t *testing.T) {
	dir := t.TempDir()
	env := script(t, `{"calls": [{"terminal": {"command": "rm -rf ./gone", "security_risk": "HIGH", "summary": "Delete"}}]} "Deleted."`)
	if err := os.Mkdir(filepath.Join(dir, "gone"), 0o755); err != nil {
		t.Fatal(err)
	}
	first := exec.Command(binary(t), "run", "--cwd", dir, "--json", "Clean up")
	first.Env = append(os.Environ(), env...)
	out, _ := first.Output() // its exit code is looked at next
	if code := first.ProcessState.ExitCode(); code != exitWaiting {
		t.Fatalf("exit code %d, want %d:\n%s", code, exitWaiting, out)
	}
	_, rest, _ := strings.Cut(string(out), `"conversationId":"`)
	id, _, _ := strings.Cut(rest, `"`)

	x := onTerminal(t, "", env, "run", "-c", id)
	x.see("rm -rf ./gone")
	x.see("Approve? ")
	x.press("y")
	x.see("Deleted.")
	x.see("Finished")
	x.exits(exitFinished)
	if _, err := os.Stat(filepath.Join(dir, "gone")); err == nil {
		t.Error("what was approved was not done")
	}
}

// The same with the real server.
func TestDemo(t *testing.T) {
	x := onTerminal(t, "", nil, "demo")
	x.see("Edit")
	x.see("+1")
	x.see("HIGH RISK")
	x.see("Approve? ")
	x.press("y")
	x.see("Finished")
	x.see("stored in ~/.openhands/conversations/")
	x.exits(exitFinished)
}

func TestDeleteAsks(t *testing.T) {
	for answer, want := range map[string]string{"\r": "Kept.", "n\r": "Kept.", "y\r": "Deleted 91bc0000"} {
		x := onTerminal(t, "ask", nil, "conversations", "delete", "91bc")
		x.see("for good? (y/n) ")
		x.press(answer)
		x.see(want)
		x.exits(exitFinished)
	}
}
