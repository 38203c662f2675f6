//go:build linux || darwin

package terminal

import "testing"

func TestCommands(t *testing.T) {
	h := newHarness(t)
	h.want("echo hello", "hello", 0)
	h.want("false", "", 1)
	h.want("echo $?", "1", 0)
	h.want("(exit 7)", "", 7)
	h.want("printf 'no newline'", "no newline", 0)
}

func BenchmarkCommand(b *testing.B) {
	h := newHarness(b)
	h.want("true", "", 0)
	for b.Loop() {
		h.want("true", "", 0)
	}
}

func BenchmarkStart(b *testing.B) {
	h := newHarness(b)
	for b.Loop() {
		h.act(`{"command":"true","reset":true}`)
	}
}
