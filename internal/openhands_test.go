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
	testName   = regexp.MustCompile("`(Test\\w+)(?:/([^`]+))?`")
	testFunc   = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	kindOf     = regexp.MustCompile(`(?m)^\tKind\w+\s+= "(\w+)"$`)
	statusOf   = regexp.MustCompile(`(?m)^\tStatus\w+\s+Status = "(\w+)"$`)
	methodName = regexp.MustCompile(`(?m)^\tMethod\w+\s+= "(conversation/\w+)"$`)
)

// TestOpenHandsPage: docs/openhands.md names every kind of event, every status and
// every method, and tests that exist; what is served has a test. The members of
// OpenHands' own class are compared where the class is at hand, in TestInterchange.
func TestOpenHandsPage(t *testing.T) {
	page := text(t, "../docs/openhands.md")
	named := func(what, file string, pattern *regexp.Regexp, within string) {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := pattern.FindAllStringSubmatch(string(raw), -1)
		if len(found) < 5 {
			t.Errorf("%s has only %d of each %s", file, len(found), what)
		}
		for _, m := range found {
			if !strings.Contains(within, "`"+m[1]+"`") {
				t.Errorf("docs/openhands.md does not name the %s %s", what, m[1])
			}
		}
	}
	named("kind", "conversation/event/event.go", kindOf, section(page, "Events"))
	named("status", "rpc/protocol/protocol.go", statusOf, section(page, "Statuses"))
	named("method", "rpc/protocol/protocol.go", methodName, page)

	for _, name := range []string{"The constructor", "Properties", "Methods", "Events", "Statuses", "What is stored beside events"} {
		rows := 0
		for line := range strings.Lines(section(page, name)) {
			cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
			if !strings.HasPrefix(line, "| ") || len(cells) < 3 || strings.TrimSpace(cells[len(cells)-1]) == "tests" {
				continue
			}
			rows++
			states := strings.TrimSpace(cells[1])
			if name != "Events" && states != "no" && !testName.MatchString(cells[len(cells)-1]) {
				t.Errorf("no test holds %s", line)
			}
		}
		if rows < 5 {
			t.Errorf("%q has only %d rows", name, rows)
		}
	}
	testsExist(t, "docs/openhands.md", page)
}

// TestFaultsPage: docs/faults.md names tests that exist, and one for each fault.
func TestFaultsPage(t *testing.T) {
	page := text(t, "../docs/faults.md")
	rows := 0
	for line := range strings.Lines(page) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| ") || strings.TrimSpace(cells[0]) == "fault" {
			continue
		}
		rows++
		if len(cells) != 4 || strings.TrimSpace(cells[1]) == "" || !testName.MatchString(cells[3]) {
			t.Errorf("what is kept, or the test that shows it, is missing in %s", line)
		}
	}
	if rows < 15 {
		t.Errorf("only %d faults are named", rows)
	}
	testsExist(t, "docs/faults.md", page)
}

// testsExist checks the names of tests on a page.
func testsExist(t *testing.T, file, page string) {
	t.Helper()
	tests := testSources(t)
	for _, m := range testName.FindAllStringSubmatch(page, -1) {
		sources, known := tests[m[1]]
		if !known {
			t.Errorf("%s names %s, which is no test", file, m[1])
		} else if _, err := os.Stat("rpc/testdata/" + m[2] + ".txtar"); m[1] == "TestTranscripts" && err == nil {
			continue
		} else if m[2] != "" && !slices.ContainsFunc(sources, func(s string) bool { return strings.Contains(s, `"`+m[2]+`"`) }) {
			t.Errorf("%s names %s/%s, which is no part of that test", file, m[1], m[2])
		}
	}
}

// section gives what stands below a heading, up to the next one.
func section(page, name string) string {
	_, rest, _ := strings.Cut(page, "\n## "+name+"\n")
	rest, _, _ = strings.Cut(rest, "\n## ")
	return rest
}

// testSources gives the sources of each test, by its name.
func testSources(t *testing.T) map[string][]string {
	t.Helper()
	tests := map[string][]string{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		raw, err := os.ReadFile(path)
		for _, m := range testFunc.FindAllSubmatch(raw, -1) {
			tests[string(m[1])] = append(tests[string(m[1])], string(raw))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}
