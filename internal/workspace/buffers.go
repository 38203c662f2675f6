package workspace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/aymanbagabas/go-udiff"
)

// Editor changes a document that is open in the user's editor.
type Editor interface {
	// Edit asks the editor for changes of a document as it is at doc.Version, to be
	// undone in one step. Its error says why the editor did not make them.
	Edit(ctx context.Context, doc Document, edits []Edit) error
	// CanEdit tells whether the editor takes edits at all.
	CanEdit() bool
}

// Document is a file as the editor has it.
type Document struct {
	// URI is written as the editor wrote it.
	URI     string
	Version int32
	Text    string
}

// Edit puts text in the place of a document's bytes from Start to End. Edits of
// one document don't overlap and are in order.
type Edit struct {
	Start, End int
	Text       string
}

// editWait bounds how long the editor may take to show an edit that it agreed to.
const editWait = 2 * time.Second

// Buffers are the files that are open in the user's editor, before those on the
// disk. There is one truth for each path: the buffer while it holds what is not
// saved, the disk otherwise. Documents are kept by path, links followed, for
// clients write the same URI in several ways. Safe for use by several
// goroutines; it starts none.
type Buffers struct {
	editor Editor
	disk   Disk

	mu   sync.Mutex
	open map[string]*buffer // by real path
}

// buffer is one open document.
type buffer struct {
	doc Document
	// unsaved tells whether the text differs from the file it was made of. While
	// unsure is set it is to be found out, by a look at the disk.
	unsaved, unsure bool
	// changed tells that the text is not the one that was opened or saved.
	changed bool
	// base is the file that the text was made of.
	base stamp
	// awaited are edits that the text should soon show.
	awaited []*awaited
}

// awaited is a text that an edit should make.
type awaited struct {
	text string
	// shown is closed when the text was there.
	shown chan struct{}
}

// stamp tells one state of a file from another without reading it.
type stamp struct {
	exists bool
	size   int64
	at     time.Time
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{true, info.Size(), info.ModTime()}
}

// NewBuffers makes the overlay of an editor without open documents.
func NewBuffers(editor Editor) *Buffers {
	return &Buffers{editor: editor, open: map[string]*buffer{}}
}

// Opened notes a document; path is absolute.
func (b *Buffers) Opened(path string, doc Document) {
	key := keyOf(path)
	base := stampOf(key)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open[key] = &buffer{doc: doc, unsure: true, base: base}
}

// Changed lets change make a document's new text of the old one. One that is not
// open stays so.
func (b *Buffers) Changed(path string, version int32, change func(text string) string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	buf := b.open[keyOf(path)]
	if buf == nil {
		return
	}
	buf.doc.Version, buf.doc.Text = version, change(buf.doc.Text)
	buf.unsure, buf.changed = true, true
	buf.awaited = slices.DeleteFunc(buf.awaited, func(a *awaited) bool {
		if !sameText(buf.doc.Text, []byte(a.text)) {
			return false
		}
		close(a.shown)
		return true
	})
}

// Saved notes that a document was written to its file.
func (b *Buffers) Saved(path string) {
	key := keyOf(path)
	base := stampOf(key)
	b.mu.Lock()
	defer b.mu.Unlock()
	if buf := b.open[key]; buf != nil {
		buf.unsaved, buf.unsure, buf.changed, buf.base = false, false, false, base
	}
}

// Closed forgets a document.
func (b *Buffers) Closed(path string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.open, keyOf(path))
}

// Unsaved tells whether a file is open in the editor with text that is not
// saved.
func (b *Buffers) Unsaved(path string) bool {
	_, ok := b.unsaved(path)
	return ok
}

// Behind gives the paths of unsaved documents whose files were changed by
// something else since they were opened or saved, each once for a change.
func (b *Buffers) Behind() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var paths []string
	for path, buf := range b.open {
		if now := stampOf(path); now != buf.base && buf.isUnsaved(path) {
			buf.base = now
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

// Stat implements the file editor's Files. A document that was never saved has a
// size and no more.
func (b *Buffers) Stat(path string) (fs.FileInfo, error) {
	info, err := b.disk.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if doc, ok := b.unsaved(path); ok {
			return unsavedInfo{filepath.Base(path), int64(len(doc.Text))}, nil
		}
	}
	return info, err
}

// Read implements the file editor's Files.
func (b *Buffers) Read(path string) ([]byte, error) {
	if doc, ok := b.unsaved(path); ok {
		return []byte(doc.Text), nil
	}
	return b.disk.Read(path)
}

// Peek is Read: the editor tells of its documents before it is asked.
func (b *Buffers) Peek(path string) ([]byte, error) { return b.Read(path) }

// Write implements the file editor's Files. Where the document is not saved the
// editor is asked to make the change, in hunks as small as lines allow, and the change
// counts as made only when the editor's text shows it: some editors say yes to an
// edit of a version that is past, and do nothing.
func (b *Buffers) Write(ctx context.Context, path string, data []byte) error {
	doc, ok := b.unsaved(path)
	if !ok {
		return b.disk.Write(ctx, path, data)
	}
	return b.edit(ctx, path, doc, data)
}

// Replace is Write, but for a file that is open in the editor and saved: the editor
// makes that change too, so that it can be undone there.
func (b *Buffers) Replace(ctx context.Context, path string, data []byte) error {
	if doc, ok := b.current(path); ok {
		data = bytes.TrimPrefix(data, []byte("\uFEFF"))
		if !strings.Contains(doc.Text, "\r\n") {
			data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")) // the editor puts them back when it saves
		}
		return b.edit(ctx, path, doc, data)
	}
	return b.Write(ctx, path, data)
}

// current gives an open document that is what it should be: not saved, or the
// same as its file.
func (b *Buffers) current(path string) (Document, bool) {
	if doc, ok := b.unsaved(path); ok {
		return doc, true
	}
	data, err := b.disk.Read(path)
	b.mu.Lock()
	defer b.mu.Unlock()
	buf := b.open[keyOf(path)]
	if buf == nil || err != nil || !b.editor.CanEdit() || !sameText(buf.doc.Text, data) {
		return Document{}, false
	}
	return buf.doc, true
}

func (b *Buffers) edit(ctx context.Context, path string, doc Document, data []byte) error {
	if !utf8.Valid(data) {
		return errors.New("it is open in the editor, and the new content is no text; save it there first")
	}
	edits := hunks(doc.Text, string(data))
	if len(edits) == 0 {
		return nil // it is there already
	}
	wait, ok := b.await(path, doc, string(data))
	if !ok {
		return errors.New("it was changed in the editor at this moment; look at it again")
	}
	defer b.giveUp(path, wait)
	if err := b.editor.Edit(ctx, doc, edits); err != nil {
		return fmt.Errorf("it is open in the editor, and the editor refused the edit: %w", err)
	}
	timer := time.NewTimer(editWait)
	defer timer.Stop()
	select {
	case <-wait.shown:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return errors.New("it is open in the editor, and the editor did not show the edit; it was changed there meanwhile, so look at it again")
	}
}

// await notes the text that an edit of doc should make; ok is false where the
// document is another by now.
func (b *Buffers) await(path string, doc Document, text string) (wait *awaited, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	buf := b.open[keyOf(path)]
	if buf == nil || buf.doc != doc {
		return nil, false
	}
	wait = &awaited{text, make(chan struct{})}
	buf.awaited = append(buf.awaited, wait)
	return wait, true
}

func (b *Buffers) giveUp(path string, wait *awaited) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if buf := b.open[keyOf(path)]; buf != nil {
		buf.awaited = slices.DeleteFunc(buf.awaited, func(a *awaited) bool { return a == wait })
	}
}

// unsaved gives a document that holds what is not saved.
func (b *Buffers) unsaved(path string) (Document, bool) {
	key := keyOf(path)
	b.mu.Lock()
	defer b.mu.Unlock()
	buf := b.open[key]
	if buf == nil || !buf.isUnsaved(key) {
		return Document{}, false
	}
	return buf.doc, true
}

// isUnsaved finds out whether the text is the file's. Editors don't say which
// documents have unsaved changes, so the file is read once after each change. A
// document that was not changed since it was opened is taken to be an older
// state of its file where the file is another by now: the editor will read
// it anew.
func (buf *buffer) isUnsaved(path string) bool {
	if !buf.unsure {
		return buf.unsaved
	}
	buf.unsure = false
	if !buf.changed && stampOf(path) != buf.base {
		buf.unsaved = false
		return false
	}
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		buf.unsaved = buf.doc.Text != ""
	case err != nil || !utf8.Valid(data):
		// In an encoding that only the editor knows: what it opened was the file.
		buf.unsaved = buf.changed
	default:
		buf.unsaved = !sameText(buf.doc.Text, data)
	}
	if !buf.unsaved {
		buf.changed, buf.base = false, stampOf(path)
	}
	return buf.unsaved
}

// sameText tells whether a document is what an editor makes of a file: editors
// take the byte order mark off, may unify line endings, and may add one at the
// end.
func sameText(text string, data []byte) bool {
	plain := func(s string) string {
		if strings.IndexByte(s, '\r') >= 0 {
			s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
		}
		return strings.TrimSuffix(s, "\n")
	}
	return plain(text) == plain(string(bytes.TrimPrefix(data, []byte("\uFEFF"))))
}

// hunks gives the edits, line by line, that make one text of another.
func hunks(before, after string) []Edit {
	var edits []Edit
	for _, e := range udiff.Lines(before, after) {
		edits = append(edits, Edit{e.Start, e.End, e.New})
	}
	return edits
}

func keyOf(path string) string {
	if real, err := realPath(filepath.Clean(path)); err == nil {
		return real
	}
	return path
}

// unsavedInfo describes a document that has no file yet.
type unsavedInfo struct {
	name string
	size int64
}

func (i unsavedInfo) Name() string       { return i.name }
func (i unsavedInfo) Size() int64        { return i.size }
func (i unsavedInfo) Mode() fs.FileMode  { return 0o666 }
func (i unsavedInfo) ModTime() time.Time { return time.Time{} }
func (i unsavedInfo) IsDir() bool        { return false }
func (i unsavedInfo) Sys() any           { return nil }
