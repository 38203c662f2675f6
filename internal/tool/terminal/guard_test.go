package terminal

import (
	"strings"
	"testing"
)

func TestLiteralProblem(t *testing.T) {
	tests := []struct {
		command string
		refused bool
	}{
		{"ls", false},
		{"", false},
		{"[ -f x ]", false},
		{"[[ -f x ]]", false},
		{"[[\t-f x ]]", false},
		{"[[", false},
		{"{ ls; }", false},
		{"{a,b}", false},
		{"echo '[{'", false},
		{`[{"command": "ls"}]`, true},
		{`  [{`, true},
		{`["ls"]`, true},
		{`['ls']`, true},
		{`{"command": "ls"}`, true},
		{`{'command': 'ls'}`, true},
		{"[[1, 2]]", true},
		{"\n\t[[x", true},
	}
	for _, tt := range tests {
		if got := literalProblem(tt.command); (got != "") != tt.refused {
			t.Errorf("%q: got %q, refused should be %v", tt.command, got, tt.refused)
		}
	}
}

func TestSplit(t *testing.T) {
	tests := []struct {
		name, command string
		want          []string
	}{
		{"one", "ls", []string{"ls"}},
		{"joined", "a; b && c || d | e & f", []string{"a; b && c || d | e & f"}},
		{"two lines", "a\nb", []string{"a", "b"}},
		{"three with blanks", "a\n\n  b x\n\tc", []string{"a", "b x", "c"}},
		{"semicolon at the end of a line", "a;\nb", []string{"a;", "b"}},
		{"background at the end of a line", "a &\nb", []string{"a &", "b"}},
		{"and at the end of a line", "a &&\nb", []string{"a &&\nb"}},
		{"pipe at the end of a line", "a |\nb", []string{"a |\nb"}},
		{"continued", "a \\\n b", []string{"a \\\n b"}},
		{"quoted", "echo 'a\nb'", []string{"echo 'a\nb'"}},
		{"loop", "for i in 1 2; do\n  echo $i\ndone", []string{"for i in 1 2; do\n  echo $i\ndone"}},
		{"if", "if a\nthen b\nfi", []string{"if a\nthen b\nfi"}},
		{"function", "f() {\n a\n}", []string{"f() {\n a\n}"}},
		{"function and call", "f() {\n a\n}\nf", []string{"f() {\n a\n}", "f"}},
		{"function and call on a line", "f() {\n a\n}; f", []string{"f() {\n a\n}; f"}},
		{"here-document", "cat <<EOF\na\nb\nEOF", []string{"cat <<EOF\na\nb\nEOF"}},
		{"here-document and more", "cat <<EOF\na\nEOF\nls", []string{"cat <<EOF\na\nEOF", "ls"}},
		{"here-document and more on its line", "cat <<EOF; ls\na\nEOF", []string{"cat <<EOF; ls\na\nEOF"}},
		{"comments", "# first\nls # list\n# last", []string{"# first\nls # list\n# last"}},
		{"comments between", "a\n# about b\nb", []string{"a\n# about b", "b"}},
		{"only comments", "# a\n# b", []string{"# a\n# b"}},
		{"unparsable", "if true\necho a", []string{"if true\necho a"}},
		{"open quote", "echo 'a\nb", []string{"echo 'a\nb"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := split(tt.command)
			if strings.Join(got, "\x00") != strings.Join(tt.want, "\x00") {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzSplit(f *testing.F) {
	for _, seed := range []string{"a\nb", "cat <<E\nx\nE\nls", "f() {\n}\n", "$(\n)", "a;\n#\nb &", "((\n", "[[\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, command string) {
		got := split(command)
		if len(got) == 0 {
			t.Fatal("no statement at all")
		}
		// Nothing of the command is lost but blanks.
		strip := func(s string) string { return strings.Join(strings.Fields(s), "") }
		if strip(strings.Join(got, " ")) != strip(command) {
			t.Errorf("%q became %q", command, got)
		}
	})
}
