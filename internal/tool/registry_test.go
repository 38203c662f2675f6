package tool

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func testRegistry(opened *[]string, closed *[]string) *Registry {
	factory := func(names ...string) Factory {
		return func(env Env) ([]Tool, error) {
			var list []Tool
			for _, name := range names {
				t := newPlain[readAction](name, false)
				t.closed = func() error { *closed = append(*closed, name); return nil }
				*opened = append(*opened, name+string(env.Params))
				list = append(list, t)
			}
			return list, nil
		}
	}
	return NewRegistry(
		Entry{Name: "terminal", Class: "TerminalTool", Aliases: []string{"BashTool"}, New: factory("terminal")},
		Entry{Name: "file_editor", Class: "FileEditorTool", New: factory("file_editor")},
		Entry{Name: "pair", Class: "PairToolSet", New: factory("pair_a", "pair_b")},
		Entry{Name: "broken", Class: "BrokenTool", New: func(Env) ([]Tool, error) { return nil, errors.New("no shell") }},
		Entry{Name: "none", Class: "NoTool", New: func(Env) ([]Tool, error) { return nil, nil }},
		Entry{Class: "FinishTool", BuiltIn: true, New: factory("finish")},
		Entry{Class: "ThinkTool", BuiltIn: true, New: factory("think")},
	)
}

func TestRegistryOpen(t *testing.T) {
	spec := func(names ...string) []Spec {
		var list []Spec
		for _, name := range names {
			list = append(list, Spec{Name: name})
		}
		return list
	}
	tests := []struct {
		name   string
		sel    Selection
		want   string
		closed string
		err    string
	}{
		{name: "defaults", sel: Selection{Specs: spec("terminal", "file_editor")}, want: "terminal file_editor finish think"},
		{name: "nothing", sel: Selection{BuiltIns: []string{}}, want: ""},
		{name: "class names", sel: Selection{Specs: spec("FileEditorTool", "BashTool"), BuiltIns: []string{"ThinkTool"}}, want: "file_editor terminal think"},
		{name: "a built-in as a spec", sel: Selection{Specs: spec("FinishTool"), BuiltIns: []string{}}, want: "finish"},
		{name: "several from one", sel: Selection{Specs: spec("pair", "none")}, want: "pair_a pair_b finish think"},
		{name: "filter", sel: Selection{Specs: spec("terminal", "pair"), Filter: "pair_b|term"}, want: "terminal pair_b finish think", closed: "pair_a"},
		{name: "filter from the start on", sel: Selection{Specs: spec("terminal"), Filter: "minal"}, want: "finish think", closed: "terminal"},
		{name: "extra", sel: Selection{Specs: spec("terminal"), Extra: []Tool{newPlain[readAction]("mcp", false), newPlain[readAction]("other", false)}, Filter: "t|mcp"}, want: "terminal mcp finish think"},
		{name: "blank", sel: Selection{Specs: spec(" ")}, err: "a tool has no name"},
		{
			name: "unknown", sel: Selection{Specs: spec("terminals", "grepp"), BuiltIns: []string{"TerminalTool"}},
			err: "there is no tool \"terminals\"; there are terminal, file_editor, pair, broken, none\nthere is no tool \"grepp\"; there are terminal, file_editor, pair, broken, none\nthere is no built-in tool \"TerminalTool\"; there are FinishTool, ThinkTool",
		},
		{name: "twice", sel: Selection{Specs: spec("terminal", "TerminalTool")}, err: `two tools are named "terminal"`, closed: "terminal terminal finish think"},
		{name: "extra of the same name", sel: Selection{Specs: spec("terminal"), Extra: []Tool{newPlain[readAction]("terminal", false)}}, err: `two tools are named "terminal"`, closed: "terminal finish think"},
		{name: "broken", sel: Selection{Specs: spec("terminal", "broken")}, err: "making tool broken: no shell", closed: "terminal"},
		{name: "bad filter", sel: Selection{Filter: "("}, err: "filter_tools_regex: error parsing regexp"},
		{name: "bad params", sel: Selection{Specs: []Spec{{Name: "terminal", Params: json.RawMessage(`3`)}}}, err: "tool terminal: its params are not an object"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var opened, closed []string
			set, err := testRegistry(&opened, &closed).Open(Env{}, tt.sel)
			if got := strings.Join(closed, " "); got != tt.closed {
				t.Errorf("closed %q, want %q", got, tt.closed)
			}
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error %v, want %s", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(set.Names(), " "); got != tt.want {
				t.Errorf("tools %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRegistryParams(t *testing.T) {
	var opened, closed []string
	r := testRegistry(&opened, &closed)
	var specs []Spec
	if err := json.Unmarshal([]byte(`[{"name":"terminal","params":{"a":1}},{"name":"file_editor","params":null},{"name":"pair","params":[]}]`), &specs); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Open(Env{Params: json.RawMessage(`{"stale":true}`)}, Selection{Specs: specs}); err != nil {
		t.Fatal(err)
	}
	if want := []string{`terminal{"a":1}`, "file_editor", "pair_a", "pair_b", "finish", "think"}; !slices.Equal(opened, want) {
		t.Errorf("opened %q, want %q", opened, want)
	}
}

func TestRegistryTwice(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("two entries of one name were taken")
		}
	}()
	NewRegistry(Entry{Name: "a", Class: "A"}, Entry{Name: "b", Aliases: []string{"A"}})
}

func TestSet(t *testing.T) {
	set := testSet(t)
	if got, ok := set.ByActionKind("terminalAction"); !ok || got.Definition().Name != "terminal" {
		t.Errorf("terminalAction: %v", got)
	}
	for _, kind := range []string{"MCPToolAction", "Nothing"} {
		if got, ok := set.ByActionKind(kind); ok {
			t.Errorf("%s: %s", kind, got.Definition().Name)
		}
	}
	if got := set.Schema("finish"); !strings.HasPrefix(string(got), `{"type":"object","properties":{"summary":{`) {
		t.Errorf("schema of finish: %s", got)
	}
	if got := set.Schema("terminal"); !strings.HasPrefix(string(got), `{"type":"object","properties":{"security_risk":{`) {
		t.Errorf("schema of terminal: %s", got)
	}
	if set.Schema("nothing") != nil {
		t.Error("schema of a tool that is not there")
	}
	if defs := set.Definitions(); len(defs) != len(set.All()) || defs[1].Name != "file_editor" {
		t.Errorf("definitions %v", defs)
	}
	if _, err := NewSet(newAnyTool("x", `[]`)); err == nil || !strings.Contains(err.Error(), "tool x") {
		t.Errorf("a schema that is none: %v", err)
	}
}

func TestSetClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		tools := map[string]func() error{
			"well": nil,
			"bad":  func() error { return errors.New("it broke") },
			"wild": func() error { panic("ouch") },
			"slow": func() error { <-release; return nil },
		}
		var list []Tool
		for _, name := range []string{"slow", "well", "bad", "wild"} {
			p := newPlain[readAction](name, false)
			p.closed = tools[name]
			list = append(list, p)
		}
		set, err := NewSet(list...)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = set.Close(ctx)
		want := "closing tool slow: context deadline exceeded\nclosing tool bad: it broke\nclosing tool wild: panic: ouch"
		if err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
		close(release)
	})
}

func TestDefinitionEncode(t *testing.T) {
	tests := []struct {
		def  Definition
		want string
	}{
		{
			Definition{Name: "terminal", Kind: "TerminalTool", Description: "a <b>", ActionKind: "TerminalAction", ObservationKind: "TerminalObservation", Annotations: &Annotations{Title: "Shell", DestructiveHint: true}},
			`{"description":"a <b>","action_type":"TerminalAction","observation_type":"TerminalObservation","annotations":{"title":"Shell","readOnlyHint":false,"destructiveHint":true,"idempotentHint":false,"openWorldHint":false},"title":"Shell","kind":"TerminalTool"}`,
		},
		{Definition{Name: "x", Kind: "X", ActionKind: "A"}, `{"description":"","action_type":"A","title":"x","kind":"X"}`},
		{Definition{Name: "x", Title: "T", Kind: "X", ActionKind: "A"}, `{"description":"","action_type":"A","title":"T","kind":"X"}`},
	}
	for _, tt := range tests {
		got, err := tt.def.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != tt.want {
			t.Errorf("got %s\nwant %s", got, tt.want)
		}
	}
}
