package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/agent-rpc/agent-rpc/internal/conversation/secret"
	"github.com/agent-rpc/agent-rpc/internal/rpc"
)

// serve speaks the protocol until the client is gone; the result is the exit
// code.
var serve = serveStdio

// serveStdio serves on stdin and the real stdout.
func serveStdio(ctx context.Context, in io.Reader, _ io.Writer) int {
	return onStdout(ctx, func(ctx context.Context, out *os.File, log slog.Handler, hidden *secret.Values) int {
		return rpc.Serve(ctx, in, out, rpc.Config{
			Name: "agent-rpc", Version: versionOf().Version,
			Backend: newBackend(slog.New(log)), Log: log, Hidden: hidden,
		})
	})
}

// onStdout gives a face the real stdout, which is its protocol's alone from here
// on, and a log on stderr without the values that are hidden. Its context ends with
// a signal.
func onStdout(ctx context.Context, face func(ctx context.Context, out *os.File, log slog.Handler, hidden *secret.Values) int) int {
	out, err := rpc.TakeStdout()
	if err != nil {
		fmt.Fprintln(os.Stderr, "agent-rpc:", err)
		return exitError
	}
	// A terminal that is closed asks in its own way.
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	defer surviveStderr()()
	hidden := new(secret.Values)
	log := slog.NewTextHandler(hidden.Writer(os.Stderr), &slog.HandlerOptions{Level: logLevel()})
	return face(ctx, out, log, hidden)
}

// logLevel is what goes to stderr: warnings, or what AGENT_RPC_LOG asks for
// (debug, info, warn, error).
func logLevel() slog.Level {
	level := slog.LevelWarn
	_ = level.UnmarshalText([]byte(os.Getenv("AGENT_RPC_LOG"))) // what is no level leaves it as it is
	return level
}

func newServe() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the protocol on stdin and stdout (what happens without a command)",
		Long: `Serve the protocol on stdin and stdout: JSON-RPC 2.0 with the framing and the
lifecycle of LSP. This is what editors start; docs/protocol.md has the details.

stdout carries protocol and nothing else; logs go to stderr, more of them with
AGENT_RPC_LOG=info or debug. The process ends on exit, when stdin ends, or when the
client's process is gone.`,
		Example: `  agent-rpc
  agent-rpc serve`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return exitCode(serve(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout()))
		},
	}
	takeStdio(cmd)
	return cmd
}
