package main

import (
	"os"

	"golang.org/x/sys/unix"
)

const (
	getTermios = unix.TIOCGETA
	setTermios = unix.TIOCSETA
)

// discard throws away what was typed and not read.
func discard(f *os.File) {
	const read = 1                                                 // FREAD: the input queue
	_ = unix.IoctlSetPointerInt(int(f.Fd()), unix.TIOCFLUSH, read) // the terminal may be gone
}
