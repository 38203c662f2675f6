//go:build unix

package mcp

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func running(pid int) bool { return syscall.Kill(pid, 0) == nil && !zombie(pid) }

// zombie tells of a process that has ended and that nobody has waited for.
func zombie(pid int) bool {
	out, err := exec.Command("ps", "-o", "stat=", "-p", fmt.Sprint(pid)).Output()
	return err != nil || len(out) == 0 || out[0] == 'Z'
}

func family(t *testing.T, path string) (server, child int) {
	t.Helper()
	until(t, "family", func() bool {
		raw, err := os.ReadFile(path)
		if err != nil {
			return false
		}
		n, _ := fmt.Sscan(string(raw), &server, &child) // it may be written just now
		return n == 2
	})
	return server, child
}

// TestCloseEndsTheGroup: a server that does not end with its input, and its child.
func TestCloseEndsTheGroup(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	s := open(t, Options{}, mode(t, "fake", "family", "PIDS="+pids))
	find(t, s, "echo")
	server, child := family(t, pids)
	if !running(server) || !running(child) {
		t.Fatal("they do not run")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 800*time.Millisecond)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
	until(t, "end of both", func() bool { return !running(server) && !running(child) })
}

// TestCloseWhileItStarts: a server that never comes up is not waited for.
func TestCloseWhileItStarts(t *testing.T) {
	s := open(t, Options{}, mode(t, "deaf", "deaf"))
	started := make(chan struct{})
	go func() {
		defer close(started)
		s.Tools(context.Background())
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
	<-started
}

const ownerVariable = "MCP_TEST_OWNER"

// TestKilledOwner: when this process is killed, what it started goes as well.
func TestKilledOwner(t *testing.T) {
	if os.Getenv(ownerVariable) != "" {
		s := open(t, Options{}, mode(t, "fake", "family", "PIDS="+os.Getenv(ownerVariable)))
		find(t, s, "echo")
		select {} // until it is killed
	}
	pids := filepath.Join(t.TempDir(), "pids")
	owner := exec.Command(os.Args[0], "-test.run=^TestKilledOwner$")
	owner.Env = append(os.Environ(), ownerVariable+"="+pids)
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	server, child := family(t, pids)
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait() // it was killed
	until(t, "end of both", func() bool { return !running(server) && !running(child) })
}
