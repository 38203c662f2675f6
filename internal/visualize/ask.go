package visualize

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/form"
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

// kindInput is the kind of a question, which is answered, not decided.
const kindInput = "input"

// question is what a tool asks, line by line: its words, and the fields of its
// form with what may be chosen.
func question(p *protocol.Pending) (message string, lines []string) {
	f, err := form.Parse(p.Schema)
	if err != nil {
		return p.Message, nil // it can be declined
	}
	for _, field := range f.Fields {
		if len(f.Fields) > 1 || field.Description != "" {
			text := field.Title
			if field.Description != "" {
				text += ": " + field.Description
			}
			lines = append(lines, text)
		}
		for i, c := range field.Choices {
			lines = append(lines, fmt.Sprintf("%d  %s", i+1, c.Label))
		}
	}
	return p.Message, lines
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
	if p.Kind == kindInput {
		return [][2]string{{"Enter", "answer"}, {"Esc", "decline"}}
	}
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
