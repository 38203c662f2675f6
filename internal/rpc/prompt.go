package rpc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// prompt is a file in which the user writes a message: for editors that can't ask
// for a text.
type prompt struct {
	path string
	// to is the conversation that it goes to, nil for a new one in folder.
	to     *follower
	folder string
	args   commandArgs
	send   sync.Once
	done   chan struct{} // closed when it was sent
}

// A prompt may be saved by an editor that doesn't send us its Markdown files, so
// its file is looked at too.
const (
	promptLook = 300 * time.Millisecond
	// maxPrompts is how many old prompts are kept.
	maxPrompts = 20
)

// openPrompt opens a new file to write a message in. Saving it sends it.
func (p *plain) openPrompt(to *follower, folder string, a commandArgs) error {
	if p.dir == "" {
		return errNoStateDir
	}
	dir := filepath.Join(p.dir, "prompts")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	sweep(dir)
	head, err := p.promptHead(to, folder, a)
	if err != nil {
		return err
	}
	file, err := createPrompt(dir)
	if err != nil {
		return err
	}
	_, err = file.WriteString(head)
	if e := file.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	w := &prompt{path: file.Name(), to: to, folder: folder, args: a, done: make(chan struct{})}
	p.mu.Lock()
	p.prompts[realPath(w.path)] = w
	p.mu.Unlock()
	go p.watch(w)
	a.accepted()
	go func() {
		s := p.server
		end := position{Line: strings.Count(head, "\n")}
		if !s.showDocument(w.path, &textRange{end, end}, true) {
			s.tell(messageInfo, "Write your message into "+w.path+" — saving it sends it")
		}
	}()
	return nil
}

// createPrompt makes a file that says when it was made.
func createPrompt(dir string) (*os.File, error) {
	stamp := time.Now().Format("20060102-150405")
	for i := 1; ; i++ {
		name := "agent-" + stamp + ".md"
		if i > 1 {
			name = fmt.Sprintf("agent-%s-%d.md", stamp, i)
		}
		file, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			return file, err
		}
	}
}

// sweep deletes all but the newest prompts.
func sweep(dir string) {
	names, err := filepath.Glob(filepath.Join(dir, "agent-*.md"))
	if err != nil {
		return // the folder's name is no pattern
	}
	slices.Sort(names) // by time
	for _, name := range names[:max(0, len(names)-maxPrompts+1)] {
		_ = os.Remove(name) // another time
	}
}

func (p *plain) promptHead(to *follower, folder string, a commandArgs) (string, error) {
	goes := "a new conversation in " + tildePath(folder)
	if to != nil {
		goes = "the conversation “" + to.name() + "” in " + tildePath(folder)
	}
	lines := []string{"<!-- Write below what the agent should do, and save: that sends it, once.", "     It goes to " + goes + "."}
	if a.URI != "" && a.Range != nil {
		at, err := p.placeOf(folder, a.URI, *a.Range)
		if err != nil {
			return "", err
		}
		lines = append(lines, "     It is about "+at.where()+"; the agent is told so.")
	}
	// A name could end the comment.
	return strings.ReplaceAll(strings.Join(lines, "\n"), "-->", "->") + " -->\n\n", nil
}

// watch looks at a prompt until it is sent or gone.
func (p *plain) watch(w *prompt) {
	tick := time.NewTicker(promptLook)
	defer tick.Stop()
	missing := 0
	for missing < 10 { // editors that write another file and rename it leave a gap
		select {
		case <-tick.C:
		case <-w.done:
			return
		case <-p.server.life.Done():
			return
		}
		if _, err := os.Stat(w.path); err != nil {
			missing++
			continue
		}
		missing = 0
		p.trySend(w)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.prompts, realPath(w.path))
}

// saved sends the prompt that was saved, if it is one.
func (p *plain) saved(path string) {
	p.mu.Lock()
	w := p.prompts[realPath(path)]
	p.mu.Unlock()
	if w != nil {
		go p.trySend(w)
	}
}

// trySend sends a prompt if something was written.
func (p *plain) trySend(w *prompt) {
	raw, err := os.ReadFile(w.path)
	if err != nil {
		return // it is being written
	}
	text := promptText(string(raw))
	if text == "" {
		return
	}
	w.send.Do(func() {
		close(w.done)
		p.mu.Lock()
		delete(p.prompts, realPath(w.path))
		p.mu.Unlock()
		a := w.args
		a.Text, a.Ask = text, ""
		text, err := p.compose(w.folder, a)
		if err == nil {
			err = p.send(p.server.life, w.to, w.folder, text, false, func() {})
		}
		if err != nil {
			p.server.tell(messageError, "Agent: "+p.server.explain(err))
		}
	})
}

// promptText is what was written: all but the comment at the beginning.
func promptText(raw string) string {
	raw = strings.TrimSpace(strings.TrimPrefix(raw, "\uFEFF"))
	if strings.HasPrefix(raw, "<!--") {
		_, rest, ended := strings.Cut(raw, "-->")
		if !ended {
			return "" // half written
		}
		raw = rest
	}
	return strings.TrimSpace(raw)
}

// own tells whether a file is a transcript or a prompt and no file of a project.
func (p *plain) own(path string) bool {
	if p.dir == "" {
		return false
	}
	rel, err := filepath.Rel(realPath(p.dir), realPath(path))
	return err == nil && filepath.IsLocal(rel)
}
