package rpc

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/rpc/blame"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

type hoverParams struct {
	TextDocument documentID `json:"textDocument"`
	Position     position   `json:"position"`
}

type hover struct {
	Contents markup    `json:"contents"`
	Range    textRange `json:"range"`
}

type markup struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
}

// hover says which step of the agent changed the line; null where none did.
func (s *Server) hover(ctx context.Context, p hoverParams, reply func(*hover, error)) {
	path, err := workspace.FromURI(p.TextDocument.URI)
	if err != nil {
		reply(nil, nil)
		return
	}
	raw, err := s.buffers.Read(path)
	if err != nil {
		reply(nil, nil)
		return
	}
	text := string(raw)
	for _, f := range s.plain.all() {
		said := f.changedBy(ctx, path, text, p.Position.Line)
		if said == "" {
			continue
		}
		if !s.client.Load().hoverMarkdown {
			said = plainText(strings.NewReplacer(`\*`, "*", `\_`, "_").Replace(said))
		}
		places := s.client.Load().positions()
		start := places.offset(text, position{Line: p.Position.Line})
		end, _ := endOfLine(text, start)
		kind := "markdown"
		if !s.client.Load().hoverMarkdown {
			kind = "plaintext"
		}
		reply(&hover{markup{kind, said}, places.span(text, start, end)}, nil)
		return
	}
	reply(nil, nil)
}

// changedBy says in Markdown what of a conversation changed a line; "" where
// nothing did.
func (f *follower) changedBy(ctx context.Context, path, text string, line int) string {
	made := f.editsOf(path)
	var edits []blame.Edit
	var steps []step
	for _, e := range made {
		diff, err := f.textsOf(ctx, e.seq)
		if err != nil {
			f.plain.server.log.Info("a step can't be read for a hover", "conversation", f.conversation.ID(), "seq", e.seq, "error", err)
			continue
		}
		if diff != nil {
			edits, steps = append(edits, *diff), append(steps, e.made)
		}
	}
	if i, ok := blame.Line(edits, text, line); ok {
		return f.say("**"+escapeMarkdown(steps[i].title)+"**", steps[i].number, steps[i].at)
	}
	return f.changedByCommand(ctx, path, line)
}

// textsOf gives the texts of the edit at seq; nil where it was cut or is no edit
// any more.
func (f *follower) textsOf(ctx context.Context, seq int) (*blame.Edit, error) {
	after := seq - 1
	page, err := ask(ctx, func(reply func(conversation.Page, error)) error {
		return f.conversation.Events(conversation.Query{After: &after, Limit: 1}, reply)
	})
	if err != nil || len(page.Records) == 0 {
		return nil, err
	}
	d := page.Records[0].Display
	if d == nil || d.Diff == nil {
		return nil, nil
	}
	e := &blame.Edit{After: d.Diff.NewText}
	if d.Diff.OldText != nil {
		e.Before = *d.Diff.OldText
	}
	return e, nil
}

// changedByCommand looks whether the line is in a change that nobody kept and no
// edit made: then a command of the agent did.
func (f *follower) changedByCommand(ctx context.Context, path string, line int) string {
	commands := f.commandsRun()
	if len(commands) == 0 {
		return ""
	}
	files, err := ask(ctx, func(reply func([]conversation.FileChange, error)) error {
		return f.conversation.Changes(conversation.ChangesSince{}, reply)
	})
	if err != nil {
		return ""
	}
	for _, file := range files {
		if realPath(file.Path) != realPath(path) {
			continue
		}
		for _, h := range file.Hunks {
			if line+1 < h.NewStart || line+1 >= h.NewStart+h.NewLines {
				continue
			}
			// Which of several commands it was nobody has seen: the newest is told, and that
			// there were others.
			last := commands[len(commands)-1].made
			what := "**" + escapeMarkdown(last.title) + "**"
			if n := len(commands) - 1; n > 0 {
				what += fmt.Sprintf(", or one of the %d commands before", n)
			}
			return f.say(what, last.number, last.at)
		}
	}
	return ""
}

// say makes the text of a hover.
func (f *follower) say(what string, number int, at time.Time) string {
	when := at.Format("15:04")
	if time.Since(at) > 20*time.Hour {
		when = at.Format("2 January 2006, 15:04")
	}
	return fmt.Sprintf("Changed by the agent: %s\n\nStep %d of “%s” · %s · conversation %s", what, number, escapeMarkdown(f.name()), when, f.conversation.ID()[:8])
}

func escapeMarkdown(text string) string {
	return strings.NewReplacer("*", `\*`, "_", `\_`, "`", "\\`", "<", `\<`).Replace(text)
}
