// Package acp is the second face of agent-rpc: it speaks the Agent Client Protocol
// v1, newline-delimited JSON-RPC on a pair of streams, over the same
// conversations that the LSP face serves. A session is a conversation, and its id
// is the conversation's. Like every face it translates, and decides and stores
// nothing.
//
// The connection is that of the LSP face: one goroutine reads, one writes
// (wire.Outbox), and requests on one session are taken in order (router). Questions
// to the client wait in goroutines of their own, which end with the answer, with
// the question, or with the connection.
package acp

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/secret"
	"github.com/agent-rpc/agent-rpc/internal/face"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/rpc/router"
	"github.com/agent-rpc/agent-rpc/internal/rpc/wire"
)

// Config is what [Serve] needs.
type Config struct {
	Name, Version string
	// Backend is called once, at initialize; there are no settings of the client's.
	Backend func(settings json.RawMessage, host face.Host) (face.Backend, error)
	// Log takes what is written to stderr.
	Log slog.Handler
	// Hidden learns the values of all secrets, so that what Log writes can hide
	// them; may be nil.
	Hidden *secret.Values
	// Unstable serves what the protocol's stable schema does not have yet:
	// session/fork.
	Unstable bool
}

// How long the parts of a shutdown may take.
const (
	closeGrace = 1200 * time.Millisecond
	drainGrace = 200 * time.Millisecond
)

// Server is one connection.
type Server struct {
	cfg     Config
	log     *slog.Logger
	out     *wire.Outbox
	router  *router.Router
	client  atomic.Pointer[clientCapabilities]
	backend face.Backend
	manager *conversation.Manager
	// life bounds what outlives a request: conversations, questions to the client.
	life context.Context

	mu       sync.Mutex
	sessions map[string]*session
	places   map[string]*place
}

// Serve speaks the protocol until the client's stream ends, it can't be written to
// or ctx ends, and gives the process's exit code: 0 where the client ended it.
func Serve(ctx context.Context, in io.Reader, out io.Writer, cfg Config) int {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	if cfg.Hidden == nil {
		cfg.Hidden = new(secret.Values)
	}
	s := &Server{
		cfg: cfg, life: life, log: slog.New(cfg.Log), out: wire.NewOutbox(out, wire.OutboxOptions{Lines: true}),
		sessions: map[string]*session{}, places: map[string]*place{},
	}
	stream := wire.NewStream(in, s.out, wire.StreamOptions{Lines: true, Logger: s.log})
	s.router = s.routes(stream)
	conn := s.router.Connect(life)

	code := 0
	select {
	case <-conn.DisconnectNotify():
	case <-s.out.Done():
		s.log.Error("the client can't be written to", "error", s.out.Err())
		code = 1
	case <-ctx.Done():
		code = 1
	}
	s.drain()
	drain, cancel := context.WithTimeout(life, drainGrace)
	defer cancel()
	if err := s.router.Shutdown(drain); err != nil {
		s.log.Info("requests were still going on", "error", err)
	}
	drain, cancel = context.WithTimeout(life, drainGrace)
	defer cancel()
	if err := s.out.Close(drain); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		s.log.Debug("closing the stream to the client", "error", err)
	}
	end()
	_ = stream.Close() // the process ends: nothing reads any more
	return code
}

// drain ends runs (their states say so), closes tools, and stores and unlocks
// conversations.
func (s *Server) drain() {
	s.router.Refuse()
	if s.manager == nil {
		return
	}
	ctx, cancel := context.WithTimeout(s.life, closeGrace)
	defer cancel()
	if err := s.manager.CloseAll(ctx); err != nil {
		s.log.Error("closing the conversations", "error", err)
	}
}

// routes is the table of what is served. Requests on one session are taken in
// order.
func (s *Server) routes(stream *wire.Stream) *router.Router {
	r := router.New(stream, router.Config{Errors: s.toError, Logger: s.log, Cancel: router.Cancel{Method: "$/cancel_request", ID: "requestId"}})
	bypass := router.Options{Order: router.Bypass}
	queued := router.Options{Key: sessionKey}

	accept(r, "initialize", router.Options{Order: router.Inline, Early: true}, s.initialize)
	accept(r, "authenticate", bypass, s.authenticate)

	accept(r, "session/new", bypass, s.newSession)
	accept(r, "session/load", queued, s.load)
	accept(r, "session/resume", queued, s.resume)
	accept(r, "session/list", bypass, s.list)
	accept(r, "session/close", queued, s.close)
	accept(r, "session/delete", queued, s.delete)
	if s.cfg.Unstable {
		accept(r, "session/fork", queued, s.fork)
	}
	accept(r, "session/prompt", queued, s.prompt)
	router.Notification(r, "session/cancel", queued, s.cancel)
	accept(r, "session/set_mode", queued, s.setMode)
	accept(r, "session/set_config_option", queued, s.setConfigOption)

	accept(r, methodSteering, queued, s.steer)
	accept(r, methodPause, queued, s.pause)
	accept(r, methodRun, queued, s.run)
	accept(r, methodSecrets, queued, s.secrets)
	return r
}

// sessionKey names the queue of a request.
func sessionKey(params json.RawMessage) string {
	var p sessionParams
	_ = json.Unmarshal(params, &p) // what is wrong with it is told by its handler
	return p.SessionID
}

// accept registers a handler that replies when it has accepted the request, or
// later; it may return before.
func accept[P, R any](r *router.Router, name string, o router.Options, h func(context.Context, P, func(R, error))) {
	router.Accept(r, name, o, func(ctx context.Context, p P, reply router.Reply[R]) error {
		h(ctx, p, func(result R, err error) { reply(result, err) })
		return nil
	})
}

// call asks the client. The question is taken back when ctx ends.
func (s *Server) call(ctx context.Context, method string, params, result any) error {
	return s.router.Call(ctx, method, params, result)
}

// update sends a session/update.
func (s *Server) update(id string, u any) {
	body, err := wire.Notification("session/update", sessionNotification{id, u})
	if err != nil {
		s.log.Error("encoding an update", "session", id, "error", err)
		return
	}
	s.out.Send(body)
}

// host is what the client can do for one conversation.
type host struct {
	server *Server
	id     string // "" for none in particular
}

// Of implements [face.Host].
func (h host) Of(conversationID string) face.Host { return host{h.server, conversationID} }

// Secret implements [face.Host]: the protocol has no place for secrets of the
// client's.
func (host) Secret(context.Context, string, string) string { return "" }

// ExecuteTool implements [face.Host].
func (host) ExecuteTool(_ context.Context, _ string, call face.ToolCall) ([]event.Content, bool, error) {
	return nil, false, errors.New(call.Name + " can't be carried out: the editor that is connected has no tools of its own")
}

// Roots implements [face.Host].
func (h host) Roots() []string { return h.server.place(h.id).folders() }

// Buffers implements [face.Host].
func (h host) Buffers() face.Files { return h.server.place(h.id) }

// Warn implements [face.Host].
func (h host) Warn(text string) {
	h.server.log.Warn(text, "session", h.id)
	h.server.mu.Lock()
	sess := h.server.sessions[h.id]
	h.server.mu.Unlock()
	if sess != nil {
		sess.notice("warning", text, "")
	}
}

// secretOptions gives the options of a conversation's secrets.
func (s *Server) secretOptions(string) secret.Options {
	var o secret.Options
	if s.backend.Secrets != nil {
		o = s.backend.Secrets()
	}
	o.Values = s.cfg.Hidden
	return o
}

// The codes of the protocol that JSON-RPC has not.
const (
	codeAuthRequired     protocol.Code = -32000
	codeResourceNotFound protocol.Code = -32002
)

// toError gives errors their codes, with secrets hidden: the protocol's own where
// it has one, and those of docs/protocol.md else. data.kind is the same in both.
func (s *Server) toError(err error) *protocol.Error {
	e := face.ToError(err)
	if e == nil {
		return nil
	}
	e.Message = s.cfg.Hidden.Mask(e.Message)
	kind := e.Code.Kind()
	switch e.Code {
	case protocol.CodeAuthRequired:
		e.Code = codeAuthRequired
	case protocol.CodeConversationNotFound:
		e.Code = codeResourceNotFound
	default:
		return e
	}
	data := map[string]any{"kind": kind}
	for k, v := range e.Data {
		data[k] = v
	}
	e.Data = data
	return e
}

// invalid says that a param is not right.
func invalid(field, message string) *protocol.Error {
	return &protocol.Error{Code: protocol.CodeInvalidParams, Message: field + ": " + message, Data: map[string]any{"field": field}}
}
