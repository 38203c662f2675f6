package view_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/view"
)

func TestMessages(t *testing.T) {
	dynamic := system("S", "prompt")
	now := event.Text("now")
	dynamic.DynamicContext = &now
	extended := user("U", "question")
	extended.ExtendedContent = []event.Content{event.Text("skill")}
	image := user("U", "")
	image.LLMMessage.Content = append(image.LLMMessage.Content, event.Image(), event.Image("data:x"))
	unnamed := action("1", "r1")
	unnamed.ToolCallID, unnamed.ToolCall.ID = "", ""

	for name, c := range map[string]struct {
		log  []event.Event
		want string
	}{
		"nothing": {nil, ``},
		"a turn": {
			[]event.Event{dynamic, extended, action("1", "r1", "look"), observation("1", "out"), agent("M", "done"), user("V", "thanks")},
			`
system: "prompt" "now"
user: "question" "skill"
assistant: "look" c1[{"command": "1"}]
tool: c1 "out"
assistant: "done"
user: "thanks"`,
		},
		"a batch of valid and invalid calls": {
			[]event.Event{
				user("U", "u"), thinking(action("1", "r1", "go")), invalid(action("2", "r1"), `{"a": `), failure("2", "bad JSON"),
				action("3", "r1"), observation("1", "one"), observation("3", "three"),
			},
			`
user: "u"
assistant: (thinking) "go" c1[{"command": "1"}] c2[{"_openhands_malformed_tool_call": true, "error": "the arguments were not a JSON object"}] c3[{"command": "3"}]
tool: c1 "one"
tool: c2 "bad JSON"
tool: c3 "three"`,
		},
		"results in another order": {
			[]event.Event{user("U", "u"), action("1", "r1"), action("2", "r1"), rejection("2", "no"), observation("1", "one")},
			`
user: "u"
assistant: c1[{"command": "1"}] c2[{"command": "2"}]
tool: c1 "one"
tool: c2 "Action rejected: no"`,
		},
		"a message between a call and its result": {
			[]event.Event{user("U", "u"), action("1", "r1"), user("V", "wait"), observation("1", "one"), user("W", "go on")},
			`
user: "u"
assistant: c1[{"command": "1"}]
tool: c1 "one"
user: "wait" "go on"`,
		},
		"interrupted": {
			[]event.Event{
				user("U", "u"), action("1", "r1"), action("2", "r1"), observation("1", "one"), failure("2", "interrupted"),
				&event.Interrupt{}, observation("2", "late"), user("V", "v"),
			},
			`
user: "u"
assistant: c1[{"command": "1"}] c2[{"command": "2"}]
tool: c1 "one"
tool: c2 "interrupted"
user: "v"`,
		},
		"a call that waits": {
			[]event.Event{user("U", "u"), action("1", "r1"), action("2", "r1"), observation("1", "one")},
			`
user: "u"
assistant: c1[{"command": "1"}] c2[{"command": "2"}]
tool: c1 "one"
tool: c2 "This call has not been executed yet."`,
		},
		"an invalid call whose error was lost in a crash": {
			[]event.Event{user("U", "u"), invalid(action("1", "r1"), "")},
			`
user: "u"
assistant: c1[{}]
tool: c1 "This call was not valid and was not executed."`,
		},
		"every response has the same ids": {
			[]event.Event{
				user("U", "u"),
				action("1", "r"), observation("1", "one"), action("1", "r"), observation("1", "two"), action("1", "r"), failure("1", "three"), action("1", "r"), failure("1", "four"),
			},
			`
user: "u"
assistant: c1[{"command": "1"}]
tool: c1 "one"
assistant: c1_2[{"command": "1"}]
tool: c1_2 "two"
assistant: c1_3[{"command": "1"}]
tool: c1_3 "three"
assistant: c1_4[{"command": "1"}]
tool: c1_4 "four"`,
		},
		"two responses that are not valid": {
			[]event.Event{user("U", "u"), invalid(action("1", "r1"), ""), failure("1", "one"), invalid(action("2", "r2"), ""), failure("2", "two")},
			`
user: "u"
assistant: c1[{}]
tool: c1 "one"
assistant: c2[{}]
tool: c2 "two"`,
		},
		"a call without an id": {
			[]event.Event{user("U", "u"), unnamed, observation("1", "one")},
			`
user: "u"
assistant: call_A1[{"command": "1"}]
tool: call_A1 "one"`,
		},
		"summaries are the user's": {
			[]event.Event{system("S", "s"), user("U", "u"), action("1", "r1"), observation("1", "one"), user("V", "v"), condensation("C", "sum", 2, "A1", "O1")},
			`
system: "s"
user: "u" "sum" "v"`,
		},
		"a summary in the middle of a batch": {
			[]event.Event{user("U", "u"), user("V", "v"), action("1", "r1"), observation("1", "one"), condensation("C", "sum", 2, "U")},
			`
user: "v"
assistant: c1[{"command": "1"}]
tool: c1 "one"
user: "sum"`,
		},
		"a forgotten system prompt": {
			[]event.Event{system("S", "s"), user("U", "u"), condensation("C", "sum", 0, "S", "U"), user("V", "v")},
			`
system: "s"
user: "sum" "v"`,
		},
		"a second system prompt": {
			[]event.Event{user("U", "u"), system("S", "s"), system("T", "t")},
			`
system: "s"
user: "u"`,
		},
		"the beginning is gone": {
			[]event.Event{user("U", "u"), action("1", "r1"), observation("1", "one"), &event.Condensation{ForgottenEventIDs: []string{"U"}}},
			`
user: "(The beginning of this conversation is no longer available.)"
assistant: c1[{"command": "1"}]
tool: c1 "one"`,
		},
		"an answer at the end": {
			[]event.Event{user("U", "u"), agent("M", "m")},
			`
user: "u"
assistant: "m"
user: "Please continue."`,
		},
		"only a prompt": {
			[]event.Event{system("S", "s")},
			`
system: "s"
user: "Please continue."`,
		},
		"blank messages": {
			[]event.Event{system("S", ""), user("U", " "), agent("M", "\n"), message("N", event.SourceEnvironment, event.RoleUser, "say something"), action("1", "r1", ""), observation("1", "")},
			`
user: "(empty message)" "say something"
assistant: c1[{"command": "1"}]
tool: c1 "(no output)"`,
		},
		"an image without text": {
			[]event.Event{image},
			`
user: ""`,
		},
		"arguments that are no object": {
			[]event.Event{user("U", "u"), invalid(action("1", "r1"), "null"), invalid(action("2", "r1"), "[1]"), invalid(action("3", "r1"), ` {"a":1} `)},
			`
user: "u"
assistant: c1[{}] c2[{"_openhands_malformed_tool_call": true, "error": "the arguments were not a JSON object"}] c3[ {"a":1} ]
tool: c1 "This call was not valid and was not executed."
tool: c2 "This call was not valid and was not executed."
tool: c3 "This call was not valid and was not executed."`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := view.Rebuild(c.log).Messages(render)
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), strings.TrimSuffix(script(got), "\n")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if err := strict(got); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestMessagesAsk(t *testing.T) {
	question := event.LLMMessage{Role: event.RoleUser, Content: []event.Content{event.Text("?")}}
	for name, c := range map[string]struct {
		log  []event.Event
		want string
	}{
		"after nothing":        {nil, "user: \"?\"\n"},
		"after a user message": {[]event.Event{user("U", "u")}, "user: \"u\" \"?\"\n"},
		"after an answer":      {[]event.Event{user("U", "u"), agent("M", "m")}, "user: \"u\"\nassistant: \"m\"\nuser: \"?\"\n"},
		"after a call in flight": {
			[]event.Event{user("U", "u"), action("1", "r")},
			"user: \"u\"\nassistant: c1[{\"command\": \"1\"}]\ntool: c1 \"This call has not been executed yet.\"\nuser: \"?\"\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := view.Rebuild(c.log)
			before := script(v.Messages(render))
			if got := script(v.Messages(render, question)); got != c.want {
				t.Errorf("got %s", got)
			}
			if after := script(v.Messages(render)); after != before {
				t.Errorf("the question was kept: %s", after)
			}
		})
	}
}

func TestToolNames(t *testing.T) {
	for name, want := range map[string]string{
		"terminal":               "terminal",
		"":                       "unknown_tool",
		"a b<c>é":                "a_b_c__",
		strings.Repeat("x", 100): strings.Repeat("x", 64),
	} {
		a := action("1", "r")
		a.ToolName, a.ToolCall.Name = name, name
		if got := view.Rebuild([]event.Event{user("U", "u"), a}).Messages(render)[1].ToolCalls[0].Name; got != want {
			t.Errorf("%q becomes %q", name, got)
		}
	}
}

func TestLongResults(t *testing.T) {
	for _, c := range []struct {
		text string
		cut  bool
	}{
		{strings.Repeat("é", view.MaxResultChars), false},
		{strings.Repeat("x", view.MaxResultChars+1), true},
		{"<" + strings.Repeat("é", view.MaxResultChars) + ">", true},
	} {
		v := view.Rebuild([]event.Event{user("U", "u"), action("1", "r"), failure("1", c.text)})
		got := v.Messages(render)[2].Content[0].Text
		if n := utf8.RuneCountInString(got); n > view.MaxResultChars || c.cut && n != view.MaxResultChars {
			t.Errorf("%d characters are left", n)
		}
		if (got != c.text) != c.cut || !utf8.ValidString(got) {
			t.Errorf("%.9q of %d bytes: cut %t", c.text, len(c.text), got != c.text)
		}
		if got[0] != c.text[0] || got[len(got)-1] != c.text[len(c.text)-1] {
			t.Error("the ends are not kept")
		}
	}
}
