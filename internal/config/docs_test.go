package config

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/llm"
)

func manual(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(data), "\r\n", "\n")
}

// TestEverySettingIsDocumented holds docs/configuration.md to the code: what
// there is stands in a table, and what stands in a table is there.
func TestEverySettingIsDocumented(t *testing.T) {
	text := manual(t)
	known := map[string]bool{}
	for _, fields := range []map[string]reflect.Type{settingsFields(), agentFields(), llmFields()} {
		for name := range fields {
			known[name] = true
		}
	}
	documented := map[string]bool{}
	row := regexp.MustCompile("(?m)^\\| ((?:`[a-z_]+`(?:, )?)+) \\|")
	for _, found := range row.FindAllStringSubmatch(text, -1) {
		for _, name := range strings.Split(found[1], ", ") {
			documented[strings.Trim(name, "`")] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if !documented[name] {
			t.Errorf("%s is not documented", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(documented)) {
		if !known[name] {
			t.Errorf("%s is documented, but there is no such setting", name)
		}
	}
}

func TestEveryVariableIsDocumented(t *testing.T) {
	text := manual(t)
	asked := map[string]bool{}
	c := Load(func(name string) (string, bool) {
		asked[name] = true
		return "", false
	}, t.TempDir())
	if _, err := c.Resolve(nil); err == nil {
		t.Fatal("a model was found")
	}
	c.ConversationsDir()
	for name := range asked {
		if field, ok := strings.CutPrefix(name, "LLM_"); ok && llmFields()[strings.ToLower(field)] != nil {
			continue // LLM_NAME
		}
		if !strings.Contains(text, name) {
			t.Errorf("%s is not documented", name)
		}
	}
	for _, name := range regexp.MustCompile("`(AGENT_RPC_[A-Z_]+)`").FindAllStringSubmatch(text, -1) {
		if !asked[name[1]] {
			t.Errorf("%s is documented, but nobody looks at it", name[1])
		}
	}
}

func TestEveryProviderIsDocumented(t *testing.T) {
	rows := map[string]string{}
	for _, line := range strings.Split(manual(t), "\n") {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		for _, name := range regexp.MustCompile("`([a-z_]+)/`").FindAllStringSubmatch(line, -1) {
			rows[name[1]] = line
		}
	}
	for _, p := range llm.Providers() {
		line, ok := rows[p.Name]
		delete(rows, p.Name)
		if !ok {
			t.Errorf("%s is not documented", p.Name)
			continue
		}
		for _, want := range []string{p.KeyVar, p.DefaultModel} {
			if want != "" && !strings.Contains(line, "`"+want+"`") {
				t.Errorf("the row of %s lacks %s: %s", p.Name, want, line)
			}
		}
		if p.DefaultModel == "" && strings.Count(line, "/") > strings.Count(line, "/`") && !strings.Contains(line, "](") {
			t.Errorf("the row of %s has a default model that it has not: %s", p.Name, line)
		}
	}
	for name := range rows {
		t.Errorf("%s is documented, but not known", name)
	}
}

func TestTheExampleOfTheManual(t *testing.T) {
	for _, found := range regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllStringSubmatch(manual(t), -1) {
		l, err := parseTOML("docs/configuration.md", []byte(found[1]))
		if err != nil {
			t.Error(err)
		} else if len(l.warnings) > 0 {
			t.Errorf("%q", l.warnings)
		}
	}
}
