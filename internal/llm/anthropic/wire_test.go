package anthropic

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
	"github.com/agent-rpc/agent-rpc/internal/llm/llmtest"
	"github.com/agent-rpc/agent-rpc/internal/llm/transport"
)

func open(baseURL string, cfg llm.Config, traits llm.Traits) llm.Model {
	return New(Options{
		Model: "test-model",
		Peer: transport.Peer{
			Provider: "anthropic", BaseURL: baseURL, Setting: "ANTHROPIC_API_KEY",
			Secrets: []string{cfg.APIKey.Reveal()}, Idle: cfg.IdleTimeout(),
		},
		Key: cfg.APIKey.Reveal(), NeedsKey: true, Config: cfg,
		Traits: func() llm.Traits { return traits },
	})
}

var wire = llmtest.Wire{
	Open: open, Answer: answer, Refuse: refuse, FailInStream: failInStream, Plain: plain, Read: read,
	Overloaded: "overloaded_error",
}

func TestSuite(t *testing.T) { llmtest.Run(t, wire) }

func BenchmarkStream(b *testing.B) { llmtest.Bench(b, wire) }

func BenchmarkRequest(b *testing.B) { llmtest.BenchRequest(b, wire) }

type object = map[string]any

func send(w http.ResponseWriter, kind string, v object) {
	v["type"] = kind
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	_, _ = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", kind, data)
	llmtest.Flush(w)
}

func inputUsage(u llm.Usage) object {
	return object{
		"input_tokens":                u.PromptTokens - u.CacheReadTokens - u.CacheWriteTokens,
		"cache_read_input_tokens":     u.CacheReadTokens,
		"cache_creation_input_tokens": u.CacheWriteTokens,
		"output_tokens":               1,
	}
}

func outputUsage(u llm.Usage) object {
	return object{
		"output_tokens":         u.CompletionTokens,
		"output_tokens_details": object{"thinking_tokens": u.ReasoningTokens},
	}
}

func answer(w http.ResponseWriter, a llmtest.Answer) {
	w.Header().Set("Content-Type", "text/event-stream")
	send(w, "message_start", object{"message": object{
		"id": a.ID, "type": "message", "role": "assistant", "model": "test-model", "content": []any{},
		"stop_reason": nil, "usage": inputUsage(a.Usage),
	}})
	send(w, "ping", object{})
	index := 0
	delta := func(kind, field, piece string) {
		send(w, "content_block_delta", object{"index": index, "delta": object{"type": kind, field: piece}})
	}
	begin := func(block object) { send(w, "content_block_start", object{"index": index, "content_block": block}) }
	end := func() {
		send(w, "content_block_stop", object{"index": index})
		index++
	}
	if len(a.Reasoning) > 0 {
		begin(object{"type": "thinking", "thinking": "", "signature": ""})
		for _, piece := range a.Reasoning {
			delta("thinking_delta", "thinking", piece)
		}
		delta("signature_delta", "signature", a.Signature)
		end()
	}
	if len(a.Text) > 0 {
		begin(object{"type": "text", "text": ""})
		for i, piece := range a.Text {
			delta("text_delta", "text", piece)
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
		begin(object{"type": "tool_use", "id": c.ID, "name": c.Name, "input": object{}})
		delta("input_json_delta", "partial_json", "")
		for _, piece := range llmtest.Split(c.Arguments, 5) {
			delta("input_json_delta", "partial_json", piece)
		}
		end()
	}
	finish := a.Finish
	if finish == "" {
		finish = "end_turn"
	}
	send(w, "message_delta", object{"delta": object{"stop_reason": finish}, "usage": outputUsage(a.Usage)})
	send(w, "message_stop", object{})
}

func plain(w http.ResponseWriter, a llmtest.Answer) {
	content := []object{}
	if text := strings.Join(a.Text, ""); text != "" {
		content = append(content, object{"type": "text", "text": text})
	}
	for _, c := range a.Calls {
		content = append(content, object{"type": "tool_use", "id": c.ID, "name": c.Name, "input": json.RawMessage(c.Arguments)})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(object{
		"type": "message", "id": a.ID, "content": content, "stop_reason": "end_turn", "usage": inputUsage(a.Usage),
	})
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(object{"type": "error", "error": object{"type": code, "message": message}})
}

func failInStream(w http.ResponseWriter, code, message string) {
	send(w, "error", object{"error": object{"type": code, "message": message}})
}

type wireBlock struct {
	Type         string           `json:"type"`
	Text         string           `json:"text"`
	Thinking     string           `json:"thinking"`
	Signature    string           `json:"signature"`
	Data         string           `json:"data"`
	ID           string           `json:"id"`
	Name         string           `json:"name"`
	Input        json.RawMessage  `json:"input"`
	ToolUseID    string           `json:"tool_use_id"`
	Content      []wireBlock      `json:"content"`
	CacheControl *json.RawMessage `json:"cache_control"`
	Source       struct {
		Type      string `json:"type"`
		MediaType string `json:"media_type"`
		Data      string `json:"data"`
		URL       string `json:"url"`
	} `json:"source"`
}

func (b *wireBlock) image() string {
	if b.Source.Type == "base64" {
		return "data:" + b.Source.MediaType + ";base64," + b.Source.Data
	}
	return b.Source.URL
}

type wireRequest struct {
	Model     string      `json:"model"`
	Stream    bool        `json:"stream"`
	MaxTokens int         `json:"max_tokens"`
	System    []wireBlock `json:"system"`
	Messages  []struct {
		Role    string      `json:"role"`
		Content []wireBlock `json:"content"`
	} `json:"messages"`
	Tools []struct {
		Name        string          `json:"name"`
		InputSchema json.RawMessage `json:"input_schema"`
	} `json:"tools"`
}

func decode(t testing.TB, body []byte) wireRequest {
	t.Helper()
	var req wireRequest
	if err := json.Unmarshal(body, &req); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return req
}

func read(t testing.TB, body []byte) llmtest.Seen {
	t.Helper()
	req := decode(t, body)
	seen := llmtest.Seen{Model: req.Model, Stream: req.Stream}
	if req.MaxTokens == 0 {
		t.Errorf("no max_tokens in %s", body)
	}
	for _, b := range req.System {
		seen.System += b.Text
	}
	role := ""
	for _, m := range req.Messages {
		if m.Role == role {
			t.Errorf("two turns of %s in a row: %s", role, body)
		}
		role = m.Role
		msg := llmtest.Message{Role: m.Role}
		for _, b := range m.Content {
			switch b.Type {
			case "text":
				msg.Text += b.Text
			case "thinking":
				msg.Reasoning += b.Thinking
				msg.Signature += b.Signature
			case "image":
				msg.Images = append(msg.Images, b.image())
			case "tool_use":
				msg.Calls = append(msg.Calls, event.ToolCall{ID: b.ID, Name: b.Name, Arguments: string(b.Input), Origin: "completion"})
			case "tool_result":
				result := llmtest.Message{Role: "tool", CallID: b.ToolUseID}
				for _, inner := range b.Content {
					if inner.Type == "image" {
						result.Images = append(result.Images, inner.image())
					}
					result.Text += inner.Text
				}
				seen.Messages = append(seen.Messages, result)
			default:
				t.Errorf("block of type %q", b.Type)
			}
		}
		if msg.Text != "" || msg.Calls != nil || msg.Images != nil {
			seen.Messages = append(seen.Messages, msg)
		}
	}
	for _, tool := range req.Tools {
		if len(tool.InputSchema) == 0 {
			t.Errorf("tool %s has no schema", tool.Name)
		}
		seen.Tools = append(seen.Tools, tool.Name)
	}
	return seen
}
