package tool

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// plain is a tool of the tests: its struct A is all there is to it.
type plain[A any] struct {
	def    Definition
	args   *Arguments[A]
	closed func() error
}

func newPlain[A any](name string, readOnly bool) *plain[A] {
	args := NewArguments[A](name + "Action")
	return &plain[A]{args: args, def: Definition{
		Name: name, ActionKind: name + "Action", ObservationKind: name + "Observation", Kind: name + "Tool",
		Annotations: &Annotations{ReadOnlyHint: readOnly}, Input: args.Schema(),
	}}
}

func (p *plain[A]) Definition() *Definition { return &p.def }
func (p *plain[A]) Decode(args json.RawMessage) (json.RawMessage, error) {
	return p.args.Decode(args)
}

func (p *plain[A]) Run(context.Context, Call) (json.RawMessage, error) {
	return event.EncodeKind(Success("done"), p.def.ObservationKind)
}

func (p *plain[A]) Render(observation json.RawMessage) []event.Content { return Render(observation) }
func (p *plain[A]) Describe(_, _ json.RawMessage) event.Display        { return event.Display{} }
func (p *plain[A]) Close() error {
	if p.closed == nil {
		return nil
	}
	return p.closed()
}

type shellAction struct {
	Command string   `json:"command"`
	IsInput bool     `json:"is_input" default:"false"`
	Timeout *float64 `json:"timeout,omitempty" minimum:"0"`
}

type editAction struct {
	Command    string  `json:"command" enum:"view,create,str_replace,insert,undo_edit"`
	Path       string  `json:"path"`
	FileText   *string `json:"file_text,omitempty"`
	OldStr     *string `json:"old_str,omitempty"`
	NewStr     *string `json:"new_str,omitempty"`
	InsertLine *int    `json:"insert_line,omitempty" minimum:"0"`
	ViewRange  []int   `json:"view_range,omitempty"`
}

type readAction struct {
	Message string            `json:"message"`
	Tasks   []sampleItem      `json:"tasks,omitempty"`
	Tags    map[string]string `json:"tags,omitempty"`
}

type summaryAction struct {
	Summary string `json:"summary"`
}

// anyTool stands for a tool of an MCP server: its schema is the server's, and it
// takes whatever the server takes.
type anyTool struct{ *plain[struct{}] }

func (anyTool) Decode(args json.RawMessage) (json.RawMessage, error) {
	return event.EncodeKind(map[string]json.RawMessage{"data": args}, "MCPToolAction")
}

func newAnyTool(name, input string) anyTool {
	t := anyTool{newPlain[struct{}](name, false)}
	t.def.Input = json.RawMessage(input)
	t.def.ActionKind = "MCPToolAction"
	return t
}

func testSet(t testing.TB, more ...Tool) *Set {
	t.Helper()
	set, err := NewSet(append([]Tool{
		newPlain[shellAction]("terminal", false),
		newPlain[editAction]("file_editor", false),
		newPlain[readAction]("finish", true),
		newPlain[summaryAction]("report", false),
		newAnyTool("mcp_a", `{"type":"object","properties":{"x":{"anyOf":[{"type":"string"},{"type":"array","items":{"type":"string"}}]},"n":{"type":["integer","null"]},"o":{"anyOf":[{"type":"array","items":{"type":"number"}},{"type":"null"}]}}}`),
		newAnyTool("mcp_b", `{}`),
	}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestParseCall(t *testing.T) {
	const shell = `,"kind":"terminalAction"}`
	const edit = `,"kind":"file_editorAction"}`
	tests := []struct {
		name       string
		tool, args string
		opts       ParseOptions
		wantTool   string // as tool if empty
		wantArgs   string // as args if empty
		action     string
		risk       event.Risk // UNKNOWN if empty
		summary    string     // the default if empty
		err        string
	}{
		{name: "plain", tool: "terminal", args: `{"command":"ls"}`, action: `{"command":"ls","is_input":false` + shell},
		{
			name: "risk and summary", tool: "terminal", args: `{"security_risk":"LOW","summary":"List files","command":"ls"}`, opts: ParseOptions{Analyzed: true},
			action: `{"command":"ls","is_input":false` + shell, risk: event.RiskLow, summary: "List files",
		},
		{
			name: "key order is kept", tool: "terminal", args: "{\n \"timeout\": 5,\n \"summary\": \"s\", \"command\": \"ls\", \"security_risk\": \"HIGH\"}",
			wantArgs: `{"timeout":5,"summary":"s","command":"ls","security_risk":"HIGH"}`, action: `{"command":"ls","is_input":false,"timeout":5` + shell, summary: "s",
		},
		{name: "risk in lower case", tool: "terminal", args: `{"command":"ls","security_risk":" high"}`, opts: ParseOptions{Analyzed: true}, action: `{"command":"ls","is_input":false` + shell, risk: event.RiskHigh, summary: `terminal: {"command":"ls"}`},
		{name: "risk without an analyzer", tool: "terminal", args: `{"command":"ls","security_risk":"HUGE"}`, action: `{"command":"ls","is_input":false` + shell, summary: `terminal: {"command":"ls"}`},
		{name: "risk that is none", tool: "terminal", args: `{"command":"ls","security_risk":"hidden-value"}`, opts: ParseOptions{Analyzed: true}, err: `parameter security_risk must be one of UNKNOWN, LOW, MEDIUM, HIGH. Parameters given: "command", "security_risk".`},
		{name: "risk that is no string", tool: "terminal", args: `{"command":"ls","security_risk":1}`, opts: ParseOptions{Analyzed: true}, err: "security_risk must be one of"},
		{
			name: "risk of a tool that reads", tool: "finish", args: `{"message":"m","security_risk":"HUGE"}`, opts: ParseOptions{Analyzed: true},
			action: `{"message":"m","kind":"finishAction"}`, summary: `finish: {"message":"m"}`,
		},
		{name: "risk with a typo", tool: "terminal", args: `{"securtiy_risk":"LOW","command":"ls"}`, wantArgs: `{"security_risk":"LOW","command":"ls"}`, opts: ParseOptions{Analyzed: true}, action: `{"command":"ls","is_input":false` + shell, risk: event.RiskLow, summary: `terminal: {"command":"ls"}`},
		{name: "risk twice", tool: "terminal", args: `{"security_risk":"LOW","security_rort":"HIGH","security_riks":"HIGH","command":"ls"}`, wantArgs: `{"security_risk":"LOW","command":"ls"}`, opts: ParseOptions{Analyzed: true}, action: `{"command":"ls","is_input":false` + shell, risk: event.RiskLow, summary: `terminal: {"command":"ls"}`},
		{name: "blank summary", tool: "terminal", args: `{"summary":"  ","command":"ls"}`, action: `{"command":"ls","is_input":false` + shell, summary: `terminal: {"command":"ls"}`},
		{name: "summary that is no string", tool: "terminal", args: `{"summary":{"a":1},"command":"ls"}`, action: `{"command":"ls","is_input":false` + shell, summary: `terminal: {"command":"ls"}`},
		{name: "summary of the tool itself", tool: "report", args: `{"summary":" all well "}`, action: `{"summary":" all well ","kind":"reportAction"}`, summary: "all well"},
		{name: "long default summary", tool: "terminal", args: `{"command":"` + strings.Repeat("ä", 2000) + `"}`, action: `{"command":"` + strings.Repeat("ä", 2000) + `","is_input":false` + shell, summary: `terminal: {"command":"` + strings.Repeat("ä", 977) + "…"},
		{name: "nulls", tool: "terminal", args: `{"command":"ls","timeout":null,"nonsense":null}`, wantArgs: `{"command":"ls"}`, action: `{"command":"ls","is_input":false` + shell},
		{name: "HTML is not escaped", tool: "terminal", args: `{"command":"a && b <c>"}`, action: `{"command":"a && b <c>","is_input":false` + shell},

		{name: "raw line break", tool: "terminal", args: "{\"command\":\"a\nb\tc\"}", wantArgs: `{"command":"a\u000ab\u0009c"}`, action: `{"command":"a\nb\tc","is_input":false` + shell},
		{name: "backslash before a raw line break", tool: "terminal", args: "{\"command\":\"a\\\nb\"}", wantArgs: `{"command":"a\u000ab"}`, action: `{"command":"a\nb","is_input":false` + shell},
		{name: "raw break outside strings", tool: "terminal", args: "{\n\"command\"\t:\"a\x01\"\r\n}", wantArgs: `{"command":"a\u0001"}`, action: `{"command":"a\u0001","is_input":false` + shell},
		{name: "broken UTF-8", tool: "terminal", args: "{\"command\":\"a\xff\"}", wantArgs: `{"command":"a` + "\uFFFD" + `"}`, action: `{"command":"a` + "\uFFFD" + `","is_input":false` + shell},
		{name: "cut off", tool: "terminal", args: `{"command":"hidden-value`, err: `The call of tool "terminal" can't be carried out: the arguments are not valid JSON: they end before the JSON does.`},
		{name: "broken", tool: "terminal", args: `{"command":hidden-value}`, err: `not valid JSON: they break at character 12 of 24.`},
		{name: "junk behind", tool: "terminal", args: `{"command":"ls"} hidden`, err: `not valid JSON`},
		{name: "a list", tool: "terminal", args: `["hidden-value"]`, err: `required parameter command is missing. No parameters were given.`},
		{name: "a string", tool: "terminal", args: `"hidden-value"`, err: `required parameter command is missing`},
		{name: "null", tool: "terminal", args: `null`, err: `required parameter command is missing`},
		{name: "nothing", tool: "terminal", args: ``, err: `required parameter command is missing`},

		{name: "bash", tool: "bash", args: `{"command":"ls"}`, wantTool: "terminal", action: `{"command":"ls","is_input":false` + shell},
		{name: "execute_bash", tool: "execute_bash", args: `{"command":"ls","is_input":"false"}`, wantTool: "terminal", wantArgs: `{"command":"ls","is_input":false}`, action: `{"command":"ls","is_input":false` + shell},
		{name: "command", tool: "command", args: `{"command":"ls"}`, wantTool: "terminal", action: `{"command":"ls","is_input":false` + shell},
		{name: "execute", tool: "execute", args: `{"command":"ls"}`, wantTool: "terminal", action: `{"command":"ls","is_input":false` + shell},
		{name: "git", tool: "git", args: `{"command":"status"}`, wantTool: "terminal", wantArgs: `{"command":"git status"}`, action: `{"command":"git status","is_input":false` + shell},
		{name: "git with git", tool: "git", args: `{"command":"git status"}`, wantTool: "terminal", action: `{"command":"git status","is_input":false` + shell},
		{name: "git with github", tool: "git", args: `{"command":"github"}`, wantTool: "terminal", wantArgs: `{"command":"git github"}`, action: `{"command":"git github","is_input":false` + shell},
		{name: "bare git", tool: "git", args: ``, wantTool: "terminal", wantArgs: `{"command":"git"}`, action: `{"command":"git","is_input":false` + shell},
		{name: "reset", tool: "reset", args: `{"command":"-x"}`, wantTool: "terminal", wantArgs: `{"command":"reset -x"}`, action: `{"command":"reset -x","is_input":false` + shell},
		{name: "markup behind the name", tool: "terminal<|channel|>json", args: `{"command":"ls"}`, wantTool: "terminal", action: `{"command":"ls","is_input":false` + shell},
		{name: "markup behind an alias", tool: " bash\n{", args: `{"command":"ls"}`, wantTool: "terminal", action: `{"command":"ls","is_input":false` + shell},
		{name: "bare pwd", tool: "pwd", args: `{"summary":"where"}`, wantTool: "terminal", wantArgs: `{"summary":"where","command":"pwd"}`, action: `{"command":"pwd","is_input":false` + shell, summary: "where"},
		{name: "ls with arguments", tool: "ls", args: `{"path":"/hidden-value"}`, err: `The call of tool "ls" can't be carried out: there is no such tool; the tools are terminal, file_editor, finish, report, mcp_a, mcp_b. Parameters given: "path".`},
		{name: "grep", tool: "grep", args: `{"pattern":"it's"}`, wantTool: "terminal", wantArgs: `{"command":"grep -rnIE -e 'it'\\''s' -- ."}`, action: `{"command":"grep -rnIE -e 'it'\\''s' -- .","is_input":false` + shell},
		{name: "grep with all", tool: "grep", args: `{"security_risk":"LOW","pattern":"-x","path":"a b","include":"*.go"}`, wantTool: "terminal", wantArgs: `{"security_risk":"LOW","command":"grep -rnIE '--include=*.go' -e -x -- 'a b'"}`, action: `{"command":"grep -rnIE '--include=*.go' -e -x -- 'a b'","is_input":false` + shell, summary: `terminal: {"command":"grep -rnIE '--include=*.go' -e -x -- 'a b'"}`},
		{name: "grep with rg", tool: "grep", args: `{"pattern":"x","include":"*.go"}`, opts: ParseOptions{Ripgrep: true}, wantTool: "terminal", wantArgs: `{"command":"rg -n '--glob=*.go' -e x -- ."}`, action: `{"command":"rg -n '--glob=*.go' -e x -- .","is_input":false` + shell},
		{name: "grep of nothing", tool: "grep", args: `{"pattern":" "}`, err: "no such tool"},
		{name: "grep with more", tool: "grep", args: `{"pattern":"x","flags":"-i"}`, err: "no such tool"},
		{name: "unknown", tool: "hidden.name", args: `{"secret":"hidden-value"}`, err: `tool "hidden.name" can't be carried out: there is no such tool`},
		{name: "no name", tool: "", args: `{}`, err: `tool "" can't be carried out: there is no such tool`},

		{name: "view is meant", tool: "file_editor", args: `{"path":"/a"}`, wantArgs: `{"path":"/a","command":"view"}`, action: `{"command":"view","path":"/a"` + edit},
		{name: "create is meant", tool: "str_replace_editor", args: `{"path":"/a","file_text":""}`, wantTool: "file_editor", wantArgs: `{"path":"/a","file_text":"","command":"create"}`, action: `{"command":"create","path":"/a","file_text":""` + edit},
		{name: "insert is meant", tool: "file_editor", args: `{"path":"/a","insert_line":"3","new_str":"x","command":null}`, wantArgs: `{"path":"/a","insert_line":3,"new_str":"x","command":"insert"}`, action: `{"command":"insert","path":"/a","new_str":"x","insert_line":3` + edit},
		{name: "str_replace is meant", tool: "str_replace", args: `{"path":"/a","old_str":"x","new_str":"y"}`, wantTool: "file_editor", wantArgs: `{"path":"/a","old_str":"x","new_str":"y","command":"str_replace"}`, action: `{"command":"str_replace","path":"/a","old_str":"x","new_str":"y"` + edit},
		{name: "nothing is meant", tool: "file_editor", args: `{"new_str":"hidden-value"}`, err: `required parameter command is missing; required parameter path is missing. Parameters given: "new_str".`},
		{name: "unknown parameter", tool: "file_editor", args: `{"command":"view","path":"/a","depth":1}`, err: `unknown parameter "depth"`},

		{name: "list as text", tool: "file_editor", args: `{"command":"view","path":"/a","view_range":"[1, 20]"}`, wantArgs: `{"command":"view","path":"/a","view_range":[1,20]}`, action: `{"command":"view","path":"/a","view_range":[1,20]` + edit},
		{name: "list of numbers as text", tool: "file_editor", args: `{"command":"view","path":"/a","view_range":["1","-1"]}`, wantArgs: `{"command":"view","path":"/a","view_range":[1,-1]}`, action: `{"command":"view","path":"/a","view_range":[1,-1]` + edit},
		{name: "text of strings as list", tool: "file_editor", args: `{"command":"create","path":"/a","file_text":["a\n","b"]}`, wantArgs: `{"command":"create","path":"/a","file_text":"a\nb"}`, action: `{"command":"create","path":"/a","file_text":"a\nb"` + edit},
		{name: "list of more than strings", tool: "file_editor", args: `{"command":"create","path":"/a","file_text":["a",1]}`, err: "parameter file_text must be a string"},
		{name: "list with null", tool: "file_editor", args: `{"command":"create","path":"/a","file_text":["a",null]}`, err: "parameter file_text must be a string"},
		{name: "objects as text with junk", tool: "finish", args: `{"message":"m","tasks":"[{\"title\":\"a\nb\"}]}}]]>","tags":" {\"a\":\"b\"} "}`, err: "parameter tasks must be a list"},
		{name: "objects as text", tool: "finish", args: `{"message":"m","tasks":"[{\"title\":\"a\nb\"}] </x>","tags":" {\"a\":\"b\"} "}`, wantArgs: `{"message":"m","tasks":[{"title":"a\u000ab"}],"tags":{"a":"b"}}`, action: `{"message":"m","tasks":[{"title":"a\nb","status":"todo"}],"tags":{"a":"b"},"kind":"finishAction"}`},
		{name: "text that is JSON", tool: "finish", args: `{"message":"[1]"}`, action: `{"message":"[1]","kind":"finishAction"}`},
		{name: "number as text", tool: "terminal", args: `{"command":"ls","timeout":" 2.5","is_input":"True"}`, wantArgs: `{"command":"ls","timeout":2.5,"is_input":true}`, action: `{"command":"ls","is_input":true,"timeout":2.5` + shell},
		{name: "text that is no number", tool: "terminal", args: `{"command":"ls","timeout":"hidden-value"}`, err: "parameter timeout must be a number"},
		{name: "quoted number as text", tool: "terminal", args: `{"command":"ls","timeout":"\"2\""}`, err: "parameter timeout must be a number"},

		{name: "string or list", tool: "mcp_a", args: `{"x":["a","b"],"n":"7","o":"[1,2]"}`, wantArgs: `{"x":["a","b"],"n":7,"o":[1,2]}`, action: `{"data":{"x":["a","b"],"n":7,"o":[1,2]},"kind":"MCPToolAction"}`},
		{name: "string or list as text", tool: "mcp_a", args: `{"x":"[1]","o":["1"],"y":"[2]"}`, wantArgs: `{"x":"[1]","o":[1],"y":"[2]"}`, action: `{"data":{"x":"[1]","o":[1],"y":"[2]"},"kind":"MCPToolAction"}`},
		{name: "no schema", tool: "mcp_b", args: `{"x":"[1]","summary":"s"}`, action: `{"data":{"x":"[1]"},"kind":"MCPToolAction"}`, summary: "s"},
	}
	set := testSet(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if strings.HasPrefix(tt.name, "objects as text") {
				tt.args = strings.ReplaceAll(tt.args, `\n`, `\u000a`)
			}
			got, err := ParseCall(set, tt.tool, tt.args, tt.opts)
			if tt.err != "" {
				var callErr *CallError
				if !errors.As(err, &callErr) || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error %v, want %s", err, tt.err)
				}
				if strings.Contains(err.Error(), "hidden-value") || strings.Contains(callErr.Arguments, malformedKey) != callErr.Malformed {
					t.Errorf("error %+v", callErr)
				}
				if !json.Valid([]byte(callErr.Arguments)) {
					t.Errorf("stored arguments are no JSON: %s", callErr.Arguments)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			check := func(what, got, want string) {
				if got != want {
					t.Errorf("%s\n got %s\nwant %s", what, got, want)
				}
			}
			or := func(s, other string) string {
				if s == "" {
					return other
				}
				return s
			}
			wantTool, wantArgs := or(tt.wantTool, tt.tool), or(tt.wantArgs, tt.args)
			check("tool", got.ToolName, wantTool)
			check("arguments", got.Arguments, wantArgs)
			check("action", string(got.Action), tt.action)
			check("risk", string(got.Risk), or(string(tt.risk), "UNKNOWN"))
			check("summary", got.Summary, or(tt.summary, wantTool+": "+wantArgs))
		})
	}
}

// A tool that is registered is called, even by a name that could mean another.
func TestParseCallRegisteredNameWins(t *testing.T) {
	set := testSet(t, newPlain[shellAction]("bash", false), newPlain[readAction]("ls", true), newPlain[shellAction]("grep", false))
	for name, args := range map[string]string{"bash": `{"command":"x"}`, "ls": `{"message":"x"}`, "grep": `{"command":"x"}`} {
		got, err := ParseCall(set, name, args, ParseOptions{})
		if err != nil || got.ToolName != name {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// Without the terminal and the editor their other names mean nothing.
func TestParseCallAliasWithoutTarget(t *testing.T) {
	set, err := NewSet(newPlain[readAction]("finish", true))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bash", "git", "ls", "str_replace_editor", "file_editor"} {
		if _, err := ParseCall(set, name, `{}`, ParseOptions{}); err == nil || !strings.Contains(err.Error(), "the tools are finish") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzRepair(f *testing.F) {
	f.Add("terminal", `{"command":"ls","timeout":"5","security_risk":"LOW"}`, true)
	f.Add("str_replace_editor", "{\"path\":\"/a\",\"view_range\":\"[1,\n2]x\"}", false)
	f.Add("finish<", `{"message":["a","b"],"tasks":"[{\"title\":\"x\"}]"}`, true)
	f.Add("mcp_a", `{"x":[],"n":"1e5","o":"{}]"}`, false)
	f.Add("grep", `{"pattern":"'","path":"-"}`, true)
	f.Add("report", `{"summary":"\ud800"}`, true)
	set := testSet(f)
	f.Fuzz(func(t *testing.T, toolName, args string, flag bool) {
		opts := ParseOptions{Analyzed: flag, Ripgrep: flag}
		got, err := ParseCall(set, toolName, args, opts)
		if err != nil {
			var callErr *CallError
			if !errors.As(err, &callErr) || !json.Valid([]byte(callErr.Arguments)) {
				t.Fatalf("error %#v", err)
			}
			return
		}
		if _, ok := set.ByName(got.ToolName); !ok || got.Summary == "" || !utf8.ValidString(got.Arguments) {
			t.Fatalf("%+v", got)
		}
		if kind, err := event.KindOf(got.Action); err != nil || kind != got.Tool.Definition().ActionKind {
			t.Fatalf("action %s: %v", got.Action, err)
		}
		// What was repaired needs no more repair.
		again, err := ParseCall(set, got.ToolName, got.Arguments, opts)
		if err != nil {
			t.Fatalf("%s %s: %v", got.ToolName, got.Arguments, err)
		}
		if again.Arguments != got.Arguments || string(again.Action) != string(got.Action) {
			t.Fatalf("%s, then %s", got.Arguments, again.Arguments)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(`{"command":"view","line":1,"items":[{"title":"a"}]}`)
	f.Add(`{"command":"plan","timeout":1e3,"any":{"a":[null]},"env":{"x":1}}`)
	f.Fuzz(func(t *testing.T, args string) {
		action, err := sampleArguments.Decode([]byte(args))
		if err != nil {
			return
		}
		v, err := sampleArguments.Read(action)
		if err != nil {
			t.Fatalf("%s: %v", action, err)
		}
		again, err := event.EncodeKind(v, "SampleAction")
		if err != nil || string(again) != string(action) {
			t.Fatalf("%s, then %s (%v)", action, again, err)
		}
	})
}

func BenchmarkParseCall(b *testing.B) {
	set := testSet(b)
	args := `{"security_risk":"LOW","summary":"Change it","command":"str_replace","path":"/a/b/c.go","old_str":"` + strings.Repeat("abcdefg ", 50) + `","new_str":"x"}`
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseCall(set, "file_editor", args, ParseOptions{Analyzed: true}); err != nil {
			b.Fatal(err)
		}
	}
}
