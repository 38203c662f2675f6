package skill

import (
	"errors"
	"fmt"
	"strings"
)

// frontMatter splits a file into the fields of its head and its body. A file
// without a head is all body.
//
// The head is the part of YAML that heads are written in: scalars (plain, quoted,
// folded or literal blocks, continued on indented lines), lists, maps. Values are
// string, []any and map[string]any. A plain scalar may hold ": ", which YAML
// forbids and people write all the time. Anchors, tags and flow maps are errors.
func frontMatter(text string) (fields map[string]any, body string, err error) {
	text = strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n")
	first, rest, _ := strings.Cut(text, "\n")
	if strings.TrimRight(first, " \t") != "---" {
		return nil, text, nil
	}
	p := &yaml{}
	closed := false
	for n := 2; rest != "" && !closed; n++ {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		if closed = strings.TrimRight(line, " \t") == "---"; !closed {
			p.lines = append(p.lines, yamlLine{text: line, number: n})
		}
	}
	if !closed {
		return nil, "", errors.New("the head that begins with --- has no end")
	}
	value, err := p.block(0, 0)
	if err == nil {
		if l, more := p.peek(); more {
			err = l.errorf("this is not at the place of a field")
		}
	}
	if err != nil {
		return nil, "", err
	}
	switch v := value.(type) {
	case nil:
		return nil, rest, nil
	case map[string]any:
		return v, rest, nil
	}
	return nil, "", errors.New("the head is not a list of fields")
}

// yaml reads lines; at is the next one.
type yaml struct {
	lines []yamlLine
	at    int
}

type yamlLine struct {
	text   string
	number int
}

func (l yamlLine) indent() int { return len(l.text) - len(strings.TrimLeft(l.text, " ")) }

func (l yamlLine) errorf(format string, args ...any) error {
	return fmt.Errorf("line %d: "+format, append([]any{l.number}, args...)...)
}

// peek gives the next line that says something.
func (p *yaml) peek() (yamlLine, bool) {
	for ; p.at < len(p.lines); p.at++ {
		if text := strings.TrimSpace(p.lines[p.at].text); text != "" && text[0] != '#' {
			return p.lines[p.at], true
		}
	}
	return yamlLine{}, false
}

// maxDepth bounds how deep values lie in each other.
const maxDepth = 8

// block reads the value that begins at the next line, whose lines are indented
// by least or more; nil if there is none.
func (p *yaml) block(least, depth int) (any, error) {
	l, ok := p.peek()
	if !ok || l.indent() < least {
		return nil, nil
	}
	if depth > maxDepth {
		return nil, l.errorf("values lie too deep in each other")
	}
	if strings.HasPrefix(strings.TrimLeft(l.text, " "), "\t") {
		return nil, l.errorf("a tab can't indent")
	}
	if isItem(l.text) {
		return p.list(l.indent(), depth)
	}
	return p.fields(l.indent(), depth)
}

func isItem(line string) bool {
	text := strings.TrimSpace(line)
	return text == "-" || strings.HasPrefix(text, "- ")
}

func (p *yaml) list(indent, depth int) (any, error) {
	items := []any{}
	for {
		l, ok := p.peek()
		if !ok || l.indent() != indent || !isItem(l.text) {
			return items, nil
		}
		// What follows the dash stands at a column of its own.
		text := l.text[:indent] + " " + l.text[indent+1:]
		p.lines[p.at].text = text
		var item any
		var err error
		switch rest := strings.TrimSpace(text); {
		case rest == "":
			p.at++
			item, err = p.block(indent+1, depth+1)
		case isField(rest):
			item, err = p.fields(p.lines[p.at].indent(), depth+1)
		default:
			p.at++
			item, err = p.scalar(l, rest, indent)
		}
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
}

// isField tells whether a text begins with a key.
func isField(text string) bool {
	_, _, ok := cutKey(text)
	return ok
}

func cutKey(text string) (key, value string, ok bool) {
	if text == "" || strings.ContainsRune(`"'[{&*!|>%@`+"`", rune(text[0])) {
		return "", "", false
	}
	i := strings.Index(text, ":")
	if i < 1 || i+1 < len(text) && text[i+1] != ' ' && text[i+1] != '\t' {
		return "", "", false
	}
	return strings.TrimSpace(text[:i]), strings.TrimSpace(text[i+1:]), true
}

func (p *yaml) fields(indent, depth int) (any, error) {
	fields := map[string]any{}
	for {
		l, ok := p.peek()
		if !ok || l.indent() < indent {
			return fields, nil
		}
		key, value, ok := cutKey(strings.TrimSpace(l.text))
		if l.indent() > indent || !ok {
			return nil, l.errorf("a field and a colon are expected here")
		}
		if _, twice := fields[key]; twice {
			return nil, l.errorf("%s stands here twice", key)
		}
		p.at++
		var err error
		if comment(value) != "" {
			fields[key], err = p.scalar(l, value, indent)
		} else {
			least := indent + 1
			if next, ok := p.peek(); ok && isItem(next.text) {
				least = indent // a list may stand below its key without being indented
			}
			fields[key], err = p.block(least, depth+1)
		}
		if err != nil {
			return nil, err
		}
	}
}

// comment cuts a comment off a plain value.
func comment(value string) string {
	if strings.HasPrefix(value, "#") {
		return ""
	}
	if i := strings.Index(value, " #"); i >= 0 {
		value = value[:i]
	}
	return strings.TrimSpace(value)
}

// scalar reads a value that begins on line l, of a field indented by indent.
func (p *yaml) scalar(l yamlLine, value string, indent int) (any, error) {
	switch value[0] {
	case '|', '>':
		return p.blockScalar(value[0] == '>', indent), nil
	case '"', '\'':
		text, rest, err := quoted(value)
		for err != nil && p.at < len(p.lines) && (p.lines[p.at].indent() > indent || strings.TrimSpace(p.lines[p.at].text) == "") {
			value += " " + strings.TrimSpace(p.lines[p.at].text)
			p.at++
			text, rest, err = quoted(value)
		}
		if err != nil {
			return nil, l.errorf("%w", err)
		}
		if comment(rest) != "" {
			return nil, l.errorf("something follows the closing quote")
		}
		return text, nil
	case '[':
		for !strings.Contains(value, "]") && p.at < len(p.lines) && p.lines[p.at].indent() > indent {
			value += " " + comment(p.lines[p.at].text)
			p.at++
		}
		items, err := flowList(value)
		if err != nil {
			return nil, l.errorf("%w", err)
		}
		return items, nil
	case '{', '&', '*', '!':
		return nil, l.errorf("values that begin with %c are not understood here", value[0])
	}
	text := comment(value)
	for p.at < len(p.lines) && p.lines[p.at].indent() > indent {
		next := comment(strings.TrimSpace(p.lines[p.at].text))
		if next != "" {
			text += " " + next
		}
		p.at++
	}
	if text == "~" || text == "null" {
		return nil, nil
	}
	return text, nil
}

// blockScalar reads the lines below | or >.
func (p *yaml) blockScalar(fold bool, indent int) string {
	var lines []string
	inner := 0
	for ; p.at < len(p.lines); p.at++ {
		l := p.lines[p.at]
		if strings.TrimSpace(l.text) == "" {
			lines = append(lines, "")
			continue
		}
		if l.indent() <= indent {
			break
		}
		if inner == 0 {
			inner = l.indent()
		}
		lines = append(lines, l.text[min(inner, l.indent()):])
	}
	if !fold {
		return strings.TrimSpace(strings.Join(lines, "\n"))
	}
	var b strings.Builder
	for _, line := range lines {
		if line == "" {
			b.WriteByte('\n')
			continue
		}
		if n := b.Len(); n > 0 && b.String()[n-1] != '\n' {
			b.WriteByte(' ')
		}
		b.WriteString(line)
	}
	return strings.TrimSpace(b.String())
}

var escapes = map[byte]string{'n': "\n", 't': "\t", '"': `"`, '\\': `\`, '/': "/", ' ': " "}

// quoted reads a quoted text and gives what follows it.
func quoted(value string) (text, rest string, err error) {
	quote := value[0]
	var b strings.Builder
	for i := 1; i < len(value); i++ {
		switch c := value[i]; {
		case c == quote && quote == '\'' && i+1 < len(value) && value[i+1] == quote:
			b.WriteByte(c)
			i++
		case c == quote:
			return b.String(), value[i+1:], nil
		case c == '\\' && quote == '"' && i+1 < len(value):
			i++
			plain, ok := escapes[value[i]]
			if !ok {
				return "", "", fmt.Errorf(`the escape \%c is not understood here`, value[i])
			}
			b.WriteString(plain)
		default:
			b.WriteByte(c)
		}
	}
	return "", "", errors.New("a quote is not closed")
}

// flowList reads [a, "b", c].
func flowList(value string) ([]any, error) {
	items := []any{}
	rest := strings.TrimSpace(value[1:])
	for {
		switch {
		case rest == "":
			return nil, errors.New("a list is not closed")
		case rest[0] == ']':
			if comment(rest[1:]) != "" {
				return nil, errors.New("something follows the end of a list")
			}
			return items, nil
		case rest[0] == '[' || rest[0] == '{':
			return nil, errors.New("a list in a list is not understood here")
		case rest[0] == '"' || rest[0] == '\'':
			text, after, err := quoted(rest)
			if err != nil {
				return nil, err
			}
			items = append(items, text)
			rest = after
		default:
			i := strings.IndexAny(rest, ",]")
			if i < 0 {
				return nil, errors.New("a list is not closed")
			}
			if text := strings.TrimSpace(rest[:i]); text != "" {
				items = append(items, text)
			}
			rest = rest[i:]
		}
		rest = strings.TrimSpace(rest)
		if strings.HasPrefix(rest, ",") {
			rest = strings.TrimSpace(rest[1:])
		} else if !strings.HasPrefix(rest, "]") {
			return nil, errors.New("a comma is missing in a list")
		}
	}
}
