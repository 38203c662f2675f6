package conversation

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// ClientTool is OpenHands' ClientToolSpec: a tool that the client carries out.
type ClientTool struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	// Parameters are a JSON Schema of an object; nil for none.
	Parameters json.RawMessage `json:"parameters,omitempty"`
	// Annotations are MCP's hints; nil if nothing is known.
	Annotations json.RawMessage `json:"annotations,omitempty"`
}

// storedClientTools finds the specs that a stored agent's tools carry, as the
// reference does: params.spec of a tool of the same name.
func storedClientTools(agent json.RawMessage) (list []ClientTool) {
	var spec struct {
		Tools []struct {
			Name   string `json:"name"`
			Params struct {
				Spec *ClientTool `json:"spec"`
			} `json:"params"`
		} `json:"tools"`
	}
	_ = json.Unmarshal(agent, &spec) // an agent that can't be read has no tools
	for _, t := range spec.Tools {
		if t.Params.Spec != nil && t.Params.Spec.Name == t.Name {
			list = append(list, *t.Params.Spec)
		}
	}
	return list
}

// withStored joins the tools that the client gives with those of the stored
// agent, whose calls the history holds: they stay, and keep their parameters.
func withStored(given, stored []ClientTool) ([]ClientTool, error) {
	list := slices.Clone(stored)
	for _, t := range given {
		i := slices.IndexFunc(list, func(s ClientTool) bool { return s.Name == t.Name })
		switch {
		case i < 0:
			list = append(list, t)
		case i >= len(stored):
			return nil, &ValueError{"clientTools", fmt.Sprintf("two tools are named %q", t.Name)}
		case !sameJSON(list[i].Parameters, t.Parameters):
			return nil, &ValueError{"clientTools", fmt.Sprintf(
				"the conversation was held with other parameters of %q, and holds calls with them; leave clientTools out, or give the tool a new name", t.Name)}
		default:
			list[i] = t
		}
	}
	return list, nil
}

// sameJSON compares values, not how they are written.
func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	_ = json.Unmarshal(a, &x) // nothing is null
	_ = json.Unmarshal(b, &y)
	return reflect.DeepEqual(x, y)
}
