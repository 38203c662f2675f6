package scripted

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// TestTheManual holds docs/scripted-models.md to the code.
func TestTheManual(t *testing.T) {
	data, err := os.ReadFile("../../../docs/scripted-models.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	for _, typ := range []reflect.Type{
		reflect.TypeFor[entry](), reflect.TypeFor[settings](), reflect.TypeFor[usage](), reflect.TypeFor[failure](),
		reflect.TypeFor[chunk](), reflect.TypeFor[requestRecord](),
	} {
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			if !strings.Contains(text, "`"+name+"`") {
				t.Errorf("%s is not documented", name)
			}
		}
	}
	for kind := range statuses {
		if !strings.Contains(text, "`"+string(kind)+"`") {
			t.Errorf("%s is not documented", kind)
		}
	}
	examples := regexp.MustCompile("(?s)```script\n(.*?)```").FindAllStringSubmatch(text, -1)
	if len(examples) < 5 {
		t.Errorf("only %d examples", len(examples))
	}
	for _, found := range examples {
		if _, err := Parse("docs/scripted-models.md", []byte(found[1]), Options{}); err != nil {
			t.Errorf("%v\nin\n%s", err, found[1])
		}
	}
}

// TestTheExampleOfRules plays the manual's example of rules.
func TestTheExampleOfRules(t *testing.T) {
	c := newChat(t, `
		{"when": "^run (.*)", "then": [
			{"calls": [{"terminal": {"command": "${1}", "security_risk": "LOW"}}]},
			"It said: ${last_tool_output}",
		]}
		{"text": "I only know: run COMMAND", "repeat": "forever"}`, Options{})
	for say, want := range map[string]string{
		"hello":  "I only know: run COMMAND",
		"run ls": `It said: out: {"command":"ls","security_risk":"LOW"}`,
	} {
		said := c.user(say)
		if got := said[len(said)-1]; got != want {
			t.Errorf("%s: got %q", say, got)
		}
	}
}

// Kinds of errors that llm has and scripts have not would be a gap.
func TestEveryErrorKindCanBeScripted(t *testing.T) {
	for _, kind := range []llm.ErrorKind{
		llm.ErrAuth, llm.ErrRateLimit, llm.ErrContextWindow, llm.ErrHistory, llm.ErrContentPolicy,
		llm.ErrBadRequest, llm.ErrTimeout, llm.ErrUnavailable, llm.ErrNoResponse,
	} {
		if _, err := Parse("t", []byte(`{"error": "`+string(kind)+`"}`), Options{}); err != nil {
			t.Error(err)
		}
	}
}
