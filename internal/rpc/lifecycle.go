package rpc

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	lsp "go.lsp.dev/protocol"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

// defaultMaxHz is how often deltas are sent to a client that does not say.
const defaultMaxHz = 30

// maxFrameBytes and maxQueuedRequests are the limits that the server tells.
const (
	maxFrameBytes     = 64 << 20
	maxQueuedRequests = 1024
)

func (s *Server) initialize(raw json.RawMessage, reply func(json.RawMessage)) error {
	c, err := parseClient(raw)
	if err != nil {
		return err
	}
	backend, err := s.cfg.Backend(c.settings, s)
	if err != nil {
		return invalid("initializationOptions.agentRpc.settings", err.Error())
	}
	result, err := s.initializeResult(c, backend.ConversationsDir)
	if err != nil {
		return err
	}
	s.backend = backend
	s.manager = conversation.NewManager(s.life, conversation.Config{
		Base: backend.ConversationsDir, NewAgent: backend.NewAgent, NewHooks: backend.NewHooks, NewChanges: backend.NewChanges, Security: backend.Security, Log: s.log,
		OnChange: s.listChanged, Secrets: s.secrets,
	})
	if c.deltas() {
		s.out.SetMaxHz(cmp.Or(c.options.Deltas.MaxHz, defaultMaxHz))
	}
	s.client.Store(c)
	s.plain = newPlain(s, backend.StateDir)
	var trace struct {
		Trace string `json:"trace"`
	}
	_ = json.Unmarshal(raw, &trace) // absent or odd means off
	s.logs.level.Set(traceLevel(trace.Trace))
	reply(result)
	if c.processID > 0 {
		if err := watchParent(s.life, c.processID, func() { s.stop(1) }); err != nil {
			s.log.Warn("the editor's process can't be watched; the end of stdin tells instead", "pid", c.processID, "error", err)
		}
	}
	return nil
}

// initializeResult is built with LSP's own types, and our block is put in as
// the experimental capability.
func (s *Server) initializeResult(c *client, stateDir string) (json.RawMessage, error) {
	encoding := lsp.PositionEncodingKind("utf-16")
	if c.utf8 {
		encoding = "utf-8"
	}
	capabilities := map[string]any{
		"positionEncoding": encoding,
		"textDocumentSync": map[string]any{"openClose": true, "change": 2, "save": map[string]any{"includeText": false}},
		"workspace":        map[string]any{"workspaceFolders": map[string]any{"supported": true, "changeNotifications": true}},
		"experimental": map[string]any{"agentRpc": protocol.ServerOptions{
			Version:  protocol.Version,
			Features: features,
			Limits:   protocol.Limits{MaxFrameBytes: maxFrameBytes, MaxQueuedRequests: maxQueuedRequests},
			StateDir: stateDir,
		}},
	}
	if c.options == nil { // others have commands of their own
		capabilities["executeCommandProvider"] = map[string]any{"commands": commandNames}
		capabilities["codeActionProvider"] = map[string]any{"codeActionKinds": []string{kindQuickFix, kindRefactor}}
		capabilities["hoverProvider"] = true
	}
	raw, err := json.Marshal(map[string]any{
		"capabilities": capabilities,
		"serverInfo":   map[string]string{"name": s.cfg.Name, "version": s.cfg.Version},
	})
	if err != nil {
		return nil, err
	}
	var result lsp.InitializeResult
	if err := lsp.Unmarshal(raw, &result); err != nil {
		return nil, err
	}
	return lsp.Marshal(&result)
}

// features says what of the protocol this version serves.
var features = map[string]bool{
	"persistence": true, "input": true, "clientTools": true, "confirmation": true, "deltas": true, "secrets": true, "titles": true, "profiles": true, "switchModel": true, "askAgent": true, "budget": true, "steering": true, "buffers": true, "condense": true, "skills": true, "mcp": true, "hooks": true, "branches": true, "blobs": true, "changes": true,
}

func (s *Server) shutdownRequest(_ context.Context, _ protocol.Empty, reply func(*protocol.Empty, error)) {
	s.mu.Lock()
	s.shutdown = true
	s.mu.Unlock()
	s.drain()
	reply(nil, nil)
}

func (s *Server) exit(context.Context, protocol.Empty) {
	if s.isShutdown() {
		s.stop(0)
	} else {
		s.stop(1)
	}
}

func (s *Server) setTrace(_ context.Context, p struct {
	Value string `json:"value"`
},
) {
	s.logs.level.Set(traceLevel(p.Value))
}

func (s *Server) cancelProgress(_ context.Context, p struct {
	Token json.RawMessage `json:"token"`
},
) {
	var runID string
	if json.Unmarshal(p.Token, &runID) != nil {
		return // a number is no token of ours
	}
	if c, ok := s.progress.Load(runID); ok {
		_ = c.(*conversation.Conversation).Interrupt(func(error) {}) // closed: it has ended
	}
}

func (s *Server) changeFolders(_ context.Context, p struct {
	Event struct {
		Added   []struct{ URI string } `json:"added"`
		Removed []struct{ URI string } `json:"removed"`
	} `json:"event"`
},
) {
	paths := func(folders []struct{ URI string }) (list []string) {
		for _, f := range folders {
			if path, err := workspace.FromURI(f.URI); err == nil {
				list = append(list, path)
			}
		}
		return list
	}
	s.client.Load().changeFolders(paths(p.Event.Added), paths(p.Event.Removed))
}

func (s *Server) ping(_ context.Context, _ protocol.Empty, reply func(protocol.PingResult, error)) {
	reply(protocol.PingResult{Version: s.cfg.Version, Time: toTime(time.Now())}, nil)
}

func (s *Server) tools(_ context.Context, _ protocol.Empty, reply func(protocol.ToolsResult, error)) {
	reply(protocol.ToolsResult{Tools: s.backend.Tools()}, nil)
}

func (s *Server) models(_ context.Context, _ protocol.Empty, reply func(protocol.ModelsResult, error)) {
	reply(s.backend.Models(), nil)
}

func (s *Server) skills(_ context.Context, p protocol.SkillsParams, reply func(protocol.SkillsResult, error)) {
	folder, err := s.folder(p.Workspace)
	var list []protocol.SkillInfo
	if err == nil {
		list, err = s.backend.Skills(folder)
	}
	reply(protocol.SkillsResult{Skills: list}, err)
}

func (s *Server) listChanged() {
	if s.speaks() {
		s.out.Send(encode(protocol.NotifyListChanged, protocol.Empty{}))
	}
}

// speaks tells whether the client knows the notifications of our protocol: it said
// so, or has called a method. Others complain of what they do not know.
func (s *Server) speaks() bool { return s.client.Load().options != nil || s.spoken.Load() }
