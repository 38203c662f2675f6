package llmtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// able are the traits of a model that can do everything.
var able = llm.Traits{
	ContextWindow: 200_000, MaxOutput: 4096, Vision: true, Sampling: true, EchoReasoning: true,
	Prices: llm.Prices{Input: 1e-6, Output: 4e-6, CacheRead: 1e-7, CacheWrite: 2e-6},
}

// Run puts the wire through the suite.
func Run(t *testing.T, w Wire) {
	t.Run("text", w.text)
	t.Run("plain JSON", w.plain)
	t.Run("parallel tools", w.parallelTools)
	t.Run("reasoning comes back", w.reasoning)
	t.Run("usage", w.usage)
	t.Run("no tools, no stream", w.bare)
	t.Run("tools that may not be called", w.words)
	t.Run("images", w.images)
	t.Run("long tool text", w.longToolText)
	t.Run("cancel before the first byte", w.cancelEarly)
	t.Run("cancel in mid-stream", w.cancelLate)
	t.Run("silent server", w.silent)
	t.Run("server that falls silent", w.fallsSilent)
	t.Run("keep-alive", w.keepAlive)
	t.Run("refusals", w.refusals)
	t.Run("error in mid-stream", w.failInStream)
	t.Run("cut before the first byte", w.cutEarly)
	t.Run("cut in mid-stream", w.cutLate)
	t.Run("nobody there", w.nobody)
	t.Run("web page", w.webPage)
	t.Run("redirects", w.redirects)
	t.Run("no key", w.noKey)
	t.Run("many at once", w.many)
}

// open starts a server and the model that talks to it.
func (w Wire) open(t testing.TB, cfg llm.Config, traits llm.Traits, handle http.HandlerFunc) (llm.Model, *Server) {
	s := Serve(t, handle)
	cfg.APIKey = Key
	return w.Open(s.URL, cfg, traits), s
}

// Ask is a request with one user message.
func Ask(text string) *llm.Request {
	return &llm.Request{Messages: []event.LLMMessage{
		{Role: event.RoleSystem, Content: []event.Content{event.Text("You help.")}},
		{Role: event.RoleUser, Content: []event.Content{event.Text(text)}},
	}}
}

// tools are what the suite offers to models.
var tools = []llm.Tool{
	{Name: "read", Description: "Reads a file.", Parameters: json.RawMessage(`{"type":"object","properties":{"path":{"type":"string"}},"required":["path"]}`)},
	{Name: "list", Parameters: json.RawMessage(`{"type":"object","properties":{}}`)},
}

// chunks collects what is streamed.
type chunks struct {
	text, reasoning strings.Builder
	args            map[int]string
	names           map[int]string
	count           int
}

func (c *chunks) take(p llm.Chunk) {
	c.count++
	switch p.Stream {
	case llm.StreamText:
		c.text.WriteString(p.Text)
	case llm.StreamReasoning:
		c.reasoning.WriteString(p.Text)
	case llm.StreamArgs:
		if c.args == nil {
			c.args, c.names = map[int]string{}, map[int]string{}
		}
		c.args[p.CallIndex] += p.Text
		c.names[p.CallIndex] = p.CallID + " " + p.CallName
	}
}

func (w Wire) text(t *testing.T) {
	m, s := w.open(t, llm.Config{}, able, func(rw http.ResponseWriter, r *http.Request) {
		w.Answer(rw, Answer{ID: "resp_1", Text: []string{"Hel", "lo, ", "wörld"}})
	})
	var c chunks
	res := complete(t, m, Ask("hi"), c.take)
	equal(t, "text", res.Message.Text(), "Hello, wörld")
	equal(t, "streamed", c.text.String(), "Hello, wörld")
	equal(t, "role", res.Message.Role, event.RoleAssistant)
	equal(t, "id", res.ID, "resp_1")
	if res.FinishReason == "" || res.Latency <= 0 {
		t.Errorf("finish reason %q, latency %v", res.FinishReason, res.Latency)
	}
	body, header, _ := s.Last(t)
	seen := w.Read(t, body)
	equal(t, "system", seen.System, "You help.")
	equal(t, "messages", seen.Messages, []Message{{Role: "user", Text: "hi"}})
	equal(t, "streaming", seen.Stream, true)
	if got := header.Get("Authorization") + header.Get("X-Api-Key"); !strings.Contains(got, Key) {
		t.Errorf("the key was not sent: %v", header)
	}
	if got := header.Get("X-Stainless-Retry-Count"); got != "0" && got != "" {
		t.Errorf("the SDK counts retries: %q", got)
	}
}

func (w Wire) plain(t *testing.T) {
	want := Answer{ID: "resp_2", Text: []string{"whole"}, Calls: []event.ToolCall{{ID: "c1", Name: "read", Arguments: `{"path":"a"}`}}}
	m, _ := w.open(t, llm.Config{}, able, func(rw http.ResponseWriter, r *http.Request) { w.Plain(rw, want) })
	var c chunks
	res := complete(t, m, &llm.Request{Messages: Ask("hi").Messages, Tools: tools}, c.take)
	equal(t, "text", res.Message.Text(), "whole")
	equal(t, "streamed", c.text.String(), "whole")
	equal(t, "calls", w.plainCalls(res.Message.ToolCalls), w.calls(want.Calls))
}

func (w Wire) parallelTools(t *testing.T) {
	want := []event.ToolCall{
		{ID: "call_a", Name: "read", Arguments: `{"path":"a \"quoted\" näme {"}`},
		{ID: "call_b", Name: "read", Arguments: `{"path":"b"}`},
		{ID: "call_c", Name: "list", Arguments: `{}`},
	}
	m, s := w.open(t, llm.Config{}, able, func(rw http.ResponseWriter, r *http.Request) {
		w.Answer(rw, Answer{Text: []string{"Looking."}, Calls: want})
	})
	var c chunks
	first := &llm.Request{Messages: Ask("look").Messages, Tools: tools}
	res := complete(t, m, first, c.take)
	equal(t, "calls", w.plainCalls(res.Message.ToolCalls), w.calls(want))
	for i, call := range want[:2] {
		equal(t, "streamed arguments", c.args[i], call.Arguments)
		equal(t, "streamed name", c.names[i], call.ID+" "+call.Name)
	}
	body, _, _ := s.Last(t)
	equal(t, "tools", w.Read(t, body).Tools, []string{"read", "list"})

	// The answers go back in order, each to its call, ahead of what the user says.
	next := append(first.Messages, res.Message)
	for _, call := range want {
		next = append(next, event.LLMMessage{
			Role: event.RoleTool, ToolCallID: call.ID, Name: call.Name,
			Content: []event.Content{event.Text("result of " + call.ID)},
		})
	}
	next = append(next, event.LLMMessage{Role: event.RoleUser, Content: []event.Content{event.Text("go on")}})
	complete(t, m, &llm.Request{Messages: next, Tools: tools}, nil)
	body, _, _ = s.Last(t)
	history := w.Read(t, body).Messages
	for i := range history {
		history[i].Calls = w.plainCalls(history[i].Calls)
	}
	equal(t, "history", history, []Message{
		{Role: "user", Text: "look"},
		{Role: "assistant", Text: "Looking.", Calls: w.calls(want)},
		{Role: "tool", CallID: "call_a", Text: "result of call_a"},
		{Role: "tool", CallID: "call_b", Text: "result of call_b"},
		{Role: "tool", CallID: "call_c", Text: "result of call_c"},
		{Role: "user", Text: "go on"},
	})
}

func (w Wire) reasoning(t *testing.T) {
	const signature = "EqQB+/sig==<&>\u2028"
	m, s := w.open(t, llm.Config{}, able, func(rw http.ResponseWriter, r *http.Request) {
		w.Answer(rw, Answer{
			Reasoning: []string{"First <b>think</b>, ", "then\n\u2028 act."}, Signature: signature,
			Text:  []string{"So:"},
			Calls: []event.ToolCall{{ID: "c1", Name: "list", Arguments: `{"a":1}`}},
		})
	})
	var c chunks
	first := Ask("think")
	res := complete(t, m, first, c.take)
	const thought = "First <b>think</b>, then\n\u2028 act."
	equal(t, "reasoning", res.Message.ReasoningContent, thought)
	equal(t, "streamed", c.reasoning.String(), thought)

	// Through the disk and back to the model, to the byte.
	stored, err := json.Marshal(res.Message)
	if err != nil {
		t.Fatal(err)
	}
	var loaded event.LLMMessage
	if err := json.Unmarshal(stored, &loaded); err != nil {
		t.Fatal(err)
	}
	answer := event.LLMMessage{Role: event.RoleTool, ToolCallID: "c1", Name: "list", Content: []event.Content{event.Text("ok")}}
	complete(t, m, &llm.Request{Messages: append(first.Messages, loaded, answer)}, nil)
	body, _, _ := s.Last(t)
	got := w.Read(t, body).Messages[1]
	equal(t, "reasoning sent back", got.Reasoning, thought)
	if got.Signature != "" {
		equal(t, "signature sent back", got.Signature, signature)
	}
}

func (w Wire) usage(t *testing.T) {
	want := llm.Usage{PromptTokens: 1000, CompletionTokens: 50, CacheReadTokens: 600, CacheWriteTokens: 100, ReasoningTokens: 20}
	m, _ := w.open(t, llm.Config{}, able, func(rw http.ResponseWriter, r *http.Request) {
		w.Answer(rw, Answer{Text: []string{"x"}, Usage: want})
	})
	got := complete(t, m, Ask("hi"), nil).Usage
	want.ContextWindow = 200_000
	want.Cost = 300*1e-6 + 600*1e-7 + 100*2e-6 + 50*4e-6
	if diff := got.Cost - want.Cost; diff > 1e-12 || diff < -1e-12 {
		t.Errorf("cost %v, want %v", got.Cost, want.Cost)
	}
	got.Cost = want.Cost
	equal(t, "usage", got, want)
}

func (w Wire) bare(t *testing.T) {
	m, s := w.open(t, llm.Config{}, able, func(rw http.ResponseWriter, r *http.Request) {
		w.Answer(rw, Answer{Text: []string{"ok"}})
	})
	complete(t, m, Ask("hi"), nil)
	body, _, _ := s.Last(t)
	var fields map[string]any
	if err := json.Unmarshal(body, &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tools", "tool_choice", "temperature", "top_p", "top_k", "seed", "reasoning_effort", "thinking"} {
		if _, ok := fields[name]; ok {
			t.Errorf("%s was sent though nobody set it: %s", name, body)
		}
	}
}

// words: tools that are only there for the history may not be called.
func (w Wire) words(t *testing.T) {
	m, s := w.open(t, llm.Config{}, able, func(rw http.ResponseWriter, r *http.Request) {
		w.Answer(rw, Answer{Text: []string{"ok"}})
	})
	req := Ask("hi")
	req.Tools, req.NoCalls = []llm.Tool{{Name: "f", Parameters: json.RawMessage(`{"type":"object"}`)}}, true
	complete(t, m, req, nil)
	body, _, _ := s.Last(t)
	var fields struct {
		Choice json.RawMessage `json:"tool_choice"`
	}
	if err := json.Unmarshal(body, &fields); err != nil {
		t.Fatal(err)
	}
	if choice := string(fields.Choice); choice != `"none"` && choice != `{"type":"none"}` {
		t.Errorf("tool_choice is %s", choice)
	}
}

const (
	dataImage = "data:image/png;base64,iVBORw0KGgo="
	httpImage = "https://example.org/a.png"
)

func (w Wire) images(t *testing.T) {
	history := append(Ask("x").Messages[:1:1],
		event.LLMMessage{Role: event.RoleUser, Content: []event.Content{event.Text("see"), event.Image(dataImage, httpImage)}},
		event.LLMMessage{Role: event.RoleAssistant, ToolCalls: []event.ToolCall{{ID: "c1", Name: "list", Arguments: "{}"}}},
		event.LLMMessage{Role: event.RoleTool, ToolCallID: "c1", Name: "list", Content: []event.Content{event.Text("shot"), event.Image(dataImage)}},
	)
	for _, vision := range []bool{true, false} {
		traits := able
		traits.Vision = vision
		m, s := w.open(t, llm.Config{}, traits, func(rw http.ResponseWriter, r *http.Request) {
			w.Answer(rw, Answer{Text: []string{"ok"}})
		})
		complete(t, m, &llm.Request{Messages: history}, nil)
		body, _, _ := s.Last(t)
		var got []string
		for _, msg := range w.Read(t, body).Messages {
			got = append(got, msg.Images...)
		}
		var want []string
		if vision {
			want = []string{dataImage, httpImage, dataImage}
		}
		equal(t, fmt.Sprintf("images with vision %v", vision), got, want)
	}
}

func (w Wire) longToolText(t *testing.T) {
	m, s := w.open(t, llm.Config{}, able, func(rw http.ResponseWriter, r *http.Request) {
		w.Answer(rw, Answer{Text: []string{"ok"}})
	})
	long := "HEAD" + strings.Repeat("x", 60_000) + "TAIL"
	complete(t, m, &llm.Request{Messages: append(Ask("x").Messages,
		event.LLMMessage{Role: event.RoleAssistant, ToolCalls: []event.ToolCall{{ID: "c1", Name: "list", Arguments: "{}"}}},
		event.LLMMessage{Role: event.RoleTool, ToolCallID: "c1", Name: "list", Content: []event.Content{event.Text(long)}},
	)}, nil)
	body, _, _ := s.Last(t)
	msgs := w.Read(t, body).Messages
	got := msgs[len(msgs)-1].Text
	if len([]rune(got)) > llm.MaxToolText || !strings.HasPrefix(got, "HEAD") || !strings.HasSuffix(got, "TAIL") {
		t.Errorf("a tool's text of %d characters was sent as %d: %.20q … %q", len(long), len(got), got, got[len(got)-20:])
	}
}

func (w Wire) cancelEarly(t *testing.T) {
	arrived := make(chan struct{})
	m, _ := w.open(t, llm.Config{}, able, func(rw http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	if _, err := m.Complete(ctx, Ask("hi"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func (w Wire) cancelLate(t *testing.T) {
	gone := make(chan struct{})
	m, _ := w.open(t, llm.Config{}, able, func(rw http.ResponseWriter, r *http.Request) {
		w.Answer(rw, Answer{Text: []string{"one", "two"}, Hold: func() { <-r.Context().Done() }})
		close(gone)
	})
	ctx, cancel := context.WithCancel(t.Context())
	_, err := m.Complete(ctx, Ask("hi"), func(llm.Chunk) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	// The server notices, so that nothing more is paid for.
	<-gone
}

// brief is a timeout that a test can wait for.
var brief = 0.05

func (w Wire) silent(t *testing.T) {
	m, _ := w.open(t, llm.Config{Timeout: &brief}, able, func(rw http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
	})
	_ = fails(t, m, llm.ErrTimeout)
}

func (w Wire) fallsSilent(t *testing.T) {
	m, _ := w.open(t, llm.Config{Timeout: &brief}, able, func(rw http.ResponseWriter, r *http.Request) {
		w.Answer(rw, Answer{Text: []string{"one", "two"}, Hold: func() { <-r.Context().Done() }})
	})
	_ = fails(t, m, llm.ErrTimeout)
}

func (w Wire) keepAlive(t *testing.T) {
	m, _ := w.open(t, llm.Config{}, able, func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/event-stream")
		_, _ = rw.Write([]byte(": keep-alive\n\n:\n\n\n"))
		Flush(rw)
		w.Answer(rw, Answer{Text: []string{"a", "b"}, Hold: func() {
			_, _ = rw.Write([]byte(": keep-alive\n\n"))
			Flush(rw)
		}})
	})
	equal(t, "text", complete(t, m, Ask("hi"), nil).Message.Text(), "ab")
}

func (w Wire) refusals(t *testing.T) {
	for _, c := range []struct {
		status  int
		code    string
		message string
		want    llm.ErrorKind
	}{
		{401, "authentication_error", "invalid x-api-key", llm.ErrAuth},
		{403, "permission_error", "no access to this model", llm.ErrAuth},
		{400, "invalid_request_error", "API key not valid. Please pass a valid API key.", llm.ErrAuth},
		{429, "rate_limit_error", "slow down", llm.ErrRateLimit},
		{400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", llm.ErrContextWindow},
		{400, "context_length_exceeded", "This model's maximum context length is 8192 tokens.", llm.ErrContextWindow},
		{413, "request_too_large", "Request exceeds the maximum size", llm.ErrContextWindow},
		{400, "invalid_request_error", "messages.2: `tool_use` ids were found without `tool_result` blocks immediately after: a", llm.ErrHistory},
		{400, "invalid_request_error", "The following tool_call_ids did not have response messages: a", llm.ErrHistory},
		{400, "content_policy_violation", "Your request was rejected", llm.ErrContentPolicy},
		{400, "invalid_request_error", "temperature: Input should be less than or equal to 1", llm.ErrBadRequest},
		{404, "not_found_error", "model: nope", llm.ErrBadRequest},
		{408, "timeout", "too slow", llm.ErrTimeout},
		{500, "api_error", "Internal server error", llm.ErrUnavailable},
		{503, "server_error", "try later", llm.ErrUnavailable},
		{529, "overloaded_error", "Overloaded", llm.ErrUnavailable},
	} {
		m, s := w.open(t, llm.Config{}, able, func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Retry-After", "7")
			w.Refuse(rw, c.status, c.code, c.message+" (key "+Key+")")
		})
		err := fails(t, m, c.want)
		if err == nil {
			continue
		}
		if err.Status != c.status || !strings.Contains(err.Message, c.message) || err.RetryAfter != 7*time.Second {
			t.Errorf("%d %q became %#v", c.status, c.message, err)
		}
		if n := len(s.Requests()); n != 1 {
			t.Errorf("%d: %d requests; the SDK must not retry", c.status, n)
		}
		if (c.want == llm.ErrAuth) != (err.Setting != "") {
			t.Errorf("%d: setting %q", c.status, err.Setting)
		}
	}
}

func (w Wire) failInStream(t *testing.T) {
	m, _ := w.open(t, llm.Config{}, able, func(rw http.ResponseWriter, r *http.Request) {
		w.Answer(rw, Answer{Text: []string{"one"}, Cut: true})
		w.FailInStream(rw, w.Overloaded, "Overloaded, sorry")
	})
	err := fails(t, m, llm.ErrUnavailable)
	if err != nil && !strings.Contains(err.Message, "Overloaded, sorry") {
		t.Errorf("message %q", err.Message)
	}
}

func (w Wire) cutEarly(t *testing.T) {
	m, _ := w.open(t, llm.Config{}, able, func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/event-stream")
		rw.WriteHeader(200)
		Flush(rw)
		panic(http.ErrAbortHandler)
	})
	_ = fails(t, m, llm.ErrNoResponse)

	m, _ = w.open(t, llm.Config{}, able, func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/event-stream")
	})
	_ = fails(t, m, llm.ErrNoResponse)
}

func (w Wire) cutLate(t *testing.T) {
	for _, abort := range []bool{true, false} {
		m, s := w.open(t, llm.Config{}, able, func(rw http.ResponseWriter, r *http.Request) {
			w.Answer(rw, Answer{Text: []string{"one", "two"}, Cut: true})
			if abort {
				panic(http.ErrAbortHandler)
			}
		})
		var c chunks
		_, err := llm.WithRetry(m, llm.Retry{Attempts: 5}).Complete(t.Context(), Ask("hi"), c.take)
		if failed := kindOf(t, err, llm.ErrNoResponse); failed != nil && !strings.Contains(failed.Message, "the stream was cut") {
			t.Errorf("message %q", failed.Message)
		}
		equal(t, "shown", c.text.String(), "onetwo")
		equal(t, "requests", len(s.Requests()), 1)
	}
}

func (w Wire) nobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	m := w.Open("http://"+addr, llm.Config{APIKey: Key}, able)
	if failed := fails(t, m, llm.ErrUnavailable); failed != nil && !strings.Contains(failed.Message, addr) {
		t.Errorf("message %q does not name %s", failed.Message, addr)
	}
}

func (w Wire) webPage(t *testing.T) {
	const page = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
	for _, c := range []struct {
		status int
		want   llm.ErrorKind
	}{{502, llm.ErrUnavailable}, {404, llm.ErrBadRequest}, {200, llm.ErrBadRequest}} {
		m, _ := w.open(t, llm.Config{}, able, func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Content-Type", "text/html")
			rw.WriteHeader(c.status)
			_, _ = rw.Write([]byte(page))
		})
		failed := fails(t, m, c.want)
		if failed != nil && (strings.Contains(failed.Message, "<") || !strings.Contains(failed.Message, "502 Bad Gateway")) {
			t.Errorf("%d: message %q", c.status, failed.Message)
		}
	}
}

// A key must not follow a redirect to another host.
func (w Wire) redirects(t *testing.T) {
	elsewhere := Serve(t, func(rw http.ResponseWriter, r *http.Request) { w.Answer(rw, Answer{Text: []string{"x"}}) })
	for _, status := range []int{301, 302, 303, 307, 308} {
		m, _ := w.open(t, llm.Config{}, able, func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, elsewhere.URL+r.URL.Path, status)
		})
		if failed := fails(t, m, llm.ErrBadRequest); failed != nil && !strings.Contains(failed.Message, elsewhere.URL) {
			t.Errorf("%d: message %q", status, failed.Message)
		}
	}
	equal(t, "requests elsewhere", len(elsewhere.Requests()), 0)

	m, _ := w.open(t, llm.Config{}, able, func(rw http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/new") {
			http.Redirect(rw, r, "/new"+r.URL.Path, http.StatusPermanentRedirect)
			return
		}
		w.Answer(rw, Answer{Text: []string{"found"}})
	})
	equal(t, "text", complete(t, m, Ask("hi"), nil).Message.Text(), "found")
}

func (w Wire) noKey(t *testing.T) {
	s := Serve(t, func(rw http.ResponseWriter, r *http.Request) { w.Answer(rw, Answer{Text: []string{"x"}}) })
	m := w.Open(s.URL, llm.Config{}, able)
	failed := fails(t, m, llm.ErrAuth)
	if failed != nil && (failed.Setting == "" || !strings.Contains(failed.Message, failed.Setting)) {
		t.Errorf("the error does not say what to set: %#v", failed)
	}
	equal(t, "requests", len(s.Requests()), 0)
}

func (w Wire) many(t *testing.T) {
	m, _ := w.open(t, llm.Config{}, able, func(rw http.ResponseWriter, r *http.Request) {
		w.Answer(rw, Answer{Text: []string{"a", "b"}, Calls: []event.ToolCall{{ID: "c", Name: "list", Arguments: `{"a":1}`}}})
	})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var c chunks
			res, err := m.Complete(t.Context(), Ask("hi"), c.take)
			if err != nil || res.Message.Text() != "ab" || c.text.String() != "ab" {
				t.Errorf("got %v, %v", res, err)
			}
		})
	}
	wg.Wait()
}

func complete(t testing.TB, m llm.Model, req *llm.Request, stream func(llm.Chunk)) *llm.Response {
	t.Helper()
	res, err := m.Complete(t.Context(), req, stream)
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
	return res
}

// fails asks the model and expects an error of the kind, without the key in it.
func fails(t testing.TB, m llm.Model, want llm.ErrorKind) *llm.Error {
	t.Helper()
	_, err := m.Complete(t.Context(), Ask("hi"), nil)
	return kindOf(t, err, want)
}

func kindOf(t testing.TB, err error, want llm.ErrorKind) *llm.Error {
	t.Helper()
	var failed *llm.Error
	if !errors.As(err, &failed) {
		t.Errorf("got %v, want an error of kind %s", err, want)
		return nil
	}
	if failed.Kind != want {
		t.Errorf("got kind %s (%v), want %s", failed.Kind, err, want)
	}
	for e := error(failed); e != nil; e = errors.Unwrap(e) {
		if strings.Contains(e.Error(), Key) {
			t.Errorf("the key is in the error: %v", e)
		}
	}
	return failed
}

// calls are the calls as an answer of this wire has them.
func (w Wire) calls(list []event.ToolCall) []event.ToolCall {
	out := make([]event.ToolCall, len(list))
	for i, c := range list {
		c.Origin = w.Origin
		if c.Origin == "" {
			c.Origin = "completion"
		}
		out[i] = c
	}
	return out
}

// plainCalls are the calls without the ids that only one wire has.
func (w Wire) plainCalls(list []event.ToolCall) []event.ToolCall {
	out := slices.Clone(list)
	for i := range out {
		out[i].ResponsesItemID = ""
	}
	return out
}

func equal[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
