package llmtest_test

import (
	"strings"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/llm/llmtest"
)

// The checks find each of the faults that they are there for, and none in a
// history that has none.
func TestStrict(t *testing.T) {
	chat := func(messages string) error { return llmtest.StrictChat([]byte(`{"messages":[` + messages + `]}`)) }
	const (
		s, u, a   = `{"role":"system","content":"s"}`, `{"role":"user","content":[{"type":"text","text":"u"}]}`, `{"role":"assistant","content":"a"}`
		call      = `{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f","arguments":"{}"}},{"id":"2","function":{"name":"f","arguments":"{\"x\":1}"}}]}`
		one, two  = `{"role":"tool","tool_call_id":"1","content":"r"}`, `{"role":"tool","tool_call_id":"2","content":"r"}`
		anthropic = `{"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"s"},{"type":"text","text":"t"},{"type":"tool_use","id":"1","name":"f","input":{}},{"type":"tool_use","id":"2","name":"f","input":{}}]}`
		r1, r2    = `{"type":"tool_result","tool_use_id":"1","content":"r"}`, `{"type":"tool_result","tool_use_id":"2","content":[{"type":"text","text":"r"}]}`
		au, aa    = `{"role":"user","content":"u"}`, `{"role":"assistant","content":[{"type":"text","text":"a"}]}`
	)
	for _, messages := range [][]string{{s, u}, {u, a, u}, {s, u, call, one, two}, {s, u, call, one, two, u, a, u}, {s, u, call, one, two, a, u}} {
		if err := chat(strings.Join(messages, ",")); err != nil {
			t.Errorf("%s: %v", messages, err)
		}
	}
	for _, messages := range [][]string{
		{},
		{s},
		{s, a, u},
		{u, s},
		{u, u},
		{u, a},
		{u, a, a, u},
		{s, u, call},
		{s, u, call, one},
		{s, u, call, two, one},
		{s, u, call, one, u, two},
		{s, u, call, one, two, two},
		{s, u, one},
		{s, u, call, one, two, call, one, two},
		{s, u, call, one, one},
		{strings.Replace(s, `"s"`, `" "`, 1), u},
		{strings.Replace(u, `"u"`, `"\n"`, 1)},
		{`{"role":"user","content":[]}`},
		{`{"role":"user"}`},
		{u, `{"role":"assistant"}`, u},
		{u, strings.Replace(a, `"a"`, `""`, 1), u},
		{u, strings.Replace(call, `"{}"`, `"{"`, 1), one, two},
		{u, strings.Replace(call, `"{}"`, `"[]"`, 1), one, two},
		{u, strings.Replace(call, `"f"`, `"f g"`, 1), one, two},
		{u, strings.Replace(call, `"1"`, `""`, 1), one, two},
	} {
		if chat(strings.Join(messages, ",")) == nil {
			t.Errorf("accepted: %s", messages)
		}
	}
	messages := func(system string, messages ...string) error {
		return llmtest.StrictAnthropic([]byte(`{"system":` + system + `,"messages":[` + strings.Join(messages, ",") + `]}`))
	}
	results := func(blocks ...string) string {
		return `{"role":"user","content":[` + strings.Join(blocks, ",") + `]}`
	}
	const more = `{"type":"text","text":"m"}`
	for _, list := range [][]string{{au}, {au, aa, au}, {au, anthropic, results(r1, r2)}, {au, anthropic, results(r1, r2, more), aa, au}} {
		if err := messages(`[{"type":"text","text":"s"}]`, list...); err != nil {
			t.Errorf("%s: %v", list, err)
		}
	}
	for _, list := range [][]string{
		{},
		{aa},
		{au, au},
		{au, aa},
		{au, aa, aa, au},
		{au, anthropic, au},
		{au, anthropic, results(r1)},
		{au, anthropic, results(r2, r1)},
		{au, anthropic, results(more, r1, r2)},
		{au, anthropic, results(r1, more, r2)},
		{results(r1)},
		{au, anthropic, results(r1, r2, r2)},
		{au, anthropic, results(r1, r2), anthropic, results(r1, r2)},
		{results()},
		{au, `{"role":"assistant","content":[]}`, au},
		{au, strings.Replace(anthropic, `"signature":"s"`, `"signature":""`, 1), results(r1, r2)},
		{au, strings.Replace(anthropic, `"text":"t"`, `"text":" "`, 1), results(r1, r2)},
		{au, strings.Replace(anthropic, `"input":{}`, `"input":"x"`, 1), results(r1, r2)},
		{au, anthropic, results(strings.Replace(r1, `"r"`, `""`, 1), r2)},
	} {
		if messages(`"s"`, list...) == nil {
			t.Errorf("accepted: %s", list)
		}
	}
	if messages(`""`, au) == nil {
		t.Error("accepted a blank system prompt")
	}
}
