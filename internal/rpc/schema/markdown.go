package schema

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// Markdown gives the reference section of docs/protocol.md: tables of the
// methods, of each type's fields and of the errors. A field with ? may be absent.
func Markdown() (string, error) {
	m, err := load()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	m.mdMethods(&b, "Methods of the client", func(x protocol.Method) bool { return !x.FromServer })
	m.mdMethods(&b, "Requests of the server", func(x protocol.Method) bool { return x.FromServer && x.Result != nil })
	m.mdMethods(&b, "Notifications of the server", func(x protocol.Method) bool { return x.Result == nil })
	b.WriteString("### Types\n\nA field with `?` may be absent; `JSON` is any value, described in the text above.\n")
	for _, t := range m.types {
		m.mdType(&b, t)
	}
	b.WriteString("\n### Errors\n\n| code | `data.kind` | retryable |\n|---|---|---|\n")
	for _, c := range protocol.Codes() {
		retryable := ""
		if c.Retryable() {
			retryable = "yes"
		}
		fmt.Fprintf(&b, "| %d | `%s` | %s |\n", c, c.Kind(), retryable)
	}
	return b.String(), nil
}

func (m *model) mdMethods(b *strings.Builder, title string, take func(protocol.Method) bool) {
	fmt.Fprintf(b, "### %s\n\n", title)
	var rows []protocol.Method
	replies := false
	for _, method := range protocol.Methods() {
		if take(method) {
			rows = append(rows, method)
			replies = replies || method.Result != nil
		}
	}
	if replies {
		b.WriteString("| method | params | result |\n|---|---|---|\n")
	} else {
		b.WriteString("| method | params |\n|---|---|\n")
	}
	for _, method := range rows {
		fmt.Fprintf(b, "| `%s` | %s |", method.Name, m.mdRef(method.Params))
		if replies {
			result := m.mdRef(method.Result)
			if method.Nullable {
				result += " or `null`"
			}
			fmt.Fprintf(b, " %s |", result)
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
}

func (m *model) mdType(b *strings.Builder, t *typeInfo) {
	fmt.Fprintf(b, "\n#### %s\n", t.name)
	if t.doc != "" {
		fmt.Fprintf(b, "\n%s\n", m.mdText(t.doc))
	}
	if t.enum != nil {
		fmt.Fprintf(b, "\nOne of `%s`.\n", strings.Join(t.enum, "`, `"))
		return
	}
	if len(t.fields) == 0 {
		return
	}
	b.WriteString("\n| field | type | |\n|---|---|---|\n")
	for _, f := range t.fields {
		name := f.name
		if f.optional {
			name += "?"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", name, m.mdRef(f.typ), m.mdText(f.doc))
	}
}

// mdRef names a type, as a link where the section describes it.
func (m *model) mdRef(t reflect.Type) string {
	if known := m.known[t]; known != nil {
		return fmt.Sprintf("[%s](#%s)", known.name, strings.ToLower(known.name))
	}
	switch t.Kind() {
	case reflect.Pointer:
		return m.mdRef(t.Elem())
	case reflect.Slice:
		if t == rawType {
			return "JSON"
		}
		return "list of " + m.mdRef(t.Elem())
	case reflect.Map:
		return "object of " + m.mdRef(t.Elem())
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64:
		return "integer"
	case reflect.Float64:
		return "number"
	}
	return "JSON"
}

// docLink is a name in a Go comment that links to its declaration.
var docLink = regexp.MustCompile(`\[(\w+)\]`)

// mdText makes a Go comment fit for a cell of a table.
func (m *model) mdText(doc string) string {
	doc = docLink.ReplaceAllStringFunc(doc, func(link string) string {
		name := strings.Trim(link, "[]")
		for _, t := range m.types {
			if t.name == name {
				return fmt.Sprintf("[%s](#%s)", name, strings.ToLower(name))
			}
		}
		return link
	})
	return strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(doc)
}
