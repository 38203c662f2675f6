package rpc

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

// The kinds of our code actions.
const (
	kindQuickFix = "quickfix"
	kindRefactor = "refactor"
)

type codeActionParams struct {
	TextDocument documentID `json:"textDocument"`
	Range        textRange  `json:"range"`
	Context      struct {
		Diagnostics []json.RawMessage `json:"diagnostics"`
		Only        []string          `json:"only"`
		// TriggerKind 2 means that the editor asks by itself, to show a bulb.
		TriggerKind int `json:"triggerKind"`
	} `json:"context"`
}

// codeAction is LSP's, or a Command of the same title for clients that know no
// other.
type codeAction struct {
	Title       string            `json:"title"`
	Kind        string            `json:"kind"`
	Diagnostics []json.RawMessage `json:"diagnostics,omitempty"`
	Command     lspCommand        `json:"command"`
}

type lspCommand struct {
	Title     string `json:"title"`
	Command   string `json:"command"`
	Arguments []any  `json:"arguments,omitempty"`
}

// maxTitle is how many characters of a text a title of a code action holds.
const maxTitle = 60

func (s *Server) codeAction(ctx context.Context, p codeActionParams, reply func(any, error)) {
	var actions []codeAction
	add := func(kind, title, command string, args map[string]any) *codeAction {
		if wanted(kind, p.Context.Only) {
			actions = append(actions, codeAction{Title: title, Kind: kind, Command: lspCommand{title, command, []any{args}}})
			return &actions[len(actions)-1]
		}
		return nil
	}
	folder, err := s.plain.folderFor(p.TextDocument.URI)
	if err == nil {
		s.plain.offerDecisions(ctx, add)
	}
	if path, uriErr := workspace.FromURI(p.TextDocument.URI); err == nil && uriErr == nil && !s.plain.own(path) {
		s.plain.offerQuestions(folder, p, add)
	}
	if err == nil && p.Context.TriggerKind != triggerAutomatic {
		s.plain.offerVerbs(ctx, folder, add)
	}
	if s.client.Load().codeActionLiterals {
		reply(orNone(actions), nil)
		return
	}
	commands := []lspCommand{}
	for _, a := range actions {
		commands = append(commands, a.Command)
	}
	reply(commands, nil)
}

const triggerAutomatic = 2

func orNone(list []codeAction) []codeAction {
	if list == nil {
		return []codeAction{}
	}
	return list
}

// wanted tells whether a client asks for a kind; a kind holds those below it.
func wanted(kind string, only []string) bool {
	return len(only) == 0 || slices.ContainsFunc(only, func(o string) bool {
		return o == "" || o == kind || strings.HasPrefix(kind, o+".")
	})
}

type adder func(kind, title, command string, args map[string]any) *codeAction

// offerDecisions offers to decide what waits, for editors that can't show questions
// and users that closed one.
func (p *plain) offerDecisions(ctx context.Context, add adder) {
	for _, f := range p.all() {
		info, err := infoOf(ctx, f.conversation)
		if err != nil {
			continue // closed meanwhile
		}
		for _, pending := range info.Pending {
			if pending.Kind != conversation.KindConfirmation {
				continue
			}
			args := map[string]any{"conversation": f.conversation.ID(), "request": pending.RequestID}
			add(kindQuickFix, "Agent: approve “"+subjectOf(pending)+"”", commandApprove, args)
			add(kindQuickFix, "Agent: reject “"+subjectOf(pending)+"”", commandReject, args)
		}
	}
}

// offerQuestions offers what can be asked about the place.
func (p *plain) offerQuestions(folder string, params codeActionParams, add adder) {
	at, err := p.placeOf(folder, params.TextDocument.URI, params.Range)
	if err != nil {
		return // it can't be read: there is nothing to ask
	}
	about := func(q question) map[string]any {
		args := map[string]any{"uri": params.TextDocument.URI, "range": params.Range}
		if q != "" {
			args["ask"] = q
		}
		return args
	}
	if text := at.comment(); text != "" {
		add(kindQuickFix, "Ask agent: "+short(firstLine(text), maxTitle), commandSend, about(askComment))
	}
	var problems []diagnostic
	for _, raw := range params.Context.Diagnostics {
		var d diagnostic
		if json.Unmarshal(raw, &d) == nil && d.Message != "" {
			problems = append(problems, d)
		}
	}
	if len(problems) > 0 {
		title := "Ask agent to fix this: " + short(firstLine(problems[0].Message), maxTitle)
		if len(problems) > 1 {
			title = fmt.Sprintf("Ask agent to fix these %d problems", len(problems))
		}
		args := about(askFix)
		args["diagnostics"] = problems
		if a := add(kindQuickFix, title, commandSend, args); a != nil {
			a.Diagnostics = params.Context.Diagnostics
		}
	}
	if params.Context.TriggerKind == triggerAutomatic && at.empty {
		return // a bulb on every line tells nothing
	}
	if len(problems) == 0 {
		// Some editors tell each server of its own problems only.
		add(kindQuickFix, "Ask agent to fix this", commandSend, about(askFix))
	}
	add(kindRefactor, "Ask agent to explain this", commandSend, about(askExplain))
	add(kindRefactor, "Ask agent to write tests for this", commandSend, about(askTests))
	add(kindRefactor, "Ask agent …", commandSend, about(""))
}

// offerVerbs offers what can be done with the conversation of the folder.
func (p *plain) offerVerbs(ctx context.Context, folder string, add adder) {
	f := p.currentOf(folder)
	if f == nil {
		return
	}
	info, err := infoOf(ctx, f.conversation)
	if err != nil {
		return // closed meanwhile
	}
	args := map[string]any{"conversation": f.conversation.ID()}
	if busy(info) {
		add(kindRefactor, "Agent: stop", commandInterrupt, args)
	}
	add(kindRefactor, "Agent: show the conversation “"+f.name()+"”", commandOpen, args)
}
