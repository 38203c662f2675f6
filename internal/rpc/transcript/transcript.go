// Package transcript keeps a conversation as a Markdown file, the page that
// `agent-rpc conversations export` writes, for editors that can show a file and
// nothing else. It decides nothing of a conversation. Writing is done in a
// goroutine that ends when the file is up to date.
package transcript

import (
	"bytes"
	"cmp"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/visualize"
)

// How often a file is written while things happen. A large one is written less
// often: it is written whole, so that nobody ever reads half of it.
const (
	interval      = time.Second
	largeInterval = 5 * time.Second
	large         = 1 << 20
)

// Path is the file of a conversation in a folder.
func Path(dir, conversationID string) string {
	return filepath.Join(dir, strings.ReplaceAll(conversationID, "-", "")+".md")
}

// File is the transcript of one conversation. Safe for use by several goroutines.
type File struct {
	path, id, workspace string
	log                 *slog.Logger

	mu        sync.Mutex
	view      *visualize.View
	page      bytes.Buffer
	title     string // of the page, once there is one
	created   string
	now       string // what goes on, below the page
	scheduled bool
	stale     bool
	wrote     time.Time

	writing sync.Mutex // orders the writes
}

// New makes the transcript of a conversation; nothing is written before something
// happens.
func New(path, id, workspace string, log *slog.Logger) *File {
	f := &File{path: path, id: id, workspace: workspace, log: log}
	f.Reset()
	return f
}

// Path is where the file is.
func (f *File) Path() string { return f.path }

// Reset begins the page anew: all events will be told once more.
func (f *File) Reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.page.Reset()
	f.view = visualize.NewMarkdown(&f.page, visualize.Options{Workspace: f.workspace})
	f.view.Total()
	f.title = ""
}

// State takes the state of the conversation; ended tells that its run is over.
func (f *File) State(info protocol.Info, ended bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.view.State(info)
	f.created, f.now = info.CreatedAt, ""
	if f.title == "" && info.Title != "" {
		f.title = info.Title
	}
	for _, p := range info.Pending {
		f.view.Ask(p, false)
	}
	switch {
	case ended && len(info.Pending) == 0:
		f.view.End(visualize.Ending{Short: strings.ReplaceAll(info.ID, "-", "")[:8]})
	case info.Status == protocol.StatusRunning:
		f.now = "The agent is at work …"
	}
	f.changed()
}

// Event takes the next event.
func (f *File) Event(n protocol.EventNotification) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.title == "" {
		if e, err := event.Decode(n.Event); err == nil {
			if m, ok := e.(*event.Message); ok && m.Source == event.SourceUser {
				f.title = firstLine(m.LLMMessage.Text())
			}
		}
	}
	f.view.Event(n)
	f.changed()
}

// Result is what the conversation came to so far.
func (f *File) Result() visualize.Result {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.view.Result()
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if r := []rune(line); len(r) > 80 {
		line = string(r[:79]) + "…"
	}
	return line
}

// changed has the file written soon. The lock is held.
func (f *File) changed() {
	f.stale = true
	if f.scheduled {
		return
	}
	f.scheduled = true
	every := interval
	if f.page.Len() > large {
		every = largeInterval
	}
	time.AfterFunc(max(0, every-time.Since(f.wrote)), func() {
		if err := f.Write(); err != nil {
			f.log.Warn("a transcript was not written", "path", f.path, "error", err)
		}
	})
}

// Write brings the file up to date; with no path it does nothing. The file is the user's alone, as it may hold
// anything that was said.
func (f *File) Write() error {
	f.writing.Lock()
	defer f.writing.Unlock()
	f.mu.Lock()
	f.scheduled = false
	if !f.stale || f.path == "" {
		f.mu.Unlock()
		return nil
	}
	f.stale, f.wrote = false, time.Now()
	text := f.whole()
	f.mu.Unlock()
	dir := filepath.Dir(f.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(dir, ".transcript-*") // readable by the user alone
	if err != nil {
		return err
	}
	_, err = temp.Write(text)
	if e := temp.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(temp.Name(), f.path)
	}
	if err != nil {
		_ = os.Remove(temp.Name()) // the first error says more
	}
	return err
}

func (f *File) whole() []byte {
	var b, head bytes.Buffer
	v := visualize.NewMarkdown(&head, visualize.Options{})
	v.Title(cmp.Or(f.title, "Conversation"), f.created)
	b.Write(head.Bytes())
	if f.page.Len() > 0 {
		b.WriteString("\n")
		b.Write(f.page.Bytes())
	}
	if f.now != "" {
		b.WriteString("\n*" + f.now + "*\n")
	}
	return b.Bytes()
}
