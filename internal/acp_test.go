package internal_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

var (
	acpRoute  = regexp.MustCompile(`(?m)^\s*(?:accept|router\.Notification)\(r, "([^"]+)"`)
	acpMethod = regexp.MustCompile(`(?m)^\tmethod\w+\s+= "(_[^"]+)"$`)
	acpUpdate = regexp.MustCompile(`(?:Update\{|Chunk\{|updateToolCall\w* +=  *|SessionUpdate: )"([a-z_]+)"`)
)

// TestACPPage: docs/acp.md names every method and update that is served, each with
// a test that exists.
func TestACPPage(t *testing.T) {
	page := text(t, "../docs/acp.md")
	var sources string
	for _, name := range []string{"server", "lifecycle", "session", "updates", "prompt", "modes"} {
		raw, err := os.ReadFile("acp/" + name + ".go")
		if err != nil {
			t.Fatal(err)
		}
		sources += string(raw)
	}
	for pattern, least := range map[*regexp.Regexp]int{acpRoute: 12, acpMethod: 4, acpUpdate: 10} {
		found := pattern.FindAllStringSubmatch(sources, -1)
		if len(found) < least {
			t.Errorf("%s finds only %d", pattern, len(found))
		}
		for _, m := range found {
			if !strings.Contains(page, "`"+m[1]+"`") {
				t.Errorf("docs/acp.md does not name %s", m[1])
			}
		}
	}
	for _, name := range []string{"Methods", "Updates", "Questions to the client", "Extensions"} {
		for line := range strings.Lines(section(page, name)) {
			if strings.HasPrefix(line, "| `") && !testName.MatchString(line) {
				t.Errorf("no test holds %s", line)
			}
		}
	}
	testsExist(t, "docs/acp.md", page)
}

// TestACPRegistryEntry: editors/acp has what the protocol's registry asks of an
// entry: its fields in their form, the platforms by its names, and the files that
// make dist makes.
func TestACPRegistryEntry(t *testing.T) {
	raw, err := os.ReadFile("../editors/acp/agent.json")
	if err != nil {
		t.Fatal(err)
	}
	var entry struct {
		ID, Name, Version, Description, Repository, License string
		Authors                                             []string
		Distribution                                        struct {
			Binary map[string]struct {
				Archive, Cmd string
				Args         []string
			}
		}
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields()
	if err := d.Decode(&entry); err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^[a-z][a-z0-9-]*$`).MatchString(entry.ID) || !regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+`).MatchString(entry.Version) ||
		entry.Name == "" || entry.Description == "" || entry.Repository == "" || entry.License == "" || len(entry.Authors) == 0 {
		t.Errorf("%+v", entry)
	}
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	platforms := map[string]string{
		"darwin-aarch64": "darwin/arm64", "darwin-x86_64": "darwin/amd64", "linux-aarch64": "linux/arm64",
		"linux-x86_64": "linux/amd64", "windows-aarch64": "windows/arm64", "windows-x86_64": "windows/amd64",
	}
	for platform, target := range platforms {
		b, ok := entry.Distribution.Binary[platform]
		file := "agent-rpc-" + strings.ReplaceAll(target, "/", "-")
		if strings.HasPrefix(target, "windows") {
			file += ".exe"
		}
		if !ok || !strings.HasSuffix(b.Archive, "/v"+entry.Version+"/"+file) || b.Cmd != "./"+file || strings.Join(b.Args, " ") != "acp" {
			t.Errorf("%s: %+v", platform, b)
		}
		if !strings.Contains(string(makefile), target) {
			t.Errorf("make dist does not build %s", target)
		}
	}
	if len(entry.Distribution.Binary) != len(platforms) {
		t.Errorf("%d platforms", len(entry.Distribution.Binary))
	}
	icon, err := os.ReadFile("../editors/acp/icon.svg")
	if err != nil || !strings.Contains(string(icon), `width="16" height="16"`) || !strings.Contains(string(icon), "currentColor") {
		t.Error("the icon must be 16 by 16 and of the current colour", err)
	}
}
