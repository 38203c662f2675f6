package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// serve speaks the protocol until the client is gone; the result is the exit
// code.
var serve = func(_ context.Context, _ io.Reader, _ io.Writer) int {
	fmt.Fprintln(os.Stderr, "agent-rpc: this build has no server")
	return exitError
}

func newServe() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Serve the protocol on stdin and stdout (what happens without a command)",
		Long: `Serve the protocol on stdin and stdout: JSON-RPC 2.0 with the framing and the
lifecycle of LSP. This is what editors start; docs/protocol.md has the details.

stdout carries protocol and nothing else; logs go to stderr. The process ends on
exit, when stdin ends, or when the client's process is gone.`,
		Example: `  agent-rpc
  agent-rpc serve`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return exitCode(serve(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout()))
		},
	}
}
