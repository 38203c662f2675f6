//go:build linux || darwin

package terminal

import (
	"bytes"
	"syscall"
	"time"
)

// process is one process as far as it matters for ending a shell.
type process struct {
	pid, parent, session int
	// start tells a process from a later one with the same pid.
	start uint64
}

// familyVariable is in the environment of a shell and of what it starts. It
// tells whose a process is that made itself a daemon: its session is its own,
// and its parent is gone.
const familyVariable = "AGENT_RPC_TERMINAL"

// family is what belongs to one shell: its session, the processes that descend
// from it, and those that still have its mark in their environment.
type family struct {
	session int
	// mark is the entry of familyVariable.
	mark []byte
	// known are the processes that were looked at, and whether they belong here:
	// a process may lose its parent, or hide its environment.
	known map[process]bool
}

func newFamily(session int, mark string) *family {
	return &family{session: session, mark: []byte(mark), known: make(map[process]bool)}
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
		if f.has(p) {
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
		f.known[p.identity()] = true
		pids = append(pids, p.pid)
		found = append(found, children[p.pid]...)
	}
	return pids
}

func (f *family) has(p process) bool {
	if p.session == f.session {
		return true
	}
	id := p.identity()
	belongs, known := f.known[id]
	if !known {
		belongs = bytes.Contains(environmentOf(p.pid), f.mark)
		f.known[id] = belongs
	}
	return belongs
}

// identity is what stays the same all the time that a process runs.
func (p process) identity() process { return process{pid: p.pid, start: p.start} }

// end ends the family: it hangs up and asks to terminate, and kills what still
// runs when the grace is over; without a grace it kills at once. It comes back
// when nothing runs, or some time later when something can't be killed.
func (f *family) end(grace time.Duration) {
	begin := time.Now()
	polite := grace > 0
	// The system tells of the end of children only, and these are not ours.
	for pause := time.Millisecond; ; pause = min(2*pause, 10*time.Millisecond) {
		pids := f.running()
		elapsed := time.Since(begin)
		switch {
		case len(pids) == 0 || elapsed >= grace+killLimit:
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
