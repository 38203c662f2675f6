package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/agent-rpc/agent-rpc/internal/agent"
	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
	"github.com/agent-rpc/agent-rpc/internal/llm/llmtest"
	"github.com/agent-rpc/agent-rpc/internal/llm/provider"
	"github.com/agent-rpc/agent-rpc/internal/tool"
	"github.com/agent-rpc/agent-rpc/internal/tool/finish"
	"github.com/agent-rpc/agent-rpc/internal/tool/think"
)

// window is how many bytes a request to the servers of these tests may have.
const window = 7000

// strictServer is a provider with a small window that refuses every history that
// a strict one would. Its answers are queued; when none is left it says "done".
type strictServer struct {
	*httptest.Server
	wire wire

	mu      sync.Mutex
	queue   []reply
	faults  []string
	asked   int
	refused int
	summed  int
	// waiting tells that a request is held, until free is closed.
	waiting chan struct{}
	free    chan struct{}
}

// reply is what the model says: calls by what the probe is to do, "finish", or
// one that is not valid.
type reply struct {
	text, thinking string
	calls          []string
	held           bool
	status         int
}

type wire struct {
	model    string
	strict   func([]byte) error
	write    func(id int, r reply) any
	overflow string
}

var wires = map[string]wire{
	"chat": {
		"openai/test", llmtest.StrictChat, chatAnswer,
		`{"error":{"message":"This model's maximum context length is 2000 tokens.","type":"invalid_request_error","code":"context_length_exceeded"}}`,
	},
	"anthropic": {
		"anthropic/claude-sonnet-4-5", llmtest.StrictAnthropic, anthropicAnswer,
		`{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 2100 tokens > 2000 maximum"}}`,
	},
}

// callOf gives the tool and the arguments of a call.
func callOf(what string) (name, arguments string) {
	switch what {
	case "finish":
		return "finish", `{"message":"that was it"}`
	case "unknown":
		return "no such tool", `{"a":1}`
	case "invalid":
		return "probe", `{"nope":true}`
	}
	return "probe", `{"do":` + quote(what) + `}`
}

func chatAnswer(id int, r reply) any {
	m := map[string]any{"role": "assistant", "content": r.text}
	var calls []any
	for i, what := range r.calls {
		name, arguments := callOf(what)
		if what == "broken" {
			arguments = `{"do": "x`
		}
		// Some models count from zero in each answer.
		calls = append(calls, map[string]any{"id": fmt.Sprint("call_", i), "type": "function", "function": map[string]any{"name": name, "arguments": arguments}})
	}
	if calls != nil {
		m["tool_calls"] = calls
	}
	return map[string]any{
		"id": fmt.Sprint("r", id), "object": "chat.completion",
		"choices": []any{map[string]any{"index": 0, "message": m, "finish_reason": "stop"}},
		"usage":   map[string]any{"prompt_tokens": 100, "completion_tokens": 10},
	}
}

func anthropicAnswer(id int, r reply) any {
	content := []any{}
	if r.thinking != "" {
		content = append(content, map[string]any{"type": "thinking", "thinking": r.thinking, "signature": "c2ln"})
	}
	if r.text != "" {
		content = append(content, map[string]any{"type": "text", "text": r.text})
	}
	for i, what := range r.calls {
		name, arguments := callOf(what)
		content = append(content, map[string]any{"type": "tool_use", "id": fmt.Sprint("toolu_", id, "_", i), "name": name, "input": json.RawMessage(arguments)})
	}
	return map[string]any{
		"id": fmt.Sprint("msg_", id), "type": "message", "role": "assistant", "content": content, "stop_reason": "end_turn",
		"usage": map[string]any{"input_tokens": 100, "output_tokens": 10},
	}
}

func newStrictServer(t *testing.T, w wire) *strictServer {
	s := &strictServer{wire: w, waiting: make(chan struct{}, 1)}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *strictServer) serve(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	r, id, free := s.next(body)
	if r.held {
		s.waiting <- struct{}{}
		select {
		case <-free:
		case <-req.Context().Done():
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if r.status != 0 {
		w.WriteHeader(r.status)
		_, _ = io.WriteString(w, s.wire.overflow)
		return
	}
	s.mu.Lock()
	answer := s.wire.write(id, r)
	s.mu.Unlock()
	_ = json.NewEncoder(w).Encode(answer) // who has gone away reads nothing
}

func (s *strictServer) next(body []byte) (r reply, id int, free chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.wire.strict(body); err != nil {
		s.faults = append(s.faults, fmt.Sprintf("%v\n%s", err, body))
	}
	s.asked++
	if !strings.Contains(string(body), `"tools"`) {
		s.summed++
		return reply{text: fmt.Sprint("summary ", s.summed)}, s.asked, nil
	}
	if len(body) > window {
		s.refused++
		return reply{status: 400}, s.asked, nil
	}
	r = reply{text: "done"}
	if len(s.queue) > 0 {
		r, s.queue = s.queue[0], s.queue[1:]
	}
	return r, s.asked, s.free
}

// seen gives how many requests came, were for summaries, and were too long, and
// the first that a strict provider would not take.
func (s *strictServer) seen() (asked, summed, refused int, fault string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) > 0 {
		fault = s.faults[0]
	}
	return s.asked, s.summed, s.refused, fault
}

// play queues answers for a new turn.
func (s *strictServer) play(replies []reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue, s.free = replies, make(chan struct{})
}

// httpModels open the real adapters.
type httpModels struct{ server *strictServer }

func (httpModels) Name(json.RawMessage) string { return "test" }

func (m httpModels) Resolve(context.Context, string, json.RawMessage) (llm.Config, error) {
	return llm.Config{Model: m.server.wire.model, BaseURL: m.server.URL, APIKey: llmtest.Key, NumRetries: new(1)}, nil
}

func (httpModels) Open(cfg llm.Config, _ string) (llm.Model, error) {
	return provider.Open(cfg, provider.Options{})
}

// talk is a conversation with the real agent over HTTP.
type talk struct {
	c      *conversation.Conversation
	server *strictServer
	ended  chan conversation.Outcome
	// over has a token when a run may have ended that nobody waits for.
	over chan struct{}
}

// watcher is told of the end of each run.
type watcher struct{ over chan struct{} }

func (w *watcher) Ended(conversation.Outcome) {
	select {
	case w.over <- struct{}{}:
	default:
	}
}

func (*watcher) Event(int, conversation.Record)   {}
func (*watcher) Delta(conversation.Delta)         {}
func (*watcher) State(conversation.Info, bool)    {}
func (*watcher) Started(string)                   {}
func (*watcher) Waiting(conversation.Pending)     {}
func (*watcher) Resolved(conversation.Resolution) {}

func newTalk(t interface{ Fatal(...any) }, m *conversation.Manager, s *strictServer, workspace, condenser string) *talk {
	c, _, err := m.Create(context.Background(), conversation.Options{
		Workspace: workspace, MaxIterations: 20,
		Agent: json.RawMessage(`{"tools":[{"name":"probe"}],"system_prompt":"Be brief.","condenser":` + condenser + `}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	k := &talk{c: c, server: s, ended: make(chan conversation.Outcome, 1), over: make(chan struct{}, 1)}
	if err := c.Subscribe(&watcher{k.over}, conversation.Since{}, func(conversation.Opened, error) {}); err != nil {
		t.Fatal(err)
	}
	return k
}

func newTalks(s *strictServer) *conversation.Manager {
	deps := agent.Deps{Models: httpModels{s}, Tools: tool.NewRegistry(entry(), finish.Entry(), think.Entry())}
	return conversation.NewManager(context.Background(), conversation.Config{
		NewAgent: func(env conversation.AgentEnv) (conversation.Agent, error) { return agent.New(deps, env) },
		Log:      slog.New(slog.DiscardHandler),
	})
}

func (k *talk) say(text string, busy conversation.WhenBusy) {
	m := conversation.Outgoing{Message: event.LLMMessage{Role: event.RoleUser, Content: []event.Content{event.Text(text)}}}
	_ = k.c.SendMessage(m, false, busy, func(conversation.Sent, error) {}) // it is open
}

// run starts a run, or goes on with what waits.
func (k *talk) run() {
	_ = k.c.Run(func(string, error) {}, func(o conversation.Outcome) { k.ended <- o }) // it is open
}

func (k *talk) info() conversation.Info {
	got := make(chan conversation.Info, 1)
	_ = k.c.Info(func(i conversation.Info) { got <- i }) // it is open
	return <-got
}

// wait gives the status once the run ended or waits; whenHeld is done when the
// model lets a request wait.
func (k *talk) wait(whenHeld func()) conversation.Status {
	for {
		select {
		case o := <-k.ended:
			return o.Status
		case <-k.server.waiting:
			whenHeld()
		}
	}
}

// TestHistoriesThatStrictProvidersAccept plays conversations at random (calls
// that are valid and not, several at once, calls after the finish, answers
// without words, interrupts, pauses, messages in between, rejections,
// condensations, requests that are too long) over the real agent and the real
// adapters, with a server that refuses what a strict provider would.
func TestHistoriesThatStrictProvidersAccept(t *testing.T) {
	for name, w := range wires {
		t.Run(name, func(t *testing.T) {
			server, root := newStrictServer(t, w), t.TempDir()
			m := newTalks(server)
			t.Cleanup(func() {
				if err := m.CloseAll(context.Background()); err != nil {
					t.Error(err)
				}
			})
			rapid.Check(t, func(t *rapid.T) {
				k := newTalk(t, m, server, root, `{"kind":"LLMSummarizingCondenser","max_size":14,"keep_first":`+fmt.Sprint(rapid.IntRange(0, 3).Draw(t, "keep_first"))+`}`)
				for n := range rapid.IntRange(1, 4).Draw(t, "turns") {
					k.turn(t, n)
				}
				if err := m.Close(context.Background(), k.c.ID()); err != nil {
					t.Fatal(err)
				}
				if _, _, _, fault := server.seen(); fault != "" {
					t.Fatal(fault)
				}
			})
			if asked, summed, refused, _ := server.seen(); summed == 0 || refused == 0 {
				t.Errorf("of %d requests %d were summaries and %d too long: nothing was tried", asked, summed, refused)
			}
		})
	}
}

// turn is a message of the user's and what follows from it.
func (k *talk) turn(t *rapid.T, n int) {
	call := rapid.SampledFrom([]string{"x", "fail", "break", "argument", "panic", "invalid", "unknown", "broken", "finish", strings.Repeat("long ", 200)})
	answer := rapid.Custom(func(t *rapid.T) reply {
		return reply{
			text:     rapid.SampledFrom([]string{"", " \n", "words"}).Draw(t, "text"),
			thinking: rapid.SampledFrom([]string{"", "hm"}).Draw(t, "thinking"),
			calls:    rapid.SliceOfN(call, 0, 3).Draw(t, "calls"),
			held:     rapid.IntRange(0, 9).Draw(t, "held") == 0,
		}
	})
	k.server.play(rapid.SliceOfN(answer, 0, 8).Draw(t, "answers"))
	policy := rapid.SampledFrom([]string{`{"kind":"NeverConfirm"}`, `{"kind":"AlwaysConfirm"}`}).Draw(t, "policy")
	decide := rapid.SampledFrom([]string{"approve", "reject", "reject and stop", "interrupt", "steer"}).Draw(t, "decide")
	held := rapid.SampledFrom([]string{"interrupt", "steer", "queue", "pause", "condense"}).Draw(t, "held")
	ignore := func(error) {}
	if err := k.c.SetConfirmationPolicy(json.RawMessage(policy), func(conversation.Info, error) {}); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprint("message ", n)
	if rapid.Bool().Draw(t, "long") {
		text += strings.Repeat(" long", window/11) // two of them don't fit
	}
	k.say(text, conversation.Queue)
	k.run()
	free := sync.OnceFunc(func() { close(k.server.free) }) // free is only written by play, between turns
	whenHeld := func() {
		switch held {
		case "interrupt":
			_ = k.c.Interrupt(ignore)
			return
		case "pause":
			_ = k.c.Pause(func(conversation.Status, error) {})
		case "condense":
			_ = k.c.Condense(func(conversation.Info, error) {})
		default:
			k.say("by the way", conversation.WhenBusy(held))
		}
		free()
	}
	for range 4 {
		if k.wait(whenHeld) != conversation.WaitingForConfirmation {
			break
		}
		pending := k.info().Pending
		if len(pending) == 0 {
			break // a message came while it waited, and decided
		}
		p := pending[0]
		confirm := func(c conversation.Confirmation) {
			c.RequestID, c.Via = p.RequestID, "confirm"
			_ = k.c.Confirm(c, func(bool, *conversation.Resolution, error) {})
		}
		switch decide {
		case "approve":
			k.run()
			continue
		case "reject":
			confirm(conversation.Confirmation{Reason: "not now", GoOn: new(false)})
		case "reject and stop":
			confirm(conversation.Confirmation{})
		case "interrupt":
			_ = k.c.Interrupt(ignore)
		case "steer":
			k.say("do something else", conversation.Steer)
			_ = k.c.Interrupt(ignore)
		}
		break
	}
	free()
	k.settle(t)
	if rapid.IntRange(0, 3).Draw(t, "condense") == 0 {
		done := make(chan struct{})
		_ = k.c.Condense(func(conversation.Info, error) { close(done) }) // it may be too short
		<-done
		k.settle(t)
	}
}

// settle makes sure that nothing goes on.
func (k *talk) settle(t *rapid.T) {
	for range 1000 {
		switch k.info().Status {
		case conversation.Running, conversation.Pausing, conversation.WaitingForConfirmation:
			_ = k.c.Interrupt(func(error) {}) // it is open
			select {
			case <-k.server.waiting:
			case <-k.ended:
			case <-k.over:
			}
			continue
		}
		select {
		case <-k.ended:
		case <-k.server.waiting:
		default:
			return
		}
	}
	t.Fatal("it does not end")
}

// A conversation that outgrows the model's window goes on: it is condensed, and
// the next request fits. The user's condense does the same without being refused
// first.
func TestConversationThatOutgrowsItsWindow(t *testing.T) {
	for name, w := range wires {
		t.Run(name, func(t *testing.T) {
			server := newStrictServer(t, w)
			m := newTalks(server)
			defer func() {
				if err := m.CloseAll(context.Background()); err != nil {
					t.Error(err)
				}
			}()
			k := newTalk(t, m, server, t.TempDir(), `{"kind":"LLMSummarizingCondenser"}`)
			var replies []reply
			for i := range 8 {
				replies = append(replies, reply{text: "next", calls: []string{fmt.Sprint(i, strings.Repeat(" long", 100))}})
			}
			server.play(replies)
			k.say("go", conversation.Queue)
			k.run()
			if status := k.wait(nil); status != conversation.Finished {
				t.Fatalf("status %s: %+v", status, k.info().Error)
			}
			if _, summed, refused, fault := server.seen(); refused == 0 || summed != refused || fault != "" {
				t.Errorf("%d requests were refused, %d summaries; %s", refused, summed, fault)
			}
			if !strings.Contains(string(k.info().Stats), `"condenser":{`) {
				t.Errorf("the summaries are not counted: %s", k.info().Stats)
			}
		})
	}
}

// What no condensation cures ends the run, and says what would.
func TestConversationThatFitsNoWindow(t *testing.T) {
	for name, condenser := range map[string]string{"LLMSummarizingCondenser": `{"kind":"LLMSummarizingCondenser"}`, "no condenser": `null`} {
		t.Run(name, func(t *testing.T) {
			server := newStrictServer(t, wires["chat"])
			m := newTalks(server)
			defer func() {
				if err := m.CloseAll(context.Background()); err != nil {
					t.Error(err)
				}
			}()
			k := newTalk(t, m, server, t.TempDir(), condenser)
			k.say("go", conversation.Queue)
			server.play(nil)
			k.run()
			k.wait(nil)
			// Longer than the window, and than what a summary of it would be asked with.
			k.say(strings.Repeat("long ", window), conversation.Queue)
			server.mu.Lock()
			server.wire.write = func(id int, r reply) any { return chatAnswer(id, reply{text: strings.Repeat("no shorter ", window)}) }
			server.mu.Unlock()
			k.run()
			if status := k.wait(nil); status != conversation.Failed {
				t.Fatalf("status %s", status)
			}
			e := k.info().Error
			if asked, _, _, _ := server.seen(); e.Code != "LLMContextWindowExceedError" || !strings.Contains(e.Message, "larger window") || asked > 6 {
				t.Errorf("after %d requests: %+v", asked, e)
			}
		})
	}
}
