package rpc_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// conductor is a model whose answers the test gives, one question at a time. It
// is what the agents' models are found in, too.
type conductor struct {
	questions chan *question
	// resolve, if not nil, is called when a model is looked for.
	resolve func(ctx context.Context, conversationID string) error
}

type question struct {
	request *llm.Request
	stream  func(llm.Chunk)
	answers chan func() (*llm.Response, error)
	ended   chan struct{} // closed when the model call has returned
}

func newConductor() *conductor { return &conductor{questions: make(chan *question)} }

func (c *conductor) Name(json.RawMessage) string { return "test/conductor" }

func (c *conductor) Resolve(ctx context.Context, conversationID string, _ json.RawMessage) (llm.Config, error) {
	if c.resolve != nil {
		if err := c.resolve(ctx, conversationID); err != nil {
			return llm.Config{}, err
		}
	}
	return llm.Config{Model: "test/conductor"}, nil
}

func (c *conductor) Open(llm.Config, string) (llm.Model, error) { return c, nil }

func (c *conductor) Complete(ctx context.Context, req *llm.Request, stream func(llm.Chunk)) (*llm.Response, error) {
	q := &question{req, stream, make(chan func() (*llm.Response, error), 1), make(chan struct{})}
	defer close(q.ended)
	select {
	case c.questions <- q:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case a := <-q.answers:
		return a()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// next is the question that the model is asked.
func (c *conductor) next(t *testing.T) *question {
	t.Helper()
	select {
	case q := <-c.questions:
		return q
	case <-time.After(watchdog):
		t.Fatal("the model was not asked")
		return nil
	}
}

// watchdog bounds how long a test waits for what does not come.
const watchdog = 30 * time.Second

func (q *question) say(text string) {
	q.answer(event.LLMMessage{Role: event.RoleAssistant, Content: []event.Content{event.Text(text)}})
}

// do calls a tool.
func (q *question) do(id, tool, arguments string) {
	q.answer(event.LLMMessage{Role: event.RoleAssistant, ToolCalls: []event.ToolCall{{ID: id, Name: tool, Arguments: arguments}}})
}

func (q *question) answer(m event.LLMMessage) {
	q.answers <- func() (*llm.Response, error) { return &llm.Response{ID: "r", Message: m}, nil }
}

func (q *question) fail(err error) {
	q.answers <- func() (*llm.Response, error) { return nil, err }
}

// connected is a session that is initialized, with a conductor for a model.
// capabilities stand in the client's capabilities, options in its agentRpc
// block.
func connected(t *testing.T, capabilities, options string) (*session, *conductor) {
	t.Helper()
	c := newConductor()
	s := newSession(t)
	s.models = c
	s.connect(capabilities, options)
	return s, c
}

func (s *session) connect(capabilities, options string) {
	s.t.Helper()
	s.start()
	s.ask("initialize", fmt.Sprintf(`{"processId":null,"rootUri":null,"capabilities":{%s},"workspaceFolders":[{"uri":"file://%s","name":"p"}],`+
		`"initializationOptions":{"agentRpc":{"versions":[1]%s}}}`, capabilities, s.root, options))
}

// create makes a conversation and gives its id.
func (s *session) create(params string) string {
	s.t.Helper()
	var result struct{ Conversation struct{ ID string } }
	s.result(s.ask("conversation/create", params), &result)
	return result.Conversation.ID
}

// reply is what a request was answered with.
type reply struct {
	Result json.RawMessage
	Error  *struct {
		Code int
		Data map[string]any
	}
}

// ask sends a request and waits for the answer.
func (s *session) ask(method, params string) reply {
	s.t.Helper()
	return s.answered(s.request(method, params))
}

// answered waits for the answer to a request.
func (s *session) answered(id int) (r reply) {
	s.t.Helper()
	raw := s.await(fmt.Sprintf("the reply to %d", id), func(m message) bool { return m.Method == "" && string(m.ID) == fmt.Sprint(id) }).raw
	if err := json.Unmarshal(raw, &r); err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *session) result(r reply, v any) {
	s.t.Helper()
	if r.Error != nil {
		s.t.Fatalf("refused: %+v", r.Error)
	}
	if err := json.Unmarshal(r.Result, v); err != nil {
		s.t.Fatal(err)
	}
}

// refused checks that a request was refused with a code and a kind.
func (s *session) refused(r reply, code int, kind string) {
	s.t.Helper()
	if r.Error == nil || r.Error.Code != code || kind != "" && r.Error.Data["kind"] != kind {
		s.t.Fatalf("answered %s %+v, want error %d %s", r.Result, r.Error, code, kind)
	}
}

// await waits for a message, which may have come before.
func (s *session) await(what string, fits func(message) bool) message {
	s.t.Helper()
	list := s.all(what, func(list []message) bool { return slices.ContainsFunc(list, fits) })
	return list[slices.IndexFunc(list, fits)]
}

// index is where the first message stands that fits; -1 if none has come.
func (s *session) index(fits func(message) bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.IndexFunc(s.messages, fits)
}

// all waits until enough has come and gives all that came.
func (s *session) all(what string, enough func([]message) bool) []message {
	s.t.Helper()
	late := false
	timer := time.AfterFunc(watchdog, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		late = true
		s.arrived.Broadcast()
	})
	defer timer.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !enough(s.messages) {
		if late || s.ended {
			var b strings.Builder
			for _, m := range s.messages {
				fmt.Fprintf(&b, "%.300s\n", m.raw)
			}
			s.t.Fatalf("waited in vain for %s; seen:\n%s", what, b.String())
		}
		s.arrived.Wait()
	}
	return slices.Clone(s.messages)
}

// says fits messages of a method that hold all of the texts.
func says(method string, texts ...string) func(message) bool {
	return func(m message) bool {
		return m.Method == method && !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(string(m.raw), text) })
	}
}

// replies fits the reply to a request.
func replies(id int) func(message) bool {
	return func(m message) bool { return m.Method == "" && string(m.ID) == fmt.Sprint(id) }
}

// inOrder waits for each of the messages, and checks that they came in this
// order.
func (s *session) inOrder(steps ...func(message) bool) {
	s.t.Helper()
	last := -1
	for i, fits := range steps {
		s.await(fmt.Sprintf("step %d", i), fits)
		at := s.index(fits)
		if at <= last {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.t.Fatalf("step %d came before the one before it: %s", i, s.messages[at].raw)
		}
		last = at
	}
}

// count tells how many messages fit by now.
func (s *session) count(fits func(message) bool) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		if fits(m) {
			n++
		}
	}
	return n
}

// drained makes sure that all that was sent before has come.
func (s *session) drained() {
	s.t.Helper()
	s.ask("agent/ping", "{}")
}

// agree answers every request of the server for a progress.
func (s *session) agree() {
	s.onMessage = func(m message) {
		if m.Method == "window/workDoneProgress/create" {
			go func() {
				if err := s.frame(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":null}`, m.ID)); err != nil {
					s.t.Error("the server does not read:", err)
				}
			}()
		}
	}
}
