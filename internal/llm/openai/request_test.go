package openai

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
	"github.com/agent-rpc/agent-rpc/internal/llm/llmtest"
	"github.com/agent-rpc/agent-rpc/internal/llm/transport"
)

// sent asks a model with these options and gives the request that arrived.
func sent(t *testing.T, o Options, traits llm.Traits, req *llm.Request) (body object, header http.Header, uri string) {
	t.Helper()
	s := llmtest.Serve(t, func(w http.ResponseWriter, r *http.Request) { answer(w, llmtest.Answer{Text: []string{"ok"}}) })
	o.Model = "test-model"
	o.Peer = transport.Peer{Provider: "openai", BaseURL: s.URL + "/api", Idle: o.Config.IdleTimeout()}
	o.Traits = func() llm.Traits { return traits }
	if _, err := New(o).Complete(t.Context(), req, nil); err != nil {
		t.Fatal(err)
	}
	raw, header, uri := s.Last(t)
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&body); err != nil {
		t.Fatal(err)
	}
	return body, header, uri
}

func same(t *testing.T, what string, got any, want string) {
	t.Helper()
	data, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func ptr[T any](v T) *T { return &v }

func TestNothingIsSentThatIsNotSet(t *testing.T) {
	body, header, uri := sent(t, Options{}, llm.Traits{Sampling: true}, llmtest.Ask("hi"))
	same(t, "body", body, `{"messages":[{"content":"You help.","role":"system"},{"content":"hi","role":"user"}],`+
		`"model":"test-model","stream":true,"stream_options":{"include_usage":true}}`)
	if uri != "/api/chat/completions" {
		t.Errorf("asked %s", uri)
	}
	if header.Get("Authorization") != "" {
		t.Errorf("authorization %q without a key", header.Get("Authorization"))
	}
}

func TestEnvironmentIsNotRead(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "sk-from-the-environment")
	t.Setenv("OPENAI_BASE_URL", "http://127.0.0.1:1")
	t.Setenv("OPENAI_ORG_ID", "org-from-the-environment")
	_, header, _ := sent(t, Options{}, llm.Traits{}, llmtest.Ask("hi"))
	for name, values := range header {
		if strings.Contains(strings.Join(values, " "), "from-the-environment") {
			t.Errorf("%s: %s", name, values)
		}
	}
}

func TestParameters(t *testing.T) {
	cfg := llm.Config{
		Temperature: ptr(0.0), TopP: ptr(0.5), TopK: ptr(40.0), MaxOutputTokens: ptr(100), Seed: ptr(7),
		ExtraHeaders: map[string]string{"X-Team": "blue", "User-Agent": "mine"},
		ExtraBody:    map[string]any{"chat_template_kwargs": map[string]any{"thinking": true}, "seed": 8},
	}
	req := llmtest.Ask("hi")
	req.CacheKey = "conv-1"
	req.Tools = []llm.Tool{{Name: "f", Description: "does", Parameters: json.RawMessage(`{"type":"object","properties":{"z":{},"a":{}}}`)}}

	body, header, uri := sent(t, Options{
		Config: cfg, Key: "sk-key", UserAgent: "agent-rpc/1",
		Dialect: Dialect{CacheKey: true, Headers: map[string]string{"X-Title": "t"}, Query: map[string]string{"api-version": "v"}},
	}, llm.Traits{Sampling: true, Effort: "low"}, req)
	delete(body, "messages")
	same(t, "all", body, `{"chat_template_kwargs":{"thinking":true},"max_completion_tokens":100,"model":"test-model",`+
		`"prompt_cache_key":"conv-1","reasoning_effort":"low","seed":8,"stream":true,"stream_options":{"include_usage":true},"temperature":0,`+
		`"tools":[{"function":{"description":"does","name":"f","parameters":{"properties":{"a":{},"z":{}},"type":"object"}},"type":"function"}],"top_k":40,"top_p":0.5}`)
	if uri != "/api/chat/completions?api-version=v" || header.Get("X-Team") != "blue" || header.Get("X-Title") != "t" ||
		header.Get("User-Agent") != "mine" || header.Get("Authorization") != "Bearer sk-key" {
		t.Errorf("asked %s with %v", uri, header)
	}

	body, header, _ = sent(t, Options{
		Config: cfg, Key: "sk-key", UserAgent: "agent-rpc/1",
		Dialect: Dialect{MaxTokens: true, NoStreamOptions: true, KeyHeader: "api-key"},
	}, llm.Traits{}, req)
	delete(body, "messages")
	delete(body, "tools")
	same(t, "another dialect, no sampling", body, `{"chat_template_kwargs":{"thinking":true},"max_tokens":100,"model":"test-model","seed":8,"stream":true}`)
	if header.Get("Api-Key") != "sk-key" || header.Get("Authorization") != "" {
		t.Errorf("key sent as %v", header)
	}

	_, header, _ = sent(t, Options{Config: cfg, Dialect: Dialect{LiteLLM: true}}, llm.Traits{}, req)
	same(t, "session", header.Get("X-Litellm-Session-Id"), `"conv-1"`)

	req.Temperature = ptr(1.0)
	body, _, _ = sent(t, Options{Config: cfg}, llm.Traits{Sampling: true}, req)
	same(t, "the request's own temperature", body["temperature"], `1`)
}

func TestSchemaKeepsItsOrder(t *testing.T) {
	const schema = `{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"string"}}}`
	s := llmtest.Serve(t, func(w http.ResponseWriter, r *http.Request) { answer(w, llmtest.Answer{Text: []string{"ok"}}) })
	m := New(Options{Model: "m", Peer: transport.Peer{BaseURL: s.URL}, Traits: func() llm.Traits { return llm.Traits{} }})
	req := llmtest.Ask("hi")
	req.Tools = []llm.Tool{{Name: "f", Parameters: json.RawMessage(schema)}}
	if _, err := m.Complete(t.Context(), req, nil); err != nil {
		t.Fatal(err)
	}
	if body, _, _ := s.Last(t); !bytes.Contains(body, []byte(schema)) {
		t.Errorf("schema became %s", body)
	}
}

// history has every kind of message that the wire tells apart.
var history = []event.LLMMessage{
	{Role: event.RoleSystem, Content: []event.Content{event.Text("static"), event.Text("dynamic")}},
	{Role: event.RoleUser, Content: []event.Content{event.Text("a"), event.Text(""), event.Text("b")}},
	{
		Role: event.RoleAssistant, Content: []event.Content{event.Text(" \n")}, ReasoningContent: "hm",
		ThinkingBlocks: []event.Thinking{{Type: "thinking", Thinking: "hm", Signature: ptr("S")}},
		ToolCalls:      []event.ToolCall{{ID: "1", Name: "f", Arguments: `{"x": 1`}, {ID: "2", Name: "g", Arguments: `{"y": 1}`}},
	},
	{Role: event.RoleTool, ToolCallID: "1", Name: "f", Content: []event.Content{event.Text("one"), event.Image("https://x/1.png")}},
	{Role: event.RoleTool, ToolCallID: "2", Name: "g", Content: []event.Content{event.Image("https://x/2.png"), event.Text("two"), event.Text("three")}},
	{Role: event.RoleAssistant},
	{Role: event.RoleUser, Content: []event.Content{event.Image("https://x/3.png")}},
}

func TestHistory(t *testing.T) {
	for _, c := range []struct {
		name   string
		traits llm.Traits
		d      Dialect
		want   []string
	}{
		{"blind", llm.Traits{}, Dialect{}, []string{
			`{"content":"static\ndynamic","role":"system"}`,
			`{"content":[{"text":"a","type":"text"},{"text":"b","type":"text"}],"role":"user"}`,
			`{"role":"assistant","tool_calls":[{"function":{"arguments":"{\"arguments\":\"{\\\"x\\\": 1\"}","name":"f"},"id":"1","type":"function"},{"function":{"arguments":"{\"y\": 1}","name":"g"},"id":"2","type":"function"}]}`,
			`{"content":"one","name":"f","role":"tool","tool_call_id":"1"}`,
			`{"content":"two\nthree","name":"g","role":"tool","tool_call_id":"2"}`,
			`{"content":"","role":"assistant"}`,
			`{"content":"[an image, left out: this model can't see images]","role":"user"}`,
		}},
		{"seeing, strings, reasoning", llm.Traits{Vision: true, StringContent: true, EchoReasoning: true}, Dialect{LiteLLM: true}, []string{
			`{"content":"static\ndynamic","role":"system"}`,
			`{"content":"a\nb","role":"user"}`,
			`{"reasoning_content":"hm","role":"assistant","thinking_blocks":[{"signature":"S","thinking":"hm","type":"thinking"}],"tool_calls":[{"function":{"arguments":"{\"arguments\":\"{\\\"x\\\": 1\"}","name":"f"},"id":"1","type":"function"},{"function":{"arguments":"{\"y\": 1}","name":"g"},"id":"2","type":"function"}]}`,
			`{"content":"one","name":"f","role":"tool","tool_call_id":"1"}`,
			`{"content":"two\nthree","name":"g","role":"tool","tool_call_id":"2"}`,
			`{"content":[{"text":"Images from the tool results above:","type":"text"},{"image_url":{"url":"https://x/1.png"},"type":"image_url"},{"image_url":{"url":"https://x/2.png"},"type":"image_url"}],"role":"user"}`,
			`{"content":"","role":"assistant"}`,
			`{"content":[{"image_url":{"url":"https://x/3.png"},"type":"image_url"}],"role":"user"}`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			body, _, _ := sent(t, Options{Dialect: c.d}, c.traits, &llm.Request{Messages: history})
			got := body["messages"].([]any)
			if len(got) != len(c.want) {
				t.Fatalf("%d messages, want %d: %v", len(got), len(c.want), got)
			}
			for i := range got {
				same(t, "message", got[i], c.want[i])
			}
		})
	}
}

func TestCacheMarkers(t *testing.T) {
	const marker = `"cache_control":{"type":"ephemeral"}`
	body, _, _ := sent(t, Options{}, llm.Traits{PromptCache: true, Vision: true}, &llm.Request{Messages: history})
	got := body["messages"].([]any)
	same(t, "system", got[0], `{"content":[{`+marker+`,"text":"static","type":"text"},{"text":"dynamic","type":"text"}],"role":"system"}`)
	same(t, "last", got[len(got)-1], `{"content":[{`+marker+`,"image_url":{"url":"https://x/3.png"},"type":"image_url"}],"role":"user"}`)
	all, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(all), marker); n != 2 {
		t.Errorf("%d markers in %s", n, all)
	}

	body, _, _ = sent(t, Options{}, llm.Traits{PromptCache: true}, &llm.Request{Messages: history[:5]})
	got = body["messages"].([]any)
	same(t, "tool", got[4], `{`+marker+`,"content":"two\nthree","name":"g","role":"tool","tool_call_id":"2"}`)
}

func TestStreamOddities(t *testing.T) {
	const head = "data: {\"id\":\"r\",\"choices\":[{\"delta\":{\"content\":\"hi\"}"
	for _, c := range []struct {
		name, body string
		want       string
		kind       llm.ErrorKind
	}{
		{"CRLF", strings.ReplaceAll(head+"}]}\n\ndata: [DONE]\n\n", "\n", "\r\n"), "hi", ""},
		{"no blank line at the end", head + ",\"finish_reason\":\"stop\"}]}", "hi", ""},
		{"no end mark", head + "}]}\n\ndata: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n", "hi", ""},
		{"usage as the end", head + "}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n", "hi", ""},
		{"end mark alone after the text", head + "}]}\n\ndata: [DONE]\n\n", "hi", ""},
		{"data without a space", strings.ReplaceAll(head, "data: ", "data:") + ",\"finish_reason\":\"stop\"}]}\n\ndata:[DONE]\n\n", "hi", ""},
		{"byte order mark", "\ufeff" + head + ",\"finish_reason\":\"stop\"}]}\n\n", "hi", ""},
		{"events with names and ids", "event: message\nid: 1\nretry: 5\n" + head + ",\"finish_reason\":\"stop\"}]}\n\n", "hi", ""},
		{"end in mid-event", head + "}]}\n\ndata: {\"id\":\"r\",\"choi", "", llm.ErrNoResponse},
		{"no end at all", head + "}]}\n\n", "", llm.ErrNoResponse},
		{"only an end mark", "data: [DONE]\n\n", "", llm.ErrNoResponse},
		{"only comments", ": hello\n\n: there\n\n", "", llm.ErrNoResponse},
		{"error of vLLM", head + "}]}\n\ndata: {\"object\":\"error\",\"message\":\"engine died\",\"code\":500}\n\n", "", llm.ErrUnavailable},
		{"error event", "event: error\ndata: {\"message\":\"Rate limit reached\"}\n\n", "", llm.ErrRateLimit},
		{"error with a code", "data: {\"error\":{\"message\":\"no\",\"code\":429}}\n\n", "", llm.ErrRateLimit},
		{"error beside choices", "data: {\"error\":{\"message\":\"upstream\",\"code\":502},\"choices\":[{\"delta\":{},\"finish_reason\":\"error\"}]}\n\n", "", llm.ErrUnavailable},
		{"no choices", "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\ndata: [DONE]\n\n", "", llm.ErrNoResponse},
		{"withheld", "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"content_filter\"}]}\n\n", "", llm.ErrContentPolicy},
		{"empty answer", "data: {\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"stop\"}]}\n\n", "", ""},
		{"a JSON error with status 200", `{"error":{"message":"invalid api key"}}`, "", llm.ErrAuth},
		{"JSON that is no answer", `["a"]`, "", llm.ErrBadRequest},
		{"JSON without choices", `{"ok":true}`, "", llm.ErrNoResponse},
		{"text", `Ollama is running`, "", llm.ErrBadRequest},
		{"white space", " \n\n ", "", llm.ErrNoResponse},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := llmtest.Serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(c.body)) })
			m := New(Options{Model: "m", Peer: transport.Peer{Provider: "openai", BaseURL: s.URL}, Traits: func() llm.Traits { return llm.Traits{} }})
			res, err := m.Complete(t.Context(), llmtest.Ask("hi"), nil)
			switch failed, _ := err.(*llm.Error); {
			case c.kind != "" && (failed == nil || failed.Kind != c.kind):
				t.Errorf("got %v, %v, want %s", res, err, c.kind)
			case c.kind == "" && err != nil:
				t.Errorf("got %v", err)
			case c.kind == "" && res.Message.Text() != c.want:
				t.Errorf("got %q, want %q", res.Message.Text(), c.want)
			}
		})
	}
}

func TestCostComesFromWhoKnowsBest(t *testing.T) {
	const body = `{"id":"r","choices":[{"message":{"content":"a"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":1%s}}`
	traits := llm.Traits{Prices: llm.Prices{Input: 1}}
	for _, c := range []struct {
		name, cost, header string
		cfg                llm.Config
		want               float64
	}{
		{"catalog", "", "", llm.Config{}, 10},
		{"router", `,"cost":0.5`, "", llm.Config{}, 0.5},
		{"proxy", "", "0.25", llm.Config{}, 0.25},
		{"proxy that doesn't know", "", "None", llm.Config{}, 10},
		{"user", `,"cost":0.5`, "0.25", llm.Config{InputCostPerToken: ptr(1.0), OutputCostPerToken: ptr(2.0)}, 10},
	} {
		s := llmtest.Serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("x-litellm-response-cost", c.header)
			_, _ = w.Write([]byte(strings.Replace(body, "%s", c.cost, 1)))
		})
		m := New(Options{Model: "m", Peer: transport.Peer{BaseURL: s.URL}, Config: c.cfg, Traits: func() llm.Traits { return traits }})
		res, err := m.Complete(t.Context(), llmtest.Ask("hi"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.Usage.Cost != c.want {
			t.Errorf("%s: cost %v, want %v", c.name, res.Usage.Cost, c.want)
		}
	}
}

// Gemini's signatures go back with their calls; calls that have none get a
// stand-in where Gemini insists.
func TestSignatures(t *testing.T) {
	const signed = `{"google":{"thought_signature":"S+/=="}}`
	s := llmtest.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`data: {"choices":[{"delta":{"tool_calls":[` +
			`{"index":0,"id":"a","function":{"name":"f","arguments":"{}"},"extra_content":` + signed + `},` +
			`{"index":1,"id":"b","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"stop"}]}` + "\n\n"))
	})
	m := New(Options{
		Model: "gemini-3-pro", Dialect: Dialect{Signatures: true},
		Peer: transport.Peer{BaseURL: s.URL}, Traits: func() llm.Traits { return llm.Traits{} },
	})
	res, err := m.Complete(t.Context(), llmtest.Ask("hi"), nil)
	if err != nil {
		t.Fatal(err)
	}
	foreign := event.LLMMessage{Role: event.RoleAssistant, ToolCalls: []event.ToolCall{{ID: "c", Name: "f"}, {ID: "d", Name: "f"}}}
	if _, err := m.Complete(t.Context(), &llm.Request{Messages: []event.LLMMessage{res.Message, foreign}}, nil); err != nil {
		t.Fatal(err)
	}
	raw, _, _ := s.Last(t)
	var body struct {
		Messages []struct {
			ToolCalls []struct {
				ID    string          `json:"id"`
				Extra json.RawMessage `json:"extra_content"`
			} `json:"tool_calls"`
		} `json:"messages"`
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, msg := range body.Messages {
		for _, call := range msg.ToolCalls {
			got[call.ID] = string(call.Extra)
		}
	}
	want := map[string]string{"a": signed, "b": "", "c": `{"google":{"thought_signature":"skip_thought_signature_validator"}}`, "d": ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
