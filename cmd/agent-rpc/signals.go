package main

import (
	"context"
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

// untilSignal gives a context for what comes before the run, which a signal
// ends. stop ends the watch and waits for it; a signal that comes later is for
// the run.
func untilSignal(ctx context.Context, signals <-chan os.Signal) (begin context.Context, stop func()) {
	begin, cancel := context.WithCancel(ctx)
	stopping, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-signals:
			cancel()
		case <-stopping:
		}
	}()
	return begin, func() {
		close(stopping)
		<-ended
		cancel()
	}
}
