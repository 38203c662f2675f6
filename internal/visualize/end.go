package visualize

import (
	"fmt"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// Ending is how a run ended, beyond what the conversation's state says.
type Ending struct {
	// Short is the shortest form of the id that commands take.
	Short string
	// Remedy is what to do about an error, such as which variable to set; the
	// default names the class of the error.
	Remedy string
	// Stored tells where the conversation is kept; printed if not empty, by the
	// demonstration.
	Stored string
	// During is what ran when the user stopped the run; "" for nothing.
	During string
	// Next replaces the last line of a finished run if it is not empty.
	Next string
}

// Result is what a run came to.
type Result struct {
	// Answer is the agent's last message.
	Answer string `json:"answer"`
	// Steps counts the model's answers.
	Steps int `json:"steps"`
	// Seconds are from the first event to the last.
	Seconds float64  `json:"seconds"`
	Usage   Usage    `json:"usage"`
	Changes []Change `json:"changes"`
}

// Result gives what the events seen so far came to.
func (v *View) Result() Result {
	return Result{
		Answer:  v.answer,
		Steps:   v.steps,
		Seconds: max(v.last.Sub(v.first).Seconds(), 0),
		Usage:   v.used(),
		Changes: v.changes.list(func(p string) string { return relative(v.options.Workspace, p) }),
	}
}

// ending is the last thing that is printed: a mark, what happened, the facts,
// and what to do now.
type ending struct {
	mark  string
	style style
	word  string // for plain output
	// what is bold where the run finished.
	what    string
	bold    bool
	facts   []string
	changes []Change
	details []string // default colour
	next    []string // dim, side by side
	said    string   // of the plain form, where it differs from what
}

// End prints how the run ended, by the newest state.
func (v *View) End(e Ending) {
	v.Still()
	v.print.end(v.ending(e))
	v.failure = nil
}

func (v *View) ending(in Ending) *ending {
	r := v.Result()
	elapsed, cost := Elapsed(v.last.Sub(v.first)), r.Usage.cost()
	step := fmt.Sprintf("step %d", r.Steps)
	run := "agent-rpc run -c " + in.Short
	e := &ending{mark: "■", word: "stop", facts: []string{step, elapsed, cost}, next: []string{"go on: " + run}}
	reason := v.info.StopReason
	if reason == "" {
		reason = reasonFromStatus(v.info.Status)
	}
	switch reason {
	case protocol.StopFinished:
		e.mark, e.style, e.word, e.what, e.bold = "✓", green, "done", "Finished", true
		e.facts = []string{plural(r.Steps, "step"), elapsed, cost}
		if r.Usage.Tokens > 0 {
			e.facts = append(e.facts, Count(r.Usage.Tokens)+" tokens")
		}
		e.changes = r.Changes
		e.next = []string{"continue: " + run, "look: agent-rpc conversations show " + in.Short}
	case protocol.StopStuck:
		what, detail := v.whyStuck()
		e.mark, e.style, e.word, e.what, e.facts = "!", yellow, "stuck", "Stuck: "+what, []string{step, cost}
		e.said = what
		if detail != "" {
			e.details = []string{detail}
		}
		e.next = []string{"tell it what to try: " + run + ` "…"`}
	case protocol.StopMaxIterations:
		limit := v.info.MaxIterationPerRun
		e.mark, e.style, e.word, e.what = "!", yellow, "limit", "Step limit reached"
		e.facts = []string{fmt.Sprintf("%d of %d", limit, limit), elapsed, cost}
		go100 := "go on: " + run + " --max-steps 100"
		if n := len(v.plan); n > 0 {
			e.details, e.next = []string{fmt.Sprintf("%d of %s open. %s", n-v.plan.done(), plural(n, "plan item")+are(n), go100)}, nil
		} else {
			e.next = []string{go100}
		}
	case protocol.StopBudget:
		budget := v.info.MaxBudgetPerRun
		e.mark, e.style, e.word, e.what = "!", yellow, "limit", "Budget reached"
		e.facts = []string{fmt.Sprintf("%s of %s", UsageOf(v.info).cost(), Cost(budget)), step, elapsed}
		e.next = []string{fmt.Sprintf("go on: %s --max-budget %.2f", run, 2*budget)}
	case waitsForInput:
		e.mark, e.style, e.word = "!", yellow, "wait"
		e.what, e.facts = "Waiting for an answer, and nobody can answer here", nil
		e.next = []string{"answer from an editor, or: " + run + " on a terminal"}
	case protocol.StopWaitingForConfirmation:
		n := len(v.info.Pending)
		e.mark, e.style, e.word = "!", yellow, "wait"
		e.what, e.facts = "Waiting for approval, and nobody can answer here", []string{fmt.Sprintf("%d pending", n)}
		e.next = []string{"answer from an editor, or: " + run + " on a terminal"}
	case protocol.StopError:
		v.failed(e, in, run)
	case protocol.StopInterrupted:
		e.what = "Stopped by you"
		if in.During != "" {
			e.what += " during " + in.During + "; its processes have ended"
		}
	case protocol.StopRejected:
		e.what = "Rejected by you"
		e.next = []string{"tell it what to do instead: " + run + ` "…"`}
	case protocol.StopPaused:
		e.what = "Paused"
	default:
		e.what, e.word = "No run yet", "note"
		if reason != "" {
			e.what = "Ended: " + string(reason)
		} else {
			e.facts = nil
		}
	}
	if in.Stored != "" {
		e.next = []string{in.Stored}
	}
	if in.Next != "" {
		e.next = append(e.next, in.Next)
	}
	return e
}

func are(n int) string {
	if n == 1 {
		return " is"
	}
	return " are"
}

// reasonFromStatus stands in where a conversation of OpenHands has no stop
// reason.
func reasonFromStatus(s protocol.Status) protocol.StopReason {
	switch s {
	case protocol.StatusFinished:
		return protocol.StopFinished
	case protocol.StatusError:
		return protocol.StopError
	case protocol.StatusStuck:
		return protocol.StopStuck
	case protocol.StatusPaused:
		return protocol.StopPaused
	case protocol.StatusWaitingForConfirmation:
		return protocol.StopWaitingForConfirmation
	case protocol.StatusWaitingForInput:
		return waitsForInput
	}
	return ""
}

// waitsForInput stands in for the reason of a run that waits for an answer: it has
// none, for it has not stopped.
const waitsForInput protocol.StopReason = "waiting_for_input"

func (r *rich) end(e *ending) {
	r.group("end")
	st := normal
	if e.bold {
		st = bold
	}
	l := line{}.add(e.style, e.mark).add(normal, " ").add(st, e.what)
	for _, f := range e.facts {
		l = l.add(normal, " · "+f)
	}
	r.set(l, r.width-1, 2)
	r.changes(e.changes)
	for _, d := range e.details {
		for t := range strings.SplitSeq(d, "\n") {
			r.block(line{}.add(normal, t), r.width-1, 2)
		}
	}
	if side := strings.Join(e.next, "   "); len(side)+3 < r.width {
		if side != "" {
			r.put(line{}.add(dim, "  "+side))
		}
		return
	}
	for _, n := range e.next {
		r.block(line{}.add(dim, n), r.width-1, 2)
	}
}

var letters = map[string]struct {
	letter string
	style  style
}{"added": {"A", green}, "modified": {"M", yellow}, "deleted": {"D", red}}

func (r *rich) changes(list []Change) {
	path, plus, minus := 0, 0, 0
	for _, c := range list {
		path = max(path, line(nil).add(normal, c.Path).cols())
		plus = max(plus, 3, len(fmt.Sprint(c.Additions))+1)
		minus = max(minus, 3, len(fmt.Sprint(c.Deletions))+1)
	}
	for _, c := range list {
		mark := letters[c.Status]
		if 5+path+5+plus+minus >= r.width {
			l := line{}.pad(2).add(mark.style, mark.letter).add(normal, fmt.Sprintf("  %s +%d -%d", c.Path, c.Additions, c.Deletions))
			r.set(l, r.width-1, 5)
			continue
		}
		l := line{}.pad(2).add(mark.style, mark.letter).add(normal, "  "+c.Path).pad(5 + path + 3)
		r.put(l.add(normal, fmt.Sprintf("%*s  %*s", plus, fmt.Sprintf("+%d", c.Additions), minus, fmt.Sprintf("-%d", c.Deletions))))
	}
}

func (p *plain) end(e *ending) {
	what := e.said
	if what == "" {
		what = strings.ToLower(e.what[:1]) + e.what[1:]
	}
	p.row(e.word, oneLine(strings.Join(append([]string{what}, e.facts...), ", ")))
	for _, c := range e.changes {
		p.row("", fmt.Sprintf("%s %s (+%d -%d)", letters[c.Status].letter, oneLine(c.Path), c.Additions, c.Deletions))
	}
	for _, d := range append(e.details, e.next...) {
		p.row("", oneLine(strings.ReplaceAll(d, "…", "...")))
	}
}
