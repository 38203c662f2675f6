package visualize

import "strings"

// proseLine is one line of a message before it is wrapped: text that begins at
// an indent, or code that is printed as it is.
type proseLine struct {
	text   line
	indent int // of lines after a break
	code   bool
}

// markdown renders a message lightly: code spans and blocks in cyan, headings
// and strong text bold. Without colour the marks of code and strong text stay,
// as nothing else would tell them.
func markdown(text string, color bool) []proseLine {
	var out []proseLine
	fence := ""
	for raw := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		trimmed := strings.TrimLeft(raw, " ")
		if mark := fenceOf(trimmed); mark != "" && (fence == "" || strings.HasPrefix(mark, fence) && strings.TrimSpace(trimmed) == mark) {
			if fence == "" {
				fence = mark
			} else {
				fence = ""
			}
			continue
		}
		switch {
		case fence != "":
			out = append(out, proseLine{text: line{}.add(cyan, "  "+expandTabs(raw, 0)), code: true})
		case strings.HasPrefix(trimmed, "|"):
			out = append(out, proseLine{text: line{}.add(normal, raw), code: true})
		case strings.HasPrefix(trimmed, "#") && strings.HasPrefix(strings.TrimLeft(trimmed, "#"), " "):
			out = append(out, proseLine{text: line{}.add(bold, strings.TrimSpace(strings.TrimLeft(trimmed, "#")))})
		default:
			out = append(out, proseLine{text: spans(raw, color), indent: hang(raw)})
		}
	}
	return out
}

// fenceOf is the run of ``` or ~~~ that a line begins with.
func fenceOf(s string) string {
	for _, c := range []string{"`", "~"} {
		if n := len(s) - len(strings.TrimLeft(s, c)); n >= 3 {
			return s[:n]
		}
	}
	return ""
}

// hang is where the lines after a break begin: under the text of a list item.
func hang(s string) int {
	indent := len(s) - len(strings.TrimLeft(s, " "))
	rest := s[indent:]
	if len(rest) > 1 && strings.ContainsRune("-*+", rune(rest[0])) && rest[1] == ' ' {
		return indent + 2
	}
	digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
	if digits > 0 && digits < 4 && len(rest) > digits+1 && (rest[digits] == '.' || rest[digits] == ')') && rest[digits+1] == ' ' {
		return indent + digits + 2
	}
	return indent
}

// spans styles `code` and **strong** text.
func spans(s string, color bool) line {
	var l line
	if !color {
		return l.add(normal, s)
	}
	for s != "" {
		i := strings.IndexAny(s, "`*")
		if i < 0 {
			break
		}
		mark := s[i:]
		switch {
		case mark[0] == '`':
			mark = mark[:len(mark)-len(strings.TrimLeft(mark, "`"))]
		case strings.HasPrefix(mark, "**"):
			mark = "**"
		default:
			mark = "*"
		}
		rest := s[i+len(mark):]
		end := strings.Index(rest, mark)
		if mark == "*" || end <= 0 || mark == "**" && (rest[0] == ' ' || rest[end-1] == ' ') {
			l = l.add(normal, s[:i+len(mark)])
			s = rest
			continue
		}
		st := cyan
		if mark == "**" {
			st = bold
		}
		l = l.add(normal, s[:i]).add(st, rest[:end])
		s = rest[end+len(mark):]
	}
	return l.add(normal, s)
}
