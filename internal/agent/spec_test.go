package agent_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/agent"
	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/tool"
	"github.com/agent-rpc/agent-rpc/internal/tool/finish"
	"github.com/agent-rpc/agent-rpc/internal/tool/think"
)

// keys gives the members of a JSON object in their order.
func keys(t *testing.T, raw json.RawMessage) (names []string) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name.(string))
		var skipped json.RawMessage
		if err := d.Decode(&skipped); err != nil {
			t.Fatal(err)
		}
	}
	return names
}

func TestSpecKeepsOpenHandsOrder(t *testing.T) {
	a, _ := made(t, &model{}, `{"zzz":1,"kind":"Agent","tool_concurrency_limit":2,"condenser":{"kind":"NoOpCondenser"},"agent_context":{"skills":[]},
		"aaa":{"b":2,"a":1.10},"tools":[{"name":"probe","params":{"x":1}}],"critic":null,"system_prompt":"hi","filter_tools_regex":"^p",
		"llm":{"model":"test/named","api_key":"sk-given","top_p":0.5,"own":[1]}}`)
	spec := a.Spec()
	want := []string{
		"llm", "tools", "mcp_config", "filter_tools_regex", "include_default_tools", "agent_context", "system_prompt",
		"system_prompt_filename", "security_policy_filename", "system_prompt_kwargs", "condenser", "tool_concurrency_limit", "aaa", "zzz", "kind",
	}
	if diff := cmp.Diff(want, keys(t, spec)); diff != "" {
		t.Errorf("fields:\n%s", diff)
	}
	for _, text := range []string{
		`"aaa":{"b":2,"a":1.10}`, `"zzz":1`, `"tools":[{"name":"probe","params":{"x":1}}]`, `"own":[1]`, `"top_p":0.5`,
		`"api_key":"**********"`, `"usage_id":"agent"`, `"tool_concurrency_limit":2`, `"include_default_tools":["FinishTool","ThinkTool"]`,
	} {
		if !strings.Contains(string(spec), text) {
			t.Errorf("no %s in %s", text, spec)
		}
	}
	// It reads what it wrote.
	again, _ := made(t, &model{}, string(spec))
	if diff := cmp.Diff(string(spec), strings.Replace(string(again.Spec()), `"model":"test/named",`, `"model":"test/named","api_key":"**********",`, 1)); diff != "" {
		t.Errorf("read again:\n%s", diff)
	}
}

func TestSpecDefaults(t *testing.T) {
	for _, raw := range []string{"", "null", "[]", "{}", " {} ", `{"tools":null,"kind":"Agent","tool_concurrency_limit":0}`} {
		s, err := agent.ParseSpec(json.RawMessage(raw))
		if err != nil {
			t.Errorf("%q: %v", raw, err)
			continue
		}
		if len(s.Tools) != len(agent.DefaultTools) || len(s.IncludeDefault) != 2 || s.ToolConcurrency != 1 {
			t.Errorf("%q: %+v", raw, s)
		}
	}
	if s, err := agent.ParseSpec(json.RawMessage(`{"tools":[],"include_default_tools":[]}`)); err != nil || len(s.Tools) != 0 || len(s.IncludeDefault) != 0 {
		t.Errorf("none: %+v, %v", s, err)
	}
}

// Whatever an Agent carries, no credential of it is written.
func TestSpecHidesCredentials(t *testing.T) {
	const secret = "hunter2hunter2"
	specs := []string{
		`{"llm":{"model":"m","api_key":"S","aws_secret_access_key":"S","extra_headers":{"Authorization":"S","X-Team":"core"}}}`,
		`{"llm":{"model":5,"api_key":"S"}}`,
		`{"llm":{"model":"m","timeout":"soon","api_key":"S"}}`,
		`{"condenser":{"llm":{"model":"m","api_key":"S"},"kind":"LLMSummarizingCondenser"}}`,
		`{"mcp_config":{"git":{"command":"x","env":{"TOKEN":"S"},"headers":{"X-Api-Key":"S"},"auth":"S"}}}`,
		`{"mcp_config":{"mcpServers":{"git":{"env":{"TOKEN":"S"},"auth":{"kind":"x","value":"S"}}}}}`,
		`{"agent_context":{"secrets":{"A":"S","B":{"kind":"StaticSecret","value":"S","description":"of B"},"C":{"kind":"LookupSecret","url":"http://x","headers":{"Authorization":"S"}}}}}`,
		`{"odd":[{"api_key":"S"},["x",{"api_key":"S"}]]}`,
	}
	for _, spec := range specs {
		a, _ := made(t, &model{}, probing(strings.ReplaceAll(spec, `"S"`, `"`+secret+`"`)))
		for range 2 {
			got := string(a.Spec())
			if strings.Contains(got, secret) {
				t.Errorf("%s\nwrites its secret: %s", spec, got)
			}
			if !json.Valid([]byte(got)) {
				t.Errorf("%s is no JSON", got)
			}
			for _, kept := range []string{`"X-Team":"core"`, `"description":"of B"`, `"url":"http://x"`, `"command":"x"`} {
				if strings.Contains(spec, kept) && !strings.Contains(got, kept) {
					t.Errorf("%s is lost: %s", kept, got)
				}
			}
			// With a model it is the resolved one's.
			if err := a.Ready(t.Context()); err != nil && !strings.Contains(spec, "soon") && !strings.Contains(spec, ":5") {
				t.Errorf("ready: %v", err)
			}
		}
	}
}

func FuzzParseSpec(f *testing.F) {
	f.Add([]byte(`{"llm":{"api_key":"x"},"tools":[{"name":"terminal"}],"kind":"Agent"}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := agent.ParseSpec(raw)
		if (s == nil) == (err == nil) {
			t.Fatalf("%+v and %v", s, err)
		}
	})
}

// TestStoredTools: a conversation opens that was held with tools of another
// program, and keeps them; a tool that is given must be there.
func TestStoredTools(t *testing.T) {
	open := func(spec, stored string) (*agent.Agent, error) {
		env := conversation.AgentEnv{Spec: json.RawMessage(spec), Workspace: t.TempDir()}
		if stored != "" {
			env.Stored = json.RawMessage(stored)
		}
		return agent.New(agent.Deps{Models: &model{}, Tools: tool.NewRegistry(finish.Entry(), think.Entry())}, env)
	}
	const theirs = `{"tools":[{"name":"browser_tool_set","params":{"headless":true}}],"include_default_tools":["FinishTool","VisionInspectTool"]}`
	a, err := open(theirs, theirs)
	if err != nil {
		t.Fatal(err)
	}
	if spec := string(a.Spec()); !strings.Contains(spec, `"browser_tool_set","params":{"headless":true}`) || !strings.Contains(spec, "VisionInspectTool") || strings.Contains(spec, "condenser") {
		t.Errorf("the agent is stored as %s", spec)
	}
	lost := a.Lacks(json.RawMessage(`{"tools":[{"name":"browser_tool_set"},{"name":"other"}],"include_default_tools":["FinishTool"]}`))
	if len(lost) != 1 || lost[0] != "other" {
		t.Errorf("it lacks %v, want other", lost)
	}
	for _, stored := range []string{"", theirs} {
		if _, err := open(`{"tools":[{"name":"frobnicate"}]}`, stored); err == nil {
			t.Errorf("a tool that is not there was taken, with %q stored", stored)
		}
	}
}
