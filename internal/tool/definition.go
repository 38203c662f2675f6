package tool

import (
	"cmp"
	"encoding/json"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// Encode gives the definition as OpenHands stores it in its SystemPromptEvent.
// The name is not in it: OpenHands' loader turns down fields it does not know,
// and takes the name from the class.
func (d *Definition) Encode() (json.RawMessage, error) {
	title := d.Title
	if title == "" && d.Annotations != nil {
		title = d.Annotations.Title
	}
	var clientName string
	var clientInput json.RawMessage
	if d.Client {
		clientName, clientInput = d.Name, d.Input
	}
	return event.EncodeKind(struct {
		Description     string          `json:"description"`
		ActionType      string          `json:"action_type"`
		ObservationType string          `json:"observation_type,omitempty"`
		Annotations     *Annotations    `json:"annotations,omitempty"`
		Title           string          `json:"title"`
		ClientName      string          `json:"client_tool_name,omitempty"`
		ClientInput     json.RawMessage `json:"input_schema,omitempty"`
	}{d.Description, d.ActionKind, d.ObservationKind, d.Annotations, cmp.Or(title, d.Name), clientName, clientInput}, d.Kind)
}
