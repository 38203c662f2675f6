// Package stuck tells when an agent goes round in circles, from the events of
// its branch alone. It is OpenHands' StuckDetector as a pure function: it keeps
// no state, so it gives the same answer after a restart. What happens then, a
// nudge or the end of the run, is for the run loop to decide; the package
// writes no events and starts no goroutine.
package stuck

import (
	"fmt"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// window is how many of the last events are looked at.
const window = 20

// The patterns of [Verdict].
const (
	// PatternRepeat: the same calls with the same results.
	PatternRepeat = "action_observation"
	// PatternError: the same call that fails again and again.
	PatternError = "action_error"
	// PatternMonologue: messages of the agent with nothing in between.
	PatternMonologue = "monologue"
	// PatternAlternating: two calls by turns, each with its own result.
	PatternAlternating = "alternating_pattern"
)

// Verdict is what a [Detector] found.
type Verdict struct {
	// Stuck says that the run should end.
	Stuck bool
	// Pattern is one of the patterns where Stuck is set or there is a Nudge.
	Pattern string
	// Detail is a sentence for people.
	Detail string
	// Nudge, if not "", is a message for the agent, to be appended to the branch
	// as a message of the environment; the run goes on. Once it is there it is not
	// given again for the same failure.
	Nudge string
}

// Detector finds loops. The zero value uses the default thresholds.
type Detector struct{ Thresholds Thresholds }

// Check looks at the last events of a branch, oldest first: the last 20 (more
// where a threshold needs them), after the last message of the user.
func (d *Detector) Check(events []event.Event) Verdict {
	t := d.Thresholds.orDefault()
	recent := recentEvents(events, max(window, 2*t.largest()))
	if len(recent) < min(t.ActionObservation, t.ActionError, t.Monologue) {
		return Verdict{}
	}
	f := collect(recent)
	streak := f.errorStreak()
	if streak == t.ActionError && !f.nudged() {
		return f.nudge(streak)
	}
	switch {
	case f.repeats(t.ActionObservation):
		return stuck(PatternRepeat, "the last %d calls of %s and their results are the same", t.ActionObservation, f.actions[0].ToolName)
	case streak > t.ActionError:
		return stuck(PatternError, "the same call of %s failed %d times in a row", f.actions[0].ToolName, streak)
	case monologue(recent) >= t.Monologue:
		return stuck(PatternMonologue, "the agent wrote %d messages in a row without doing anything", monologue(recent))
	case f.alternates(t.AlternatingPattern):
		return stuck(PatternAlternating, "the last %d calls alternate between %s and %s with the same results",
			t.AlternatingPattern, f.actions[0].ToolName, f.actions[1].ToolName)
	}
	return Verdict{}
}

func stuck(pattern, format string, args ...any) Verdict {
	return Verdict{Stuck: true, Pattern: pattern, Detail: fmt.Sprintf(format, args...)}
}

// recentEvents gives at most n events after the last message of the user.
func recentEvents(events []event.Event, n int) []event.Event {
	events = events[max(0, len(events)-n):]
	for i := len(events) - 1; i >= 0; i-- {
		if m, ok := events[i].(*event.Message); ok && m.Source == event.SourceUser {
			return events[i+1:]
		}
	}
	return events
}

// findings are the calls and results of the window, newest first, collected
// independently of each other.
type findings struct {
	actions []*event.Action
	results []event.Event // observations, rejections and errors
	// after are the messages of the environment since the newest result.
	after []string
}

func collect(recent []event.Event) findings {
	var f findings
	for i := len(recent) - 1; i >= 0; i-- {
		switch e := recent[i].(type) {
		case *event.Action:
			f.actions = append(f.actions, e)
		case *event.Observation, *event.UserReject, *event.AgentError:
			f.results = append(f.results, e)
		case *event.Message:
			if len(f.results) == 0 && e.Source == event.SourceEnvironment {
				f.after = append(f.after, e.LLMMessage.Text())
			}
		}
	}
	return f
}

func (f *findings) repeats(n int) bool {
	if len(f.actions) < n || len(f.results) < n {
		return false
	}
	for i := 1; i < n; i++ {
		if !sameAction(f.actions[i], f.actions[0]) || !sameResult(f.results[i], f.results[0]) {
			return false
		}
	}
	return true
}

// errorStreak counts how often the newest call failed in a row. The texts of
// the errors may differ.
func (f *findings) errorStreak() int {
	n := 0
	for n < min(len(f.actions), len(f.results)) {
		if _, failed := f.results[n].(*event.AgentError); !failed || !sameAction(f.actions[n], f.actions[0]) {
			break
		}
		n++
	}
	return n
}

// alternates looks at calls that were carried out: rejections don't count.
func (f *findings) alternates(n int) bool {
	n = max(n, 3) // fewer calls alternate with nothing
	var results []event.Event
	for _, r := range f.results {
		if _, rejected := r.(*event.UserReject); !rejected {
			results = append(results, r)
		}
	}
	if len(f.actions) < n || len(results) < n {
		return false
	}
	for i := range n - 2 {
		if !sameAction(f.actions[i], f.actions[i+2]) || !sameResult(results[i], results[i+2]) {
			return false
		}
	}
	return true
}

// monologue counts the agent's messages at the end. Messages of the environment
// and summaries neither count nor end it.
func monologue(recent []event.Event) int {
	n := 0
	for i := len(recent) - 1; i >= 0; i-- {
		switch e := recent[i].(type) {
		case *event.Message:
			if e.Source == event.SourceAgent {
				n++
			}
		case *event.CondensationSummary:
		default:
			return n
		}
	}
	return n
}

// nudgePrefix is how every nudge begins, and how one is known again.
const nudgePrefix = "[Repeated failure] "

// maxErrorText is how many bytes of an error a nudge repeats.
const maxErrorText = 500

func (f *findings) nudge(streak int) Verdict {
	tool := f.actions[0].ToolName
	text := f.results[0].(*event.AgentError).Error
	if len(text) > maxErrorText {
		text = strings.ToValidUTF8(text[:maxErrorText], "") + "..."
	}
	return Verdict{
		Pattern: PatternError,
		Detail:  fmt.Sprintf("the same call of %s failed %d times in a row", tool, streak),
		Nudge: fmt.Sprintf("%sThe same call of %s failed %d times in a row. The last error was:\n%s\n"+
			"Making this call once more will not help. Find out why it fails, change its arguments, use another tool, or tell the user what is in the way.",
			nudgePrefix, tool, streak, text),
	}
}

// nudged tells whether the newest failure was followed by a nudge.
func (f *findings) nudged() bool {
	for _, text := range f.after {
		if strings.HasPrefix(text, nudgePrefix) {
			return true
		}
	}
	return false
}
