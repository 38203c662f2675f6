package main

import (
	"context"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/agent-rpc/agent-rpc/internal/acp"
	"github.com/agent-rpc/agent-rpc/internal/conversation/secret"
)

// serveACP speaks the Agent Client Protocol on stdin and the real stdout.
func serveACP(ctx context.Context, in io.Reader, unstable bool) int {
	return onStdout(ctx, func(ctx context.Context, out *os.File, log slog.Handler, hidden *secret.Values) int {
		return acp.Serve(ctx, in, out, acp.Config{
			Name: "agent-rpc", Version: versionOf().Version,
			Backend: newBackend(slog.New(log)), Log: log, Hidden: hidden, Unstable: unstable,
		})
	})
}

func newACP() *cobra.Command {
	var unstable, check bool
	cmd := &cobra.Command{
		Use:   "acp",
		Short: "Serve the Agent Client Protocol on stdin and stdout (Zed, JetBrains, …)",
		Long: `Serve the Agent Client Protocol v1 on stdin and stdout: a JSON-RPC message on each
line. This is what Zed, JetBrains and other clients of the protocol start;
docs/acp.md says what is served, docs/editors.md how to set them up.

Sessions are the conversations of the other commands and editors. stdout carries
protocol and nothing else; logs go to stderr, more of them with AGENT_RPC_LOG=info
or debug. The process ends when stdin ends.`,
		Example: `  agent-rpc acp
  agent-rpc acp --check`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if check {
				return newDoctor().RunE(cmd, nil)
			}
			return exitCode(serveACP(cmd.Context(), cmd.InOrStdin(), unstable))
		},
	}
	cmd.Flags().BoolVar(&unstable, "unstable", false, "serve session/fork too, which the stable protocol does not have yet")
	cmd.Flags().BoolVar(&check, "check", false, "say what is configured and what is missing, as agent-rpc doctor does")
	return cmd
}
