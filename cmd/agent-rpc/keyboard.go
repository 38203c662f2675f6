package main

import (
	"os"

	"golang.org/x/term"
)

// keyboard reads single keys from the terminal, and only while somebody asks:
// what is typed at other times is not shown and is thrown away before the next
// question. Ctrl+C stays a signal.
//
// Each [keyboard.listen] starts one goroutine; the function that it returns ends
// it and waits for it.
type keyboard struct {
	file  *os.File
	saved *consoleMode
}

// openKeyboard takes over a terminal; nil if the file is none.
func openKeyboard(f *os.File) *keyboard {
	if !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	saved, err := quiet(f)
	if err != nil {
		return nil
	}
	return &keyboard{f, saved}
}

// close gives the terminal back as it was.
func (k *keyboard) close() {
	if k != nil {
		discard(k.file)
		restore(k.file, k.saved)
	}
}
