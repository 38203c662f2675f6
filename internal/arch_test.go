package internal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/agent-rpc/agent-rpc/"

// layers says which packages of ours each part of the house may import, beside
// its own. ARCHITECTURE.md tells why. A part is a folder; the longest match
// counts.
var layers = map[string][]string{
	"cmd":                             {"*"},
	"internal/conversation/event":     {},
	"internal/conversation/view":      {"internal/conversation/event"},
	"internal/conversation/stuck":     {"internal/conversation/event"},
	"internal/conversation/policy":    {"internal/conversation/event"},
	"internal/conversation/stats":     {"internal/conversation/event"},
	"internal/conversation/secret":    {"internal/conversation/event"},
	"internal/conversation/title":     {"internal/conversation/event"},
	"internal/conversation/condenser": {"internal/conversation/event", "internal/conversation/view"},
	"internal/conversation/store":     {"internal/conversation/event"},
	"internal/conversation":           {"internal/conversation"},
	"internal/security":               {"internal/conversation/event", "internal/conversation/policy"},
	"internal/agent":                  {"internal/conversation", "internal/llm", "internal/tool", "internal/workspace", "internal/skill"},
	"internal/llm/provider":           {"internal/llm", "internal/conversation/event"},
	"internal/llm/llmtest":            {"internal/llm", "internal/conversation/event"},
	"internal/llm/openai":             {"internal/llm", "internal/conversation/event"},
	"internal/llm/anthropic":          {"internal/llm", "internal/conversation/event"},
	"internal/llm":                    {"internal/conversation/event"},
	"internal/tool":                   {"internal/conversation/event", "internal/workspace"},
	"internal/mcp":                    {"internal/conversation/event", "internal/tool", "internal/workspace"},
	"internal/workspace/baseline":     {"internal/conversation", "internal/workspace"},
	"internal/workspace":              {},
	"internal/skill":                  {},
	"internal/hook":                   {"internal/conversation", "internal/workspace"},
	"internal/config":                 {"internal/llm"},
	"internal/rpc/protocol":           {"internal/conversation/event"},
	"internal/face":                   {"internal/conversation", "internal/workspace", "internal/rpc/protocol"},
	"internal/rpc":                    {"internal/conversation", "internal/workspace", "internal/face"},
	// What rpc and acp share of a connection lies below rpc; the LSP face itself is
	// none of acp's.
	"internal/acp":       {"internal/conversation", "internal/workspace", "internal/face", "internal/rpc/protocol", "internal/rpc/router", "internal/rpc/wire"},
	"internal/client":    {"internal/rpc/protocol", "internal/conversation/event"},
	"internal/visualize": {"internal/rpc/protocol", "internal/conversation/event", "internal/conversation/form"},
	// The transcripts for plain LSP clients are the pages of visualize.
	"internal/rpc/transcript": {"internal/rpc/protocol", "internal/visualize", "internal/conversation/event"},
	"internal/rpc/blame":      {},
	// It measures the built program from outside, as a client does.
	"internal/bench": {},
}

// libraries says which part alone may import a library.
var libraries = map[string]string{
	"github.com/sourcegraph/jsonrpc2":        "internal/rpc",
	"go.lsp.dev/":                            "internal/rpc",
	"github.com/openai/openai-go":            "internal/llm/openai",
	"github.com/anthropics/anthropic-sdk-go": "internal/llm/anthropic",
	"github.com/spf13/cobra":                 "cmd",
	"github.com/creack/pty":                  "internal/tool/terminal",
	"charm.land/catwalk":                     "internal/llm/catalog",
	"github.com/modelcontextprotocol/go-sdk": "internal/mcp",
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func TestLayers(t *testing.T) {
	for _, p := range packages(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
		part, allowed := partOf(path)
		if part == "" {
			t.Errorf("%s belongs to no part of the house: say in this test what it may import, and why in ARCHITECTURE.md", path)
			continue
		}
		for _, imported := range p.Imports {
			if ours, ok := strings.CutPrefix(imported, module); ok {
				if !within(ours, part) && !anyOf(ours, allowed) {
					t.Errorf("%s imports %s; %s may import only %s", path, ours, part, strings.Join(allowed, ", "))
				}
				continue
			}
			for lib, owner := range libraries {
				if strings.HasPrefix(imported, lib) && !within(path, owner) {
					t.Errorf("%s imports %s, which only %s may", path, imported, owner)
				}
			}
			if part == "internal/conversation/event" && strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
				t.Errorf("%s imports %s; it may import the standard library only", path, imported)
			}
		}
	}
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "../...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []pkg
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

func partOf(path string) (part string, allowed []string) {
	for p, a := range layers {
		if within(path, p) && len(p) > len(part) {
			part, allowed = p, a
		}
	}
	if path == "internal" {
		return path, []string{"*"}
	}
	return part, allowed
}

func anyOf(path string, parts []string) bool {
	for _, p := range parts {
		if p == "*" || within(path, p) {
			return true
		}
	}
	return false
}

func within(path, part string) bool { return path == part || strings.HasPrefix(path, part+"/") }
