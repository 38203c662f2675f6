//go:build linux || darwin

package terminal

import (
	"syscall"
	"time"
)

// process is one process as far as it matters for ending a shell.
type process struct {
	pid, parent, session int
	// start tells a process from a later one with the same pid.
	start uint64
}

// family is what belongs to one shell: its session, and the processes that
// descend from it even when they made a session of their own.
type family struct {
	session int
	// known are the processes that were seen once, with their start: their
	// parent may end before they do.
	known map[int]uint64
}

// running lists the family's processes.
func (f *family) running() []int {
	all, err := processes()
	if err != nil {
		return nil
	}
	children := make(map[int][]process)
	var found []process
	for _, p := range all {
		children[p.parent] = append(children[p.parent], p)
		if start, known := f.known[p.pid]; p.session == f.session || known && start == p.start {
			found = append(found, p)
		}
	}
	seen := make(map[int]bool)
	var pids []int
	for len(found) > 0 {
		p := found[0]
		found = found[1:]
		if seen[p.pid] {
			continue
		}
		seen[p.pid] = true
		f.known[p.pid] = p.start
		pids = append(pids, p.pid)
		found = append(found, children[p.pid]...)
	}
	return pids
}

// end ends the family: it hangs up and asks to terminate, and kills what still
// runs when the grace is over. It comes back when nothing runs, or after twice
// the grace when something can't be killed.
func (f *family) end(grace time.Duration) {
	begin := time.Now()
	polite := true
	// The system tells of the end of children only, and these are not ours.
	for pause := time.Millisecond; ; pause = min(2*pause, 10*time.Millisecond) {
		pids := f.running()
		elapsed := time.Since(begin)
		switch {
		case len(pids) == 0 || elapsed >= 2*grace:
			return
		case elapsed >= grace:
			signalAll(pids, syscall.SIGKILL)
		case polite:
			polite = false
			// A stopped process takes no signal but SIGKILL until it goes on.
			signalAll(pids, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGCONT)
		}
		time.Sleep(pause)
	}
}

func signalAll(pids []int, signals ...syscall.Signal) {
	for _, pid := range pids {
		for _, s := range signals {
			_ = syscall.Kill(pid, s) // it may be gone
		}
	}
}
