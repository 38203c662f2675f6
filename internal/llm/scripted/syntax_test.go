package scripted

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestStrict(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", `{"a": [1, 2]}`, `{"a": [1, 2]}`},
		{"line comments", "{ // one\n # two\n}", "{ \n \n}"},
		{"no comment within a string", `{"a": "http://x # y /* z */"}`, `{"a": "http://x # y /* z */"}`},
		{"block comment keeps its lines", "{/* a\nb\n*/}", "{ \n\n}"},
		{"trailing commas", "{\"a\": [1, 2, ], // x\n}", "{\"a\": [1, 2  ]  \n}"},
		{"trailing comma before a comment", "[1, // x\n]", "[1  \n]"},
		{"comma that is no trailing one", `[1, "]", {}]`, `[1, "]", {}]`},
		{"escaped quote", `"a\"//b"`, `"a\"//b"`},
		{"byte order mark", "\ufeff\"a\"", `"a"`},
		{"raw text in one line", `"""a "b" \n"""`, `"a \"b\" \\n"`},
		{"empty raw text", `""""""`, `""`},
		{"block", "{\"a\": \"\"\"\n    one\n      two\n\n    \"\"\"}", "{\"a\": \"one\\n  two\\n\"\n\n\n\n}"},
		{"block with CRLF", "\"\"\"\r\n  one\r\n  \"\"\"", "\"one\"\n\n"},
		{"block whose end shares a line", "\"\"\"\n  one\"\"\"", "\"  one\"\n"},
		{"less indentation than the end", "\"\"\"\n  a\n b\n    \"\"\"", "\"a\\nb\"\n\n\n"},
		{"empty", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := strict([]byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct {
		name, in string
		line     int
		message  string
	}{
		{"no end of a block", "\n\"\"\"abc", 2, `opens with """ has no end`},
		{"no end of a comment", "\n\n/* abc", 3, "opens with /* has no end"},
		{"no end of an object", "\"a\"\n{\"text\": \"x\"", 2, "it has no end"},
		{"broken inside", "\"a\"\n{\n\"text\": x\n}", 3, "not valid JSON"},
		{"line after blocks", "{\"text\": \"\"\"\na\nb\n\"\"\"}\n{\"txet\": \"a\"}", 5, `unknown field "txet"`},
		{"a list", "[\"a\"]", 1, "without a list around them"},
		{"a number", "12", 1, "without a list around them"},
		{"nothing", "{}", 1, "an answer needs one of"},
		{"wrong type", `{"text": 12}`, 1, `"text" has the wrong type`},
		{"bad purpose", `{"for": "fun", "text": "a"}`, 1, `"for" must be`},
		{"bad pattern", `{"when": "(", "text": "a"}`, 1, `"when" is no regular expression`},
		{"then without when", `{"then": ["a"]}`, 1, `"then" needs "when"`},
		{"then beside text", `{"when": "a", "then": ["a"], "text": "b"}`, 1, `"then" holds the answers`},
		{"rule in then", `{"when": "a", "then": [{"when": "b", "text": "c"}]}`, 1, "only a plain answer"},
		{"bad answer in then", `{"when": "a", "then": ["x", {}]}`, 1, "then, answer 2: an answer needs"},
		{"unknown setting", `{"settings": {"speed": 1}}`, 1, `unknown field "speed"`},
		{"settings with text", `{"settings": {}, "text": "a"}`, 1, `"settings" stands alone`},
		{"two tools in a call", `{"calls": [{"a": {}, "b": {}}]}`, 1, "call 1: it must name one tool"},
		{"call that is a string", `{"calls": ["ls"]}`, 1, "call 1: it must be an object"},
		{"call without a name", `{"calls": [{"name": ""}]}`, 1, "call 1: the tool has no name"},
		{"call with a typo", `{"calls": [{"name": "a", "args": {}}]}`, 1, `call 1: unknown field "args"`},
		{"negative delay", `{"text": "a", "delay": -1}`, 1, `"delay" is a number of milliseconds`},
		{"endless delay", `{"text": "a", "latency": 1e300}`, 1, `"latency" is a number of milliseconds`},
		{"negative chunk", `{"text": "a", "chunk": -1}`, 1, `"chunk" is a number of characters`},
		{"bad repeat", `{"text": "a", "repeat": 0}`, 1, `"repeat" must be`},
		{"bad wait", `{"wait": "5s"}`, 1, `"wait" must be "forever"`},
		{"bad error", `{"error": "oops"}`, 1, `"kind" must be one of`},
		{"bad error field", `{"error": {"kind": "auth", "code": 1}}`, 1, `unknown field "code"`},
		{"bad chunk stream", `{"text": "a", "chunks": [{"stream": "x", "size": 1}]}`, 1, "chunk 1: \"stream\" must be"},
		{"chunk of no call", `{"text": "a", "chunks": [{"stream": "args", "size": 1}]}`, 1, `chunk 1: "call" is no position`},
		{"bad thinking", `{"thinking": [{"type": "dream"}]}`, 1, "thinking block 1: its type must be"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("test", []byte(tt.in), Options{})
			var bad *SyntaxError
			if !errors.As(err, &bad) {
				t.Fatalf("got %v", err)
			}
			if bad.Line != tt.line || !strings.Contains(bad.Message, tt.message) || bad.Script != "test" {
				t.Errorf("got %q, want line %d: …%s…", err, tt.line, tt.message)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(demoScript))
	f.Add([]byte(`"a" {"when": "x(.*)", "then": [{"error": "auth"}]} # c`))
	f.Add([]byte(`{"calls": [{"name": "t", "arguments": "{"}], "chunks": [{"stream": "args", "size": 3}]}`))
	f.Add([]byte("\"\"\"\n a\n \"\"\""))
	f.Fuzz(func(t *testing.T, data []byte) {
		clean, bad := strict(data)
		if bad == nil && strings.Count(string(clean), "\n") < strings.Count(string(data), "\n") {
			t.Errorf("lines were lost: %q", clean)
		}
		s, err := parse("fuzz", data)
		if err != nil {
			var bad *SyntaxError
			if !errors.As(err, &bad) || bad.Line < 1 {
				t.Errorf("an error without a line: %v", err)
			}
			return
		}
		m := newModel(s, "scripted", Options{})
		for _, queue := range s.queues {
			for i := range queue {
				p := m.perform(&queue[i], template{}, 1, forStep)
				if p.fail == nil {
					checkBeats(t, p)
				}
			}
		}
	})
}

func FuzzReplay(f *testing.F) {
	f.Add([]byte(`{"text":"a","request":{"messages":2,"last":"user","hash":"x","new":[{"role":"user","content":"a"}]}}` + "\n{\"te"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = parseReplay("fuzz", data, Options{}) // it must only not fail badly
	})
}

// checkBeats checks that the chunks of an answer add up to its streams.
func checkBeats(t *testing.T, p *performance) {
	t.Helper()
	type key struct {
		stream string
		call   int
	}
	got := map[key]string{}
	for _, b := range p.beats {
		got[key{string(b.chunk.Stream), b.chunk.CallIndex}] += b.chunk.Text
	}
	for _, s := range streams(&p.response.Message) {
		text, ok := got[key{string(s.Stream), s.CallIndex}]
		if ok && text != s.Text {
			t.Errorf("%s %d streams %q, want %q", s.Stream, s.CallIndex, text, s.Text)
		}
	}
}

func TestQuote(t *testing.T) {
	const text = "<a & b>\u2028\"\n"
	var back string
	if err := json.Unmarshal(quote(text), &back); err != nil || back != text {
		t.Errorf("got %q, %v", back, err)
	}
}
