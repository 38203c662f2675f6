package event_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// examples are one event per kind, as OpenHands writes it: the order of the
// fields is OpenHands', nulls are absent and "kind" is last.
var examples = map[string]string{
	event.KindSystemPrompt: `{"id":"a0a0a0a0-1111-4222-8333-944455556666","timestamp":"2026-08-22T10:15:29.000001","source":"agent",
		"system_prompt":{"cache_prompt":false,"type":"text","text":"You are <helpful> & brief."},
		"tools":[{"description":"runs","action_type":"TerminalAction","observation_type":"TerminalObservation",
			"annotations":{"readOnlyHint":false,"destructiveHint":true,"idempotentHint":false,"openWorldHint":true},"title":"terminal","kind":"TerminalTool"}],
		"dynamic_context":{"cache_prompt":false,"type":"text","text":"2026-08-22T10:15"},"kind":"SystemPromptEvent"}`,
	event.KindMessage: `{"id":"0b0e5d7c-1111-4222-8333-944455556666","timestamp":"2026-08-22T10:15:30.123456","source":"user",
		"parent_id":"a0a0a0a0-1111-4222-8333-944455556666",
		"llm_message":{"role":"user","content":[{"cache_prompt":false,"type":"text","text":"Rename foo to bar"},
			{"cache_prompt":false,"type":"image","image_urls":["data:image/png;base64,AA=="]}],"thinking_blocks":[]},
		"activated_skills":[],"extended_content":[],"kind":"MessageEvent"}`,
	event.KindAction: `{"id":"c1c1c1c1-2222-4333-8444-955566667777","timestamp":"2026-08-22T10:15:33.900001","source":"agent",
		"parent_id":"0b0e5d7c-1111-4222-8333-944455556666",
		"thought":[{"cache_prompt":false,"type":"text","text":"I will look first."}],
		"reasoning_content":"hm",
		"thinking_blocks":[{"type":"thinking","thinking":"","signature":"c2ln"},{"type":"redacted_thinking","data":"AA"}],
		"responses_reasoning_item":{"id":"rs_1","summary":[]},
		"action":{"command":"grep -rn foo src","is_input":false,"reset":false,"kind":"TerminalAction"},
		"tool_name":"terminal","tool_call_id":"call_1",
		"tool_call":{"id":"call_1","name":"terminal",
		"arguments":"{\"command\": \"grep -rn foo src\", \"security_risk\": \"LOW\", \"summary\": \"search for foo\"}","origin":"completion"},
		"llm_response_id":"msg_01","security_risk":"LOW","critic_result":{"score":0.5},"summary":"search for foo","kind":"ActionEvent"}`,
	event.KindObservation: `{"id":"d2d2d2d2-3333-4444-8555-966677778888","timestamp":"2026-08-22T10:15:34.020000","source":"environment",
		"parent_id":"c1c1c1c1-2222-4333-8444-955566667777",
		"tool_name":"terminal","tool_call_id":"call_1",
		"observation":{"content":[{"cache_prompt":false,"type":"text","text":"src/a.go:3:foo()"}],"is_error":false,
		"command":"grep -rn foo src","exit_code":0,"timeout":false,
		"metadata":{"exit_code":0,"pid":-1,"prefix":"","suffix":""},"kind":"TerminalObservation"},
		"action_id":"c1c1c1c1-2222-4333-8444-955566667777","extended_content":[],"kind":"ObservationEvent"}`,
	event.KindUserReject: `{"id":"d3","timestamp":"2026-08-22T10:15:34.020000","source":"environment","tool_name":"terminal","tool_call_id":"call_1",
		"rejection_reason":"not now","rejection_source":"user","action_id":"c1","kind":"UserRejectObservation"}`,
	event.KindAgentError: `{"id":"e3e3e3e3-1111-4222-8333-000000000001","timestamp":"2026-08-22T10:15:35.000000","source":"agent","parent_id":"c1",
		"tool_name":"frobnicate","tool_call_id":"call_9","error":"unknown tool frobnicate; available: terminal, finish, think",
		"classification":{"kind":"agent_action","retryable":true,"user_action":"retry"},"kind":"AgentErrorEvent"}`,
	event.KindCondensationSummary: `{"id":"f4-summary","timestamp":"2026-08-22T10:20:00.000000","source":"environment","summary":"so far","kind":"CondensationSummaryEvent"}`,
	event.KindCondensation: `{"id":"f4f4f4f4-1111-4222-8333-000000000003","timestamp":"2026-08-22T10:20:00.000000","source":"environment","parent_id":"d2",
		"forgotten_event_ids":["c1c1c1c1-2222-4333-8444-955566667777","d2d2d2d2-3333-4444-8555-966677778888"],
		"summary":"USER wants ...","summary_offset":2,"llm_response_id":"msg_77","kind":"Condensation"}`,
	event.KindCondensationRequest: `{"id":"f5","timestamp":"2026-08-22T10:20:00.000000","source":"environment","kind":"CondensationRequest"}`,
	event.KindPause:               `{"id":"f6","timestamp":"2026-08-22T10:20:00.000000","source":"user","kind":"PauseEvent"}`,
	event.KindInterrupt:           `{"id":"f7","timestamp":"2026-08-22T10:20:00.000000","source":"user","kind":"InterruptEvent"}`,
	event.KindStateUpdate:         `{"id":"f8","timestamp":"2026-08-22T10:20:00.000000","source":"environment","key":"goal","value":{"active":true},"kind":"ConversationStateUpdateEvent"}`,
	event.KindConversationError: `{"id":"e3e3e3e3-1111-4222-8333-000000000002","timestamp":"2026-08-22T10:15:36.000000","source":"environment","parent_id":"e3",
		"code":"MaxIterationsReached","detail":"limit of 500 iterations reached",
		"classification":{"kind":"agent_action","retryable":false,"user_action":"none"},"kind":"ConversationErrorEvent"}`,
	event.KindStreamingDelta: `{"id":"f9","timestamp":"2026-08-22T10:20:00.000000","source":"agent","content":"","kind":"StreamingDeltaEvent"}`,
	event.KindHookExecution: `{"id":"fa","timestamp":"2026-08-22T10:20:00.000000","source":"hook","hook_event_type":"PreToolUse","hook_command":"check",
		"tool_name":"terminal","success":true,"blocked":false,"exit_code":0,"stdout":"","stderr":"","action_id":"c1","hook_input":{"a":1},"kind":"HookExecutionEvent"}`,
	event.KindToken:            `{"id":"fb","timestamp":"2026-08-22T10:20:00.000000","source":"agent","prompt_token_ids":[1,2],"response_token_ids":[],"kind":"TokenEvent"}`,
	event.KindLLMCompletionLog: `{"id":"fc","timestamp":"2026-08-22T10:20:00.000000","source":"environment","filename":"a.json","log_data":"{}","model_name":"unknown","usage_id":"default","kind":"LLMCompletionLogEvent"}`,
	event.KindACPToolCall: `{"id":"fd","timestamp":"2026-08-22T10:20:00.000000","source":"agent","tool_call_id":"t","title":"Read","status":"completed","tool_kind":"read",
		"raw_input":{"path":"/a"},"is_error":false,"kind":"ACPToolCallEvent"}`,
}

// line joins an example that is written over several lines.
func line(text string) string {
	return strings.NewReplacer("\n", "", "\t", "").Replace(text)
}

func decode(t testing.TB, raw string) event.Event {
	t.Helper()
	e, err := event.Decode([]byte(raw))
	if err != nil {
		t.Fatalf("decoding %s: %v", raw, err)
	}
	return e
}

func encode(t testing.TB, e event.Event) string {
	t.Helper()
	raw, err := event.Encode(e)
	if err != nil {
		t.Fatalf("encoding %s: %v", e.Kind(), err)
	}
	return string(raw)
}

func TestExamplesRoundTrip(t *testing.T) {
	for kind, example := range examples {
		t.Run(kind, func(t *testing.T) {
			want := line(example)
			e := decode(t, want)
			if e.Kind() != kind {
				t.Fatalf("kind is %s", e.Kind())
			}
			if diff := cmp.Diff(want, encode(t, e)); diff != "" {
				t.Errorf("written differently (-want +got):\n%s", diff)
			}
		})
	}
}

// TestReading holds what is read without complaint and what it becomes.
func TestReading(t *testing.T) {
	const head = `"id":"1","timestamp":"t","source":"agent",`
	for name, c := range map[string]struct{ in, want string }{
		"nulls are dropped": {
			`{"id":"1","timestamp":"t","source":"agent","parent_id":null,"thought":null,"reasoning_content":null,"thinking_blocks":null,
			"responses_reasoning_item":null,"action":null,"tool_name":"x","tool_call_id":"c","tool_call":{"id":"c","responses_item_id":null,"name":"x","arguments":"","origin":null},
			"llm_response_id":"r","security_risk":null,"critic_result":null,"summary":null,"kind":"ActionEvent"}`,
			`{` + head + `"thought":[],"thinking_blocks":[],"tool_name":"x","tool_call_id":"c","tool_call":{"id":"c","name":"x","arguments":"","origin":"completion"},
			"llm_response_id":"r","security_risk":"UNKNOWN","kind":"ActionEvent"}`,
		},
		"a message's nulls are dropped": {
			`{` + head + `"llm_message":{"role":"assistant","content":null,"tool_calls":null,"tool_call_id":null,"name":null,"thinking_blocks":null,"responses_reasoning_item":null},
			"critic_result":null,"sender":null,"kind":"MessageEvent"}`,
			`{` + head + `"llm_message":{"role":"assistant","content":[],"thinking_blocks":[]},"activated_skills":[],"extended_content":[],"kind":"MessageEvent"}`,
		},
		"content as a string": {
			`{` + head + `"llm_message":{"role":"assistant","content":"hi","cache_enabled":true}, "kind" : "MessageEvent"}`,
			`{` + head + `"llm_message":{"role":"assistant","content":[{"cache_prompt":false,"type":"text","text":"hi"}],"thinking_blocks":[]},"activated_skills":[],"extended_content":[],"kind":"MessageEvent"}`,
		},
		"text content with a legacy key and image content without a type": {
			`{` + head + `"llm_message":{"content":[{"type":"text","text":"","enable_truncation":true},{"image_urls":["u"]}]},"kind":"MessageEvent"}`,
			`{` + head + `"llm_message":{"role":"assistant","content":[{"cache_prompt":false,"type":"text","text":""},{"cache_prompt":false,"type":"image","image_urls":["u"]}],"thinking_blocks":[]},
			"activated_skills":[],"extended_content":[],"kind":"MessageEvent"}`,
		},
		"kind first, unknown keys, spaces": {
			` { "kind": "PauseEvent", "id": "1", "timestamp": "t", "source": "user", "later": {"kind": "X"} } `,
			`{"id":"1","timestamp":"t","source":"user","kind":"PauseEvent"}`,
		},
		"a rejection of an older version": {
			`{` + head + `"tool_name":"x","tool_call_id":"c","action_id":"a","kind":"UserRejectObservation"}`,
			`{` + head + `"tool_name":"x","tool_call_id":"c","rejection_reason":"User rejected the action","rejection_source":"user","action_id":"a","kind":"UserRejectObservation"}`,
		},
		"an agent error of an older version": {
			`{` + head + `"tool_name":"x","tool_call_id":"c","error":"no","kind":"AgentErrorEvent"}`,
			`{` + head + `"tool_name":"x","tool_call_id":"c","error":"no","classification":{"kind":"unknown","retryable":false,"user_action":"none"},"kind":"AgentErrorEvent"}`,
		},
		"a conversation error is classified by its code": {
			`{` + head + `"code":"LLMRateLimitError","detail":"slow down","kind":"ConversationErrorEvent"}`,
			`{` + head + `"code":"LLMRateLimitError","detail":"slow down","classification":{"kind":"rate_limit","retryable":true,"user_action":"retry"},"kind":"ConversationErrorEvent"}`,
		},
		"a condensation without a summary": {
			`{` + head + `"forgotten_event_ids":[],"summary":null,"summary_offset":null,"llm_response_id":"r","kind":"Condensation"}`,
			`{` + head + `"forgotten_event_ids":[],"llm_response_id":"r","kind":"Condensation"}`,
		},
		"an empty summary and offset 0 are kept": {
			`{` + head + `"forgotten_event_ids":["a"],"summary":"","summary_offset":0,"llm_response_id":"r","kind":"Condensation"}`,
			`{` + head + `"forgotten_event_ids":["a"],"summary":"","summary_offset":0,"llm_response_id":"r","kind":"Condensation"}`,
		},
		"values that are null": {
			`{` + head + `"key":"goal","value":null,"kind":"ConversationStateUpdateEvent"}`,
			`{` + head + `"key":"goal","kind":"ConversationStateUpdateEvent"}`,
		},
		"an unknown kind keeps its bytes": {
			`{"id":"1", "timestamp":"t","source":"agent","x": [1, 2.50, null],"kind":"FutureEvent"}`,
			`{"id":"1", "timestamp":"t","source":"agent","x": [1, 2.50, null],"kind":"FutureEvent"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(line(c.want), encode(t, decode(t, line(c.in)))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, raw := range map[string]string{
		"nothing":            ``,
		"null":               `null`,
		"a list":             `[]`,
		"no kind":            `{"id":"1"}`,
		"kind is a number":   `{"id":"1","kind":1}`,
		"no id":              `{"kind":"PauseEvent"}`,
		"unknown without id": `{"kind":"FutureEvent"}`,
		"cut off":            `{"id":"1","kind":"PauseEvent"`,
		"wrong type":         `{"id":"1","tool_name":[],"kind":"ObservationEvent"}`,
		"odd content":        `{"id":"1","llm_message":{"content":[{"type":"sound"}]},"kind":"MessageEvent"}`,
		"kind inside a key":  `{"id":"1","a\"kind":"PauseEvent"}`,
	} {
		if e, err := event.Decode([]byte(raw)); err == nil {
			t.Errorf("%s: read as %#v", name, e)
		}
	}
}

func TestKindOf(t *testing.T) {
	for _, c := range []struct{ raw, want string }{
		{`{"kind":"A"}`, "A"},
		{`{"a":1,"kind":"A"}`, "A"},
		{"{\"a\":1,\n \"kind\": \"A\"\n}\n", "A"},
		{`{"kind":"A","a":{"kind":"B"}}`, "A"},
		{`{"kind":"A","a":[{"kind":"B"}]}`, "A"},
		{`{"a":{"kind":"B"},"kind" : "A"}`, "A"},
		{`{"a":{"kind":"B"}}`, ""},
		{`{"kind":"A","text":"\"kind\":\"B\"}"}`, "A"},
		{`{"text":"{\"kind\":\"B\"}","kind":"A"}`, "A"},
		{`{"kind":"A","x\"kind":"B"}`, "A"},
		{`{"x\"kind":"B"}`, ""},
		{`{"x,\"kind":"B"}`, ""},
		{`{"kind":"A\u0042"}`, "AB"},
		{`{"kind":"é"}`, "é"},
		{`{"kind":""}`, ""},
		{`{"kind":null}`, ""},
		{`{"a":1,"kind":"A","kind":"B"}`, "B"},
	} {
		got, err := event.KindOf([]byte(c.raw))
		if err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", c.raw, got, err, c.want)
		}
	}
}

func TestEncodeKeepsText(t *testing.T) {
	e := &event.AgentError{Meta: event.Meta{ID: "1"}, Error: "a<b && c>d \u00e9 \U0001f600"}
	if raw := encode(t, e); !strings.Contains(raw, `"error":"a<b && c>d é 😀"`) {
		t.Errorf("text is escaped: %s", raw)
	}
}

// TestEncodeDoesNotWrite holds that an event may be encoded by several
// goroutines; the race detector is the judge.
func TestEncodeDoesNotWrite(t *testing.T) {
	e := &event.Action{Meta: event.Meta{ID: "1"}}
	m := &event.Message{Meta: event.Meta{ID: "2"}, LLMMessage: event.LLMMessage{ToolCalls: []event.ToolCall{{ID: "c"}}}}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { encode(t, e); encode(t, m) })
	}
	wg.Wait()
	if e.Thought != nil || m.ActivatedSkills != nil || m.LLMMessage.ToolCalls[0].Origin != "" {
		t.Error("encoding changed the event")
	}
}

func TestEncodeKind(t *testing.T) {
	for _, c := range []struct {
		v    any
		want string
	}{
		{struct{}{}, `{"kind":"K"}`},
		{map[string]any{"a": "<"}, `{"a":"<","kind":"K"}`},
		{[]int{1}, ""},
		{make(chan int), ""},
	} {
		got, err := event.EncodeKind(c.v, "K")
		if (err == nil) != (c.want != "") || string(got) != c.want {
			t.Errorf("%v: %s, %v", c.v, got, err)
		}
	}
}

func TestTimestamp(t *testing.T) {
	at := time.Date(2026, 8, 22, 10, 15, 30, 123456000, time.Local)
	m := event.Meta{Timestamp: event.Timestamp(at)}
	if m.Timestamp != "2026-08-22T10:15:30.123456" || !m.Time().Equal(at) {
		t.Errorf("%s, %s", m.Timestamp, m.Time())
	}
	for stamp, zero := range map[string]bool{"2026-08-22T10:15:30": false, "": true, "yesterday": true} {
		if got := (&event.Meta{Timestamp: stamp}).Time(); got.IsZero() != zero {
			t.Errorf("%q gives %s", stamp, got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, example := range examples {
		f.Add([]byte(line(example)))
	}
	f.Add([]byte(`{"id":"1","x":{"kind":"B"},"kind":"FutureEvent"}`))
	f.Add([]byte(`{"kind":"A","x\"kind":"B"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if json.Valid(raw) {
			var head struct {
				Kind string `json:"kind"`
			}
			if json.Unmarshal(raw, &head) == nil {
				if kind, err := event.KindOf(raw); err != nil || kind != head.Kind {
					t.Fatalf("KindOf gives %q, %v; a parser %q", kind, err, head.Kind)
				}
			}
		}
		e, err := event.Decode(raw)
		if err != nil {
			return
		}
		once := encode(t, e)
		if strings.Contains(once, "\n") {
			if _, ok := e.(*event.Unknown); !ok {
				t.Fatalf("not one line: %s", once)
			}
		}
		again := decode(t, once)
		if again.Kind() != e.Kind() || *again.Head() != *e.Head() {
			t.Fatalf("%#v became %#v", e.Head(), again.Head())
		}
		if twice := encode(t, again); twice != once {
			t.Fatalf("not stable:\n%s\n%s", once, twice)
		}
	})
}

func BenchmarkEncode(b *testing.B) { benchmark(b, func(e event.Event, _ []byte) { encode(b, e) }) }

func BenchmarkDecode(b *testing.B) {
	benchmark(b, func(_ event.Event, raw []byte) {
		if _, err := event.Decode(raw); err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkKindOf(b *testing.B) {
	benchmark(b, func(_ event.Event, raw []byte) {
		if _, err := event.KindOf(raw); err != nil {
			b.Fatal(err)
		}
	})
}

func benchmark(b *testing.B, once func(event.Event, []byte)) {
	output := strings.Repeat("\tsrc/a.go:3: \"foo\"()\n", 400)
	long := decode(b, line(examples[event.KindObservation])).(*event.Observation)
	long.Observation, _ = json.Marshal(map[string]any{"content": []event.Content{event.Text(output)}})
	for name, e := range map[string]event.Event{
		"Message":         decode(b, line(examples[event.KindMessage])),
		"Action":          decode(b, line(examples[event.KindAction])),
		"Observation":     decode(b, line(examples[event.KindObservation])),
		"LongObservation": long,
	} {
		raw := []byte(encode(b, e))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				once(e, raw)
			}
		})
	}
}
