package scripted

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
)

const (
	secret    = "sk-secret\"42"
	recording = "run.jsonl"
)

func mask(s string) string { return strings.ReplaceAll(s, secret, "<secret-hidden>") }

// run is what somebody sees of a call.
type run struct {
	Chunks []timed
	Took   time.Duration
	ID     string
	Text   string
	Calls  []event.ToolCall
	Usage  llm.Usage
	Err    string
}

func watch(ctx context.Context, m llm.Model, req *llm.Request) run {
	var got run
	start := time.Now()
	r, err := m.Complete(ctx, req, func(c llm.Chunk) {
		got.Chunks = append(got.Chunks, timed{time.Since(start), c.Stream, c.Text, c.CallIndex})
	})
	got.Took = time.Since(start)
	if err != nil {
		got.Err = err.Error()
		return got
	}
	got.ID, got.Text, got.Calls, got.Usage = r.ID, r.Message.Text(), r.Message.ToolCalls, r.Usage
	return got
}

const sources = `
	{"text": "Hello, world", "reasoning": "hmm", "chunk": 5, "delay": 20, "latency": 100,
	 "calls": [{"name": "terminal", "id": "x1", "arguments": {"command": "ls ${workspace}", "n": 1.50}}, {"terminal": "{\"broken\": "}],
	 "usage": {"prompt_tokens": 5, "cost": 0.5}}
	{"text": "cut off", "chunk": 3, "delay": 7, "error": {"kind": "no_response", "after_chunks": 2}}
	{"error": {"kind": "rate_limit", "status": 429, "message": "slow", "retry_after": 3}, "latency": 50}
	{"for": "title", "text": "A title"}
	"the end"`

// requests are those that the sources answer, in order.
func requests(dir string) []*llm.Request {
	step := chatWith(nil, nil, "c1")
	say := func(role event.Role, text string) *llm.Request {
		step.req.Messages = append(step.req.Messages, event.LLMMessage{Role: role, Content: []event.Content{event.Text(text)}})
		req := step.req
		req.Messages = append([]event.LLMMessage(nil), req.Messages...)
		return &req
	}
	title := &llm.Request{CacheKey: "c1", Messages: []event.LLMMessage{
		{Role: event.RoleSystem, Content: []event.Content{event.Text("a title please")}},
		{Role: event.RoleUser, Content: []event.Content{event.Text("hello")}},
	}}
	return []*llm.Request{
		say(event.RoleUser, "hello from "+dir), say(event.RoleTool, "some output"), say(event.RoleUser, "again"), title, say(event.RoleUser, "and again"),
	}
}

func TestRecordAndReplay(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "deep", recording)
	var recorded, replayed, paced, scripted []run
	synctest.Test(t, func(t *testing.T) {
		source, err := Parse("sources", []byte(sources), Options{Workspace: "/home/me/work"})
		if err != nil {
			t.Fatal(err)
		}
		m := Record(source, path, RecordOptions{Workspace: "/home/me/work"})
		for _, req := range requests("/home/me/work") {
			recorded = append(recorded, watch(t.Context(), m, req))
		}
	})
	play := func(open func() (llm.Model, error)) (runs []run) {
		synctest.Test(t, func(t *testing.T) {
			m, err := open()
			if err != nil {
				t.Fatal(err)
			}
			for _, req := range requests("/home/you/work") {
				runs = append(runs, watch(t.Context(), m, req))
			}
		})
		return runs
	}
	var log bytes.Buffer
	opts := Options{Workspace: "/home/you/work", Log: slog.New(slog.NewTextHandler(&log, nil))}
	replayed = play(func() (llm.Model, error) { return Open(llm.Config{Model: "replay/" + path}, opts) })
	if log.Len() > 0 {
		t.Errorf("differences were found: %s", &log)
	}
	keep := opts
	keep.KeepDelays = true
	paced = play(func() (llm.Model, error) { return OpenReplay(path, keep) })
	scripted = play(func() (llm.Model, error) { return Open(llm.Config{Model: "scripted/" + path}, opts) })

	if recorded[0].Took != 100*time.Millisecond+20*time.Millisecond*time.Duration(len(recorded[0].Chunks)-1) {
		t.Errorf("the source took %v", recorded[0].Took)
	}
	instant := make([]run, len(recorded))
	there := make([]run, len(recorded))
	asScript := make([]run, len(recorded))
	for i, r := range recorded {
		there[i] = moved(r, "replay")
		asScript[i] = moved(r, "scripted")
		instant[i] = moved(r, "replay")
		instant[i].Took = 0
		for j := range instant[i].Chunks {
			instant[i].Chunks[j].At = 0
		}
	}
	if diff := cmp.Diff(instant, replayed); diff != "" {
		t.Errorf("replayed (-recorded +replayed):\n%s", diff)
	}
	if diff := cmp.Diff(there, paced); diff != "" {
		t.Errorf("replayed with delays (-recorded +replayed):\n%s", diff)
	}
	if diff := cmp.Diff(asScript, scripted); diff != "" {
		t.Errorf("played as a script (-recorded +played):\n%s", diff)
	}
}

// moved is the run in the other folder, by the other provider.
func moved(r run, provider string) run {
	r.Err = strings.Replace(r.Err, "scripted: ", provider+": ", 1)
	r.Chunks = append([]timed(nil), r.Chunks...)
	args := ""
	for i := range r.Chunks {
		if r.Chunks[i].Stream == llm.StreamArgs && r.Chunks[i].Call == 0 {
			args += r.Chunks[i].Text
		}
	}
	args = strings.ReplaceAll(args, "/home/me/", "/home/you/")
	last := -1
	for i := range r.Chunks {
		if r.Chunks[i].Stream == llm.StreamArgs && r.Chunks[i].Call == 0 {
			n := min(len(r.Chunks[i].Text), len(args))
			r.Chunks[i].Text, args = args[:n], args[n:]
			last = i
		}
	}
	if last >= 0 {
		r.Chunks[last].Text += args
	}
	calls := append([]event.ToolCall(nil), r.Calls...)
	for i := range calls {
		calls[i].Arguments = strings.ReplaceAll(calls[i].Arguments, "/home/me/", "/home/you/")
	}
	if r.Calls != nil {
		r.Calls = calls
	}
	return r
}

func TestRecordingHoldsNoSecrets(t *testing.T) {
	path := filepath.Join(t.TempDir(), recording)
	script := `{"settings": {"resume": false}} {"text": "the key is sk-secret\"42, in two chunks", "chunk": 14, "reasoning": "sk-secret\"42", "thinking": ["sk-secret\"42"],
		"calls": [{"terminal": {"command": "echo sk-secret\"42"}}, {"terminal": "{\"broken\": \"sk-secret\\\"42"}]}
		{"error": {"kind": "auth", "message": "bad key sk-secret\"42"}}`
	source, err := Parse("s", []byte(script), Options{Workspace: "/w"})
	if err != nil {
		t.Fatal(err)
	}
	m := Record(source, path, RecordOptions{Mask: mask, Model: "openai/named"})
	c := chatWith(t, m, "c")
	signature := "s"
	c.req.Messages = append(c.req.Messages,
		event.LLMMessage{
			Role: event.RoleAssistant, Content: []event.Content{event.Text("a " + secret)}, ReasoningContent: secret,
			ThinkingBlocks: []event.Thinking{{Type: "thinking", Thinking: secret, Signature: &signature}},
			ToolCalls:      []event.ToolCall{{ID: "1", Name: "t", Arguments: `{"a": "sk-secret\"42"}`}},
		},
		event.LLMMessage{Role: event.RoleTool, Content: []event.Content{event.Text(secret), event.Image("data:image/png;base64,AAAA")}})
	watch(t.Context(), m, &c.req)
	watch(t.Context(), m, &c.req)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(data, []byte("sk-secret")) || bytes.Contains(data, []byte("AAAA")) {
		t.Errorf("a secret was written:\n%s", data)
	}
	if n := bytes.Count(data, []byte(`"model":"openai/named"`)); n != 2 {
		t.Errorf("the model is named %d times", n)
	}
	if n := bytes.Count(data, []byte("<secret-hidden>")); n < 9 {
		t.Errorf("only %d masks:\n%s", n, data)
	}
	if c.req.Messages[1].Text() != "a "+secret || c.req.Messages[1].ToolCalls[0].Arguments != `{"a": "sk-secret\"42"}` {
		t.Error("the request itself was masked")
	}
	replay, err := OpenReplay(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := watch(t.Context(), replay, &c.req)
	if want := "the key is <secret-hidden>, in two chunks"; got.Text != want {
		t.Errorf("got %q", got.Text)
	}
	text := ""
	for _, ch := range got.Chunks {
		if ch.Stream == llm.StreamText {
			text += ch.Text
		}
	}
	if text != got.Text {
		t.Errorf("chunks give %q", text)
	}
}

func TestRecordingIsPrivate(t *testing.T) {
	if !isUnix {
		t.Skip("modes of Unix")
	}
	path := filepath.Join(t.TempDir(), recording)
	c := newChat(t, `"a"`, Options{})
	watch(t.Context(), Record(c.model, path, RecordOptions{}), &c.req)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestRecordWritesWhatIsNewOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), recording)
	c := newChat(t, `{"text": "a", "repeat": "forever"}`, Options{})
	c.model = Record(c.model, path, RecordOptions{})
	for i := range 30 {
		c.user(fmt.Sprintf("message %d %s", i, strings.Repeat("x", 1000)))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > 30*2000 {
		t.Errorf("%d bytes: the history is written again and again", len(data))
	}
	if n := bytes.Count(data, []byte("message 0 ")); n != 1 {
		t.Errorf("the first message is written %d times", n)
	}
	if m, err := OpenReplay(path, Options{}); err != nil {
		t.Error(err)
	} else if got := chatWith(t, m, "c").user("message 0"); got[0] != "a" {
		t.Errorf("got %q", got)
	}
}

func TestRecordInterrupted(t *testing.T) {
	path := filepath.Join(t.TempDir(), recording)
	synctest.Test(t, func(t *testing.T) {
		c := newChat(t, `{"text": "abcdef", "chunk": 2, "delay": 1000}`, Options{})
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		first := watch(ctx, Record(c.model, path, RecordOptions{}), &c.req)
		if len(first.Chunks) != 2 || first.Err == "" {
			t.Errorf("recorded %+v", first)
		}
		m, err := OpenReplay(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		again := watch(ctx, m, &c.req)
		if len(again.Chunks) != 2 || again.Chunks[1].Text != "cd" || again.Took != time.Hour {
			t.Errorf("replayed %+v", again)
		}
	})
}

func TestReplayAfterAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), recording)
	c := newChat(t, `"one" "two"`, Options{})
	watch(t.Context(), Record(c.model, path, RecordOptions{}), &c.req)
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"time":"2026-01-01T00:00:00.000Z","te`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	// The next process records behind the half line.
	watch(t.Context(), Record(c.model, path, RecordOptions{}), &c.req)
	var log bytes.Buffer
	m, err := OpenReplay(path, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "line=2") {
		t.Errorf("the half line was not reported: %s", &log)
	}
	for _, want := range []string{"one", "two"} {
		if got := watch(t.Context(), m, &c.req); got.Text != want {
			t.Errorf("got %+v, want %s", got, want)
		}
	}
	if got := watch(t.Context(), m, &c.req); !strings.Contains(got.Err, "used up: it had 2 answers") {
		t.Errorf("got %+v", got)
	}
}

func TestReplayTellsDifferences(t *testing.T) {
	path := filepath.Join(t.TempDir(), recording)
	c := newChat(t, `"one" "two" "three"`, Options{})
	c.model = Record(c.model, path, RecordOptions{})
	c.user("first")
	c.user("second")
	c.user("third")

	var log bytes.Buffer
	m, err := OpenReplay(path, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	r := chatWith(t, m, "c")
	check := func(say, want string, wantLog ...string) {
		t.Helper()
		log.Reset()
		if got := r.user(say); got[0] != want {
			t.Errorf("got %q", got)
		}
		for _, w := range wantLog {
			if !strings.Contains(log.String(), w) {
				t.Errorf("after %q the log says %q, not %q", say, &log, w)
			}
		}
		if len(wantLog) == 0 && log.Len() > 0 {
			t.Errorf("after %q the log says %s", say, &log)
		}
	}
	check("first", "one")
	check("something else", "two", "differs", "same_text=false")
	r.req.Messages = r.req.Messages[:2]
	check("third", "three", "messages=3", "recorded_messages=6", "same_text=true")
}

func TestReplayOfARecordingThatBeganLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), recording)
	c := newChat(t, `"one" "two" {"error": "timeout"} "three" "four"`, Options{})
	c.user("a")
	c.user("b")
	bare := c.model
	c.model = Record(bare, path, RecordOptions{})
	c.user("c")
	for _, say := range []string{"d", "e"} {
		c.user(say)
	}
	replay := func(n int, say string) string {
		t.Helper()
		m, err := OpenReplay(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		r := chatWith(t, m, "another id")
		r.req.Messages = append(r.req.Messages, c.req.Messages[1:n]...)
		return r.user(say)[0]
	}
	// The messages are: system, a, one, b, two, c, (timeout,) d, three, e, four.
	if got := replay(5, "c"); got != "error: replay: the script says: timeout" {
		t.Errorf("at the beginning: %q", got)
	}
	if got := replay(8, "e"); got != "four" {
		t.Errorf("behind the first answer: %q", got)
	}
}

func TestReplayIsInTheOrderOfTheRecording(t *testing.T) {
	path := filepath.Join(t.TempDir(), recording)
	a := newChat(t, `"one" "two" "three"`, Options{})
	b := chatWith(t, Record(a.model, path, RecordOptions{}), "b")
	a.model = b.model
	a.user("x")
	b.user("x")
	a.user("y")
	m, err := OpenReplay(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	a, b = chatWith(t, m, "new a"), chatWith(t, m, "new b")
	got = append(got, a.user("x")...)
	got = append(got, b.user("x")...)
	got = append(got, a.user("y")...)
	if diff := cmp.Diff([]string{"one", "one", "two"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestRecordThatCannotWrite(t *testing.T) {
	var log bytes.Buffer
	c := newChat(t, `"one"`, Options{})
	c.model = Record(c.model, t.TempDir(), RecordOptions{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if got := c.step(); got != "one" {
		t.Errorf("got %q", got)
	}
	if !strings.Contains(log.String(), "was not written") {
		t.Errorf("nobody was told: %s", &log)
	}
}

func TestRecordFromManyGoroutines(t *testing.T) {
	path := filepath.Join(t.TempDir(), recording)
	c := newChat(t, `{"text": "x", "repeat": "forever"}`, Options{})
	m := Record(c.model, path, RecordOptions{})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 25 {
				req := c.req
				req.CacheKey = fmt.Sprint(i)
				watch(t.Context(), m, &req)
			}
		})
	}
	wg.Wait()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := parse("recording", data)
	if err != nil || len(s.queues[forStep]) != 100 {
		t.Errorf("%d answers, %v", len(s.queues[forStep]), err)
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("USERPROFILE", dir)
	t.Chdir(dir)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a.script", `"hi"`)
	write("bad.script", "\n{")
	write("empty.jsonl", "\n")
	tests := []struct{ model, want string }{
		{"scripted/a.script", ""},
		{"scripted/~/a.script", ""},
		{"scripted/" + filepath.Join(dir, "a.script"), ""},
		{"scripted/demo", ""},
		{"replay/a.script", ""},
		{"scripted/none", "opening the script: "},
		{"scripted/bad.script", "script bad.script, line 2: "},
		{"replay/none", "opening the recording: "},
		{"replay/empty.jsonl", "holds no answer"},
		{"scripted", "neither scripted/PATH nor replay/PATH"},
		{"scripted/", "neither scripted/PATH nor replay/PATH"},
		{"openai/gpt", "neither scripted/PATH nor replay/PATH"},
	}
	for _, tt := range tests {
		t.Run(tt.model, func(t *testing.T) {
			_, err := Open(llm.Config{Model: tt.model}, Options{})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := Open(llm.Config{Model: "scripted/none"}, Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func FuzzCleanJSON(f *testing.F) {
	f.Add(`{"a": "x", "b": [1, "y\"z"]}`)
	f.Add(`{"broken": "`)
	f.Fuzz(func(t *testing.T, raw string) {
		r := &recorder{}
		if got := r.cleanJSON(raw); got != raw {
			t.Errorf("%q became %q without anything to hide", raw, got)
		}
	})
}
