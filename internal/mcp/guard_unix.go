//go:build unix

package mcp

import (
	"os"
	"os/exec"
	"syscall"
)

// guard puts a shell into the server's process group that kills the group when
// this process is gone, however it ended: only then the pipe that it reads from is
// closed. It gives what ends the guard.
func guard(pid int) (end func()) {
	r, w, err := os.Pipe()
	if err != nil {
		return func() {}
	}
	cmd := exec.Command("/bin/sh", "-c", `trap "" HUP INT TERM; read -r _; sleep 1; kill -KILL 0`)
	cmd.Stdin = r
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: pid}
	err = cmd.Start()
	_ = r.Close() // the guard has its own
	if err != nil {
		_ = w.Close() // the server has ended already
		return func() {}
	}
	go func() {
		_ = cmd.Wait() // it is killed with its group
	}()
	return func() {
		_ = cmd.Process.Kill() // it may have gone with its group
		_ = w.Close()
	}
}
