//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// strictServer is a provider that takes only histories that are whole: every call
// is answered right after it. It has a key for each model, which it answers from a
// list.
type strictServer struct {
	*httptest.Server
	mu       sync.Mutex
	keys     map[string]string
	answers  map[string][]object // by model: the deltas of each answer
	problems []string
	asked    []string // MODEL step, side or plain, in order
}

func serveStrict(t *testing.T, keys map[string]string, answers map[string][]object) *strictServer {
	p := &strictServer{keys: keys, answers: answers}
	p.Server = httptest.NewServer(http.HandlerFunc(p.handle))
	t.Cleanup(func() {
		p.CloseClientConnections()
		p.Close()
	})
	return p
}

func (p *strictServer) handle(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	delta, problem := p.answer(body, r.Header.Get("Authorization"))
	if problem != "" {
		p.mu.Lock()
		p.problems = append(p.problems, problem)
		p.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(object{"error": object{"message": problem}}) // the client may be gone
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	sendEvent(w, "", object{"id": "chatcmpl-1", "choices": []object{{"index": 0, "delta": delta}}})
	sendEvent(w, "", object{"id": "chatcmpl-1", "choices": []object{{"index": 0, "delta": object{}, "finish_reason": "stop"}}})
	sendEvent(w, "", object{"id": "chatcmpl-1", "choices": []object{}, "usage": object{"prompt_tokens": 100, "completion_tokens": 10}})
	_, _ = fmt.Fprint(w, "data: [DONE]\n\n") // the client may be gone
}

// answer checks a request and gives what it is answered with.
func (p *strictServer) answer(body []byte, authorization string) (delta object, problem string) {
	var request struct {
		Model    string
		Tools    []any
		Choice   json.RawMessage `json:"tool_choice"`
		Messages []struct {
			Role       string
			Content    json.RawMessage
			ToolCalls  []struct{ ID string } `json:"tool_calls"`
			ToolCallID string                `json:"tool_call_id"`
		}
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, err.Error()
	}
	for i, m := range request.Messages {
		for j, c := range m.ToolCalls {
			if at := i + 1 + j; at >= len(request.Messages) || request.Messages[at].ToolCallID != c.ID {
				return nil, "the call " + c.ID + " is not answered"
			}
		}
		if len(m.ToolCalls) > 0 && len(request.Tools) == 0 {
			return nil, "there are calls and no tools"
		}
	}
	if last := request.Messages[len(request.Messages)-1].Role; last != "user" && last != "tool" {
		return nil, "the last message is of " + last
	}
	if authorization != "Bearer "+p.keys[request.Model] {
		return nil, request.Model + " was asked with another key"
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	kind := "step"
	switch {
	case string(request.Choice) == `"none"`:
		kind = "side"
	case len(request.Tools) == 0:
		kind = "plain"
	}
	p.asked = append(p.asked, request.Model+" "+kind)
	if kind == "step" {
		if len(p.answers[request.Model]) == 0 {
			return nil, request.Model + " has nothing more to say"
		}
		delta, p.answers[request.Model] = p.answers[request.Model][0], p.answers[request.Model][1:]
		return delta, ""
	}
	if kind == "plain" {
		return object{"content": "🐛 Say where we are"}, ""
	}
	return object{"content": "Of " + request.Model + "."}, ""
}

func calls(ids ...string) object {
	var list []object
	for i, id := range ids {
		list = append(list, object{"index": i, "id": id, "type": "function", "function": object{
			"name": "terminal", "arguments": `{"command":"echo ` + id + `","security_risk":"HIGH"}`,
		}})
	}
	return object{"role": "assistant", "content": "I look.", "tool_calls": list}
}

// TestModelsOfAConversation holds one conversation over the real wire with several
// models: a side question while two calls wait, a change to a profile with its own
// key in the middle of the run, a title by itself, a budget, and all of it again
// in the next process.
func TestModelsOfAConversation(t *testing.T) {
	t.Parallel()
	const bigKey, fastKey = "sk-big-5b1c7a9f2e4d", "sk-fast-8c2d6e1a0b3f"
	server := serveStrict(t, map[string]string{"big": bigKey, "fast": fastKey}, map[string][]object{
		"big":  {calls("one", "two"), {"content": "Back again."}},
		"fast": {{"content": "Done."}, calls("three"), {"content": "Never said."}},
	})
	p := newPlace(t, "")
	p.env["LLM_MODEL"], p.env["LLM_BASE_URL"], p.env["LLM_API_KEY"] = "openai/big", server.URL+"/v1", bigKey
	p.env["LLM_INPUT_COST_PER_TOKEN"], p.env["LLM_OUTPUT_COST_PER_TOKEN"] = "0.001", "0.001" // 0.11 USD an answer
	p.env["AGENT_RPC_AUTO_TITLE"] = "true"
	profile := fmt.Sprintf(`{"model":"openai/fast","api_key":%q,"base_url":%q,"input_cost_per_token":0.002,"output_cost_per_token":0.002,"schema_version":1}`, fastKey, server.URL+"/v1")
	file := filepath.Join(p.home, ".openhands", "profiles", "fast.json")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(profile), 0o600); err != nil {
		t.Fatal(err)
	}
	h := p.start()
	h.initialize("")
	var known struct {
		Profiles []struct {
			Name, Model string
			APIKeySet   bool
		}
	}
	h.call(&known, "agent/models", "{}")
	if len(known.Profiles) != 1 || known.Profiles[0].Name != "fast" || known.Profiles[0].Model != "openai/fast" || !known.Profiles[0].APIKeySet {
		t.Errorf("profiles: %+v", known.Profiles)
	}
	id := h.create(`"confirmationPolicy":{"kind":"AlwaysConfirm"}`)
	run := h.say(id, "Where are we?")
	if i := h.settled(run); i.StopReason != "waiting_for_confirmation" {
		t.Fatalf("the run came to %+v %+v", i, i.Error)
	}
	var side struct{ Answer string }
	h.call(&side, "conversation/askAgent", `{"id":%q,"question":"What waits?"}`, id)
	if side.Answer != "Of big." {
		t.Errorf("answered %q", side.Answer)
	}
	h.call(nil, "conversation/switchModel", `{"id":%q,"profile":"fast"}`, id)
	h.call(&side, "conversation/askAgent", `{"id":%q,"question":"And now?"}`, id)
	if side.Answer != "Of fast." {
		t.Errorf("answered %q", side.Answer)
	}
	h.call(nil, "conversation/run", `{"id":%q}`, id)
	h.await("the end", func(f *frame) bool {
		return f.Method == "conversation/stateChanged" && strings.Contains(string(f.Params), `"stopReason":"finished"`)
	})
	h.await("the title", func(f *frame) bool {
		return f.Method == "conversation/stateChanged" && strings.Contains(string(f.Params), `"title":"🐛 Say where we are"`)
	})
	h.shutdown()

	// The next process goes on with the profile's model and key, and knows what was
	// spent: the budget is used up by the next step.
	again := p.start()
	again.initialize("")
	again.open(id)
	checkStats(t, again, id, map[string]float64{"agent": 0.11, "profile:fast": 0.44, "ask-agent-llm": 0.33})
	again.call(nil, "conversation/update", `{"id":%q,"maxBudgetPerRun":0.9}`, id)
	again.call(nil, "conversation/setConfirmationPolicy", `{"id":%q,"policy":{"kind":"NeverConfirm"}}`, id)
	i := again.settled(again.say(id, "Go on"))
	if i.Status != "error" || i.StopReason != "budget" || i.Error.Code != "MaxBudgetReached" {
		t.Errorf("the run ended as %+v %+v", i, i.Error)
	}
	again.call(nil, "conversation/update", `{"id":%q,"maxBudgetPerRun":0}`, id)
	again.call(nil, "conversation/switchModel", `{"id":%q,"llm":{"model":"openai/big"}}`, id)
	if i := again.settled(again.say(id, "And back")); i.StopReason != "finished" {
		t.Errorf("the run ended as %+v %+v", i, i.Error)
	}
	checkStats(t, again, id, map[string]float64{"agent": 0.11, "profile:fast": 0.66, "ask-agent-llm": 0.33, "openai/big": 0.11})
	again.shutdown()

	server.mu.Lock()
	defer server.mu.Unlock()
	if len(server.problems) > 0 {
		t.Errorf("the provider says: %s", strings.Join(server.problems, "\n"))
	}
	want := "big step, big side, fast side, fast step, fast plain, fast step, big step"
	if got := strings.Join(server.asked, ", "); got != want {
		t.Errorf("asked: %s\nwant:  %s", got, want)
	}
	for _, key := range []string{bigKey, fastKey} {
		for _, name := range []string{"base_state.json", "agent_rpc.json"} {
			data, err := os.ReadFile(filepath.Join(p.conversation(id), name))
			if err != nil || strings.Contains(string(data), key) {
				t.Errorf("a key is in %s (%v)", name, err)
			}
		}
		if strings.Contains(h.logs.String()+again.logs.String(), key) {
			t.Error("a key is on stderr")
		}
	}
}

// checkStats checks what each model has cost, in USD.
func checkStats(t *testing.T, h *host, id string, want map[string]float64) {
	t.Helper()
	var state struct {
		Stats struct {
			Metrics map[string]struct {
				Cost float64 `json:"accumulated_cost"`
			} `json:"usage_to_metrics"`
		}
	}
	h.call(&state, "conversation/state", `{"id":%q}`, id)
	for usage, m := range state.Stats.Metrics {
		if diff := m.Cost - want[usage]; diff > 1e-9 || diff < -1e-9 {
			t.Errorf("%s has cost %v, want %v", usage, m.Cost, want[usage])
		}
	}
	if len(state.Stats.Metrics) != len(want) {
		t.Errorf("%d models in the statistics, want %d: %v", len(state.Stats.Metrics), len(want), state.Stats.Metrics)
	}
}
