package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/conversation/secret"
	"github.com/agent-rpc/agent-rpc/internal/conversation/secret/fernet"
)

// with makes a registry with a key; "" for none.
func with(key string) *secret.Registry {
	var o secret.Options
	if key != "" {
		o.Key = fernet.FromSecret(key)
	}
	return secret.New(o)
}

func load(t testing.TB, r *secret.Registry, registry string) *secret.Registry {
	t.Helper()
	if err := r.Load([]byte(registry), nil); err != nil {
		t.Fatal(err)
	}
	return r
}

const everything = `{
	"A":{"kind":"StaticSecret","value":"s3cret-value","description":"d"},
	"L":{"kind":"LookupSecret","url":"http://127.0.0.1:1/","headers":{"X-Api-Key":"k3y-value","Accept":"text/plain"}}}`

// TestEncrypted stores and reads back, with the key, without it, with another,
// and with the key again: nothing is lost on the way.
func TestEncrypted(t *testing.T) {
	r := with("k1")
	update(t, r, everything)
	disk := stored(t, r)
	if strings.Contains(disk, "-value") || strings.Count(disk, "gAAAAA") != 2 || strings.Contains(disk, secret.Mask) {
		t.Fatal(disk)
	}
	if again := stored(t, r); again != disk {
		t.Errorf("written again it is another:\n%s\n%s", disk, again)
	}
	for _, key := range []string{"k1", "", "k2", "", "k1"} {
		r := load(t, with(key), disk)
		if again := stored(t, r); again != disk {
			t.Errorf("with %q it became\n%s\n%s", key, disk, again)
		}
		if key == "k1" {
			if got := value(t, r, "A"); got != "s3cret-value" || len(r.Unread()) > 0 {
				t.Errorf("read %q", got)
			}
			if got := r.Mask("s3cret-value k3y-value"); got != "<secret-hidden> <secret-hidden>" {
				t.Error(got)
			}
			continue
		}
		vars, missing := r.Variables(t.Context(), "use $A $L")
		if len(vars) > 0 || len(missing) != 2 || !strings.Contains(missing[0], "stored encrypted") || !strings.Contains(missing[1], "stored encrypted") {
			t.Errorf("with %q: %v, %q", key, vars, missing)
		}
		if diff := cmp.Diff([]string{"A", "L"}, r.Unread()); diff != "" {
			t.Error(diff)
		}
		// A mask does not replace what can't be read, a value does.
		update(t, r, `{"A":"**********","L":{"kind":"LookupSecret","url":"http://127.0.0.1:1/","headers":{"X-Api-Key":"**********","Accept":"text/plain"}}}`)
		if again := stored(t, r); !strings.Contains(again, disk[strings.Index(disk, "gAAAAA"):][:40]) || strings.Count(again, "gAAAAA") != 2 {
			t.Errorf("with %q a mask replaced\n%s\nand gave\n%s", key, disk, again)
		}
		update(t, r, `{"A":"n3w-value"}`)
		if got := value(t, r, "A"); got != "n3w-value" {
			t.Errorf("%q", got)
		}
	}
}

// TestMaskedHeaders are filled in from the source before, for the same server
// only.
func TestMaskedHeaders(t *testing.T) {
	for _, c := range []struct{ url, want string }{{"http://127.0.0.1:1/", "k3y-value"}, {"http://127.0.0.1:2/", ""}} {
		r := with("k")
		update(t, r, everything)
		update(t, r, `{"L":{"kind":"LookupSecret","url":"`+c.url+`","headers":{"X-Api-Key":"**********","X-New-Token":"**********"}}}`)
		var disk struct {
			Sources map[string]struct{ Headers map[string]string } `json:"secret_sources"`
		}
		if err := json.Unmarshal([]byte(stored(t, r)), &disk); err != nil {
			t.Fatal(err)
		}
		got, _ := fernet.FromSecret("k").Decrypt(disk.Sources["L"].Headers["X-Api-Key"])
		if got != c.want || len(disk.Sources["L"].Headers) > 1 {
			t.Errorf("%s: %q, %v", c.url, got, disk.Sources["L"].Headers)
		}
	}
}

// TestTokensThatAreGiven are read with the key; without it they are values like
// any other, for some services' own tokens look the same.
func TestTokensThatAreGiven(t *testing.T) {
	token := fernet.FromSecret("k").Encrypt("s3cret-value")
	r := with("k")
	update(t, r, `{"A":"`+token+`"}`)
	if got := value(t, r, "A"); got != "s3cret-value" {
		t.Errorf("%q", got)
	}
	if disk := stored(t, r); !strings.Contains(disk, token) {
		t.Errorf("it was encrypted anew: %s", disk)
	}
	for _, key := range []string{"", "another"} {
		r := with(key)
		update(t, r, `{"A":"`+token+`"}`)
		if got := value(t, r, "A"); got != token {
			t.Errorf("with %q: %q", key, got)
		}
		if disk := stored(t, r); strings.Contains(disk, token) {
			t.Errorf("with %q it is stored in clear: %s", key, disk)
		}
	}
}

func TestUnsealAndFill(t *testing.T) {
	key := fernet.FromSecret("k")
	mine, other := key.Encrypt("s3cret"), fernet.FromSecret("other").Encrypt("x")
	for name, c := range map[string]struct{ stored, given, want string }{
		"a mask":             {`{"llm":{"api_key":"MINE"}}`, `{"llm":{"api_key":"**********"}}`, `{"llm":{"api_key":"s3cret"}}`},
		"a token":            {`{}`, `{"llm":{"api_key":"MINE"}}`, `{"llm":{"api_key":"s3cret"}}`},
		"one not to be read": {`{"llm":{"api_key":"OTHER"}}`, `{"llm":{"api_key":"**********"}}`, `{"llm":{"api_key":"OTHER"}}`},
		"a value":            {`{"llm":{"api_key":"MINE"}}`, `{"llm":{"api_key":"new"}}`, `{"llm":{"api_key":"new"}}`},
		"none":               {`{"llm":{"api_key":"MINE"}}`, `{"llm":{}}`, `{"llm":{}}`},
		"nothing stored":     {``, `{"llm":{"api_key":"**********"}}`, `{"llm":{"api_key":"**********"}}`},
		"another server":     {`{"llm":{"api_key":"MINE","base_url":"http://a"}}`, `{"llm":{"api_key":"**********"}}`, `{"llm":{"api_key":"**********"}}`},
		"another provider":   {`{"llm":{"api_key":"MINE","model":"a/b"}}`, `{"llm":{"api_key":"**********","model":"c/b"}}`, `{"llm":{"api_key":"**********","model":"c/b"}}`},
		"another model":      {`{"llm":{"api_key":"MINE","model":"a/b"}}`, `{"llm":{"api_key":"**********","model":"a/c"}}`, `{"llm":{"api_key":"s3cret","model":"a/c"}}`},
		"another program":    {`{"mcp_config":{"g":{"command":"a","env":{"T":"MINE"}}}}`, `{"mcp_config":{"g":{"command":"b","env":{"T":"**********"}}}}`, `{"mcp_config":{"g":{"command":"b","env":{"T":"**********"}}}}`},
		"in a list":          {`[{"a":"MINE"},5]`, `[{"a":"**********"},1.50]`, `[{"a":"s3cret"},1.50]`},
		"a list of another":  {`[{"a":"MINE"}]`, `[{"a":"**********"},1]`, `[{"a":"**********"},1]`},
		"of another type":    {`{"a":{"b":"MINE"},"url":{}}`, `{"a":"**********","url":[]}`, `{"a":"**********","url":[]}`},
		"no JSON":            {`{`, `{"a":"**********"`, `{"a":"**********"`},
	} {
		t.Run(name, func(t *testing.T) {
			tokens := strings.NewReplacer("MINE", mine, "OTHER", other)
			r := with("k")
			opened, unread := r.Unseal([]byte(tokens.Replace(c.stored)))
			if want := strings.Count(c.stored, "OTHER"); unread != want {
				t.Errorf("%d can't be read, want %d", unread, want)
			}
			if bytes.Contains(opened, []byte(mine)) {
				t.Errorf("not opened: %s", opened)
			}
			if diff := cmp.Diff(tokens.Replace(c.want), string(r.Fill([]byte(tokens.Replace(c.given)), opened))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestSeedOfWhatCanNotBeRead keeps the token that an agent has on disk.
func TestSeedOfWhatCanNotBeRead(t *testing.T) {
	token := fernet.FromSecret("k").Encrypt("s3cret-value")
	r := with("")
	r.Unseal([]byte(`{"A":"` + token + `"}`))
	if err := r.Seed(map[string]json.RawMessage{"A": []byte(`"` + token + `"`)}); err != nil {
		t.Fatal(err)
	}
	if _, missing := r.Variables(t.Context(), "$A"); len(missing) != 1 || !strings.Contains(missing[0], "stored encrypted") {
		t.Errorf("%q", missing)
	}
	if got := stored(t, r); !strings.Contains(got, token) {
		t.Error(got)
	}
}

func TestSeal(t *testing.T) {
	mine, other := fernet.FromSecret("k").Encrypt("s3cret"), fernet.FromSecret("other").Encrypt("x")
	r := with("k")
	if _, n := r.Unseal([]byte(fmt.Sprintf(`[%q,%q]`, mine, other))); n != 1 {
		t.Errorf("%d can't be read", n)
	}
	if got := r.Seal("s3cret"); got != mine {
		t.Errorf("not the token that was stored: %s", got)
	}
	if got := r.Seal(other); got != other {
		t.Errorf("what can't be read became %s", got)
	}
	if got, err := fernet.FromSecret("k").Decrypt(r.Seal("n3w")); got != "n3w" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for _, nothing := range []string{"", secret.Mask} {
		if got := r.Seal(nothing); got != nothing {
			t.Errorf("%q became %q", nothing, got)
		}
	}
	r = with("")
	if got := r.Seal("s3cret"); got != secret.Mask {
		t.Error(got)
	}
}

func TestValues(t *testing.T) {
	shared := new(secret.Values)
	var log bytes.Buffer
	w := shared.Writer(&log)
	write := func(text string) {
		if n, err := w.Write([]byte(text)); n != len(text) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	write("s3cret\n")
	r := secret.New(secret.Options{Values: shared, Hide: []string{"the-key"}})
	update(t, r, `{"A":"s3cret"}`)
	r.Hide("model-key", "ab", "")
	write("s3cret the-key model-key ab\n")
	write("nothing\n")
	if got, want := log.String(), "s3cret\n<secret-hidden> <secret-hidden> <secret-hidden> ab\nnothing\n"; got != want {
		t.Errorf("%q", got)
	}
	if got := r.Mask("the-key model-key"); got != "<secret-hidden> <secret-hidden>" {
		t.Error(got)
	}
	var none *secret.Values
	none.Hide("x")
	if none.Mask("xyz") != "xyz" {
		t.Error("hidden by nobody")
	}
}
