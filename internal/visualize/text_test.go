package visualize

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"plain ü 日本\n\t": "plain ü 日本\n\t",
		"\x1b[31m":       `\x1b[31m`,
		"\x00\x7f":       `\x00\x7f`,
		"\u009b31m":      `\x9b31m`,
		"a\xffb\xc3":     `a\xffb\xc3`,
		"\ufffd":         "\ufffd",
		"\u202egnp.exe":  `\u202egnp.exe`,
		"a\u200bb":       `a\u200bb`,
		"a\u200db":       `a\u200db`,
		"👩\u200d💻":       "👩\u200d💻",
		"\U000e0041":     `\U000e0041`,
		"a\u2028b":       `a\u2028b`,
		"\u3164":         `\u3164`,
		"\r":             `\x0d`,
	} {
		if got := Escape(in); got != want {
			t.Errorf("Escape(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestColumns(t *testing.T) {
	for s, want := range map[string]int{
		"abc": 3, "日本": 4, "e\u0301": 1, "👩": 2, "✔\ufe0f": 2, "": 0, "ｱ": 1, "\u1112\u1161\u11ab": 2, "a\tb": 5,
	} {
		if got := line(nil).add(normal, s).cols(); got != want {
			t.Errorf("columns of %q: %d, want %d", s, got, want)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text              string
		first, rest, head int
		want              string
	}{
		{"one two three", 7, 7, 0, "one two|three"},
		{"one two three", 8, 8, 0, "one two|three"},
		{"one  two", 4, 4, 0, "one |two"},
		{"abcdefghij", 4, 3, 0, "abcd|efg|hij"},
		{"日本語", 3, 3, 0, "日|本|語"},
		{"  indented", 5, 5, 0, "  ind|ented"},
		{"Read    abcdefghijkl", 12, 8, 8, "Read    abcd|efghijkl"},
		{"", 5, 5, 0, ""},
		{"a b", 1, 1, 0, "a|b"},
	} {
		var got []string
		for _, l := range (line{}.add(normal, c.text)).wrap(c.first, c.rest, c.head) {
			got = append(got, l.render(false))
		}
		if g := strings.Join(got, "|"); g != c.want {
			t.Errorf("wrap(%q, %d, %d, %d) = %q, want %q", c.text, c.first, c.rest, c.head, g, c.want)
		}
	}
}

func TestOutputLines(t *testing.T) {
	for in, want := range map[string]string{
		"":                           "",
		"a\r\nb\r\n":                 "a|b",
		"10%\r50%\rdone\nnext\n\n":   "done|next",
		"\x1b[1;31mred\x1b[0m\x1b[K": "red\x1b[K",
		"\x1b[":                      "\x1b[",
	} {
		if got := strings.Join(outputLines(in), "|"); got != want {
			t.Errorf("outputLines(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestFigures(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0.0s", 2100 * time.Millisecond: "2.1s", 12 * time.Second: "12s",
		252 * time.Second: "4m12s", 64 * time.Minute: "1h04m",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%v) = %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 940: "940", 9400: "9.4k", 9960: "10k", 58000: "58k", 999_400: "999k", 999_600: "1.0M", 1_200_000: "1.2M", -1: "0"} {
		if got := Count(n); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
	for usd, want := range map[float64]string{0: "$0.00", 0.004: "<$0.01", 0.42: "$0.42", 8.2: "$8.20"} {
		if got := Cost(usd); got != want {
			t.Errorf("Cost(%g) = %q, want %q", usd, got, want)
		}
	}
}

func TestUsageOf(t *testing.T) {
	stats := json.RawMessage(`{"usage_to_metrics":{
		"agent":{"accumulated_cost":0.5,"accumulated_token_usage":{"prompt_tokens":100,"completion_tokens":20,"context_window":200000,"per_turn_token":60}},
		"condenser":{"accumulated_cost":0.25,"accumulated_token_usage":{"prompt_tokens":10,"completion_tokens":2,"context_window":8000,"per_turn_token":12}}}}`)
	for _, tt := range []struct {
		llms []protocol.LLMInfo
		want Usage
	}{
		{nil, Usage{Cost: 0.75, Tokens: 132, Context: 60, Window: 200000}},
		{[]protocol.LLMInfo{{UsageID: "agent"}, {UsageID: "condenser", Unpriced: true}}, Usage{Cost: 0.75, Unpriced: true, Tokens: 132, Context: 60, Window: 200000}},
		{[]protocol.LLMInfo{{UsageID: "condenser"}, {UsageID: "agent"}}, Usage{Cost: 0.75, Tokens: 132, Context: 12, Window: 8000}},
	} {
		if got := UsageOf(protocol.Info{Stats: stats, LLMs: tt.llms}); got != tt.want {
			t.Errorf("UsageOf with %v = %+v, want %+v", tt.llms, got, tt.want)
		}
	}
	for _, broken := range []string{"", "null", "[]", `{"usage_to_metrics":7}`} {
		if got := UsageOf(protocol.Info{Stats: []byte(broken)}); got != (Usage{}) {
			t.Errorf("UsageOf(%q) = %+v", broken, got)
		}
	}
}

func TestSplit(t *testing.T) {
	for _, c := range []struct{ kind, title, verb, object string }{
		{"read", "Read " + root + "/a/b.go", "Read", "a/b.go"},
		{"read", root + "/a.go", "Read", "a.go"},
		{"execute", "go build", "Run", "go build"},
		{"execute", "Run go build", "Run", "go build"},
		{"execute", "Running late", "Run", "Running late"},
		{"execute", "Send C-c", "Send", "C-c"},
		{"execute", "Wait for output", "Wait", "for output"},
		{"edit", "Create a.go", "Create", "a.go"},
		{"edit", "Undo edit of a.go", "Undo", "edit of a.go"},
		{"other", "mail_send", "Call", "mail_send"},
		{"read", root, "Read", "payments-api/"},
		{"read", root + "-other/a", "Read", root + "-other/a"},
	} {
		if verb, object := split(c.kind, c.title, root); verb != c.verb || object != c.object {
			t.Errorf("split(%q, %q) = %q, %q", c.kind, c.title, verb, object)
		}
	}
}

// Whatever is printed holds no control character but those of the layout, no
// line is wider than asked for and no text is lost.
func FuzzWrap(f *testing.F) {
	f.Add("one two three", 7, 3)
	f.Add("日本語 e\u0301 \x1b[31m\u202e", 4, 0)
	f.Add("`a` **b** \t x", 10, 2)
	f.Fuzz(func(t *testing.T, text string, n, head int) {
		n = 4 + abs(n)%100
		head = abs(head) % n
		text = strings.ReplaceAll(text, "\n", " ")
		whole := spans(text, true)
		var b strings.Builder
		for _, l := range whole.wrap(n, n, head) {
			if l.cols() > n {
				t.Fatalf("%d columns in a line of %d: %q", l.cols(), n, l.render(false))
			}
			s := l.render(false)
			if !utf8.ValidString(s) || strings.IndexFunc(s, unicode.IsControl) >= 0 {
				t.Fatalf("unsafe output %q", s)
			}
			b.WriteString(s)
		}
		squeeze := func(s string) string { return strings.ReplaceAll(s, " ", "") }
		if got, want := squeeze(b.String()), squeeze(whole.render(false)); got != want {
			t.Fatalf("text was lost: %q, want %q", got, want)
		}
	})
}

func abs(n int) int {
	if n < 0 {
		return -(n + 1)
	}
	return n
}

// Nothing a server sends makes a view fail or print a control character.
func FuzzEvent(f *testing.F) {
	f.Add([]byte(`{"id":"m","timestamp":"2026-08-22T14:05:00.000000","source":"agent","llm_message":{"role":"assistant","content":[{"type":"text","text":"a\u001b[31m"}]},"kind":"MessageEvent"}`), "Read x", "1 line")
	f.Add([]byte(`{"id":"o","source":"environment","tool_name":"t","tool_call_id":"c","observation":{"content":[],"is_error":true,"kind":"X"},"action_id":"a","kind":"ObservationEvent"}`), "x\ny", "")
	f.Add([]byte(`{"blob":"x","size":3,"head":"a","tail":"b"}`), "", "")
	f.Fuzz(func(t *testing.T, raw []byte, title, summary string) {
		for _, o := range []Options{{}, {TTY: true, Width: 20}} {
			var out strings.Builder
			v := New(&out, &out, o)
			n := eventNotification(raw, title, summary)
			v.Event(n)
			v.End(Ending{Short: "7f3a"})
			if i := strings.IndexFunc(out.String(), func(r rune) bool { return r != '\n' && unicode.IsControl(r) }); i >= 0 {
				t.Fatalf("control character in %q", out.String())
			}
		}
	})
}
