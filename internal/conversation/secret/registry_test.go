package secret_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/conversation/secret"
)

// registry makes a registry of a JSON object of secrets.
func registry(t testing.TB, secrets string) *secret.Registry {
	t.Helper()
	r := new(secret.Registry)
	update(t, r, secrets)
	return r
}

// value is what a registry knows or gets; "" for nothing.
func value(t testing.TB, r *secret.Registry, name string) string {
	t.Helper()
	v, err := r.Value(t.Context(), name)
	if (v == "") == (err == nil) {
		t.Errorf("%s has the value %q and the error %v", name, v, err)
	}
	return v
}

func update(t testing.TB, r *secret.Registry, secrets string) {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(secrets), &m); err != nil {
		t.Fatal(err)
	}
	if err := r.Update(m); err != nil {
		t.Fatal(err)
	}
}

func stored(t testing.TB, r *secret.Registry) string {
	t.Helper()
	raw, err := r.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestStored(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"nothing":       {`{}`, `{}`},
		"a string":      {`{"A":"s3cret"}`, `{"A":{"value":"**********","kind":"StaticSecret"}}`},
		"an empty one":  {`{"A":""}`, `{"A":{"kind":"StaticSecret"}}`},
		"a masked one":  {`{"A":"**********"}`, `{"A":{"kind":"StaticSecret"}}`},
		"a static one":  {`{"B":{"kind":"StaticSecret","description":"d","value":"s3cret"}}`, `{"B":{"description":"d","value":"**********","kind":"StaticSecret"}}`},
		"told":          {`{"B":{"kind":"StaticSecret","description":"is s3cret","value":"s3cret"}}`, `{"B":{"description":"is <secret-hidden>","value":"**********","kind":"StaticSecret"}}`},
		"without value": {`{"B":{"value":null,"description":null,"kind":"StaticSecret"}}`, `{"B":{"kind":"StaticSecret"}}`},
		"the client's":  {`{"C":{"kind":"ClientSecret","description":"d"}}`, `{"C":{"description":"d","kind":"StaticSecret"}}`},
		"looked up": {
			`{"L":{"kind":"LookupSecret","url":"http://h/s?a=1&b=2","headers":{"X-Api-Key":"s3cret","Accept":"text/plain","Cookie":"**********","X-Token":""}}}`,
			`{"L":{"url":"http://h/s?a=1&b=2","headers":{"Accept":"text/plain","X-Api-Key":"**********"},"kind":"LookupSecret"}}`,
		},
		"looked up without headers": {`{"L":{"url":"http://h","kind":"LookupSecret"}}`, `{"L":{"url":"http://h","headers":{},"kind":"LookupSecret"}}`},
		"a removed one":             {`{"A":null}`, `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(`{"secret_sources":`+c.want+`}`, stored(t, registry(t, c.in))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestUpdateRefuses(t *testing.T) {
	for name, c := range map[string]struct{ in, word string }{
		"a number":          {`{"A":5}`, "secret A: must be a string, a secret source or null"},
		"a list":            {`{"A":[]}`, "must be a string"},
		"an unknown kind":   {`{"A":{"kind":"VaultSecret"}}`, "StaticSecret, LookupSecret, ClientSecret"},
		"no kind":           {`{"A":{"value":"hunter2"}}`, "no kind"},
		"no url":            {`{"A":{"kind":"LookupSecret"}}`, "no url"},
		"no web url":        {`{"A":{"kind":"LookupSecret","url":"file:///hunter2"}}`, "field url of LookupSecret must be an http or https URL"},
		"a broken url":      {`{"A":{"kind":"LookupSecret","url":"http://%hunter2"}}`, "field url of LookupSecret must be"},
		"too long":          {`{"A":"` + strings.Repeat("hunter2", 10000) + `"}`, "longer than 65536 bytes"},
		"a value of a type": {`{"A":{"kind":"StaticSecret","value":{"hunter2":1}}}`, "field value is of the wrong type"},
		"no name":           {`{" ":"hunter2"}`, "no name"},
	} {
		t.Run(name, func(t *testing.T) {
			var m map[string]json.RawMessage
			if err := json.Unmarshal([]byte(c.in), &m); err != nil {
				t.Fatal(err)
			}
			m["GOOD"] = json.RawMessage(`"s3cret"`)
			var r secret.Registry
			err := r.Update(m)
			if err == nil || !strings.Contains(err.Error(), c.word) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v", err)
			}
			if len(r.Names()) != 0 || r.Mask("s3cret") != "s3cret" {
				t.Error("a part was taken")
			}
		})
	}
	var kind *secret.KindError
	err := new(secret.Registry).Update(map[string]json.RawMessage{"A": json.RawMessage(`{"kind":"X"}`)})
	if !errors.As(err, &kind) || kind.Kind != "X" {
		t.Errorf("no KindError: %v", err)
	}
}

func TestVariables(t *testing.T) {
	r := registry(t, `{"GITHUB_TOKEN":"ghp_1","token":"t0ken","EMPTY":"","not-a-name":"v4lue"}`)
	for command, want := range map[string]map[string]string{
		"":                        nil,
		"ls":                      nil,
		"echo $GITHUB_TOKEN":      {"GITHUB_TOKEN": "ghp_1", "token": "t0ken"},
		"echo ${github_token}xyz": {"GITHUB_TOKEN": "ghp_1", "token": "t0ken"},
		"MYTOKENS":                {"token": "t0ken"},
		"not-a-name":              nil,
	} {
		vars, missing := r.Variables(t.Context(), command)
		if diff := cmp.Diff(want, vars); diff != "" || len(missing) > 0 {
			t.Errorf("%s (-want +got):\n%s%q", command, diff, missing)
		}
	}
	if vars, missing := r.Variables(t.Context(), "$EMPTY"); len(vars) > 0 || len(missing) != 1 || !strings.HasPrefix(missing[0], "EMPTY: it has no value") {
		t.Errorf("%v, %q", vars, missing)
	}
}

// TestValuesAreNotLost holds what replaces what.
func TestValuesAreNotLost(t *testing.T) {
	for name, c := range map[string]struct{ then, value string }{
		"a new value":              {`{"A":"n3w"}`, "n3w"},
		"the mask":                 {`{"A":"**********"}`, "0ld"},
		"nothing":                  {`{"A":""}`, "0ld"},
		"a source without a value": {`{"A":{"kind":"StaticSecret"}}`, "0ld"},
		"another source":           {`{"A":{"kind":"ClientSecret"}}`, ""},
		"null":                     {`{"A":null}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := registry(t, `{"A":"0ld"}`)
			update(t, r, c.then)
			if got := value(t, r, "A"); got != c.value {
				t.Errorf("the value is %q", got)
			}
			// A shell may still have the old one.
			if got := r.Mask("0ld " + c.value); strings.Contains(got, "0ld") || c.value != "" && strings.Contains(got, c.value) {
				t.Error(got)
			}
		})
	}
	r := registry(t, `{"A":{"kind":"ClientSecret"},"B":{"kind":"LookupSecret","url":"/u"}}`)
	if err := r.Load([]byte(stored(t, r)), nil); err != nil {
		t.Fatal(err)
	}
	if got := r.Infos(); got[0].Kind != secret.KindClient || got[1].Kind != secret.KindLookup {
		t.Errorf("what was read replaced a source that can get its value: %+v", got)
	}
}

func TestLoad(t *testing.T) {
	const kept = `{"secret_sources":{"E":{"kind":"StaticSecret","value":"gAAAAABk"},"M":{"value":"**********","kind":"StaticSecret"},"P":"pl4in","V":{"kind":"VaultSecret","path":"p"},"bad":5,"worse":{"kind":"LookupSecret"}}}`
	r := new(secret.Registry)
	if err := r.Load([]byte(kept), nil); err != nil {
		t.Fatal(err)
	}
	const want = `{"secret_sources":{"E":{"value":"gAAAAABk","kind":"StaticSecret"},"M":{"kind":"StaticSecret"},"P":{"value":"**********","kind":"StaticSecret"},"V":{"kind":"VaultSecret","path":"p"}}}`
	if diff := cmp.Diff(want, stored(t, r)); diff != "" {
		t.Error(diff)
	}
	if vars, missing := r.Variables(t.Context(), "E M P V"); len(vars) != 1 || vars["P"] != "pl4in" || len(missing) != 3 {
		t.Errorf("%v, %q", vars, missing)
	}
	if diff := cmp.Diff([]string{"E"}, r.Unread()); diff != "" {
		t.Error(diff)
	}
	update(t, r, `{"M":"s3cret"}`)
	if err := r.Load([]byte(kept), nil); err != nil {
		t.Fatal(err)
	}
	if got := value(t, r, "M"); got != "s3cret" {
		t.Errorf("the mask replaced the value: %q", got)
	}
	for _, bad := range []string{``, `[]`, `{"secret_sources":5}`} {
		if err := r.Load([]byte(bad), nil); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
	for _, nothing := range []string{`{}`, `null`, `{"secret_sources":null}`} {
		if err := new(secret.Registry).Load([]byte(nothing), nil); err != nil {
			t.Errorf("%s: %v", nothing, err)
		}
	}
}

func TestNothingIsPrinted(t *testing.T) {
	r := registry(t, `{"A":"hunter2"}`)
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(format, r); strings.Contains(got, "hunter2") || !strings.Contains(got, "A") {
			t.Errorf("%s gives %s", format, got)
		}
	}
}

// TestConcurrentUse lets the race detector look on.
func TestConcurrentUse(t *testing.T) {
	r := secret.New(secret.Options{Client: func(context.Context, string) (string, error) { return "fr0m the client", nil }})
	update(t, r, `{"A":"s3cret","C":{"kind":"ClientSecret"}}`)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			stream := r.Stream()
			for j := range 50 {
				update(t, r, fmt.Sprintf(`{"B":"value-%d-%d"}`, i, j))
				update(t, r, `{"C":{"kind":"ClientSecret"}}`)
				if got := r.Mask("s3cret") + stream.Write("s3cret ") + string(r.MaskJSON([]byte(`"s3cret"`))); strings.Contains(got, "s3cret") {
					t.Error(got)
				}
				if vars, missing := r.Variables(t.Context(), "A B C"); len(vars) != 3 {
					t.Errorf("%v", missing)
				}
				stored(t, r)
				r.Infos()
			}
		})
	}
	wg.Wait()
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(`{"secret_sources":{"E":{"kind":"StaticSecret","value":"gAAAAABk"},"P":"pl4in","V":{"kind":"VaultSecret"},"L":{"kind":"LookupSecret","url":"u","headers":{"a":"b"}}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := new(secret.Registry)
		if r.Load(raw, nil) != nil {
			return
		}
		once := stored(t, r)
		again := new(secret.Registry)
		if err := again.Load([]byte(once), nil); err != nil {
			t.Fatal(err)
		}
		// A mask that was read has no value; from then on nothing changes.
		twice := stored(t, again)
		if err := again.Load([]byte(twice), nil); err != nil || stored(t, again) != twice {
			t.Fatalf("not stable: %s, %v", twice, err)
		}
	})
}
