//go:build unix

package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// talker is a model behind chat completions that says one turn after the other
// and keeps what it was asked.
type talker struct {
	*httptest.Server
	mu    sync.Mutex
	turns []turn
	asked []string
	keys  []string
}

// turn is one answer: pieces of text, a call of a tool, or an error.
type turn struct {
	text            []string
	tool, arguments string
	refusal         string
}

func newTalker(t *testing.T, turns ...turn) *talker {
	s := &talker{turns: turns}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client is gone
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked, s.keys = append(s.asked, string(body)), append(s.keys, r.Header.Get("Authorization"))
		if len(s.turns) == 0 {
			t.Errorf("asked once more: %s", body)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		now := s.turns[0]
		s.turns = s.turns[1:]
		if now.refusal != "" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(object{"error": object{"message": now.refusal}}) // the client may be gone
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		chunk := func(delta object, finish any) {
			sendEvent(w, "", object{
				"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "test-model",
				"choices": []object{{"index": 0, "delta": delta, "finish_reason": finish}},
			})
		}
		for _, piece := range now.text {
			chunk(object{"role": "assistant", "content": piece}, nil)
		}
		if now.tool == "" {
			chunk(object{}, "stop")
		} else {
			half := len(now.arguments) / 2
			chunk(object{"tool_calls": []object{{"index": 0, "id": "call-1", "type": "function", "function": object{"name": now.tool, "arguments": ""}}}}, nil)
			for _, piece := range []string{now.arguments[:half], now.arguments[half:]} {
				chunk(object{"tool_calls": []object{{"index": 0, "function": object{"arguments": piece}}}}, nil)
			}
			chunk(object{}, "tool_calls")
		}
		sendEvent(w, "", object{"id": "chatcmpl-1", "choices": []object{}, "usage": object{"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}})
		_, _ = fmt.Fprint(w, "data: [DONE]\n\n") // the client may be gone
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *talker) say(turns ...turn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turns = append(s.turns, turns...)
}

// questions are the bodies that were asked.
func (s *talker) questions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.asked...)
}

func (s *talker) lastKey() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[len(s.keys)-1]
}

func runs(command string) turn {
	arguments, err := json.Marshal(object{"command": command})
	if err != nil {
		panic(err)
	}
	return turn{tool: "terminal", arguments: string(arguments)}
}

// The values of the secrets in these tests. Their forms in JSON, in a URL and in
// base64 differ from them.
const (
	staticValue = `st4tic/value+1`
	lookupValue = `l00kup-value?2`
	clientValue = `cl1ent "value" 3`
	agentValue  = `ag3nt-value=4`
	headerValue = `h3ader-value-5`
	serverValue = `mcp-v4lue-6`
	ownKey      = `sk-0wn-key-value-7`
	diskKey     = `the-k3y-of-the-disk`
)

// leaks finds the values and their forms in a text.
func leaks(text string) (found []string) {
	for _, value := range []string{staticValue, lookupValue, clientValue, agentValue, headerValue, serverValue, ownKey, diskKey} {
		quoted, _ := json.Marshal(value) // strings always encode
		inner := string(quoted[1 : len(quoted)-1])
		again, _ := json.Marshal(inner)
		for _, form := range []string{
			value, inner, string(again[1 : len(again)-1]), url.QueryEscape(value), url.PathEscape(value),
			base64.StdEncoding.EncodeToString([]byte(value))[:12], base64.URLEncoding.EncodeToString([]byte(value))[:12],
		} {
			if at := strings.Index(text, form); at >= 0 {
				found = append(found, fmt.Sprintf("%q in …%.60s…", form, text[max(0, at-20):]))
			}
		}
	}
	return found
}

// secretAgent is an agent that brings its own secrets.
func secretAgent(model *talker) string {
	agent, err := json.Marshal(object{
		"llm":           object{"model": "openai/test-model", "base_url": model.URL + "/v1", "api_key": ownKey},
		"agent_context": object{"secrets": object{"AGENT_S": agentValue}},
		"mcp_config":    object{"off": object{"command": "nothing", "enabled": false, "env": object{"A": serverValue}}},
	})
	if err != nil {
		panic(err)
	}
	return string(agent)
}

// lookupServer gives the value to whoever has the header.
func lookupServer(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Api-Key") != headerValue {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_, _ = io.WriteString(w, lookupValue) // the client may be gone
	}))
	t.Cleanup(s.Close)
	return s
}

// give answers the next question for a secret.
func (h *host) give(name, value string) {
	h.t.Helper()
	ask := h.await("the question for "+name, func(f *frame) bool { return f.Method == "conversation/secretValue" })
	if !strings.Contains(string(ask.Params), fmt.Sprintf(`"name":%q`, name)) {
		h.t.Errorf("asked for %s", ask.Params)
	}
	result := json.RawMessage("null")
	if value != "" {
		result, _ = json.Marshal(object{"value": value}) // strings always encode
	}
	h.frame(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%s}`, ask.ID, result))
}

// printed gives the results of the terminal as they are stored, in order.
func (p *place) printed(id string) (all []string) {
	p.t.Helper()
	for _, raw := range p.stored(id) {
		var e struct {
			Observation struct {
				Kind     string
				Content  []struct{ Text string }
				Metadata struct{ Prefix string }
			}
		}
		if err := json.Unmarshal(raw, &e); err != nil {
			p.t.Fatal(err)
		}
		if e.Observation.Kind == "TerminalObservation" {
			all = append(all, e.Observation.Metadata.Prefix+e.Observation.Content[0].Text)
		}
	}
	return all
}

// TestNoSecretLeaks holds a conversation that does whatever could show its
// secrets, and then looks for them in all that was sent, asked, logged and stored.
func TestNoSecretLeaks(t *testing.T) {
	for name, key := range map[string]string{"with a key": diskKey, "without a key": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			model, lookup := newTalker(t), lookupServer(t)
			p := newPlace(t, "")
			p.env["AGENT_RPC_LOG"], p.env["AGENT_RPC_RECORD"] = "debug", filepath.Join(p.home, "record")
			if key != "" {
				p.env["OH_SECRET_KEY"] = key
			}
			h := p.start()
			h.initialize(`"deltas":{"maxHz":1000},"confirmation":{},"secrets":{}`)
			h.notify("$/setTrace", `{"value":"verbose"}`)
			secrets, _ := json.Marshal(object{ // maps of strings always encode
				"STATIC_S": staticValue, "CLIENT_S": object{"kind": "ClientSecret", "description": "not " + staticValue},
				"LOOKUP_S": object{"kind": "LookupSecret", "url": lookup.URL, "headers": object{"X-Api-Key": headerValue}},
			})
			h.call(nil, "agent/ping", "{}")
			id := h.create(fmt.Sprintf(`"secrets":%s,"agent":%s,"title":%q,"tags":{"note":%q}`, secrets, secretAgent(model), "On "+staticValue, staticValue))
			h.call(nil, "conversation/update", `{"id":%q,"title":%q}`, id, "Still "+staticValue)

			model.say(turn{
				text: []string{"I know st4tic/", "value+1 and st4ti", "c/val", "ue+1."}, tool: "terminal",
				arguments: runs(`echo "${#STATIC_S} ${#LOOKUP_S} ${#CLIENT_S} ${#AGENT_S}"; echo "$STATIC_S, $LOOKUP_S; $CLIENT_S; $AGENT_S"`).arguments,
			})
			run := h.say(id, "Use "+staticValue)
			h.give("CLIENT_S", clientValue)
			model.say(
				runs(`env; set; declare -p; history; set -x; : "$STATIC_S" "$CLIENT_S"; set +x`),
				runs(`tr '\0' '\n' < /proc/$PPID/environ; ps -o args= -p $PPID; true`),
				runs(`for v in "$STATIC_S" "$LOOKUP_S" "$CLIENT_S" "$AGENT_S"; do printf %s "$v" | base64; printf 'user:%s' "$v" | base64; done`),
				runs(`printf %s '`+staticValue+`' > said; wc -c < said; echo `+url.QueryEscape(staticValue)),
				runs(`i=0; while [ $i -lt 2500 ]; do echo "$STATIC_S $i $CLIENT_S"; i=$((i+1)); done`),
				runs(`printf st4tic/; sleep 0.05; printf value+1; echo; "$STATIC_S"; cd "/$STATIC_S"`),
				turn{tool: "file_editor", arguments: fmt.Sprintf(`{"command":"create","path":%q,"file_text":%q}`, filepath.Join(p.folder, "a.txt"), "a "+staticValue+"\n")},
				turn{tool: "file_editor", arguments: fmt.Sprintf(`{"command":"str_replace","path":%q,"old_str":"a ","new_str":"b "}`, filepath.Join(p.folder, "a.txt"))},
				turn{tool: "file_editor", arguments: fmt.Sprintf(`{"command":"view","path":%q}`, filepath.Join(p.folder, staticValue))},
				turn{tool: "terminal", arguments: fmt.Sprintf(`{"command":5,"%s":%q}`, staticValue, lookupValue)},
				turn{tool: "no_tool", arguments: fmt.Sprintf(`{%q`, clientValue)},
				turn{text: []string{"Done: ", lookupValue[:5], lookupValue[5:]}},
			)
			if i := h.settled(run); i.Status != "finished" {
				t.Fatalf("the run ended as %+v %+v", i, i.Error)
			}
			outputs := p.printed(id)
			if want := fmt.Sprintf("%d %d %d %d\n", len(staticValue), len(lookupValue), len(clientValue), len(agentValue)); !strings.HasPrefix(outputs[0], want) {
				t.Errorf("the commands did not get the secrets: %q", outputs[0])
			}
			if !strings.HasPrefix(outputs[4], fmt.Sprint(len(staticValue))) {
				t.Errorf("what the model said was not carried out: %q", outputs[4])
			}

			// A question to the user, a message that waits, and a run that fails.
			h.call(nil, "conversation/setConfirmationPolicy", `{"id":%q,"policy":{"kind":"AlwaysConfirm"}}`, id)
			model.say(runs(`cat '/tmp/`+staticValue+`' || true`), turn{refusal: "I refuse " + clientValue + " of " + ownKey})
			run = h.say(id, "Again")
			ask := h.await("the question", func(f *frame) bool { return f.Method == "conversation/requestConfirmation" })
			h.call(nil, "conversation/sendMessage", `{"id":%q,"message":%q}`, id, "And "+lookupValue)
			h.frame(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"decision":"approve"}}`, ask.ID))
			// The state that waits comes before the one that failed.
			for i := h.settled(run); i.Status != "error"; i = h.settled(run) {
				if i.Status != "waiting_for_confirmation" {
					t.Fatalf("the run ended as %+v", i)
				}
			}
			h.refused(-32602, "conversation/updateSecrets", `{"id":%q,"secrets":{"BAD":{"kind":"StaticSecret","value":{%q:1}}}}`, id, staticValue)
			h.call(nil, "conversation/updateSecrets", `{"id":%q,"secrets":{"STATIC_S":null}}`, id)
			model.say(turn{refusal: "no, " + clientValue})
			h.call(nil, "conversation/generateTitle", `{"id":%q}`, id)
			h.call(nil, "conversation/close", `{"id":%q}`, id)
			h.shutdown()

			state := readFile(t, filepath.Join(p.conversation(id), "base_state.json"))
			// The model's key (its condenser may have it too), the server's login, AGENT_S
			// twice and the header. STATIC_S was removed, and CLIENT_S is not stored.
			stored := `"**********"`
			if key != "" {
				stored = `"gAAAAA`
			}
			if got := strings.Count(state, stored); got < 5 || got != strings.Count(state, "gAAAAA")+strings.Count(state, `"**********"`) {
				t.Errorf("%d values are stored as %s, want 5: %s", got, stored, state)
			}
			// A removed secret is not known any more, and a preview shows the file.
			if err := os.Remove(filepath.Join(p.folder, "a.txt")); err != nil {
				t.Fatal(err)
			}
			again := p.start()
			again.initialize(`"deltas":{},"secrets":{}`)
			again.call(nil, "conversation/list", "{}")
			again.call(nil, "conversation/state", `{"id":%q}`, id)
			again.open(id)
			again.call(nil, "conversation/events", `{"id":%q}`, id)
			again.shutdown()

			nothingLeaked(t, p, model, 13, h, again)
		})
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// nothingLeaked looks for the secrets in all that was sent, asked, logged and
// stored; the project's own files hold what the commands wrote there.
func nothingLeaked(t *testing.T, p *place, model *talker, questions int, hosts ...*host) {
	t.Helper()
	report := func(where, text string) {
		if found := leaks(text); len(found) > 0 {
			t.Errorf("%s tells %s", where, strings.Join(found, "; "))
		}
	}
	for _, h := range hosts {
		report("stderr", h.logs.String())
		for _, f := range h.all(func(*frame) bool { return true }) {
			report("a message of the kind "+f.Method, string(f.raw))
		}
	}
	asked := model.questions()
	if len(asked) < questions {
		t.Errorf("the model was asked only %d times", len(asked))
	}
	for i, question := range asked {
		report(fmt.Sprintf("request %d to the model", i), question)
	}
	files := 0
	if err := filepath.WalkDir(p.home, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		report(path, path+"\n"+readFile(t, path))
		return nil
	}); err != nil {
		t.Error(err)
	}
	if files < 20 {
		t.Errorf("only %d files were looked at", files)
	}
}

// TestInterruptWhileTheClientIsAsked takes the question back; that was no answer,
// so the next command asks again. A shutdown does not wait for one either.
func TestInterruptWhileTheClientIsAsked(t *testing.T) {
	t.Parallel()
	p := newPlace(t, `{"calls": [{"terminal": {"command": "echo ${#CLIENT_S} > one"}}]}
		{"calls": [{"terminal": {"command": "echo ${#CLIENT_S} > two"}}]} {"calls": [{"terminal": {"command": "echo $OTHER_S > three"}}]}`)
	h := p.start()
	h.initialize(`"secrets":{}`)
	id := h.create(`"secrets":{"CLIENT_S":{"kind":"ClientSecret"},"OTHER_S":{"kind":"ClientSecret"}}`)
	asked := func() *frame {
		return h.await("the question", func(f *frame) bool { return f.Method == "conversation/secretValue" })
	}
	takenBack := func(ask *frame) {
		t.Helper()
		h.await("the end of the question", func(f *frame) bool {
			return f.Method == "$/cancelRequest" && strings.Contains(string(f.Params), string(ask.ID))
		})
	}
	run := h.say(id, "Go")
	ask := asked()
	h.call(nil, "conversation/interrupt", `{"id":%q}`, id)
	takenBack(ask)
	if i := h.settled(run); i.Status != "paused" || i.StopReason != "interrupted" {
		t.Errorf("the run ended as %+v", i)
	}
	h.say(id, "Go on")
	h.give("CLIENT_S", clientValue)
	ask = asked()
	h.shutdown()
	takenBack(ask)
	for name, want := range map[string]bool{"one": false, "two": true, "three": false} {
		data, err := os.ReadFile(filepath.Join(p.folder, name))
		if (err == nil) != want || want && strings.TrimSpace(string(data)) != fmt.Sprint(len(clientValue)) {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
}

// TestSecretsOverRestarts reads with the key what was stored with it, and loses
// nothing of it in a process that has none.
func TestSecretsOverRestarts(t *testing.T) {
	t.Parallel()
	model, lookup := newTalker(t), lookupServer(t)
	p := newPlace(t, "")
	const command = `echo "$STATIC_S:$AGENT_S:$LOOKUP_S" > got`
	p.env["OH_SECRET_KEY"] = diskKey
	h := p.start()
	h.initialize("")
	secrets, _ := json.Marshal(object{
		"STATIC_S": staticValue,
		"LOOKUP_S": object{"kind": "LookupSecret", "url": lookup.URL, "headers": object{"X-Api-Key": headerValue}},
	})
	id := h.create(fmt.Sprintf(`"secrets":%s,"agent":%s`, secrets, secretAgent(model)))
	h.shutdown()
	first := readFile(t, filepath.Join(p.conversation(id), "base_state.json"))
	for _, key := range []string{"", "another", diskKey} {
		p.env["OH_SECRET_KEY"] = key
		// A key in the environment stands in while the agent's can't be read.
		p.env["OPENAI_API_KEY"] = "sk-of-the-environment"
		if err := os.RemoveAll(filepath.Join(p.folder, "got")); err != nil {
			t.Fatal(err)
		}
		h := p.start()
		h.initialize("")
		h.open(id)
		model.say(runs(command), turn{text: []string{"Done."}})
		if i := h.settled(h.say(id, "Go")); i.Status != "finished" {
			t.Fatalf("the run ended as %+v %+v", i, i.Error)
		}
		h.shutdown()
		outputs := p.printed(id)
		got, last := strings.TrimSpace(readFile(t, filepath.Join(p.folder, "got"))), outputs[len(outputs)-1]
		warned := strings.Contains(h.logs.String(), "OH_SECRET_KEY")
		if key == diskKey {
			if want := staticValue + ":" + agentValue + ":" + lookupValue; got != want || warned || last != "" {
				t.Errorf("the command got %q, and the model reads %q", got, last)
			}
			if got := model.lastKey(); got != "Bearer "+ownKey {
				t.Errorf("the model was asked with %q", got)
			}
			continue
		}
		if got != "::" || strings.Count(last, "stored encrypted") != 3 || !warned {
			t.Errorf("with %q the command got %q, the model reads %q, and the log is %s", key, got, last, h.logs.String())
		}
		if got := model.lastKey(); got != "Bearer sk-of-the-environment" {
			t.Errorf("the model was asked with %q", got)
		}
	}
	// What is encrypted is still the same.
	tokens := func(state string) (all []string) {
		for _, part := range strings.Split(state, `"gAAAAA`)[1:] {
			all = append(all, part[:strings.IndexByte(part, '"')])
		}
		return all
	}
	last := readFile(t, filepath.Join(p.conversation(id), "base_state.json"))
	if len(tokens(first)) < 6 {
		t.Errorf("%d values are encrypted: %s", len(tokens(first)), first)
	}
	for _, token := range tokens(first) {
		if !strings.Contains(last, token) {
			t.Errorf("lost: %s\nin %s", token, last)
		}
	}
}
