package visualize

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// NewMarkdown makes a view that writes a conversation as a Markdown page, for
// stored conversations.
func NewMarkdown(out io.Writer, o Options) *View {
	o.TTY, o.Color = false, false
	w := &writer{w: out}
	return &View{options: o, out: w, print: &page{out: w}}
}

// Title puts a heading with the date of the conversation on a Markdown page; on
// a terminal it prints nothing.
func (v *View) Title(title, created string) {
	if p, ok := v.print.(*page); ok {
		p.block("# " + inline(title))
		if t, err := time.Parse(time.RFC3339, created); err == nil {
			p.block("*" + t.UTC().Format("2 January 2006, 15:04 UTC") + "*")
		}
	}
}

// Total counts what the whole conversation used, not only what comes after the
// first state.
func (v *View) Total() { v.start = &Usage{} }

// page is the layout of a Markdown file.
type page struct {
	out  *writer
	last string
}

// block writes a paragraph of its own.
func (p *page) block(text string) { p.put("block", text) }

// item writes a list item; those that follow each other make one list.
func (p *page) item(text string) { p.put("item", "- "+text) }

func (p *page) put(kind, text string) {
	if p.last != "" && (p.last != "item" || kind != "item") {
		p.out.print("\n")
	}
	p.last = kind
	p.out.print(strings.TrimRight(text, "\n") + "\n")
}

// inline puts foreign text on one line where Markdown must not read it.
func inline(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(Escape(strings.TrimSpace(s)), "\n", " "), "\t", " ")
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "<", `\<`, "`", "\\`", "[", `\[`, "#", `\#`, "|", `\|`).Replace(s)
}

// code makes a code span around any text.
func code(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(Escape(strings.TrimSpace(s)), "\n", " ⏎ "), "\t", " ")
	ticks := "`"
	for strings.Contains(s, ticks) {
		ticks += "`"
	}
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return ticks + s + ticks
}

// fenced makes a code block around any text.
func fenced(indent string, lines []string) string {
	ticks := "```"
	for _, l := range lines {
		for strings.Contains(l, ticks) {
			ticks += "`"
		}
	}
	var b strings.Builder
	b.WriteString(indent + ticks + "\n")
	for _, l := range lines {
		b.WriteString(indent + Escape(l) + "\n")
	}
	b.WriteString(indent + ticks)
	return b.String()
}

func (p *page) header(Header)             {}
func (p *page) demoHeader(string, string) {}

func (p *page) user(text string) {
	p.block("## You")
	p.block(Escape(text))
}

func (p *page) thought(took time.Duration, text string, _ bool) {
	head := "Thought"
	if took >= time.Second {
		head += " for " + Elapsed(took)
	}
	p.item("*" + head + ": " + inline(firstLine(text)) + "*")
}

func (p *page) say(name, text string) {
	if name == "" {
		name = "Agent"
	}
	p.block("**" + inline(name) + "**")
	p.block(Escape(text))
}

func (p *page) plan(items plan) {
	p.block(fmt.Sprintf("**Plan %d of %d**", items.done(), len(items)))
	for _, item := range items {
		box := "[ ] "
		if item.Status == "done" {
			box = "[x] "
		}
		p.item(box + inline(item.Title))
	}
	p.last = "block"
}

func (p *page) step(s *step) {
	text := s.verb + " " + code(s.object)
	if s.failed {
		text = "**failed:** " + text
	}
	if s.diff {
		text += fmt.Sprintf(" · +%d -%d", s.added, s.removed)
	}
	if s.summary != "" {
		text += " · " + inline(s.summary)
	}
	if s.took >= time.Second {
		text += " · " + Duration(s.took)
	}
	if len(s.output) > 0 {
		text += "\n\n" + fenced("  ", s.output)
	}
	p.item(text)
}

func (p *page) rejected(s *step, reason string, _ bool) {
	text := "**rejected:** " + s.verb + " " + code(s.object)
	if reason != "" {
		text += " · " + inline(reason)
	}
	p.item(text)
}

func (p *page) note(text string)   { p.item("*" + inline(text) + "*") }
func (p *page) notice(text string) { p.note(text) }

func (p *page) ask(a *asking) {
	for i := range a.pending.Actions {
		action := &a.pending.Actions[i]
		verb, object := split(action.Kind, action.Title, a.workspace)
		if command := commandOf(action); command != "" {
			object = command
		}
		p.item("**waits for approval:** " + verb + " " + code(object) + " · " + strings.ToLower(riskWord(action.Risk)))
	}
}

func (p *page) whole(*event.Diff, string) {}

func (p *page) end(e *ending) {
	p.block("---")
	p.block(inline(strings.Join(append([]string{e.what}, e.facts...), " · ")))
	for _, c := range e.changes {
		p.item(fmt.Sprintf("%s %s · +%d -%d", letters[c.Status].letter, code(c.Path), c.Additions, c.Deletions))
	}
	for _, d := range e.details {
		p.block(inline(d))
	}
}
