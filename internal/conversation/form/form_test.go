package form_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/conversation/form"
)

const trip = `{"type":"object","required":["city","nights"],"properties":{
	"nights":{"type":"integer","minimum":1},
	"city":{"type":"string","title":"Where","description":"A city.","enum":["PAR","ROM"],"enumNames":["Paris","Rome"]},
	"class":{"oneOf":[{"const":1,"title":"First"},{"const":2}]},
	"breakfast":{"type":"boolean","default":true},
	"name":{"type":"string","maxLength":3},
	"guests":{"type":"array","items":{"enum":["a","b"]}},
	"any":true}}`

func TestParse(t *testing.T) {
	f, err := form.Parse(json.RawMessage(trip))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, field := range f.Fields {
		names = append(names, field.Name)
	}
	if want := []string{"nights", "city", "class", "breakfast", "name", "guests", "any"}; !slices.Equal(names, want) {
		t.Errorf("fields %q, want %q", names, want)
	}
	labels := func(i int) string {
		var list []string
		for _, c := range f.Fields[i].Choices {
			list = append(list, c.Label+"="+string(c.Value))
		}
		return strings.Join(list, " ")
	}
	for i, want := range []string{"", `Paris="PAR" Rome="ROM"`, "First=1 2=2", "Yes=true No=false", "", "", ""} {
		if got := labels(i); got != want {
			t.Errorf("the choices of %s are %s, want %s", names[i], got, want)
		}
	}
	city := f.Fields[1]
	if city.Title != "Where" || city.Description != "A city." || !city.Required || city.Type != "string" {
		t.Errorf("%+v", city)
	}
	if b := f.Fields[3]; string(b.Default) != "true" || b.Required || b.Title != "breakfast" {
		t.Errorf("%+v", b)
	}
	if f.Choices() != nil {
		t.Error("it is no plain choice")
	}
}

func TestParseRefuses(t *testing.T) {
	for _, bad := range []string{
		``, `null`, `true`, `[]`, `{}`, `{"type":"string"}`, `{"type":["object"]}`, `{"type":"object","properties":[]}`,
		`{"type":"object","properties":{"a":3}}`, `{"type":"object","properties":{"a":{"type":7}}}`,
		`{"type":"object","properties":{"a":{"$ref":"#/nowhere"}}}`, `{"type":"object","properties":{"a":{"pattern":"("}}}`,
	} {
		if _, err := form.Parse(json.RawMessage(bad)); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func TestCheck(t *testing.T) {
	f, err := form.Parse(json.RawMessage(trip))
	if err != nil {
		t.Fatal(err)
	}
	for content, ok := range map[string]bool{
		`{"city":"PAR","nights":2}`:                  true,
		`{"city":"PAR","nights":2,"breakfast":null}`: false,
		`{"city":"PAR","nights":0}`:                  false,
		`{"city":"Paris","nights":1}`:                false,
		`{"city":"PAR"}`:                             false,
		`{"city":"PAR","nights":1,"name":"long"}`:    false,
		`{"city":"PAR","nights":1,"guests":["c"]}`:   false,
		`{}`: false, ``: false, `null`: false, `[]`: false, `"PAR"`: false, `{`: false,
	} {
		if err := f.Check(json.RawMessage(content)); (err == nil) != ok {
			t.Errorf("%s: %v", content, err)
		}
	}
}

func TestChoices(t *testing.T) {
	for schema, want := range map[string]string{
		`{"type":"object","properties":{"go":{"type":"boolean"}}}`:                       `{"go":true} {"go":false}`,
		`{"type":"object","properties":{"x":{"enum":["a b","c"]}},"required":["x"]}`:     `{"x":"a b"} {"x":"c"}`,
		`{"type":"object","properties":{"x":{"type":"string"}}}`:                         ``,
		`{"type":"object","properties":{"x":{"type":"boolean"},"y":{"type":"boolean"}}}`: ``,
		`{"type":"object"}`: ``,
		`{"type":"object","properties":{"x":{"oneOf":[{"type":"string"},{"const":"a"}]}}}`: ``,
		`{"type":"object","properties":{"x":{"type":"array","items":{"enum":["a","b"]}}}}`: ``,
	} {
		f, err := form.Parse(json.RawMessage(schema))
		if err != nil {
			t.Fatalf("%s: %v", schema, err)
		}
		var got []string
		for _, c := range f.Choices() {
			answer := f.Chosen(c)
			if err := f.Check(answer); err != nil {
				t.Errorf("%s does not fit its own schema: %v", answer, err)
			}
			got = append(got, string(answer))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %s, want %s", schema, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(trip), []byte(`{"city":"PAR"}`))
	f.Fuzz(func(t *testing.T, schema, content []byte) {
		parsed, err := form.Parse(schema)
		if err != nil {
			return
		}
		_ = parsed.Check(content) // it must not panic
		for _, c := range parsed.Choices() {
			if !json.Valid(parsed.Chosen(c)) {
				t.Fatalf("%s", parsed.Chosen(c))
			}
		}
	})
}
