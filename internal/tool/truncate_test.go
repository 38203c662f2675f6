package tool

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTruncate(t *testing.T) {
	tests := []struct {
		name string
		cut  Truncation
		text string
		want string
	}{
		{"no limit", Truncation{}, "abcdef", "abcdef"},
		{"negative limit", Truncation{Limit: -1}, "abcdef", "abcdef"},
		{"at the limit", Truncation{Limit: 6, Notice: "…"}, "abcdef", "abcdef"},
		{"characters, not bytes", Truncation{Limit: 3, Notice: "…"}, "äöü", "äöü"},
		{"the head gets the odd one", Truncation{Limit: 4, Notice: "…"}, "abcdef", "ab…f"},
		{"even", Truncation{Limit: 5, Notice: "…"}, "abcdef", "ab…ef"},
		{"multi-byte halves", Truncation{Limit: 3, Notice: "…"}, "äbcdü", "ä…ü"},
		{"notice as long as the limit", Truncation{Limit: 3, Notice: "[x]"}, "abcdef", "[x]"},
		{"notice longer than the limit", Truncation{Limit: 2, Notice: "[x]"}, "abcdef", "[x"},
		{"broken UTF-8", Truncation{Limit: 3, Notice: "…"}, "\xff\xfe\xfd\xfc", "\xff…\xfc"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.cut.Apply(tt.text); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTruncateSaves(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "observations")
	text := strings.Repeat("0123456789\n", 200)
	cut := Truncation{Limit: 600, Dir: dir, Prefix: "terminal"}
	got := cut.Apply(text)
	if n := utf8.RuneCountInString(got); n != cut.Limit {
		t.Errorf("got %d characters, want %d", n, cut.Limit)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("saved %v, %v; want one file", files, err)
	}
	if !strings.Contains(got, files[0]) || !strings.Contains(got, "at its line 24.") {
		t.Errorf("the notice should name %s and line 24:\n%s", files[0], got)
	}
	saved, err := os.ReadFile(files[0])
	if err != nil || string(saved) != text {
		t.Errorf("the saved file is not the whole text: %d bytes, %v", len(saved), err)
	}
	if again := cut.Apply(text); again != got {
		t.Error("the second time gave another text")
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 1 {
		t.Errorf("the second time saved again: %v", files)
	}
}

func TestTruncateCannotSave(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cut := Truncation{Limit: 3, Notice: "…", Dir: filepath.Join(file, "below"), Prefix: "x"}
	if got := cut.Apply("abcdef"); got != "a…f" {
		t.Errorf("got %q", got)
	}
}
