package schema

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

func TestJSONDescribesEveryMethod(t *testing.T) {
	raw, err := JSON()
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Methods []struct{ Method, Direction string }
		Types   map[string]struct {
			Description string
			Properties  map[string]any
			Required    []string
			Enum        []string
		}
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Methods) != len(protocol.Methods()) {
		t.Errorf("%d methods, want %d", len(d.Methods), len(protocol.Methods()))
	}
	info := d.Types["Info"]
	if info.Description == "" || info.Properties["stopReason"] == nil || len(info.Required) < 10 {
		t.Errorf("Info is not described: %+v", info)
	}
	for _, name := range info.Required {
		if name == "title" {
			t.Error("title is optional")
		}
	}
	if len(d.Types["Status"].Enum) != 10 {
		t.Errorf("Status has %d values", len(d.Types["Status"].Enum))
	}
}

func TestEveryTypeIsDocumented(t *testing.T) {
	m, err := load()
	if err != nil {
		t.Fatal(err)
	}
	fromEvent := map[string]bool{"Display": true, "Location": true, "Diff": true, "Classification": true, "LLMMessage": true, "Content": true, "ToolCall": true, "Thinking": true}
	for _, info := range m.types {
		if info.doc == "" && !fromEvent[info.name] {
			t.Errorf("%s has no comment", info.name)
		}
	}
}

func TestTypeScript(t *testing.T) {
	text, err := TypeScript()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"export interface Info {", "  stopReason?: StopReason;", `export type Status = "idle" | "running"`,
		`  "conversation/run": { params: RunParams; result: RunResult };`, `  "conversation/event": EventNotification;`,
		`  "conversation/requestConfirmation": { params: ConfirmationParams; result: ConfirmationReply | null };`,
		"  locked: -31003,",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the TypeScript lacks %q", want)
		}
	}
}
