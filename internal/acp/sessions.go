package acp

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/face"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

func (s *Server) newSession(ctx context.Context, p setupParams, reply func(setupResult, error)) {
	fail := func(err error) { reply(setupResult{}, err) }
	roots, err := rootsOf(p)
	if err == nil {
		err = s.ready()
	}
	if err == nil && s.manager.Base() == "" {
		err = &conversation.PersistenceError{Err: fmt.Errorf("no home directory is known; set OPENHANDS_CONVERSATIONS_DIR")}
	}
	if err != nil {
		fail(err)
		return
	}
	o := conversation.Options{
		ID: uuid.NewString(), Base: s.manager.Base(), Workspace: roots[0],
		AskUser: s.client.Load().Elicitation.Form != nil,
	}
	if o.Agent, err = agentOf(p.MCPServers); err != nil {
		fail(err)
		return
	}
	o = withPolicy(face.WithDefaults(o, s.backend.Defaults()))
	s.place(o.ID).setRoots(roots)
	c, _, err := s.manager.Create(ctx, o)
	if err != nil {
		s.forget(o.ID)
		fail(err)
		return
	}
	s.welcome(c, roots, true, reply)
}

// welcome subscribes to a conversation and answers with its session; what follows
// from it, its commands first, comes after the answer. named tells that the answer
// has to say the session's id.
func (s *Server) welcome(c *conversation.Conversation, roots []string, named bool, reply func(setupResult, error)) {
	sess := s.session(c, roots)
	sess.prepare()
	if err := c.Subscribe(sess, conversation.Since{}, func(o conversation.Opened, err error) {
		if err != nil {
			reply(setupResult{}, err)
			return
		}
		result := sess.setup(o.Info)
		if named {
			result.SessionID = c.ID()
		}
		reply(result, nil)
		sess.announce()
	}); err != nil {
		reply(setupResult{}, err)
	}
}

// load replays the whole history before it answers, as the protocol wants it. What
// waits for the user is asked again after the answer.
func (s *Server) load(ctx context.Context, p setupParams, reply func(setupResult, error)) {
	c, roots, err := s.stored(ctx, p)
	if err != nil {
		reply(setupResult{}, err)
		return
	}
	sess := s.session(c, roots)
	sess.prepare()
	sess.hold()
	err = c.Subscribe(sess, conversation.Since{Start: true}, func(_ conversation.Opened, err error) {
		if err != nil {
			reply(setupResult{}, err)
		}
	})
	if err == nil {
		// The next turn of the conversation, after the replay.
		err = c.Info(func(info conversation.Info) {
			reply(sess.setup(info), nil)
			sess.announce()
			sess.release()
		})
	}
	if err != nil {
		reply(setupResult{}, err)
	}
}

func (s *Server) resume(ctx context.Context, p setupParams, reply func(setupResult, error)) {
	c, roots, err := s.stored(ctx, p)
	if err != nil {
		reply(setupResult{}, err)
		return
	}
	s.welcome(c, roots, false, reply)
}

// stored opens the conversation of a session that exists. It stays in its own
// folder; the client's are added to those that its file tools may touch.
func (s *Server) stored(ctx context.Context, p setupParams) (*conversation.Conversation, []string, error) {
	id, err := conversation.ParseID(p.SessionID)
	if err != nil {
		return nil, nil, conversation.ErrNotFound
	}
	if !s.manager.Exists(s.manager.Base(), id) {
		return nil, nil, conversation.ErrNotFound
	}
	roots, err := rootsOf(p)
	if err != nil {
		return nil, nil, err
	}
	o := conversation.Options{ID: id, Base: s.manager.Base(), MustExist: true}
	if o.Agent, err = agentOf(p.MCPServers); err != nil {
		return nil, nil, err
	}
	s.place(id).setRoots(roots)
	c, _, err := s.manager.Create(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	if !slices.Contains(roots, c.Workspace()) {
		roots = append(roots, c.Workspace())
		s.place(id).setRoots(roots)
	}
	return c, roots, nil
}

// fork makes a copy of a session; session/fork of the unstable schema.
func (s *Server) fork(ctx context.Context, p setupParams, reply func(setupResult, error)) {
	roots, err := rootsOf(p)
	var c *conversation.Conversation
	if err == nil {
		c, err = s.manager.Fork(ctx, "", p.SessionID, conversation.ForkOptions{})
	}
	if err != nil {
		reply(setupResult{}, err)
		return
	}
	if !slices.Contains(roots, c.Workspace()) {
		roots = append(roots, c.Workspace())
	}
	s.place(c.ID()).setRoots(roots)
	s.welcome(c, roots, true, reply)
}

// rootsOf gives the folders of a session, the one to work in first.
func rootsOf(p setupParams) ([]string, error) {
	var roots []string
	for i, dir := range append([]string{p.Cwd}, p.AdditionalDirectories...) {
		field := "cwd"
		if i > 0 {
			field = fmt.Sprintf("additionalDirectories[%d]", i-1)
		}
		if !filepath.IsAbs(dir) {
			return nil, invalid(field, "must be an absolute path")
		}
		w, err := workspace.Open(dir, false)
		if err != nil {
			return nil, invalid(field, err.Error())
		}
		roots = append(roots, w.Root())
	}
	return roots, nil
}

// agentOf gives the part of an agent that says its MCP servers, in OpenHands'
// format; nil where the client names none.
func agentOf(servers []mcpServer) (json.RawMessage, error) {
	if len(servers) == 0 {
		return nil, nil
	}
	values := func(list []namedValue) map[string]string {
		m := map[string]string{}
		for _, v := range list {
			m[v.Name] = v.Value
		}
		return m
	}
	config := map[string]any{}
	for i, m := range servers {
		field := fmt.Sprintf("mcpServers[%d]", i)
		if m.Name == "" {
			return nil, invalid(field+".name", "is empty")
		}
		if _, twice := config[m.Name]; twice {
			return nil, invalid(field+".name", fmt.Sprintf("two servers are named %q", m.Name))
		}
		switch m.Type {
		case "", "stdio":
			if m.Command == "" {
				return nil, invalid(field+".command", "is empty")
			}
			if m.Args == nil {
				m.Args = []string{}
			}
			config[m.Name] = map[string]any{"command": m.Command, "args": m.Args, "env": values(m.Env)}
		case "http", "sse":
			if m.URL == "" {
				return nil, invalid(field+".url", "is empty")
			}
			config[m.Name] = map[string]any{"url": m.URL, "transport": m.Type, "headers": values(m.Headers)}
		default:
			return nil, invalid(field+".type", `must be "http" or "sse", or absent for a command`)
		}
	}
	return json.Marshal(map[string]any{"mcp_config": config})
}

func (s *Server) list(ctx context.Context, p listParams, reply func(listResult, error)) {
	f := conversation.Filter{Cursor: p.Cursor}
	if p.Cwd != "" {
		if !filepath.IsAbs(p.Cwd) {
			reply(listResult{}, invalid("cwd", "must be an absolute path"))
			return
		}
		f.Workspace = filepath.Clean(p.Cwd)
		if w, err := workspace.Open(p.Cwd, false); err == nil {
			f.Workspace = w.Root()
		}
	}
	items, next, err := s.manager.List(ctx, f)
	result := listResult{Sessions: []sessionInfo{}, NextCursor: next}
	for _, i := range items {
		info := sessionInfo{SessionID: i.ID, Cwd: i.Workspace, Title: i.Title, UpdatedAt: stamp(i.UpdatedAt)}
		if sess := s.opened(i.ID); sess != nil && len(sess.roots) > 1 {
			info.AdditionalDirectories = sess.roots[1:]
		}
		result.Sessions = append(result.Sessions, info)
	}
	reply(result, err)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// close ends what the session does, as session/cancel, and frees what it holds.
func (s *Server) close(ctx context.Context, p sessionParams, reply func(empty, error)) {
	id, err := conversation.ParseID(p.SessionID)
	if err == nil {
		if sess := s.opened(id); sess != nil {
			sess.cancelPrompts()
		}
		err = s.manager.Close(ctx, id)
	}
	reply(empty{}, err)
}

func (s *Server) delete(ctx context.Context, p sessionParams, reply func(empty, error)) {
	if sess := s.opened(p.SessionID); sess != nil {
		sess.cancelPrompts()
	}
	reply(empty{}, s.manager.Delete(ctx, "", p.SessionID))
}

// opened gives a session that is open on this connection; nil if it is not.
func (s *Server) opened(id string) *session {
	id, err := conversation.ParseID(id)
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[id]
}

// active gives the session that a request is about.
func (s *Server) active(id string) (*session, error) {
	if sess := s.opened(id); sess != nil {
		return sess, nil
	}
	if s.manager.Exists(s.manager.Base(), id) {
		return nil, &conversation.StateError{Message: "the session is not open on this connection; load or resume it first"}
	}
	return nil, conversation.ErrNotFound
}

// session gives that of an open conversation, and lets go of it when the
// conversation closes.
func (s *Server) session(c *conversation.Conversation, roots []string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.sessions[c.ID()]; known != nil && known.conversation == c {
		known.roots = roots
		return known
	}
	sess := newSession(s, c, roots)
	s.sessions[c.ID()] = sess
	go func() {
		<-c.Done()
		sess.end()
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.sessions[c.ID()] == sess {
			delete(s.sessions, c.ID())
			delete(s.places, c.ID())
		}
	}()
	return sess
}

func (s *Server) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.places, id)
}
