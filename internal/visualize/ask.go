package visualize

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/aymanbagabas/go-udiff"
)

// asking is one approval as it is printed.
type asking struct {
	pending   *protocol.Pending
	policy    json.RawMessage
	workspace string
	// keys tells that the user can answer here.
	keys bool
}

// why says why it is asked. A reason that only repeats the risk, which stands in
// the first line, gives way to the rule that asks.
func (a *asking) why(action *protocol.PendingAction) string {
	for _, reason := range []string{action.Reason, a.pending.Reason} {
		if reason != "" && !repeatsRisk(reason) {
			return reason
		}
	}
	return policyReason(a.policy, action.Risk)
}

func repeatsRisk(reason string) bool { return strings.Contains(reason, "its risk is ") }

// The lines around a change in an approval, and after the key that asks for
// more.
const (
	askContext   = 1
	wholeContext = 10
)

var marks = map[udiff.OpKind]string{udiff.Delete: "-", udiff.Insert: "+", udiff.Equal: " "}

// Ask prints what waits for the user: every action of the batch in full, and
// the keys if keys is true. The same request is printed once.
func (v *View) Ask(p protocol.Pending, keys bool) {
	if v.asked[p.RequestID] {
		return
	}
	if v.asked == nil {
		v.asked, v.shown = map[string]bool{}, map[string]bool{}
	}
	v.asked[p.RequestID] = true
	for _, a := range p.Actions {
		v.shown[a.ActionID] = true
	}
	v.print.ask(&asking{&p, v.info.ConfirmationPolicy, v.options.Workspace, keys})
}

// WholeDiff prints the changes that wait for the user with more lines around
// them.
func (v *View) WholeDiff(p protocol.Pending) {
	for i := range p.Actions {
		if d := p.Actions[i].Diff; d != nil {
			v.print.whole(d, relative(v.options.Workspace, d.Path))
		}
	}
}

// Keys are the answers that a request takes: y, n, r, and a where it may be
// remembered, d where there is a diff.
func Keys(p protocol.Pending) string {
	keys := "ynr"
	for _, o := range p.Options {
		if o.ID == "remember" {
			keys += "a"
			break
		}
	}
	for i := range p.Actions {
		if p.Actions[i].Diff != nil {
			return keys + "d"
		}
	}
	return keys
}

// KeyHelp says what the keys do, such as "y approve · n reject".
func KeyHelp(p protocol.Pending) [][2]string {
	all, command := "", "this command"
	if n := len(p.Actions); n > 1 {
		all, command = fmt.Sprintf(" all %d", n), "these commands"
	}
	help := [][2]string{{"y", "approve" + all}, {"n", "reject" + all}, {"r", "reject with reason"}}
	for _, k := range Keys(p)[3:] {
		switch k {
		case 'a':
			help = append(help, [2]string{"a", "remember " + command})
		case 'd':
			help = append(help, [2]string{"d", "whole diff"})
		}
	}
	return help
}

func (r *rich) ask(a *asking) {
	for i := range a.pending.Actions {
		r.group("ask")
		r.askOne(a, i)
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

// commandOf is the text that a shell would run; empty for other actions.
func commandOf(a *protocol.PendingAction) string {
	if a.Kind != event.DisplayExecute {
		return ""
	}
	var input struct {
		Command string `json:"command"`
	}
	if json.Unmarshal(a.Input, &input) != nil {
		return ""
	}
	return input.Command
}

// otherFields are the fields of an action that nothing else shows, so that the
// user sees all that is approved: for a command or a diff what is not a
// default, for anything else every field.
func otherFields(a *protocol.PendingAction) [][2]string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(a.Input, &fields) != nil {
		if len(bytes.TrimSpace(a.Input)) > 0 {
			return [][2]string{{"input", string(a.Input)}}
		}
		return nil
	}
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	sort.Strings(names)
	var out [][2]string
	for _, name := range names {
		value := strings.TrimSpace(string(fields[name]))
		if name == "kind" || value == "null" || value == "false" || value == `""` || a.Diff != nil {
			continue
		}
		if name == "command" && a.Kind == event.DisplayExecute {
			continue
		}
		var text string
		if json.Unmarshal(fields[name], &text) == nil {
			value = text
		}
		out = append(out, [2]string{name, value})
	}
	return out
}

// reasonOf is the one-line reason of an action: its own, or that of its most
// risky part.
func reasonOf(a *protocol.PendingAction) string {
	for _, p := range a.Parts {
		if p.Risk == a.Risk && p.Reason != "" {
			return p.Reason
		}
	}
	if repeatsRisk(a.Reason) {
		return ""
	}
	return a.Reason
}

// policyReason says which rule of the policy asks.
func policyReason(policy json.RawMessage, risk event.Risk) string {
	var p struct {
		Threshold event.Risk `json:"threshold"`
		Kind      string     `json:"kind"`
	}
	if json.Unmarshal(policy, &p) != nil {
		return ""
	}
	switch p.Kind {
	case "AlwaysConfirm":
		return `policy "ask" stops at every action`
	case "ConfirmRisky":
		if risk == event.RiskUnknown || risk == "" {
			return `policy "ask if risky" stops where the risk is not known`
		}
		if p.Threshold == event.RiskHigh || p.Threshold == "" {
			return `policy "ask if risky" stops at high`
		}
		return fmt.Sprintf(`policy "ask if risky" stops at %s and above`, strings.ToLower(string(p.Threshold)))
	}
	return ""
}

func base(path string) string {
	path = strings.TrimRight(strings.ReplaceAll(path, `\`, "/"), "/")
	return path[strings.LastIndexByte(path, '/')+1:]
}
