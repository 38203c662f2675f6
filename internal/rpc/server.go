// Package rpc is the LSP face of agent-rpc: it speaks the protocol of
// docs/protocol.md on a pair of streams and translates between it and the
// conversations. It decides nothing about a conversation and stores nothing.
//
// One goroutine reads (the jsonrpc2 library's), one writes (wire.Outbox);
// requests on one conversation are taken in order by a goroutine per
// conversation while there are any (router); questions to the client wait in
// goroutines of their own.
package rpc

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
	"github.com/agent-rpc/agent-rpc/internal/conversation/secret"
	"github.com/agent-rpc/agent-rpc/internal/face"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/rpc/router"
	"github.com/agent-rpc/agent-rpc/internal/rpc/wire"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

// Backend is what the face translates to.
type Backend = face.Backend

// Host is what the client can do for a [Backend].
type Host = face.Host

// Config is what [Serve] needs.
type Config struct {
	Name, Version string
	// Backend is called once, at initialize, with the client's settings (may be
	// nil).
	Backend func(settings json.RawMessage, host Host) (Backend, error)
	// Log takes what is written to stderr.
	Log slog.Handler
	// Hidden learns the values of all secrets, so that what Log writes can hide
	// them; may be nil.
	Hidden *secret.Values
}

// How long the parts of a shutdown may take. Together they stay below the 1.5 s
// that the protocol promises.
const (
	closeGrace = 1200 * time.Millisecond
	drainGrace = 200 * time.Millisecond
)

// Server is one connection.
type Server struct {
	cfg     Config
	log     *slog.Logger
	logs    *clientLog
	out     *wire.Outbox
	router  *router.Router
	client  atomic.Pointer[client]
	backend Backend
	manager *conversation.Manager
	buffers *workspace.Buffers
	plain   *plain
	// spoken tells that a client that did not declare our protocol speaks it anyway.
	spoken atomic.Bool
	// life bounds what outlives a request: conversations, questions to the
	// client. It is kept for them and ends with the connection.
	life context.Context
	// stop ends the connection with an exit code.
	stop func(code int)
	// progress holds the conversation of every run that the client can cancel.
	progress sync.Map
	drained  sync.Once

	mu            sync.Mutex
	subscriptions map[*conversation.Conversation]*subscription
	reading       map[string]bool // conversations that were opened with mode "read"
	shutdown      bool
}

// Serve speaks the protocol until the client says exit, its stream ends, the
// editor's process is gone or ctx ends, and gives the process's exit code: 0
// only after shutdown.
func Serve(ctx context.Context, in io.Reader, out io.Writer, cfg Config) int {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	codes := make(chan int, 8)
	s := &Server{
		cfg: cfg, life: life,
		subscriptions: map[*conversation.Conversation]*subscription{}, reading: map[string]bool{},
		stop: func(code int) {
			select {
			case codes <- code:
			default: // the end is decided already
			}
		},
	}
	s.buffers = workspace.NewBuffers(s)
	s.out = wire.NewOutbox(out, wire.OutboxOptions{})
	if s.cfg.Hidden == nil {
		s.cfg.Hidden = new(secret.Values)
	}
	s.logs = &clientLog{next: cfg.Log, out: s.out, level: new(slog.LevelVar), mask: s.cfg.Hidden.Mask}
	s.logs.level.Set(levelOff)
	s.log = slog.New(s.logs)
	stream := wire.NewStream(in, s.out, wire.StreamOptions{})
	s.router = s.routes(stream)
	conn := s.router.Connect(life)

	code := 1
	select {
	case code = <-codes:
	case <-conn.DisconnectNotify():
		select {
		case code = <-codes: // exit came right before the end of the stream
		default:
		}
		if s.isShutdown() {
			code = 0
		}
	case <-s.out.Done():
		s.log.Error("the client can't be written to", "error", s.out.Err())
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(life, drainGrace)
	defer cancel()
	if err := s.router.Shutdown(drain); err != nil {
		s.log.Info("requests were still going on", "error", err)
	}
	s.drain()
	drain, cancel = context.WithTimeout(life, drainGrace)
	defer cancel()
	if err := s.out.Close(drain); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		s.log.Debug("closing the stream to the client", "error", err)
	}
	end()
	_ = stream.Close() // the process ends: nothing reads any more
	return code
}

// drain is the one way down: new work is refused, runs are ended (their states
// say so), tools closed, conversations stored and unlocked.
func (s *Server) drain() {
	s.drained.Do(func() {
		ctx, cancel := context.WithTimeout(s.life, closeGrace)
		defer cancel()
		s.router.Refuse()
		if s.manager == nil {
			return
		}
		if err := s.manager.CloseAll(ctx); err != nil {
			s.log.Error("closing the conversations", "error", err)
		}
		s.plain.settle(ctx)
	})
}

func (s *Server) isShutdown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shutdown
}

// call asks the client. The question is taken back when ctx ends.
func (s *Server) call(ctx context.Context, method string, params, result any) error {
	return s.router.Call(ctx, method, params, result)
}

// Of implements [Host]: an LSP client's folders and documents are the same for all
// conversations.
func (s *Server) Of(string) Host { return s }

// Roots implements [Host].
func (s *Server) Roots() []string { return s.client.Load().roots() }

// Warn implements [Host].
func (s *Server) Warn(text string) { s.tell(messageWarning, text) }

// Secret implements [Host].
func (s *Server) Secret(ctx context.Context, conversationID, name string) string {
	value, err := s.secretValue(ctx, conversationID, name)
	if err != nil {
		s.log.Info("the client did not give a secret", "name", name, "error", err)
		return ""
	}
	return value
}

// secretValue asks the client for the value of a secret. The error says why
// there is none.
func (s *Server) secretValue(ctx context.Context, conversationID, name string) (string, error) {
	c := s.client.Load()
	if c == nil || c.options == nil || c.options.Secrets == nil {
		return "", errors.New("the client keeps no secrets")
	}
	var result *protocol.SecretValueResult
	err := s.call(ctx, protocol.RequestSecretValue, protocol.SecretValueParams{ID: conversationID, Name: name}, &result)
	switch {
	case err != nil && ctx.Err() != nil:
		return "", context.Cause(ctx)
	case err != nil:
		s.log.Info("the client answers for a secret with an error", "name", name, "error", err)
		return "", errors.New("the client did not give it")
	case result == nil || result.Value == "":
		return "", errors.New("the client declined to give it")
	}
	return result.Value, nil
}

// secrets gives the options of a conversation's secrets.
func (s *Server) secrets(conversationID string) secret.Options {
	var o secret.Options
	if s.backend.Secrets != nil {
		o = s.backend.Secrets()
	}
	o.Values = s.cfg.Hidden
	o.Client = func(ctx context.Context, name string) (string, error) {
		return s.secretValue(ctx, conversationID, name)
	}
	return o
}
