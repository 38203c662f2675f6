package tool

import (
	"strings"
	"testing"
)

type sampleItem struct {
	Title  string `json:"title" jsonschema:"A title."`
	Status string `json:"status" enum:"todo,done" default:"todo" jsonschema:"Where it stands."`
}

type sampleAction struct {
	Command string         `json:"command" enum:"view,plan" jsonschema:"What to do."`
	Text    *string        `json:"text,omitempty" jsonschema:"A text."`
	Line    *int           `json:"line,omitempty" minimum:"0" jsonschema:"A line."`
	Timeout *float64       `json:"timeout,omitempty" minimum:"0.5"`
	Force   bool           `json:"force" default:"false" jsonschema:"Whether to."`
	Range   []int          `json:"range,omitempty"`
	Items   []sampleItem   `json:"items" default:"[]" jsonschema:"The items."`
	Env     map[string]int `json:"env,omitempty"`
	Any     any            `json:"any,omitempty"`
}

var sampleArguments = NewArguments[sampleAction]("SampleAction")

func TestArgumentsSchema(t *testing.T) {
	want := `{"type":"object","properties":{` +
		`"command":{"type":"string","description":"What to do.","enum":["view","plan"]},` +
		`"text":{"type":"string","description":"A text."},` +
		`"line":{"type":"integer","description":"A line."},` +
		`"timeout":{"type":"number"},` +
		`"force":{"type":"boolean","description":"Whether to."},` +
		`"range":{"type":"array","items":{"type":"integer"}},` +
		`"items":{"type":"array","description":"The items.","items":{"type":"object","properties":{` +
		`"title":{"type":"string","description":"A title."},` +
		`"status":{"type":"string","description":"Where it stands.","enum":["todo","done"]}},"required":["title"]}},` +
		`"env":{"type":"object"},"any":{}},"required":["command"]}`
	if got := string(sampleArguments.Schema()); got != want {
		t.Errorf("schema\n got %s\nwant %s", got, want)
	}
}

func TestArgumentsDecode(t *testing.T) {
	const end = `,"kind":"SampleAction"}`
	tests := []struct{ name, args, want, err string }{
		{name: "defaults", args: `{"command":"view"}`, want: `{"command":"view","force":false,"items":[]` + end},
		{
			name: "order of the struct", args: `{"items":[{"title":"a"}],"line":3,"command":"plan","text":"<&>"}`,
			want: `{"command":"plan","text":"<&>","line":3,"force":false,"items":[{"title":"a","status":"todo"}]` + end,
		},
		{
			name: "nulls", args: `{"command":"view","text":null,"items":null,"force":null,"any":null}`,
			want: `{"command":"view","force":false,"items":[]` + end,
		},
		{name: "whole float", args: `{"command":"view","line":4.0}`, want: `{"command":"view","line":4,"force":false,"items":[]` + end},
		{name: "empty string is kept", args: `{"command":"view","text":""}`, want: `{"command":"view","text":"","force":false,"items":[]` + end},
		{
			name: "open objects", args: `{"command":"view","env":{"A":1},"any":[1,{"b":null}]}`,
			want: `{"command":"view","force":false,"items":[],"env":{"A":1},"any":[1,{"b":null}]` + end,
		},
		{name: "missing", args: `{}`, err: `required parameter command is missing`},
		{name: "required null", args: `{"command":null}`, err: `required parameter command is missing`},
		{name: "unknown", args: `{"command":"view","SECRET":"v"}`, err: `unknown parameter "SECRET"`},
		{name: "case matters", args: `{"Command":"view"}`, err: `unknown parameter "Command"; required parameter command is missing`},
		{name: "long name", args: `{"command":"view","` + strings.Repeat("é", 70) + `":1}`, err: `unknown parameter "` + strings.Repeat("é", 64) + `…"`},
		{name: "enum", args: `{"command":"hidden-value"}`, err: `parameter command must be one of view, plan`},
		{name: "string", args: `{"command":["hidden-value"]}`, err: `parameter command must be a string`},
		{name: "integer", args: `{"command":"view","line":"hidden-value"}`, err: `parameter line must be an integer`},
		{name: "fraction", args: `{"command":"view","line":1.5}`, err: `parameter line must be an integer`},
		{name: "huge integer", args: `{"command":"view","line":1e300}`, err: `parameter line must be an integer`},
		{name: "huge number", args: `{"command":"view","timeout":1e999}`, err: `parameter timeout is out of range`},
		{name: "minimum", args: `{"command":"view","line":-1}`, err: `parameter line must be 0 or more`},
		{name: "minimum of a float", args: `{"command":"view","timeout":0.25}`, err: `parameter timeout must be 0.5 or more`},
		{name: "bool", args: `{"command":"view","force":"yes"}`, err: `parameter force must be true or false`},
		{name: "list", args: `{"command":"view","range":{}}`, err: `parameter range must be a list`},
		{name: "item", args: `{"command":"view","range":[1,"x"]}`, err: `parameter range[1] must be an integer`},
		{
			name: "nested", args: `{"command":"view","items":[{"status":"hidden-value","x":1}]}`,
			err: `unknown parameter items[0]."x"; required parameter items[0].title is missing; parameter items[0].status must be one of todo, done`,
		},
		{name: "value of an open object", args: `{"command":"view","env":{"A":"hidden-value"}}`, err: `parameter env."A" must be an integer`},
		{name: "no object", args: `[]`, err: `the arguments must be an object`},
		{name: "no JSON", args: `{"command":`, err: `the arguments must be an object`},
		{name: "nothing", args: ``, err: `the arguments must be an object`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := sampleArguments.Decode([]byte(tt.args))
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Fatalf("error %v, want %s", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("action\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestModelSchema(t *testing.T) {
	own := &Definition{Name: "own", Input: []byte(`{"properties":{"z":{"type":"string"},"summary":{"type":"string"},"security_risk":{}},"additionalProperties":false}`)}
	reading := &Definition{Name: "r", Annotations: &Annotations{ReadOnlyHint: true}}
	tests := []struct {
		def  *Definition
		want string
	}{
		{own, `{"type":"object","properties":{"security_risk":` + string(riskSchema) + `,"z":{"type":"string"},"summary":{"type":"string"}},"additionalProperties":false}`},
		{reading, `{"type":"object","properties":{"summary":` + string(summarySchema) + `}}`},
	}
	for _, tt := range tests {
		got, err := ModelSchema(tt.def)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.def.Name, got, tt.want)
		}
	}
	if _, err := ModelSchema(&Definition{Name: "bad", Input: []byte(`[]`)}); err == nil {
		t.Error("a schema that is no object was taken")
	}
}
