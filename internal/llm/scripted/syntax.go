package scripted

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// SyntaxError tells where a script can't be understood. It never quotes the
// script beyond the name of a field.
type SyntaxError struct {
	// Script is the script's name, Line counts from 1.
	Script  string
	Line    int
	Message string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("script %s, line %d: %s", e.Script, e.Line, e.Message)
}

const quotes = `"""`

// strict turns the relaxed JSON of a script into JSON with the same number of
// lines: comments and trailing commas become spaces, """ strings become plain
// ones.
func strict(src []byte) ([]byte, *SyntaxError) {
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	var (
		out   = make([]byte, 0, len(src)+16)
		comma = -1 // where out has a comma that nothing but space follows
	)
	for i := 0; i < len(src); {
		rest := src[i:]
		switch c := src[i]; {
		case bytes.HasPrefix(rest, []byte(quotes)):
			n := bytes.Index(rest[len(quotes):], []byte(quotes))
			if n < 0 {
				return nil, &SyntaxError{Line: line(src, i), Message: `a string that opens with """ has no end`}
			}
			raw := rest[len(quotes) : len(quotes)+n]
			out = append(out, quote(block(string(raw)))...)
			out = append(out, bytes.Repeat([]byte{'\n'}, bytes.Count(raw, []byte{'\n'}))...)
			i += n + 2*len(quotes)
			comma = -1
		case c == '"':
			n := stringEnd(rest)
			out = append(out, rest[:n]...)
			i += n
			comma = -1
		case c == '#', bytes.HasPrefix(rest, []byte("//")):
			n := bytes.IndexByte(rest, '\n')
			if n < 0 {
				n = len(rest)
			}
			i += n
		case bytes.HasPrefix(rest, []byte("/*")):
			n := bytes.Index(rest, []byte("*/"))
			if n < 0 {
				return nil, &SyntaxError{Line: line(src, i), Message: "a comment that opens with /* has no end"}
			}
			out = append(out, ' ')
			out = append(out, bytes.Repeat([]byte{'\n'}, bytes.Count(rest[:n], []byte{'\n'}))...)
			i += n + 2
		default:
			switch c {
			case ' ', '\t', '\r', '\n':
			case ',':
				comma = len(out)
			case '}', ']':
				if comma >= 0 {
					out[comma] = ' '
				}
				comma = -1
			default:
				comma = -1
			}
			out = append(out, c)
			i++
		}
	}
	return out, nil
}

// stringEnd is the length of the JSON string that s begins with, quotes
// included; a string without end goes up to the end of its line.
func stringEnd(s []byte) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		case '\n':
			return i
		}
	}
	return len(s)
}

// block gives the text of a """ string. Where it opens a line of its own, the
// first line break, the last one and the indentation of the closing quotes are
// not part of it.
func block(raw string) string {
	raw = strings.ReplaceAll(raw, "\r\n", "\n")
	first, body, ok := strings.Cut(raw, "\n")
	if !ok || strings.TrimLeft(first, " \t") != "" {
		return raw
	}
	lines := strings.Split(body, "\n")
	indent := lines[len(lines)-1]
	if strings.TrimLeft(indent, " \t") != "" {
		return body
	}
	lines = lines[:len(lines)-1]
	for i, l := range lines {
		n := 0
		for n < len(l) && n < len(indent) && l[n] == indent[n] {
			n++
		}
		lines[i] = l[n:]
	}
	return strings.Join(lines, "\n")
}

func line(src []byte, offset int) int {
	return 1 + bytes.Count(src[:min(max(offset, 0), len(src))], []byte{'\n'})
}

// quote gives s as a JSON string, without HTML escapes.
func quote(s string) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}
