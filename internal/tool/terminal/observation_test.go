package terminal

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/tool"
)

func TestDecode(t *testing.T) {
	tests := []struct{ name, args, want, err string }{
		{"a command", `{"command":"ls"}`, `{"command":"ls","is_input":false,"reset":false,"kind":"TerminalAction"}`, ""},
		{"all", `{"reset":true,"timeout":1.5,"is_input":true,"command":""}`, `{"command":"","is_input":true,"timeout":1.5,"reset":true,"kind":"TerminalAction"}`, ""},
		{"nulls", `{"command":"ls","timeout":null,"is_input":null}`, `{"command":"ls","is_input":false,"reset":false,"kind":"TerminalAction"}`, ""},
		{"zero", `{"command":"ls","timeout":0}`, `{"command":"ls","is_input":false,"timeout":0,"reset":false,"kind":"TerminalAction"}`, ""},
		{"no command", `{}`, "", "command"},
		{"negative timeout", `{"command":"ls","timeout":-1}`, "", "timeout"},
		{"a number for the command", `{"command":1}`, "", "command"},
		{"unknown", `{"command":"ls","cwd":"/"}`, "", "cwd"},
		{"no object", `"ls"`, "", "object"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := arguments.Decode(json.RawMessage(tt.args))
			switch {
			case tt.err == "" && (err != nil || string(got) != tt.want):
				t.Errorf("got %s, %v; want %s", got, err, tt.want)
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("got %s, %v; want an error with %q", got, err, tt.err)
			}
		})
	}
}

func TestDefinition(t *testing.T) {
	if !strings.Contains(definition.Description, "30 seconds") {
		t.Error("the model is not told of the 30 seconds")
	}
	var schema struct {
		Properties map[string]struct{ Type, Description string }
		Required   []string
	}
	if err := json.Unmarshal(definition.Input, &schema); err != nil {
		t.Fatal(err)
	}
	for name, kind := range map[string]string{"command": "string", "is_input": "boolean", "timeout": "number", "reset": "boolean"} {
		if p := schema.Properties[name]; p.Type != kind || p.Description == "" {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if len(schema.Properties) != 4 || len(schema.Required) != 1 || schema.Required[0] != "command" {
		t.Errorf("schema %s", definition.Input)
	}
	want := tool.Annotations{Title: "terminal", DestructiveHint: true, OpenWorldHint: true}
	if *definition.Annotations != want {
		t.Errorf("annotations %+v", definition.Annotations)
	}
}

// Stored observations, as OpenHands and this program write them.
const (
	storedDone = `{"content":[{"cache_prompt":false,"type":"text","text":"out"}],"is_error":false,"command":"x","exit_code":1,"timeout":false,` +
		`"metadata":{"exit_code":1,"pid":-1,"username":"me","hostname":"here","working_dir":"/w","py_interpreter_path":"/bin/python","prefix":"[before]\n","suffix":"\n[after]"},"kind":"TerminalObservation"}`
	storedRunning = `{"content":[{"cache_prompt":false,"type":"text","text":"out"}],"is_error":false,"command":"x","exit_code":-1,"timeout":false,` +
		`"metadata":{"exit_code":-1,"pid":-1,"prefix":"","suffix":"\n[runs]"},"kind":"TerminalObservation"}`
	storedRefused = `{"content":[{"cache_prompt":false,"type":"text","text":"no"}],"is_error":true,"command":"x","timeout":false,` +
		`"metadata":{"exit_code":-1,"pid":-1,"prefix":"","suffix":""},"kind":"TerminalObservation"}`
	storedBusy = `{"content":[{"cache_prompt":false,"type":"text","text":"out"}],"is_error":true,"command":"x","exit_code":-1,"timeout":false,` +
		`"metadata":{"exit_code":-1,"pid":-1,"prefix":"","suffix":""},"kind":"TerminalObservation"}`
	storedGood = `{"content":[{"cache_prompt":false,"type":"text","text":""}],"is_error":false,"command":"x","exit_code":0,"timeout":false,` +
		`"metadata":{"exit_code":0,"pid":-1,"prefix":"","suffix":""},"kind":"TerminalObservation"}`
)

func TestRender(t *testing.T) {
	tests := []struct{ name, stored, want string }{
		{"done", storedDone, "[before]\nout\n[after]\n[Working directory: /w]\n[Python interpreter: /bin/python]\n[Exit code: 1]"},
		{"running", storedRunning, "out\n[runs]"},
		{"refused", storedRefused, tool.ErrorHeader + "no"},
		{"without metadata", `{"content":[{"type":"text","text":"out"}]}`, "out"},
		{"another type", `{"content":[{"type":"text","text":"out"}],"metadata":"none"}`, "out"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := event.TextOf(render(json.RawMessage(tt.stored))); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	long := strings.Replace(storedDone, `"text":"out"`, `"text":"`+strings.Repeat("ü", 50_000)+`"`, 1)
	if got := event.TextOf(render(json.RawMessage(long))); utf8.RuneCountInString(got) != maxShown || !strings.HasSuffix(got, "[Exit code: 1]") {
		t.Errorf("a long one has %d characters", utf8.RuneCountInString(got))
	}
}

func TestDescribe(t *testing.T) {
	tests := []struct{ name, action, observation, title, status, summary string }{
		{"not yet", `{"command":"go build ./..."}`, "", "Run go build ./...", event.StatusPending, ""},
		{"good", `{"command":"ls"}`, storedGood, "Run ls", event.StatusCompleted, ""},
		{"failed", `{"command":"ls"}`, storedDone, "Run ls", event.StatusFailed, "exit 1"},
		{"running", `{"command":"ls"}`, storedRunning, "Run ls", event.StatusCompleted, "still running"},
		{"refused", `{"command":"ls"}`, storedRefused, "Run ls", event.StatusFailed, "not run"},
		{"busy", `{"command":"ls"}`, storedBusy, "Run ls", event.StatusFailed, "not run: another command is still running"},
		{"several lines", `{"command":"\n for i in 1; do  \n x\ndone"}`, "", "Run for i in 1; do …", event.StatusPending, ""},
		{"long", `{"command":"` + strings.Repeat("ü", 300) + `"}`, "", "Run " + strings.Repeat("ü", 200) + " …", event.StatusPending, ""},
		{"input", `{"command":"C-c","is_input":true}`, "", "Send C-c", event.StatusPending, ""},
		{"more output", `{"command":""}`, "", "Wait for output", event.StatusPending, ""},
		{"reset", `{"command":"","reset":true}`, "", "Reset the terminal", event.StatusPending, ""},
		{"reset and run", `{"command":"ls","reset":true}`, "", "Run ls", event.StatusPending, ""},
		{"unreadable", `{"command":1}`, `{"content":1}`, "Run", event.StatusFailed, "unreadable result"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var observation json.RawMessage
			if tt.observation != "" {
				observation = json.RawMessage(tt.observation)
			}
			got := describe(json.RawMessage(tt.action), observation)
			want := event.Display{Kind: event.DisplayExecute, Title: tt.title, Status: tt.status, Summary: tt.summary}
			if got.Kind != want.Kind || got.Title != want.Title || got.Status != want.Status || got.Summary != want.Summary {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// What is stored has the fields of OpenHands in its order, and no nulls.
func TestObservationJSON(t *testing.T) {
	code := 1
	o := Observation{ExitCode: &code, Command: "x", Metadata: Metadata{
		ExitCode: 1, PID: -1, Username: "me", Hostname: "here",
		WorkingDir: "/w", PyInterpreterPath: "/bin/python", Prefix: "[before]\n", Suffix: "\n[after]",
	}}
	o.setOutput("out\n \n", "")
	raw, err := event.EncodeKind(o, observationKind)
	if err != nil || string(raw) != storedDone {
		t.Errorf("got %s, %v", raw, err)
	}
	raw, err = event.EncodeKind(refusal("x", "no"), observationKind)
	if err != nil || string(raw) != storedRefused {
		t.Errorf("got %s, %v", raw, err)
	}
}
