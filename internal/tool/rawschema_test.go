package tool_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/tool"
)

func TestRawArguments(t *testing.T) {
	args, err := tool.NewRawArguments("ClientAction_x", json.RawMessage(`{"type":"object","required":["path"],"additionalProperties":true,"properties":{
		"path":{"type":"string","pattern":"^/"},"at":{"type":"object","properties":{"line":{"type":"integer"},"col":{"type":"integer","default":1}}},
		"tags":{"type":"array","items":{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"string"}}}},"mode":{"enum":["r","w"]},"any":{}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]string{
		`{"path":"/a"}`: `{"path":"/a","kind":"ClientAction_x"}`,
		`{"mode":"w","path":"/a","any":[1,{"b":null}]}`:                        `{"path":"/a","mode":"w","any":[1,{"b":null}],"kind":"ClientAction_x"}`,
		`{"path":"/a","at":{"line":3},"tags":[{"a":"1","z":"2"}],"mode":null}`: `{"path":"/a","at":{"line":3,"col":1},"tags":[{"z":"2","a":"1"}],"kind":"ClientAction_x"}`,
		`{}`:                                "required parameter path is missing",
		`{"path":7}`:                        "parameter path must be a string",
		`{"path":"/a","mode":"hidden"}`:     "parameter mode must be one of r, w",
		`{"path":"/a","at":{"row":1}}`:      `unknown parameter at."row"`,
		`{"path":"/a","more":"hidden"}`:     `unknown parameter "more"`,
		`{"path":"/a","tags":[{"a":true}]}`: "parameter tags[0].a must be a string",
		`[]`:                                "the arguments must be an object",
	} {
		action, err := args.Decode(json.RawMessage(given))
		if err != nil && (err.Error() != want || strings.Contains(err.Error(), "hidden")) || err == nil && string(action) != want {
			t.Errorf("%s: %s, %v; want %s", given, action, err, want)
		}
		if err == nil {
			read, err := args.Read(action)
			if again, _ := args.Decode(read); err != nil || string(again) != want {
				t.Errorf("%s is read as %s, %v", action, read, err)
			}
		}
	}
}

func TestRawArgumentsRefuse(t *testing.T) {
	for schema, want := range map[string]string{
		``: "can't be read", `[]`: "can't be read", `{}`: "object", `{"type":"string"}`: "object", `null`: "object",
		`{"type":"object","properties":{"kind":{}}}`:          "reserved",
		`{"type":"object","properties":{"security_risk":{}}}`: "reserved",
		`{"type":"object","properties":[]}`:                   "can't be read",
		`{"type":"object","required":["x"]}`:                  `"x"`,
	} {
		if _, err := tool.NewRawArguments("K", json.RawMessage(schema)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", schema, err, want)
		}
	}
}

func FuzzRawArguments(f *testing.F) {
	f.Add([]byte(`{"type":"object","properties":{"a":{"type":"array","items":{"enum":[1]}}}}`), []byte(`{"a":[1]}`))
	f.Fuzz(func(t *testing.T, schema, args []byte) {
		a, err := tool.NewRawArguments("K", schema)
		if err != nil {
			return
		}
		action, err := a.Decode(args)
		if err != nil {
			return
		}
		if _, err := a.Read(action); err != nil {
			t.Fatalf("%s: %v", action, err)
		}
	})
}
