package condenser_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/agent-rpc/agent-rpc/internal/conversation/condenser"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/view"
)

// history is written in one string: S the system prompt, U a user's message, C a
// call, T a call with thinking, O its result, R a request; a call in lower case
// belongs to the batch before. Ids are the letter and the position.
func history(text string) []event.Event {
	var log []event.Event
	var open []string
	var response string
	for i, r := range text {
		id := fmt.Sprintf("%c%d", r, i)
		meta := event.Meta{ID: id, Source: event.SourceAgent}
		switch r {
		case 'S':
			log = append(log, &event.SystemPrompt{Meta: meta, SystemPrompt: event.Text("prompt")})
		case 'U':
			meta.Source = event.SourceUser
			log = append(log, &event.Message{Meta: meta, LLMMessage: event.LLMMessage{Role: event.RoleUser, Content: []event.Content{event.Text("words " + id)}}})
		case 'C', 'c', 'T':
			if r != 'c' {
				response = id
			}
			a := &event.Action{
				Meta: meta, Action: json.RawMessage(`{}`), ToolName: "terminal", ToolCallID: id, LLMResponseID: response,
				ToolCall: event.ToolCall{ID: id, Name: "terminal", Arguments: `{"command":"` + id + `"}`},
			}
			if r == 'T' {
				a.ThinkingBlocks = []event.Thinking{{Type: "thinking", Thinking: "hm"}}
			}
			open = append(open, id)
			log = append(log, a)
		case 'O':
			meta.Source = event.SourceEnvironment
			raw, _ := json.Marshal("output " + id)
			log = append(log, &event.Observation{Meta: meta, ToolName: "terminal", ToolCallID: open[0], ActionID: open[0], Observation: raw})
			open = open[1:]
		case 'R':
			log = append(log, &event.CondensationRequest{Meta: meta})
		}
	}
	return log
}

func render(raw json.RawMessage) []event.Content {
	var s string
	_ = json.Unmarshal(raw, &s)
	return []event.Content{event.Text(s)}
}

func rules(maxSize, keepFirst int) condenser.Rules {
	r := condenser.Defaults()
	r.MaxSize, r.KeepFirst = maxSize, keepFirst
	return r
}

// summarized asks nobody.
func summarized(context.Context, []event.LLMMessage) (string, string, error) {
	return "so far", "r1", nil
}

// shape is a condensation in one line: what it forgets, and where its summary goes.
func shape(t *testing.T, p *condenser.Plan) string {
	t.Helper()
	if p == nil {
		return ""
	}
	e, err := p.Condense(t.Context(), summarized)
	if err != nil {
		t.Fatal(err)
	}
	kind := "soft"
	if p.Hard {
		kind = "hard"
	}
	if p.Reset {
		kind = "reset"
	}
	if p.Events != len(e.ForgottenEventIDs) {
		t.Errorf("%d events, forgets %d", p.Events, len(e.ForgottenEventIDs))
	}
	return fmt.Sprintf("%s %d: %s", kind, *e.SummaryOffset, strings.Join(e.ForgottenEventIDs, " "))
}

func TestPlan(t *testing.T) {
	steps := func(n int) string { return strings.Repeat("CO", n) }
	for name, c := range map[string]struct {
		rules condenser.Rules
		log   string
		need  condenser.Need
		want  string
	}{
		"nothing is due":                {rules(20, 2), "SU" + steps(9), condenser.Need{}, ""},
		"too many events":               {rules(10, 2), "SU" + steps(5), condenser.Need{}, "soft 2: C2 O3 C4 O5 C6 O7 C8 O9"},
		"a batch is not torn at start":  {rules(10, 3), "SUCcOOCOCOU", condenser.Need{}, "soft 6: C6 O7 C8 O9"},
		"a batch is not torn at end":    {rules(10, 2), "SUCOCOCOCcOO", condenser.Need{}, "soft 2: C2 O3 C4 O5 C6 O7 C8 c9 O10 O11"},
		"a tool loop is not torn":       {rules(10, 2), "SUCOCOTOCOCOU", condenser.Need{}, "soft 2: C2 O3 C4 O5 T6 O7 C8 O9 C10 O11"},
		"a request":                     {rules(80, 2), "SU" + steps(6), condenser.Need{Requested: true}, "hard 2: C2 O3 C4 O5 C6 O7 C8 O9"},
		"a request of a short history":  {rules(80, 4), "SU" + steps(3), condenser.Need{Requested: true}, "reset 1: U1 C2 O3 C4 O5 C6 O7"},
		"a request of nothing":          {rules(80, 4), "S", condenser.Need{Requested: true}, ""},
		"a request of no history":       {rules(80, 4), "", condenser.Need{Requested: true}, ""},
		"everything":                    {rules(80, 2), "SU" + steps(2), condenser.Need{Requested: true, Everything: true}, "reset 1: U1 C2 O3 C4 O5"},
		"the prompt is kept":            {rules(10, 0), "SU" + steps(6), condenser.Need{}, "soft 1: U1 C2 O3 C4 O5 C6 O7 C8 O9"},
		"no prompt":                     {rules(10, 0), "U" + steps(6), condenser.Need{}, "soft 0: U0 C1 O2 C3 O4 C5 O6 C7 O8"},
		"a call that waits is kept":     {rules(80, 2), "SU" + steps(6) + "C", condenser.Need{Requested: true}, "hard 2: C2 O3 C4 O5 C6 O7 C8 O9 C10 O11"},
		"a reset keeps a call, too":     {rules(80, 2), "SUCOC", condenser.Need{Requested: true, Everything: true}, "reset 1: U1 C2 O3"},
		"too little progress":           {progress(rules(10, 2), 0.9), "SU" + steps(5), condenser.Need{}, ""},
		"too little, but it must be":    {progress(rules(80, 2), 0.9), "SU" + steps(5), condenser.Need{Requested: true}, "reset 1: U1 C2 O3 C4 O5 C6 O7 C8 O9 C10 O11"},
		"within the window":             {rules(80, 2), "SU" + steps(10), condenser.Need{Tokens: 999, Limit: 1000}, ""},
		"beyond the window":             {rules(80, 2), "SU" + steps(10), condenser.Need{Tokens: 1100, Limit: 1000}, "hard 2: C2 O3 C4 O5 C6 O7 C8 O9 C10 O11 C12 O13"},
		"max_tokens below the window":   {tokens(rules(80, 2), 500), "SU" + steps(4), condenser.Need{Tokens: 600, Limit: 1000}, "hard 2: C2 O3 C4 O5 C6 O7"},
		"max_tokens above the window":   {tokens(rules(80, 2), 5000), "SU" + steps(4), condenser.Need{Tokens: 1200, Limit: 1000}, "hard 2: C2 O3 C4 O5 C6 O7"},
		"max_tokens without a window":   {tokens(rules(80, 2), 500), "SU" + steps(4), condenser.Need{Tokens: 600}, "hard 2: C2 O3 C4 O5 C6 O7"},
		"no limit is known":             {rules(80, 2), "SU" + steps(4), condenser.Need{Tokens: 1 << 40}, ""},
		"the reason that forgets most":  {rules(20, 2), "SU" + steps(12), condenser.Need{Requested: true}, "hard 2: " + named(2, 20)},
		"keep_first beyond the history": {rules(80, 30), "SU" + steps(4), condenser.Need{Requested: true}, "reset 1: U1 C2 O3 C4 O5 C6 O7 C8 O9"},
	} {
		t.Run(name, func(t *testing.T) {
			v := view.Rebuild(history(c.log))
			if diff := cmp.Diff(c.want, shape(t, c.rules.Plan(v, c.need, render))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func progress(r condenser.Rules, least float64) condenser.Rules {
	r.MinimumProgress = least
	return r
}

func tokens(r condenser.Rules, n int) condenser.Rules {
	r.MaxTokens = n
	return r
}

// named are the ids of calls and results between two positions.
func named(from, to int) string {
	var ids []string
	for i := from; i < to; i++ {
		ids = append(ids, fmt.Sprintf("%c%d", "CO"[i%2], i))
	}
	return strings.Join(ids, " ")
}

// A summary of summaries is not news: a history of which nothing else is left
// can't be made shorter.
func TestNothingLeft(t *testing.T) {
	v := view.Rebuild(history("SUCOCO"))
	r := rules(80, 2)
	e, err := r.Plan(v, condenser.Need{Requested: true, Everything: true}, render).Condense(t.Context(), summarized)
	if err != nil {
		t.Fatal(err)
	}
	e.ID = "X"
	v.Append(e)
	if v.Len() != 2 {
		t.Fatalf("%d events are left", v.Len())
	}
	for _, r := range []condenser.Rules{r, rules(80, 0)} {
		if p := r.Plan(v, condenser.Need{Requested: true}, render); p != nil {
			t.Errorf("there is %s left", shape(t, p))
		}
	}
}

// tooLong is an overflow of the condenser's own model.
type tooLong struct{ n int }

func (e tooLong) Error() string { return fmt.Sprint("too long ", e.n) }

func (tooLong) Overflow() bool { return true }

func TestCondense(t *testing.T) {
	broken := errors.New("no such key")
	long := strings.Repeat("x", 5000)
	for name, c := range map[string]struct {
		log    string
		need   condenser.Need
		answer func(n int) (string, error)
		want   string
		asked  int
		err    error
	}{
		"at once": {
			"SU" + strings.Repeat("CO", 6),
			condenser.Need{Requested: true},
			func(int) (string, error) { return " the summary\n", nil }, "2 the summary", 1, nil,
		},
		"too long for the condenser's model": {
			"SU" + strings.Repeat("CO", 6),
			condenser.Need{Requested: true},
			func(n int) (string, error) {
				if n < 4 {
					return "", tooLong{n}
				}
				return "all of it", nil
			}, "1 all of it", 4, nil,
		},
		"too long for good": {
			"SU" + strings.Repeat("CO", 6),
			condenser.Need{Requested: true},
			func(n int) (string, error) { return "", tooLong{n} }, "", 6,
			tooLong{1},
		},
		"no summary": {
			"SU" + strings.Repeat("CO", 2),
			condenser.Need{Requested: true, Everything: true},
			func(int) (string, error) { return "\n", nil }, "", 5, condenser.ErrNoSummary,
		},
		"another failure": {
			"SU" + strings.Repeat("CO", 6),
			condenser.Need{Requested: true},
			func(int) (string, error) { return "", broken }, "", 1, broken,
		},
		"a soft one is not worth it": {
			"SU" + strings.Repeat("CO", 50),
			condenser.Need{},
			func(n int) (string, error) { return "", tooLong{n} }, "", 1,
			tooLong{1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			log := history(c.log)
			log[1].(*event.Message).LLMMessage.Content[0].Text += long
			p := rules(80, 2).Plan(view.Rebuild(log), c.need, render)
			n, last := 0, 0
			e, err := p.Condense(t.Context(), func(_ context.Context, q []event.LLMMessage) (string, string, error) {
				n++
				if size := utf8.RuneCountInString(q[1].Text()); n > 2 && size > last {
					t.Errorf("question %d has %d characters, the one before %d", n, size, last)
				} else {
					last = size
				}
				text, err := c.answer(n)
				return text, "response", err
			})
			if n != c.asked || !errors.Is(err, c.err) && err != c.err {
				t.Errorf("asked %d times: %v", n, err)
			}
			got := ""
			if e != nil {
				got = fmt.Sprint(*e.SummaryOffset, " ", *e.Summary)
				if e.Source != event.SourceEnvironment || e.LLMResponseID != "response" {
					t.Errorf("%+v", e)
				}
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// What the model that summarizes reads: words at length, output in short, and no
// instruction of the template left open.
func TestQuestion(t *testing.T) {
	log := history("SUCOTOCU")
	log = slices.Insert(log, 2, event.Event(&event.CondensationSummary{Meta: event.Meta{ID: "P"}, Summary: "as it was before"}))
	log[4].(*event.Observation).Observation, _ = json.Marshal(strings.Repeat("line\n", 1000))
	log = append(log,
		&event.AgentError{Meta: event.Meta{ID: "E"}, ToolName: "terminal", ToolCallID: "C6", Error: "it broke"},
		history("U" + strings.Repeat("CO", 3))[0],
	)
	p := rules(80, 0).Plan(view.Rebuild(log), condenser.Need{Requested: true, Everything: true}, render)
	var question []event.LLMMessage
	if _, err := p.Condense(t.Context(), func(_ context.Context, q []event.LLMMessage) (string, string, error) {
		question = q
		return "x", "", nil
	}); err != nil {
		t.Fatal(err)
	}
	system, list := question[0].Text(), question[1].Text()
	if len(question) != 2 || question[0].Role != event.RoleSystem || question[1].Role != event.RoleUser {
		t.Errorf("%d messages", len(question))
	}
	if strings.Contains(system, "{{") || !strings.Contains(system, "the 10 events") || strings.Contains(strings.ToLower(system[:400]), "title") {
		t.Errorf("the instruction:\n%s", system)
	}
	for _, want := range []string{
		"<event from=\"user\">\nwords U1\n</event>", "<event from=\"earlier summary\">\nas it was before\n", "call of terminal: {\"command\":\"C2\"}",
		"<event from=\"result of terminal\">\nline\n", "the middle is left out", "failed: it broke",
	} {
		if !strings.Contains(list, want) {
			t.Errorf("no %q in\n%s", want, list)
		}
	}
	if strings.Contains(list, "prompt") || len(list) > 3000 {
		t.Errorf("%d bytes:\n%s", len(list), list)
	}
}

// Whatever the history, a condensation never forgets the prompt nor a call that
// waits, takes away exactly what it names, and a view that grew agrees with one
// that is made anew.
func TestAnyPlanKeepsTheView(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := history("S" + strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"U", "CO", "CcOO", "TO", "TcOO", "CccOOO", "UU"}), 0, 40).Draw(t, "log"), "") +
			rapid.SampledFrom([]string{"", "C", "U"}).Draw(t, "end"))
		r := rules(rapid.IntRange(12, 40).Draw(t, "max_size"), rapid.IntRange(0, 4).Draw(t, "keep_first"))
		grown := view.Rebuild(log)
		open := view.Unmatched(log)
		for n := range rapid.IntRange(1, 4).Draw(t, "times") {
			p := r.Plan(grown, condenser.Need{
				Requested: rapid.Bool().Draw(t, "requested"), Everything: rapid.Bool().Draw(t, "everything"),
				Tokens: rapid.IntRange(1, 2000).Draw(t, "tokens"), Limit: rapid.IntRange(0, 1000).Draw(t, "limit"),
			}, render)
			if p == nil {
				continue
			}
			e, err := p.Condense(context.Background(), summarized)
			if err != nil {
				t.Fatal(err)
			}
			e.ID = fmt.Sprint("X", n)
			before := grown.Len()
			grown.Append(e)
			log = append(log, e)
			if grown.Len() != before-p.Events+1 {
				t.Fatalf("%d events, %d forgotten, %d left", before, p.Events, grown.Len())
			}
			if _, prompt := grown.Events()[0].(*event.SystemPrompt); !prompt {
				t.Fatal("the prompt is forgotten")
			}
			for _, a := range open {
				if !slices.Contains(grown.Events(), event.Event(a)) {
					t.Fatal("a call that waits is forgotten")
				}
			}
			fresh := view.Rebuild(log)
			if diff := cmp.Diff(fresh.Messages(render), grown.Messages(render)); diff != "" {
				t.Fatal(diff)
			}
			if a, b := fresh.Weight(render), grown.Weight(render); a != b {
				t.Fatalf("weights %d and %d", a, b)
			}
		}
	})
}
