package rpc

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/face"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

func (s *Server) create(ctx context.Context, p protocol.CreateParams, reply func(protocol.CreateResult, error)) {
	o, err := s.createOptions(p)
	if err != nil {
		reply(protocol.CreateResult{}, err)
		return
	}
	c, created, err := s.manager.Create(ctx, o)
	if err != nil {
		reply(protocol.CreateResult{}, err)
		return
	}
	s.welcome(c, created, reply)
}

// welcome subscribes the client to a conversation that it made or resumed.
func (s *Server) welcome(c *conversation.Conversation, created bool, reply func(protocol.CreateResult, error)) {
	s.setReading(c.ID(), false)
	s.accepted(c.Subscribe(s.subscribe(c), conversation.Since{}, func(o conversation.Opened, err error) {
		info := toInfo(o.Info)
		reply(protocol.CreateResult{Conversation: info, Cursor: info.Cursor}, err)
		if created {
			s.listChanged()
		}
	}), func(err error) { reply(protocol.CreateResult{}, err) })
}

func (s *Server) createOptions(p protocol.CreateParams) (conversation.Options, error) {
	o := conversation.Options{
		ID: p.ConversationID, Agent: object(p.Agent), StuckDetection: p.StuckDetection, Policy: object(p.ConfirmationPolicy),
		Analyzer: object(p.SecurityAnalyzer), Secrets: p.Secrets, Tags: p.Tags, Title: p.Title, Hooks: object(p.HookConfig),
		StuckThresholds: object(p.StuckDetectionThresholds), AskUser: s.client.Load().input(),
		MaxBudget: p.MaxBudgetPerRun, AutoTitle: p.AutoTitle, Profile: p.Profile,
	}
	for _, t := range p.ClientTools {
		o.ClientTools = append(o.ClientTools, conversation.ClientTool(t))
	}
	var err error
	if o.Base, err = s.base(p.PersistenceDir); err != nil {
		return o, err
	}
	if p.MaxIterationPerRun != nil {
		if o.MaxIterations = *p.MaxIterationPerRun; o.MaxIterations < 1 {
			return o, invalid("maxIterationPerRun", "must be at least 1")
		}
	}
	if p.Profile != "" {
		if _, err := s.profile("profile", p.Profile); err != nil {
			return o, err
		}
	}
	if o.Agent, err = withServers(o.Agent, p.MCPServers); err != nil {
		return o, err
	}
	resumes := p.ConversationID != "" && s.manager.Exists(o.Base, o.ID)
	if !resumes {
		o = face.WithDefaults(o, s.backend.Defaults())
	}
	if p.Workspace != "" || !resumes {
		if o.Workspace, err = s.folder(p.Workspace); err != nil {
			return o, err
		}
	}
	if o.Workspace != "" {
		w, err := workspace.Open(o.Workspace, true)
		if err != nil {
			return o, invalid("workspace", err.Error())
		}
		o.Workspace = w.Root()
	}
	return o, nil
}

// folder gives the path of a folder that a client names, or of the first
// workspace folder.
func (s *Server) folder(uri string) (string, error) {
	client := s.client.Load()
	if uri == "" {
		roots := client.roots()
		if len(roots) == 0 {
			return "", invalid("workspace", "no workspace folder is open; name one")
		}
		return roots[0], nil
	}
	path, err := folderPath(uri)
	if err != nil {
		return "", invalid("workspace", err.Error())
	}
	if !client.within(path) {
		return "", &protocol.Error{
			Code:    protocol.CodeOutsideWorkspace,
			Message: path + " is in none of the editor's workspace folders; add it there first",
			Data:    map[string]any{"path": path},
		}
	}
	return path, nil
}

// folderPath takes a file: URI, or an absolute path.
func folderPath(uri string) (string, error) {
	if filepath.IsAbs(uri) && !strings.Contains(uri, "://") {
		return filepath.Clean(uri), nil
	}
	return workspace.FromURI(uri)
}

// object gives nil for what is absent or null, and {} for Lua's empty array.
func object(raw json.RawMessage) json.RawMessage {
	switch string(raw) {
	case "", "null":
		return nil
	case "[]":
		return json.RawMessage("{}")
	}
	return raw
}

// base reads persistenceDir: absent is the default, null is memory.
func (s *Server) base(raw json.RawMessage) (string, error) {
	if len(raw) == 0 {
		if s.manager.Base() == "" {
			return "", &protocol.Error{
				Code:    protocol.CodePersistenceError,
				Message: "there is no folder to store conversations in: no home directory is known; set OPENHANDS_CONVERSATIONS_DIR",
			}
		}
		return s.manager.Base(), nil
	}
	if string(raw) == "null" {
		return "", nil
	}
	var dir string
	if err := json.Unmarshal(raw, &dir); err != nil {
		return "", invalid("persistenceDir", "must be a path or null")
	}
	return checkDir(dir)
}

func checkDir(dir string) (string, error) {
	if strings.HasPrefix(dir, "file:") {
		path, err := workspace.FromURI(dir)
		if err != nil {
			return "", invalid("persistenceDir", err.Error())
		}
		return path, nil
	}
	if !filepath.IsAbs(dir) {
		return "", invalid("persistenceDir", "must be an absolute path")
	}
	return filepath.Clean(dir), nil
}

// stored gives the folder that a param names; "" for the default.
func stored(dir string) (string, error) {
	if dir == "" {
		return "", nil
	}
	return checkDir(dir)
}

func (s *Server) open(ctx context.Context, p protocol.OpenParams, reply func(protocol.OpenResult, error)) {
	since, err := fromSince(p.Since)
	if err != nil {
		reply(protocol.OpenResult{}, err)
		return
	}
	base, err := stored(p.PersistenceDir)
	if err != nil {
		reply(protocol.OpenResult{}, err)
		return
	}
	switch p.Mode {
	case "read":
		s.openToRead(base, p.ID, since, reply)
		return
	case "", "write":
	default:
		reply(protocol.OpenResult{}, invalid("mode", `must be "write" or "read"`))
		return
	}
	c, err := s.manager.Open(ctx, base, p.ID)
	if err != nil {
		reply(protocol.OpenResult{}, err)
		return
	}
	s.setReading(c.ID(), false)
	s.accepted(c.Subscribe(s.subscribe(c), since, func(o conversation.Opened, err error) {
		reply(toOpenResult(o), err)
	}), func(err error) { reply(protocol.OpenResult{}, err) })
}

// openToRead replays a snapshot: nothing is locked, and nothing is pushed
// afterwards.
func (s *Server) openToRead(base, id string, since conversation.Since, reply func(protocol.OpenResult, error)) {
	if c := s.manager.Opened(id); c != nil {
		reader := &subscription{server: s, id: c.ID(), quoted: []byte(`"` + c.ID() + `"`)}
		if c.Replay(reader, since, func(o conversation.Opened) { reply(toOpenResult(o), nil) }) == nil {
			return
		}
	}
	snap, err := s.manager.Peek(base, id)
	if err != nil {
		reply(protocol.OpenResult{}, err)
		return
	}
	opened := snap.Opening(since)
	s.setReading(opened.Info.ID, true)
	reply(toOpenResult(opened), nil)
	reader := &subscription{server: s, id: opened.Info.ID, quoted: []byte(`"` + opened.Info.ID + `"`)}
	snap.Replay(reader, opened.From, opened.To)
	if err := snap.Close(); err != nil {
		s.log.Warn("closing a snapshot", "conversation", id, "error", err)
	}
}

func toOpenResult(o conversation.Opened) protocol.OpenResult {
	return protocol.OpenResult{Conversation: toInfo(o.Info), From: o.From, To: o.To, Reset: o.Reset}
}

func (s *Server) list(ctx context.Context, p protocol.ListParams, reply func(protocol.ListResult, error)) {
	f := conversation.Filter{Query: p.Query, Cursor: p.Cursor, Limit: p.Limit}
	var err error
	if f.Base, err = stored(p.PersistenceDir); err == nil && p.Workspace != "" {
		if f.Workspace, err = folderPath(p.Workspace); err != nil {
			err = invalid("workspace", err.Error())
		} else if w, openErr := workspace.Open(f.Workspace, false); openErr == nil {
			f.Workspace = w.Root()
		}
	}
	if err != nil {
		reply(protocol.ListResult{}, err)
		return
	}
	items, next, err := s.manager.List(ctx, f)
	result := protocol.ListResult{Items: make([]protocol.Info, 0, len(items)), Next: next}
	for _, i := range items {
		result.Items = append(result.Items, toInfo(i))
	}
	reply(result, err)
}

func (s *Server) state(_ context.Context, p protocol.IDParams, reply func(protocol.Info, error)) {
	if c := s.manager.Opened(p.ID); c != nil {
		if c.Info(func(i conversation.Info) { reply(toInfo(i), nil) }) == nil {
			return
		}
	}
	base, err := stored(p.PersistenceDir)
	if err != nil {
		reply(protocol.Info{}, err)
		return
	}
	snap, err := s.manager.Peek(base, p.ID)
	if err != nil {
		reply(protocol.Info{}, err)
		return
	}
	reply(toInfo(snap.Info()), snap.Close())
}

func (s *Server) events(_ context.Context, p protocol.EventsParams, reply func(protocol.EventsResult, error)) {
	if p.Limit < 0 || p.Limit > conversation.MaxPage {
		reply(protocol.EventsResult{}, invalid("limit", "must be from 1 to 500"))
		return
	}
	q := conversation.Query{After: p.After, Before: p.Before, Limit: p.Limit, MaxBytes: p.MaxBytes, Kinds: p.Kinds, Branch: p.Branch}
	if c := s.manager.Opened(p.ID); c != nil {
		if c.Events(q, func(page conversation.Page, err error) { reply(s.toEvents(page), err) }) == nil {
			return
		}
	}
	base, err := stored(p.PersistenceDir)
	if err != nil {
		reply(protocol.EventsResult{}, err)
		return
	}
	snap, err := s.manager.Peek(base, p.ID)
	if err != nil {
		reply(protocol.EventsResult{}, err)
		return
	}
	page, err := snap.Events(q)
	if closeErr := snap.Close(); err == nil {
		err = closeErr
	}
	reply(s.toEvents(page), err)
}

func (s *Server) close(ctx context.Context, p protocol.IDParams, reply func(struct{}, error)) {
	id, err := conversation.ParseID(p.ID)
	if err == nil {
		s.setReading(id, false)
		err = s.manager.Close(ctx, id)
	}
	reply(struct{}{}, err)
}

func (s *Server) delete(ctx context.Context, p protocol.IDParams, reply func(struct{}, error)) {
	base, err := stored(p.PersistenceDir)
	if err == nil {
		err = s.manager.Delete(ctx, base, p.ID)
	}
	if err == nil {
		s.plain.forget(p.ID)
	}
	reply(struct{}{}, err)
}

// setReading notes which conversations the client opened for reading only.
func (s *Server) setReading(id string, reading bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if reading {
		s.reading[id] = true
	} else {
		delete(s.reading, id)
	}
}

// writable gives the conversation that a verb is about, and opens it if it is
// not open yet.
func (s *Server) writable(ctx context.Context, id string) (*conversation.Conversation, error) {
	if c := s.manager.Opened(id); c != nil {
		return c, nil
	}
	id, err := conversation.ParseID(id)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	reading := s.reading[id]
	s.mu.Unlock()
	if reading {
		return nil, &conversation.LockedError{Message: `the conversation was opened with mode "read"; open it with mode "write" first`}
	}
	c, err := s.manager.Open(ctx, "", id)
	if err != nil {
		return nil, err
	}
	return c, c.Subscribe(s.subscribe(c), conversation.Since{}, func(conversation.Opened, error) {})
}

// accepted answers a request whose conversation was closed meanwhile.
func (s *Server) accepted(err error, fail func(error)) {
	if err != nil {
		fail(err)
	}
}
