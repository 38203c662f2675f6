package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation/form"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// kindInput is the kind of what waits for an answer, not a decision.
const kindInput = "input"

// answers are the answers to the fields of a question, asked for one by one.
type answers struct {
	form   *form.Form // nil where the schema can't be read: it can only be declined
	given  map[string]json.RawMessage
	at     int // the field that is asked for
	line   string
	wanted string // what is wrong with the answer before
}

func newAnswers(p protocol.Pending) *answers {
	f, _ := form.Parse(p.Schema) // what can't be read is said in the prompt
	return &answers{form: f, given: map[string]json.RawMessage{}}
}

// field is the one that is asked for; nil if none is left.
func (a *answers) field() *form.Field {
	if a.form == nil || a.at >= len(a.form.Fields) {
		return nil
	}
	return &a.form.Fields[a.at]
}

func (a *answers) prompt() string {
	f := a.field()
	what := "Answer"
	switch {
	case a.form == nil:
		what = "Nothing that can be answered here. Esc to decline"
	case f == nil:
		what = "Enter to answer"
	case len(a.form.Fields) > 1:
		what = f.Title
	}
	if f != nil && len(f.Choices) > 0 {
		what += fmt.Sprintf(", 1-%d", len(f.Choices))
	}
	if f != nil && !f.Required {
		what += ", or nothing"
	}
	return "  " + what + "? "
}

// take reads the line that was entered as the answer to the field. It is false
// where that makes no sense, and the field is asked for again.
func (a *answers) take() bool {
	f, text := a.field(), strings.TrimSpace(a.line)
	a.line, a.wanted = "", ""
	if f == nil {
		return a.form != nil
	}
	if text == "" {
		if f.Required {
			a.wanted = "It needs an answer. Esc declines."
			return false
		}
		a.at++
		return true
	}
	value, ok := valueOf(f, text)
	if !ok {
		a.wanted = "That is none of the choices."
		if len(f.Choices) == 0 {
			a.wanted = "That is no " + f.Type + "."
		}
		return false
	}
	a.given[f.Name] = value
	a.at++
	return true
}

// valueOf reads what was typed: the number or the name of a choice, a text, or
// JSON.
func valueOf(f *form.Field, text string) (json.RawMessage, bool) {
	if len(f.Choices) > 0 {
		if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= len(f.Choices) {
			return f.Choices[n-1].Value, true
		}
		for _, c := range f.Choices {
			if strings.EqualFold(c.Label, text) {
				return c.Value, true
			}
		}
		return nil, false
	}
	if f.Type == "string" || f.Type == "" && !json.Valid([]byte(text)) {
		raw, err := json.Marshal(text)
		return raw, err == nil
	}
	return json.RawMessage(text), json.Valid([]byte(text))
}

// typedAnswer edits the answer: Enter takes it, Escape declines the question.
func (s *session) typedAnswer(ctx context.Context, keys string) {
	a := s.approval.answers
	line, end := edit(a.line, keys)
	a.line = line
	switch end {
	case typing:
		s.redraw(a.prompt(), line)
		return
	case escaped:
		fmt.Fprintln(os.Stderr)
		s.reply(ctx, protocol.InputReply{Action: "decline"})
		return
	}
	fmt.Fprintln(os.Stderr)
	if a.take() && a.field() == nil {
		content, err := json.Marshal(a.given)
		if err == nil {
			err = a.form.Check(content)
		}
		if err == nil {
			s.reply(ctx, protocol.InputReply{Action: "accept", Content: content})
			return
		}
		a.at, a.given, a.wanted = 0, map[string]json.RawMessage{}, "That does not fit: "+err.Error()
	}
	if a.wanted != "" {
		fmt.Fprintln(os.Stderr, "  "+escape(a.wanted))
	}
	s.approval.prompt()
}

func (s *session) reply(ctx context.Context, answer protocol.InputReply) {
	params := protocol.AnswerParams{ID: s.info.ID, RequestID: s.approval.pending.RequestID, InputReply: answer}
	s.stopAsking()
	s.call(func() error {
		_, err := s.client.Answer(ctx, params)
		return err
	})
}
