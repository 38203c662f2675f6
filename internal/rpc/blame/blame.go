// Package blame says which of several edits of a text made a line of it. It reads
// nothing and starts nothing.
package blame

import (
	"strings"

	"github.com/aymanbagabas/go-udiff"
)

// Edit is one change of a text.
type Edit struct{ Before, After string }

// Line gives the index of the edit that wrote a line of text, counted from 0, and
// false where none of them did. The edits are in the order in which they were
// made; what somebody else changed between them, and after the last, is
// nobody's.
func Line(edits []Edit, text string, line int) (index int, ok bool) {
	if len(edits) == 0 || line < 0 {
		return 0, false
	}
	// owners says for each line of the text so far who wrote it; -1 for nobody.
	now := edits[0].Before
	owners := unowned(now)
	for i, e := range edits {
		owners = carry(owners, now, e.Before, -1)
		owners = carry(owners, e.Before, e.After, i)
		now = e.After
	}
	owners = carry(owners, now, text, -1)
	if line >= len(owners) || owners[line] < 0 {
		return 0, false
	}
	return owners[line], true
}

// carry takes the owners of one text over to another; its new lines are owner's.
func carry(owners []int, before, after string, owner int) []int {
	if before == after {
		return owners
	}
	var list []int
	at := 0 // the line of before that comes next
	for _, e := range udiff.Lines(before, after) {
		start := strings.Count(before[:e.Start], "\n")
		list = append(list, owners[at:start]...)
		for range count(e.New) {
			list = append(list, owner)
		}
		at = start + count(before[e.Start:e.End])
	}
	return append(list, owners[min(at, len(owners)):]...)
}

func unowned(text string) []int {
	list := make([]int, count(text))
	for i := range list {
		list[i] = -1
	}
	return list
}

// count gives the number of lines; the last may have no line break.
func count(text string) int {
	n := strings.Count(text, "\n")
	if text != "" && !strings.HasSuffix(text, "\n") {
		n++
	}
	return n
}
