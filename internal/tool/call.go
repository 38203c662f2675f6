package tool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// Parsed is a model's tool call, made good and checked.
type Parsed struct {
	Tool Tool
	// ToolName is the name of the tool, which may not be what the model wrote.
	ToolName string
	// Arguments are the repaired arguments as one line of JSON, security_risk and
	// summary still among them, in the model's order.
	Arguments string
	// Action is what the tool's Decode gave.
	Action json.RawMessage
	Risk   event.Risk
	// Summary is never empty: without one from the model it is the call itself.
	Summary string
}

// ParseOptions is what reading a call depends on beside the tools.
type ParseOptions struct {
	// Analyzed says that the conversation has a security analyzer. Without one
	// the model's risk counts for nothing, and a risk that makes no sense is no
	// error.
	Analyzed bool
	// Ripgrep says that the terminal has rg, for calls of a grep tool that the
	// conversation does not have.
	Ripgrep bool
}

// CallError says why a call can't be carried out. The model reads it. It names
// the tool, the reason and the names of the parameters, and never a value.
type CallError struct {
	// ToolName is the name of the tool as far as it could be made out.
	ToolName string
	// Arguments stand in the stored call: what the model wrote where it is JSON,
	// else an object that tells it is not.
	Arguments  string
	Reason     string
	Parameters []string
	// Malformed says that the arguments are no JSON.
	Malformed bool
}

func (e *CallError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "The call of tool %s can't be carried out: %s.", name(e.ToolName), e.Reason)
	if e.Malformed {
		return b.String()
	}
	names := make([]string, len(e.Parameters))
	for i, p := range e.Parameters {
		names[i] = name(p)
	}
	if len(names) == 0 {
		b.WriteString(" No parameters were given.")
	} else {
		fmt.Fprintf(&b, " Parameters given: %s.", strings.Join(names, ", "))
	}
	return b.String()
}

// malformedKey marks a stored call whose arguments were no JSON, as
// OpenHands does.
const malformedKey = "_openhands_malformed_tool_call"

// ParseCall reads a model's call of one of the tools: what can be understood is
// made good, and the rest is checked by the tool. The error is a *[CallError].
func ParseCall(set *Set, toolName, arguments string, opts ParseOptions) (*Parsed, error) {
	args, err := parseArguments(arguments)
	if err != nil {
		var marker object
		marker.set(malformedKey, json.RawMessage("true"))
		marker.setString("error", err.Error())
		return nil, &CallError{ToolName: toolName, Arguments: string(marker.encode()), Reason: err.Error(), Malformed: true}
	}
	toolName = normalizeCall(set, toolName, &args, opts)
	given := args.keys()
	fail := func(reason string) (*Parsed, error) {
		return nil, &CallError{ToolName: toolName, Arguments: string(args.encode()), Reason: reason, Parameters: given}
	}
	index, ok := set.byName[toolName]
	if !ok {
		return fail("there is no such tool; the tools are " + strings.Join(set.names, ", "))
	}
	t, params := set.tools[index], set.params[index]
	def := t.Definition()
	repairArguments(params, args)
	p := &Parsed{Tool: t, ToolName: toolName, Arguments: string(args.encode())}

	own := append(object{}, args...)
	if p.Risk, err = risk(own.remove(paramRisk), def, opts); err != nil {
		return fail(err.Error())
	}
	summary := takeSummary(&own, params)
	rest := own.encode()
	if p.Action, err = t.Decode(rest); err != nil {
		return fail(err.Error())
	}
	if p.Summary = summary; summary == "" {
		p.Summary = defaultSummary(toolName, rest)
	}
	return p, nil
}

// parseArguments reads the arguments as models write them. What is JSON but no
// object counts as no arguments; nulls are left out.
func parseArguments(text string) (object, error) {
	raw := []byte(strings.ToValidUTF8(text, "\uFFFD"))
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, nil
	}
	if !json.Valid(raw) {
		if escaped := escapeControls(raw); json.Valid(escaped) {
			raw = escaped
		} else {
			return nil, malformed(escaped)
		}
	}
	obj, err := parseObject(raw)
	if errors.Is(err, errNotObject) {
		return nil, nil
	}
	if err != nil {
		return nil, malformed(raw)
	}
	for _, typo := range []string{"security_rort", "securtiy_risk", "security_riks"} {
		if i := obj.index(typo); i >= 0 && !obj.has(paramRisk) {
			obj[i].key = paramRisk
		} else {
			obj.remove(typo)
		}
	}
	var out object
	for _, m := range obj {
		if !isNull(m.value) {
			out = append(out, member{m.key, compact(m.value)})
		}
	}
	return out, nil
}

// malformed says where JSON breaks, without a byte of it.
func malformed(raw []byte) error {
	var v any
	var syntax *json.SyntaxError
	err := json.Unmarshal(raw, &v)
	if !errors.As(err, &syntax) {
		return errors.New("the arguments are not valid JSON")
	}
	if int(syntax.Offset) >= len(raw) {
		return errors.New("the arguments are not valid JSON: they end before the JSON does")
	}
	at := utf8.RuneCount(raw[:syntax.Offset])
	return fmt.Errorf("the arguments are not valid JSON: they break at character %d of %d", at, utf8.RuneCount(raw))
}

// escapeControls writes control characters inside strings the way JSON wants
// them; models put raw line breaks and tabs there.
func escapeControls(raw []byte) []byte {
	var b bytes.Buffer
	inString, escaped := false, false
	for _, c := range raw {
		switch {
		case inString && c < 0x20:
			if escaped {
				// A backslash before a raw line break: the break is what is meant.
				b.Truncate(b.Len() - 1)
			}
			escaped = false
			fmt.Fprintf(&b, `\u%04x`, c)
			continue
		case escaped:
			escaped = false
		case inString && c == '\\':
			escaped = true
		case c == '"':
			inString = !inString
		}
		b.WriteByte(c)
	}
	return b.Bytes()
}

// risk reads security_risk as OpenHands does: it counts only where something
// asks for it.
func risk(raw json.RawMessage, def *Definition, opts ParseOptions) (event.Risk, error) {
	if def.ReadOnly() || !opts.Analyzed || raw == nil {
		return event.RiskUnknown, nil
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		switch r := event.Risk(strings.ToUpper(strings.TrimSpace(text))); r {
		case event.RiskUnknown, event.RiskLow, event.RiskMedium, event.RiskHigh:
			return r, nil
		}
	}
	return "", errors.New("parameter " + paramRisk + " must be one of UNKNOWN, LOW, MEDIUM, HIGH")
}

// takeSummary takes the summary out, unless it is a parameter of the tool
// itself; "" if there is none.
func takeSummary(args *object, params parameters) string {
	summary, _ := args.text(paramSummary)
	if params.has(paramSummary) {
		return strings.TrimSpace(summary)
	}
	args.remove(paramSummary)
	if strings.TrimSpace(summary) == "" {
		return ""
	}
	return summary
}

// maxSummary bounds the summary that is made of a call, in characters: its
// arguments may hold a whole file, which would be stored twice.
const maxSummary = 1000

func defaultSummary(toolName string, args json.RawMessage) string {
	text := toolName + ": " + string(args)
	if len(text) <= maxSummary || utf8.RuneCountInString(text) <= maxSummary {
		return text
	}
	return firstRunes(text, maxSummary-1) + "…"
}
