package terminal

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// stateZombie is SZOMB of sys/proc.h.
const stateZombie = 5

// processes lists what runs on this machine. A zombie does not run.
func processes() ([]process, error) {
	infos, err := unix.SysctlKinfoProcSlice("kern.proc.all")
	if err != nil {
		return nil, err
	}
	all := make([]process, 0, len(infos))
	for i := range infos {
		info := &infos[i]
		pid := int(info.Proc.P_pid)
		if info.Proc.P_stat == stateZombie {
			continue
		}
		session, err := unix.Getsid(pid)
		if err != nil {
			continue // it ended meanwhile, or is not ours to see
		}
		start := info.Proc.P_starttime
		all = append(all, process{
			pid:     pid,
			parent:  int(info.Eproc.Ppid),
			session: session,
			start:   uint64(start.Sec)*1e6 + uint64(start.Usec),
		})
	}
	return all, nil
}

// environmentOf gives the arguments and the environment that a process was
// started with; nothing where that is not ours to see.
func environmentOf(pid int) []byte {
	environ, err := unix.SysctlRaw("kern.procargs2", pid)
	if err != nil {
		return nil
	}
	return environ
}

// attributes put a shell into a session of its own, on the terminal that is its
// standard input. When this program is killed the terminal goes, and that hangs
// the shell up.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Setctty: true}
}
