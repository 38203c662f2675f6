package main

import (
	"os"
	"os/signal"
	"syscall"
)

// watchSignals gives the signals that ask to stop.
func watchSignals() (<-chan os.Signal, func()) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	return signals, func() { signal.Stop(signals) }
}
