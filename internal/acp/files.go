package acp

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

// readWait bounds how long the client may take to give a file, which is on the
// disk too.
const readWait = 5 * time.Second

// place is where one session works: its folders, and the files in them as the
// client has them. It implements [face.Files]: a client that reads files gives the
// text of its documents, saved or not, and one that writes them shows the change
// for review. What lies outside of the session's folders is none of the client's.
type place struct {
	server *Server
	id     string
	disk   workspace.Disk

	mu    sync.Mutex
	roots []string
	// unsaved are the texts that the client gave and that the disk has not, with the
	// file beside which each was so.
	unsaved map[string]document
}

type document struct {
	text []byte
	at   time.Time // when the file was changed
	size int64
}

// place gives that of a session; it stays for as long as the session is open.
func (s *Server) place(id string) *place {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.places[id]
	if p == nil {
		p = &place{server: s, id: id, unsaved: map[string]document{}}
		s.places[id] = p
	}
	return p
}

func (p *place) setRoots(roots []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.roots = roots
}

func (p *place) folders() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.roots)
}

func (p *place) contains(path string) bool {
	for _, root := range p.folders() {
		if w, err := workspace.Open(root, false); err == nil && w.Contains(path) {
			return true
		}
	}
	return false
}

func (p *place) reads(path string) bool {
	c := p.server.client.Load()
	return c != nil && c.FS.ReadTextFile && p.contains(path)
}

func (p *place) writes(path string) bool {
	c := p.server.client.Load()
	return c != nil && c.FS.WriteTextFile && p.contains(path)
}

// Stat implements the file editor's Files.
func (p *place) Stat(path string) (fs.FileInfo, error) { return p.disk.Stat(path) }

// Read implements the file editor's Files. A client that can't give the file has
// nothing else of it than the disk.
func (p *place) Read(path string) ([]byte, error) {
	data, err := p.disk.Read(path)
	if err != nil || !utf8.Valid(data) || !p.reads(path) {
		return data, err
	}
	ctx, cancel := context.WithTimeout(p.server.life, readWait)
	defer cancel()
	var result readResult
	err = p.server.call(ctx, "fs/read_text_file", readParams{p.id, path}, &result)
	switch {
	case err != nil || result.Content == nil:
		p.server.log.Info("the client does not give a file; the one on the disk is read", "path", path, "error", err)
		p.note(path, nil)
	case sameText(*result.Content, data):
		p.note(path, nil) // with the file's own line ends
	default:
		data = []byte(*result.Content)
		p.note(path, data)
	}
	return data, nil
}

// note keeps what the client has of a file beside the disk; nil for nothing.
func (p *place) note(path string, text []byte) {
	info, err := os.Stat(path)
	p.mu.Lock()
	defer p.mu.Unlock()
	if text == nil || err != nil {
		delete(p.unsaved, path)
		return
	}
	p.unsaved[path] = document{text, info.ModTime(), info.Size()}
}

// known gives what the client has of a file beside the disk, as long as the file is
// the same.
func (p *place) known(path string) ([]byte, bool) {
	info, err := os.Stat(path)
	p.mu.Lock()
	defer p.mu.Unlock()
	doc, ok := p.unsaved[path]
	if !ok || err != nil || !doc.at.Equal(info.ModTime()) || doc.size != info.Size() {
		return nil, false
	}
	return doc.text, true
}

// Peek implements [face.Files].
func (p *place) Peek(path string) ([]byte, error) {
	if text, ok := p.known(path); ok {
		return text, nil
	}
	return p.disk.Read(path)
}

// Write implements the file editor's Files. What the client refuses to write is not
// written behind its back.
func (p *place) Write(ctx context.Context, path string, data []byte) error {
	if !p.writes(path) || !utf8.Valid(data) {
		p.note(path, nil)
		return p.disk.Write(ctx, path, data)
	}
	if err := p.server.call(ctx, "fs/write_text_file", writeParams{p.id, path, string(data)}, nil); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("the editor did not write it: %w", err)
	}
	p.note(path, nil)
	if saved, err := p.disk.Read(path); err == nil && !sameText(string(data), saved) {
		p.note(path, data) // it shows the change and leaves saving to the user
	}
	return nil
}

// Replace implements [face.Files].
func (p *place) Replace(ctx context.Context, path string, data []byte) error {
	return p.Write(ctx, path, data)
}

// Unsaved implements [face.Files].
func (p *place) Unsaved(path string) bool {
	_, ok := p.known(path)
	return ok
}

// Behind implements [face.Files]: a client does not tell of its documents.
func (p *place) Behind() []string { return nil }

// sameText tells whether a document is what an editor makes of a file: editors
// take the byte order mark off, unify line ends, and may add one at the end.
func sameText(text string, data []byte) bool {
	plain := func(s string) string {
		return strings.TrimSuffix(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	}
	return plain(text) == plain(string(bytes.TrimPrefix(data, []byte("\uFEFF"))))
}
