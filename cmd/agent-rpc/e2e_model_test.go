//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// key is the API key of these tests; it must not show up anywhere.
const key = "sk-e2e-4f9c1d7ab2e84c55-do-not-show"

// modelServer is a model's server on this machine: it speaks the real wire, asks
// for one command, and says in the end what the command printed.
type modelServer struct {
	*httptest.Server
	model string // as LLM_MODEL names it
	base  string // below the server's address, for LLM_BASE_URL

	mu       sync.Mutex
	problems []string
	requests int
}

func (p *modelServer) problem(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, fmt.Sprintf(format, args...))
}

// providers are the wires. Each answer function gets the request's body.
var providers = map[string]struct {
	model, base, path string
	authorized        func(http.Header) bool
	answer            func(w http.ResponseWriter, body []byte) error
	refuse            string
}{
	"openai": {
		"openai/test-model", "/v1", "/v1/chat/completions",
		func(h http.Header) bool { return h.Get("Authorization") == "Bearer "+key },
		answerChatCompletions,
		`{"error":{"message":"Incorrect API key provided: %s.","type":"invalid_request_error","code":"invalid_api_key"}}`,
	},
	"anthropic": {
		"anthropic/test-model", "", "/v1/messages",
		func(h http.Header) bool { return h.Get("X-Api-Key") == key && h.Get("Anthropic-Version") != "" },
		answerMessages,
		`{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key %s"}}`,
	},
}

// serveProvider starts a provider; one that refuses says the key aloud.
func serveProvider(t *testing.T, name string, refuses bool) *modelServer {
	wire := providers[name]
	p := &modelServer{model: wire.model, base: wire.base}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client is gone
		}
		p.mu.Lock()
		p.requests++
		p.mu.Unlock()
		switch {
		case r.URL.Path != wire.path || r.Method != http.MethodPost:
			p.problem("asked for %s %s", r.Method, r.URL)
			http.NotFound(w, r)
		case !wire.authorized(r.Header):
			p.problem("asked with the header %v", r.Header)
			w.WriteHeader(http.StatusUnauthorized)
		case refuses:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = fmt.Fprintf(w, wire.refuse, key) // the client may be gone
		default:
			w.Header().Set("Content-Type", "text/event-stream")
			if err := wire.answer(w, body); err != nil {
				p.problem("%v in %s", err, body)
			}
		}
	}))
	t.Cleanup(func() {
		p.CloseClientConnections()
		p.Close()
	})
	return p
}

// command is what the model runs: it looks for the key where it should not be.
const command = "env; echo the answer is $((6*7))"

func sendEvent(w http.ResponseWriter, kind string, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	if kind != "" {
		_, _ = fmt.Fprintf(w, "event: %s\n", kind) // the client may be gone
	}
	_, _ = fmt.Fprintf(w, "data: %s\n\n", data)
	w.(http.Flusher).Flush()
}

type object = map[string]any

func answerChatCompletions(w http.ResponseWriter, body []byte) error {
	var request struct {
		Model         string
		Stream        bool
		StreamOptions struct {
			IncludeUsage bool `json:"include_usage"`
		} `json:"stream_options"`
		Tools    []struct{ Function struct{ Name string } }
		Messages []struct {
			Role       string
			Content    json.RawMessage
			ToolCallID string `json:"tool_call_id"`
		}
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return err
	}
	last := request.Messages[len(request.Messages)-1]
	switch {
	case request.Model != "test-model" || !request.Stream || !request.StreamOptions.IncludeUsage:
		return fmt.Errorf("model %q, stream %v, usage %v", request.Model, request.Stream, request.StreamOptions.IncludeUsage)
	case len(request.Tools) == 0 || request.Messages[0].Role != "system":
		return fmt.Errorf("%d tools, the first message is of %s", len(request.Tools), request.Messages[0].Role)
	}
	chunk := func(delta object, finish any) {
		sendEvent(w, "", object{
			"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "test-model",
			"choices": []object{{"index": 0, "delta": delta, "finish_reason": finish}},
		})
	}
	usage := object{"id": "chatcmpl-1", "choices": []object{}, "usage": object{"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}}
	if last.Role != "tool" {
		chunk(object{"role": "assistant", "content": "Let me "}, nil)
		chunk(object{"content": "compute."}, nil)
		arguments, _ := json.Marshal(object{"command": command}) // strings always encode
		chunk(object{"tool_calls": []object{{"index": 0, "id": "call-1", "type": "function", "function": object{"name": "terminal", "arguments": ""}}}}, nil)
		for _, piece := range []string{string(arguments[:7]), string(arguments[7:])} {
			chunk(object{"tool_calls": []object{{"index": 0, "function": object{"arguments": piece}}}}, nil)
		}
		chunk(object{}, "tool_calls")
	} else {
		// The id is the same in each turn, as with some servers; the client tells
		// them apart.
		if !strings.HasPrefix(last.ToolCallID, "call-1") || !strings.Contains(string(last.Content), "the answer is 42") {
			return fmt.Errorf("the tool's message is %+v", last)
		}
		chunk(object{"role": "assistant", "content": "It is 42."}, nil)
		chunk(object{}, "stop")
	}
	sendEvent(w, "", usage)
	_, _ = fmt.Fprint(w, "data: [DONE]\n\n") // the client may be gone
	return nil
}

func answerMessages(w http.ResponseWriter, body []byte) error {
	var request struct {
		Model    string
		Stream   bool
		System   json.RawMessage
		Tools    []struct{ Name string }
		Messages []struct {
			Role    string
			Content []struct {
				Type      string
				ToolUseID string `json:"tool_use_id"`
				Content   json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return err
	}
	if request.Model != "test-model" || !request.Stream || len(request.System) == 0 || len(request.Tools) == 0 {
		return fmt.Errorf("model %q, stream %v, %d tools", request.Model, request.Stream, len(request.Tools))
	}
	send := func(kind string, v object) {
		v["type"] = kind
		sendEvent(w, kind, v)
	}
	send("message_start", object{"message": object{
		"id": "msg-1", "type": "message", "role": "assistant", "model": "test-model", "content": []any{},
		"stop_reason": nil, "usage": object{"input_tokens": 100, "output_tokens": 1},
	}})
	block := func(index int, begin object, deltas ...object) {
		send("content_block_start", object{"index": index, "content_block": begin})
		for _, d := range deltas {
			send("content_block_delta", object{"index": index, "delta": d})
		}
		send("content_block_stop", object{"index": index})
	}
	text := func(text string) object { return object{"type": "text_delta", "text": text} }
	reason := "end_turn"
	last := request.Messages[len(request.Messages)-1].Content
	if result := last[len(last)-1]; result.Type != "tool_result" {
		block(0, object{"type": "text", "text": ""}, text("Let me "), text("compute."))
		arguments, _ := json.Marshal(object{"command": command}) // strings always encode
		block(1, object{"type": "tool_use", "id": "toolu_1", "name": "terminal", "input": object{}},
			object{"type": "input_json_delta", "partial_json": string(arguments[:7])},
			object{"type": "input_json_delta", "partial_json": string(arguments[7:])})
		reason = "tool_use"
	} else {
		if !strings.HasPrefix(result.ToolUseID, "toolu_1") || !strings.Contains(string(result.Content), "the answer is 42") {
			return fmt.Errorf("the tool's result is %+v", result)
		}
		block(0, object{"type": "text", "text": ""}, text("It is 42."))
	}
	send("message_delta", object{"delta": object{"stop_reason": reason}, "usage": object{"output_tokens": 10}})
	send("message_stop", object{})
	return nil
}

// TestModelOverHTTP holds a conversation with a tool call over each provider's
// real wire. The key comes from the environment, and nothing that the program
// says or writes holds it.
func TestModelOverHTTP(t *testing.T) {
	for name := range providers {
		for _, variable := range []string{"LLM_API_KEY", strings.ToUpper(name) + "_API_KEY"} {
			t.Run(name+"/"+variable, func(t *testing.T) {
				t.Parallel()
				server := serveProvider(t, name, false)
				p := newPlace(t, "")
				server.configure(p, variable)
				h := p.start()
				h.initialize(`"deltas":{"maxHz":1000}`)
				h.notify("$/setTrace", `{"value":"verbose"}`)
				id := h.create("")
				i := h.settled(h.say(id, "What is six times seven?"))
				if i.Status != "finished" {
					t.Fatalf("the run ended as %+v %+v", i, i.Error)
				}
				events := p.stored(id)
				if last := string(events[len(events)-1]); !strings.Contains(last, "It is 42.") {
					t.Errorf("the last event is %s", last)
				}
				answered(t, events)
				var deltas strings.Builder
				for _, f := range h.all(func(f *frame) bool { return f.Method == "conversation/delta" }) {
					var d struct{ Stream, Text string }
					if err := json.Unmarshal(f.Params, &d); err != nil {
						t.Fatal(err)
					}
					if d.Stream == "text" {
						deltas.WriteString(d.Text)
					}
				}
				if deltas.String() != "Let me compute.It is 42." {
					t.Errorf("the deltas are %q", deltas.String())
				}
				var state struct{ Stats json.RawMessage }
				h.call(&state, "conversation/state", `{"id":%q}`, id)
				if !strings.Contains(string(state.Stats), `"prompt_tokens":200`) {
					t.Errorf("the statistics are %s", state.Stats)
				}

				// The next process finds its key again.
				h.shutdown()
				again := p.start()
				again.initialize("")
				again.open(id)
				if i := again.settled(again.say(id, "And once more?")); i.Status != "finished" {
					t.Errorf("the run ended as %+v %+v", i, i.Error)
				}
				again.shutdown()
				server.check(t, 4)
				keyStaysSecret(t, p, h, again)
			})
		}
	}
}

// TestModelThatSaysTheKey: some servers repeat the key in the error that refuses
// it.
func TestModelThatSaysTheKey(t *testing.T) {
	for name := range providers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serveProvider(t, name, true)
			p := newPlace(t, "")
			server.configure(p, "LLM_API_KEY")
			h := p.start()
			h.initialize("")
			h.notify("$/setTrace", `{"value":"verbose"}`)
			id := h.create("")
			i := h.settled(h.say(id, "What is six times seven?"))
			if i.Status != "error" || i.StopReason != "error" || i.Error == nil || i.Error.Code != "LLMAuthenticationError" {
				t.Errorf("the run ended as %+v %+v", i, i.Error)
			}
			h.shutdown()
			server.check(t, 1)
			keyStaysSecret(t, p, h)
		})
	}
}

// configure points the program of a place to the provider.
func (p *modelServer) configure(at *place, variable string) {
	at.env["LLM_MODEL"], at.env["LLM_BASE_URL"], at.env[variable] = p.model, p.URL+p.base, key
	at.env["AGENT_RPC_LOG"], at.env["AGENT_RPC_RECORD"] = "debug", filepath.Join(at.home, "record")
}

func (p *modelServer) check(t *testing.T, requests int) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.problems) > 0 {
		t.Errorf("the provider says: %s", strings.Join(p.problems, "\n"))
	}
	if p.requests != requests {
		t.Errorf("%d requests, want %d", p.requests, requests)
	}
}

// keyStaysSecret looks for the key in all that a place's processes wrote.
func keyStaysSecret(t *testing.T, p *place, hosts ...*host) {
	t.Helper()
	for _, h := range hosts {
		if strings.Contains(h.logs.String(), key) {
			t.Errorf("the key is on stderr:\n%s", h.logs.String())
		}
		for _, f := range h.all(func(f *frame) bool { return strings.Contains(string(f.raw), key) }) {
			t.Errorf("the key is on the wire: %s", f.raw)
		}
	}
	files := 0
	err := filepath.WalkDir(filepath.Dir(p.home), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		files++
		if strings.Contains(string(data), key) {
			t.Errorf("the key is in %s:\n%s", path, data)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if files < 5 {
		t.Errorf("only %d files were looked at", files)
	}
}

// TestNoKey: create, open and reading need no key; a run does, and the error
// says which.
func TestNoKey(t *testing.T) {
	for model, want := range map[string]struct{ provider, setting string }{
		"anthropic/claude-sonnet-4-5": {"anthropic", "ANTHROPIC_API_KEY"},
		"openai/gpt-5":                {"openai", "OPENAI_API_KEY"},
	} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, "")
			p.env["LLM_MODEL"] = model
			h := p.start()
			h.initialize(`"secrets":{}`)
			id := h.create("")
			check := func(method, params string, args ...any) {
				t.Helper()
				request := h.send(method, fmt.Sprintf(params, args...))
				// The client is asked first, and has none.
				ask := h.await("the question for the key", func(f *frame) bool { return f.Method == "conversation/secretValue" })
				if !strings.Contains(string(ask.Params), fmt.Sprintf(`"name":%q`, want.setting)) {
					t.Errorf("asked for %s", ask.Params)
				}
				h.frame(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":null}`, ask.ID))
				err := h.reply(request).Error
				if err == nil || err.Code != -31005 || err.Data["kind"] != "auth_required" || err.Data["provider"] != want.provider || err.Data["setting"] != want.setting {
					t.Errorf("%s: %s", method, err)
				}
			}
			check("conversation/sendMessage", `{"id":%q,"message":"Hello","run":true}`, id)
			check("conversation/run", `{"id":%q}`, id)
			if i := h.state(id); i.Status != "idle" || i.Cursor.Seq != 0 {
				t.Errorf("after the refusal the conversation is %+v", i)
			}
			h.call(nil, "conversation/sendMessage", `{"id":%q,"message":"For later"}`, id)
			h.call(nil, "conversation/events", `{"id":%q}`, id)
			h.call(nil, "conversation/open", `{"id":%q}`, id)
			h.shutdown()
		})
	}
}
