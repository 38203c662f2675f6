package visualize

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// cell is one code point on the screen: its columns (0 for a mark that joins
// the one before) and how it looks.
type cell struct {
	r     rune
	cols  int
	style style
}

// line is styled text without a line break.
type line []cell

// add puts text at the end, escaped, with tabs as blanks up to the next column
// that four divides.
func (l line) add(st style, text string) line {
	if strings.Contains(text, "\t") {
		text = expandTabs(text, l.cols())
	}
	for _, r := range strings.ReplaceAll(Escape(text), "\n", `\n`) {
		c := cell{r, columns(r), st}
		if r == '\ufe0f' && len(l) > 0 && l[len(l)-1].cols == 1 {
			// This selector asks for the emoji form, which takes two columns.
			l[len(l)-1].cols = 2
		}
		l = append(l, c)
	}
	return l
}

func (l line) cols() int {
	n := 0
	for _, c := range l {
		n += c.cols
	}
	return n
}

// pad fills up to n columns.
func (l line) pad(n int) line {
	if missing := n - l.cols(); missing > 0 {
		return l.add(normal, strings.Repeat(" ", missing))
	}
	return l
}

// cut shortens to n columns, with "…" where something is missing. Only what is
// rewritten anyway may be cut.
func (l line) cut(n int) line {
	if l.cols() <= n {
		return l
	}
	used, i := 0, 0
	for i < len(l) && used+l[i].cols <= n-1 {
		used += l[i].cols
		i++
	}
	if n < 1 {
		return nil
	}
	return append(l[:i:i], cell{'…', 1, dim})
}

// wrap breaks at blanks into lines of at most first and then rest columns; a
// word that is longer than a line is broken where the line ends. At a break one
// blank is left out and nothing else. The first head columns stay together with
// what follows them.
func (l line) wrap(first, rest, head int) []line {
	first, rest = max(first, 2), max(rest, 2)
	var out []line
	limit := first
	for l.cols() > limit {
		used, i, blank := 0, 0, -1
		for i < len(l) && used+l[i].cols <= limit {
			if l[i].r == ' ' && used > head {
				blank = i
			}
			used += l[i].cols
			i++
		}
		switch {
		case i < len(l) && l[i].r == ' ' && used > head:
			out, l = append(out, l[:i]), l[i+1:]
		case blank > 0 && !allBlank(l[:blank]):
			out, l = append(out, l[:blank]), l[blank+1:]
		default:
			i = max(i, 1)
			out, l = append(out, l[:i]), l[i:]
		}
		limit, head = rest, 0
	}
	return append(out, l)
}

func allBlank(l line) bool {
	for _, c := range l {
		if c.r != ' ' {
			return false
		}
	}
	return true
}

// columns is how many columns a code point takes on a terminal.
func columns(r rune) int {
	switch {
	case r < 0x7f:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf), r >= 0x1160 && r <= 0x11ff:
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// Escape makes text safe to print: control characters, invisible and
// direction-changing ones and bytes that are no UTF-8 become \x1b or \u202e.
// Tabs and line feeds stay, and so does the joiner inside an emoji.
func Escape(s string) string {
	i := strings.IndexFunc(s, hidden)
	if i < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	before := rune(0)
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\ufffd"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\u200d' && emoji(before):
			b.WriteRune(r)
		case !hidden(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		before = r
	}
	return b.String()
}

func hidden(r rune) bool {
	switch r {
	case '\n', '\t':
		return false
	case '\u2028', '\u2029', '\u115f', '\u1160', '\u3164', '\uffa0':
		return true
	}
	return r < 0x20 || r >= 0x7f && r < 0xa0 || r > 0xff && unicode.Is(unicode.Cf, r)
}

func emoji(r rune) bool { return r == '\ufe0f' || r >= 0x1f000 || r >= 0x2190 && r <= 0x2bff }

func expandTabs(s string, col int) string {
	var b strings.Builder
	for _, r := range s {
		if r != '\t' {
			b.WriteRune(r)
			col += columns(r)
			continue
		}
		n := 4 - col%4
		b.WriteString(strings.Repeat(" ", n))
		col += n
	}
	return b.String()
}

// outputLines splits what a command printed as a terminal would leave it:
// colours gone, a line that was rewritten after a carriage return in its last
// form, blank lines at the end left out.
func outputLines(s string) []string {
	s = strings.TrimRight(strings.ReplaceAll(stripColors(s), "\r\n", "\n"), " \t\r\n")
	if s == "" {
		return nil
	}
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		l = strings.TrimRight(l, "\r")
		if j := strings.LastIndexByte(l, '\r'); j >= 0 {
			l = l[j+1:]
		}
		lines[i] = l
	}
	return lines
}

// stripColors takes out the sequences that only set colours. Every other
// control sequence stays, to be escaped.
func stripColors(s string) string {
	if !strings.Contains(s, "\x1b[") {
		return s
	}
	var b strings.Builder
	for {
		i := strings.Index(s, "\x1b[")
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		j := i + 2
		for j < len(s) && (s[j] >= '0' && s[j] <= '9' || s[j] == ';' || s[j] == ':') {
			j++
		}
		if j < len(s) && s[j] == 'm' {
			s = s[j+1:]
			continue
		}
		b.WriteString(s[i : i+2])
		s = s[i+2:]
	}
}

// firstLine is the first line with text in it.
func firstLine(s string) string {
	for l := range strings.SplitSeq(s, "\n") {
		if l = strings.TrimSpace(l); l != "" {
			return l
		}
	}
	return ""
}

// oneLine puts text on one line for plain output: line breaks become "\n".
func oneLine(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(Escape(s), "\n", `\n`), "\t", " ")
}
