package security

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/policy"
)

// KindPattern is the kind of [Pattern].
const KindPattern = "PatternSecurityAnalyzer"

// Pattern is OpenHands' PatternSecurityAnalyzer: texts that are known to be
// dangerous, in what an action would do and in what the model says about it.
// Commands are also taken apart, and each program that they really run is
// looked at. Patterns ignore case and are of RE2: Python's lookarounds and back
// references are refused.
type Pattern struct {
	high, medium, injectionHigh, injectionMedium patterns
}

// patterns is a list of them; given is nil where the defaults hold.
type patterns struct {
	given [][3]string
	list  []pattern
}

type pattern struct {
	re      *regexp.Regexp
	why, id string
}

// The patterns where none are given. They are written so that Python reads them
// in the same way.
var (
	highDefaults = [][3]string{
		{`(?:^|\W)g?rm\s+(?:-\S+\s+)*-(?:\w*r\w*f|\w*f\w*r)\w*(?:\s|$)`, "Deletes recursively without asking", removal.id},
		{`(?:^|\W)g?rm\s+(?:-\S+\s+)*(?:-\w*r\w*|--recursive)\s+(?:-\S+\s+)*(?:-\w*f\w*|--force)(?:\s|$)`, "Deletes recursively without asking", removal.id},
		{`(?:^|\W)g?rm\s+(?:-\S+\s+)*(?:-\w*f\w*|--force)\s+(?:-\S+\s+)*(?:-\w*r\w*|--recursive)(?:\s|$)`, "Deletes recursively without asking", removal.id},
		{`(?:^|\W)sudo\s+(?:-\S+\s+)*rm(?:\s|$)`, "Deletes with the rights of another user", asRoot.id},
		{`(?:^|\W)mkfs(?:\.\w+)?\s`, "Formats a disk", formatting.id},
		{`(?:^|\W)dd\s[^|;&]{0,200}of=/dev/(?:[a-mo-z]|nvme|nbd)`, "Writes to a device", rawDisk.id},
		{`\beval\s?\(`, "Evaluates text as code", "exec.code.eval_call"},
		{`\bexec\s?\(`, "Runs text as code", "exec.code.exec_call"},
		{`\bos\s?\.\s?system\s?\(`, "Gives a command to the system", "exec.code.os_system"},
		{`\bsubprocess\s?\.\s?(?:run|call|check_call|check_output|popen|getoutput|getstatusoutput)\s?\(`, "Starts a program", "exec.code.subprocess"},
		{`\bcurl\s[^|;]{0,400}\|\s*(?:sudo\s+)?(?:\S*/)?(?:ba|da|z|k)?sh(?:\s|$)`, "Runs what curl downloads", "exec.net.curl_pipe_exec"},
		{`\bwget\s[^|;]{0,400}\|\s*(?:sudo\s+)?(?:\S*/)?(?:ba|da|z|k)?sh(?:\s|$)`, "Runs what wget downloads", "exec.net.wget_pipe_exec"},
	}
	mediumDefaults = [][3]string{
		{`\bcurl\s.{0,400}https?://`, "Talks to a server with curl", "exec.net.curl"},
		{`\bwget\s.{0,400}https?://`, "Downloads with wget", "exec.net.wget"},
	}
	injectionHighDefaults = [][3]string{
		{
			`\b(?:ignor|disregard|forget|overrid|overrul|bypass)(?:e|es|ing|ting)?\s(?:\w+\s){0,3}(?:previous|prior|earlier|preceding|above)\s(?:\w+\s){0,2}(?:instruction|prompt|rule|directive|guideline)s?\b`,
			"Wants instructions to be ignored", "inject.override",
		},
	}
	injectionMediumDefaults = [][3]string{
		{`\byou(?:\sare|'re)\snow\s(?:\w+\s){0,3}mode\b`, "Wants another mode", "inject.mode_switch"},
		{`\b(?:pretend|act)\s(?:that\s)?(?:you(?:\sare|'re)|to\sbe|as\sif\syou\swere)\s(?:an?\s)?(?:different|another|other)\b`, "Wants another identity", "inject.identity"},
	}
)

// defaults is the analyzer without fields, compiled when it is first used.
var defaults = sync.OnceValue(func() *Pattern {
	p := &Pattern{}
	for _, l := range p.lists() {
		if err := l.to.compile(l.defaults); err != nil {
			panic(err) // a test compiles them
		}
	}
	return p
})

// field is one list of patterns.
type field struct {
	name     string
	to       *patterns
	defaults [][3]string
}

func (a *Pattern) lists() []field {
	return []field{
		{"high_patterns", &a.high, highDefaults},
		{"medium_patterns", &a.medium, mediumDefaults},
		{"injection_high_patterns", &a.injectionHigh, injectionHighDefaults},
		{"injection_medium_patterns", &a.injectionMedium, injectionMediumDefaults},
	}
}

func (l *patterns) compile(list [][3]string) error {
	l.list = make([]pattern, 0, len(list))
	for i, p := range list {
		re, err := regexp.Compile("(?i)" + p[0])
		if err != nil {
			return fmt.Errorf("[%d]: %w (patterns are RE2's)", i, err)
		}
		l.list = append(l.list, pattern{re, p[1], p[2]})
	}
	return nil
}

func parsePattern(raw json.RawMessage, _ policy.Kinds) (policy.Analyzer, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, err
	}
	a := *defaults()
	for _, l := range a.lists() {
		given, ok := fields[l.name]
		if !ok {
			continue
		}
		var list [][]string
		if err := json.Unmarshal(given, &list); err != nil || list == nil {
			return nil, fmt.Errorf("%s must be a list of [pattern, description, detector id]", l.name)
		}
		l.to.given = make([][3]string, len(list))
		for i, p := range list {
			if len(p) != 3 {
				return nil, fmt.Errorf("%s[%d] must be [pattern, description, detector id]", l.name, i)
			}
			l.to.given[i] = [3]string(p)
		}
		if err := l.to.compile(l.to.given); err != nil {
			return nil, fmt.Errorf("%s%w", l.name, err)
		}
	}
	return &a, nil
}

// Kind implements [policy.Analyzer].
func (*Pattern) Kind() string { return KindPattern }

// MarshalJSON writes the analyzer as OpenHands does, without the lists that are
// the defaults: each program has its own.
func (a *Pattern) MarshalJSON() ([]byte, error) {
	return event.EncodeKind(struct {
		High            [][3]string `json:"high_patterns,omitzero"`
		Medium          [][3]string `json:"medium_patterns,omitzero"`
		InjectionHigh   [][3]string `json:"injection_high_patterns,omitzero"`
		InjectionMedium [][3]string `json:"injection_medium_patterns,omitzero"`
	}{a.high.given, a.medium.given, a.injectionHigh.given, a.injectionMedium.given}, KindPattern)
}

// Judge implements [policy.Analyzer]: what is HIGH, else what is MEDIUM, else
// UNKNOWN where a command can't be looked into, else LOW.
func (a *Pattern) Judge(action *event.Action) (policy.Verdict, error) {
	var found []finding
	for _, c := range commands(action) {
		for _, p := range c.script.parts {
			for _, f := range a.ofPart(p) {
				if f.risk != event.RiskUnknown || c.strict {
					found = append(found, f.of(p.text))
				}
			}
		}
		if c.strict && c.script.problem != "" {
			found = append(found, finding{risk: event.RiskUnknown, why: c.script.problem})
		}
	}
	exec := execText(action)
	return worst(append(found, a.patterns(exec, exec+" "+saidText(action))...)), nil
}

// patterns finds what patterns say of the texts.
func (a *Pattern) patterns(exec, all string) (found []finding) {
	for _, l := range []struct {
		list []pattern
		text string
		risk event.Risk
	}{
		{a.high.list, exec, event.RiskHigh},
		{a.injectionHigh.list, all, event.RiskHigh},
		{a.medium.list, exec, event.RiskMedium},
		{a.injectionMedium.list, all, event.RiskMedium},
	} {
		for _, p := range l.list {
			if p.re.MatchString(l.text) {
				found = append(found, finding{risk: l.risk, id: p.id, why: p.why})
			}
		}
	}
	return found
}

// ofPart finds what is to be said of a simple command: by the rules for its
// words, and by the patterns for what it really runs.
func (a *Pattern) ofPart(p *part) []finding {
	found := p.findings
	seen := map[string]bool{}
	for _, f := range found {
		seen[f.id] = true
	}
	for _, r := range p.runs {
		text := normalize(r.text())
		for _, f := range a.patterns(text, "") {
			if !seen[f.id] {
				seen[f.id] = true
				found = append(found[:len(found):len(found)], f)
			}
		}
	}
	return found
}

// text is the run as it would be written without anything around it.
func (r run) text() string {
	var b strings.Builder
	if r.sudo {
		b.WriteString("sudo ")
	}
	for i, w := range r.words {
		if i > 0 {
			b.WriteByte(' ')
			b.WriteString(w.text)
		} else {
			b.WriteString(base(w.text))
		}
	}
	return b.String()
}

// command is a text of an action that a shell may run.
type command struct {
	script *script
	// strict tells that a shell runs it for certain: what can't be looked into
	// counts.
	strict bool
}

// commands are the commands of an action. Of tools other than the terminal any
// text may be one.
func commands(a *event.Action) []command {
	if text, _, ok := commandOf(a); ok {
		return []command{{examine(text), true}}
	}
	var list []command
	for _, text := range arguments(a) {
		if len(text) <= maxText {
			list = append(list, command{script: examine(text)})
		}
	}
	if a.ToolName == terminalTool {
		list = append(list, command{&script{problem: "its command can't be read"}, true})
	}
	return list
}

// of puts the command that a finding is about into its words.
func (f finding) of(text string) finding {
	if f.within != "" && f.within != text {
		f.why += ", in " + brief(f.within)
	}
	f.why = brief(text) + ": " + f.why
	return f
}

// reason is a line for people: what it does, and which rule says so.
func (f finding) reason() string {
	if f.id == "" || f.risk == event.RiskUnknown {
		return f.why
	}
	return f.why + " (" + f.id + ")"
}

// brief is the first line of a command, cut to a length that a line can hold.
func brief(text string) string {
	line, _, more := strings.Cut(strings.TrimSpace(text), "\n")
	if runes := []rune(line); len(runes) > 80 {
		line, more = string(runes[:80]), true
	}
	if more {
		line = strings.TrimSpace(line) + " …"
	}
	return line
}

// worst is the verdict of findings: the first of the highest, else that it is
// not known, else LOW.
func worst(found []finding) policy.Verdict {
	v := policy.Verdict{Risk: event.RiskLow}
	unknown := false
	for _, f := range found {
		switch {
		case f.risk == event.RiskUnknown:
			if !unknown && v.Risk == event.RiskLow {
				v.Reason = f.reason()
			}
			unknown = true
		case f.risk != v.Risk && policy.AtLeast(f.risk, v.Risk):
			v = policy.Verdict{Risk: f.risk, Reason: f.reason()}
		}
	}
	if unknown && v.Risk == event.RiskLow {
		v.Risk = event.RiskUnknown
	}
	return v
}
