package agent_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/agent"
	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
	"github.com/agent-rpc/agent-rpc/internal/tool"
	"github.com/agent-rpc/agent-rpc/internal/tool/finish"
	"github.com/agent-rpc/agent-rpc/internal/tool/think"
)

// madeWith makes an agent with an environment of the test's.
func madeWith(t *testing.T, m *model, env conversation.AgentEnv) *agent.Agent {
	t.Helper()
	env.ConversationID, env.Workspace = "c", t.TempDir()
	a, err := agent.New(agent.Deps{Models: m, Tools: tool.NewRegistry(entry(), finish.Entry(), think.Entry())}, env)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestSpecSeals holds what of an agent is sealed: its own credentials, and not
// those that were looked up for it.
func TestSpecSeals(t *testing.T) {
	// A registry with a key gives tokens, and leaves masks and what it could not
	// read.
	seal := func(value string) string {
		if strings.HasPrefix(value, "gAAAAA") || value == "**********" {
			return value
		}
		return "sealed " + value
	}
	for name, c := range map[string]struct{ spec, member, want string }{
		"its key":               {`{"llm":{"model":"m","api_key":"k"}}`, "llm", `{"api_key":"sealed k","model":"m","usage_id":"agent"}`},
		"the environment's":     {`{"llm":{"model":"m"}}`, "llm", `{"model":"m","usage_id":"agent"}`},
		"a mask":                {`{"llm":{"model":"m","api_key":"**********"}}`, "llm", `{"model":"m","usage_id":"agent"}`},
		"one not to be read":    {`{"llm":{"model":"m","api_key":"gAAAAAx"}}`, "llm", `{"api_key":"gAAAAAx","model":"m","usage_id":"agent"}`},
		"keys of AWS":           {`{"llm":{"model":"m","aws_session_token":"k","aws_region_name":"eu"}}`, "llm", `{"aws_region_name":"eu","aws_session_token":"sealed k","model":"m","usage_id":"agent"}`},
		"headers":               {`{"llm":{"model":"m","extra_headers":{"X-Api-Key":"k","X-Session":"gAAAAAx","X-Team":"t"}}}`, "llm", `{"extra_headers":{"X-Api-Key":"sealed k","X-Session":"gAAAAAx","X-Team":"t"},"model":"m","usage_id":"agent"}`},
		"another model's":       {`{"critic":{"llm":{"api_key":"k","model":"m"}}}`, "critic", `{"llm":{"api_key":"sealed k","model":"m"}}`},
		"references of servers": {`{"mcp_config":{"g":{"command":"c","env":{"A":"${A}","B":"x${B}"},"headers":{"H":"Bearer ${T}"}}}}`, "mcp_config", `{"g":{"command":"c","env":{"A":"${A}","B":"sealed x${B}"},"headers":{"H":"Bearer ${T}"}}}`},
		"logins of servers":     {`{"mcp_config":{"g":{"url":"u","headers":{"X-Any":"h"},"env":{"A":"e"},"auth":{"strategy":"s","value":"v"},"timeout":1.50}}}`, "mcp_config", `{"g":{"auth":{"strategy":"s","value":"sealed v"},"env":{"A":"sealed e"},"headers":{"X-Any":"sealed h"},"timeout":1.50,"url":"u"}}`},
		"secrets":               {`{"agent_context":{"secrets":{"A":"v","L":{"kind":"LookupSecret","url":"u","headers":{"Accept":"t","X-Session":"h"}}}}}`, "agent_context", `{"secrets":{"A":"sealed v","L":{"headers":{"Accept":"t","X-Session":"sealed h"},"kind":"LookupSecret","url":"u"}}}`},
		"what makes no model":   {`{"llm":{"model":5,"api_key":"k"}}`, "llm", `{"api_key":"sealed k","model":5}`},
	} {
		t.Run(name, func(t *testing.T) {
			a := madeWith(t, &model{}, conversation.AgentEnv{Spec: json.RawMessage(probing(c.spec)), Seal: seal})
			for _, when := range []string{"before", "after"} {
				var spec map[string]json.RawMessage
				if err := json.Unmarshal(a.Spec(), &spec); err != nil {
					t.Fatal(err)
				}
				got := string(spec[c.member])
				if when == "after" {
					// The looked-up key is masked, not stored.
					got = strings.Replace(got, `"api_key":"**********",`, "", 1)
				}
				if c.member == "llm" {
					got = sorted(t, got)
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("%s the model was opened: %s", when, diff)
				}
				if a.Ready(t.Context()) != nil {
					return
				}
			}
		})
	}
}

// sorted writes an object with its members in order.
func sorted(t *testing.T, raw string) string {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(raw), &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestRequestsHideSecrets: what was stored in clear before a secret was known is
// not sent, and what is stored is not changed.
func TestRequestsHideSecrets(t *testing.T) {
	m := &model{response: llm.Response{Message: said("hi")}}
	a := madeWith(t, m, conversation.AgentEnv{
		Spec: json.RawMessage(withProbe[:len(`{"tools":[{"name":"probe"}`)] + `]}`),
		Mask: func(text string) string { return strings.ReplaceAll(text, "hunter2", "#") },
	})
	messages := []event.LLMMessage{
		{Role: event.RoleUser, Content: []event.Content{event.Text("nothing"), event.Image("data:hunter2")}},
		{Role: event.RoleUser, Content: []event.Content{event.Text("use hunter2"), event.Image("data:x")}},
		{Role: event.RoleAssistant, ReasoningContent: "hunter2!", ToolCalls: []event.ToolCall{{ID: "hunter2", Name: "probe", Arguments: `{"do":"hunter2"}`}}},
		{Role: event.RoleTool, ToolCallID: "hunter2", Content: []event.Content{event.Text("did hunter2")}},
	}
	before, _ := json.Marshal(messages) // messages always encode
	if _, err := a.Think(t.Context(), conversation.Question{Messages: messages, Stream: func(conversation.Piece) {}}); err != nil {
		t.Fatal(err)
	}
	want := []event.LLMMessage{
		messages[0],
		{Role: event.RoleUser, Content: []event.Content{event.Text("use #"), event.Image("data:x")}},
		{Role: event.RoleAssistant, Content: []event.Content{}, ReasoningContent: "#!", ToolCalls: []event.ToolCall{{ID: "hunter2", Name: "probe", Arguments: `{"do":"#"}`}}},
		{Role: event.RoleTool, ToolCallID: "hunter2", Content: []event.Content{event.Text("did #")}, ToolCalls: []event.ToolCall{}},
	}
	want[1].ToolCalls = []event.ToolCall{}
	if diff := cmp.Diff(want, m.asked.Messages); diff != "" {
		t.Error(diff)
	}
	if after, _ := json.Marshal(messages); string(after) != string(before) {
		t.Errorf("what is stored became %s", after)
	}
	if _, _, err := a.Ask(t.Context(), conversation.Aside{Messages: messages[1:2]}); err != nil || m.asked.Messages[0].Text() != "use #" {
		t.Errorf("asked %q, %v", m.asked.Messages[0].Text(), err)
	}
}

// TestKeysAreHidden hides the model's key once it is known, unless it is as
// short as a word.
func TestKeysAreHidden(t *testing.T) {
	for key, want := range map[string][]string{"sk-0123456789abcdef": {"sk-0123456789abcdef"}, "ollama": nil} {
		var hidden []string
		a := madeWith(t, &model{}, conversation.AgentEnv{
			Spec: json.RawMessage(probing(`{"llm":{"model":"m","api_key":"` + key + `"}}`)),
			Hide: func(values ...string) { hidden = append(hidden, values...) },
		})
		if err := a.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, hidden); diff != "" {
			t.Error(diff)
		}
	}
}
