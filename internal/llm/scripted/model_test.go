package scripted

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// chat is a conversation with a scripted model, told line by line.
type chat struct {
	t     *testing.T
	model llm.Model
	req   llm.Request
}

func newChat(t *testing.T, script string, opts Options) *chat {
	t.Helper()
	m, err := Parse("test", []byte(script), opts)
	if err != nil {
		t.Fatal(err)
	}
	return chatWith(t, m, "c1")
}

func chatWith(t *testing.T, m llm.Model, id string) *chat {
	return &chat{t: t, model: m, req: llm.Request{
		CacheKey: id,
		Tools:    []llm.Tool{{Name: "terminal"}},
		Messages: []event.LLMMessage{{Role: event.RoleSystem, Content: []event.Content{event.Text("You are an agent.")}}},
	}}
}

// user says something and plays on until the model calls no tool. Each tool
// gives "out: " and its arguments.
func (c *chat) user(text string) (said []string) {
	c.req.Messages = append(c.req.Messages, event.LLMMessage{Role: event.RoleUser, Content: []event.Content{event.Text(text)}})
	for range 20 {
		got := c.step()
		said = append(said, got)
		if len(c.req.Messages[len(c.req.Messages)-1].ToolCalls) == 0 {
			return said
		}
		for _, call := range c.req.Messages[len(c.req.Messages)-1].ToolCalls {
			c.req.Messages = append(c.req.Messages, event.LLMMessage{
				Role: event.RoleTool, ToolCallID: call.ID, Content: []event.Content{event.Text("out: " + call.Arguments)},
			})
		}
	}
	return said
}

// step asks once and gives the answer in one line.
func (c *chat) step() string {
	response, err := c.model.Complete(context.Background(), &c.req, nil)
	if err != nil {
		return "error: " + err.Error()
	}
	c.req.Messages = append(c.req.Messages, response.Message)
	line := response.Message.Text()
	for _, call := range response.Message.ToolCalls {
		line += fmt.Sprintf(" [%s %s]", call.Name, call.Arguments)
	}
	return strings.TrimSpace(line)
}

func TestConversations(t *testing.T) {
	type turn struct {
		say  string
		want []string
	}
	tests := []struct {
		name, script string
		turns        []turn
	}{
		{
			"first in first out", `"one" "two"`,
			[]turn{
				{"a", []string{"one"}},
				{"b", []string{"two"}},
				{"c", []string{"error: scripted: the script test is used up: it had 2 answers"}},
			},
		},
		{
			"a turn with tools", `
			{"text": "look", "calls": [{"terminal": {"command": "ls"}}, {"name": "think", "arguments": {"thought": "x"}}]}
			{"text": "I saw ${last_tool_output} and you said ${last_user_message}"}`,
			[]turn{{"hi", []string{
				`look [terminal {"command":"ls"}] [think {"thought":"x"}]`,
				`I saw out: {"thought":"x"} and you said hi`,
			}}},
		},
		{
			"raw and missing arguments",
			`{"calls": [{"terminal": "{\"command\": "}, {"name": "finish"}, {"t": null}, {"u": [1, 2]}]} "."`,
			[]turn{{"hi", []string{`[terminal {"command": ] [finish {}] [t null] [u [1,2]]`, "."}}},
		},
		{
			"templates are escaped in arguments",
			`{"calls": [{"terminal": {"command": "cat ${workspace}/a; echo $HOME ${USER} ${last_user_message}"}}]} "in ${workspace}"`,
			[]turn{{"say \"x\"\n", []string{
				`[terminal {"command":"cat C:\\work/a; echo $HOME ${USER} say \"x\"\n"}]`,
				`in C:\work`,
			}}},
		},
		{
			"repeat", `{"text": "a", "repeat": 2} {"text": "b", "repeat": "forever"} "never"`,
			[]turn{{"1", []string{"a"}}, {"2", []string{"a"}}, {"3", []string{"b"}}, {"4", []string{"b"}}},
		},
		{
			"rules before the queue", `
			{"when": "hello", "text": "hi!"}
			"first" "second"`,
			[]turn{{"x", []string{"first"}}, {"oh hello", []string{"hi!"}}, {"hello", []string{"hi!"}}, {"y", []string{"second"}}},
		},
		{
			"a rule of several answers, with captures", `
			{"when": "^run (\\S+) (.*)", "then": [
				{"calls": [{"${1}": {}}, {"terminal": {"command": "${2}"}}]},
				"ran ${2}",
			]}`,
			[]turn{
				{"run it now", []string{`[${1} {}] [terminal {"command":"now"}]`, "ran now"}},
				{"run it again", []string{`[${1} {}] [terminal {"command":"again"}]`, "ran again"}},
				{"walk", []string{"error: scripted: the script test is used up: it had 0 answers, and no rule answers this message"}},
			},
		},
		{
			"a rule is used once a turn, then the next one", `
			{"when": "go", "calls": [{"terminal": {"n": 1}}]}
			{"when": "go", "text": "done"}`,
			[]turn{{"go", []string{`[terminal {"n":1}]`, "done"}}, {"go", []string{`[terminal {"n":1}]`, "done"}}},
		},
		{
			"rules for output", `
			{"when_output": "\"n\":2", "text": "saw two"}
			{"calls": [{"terminal": {"n": 1}}]}
			{"calls": [{"terminal": {"n": 2}}]}
			"not reached"`,
			[]turn{{"go", []string{`[terminal {"n":1}]`, `[terminal {"n":2}]`, "saw two"}}, {"n2", []string{"not reached"}}},
		},
		{
			"both conditions", `
			{"when": "careful", "when_output": "rm", "text": "stop"}
			{"when": "^(rm|careful)", "calls": [{"terminal": {"command": "rm"}}]}
			{"text": "end", "repeat": "forever"}`,
			[]turn{{"rm", []string{`[terminal {"command":"rm"}]`, "end"}}, {"careful", []string{`[terminal {"command":"rm"}]`, "stop"}}},
		},
		{
			"an error, then on", `
			{"error": "rate_limit"}
			{"error": {"kind": "auth", "status": 403, "message": "no", "setting": "X_KEY"}}
			"better"`,
			[]turn{
				{"1", []string{"error: scripted: the script says: rate_limit (HTTP 429)"}},
				{"2", []string{"error: scripted: no (HTTP 403)"}},
				{"3", []string{"better"}},
			},
		},
		{
			"a failing rule goes on in the same turn", `{"when": "x", "then": [{"error": "timeout"}, "ok"]}`,
			[]turn{{"x", []string{"error: scripted: the script says: timeout"}}},
		},
		{
			"an empty answer", `{"text": ""} "next"`,
			[]turn{{"1", []string{""}}, {"2", []string{"next"}}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newChat(t, tt.script, Options{Workspace: `C:\work`})
			for _, turn := range tt.turns {
				if diff := cmp.Diff(turn.want, c.user(turn.say)); diff != "" {
					t.Errorf("after %q (-want +got):\n%s", turn.say, diff)
				}
			}
		})
	}
}

func TestRetryWithinATurnUsesTheRulesNextAnswer(t *testing.T) {
	c := newChat(t, `{"when": "x", "then": [{"error": "timeout"}, "ok"]}`, Options{})
	c.user("x")
	if got := c.step(); got != "ok" {
		t.Errorf("got %q", got)
	}
}

func TestResponse(t *testing.T) {
	c := newChat(t, `
		{"text": "hm", "reasoning": "r", "thinking": ["deep", {"type": "redacted_thinking", "data": "d"}],
		 "usage": {"prompt_tokens": 7, "completion_tokens": 3, "cost": 0.25}}
		{"calls": [{"a": {}}, {"b": {}}, {"name": "c", "id": "mine"}]}
		{"text": "cut", "id": "given", "finish_reason": "length"}`, Options{})
	get := func() *llm.Response {
		t.Helper()
		r, err := c.model.Complete(t.Context(), &c.req, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	signature := "scripted"
	want := &llm.Response{
		ID: "scripted-response-1",
		Message: event.LLMMessage{
			Role: event.RoleAssistant, Content: []event.Content{event.Text("hm")}, ReasoningContent: "r",
			ThinkingBlocks: []event.Thinking{
				{Type: "thinking", Thinking: "deep", Signature: &signature},
				{Type: "redacted_thinking", Data: "d"},
			},
		},
		Usage:        llm.Usage{PromptTokens: 7, CompletionTokens: 3, Cost: 0.25},
		FinishReason: "stop",
	}
	got := get()
	got.Latency = 0
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got = get()
	ids := []string{got.ID, got.FinishReason, got.Message.ToolCalls[0].ID, got.Message.ToolCalls[1].ID, got.Message.ToolCalls[2].ID}
	if diff := cmp.Diff([]string{"scripted-response-2", "tool_calls", "call_2_1", "call_2_2", "mine"}, ids); diff != "" {
		t.Error(diff)
	}
	if got.Usage != (llm.Usage{}) {
		t.Errorf("usage is made up: %+v", got.Usage)
	}
	if got = get(); got.ID != "given" || got.FinishReason != "length" {
		t.Errorf("got %+v", got)
	}
}

func TestSideRequestsLeaveTheQueueAlone(t *testing.T) {
	m, err := Parse("test", []byte(`
		{"for": "title", "text": "Given title"}
		{"for": "title", "when": "special", "text": "Special title"}
		{"for": "other", "text": "Given summary"}
		"main"`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(system, user string, history ...event.LLMMessage) string {
		t.Helper()
		messages := []event.LLMMessage{{Role: event.RoleSystem, Content: []event.Content{event.Text(system)}}}
		messages = append(messages, history...)
		messages = append(messages, event.LLMMessage{Role: event.RoleUser, Content: []event.Content{event.Text(user)}})
		r, err := m.Complete(t.Context(), &llm.Request{CacheKey: "c", Messages: messages}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r.ID + " " + r.Message.Text()
	}
	said := event.LLMMessage{Role: event.RoleAssistant, Content: []event.Content{event.Text("hi")}}
	checks := []struct{ got, want string }{
		{ask("Write a title", "a"), "scripted-title-1 Given title"},
		{ask("Write a title", "something special"), "scripted-title-2 Special title"},
		{ask("Write a title", "topics: special, tests\n<message>\nsomething special\n</message>"), "scripted-title-3 Special title"},
		{ask("Write a title", "topics: special, tests\n<message>\nplease fix the tests of this project, now\n</message>"), "scripted-title-4 please fix the tests of this project,…"},
		{ask("Write a title", "   "), "scripted-title-5 Scripted conversation"},
		{ask("Summarise this", "the title of the task"), "scripted-other-1 Given summary"},
		{ask("Summarise this", "x"), "scripted-other-2 A scripted answer to 2 messages."},
		{ask("You write titles of pull requests", "what is up?", said), "scripted-other-3 A scripted answer to 3 messages."},
	}
	for _, c := range checks {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
	if got := chatWith(t, m, "c").user("go"); got[0] != "main" {
		t.Errorf("the queue was touched: %q", got)
	}
}

func TestConversationsHaveTheirOwnPosition(t *testing.T) {
	a := newChat(t, `"one" "two"`, Options{})
	b := chatWith(t, a.model, "c2")
	var got []string
	got = append(got, a.user("x")...)
	got = append(got, b.user("x")...)
	got = append(got, a.user("y")...)
	got = append(got, b.user("y")...)
	if diff := cmp.Diff([]string{"one", "one", "two", "two"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestResume asks at each point of a conversation a model that never saw it.
func TestResume(t *testing.T) {
	const script = `
		{"when": "^deploy", "then": [{"calls": [{"terminal": {"command": "deploy"}}]}, {"calls": [{"terminal": {"command": "check"}}]}, "deployed"]}
		{"when_output": "boom", "calls": [{"terminal": {"command": "repair"}}]}
		{"calls": [{"terminal": {"command": "one"}}]}
		{"calls": [{"terminal": {"command": "boom"}}]}
		{"text": "three", "repeat": 2}
		"five"`
	c := newChat(t, script, Options{})
	for _, say := range []string{"start", "deploy", "more", "and more"} {
		for _, line := range c.user(say) {
			if strings.HasPrefix(line, "error") {
				t.Fatal(line)
			}
		}
	}
	whole := c.req.Messages
	n := 0
	for i, msg := range whole {
		if msg.Role != event.RoleAssistant {
			continue
		}
		n++
		again := newChat(t, script, Options{})
		again.req.Messages = append(again.req.Messages, whole[1:i]...)
		again.step()
		if diff := cmp.Diff(msg, again.req.Messages[i]); diff != "" {
			t.Errorf("answer %d (-first process +restarted):\n%s", n, diff)
		}
	}
	if n != 9 {
		t.Errorf("%d answers", n)
	}
}

func TestResumePassesOverSilentAnswers(t *testing.T) {
	const script = `{"error": "timeout"} "one" {"wait": "forever"} {"error": "timeout"} "two"`
	user := func(s string) event.LLMMessage {
		return event.LLMMessage{Role: event.RoleUser, Content: []event.Content{event.Text(s)}}
	}
	one := event.LLMMessage{Role: event.RoleAssistant, Content: []event.Content{event.Text("one")}}
	tests := []struct {
		name    string
		setting string
		history []event.LLMMessage
		want    string
	}{
		{"a fresh conversation fails as written", "", []event.LLMMessage{user("a")}, "error: scripted: the script says: timeout"},
		{"a second message after a crash", "", []event.LLMMessage{user("a"), user("b")}, "one"},
		{"behind the first answer", "", []event.LLMMessage{user("a"), one, user("b")}, "two"},
		{"behind all of them", "", []event.LLMMessage{user("a"), one, user("b"), one, user("c")}, "error: scripted: the script test is used up: it had 5 answers"},
		{"turned off", `{"settings": {"resume": false}}`, []event.LLMMessage{user("a"), one, user("b")}, "error: scripted: the script says: timeout"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newChat(t, tt.setting+script, Options{})
			c.req.Messages = append(c.req.Messages, tt.history...)
			if got := c.step(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestIDsStayUniqueWhenTheHistoryIsCondensed(t *testing.T) {
	c := newChat(t, `{"calls": [{"terminal": {}}], "repeat": "forever"}`, Options{})
	c.req.Messages = append(c.req.Messages, event.LLMMessage{Role: event.RoleUser})
	for range 5 {
		c.step()
	}
	// All but the last answer are forgotten, and the process is a new one.
	kept := []event.LLMMessage{c.req.Messages[0], c.req.Messages[1], c.req.Messages[len(c.req.Messages)-1]}
	again := newChat(t, `{"calls": [{"terminal": {}}], "repeat": "forever"}`, Options{})
	again.req.Messages = kept
	again.step()
	last := again.req.Messages[len(again.req.Messages)-1]
	if last.ToolCalls[0].ID != "call_6_1" {
		t.Errorf("got %s", last.ToolCalls[0].ID)
	}
}

type timed struct {
	At     time.Duration
	Stream llm.Stream
	Text   string
	Call   int
}

func TestStreaming(t *testing.T) {
	tests := []struct {
		name, script string
		want         []timed
		end          time.Duration
		err          string
	}{
		{
			"all at once", `{"text": "hello"}`,
			[]timed{{0, llm.StreamText, "hello", 0}},
			0, "",
		},
		{
			"chunks of characters", `{"text": "häß!", "chunk": 2, "delay": 10, "latency": 100}`,
			[]timed{
				{100 * time.Millisecond, llm.StreamText, "hä", 0},
				{110 * time.Millisecond, llm.StreamText, "ß!", 0},
			},
			110 * time.Millisecond, "",
		},
		{
			"every stream in order", `{"settings": {"delay": 1}} {"reasoning": "r", "text": "t", "calls": [{"a": {}}, {"b": {}}]}`,
			[]timed{
				{0, llm.StreamReasoning, "r", 0},
				{1 * time.Millisecond, llm.StreamText, "t", 0},
				{2 * time.Millisecond, llm.StreamArgs, "{}", 0},
				{3 * time.Millisecond, llm.StreamArgs, "{}", 1},
			},
			3 * time.Millisecond, "",
		},
		{
			"thinking streams as reasoning", `{"thinking": ["a", "b"]}`,
			[]timed{{0, llm.StreamReasoning, "ab", 0}},
			0, "",
		},
		{
			"a stream that is cut", `{"text": "abcdef", "chunk": 2, "delay": 5, "error": {"kind": "no_response", "after_chunks": 2}}`,
			[]timed{{0, llm.StreamText, "ab", 0}, {5 * time.Millisecond, llm.StreamText, "cd", 0}},
			5 * time.Millisecond, "scripted: the script says: no_response",
		},
		{
			"an error that takes its time", `{"error": {"kind": "rate_limit", "status": 429, "message": "slow down", "retry_after": 1.5}, "latency": 30}`,
			nil, 30 * time.Millisecond, "scripted: slow down (HTTP 429)",
		},
		{
			"recorded chunks", `{"text": "abcdef", "reasoning": "rr", "chunks": [
				{"stream": "reasoning", "size": 1, "after": 40}, {"stream": "text", "size": 3, "after": 2}, {"stream": "reasoning", "size": 1},
				{"stream": "text", "size": 1, "after": 2}], "rest": 8}`,
			[]timed{
				{40 * time.Millisecond, llm.StreamReasoning, "r", 0},
				{42 * time.Millisecond, llm.StreamText, "abc", 0},
				{42 * time.Millisecond, llm.StreamReasoning, "r", 0},
				{44 * time.Millisecond, llm.StreamText, "def", 0},
			},
			52 * time.Millisecond, "",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newChat(t, tt.script, Options{})
				start := time.Now()
				var got []timed
				r, err := c.model.Complete(t.Context(), &c.req, func(ch llm.Chunk) {
					got = append(got, timed{time.Since(start), ch.Stream, ch.Text, ch.CallIndex})
					if ch.Stream == llm.StreamArgs && (ch.CallID == "" || ch.CallName == "") {
						t.Errorf("a call without id or name: %+v", ch)
					}
				})
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if d := time.Since(start); d != tt.end {
					t.Errorf("took %v, want %v", d, tt.end)
				}
				switch {
				case tt.err == "" && err != nil:
					t.Error(err)
				case tt.err == "" && r.Latency != tt.end:
					t.Errorf("latency %v, want %v", r.Latency, tt.end)
				case tt.err != "" && (err == nil || err.Error() != tt.err):
					t.Errorf("got %v, want %s", err, tt.err)
				}
			})
		})
	}
}

func TestErrorFields(t *testing.T) {
	c := newChat(t, `{"error": {"kind": "auth", "status": 401, "message": "no ${workspace}", "retry_after": 1.5, "setting": "X_KEY"}}`, Options{Workspace: "/w"})
	_, err := c.model.Complete(t.Context(), &c.req, nil)
	want := &llm.Error{Kind: llm.ErrAuth, Provider: "scripted", Status: 401, Message: "no /w", RetryAfter: 1500 * time.Millisecond, Setting: "X_KEY"}
	var got *llm.Error
	if !errors.As(err, &got) || *got != *want {
		t.Errorf("got %+v", err)
	}
}

func TestCancel(t *testing.T) {
	tests := []struct{ name, script string }{
		{"while it is silent", `{"wait": "forever"} "next"`},
		{"after some text", `{"text": "some text", "chunk": 2, "wait": "forever"} "next"`},
		{"before the first byte", `{"text": "a", "latency": 3600000} "next"`},
		{"between chunks", `{"text": "abc", "chunk": 1, "delay": 3600000} "next"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newChat(t, tt.script, Options{})
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error)
				go func() {
					_, err := c.model.Complete(ctx, &c.req, nil)
					done <- err
				}()
				synctest.Wait()
				start := time.Now()
				cancel()
				if err := <-done; !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
				if time.Since(start) != 0 {
					t.Error("it did not return at once")
				}
				if got := c.step(); got != "next" {
					t.Errorf("the answer was not used: %q", got)
				}
			})
		})
	}
}

func TestCancelledBeforeItBegan(t *testing.T) {
	c := newChat(t, `"one"`, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.model.Complete(ctx, &c.req, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got := c.step(); got != "one" {
		t.Errorf("an answer was used up: %q", got)
	}
}

func TestManyGoroutines(t *testing.T) {
	c := newChat(t, `{"text": "x", "repeat": 400}`, Options{})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 50 {
				req := c.req
				req.CacheKey = fmt.Sprint(i % 2)
				if _, err := c.model.Complete(t.Context(), &req, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestWorkspaceFromTheRequest(t *testing.T) {
	tests := []struct{ name, tool, system, want string }{
		{"a tool's description", "Edits files.\nYour current working directory is: /home/me/p\nMore.", "", "/home/me/p"},
		{"in backquotes, with a space", "Working directory: `/home/me/my p`.", "", "/home/me/my p"},
		{"up to a semicolon", "Edits.\nThe working directory is /home/me/my p; begin paths with it.\n", "", "/home/me/my p"},
		{"with a dot, up to a semicolon", "The working directory is /home/me/my p.v1; begin paths with it.\n", "", "/home/me/my p.v1"},
		{"the end of a sentence", "The working directory is /tmp/x.", "", "/tmp/x"},
		{"the system message", "Edits files in the working directory of the user.", "The workspace root is \"/srv/w\".", "/srv/w"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !isUnix {
				t.Skip("paths of Unix")
			}
			c := newChat(t, `"${workspace}"`, Options{})
			c.req.Tools[0].Description = tt.tool
			c.req.Messages[0].Content = []event.Content{event.Text(tt.system)}
			if got := c.step(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func BenchmarkComplete(b *testing.B) {
	m, err := Parse("bench", []byte(`{"when": "never (.*) ever", "text": "x"} {"text": "hello, world", "repeat": "forever"}`), Options{Workspace: "/w"})
	if err != nil {
		b.Fatal(err)
	}
	req := &llm.Request{CacheKey: "c", Tools: []llm.Tool{{Name: "t"}}}
	for range 500 {
		req.Messages = append(req.Messages,
			event.LLMMessage{Role: event.RoleUser, Content: []event.Content{event.Text("a message of some length that says a thing or two")}},
			event.LLMMessage{Role: event.RoleAssistant, Content: []event.Content{event.Text("an answer")}})
	}
	for b.Loop() {
		if _, err := m.Complete(b.Context(), req, nil); err != nil {
			b.Fatal(err)
		}
	}
}
