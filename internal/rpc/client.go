package rpc

import (
	"bytes"
	"encoding/json"
	"slices"
	"sync"

	lsp "go.lsp.dev/protocol"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

// client is what the client said of itself in initialize. Only its folders
// change afterwards.
type client struct {
	name string
	// options is nil for a generic LSP client.
	options          *protocol.ClientOptions
	settings         json.RawMessage
	workDoneProgress bool
	utf8             bool
	// applyEdit tells that documents can be changed with workspace/applyEdit.
	applyEdit bool
	// showDocument, codeActionLiterals and hoverMarkdown tell what a generic client
	// can show.
	showDocument, codeActionLiterals, hoverMarkdown bool
	processID                                       int

	mu      sync.Mutex
	folders []string // absolute paths
}

// deltas tells whether the client wants streamed pieces.
func (c *client) deltas() bool { return c != nil && c.options != nil && c.options.Deltas != nil }

// positions is how the client counts characters.
func (c *client) positions() positions { return positions{utf8: c.utf8} }

// input tells whether the client puts questions of tools to the user.
func (c *client) input() bool { return c != nil && c.options != nil && c.options.Input != nil }

// What a client takes of an event that says nothing of it, and the least: names
// and ids are never cut.
const (
	defaultEventBytes = 256 << 10
	leastEventBytes   = 256
)

// maxEventBytes is the length above which a string of an event is sent as a blob;
// 0 for never. A generic client knows no blobs.
func (c *client) maxEventBytes() int {
	switch {
	case c == nil || c.options == nil:
		return 0
	case c.options.MaxEventBytes == 0:
		return defaultEventBytes
	}
	return max(c.options.MaxEventBytes, leastEventBytes)
}

// roots gives the workspace folders.
func (c *client) roots() []string {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.folders)
}

// within tells whether a path lies in a workspace folder; a client without
// folders allows every path.
func (c *client) within(path string) bool {
	roots := c.roots()
	if len(roots) == 0 {
		return true
	}
	for _, root := range roots {
		if w, err := workspace.Open(root, false); err == nil && w.Contains(path) {
			return true
		}
	}
	return false
}

func (c *client) changeFolders(added, removed []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.folders = slices.DeleteFunc(c.folders, func(f string) bool { return slices.Contains(removed, f) })
	for _, f := range added {
		if !slices.Contains(c.folders, f) {
			c.folders = append(c.folders, f)
		}
	}
}

// parseClient reads the params of initialize.
func parseClient(raw json.RawMessage) (*client, error) {
	var params lsp.InitializeParams
	if err := lsp.Unmarshal(raw, &params); err != nil {
		return nil, invalid("params", err.Error())
	}
	var ours struct {
		InitializationOptions struct {
			AgentRPC json.RawMessage `json:"agentRpc"`
		} `json:"initializationOptions"`
		Capabilities struct {
			Window struct {
				WorkDoneProgress bool `json:"workDoneProgress"`
				ShowDocument     struct {
					Support bool `json:"support"`
				} `json:"showDocument"`
			} `json:"window"`
			TextDocument struct {
				CodeAction struct {
					Literals json.RawMessage `json:"codeActionLiteralSupport"`
				} `json:"codeAction"`
				Hover struct {
					Formats []string `json:"contentFormat"`
				} `json:"hover"`
			} `json:"textDocument"`
			Workspace struct {
				ApplyEdit bool `json:"applyEdit"`
			} `json:"workspace"`
			General struct {
				PositionEncodings []string `json:"positionEncodings"`
			} `json:"general"`
			Experimental struct {
				AgentRPC json.RawMessage `json:"agentRpc"`
			} `json:"experimental"`
		} `json:"capabilities"`
		RootURI          *string `json:"rootUri"`
		RootPath         *string `json:"rootPath"`
		WorkspaceFolders []struct {
			URI string `json:"uri"`
		} `json:"workspaceFolders"`
		ClientInfo struct {
			Name string `json:"name"`
		} `json:"clientInfo"`
		ProcessID *int `json:"processId"`
	}
	// What could be an empty array in place of an object is not worth failing for.
	_ = json.Unmarshal(raw, &ours)
	c := &client{
		name:             ours.ClientInfo.Name,
		workDoneProgress: ours.Capabilities.Window.WorkDoneProgress,
		utf8:             slices.Contains(ours.Capabilities.General.PositionEncodings, "utf-8"),
		applyEdit:        ours.Capabilities.Workspace.ApplyEdit,

		// Helix shows documents and doesn't say so.
		showDocument:       ours.Capabilities.Window.ShowDocument.Support || ours.ClientInfo.Name == "helix",
		codeActionLiterals: declared(ours.Capabilities.TextDocument.CodeAction.Literals),
		hoverMarkdown:      slices.Contains(ours.Capabilities.TextDocument.Hover.Formats, "markdown"),
	}
	if ours.ProcessID != nil {
		c.processID = *ours.ProcessID
	}
	block := ours.InitializationOptions.AgentRPC
	if !declared(block) {
		block = ours.Capabilities.Experimental.AgentRPC
	}
	if declared(block) {
		if err := c.readOptions(block); err != nil {
			return nil, err
		}
	}
	var uris []string
	for _, f := range ours.WorkspaceFolders {
		uris = append(uris, f.URI)
	}
	if len(uris) == 0 && ours.RootURI != nil && *ours.RootURI != "" {
		uris = append(uris, *ours.RootURI)
	}
	for _, uri := range uris {
		// A folder that is no file is one we can't work in, but no reason to fail.
		if path, err := workspace.FromURI(uri); err == nil {
			c.folders = append(c.folders, path)
		}
	}
	if len(uris) == 0 && ours.RootPath != nil && *ours.RootPath != "" {
		c.folders = append(c.folders, *ours.RootPath)
	}
	return c, nil
}

// readOptions reads the agentRpc block. Capabilities are declared by true, {}
// or [], for Lua encodes an empty object as an empty array.
func (c *client) readOptions(block json.RawMessage) error {
	var raw struct {
		Versions      []int           `json:"versions"`
		Deltas        json.RawMessage `json:"deltas"`
		Confirmation  json.RawMessage `json:"confirmation"`
		Input         json.RawMessage `json:"input"`
		Secrets       json.RawMessage `json:"secrets"`
		MaxEventBytes int             `json:"maxEventBytes"`
		Settings      json.RawMessage `json:"settings"`
	}
	if firstByte(block) == '{' {
		if err := json.Unmarshal(block, &raw); err != nil {
			return invalid("initializationOptions.agentRpc", err.Error())
		}
	}
	if raw.Versions != nil && !slices.Contains(raw.Versions, protocol.Version) {
		return &protocol.Error{
			Code:    protocol.CodeUnsupported,
			Message: "no common version of the protocol",
			Data:    map[string]any{"supported": []int{protocol.Version}},
		}
	}
	if raw.MaxEventBytes < 0 {
		return invalid("initializationOptions.agentRpc.maxEventBytes", "must be a number of bytes")
	}
	o := &protocol.ClientOptions{Versions: raw.Versions, MaxEventBytes: raw.MaxEventBytes}
	if declared(raw.Deltas) {
		o.Deltas = &protocol.DeltaOptions{}
		if firstByte(raw.Deltas) == '{' {
			if err := json.Unmarshal(raw.Deltas, o.Deltas); err != nil {
				return invalid("initializationOptions.agentRpc.deltas", err.Error())
			}
		}
	}
	flag := func(raw json.RawMessage) *protocol.Flag {
		if declared(raw) {
			return &protocol.Flag{}
		}
		return nil
	}
	o.Confirmation, o.Input, o.Secrets = flag(raw.Confirmation), flag(raw.Input), flag(raw.Secrets)
	c.options, c.settings = o, raw.Settings
	return nil
}

func declared(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) > 0 && !bytes.Equal(raw, []byte("null")) && !bytes.Equal(raw, []byte("false"))
}
