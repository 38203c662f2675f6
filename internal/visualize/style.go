package visualize

import "strings"

// style is how a cell looks: one of the 16 ANSI colours, so that the user's
// palette rules, and attributes.
type style struct {
	color                byte // 30 to 37, 0 for the default
	bold, dim, underline bool
}

var (
	normal  = style{}
	bold    = style{bold: true}
	dim     = style{dim: true}
	red     = style{color: 31}
	green   = style{color: 32}
	yellow  = style{color: 33}
	blue    = style{color: 34}
	cyan    = style{color: 36}
	boldRed = style{color: 31, bold: true}
	danger  = style{color: 31, underline: true}
)

func (s style) sequence() string {
	var codes []string
	if s.bold {
		codes = append(codes, "1")
	}
	if s.dim {
		codes = append(codes, "2")
	}
	if s.underline {
		codes = append(codes, "4")
	}
	if s.color != 0 {
		codes = append(codes, string([]byte{'3', '0' + s.color - 30}))
	}
	return "\x1b[" + strings.Join(codes, ";") + "m"
}

// render gives the line as bytes for a terminal.
func (l line) render(color bool) string {
	var b strings.Builder
	current := normal
	for _, c := range l {
		if color && c.style != current {
			if current != normal {
				b.WriteString("\x1b[0m")
			}
			if c.style != normal {
				b.WriteString(c.style.sequence())
			}
			current = c.style
		}
		b.WriteRune(c.r)
	}
	if current != normal {
		b.WriteString("\x1b[0m")
	}
	return b.String()
}
