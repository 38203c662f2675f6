package internal_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	fence   = regexp.MustCompile("(?ms)^\\s*```.*?^\\s*```$")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	noSlug  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// TestLinks follows the relative links of every Markdown file, to files and to
// headings.
func TestLinks(t *testing.T) {
	followed := 0
	for _, file := range markdown(t) {
		for _, m := range link.FindAllStringSubmatch(text(t, file), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			path, anchor, _ := strings.Cut(m[1], "#")
			target := file
			if path != "" {
				target = filepath.Join(filepath.Dir(file), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %s leads nowhere", file, m[1])
			} else if anchor != "" && !slices.Contains(anchors(text(t, target)), anchor) {
				t.Errorf("%s: %s names no heading", file, m[1])
			}
			followed++
		}
	}
	if followed < 50 {
		t.Errorf("only %d links were found", followed)
	}
}

// TestReadmeShowsTheExample: what a reader copies is what is tested.
func TestReadmeShowsTheExample(t *testing.T) {
	example, err := os.ReadFile("../examples/minimal_client.py")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "```python\n"+string(example)+"```\n") {
		t.Error("README.md does not show examples/minimal_client.py as it is")
	}
}

func markdown(t *testing.T) (files []string) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "node_modules", "bin", "dist", "testdata"}, d.Name()):
			return filepath.SkipDir
		case filepath.Ext(path) == ".md":
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// text gives a file without its blocks of code.
func text(t *testing.T, file string) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return fence.ReplaceAllString(string(raw), "")
}

// anchors gives the names of a document's headings in links, as GitHub makes
// them.
func anchors(document string) (names []string) {
	seen := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(document, -1) {
		name := strings.ReplaceAll(noSlug.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")
		// A second heading of that name has another anchor: nothing links to it.
		if !seen[name] {
			names = append(names, name)
		}
		seen[name] = true
	}
	return names
}
