package fileeditor

import (
	"github.com/agent-rpc/agent-rpc/internal/tool"
)

// The kinds of the tool's JSON, which are OpenHands' class names.
const (
	ActionKind      = "FileEditorAction"
	ObservationKind = "FileEditorObservation"
)

// The commands of an [Action].
const (
	commandView       = "view"
	commandCreate     = "create"
	commandStrReplace = "str_replace"
	commandInsert     = "insert"
	commandUndo       = "undo_edit"
)

// Action is OpenHands' FileEditorAction.
type Action struct {
	Command    string  `json:"command" enum:"view,create,str_replace,insert,undo_edit" jsonschema:"What to do."`
	Path       string  `json:"path" jsonschema:"Absolute path of the file, or of the directory to view."`
	FileText   *string `json:"file_text,omitempty" jsonschema:"For create: the content of the new file."`
	OldStr     *string `json:"old_str,omitempty" jsonschema:"For str_replace: the text to be replaced, exactly as it stands in the file."`
	NewStr     *string `json:"new_str,omitempty" jsonschema:"For str_replace: the text to put in its place, empty to delete it. For insert: the lines to insert."`
	InsertLine *int    `json:"insert_line,omitempty" minimum:"0" jsonschema:"For insert: the number of the line after which to insert, 0 for the top of the file."`
	ViewRange  []int   `json:"view_range,omitempty" jsonschema:"For view of a file: the first and the last line to show, counted from 1; -1 as the last means to the end. The whole file without it."`
}

// Observation is OpenHands' FileEditorObservation. Path is empty where the call
// was turned down before anything was touched.
type Observation struct {
	tool.Result
	Command string `json:"command"`
	Path    string `json:"path,omitempty"`
	// PrevExist is false only for a file that was created.
	PrevExist bool `json:"prev_exist"`
	// OldContent and NewContent are the whole text before and after a change,
	// with "\n" for every line ending.
	OldContent *string `json:"old_content,omitempty"`
	NewContent *string `json:"new_content,omitempty"`
}

// arguments derives the schema and decodes; see [tool.Arguments].
var arguments = tool.NewArguments[Action](ActionKind)
