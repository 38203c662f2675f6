//go:build linux || darwin

package terminal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// isGone tells that a process does not run.
func isGone(pid int) bool {
	all, err := processes()
	if err != nil {
		return false
	}
	for _, p := range all {
		if p.pid == pid {
			return false
		}
	}
	return true
}

func TestCloseEndsAll(t *testing.T) {
	tests := []struct{ name, command string }{
		{"a job", "sleep 100 & echo pid $!"},
		{"several jobs", "sleep 100 & echo pid $!; sleep 100 | cat & echo pid $!"},
		{"a job that ignores hanging up", "nohup sleep 100 >/dev/null 2>&1 & echo pid $!"},
		{"a job that ignores all", "(trap '' HUP TERM INT; echo set; sleep 100; sleep 100) & echo pid $!"},
		{"a disowned job", "sleep 100 & echo pid $!; disown -a"},
		{"a job in its own session", "setsid sleep 100 & echo pid $!"},
		{"a daemon", "setsid sh -c 'sleep 100 >/dev/null 2>&1 & echo pid $!' | cat"},
		{"a daemon that has a child", "setsid sh -c '(sh -c \"sleep 100 & env -u AGENT_RPC_TERMINAL sleep 100\" >/dev/null 2>&1 & echo pid $!)' | cat"},
		{"a stopped job", "sleep 100 & echo pid $!; kill -STOP $!"},
		{"a shell that ignores all", "trap '' HUP TERM INT; sleep 100 & echo pid $!"},
		{"a subshell's job", "(sleep 100 & echo pid $!; sleep 100) & echo pid $!"},
		{"nothing", "true"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t)
			o := h.run(tt.command)
			sh := h.tool.shell
			pids := []int{sh.pid}
			for line := range strings.Lines(text(o)) {
				if number, ok := strings.CutPrefix(strings.TrimSpace(line), "pid "); ok {
					pid, err := strconv.Atoi(number)
					if err != nil {
						t.Fatal(err)
					}
					pids = append(pids, pid)
				}
			}
			if err := h.tool.Close(); err != nil {
				t.Fatal(err)
			}
			for _, pid := range pids {
				if !isGone(pid) {
					t.Errorf("process %d still runs", pid)
				}
			}
			if left := sessionOf(t, sh.pid); len(left) > 0 {
				t.Errorf("processes %v are left in the session", left)
			}
			if _, err := h.try(context.Background(), call("echo no"), func(string) {}); !errors.Is(err, errClosed) {
				t.Errorf("a call after Close: %v", err)
			}
		})
	}
}

func TestCloseDuringACall(t *testing.T) {
	for _, command := range []string{"echo ready; sleep 100", "(trap '' HUP TERM INT; echo ready; sleep 100; sleep 100)", "echo ready; while :; do :; done"} {
		h := newHarness(t)
		w := newWatcher("ready")
		done := make(chan error)
		go func() {
			_, err := h.try(context.Background(), call(command), w.write)
			done <- err
		}()
		<-w.seen
		if err := h.tool.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, errClosed) {
			t.Errorf("%s: the call gave %v", command, err)
		}
		if left := sessionOf(t, h.tool.shell.pid); len(left) > 0 {
			t.Errorf("%s: processes %v are left", command, left)
		}
	}
}

func TestCloseWhileCancelling(t *testing.T) {
	h := newHarness(t)
	w := newWatcher("ready")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = h.try(ctx, call("(trap '' HUP TERM INT; echo ready; sleep 100; sleep 100)"), w.write) // either end is right
	}()
	<-w.seen
	cancel()
	if err := h.tool.Close(); err != nil {
		t.Error(err)
	}
	<-done
}

func TestParallelSessions(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 4 {
		h := newHarness(t)
		wg.Go(func() {
			h.want(fmt.Sprintf("V=%d; cd /", i), "", 0)
			for range 20 {
				h.want("echo $V $PWD", fmt.Sprintf("%d /", i), 0)
			}
		})
	}
	wg.Wait()
}

// What a shell starts without its mark, and so that its parent is gone, is not
// of its family.
func TestFamilyMark(t *testing.T) {
	h := newHarness(t)
	h.run("true")
	f := h.tool.shell.family
	if !slices.Contains(f.running(), h.tool.shell.pid) || slices.Contains(f.running(), os.Getpid()) {
		t.Errorf("the family is %v", f.running())
	}
	stranger := newHarness(t)
	stranger.run("sleep 100 &")
	if got := len(f.running()); got != 1 {
		t.Errorf("the family has %d members", got)
	}
	if got := len(stranger.tool.shell.family.running()); got != 2 {
		t.Errorf("the other family has %d members", got)
	}
}

// A server that ignores signals starts shells that do not.
func TestIgnoredSignals(t *testing.T) {
	signals := []os.Signal{syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT}
	signal.Ignore(signals...)
	defer signal.Reset(signals...)
	h := newHarness(t)
	h.start("sh -c 'echo ready; exec sleep 100'", "ready")
	h.wants(h.act(input("C-c")), "", 130)
	h.want("sh -c 'kill -HUP $$; echo no'", "Hangup", 129)
	for _, s := range signals {
		if !signal.Ignored(s) {
			t.Errorf("%v is not ignored any more", s)
		}
	}
}
