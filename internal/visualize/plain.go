package visualize

import (
	"fmt"
	"strings"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// plain is the layout for files, pipes and terminals that can do nothing: ASCII
// but for the content itself, a word first, one line per event, no line broken
// or cut.
type plain struct{ out *writer }

func (p *plain) row(word, text string) {
	p.out.print(strings.TrimRight(fmt.Sprintf("%-5s %s", word, text), " ") + "\n")
}

// paragraph puts text of several lines, the others under the first.
func (p *plain) paragraph(word, text string) {
	for l := range strings.SplitSeq(text, "\n") {
		p.row(word, strings.ReplaceAll(Escape(l), "\t", "    "))
		word = ""
	}
}

func (p *plain) header(h Header) {
	parts := []string{"agent-rpc", h.Version}
	for _, s := range []string{h.Folder, modelName(h.Model), strings.ReplaceAll(PolicyName(h.Policy), " ", "-")} {
		if s != "" {
			parts = append(parts, Escape(s))
		}
	}
	p.out.print(strings.Join(parts, " ") + "\nconversation " + clip(h.ID) + "\n")
}

func (p *plain) demoHeader(version, where string) {
	p.out.print("agent-rpc " + version + " demo: scripted model, no network, no key\n" + Escape(where) + "\n")
}

func (p *plain) user(text string) {
	for i, l := range strings.Split(text, "\n") {
		mark := "  "
		if i == 0 {
			mark = "> "
		}
		p.out.print(strings.TrimRight(mark+strings.ReplaceAll(Escape(l), "\t", "    "), " ") + "\n")
	}
}

func (p *plain) thought(took time.Duration, text string, whole bool) {
	head := "think"
	if took >= time.Second {
		head += " " + Elapsed(took)
	}
	if !whole {
		p.out.print(head + ": " + oneLine(firstLine(text)) + "\n")
		return
	}
	for i, l := range strings.Split(text, "\n") {
		if i == 0 {
			p.out.print(head + ": " + oneLine(l) + "\n")
			continue
		}
		p.row("", oneLine(l))
	}
}

func (p *plain) say(name, text string) {
	if name != "" {
		text = name + ": " + text
	}
	p.paragraph("say", text)
}

func (p *plain) plan(items plan) {
	current := items.current()
	if current == "" {
		current = "all done"
	}
	if len(items) == 0 {
		current = "empty"
	}
	p.out.print(fmt.Sprintf("plan %d/%d: %s\n", items.done(), len(items), oneLine(current)))
}

func (p *plain) step(s *step) {
	word := "ok"
	if s.failed {
		word = "FAIL"
	}
	var facts []string
	if s.diff {
		facts = append(facts, fmt.Sprintf("+%d -%d", s.added, s.removed))
	}
	if s.summary != "" {
		facts = append(facts, oneLine(s.summary))
	}
	if s.took >= time.Second {
		facts = append(facts, Duration(s.took))
	}
	text := s.verb + " " + oneLine(s.object)
	if len(facts) > 0 {
		text += " (" + strings.Join(facts, ", ") + ")"
	}
	p.row(word, text)
	for _, l := range s.output {
		p.out.print("    | " + oneLine(l) + "\n")
	}
}

func (p *plain) rejected(s *step, reason string, _ bool) {
	what := "rejected"
	if reason != "" {
		what += ": " + oneLine(reason)
	}
	p.row("no", s.verb+" "+oneLine(s.object)+" ("+what+")")
}

func (p *plain) notice(text string) { p.note(text) }

func (p *plain) note(text string) { p.row("note", oneLine(strings.ReplaceAll(text, "…", "..."))) }

func (p *plain) ask(a *asking) {
	if a.pending.Kind == kindInput {
		message, lines := question(a.pending)
		p.paragraph("ask", message)
		for _, l := range lines {
			p.out.print("    | " + oneLine(l) + "\n")
		}
		return
	}
	for i := range a.pending.Actions {
		action := &a.pending.Actions[i]
		verb, object := split(action.Kind, action.Title, a.workspace)
		if command := commandOf(action); command != "" {
			object = command
		}
		risk := string(action.Risk)
		if risk == "" {
			risk = string(event.RiskUnknown)
		}
		if why := reasonOf(action); why != "" {
			risk += ": " + why
		}
		p.row("ask", verb+" "+oneLine(object)+" ["+oneLine(risk)+"]")
		if a.keys {
			p.particulars(a, action)
		}
	}
}

// particulars puts what somebody must see who decides here: nothing of an
// action stays hidden.
func (p *plain) particulars(a *asking, action *protocol.PendingAction) {
	detail := func(text string) { p.out.print("    | " + oneLine(text) + "\n") }
	for _, part := range action.Parts {
		text := string(part.Risk) + " " + part.Text
		if part.Reason != "" {
			text += " (" + part.Reason + ")"
		}
		detail(text)
	}
	if action.Diff != nil {
		p.diff(action.Diff, askContext)
	}
	for _, f := range otherFields(action) {
		detail(f[0] + ": " + f[1])
	}
	if why := a.why(action); why != "" && why != reasonOf(action) {
		detail("why: " + why)
	}
}

func (p *plain) whole(d *event.Diff, path string) {
	p.out.print(oneLine(path) + "\n")
	p.diff(d, wholeContext)
}

func (p *plain) diff(d *event.Diff, context int) {
	for _, l := range diffLines(d, context) {
		if l == nil {
			p.out.print("    | ...\n")
			continue
		}
		p.out.print(fmt.Sprintf("    | %s %d %s\n", marks[l.kind], l.number, oneLine(l.text)))
	}
}
