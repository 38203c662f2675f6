package terminal

import (
	"fmt"
	"strings"
	"testing"
)

// scan parts text in chunks of the given sizes, over and over, and writes down
// what came.
func scan(m marks, text []byte, sizes []byte) string {
	s := scanner{marks: m}
	var log strings.Builder
	output := ""
	flush := func() {
		if output != "" {
			fmt.Fprintf(&log, "output %q\n", output)
		}
		output = ""
	}
	for i := 0; len(text) > 0; i++ {
		n := len(text)
		if len(sizes) > 0 {
			n = min(n, int(sizes[i%len(sizes)])+1)
		}
		s.feed(text[:n], func(p []byte) { output += string(p) }, func(p prompt) {
			flush()
			fmt.Fprintf(&log, "prompt %d %d %d %q %q\n", p.seq, p.exitCode, p.pid, p.dir, p.path)
		})
		text = text[n:]
	}
	flush()
	return log.String()
}

func TestScanner(t *testing.T) {
	m := newMarks("WORD")
	begin, end := string(m.begin), string(m.end)
	block := func(fields ...string) string { return begin + strings.Join(fields, separator) + end }
	tests := []struct{ name, in, want string }{
		{"output", "hello", `output "hello"`},
		{"prompt", block("3", "0", "", "/w", "/bin"), `prompt 3 0 -1 "/w" "/bin"`},
		{"between output", "a" + block("3", "127", "42", "/w", "/bin:/sbin") + "b", "output \"a\"\nprompt 3 127 42 \"/w\" \"/bin:/sbin\"\noutput \"b\""},
		{"two", block("1", "0", "", "/", "") + block("2", "1", "", "/", ""), "prompt 1 0 -1 \"/\" \"\"\nprompt 2 1 -1 \"/\" \"\""},
		{"any directory", block("1", "0", "", "/a\n\"b\"\\", "/p\x1fq"), `prompt 1 0 -1 "/a\n\"b\"\\" "/p\x1fq"`},
		{"exit code", block("1", "x", "y", "/", ""), `prompt 1 -1 -1 "/" ""`},
		{"no number", block("", "0", "", "/", ""), ""},
		{"too few fields", "a" + block("1", "0", "/") + "b", `output "ab"`},
		{"another word", "\x1e###PS1BEGIN OTHER###x###PS1END OTHER###\x1e\n", `output "\x1e###PS1BEGIN OTHER###x###PS1END OTHER###\x1e\n"`},
		{"a frame", "a\x1eb\x1e\x1ec", `output "a\x1eb\x1e\x1ec"`},
		{"begin twice", begin + "1\x1f0" + block("2", "0", "", "/", ""), `prompt 2 0 -1 "/" ""`},
		{"start of a mark", "a\x1e###PS1", `output "a"`},
		{"no end", "a" + begin + "1\x1f0", `output "a"`},
		{"end without begin", "a" + end + "b", `output "a` + strings.ReplaceAll(end, "\x1e", `\x1e`) + `b"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, sizes := range [][]byte{nil, {0}, {1}, {3, 0, 20}} {
				if got := strings.TrimSpace(scan(m, []byte(tt.in), sizes)); got != tt.want {
					t.Errorf("in chunks %v: got %s, want %s", sizes, got, tt.want)
				}
			}
		})
	}
	t.Run("lost end", func(t *testing.T) {
		lost := begin + strings.Repeat("x", 2*maxPrompt) + block("1", "0", "", "/", "")
		for _, sizes := range [][]byte{nil, {255}, {200, 1}} {
			got := scan(m, []byte(lost), sizes)
			if !strings.HasSuffix(got, "prompt 1 0 -1 \"/\" \"\"\n") || strings.Count(got, "x") != 2*maxPrompt {
				t.Errorf("in chunks %v: got %.100s… of %d bytes", sizes, got, len(got))
			}
		}
	})
}

func FuzzScanner(f *testing.F) {
	m := newMarks("W")
	block := string(m.begin) + "1\x1f0\x1f\x1f/\x1f/bin" + string(m.end)
	f.Add([]byte("a"+block+"b\x1e"+block), []byte{0})
	f.Add([]byte(string(m.begin)+block+"\x1e###PS1B"), []byte{3, 1})
	f.Fuzz(func(t *testing.T, text, sizes []byte) {
		// The marks are long for a fuzzer: two bytes stand for them.
		text = []byte(strings.NewReplacer("{", string(m.begin), "}", string(m.end), "|", separator).Replace(string(text)))
		whole := scan(m, text, nil)
		if got := scan(m, text, sizes); got != whole {
			t.Errorf("in chunks %s\nat once %s", got, whole)
		}
		if strings.Contains(whole, "###PS1BEGIN W###") {
			t.Errorf("a mark is shown: %s", whole)
		}
	})
}
