package baseline

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
)

// hunk is a change of the agent's and where it is.
type hunk struct {
	conversation.Hunk
	// conflict tells that somebody else has changed the same lines since, and inside
	// that they changed nothing around them with that.
	conflict, inside bool

	old, now span   // lines of the text before, and as it is now
	left     string // what the agent left in place of the old lines
}

// span is lines of a text, counted from 0; end is behind the last.
type span struct{ start, end int }

func (s span) len() int { return s.end - s.start }

// region is one difference of two texts.
type region struct{ a, b span }

// split gives the lines of a text with their ends.
func split(text string) []string {
	if text == "" {
		return nil
	}
	lines := strings.SplitAfter(text, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// regions gives what differs between two texts, line by line, in order; no two
// touch.
func regions(a, b string) []region {
	var list []region
	line, at, shift := 0, 0, 0
	for _, e := range udiff.Lines(a, b) {
		line += strings.Count(a[at:e.Start], "\n")
		at = e.Start
		r := region{a: span{line, line + len(split(a[e.Start:e.End]))}}
		r.b = span{r.a.start + shift, r.a.start + shift + len(split(e.New))}
		shift += r.b.len() - r.a.len()
		if n := len(list); n > 0 && list[n-1].a.end == r.a.start {
			list[n-1].a.end, list[n-1].b.end = r.a.end, r.b.end
			continue
		}
		list = append(list, r)
	}
	return list
}

// hunksOf gives what the agent changed, between the text before and the one that
// it left, at the places where that is now.
func hunksOf(before, left, now string) []hunk {
	beforeLines, leftLines, nowLines := split(before), split(left), split(now)
	since := regions(left, now)
	seen := map[string]int{}
	var list []hunk
	for _, r := range regions(before, left) {
		h := hunk{old: r.a, left: strings.Join(leftLines[r.b.start:r.b.end], "")}
		h.now, h.conflict, h.inside = moved(r.b, since)
		h.now = span{min(h.now.start, len(nowLines)), min(h.now.end, len(nowLines))}
		var text strings.Builder
		for _, l := range beforeLines[r.a.start:r.a.end] {
			text.WriteString("-" + ended(l))
		}
		for _, l := range leftLines[r.b.start:r.b.end] {
			text.WriteString("+" + ended(l))
		}
		h.Text = text.String()
		h.OldStart, h.OldLines = first(r.a), r.a.len()
		h.NewStart, h.NewLines = first(h.now), h.now.len()
		sum := sha256.Sum256([]byte(h.Text))
		h.ID = hex.EncodeToString(sum[:8])
		if seen[h.ID]++; seen[h.ID] > 1 {
			h.ID = fmt.Sprintf("%s-%d", h.ID, seen[h.ID])
		}
		list = append(list, h)
	}
	return list
}

func ended(line string) string {
	if strings.HasSuffix(line, "\n") {
		return line
	}
	return line + "\n\\ No newline at end of file\n"
}

// first is the number that a diff gives a span's first line.
func first(s span) int {
	if s.len() == 0 {
		return s.start
	}
	return s.start + 1
}

// moved tells where lines are after later changes, whether one of those touched
// them, and whether each that did stayed inside.
func moved(s span, since []region) (now span, touched, inside bool) {
	now, inside = s, true
	for _, r := range since {
		switch grown := r.b.len() - r.a.len(); {
		case r.a.end <= s.start && !(r.a.end == s.start && s.len() == 0 && r.a.len() == 0):
			now.start, now.end = now.start+grown, now.end+grown
		case r.a.start >= s.end && !(r.a.start == s.end && s.len() == 0 && r.a.len() == 0):
		default:
			touched = true
			inside = inside && r.a.start >= s.start && r.a.end <= s.end
			now.end = max(now.start, now.end+grown)
		}
	}
	return now, touched, inside
}

// reverted gives now with the hunks taken back that pick picks, but for those that
// somebody else has touched.
func reverted(before, now string, hunks []hunk, pick func(id string) bool) (text string, undone []conversation.Hunk) {
	beforeLines, nowLines := split(before), split(now)
	var b strings.Builder
	at := 0
	for _, h := range hunks {
		if h.conflict || !pick(h.ID) {
			continue
		}
		join(&b, nowLines[at:h.now.start])
		join(&b, beforeLines[h.old.start:h.old.end])
		at = h.now.end
		undone = append(undone, h.Hunk)
	}
	join(&b, nowLines[at:])
	return b.String(), undone
}

// folded gives before with what somebody else changed after the agent: now without
// what is still the agent's. Where the lines are both's they are theirs, but for
// lines that the agent added.
func folded(before, now string, hunks []hunk) string {
	beforeLines, nowLines := split(before), split(now)
	var b strings.Builder
	at := 0
	for _, h := range hunks {
		if h.conflict && (h.old.len() > 0 || !h.inside) {
			continue
		}
		join(&b, nowLines[at:h.now.start])
		join(&b, beforeLines[h.old.start:h.old.end])
		if h.conflict {
			lines := nowLines[h.now.start:h.now.end]
			for _, r := range regions(h.left, strings.Join(lines, "")) {
				join(&b, lines[r.b.start:r.b.end])
			}
		}
		at = h.now.end
	}
	join(&b, nowLines[at:])
	return b.String()
}

// kept gives before with the hunks made that pick picks.
func kept(before string, hunks []hunk, pick func(id string) bool) string {
	lines := split(before)
	var b strings.Builder
	at := 0
	for _, h := range hunks {
		if !pick(h.ID) {
			continue
		}
		join(&b, lines[at:h.old.start])
		b.WriteString(h.left)
		at = h.old.end
	}
	join(&b, lines[at:])
	return b.String()
}

// join writes lines after a text whose last line may have no end.
func join(b *strings.Builder, lines []string) {
	for _, l := range lines {
		if s := b.String(); s != "" && !strings.HasSuffix(s, "\n") {
			b.WriteByte('\n')
		}
		b.WriteString(l)
	}
}
