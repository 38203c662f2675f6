package security

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/policy"
)

// Parts takes the command of an action apart; nil where there is no command, or
// it can't be read. The risk of a part is what [Pattern] says of it without
// patterns of the user's own.
func (Judge) Parts(a *event.Action) []policy.Part {
	text, typed, ok := commandOf(a)
	if !ok || typed {
		return nil
	}
	sc := examine(text)
	if sc.problem != "" {
		return nil
	}
	var parts []policy.Part
	for _, p := range sc.parts {
		found := defaults().ofPart(p)
		for i := range found {
			if within := found[i].within; within != "" {
				found[i].why += ", in " + brief(within)
				found[i].within = ""
			}
		}
		v := worst(found)
		parts = append(parts, policy.Part{Text: p.text, Risk: v.Risk, Reason: v.Reason})
	}
	return parts
}

// Rule makes the rule that remembers an action. Of a command it holds the
// syntax tree: each command, its words, redirections and operators, but neither
// white space nor comments; a timeout is left out. Of other actions it holds
// every argument. Not to be remembered is what is of high risk, what is not
// known before it runs, and what is typed into a running program: the error says
// which.
func (j Judge) Rule(a *event.Action) (policy.Rule, error) {
	text, typed, ok := commandOf(a)
	if typed {
		return policy.Rule{}, errors.New("what is typed into a running program means something else each time")
	}
	if !ok {
		return exactly(a)
	}
	file, err := parse(text)
	if err != nil {
		return policy.Rule{}, err
	}
	sc := examine(text)
	if sc.problem != "" {
		return policy.Rule{}, errors.New(sc.problem)
	}
	for _, p := range sc.parts {
		for _, f := range defaults().ofPart(p) {
			switch f.risk {
			case event.RiskHigh:
				return policy.Rule{}, fmt.Errorf("%s is of high risk", brief(p.text))
			case event.RiskUnknown:
				return policy.Rule{}, errors.New(f.of(p.text).why)
			}
		}
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(a.Action, &fields); err != nil {
		return policy.Rule{}, err
	}
	delete(fields, "command")
	delete(fields, "timeout")
	rest, err := json.Marshal(fields)
	if err != nil {
		return policy.Rule{}, err
	}
	return policy.Rule{ID: digest(a.ToolName, canonical(file), string(rest)), Tool: a.ToolName, Text: text}, nil
}

// exactly is the rule for an action that is no command.
func exactly(a *event.Action) (policy.Rule, error) {
	dec := json.NewDecoder(bytes.NewReader(a.Action))
	dec.UseNumber()
	var fields map[string]any
	if err := dec.Decode(&fields); err != nil {
		return policy.Rule{}, errors.New("its arguments can't be read")
	}
	raw, err := json.Marshal(fields) // names in order
	if err != nil {
		return policy.Rule{}, err
	}
	delete(fields, "kind")
	text, err := json.Marshal(fields)
	if err != nil {
		return policy.Rule{}, err
	}
	return policy.Rule{ID: digest(a.ToolName, string(raw)), Tool: a.ToolName, Text: string(text)}, nil
}

func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s", len(p), p) // a hash takes all that it is given
	}
	return hex.EncodeToString(h.Sum(nil))
}

// canonical writes a syntax tree down so that two are equal only if their texts
// differ in nothing but white space and comments. Of the places in the text it
// keeps whether they are there: some are all that tells two trees apart.
func canonical(file *syntax.File) string {
	var b strings.Builder
	write(&b, reflect.ValueOf(file.Stmts))
	return b.String()
}

var (
	posType     = reflect.TypeFor[syntax.Pos]()
	commentType = reflect.TypeFor[[]syntax.Comment]()
	stmtType    = reflect.TypeFor[syntax.Stmt]()
)

func write(b *strings.Builder, v reflect.Value) {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			b.WriteByte('-')
			return
		}
		write(b, v.Elem())
	case reflect.Slice:
		fmt.Fprintf(b, "[%d", v.Len())
		for i := range v.Len() {
			write(b, v.Index(i))
		}
		b.WriteByte(']')
	case reflect.Struct:
		if v.Type() == posType {
			b.WriteByte("01"[btoi(v.Interface().(syntax.Pos).IsValid())])
			return
		}
		b.WriteString("(" + v.Type().Name())
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Type == commentType || !f.IsExported() || v.Type() == stmtType && f.Name == "Semicolon" {
				continue
			}
			write(b, v.Field(i))
		}
		b.WriteByte(')')
	case reflect.String:
		fmt.Fprintf(b, "%d:%s", v.Len(), v.String())
	case reflect.Bool:
		b.WriteByte("ft"[btoi(v.Bool())])
	default: // operators
		b.WriteString("#" + strconv.FormatUint(v.Uint(), 10))
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
