// Package face is what the faces of agent-rpc share: what each translates to (a
// [Backend], made by cmd), what its client can do for that (a [Host]), and which
// code an error becomes. A face is rpc, for LSP clients, or acp, for clients of
// the Agent Client Protocol; no face knows another.
package face

import (
	"context"
	"encoding/json"
	"io/fs"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/secret"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// Backend is what a face translates to. cmd makes it, once the client has said
// what it is.
type Backend struct {
	NewAgent conversation.NewAgent
	// NewHooks may be nil: then no hooks run.
	NewHooks conversation.NewHooks
	// NewChanges may be nil: then nobody looks what runs change.
	NewChanges conversation.NewChanges
	// ConversationsDir is the default folder of the conversations.
	ConversationsDir string
	// StateDir is where transcripts and prompts for plain LSP clients are kept; ""
	// for nowhere.
	StateDir string
	// Defaults are what the settings say of new conversations: policy, analyzer,
	// limits, titles and stuck detection, where create does not.
	Defaults func() conversation.Options
	// Security judges what agents want to do.
	Security conversation.Security
	Tools    func() []protocol.ToolInfo
	Models   func() protocol.ModelsResult
	// Secrets gives the options of a conversation's secrets that settings decide;
	// may be nil.
	Secrets func() secret.Options
	// Skills lists the skills that a user may ask for in a folder.
	Skills func(workspace string) ([]protocol.SkillInfo, error)
	// Profile tells why a saved model can't be used; nil if it can.
	Profile func(name string) error
	// Ready tells why a new conversation's model could not be asked: none is
	// configured, or its key is missing; nil if it could. It asks nobody.
	Ready func() error
}

// Host is what the client can do for a [Backend].
type Host interface {
	// Of gives the host for one conversation. A client whose folders and documents
	// are the same for all gives itself.
	Of(conversationID string) Host
	// Secret asks the client for a secret, such as an API key; "" if it has none
	// or keeps no secrets.
	Secret(ctx context.Context, conversationID, name string) string
	// ExecuteTool has the client carry out a call of one of its own tools. Its error
	// is for the model.
	ExecuteTool(ctx context.Context, conversationID string, call ToolCall) (content []event.Content, isError bool, err error)
	// Roots gives the folders that are open in the editor, as absolute paths.
	Roots() []string
	// Buffers are files as the user's editor has them.
	Buffers() Files
	// Warn shows a text to the user. It never waits.
	Warn(text string)
}

// ToolCall is a call of one of the client's own tools.
type ToolCall struct {
	ID, RunID string
	Name      string
	Arguments json.RawMessage
}

// Files are files as the user's editor has them, before those on the disk.
// workspace.Buffers are those of an editor that tells of its documents.
type Files interface {
	Stat(path string) (fs.FileInfo, error)
	Read(path string) ([]byte, error)
	// Peek is Read that never waits for the editor: what it said last.
	Peek(path string) ([]byte, error)
	Write(ctx context.Context, path string, data []byte) error
	// Replace is Write, but a document that is saved is changed in the editor too.
	Replace(ctx context.Context, path string, data []byte) error
	// Unsaved tells whether Read gives other text than the disk.
	Unsaved(path string) bool
	// Behind gives unsaved documents whose files something else changed, each once.
	Behind() []string
}

// WithDefaults fills in what a client leaves open for a new conversation.
func WithDefaults(o, defaults conversation.Options) conversation.Options {
	if o.Policy == nil {
		o.Policy = defaults.Policy
	}
	if o.Analyzer == nil {
		o.Analyzer = defaults.Analyzer
	}
	if o.MaxIterations == 0 {
		o.MaxIterations = defaults.MaxIterations
	}
	if o.MaxBudget == nil {
		o.MaxBudget = defaults.MaxBudget
	}
	if o.AutoTitle == nil {
		o.AutoTitle = defaults.AutoTitle
	}
	if o.StuckDetection == nil {
		o.StuckDetection = defaults.StuckDetection
	}
	if o.StuckThresholds == nil {
		o.StuckThresholds = defaults.StuckThresholds
	}
	return o
}

// Shared is how text that a user shares stands in a message, for OpenHands knows
// only text and images: a header that can be parsed back, and the text below it.
//
//	[file] path
//	[file] path:3-9
//	[selection] path:3-9
//	[diagnostics] path
//	[resource] uri
func Shared(kind, place, text string) event.Content {
	header := "[" + kind + "] " + place
	if text == "" {
		return event.Text(header)
	}
	return event.Text(header + "\n" + text)
}
