package rpc

import (
	"context"
	"errors"

	"github.com/agent-rpc/agent-rpc/internal/face"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

// The client's documents go into the workspace's buffers, and what tools write
// to unsaved ones comes back as edits of the client. Documents that are no files
// are none of ours.

// documentID names a document at a version.
type documentID struct {
	URI     string `json:"uri"`
	Version int32  `json:"version"`
}

type didOpenParams struct {
	TextDocument struct {
		documentID
		Text string `json:"text"`
	} `json:"textDocument"`
}

type didChangeParams struct {
	TextDocument   documentID      `json:"textDocument"`
	ContentChanges []contentChange `json:"contentChanges"`
}

// contentChange replaces a range, or everything where there is none.
type contentChange struct {
	Range *textRange `json:"range"`
	Text  string     `json:"text"`
}

type documentParams struct {
	TextDocument documentID `json:"textDocument"`
}

func (s *Server) didOpen(_ context.Context, p didOpenParams) {
	s.withFile(p.TextDocument.URI, func(path string) {
		s.buffers.Opened(path, workspace.Document{URI: p.TextDocument.URI, Version: p.TextDocument.Version, Text: p.TextDocument.Text})
		s.plain.opened(path)
	})
}

func (s *Server) didChange(_ context.Context, p didChangeParams) {
	s.withFile(p.TextDocument.URI, func(path string) {
		places := s.client.Load().positions()
		s.buffers.Changed(path, p.TextDocument.Version, func(text string) string {
			for _, c := range p.ContentChanges {
				if c.Range == nil {
					text = c.Text
					continue
				}
				start := places.offset(text, c.Range.Start)
				end := max(start, places.offset(text, c.Range.End))
				text = text[:start] + c.Text + text[end:]
			}
			return text
		})
		s.plain.typed.Add(1)
		s.plain.opened(path)
	})
}

func (s *Server) didSave(_ context.Context, p documentParams) {
	s.withFile(p.TextDocument.URI, func(path string) {
		s.buffers.Saved(path)
		s.plain.saved(path)
	})
}

func (s *Server) didClose(_ context.Context, p documentParams) {
	s.withFile(p.TextDocument.URI, s.buffers.Closed)
}

func (s *Server) withFile(uri string, do func(path string)) {
	path, err := workspace.FromURI(uri)
	if err != nil {
		s.log.Debug("a document that is no file is left to the editor", "error", err)
		return
	}
	do(path)
}

// Buffers implements [Host].
func (s *Server) Buffers() face.Files { return s.buffers }

type applyEditParams struct {
	Label string        `json:"label"`
	Edit  workspaceEdit `json:"edit"`
}

// workspaceEdit always names the version, so that an edit of a text that is past
// is refused.
type workspaceEdit struct {
	DocumentChanges []documentEdit `json:"documentChanges"`
}

type documentEdit struct {
	TextDocument documentID `json:"textDocument"`
	Edits        []textEdit `json:"edits"`
}

type textEdit struct {
	Range   textRange `json:"range"`
	NewText string    `json:"newText"`
}

// CanEdit implements [workspace.Editor].
func (s *Server) CanEdit() bool { return s.client.Load().applyEdit }

// Edit implements [workspace.Editor] with workspace/applyEdit.
func (s *Server) Edit(ctx context.Context, doc workspace.Document, edits []workspace.Edit) error {
	c := s.client.Load()
	if !s.CanEdit() {
		return errors.New("it can't be changed from outside; save the file in the editor first")
	}
	change := documentEdit{TextDocument: documentID{doc.URI, doc.Version}}
	for _, e := range edits {
		change.Edits = append(change.Edits, textEdit{c.positions().span(doc.Text, e.Start, e.End), e.Text})
	}
	var result struct {
		Applied       bool   `json:"applied"`
		FailureReason string `json:"failureReason"`
	}
	params := applyEditParams{"Agent's edit", workspaceEdit{[]documentEdit{change}}}
	switch err := s.call(ctx, "workspace/applyEdit", params, &result); {
	case err != nil:
		return err
	case result.Applied:
		return nil
	case result.FailureReason != "":
		return errors.New(result.FailureReason)
	}
	return errors.New("the document was changed meanwhile; look at it again")
}
