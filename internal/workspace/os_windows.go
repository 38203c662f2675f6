package workspace

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/windows"
)

// renameWait bounds how long rename waits for a scanner or an indexer that has
// one of the files open.
const renameWait = 2 * time.Second

func rename(from, to string) error {
	deadline := time.Now().Add(renameWait)
	for pause := time.Millisecond; ; pause *= 2 {
		err := os.Rename(from, to)
		busy := errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_ACCESS_DENIED)
		if !busy || time.Now().Add(pause).After(deadline) {
			return err
		}
		time.Sleep(pause)
	}
}

// keepOwner has nothing to do: a file belongs to who made its directory entry.
func keepOwner(*os.File, fs.FileInfo) {}

func shell(line string) *exec.Cmd {
	cmd := exec.Command("cmd.exe")
	// cmd.exe takes the rest of its line as it is; Go's quoting would change it.
	cmd.SysProcAttr = &syscall.SysProcAttr{CmdLine: `cmd.exe /D /S /C "` + line + `"`}
	return cmd
}

// group is a job object: a process and what it started.
type group struct{ job windows.Handle }

// startGroup starts a command in a job of its own.
func startGroup(cmd *exec.Cmd) (*group, error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return nil, err
	}
	g := &group{job: job}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	// A Ctrl-C that is meant for us is not for the command.
	cmd.SysProcAttr.CreationFlags |= syscall.CREATE_NEW_PROCESS_GROUP
	cmd.SysProcAttr.HideWindow = true
	if err := cmd.Start(); err != nil {
		g.close()
		return nil, err
	}
	process, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(cmd.Process.Pid))
	if err == nil {
		// Fails for a process that has ended, which needs no job.
		_ = windows.AssignProcessToJobObject(job, process)
		_ = windows.CloseHandle(process)
	}
	return g, nil
}

func (g *group) kill() { _ = windows.TerminateJobObject(g.job, 1) }

func (g *group) terminate() { g.kill() }

func (g *group) close() { _ = windows.CloseHandle(g.job) }

func signalled(*os.ProcessState) (signal int, ok bool) { return 0, false }
