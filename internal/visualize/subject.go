package visualize

import (
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// titleVerbs are the words a title may begin with, as tools write them: the
// first word is what is done, the rest to what.
var titleVerbs = map[string]bool{
	"Read": true, "Create": true, "Edit": true, "Undo": true, "Delete": true, "Move": true, "Search": true, "Find": true, "List": true,
	"Run": true, "Send": true, "Reset": true, "Wait": true, "Fetch": true, "Open": true, "Call": true, "Ask": true, "Think": true, "Finish": true,
}

// verbs say what a kind of call does; the same words in every face.
var verbs = map[string]string{
	event.DisplayRead:    "Read",
	event.DisplayEdit:    "Edit",
	event.DisplayDelete:  "Delete",
	event.DisplayMove:    "Move",
	event.DisplaySearch:  "Search",
	event.DisplayExecute: "Run",
	event.DisplayThink:   "Think",
	event.DisplayFetch:   "Fetch",
}

// subject splits a step into what is done and to what.
func (v *View) subject(c *call, d *event.Display, toolName string) (verb, object string) {
	if c != nil && c.display.Title != "" && (d == nil || d.Title == "" || d.Kind == "error") {
		d = &c.display
	}
	if d == nil || d.Title == "" {
		return "Call", toolName
	}
	return split(d.Kind, d.Title, v.options.Workspace)
}

func split(kind, title, workspace string) (verb, object string) {
	verb, ok := verbs[kind]
	if !ok {
		verb = "Call"
	}
	object = strings.TrimSpace(title)
	if word, rest, more := strings.Cut(object, " "); more && titleVerbs[word] {
		verb, object = word, strings.TrimSpace(rest)
	}
	return verb, relative(workspace, object)
}
