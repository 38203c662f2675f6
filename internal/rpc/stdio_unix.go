//go:build unix

package rpc

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// TakeStdout moves the real stdout to a descriptor of its own and points fd 1
// at stderr, so that no print, ours, a library's or a child's, can break a
// frame.
func TakeStdout() (*os.File, error) {
	fd, err := unix.FcntlInt(uintptr(unix.Stdout), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("stdout is not open: %w", err)
	}
	if err := redirect(unix.Stderr, unix.Stdout); err != nil {
		return nil, fmt.Errorf("pointing stdout at stderr: %w", err)
	}
	os.Stdout = os.Stderr
	return os.NewFile(uintptr(fd), "client"), nil
}
