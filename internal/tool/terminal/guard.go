package terminal

import (
	"fmt"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// maxParsed is the longest command, in bytes, that is parsed before it runs.
const maxParsed = 256 << 10

// literalProblem tells what is wrong with a command that is a piece of data: a
// JSON object, a list, a Python literal. A model that mixes up its arguments
// writes these; a shell would run something else. Tests ([ -f x ], [[ -f x ]])
// and groups ({ ls; }) pass. "" means nothing is wrong.
func literalProblem(command string) string {
	s := strings.TrimLeft(command, " \t\r\n")
	isLiteral := false
	for _, start := range []string{`[{`, `["`, `['`, `{"`, `{'`} {
		isLiteral = isLiteral || strings.HasPrefix(s, start)
	}
	if rest, ok := strings.CutPrefix(s, "[["); ok && rest != "" && rest[0] != ' ' && rest[0] != '\t' {
		isLiteral = true
	}
	if !isLiteral {
		return ""
	}
	return "This looks like data (a list or an object), not like a shell command, so it was not run. " +
		"Give the command itself as one string in `command`; to write data to a file, use the file editor or a here-document."
}

// severalProblem tells that a command is several. Statements on lines of their
// own are; what ;, &&, ||, | or & joins on a line, a loop, a function or a
// here-document is one. "" means it is one, or that it can't be told.
func severalProblem(command string) string {
	statements := split(command)
	if len(statements) < 2 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Nothing was run: these are %d separate commands, and one call runs one.\n", len(statements))
	for i, s := range statements {
		fmt.Fprintf(&b, "(%d) %s\n", i+1, s)
	}
	b.WriteString("Send them one by one, or join them with && (stop at the first failure) or ; (go on).")
	return b.String()
}

// split gives the statements of a command that stand on lines of their own. A
// text that is no bash counts as one.
func split(command string) (statements []string) {
	// One line is one command; no need to look closer.
	if len(command) > maxParsed || !strings.Contains(command, "\n") {
		return []string{command}
	}
	defer func() {
		// The parser has had inputs that it panicked on. The shell may well
		// understand what it does not.
		if recover() != nil {
			statements = []string{command}
		}
	}()
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(command), "")
	if err != nil || len(file.Stmts) == 0 {
		return []string{command}
	}
	var starts []uint
	for i, stmt := range file.Stmts {
		if i == 0 || !sameLine(file.Stmts[i-1], stmt) {
			starts = append(starts, stmt.Pos().Offset())
		}
	}
	// Comments and here-documents go with the statement before them.
	for i, start := range starts {
		end := uint(len(command))
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		if i == 0 {
			start = 0
		}
		statements = append(statements, strings.TrimSpace(command[start:end]))
	}
	return statements
}

// sameLine tells that two statements that follow each other are joined by ; or
// & and no line end stands between.
func sameLine(a, b *syntax.Stmt) bool {
	return a.Semicolon.IsValid() && a.Semicolon.Line() == b.Pos().Line()
}
