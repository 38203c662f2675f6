package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/agent-rpc/agent-rpc/internal/client"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/visualize"
)

// approval is a question to the user that is open.
type approval struct {
	pending protocol.Pending
	timer   *time.Timer
	listen  func() (<-chan []byte, func())
	typed   <-chan []byte
	stop    func()
	// reason is what was typed of a reason; nil until r was pressed.
	reason *string
	// answers is what was typed of an answer; nil for approvals.
	answers *answers
}

// armTime is how long a question stands before keys count: who was typing when
// it came answers nothing.
const armTime = 400 * time.Millisecond

// keys, ready and open may be asked of no approval.

func (a *approval) keys() <-chan []byte {
	if a == nil {
		return nil
	}
	return a.typed
}

func (a *approval) ready() <-chan time.Time {
	if a == nil {
		return nil
	}
	return a.timer.C
}

func (a *approval) open(requestID string) bool {
	return a != nil && a.pending.RequestID == requestID
}

// arm throws away what was typed and asks.
func (a *approval) arm() {
	a.typed, a.stop = a.listen()
	a.prompt()
}

func (a *approval) prompt() {
	if a.answers != nil {
		fmt.Fprint(os.Stderr, a.answers.prompt())
		return
	}
	fmt.Fprint(os.Stderr, "  Approve? ")
}

// ask puts the question, or ends where nobody can answer it.
func (s *session) ask(ctx context.Context) {
	waits := s.info.Status == protocol.StatusWaitingForConfirmation || s.info.Status == protocol.StatusWaitingForInput
	if !waits || s.approval != nil {
		return
	}
	var p *protocol.Pending
	for i := range s.info.Pending {
		if !s.asked[s.info.Pending[i].RequestID] {
			p = &s.info.Pending[i]
			break
		}
	}
	switch {
	case p == nil:
		return
	case s.keyboard != nil:
		s.asked[p.RequestID] = true
		s.put(*p)
		s.approval = &approval{pending: *p, listen: s.keyboard.listen, timer: time.NewTimer(armTime), stop: func() {}}
		if p.Kind == kindInput {
			s.approval.answers = newAnswers(*p)
		}
	case s.answer != nil && p.Kind != kindInput:
		s.asked[p.RequestID] = true
		s.view.Ask(*p, false)
		s.view.Notice(s.answer(*p))
		id := s.info.ID
		s.call(func() error { return s.confirm(ctx, id, protocol.ConfirmParams{Decision: "approve"}, *p) })
	default:
		s.view.Ask(*p, false)
		s.end(exitWaiting)
	}
}

// put prints what waits where the question will stand: on stderr, which is the
// same terminal as stdout unless that was redirected.
func (s *session) put(p protocol.Pending) {
	err := lookOf(os.Stderr, s.noColor)
	if s.look.tty {
		s.view.Ask(p, true)
	} else {
		s.view.Ask(p, false)
		o := err.options()
		o.Workspace = client.Path(s.info.Workspace)
		v := visualize.New(os.Stderr, os.Stderr, o)
		v.State(s.info)
		v.Ask(p, true)
	}
	if !err.tty {
		var parts []string
		for _, k := range visualize.KeyHelp(p) {
			parts = append(parts, k[0]+" "+k[1])
		}
		fmt.Fprintln(os.Stderr, "  "+strings.Join(parts, ", "))
	}
}

// typed takes keys. A decision is one key by itself, alone or with Enter: a
// pasted text is none.
func (s *session) typed(ctx context.Context, keys []byte, ok bool) {
	a := s.approval
	if !ok { // the terminal is gone
		s.stopAsking()
		s.end(exitWaiting)
		return
	}
	switch {
	case a.answers != nil:
		s.typedAnswer(ctx, string(keys))
		return
	case a.reason != nil:
		s.typedReason(ctx, string(keys))
		return
	}
	key := strings.ToLower(strings.TrimRight(string(keys), "\r\n"))
	if len(key) != 1 || !strings.Contains(visualize.Keys(a.pending), key) {
		fmt.Fprintln(os.Stderr)
		a.prompt()
		return
	}
	fmt.Fprint(os.Stderr, key+"\n")
	switch key {
	case "y":
		s.decide(ctx, protocol.ConfirmParams{Decision: "approve"})
	case "a":
		s.decide(ctx, protocol.ConfirmParams{Decision: "approve", Remember: &protocol.Remember{Scope: "workspace"}})
	case "n":
		s.decide(ctx, protocol.ConfirmParams{Decision: "reject"})
	case "r":
		a.reason = new(string)
		fmt.Fprint(os.Stderr, "  Reason? ")
	case "d":
		s.wholeDiff()
		a.prompt()
	}
}

// typedReason edits the reason: Enter sends it, Escape goes back to the
// question.
func (s *session) typedReason(ctx context.Context, keys string) {
	a := s.approval
	text, end := edit(*a.reason, keys)
	switch {
	case end == entered && strings.TrimSpace(text) != "":
		fmt.Fprintln(os.Stderr)
		s.decide(ctx, protocol.ConfirmParams{Decision: "reject", Reason: strings.TrimSpace(text)})
	case end != typing:
		fmt.Fprintln(os.Stderr)
		a.reason = nil
		a.prompt()
	default:
		*a.reason = text
		s.redraw("  Reason? ", text)
	}
}

// typing, entered and escaped say what a key did to a line of text.
const (
	typing = iota
	entered
	escaped
)

// edit applies keys to a line of text. What comes after Enter is dropped.
func edit(text, keys string) (line string, end int) {
	for i := 0; i < len(keys); {
		r, n := utf8.DecodeRuneInString(keys[i:])
		switch {
		case r == '\r' || r == '\n':
			return text, entered
		case r == 0x1b && len(keys) == 1:
			return text, escaped
		case r == 0x1b: // an arrow or the like: nothing to move to
			return text, typing
		case r == 0x7f || r == 0x08:
			if _, last := utf8.DecodeLastRuneInString(text); last > 0 {
				text = text[:len(text)-last]
			}
		case r == 0x15: // Ctrl+U
			text = ""
		case r == utf8.RuneError && n == 1 || r < ' ':
		default:
			text += keys[i : i+n]
		}
		i += n
	}
	return text, typing
}

// redraw writes the line again: widths of characters then need no counting back.
func (s *session) redraw(prompt, text string) {
	fmt.Fprint(os.Stderr, "\r"+clearLine(s.noColor)+prompt+escape(text))
}

// clearLine empties the line where the terminal can.
func clearLine(noColor bool) string {
	if lookOf(os.Stderr, noColor).tty {
		return "\x1b[K"
	}
	return ""
}

func (s *session) wholeDiff() {
	if s.look.tty {
		s.view.WholeDiff(s.approval.pending)
		return
	}
	o := lookOf(os.Stderr, s.noColor).options()
	o.Workspace = client.Path(s.info.Workspace)
	visualize.New(os.Stderr, os.Stderr, o).WholeDiff(s.approval.pending)
}

func (s *session) decide(ctx context.Context, answer protocol.ConfirmParams) {
	id, pending := s.info.ID, s.approval.pending
	s.stopAsking()
	s.call(func() error { return s.confirm(ctx, id, answer, pending) })
}

func (s *session) confirm(ctx context.Context, id string, answer protocol.ConfirmParams, p protocol.Pending) error {
	answer.ID, answer.RequestID = id, p.RequestID
	_, err := s.client.Confirm(ctx, answer)
	return err
}

// stopAsking closes the question.
func (s *session) stopAsking() {
	if s.approval != nil {
		s.approval.timer.Stop()
		s.approval.stop()
		s.approval = nil
	}
}
