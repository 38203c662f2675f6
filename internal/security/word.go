package security

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// word is one word of a command as the program gets it.
type word struct {
	// text holds what is written for the parts that are not known.
	text string
	// known tells that nothing of it depends on variables, substitutions or the
	// names of files.
	known bool
	// source is the word in the tree; nil where it stands in no tree.
	source *syntax.Word
}

// maxBraces bounds how many words one word with braces may become.
const maxBraces = 256

// words resolves quoting and braces.
func (s *scan) words(list []*syntax.Word) []word {
	var out []word
	for _, w := range list {
		out = append(out, s.word(w)...)
	}
	return out
}

func (s *scan) word(w *syntax.Word) []word {
	split := *w
	if !syntax.SplitBraces(&split) {
		return []word{s.resolve(w)}
	}
	var out []word
	for expanded, err := range expand.BracesSeq(nil, &split) {
		if err != nil || len(out) == maxBraces {
			return []word{{s.source(w), false, w}}
		}
		one := s.resolve(expanded)
		one.source = w
		out = append(out, one)
	}
	return out
}

func (s *scan) resolve(w *syntax.Word) word {
	out := word{known: true, source: w}
	var b strings.Builder
	for _, part := range w.Parts {
		switch p := part.(type) {
		case *syntax.Lit:
			text, plain := unescape(p.Value)
			b.WriteString(text)
			out.known = out.known && plain
		case *syntax.SglQuoted:
			if p.Dollar {
				b.WriteString(ansi(p.Value))
			} else {
				b.WriteString(p.Value)
			}
		case *syntax.DblQuoted:
			for _, inner := range p.Parts {
				if lit, ok := inner.(*syntax.Lit); ok {
					b.WriteString(unquote(lit.Value))
				} else {
					b.WriteString(s.source(inner))
					out.known = false
				}
			}
		default:
			b.WriteString(s.source(part))
			out.known = false
		}
	}
	out.text = b.String()
	return out
}

// unescape takes the backslashes off an unquoted text. plain is false where it
// has a pattern of file names.
func unescape(text string) (out string, plain bool) {
	plain = true
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			if text[i] != '\n' {
				b.WriteByte(text[i])
			}
			continue
		case strings.IndexByte("*?[", c) >= 0 && text != "[" && text != "[[":
			plain = false
			fallthrough
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), plain
}

// unquote takes the backslashes off a text within double quotes.
func unquote(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) && strings.IndexByte("\\\"$`\n", text[i+1]) >= 0 {
			if i++; text[i] == '\n' {
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// ansi decodes the escapes of $'…'.
func ansi(text string) string {
	simple := map[byte]byte{'a': 7, 'b': 8, 'e': 27, 'E': 27, 'f': 12, 'n': 10, 'r': 13, 't': 9, 'v': 11}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		i++
		c := text[i]
		// digits reads a number of at most most digits after skip characters.
		digits := func(skip, base, most int) bool {
			end := i + skip
			for end < len(text) && end < i+skip+most {
				if _, err := strconv.ParseUint(text[end:end+1], base, 8); err != nil {
					break
				}
				end++
			}
			n, err := strconv.ParseUint(text[i+skip:end], base, 32)
			if err != nil {
				return false
			}
			if base == 8 || most == 2 {
				b.WriteByte(byte(n))
			} else if n <= utf8.MaxRune {
				b.WriteRune(rune(n))
			}
			i = end - 1
			return true
		}
		done := false
		switch {
		case simple[c] != 0:
			b.WriteByte(simple[c])
			done = true
		case c >= '0' && c <= '7':
			done = digits(0, 8, 3)
		case c == 'x':
			done = digits(1, 16, 2)
		case c == 'u':
			done = digits(1, 16, 4)
		case c == 'U':
			done = digits(1, 16, 8)
		case c == 'c' && i+1 < len(text):
			i++
			b.WriteByte(text[i] & 0x1f)
			done = true
		}
		if !done {
			b.WriteByte(c)
		}
	}
	// What follows a NUL is lost in bash.
	out, _, _ := strings.Cut(b.String(), "\x00")
	return out
}
