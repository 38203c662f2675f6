package tool

import (
	"encoding/json"
	"fmt"

	"github.com/google/jsonschema-go/jsonschema"
)

// The parameters that every tool has beside its own.
const (
	paramRisk    = "security_risk"
	paramSummary = "summary"
)

var (
	riskSchema = json.RawMessage(`{"type":"string","description":` +
		`"How much harm this call could do: LOW for reading and for changes inside the workspace that are easy to undo, MEDIUM for changes that are harder to undo or reach beyond the workspace, HIGH for loss of data, for secrets that leave this machine and for changes to the system, UNKNOWN when you can't tell.",` +
		`"enum":["UNKNOWN","LOW","MEDIUM","HIGH"]}`)
	summarySchema = json.RawMessage(`{"type":"string","description":` +
		`"What this call does and why, for the person who watches: one phrase of about ten words."}`)
)

// ModelSchema gives the JSON Schema that the model sees: the tool's own
// parameters, and before them security_risk (unless the tool only reads) and
// summary (unless the tool has one). They come first so that an answer which is
// cut off still has them.
func ModelSchema(d *Definition) (json.RawMessage, error) {
	input := object{}
	if len(d.Input) > 0 {
		var err error
		if input, err = parseObject(d.Input); err != nil {
			return nil, fmt.Errorf("schema of tool %s: %w", d.Name, err)
		}
	}
	if !input.has("type") {
		input = append(object{{"type", quote("object")}}, input...)
	}
	var own object
	if raw := input.get("properties"); raw != nil && !isNull(raw) {
		var err error
		if own, err = parseObject(raw); err != nil {
			return nil, fmt.Errorf("schema of tool %s: properties: %w", d.Name, err)
		}
	}
	var all object
	if !d.ReadOnly() {
		all.set(paramRisk, riskSchema)
	}
	if !own.has(paramSummary) {
		all.set(paramSummary, summarySchema)
	}
	for _, m := range own {
		if m.key != paramRisk {
			all.set(m.key, m.value)
		}
	}
	input.set("properties", all.encode())
	return compact(input.encode()), nil
}

// simplify writes the part of a schema that models are shown.
func simplify(schema *jsonschema.Schema) json.RawMessage {
	var out object
	if t := typeOf(schema); t != "" {
		out.set("type", quote(t))
	}
	if schema.Description != "" {
		out.set("description", quote(schema.Description))
	}
	if len(schema.Properties) > 0 {
		var props object
		for _, key := range schema.PropertyOrder {
			props.set(key, simplify(schema.Properties[key]))
		}
		out.set("properties", props.encode())
	}
	if len(schema.Required) > 0 {
		out.set("required", mustEncode(schema.Required))
	}
	if schema.Items != nil {
		out.set("items", simplify(schema.Items))
	}
	if schema.Enum != nil {
		out.set("enum", mustEncode(schema.Enum))
	}
	return out.encode()
}

// mustEncode encodes what came from a struct tag and therefore always encodes.
func mustEncode(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}
