package terminal

import (
	"fmt"
	"regexp"
	"sort"
	"strings"
	"unicode/utf8"
)

// dialect is how a shell is spoken to.
type dialect int

const (
	// bash knows $'…', so that no control character goes over the terminal.
	bash dialect = iota
	// posix is any other shell that expands parameters in its prompt.
	posix
)

// maxLine is how long a line that is typed may get, in bytes. A terminal that
// collects whole lines drops what goes beyond 4095 on Linux and 1023 on macOS.
const maxLine = 1000

// literalNext makes a terminal take the next character as it is.
const literalNext = "\x16"

// line gives what is typed to run script as command seq. It is one eval of one
// quoted word, over as many lines as it needs: the shell has read all of it
// before the script starts, so nothing is left that a program could read as
// its input, a script of several lines ends in one prompt, and a quote that was
// left open is an error and not a shell that waits for more. The number goes
// into a comment before the script, which leaves $? as it was.
func (d dialect) line(seq int, script string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `eval "#$((%s=%d))"`, seqVariable, seq)
	script = "\n" + script
	open, escape := "$'", escapeANSI
	if d == posix {
		open, escape = "'", escapePOSIX
	}
	b.WriteString(open)
	width := 0
	for len(script) > 0 {
		_, size := utf8.DecodeRuneInString(script)
		piece := script[:size]
		if size == 1 {
			piece = escape(piece[0])
		}
		if piece == "\n" {
			width = 0
		} else if width += len(piece); width > maxLine {
			b.WriteString("'\\\n" + open)
			width = len(piece)
		}
		b.WriteString(piece)
		script = script[size:]
	}
	b.WriteString("'\n")
	return b.String()
}

// escapeANSI writes a byte within $'…'.
func escapeANSI(c byte) string {
	switch {
	case c == '\'', c == '\\':
		return `\` + string(rune(c))
	case c == '\n':
		return `\n`
	case c < 0x20, c == 0x7f, c == '!':
		// The first line may meet a shell that still expands its history.
		return fmt.Sprintf(`\%03o`, c)
	}
	return string([]byte{c})
}

// escapePOSIX writes a byte within '…', so that it comes through the terminal.
func escapePOSIX(c byte) string {
	switch {
	case c == '\'':
		return `'\''`
	case c == '\n':
		return "\n"
	case c < 0x20, c == 0x7f:
		return literalNext + string(rune(c))
	}
	return string([]byte{c})
}

// quote writes s as one word of any shell.
func quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// setup is the first script of a shell, after its own start-up files: it makes
// the prompt ours and takes away what else would print, wait or write a history
// file. What a start-up file made read-only stays.
func (d dialect) setup(m marks, dir string) string {
	lines := []string{
		`unset PS1 HISTFILE TMOUT MAILCHECK MAIL MAILPATH`,
		`PS2=`,
		`PS1=` + quote(m.ps1()),
		// A C-d that comes after its program has ended must not end the shell. Ten
		// in a row do: then the terminal is lost.
		`set -o ignoreeof`,
		// A start-up file may have gone elsewhere.
		`command cd -- ` + quote(dir),
	}
	if d == bash {
		lines = append(lines,
			`unset PROMPT_COMMAND PS0`,
			`trap - DEBUG`,
			`set +o history +H; history -c`,
			`shopt -s promptvars interactive_comments expand_aliases`,
		)
	}
	return strings.Join(lines, "\n")
}

// noEditing is typed into bash before anything else. A start-up file that chose
// the keys of an editor has switched line editing on, and with it the echo.
// Nothing but a line of its own can switch it off: within eval that would drop
// the rest of the script.
const noEditing = "[[ -o vi || -o emacs ]] && set +o vi +o emacs\n"

var validName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// export gives the script that puts variables into the environment; "" when
// there is none with a name that a shell takes.
func export(vars map[string]string) string {
	var words []string
	for name, value := range vars {
		if validName.MatchString(name) {
			words = append(words, name+"="+quote(strings.ReplaceAll(value, "\x00", "")))
		}
	}
	if len(words) == 0 {
		return ""
	}
	sort.Strings(words)
	return "export " + strings.Join(words, " ")
}
