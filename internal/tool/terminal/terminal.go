// Package terminal is the terminal tool of OpenHands: one interactive shell per
// conversation, on a pseudo-terminal, that keeps its working directory and
// environment from call to call. A program that still runs when a call returns
// can be read, answered and interrupted by later calls.
//
// It is OpenHands' single session, not its pool of tmux panes. It does not emulate
// a screen: output is text with its colours, in the order it was written. It
// does not judge commands and does not mask secrets in what it streams; that is
// done around it. There is no shell for Windows yet.
//
// The shell starts with the first command. It reads the user's start-up files;
// afterwards its prompt, history and hooks are replaced (see the setup script),
// so that the end of a command is known the moment the shell says so, without
// polling, and no prompt starts a process.
//
// Two goroutines serve a running shell, one reads its terminal and one waits for
// its end; a third lives while something is typed. Close ends the shell with
// all that was started in it, daemons too: those are known by a variable in
// their environment, and one that was started without it (env -u
// AGENT_RPC_TERMINAL) is left alone.
package terminal

import (
	_ "embed"

	"github.com/agent-rpc/agent-rpc/internal/tool"
)

// Options are the same for every terminal of the program.
type Options struct {
	// Environ is what the shell inherits, as [os.Environ] gives it; nil means
	// just that. // optional
	Environ []string
	// Private names variables that are the program's own business, such as its
	// model's key; the shell does not inherit them. // optional
	Private []string
}

// Action is a TerminalAction of OpenHands.
type Action struct {
	Command string   `json:"command" jsonschema:"The shell command to run. With is_input the text or key for the running program. Empty: wait for more output of the command that still runs."`
	IsInput bool     `json:"is_input" default:"false" jsonschema:"Whether command is input for the program that still runs. False by default."`
	Timeout *float64 `json:"timeout,omitempty" minimum:"0" jsonschema:"How many seconds to wait for the command to end, whether it prints anything or not. Without it the call returns after 30 seconds without new output. The command itself goes on."`
	Reset   bool     `json:"reset" default:"false" jsonschema:"Whether to throw the shell away and start a new one first; all that runs in it ends. Not together with is_input. False by default."`
}

const (
	actionKind      = "TerminalAction"
	observationKind = "TerminalObservation"
)

var arguments = tool.NewArguments[Action](actionKind)

//go:embed prompt.md
var description string

var definition = tool.Definition{
	Name:            "terminal",
	Kind:            "TerminalTool",
	Title:           "terminal",
	Description:     description,
	ActionKind:      actionKind,
	ObservationKind: observationKind,
	Annotations:     &tool.Annotations{Title: "terminal", DestructiveHint: true, OpenWorldHint: true},
	Input:           arguments.Schema(),
}
