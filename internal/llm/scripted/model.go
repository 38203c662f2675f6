package scripted

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// Options say how a script is played. The zero value will do.
type Options struct {
	// Workspace stands for ${workspace}: the absolute path of the folder that the
	// conversation works in. If empty it is looked for in the request's system
	// message and tool descriptions, then it is the process's own folder.
	Workspace string
	// KeepDelays makes a replay take as long as what was recorded. Without it a
	// replay is instant. Scripts always keep their delays.
	KeepDelays bool
	// Log is told when a request differs from the one that was recorded; nil
	// discards.
	Log *slog.Logger
}

// Model plays a script. It implements [llm.Model].
type Model struct {
	script   *script
	opts     Options
	provider string // "scripted" or "replay"

	mu            sync.Mutex
	conversations map[string]*conversation
	side          map[purpose]*conversation
	sideCalls     int
}

// conversation is where a conversation stands in the script.
type conversation struct {
	queue int             // how many answers of the queue are used
	rules map[int]ruleUse // by the rule's position
	// given is the number of the last answer, the n of its ids.
	given int
}

// ruleUse is how many answers of a rule are used in a turn.
type ruleUse struct{ turn, used int }

// Parse makes a model of a script; name stands in errors. Errors are of type
// *[SyntaxError].
func Parse(name string, data []byte, opts Options) (*Model, error) {
	s, err := parse(name, data)
	if err != nil {
		return nil, err
	}
	return newModel(s, "scripted", opts), nil
}

func newModel(s *script, provider string, opts Options) *Model {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Model{
		script:        s,
		opts:          opts,
		provider:      provider,
		conversations: map[string]*conversation{},
		side:          map[purpose]*conversation{},
	}
}

// Complete implements [llm.Model] with the answer that is due.
func (m *Model) Complete(ctx context.Context, req *llm.Request, stream func(llm.Chunk)) (*llm.Response, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	start := time.Now()
	p, err := m.next(req)
	if err != nil {
		return nil, err
	}
	if err := p.play(ctx, stream); err != nil {
		return nil, err
	}
	p.response.Latency = time.Since(start)
	return p.response, nil
}

// next takes the answer that is due and fills it in.
func (m *Model) next(req *llm.Request) (*performance, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := momentOf(req.Messages)
	want := purposeOf(req)
	if want == forTitle {
		now.user = named(req)
	}
	c := m.conversation(req, want, &now)
	a, names := m.script.pick(c, want, &now)
	if a == nil {
		if a = stock(want, req); a == nil {
			return nil, m.exhausted(want)
		}
	}
	names["workspace"] = m.workspace(req)
	names["last_tool_output"] = now.output
	names["last_user_message"] = now.user
	if m.provider == "replay" {
		m.compare(a, req, names["workspace"])
	}
	return m.perform(a, names, c.number(req, &now), want), nil
}

// conversation finds where the request's conversation stands. now.turn is set
// so that rules answer each title and summary request anew.
func (m *Model) conversation(req *llm.Request, want purpose, now *moment) *conversation {
	if want != forStep {
		m.sideCalls++
		now.turn = m.sideCalls
		c := m.side[want]
		if c == nil {
			c = &conversation{rules: map[int]ruleUse{}}
			m.side[want] = c
		}
		return c
	}
	key := req.CacheKey
	if m.provider == "replay" {
		key = "" // a recording is played in the order in which it was made
	}
	c := m.conversations[key]
	if c == nil {
		c = &conversation{rules: map[int]ruleUse{}}
		if m.script.resume {
			m.script.resumeAt(c, req.Messages)
		}
		m.conversations[key] = c
	}
	return c
}

// resumeAt moves c to where the history ends: it takes an answer that leaves a
// message for each assistant message, and passes over silent answers. A
// recording that began within a conversation holds no answers for what was
// before.
func (s *script) resumeAt(c *conversation, messages []event.LLMMessage) {
	if fresh(messages) {
		return
	}
	var at moment
	before := s.before()
	if momentOf(messages).answers <= before && before > 0 {
		return
	}
	for i := range messages {
		if messages[i].Role == event.RoleAssistant && at.answers >= before {
			s.skipSilent(c, &at)
			s.pick(c, forStep, &at)
		}
		at.pass(&messages[i])
	}
	s.skipSilent(c, &at)
}

// before is how many answers a conversation had when its recording began.
func (s *script) before() int {
	if queue := s.queues[forStep]; len(queue) > 0 && queue[0].want != nil {
		return queue[0].want.Answers
	}
	return 0
}

func (s *script) skipSilent(c *conversation, at *moment) {
	for {
		before := c.clone()
		a, _ := s.pick(c, forStep, at)
		if a == nil || !a.silent() || a.times == 0 {
			*c = before
			return
		}
	}
}

func (c *conversation) clone() conversation {
	rules := make(map[int]ruleUse, len(c.rules))
	for i, use := range c.rules {
		rules[i] = use
	}
	return conversation{queue: c.queue, rules: rules, given: c.given}
}

// pick takes the next answer: of the first rule that matches and has one left
// for this turn, else of the queue. nil if there is none. names holds what the
// rule's pattern captured.
func (s *script) pick(c *conversation, want purpose, now *moment) (a *answer, names template) {
	names = template{}
	for i := range s.rules {
		r := &s.rules[i]
		if r.purpose != want || r.output != nil && !(now.atOutput && r.output.MatchString(now.output)) {
			continue
		}
		if r.user != nil {
			groups := r.user.FindStringSubmatch(now.user)
			if groups == nil {
				continue
			}
			for j, g := range groups {
				names[strconv.Itoa(j)] = g
			}
		}
		use := c.rules[i]
		if use.turn != now.turn {
			use = ruleUse{turn: now.turn}
		}
		if a := at(r.answers, use.used); a != nil {
			use.used++
			c.rules[i] = use
			return a, names
		}
		clear(names)
	}
	if a := at(s.queues[want], c.queue); a != nil {
		c.queue++
		return a, names
	}
	return nil, names
}

// at finds the nth answer (from 0), counting repetitions; nil behind the last.
func at(answers []answer, n int) *answer {
	for i := range answers {
		if a := &answers[i]; a.times == 0 || n < a.times {
			return a
		} else {
			n -= a.times
		}
	}
	return nil
}

// number gives the n of the answer's ids. It never falls, also where a
// condensed history has lost messages: the ids of tool calls that are still
// there tell how far the numbers went.
func (c *conversation) number(req *llm.Request, now *moment) int {
	n := max(c.given, now.answers)
	for i := range req.Messages {
		for j := range req.Messages[i].ToolCalls {
			n = max(n, callNumber(req.Messages[i].ToolCalls[j].ID))
		}
	}
	c.given = n + 1
	return c.given
}

const callPrefix = "call_"

func callID(n, i int) string { return fmt.Sprintf("%s%d_%d", callPrefix, n, i+1) }

func callNumber(id string) int {
	rest, ok := strings.CutPrefix(id, callPrefix)
	if !ok {
		return 0
	}
	digits, _, ok := strings.Cut(rest, "_")
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n > 1<<30 {
		return 0
	}
	return n
}

// stock is the answer to a request without tools that the script does not
// answer; nil for the agent's own steps.
func stock(want purpose, req *llm.Request) *answer {
	switch want {
	case forTitle:
		return &answer{text: titleOf(req)}
	case forOther:
		return &answer{text: fmt.Sprintf("A scripted answer to %d messages.", len(req.Messages))}
	}
	return nil
}

func (m *Model) exhausted(want purpose) error {
	n := 0
	for i := range m.script.queues[want] {
		n += m.script.queues[want][i].times
	}
	message := fmt.Sprintf("the script %s is used up: it had %d answers", m.script.name, n)
	if n == 1 {
		message = fmt.Sprintf("the script %s is used up: it had 1 answer", m.script.name)
	}
	if len(m.script.rules) > 0 {
		message += ", and no rule answers this message"
	}
	return &llm.Error{Kind: llm.ErrBadRequest, Provider: m.provider, Message: message}
}
