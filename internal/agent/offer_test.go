package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/agent"
	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
	"github.com/agent-rpc/agent-rpc/internal/tool"
)

// named is the probe under another name.
type named struct {
	probe
	name string
}

func (n named) Definition() *tool.Definition {
	d := *n.probe.Definition()
	d.Name = n.name
	return &d
}

// servers are MCP servers that have what the test says.
type servers struct {
	tools []tool.Tool
	news  []string
}

func (s *servers) Tools(context.Context) []tool.Tool { return s.tools }
func (s *servers) Close(context.Context) error       { return nil }
func (s *servers) News() []string {
	news := s.news
	s.news = nil
	return news
}

func with(s *servers) func(*agent.Deps) {
	return func(d *agent.Deps) {
		d.Servers = func(conversation.AgentEnv, json.RawMessage) (agent.Servers, error) { return s, nil }
	}
}

func step(t *testing.T, a *agent.Agent) (*conversation.Thought, error) {
	t.Helper()
	return a.Think(t.Context(), conversation.Question{
		CacheKey: "c", Stream: func(conversation.Piece) {},
		Messages: []event.LLMMessage{{Role: event.RoleUser, Content: []event.Content{event.Text("go")}}},
	})
}

// offered are the names of the tools that the model was asked with.
func offered(m *model) (names []string) {
	for _, t := range m.asked.Tools {
		names = append(names, t.Name)
	}
	slices.Sort(names)
	return names
}

func TestToolsOfServersAreOffered(t *testing.T) {
	m := &model{response: llm.Response{Message: said("done")}}
	s := &servers{tools: []tool.Tool{named{newProbe(), "lookup"}, named{newProbe(), "probe"}}}
	a, _ := made(t, m, withProbe, with(s))
	first, err := step(t, a)
	if err != nil {
		t.Fatal(err)
	}
	if got := offered(m); !slices.Contains(got, "lookup") || slices.Index(got, "probe") < 0 || len(slices.Compact(slices.Clone(got))) != len(got) {
		t.Errorf("offered %q", got)
	}
	if len(first.Told) != 1 || !strings.Contains(first.Told[0], `"probe"`) {
		t.Errorf("told %q", first.Told)
	}

	s.tools = []tool.Tool{named{newProbe(), "probe"}, named{newProbe(), "later"}} // the server's tools have changed
	second, err := step(t, a)
	if err != nil {
		t.Fatal(err)
	}
	if got := offered(m); slices.Contains(got, "lookup") || !slices.Contains(got, "later") {
		t.Errorf("then %q", got)
	}
	if len(second.Told) != 0 {
		t.Errorf("told again: %q", second.Told)
	}
}

func TestFilterHoldsForToolsOfServers(t *testing.T) {
	m := &model{response: llm.Response{Message: said("done")}}
	s := &servers{tools: []tool.Tool{named{newProbe(), "read_page"}, named{newProbe(), "write_page"}}}
	a, _ := made(t, m, `{"filter_tools_regex":"probe|read","tools":[{"name":"probe"}]}`, with(s))
	if _, err := step(t, a); err != nil {
		t.Fatal(err)
	}
	if got := offered(m); slices.Contains(got, "write_page") || !slices.Contains(got, "read_page") {
		t.Errorf("offered %q", got)
	}
}

func TestNewsOfServersReachesTheModel(t *testing.T) {
	m := &model{err: errors.New("no connection")}
	s := &servers{news: []string{"The server is gone."}}
	a, _ := made(t, m, withProbe, with(s))
	if _, err := step(t, a); err == nil {
		t.Fatal("the call did not fail")
	}
	m.err, m.response = nil, llm.Response{Message: said("done")}
	for _, want := range [][]string{{"The server is gone."}, nil} {
		got, err := step(t, a)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got.Told); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		last := m.asked.Messages[len(m.asked.Messages)-1]
		if text := event.TextOf(last.Content); strings.Contains(text, "The server is gone.") != (want != nil) || !strings.Contains(text, "go") {
			t.Errorf("the model reads %q", text)
		}
	}
}
