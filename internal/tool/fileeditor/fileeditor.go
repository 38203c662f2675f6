// Package fileeditor is OpenHands' file_editor: view, create, str_replace,
// insert and undo_edit on files of this machine.
//
// Where OpenHands loses something the package does not: encodings, byte order
// marks and line endings stay, also mixed ones; a symbolic link stays a link.
// It does not decide which paths are allowed, see [Options.AllowOutside] and
// [tool.Locator]. It starts no goroutine.
package fileeditor

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/tool"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

//go:embed description.md
var description string

// Name is what models call the tool.
const Name = "file_editor"

// Options are what a conversation may change about the tool. The zero value is
// the plain tool.
type Options struct {
	// Files is where files are read and written; workspace.Disk if nil.
	Files Files
	// AllowOutside is asked before a path outside the workspace is touched; its
	// error goes to the model. Nil allows all, as OpenHands does.
	AllowOutside func(path string) error
	// Touch is told of a path before it is written; may be nil.
	Touch func(path string)
}

// Tool is the file editor of one conversation.
type Tool struct {
	def     tool.Definition
	root    string
	files   Files
	allow   func(path string) error
	touch   func(path string)
	history history
}

// Entry is the tool's line in a registry.
func Entry(opts Options) tool.Entry {
	return tool.Entry{Name: Name, Class: "FileEditorTool", New: func(env tool.Env) ([]tool.Tool, error) {
		if env.Workspace == nil {
			return nil, errors.New("the file editor needs a workspace")
		}
		own := opts
		if env.Touch != nil {
			own.Touch = env.Touch
		}
		return []tool.Tool{New(env.Workspace.Root(), own)}, nil
	}}
}

// New makes the editor of a workspace, whose root is an absolute path.
func New(root string, opts Options) *Tool {
	t := &Tool{root: root, files: opts.Files, allow: opts.AllowOutside, touch: opts.Touch}
	if t.files == nil {
		t.files = workspace.Disk{}
	}
	t.def = tool.Definition{
		Name: Name, Kind: "FileEditorTool", ActionKind: ActionKind, ObservationKind: ObservationKind,
		Description: description + "\nThe working directory is " + root + "; begin paths with it.\n",
		Annotations: &tool.Annotations{Title: Name, DestructiveHint: true},
		Input:       arguments.Schema(),
	}
	return t
}

// Definition implements [tool.Tool].
func (t *Tool) Definition() *tool.Definition { return &t.def }

// Decode implements [tool.Tool].
func (t *Tool) Decode(args json.RawMessage) (json.RawMessage, error) { return arguments.Decode(args) }

// Render implements [tool.Tool].
func (t *Tool) Render(observation json.RawMessage) []event.Content { return tool.Render(observation) }

// Close implements [tool.Tool]. After it there is nothing to undo.
func (t *Tool) Close() error {
	t.history.clear()
	return nil
}

// Run implements [tool.Tool].
func (t *Tool) Run(ctx context.Context, call tool.Call) (json.RawMessage, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a, err := arguments.Read(call.Action)
	if err != nil {
		return nil, err
	}
	obs, err := t.run(ctx, &a)
	if err != nil {
		if ctxErr := ctx.Err(); ctxErr != nil {
			return nil, ctxErr
		}
		obs = &Observation{Result: tool.Failure(err.Error()), PrevExist: true}
		if touched := (*touchedError)(nil); errors.As(err, &touched) {
			obs.Path = a.Path
		}
	}
	obs.Command = a.Command
	return event.EncodeKind(obs, ObservationKind)
}

// touchedError is a failure after the arguments were found good: its
// observation names the path.
type touchedError struct{ error }

func (t *Tool) run(ctx context.Context, a *Action) (*Observation, error) {
	path, info, err := t.checkPath(a)
	if err != nil {
		return nil, err
	}
	if err := checkParameters(a, info); err != nil {
		return nil, err
	}
	obs, err := t.carryOut(ctx, a, path, info)
	if err != nil {
		return nil, &touchedError{err}
	}
	obs.Path = a.Path
	return obs, nil
}
