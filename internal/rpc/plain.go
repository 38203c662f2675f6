package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/face"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/rpc/transcript"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

// plain is the agent as an editor sees it that knows LSP and nothing of agents:
// commands, code actions, messages and files. Its commands are in commands.go,
// code actions in codeaction.go, hovers in hover.go.
//
// A message goes to the conversation used last in the folder that it is about;
// the first one, and the first after [commandNew], begins a new conversation.
type plain struct {
	server *Server
	// dir is where transcripts and prompts are kept; "" for nowhere.
	dir string
	// typed counts what the user changed in documents.
	typed atomic.Int64

	mu        sync.Mutex
	followers map[string]*follower // by conversation id
	current   string               // the conversation used last
	currents  map[string]string    // the same for each folder
	folder    string               // of the document opened or changed last
	decided   bool                 // a command has decided something
	warned    string               // the request that was not to be decided in haste
	prompts   map[string]*prompt   // that wait to be saved, by path
	writing   sync.WaitGroup       // the last writes of transcripts
}

func newPlain(s *Server, dir string) *plain {
	return &plain{server: s, dir: dir, followers: map[string]*follower{}, currents: map[string]string{}, prompts: map[string]*prompt{}}
}

var errNoStateDir = errors.New("there is no folder to keep texts for you in: no home directory is known; set XDG_STATE_HOME")

// LSP's types of messages.
const (
	messageError   = 1
	messageWarning = 2
	messageInfo    = 3
)

// tell shows a text to the user.
func (s *Server) tell(level int, text string) {
	s.out.Send(encode(protocol.NotifyShowMessage, protocol.ShowMessageNotification{Type: level, Message: s.cfg.Hidden.Mask(text)}))
}

// ask calls a verb of a conversation and waits for its reply.
func ask[T any](ctx context.Context, verb func(reply func(T, error)) error) (result T, err error) {
	type answer struct {
		result T
		err    error
	}
	replies := make(chan answer, 1)
	if err := verb(func(result T, err error) { replies <- answer{result, err} }); err != nil {
		return result, err
	}
	select {
	case a := <-replies:
		return a.result, a.err
	case <-ctx.Done():
		return result, context.Cause(ctx)
	}
}

func infoOf(ctx context.Context, c *conversation.Conversation) (conversation.Info, error) {
	return ask(ctx, func(reply func(conversation.Info, error)) error {
		return c.Info(func(i conversation.Info) { reply(i, nil) })
	})
}

// opened notes the folder of a document that is opened or changed.
func (p *plain) opened(path string) {
	if p.own(path) {
		return
	}
	folder := p.folderOf(path)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.folder = folder
}

// folderOf gives the folder to work in for a file: the workspace folder that holds
// it, the innermost of several; else the git work tree around it, else its own
// folder.
func (p *plain) folderOf(path string) string {
	best := ""
	for _, root := range p.server.client.Load().roots() {
		if w, err := workspace.Open(root, false); err == nil && w.Contains(path) && len(root) > len(best) {
			best = root
		}
	}
	if best != "" {
		return best
	}
	return workspace.Project(filepath.Dir(path))
}

// folderFor gives the folder that a command is about: that of its document, else
// that of the document used last, else the first workspace folder.
func (p *plain) folderFor(uri string) (string, error) {
	if path, err := workspace.FromURI(uri); err == nil && !p.own(path) {
		return p.folderOf(path), nil
	}
	p.mu.Lock()
	folder := p.folder
	p.mu.Unlock()
	if folder != "" {
		return folder, nil
	}
	if roots := p.server.client.Load().roots(); len(roots) > 0 {
		return roots[0], nil
	}
	return "", errors.New("there is no folder to work in: open a file of the project first")
}

// currentOf gives the conversation that a message goes to; nil for a new one.
func (p *plain) currentOf(folder string) *follower {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.followers[p.currents[key(folder)]]
	if f == nil {
		return nil
	}
	select {
	case <-f.conversation.Done():
		return nil
	default:
		return f
	}
}

// use makes a conversation the one used last.
func (p *plain) use(f *follower) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current = f.conversation.ID()
	p.currents[key(f.conversation.Workspace())] = p.current
}

// leave makes the next message of a folder begin a new conversation.
func (p *plain) leave(folder string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.currents, key(folder))
}

// key is a folder as the conversations name it: with links followed.
func key(folder string) string { return realPath(folder) }

// all gives the conversations that are open, the one used last first.
func (p *plain) all() []*follower {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []*follower
	for _, f := range p.followers {
		if f.conversation.ID() == p.current {
			list = slices.Insert(list, 0, f)
		} else {
			list = append(list, f)
		}
	}
	return list
}

// follow watches a conversation from its first event on, and makes it the one used
// last.
func (p *plain) follow(ctx context.Context, c *conversation.Conversation) (*follower, error) {
	s := p.server
	// Its questions and its progress.
	sub := s.subscribe(c)
	if _, err := ask(ctx, func(reply func(conversation.Opened, error)) error {
		return c.Subscribe(sub, conversation.Since{}, reply)
	}); err != nil {
		return nil, err
	}
	p.mu.Lock()
	f := p.followers[c.ID()]
	known := f != nil && f.conversation == c
	if !known {
		path := ""
		if p.dir != "" {
			path = transcript.Path(filepath.Join(p.dir, "transcripts"), c.ID())
		}
		f = &follower{plain: p, conversation: c, asked: map[string]time.Time{}, file: transcript.New(path, c.ID(), c.Workspace(), s.log)}
		p.followers[c.ID()] = f
	}
	p.mu.Unlock()
	if !known {
		f.mu.Lock()
		f.reset(0)
		f.mu.Unlock()
		opened, err := ask(ctx, func(reply func(conversation.Opened, error)) error {
			return c.Subscribe(f, conversation.Since{Start: true}, reply)
		})
		if err != nil {
			return nil, err
		}
		// The old events come after the reply; what is posted now comes after them.
		if _, err := ask(ctx, func(reply func(conversation.Info, error)) error {
			return c.Info(func(i conversation.Info) {
				f.State(i, i.Cursor.Seq > 0 && i.Status != conversation.Running && opened.To > 0)
				reply(i, nil)
			})
		}); err != nil {
			return nil, err
		}
		p.writing.Go(func() {
			<-c.Done()
			if err := f.file.Write(); err != nil {
				s.log.Warn("a transcript was not written", "path", f.file.Path(), "error", err)
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.followers[c.ID()] == f {
				delete(p.followers, c.ID())
			}
		})
	}
	p.use(f)
	return f, nil
}

// begin makes a new conversation in a folder. It is called name, unless the settings
// have the model find a title.
func (p *plain) begin(ctx context.Context, folder, name string) (*follower, error) {
	s := p.server
	w, err := workspace.Open(folder, false)
	if err != nil {
		return nil, err
	}
	o := conversation.Options{Workspace: w.Root()}
	if o.Base, err = s.base(nil); err != nil {
		return nil, err
	}
	o = face.WithDefaults(o, s.backend.Defaults())
	if o.Policy == nil {
		// Who has no plugin has no other way to choose one than the settings.
		o.Policy = json.RawMessage(`{"kind":"ConfirmRisky","threshold":"MEDIUM","confirm_unknown":true}`)
		if o.Analyzer == nil {
			o.Analyzer = json.RawMessage(`{"kind":"EnsembleSecurityAnalyzer","analyzers":[{"kind":"LLMSecurityAnalyzer"},{"kind":"PatternSecurityAnalyzer"}]}`)
		}
	}
	if o.AutoTitle == nil || !*o.AutoTitle {
		o.Title = name
	}
	c, _, err := s.manager.Create(ctx, o)
	if err != nil {
		return nil, err
	}
	s.listChanged()
	return p.follow(ctx, c)
}

// send gives the agent a message about a folder, tells where it went, and then calls
// accepted. With show the answer is shown.
func (p *plain) send(ctx context.Context, to *follower, folder, text string, show bool, accepted func()) error {
	s := p.server
	fresh := to == nil
	if fresh {
		var err error
		if to, err = p.begin(ctx, folder, short(strings.TrimSuffix(firstLine(text), ":"), maxTitle)); err != nil {
			return err
		}
	} else {
		p.use(to)
	}
	c := to.conversation
	if err := c.Agent().Ready(ctx); err != nil {
		return err
	}
	if show {
		to.showWhenDone()
	}
	name := to.name()
	message := conversation.Outgoing{Message: event.LLMMessage{Role: event.RoleUser, Content: []event.Content{event.Text(text)}}}
	sent, err := ask(ctx, func(reply func(conversation.Sent, error)) error {
		return c.SendMessage(message, true, conversation.Queue, func(sent conversation.Sent, err error) {
			switch {
			case err != nil || sent.Disposition == "queued":
			case fresh: // told here, before anything that the run tells
				s.tell(messageInfo, "Agent at work: "+short(strings.TrimSuffix(firstLine(text), ":"), maxTitle))
			default:
				s.tell(messageInfo, fmt.Sprintf("Agent at work, going on with “%s”", name))
			}
			if err == nil && sent.Disposition != "queued" {
				accepted()
			}
			reply(sent, err)
		})
	})
	if err != nil || sent.Disposition != "queued" {
		return err
	}
	info, err := infoOf(ctx, c)
	if err == nil && len(info.Pending) > 0 {
		s.tell(messageWarning, "Your message waits until you decide: "+subjectOf(info.Pending[0]))
	} else if err == nil {
		s.tell(messageInfo, "The agent is busy; your message is next.")
	}
	return err
}

// find gives the conversation that a text names, by the beginning of its id or
// words of its title: one that is open, else the newest one that is stored. With
// no text it is the newest of the folder.
func (p *plain) find(ctx context.Context, folder, text string) (*follower, error) {
	s := p.server
	digits := strings.ReplaceAll(strings.ToLower(text), "-", "")
	if text != "" {
		for _, f := range p.all() {
			if strings.HasPrefix(strings.ReplaceAll(f.conversation.ID(), "-", ""), digits) || strings.Contains(strings.ToLower(f.name()), strings.ToLower(text)) {
				return f, nil
			}
		}
	}
	filter := conversation.Filter{Limit: conversation.MaxPage}
	if text == "" {
		filter.Workspace, filter.Limit = key(folder), 1
	}
	items, _, err := s.manager.List(ctx, filter)
	if err != nil {
		return nil, err
	}
	for _, i := range items {
		fits := text == "" || strings.HasPrefix(strings.ReplaceAll(i.ID, "-", ""), digits) ||
			strings.Contains(strings.ToLower(i.Title), strings.ToLower(text))
		if !fits {
			continue
		}
		c, err := s.manager.Open(ctx, "", i.ID)
		if err != nil {
			return nil, err
		}
		return p.follow(ctx, c)
	}
	if text == "" {
		return nil, errors.New("there is no conversation in " + tildePath(folder) + " yet; " + commandSend + " begins one")
	}
	return nil, fmt.Errorf("no conversation is called %q, nor does an id begin with that", text)
}

// show shows the transcript of a conversation, up to date.
func (p *plain) show(f *follower, focus bool) {
	s := p.server
	if p.dir == "" {
		s.tell(messageError, "Agent: "+errNoStateDir.Error())
		return
	}
	if err := f.file.Write(); err != nil {
		s.tell(messageError, "The conversation can't be shown: "+err.Error())
		return
	}
	if !s.showDocument(f.file.Path(), nil, focus) {
		s.tell(messageInfo, "The conversation is in "+f.file.Path())
	}
}

// showDocument opens a file in the editor; false where it can't.
func (s *Server) showDocument(path string, at *textRange, focus bool) bool {
	if !s.client.Load().showDocument {
		return false
	}
	var result struct {
		Success bool `json:"success"`
	}
	err := s.call(s.life, "window/showDocument", struct {
		URI       string     `json:"uri"`
		TakeFocus bool       `json:"takeFocus"`
		Selection *textRange `json:"selection,omitempty"`
	}{workspace.ToURI(path), focus, at}, &result)
	return err == nil && result.Success
}

// forget deletes the transcript of a conversation that is deleted.
func (p *plain) forget(id string) {
	if id, err := conversation.ParseID(id); err == nil && p.dir != "" {
		_ = os.Remove(transcript.Path(filepath.Join(p.dir, "transcripts"), id)) // most have none
	}
}

// settle waits until the transcripts are written.
func (p *plain) settle(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		p.writing.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// subjectOf says in a line what waits for the user.
func subjectOf(p conversation.Pending) string {
	if p.Kind == conversation.KindInput {
		return short(firstLine(p.Message), 100)
	}
	first := short(firstLine(toPendingAction(p.Actions[0]).Title), 100)
	if n := len(p.Actions) - 1; n > 0 {
		return fmt.Sprintf("%s, and %d more", first, n)
	}
	return first
}
