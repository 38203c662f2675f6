// Package tooltest is the suite that every tool passes: its definition makes
// sense, its schema is the golden one, bad arguments are turned down without
// their values, and nothing that is stored makes it panic.
//
// It is for tests only, and starts no goroutine.
package tooltest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/tool"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Suite says how a tool is tested. The golden schema is
// testdata/<tool name>.schema.json of the package under test.
type Suite struct {
	// New makes the tool; it is closed by the suite.
	New func(t *testing.T) tool.Tool
	// Args are arguments that the tool takes and can carry out, one per case. Each
	// case has a tool of its own.
	Args []string
}

// Secret stands in bad arguments and must never come back in an error.
const Secret = "hidden-value-41c9"

// Run runs the suite.
func Run(t *testing.T, s Suite) {
	t.Run("definition", s.definition)
	t.Run("schema", s.schema)
	t.Run("decode", s.decode)
	t.Run("run", s.run)
	t.Run("cancelled", s.cancelled)
	t.Run("any JSON", s.anyJSON)
	t.Run("close", func(t *testing.T) {
		made := s.New(t)
		for range 2 {
			if err := made.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

func (s Suite) make(t *testing.T) tool.Tool {
	t.Helper()
	made := s.New(t)
	t.Cleanup(func() {
		if err := made.Close(); err != nil {
			t.Error(err)
		}
	})
	return made
}

var (
	nameRule = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
	kindRule = regexp.MustCompile(`^[A-Z][A-Za-z0-9_]*$`)
)

func (s Suite) definition(t *testing.T) {
	made := s.make(t)
	def := made.Definition()
	if def != made.Definition() {
		t.Error("the definition is another one each time")
	}
	if !nameRule.MatchString(def.Name) {
		t.Errorf("name %q", def.Name)
	}
	for _, kind := range []string{def.Kind, def.ActionKind, def.ObservationKind} {
		if !kindRule.MatchString(kind) {
			t.Errorf("kind %q", kind)
		}
	}
	if strings.TrimSpace(def.Description) == "" {
		t.Error("no description")
	}
	if def.Annotations == nil {
		t.Error("no annotations: the tool would count as one that changes anything")
	}
	raw, err := def.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if kind, err := event.KindOf(raw); err != nil || kind != def.Kind {
		t.Errorf("encoded as %s: %v", raw, err)
	}
}

func (s Suite) schema(t *testing.T) {
	def := s.make(t).Definition()
	raw, err := tool.ModelSchema(def)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := json.Indent(&got, raw, "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	path := filepath.Join("testdata", def.Name+".schema.json")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n"))) {
		t.Errorf("the schema is not that of %s (run with -update if it is meant to change):\n%s", path, got.String())
	}
}

// decode breaks good arguments in every way and looks at the errors.
func (s Suite) decode(t *testing.T) {
	made := s.make(t)
	def := made.Definition()
	var schema struct {
		Properties map[string]struct {
			Type string `json:"type"`
			Enum []any  `json:"enum"`
		} `json:"properties"`
		Required []string `json:"required"`
	}
	if err := json.Unmarshal(def.Input, &schema); err != nil {
		t.Fatal(err)
	}
	rejects := func(what string, args map[string]any, subject string) {
		t.Helper()
		raw, err := json.Marshal(args)
		if err != nil {
			t.Fatal(err)
		}
		action, err := made.Decode(raw)
		if err == nil {
			t.Errorf("%s: taken as %s", what, action)
			return
		}
		if !strings.Contains(err.Error(), subject) {
			t.Errorf("%s: the error does not name %s: %v", what, subject, err)
		}
		if strings.Contains(err.Error(), Secret) {
			t.Errorf("%s: the error has the value: %v", what, err)
		}
	}
	for _, text := range s.Args {
		parse := func() map[string]any {
			var args map[string]any
			if err := json.Unmarshal([]byte(text), &args); err != nil {
				t.Fatal(err)
			}
			return args
		}
		action, err := made.Decode(json.RawMessage(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		s.checkAction(t, made, action)

		args := parse()
		args["no_such_parameter"] = Secret
		rejects("unknown parameter", args, "no_such_parameter")
		for _, key := range schema.Required {
			args := parse()
			delete(args, key)
			rejects("without "+key, args, key)
		}
		for key, prop := range schema.Properties {
			if prop.Type == "" {
				continue
			}
			args := parse()
			args[key] = map[string]any{"no_such_parameter": Secret}
			rejects(key+" as an object", args, key)
			args[key] = []any{[]any{Secret}}
			rejects(key+" as a list of lists", args, key)
			if prop.Type != "string" || prop.Enum != nil {
				args[key] = Secret
				rejects(key+" as a string", args, key)
			}
		}
	}
	for _, raw := range []string{"", "null", "[]", `"` + Secret + `"`, "{", `{"a":`} {
		if action, err := made.Decode(json.RawMessage(raw)); err == nil {
			t.Errorf("%q: taken as %s", raw, action)
		} else if strings.Contains(err.Error(), Secret) {
			t.Errorf("%q: the error has the value: %v", raw, err)
		}
	}
}

// checkAction holds an action against the form in which it is stored.
func (s Suite) checkAction(t *testing.T, made tool.Tool, action json.RawMessage) {
	t.Helper()
	kind := made.Definition().ActionKind
	if !strings.HasSuffix(string(action), `"kind":"`+kind+`"}`) {
		t.Errorf("kind is not last: %s", action)
	}
	if bytes.Contains(action, []byte(":null")) || bytes.ContainsAny(action, "\n") {
		t.Errorf("action with nulls or line breaks: %s", action)
	}
}

func (s Suite) run(t *testing.T) {
	for _, args := range s.Args {
		made := s.make(t)
		action, err := made.Decode(json.RawMessage(args))
		if err != nil {
			t.Fatal(err)
		}
		checkDisplay(t, made.Describe(action, nil), event.StatusPending)
		observation, err := made.Run(t.Context(), tool.Call{ID: "call", Action: action, Output: func(string) {}, Ask: decline})
		if err != nil {
			t.Errorf("%s: %v", args, err)
			continue
		}
		if !strings.HasSuffix(string(observation), `"kind":"`+made.Definition().ObservationKind+`"}`) {
			t.Errorf("%s: kind is not last: %s", args, observation)
		}
		var result struct {
			Content []event.Content `json:"content"`
			IsError *bool           `json:"is_error"`
		}
		if err := json.Unmarshal(observation, &result); err != nil || result.Content == nil || result.IsError == nil {
			t.Errorf("%s: %s (%v)", args, observation, err)
			continue
		}
		if *result.IsError {
			t.Errorf("%s: failed: %s", args, observation)
		}
		if len(made.Render(observation)) == 0 {
			t.Errorf("%s: the model reads nothing of %s", args, observation)
		}
		checkDisplay(t, made.Describe(action, observation), event.StatusCompleted)
	}
}

// decline is a user who answers nothing.
func decline(ctx context.Context, _ tool.Question) (tool.Answer, error) {
	return tool.Answer{Action: "decline"}, ctx.Err()
}

func checkDisplay(t *testing.T, d event.Display, status string) {
	t.Helper()
	if d.Kind == "" || d.Title == "" || strings.ContainsAny(d.Title+d.Summary, "\n\r") {
		t.Errorf("display %+v", d)
	}
	if d.Status != status {
		t.Errorf("status %q, want %q", d.Status, status)
	}
}

// cancelled does not wait for a tool that runs on: the time limit of go test
// does.
func (s Suite) cancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range s.Args {
		made := s.make(t)
		action, err := made.Decode(json.RawMessage(args))
		if err != nil {
			t.Fatal(err)
		}
		_, err = made.Run(ctx, tool.Call{ID: "call", Action: action, Output: func(string) {}, Ask: decline})
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", args, err)
		}
	}
}

// anyJSON shows the tool what a foreign or a broken log may hold.
func (s Suite) anyJSON(t *testing.T) {
	made := s.make(t)
	var good []json.RawMessage
	for _, args := range s.Args {
		action, err := made.Decode(json.RawMessage(args))
		if err != nil {
			t.Fatal(err)
		}
		good = append(good, action)
	}
	odd := mutations(good)
	check := func(action, observation json.RawMessage) {
		if d := made.Describe(action, observation); d.Kind == "" || d.Title == "" || d.Status == "" {
			t.Errorf("action %s, observation %s: %+v", action, observation, d)
		}
	}
	for _, raw := range odd {
		made.Render(raw)
		check(raw, nil)
		check(raw, json.RawMessage(`{"content":[],"is_error":false}`))
		for _, action := range good {
			check(action, raw)
		}
		if l, ok := made.(tool.Locator); ok {
			for _, loc := range l.Locations(raw) {
				if !filepath.IsAbs(loc.Path) || loc.Path != filepath.Clean(loc.Path) {
					t.Errorf("action %s: location %+v", raw, loc)
				}
			}
		}
	}
}

// mutations gives what is no object at all, and the actions with one field of
// another type.
func mutations(actions []json.RawMessage) []json.RawMessage {
	values := []any{nil, true, -1, 1e300, 0.5, "", "x", "/x", "~", "\x00", []any{}, []any{nil}, []any{1, "x"}, map[string]any{"a": nil}}
	var out []json.RawMessage
	for _, raw := range []string{"", "null", "0", "[]", "{}", `"x"`, "{", `{"kind":null}`, `{"content":[{"type":"image"}],"is_error":true}`, `{"content":[null]}`} {
		out = append(out, json.RawMessage(raw))
	}
	keys := map[string]bool{"content": true, "is_error": true, "command": true, "path": true, "old_content": true, "new_content": true}
	for _, action := range actions {
		var fields map[string]any
		_ = json.Unmarshal(action, &fields) // Decode gave it, and was checked
		for key := range fields {
			keys[key] = true
		}
	}
	for key := range keys {
		for _, value := range values {
			for _, action := range append(actions, json.RawMessage(`{}`)) {
				var fields map[string]any
				_ = json.Unmarshal(action, &fields)
				fields[key] = value
				if raw, err := json.Marshal(fields); err == nil {
					out = append(out, raw)
				}
			}
		}
	}
	return out
}
