//go:build linux || darwin

package terminal

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
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
