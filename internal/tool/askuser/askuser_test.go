package askuser_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/form"
	"github.com/agent-rpc/agent-rpc/internal/tool"
	"github.com/agent-rpc/agent-rpc/internal/tool/askuser"
	"github.com/agent-rpc/agent-rpc/internal/tool/tooltest"
)

func TestSuite(t *testing.T) {
	tooltest.Run(t, tooltest.Suite{
		New:  func(*testing.T) tool.Tool { return askuser.Tool{} },
		Args: []string{`{"question":"Which port?"}`, `{"question":"Which colour?","options":["red","blue"]}`},
	})
}

func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		args    string
		answer  tool.Answer
		buttons int
		want    string
	}{
		{`{"question":"Which port?"}`, tool.Answer{Action: "accept", Content: json.RawMessage(`{"answer":"8080"}`)}, 0, "8080"},
		{`{"question":"Which?","options":["red","blue"]}`, tool.Answer{Action: "accept", Content: json.RawMessage(`{"answer":"blue"}`)}, 2, "blue"},
		{`{"question":"Which?"}`, tool.Answer{Action: "decline"}, 0, "The user declined to answer."},
		{`{"question":"Which?"}`, tool.Answer{Action: "cancel"}, 0, "The user closed the question without an answer."},
	} {
		action, err := askuser.Tool{}.Decode(json.RawMessage(tt.args))
		if err != nil {
			t.Fatal(err)
		}
		observation, err := askuser.Tool{}.Run(t.Context(), tool.Call{Action: action, Ask: func(_ context.Context, q tool.Question) (tool.Answer, error) {
			f, err := form.Parse(q.Schema)
			if err != nil {
				t.Fatal(err)
			}
			if len(f.Choices()) != tt.buttons || !q.Repeatable {
				t.Errorf("asked %+v", q)
			}
			if tt.answer.Content != nil {
				if err := f.Check(tt.answer.Content); err != nil {
					t.Error(err)
				}
			}
			return tt.answer, nil
		}})
		if err != nil || event.TextOf(askuser.Tool{}.Render(observation)) != tt.want {
			t.Errorf("%s %+v: %s, %v", tt.args, tt.answer, observation, err)
		}
		if d := (askuser.Tool{}).Describe(action, observation); d.Status != event.StatusCompleted || d.Summary != tt.want || !strings.HasPrefix(d.Title, "Ask Which") {
			t.Errorf("shown as %+v", d)
		}
	}
	action, _ := askuser.Tool{}.Decode(json.RawMessage(`{"question":"Which?"}`))
	gone := errors.New("nobody is there")
	if _, err := (askuser.Tool{}).Run(t.Context(), tool.Call{Action: action, Ask: func(context.Context, tool.Question) (tool.Answer, error) {
		return tool.Answer{}, gone
	}}); !errors.Is(err, gone) {
		t.Error(err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, args := range []string{
		`{"question":" "}`, `{"question":"Which?","options":["one"]}`, `{"question":"Which?","options":["a",""]}`, `{"question":"Which?","options":["a","a"]}`,
	} {
		var wrong *tool.ArgumentError
		if _, err := (askuser.Tool{}).Decode(json.RawMessage(args)); !errors.As(err, &wrong) {
			t.Errorf("%s: %v", args, err)
		}
	}
}
