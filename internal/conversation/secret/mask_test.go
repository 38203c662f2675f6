package secret_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/secret"
)

// hiding makes a registry of these values.
func hiding(t interface{ Fatal(...any) }, values ...string) *secret.Registry {
	r := new(secret.Registry)
	for i, value := range values {
		raw, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Update(map[string]json.RawMessage{fmt.Sprint("S", i): raw}); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func TestMask(t *testing.T) {
	const pem = "-----BEGIN-----\nabc+/=\n-----END-----\n"
	for name, c := range map[string]struct {
		values   string // with | between them
		in, want string
	}{
		"no secrets":                {"", "text", "text"},
		"not there":                 {"s3cret", "s3cre", "s3cre"},
		"everywhere":                {"s3cret", "s3cret as3cretb s3crets3cret", "# a#b ##"},
		"a part and the whole":      {"s3cret", "s3cres3cret", "s3cre#"},
		"the longest":               {"abc|abcdef|cde", "abcdef abcde abcd", "# # #d"},
		"overlapping":               {"abcd|cdef", "xabcdefx", "x#x"},
		"over itself":               {"aaa", "aaaaa aa", "# aa"},
		"a value like the mask":     {"secret|hidden", "a secret, hidden", "a #, #"},
		"two characters":            {"ab", "ab", "ab"},
		"three characters":          {"äöü", "xäöüx", "x#x"},
		"booleans":                  {"true|False|null", "true False null", "true False null"},
		"in JSON":                   {`p"w\` + "\n", `p"w\` + "\n" + ` {"a":"p\"w\\\n"} {"b":"{\"a\":\"p\\\"w\\\\\\n\"}"}`, `# {"a":"#"} {"b":"{\"a\":\"#\"}"}`},
		"in JSON for HTML":          {"a<b>&c", `a<b>&c a\u003cb\u003e\u0026c a\\u003cb\\u003e\\u0026c`, "# # #"},
		"in JSON of Python":         {"pä😀s", `pä😀s p\u00e4\ud83d\ude00s p\\u00e4\\ud83d\\ude00s`, "# # #"},
		"lines":                     {pem, "x" + pem + "y", "x#y"},
		"lines without the end":     {pem, strings.TrimSpace(pem) + "y", "#y"},
		"lines of a terminal":       {pem, strings.ReplaceAll(pem, "\n", "\r\n") + "y", "#y"},
		"quoted for a shell":        {"it's5", `export A='it'\''s5'`, "export A='#'"},
		"quoted by bash":            {"a'b\\c\nd", `A=$'a\'b\\c\nd'`, "A=$'#'"},
		"in a URL":                  {"a b/c+ü(", `?k=a+b%2Fc%2B%C3%BC%28 a%20b%2Fc%2B%C3%BC%28 a%20b/c%2B%C3%BC%28 a%20b%2Fc%2B%C3%BC( a%20b%2fc%2b%c3%bc%28`, "?k=# # # # #"},
		"in base64":                 {"s3cret>?-value", "czNjcmV0Pj8tdmFsdWU= czNjcmV0Pj8tdmFsdWU czNjcmV0Pj8tdmFsdWUK czNjcmV0Pj8tdmFsdWV9", "# # # #V9"},
		"a part of base64":          {"s3cret>?-value", "YXVzZXI6czNjcmV0Pj8tdmFsdWU= dXNlcjpzM2NyZXQ-Py12YWx1ZQ== eDpzM2NyZXQ+Py12YWx1ZTp5", "YXVzZXI6# dXNlcjp#Q== eDp#Tp5"},
		"a short one in base64":     {"s3cret", "czNjcmV0", "czNjcmV0"},
		"bytes that are no text":    {"s3cret", "\xffs3cret\xff", "\xff#\xff"},
		"a value over two":          {"abc|def|cdefg", "abcdefg abcdefx", "# ##x"},
		"a value in another's fail": {"abcx|bcd", "abcd abcx", "a# #"},
	} {
		t.Run(name, func(t *testing.T) {
			var values []string
			if c.values != "" {
				values = strings.Split(c.values, "|")
			}
			r := hiding(t, values...)
			want := strings.ReplaceAll(c.want, "#", secret.Hidden)
			if got := r.Mask(c.in); got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
			s := r.Stream()
			var got strings.Builder
			for i := range len(c.in) {
				got.WriteString(s.Write(c.in[i : i+1]))
			}
			if got.WriteString(s.Flush()); got.String() != want {
				t.Errorf("byte by byte %q\nwant         %q", got.String(), want)
			}
		})
	}
}

func TestMaskJSON(t *testing.T) {
	for name, c := range map[string]struct{ value, in, want string }{
		"nothing":                {"s3cret", `{"a":"b"}`, ``},
		"a text":                 {"s3cret", `{"observation":{"content":[{"type":"text","text":"is s3cret"}]}}`, `{"observation":{"content":[{"type":"text","text":"is #"}]}}`},
		"escaped":                {`p"w`, `{"a":"p\"w","b":"p\u0022w","c":"{\"a\":\"p\\\"w\"}"}`, `{"a":"#","b":"#","c":"{\"a\":\"#\"}"}`},
		"surrogates":             {"p😀s", `["p😀s","p\ud83d\ude00s","p\ud83ds"]`, `["#","#","p\ud83ds"]`},
		"what is around stays":   {"s3cret", `{ "a" : "<&>é" , "b":"<s3cret>\n", "c":1.50 }`, `{ "a" : "<&>é" , "b":"<#>\n", "c":1.50 }`},
		"a value like a kind":    {"text", `{"kind":"text","content":[{"type":"text","text":"text"}]}`, `{"kind":"text","content":[{"type":"text","text":"#"}]}`},
		"a value like a key":     {"command", `{"action":{"command":"command"}}`, `{"action":{"command":"#"}}`},
		"a value in a key":       {"s3cret", `{"action":{"s3cret":1}}`, `{"action":{"#":1}}`},
		"a value like a literal": {"123", `{"exit_code":123,"id":"123-4","text":"123"}`, `{"exit_code":123,"id":"123-4","text":"#"}`},
		"what an event is known by": {
			"agent",
			`{"id":"agent","source":"agent","parent_id":"agent","tool_name":"agent","tool_call_id":"agent","llm_response_id":"agent","forgotten_event_ids":["agent"],"error":"agent","kind":"agent"}`,
			`{"id":"agent","source":"agent","parent_id":"agent","tool_name":"agent","tool_call_id":"agent","llm_response_id":"agent","forgotten_event_ids":["agent"],"error":"#","kind":"agent"}`,
		},
		"the same fields of a tool": {
			"agent", `{"action":{"id":"agent","source":"agent","name":"agent","kind":"agent"}}`, `{"action":{"id":"#","source":"#","name":"#","kind":"agent"}}`,
		},
		"a call of a tool": {
			"agent", `{"action":{"tool_call":{"id":"agent"},"x":{"tool_call":{"id":"agent"}}},"tool_call":{"x":{"id":"agent"}}}`,
			`{"action":{"tool_call":{"id":"#"},"x":{"tool_call":{"id":"#"}}},"tool_call":{"x":{"id":"#"}}}`,
		},
		"a kind that is no word": {"s3cret", `{"action":{"type":"s3cret"}}`, `{"action":{"type":"#"}}`},
		"a call": {
			"call", `{"tool_call":{"id":"call_1","name":"call","arguments":"call","origin":"call"}}`, `{"tool_call":{"id":"call_1","name":"call","arguments":"#","origin":"call"}}`,
		},
		"calls of a message": {
			"call", `{"llm_message":{"tool_calls":[{"id":"call_1","name":"call"}],"tool_call_id":"call_1"}}`, ``,
		},
		"arguments stay JSON": {
			"12345", `{"tool_call":{"arguments":"{\"command\": \"echo 12345\", \"pin\": 12345, \"id\": \"12345\"}"}}`,
			`{"tool_call":{"arguments":"{\"command\": \"echo #\", \"pin\": \"#\", \"id\": \"#\"}"}}`,
		},
		"arguments that are no JSON": {"s3cret", `{"tool_call":{"arguments":"{\"command\": \"echo s3cret"}}`, `{"tool_call":{"arguments":"{\"command\": \"echo #"}}`},
		"a number as arguments":      {"12345", `{"tool_call":{"arguments":"12345"}}`, `{"tool_call":{"arguments":"#"}}`},
		"signatures":                 {"abc", `{"thinking_blocks":[{"type":"thinking","thinking":"abc","signature":"xabcx"},{"data":"abc"}]}`, `{"thinking_blocks":[{"type":"thinking","thinking":"#","signature":"xabcx"},{"data":"abc"}]}`},
		"images":                     {"abc", `{"content":[{"image_urls":["data:;base64,abc","http://h/abc"]}]}`, `{"content":[{"image_urls":["data:;base64,abc","http://h/#"]}]}`},
		"no JSON":                    {"s3cret", `{"a":"s3cret`, `{"a":"#`},
		"no JSON either":             {"s3cret", `["a":"s3cret"]`, `["a":"#"]`},
		"no JSON, nothing":           {"s3cret", `{"a":]]`, ``},
		"only a string":              {"s3cret", `"s3cret"`, `"#"`},
	} {
		t.Run(name, func(t *testing.T) {
			in := []byte(c.in)
			got := hiding(t, c.value).MaskJSON(in)
			if c.want == "" {
				if &got[0] != &in[0] || string(got) != c.in {
					t.Errorf("not the same slice: %s", got)
				}
				return
			}
			if diff := cmp.Diff(strings.ReplaceAll(c.want, "#", secret.Hidden), string(got)); diff != "" {
				t.Error(diff)
			}
			if string(in) != c.in {
				t.Error("the slice was written to")
			}
		})
	}
}

// TestMaskedEventsStayEvents hides values that look like anything in real events.
func TestMaskedEventsStayEvents(t *testing.T) {
	events := []event.Event{
		&event.Action{
			Meta:    event.Meta{ID: "11111111-2222-4333-8444-555566667777", Source: event.SourceAgent, Timestamp: "2026-08-22T10:15:33.900001"},
			Thought: []event.Content{event.Text("I use text.")}, Action: json.RawMessage(`{"command":"grep","is_input":false,"kind":"TerminalAction"}`),
			ToolName: "terminal", ToolCallID: "call_1", ToolCall: event.ToolCall{ID: "call_1", Name: "terminal", Arguments: `{"command":"grep","timeout":10}`},
			ThinkingBlocks: []event.Thinking{{Type: "redacted_thinking", Data: "user text"}}, LLMResponseID: "msg_01", SecurityRisk: event.RiskLow,
		},
		&event.Message{
			Meta:       event.Meta{ID: "b", Source: event.SourceUser},
			LLMMessage: event.LLMMessage{Role: event.RoleUser, Content: []event.Content{event.Text("user text"), event.Image("data:text")}},
		},
	}
	for _, value := range []string{
		"agent", "user", "text", "terminal", "call_1", "msg_01", "command", "LOW", "completion", "id", "grep", "111", "444", "2026",
		"thinking", "redacted_thinking", "TerminalAction", "ActionEvent", "kind", `","kind":"`, `{"`, "0.1", "10", "100", "ral",
	} {
		r := hiding(t, value)
		for _, e := range events {
			raw, err := event.Encode(e)
			if err != nil {
				t.Fatal(err)
			}
			again, err := event.Decode(r.MaskJSON(raw))
			if err != nil {
				t.Errorf("%q: %v", value, err)
				continue
			}
			if *again.Head() != *e.Head() || again.Kind() != e.Kind() {
				t.Errorf("%q: the event is another: %+v", value, again.Head())
			}
			if a, ok := again.(*event.Action); ok {
				if a.ToolCallID != "call_1" || a.ToolCall.ID != "call_1" || a.ThinkingBlocks[0].Type != "redacted_thinking" || !json.Valid([]byte(a.ToolCall.Arguments)) {
					t.Errorf("%q: %+v", value, a)
				}
			}
		}
	}
}

// alphabet makes values and texts that meet often.
var alphabet = rapid.StringOfN(rapid.SampledFrom([]rune(`aab"\é`+"\n")), 0, 8, -1)

func TestStreamEqualsMask(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(alphabet, 0, 4).Draw(t, "values")
		r := hiding(t, values...)
		text := strings.Join(rapid.SliceOf(rapid.OneOf(alphabet, rapid.SampledFrom(append(values, "x")))).Draw(t, "text"), "")
		want := r.Mask(text)
		s := r.Stream()
		var got strings.Builder
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			got.WriteString(s.Write(rest[:n]))
			rest = rest[n:]
		}
		got.WriteString(s.Flush())
		if got.String() != want {
			t.Fatalf("%q of %q\nstream %q\nwhole  %q", text, values, got.String(), want)
		}
		if rest := s.Flush(); rest != "" {
			t.Fatalf("flushed twice: %q", rest)
		}
	})
}

// TestNoValueSurvives hides values in a text that shows them in every form that is
// looked for, however it is cut.
func TestNoValueSurvives(t *testing.T) {
	// Nothing of it stands in the mask itself.
	value := rapid.StringOfN(rapid.SampledFrom([]rune("KMPQ179 +/=%?&\"'\\ü\n")), 3, 20, -1)
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(value, 1, 4).Draw(t, "values")
		shown := func(v string) []string {
			quoted, _ := json.Marshal(v) // strings always encode
			again, _ := json.Marshal(string(quoted[1 : len(quoted)-1]))
			forms := []string{
				v, string(quoted), string(again), url.QueryEscape(v), url.PathEscape(v), "'" + strings.ReplaceAll(v, "'", `'\''`) + "'",
				strings.ReplaceAll(strings.ReplaceAll(v, "\r\n", "\n"), "\n", "\r\n"),
			}
			if len(v) >= 8 {
				for _, before := range []string{"", "u", "u:", "uv:"} {
					forms = append(forms, base64.StdEncoding.EncodeToString([]byte(before+v+"z")), base64.URLEncoding.EncodeToString([]byte(before+v)))
				}
			}
			return forms
		}
		var text strings.Builder
		for _, v := range rapid.SliceOfN(rapid.SampledFrom(values), 1, 6).Draw(t, "shown") {
			text.WriteString(rapid.SampledFrom([]string{"", "x", ": ", "\n", "x-"}).Draw(t, "between"))
			text.WriteString(rapid.SampledFrom(shown(v)).Draw(t, "form"))
		}
		s := hiding(t, values...).Stream()
		var out strings.Builder
		for rest := text.String(); rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			out.WriteString(s.Write(rest[:n]))
			rest = rest[n:]
		}
		out.WriteString(s.Flush())
		// What the mask leaves between two hidden parts is no value of its own making.
		for _, part := range strings.Split(out.String(), secret.Hidden) {
			for _, v := range values {
				if trimmed := strings.TrimSpace(v); len([]rune(trimmed)) < 3 {
					continue
				}
				for i, form := range shown(v) {
					if i > 6 {
						form = form[4 : len(form)-4] // its ends belong to the neighbours
					}
					if strings.Contains(part, form) {
						t.Fatalf("%q shows %q in the form %q of %q", text.String(), out.String(), form, v)
					}
				}
			}
		}
	})
}

// TestMaskEqualsNaive compares with a search that tries every value at every
// place.
func TestMaskEqualsNaive(t *testing.T) {
	plain := rapid.StringOfN(rapid.SampledFrom([]rune("abc")), 0, 6, -1)
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(plain, 0, 4).Draw(t, "values")
		text := rapid.StringOfN(rapid.SampledFrom([]rune("abcx")), 0, 30, -1).Draw(t, "text")
		hidden := make([]int, len(text)+1) // 1 inside a match, 2 where one begins
		for i := range text {
			for _, v := range values {
				if len(v) >= 3 && strings.HasPrefix(text[i:], v) {
					for j := i; j < i+len(v); j++ {
						hidden[j] = max(hidden[j], 1)
					}
				}
			}
		}
		// Two matches that only touch stay two.
		for i := 1; i < len(text); i++ {
			if hidden[i] == 0 || hidden[i-1] == 0 {
				continue
			}
			bridged := false
			for _, v := range values {
				for j := max(0, i-len(v)+1); j < i && len(v) >= 3; j++ {
					bridged = bridged || strings.HasPrefix(text[j:], v)
				}
			}
			if !bridged {
				hidden[i] = 2
			}
		}
		var want strings.Builder
		for i := range len(text) {
			switch {
			case hidden[i] == 0:
				want.WriteByte(text[i])
			case hidden[i] == 2 || i == 0 || hidden[i-1] == 0:
				want.WriteString(secret.Hidden)
			}
		}
		if got := hiding(t, values...).Mask(text); got != want.String() {
			t.Fatalf("%q of %q: got %q, want %q", text, values, got, want.String())
		}
	})
}

func TestStreamHoldsBackLittle(t *testing.T) {
	s := hiding(t, "s3cret").Stream()
	for i, c := range []struct{ in, out string }{
		{"hello s", "hello "},
		{"3", ""},
		{"x ", "s3x "},
		{"s3cre", ""},
		{"ts", "<secret-hidden>"},
		{" ", "s "},
		{"", ""},
		{"s3", ""},
	} {
		if got := s.Write(c.in); got != c.out {
			t.Errorf("%d: %q gives %q, want %q", i, c.in, got, c.out)
		}
	}
	if got := s.Flush(); got != "s3" {
		t.Errorf("flushed %q", got)
	}
	if got := s.Write("s3cret"); got != "<secret-hidden>" {
		t.Errorf("after the flush: %q", got)
	}
}

func TestStreamLearns(t *testing.T) {
	r := new(secret.Registry)
	s := r.Stream()
	got := s.Write("s3cret s3c")
	update(t, r, `{"A":"s3cret"}`)
	got += s.Write("ret s3cret t0k")
	update(t, r, `{"B":"t0ken"}`)
	got += s.Write("en t0k")
	got += s.Write("en s3c")
	update(t, r, `{"C":"p4ss"}`)
	got += s.Write("ret p4ss s3")
	got += s.Flush()
	if want := "s3cret s3cret <secret-hidden> t0ken <secret-hidden> <secret-hidden> <secret-hidden> s3"; got != want {
		t.Errorf("%q", got)
	}
}

func TestWithoutSecretsNothingIsAllocated(t *testing.T) {
	r := new(secret.Registry)
	s := r.Stream()
	raw := []byte(`{"a":"b"}`)
	if n := testing.AllocsPerRun(100, func() { r.Mask("text"); r.MaskJSON(raw); s.Write("text") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzMaskJSON(f *testing.F) {
	f.Add([]byte(`{"id":"s3cret","tool_call":{"arguments":"{\"a\":\"s3cret\"}"},"x":["s3cret"]}`), "s3cret")
	f.Add([]byte(`{"p\"w":"p\u0022w"}`), `p"w`)
	f.Add([]byte(`["\ud83d\ude00aa"]`), "😀aa")
	f.Fuzz(func(t *testing.T, raw []byte, value string) {
		r := hiding(t, value)
		out := r.MaskJSON(raw)
		if !json.Valid(raw) {
			return
		}
		if !json.Valid(out) {
			t.Fatalf("%q: %s became %s", value, raw, out)
		}
		if v, err := r.Value(t.Context(), "S0"); err == nil && len([]rune(strings.TrimSpace(v))) >= 3 {
			var text string
			if json.Unmarshal(raw, &text) == nil && json.Valid(out) {
				var masked string
				if err := json.Unmarshal(out, &masked); err != nil || masked != r.Mask(text) {
					t.Fatalf("%q: %q became %q, Mask gives %q", value, text, masked, r.Mask(text))
				}
			}
		}
		// Only strings change.
		var before, after any
		if json.Unmarshal(raw, &before) == nil && json.Unmarshal(out, &after) == nil && fmt.Sprintf("%T", before) != fmt.Sprintf("%T", after) {
			t.Fatalf("%s became %s", raw, out)
		}
	})
}

func BenchmarkMask(b *testing.B) {
	text := strings.Repeat("src/a.go:3: foo() is called here\n", 1500) // 50 KB
	for _, n := range []int{0, 1, 20} {
		var values []string
		for i := range n {
			values = append(values, fmt.Sprintf("ghp_%036d", i))
		}
		r := hiding(b, values...)
		b.Run(fmt.Sprintf("%dsecrets", n), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				r.Mask(text)
			}
		})
	}
}

func BenchmarkMaskJSON(b *testing.B) {
	raw, err := event.Encode(&event.AgentError{Error: strings.Repeat("src/a.go:3: \"foo\"\n", 100)})
	if err != nil {
		b.Fatal(err)
	}
	r := hiding(b, "ghp_abcdefghijklmnopqrstuvwxyz", "p4ssword")
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		r.MaskJSON(raw)
	}
}

func BenchmarkStream(b *testing.B) {
	s := hiding(b, "ghp_abcdefghijklmnopqrstuvwxyz", "p4ssword").Stream()
	b.ReportAllocs()
	for b.Loop() {
		s.Write("a token of a model ")
	}
}
