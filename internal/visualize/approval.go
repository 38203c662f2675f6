package visualize

import (
	"fmt"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/aymanbagabas/go-udiff"
)

func (r *rich) ask(a *asking) {
	if a.pending.Kind == kindInput {
		r.question(a.pending)
	} else {
		for i := range a.pending.Actions {
			r.group("ask")
			r.askOne(a, i)
		}
	}
	if !a.keys {
		return
	}
	l := line{}.pad(2)
	for i, k := range KeyHelp(*a.pending) {
		if i > 0 {
			l = l.add(normal, " · ")
		}
		l = l.add(bold, k[0]).add(normal, " "+k[1])
	}
	r.set(l, r.width-1, 2)
}

// question puts what a tool asks.
func (r *rich) question(p *protocol.Pending) {
	r.group("ask")
	message, lines := question(p)
	mark := line{}.add(yellow, "?").add(normal, " ")
	for text := range strings.SplitSeq(message, "\n") {
		r.set(append(mark, line{}.add(normal, text)...), r.measure(), 2)
		mark = line{}.pad(2)
	}
	for _, text := range lines {
		r.block(line{}.add(normal, text), r.measure(), 2)
	}
}

func (r *rich) askOne(a *asking, i int) {
	action := &a.pending.Actions[i]
	r.askHead(a, i)
	command := commandOf(action)
	switch {
	case action.Diff != nil:
		r.diff(action.Diff, askContext)
	case command != "":
		r.command(command, action.Parts)
		r.parts(action.Parts)
	case strings.Contains(action.Title, "\n"):
		for text := range strings.SplitSeq(action.Title, "\n") {
			r.block(line{}.add(normal, text), r.measure(), 2)
		}
	}
	for _, f := range otherFields(action) {
		r.labelled(f[0], f[1])
	}
	if command != "" && a.workspace != "" {
		r.labelled("in", base(a.workspace)+"/")
	}
	if why := a.why(action); why != "" {
		r.labelled("why", why)
	}
}

func (r *rich) askHead(a *asking, i int) {
	action := &a.pending.Actions[i]
	verb, object := split(action.Kind, action.Title, a.workspace)
	left := line{}.add(yellow, "?").add(normal, " ")
	switch {
	case action.Diff != nil:
		added, removed := countDiff(action.Diff)
		left = left.add(normal, fmt.Sprintf("%s %s ", verb, relative(a.workspace, action.Diff.Path))).
			add(green, fmt.Sprintf("+%d", added)).add(normal, " ").add(red, fmt.Sprintf("-%d", removed))
	case commandOf(action) != "" && verb == "Run":
		left = left.add(normal, "Run command")
	default:
		left = left.add(normal, verb+" "+firstLine(object))
	}
	right := line{}.add(riskStyle(action.Risk), riskWord(action.Risk))
	if n := len(a.pending.Actions); n > 1 {
		right = right.add(normal, fmt.Sprintf(" · %d of %d", i+1, n))
	}
	if gap := r.measure() - left.cols() - right.cols(); gap >= 2 {
		r.put(append(left.pad(left.cols()+gap), right...))
		return
	}
	r.set(left, r.measure(), 2)
	r.put(append(line{}.pad(2), right...))
}

func riskWord(risk event.Risk) string {
	switch risk {
	case event.RiskLow, event.RiskMedium, event.RiskHigh:
		return string(risk) + " RISK"
	default:
		return "UNKNOWN RISK"
	}
}

func riskStyle(risk event.Risk) style {
	switch risk {
	case event.RiskHigh:
		return boldRed
	case event.RiskLow:
		return dim
	default:
		return yellow
	}
}

// command puts the whole text, its risky parts marked.
func (r *rich) command(command string, parts []protocol.ActionPart) {
	risky := make([]bool, len(command))
	from := 0
	for _, p := range parts {
		at := strings.Index(command[from:], p.Text)
		if p.Text == "" || at < 0 {
			continue
		}
		at += from
		from = at + len(p.Text)
		if p.Risk == event.RiskHigh {
			for j := at; j < from; j++ {
				risky[j] = true
			}
		}
	}
	for text := range strings.SplitAfterSeq(command, "\n") {
		var l line
		marks := risky[:len(text)]
		risky = risky[len(text):]
		text = strings.TrimSuffix(text, "\n")
		for start := 0; start < len(text); {
			end := start + 1
			for end < len(text) && marks[end] == marks[start] {
				end++
			}
			st := normal
			if marks[start] {
				st = danger
			}
			l = l.add(st, text[start:end])
			start = end
		}
		r.block(l, r.measure(), 2)
	}
}

// parts puts each part of a command with its risk and why.
func (r *rich) parts(parts []protocol.ActionPart) {
	const textColumn = 13
	for i, p := range parts {
		l := line{}.add(normal, fmt.Sprintf("  %-3d", i+1))
		word, st := strings.ToLower(string(p.Risk)), riskStyle(p.Risk)
		if p.Risk == event.RiskHigh {
			word = "HIGH"
		}
		l = l.add(st, word).pad(textColumn).add(normal, objectLine(p.Text))
		r.set(l, r.measure(), textColumn)
		if p.Reason != "" {
			r.block(line{}.add(normal, p.Reason), r.measure(), textColumn)
		}
	}
}

func (r *rich) labelled(label, text string) {
	l := line{}.pad(2).add(dim, label).pad(7)
	if over := line(nil).add(dim, label).cols() + 2; over >= 7 {
		l = l.add(normal, " ")
	}
	indent := l.cols()
	for i, t := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if i > 0 {
			l = line{}.pad(indent)
		}
		r.set(l.add(normal, t), r.measure(), indent)
	}
}

func (r *rich) diff(d *event.Diff, context int) {
	lines := diffLines(d, context)
	n := max(numberWidth(lines), 2)
	for _, l := range lines {
		if l == nil {
			r.put(line{}.add(dim, "  ⋮"))
			continue
		}
		st := normal
		switch l.kind {
		case udiff.Delete:
			st = red
		case udiff.Insert:
			st = green
		}
		number := dim
		if st != normal {
			number = st
		}
		head := line{}.pad(2).add(st, marks[l.kind]).add(number, fmt.Sprintf(" %*d", n, l.number)).add(normal, "  ")
		indent := head.cols()
		r.set(head.add(st, l.text), r.width-1, indent)
	}
}

func (r *rich) whole(d *event.Diff, path string) {
	r.put(line{}.add(bold, "  "+path))
	r.diff(d, wholeContext)
}
