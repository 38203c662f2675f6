package condenser

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/template"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/view"
)

// How many characters of an event the model that summarizes reads: what people
// said and what was summarized before is worth more than the output of a tool.
const (
	wordsLimit  = 4000
	outputLimit = 500
)

var (
	//go:embed summary.md
	summaryText     string
	summaryTemplate = template.Must(template.New("summary.md").Parse(summaryText))
)

// ErrNoSummary says that the model answered with nothing.
var ErrNoSummary = errors.New("the condenser's model gave no summary")

// Ask asks the model of a condenser, without tools. An error that has a method
// Overflow which gives true says that the question was too long.
type Ask func(ctx context.Context, question []event.LLMMessage) (text, responseID string, err error)

// Condense asks for the summary and makes the event. Where the question itself
// is too long, or nothing is answered, a hard plan goes on to everything, with
// its texts cut shorter and shorter, and gives the first error if that does not
// help. Other errors come back at once: less text would not mend them.
func (p *Plan) Condense(ctx context.Context, ask Ask) (*event.Condensation, error) {
	attempts := 1
	if p.Reset {
		attempts = p.rules.ResetAttempts
	}
	limit := longest(p.texts)
	var first error
	for n := range attempts {
		if n > 0 {
			limit = int(float64(limit) * p.rules.ResetScaling)
		}
		e, err := p.summarize(ctx, ask, limit)
		if err == nil {
			return e, nil
		}
		if first == nil {
			first = err
		}
		if !shorterHelps(err) {
			return nil, err
		}
	}
	if p.Hard && p.instead != nil {
		if e, err := p.instead.Condense(ctx, ask); err == nil {
			return e, nil
		}
	}
	return nil, first
}

func shorterHelps(err error) bool {
	var long interface{ Overflow() bool }
	return errors.Is(err, ErrNoSummary) || errors.As(err, &long) && long.Overflow()
}

func (p *Plan) summarize(ctx context.Context, ask Ask, limit int) (*event.Condensation, error) {
	summary, response, err := ask(ctx, question(p.texts, limit))
	if err != nil {
		return nil, err
	}
	if summary = strings.TrimSpace(summary); summary == "" {
		return nil, ErrNoSummary
	}
	return &event.Condensation{
		Meta: event.Meta{Source: event.SourceEnvironment}, ForgottenEventIDs: p.forgets,
		Summary: &summary, SummaryOffset: new(p.offset), LLMResponseID: response,
	}, nil
}

// question is what the model is asked; texts are cut to limit characters.
func question(texts []text, limit int) []event.LLMMessage {
	var system, list strings.Builder
	if err := summaryTemplate.Execute(&system, struct{ Events int }{len(texts)}); err != nil {
		panic(fmt.Sprintf("prompt summary.md: %v", err)) // the template is ours, a test renders it
	}
	for _, t := range texts {
		fmt.Fprintf(&list, "<event from=%q>\n%s\n</event>\n", t.from, view.CutMiddle(t.body, limit))
	}
	say := func(role event.Role, text string) event.LLMMessage {
		return event.LLMMessage{Role: role, Content: []event.Content{event.Text(strings.TrimSpace(text))}}
	}
	return []event.LLMMessage{say(event.RoleSystem, system.String()), say(event.RoleUser, list.String())}
}

// text is an event as the model that summarizes reads it.
type text struct{ from, body string }

func describe(e event.Event, render func(json.RawMessage) []event.Content) text {
	output := func(s string) string { return view.CutMiddle(strings.TrimSpace(s), outputLimit) }
	words := func(s string) string { return view.CutMiddle(strings.TrimSpace(s), wordsLimit) }
	switch e := e.(type) {
	case *event.Message:
		from := string(e.Source)
		if e.Source == event.SourceAgent {
			return text{from, output(e.LLMMessage.Text())}
		}
		return text{from, words(e.LLMMessage.Text() + "\n" + event.TextOf(e.ExtendedContent))}
	case *event.CondensationSummary:
		return text{"earlier summary", words(e.Summary)}
	case *event.Action:
		call := "call of " + e.ToolCall.Name + ": " + output(e.ToolCall.Arguments)
		return text{"agent", strings.TrimSpace(output(event.TextOf(e.Thought)) + "\n" + call)}
	case *event.Observation:
		return text{"result of " + e.ToolName, output(event.TextOf(render(e.Observation)))}
	case *event.UserReject:
		return text{"user", "rejected the call of " + e.ToolName + ": " + words(e.RejectionReason)}
	case *event.AgentError:
		return text{"result of " + e.ToolName, "failed: " + output(e.Error)}
	}
	return text{from: string(e.Head().Source)}
}

func longest(texts []text) (n int) {
	for _, t := range texts {
		n = max(n, len(t.body))
	}
	return n
}
