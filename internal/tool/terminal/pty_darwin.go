package terminal

import (
	"os"

	"golang.org/x/sys/unix"
)

const (
	getTermios = unix.TIOCGETA
	setTermios = unix.TIOCSETA
)

// pollable gives master as it is: macOS can't poll the master of a terminal, so
// a read ends when the last process on the other side does.
func pollable(master *os.File) (*os.File, error) { return master, nil }

// adjust sets what only this system knows.
func adjust(t *unix.Termios) { t.Iflag |= unix.IUTF8 }
