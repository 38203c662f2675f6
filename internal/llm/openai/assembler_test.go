package openai

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// assembled is an answer as the tables below want it: ids that were made up are
// written as "*".
type assembled struct {
	Text, Reasoning string
	Calls           []string
	Finish          string
	Usage           llm.Usage
}

func TestAssembler(t *testing.T) {
	// call is a delta with one tool call.
	call := func(inner string) string {
		return `{"choices":[{"index":0,"delta":{"tool_calls":[` + inner + `]}}]}`
	}
	for _, c := range []struct {
		name   string
		chunks []string
		want   assembled
	}{
		{"text", []string{
			`{"choices":[{"delta":{"role":"assistant","content":null}}]}`,
			`{"choices":[{"delta":{"content":"a"}}]}`,
			`{"choices":[{"delta":{"content":"b"},"finish_reason":"stop"}]}`,
		}, assembled{Text: "ab", Finish: "stop"}},

		{"index always 0, new ids", []string{
			call(`{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":"}}`),
			call(`{"index":0,"function":{"arguments":"1}"}}`),
			call(`{"index":0,"id":"b","function":{"name":"f","arguments":"{\"x\":2}"}}`),
			call(`{"index":0,"id":"c","function":{"name":"g","arguments":"{}"}}`),
		}, assembled{Calls: []string{`a f {"x":1}`, `b f {"x":2}`, `c g {}`}}},

		{"index always 0, new names, no ids", []string{
			call(`{"index":0,"function":{"name":"f","arguments":"{}"}}`),
			call(`{"index":0,"function":{"name":"g","arguments":"{}"}}`),
		}, assembled{Calls: []string{`* f {}`, `* g {}`}}},

		{"index always 0, same name, no ids, whole arguments", []string{
			call(`{"index":0,"function":{"name":"f","arguments":"{\"x\":1}"}}`),
			call(`{"index":0,"function":{"name":"f","arguments":"{\"x\":2}"}}`),
		}, assembled{Calls: []string{`* f {"x":1}`, `* f {"x":2}`}}},

		{"name and id repeated in each chunk", []string{
			call(`{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\""}}`),
			call(`{"index":0,"id":"a","function":{"name":"f","arguments":":"}}`),
			call(`{"index":0,"id":"a","function":{"name":"f","arguments":"1}"}}`),
			call(`{"index":0,"id":"a","function":{"name":"f","arguments":""}}`),
		}, assembled{Calls: []string{`a f {"x":1}`}}},

		{"a new id for every piece", []string{
			call(`{"index":0,"id":"a1","function":{"name":"f","arguments":""}}`),
			call(`{"index":0,"id":"a2","function":{"arguments":"{\"x\""}}`),
			call(`{"index":0,"id":"a3","function":{"name":"f","arguments":":\"{\"}"}}`),
		}, assembled{Calls: []string{`a1 f {"x":"{"}`}}},

		{"no ids, no index", []string{
			call(`{"function":{"name":"f","arguments":"{\"x\":"}}`),
			call(`{"function":{"arguments":"1}"}}`),
			call(`{"function":{"name":"g","arguments":"{}"}}`),
		}, assembled{Calls: []string{`* f {"x":1}`, `* g {}`}}},

		{"empty ids", []string{
			call(`{"index":0,"id":"","function":{"name":"f","arguments":"{}"}},{"index":1,"id":"","function":{"name":"f","arguments":"{}"}}`),
		}, assembled{Calls: []string{`* f {}`, `* f {}`}}},

		{"several in one list, told apart by nothing", []string{
			call(`{"function":{"name":"f","arguments":"{}"}},{"function":{"name":"f","arguments":"{}"}}`),
		}, assembled{Calls: []string{`* f {}`, `* f {}`}}},

		{"several in one list, all with index 0", []string{
			call(`{"index":0,"function":{"name":"f","arguments":{"x":1}}},{"index":0,"function":{"name":"f","arguments":{"x":1}}}`),
		}, assembled{Calls: []string{`* f {"x":1}`, `* f {"x":1}`}}},

		{"one id for two calls", []string{
			call(`{"index":0,"id":"call_0","function":{"name":"f","arguments":"{\"x\":1}"}}`),
			call(`{"index":1,"id":"call_0","function":{"name":"f","arguments":"{\"x\":2}"}}`),
		}, assembled{Calls: []string{`call_0 f {"x":1}`, `* f {"x":2}`}}},

		{"pieces of two calls by turns", []string{
			call(`{"index":0,"id":"a","function":{"name":"f","arguments":""}}`),
			call(`{"index":1,"id":"b","function":{"name":"f","arguments":""}}`),
			call(`{"index":0,"function":{"arguments":"{\"x\":"}}`),
			call(`{"index":1,"function":{"arguments":"{\"y\":"}}`),
			call(`{"index":0,"function":{"arguments":"1}"}}`),
			call(`{"index":1,"function":{"arguments":"2}"}}`),
		}, assembled{Calls: []string{`a f {"x":1}`, `b f {"y":2}`}}},

		{"the id comes after the name", []string{
			call(`{"index":0,"function":{"name":"f"}}`),
			call(`{"index":0,"id":"late","function":{"arguments":"{}"}}`),
		}, assembled{Calls: []string{`* f {}`}}},

		{"the name comes after the id", []string{
			call(`{"index":0,"id":"a"}`),
			call(`{"index":0,"function":{"arguments":"{\"x\""}}`),
			call(`{"index":0,"function":{"name":"f","arguments":":1}"}}`),
		}, assembled{Calls: []string{`a f {"x":1}`}}},

		{"arguments as an object", []string{
			call(`{"index":0,"id":"a","function":{"name":"f","arguments":{"x": {"y": [1, 2]}}}}`),
		}, assembled{Calls: []string{`a f {"x":{"y":[1,2]}}`}}},

		{"arguments whole, once more at the end", []string{
			call(`{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":"}}`),
			call(`{"index":0,"function":{"arguments":"1}"}}`),
			call(`{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}}`),
		}, assembled{Calls: []string{`a f {"x":1}`}}},

		{"no arguments", []string{
			call(`{"index":0,"id":"a","function":{"name":"f"}}`),
			call(`{"index":1,"id":"b","function":{"name":"g","arguments":null}}`),
			call(`{"index":2,"id":"c","function":{"name":"h","arguments":" "}}`),
		}, assembled{Calls: []string{`a f {}`, `b g {}`, `c h {}`}}},

		{"arguments cut short", []string{
			call(`{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\": \"unfin"}}`),
			`{"choices":[{"delta":{},"finish_reason":"length"}]}`,
		}, assembled{Calls: []string{`a f {"x": "unfin`}, Finish: "length"}},

		{"a call without a name", []string{
			call(`{"index":0,"id":"a","function":{"arguments":"{}"}}`),
		}, assembled{Calls: []string{`a unknown {}`}}},

		{"an empty call", []string{
			call(`{"index":0,"id":null,"function":{"name":null,"arguments":null}}`),
			call(`{"index":0}`),
		}, assembled{}},

		{"name and arguments without a function", []string{
			call(`{"id":"a","name":"f","arguments":{"x":1}}`),
		}, assembled{Calls: []string{`a f {"x":1}`}}},

		{"function_call of old", []string{
			`{"choices":[{"delta":{"function_call":{"name":"f","arguments":"{\"x\""}}}]}`,
			`{"choices":[{"delta":{"function_call":{"arguments":":1}"}},"finish_reason":"function_call"}]}`,
		}, assembled{Calls: []string{`* f {"x":1}`}, Finish: "function_call"}},

		{"stop with tool calls", []string{
			call(`{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}`),
			`{"choices":[{"delta":{"content":""},"finish_reason":"stop"}]}`,
		}, assembled{Calls: []string{`a f {}`}, Finish: "stop"}},

		{"usage after the last choice", []string{
			`{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}],"usage":null}`,
			`{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"prompt_tokens_details":null}}`,
		}, assembled{Text: "a", Finish: "stop", Usage: llm.Usage{PromptTokens: 3, CompletionTokens: 2}}},

		{"usage in every chunk", []string{
			`{"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":3,"completion_tokens":1}}`,
			`{"choices":[{"delta":{"content":"b"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}`,
		}, assembled{Text: "ab", Finish: "stop", Usage: llm.Usage{PromptTokens: 3, CompletionTokens: 2}}},

		{"usage elsewhere", []string{
			`{"choices":[{"delta":{"content":"a"},"usage":{"prompt_tokens":1,"completion_tokens":1,"cached_tokens":1}}]}`,
		}, assembled{Text: "a", Usage: llm.Usage{PromptTokens: 1, CompletionTokens: 1, CacheReadTokens: 1}}},

		{"usage of Groq", []string{
			`{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}],"x_groq":{"id":"r","usage":{"prompt_tokens":1,"completion_tokens":1}}}`,
		}, assembled{Text: "a", Finish: "stop", Usage: llm.Usage{PromptTokens: 1, CompletionTokens: 1}}},

		{"usage of DeepSeek, of the Responses API, of a router", []string{
			`{"choices":[],"usage":{"input_tokens":9,"output_tokens":5,"prompt_cache_hit_tokens":4,"output_tokens_details":{"reasoning_tokens":3},"cost":0.25}}`,
		}, assembled{Usage: llm.Usage{PromptTokens: 9, CompletionTokens: 5, CacheReadTokens: 4, ReasoningTokens: 3, Cost: 0.25}}},

		{"reasoning under both names", []string{
			`{"choices":[{"delta":{"reasoning_content":"a"}}]}`,
			`{"choices":[{"delta":{"reasoning":"b"}}]}`,
			`{"choices":[{"delta":{"reasoning":"c","reasoning_content":"c"}}]}`,
			`{"choices":[{"delta":{"reasoning_content":null,"content":"said"}}]}`,
		}, assembled{Text: "said", Reasoning: "abc"}},

		{"content in parts, as Mistral has it", []string{
			`{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]}}]}`,
			`{"choices":[{"delta":{"content":[{"type":"text","text":"yes"}]}}]}`,
		}, assembled{Text: "yes", Reasoning: "hm"}},

		{"a refusal", []string{
			`{"choices":[{"delta":{"refusal":"I won't."},"finish_reason":"stop"}]}`,
		}, assembled{Text: "I won't.", Finish: "stop"}},

		{"other choices", []string{
			`{"choices":[{"index":1,"delta":{"content":"no"}},{"index":0,"delta":{"content":"yes"}}]}`,
		}, assembled{Text: "yes"}},

		{"empty and null choices", []string{
			`{"choices":[]}`, `{"choices":null}`, `{}`, `{"choices":[{}]}`, `{"choices":[{"delta":null}]}`,
			`{"choices":[{"delta":{"content":"a","tool_calls":null}}]}`,
		}, assembled{Text: "a"}},

		{"a field of an unforeseen form", []string{
			`{"id":7,"choices":[{"delta":{"content":"a"}}],"usage":"none"}`,
		}, assembled{Text: "a"}},
	} {
		t.Run(c.name, func(t *testing.T) { checkAssembler(t, c.chunks, c.want) })
	}
}

// checkAssembler feeds the chunks and compares the answer; the pieces that were
// handed out must make up the same answer.
func checkAssembler(t *testing.T, chunks []string, want assembled) {
	t.Helper()
	s := newStreamed()
	a := newAssembler(s.take)
	sent := strings.Join(chunks, "\n")
	for _, data := range chunks {
		c, err := decodeChunk([]byte(data))
		if err != nil {
			t.Fatalf("%v in %s", err, data)
		}
		a.add(c)
	}
	res := a.response()
	got := assembled{Text: res.Message.Text(), Reasoning: res.Message.ReasoningContent, Finish: res.FinishReason, Usage: res.Usage}
	for _, call := range res.Message.ToolCalls {
		id := call.ID
		if !strings.Contains(sent, `"`+id+`"`) {
			id = "*"
		}
		got.Calls = append(got.Calls, fmt.Sprintf("%s %s %s", id, call.Name, call.Arguments))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.check(t, res)
}

// streamed puts the pieces of an answer together as a client does.
type streamed struct {
	text, reasoning string
	args            map[int]string
	heads           map[int]string
	broken          string
}

func newStreamed() *streamed { return &streamed{args: map[int]string{}, heads: map[int]string{}} }

func (s *streamed) take(c llm.Chunk) {
	switch c.Stream {
	case llm.StreamText:
		s.text += c.Text
	case llm.StreamReasoning:
		s.reasoning += c.Text
	case llm.StreamArgs:
		head := c.CallID + " " + c.CallName
		if before, ok := s.heads[c.CallIndex]; ok && before != head {
			s.broken = fmt.Sprintf("call %d was %q and is %q", c.CallIndex, before, head)
		}
		s.heads[c.CallIndex] = head
		s.args[c.CallIndex] += c.Text
	}
}

// check compares with the final answer and holds the promises of [llm.Response].
func (s *streamed) check(t *testing.T, res *llm.Response) {
	t.Helper()
	msg := &res.Message
	if s.broken != "" {
		t.Error(s.broken)
	}
	if s.text != msg.Text() || s.reasoning != msg.ReasoningContent {
		t.Errorf("streamed %q and %q, answered %q and %q", s.text, s.reasoning, msg.Text(), msg.ReasoningContent)
	}
	ids := map[string]bool{}
	for i, call := range msg.ToolCalls {
		if call.ID == "" || call.Name == "" || ids[call.ID] {
			t.Errorf("call %d has id %q (taken: %v) and name %q", i, call.ID, ids[call.ID], call.Name)
		}
		ids[call.ID] = true
		args, ok := s.args[i]
		if !ok {
			continue
		}
		if strings.TrimSpace(args) != "" && args != call.Arguments {
			t.Errorf("call %d streamed %q, answered %q", i, args, call.Arguments)
		}
		if s.heads[i] != call.ID+" "+call.Name {
			t.Errorf("call %d streamed as %q, answered as %q %q", i, s.heads[i], call.ID, call.Name)
		}
	}
	if len(s.args) > len(msg.ToolCalls) {
		t.Errorf("%d calls streamed, %d answered", len(s.args), len(msg.ToolCalls))
	}
}

func TestThinkingBlocksOfLiteLLM(t *testing.T) {
	a := newAssembler(nil)
	for _, data := range []string{
		`{"choices":[{"delta":{"reasoning_content":"th","thinking_blocks":[{"type":"thinking","thinking":"th","signature":null}]}}]}`,
		`{"choices":[{"delta":{"reasoning_content":"ink","thinking_blocks":[{"type":"thinking","thinking":"ink"}]}}]}`,
		`{"choices":[{"delta":{"thinking_blocks":[{"type":"thinking","thinking":"","signature":"S=="}]}}]}`,
		`{"choices":[{"delta":{"thinking_blocks":[{"type":"redacted_thinking","data":"D"}]}}]}`,
		`{"choices":[{"delta":{"thinking_blocks":[{"type":"thinking","thinking":"more","signature":"T=="}]}}]}`,
	} {
		c, err := decodeChunk([]byte(data))
		if err != nil {
			t.Fatal(err)
		}
		a.add(c)
	}
	got, err := json.Marshal(a.response().Message.ThinkingBlocks)
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"type":"thinking","thinking":"think","signature":"S=="},{"type":"redacted_thinking","data":"D"},{"type":"thinking","thinking":"more","signature":"T=="}]`
	if string(got) != want {
		t.Errorf("got %s", got)
	}
}

// FuzzAssembler: whatever a server sends, one line per chunk, the answer keeps
// its promises and what was streamed is what was answered.
func FuzzAssembler(f *testing.F) {
	f.Add(`{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}}]}
{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"b","function":{"name":"f","arguments":{"x":1}}}]}}]}`)
	f.Add(`{"choices":[{"delta":{"content":[{"type":"text","text":"a"}],"reasoning":"b"}}],"usage":{"prompt_tokens":-1}}`)
	f.Add(`{"choices":[{"message":{"function_call":{"name":"f","arguments":"{\"a\":\"}"}}}]}`)
	f.Fuzz(func(t *testing.T, stream string) {
		s := newStreamed()
		a := newAssembler(s.take)
		for _, line := range strings.Split(stream, "\n") {
			c, err := decodeChunk([]byte(line))
			if err != nil {
				continue
			}
			a.add(c)
		}
		s.check(t, a.response())
	})
}
