package visualize

import (
	"fmt"
	"strings"
	"time"
)

// verbColumns is where the object of a step begins: a glyph, a blank and the
// longest verb.
const verbColumns = 10

// paper is the part of the terminal that is never rewritten.
type paper struct {
	out   *writer
	live  *live
	width int
	color bool
}

// measure is how wide text is set: lines as wide as the screen are hard to
// read.
func (p *paper) measure() int {
	if p.width >= 80 {
		return min(p.width-8, 100)
	}
	return p.width - 1
}

func (p *paper) put(l line) {
	p.live.clear()
	p.out.print(l.render(p.color) + "\n")
}

// set puts text wrapped at n columns, the lines after the first indented.
func (p *paper) set(l line, n, indent int) {
	for i, row := range l.wrap(n, n-indent, indent) {
		if i > 0 {
			row = append(line{}.pad(indent), row...)
		}
		p.put(row)
	}
}

// block puts text that stands at an indent as a whole.
func (p *paper) block(l line, n, indent int) {
	for _, row := range l.wrap(n-indent, n-indent, 0) {
		p.put(append(line{}.pad(indent), row...))
	}
}

// rich is the layout for people at a terminal.
type rich struct {
	paper
	last string // the group that was printed last: header, user, rows, prose, plan, ask
}

// group puts a blank line between things that are not of one kind.
func (r *rich) group(name string) {
	together := r.last == name && (name == "rows" || name == "notice") || r.last == "ask" && name == "rows"
	if r.last != "" && !together {
		r.put(nil)
	}
	r.last = name
}

func (r *rich) header(h Header) {
	parts := []string{h.Version}
	for _, p := range []string{h.Folder, modelName(h.Model)} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	l := line{}.add(bold, "agent-rpc").add(dim, " "+strings.Join(parts, " · ")+" · ")
	policy := dim
	if PolicyName(h.Policy) == "never ask" {
		policy = yellow
	}
	r.group("header")
	r.set(l.add(policy, PolicyName(h.Policy)), r.width-1, 2)
	r.set(line{}.add(dim, fmt.Sprintf("conversation %s · continue with: agent-rpc run -c %s", clip(h.ID), h.Short)), r.width-1, 2)
}

func (r *rich) demoHeader(version, where string) {
	r.group("header")
	r.set(line{}.add(bold, "agent-rpc").add(dim, " "+version+" · demo: scripted model, no network, no key"), r.width-1, 2)
	r.set(line{}.add(dim, where), r.width-1, 2)
}

func (r *rich) user(text string) {
	r.group("user")
	for i, l := range strings.Split(text, "\n") {
		mark := line{}.add(normal, "  ")
		if i == 0 {
			mark = line{}.add(blue, ">").add(normal, " ")
		}
		r.set(append(mark, line{}.add(bold, l)...), r.measure(), 2)
	}
}

func (r *rich) thought(took time.Duration, text string, whole bool) {
	r.group("rows")
	head := "Thought"
	if took >= time.Second {
		head += " for " + Elapsed(took)
	}
	if !whole {
		r.put(line{}.add(dim, "  "+head+" · "+firstLine(text)).cut(r.measure()))
		return
	}
	r.put(line{}.add(dim, "  "+head))
	for l := range strings.SplitSeq(text, "\n") {
		for _, row := range (line{}.add(dim, l)).wrap(r.measure()-4, r.measure()-4, 0) {
			r.put(append(line{}.add(dim, "  │ "), row...))
		}
	}
}

func (r *rich) say(name, text string) {
	r.group("prose")
	for i, p := range markdown(text, r.color) {
		if i == 0 && name != "" {
			p.text = append(line{}.add(bold, name+":").add(normal, " "), p.text...)
		}
		switch {
		case len(p.text) == 0:
			r.put(nil)
		case p.code:
			r.set(append(line{}.pad(2), p.text...), r.width-1, 8)
		default:
			l := append(line{}.pad(2), p.text...)
			r.set(l, r.measure(), 2+p.indent)
		}
	}
}

func (r *rich) plan(p plan) {
	r.group("plan")
	if len(p) == 0 {
		r.put(line{}.add(bold, "  Plan is empty"))
		return
	}
	r.put(line{}.add(bold, fmt.Sprintf("  Plan %d of %d", p.done(), len(p))))
	for _, item := range p {
		l := line{}.pad(2)
		switch item.Status {
		case "done":
			l = l.add(dim, "✓ "+item.Title)
		case "in_progress":
			l = l.add(blue, "●").add(normal, " "+item.Title)
		default:
			l = l.add(dim, "○ "+item.Title)
		}
		r.set(l, r.measure(), 4)
	}
}

func (r *rich) step(s *step) {
	r.group("rows")
	l := line{}.add(green, "✓")
	if s.failed {
		l = line{}.add(red, "✗")
	}
	l = l.add(normal, " ").add(dim, s.verb).pad(verbColumns).add(normal, objectLine(s.object))
	if s.diff {
		l = l.add(dim, " · ").add(green, fmt.Sprintf("+%d", s.added)).add(normal, " ").add(red, fmt.Sprintf("-%d", s.removed))
	}
	if s.summary != "" {
		st := dim
		if s.failed {
			st = red
		}
		l = l.add(dim, " · ").add(st, s.summary)
	}
	if s.took >= time.Second {
		l = l.add(dim, " · "+Duration(s.took))
	}
	r.set(l, r.width-1, verbColumns)
	r.rail(s.output)
}

// rail puts output behind a bar.
func (r *rich) rail(lines []string) {
	for _, text := range lines {
		for _, row := range (line{}.add(normal, text)).wrap(r.width-5, r.width-5, 0) {
			r.put(append(line{}.pad(2).add(dim, "│ "), row...))
		}
	}
}

func (r *rich) rejected(s *step, reason string, asked bool) {
	r.group("rows")
	l := line{}.add(red, "✗").add(normal, " ").add(dim, s.verb).pad(verbColumns)
	if !asked {
		l = l.add(normal, objectLine(s.object)).add(dim, " · ")
	}
	what := "rejected"
	if reason != "" {
		what += fmt.Sprintf(": \"%s\"", reason)
	}
	r.set(l.add(red, what), r.width-1, verbColumns)
}

func (r *rich) note(text string) {
	r.group("rows")
	r.set(line{}.pad(2).add(dim, text), r.measure(), 2)
}

func (r *rich) notice(text string) {
	r.group("notice")
	r.set(line{}.add(yellow, text), r.measure(), 2)
}

// objectLine puts what a step is about on one line: the breaks of a command of
// several lines are shown.
func objectLine(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", " ⏎ ") }

// clip is the form of an id that people read: its first eight digits.
func clip(id string) string {
	if len(id) > 8 {
		return id[:8]
	}
	return id
}
