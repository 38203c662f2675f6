package event

// Display is what a thin client needs to show an event without knowing any
// tool. Kind and Status are ACP's ToolKind and ToolCallStatus.
type Display struct {
	// Kind is read, edit, delete, move, search, execute, think, fetch, other;
	// or message, error, system for events that are no tool call.
	Kind string `json:"kind"`
	// Title is one line: what is done and to what.
	Title string `json:"title"`
	// Status is pending, in_progress, completed or failed.
	Status string `json:"status"`
	// Summary is one line about the outcome, such as "exit 1" or "180 lines".
	Summary   string     `json:"summary,omitempty"`
	Locations []Location `json:"locations,omitempty"`
	Diff      *Diff      `json:"diff,omitempty"`
	Risk      Risk       `json:"risk,omitempty"`
}

// Location is a place in a file. Path is absolute; Line counts from 1, 0 means
// the whole file.
type Location struct {
	Path string `json:"path"`
	Line int    `json:"line,omitempty"`
}

// Diff is a change to one file. OldText is nil for a new file.
type Diff struct {
	Path    string  `json:"path"`
	OldText *string `json:"oldText,omitempty"`
	NewText string  `json:"newText"`
}

// The kinds of [Display] that tools use, as ACP names them.
const (
	DisplayRead    = "read"
	DisplayEdit    = "edit"
	DisplayDelete  = "delete"
	DisplayMove    = "move"
	DisplaySearch  = "search"
	DisplayExecute = "execute"
	DisplayThink   = "think"
	DisplayFetch   = "fetch"
	DisplayOther   = "other"
)

// DisplayMessage is the kind of [Display] of a message.
const DisplayMessage = "message"

// DisplaySystem is the kind of a [Display] of what the conversation does itself.
const DisplaySystem = "system"

// The statuses of [Display], as ACP names them.
const (
	StatusPending    = "pending"
	StatusInProgress = "in_progress"
	StatusCompleted  = "completed"
	StatusFailed     = "failed"
)
