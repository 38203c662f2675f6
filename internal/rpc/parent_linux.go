package rpc

import (
	"context"

	"golang.org/x/sys/unix"
)

// watchParent calls gone when the process ends. It waits on a descriptor of the
// process, in a goroutine that ends with ctx or the process.
func watchParent(ctx context.Context, pid int, gone func()) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err == unix.ESRCH {
		gone()
		return nil
	}
	if err != nil {
		return err
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() {
		_, _ = unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // it only ever wakes the poll
	})
	go func() {
		defer func() { stop(); _ = unix.Close(fd); _ = unix.Close(wake) }() // nothing was written to them
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(wake), Events: unix.POLLIN}}
		for {
			_, err := unix.Poll(fds, -1)
			if err == unix.EINTR {
				continue
			}
			if err == nil && fds[0].Revents != 0 && ctx.Err() == nil {
				gone()
			}
			return
		}
	}()
	return nil
}
