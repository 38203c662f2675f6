package terminal

import (
	"os"

	"golang.org/x/sys/unix"
)

const (
	getTermios = unix.TCGETS
	setTermios = unix.TCSETS
)

// pollable gives the same open file in a form whose reads end when it is
// closed.
func pollable(master *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(master.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd) // the first error is the one that matters
		return nil, err
	}
	name := master.Name()
	_ = master.Close() // the copy is what is used
	return os.NewFile(uintptr(fd), name), nil
}

// adjust sets what only this system knows.
func adjust(t *unix.Termios) { t.Iflag |= unix.IUTF8 }
