//go:build linux || darwin

package terminal

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// dispositions guards what this program does with signals while a shell starts.
var dispositions sync.Mutex

// withDefaultSignals calls start so that what it starts has the usual
// dispositions. A program that is started in the background of a script, or
// by nohup, ignores some signals, and what it starts would ignore them for good: C-c
// and hanging up would do nothing. A signal that is caught is not passed on, so
// the ignored ones are caught meanwhile, and dropped.
func withDefaultSignals(start func() error) error {
	dispositions.Lock()
	defer dispositions.Unlock()
	var ignored []os.Signal
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGPIPE, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU} {
		if signal.Ignored(s) {
			ignored = append(ignored, s)
		}
	}
	if len(ignored) > 0 {
		caught := make(chan os.Signal, 1)
		signal.Notify(caught, ignored...)
		defer func() {
			signal.Ignore(ignored...)
			signal.Stop(caught)
		}()
	}
	return start()
}
