package main

import (
	"os"
	"sync"

	"golang.org/x/sys/windows"
)

type consoleMode = uint32

// enableSequences makes the console obey control sequences and tells whether it
// does.
func enableSequences(f *os.File) bool {
	h := windows.Handle(f.Fd())
	var mode uint32
	if windows.GetConsoleMode(h, &mode) != nil {
		return false
	}
	return windows.SetConsoleMode(h, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}

// quiet turns off echo and the editing of lines; Ctrl+C stays a signal.
func quiet(f *os.File) (*consoleMode, error) {
	h := windows.Handle(f.Fd())
	var mode uint32
	if err := windows.GetConsoleMode(h, &mode); err != nil {
		return nil, err
	}
	return &mode, windows.SetConsoleMode(h, mode&^(windows.ENABLE_ECHO_INPUT|windows.ENABLE_LINE_INPUT))
}

func restore(f *os.File, saved *consoleMode) {
	_ = windows.SetConsoleMode(windows.Handle(f.Fd()), *saved) // the console may be gone
}

// discard throws away what was typed and not read.
func discard(f *os.File) {
	_ = windows.FlushConsoleInputBuffer(windows.Handle(f.Fd())) // the console may be gone
}

// listen throws away what was typed before and gives what is typed from now on.
// A console's read can't be cancelled without losing a key, so the goroutine
// waits for input with a time limit and reads only what is there.
func (k *keyboard) listen() (keys <-chan []byte, stop func()) {
	discard(k.file)
	out := make(chan []byte)
	ended, stopping := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		defer close(out)
		h := windows.Handle(k.file.Fd())
		buf := make([]byte, 256)
		for {
			select {
			case <-stopping:
				return
			default:
			}
			const patience = 50 // milliseconds
			if event, err := windows.WaitForSingleObject(h, patience); err != nil {
				return
			} else if event != windows.WAIT_OBJECT_0 {
				continue
			}
			n, err := k.file.Read(buf)
			if err != nil || n == 0 {
				return
			}
			select {
			case out <- append([]byte(nil), buf[:n]...):
			case <-stopping:
				return
			}
		}
	}()
	var once sync.Once
	return out, func() {
		once.Do(func() {
			close(stopping)
			<-ended
		})
	}
}
