package rpc

import (
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// TakeStdout keeps the real stdout for the protocol and gives everything else,
// children too, stderr in its place.
func TakeStdout() (*os.File, error) {
	out := os.Stdout
	if err := windows.SetStdHandle(windows.STD_OUTPUT_HANDLE, windows.Handle(os.Stderr.Fd())); err != nil {
		return nil, fmt.Errorf("pointing stdout at stderr: %w", err)
	}
	os.Stdout = os.Stderr
	return out, nil
}
