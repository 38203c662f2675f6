package stuck

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// sameAction compares what the agent thought and did; ids, summaries and risks
// differ from call to call. Calls that were not valid have no action to compare:
// their arguments are.
func sameAction(a, b *event.Action) bool {
	if a.Source != b.Source || a.ToolName != b.ToolName || (a.Action == nil) != (b.Action == nil) {
		return false
	}
	if a.Action == nil && a.ToolCall.Arguments != b.ToolCall.Arguments {
		return false
	}
	return slices.EqualFunc(a.Thought, b.Thought, sameContent) && sameJSON(a.Action, b.Action)
}

// sameResult compares what came out. Rejections are never the same: each is an
// answer of the user.
func sameResult(a, b event.Event) bool {
	switch a := a.(type) {
	case *event.Observation:
		b, ok := b.(*event.Observation)
		return ok && a.Source == b.Source && a.ToolName == b.ToolName && sameJSON(a.Observation, b.Observation)
	case *event.AgentError:
		b, ok := b.(*event.AgentError)
		return ok && a.Source == b.Source && a.Error == b.Error
	}
	return false
}

func sameContent(a, b event.Content) bool {
	return a.Type == b.Type && a.Text == b.Text && a.CachePrompt == b.CachePrompt && slices.Equal(a.ImageURLs, b.ImageURLs)
}

// sameJSON compares values, not how they are written.
func sameJSON(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	return reflect.DeepEqual(x, y)
}
