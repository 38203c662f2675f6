package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Hidden stands in place of a value, as in OpenHands.
const Hidden = "<secret-hidden>"

// minValue is the fewest characters that are hidden. One or two characters
// stand in every text: hiding them would garble it and keep nothing secret.
const minValue = 3

// worthHiding tells whether a value is hidden at all. Bare booleans aren't
// either: a flag in a secret's place is no secret.
func worthHiding(value string) bool {
	value = strings.TrimSpace(value)
	switch strings.ToLower(value) {
	case "true", "false", "null", "none":
		return false
	}
	return utf8.RuneCountInString(value) >= minValue
}

// masker finds the forms of all values in one pass: an Aho-Corasick automaton
// over bytes. It never changes.
type masker struct {
	root  [256]int32
	nodes []node
}

// node is a state: a prefix of some form. Node 0 is the root.
type node struct {
	edges []edge
	// fail is the longest proper suffix that is a prefix too.
	fail int32
	// live is the length of the longest suffix that a form may go on from: so much
	// of what was read may turn out to belong to a value.
	live int32
	// found is the length of the longest form that ends here; 0 if none does.
	found int32
}

type edge struct {
	b  byte
	to int32
}

// newMasker makes the masker of values that are worth hiding.
func newMasker(values map[string]bool) *masker {
	m := &masker{nodes: make([]node, 1)}
	for value := range values {
		for _, form := range forms(value) {
			m.insert(form)
		}
	}
	m.link()
	return m
}

func (m *masker) insert(form string) {
	at := int32(0)
	for i := range len(form) {
		next := m.child(at, form[i])
		if next == 0 {
			next = int32(len(m.nodes))
			m.nodes = append(m.nodes, node{live: int32(i + 1)})
			m.nodes[at].edges = append(m.nodes[at].edges, edge{form[i], next})
			if at == 0 {
				m.root[form[i]] = next
			}
		}
		at = next
	}
	m.nodes[at].found = int32(len(form))
}

func (m *masker) child(at int32, b byte) int32 {
	if at == 0 {
		return m.root[b]
	}
	for _, e := range m.nodes[at].edges {
		if e.b == b {
			return e.to
		}
	}
	return 0
}

// link sets where to go on when no edge fits, level by level.
func (m *masker) link() {
	queue := []int32{0}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, e := range m.nodes[at].edges {
			queue = append(queue, e.to)
			to := &m.nodes[e.to]
			if at != 0 {
				to.fail = m.step(m.nodes[at].fail, e.b)
			}
			if to.found == 0 {
				to.found = m.nodes[to.fail].found
			}
			if len(to.edges) == 0 {
				to.live = m.nodes[to.fail].live
			}
		}
	}
}

// step reads one byte.
func (m *masker) step(at int32, b byte) int32 {
	for at != 0 {
		if next := m.child(at, b); next != 0 {
			return next
		}
		at = m.nodes[at].fail
	}
	return m.root[b]
}

// in tells whether any form stands in the text.
func (m *masker) in(text string) bool {
	at := int32(0)
	for i := range len(text) {
		if at == 0 {
			at = m.root[text[i]]
		} else {
			at = m.step(at, text[i])
		}
		if m.nodes[at].found > 0 {
			return true
		}
	}
	return false
}

// span is a part of a text, from begin up to end.
type span struct{ begin, end int }

// cover adds what was found, the last part of text[:end], to the spans. Parts
// that overlap become one; they come with rising ends.
func cover(spans []span, begin, end int) []span {
	for n := len(spans); n > 0 && spans[n-1].end > begin; n-- {
		begin = min(begin, spans[n-1].begin)
		spans = spans[:n-1]
	}
	return append(spans, span{begin, end})
}

// mask hides all forms in the text; the text itself comes back where there are
// none.
func (m *masker) mask(text string) string {
	if m == nil || !m.in(text) {
		return text
	}
	var spans []span
	at := int32(0)
	for i := range len(text) {
		at = m.step(at, text[i])
		if n := int(m.nodes[at].found); n > 0 {
			spans = cover(spans, i+1-n, i+1)
		}
	}
	var b strings.Builder
	from := 0
	for _, s := range spans {
		b.WriteString(text[from:s.begin])
		b.WriteString(Hidden)
		from = s.end
	}
	b.WriteString(text[from:])
	return b.String()
}

// forms are the ways in which a value shows up: as it is, without blank ends as
// shells print it, with the line ends of a terminal, quoted for a shell, each of
// these inside JSON and inside JSON inside JSON; in a URL, and in base64.
func forms(value string) []string {
	plain := []string{
		value,
		strings.TrimSpace(value),
		strings.ReplaceAll(strings.ReplaceAll(value, "\r\n", "\n"), "\n", "\r\n"),
		strings.ReplaceAll(value, "'", `'\''`),
		ansiQuoted(value),
	}
	seen := make(map[string]bool)
	var all []string
	add := func(forms ...string) {
		for _, f := range forms {
			if f != "" && !seen[f] {
				seen[f] = true
				all = append(all, f)
			}
		}
	}
	add(plain...)
	for depth := 0; depth < 2; depth++ {
		for _, f := range all[:len(all):len(all)] {
			add(inJSON(f, false), inJSON(f, true), inASCII(f))
		}
	}
	if len(value) <= maxEncoded {
		add(inURL(value)...)
		add(inBase64(value)...)
	}
	return all
}

// maxEncoded bounds the values whose encodings are looked for, in bytes, and
// minEncoded those in base64: a few of its characters stand in any text.
const (
	maxEncoded = 8 << 10
	minEncoded = 8
)

// ansiQuoted is the text inside bash's $'…', as set -x and declare -p print what
// has control characters.
func ansiQuoted(text string) string {
	var b strings.Builder
	for i := range len(text) {
		switch c := text[i]; c {
		case '\'', '\\':
			b.WriteString(`\` + string(rune(c)))
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// inURL gives the text in a URL, as the escaping functions of the usual
// languages write it: they agree on letters and digits, and differ in what else
// they leave alone, in blanks, and in the case of the digits.
func inURL(text string) []string {
	all := []string{strings.ReplaceAll(percent(text, "-_.~"), "%20", "+")}
	for _, safe := range []string{"-_.~", "-_.~/", "-_.!~*'()", "-_.~$&+=:@"} {
		all = append(all, percent(text, safe))
	}
	for _, f := range all[:len(all):len(all)] {
		all = append(all, lowerHex(f))
	}
	return all
}

func percent(text, safe string) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		if '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || strings.IndexByte(safe, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// lowerHex writes the escapes of a URL in lower case.
func lowerHex(escaped string) string {
	b := []byte(escaped)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:], bytes.ToLower(b[i+1:i+3]))
			i += 2
		}
	}
	return string(b)
}

// inBase64 gives the text in base64, alone, as a line, and as a part of
// something longer: then its bytes lie in one of three ways, and the characters
// at its ends hold bits of the neighbours.
func inBase64(text string) []string {
	if len(text) < minEncoded {
		return nil
	}
	var all []string
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		all = append(all, e.EncodeToString([]byte(text)), e.EncodeToString([]byte(text+"\n")), e.WithPadding(base64.NoPadding).EncodeToString([]byte(text)))
		for shift := range 3 {
			whole := e.EncodeToString([]byte("\x00\x00"[:shift] + text))
			all = append(all, whole[(8*shift+5)/6:8*(shift+len(text))/6])
		}
	}
	return all
}

// inJSON is the text inside a JSON string.
func inJSON(text string, forHTML bool) string {
	quoted := quote(text)
	if forHTML {
		quoted, _ = json.Marshal(text) // a string always encodes
	}
	return string(quoted[1 : len(quoted)-1])
}

// inASCII is the text inside a JSON string of writers that escape whatever is not
// ASCII, as Python's does by default.
func inASCII(text string) string {
	var b strings.Builder
	for _, r := range inJSON(text, false) {
		switch {
		case r < utf8.RuneSelf:
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
