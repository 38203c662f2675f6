package schema

import (
	"bytes"
	"encoding/json"
	"reflect"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// document is the JSON form of the protocol.
type document struct {
	Version  int                   `json:"version"`
	Methods  []documentMethod      `json:"methods"`
	Errors   []documentError       `json:"errors"`
	TypeDefs map[string]jsonSchema `json:"types"`
}

type documentMethod struct {
	Method string `json:"method"`
	// Direction is clientToServer or serverToClient, as in LSP's meta model.
	Direction string     `json:"direction"`
	Params    jsonSchema `json:"params"`
	// Result is absent for notifications.
	Result jsonSchema `json:"result,omitempty"`
}

type documentError struct {
	Code      protocol.Code `json:"code"`
	Kind      string        `json:"kind"`
	Retryable bool          `json:"retryable"`
}

type jsonSchema map[string]any

// JSON gives the protocol as an indented JSON document: methods, errors and a
// JSON Schema for each type.
func JSON() ([]byte, error) {
	m, err := load()
	if err != nil {
		return nil, err
	}
	d := document{Version: protocol.Version, TypeDefs: map[string]jsonSchema{}}
	for _, method := range protocol.Methods() {
		row := documentMethod{Method: method.Name, Direction: "clientToServer", Params: m.schemaOf(method.Params)}
		if method.FromServer {
			row.Direction = "serverToClient"
		}
		if method.Result != nil {
			row.Result = m.schemaOf(method.Result)
			if method.Nullable {
				row.Result = jsonSchema{"anyOf": []any{row.Result, jsonSchema{"type": "null"}}}
			}
		}
		d.Methods = append(d.Methods, row)
	}
	for _, c := range protocol.Codes() {
		d.Errors = append(d.Errors, documentError{c, c.Kind(), c.Retryable()})
	}
	for _, t := range m.types {
		d.TypeDefs[t.name] = m.definition(t)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err = enc.Encode(d)
	return b.Bytes(), err
}

func (m *model) definition(t *typeInfo) jsonSchema {
	s := jsonSchema{}
	if t.doc != "" {
		s["description"] = t.doc
	}
	if t.enum != nil {
		s["type"], s["enum"] = "string", t.enum
		return s
	}
	properties, required := map[string]jsonSchema{}, []string{}
	for _, f := range t.fields {
		p := m.schemaOf(f.typ)
		if f.doc != "" {
			p["description"] = f.doc
		}
		properties[f.name] = p
		if !f.optional {
			required = append(required, f.name)
		}
	}
	s["type"], s["properties"], s["required"] = "object", properties, required
	return s
}

func (m *model) schemaOf(t reflect.Type) jsonSchema {
	if t == rawType {
		return jsonSchema{}
	}
	if t.Kind() == reflect.Pointer {
		return m.schemaOf(t.Elem())
	}
	if known := m.known[t]; known != nil {
		return jsonSchema{"$ref": "#/types/" + known.name}
	}
	switch t.Kind() {
	case reflect.String:
		return jsonSchema{"type": "string"}
	case reflect.Bool:
		return jsonSchema{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return jsonSchema{"type": "integer"}
	case reflect.Float64:
		return jsonSchema{"type": "number"}
	case reflect.Slice:
		return jsonSchema{"type": "array", "items": m.schemaOf(t.Elem())}
	case reflect.Map:
		return jsonSchema{"type": "object", "additionalProperties": m.schemaOf(t.Elem())}
	}
	return jsonSchema{}
}
