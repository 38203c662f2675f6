package finish

import (
	"encoding/json"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/tool"
	"github.com/agent-rpc/agent-rpc/internal/tool/tooltest"
)

func TestSuite(t *testing.T) {
	tooltest.Run(t, tooltest.Suite{
		New:  func(*testing.T) tool.Tool { return Tool{} },
		Args: []string{`{"message":"All done.\nReally."}`},
	})
}

func TestRun(t *testing.T) {
	action := json.RawMessage(`{"message":"All <done>.\nReally.","kind":"FinishAction"}`)
	got, err := Tool{}.Run(t.Context(), tool.Call{Action: action})
	want := `{"content":[{"cache_prompt":false,"type":"text","text":"All <done>.\nReally."}],"is_error":false,"kind":"FinishObservation"}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
	if d := (Tool{}).Describe(action, got); d.Title != "Finish" || d.Summary != "All <done>." || d.Status != "completed" {
		t.Errorf("display %+v", d)
	}
	if got := Message(action); got != "All <done>.\nReally." {
		t.Errorf("message %q", got)
	}
	if got := Message(nil); got != "" {
		t.Errorf("message of nothing %q", got)
	}
	if e := Entry(); !e.BuiltIn || e.Class != "FinishTool" {
		t.Errorf("entry %+v", e)
	}
}
