package event

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestCut(t *testing.T) {
	long := strings.Repeat("x", 300)
	tests := []struct{ name, raw, want string }{
		{"short", `{"a":"b"}`, `{"a":"b"}`},
		{"many short ones", `{"a":["` + strings.Repeat(`x","`, 200) + `"]}`, ""},
		{
			"a long one", `{ "a" : "` + long + `" , "b":1e3}`,
			`{ "a" : {"blob":"ID/a","size":300,"head":"` + long[:64] + `","tail":"` + long[:64] + `"} , "b":1e3}`,
		},
		{
			"deep", `{"a":[null,true,{"b/c~d":"` + long + `","e":"` + long + `"}]}`,
			`{"a":[null,true,{"b/c~d":{"blob":"ID/a/2/b~1c~0d","size":300,"head":"` + long[:64] + `","tail":"` + long[:64] +
				`"},"e":{"blob":"ID/a/2/e","size":300,"head":"` + long[:64] + `","tail":"` + long[:64] + `"}}]}`,
		},
		{"long only as it is written", `{"a":"` + strings.Repeat(`\u0078`, 256) + `"}`, ""},
		{"a long key", `{"` + long + `":1}`, ""},
		{"no JSON", `{"a":"` + long + `"`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.want
			if want == "" {
				want = tt.raw
			}
			if got := string(Cut(json.RawMessage(tt.raw), "ID", 256)); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// Whatever an event holds: what is cut can be read again, is never cut in the
// middle of a character, and all else stays as it is.
func TestCutAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fields := rapid.MapOf(rapid.String(), rapid.SliceOf(rapid.StringN(0, 200, -1))).Draw(t, "fields")
		limit := rapid.IntRange(1, 400).Draw(t, "limit")
		raw, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		cut := Cut(raw, "id", limit)
		var got map[string][]json.RawMessage
		if err := json.Unmarshal(cut, &got); err != nil {
			t.Fatalf("%v: %s", err, cut)
		}
		for key, list := range fields {
			for i, text := range list {
				if len(text) <= limit {
					if want, _ := json.Marshal(text); !bytes.Equal(got[key][i], want) {
						t.Errorf("%q became %s", text, got[key][i])
					}
					continue
				}
				var b Blob
				if err := json.Unmarshal(got[key][i], &b); err != nil {
					t.Fatalf("%q became %s", text, got[key][i])
				}
				whole, ok := StringAt(raw, strings.TrimPrefix(b.Blob, "id"))
				if !ok || whole != text || b.Size != len(text) {
					t.Errorf("%+v names %q", b, whole)
				}
				if !strings.HasPrefix(text, b.Head) || !strings.HasSuffix(text, b.Tail) || !utf8.ValidString(b.Head+b.Tail) {
					t.Errorf("%+v of %q", b, text)
				}
			}
		}
	})
}

func TestStringAt(t *testing.T) {
	raw := json.RawMessage(`{"a":{"b":["x",1,"y"],"":"z"},"a/b":"w"}`)
	for pointer, want := range map[string]string{"/a/b/0": "x", "/a/b/2": "y", "/a/": "z", "/a~1b": "w"} {
		if got, ok := StringAt(raw, pointer); !ok || got != want {
			t.Errorf("%s: %q %t", pointer, got, ok)
		}
	}
	for _, pointer := range []string{"", "/", "/a", "/a/b", "/a/b/1", "/a/b/3", "/a/b/00", "a/b/0", "/a/b/0/", "/../a"} {
		if got, ok := StringAt(raw, pointer); ok {
			t.Errorf("%s: %q", pointer, got)
		}
	}
}

func FuzzCut(f *testing.F) {
	f.Add([]byte(`{"a":["b\\"c",{"d":null}],"e":1.5}`), 1)
	f.Add([]byte(`["\ud83d\ude00",`), 0)
	f.Fuzz(func(t *testing.T, raw []byte, limit int) {
		cut := Cut(raw, "id", max(limit, 1))
		if json.Valid(raw) && !json.Valid(cut) {
			t.Errorf("%q became %q", raw, cut)
		}
	})
}
