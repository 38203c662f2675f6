//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
)

// acpRig is where scripts/rig-acp has put the protocol's TypeScript library and
// with it the published schemas.
type acpRig struct{ library, missing string }

var findACPRig = sync.OnceValue(func() acpRig {
	out, err := exec.Command("../../scripts/rig-acp", "--installed").Output()
	said := strings.TrimSpace(string(out))
	if err != nil {
		why := strings.TrimPrefix(said, "reason=")
		if told := os.Getenv("ACP_RIG_MISSING"); told != "" {
			why = told
		}
		return acpRig{missing: why}
	}
	return acpRig{library: strings.TrimPrefix(said, "library=")}
})

// acpSchema is the published schema of the protocol.
type acpSchema struct {
	// defs are the definitions of params by side and method, and of results by
	// method.
	params, results map[string]func() (*jsonschema.Resolved, error)
}

var loadACPSchema = sync.OnceValues(func() (*acpSchema, error) {
	rig := findACPRig()
	if rig.missing != "" {
		return nil, nil
	}
	// The unstable schema has all of the stable one, and session/fork.
	raw, err := os.ReadFile(filepath.Join(rig.library, "schema/v1/schema.unstable.json"))
	if err != nil {
		return nil, err
	}
	var whole map[string]json.RawMessage
	var defs map[string]struct {
		Side   string `json:"x-side"`
		Method string `json:"x-method"`
	}
	if err := json.Unmarshal(raw, &whole); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(whole["$defs"], &defs); err != nil {
		return nil, err
	}
	s := &acpSchema{map[string]func() (*jsonschema.Resolved, error){}, map[string]func() (*jsonschema.Resolved, error){}}
	for name, d := range defs {
		// What one side serves the other one asks: we check what the agent sends.
		result := strings.HasSuffix(name, "Response")
		if d.Method == "" || result != (d.Side == "agent") {
			continue
		}
		resolved := sync.OnceValues(func() (*jsonschema.Resolved, error) {
			var schema jsonschema.Schema
			text := fmt.Sprintf(`{"$ref":"#/$defs/%s","$defs":%s}`, name, whole["$defs"])
			if err := json.Unmarshal([]byte(text), &schema); err != nil {
				return nil, err
			}
			return schema.Resolve(nil)
		})
		if result {
			s.results[d.Method] = resolved
		} else {
			s.params[d.Method] = resolved
		}
	}
	if len(s.params) < 8 || len(s.results) < 12 {
		return nil, fmt.Errorf("the schema has only %d methods of the client and %d of the agent", len(s.params), len(s.results))
	}
	return s, nil
})

// installedACPSchema gives the schema; nil where the rig is not installed.
func installedACPSchema(t *testing.T) *acpSchema {
	t.Helper()
	s, err := loadACPSchema()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// check holds a message of the agent against the schema; asked is the method that
// it is the reply to.
func (s *acpSchema) check(f *frame, asked string) error {
	if s == nil {
		return nil
	}
	resolve, body := s.params[f.Method], f.Params
	if f.Method == "" {
		resolve, body = s.results[asked], f.Result
		if f.Error != nil {
			return nil // code and message, which the frame has
		}
	}
	if resolve == nil {
		if strings.HasPrefix(f.Method+asked, "_") || f.Method == "$/cancel_request" {
			return nil // an extension
		}
		return fmt.Errorf("the schema does not know %s%s", f.Method, asked)
	}
	var value any
	d := json.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(&value); err != nil {
		return err
	}
	schema, err := resolve()
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// TestACPSchema: the schema refuses what is wrong, so that what it takes counts.
func TestACPSchema(t *testing.T) {
	s := installedACPSchema(t)
	if s == nil {
		t.Skip(findACPRig().missing)
	}
	wrong := map[string]string{
		`{"sessionId":"s","update":{"sessionUpdate":"agent_message_chunk"}}`:                          "session/update",
		`{"sessionId":"s","update":{"sessionUpdate":"tool_call","toolCallId":"t","kind":"terminal"}}`: "session/update",
		`{"sessionId":"s","toolCall":{"toolCallId":"t"},"options":[{"optionId":"o","name":"n"}]}`:     "session/request_permission",
	}
	for params, method := range wrong {
		if s.check(&frame{Method: method, Params: json.RawMessage(params)}, "") == nil {
			t.Errorf("the schema takes %s %s", method, params)
		}
	}
	if s.check(&frame{Result: json.RawMessage(`{"stopReason":"done"}`)}, "session/prompt") == nil {
		t.Error("the schema takes a stop reason that there is not")
	}
	good := `{"sessionId":"s","update":{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"x"}}}`
	if err := s.check(&frame{Method: "session/update", Params: json.RawMessage(good)}, ""); err != nil {
		t.Error(err)
	}
}
