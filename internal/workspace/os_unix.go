//go:build unix

package workspace

import (
	"io/fs"
	"os"
	"os/exec"
	"syscall"
)

func rename(from, to string) error { return os.Rename(from, to) }

// keepOwner gives a file the owner of the one it replaces. Only root may do so
// in general; the group alone often works.
func keepOwner(f *os.File, old fs.FileInfo) {
	st, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return
	}
	if f.Chown(int(st.Uid), int(st.Gid)) != nil {
		_ = f.Chown(-1, int(st.Gid))
	}
}

func shell(line string) *exec.Cmd { return exec.Command("/bin/sh", "-c", line) }

// group is the processes that a command started and that stayed in its process
// group.
type group struct{ pid int }

// startGroup starts a command as the first of its own process group.
func startGroup(cmd *exec.Cmd) (*group, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &group{pid: cmd.Process.Pid}, nil
}

// kill kills all that is left of the group.
func (g *group) kill() { _ = syscall.Kill(-g.pid, syscall.SIGKILL) }

func (g *group) terminate() { _ = syscall.Kill(-g.pid, syscall.SIGTERM) }

func (g *group) close() {}

// signalled gives the signal that ended a process.
func signalled(state *os.ProcessState) (signal int, ok bool) {
	ws, ok := state.Sys().(syscall.WaitStatus)
	if !ok || !ws.Signaled() {
		return 0, false
	}
	return int(ws.Signal()), true
}
