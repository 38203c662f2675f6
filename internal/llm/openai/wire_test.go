package openai

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
	"github.com/agent-rpc/agent-rpc/internal/llm/llmtest"
	"github.com/agent-rpc/agent-rpc/internal/llm/transport"
)

func TestSuite(t *testing.T) { llmtest.Run(t, wire) }

func BenchmarkStream(b *testing.B) { llmtest.Bench(b, wire) }

func BenchmarkRequest(b *testing.B) { llmtest.BenchRequest(b, wire) }

var wire = llmtest.Wire{
	Open: func(baseURL string, cfg llm.Config, traits llm.Traits) llm.Model {
		return New(Options{
			Model: "test-model",
			Peer: transport.Peer{
				Provider: "openai", BaseURL: baseURL + "/v1", Setting: "OPENAI_API_KEY",
				Secrets: []string{cfg.APIKey.Reveal()}, Idle: cfg.IdleTimeout(),
			},
			Key: cfg.APIKey.Reveal(), NeedsKey: true, Config: cfg,
			Traits: func() llm.Traits { return traits },
		})
	},
	Answer:       answer,
	Refuse:       refuse,
	FailInStream: failInStream,
	Plain:        plain,
	Read:         read,
	Overloaded:   "503",
}

type object = map[string]any

func send(w http.ResponseWriter, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	_, _ = fmt.Fprintf(w, "data: %s\n\n", data)
	llmtest.Flush(w)
}

func usageObject(u llm.Usage) object {
	return object{
		"prompt_tokens": u.PromptTokens, "completion_tokens": u.CompletionTokens,
		"total_tokens": u.PromptTokens + u.CompletionTokens,
		"prompt_tokens_details": object{
			"cached_tokens": u.CacheReadTokens, "cache_write_tokens": u.CacheWriteTokens,
		},
		"completion_tokens_details": object{"reasoning_tokens": u.ReasoningTokens},
	}
}

func answer(w http.ResponseWriter, a llmtest.Answer) {
	w.Header().Set("Content-Type", "text/event-stream")
	chunk := func(delta object, finish any) object {
		return object{
			"id": a.ID, "object": "chat.completion.chunk", "model": "test-model",
			"choices": []object{{"index": 0, "delta": delta, "finish_reason": finish}},
		}
	}
	send(w, chunk(object{"role": "assistant", "content": nil}, nil))
	for _, piece := range a.Reasoning {
		send(w, chunk(object{"reasoning_content": piece}, nil))
	}
	for i, piece := range a.Text {
		send(w, chunk(object{"content": piece}, nil))
		if i == 0 && a.Hold != nil {
			a.Hold()
		}
	}
	for i, c := range a.Calls {
		send(w, chunk(object{"tool_calls": []object{{
			"index": i, "id": c.ID, "type": "function", "function": object{"name": c.Name, "arguments": ""},
		}}}, nil))
	}
	for i, c := range a.Calls {
		for _, piece := range llmtest.Split(c.Arguments, 5) {
			send(w, chunk(object{"tool_calls": []object{{"index": i, "function": object{"arguments": piece}}}}, nil))
		}
	}
	if a.Cut {
		return
	}
	finish := a.Finish
	if finish == "" {
		finish = "stop"
	}
	send(w, chunk(object{}, finish))
	if a.Usage != (llm.Usage{}) {
		send(w, object{"id": a.ID, "choices": []object{}, "usage": usageObject(a.Usage)})
	}
	_, _ = fmt.Fprint(w, "data: [DONE]\n\n")
	llmtest.Flush(w)
}

func plain(w http.ResponseWriter, a llmtest.Answer) {
	text := ""
	for _, piece := range a.Text {
		text += piece
	}
	var calls []object
	for _, c := range a.Calls {
		calls = append(calls, object{"id": c.ID, "type": "function", "function": object{"name": c.Name, "arguments": c.Arguments}})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(object{
		"id": a.ID, "object": "chat.completion",
		"choices": []object{{"index": 0, "finish_reason": "stop", "message": object{"role": "assistant", "content": text, "tool_calls": calls}}},
		"usage":   usageObject(a.Usage),
	})
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(object{"error": object{"message": message, "type": code, "param": nil, "code": nil}})
}

func failInStream(w http.ResponseWriter, code, message string) {
	send(w, object{"error": object{"message": message, "code": code}})
}

func read(t testing.TB, body []byte) llmtest.Seen {
	t.Helper()
	var req struct {
		Model    string `json:"model"`
		Stream   bool   `json:"stream"`
		Messages []struct {
			Role             string          `json:"role"`
			Content          json.RawMessage `json:"content"`
			ReasoningContent string          `json:"reasoning_content"`
			ToolCallID       string          `json:"tool_call_id"`
			ToolCalls        []struct {
				ID       string `json:"id"`
				Type     string `json:"type"`
				Function struct {
					Name      string `json:"name"`
					Arguments string `json:"arguments"`
				} `json:"function"`
			} `json:"tool_calls"`
		} `json:"messages"`
		Tools []struct {
			Type     string `json:"type"`
			Function struct {
				Name       string          `json:"name"`
				Parameters json.RawMessage `json:"parameters"`
			} `json:"function"`
		} `json:"tools"`
	}
	if err := json.Unmarshal(body, &req); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	seen := llmtest.Seen{Model: req.Model, Stream: req.Stream}
	for _, m := range req.Messages {
		text, images := parts(t, m.Content)
		if m.Role == "system" {
			seen.System += text
			continue
		}
		msg := llmtest.Message{Role: m.Role, Text: text, Images: images, CallID: m.ToolCallID, Reasoning: m.ReasoningContent}
		for _, c := range m.ToolCalls {
			if c.Type != "function" {
				t.Errorf("tool call of type %q", c.Type)
			}
			msg.Calls = append(msg.Calls, event.ToolCall{ID: c.ID, Name: c.Function.Name, Arguments: c.Function.Arguments, Origin: "completion"})
		}
		seen.Messages = append(seen.Messages, msg)
	}
	for _, tool := range req.Tools {
		if tool.Type != "function" || len(tool.Function.Parameters) == 0 {
			t.Errorf("tool %+v", tool)
		}
		seen.Tools = append(seen.Tools, tool.Function.Name)
	}
	return seen
}

func parts(t testing.TB, content json.RawMessage) (text string, images []string) {
	t.Helper()
	if len(content) == 0 || string(content) == "null" {
		return "", nil
	}
	if content[0] == '"' {
		if err := json.Unmarshal(content, &text); err != nil {
			t.Fatal(err)
		}
		return text, nil
	}
	var list []struct {
		Type     string `json:"type"`
		Text     string `json:"text"`
		ImageURL struct {
			URL string `json:"url"`
		} `json:"image_url"`
	}
	if err := json.Unmarshal(content, &list); err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		text += p.Text
		if p.Type == "image_url" {
			images = append(images, p.ImageURL.URL)
		}
	}
	return text, images
}
