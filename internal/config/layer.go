package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// fields are the members of an object by their name in snake_case.
type fields map[string]json.RawMessage

// layer is what one source says.
type layer struct {
	// name stands in messages.
	name            string
	top, agent, llm fields
	// foreign: it may come from somebody else, with a conversation.
	foreign bool
	// written are the names as the source spells them, by their path here.
	written  map[string]string
	warnings []string
	// broken is why a part of the source can't be used.
	broken []fault
}

// fault is a setting that makes no sense.
type fault struct {
	path    string // "llm.temperature"
	message string // without the value
}

func (f fault) Error() string { return f.path + ": " + f.message }

// layerOf sorts the members of an object. Members that nobody knows become
// warnings.
func layerOf(name string, object fields) *layer {
	l := &layer{name: name, top: fields{}, agent: fields{}, llm: fields{}, written: map[string]string{}}
	l.take("", object, l.top, settingsFields())
	for section, into := range map[string]struct {
		fields fields
		known  map[string]reflect.Type
	}{
		"agent": {l.agent, agentFields()},
		"llm":   {l.llm, llmFields()},
	} {
		raw, ok := l.top[section]
		if !ok {
			continue
		}
		delete(l.top, section)
		object, err := objectOf(raw)
		if err != nil {
			l.broken = append(l.broken, fault{section, err.Error()})
			continue
		}
		l.take(section+".", object, into.fields, into.known)
	}
	slices.Sort(l.warnings)
	return l
}

// take copies the members of an object that are not null.
func (l *layer) take(prefix string, object, into fields, known map[string]reflect.Type) {
	// Sorted, so that api_key is taken where apiKey stands beside it.
	for _, name := range slices.Sorted(maps.Keys(object)) {
		raw := object[name]
		if isNull(raw) {
			continue
		}
		key := snake(name)
		l.written[prefix+key] = name
		if _, ok := known[key]; !ok {
			if prefix != "llm." || !openHandsFields[key] {
				l.warnings = append(l.warnings, fmt.Sprintf("%s: the setting %s is not known", l.name, prefix+name))
			}
			if prefix != "llm." {
				continue
			}
		}
		into[key] = raw
	}
}

// check finds what can't be understood.
func (l *layer) check() []fault {
	bad := slices.Clone(l.broken)
	try := func(prefix string, from fields, into any) {
		for _, name := range slices.Sorted(maps.Keys(from)) {
			if err := assign(into, name, from[name]); err != nil {
				bad = append(bad, fault{prefix + name, err.Error()})
			}
		}
	}
	try("", l.top, &Settings{})
	try("agent.", l.agent, &Agent{})
	try("llm.", l.llm, &llm.Config{})
	return bad
}

// drop takes the faulty settings out.
func (l *layer) drop(bad []fault) []error {
	var errs []error
	for _, f := range bad {
		errs = append(errs, fmt.Errorf("%s: %w", l.name, f))
		section, name, ok := strings.Cut(f.path, ".")
		switch {
		case !ok:
			delete(l.top, section)
		case section == "llm":
			delete(l.llm, name)
		default:
			delete(l.agent, name)
		}
	}
	return errs
}

// apply sets what the layer says, but for the model.
func (l *layer) apply(s *Settings) {
	for name, raw := range l.top {
		_ = assign(s, name, raw) // checked before
	}
	for name, raw := range l.agent {
		_ = assign(&s.Agent, name, raw)
	}
}

// text is a member that is a string; "" if it is absent or anything else.
func (f fields) text(name string) string {
	var s string
	if json.Unmarshal(f[name], &s) != nil {
		return ""
	}
	return strings.TrimSpace(s)
}

// secret is a member that holds a secret; what OpenHands masked or encrypted
// counts as absent.
func (f fields) secret(name string) llm.Secret {
	s := f.text(name)
	if llm.Unread(s) {
		return ""
	}
	return llm.Secret(s)
}

// objectOf reads an object; null and an empty list are an empty one.
func objectOf(raw json.RawMessage) (fields, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || isNull(raw) {
		return nil, nil
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil && len(list) == 0 {
		return nil, nil
	}
	var object fields
	if err := json.Unmarshal(raw, &object); err != nil {
		return nil, errors.New("must be an object")
	}
	return object, nil
}

func isNull(raw json.RawMessage) bool { return string(bytes.TrimSpace(raw)) == "null" }

// snake turns camelCase into snake_case.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if r >= 'A' && r <= 'Z' {
			if i > 0 {
				b.WriteByte('_')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}
