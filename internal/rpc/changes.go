package rpc

import (
	"context"
	"encoding/json"
	"unicode/utf8"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

func (s *Server) changes(ctx context.Context, p protocol.ChangesParams, reply func(protocol.ChangesResult, error)) {
	fail := func(err error) { reply(protocol.ChangesResult{}, err) }
	since, err := fromChangesSince(p.Since)
	var c *conversation.Conversation
	if err == nil {
		c, err = s.writable(ctx, p.ID)
	}
	if err != nil {
		fail(err)
		return
	}
	s.accepted(c.Changes(since, func(list []conversation.FileChange, err error) {
		result := protocol.ChangesResult{Files: make([]protocol.FileChange, 0, len(list))}
		for _, f := range list {
			result.Files = append(result.Files, toFileChange(f))
		}
		reply(result, err)
	}), fail)
}

// fromChangesSince reads the since of conversation/changes.
func fromChangesSince(raw json.RawMessage) (since conversation.ChangesSince, err error) {
	switch string(raw) {
	case "", "null", `"kept"`:
		return since, nil
	case `"run"`:
		since.Run = true
		return since, nil
	}
	if json.Unmarshal(raw, &since.Seq) != nil || since.Seq == nil {
		return since, invalid("since", `must be "run", "kept" or a seq`)
	}
	return since, nil
}

func toFileChange(f conversation.FileChange) protocol.FileChange {
	change := protocol.FileChange{
		URI: workspace.ToURI(f.Path), Status: string(f.Status), Additions: f.Additions, Deletions: f.Deletions, Binary: f.Binary,
		Hunks: make([]protocol.Hunk, 0, len(f.Hunks)),
	}
	if f.OldPath != "" {
		change.OldURI = workspace.ToURI(f.OldPath)
	}
	for _, h := range f.Hunks {
		change.Hunks = append(change.Hunks, protocol.Hunk{
			ID: h.ID, OldStart: h.OldStart, OldLines: h.OldLines, NewStart: h.NewStart, NewLines: h.NewLines, Text: h.Text,
		})
	}
	return change
}

func (s *Server) baseline(ctx context.Context, p protocol.BaselineParams, reply func(protocol.BaselineResult, error)) {
	fail := func(err error) { reply(protocol.BaselineResult{}, err) }
	path, err := filePath(p.URI)
	var c *conversation.Conversation
	if err == nil {
		c, err = s.writable(ctx, p.ID)
	}
	if err != nil {
		fail(err)
		return
	}
	s.accepted(c.Baseline(path, func(data []byte, exists bool, err error) {
		var result protocol.BaselineResult
		if text := string(data); exists && err == nil {
			if result.Binary = !utf8.ValidString(text); !result.Binary {
				result.Text = &text
			}
		}
		reply(result, err)
	}), fail)
}

// filePath gives the path of the file that uri names.
func filePath(uri string) (string, error) {
	path, err := workspace.FromURI(uri)
	if err != nil {
		return "", invalid("uri", err.Error())
	}
	return path, nil
}

func (s *Server) keepChanges(ctx context.Context, p protocol.ChosenChangesParams, reply func(struct{}, error)) {
	fail := func(err error) { reply(struct{}{}, err) }
	c, path, err := s.chosen(ctx, p)
	if err != nil {
		fail(err)
		return
	}
	s.accepted(c.KeepChanges(path, p.Hunks, func(err error) { reply(struct{}{}, err) }), fail)
}

func (s *Server) undoChanges(ctx context.Context, p protocol.ChosenChangesParams, reply func(protocol.UndoChangesResult, error)) {
	fail := func(err error) { reply(protocol.UndoChangesResult{}, err) }
	c, path, err := s.chosen(ctx, p)
	if err != nil {
		fail(err)
		return
	}
	s.accepted(c.UndoChanges(path, p.Hunks, func(r conversation.UndoResult, err error) {
		result := protocol.UndoChangesResult{Undone: []protocol.UndoneChange{}, Conflicts: []protocol.UndoConflict{}}
		for _, u := range r.Undone {
			undone := protocol.UndoneChange{URI: workspace.ToURI(u.Path)}
			for _, h := range u.Hunks {
				undone.Hunks = append(undone.Hunks, h.ID)
			}
			result.Undone = append(result.Undone, undone)
		}
		for _, k := range r.Conflicts {
			result.Conflicts = append(result.Conflicts, protocol.UndoConflict{URI: workspace.ToURI(k.Path), Hunk: k.Hunk, Reason: k.Reason})
		}
		reply(result, err)
	}), fail)
}

// chosen gives the conversation and the path of the file that a verb is about; ""
// for all files.
func (s *Server) chosen(ctx context.Context, p protocol.ChosenChangesParams) (c *conversation.Conversation, path string, err error) {
	switch {
	case p.URI != "":
		path, err = filePath(p.URI)
	case len(p.Hunks) > 0:
		err = invalid("uri", "must name the file of the hunks")
	}
	if err == nil {
		c, err = s.writable(ctx, p.ID)
	}
	return c, path, err
}
