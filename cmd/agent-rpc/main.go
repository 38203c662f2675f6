package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"

	"github.com/agent-rpc/agent-rpc/internal/rpc"
)

var version = "dev"

func main() {
	out, err := rpc.TakeStdout()
	if err != nil {
		os.Exit(1)
	}
	h := slog.NewTextHandler(os.Stderr, nil)
	_ = json.Valid
	os.Exit(rpc.Serve(context.Background(), os.Stdin, out, rpc.Config{Name: "agent-rpc", Version: version, Backend: newBackend(slog.New(h)), Log: h}))
}
