//go:build unix

package store

import (
	"errors"
	"os"
	"syscall"
)

// movesOpen tells that a directory can be moved while files in it are open.
const movesOpen = true

func rename(from, to string) error { return os.Rename(from, to) }

// syncPath flushes a file or a directory.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	err = f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		// Some file systems can't flush a directory.
		err = nil
	}
	return errors.Join(err, f.Close())
}

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

func isReadOnly(err error) bool { return errors.Is(err, syscall.EROFS) }
