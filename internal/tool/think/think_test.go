package think

import (
	"encoding/json"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/tool"
	"github.com/agent-rpc/agent-rpc/internal/tool/tooltest"
)

func TestSuite(t *testing.T) {
	tooltest.Run(t, tooltest.Suite{
		New:  func(*testing.T) tool.Tool { return Tool{} },
		Args: []string{`{"thought":"Perhaps.\nPerhaps not."}`},
	})
}

func TestRun(t *testing.T) {
	action := json.RawMessage(`{"thought":"\n Perhaps.\nNot.","kind":"ThinkAction"}`)
	got, err := Tool{}.Run(t.Context(), tool.Call{Action: action})
	want := `{"content":[{"cache_prompt":false,"type":"text","text":"The thought is noted."}],"is_error":false,"kind":"ThinkObservation"}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
	if d := (Tool{}).Describe(action, nil); d.Kind != "think" || d.Title != "Think" || d.Summary != "Perhaps." || d.Status != "pending" {
		t.Errorf("display %+v", d)
	}
	if e := Entry(); !e.BuiltIn || e.Class != "ThinkTool" {
		t.Errorf("entry %+v", e)
	}
}
