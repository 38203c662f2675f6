package stuck_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/agent-rpc/agent-rpc/internal/conversation/stuck"
)

// naive says in the words of [history] what a detector finds, rule by rule as the
// reference has them, and with our two differences: invalid calls are the same
// only if their arguments are, and rejections are never the same.
func naive(words []string, t stuck.Thresholds) string {
	window := 20
	for _, n := range []int{t.ActionObservation, t.ActionError, t.Monologue, t.AlternatingPattern} {
		window = max(window, 2*n)
	}
	words = words[max(0, len(words)-window):]
	words = words[lastOf(words, "user")+1:]
	if len(words) < min(t.ActionObservation, t.ActionError, t.Monologue) {
		return ""
	}
	var actions, results, answers []string // newest first
	for _, w := range slices.Backward(words) {
		switch kind, _, _ := strings.Cut(w, ":"); kind {
		case "do", "bad":
			actions = append(actions, w)
		case "out", "err":
			results, answers = append(results, w), append(answers, w)
		case "no":
			results = append(results, w)
		}
	}
	streak := 0
	for streak < len(actions) && streak < len(results) && actions[streak] == actions[0] && strings.HasPrefix(results[streak], "err:") {
		streak++
	}
	switch {
	case streak == t.ActionError:
		return nudge
	case constant(actions, t.ActionObservation) && constant(results, t.ActionObservation) && (t.ActionObservation == 1 || !strings.HasPrefix(results[0], "no:")):
		return stuck.PatternRepeat
	case streak > t.ActionError:
		return stuck.PatternError
	case talk(words) >= t.Monologue:
		return stuck.PatternMonologue
	case alternating(actions, max(3, t.AlternatingPattern)) && alternating(answers, max(3, t.AlternatingPattern)):
		return stuck.PatternAlternating
	}
	return ""
}

func lastOf(words []string, word string) int {
	for i, w := range slices.Backward(words) {
		if w == word {
			return i
		}
	}
	return -1
}

func constant(list []string, n int) bool {
	return len(list) >= n && !slices.ContainsFunc(list[:n], func(w string) bool { return w != list[0] })
}

func alternating(list []string, n int) bool {
	if len(list) < n {
		return false
	}
	for i := 2; i < n; i++ {
		if list[i] != list[i-2] {
			return false
		}
	}
	return true
}

// talk counts the agent's messages at the end.
func talk(words []string) (n int) {
	for _, w := range slices.Backward(words) {
		switch w {
		case "agent":
			n++
		case "env", "summary":
		default:
			return n
		}
	}
	return n
}

// TestAgainstTheRules holds the detector to the rules with histories that are
// full of loops, and any thresholds.
func TestAgainstTheRules(t *testing.T) {
	segment := rapid.SampledFrom([]string{
		"do:a out:1", "do:a out:2", "do:b out:1", "do:a err:1", "do:a err:2", "do:b err:1", "bad:{ err:1", "bad:[ err:1", "do:a no:x", "do:a do:b out:1 out:2",
		"do:a out:1 do:b out:2", "do:a err:1 do:b out:2", "agent", "agent env", "env", "summary", "pause", "user",
	})
	threshold := rapid.IntRange(1, 12)
	rapid.Check(t, func(t *rapid.T) {
		var words []string
		for range rapid.IntRange(1, 5).Draw(t, "segments") {
			again := strings.Fields(segment.Draw(t, "segment"))
			for range rapid.IntRange(1, 7).Draw(t, "times") {
				words = append(words, again...)
			}
		}
		d := stuck.Detector{Thresholds: stuck.Defaults()}
		if rapid.Bool().Draw(t, "others") {
			d.Thresholds = stuck.Thresholds{
				ActionObservation: threshold.Draw(t, "repeat"), ActionError: threshold.Draw(t, "error"),
				Monologue: threshold.Draw(t, "monologue"), AlternatingPattern: threshold.Draw(t, "alternating"),
			}
		}
		want := naive(words, d.Thresholds)
		v := d.Check(history(strings.Join(words, " ")))
		got := v.Pattern
		if v.Nudge != "" {
			got = nudge
		}
		if got != want || v.Stuck != (want != "" && want != nudge) {
			t.Fatalf("%q with %+v: %+v, want %q", words, d.Thresholds, v, want)
		}
	})
}
