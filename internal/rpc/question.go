package rpc

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

// question is what a code action asks the agent about a place.
type question string

const (
	askFix     question = "fix"
	askExplain question = "explain"
	askTests   question = "tests"
	askComment question = "comment" // what the comment there says
)

// diagnostic is LSP's, as far as the agent is told of it.
type diagnostic struct {
	Range    textRange `json:"range"`
	Severity int       `json:"severity,omitempty"`
	// Code is a number or a text.
	Code    any    `json:"code,omitempty"`
	Source  string `json:"source,omitempty"`
	Message string `json:"message"`
}

// maxQuoted is how many lines are quoted in a message; the agent reads longer ones
// itself.
const maxQuoted = 60

// place is a range of a file as a message names it.
type place struct {
	path, name  string // name is the path as the message has it
	first, last int    // lines, from 0
	empty       bool   // only a cursor
	lines       []string
}

// compose makes the message of a command; "" if the user is to write one.
func (p *plain) compose(folder string, a commandArgs) (string, error) {
	if a.URI == "" || a.Range == nil {
		return a.Text, nil
	}
	at, err := p.placeOf(folder, a.URI, *a.Range)
	if err != nil {
		return "", err
	}
	switch a.Ask {
	case askFix:
		return at.fix(a.Diagnostics), nil
	case askExplain:
		if at.empty {
			return fmt.Sprintf("Explain what %s does, and what it is part of. Change nothing.", at.where()) + at.quoted(), nil
		}
		return fmt.Sprintf("Explain %s. Change nothing.", at.where()) + at.quoted(), nil
	case askTests:
		what := at.where()
		if at.empty {
			what = "the code around " + what
		}
		return fmt.Sprintf("Write tests for %s, in the way that this project tests, and run them.", what) + at.quoted(), nil
	case askComment:
		if text := at.comment(); text != "" {
			return fmt.Sprintf("%s\n\nThis is asked in a comment in %s. If you change that file, remove the comment too.", text, at.where()), nil
		}
		return "", fmt.Errorf("there is no comment “agent: …” in %s any more", at.where())
	case "":
		if a.Text == "" {
			return "", nil
		}
		return a.Text + "\n\nThis is about " + at.where() + "." + at.quoted(), nil
	}
	return "", invalid("arguments.ask", `must be "fix", "explain", "tests" or "comment"`)
}

// placeOf reads a place: the editor's text where it is not saved, else the file.
func (p *plain) placeOf(folder, uri string, r textRange) (at place, err error) {
	path, err := workspace.FromURI(uri)
	if err != nil {
		return at, fmt.Errorf("%s is no file that the agent can work on; save it as one first", uri)
	}
	raw, err := p.server.buffers.Read(path)
	if err != nil && !os.IsNotExist(err) {
		return at, err
	}
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(raw))
	// Some editors select the character under the cursor.
	empty := r.Start.Line == r.End.Line && r.End.Character <= r.Start.Character+1
	at = place{path: path, name: path, empty: empty, lines: strings.Split(text, "\n")}
	if w, err := workspace.Open(folder, false); err == nil && w.Contains(path) {
		at.name = w.Rel(path)
	}
	end := len(at.lines) - 1
	at.first = min(max(r.Start.Line, 0), end)
	at.last = min(max(r.End.Line, at.first), end)
	if r.End.Character == 0 && at.last > at.first {
		at.last-- // a selection of whole lines ends at the beginning of the next one
	}
	return at, nil
}

// where names the place.
func (at place) where() string {
	if at.first == at.last {
		return fmt.Sprintf("line %d of %s", at.first+1, at.name)
	}
	return fmt.Sprintf("lines %d to %d of %s", at.first+1, at.last+1, at.name)
}

// quoted gives the lines of the place as a block, unless they are too many.
func (at place) quoted() string {
	lines := at.lines[at.first : at.last+1]
	if len(lines) > maxQuoted || strings.TrimSpace(strings.Join(lines, "")) == "" {
		return ""
	}
	fence := "```"
	for strings.Contains(strings.Join(lines, "\n"), fence) {
		fence += "`"
	}
	return "\n\n" + fence + strings.TrimPrefix(filepath.Ext(at.path), ".") + "\n" + strings.Join(lines, "\n") + "\n" + fence
}

var severities = map[int]string{1: "error", 2: "warning", 4: "hint"}

// severity is one word.
func (d diagnostic) severity() string { return cmp.Or(severities[d.Severity], "problem") }

// text is the message, and who says it.
func (d diagnostic) text() string {
	text := strings.TrimSpace(d.Message)
	if from := d.from(); from != "" {
		text += " (" + from + ")"
	}
	return text
}

// fix asks for what diagnostics say.
func (at place) fix(list []diagnostic) string {
	if len(list) == 0 {
		return fmt.Sprintf("Find out what is wrong with %s, and fix it.", at.where()) + at.quoted()
	}
	var b strings.Builder
	if d := list[0]; len(list) == 1 {
		fmt.Fprintf(&b, "Fix this %s in line %d of %s: %s", d.severity(), d.Range.Start.Line+1, at.name, d.text())
	} else {
		fmt.Fprintf(&b, "Fix these %d problems in %s:\n", len(list), at.name)
	}
	first, last := at.last, at.first
	for _, d := range list {
		if len(list) > 1 {
			fmt.Fprintf(&b, "\n- line %d, %s: %s", d.Range.Start.Line+1, d.severity(), strings.ReplaceAll(d.text(), "\n", "\n  "))
		}
		first, last = min(first, d.Range.Start.Line), max(last, d.Range.End.Line)
	}
	end := len(at.lines) - 1
	at.first = min(max(first, 0), end)
	at.last = min(max(last, at.first), end)
	return b.String() + at.quoted()
}

// from says who reports a diagnostic, and its code.
func (d diagnostic) from() string {
	var parts []string
	if d.Source != "" {
		parts = append(parts, d.Source)
	}
	switch code := d.Code.(type) {
	case string:
		if code != "" {
			parts = append(parts, code)
		}
	case float64:
		parts = append(parts, strconv.FormatFloat(code, 'f', -1, 64))
	}
	return strings.Join(parts, " ")
}

// agentComment finds a comment that is meant for the agent. In prose, which has no
// comments, the line begins with it.
var (
	agentComment = regexp.MustCompile(`(?i)^(.*?(?://+|#+|--+|;+|/\*+|\*+|<!--|%+|"+|\(\*|\{-)\s*)agent:\s*(.*)$`)
	agentLine    = regexp.MustCompile(`(?i)^(\s*)agent:\s*(.*)$`)
	commentEnd   = regexp.MustCompile(`\s*(?:\*/|-->|\*\)|-\})\s*$`)
)

var prose = map[string]bool{"": true, ".md": true, ".markdown": true, ".txt": true, ".rst": true, ".org": true, ".adoc": true}

// comment gives what a comment "agent: …" in the place says, with the comment lines
// right below it; "" if there is none.
func (at place) comment() string {
	for i := at.first; i <= at.last; i++ {
		found := agentComment.FindStringSubmatch(at.lines[i])
		if found == nil && prose[strings.ToLower(filepath.Ext(at.path))] {
			found = agentLine.FindStringSubmatch(at.lines[i])
		}
		if found == nil {
			continue
		}
		text := commentEnd.ReplaceAllString(found[2], "")
		mark := strings.TrimSpace(found[1])
		if mark == "" || text != found[2] || !strings.HasPrefix(strings.TrimSpace(at.lines[i]), mark) {
			return strings.TrimSpace(text) // it ends there, or stands behind code
		}
		for _, line := range at.lines[i+1 : min(len(at.lines), i+maxQuoted)] {
			rest, ok := strings.CutPrefix(strings.TrimSpace(line), mark)
			if !ok {
				break
			}
			text += "\n" + strings.TrimSpace(commentEnd.ReplaceAllString(rest, ""))
		}
		return strings.TrimSpace(text)
	}
	return ""
}
