package terminal

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

// cleanChunks cleans text in chunks of the given sizes, over and over; none
// means at once.
func cleanChunks(text []byte, sizes []byte) string {
	var c cleaner
	var out []byte
	for i := 0; len(text) > 0; i++ {
		n := len(text)
		if len(sizes) > 0 {
			n = min(n, int(sizes[i%len(sizes)])%7+1)
		}
		out = c.feed(out, text[:n])
		text = text[n:]
	}
	return string(c.finish(out))
}

func TestClean(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"text", "hello\tworld\n", "hello\tworld\n"},
		{"line ends", "a\r\nb\r\r\nc\n", "a\nb\nc\n"},
		{"start over", "10%\r20%\r\n", "10%\r20%\n"},
		{"start over twice", "a\r\rb", "a\rb"},
		{"last \\r", "a\r", "a"},
		{"characters", "aäö€🎉", "aäö€🎉"},
		{"cut character", "a\xe2\x82", "a\uFFFD"},
		{"broken character", "a\xe2\x82b", "a\uFFFDb"},
		{"broken twice", "\xe2\xe2\x82\xac", "\uFFFD€"},
		{"never a character", "a\xff\xfe\x80b", "a\uFFFD\uFFFD\uFFFDb"},
		{"overlong", "\xc0\xaf", "\uFFFD\uFFFD"},
		{"surrogate", "\xed\xa0\x80", "\uFFFD\uFFFD\uFFFD"},
		{"colours", "\x1b[31mred\x1b[0m\x1b[m\x1b[38;5;1mx\x1b[38:2::1:2:3m", "\x1b[31mred\x1b[0m\x1b[m\x1b[38;5;1mx\x1b[38:2::1:2:3m"},
		{"no colours", "\x1b[>4;2m\x1b[?4m\x1b[>4m", ""},
		{"cursor", "a\x1b[2K\x1b[1;1H\x1b[?25lb", "ab"},
		{"where is the cursor", "a\x1b[6nb\x1b[?6nc", "abc"},
		{"what are you", "a\x1b[cb\x1b[0cc\x1b[>cd\x1b[>0qe\x1bZf", "abcdef"},
		{"which colour", "a\x1b]10;?\x07b\x1b]11;?\x1b\\c", "abc"},
		{"which setting", "a\x1bP$qm\x1b\\b\x1bP+q544e\x1b\\c", "abc"},
		{"title", "\x1b]0;a title\x07text", "text"},
		{"link", "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"},
		{"character set", "\x1b(Ba\x1b)0b", "ab"},
		{"reset", "a\x1bcb\x1b7c\x1b=d", "abcd"},
		{"escape twice", "a\x1b\x1b[31mb", "a\x1b[31mb"},
		{"string that is cut by a sequence", "\x1b]0;x\x1b[31my", "\x1b[31my"},
		{"string that is cancelled", "\x1b]0;x\x18y", "y"},
		{"string without end", "\x1b]0;title\nnext", "\nnext"},
		{"sequence without end", "\x1b[12\nnext", "\nnext"},
		{"long sequence", "\x1b[" + strings.Repeat("1", 100) + "m", strings.Repeat("1", 38) + "m"},
		{"unfinished", "a\x1b", "a"},
		{"unfinished sequence", "a\x1b[3", "a"},
		{"control characters", "a\x00\x01\x07\x08\x0b\x0c\x0e\x7fb", "ab"},
		{"8-bit control characters", "a\u009b31mb\u0085c\u00a0d", "a31mbc\u00a0d"},
		{"\\r before colours", "a\r\x1b[31mb", "a\r\x1b[31mb"},
		{"\\r before what is dropped", "a\r\x1b[K\n", "a\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, sizes := range [][]byte{nil, {0}, {1}, {2, 0, 5}} {
				if got := cleanChunks([]byte(tt.in), sizes); got != tt.want {
					t.Errorf("in chunks %v: got %q, want %q", sizes, got, tt.want)
				}
			}
		})
	}
}

func TestOverwrite(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		{"a\nb\n", "a\nb\n"},
		{"10%\r20%\n", "20%\n"},
		{"10%\r20%", "20%"},
		{"10%\r20%\r", "20%"},
		{"x\n10%\r20%\r\ny", "x\n20%\ny"},
		{"\r\n\r", "\n"},
	}
	for _, tt := range tests {
		if got := string(overwrite([]byte(tt.in))); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add([]byte("a\x1b[31mb\x1b]0;t\x07\r\n\xe2\x82\xac\x1bP$qm\x1b\\x"), []byte{1})
	f.Add([]byte("\xe2\x82\x1b[6n\r\r\n\x1b]10;?\x1b\\"), []byte{0, 3})
	f.Fuzz(func(t *testing.T, text, sizes []byte) {
		whole := cleanChunks(text, nil)
		if got := cleanChunks(text, sizes); got != whole {
			t.Errorf("in chunks %q, at once %q", got, whole)
		}
		if !utf8.ValidString(whole) {
			t.Errorf("%q is not UTF-8", whole)
		}
		if strings.Contains(whole, "\r\n") {
			t.Errorf("%q has a line end of two characters", whole)
		}
		for rest := whole; ; {
			_, after, found := strings.Cut(rest, "\x1b")
			if !found {
				break
			}
			end := strings.IndexByte(after, 'm')
			if end < 0 || strings.Trim(after[:end], "[0123456789;:") != "" {
				t.Fatalf("%q has a sequence that is no colour", whole)
			}
			rest = after
		}
	})
}

func TestBuffer(t *testing.T) {
	tests := []struct {
		name   string
		half   int
		writes []string
		want   string
	}{
		{"nothing", 4, nil, ""},
		{"head", 4, []string{"ab", "c"}, "abc"},
		{"head and tail", 4, []string{"abcdef"}, "abcdef"},
		{"just full", 4, []string{"abcd", "efgh"}, "abcdefgh"},
		{"around", 4, []string{"abcdefgh", "i", "jk"}, "abcd\n[3 bytes of output came here and were not kept]\nhijk"},
		{"once around", 4, []string{"abcdefgh", "ijkl"}, "abcd\n[4 bytes of output came here and were not kept]\nijkl"},
		{"much at once", 4, []string{"abcdefghijklmnop"}, "abcd\n[8 bytes of output came here and were not kept]\nmnop"},
		{"whole characters", 4, []string{"aäöü", "üöä€"}, "aä\n[10 bytes of output came here and were not kept]\n€"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := buffer{half: tt.half}
			for range 2 {
				for _, w := range tt.writes {
					b.write([]byte(w))
				}
				if got := string(b.take()); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			}
		})
	}
}

func FuzzBuffer(f *testing.F) {
	f.Add([]byte("abcdefghijklmnop"), byte(3), byte(4))
	f.Fuzz(func(t *testing.T, text []byte, size, half byte) {
		text = bytes.ToValidUTF8(text, nil)
		b := buffer{half: int(half)%16 + 1}
		for rest := text; len(rest) > 0; {
			n := min(len(rest), int(size)%40+1)
			b.write(rest[:n])
			rest = rest[n:]
		}
		room := 2 * b.half
		got := b.take()
		switch {
		case len(text) <= room && !bytes.Equal(got, text):
			t.Errorf("got %q, want %q", got, text)
		case len(text) > room && (!utf8.Valid(got) || len(got) > room+100):
			t.Errorf("got %q of %q", got, text)
		}
	})
}

func BenchmarkClean(b *testing.B) {
	line := []byte("2026-08-22 12:00:00 \x1b[32mINFO\x1b[0m a line of a log with some text in it: größe=12\r\n")
	text := bytes.Repeat(line, 1000)
	var c cleaner
	var out []byte
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		out = c.feed(out[:0], text)
	}
}
