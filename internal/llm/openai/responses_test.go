package openai

import (
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

var responsesWire = llmtest.Wire{
	Open: func(baseURL string, cfg llm.Config, traits llm.Traits) llm.Model {
		return New(Options{
			Model: "test-model", Responses: true,
			Peer: transport.Peer{
				Provider: "openai", BaseURL: baseURL + "/v1", Setting: "OPENAI_API_KEY",
				Secrets: []string{cfg.APIKey.Reveal()}, Idle: cfg.IdleTimeout(),
			},
			Key: cfg.APIKey.Reveal(), NeedsKey: true, Config: cfg,
			Traits: func() llm.Traits { return traits },
		})
	},
	Answer: answerResponses,
	Refuse: refuse,
	FailInStream: func(w http.ResponseWriter, code, message string) {
		send(w, object{"type": "error", "code": code, "message": message})
	},
	Plain:      plainResponses,
	Read:       readResponses,
	Overloaded: "server_error",
	Origin:     "responses",
}

func TestResponsesSuite(t *testing.T) { llmtest.Run(t, responsesWire) }

func BenchmarkResponsesStream(b *testing.B) { llmtest.Bench(b, responsesWire) }

// outputItems are the items of an answer, whole.
func outputItems(a llmtest.Answer) []object {
	var out []object
	if len(a.Reasoning) > 0 {
		out = append(out, object{
			"type": "reasoning", "id": "rs_1", "encrypted_content": a.Signature,
			"summary": []object{{"type": "summary_text", "text": strings.Join(a.Reasoning, "")}},
		})
	}
	if len(a.Text) > 0 {
		out = append(out, object{
			"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
			"content": []object{{"type": "output_text", "text": strings.Join(a.Text, ""), "annotations": []any{}}},
		})
	}
	for _, c := range a.Calls {
		out = append(out, object{
			"type": "function_call", "id": "fc_" + c.ID, "call_id": c.ID, "name": c.Name, "arguments": c.Arguments, "status": "completed",
		})
	}
	return out
}

func responseOf(a llmtest.Answer) object {
	return object{
		"id": a.ID, "object": "response", "status": "completed", "error": nil, "incomplete_details": nil,
		"output": outputItems(a),
		"usage": object{
			"input_tokens": a.Usage.PromptTokens, "output_tokens": a.Usage.CompletionTokens,
			"input_tokens_details":  object{"cached_tokens": a.Usage.CacheReadTokens, "cache_write_tokens": a.Usage.CacheWriteTokens},
			"output_tokens_details": object{"reasoning_tokens": a.Usage.ReasoningTokens},
		},
	}
}

func answerResponses(w http.ResponseWriter, a llmtest.Answer) {
	w.Header().Set("Content-Type", "text/event-stream")
	send(w, object{"type": "response.created", "response": object{"id": a.ID, "status": "in_progress", "output": []any{}}})
	whole := outputItems(a)
	index := 0
	begin := func() {
		head := object{}
		for name, value := range whole[index] {
			head[name] = value
		}
		for _, late := range []string{"content", "summary"} {
			if head[late] != nil {
				head[late] = []any{}
			}
		}
		if head["arguments"] != nil {
			head["arguments"] = ""
		}
		send(w, object{"type": "response.output_item.added", "output_index": index, "item": head})
	}
	end := func() {
		send(w, object{"type": "response.output_item.done", "output_index": index, "item": whole[index]})
		index++
	}
	if len(a.Reasoning) > 0 {
		begin()
		for _, piece := range a.Reasoning {
			send(w, object{"type": "response.reasoning_summary_text.delta", "output_index": index, "summary_index": 0, "delta": piece})
		}
		end()
	}
	if len(a.Text) > 0 {
		begin()
		for i, piece := range a.Text {
			send(w, object{"type": "response.output_text.delta", "output_index": index, "content_index": 0, "delta": piece})
			if i == 0 && a.Hold != nil {
				a.Hold()
			}
		}
		if a.Cut {
			return
		}
		end()
	}
	for _, c := range a.Calls {
		begin()
		for _, piece := range llmtest.Split(c.Arguments, 5) {
			send(w, object{"type": "response.function_call_arguments.delta", "output_index": index, "delta": piece})
		}
		end()
	}
	send(w, object{"type": "response.completed", "response": responseOf(a)})
}

func plainResponses(w http.ResponseWriter, a llmtest.Answer) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(responseOf(a))
}

func readResponses(t testing.TB, body []byte) llmtest.Seen {
	t.Helper()
	var req struct {
		Model        string `json:"model"`
		Stream       bool   `json:"stream"`
		Store        *bool  `json:"store"`
		Instructions string `json:"instructions"`
		Input        []struct {
			Type             string          `json:"type"`
			Role             string          `json:"role"`
			Content          json.RawMessage `json:"content"`
			CallID           string          `json:"call_id"`
			Name             string          `json:"name"`
			ID               string          `json:"id"`
			Arguments        string          `json:"arguments"`
			Output           json.RawMessage `json:"output"`
			EncryptedContent string          `json:"encrypted_content"`
			Summary          []responsePart  `json:"summary"`
		} `json:"input"`
		Tools []struct {
			Type       string          `json:"type"`
			Name       string          `json:"name"`
			Strict     *bool           `json:"strict"`
			Parameters json.RawMessage `json:"parameters"`
		} `json:"tools"`
	}
	if err := json.Unmarshal(body, &req); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if req.Store == nil || *req.Store {
		t.Errorf("the server may store this: %s", body)
	}
	seen := llmtest.Seen{Model: req.Model, Stream: req.Stream, System: req.Instructions}
	// Items of one assistant's turn are one message of the suite.
	turn := func() *llmtest.Message {
		if n := len(seen.Messages); n > 0 && seen.Messages[n-1].Role == "assistant" {
			return &seen.Messages[n-1]
		}
		seen.Messages = append(seen.Messages, llmtest.Message{Role: "assistant"})
		return &seen.Messages[len(seen.Messages)-1]
	}
	for _, in := range req.Input {
		switch {
		case in.Type == "reasoning":
			m := turn()
			for _, p := range in.Summary {
				m.Reasoning += p.Text
			}
			m.Signature = in.EncryptedContent
		case in.Type == "function_call":
			m := turn()
			m.Calls = append(m.Calls, event.ToolCall{ID: in.CallID, ResponsesItemID: in.ID, Name: in.Name, Arguments: in.Arguments, Origin: "responses"})
		case in.Type == "function_call_output":
			text, images := responseParts(t, in.Output)
			seen.Messages = append(seen.Messages, llmtest.Message{Role: "tool", CallID: in.CallID, Text: text, Images: images})
		case in.Role == "assistant":
			text, _ := responseParts(t, in.Content)
			turn().Text += text
		case in.Role == "user":
			text, images := responseParts(t, in.Content)
			seen.Messages = append(seen.Messages, llmtest.Message{Role: "user", Text: text, Images: images})
		default:
			t.Errorf("an item of type %q, role %q", in.Type, in.Role)
		}
	}
	for _, tool := range req.Tools {
		if tool.Type != "function" || tool.Strict == nil || *tool.Strict || len(tool.Parameters) == 0 {
			t.Errorf("tool %+v", tool)
		}
		seen.Tools = append(seen.Tools, tool.Name)
	}
	return seen
}

func responseParts(t testing.TB, raw json.RawMessage) (said string, images []string) {
	t.Helper()
	if len(raw) > 0 && raw[0] == '"' {
		return text(raw), nil
	}
	var list []struct {
		Type     string `json:"type"`
		Text     string `json:"text"`
		ImageURL string `json:"image_url"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		said += p.Text
		if p.ImageURL != "" {
			images = append(images, p.ImageURL)
		}
	}
	return said, images
}

func TestResponsesStreams(t *testing.T) {
	events := func(list ...string) string {
		var b strings.Builder
		for _, e := range list {
			b.WriteString("event: x\ndata: " + e + "\n\n")
		}
		return b.String()
	}
	const end = `{"type":"response.completed","response":{"id":"r","status":"completed","output":[]}}`
	for _, c := range []struct {
		name, body string
		want       assembled
		kind       llm.ErrorKind
	}{
		{
			"several parts and items", events(
				`{"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":"a"}`,
				`{"type":"response.output_text.delta","output_index":1,"content_index":1,"delta":"b"}`,
				`{"type":"response.output_item.done","output_index":1,"item":{"type":"message","content":[{"text":"a"},{"text":"b"}]}}`,
				`{"type":"response.output_item.done","output_index":2,"item":{"type":"message","content":[{"text":"c"},{"refusal":"d"}]}}`,
				`{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":0,"delta":"x"}`,
				`{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":1,"delta":"y"}`,
				`{"type":"response.output_item.done","output_index":4,"item":{"type":"web_search_call","id":"w"}}`, end),
			assembled{Text: "a\nb\nc\nd", Reasoning: "x\n\ny", Finish: "completed"},
			"",
		},
		{
			"calls without ids, names, deltas", events(
				`{"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","call_id":"c","name":"f","arguments":"{\"x\":1}"}}`,
				`{"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","call_id":"c","name":"g"}}`,
				`{"type":"response.function_call_arguments.delta","output_index":2,"delta":"{}"}`, end),
			assembled{Calls: []string{`c f {"x":1}`, `* g {}`, `* unknown {}`}, Finish: "completed"},
			"",
		},
		{"incomplete", events(`{"type":"response.output_text.delta","delta":"a"}`, `{"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}}}`), assembled{Text: "a", Finish: "max_output_tokens"}, ""},
		{"withheld", events(`{"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":{"reason":"content_filter"}}}`), assembled{}, llm.ErrContentPolicy},
		{"failed", events(`{"type":"response.failed","response":{"status":"failed","error":{"code":"rate_limit_exceeded","message":"slow"}}}`), assembled{}, llm.ErrRateLimit},
		{"failed for length", events(`{"type":"response.failed","response":{"status":"failed","error":{"code":"context_length_exceeded","message":"Your input exceeds the context window of this model."}}}`), assembled{}, llm.ErrContextWindow},
		{"error event", events(`{"type":"error","error":{"type":"server_error","message":"oops"}}`), assembled{}, llm.ErrUnavailable},
		{"cut", events(`{"type":"response.output_text.delta","delta":"a"}`), assembled{}, llm.ErrNoResponse},
		{"nothing", events(`{"type":"response.created","response":{"id":"r"}}`), assembled{}, llm.ErrNoResponse},
		{"a JSON error with status 200", `{"error":{"message":"invalid api key"}}`, assembled{}, llm.ErrAuth},
		{"another API's JSON", `{"choices":[]}`, assembled{}, llm.ErrBadRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := llmtest.Serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(c.body)) })
			m := responsesWire.Open(s.URL, llm.Config{APIKey: llmtest.Key}, llm.Traits{})
			pieces := newStreamed()
			res, err := m.Complete(t.Context(), llmtest.Ask("hi"), pieces.take)
			if c.kind != "" {
				if failed, _ := err.(*llm.Error); failed == nil || failed.Kind != c.kind {
					t.Errorf("got %v, %v, want %s", res, err, c.kind)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := assembled{Text: res.Message.Text(), Reasoning: res.Message.ReasoningContent, Finish: res.FinishReason, Usage: res.Usage}
			for _, call := range res.Message.ToolCalls {
				id := call.ID
				if strings.HasPrefix(id, "call_") {
					id = "*"
				}
				got.Calls = append(got.Calls, id+" "+call.Name+" "+call.Arguments)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			pieces.check(t, res)
		})
	}
}

// A reasoning item that the server can't know any more is not sent, and neither
// are the ids that refer to it.
func TestResponsesReasoningItems(t *testing.T) {
	msg := event.LLMMessage{
		Role:      event.RoleAssistant,
		ToolCalls: []event.ToolCall{{ID: "c1", ResponsesItemID: "fc_1", Name: "f", Arguments: "{}"}},
	}
	for _, c := range []struct{ item, want string }{
		{
			`{"id":"rs_1","summary":["a","b"],"encrypted_content":"E=="}`,
			`[{"content":"x","role":"user"},{"encrypted_content":"E==","id":"rs_1","summary":[{"text":"a","type":"summary_text"},{"text":"b","type":"summary_text"}],"type":"reasoning"},` +
				`{"arguments":"{}","call_id":"c1","id":"fc_1","name":"f","type":"function_call"}]`,
		},
		{`{"id":"rs_1","summary":[]}`, `[{"content":"x","role":"user"},{"arguments":"{}","call_id":"c1","name":"f","type":"function_call"}]`},
		{`"odd"`, `[{"content":"x","role":"user"},{"arguments":"{}","call_id":"c1","name":"f","type":"function_call"}]`},
	} {
		msg.ResponsesReasoningItem = json.RawMessage(c.item)
		s := llmtest.Serve(t, func(w http.ResponseWriter, r *http.Request) { answerResponses(w, llmtest.Answer{Text: []string{"ok"}}) })
		m := responsesWire.Open(s.URL, llm.Config{APIKey: llmtest.Key}, llm.Traits{})
		user := event.LLMMessage{Role: event.RoleUser, Content: []event.Content{event.Text("x")}}
		if _, err := m.Complete(t.Context(), &llm.Request{Messages: []event.LLMMessage{user, msg}}, nil); err != nil {
			t.Fatal(err)
		}
		body, _, _ := s.Last(t)
		var req object
		if err := json.Unmarshal(body, &req); err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(req["input"])
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Replace(c.want, `"content":"x"`, `"content":[{"text":"x","type":"input_text"}]`, 1)
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.item, diff)
		}
	}
}

func FuzzItems(f *testing.F) {
	f.Add(`{"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}}
{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","call_id":"c"}}
{"type":"response.output_text.delta","delta":"a"}`)
	f.Fuzz(func(t *testing.T, lines string) {
		pieces := newStreamed()
		a := newItems(pieces.take)
		for _, line := range strings.Split(lines, "\n") {
			var e responseEvent
			if json.Unmarshal([]byte(line), &e) == nil {
				a.add(&e)
			}
		}
		pieces.check(t, a.response())
	})
}
