package title_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/title"
)

func message(source event.Source, parts ...event.Content) *event.Message {
	return &event.Message{
		Meta:            event.Meta{Source: source},
		LLMMessage:      event.LLMMessage{Role: event.RoleUser, Content: parts},
		ExtendedContent: []event.Content{event.Text("extended")},
	}
}

func TestText(t *testing.T) {
	fix := message(event.SourceUser, event.Text(" Fix the "), event.Image("u"), event.Text("build \n"))
	for name, c := range map[string]struct {
		log  []event.Event
		want string
	}{
		"nothing":                     {nil, ""},
		"no message":                  {[]event.Event{&event.SystemPrompt{}, &event.Pause{}}, ""},
		"parts are joined":            {[]event.Event{&event.SystemPrompt{}, fix}, "Fix the  build"},
		"the first one":               {[]event.Event{fix, message(event.SourceUser, event.Text("second"))}, "Fix the  build"},
		"blank ones are skipped":      {[]event.Event{message(event.SourceUser, event.Text(" \n")), message(event.SourceUser), fix}, "Fix the  build"},
		"what is shared is no title":  {[]event.Event{message(event.SourceUser, event.Text("Fix it"), event.Text("[file] /a.go"), event.Text("[selection] /a.go:3\nx"))}, "Fix it"},
		"a header that was typed is":  {[]event.Event{message(event.SourceUser, event.Text("[file] is a word"))}, "[file] is a word"},
		"images are no text":          {[]event.Event{message(event.SourceUser, event.Image("u"))}, ""},
		"other sources are not asked": {[]event.Event{message(event.SourceAgent, event.Text("agent")), message(event.SourceEnvironment, event.Text("env"))}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := title.Text(c.log)
			if got != c.want || (c.want == "") != errors.Is(err, title.ErrNoMessage) || c.want != "" && err != nil {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func TestRequest(t *testing.T) {
	for name, c := range map[string]struct {
		text      string
		maxLength int
		has, not  string
	}{
		"short":          {"Fix the build", 50, "<message>\nFix the build\n</message>", "left out"},
		"its limit":      {"x", 72, "at most 72 characters", ""},
		"default limit":  {"x", 0, "at most 50 characters", ""},
		"just fits":      {strings.Repeat("é", 1000), 50, strings.Repeat("é", 1000) + "\n</message>", "left out"},
		"one too many":   {strings.Repeat("é", 1000) + "Z", 50, strings.Repeat("é", 1000) + "\n[the rest of the message is left out]", "Z"},
		"all categories": {"x", 50, "💄 ", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := title.Request(c.text, c.maxLength)
			if len(got) != 2 || got[0].Role != event.RoleSystem || got[1].Role != event.RoleUser || got[0].Text() == "" {
				t.Fatalf("%+v", got)
			}
			text := got[1].Text()
			if !strings.Contains(text, c.has) || c.not != "" && strings.Contains(text, c.not) {
				t.Error(text)
			}
			for _, emoji := range strings.Fields("💄 👔 ✅ 👷 🚀 📦️ 🗃️ 🔧 ✨ 🐛 ⚡️ 🔒️ 📝 ♻️") {
				if strings.Count(text, "\n"+emoji+" ") != 1 {
					t.Errorf("%s is missing", emoji)
				}
			}
		})
	}
}

func TestClean(t *testing.T) {
	for reply, want := range map[string]string{
		"🐛 Fix the build":         "🐛 Fix the build",
		"  🐛 Fix\n the\tbuild \n": "🐛 Fix the build",
		`"🐛 Fix"`:                 "🐛 Fix",
		"“🐛 Fix”":                 "🐛 Fix",
		"` Fix `":                 "Fix",
		`"Fix" and "mend"`:        `Fix" and "mend`,
		`Fix "it"`:                `Fix "it"`,
		"":                        "",
		" \n":                     "",
		`""`:                      "",
		`"`:                       `"`,
		"12345678901234567890":    "12345678901234567890",
		"123456789012345678901":   "12345678901234567...",
		"é23456789012345678901":   "é2345678901234567...",
		"日本語日本語日本語日本語日本語日本語日本語": "日本語日本語日本語日本語日本語日本...",
	} {
		got, ok := title.Clean(reply, 20)
		if got != want || ok != (want != "") {
			t.Errorf("%q gives %q, %t; want %q", reply, got, ok, want)
		}
	}
}

func TestFallback(t *testing.T) {
	for _, c := range []struct {
		text string
		n    int
		want string
	}{
		{" Fix\nthe build ", 50, "Fix the build"},
		{"Fix the build", 13, "Fix the build"},
		{"Fix the build", 12, "Fix the b..."},
		{"Fix the build", 4, "F..."},
		{"Fix the build", 3, "Fix"},
		{"Fix the build", 1, "F"},
		{strings.Repeat("x", 60), 0, strings.Repeat("x", 47) + "..."},
		{strings.Repeat("x", 60), -1, strings.Repeat("x", 47) + "..."},
		{"", 5, ""},
	} {
		if got := title.Fallback(c.text, c.n); got != c.want {
			t.Errorf("%q in %d: %q, want %q", c.text, c.n, got, c.want)
		}
	}
}

func TestAnyTitleFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		n := rapid.IntRange(1, 80).Draw(t, "length")
		for _, got := range []string{title.Fallback(text, n), first(title.Clean(text, n))} {
			if utf8.RuneCountInString(got) > n || !utf8.ValidString(got) || strings.ContainsAny(got, "\n\r\t") {
				t.Fatalf("%q in %d: %q", text, n, got)
			}
		}
		if again := title.Fallback(title.Fallback(text, n), n); again != title.Fallback(text, n) {
			t.Fatalf("%q in %d: cut twice", text, n)
		}
	})
}

func first(title string, _ bool) string { return title }
