package visualize

import (
	"strconv"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/aymanbagabas/go-udiff"
)

// hunks compares the two sides of a diff with n lines around each change.
func hunks(d *event.Diff, n int) []*udiff.Hunk {
	before := ""
	if d.OldText != nil {
		before = *d.OldText
	}
	u, err := udiff.ToUnifiedDiff(d.Path, d.Path, before, udiff.Lines(before, d.NewText), n)
	if err != nil {
		return nil // only for edits that don't fit the text, and these are made from it
	}
	return u.Hunks
}

// countDiff gives the number of lines that came and that went.
func countDiff(d *event.Diff) (added, removed int) {
	for _, h := range hunks(d, 0) {
		for _, l := range h.Lines {
			switch l.Kind {
			case udiff.Insert:
				added++
			case udiff.Delete:
				removed++
			}
		}
	}
	return added, removed
}

// diffLine is one line of a diff with the number it has in the file it is from.
type diffLine struct {
	kind   udiff.OpKind
	number int
	text   string
}

// diffLines lists the hunks one after the other; a nil stands between two.
func diffLines(d *event.Diff, context int) []*diffLine {
	var out []*diffLine
	for i, h := range hunks(d, context) {
		if i > 0 {
			out = append(out, nil)
		}
		from, to := h.FromLine, h.ToLine
		for _, l := range h.Lines {
			row := &diffLine{kind: l.Kind, number: to, text: trimEOL(l.Content)}
			switch l.Kind {
			case udiff.Delete:
				row.number = from
				from++
			case udiff.Insert:
				to++
			default:
				from++
				to++
			}
			out = append(out, row)
		}
	}
	return out
}

func trimEOL(s string) string {
	if n := len(s); n > 0 && s[n-1] == '\n' {
		s = s[:n-1]
	}
	return s
}

// numberWidth is the width of the widest line number.
func numberWidth(lines []*diffLine) int {
	n := 0
	for _, l := range lines {
		if l != nil {
			n = max(n, len(strconv.Itoa(l.number)))
		}
	}
	return n
}
