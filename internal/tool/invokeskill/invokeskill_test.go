package invokeskill

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/tool"
	"github.com/agent-rpc/agent-rpc/internal/tool/tooltest"
)

type skills map[string]string

func (s skills) Invoke(_ context.Context, name string) (string, error) {
	if text, ok := s[name]; ok {
		return text, nil
	}
	return "", errors.New("there is no skill of that name; there is: deploy")
}

func TestSuite(t *testing.T) {
	tooltest.Run(t, tooltest.Suite{
		New:  func(*testing.T) tool.Tool { return New(skills{"deploy": "Push."}) },
		Args: []string{`{"name":"deploy"}`},
	})
}

func TestRun(t *testing.T) {
	for _, tt := range []struct{ action, want, invoked, title, summary string }{
		{
			`{"name":" deploy\n","kind":"InvokeSkillAction"}`,
			`{"content":[{"cache_prompt":false,"type":"text","text":"Push."}],"is_error":false,"skill_name":"deploy","kind":"InvokeSkillObservation"}`,
			"deploy", "Skill deploy", "",
		},
		{
			`{"name":"x","kind":"InvokeSkillAction"}`,
			`{"content":[{"cache_prompt":false,"type":"text","text":"there is no skill of that name; there is: deploy"}],"is_error":true,"skill_name":"x","kind":"InvokeSkillObservation"}`,
			"", "Skill x", "there is no skill of that name; there is: deploy",
		},
	} {
		made := New(skills{"deploy": "Push."})
		got, err := made.Run(t.Context(), tool.Call{Action: json.RawMessage(tt.action)})
		if err != nil || string(got) != tt.want {
			t.Errorf("got %s, %v", got, err)
		}
		if name := Invoked(got); name != tt.invoked {
			t.Errorf("invoked %q, want %q", name, tt.invoked)
		}
		if d := made.Describe(json.RawMessage(tt.action), got); d.Title != tt.title || d.Summary != tt.summary {
			t.Errorf("display %+v", d)
		}
	}
	if name := Invoked(json.RawMessage(`{"kind":"ThinkObservation","skill_name":"x"}`)); name != "" {
		t.Errorf("a thought invoked %q", name)
	}
}
