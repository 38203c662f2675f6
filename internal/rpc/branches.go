package rpc

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

func (s *Server) fork(ctx context.Context, p protocol.ForkParams, reply func(protocol.CreateResult, error)) {
	fail := func(err error) { reply(protocol.CreateResult{}, err) }
	base, err := stored(p.PersistenceDir)
	if err != nil {
		fail(err)
		return
	}
	c, err := s.manager.Fork(ctx, base, p.ID, conversation.ForkOptions{
		ID: p.ConversationID, From: p.From, Title: p.Title, Tags: p.Tags, KeepStats: p.ResetMetrics != nil && !*p.ResetMetrics,
	})
	if err != nil {
		fail(err)
		return
	}
	s.welcome(c, true, reply)
}

func (s *Server) navigate(ctx context.Context, p protocol.NavigateParams, reply func(protocol.Info, error)) {
	var id *string
	if len(p.EventID) == 0 || json.Unmarshal(p.EventID, &id) != nil || id != nil && *id == "" {
		reply(protocol.Info{}, invalid("eventId", "must be the id of an event, or null for an empty branch"))
		return
	}
	if id == nil {
		id = new("")
	}
	c, err := s.writable(ctx, p.ID)
	if err == nil {
		err = c.Navigate(*id, changed(reply))
	}
	if err != nil {
		reply(protocol.Info{}, err)
	}
}

func (s *Server) branches(_ context.Context, p protocol.IDParams, reply func(protocol.BranchesResult, error)) {
	if c := s.manager.Opened(p.ID); c != nil {
		if c.Branches(func(list []conversation.Branch, err error) { reply(toBranches(list), err) }) == nil {
			return
		}
	}
	base, err := stored(p.PersistenceDir)
	if err != nil {
		reply(protocol.BranchesResult{}, err)
		return
	}
	snap, err := s.manager.Peek(base, p.ID)
	if err != nil {
		reply(protocol.BranchesResult{}, err)
		return
	}
	list, err := snap.Branches()
	if closeErr := snap.Close(); err == nil {
		err = closeErr
	}
	reply(toBranches(list), err)
}

func (s *Server) unsend(ctx context.Context, p protocol.UnsendParams, reply func(protocol.Queued, error)) {
	fail := func(err error) { reply(protocol.Queued{}, err) }
	id, err := uuid.Parse(p.MessageID)
	if err != nil {
		fail(invalid("messageId", "must be a UUID"))
		return
	}
	c, err := s.writable(ctx, p.ID)
	if err == nil {
		err = c.Unsend(id.String(), func(m conversation.Outgoing, err error) { reply(toQueued(m), err) })
	}
	if err != nil {
		fail(err)
	}
}

func (s *Server) blob(_ context.Context, p protocol.BlobParams, reply func(protocol.BlobResult, error)) {
	base, err := stored(p.PersistenceDir)
	if err != nil {
		reply(protocol.BlobResult{}, err)
		return
	}
	q := conversation.BlobQuery{Blob: p.Blob, Offset: p.Offset, Limit: p.Limit}
	s.manager.Blob(base, p.ID, q, func(piece conversation.BlobPiece, err error) { reply(toBlob(piece), err) })
}
