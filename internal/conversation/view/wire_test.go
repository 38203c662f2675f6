package view_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"pgregory.net/rapid"

	"github.com/agent-rpc/agent-rpc/internal/conversation/view"
	"github.com/agent-rpc/agent-rpc/internal/llm"
	"github.com/agent-rpc/agent-rpc/internal/llm/llmtest"
	"github.com/agent-rpc/agent-rpc/internal/llm/provider"
)

// TestAnyLogIsAcceptedOnTheWire sends the messages of any log through the real
// adapters to a server that refuses what a strict provider would.
func TestAnyLogIsAcceptedOnTheWire(t *testing.T) {
	for name, wire := range map[string]struct {
		model  string
		strict func([]byte) error
		answer string
	}{
		"chat": {"openai/test", llmtest.StrictChat, `{"id":"r","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}`},
		// A model that takes strings only has its parts joined.
		"strings":   {"deepseek/deepseek-chat", llmtest.StrictChat, `{"id":"r","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}`},
		"anthropic": {"anthropic/claude-sonnet-4-5", llmtest.StrictAnthropic, `{"id":"r","type":"message","role":"assistant","content":[{"type":"text","text":"ok"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}`},
	} {
		t.Run(name, func(t *testing.T) {
			var body []byte
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ = io.ReadAll(r.Body) // a short body is refused below
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, wire.answer)
			}))
			defer server.Close()
			m, err := provider.Open(llm.Config{Model: wire.model, BaseURL: server.URL, APIKey: llmtest.Key, NumRetries: new(1)}, provider.Options{})
			if err != nil {
				t.Fatal(err)
			}
			rapid.Check(t, func(t *rapid.T) {
				messages := view.Rebuild(chaos(t)).Messages(render, user("", "and now?").LLMMessage)
				if _, err := m.Complete(context.Background(), &llm.Request{Messages: messages}, nil); err != nil {
					t.Fatal(err)
				}
				if err := wire.strict(body); err != nil {
					t.Fatalf("%v\n%s\n%s", err, script(messages), body)
				}
			})
		})
	}
}
