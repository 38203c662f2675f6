//go:build unix

package fileeditor

import (
	"io/fs"
	"os"
	"syscall"
)

// keepAttributes gives f the owner and the mode of the file it will replace.
func keepAttributes(f *os.File, info fs.FileInfo) error {
	if want, ok := info.Sys().(*syscall.Stat_t); ok {
		if now, err := f.Stat(); err == nil {
			have, ok := now.Sys().(*syscall.Stat_t)
			if ok && (have.Uid != want.Uid || have.Gid != want.Gid) {
				// Only root may give files away, but a group may be one of ours.
				_ = f.Chown(-1, int(want.Gid))
				_ = f.Chown(int(want.Uid), -1)
			}
		}
	}
	// After the owner: a change of owner takes the setuid bits away.
	return f.Chmod(info.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky))
}
