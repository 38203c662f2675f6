package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// Hello is what a client says of itself.
type Hello struct {
	// Name and Version of the client program.
	Name, Version string
	// Folder is the absolute path of the workspace; "" for none.
	Folder string
	// Options go into initializationOptions.agentRpc. Versions is filled in.
	Options protocol.ClientOptions
}

// Initialize does LSP's initialize and initialized.
func (c *Client) Initialize(ctx context.Context, h Hello) error {
	h.Options.Versions = []int{protocol.Version}
	type folder struct {
		URI  string `json:"uri"`
		Name string `json:"name"`
	}
	params := map[string]any{
		"processId":             os.Getpid(),
		"clientInfo":            map[string]string{"name": h.Name, "version": h.Version},
		"rootUri":               nil,
		"capabilities":          map[string]any{},
		"initializationOptions": map[string]any{"agentRpc": h.Options},
	}
	if h.Folder != "" {
		params["rootUri"] = URI(h.Folder)
		params["workspaceFolders"] = []folder{{URI(h.Folder), h.Folder}}
	}
	var result struct {
		Capabilities struct {
			Experimental struct {
				AgentRPC *protocol.ServerOptions `json:"agentRpc"`
			} `json:"experimental"`
		} `json:"capabilities"`
		ServerInfo struct {
			Version string `json:"version"`
		} `json:"serverInfo"`
	}
	if err := c.Call(ctx, "initialize", params, &result); err != nil {
		return fmt.Errorf("starting the server: %w", err)
	}
	if result.Capabilities.Experimental.AgentRPC == nil {
		return errors.New("starting the server: it does not speak the protocol of agent-rpc")
	}
	c.Server = *result.Capabilities.Experimental.AgentRPC
	c.Version = result.ServerInfo.Version
	return c.Notify("initialized", struct{}{})
}

// The server promises to answer shutdown within 1.5 s.
const (
	shutdownTime = 5 * time.Second
	exitTime     = 3 * time.Second
	abortTime    = time.Second
)

// Close does LSP's shutdown and exit, closes the stream and waits until the
// child process and the goroutines are gone. A child that does not end is
// killed with its process group. The error says what did not go well; everything
// is freed all the same.
func (c *Client) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	err := c.Call(ctx, "shutdown", nil, nil)
	if err == nil {
		err = c.Notify("exit", nil)
	}
	if errors.Is(err, ErrClosed) {
		err = nil // it is gone already, and whoever asked last was told why
	}
	if c.child != nil {
		err = errors.Join(err, c.child.stop(exitTime))
	} else {
		err = errors.Join(err, c.stream.Close())
	}
	<-c.done
	return err
}

// Abort ends the connection without the words of the protocol, for a server
// that does not answer. The error is nil if it went by itself.
func (c *Client) Abort() error {
	var err error
	if c.child != nil {
		err = c.child.stop(abortTime)
	} else {
		err = c.stream.Close()
	}
	<-c.done
	return err
}
