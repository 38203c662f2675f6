package scripted

import (
	"regexp"
	"strings"
)

// template is what the ${NAME} of an answer stand for. A name that is not known
// stays as it is written, so that shell variables need no escape.
type template map[string]string

var placeholder = regexp.MustCompile(`\$\{[a-z0-9_]+\}`)

// text fills in a plain text.
func (t template) text(s string) string {
	return t.fill(s, func(value string) string { return value })
}

// json fills in the strings of a JSON text.
func (t template) json(s string) string {
	return t.fill(s, func(value string) string {
		quoted := quote(value)
		return string(quoted[1 : len(quoted)-1])
	})
}

func (t template) fill(s string, escape func(string) string) string {
	if !strings.Contains(s, "${") {
		return s
	}
	return placeholder.ReplaceAllStringFunc(s, func(name string) string {
		value, ok := t[name[2:len(name)-1]]
		if !ok {
			return name
		}
		return escape(value)
	})
}
