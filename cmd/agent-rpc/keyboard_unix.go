//go:build unix

package main

import (
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

type consoleMode = unix.Termios

// enableSequences tells whether the terminal obeys control sequences.
func enableSequences(*os.File) bool { return true }

// quiet turns off echo and the editing of lines; signals stay on.
func quiet(f *os.File) (*consoleMode, error) {
	saved, err := unix.IoctlGetTermios(int(f.Fd()), getTermios)
	if err != nil {
		return nil, err
	}
	mode := *saved
	mode.Lflag &^= unix.ECHO | unix.ICANON
	mode.Cc[unix.VMIN], mode.Cc[unix.VTIME] = 1, 0
	return saved, unix.IoctlSetTermios(int(f.Fd()), setTermios, &mode)
}

func restore(f *os.File, saved *consoleMode) {
	_ = unix.IoctlSetTermios(int(f.Fd()), setTermios, saved) // the terminal may be gone
}

// listen throws away what was typed before and gives what is typed from now on,
// in the pieces in which it comes. The channel is closed when the terminal is
// gone.
func (k *keyboard) listen() (keys <-chan []byte, stop func()) {
	discard(k.file)
	out := make(chan []byte)
	wakeR, wakeW, err := os.Pipe()
	if err != nil {
		close(out)
		return out, func() {}
	}
	ended, stopping := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		defer close(out)
		k.read(out, int(wakeR.Fd()), stopping)
	}()
	var once sync.Once
	return out, func() {
		once.Do(func() {
			close(stopping)
			_ = wakeW.Close() // wakes the goroutine
			<-ended
			_ = wakeR.Close()
		})
	}
}

func (k *keyboard) read(out chan<- []byte, wake int, stopping <-chan struct{}) {
	fd := int(k.file.Fd())
	buf := make([]byte, 256)
	for {
		var ready unix.FdSet
		ready.Zero()
		ready.Set(fd)
		ready.Set(wake)
		if _, err := unix.Select(max(fd, wake)+1, &ready, nil, nil, nil); err != nil {
			if errors.Is(err, unix.EINTR) {
				continue
			}
			return
		}
		if ready.IsSet(wake) {
			return
		}
		n, err := unix.Read(fd, buf)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
			continue
		}
		if err != nil || n == 0 {
			return
		}
		select {
		case out <- append([]byte(nil), buf[:n]...):
		case <-stopping:
			return
		}
	}
}
