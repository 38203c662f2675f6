package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// The commands of workspace/executeCommand.
const (
	commandSend      = "agentRpc.send"
	commandNew       = "agentRpc.new"
	commandOpen      = "agentRpc.open"
	commandPause     = "agentRpc.pause"
	commandInterrupt = "agentRpc.interrupt"
	commandApprove   = "agentRpc.approve"
	commandReject    = "agentRpc.reject"
)

var commandNames = []string{commandSend, commandNew, commandOpen, commandPause, commandInterrupt, commandApprove, commandReject}

type executeParams struct {
	Command   string            `json:"command"`
	Arguments []json.RawMessage `json:"arguments,omitempty"`
}

// commandArgs are the arguments of a command: words, which make a text as a person
// types it, and an object, as code actions give it.
type commandArgs struct {
	// Text is the message, the reason of a rejection, or the name of a conversation.
	Text string `json:"text"`
	// Conversation is an id or its beginning; "" for the one used last.
	Conversation string `json:"conversation"`
	// Request is what is approved or rejected; "" for what waits.
	Request string `json:"request"`
	// Ask is the question of a code action about the place that follows.
	Ask         question     `json:"ask"`
	URI         string       `json:"uri"`
	Range       *textRange   `json:"range"`
	Diagnostics []diagnostic `json:"diagnostics"`

	// accepted answers the request, before what it set going tells anything.
	accepted func()
}

func parseCommand(list []json.RawMessage) (a commandArgs, err error) {
	var words []string
	for _, raw := range list {
		switch firstByte(raw) {
		case '{':
			if err := json.Unmarshal(raw, &a); err != nil {
				return a, invalid("arguments", err.Error())
			}
		case '"':
			var word string
			if err := json.Unmarshal(raw, &word); err != nil {
				return a, invalid("arguments", err.Error())
			}
			words = append(words, word)
		case '[':
			if string(raw) != "[]" { // Lua's empty object
				return a, invalid("arguments", "must be words, or an object")
			}
		default:
			if string(raw) != "null" {
				words = append(words, string(raw)) // a number is a word that was typed
			}
		}
	}
	if len(words) > 0 {
		a.Text = strings.TrimSpace(strings.Join(words, " "))
	}
	return a, nil
}

// executeCommand carries a command out. What goes wrong is shown to the user and is
// no error of the request: editors log those of commands, at best.
func (s *Server) executeCommand(ctx context.Context, p executeParams, reply func(any, error)) {
	run := map[string]func(context.Context, commandArgs) error{
		commandSend: s.plain.commandSend, commandNew: s.plain.commandNew, commandOpen: s.plain.commandOpen,
		commandPause: s.plain.commandPause, commandInterrupt: s.plain.commandInterrupt,
		commandApprove: s.plain.commandApprove, commandReject: s.plain.commandReject,
	}[p.Command]
	if run == nil {
		reply(nil, invalid("command", fmt.Sprintf("%q is none of %s", p.Command, strings.Join(commandNames, ", "))))
		return
	}
	a, err := parseCommand(p.Arguments)
	a.accepted = sync.OnceFunc(func() { reply(nil, nil) })
	if err == nil {
		err = run(ctx, a)
	}
	if err != nil && ctx.Err() == nil {
		s.tell(messageError, "Agent: "+s.explain(err))
	}
	a.accepted()
}

// explain says what went wrong and what to do about it.
func (s *Server) explain(err error) string {
	text := err.Error()
	e := s.toError(err)
	if e == nil {
		return text
	}
	switch e.Code {
	case protocol.CodeAuthRequired:
		return e.Message + " (`agent-rpc doctor` says how)"
	case protocol.CodeLocked:
		return e.Message + "; close it there, or begin another with " + commandNew
	}
	return e.Message
}

// target gives the conversation that arguments name, else the one used last in the
// folder; nil if there is none, and the folder.
func (p *plain) target(ctx context.Context, a commandArgs) (f *follower, folder string, err error) {
	if a.Conversation != "" {
		if f, err = p.find(ctx, "", a.Conversation); err != nil {
			return nil, "", err
		}
		return f, f.conversation.Workspace(), nil
	}
	if folder, err = p.folderFor(a.URI); err != nil {
		return nil, "", err
	}
	return p.currentOf(folder), folder, nil
}

func (p *plain) commandSend(ctx context.Context, a commandArgs) error {
	f, folder, err := p.target(ctx, a)
	if err != nil {
		return err
	}
	return p.sendOrPrompt(ctx, f, folder, a)
}

func (p *plain) commandNew(ctx context.Context, a commandArgs) error {
	folder, err := p.folderFor(a.URI)
	if err != nil {
		return err
	}
	p.leave(folder)
	if a.Text == "" && a.Ask == "" {
		p.server.tell(messageInfo, "The next message begins a new conversation in "+tildePath(folder))
		return nil
	}
	return p.sendOrPrompt(ctx, nil, folder, a)
}

// sendOrPrompt sends what there is to send, and lets the user write it where there
// is nothing.
func (p *plain) sendOrPrompt(ctx context.Context, to *follower, folder string, a commandArgs) error {
	text, err := p.compose(folder, a)
	if err != nil {
		return err
	}
	if text == "" {
		return p.openPrompt(to, folder, a)
	}
	return p.send(ctx, to, folder, text, a.Ask == askExplain, a.accepted)
}

func (p *plain) commandOpen(ctx context.Context, a commandArgs) error {
	name := a.Conversation
	if a.Text != "" {
		name = a.Text
	}
	folder, err := p.folderFor(a.URI)
	if err != nil && name == "" {
		return err
	}
	f := p.currentOf(folder)
	if f == nil || name != "" {
		if f, err = p.find(ctx, folder, name); err != nil {
			return err
		}
	}
	if _, err := p.follow(ctx, f.conversation); err != nil { // asks again what waits
		return err
	}
	a.accepted()
	// The answer of the editor is not waited for: it may ask the user.
	go p.show(f, true)
	return nil
}

func (p *plain) commandPause(ctx context.Context, a commandArgs) error {
	f, _, err := p.atWork(ctx, a)
	if err != nil {
		return err
	}
	_, err = ask(ctx, f.conversation.Pause)
	if err == nil {
		p.server.tell(messageInfo, "The agent pauses after this step.")
	}
	return err
}

func (p *plain) commandInterrupt(ctx context.Context, a commandArgs) error {
	f, _, err := p.atWork(ctx, a)
	if err != nil {
		return err
	}
	_, err = ask(ctx, func(reply func(struct{}, error)) error {
		return f.conversation.Interrupt(func(err error) { reply(struct{}{}, err) })
	})
	return err
}

// busy tells whether something goes on or waits.
func busy(i conversation.Info) bool {
	switch i.Status {
	case conversation.Running, conversation.Pausing, conversation.WaitingForConfirmation, conversation.WaitingForInput:
		return true
	}
	return false
}

// atWork gives the conversation to be stopped: the one that is named, else the one
// of the folder, else the only one at work.
func (p *plain) atWork(ctx context.Context, a commandArgs) (*follower, conversation.Info, error) {
	return p.choose(ctx, a, "there is nothing to stop: no run goes on", busy)
}

// choose gives the conversation that fits: the one that is named or used last, else
// the only one.
func (p *plain) choose(ctx context.Context, a commandArgs, none string, fits func(conversation.Info) bool) (*follower, conversation.Info, error) {
	var found []*follower
	var infos []conversation.Info
	preferred, _, err := p.target(ctx, a)
	if a.Conversation != "" && err != nil {
		return nil, conversation.Info{}, err
	}
	list := p.all()
	if a.Conversation != "" {
		list = []*follower{preferred}
	}
	for _, f := range list {
		info, err := infoOf(ctx, f.conversation)
		if err != nil || !fits(info) {
			continue // closed meanwhile, or another
		}
		if f == preferred {
			return f, info, nil
		}
		found, infos = append(found, f), append(infos, info)
	}
	switch len(found) {
	case 0:
		return nil, conversation.Info{}, errors.New(none)
	case 1:
		return found[0], infos[0], nil
	}
	var names []string
	for _, f := range found {
		names = append(names, fmt.Sprintf(`{"conversation": %q} (%s)`, f.conversation.ID()[:8], f.name()))
	}
	return nil, conversation.Info{}, errors.New("which one? Say it in the arguments: " + strings.Join(names, " or "))
}

func (p *plain) commandApprove(ctx context.Context, a commandArgs) error {
	answer := conversation.Confirmation{Approve: true}
	switch strings.ToLower(a.Text) {
	case "":
	case "always":
		answer.Remember = conversation.ScopeConversation
	default:
		return fmt.Errorf(`%s takes no text but "always", which also approves what is the same later on`, commandApprove)
	}
	return p.decide(ctx, a, answer)
}

func (p *plain) commandReject(ctx context.Context, a commandArgs) error {
	return p.decide(ctx, a, conversation.Confirmation{Reason: a.Text})
}

// unseen is how long what came up may not have been seen yet.
const unseen = 2 * time.Second

// decide answers what waits. A command that names no request is not taken for one
// that came up right after another was decided: who presses twice has seen only the
// first.
func (p *plain) decide(ctx context.Context, a commandArgs, answer conversation.Confirmation) error {
	confirmation := func(i conversation.Info) *conversation.Pending {
		for _, p := range i.Pending {
			if p.Kind == conversation.KindConfirmation && (a.Request == "" || a.Request == p.RequestID) {
				return &p
			}
		}
		return nil
	}
	f, info, err := p.choose(ctx, a, "nothing waits for an approval", func(i conversation.Info) bool { return confirmation(i) != nil })
	if err != nil {
		return err
	}
	waiting := confirmation(info)
	if a.Request == "" && p.hasty(f, waiting.RequestID) {
		return fmt.Errorf("this came up just now: %s; decide once more", subjectOf(*waiting))
	}
	if err := f.conversation.Agent().Ready(ctx); answer.Approve && err != nil {
		return err
	}
	answer.RequestID, answer.Via, answer.Client = waiting.RequestID, "confirm", p.server.client.Load().name
	word := "Approved: "
	if !answer.Approve {
		word = "Rejected: "
	}
	accepted, err := ask(ctx, func(reply func(bool, error)) error {
		return f.conversation.Confirm(answer, func(accepted bool, _ *conversation.Resolution, err error) {
			if accepted && err == nil {
				p.mu.Lock()
				p.decided = true
				p.mu.Unlock()
				p.server.tell(messageInfo, word+subjectOf(*waiting))
				a.accepted()
			}
			reply(accepted, err)
		})
	})
	if err == nil && !accepted {
		err = errors.New("it was decided already")
	}
	return err
}

// hasty tells once for a request that it may not have been seen yet.
func (p *plain) hasty(f *follower, requestID string) bool {
	f.mu.Lock()
	came := f.asked[requestID]
	f.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.decided || time.Since(came) > unseen || p.warned == requestID {
		return false
	}
	p.warned = requestID
	return true
}
