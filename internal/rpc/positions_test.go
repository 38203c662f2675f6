package rpc

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestPositions(t *testing.T) {
	const text = "a🙂b\r\nü\rlast\n"
	for _, tt := range []struct {
		utf8   bool
		at     position
		offset int
	}{
		{false, position{0, 0}, 0},
		{false, position{0, 1}, 1},
		{false, position{0, 3}, 5},
		{false, position{0, 4}, 6},
		{false, position{0, 99}, 6}, // the end of the line
		{false, position{1, 1}, 10},
		{false, position{2, 4}, 15},
		{false, position{3, 0}, 16},
		{false, position{99, 0}, 16}, // the end of the text
		{true, position{0, 5}, 5},
		{true, position{0, 3}, 1}, // inside a character: before it
		{true, position{1, 2}, 10},
		{true, position{0, -1}, 0},
	} {
		if got := (positions{tt.utf8}).offset(text, tt.at); got != tt.offset {
			t.Errorf("utf8 %v: %v is at %d, want %d", tt.utf8, tt.at, got, tt.offset)
		}
	}
}

// Every offset at which a character begins has a place, and the place leads back
// to it, but for the "\n" of a "\r\n".
func TestPositionsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOf(rapid.SampledFrom([]string{"a", "ü", "🙂", "\n", "\r\n", "\r"})).Draw(t, "text"), "")
		p := positions{rapid.Bool().Draw(t, "utf8")}
		for offset := range len(text) + 1 {
			if offset < len(text) && !utf8.RuneStart(text[offset]) || offset > 0 && strings.HasSuffix(text[:offset], "\r") && strings.HasPrefix(text[offset:], "\n") {
				continue
			}
			if at := p.at(text, offset); p.offset(text, at) != offset {
				t.Errorf("%q: %d is at %v, which is %d", text, offset, at, p.offset(text, at))
			}
		}
	})
}
