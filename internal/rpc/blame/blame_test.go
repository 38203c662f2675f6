package blame_test

import (
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/rpc/blame"
)

func TestLine(t *testing.T) {
	first := blame.Edit{Before: "a\nb\nc\n", After: "a\nB\nc\n"}
	second := blame.Edit{Before: "a\nB\nc\n", After: "a\nB\nc\nd\ne\n"}
	for _, tt := range []struct {
		name  string
		edits []blame.Edit
		text  string
		want  []int // by line; -1 for nobody
	}{
		{"nothing was edited", nil, "a\nb\n", []int{-1, -1, -1}},
		{"a line", []blame.Edit{first}, "a\nB\nc\n", []int{-1, 0, -1, -1}},
		{"two edits", []blame.Edit{first, second}, "a\nB\nc\nd\ne\n", []int{-1, 0, -1, 1, 1, -1}},
		{"the later one wins", []blame.Edit{first, {Before: "a\nB\nc\n", After: "a\nBB\nc\n"}}, "a\nBB\nc\n", []int{-1, 1, -1}},
		{"the user added lines above", []blame.Edit{first}, "x\ny\na\nB\nc\n", []int{-1, -1, -1, 0, -1}},
		{"the user changed the line again", []blame.Edit{first}, "a\nmine\nc\n", []int{-1, -1, -1}},
		{"the user added lines between the edits", []blame.Edit{first, {Before: "x\na\nB\nc\n", After: "x\na\nB\nC\n"}}, "x\na\nB\nC\n", []int{-1, -1, 0, 1}},
		{"a new file", []blame.Edit{{After: "a\nb"}}, "a\nb", []int{0, 0}},
		{"lines were deleted", []blame.Edit{{Before: "a\nb\nc\n", After: "c\nd\n"}}, "c\nd\n", []int{-1, 0}},
		{"a last line without an end", []blame.Edit{{Before: "a\nb", After: "a\nB"}}, "a\nB", []int{-1, 0}},
		{"the file is empty now", []blame.Edit{first}, "", []int{-1, -1}},
		{"the text was another between", []blame.Edit{first, {Before: "", After: "n\n"}}, "n\n", []int{1}},
	} {
		for line, want := range tt.want {
			index, ok := blame.Line(tt.edits, tt.text, line)
			if !ok {
				index = -1
			}
			if index != want {
				t.Errorf("%s: line %d is of edit %d, want %d", tt.name, line, index, want)
			}
		}
	}
	if _, ok := blame.Line([]blame.Edit{first}, first.After, -1); ok {
		t.Error("there is no line before the first")
	}
}

// Whatever texts come, no line is of an edit that there is not.
func FuzzLine(f *testing.F) {
	f.Add("a\nb\n", "a\nB\n", "x\na\nB", "B", 1)
	f.Add("", "\n", "\n\n", "", 0)
	f.Fuzz(func(t *testing.T, a, b, c, text string, line int) {
		edits := []blame.Edit{{Before: a, After: b}, {Before: c, After: a}}
		if i, ok := blame.Line(edits, text, line); ok && (i < 0 || i > 1) {
			t.Errorf("line %d is of edit %d", line, i)
		}
	})
}
