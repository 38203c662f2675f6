package store

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// movesOpen tells that a directory can be moved while files in it are open.
const movesOpen = false

// renameWait bounds how long rename waits for a scanner or an indexer that has
// one of the files open.
const renameWait = 2 * time.Second

func rename(from, to string) error {
	deadline := time.Now().Add(renameWait)
	for pause := time.Millisecond; ; pause *= 2 {
		err := os.Rename(from, to)
		busy := errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_ACCESS_DENIED)
		if !busy || time.Now().Add(pause).After(deadline) {
			return err
		}
		time.Sleep(pause)
	}
}

// syncPath flushes a file. Windows has no flush of a directory and needs none.
func syncPath(path string) error {
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, fileMode)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func isFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}

func isReadOnly(err error) bool { return errors.Is(err, windows.ERROR_WRITE_PROTECT) }
