//go:build !linux

package rpc

import (
	"context"
	"os"
	"time"
)

// parentInterval is how often the parent is looked at where the system offers
// no way to wait for a process that is not our child.
const parentInterval = 5 * time.Second

// watchParent calls gone when the process ends, in a goroutine that ends with
// ctx or the process. The end of stdin, which nearly always comes with it, is
// seen at once anyway.
func watchParent(ctx context.Context, pid int, gone func()) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		gone()
		return nil
	}
	go func() {
		ticker := time.NewTicker(parentInterval)
		defer ticker.Stop()
		for {
			if !alive(p) {
				gone()
				return
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return nil
}
