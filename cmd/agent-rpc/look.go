package main

import (
	"os"
	"runtime"

	"github.com/agent-rpc/agent-rpc/internal/visualize"
	"golang.org/x/term"
)

// look is what an output can show.
type look struct {
	tty, color bool
	width      int
}

// lookOf finds out what a file can show. A terminal that says it can do nothing,
// or nothing of itself, gets plain text.
func lookOf(f *os.File, noColor bool) look {
	l := look{width: 80}
	name := os.Getenv("TERM")
	l.tty = term.IsTerminal(int(f.Fd())) && name != "dumb" && (name != "" || runtime.GOOS == "windows")
	if l.tty {
		l.tty = enableSequences(f)
	}
	l.color = l.tty && !noColor && os.Getenv("NO_COLOR") == ""
	if l.tty {
		l.width = widthOf(f)
	}
	return l
}

func widthOf(f *os.File) int {
	if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
		return w
	}
	return 80
}

func (l look) options() visualize.Options {
	return visualize.Options{TTY: l.tty, Color: l.color, Width: l.width}
}

func escape(s string) string { return visualize.Escape(s) }
