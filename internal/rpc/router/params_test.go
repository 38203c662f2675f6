package router

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

type nested struct {
	Inner struct {
		N int `json:"n"`
	} `json:"inner"`
	List []struct {
		O protocol.Flag `json:"o"`
	} `json:"list"`
}

type embedded struct {
	nested
	Map map[string]protocol.Flag `json:"map"`
}

// picky decodes itself.
type picky struct{ s string }

func (p *picky) UnmarshalJSON(b []byte) error {
	if p.s = string(b); p.s == `"bad"` {
		return errors.New("bad it is")
	}
	return nil
}

func TestDecode(t *testing.T) {
	for name, tt := range map[string]struct {
		raw  string
		into any
		want string // JSON
		err  string
	}{
		"an object":             {`{"id":"x"}`, new(protocol.IDParams), `{"id":"x"}`, ""},
		"unknown members":       {`{"id":"x","_meta":{},"a":[]}`, new(protocol.IDParams), `{"id":"x"}`, ""},
		"empty array":           {`[]`, new(protocol.ListParams), `{}`, ""},
		"empty array, spaces":   {` [ ] `, new(protocol.ListParams), `{}`, ""},
		"nested":                {`{"inner":[],"list":[{"o":[]},[]]}`, new(nested), `{"inner":{"n":0},"list":[{"o":{}},{"o":{}}]}`, ""},
		"embedded":              {`{"inner":[],"map":{"a":[]}}`, new(embedded), `{"inner":{"n":0},"list":null,"map":{"a":{}}}`, ""},
		"a map":                 {`{"id":"x","secrets":[]}`, new(protocol.UpdateSecretsParams), `{"id":"x","secrets":{}}`, ""},
		"pointers":              {`{"versions":[1],"deltas":[],"input":{}}`, new(protocol.ClientOptions), `{"versions":[1],"deltas":{},"input":{}}`, ""},
		"lists stay lists":      {`{"id":"x","kinds":[]}`, new(protocol.EventsParams), `{"id":"x"}`, ""},
		"raw JSON stays":        {`{"id":"x","policy":[]}`, new(protocol.SetConfirmationPolicyParams), `{"id":"x","policy":[]}`, ""},
		"numbers stay":          {`{"id":[],"n":12345678901234567890.5}`, new(map[string]json.RawMessage), `{"id":[],"n":12345678901234567890.5}`, ""},
		"other names":           {`{"INNER":[]}`, new(nested), `{"inner":{"n":0},"list":null}`, ""},
		"an array":              {`[1]`, new(protocol.IDParams), "", "params must be an object, not an array"},
		"a string":              {`"x"`, new(protocol.IDParams), "", "params must be an object, not a string"},
		"a wrong member":        {`{"id":7}`, new(protocol.IDParams), "", "id must be a string, not a number"},
		"a wrong number":        {`{"id":"x","limit":1.5}`, new(protocol.EventsParams), "", "limit must be an integer, not 1.5"},
		"a wrong pointer":       {`{"id":"x","after":"y"}`, new(protocol.EventsParams), "", "after must be an integer, not a string"},
		"a wrong boolean":       {`{"id":"x","wait":"yes"}`, new(protocol.RunParams), "", "wait must be a boolean, not a string"},
		"a wrong list":          {`{"id":"x","kinds":{}}`, new(protocol.EventsParams), "", "kinds must be an array, not an object"},
		"wrong and empty array": {`{"inner":[],"list":true}`, new(nested), "", "list must be an array, not a boolean"},
		"deep":                  {`{"inner":{"n":[]}}`, new(nested), "", "inner.n must be an integer, not an array"},
		"its own":               {`{"a":1,"b":"bad"}`, new(struct{ A, B picky }), "", "b is not valid: bad it is"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Decode(json.RawMessage(tt.raw), tt.into)
			if tt.err != "" {
				var e *protocol.Error
				if !errors.As(err, &e) || e.Code != protocol.CodeInvalidParams || e.Message != tt.err || e.Data["field"] == nil {
					t.Errorf("got %#v, want %s", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(tt.into)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestParams: what a typed method answers to params.
func TestParams(t *testing.T) {
	play(t, Config{}, func(r *rig) {
		Method(r.Router, "id", Options{Order: Inline}, func(_ context.Context, p protocol.IDParams) (string, error) { return p.ID, nil })
		Method(r.Router, "list", Options{Order: Inline}, func(_ context.Context, p protocol.ListParams) (int, error) { return p.Limit, nil })
		Method(r.Router, "analyzer", Options{Order: Inline}, func(_ context.Context, p protocol.SetSecurityAnalyzerParams) (json.RawMessage, error) {
			return p.Analyzer, nil
		})
		Accept(r.Router, "accept", Options{Order: Inline}, func(_ context.Context, p protocol.IDParams, reply Reply[string]) error {
			reply(p.ID, nil)
			return nil
		})
	}, func(r *rig) {
		for _, tt := range []struct{ method, params, want string }{
			{"id", `{"id":"x"}`, `"x"`},
			{"id", `{}`, "error -32602"},
			{"id", `[]`, "error -32602"},
			{"id", `null`, "error -32602"},
			{"id", `{"id":null}`, "error -32602"},
			{"id", `{"id":""}`, "error -32602"},
			{"id", `{"id":1}`, "error -32602"},
			{"id", `5`, "error -32602"},
			{"list", `[]`, `0`},
			{"list", `null`, `0`},
			{"list", `{"limit":5}`, `5`},
			{"analyzer", `{"id":"x","analyzer":null}`, `null`},
			{"analyzer", `{"id":"x","analyzer":{"b":1,"a":2}}`, `{"b":1,"a":2}`},
			{"analyzer", `{"id":"x"}`, "error -32602"},
			{"accept", `{"id":"x"}`, `"x"`},
			{"accept", `{"id":[]}`, "error -32602"},
		} {
			r.send(request("1", tt.method, tt.params))
			r.expect("1 " + tt.want)
		}
		r.send(frame(`{"id":1,"method":"list"}`), frame(`{"id":2,"method":"id"}`))
		r.expect("1 0", "2 error -32602")
	})
}

// FuzzDecode: any params give a value or an error that names something.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{}`, `[]`, `{"inner":[],"list":[[],{"o":[]}]}`, `{"map":{"a":[]}}`, `{"inner":{"n":1e9}}`, `[[]]`, `{"list":[1]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, v := range []any{new(embedded), new(protocol.ClientOptions), new(protocol.CreateParams)} {
			err := Decode(raw, v)
			var e *protocol.Error
			if err != nil && (!errors.As(err, &e) || e.Data["field"] == "") {
				t.Errorf("%q: %v", raw, err)
			}
			if again := reflect.New(reflect.TypeOf(v).Elem()).Interface(); err == nil {
				b, err := json.Marshal(v)
				if err != nil {
					t.Fatal(err)
				}
				if err := Decode(b, again); err != nil {
					t.Errorf("%s does not decode again: %v", b, err)
				}
			}
		}
	})
}

func TestConversationKey(t *testing.T) {
	for raw, want := range map[string]string{
		`{"id":"6F1f-b2"}`:                        "6f1fb2",
		`{"conversationId":"6f1fb2"}`:             "6f1fb2",
		`{"id":"a","conversationId":"b"}`:         "a",
		`{"id":null,"conversationId":"b"}`:        "b",
		`{"id":{"x":1}}`:                          "",
		`{"id":"a","text":{"id":"b"},"x":[1,{}]}`: "a",
		`{}`:   "",
		`[]`:   "",
		`null`: "",
		``:     "",
	} {
		if got := conversationKey(json.RawMessage(raw)); got != want {
			t.Errorf("%s: got %q, want %q", raw, got, want)
		}
	}
}

func ExampleBadParams() {
	fmt.Println(BadParams("policy.kind", "must be one of %s", "AlwaysConfirm, NeverConfirm"))
	// Output: policy.kind must be one of AlwaysConfirm, NeverConfirm
}
