package agent

import (
	"fmt"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/tool"
)

// unsavedNotes tells the model where the user's editor holds other text than the
// disk: of the files that the action was about, and of those that it changed on
// the disk behind the editor's back.
func (a *Agent) unsavedNotes(t tool.Tool, action *event.Action) (notes []event.Content) {
	if a.deps.Buffers == nil {
		return nil
	}
	if locator, ok := t.(tool.Locator); ok {
		for _, place := range locator.Locations(action.Action) {
			if a.deps.Buffers.Unsaved(place.Path) {
				notes = append(notes, event.Text(fmt.Sprintf(
					"%s is open in the user's editor with changes that are not saved. This call worked on the editor's text; commands see the file on the disk.", place.Path)))
			}
		}
		return notes
	}
	if behind := a.deps.Buffers.Behind(); len(behind) > 0 {
		notes = append(notes, event.Text(fmt.Sprintf(
			"Changed on the disk while the user's editor holds other changes of it that are not saved: %s. The file tools go on with the editor's text; ask the user which one should stay.",
			strings.Join(behind, ", "))))
	}
	return notes
}
