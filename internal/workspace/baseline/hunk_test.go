package baseline

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
)

// text draws a text of few different lines, so that they meet; the last may have
// no end.
func text(t *rapid.T, name string) string {
	list := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "", "d\r"}), 0, 12).Draw(t, name)
	s := strings.Join(list, "\n")
	if len(list) > 0 && rapid.Bool().Draw(t, name+" ends") {
		s += "\n"
	}
	return s
}

// edited draws what somebody made of a text. Their lines are like no other.
func edited(t *rapid.T, name, s, mark string) string {
	list := split(s)
	for i := range rapid.IntRange(0, 4).Draw(t, name) {
		at := rapid.IntRange(0, len(list)).Draw(t, name+" at")
		end := min(len(list), at+rapid.IntRange(0, 3).Draw(t, name+" lines"))
		var own []string
		for j := range rapid.IntRange(0, 2).Draw(t, name+" new") {
			own = append(own, mark+string(rune('0'+i))+string(rune('0'+j))+"\n")
		}
		if at > 0 && !strings.HasSuffix(list[at-1], "\n") {
			list[at-1] += "\n"
		}
		list = slices.Replace(slices.Clone(list), at, end, own...)
	}
	return strings.Join(list, "")
}

// TestRegions: putting the differences into one text gives the other.
func TestRegions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := text(t, "a"), text(t, "b")
		from, to := split(a), split(b)
		var out []string
		at := 0
		for i, r := range regions(a, b) {
			if i > 0 && r.a.start <= at {
				t.Fatalf("regions of %q and %q touch: %+v", a, b, regions(a, b))
			}
			out = append(append(out, from[at:r.a.start]...), to[r.b.start:r.b.end]...)
			at = r.a.end
		}
		if got := strings.Join(append(out, from[at:]...), ""); got != b {
			t.Fatalf("%q, want %q", got, b)
		}
	})
}

// TestUndoAndKeep: where nobody else wrote, undoing all gives what was before,
// keeping all gives what the agent left, and what is kept and what is undone are
// the two parts of it.
func TestUndoAndKeep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := text(t, "before")
		left := edited(t, "agent", before, "agent")
		if rapid.Bool().Draw(t, "anything") {
			left = text(t, "left")
		}
		h := hunksOf(before, left, left)
		if got, undone := reverted(before, left, h, all); got != before || len(undone) != len(h) {
			t.Fatalf("undone: %q, want %q", got, before)
		}
		if got := kept(before, h, all); got != left {
			t.Fatalf("kept: %q, want %q", got, left)
		}
		picked := map[string]bool{}
		for _, one := range h {
			picked[one.ID] = rapid.Bool().Draw(t, "keep")
		}
		if len(picked) != len(h) {
			t.Fatal("two hunks have one id")
		}
		base := kept(before, h, func(id string) bool { return picked[id] })
		rest, _ := reverted(before, left, h, func(id string) bool { return !picked[id] })
		if base != rest {
			t.Fatalf("keeping %v of %q → %q gives %q, undoing the others %q", picked, before, left, base, rest)
		}
	})
}

// TestUndoLosesNothing: no line that somebody else wrote goes with an undo or a
// fold.
func TestUndoLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := text(t, "before")
		left := edited(t, "agent", before, "agent")
		now := edited(t, "user", left, "user")
		h := hunksOf(before, left, now)
		pick := map[string]bool{}
		for _, one := range h {
			pick[one.ID] = rapid.Bool().Draw(t, "pick")
		}
		got, undone := reverted(before, now, h, func(id string) bool { return pick[id] })
		base := folded(before, now, h)
		for line := range strings.Lines(now) {
			if !strings.HasPrefix(line, "user") {
				continue
			}
			if !strings.Contains(got, line) {
				t.Fatalf("undoing %d of %q → %q → %q loses %q: %q", len(undone), before, left, now, line, got)
			}
			if !strings.Contains(base, line) {
				t.Fatalf("%q → %q → %q: the base lost %q: %q", before, left, now, line, base)
			}
		}
		for _, one := range h {
			if picked := pick[one.ID]; one.conflict && picked && slices.ContainsFunc(undone, func(u conversation.Hunk) bool { return u.ID == one.ID }) {
				t.Fatalf("a conflict was undone: %+v", one)
			}
		}
		// What is left after the fold is the agent's alone.
		for _, one := range hunksOf(base, now, now) {
			if strings.Contains(one.Text, "+user") {
				t.Fatalf("%q → %q → %q: with the base %q the user's line is the agent's: %q", before, left, now, base, one.Text)
			}
		}
	})
}

func TestMovedHunks(t *testing.T) {
	const before = "1\n2\n3\n4\n5\n"
	tests := []struct {
		name, left, now, undone string
		conflicts               int
	}{
		{"nobody else", "1\nX\n3\n4\n5\n", "1\nX\n3\n4\n5\n", before, 0},
		{"above", "1\n2\n3\nX\n5\n", "0\n1\n3\nX\n5\n", "0\n1\n3\n4\n5\n", 0},
		{"right above", "1\nX\n3\n4\n5\n", "user\nX\n3\n4\n5\n", "user\n2\n3\n4\n5\n", 0},
		{"right below", "1\nX\n3\n4\n5\n", "1\nX\nuser\n4\n5\n", "1\n2\nuser\n4\n5\n", 0},
		{"the same line", "1\nX\n3\n4\n5\n", "1\nY\n3\n4\n5\n", "1\nY\n3\n4\n5\n", 1},
		{"taken away", "1\nX\n3\n4\n5\n", "1\n3\n4\n5\n", "1\n3\n4\n5\n", 1},
		{"inside", "1\nX\nY\n2\n3\n4\n5\n", "1\nX\nuser\nY\n2\n3\n4\n5\n", "1\nX\nuser\nY\n2\n3\n4\n5\n", 1},
		{"in place of what the agent took away", "1\n3\n4\n5\n", "1\nuser\n3\n4\n5\n", "1\nuser\n3\n4\n5\n", 1},
		{"one of two", "X\n2\n3\n4\nY\n", "Z\n2\n3\n4\nY\n", "Z\n2\n3\n4\n5\n", 1},
		{"all", "X\n2\n3\n4\nY\n", "", "", 2},
		{"no line end", "1\n2\n3\n4\nX", "1\n2\n3\n4\nX", before, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := hunksOf(before, tt.left, tt.now)
			got, undone := reverted(before, tt.now, h, all)
			if got != tt.undone || len(h)-len(undone) != tt.conflicts {
				t.Errorf("%q with %d conflicts, want %q with %d", got, len(h)-len(undone), tt.undone, tt.conflicts)
			}
		})
	}
}
