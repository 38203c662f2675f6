//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// surviveStderr keeps the program alive when nobody reads its stderr any more:
// Go ends a program that gets SIGPIPE there. The signal is taken, not ignored,
// since what is ignored would be inherited by the commands that the agent runs.
func surviveStderr() (stop func()) {
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)
	return func() { signal.Stop(broken) }
}
