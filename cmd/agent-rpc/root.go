package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// The exit codes. A script tells the ends of a run apart by them.
const (
	exitFinished    = 0
	exitError       = 1
	exitUsage       = 2
	exitStuck       = 3
	exitLimit       = 4
	exitWaiting     = 5
	exitInterrupted = 130
)

// exitCode is an error that ends the program with a code; all was said already.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit %d", int(c)) }

// problem is an error for people: what is wrong, and what to do about it.
type problem struct {
	what, remedy string
	code         int
}

func (p *problem) Error() string { return p.what }

// execute runs a command line; the result is the exit code.
func execute(ctx context.Context, args []string) int {
	root := newRoot()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	var code exitCode
	var p *problem
	switch {
	case err == nil:
		return exitFinished
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &p):
		report(p.what, p.remedy)
		return p.code
	default: // cobra's own: what was typed makes no command
		report(err.Error(), cmd.CommandPath()+" --help shows what there is")
		return exitUsage
	}
}

// report writes an error: one line what, one line what to do.
func report(what, remedy string) {
	look := lookOf(os.Stderr, false)
	mark, indent := "agent-rpc: ", "  "
	if look.tty {
		mark = "✗ "
		if look.color {
			mark = "\x1b[31m✗\x1b[0m "
		}
	}
	text := mark + clean(what) + "\n"
	if remedy != "" {
		text += indent + clean(remedy) + "\n"
	}
	fmt.Fprint(os.Stderr, text)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "agent-rpc",
		Short: "A coding agent that any editor can host",
		Long: `agent-rpc is a coding agent in one binary. Editors start it without arguments and
speak its protocol on stdin and stdout; the commands below are for people at a
terminal. Conversations are stored in OpenHands' own layout and can be continued
from any of them.`,
		Example: `  agent-rpc demo                              see it work: no key, no network
  agent-rpc doctor                            is everything there for a real run?
  agent-rpc run "Fix the failing test"        work in this folder
  agent-rpc run -c 7f3a "Now document it"     continue a conversation
  agent-rpc conversations list                what was done before`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       versionOf().Version,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return exitCode(serve(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout()))
		},
	}
	root.SetVersionTemplate("agent-rpc {{.Version}}\n")
	root.CompletionOptions.HiddenDefaultCmd = false
	takeStdio(root)
	root.AddCommand(newServe(), newACP(), newRun(), newDemo(), newConversations(), newProfiles(), newMCP(), newDoctor(), newVersion(), newSchema())
	return root
}

// takeStdio accepts the flag that many language clients add to what they start.
// There is no other way to talk, so it changes nothing.
func takeStdio(cmd *cobra.Command) {
	cmd.Flags().Bool("stdio", true, "talk on stdin and stdout, as always")
	must(cmd.Flags().MarkHidden("stdio"))
}

// clean keeps control characters of foreign text off the terminal and puts it on
// one line.
func clean(s string) string {
	return strings.ReplaceAll(escape(strings.TrimSpace(s)), "\n", " ")
}
