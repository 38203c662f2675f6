// Package llmtest is the suite that every model adapter passes. A provider's
// test describes its wire as the server sees it; the suite serves that wire on a
// real loopback socket and checks what the adapter makes of it.
//
// It is for tests only. Servers that it starts end with their test.
package llmtest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// Key is the API key of every model in the suite; it must not show up in errors.
const Key = "sk-test-0123456789abcdef"

// Wire is a provider's wire as its server sees it.
type Wire struct {
	// Open makes the model that talks to the server at baseURL, without retries.
	// The config holds the key and what the case sets.
	Open func(baseURL string, cfg llm.Config, traits llm.Traits) llm.Model
	// Answer streams an answer, flushing after each piece.
	Answer func(w http.ResponseWriter, a Answer)
	// Refuse answers with an error in the provider's form.
	Refuse func(w http.ResponseWriter, status int, code, message string)
	// FailInStream writes an error object into a stream that has begun.
	FailInStream func(w http.ResponseWriter, code, message string)
	// Plain answers with one JSON object although a stream was asked for.
	Plain func(w http.ResponseWriter, a Answer)
	// Read takes a request apart.
	Read func(t testing.TB, body []byte) Seen
	// Overloaded is the code of an overloaded server.
	Overloaded string
	// Origin is what tool calls have as such; "" means "completion".
	Origin string
}

// Answer is what a server says.
type Answer struct {
	ID        string
	Reasoning []string
	// Signature ends the reasoning, on wires that sign it.
	Signature string
	Text      []string
	Calls     []event.ToolCall
	Usage     llm.Usage
	// Finish is the provider's word for the end; "" means its usual one.
	Finish string
	// Hold is called after the first piece of the text.
	Hold func()
	// Cut ends the stream after the last piece, without its proper end.
	Cut bool
}

// Seen is a request as the suite looks at it.
type Seen struct {
	Model    string
	Stream   bool
	System   string
	Messages []Message
	Tools    []string
}

// Message is one message of a request.
type Message struct {
	// Role is user, assistant, or tool, also where the wire says it otherwise.
	Role string
	Text string
	// Reasoning is what an assistant's message carries of its reasoning, with
	// its signature.
	Reasoning, Signature string
	Calls                []event.ToolCall
	// CallID is the call that a tool's message answers.
	CallID string
	Images []string
}

// Server is a loopback server that remembers its requests.
type Server struct {
	*httptest.Server
	mu       sync.Mutex
	requests [][]byte
	headers  []http.Header
	paths    []string
}

// Serve starts a server; it ends with the test.
func Serve(t testing.TB, handle http.HandlerFunc) *Server {
	s := &Server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.mu.Lock()
		s.requests = append(s.requests, body)
		s.headers = append(s.headers, r.Header.Clone())
		s.paths = append(s.paths, r.URL.RequestURI())
		s.mu.Unlock()
		handle(w, r)
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// Requests are the bodies so far.
func (s *Server) Requests() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// Last is the newest request: its body, header and URI.
func (s *Server) Last(t testing.TB) ([]byte, http.Header, string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.requests)
	if n == 0 {
		t.Fatal("the server saw no request")
	}
	return s.requests[n-1], s.headers[n-1], s.paths[n-1]
}

// Flush sends what was written so far.
func Flush(w http.ResponseWriter) {
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
}

// Split cuts a text into pieces of n bytes, as a server streams it.
func Split(text string, n int) []string {
	var out []string
	for len(text) > n {
		out, text = append(out, text[:n]), text[n:]
	}
	return append(out, text)
}

// Bench measures one streamed answer of 5,000 pieces of text, from the socket to
// the message. The server sends what it has ready, so that it counts for little.
func Bench(b *testing.B, w Wire) {
	pieces := make([]string, 5000)
	for i := range pieces {
		pieces[i] = "word "
	}
	rec := httptest.NewRecorder()
	w.Answer(rec, Answer{Text: pieces})
	body := rec.Body.Bytes()
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/event-stream")
		_, _ = rw.Write(body)
	}))
	defer s.Close()
	m := w.Open(s.URL, llm.Config{APIKey: Key}, llm.Traits{})
	req := Ask("hi")
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		n := 0
		if _, err := m.Complete(b.Context(), req, func(llm.Chunk) { n++ }); err != nil || n != len(pieces) {
			b.Fatalf("%d pieces, %v", n, err)
		}
	}
}

// BenchRequest measures one request with a history of 400 messages and about
// 1 MB of text, up to the server's short answer.
func BenchRequest(b *testing.B, w Wire) {
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Answer(rw, Answer{Text: []string{"ok"}})
	}))
	defer s.Close()
	m := w.Open(s.URL, llm.Config{APIKey: Key}, llm.Traits{})
	req := Ask("hi")
	text := strings.Repeat("some text of a tool, \"quoted\"\n", 170)
	for i := range 200 {
		id := "call_" + strconv.Itoa(i)
		req.Messages = append(req.Messages,
			event.LLMMessage{Role: event.RoleAssistant, ToolCalls: []event.ToolCall{{ID: id, Name: "read", Arguments: `{"path":"a"}`}}},
			event.LLMMessage{Role: event.RoleTool, ToolCallID: id, Name: "read", Content: []event.Content{event.Text(text)}},
		)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Complete(b.Context(), req, nil); err != nil {
			b.Fatal(err)
		}
	}
}
