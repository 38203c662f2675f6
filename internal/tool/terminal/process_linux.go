package terminal

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// processes lists what runs on this machine. A zombie does not run.
func processes() ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var all []process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
		if err != nil {
			continue // it ended meanwhile
		}
		if p, ok := parseStat(pid, stat); ok {
			all = append(all, p)
		}
	}
	return all, nil
}

// parseStat reads /proc/<pid>/stat as proc(5) describes it.
func parseStat(pid int, stat []byte) (process, bool) {
	// The name before is in parentheses and may hold anything.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 || fields[0][0] == 'Z' || fields[0][0] == 'X' {
		return process{}, false
	}
	number := func(field []byte) int {
		n, _ := strconv.Atoi(string(field)) // the kernel writes numbers
		return n
	}
	start, _ := strconv.ParseUint(string(fields[19]), 10, 64) // as above
	return process{pid: pid, parent: number(fields[1]), session: number(fields[3]), start: start}, true
}

// environmentOf gives the environment that a process was started with; nothing
// where that is not ours to see.
func environmentOf(pid int) []byte {
	environ, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return nil
	}
	return environ
}

// attributes put a shell into a session of its own, on the terminal that is its
// standard input, and hang it up when the thread that started it ends: that is
// when this program is killed.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGHUP}
}
