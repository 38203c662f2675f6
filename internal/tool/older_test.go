package tool_test

import (
	"encoding/json"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/tool"
)

// TestObservationsBefore10: what the model read then it reads now.
func TestObservationsBefore10(t *testing.T) {
	for in, want := range map[string]string{
		`{"kind":"ExecuteBashObservation","output":"a.txt","command":"ls","exit_code":0,"error":false}`: "a.txt",
		`{"kind":"ExecuteBashObservation","output":"no","error":true}`:                                  tool.ErrorHeader + "no",
		`{"kind":"FileEditorObservation","command":"view","output":"","error":"no such file"}`:          tool.ErrorHeader + "no such file",
		`{"kind":"TaskTrackerObservation","content":"one task","command":"view"}`:                       "one task",
		`{"kind":"FinishObservation","message":"done"}`:                                                 "done",
		`{"kind":"X","content":[],"message":"not this"}`:                                                "",
		`{"kind":"X"}`: "",
	} {
		if got := event.TextOf(tool.Render(json.RawMessage(in))); got != want {
			t.Errorf("%s is read as %q, want %q", in, got, want)
		}
	}
}
