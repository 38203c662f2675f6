package scripted

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// purpose is what a request wants.
type purpose string

const (
	forStep  purpose = "step"  // the agent's next step: the request has tools
	forTitle purpose = "title" // a title of the conversation
	forOther purpose = "other" // any other request without tools: a summary, a question
)

// script is a parsed script.
type script struct {
	name string
	// rules are tried in order before the queue of their purpose.
	rules  []rule
	queues map[purpose][]answer
	resume bool
}

// rule holds answers for requests that match.
type rule struct {
	purpose purpose
	// user is matched against the last user message, output against the tool
	// message that the request ends with; nil matches anything.
	user, output *regexp.Regexp
	answers      []answer
}

// answer is one answer of the model, before its templates are filled in.
type answer struct {
	text      string
	reasoning string
	thinking  []event.Thinking
	calls     []call
	usage     llm.Usage
	id        string
	finish    string

	latency time.Duration // before the first chunk
	delay   time.Duration // between chunks
	chunk   int           // in characters; 0 is all at once
	chunks  []chunk       // the chunks as they were recorded; nil if not
	rest    time.Duration // from the last recorded chunk to the end

	times int // how often it is used; 0 is for ever
	hang  bool
	fail  *failure
	want  *requestRecord // what was asked when this was recorded
}

// silent tells whether the answer leaves no message in the history.
func (a *answer) silent() bool { return a.hang || a.fail != nil }

type call struct {
	id, name  string
	arguments string
}

type chunk struct {
	Stream llm.Stream `json:"stream"`
	// Size is in bytes of the stream's text.
	Size int `json:"size"`
	// After is in ms since the chunk before; for the first, since the request.
	After float64 `json:"after,omitempty"`
	Call  int     `json:"call,omitempty"`
}

type failure struct {
	Kind        llm.ErrorKind `json:"kind"`
	Status      int           `json:"status,omitempty"`
	Message     string        `json:"message,omitempty"`
	RetryAfter  float64       `json:"retry_after,omitempty"` // seconds
	Setting     string        `json:"setting,omitempty"`
	AfterChunks int           `json:"after_chunks,omitempty"`
}

// entry is one object of a script, as it is written. The recorder writes it too.
type entry struct {
	For        purpose           `json:"for,omitempty"`
	When       string            `json:"when,omitempty"`
	WhenOutput string            `json:"when_output,omitempty"`
	Then       []json.RawMessage `json:"then,omitempty"`

	Text         *string           `json:"text,omitempty"`
	Reasoning    string            `json:"reasoning,omitempty"`
	Thinking     []json.RawMessage `json:"thinking,omitempty"`
	Calls        []json.RawMessage `json:"calls,omitempty"`
	Usage        *usage            `json:"usage,omitempty"`
	ID           string            `json:"id,omitempty"`
	FinishReason string            `json:"finish_reason,omitempty"`

	Latency *float64 `json:"latency,omitempty"` // ms
	Delay   *float64 `json:"delay,omitempty"`   // ms
	Chunk   *int     `json:"chunk,omitempty"`
	Chunks  []chunk  `json:"chunks,omitempty"`
	Rest    float64  `json:"rest,omitempty"` // ms

	Repeat json.RawMessage `json:"repeat,omitempty"`
	Wait   string          `json:"wait,omitempty"`
	Error  json.RawMessage `json:"error,omitempty"`

	Settings json.RawMessage `json:"settings,omitempty"`

	// Time, Model and Request are written by the recorder.
	Time    string         `json:"time,omitempty"`
	Model   string         `json:"model,omitempty"`
	Request *requestRecord `json:"request,omitempty"`
}

// usage is [llm.Usage] as scripts write it, with OpenHands' names.
type usage struct {
	PromptTokens     int     `json:"prompt_tokens,omitempty"`
	CompletionTokens int     `json:"completion_tokens,omitempty"`
	CacheReadTokens  int     `json:"cache_read_tokens,omitempty"`
	CacheWriteTokens int     `json:"cache_write_tokens,omitempty"`
	ReasoningTokens  int     `json:"reasoning_tokens,omitempty"`
	ContextWindow    int     `json:"context_window,omitempty"`
	Cost             float64 `json:"cost,omitempty"`
}

// settings hold for the answers that follow them.
type settings struct {
	Latency *float64 `json:"latency"`
	Delay   *float64 `json:"delay"`
	Chunk   *int     `json:"chunk"`
	Usage   *usage   `json:"usage"`
	Resume  *bool    `json:"resume"`
}

// parse reads a script. Its errors are of type *SyntaxError.
func parse(name string, data []byte) (*script, error) {
	p := parser{script: &script{name: name, queues: map[purpose][]answer{}, resume: true}}
	clean, bad := strict(data)
	if bad != nil {
		bad.Script = name
		return nil, bad
	}
	dec := json.NewDecoder(bytes.NewReader(clean))
	for {
		at := int(dec.InputOffset())
		at += len(clean[at:]) - len(bytes.TrimLeft(clean[at:], " \t\r\n"))
		var raw json.RawMessage
		err := dec.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return p.script, nil
		}
		if err != nil {
			return nil, &SyntaxError{name, syntaxLine(clean, at), "this object is not valid JSON: " + syntaxMessage(err)}
		}
		if err := p.entry(raw); err != nil {
			return nil, &SyntaxError{name, line(clean, at), err.Error()}
		}
	}
}

// syntaxLine finds the line of the first syntax error after the offset.
func syntaxLine(clean []byte, at int) int {
	var raw json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(clean[at:]))
	err := dec.Decode(&raw)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return line(clean, at+int(syntax.Offset)-1)
	}
	return line(clean, at)
}

func syntaxMessage(err error) string {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return "it has no end"
	}
	return err.Error()
}

type parser struct {
	script   *script
	defaults settings
}

func (p *parser) entry(raw json.RawMessage) error {
	e, err := decodeEntry(raw)
	if err != nil {
		return err
	}
	if e.Settings != nil {
		return p.settings(e)
	}
	switch e.For {
	case "":
		e.For = forStep
	case forStep, forTitle, forOther:
	default:
		return errors.New(`"for" must be "step", "title" or "other"`)
	}
	if e.When == "" && e.WhenOutput == "" {
		if e.Then != nil {
			return errors.New(`"then" needs "when" or "when_output"`)
		}
		a, err := p.answer(e)
		if err != nil {
			return err
		}
		p.script.queues[e.For] = append(p.script.queues[e.For], a)
		return nil
	}
	return p.rule(e)
}

func (p *parser) rule(e *entry) (err error) {
	r := rule{purpose: e.For}
	if r.user, err = pattern("when", e.When); err != nil {
		return err
	}
	if r.output, err = pattern("when_output", e.WhenOutput); err != nil {
		return err
	}
	if e.Then == nil {
		a, err := p.answer(e)
		if err != nil {
			return err
		}
		r.answers = []answer{a}
	} else if e.answers() {
		return errors.New(`"then" holds the answers: nothing else may answer beside it`)
	}
	for i, raw := range e.Then {
		inner, err := decodeEntry(raw)
		if err != nil {
			return fmt.Errorf("then, answer %d: %w", i+1, err)
		}
		if inner.For != "" || inner.When != "" || inner.WhenOutput != "" || inner.Then != nil || inner.Settings != nil {
			return fmt.Errorf("then, answer %d: only a plain answer may stand here", i+1)
		}
		a, err := p.answer(inner)
		if err != nil {
			return fmt.Errorf("then, answer %d: %w", i+1, err)
		}
		r.answers = append(r.answers, a)
	}
	p.script.rules = append(p.script.rules, r)
	return nil
}

func pattern(field, expr string) (*regexp.Regexp, error) {
	if expr == "" {
		return nil, nil
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, fmt.Errorf("%q is no regular expression: %w", field, err)
	}
	return re, nil
}

func (p *parser) settings(e *entry) error {
	if len(e.Settings) == 0 || e.answers() || e.For != "" || e.When != "" || e.WhenOutput != "" || e.Then != nil {
		return errors.New(`"settings" stands alone in its object`)
	}
	s := p.defaults
	if err := decode(e.Settings, &s); err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	if s.Resume != nil {
		p.script.resume = *s.Resume
	}
	p.defaults = s
	return nil
}

// answers tells whether the entry has a field that makes it an answer.
func (e *entry) answers() bool {
	return e.Text != nil || e.Reasoning != "" || e.Thinking != nil || e.Calls != nil || e.Wait != "" || e.Error != nil
}

func (p *parser) answer(e *entry) (answer, error) {
	var (
		a   = answer{reasoning: e.Reasoning, id: e.ID, finish: e.FinishReason, chunks: e.Chunks, want: e.Request}
		err error
	)
	if !e.answers() {
		return a, errors.New(`an answer needs one of "text", "calls", "reasoning", "thinking", "error" or "wait"`)
	}
	if e.Text != nil {
		a.text = *e.Text
	}
	for i, raw := range e.Thinking {
		t, err := decodeThinking(raw)
		if err != nil {
			return a, fmt.Errorf("thinking block %d: %w", i+1, err)
		}
		a.thinking = append(a.thinking, t)
	}
	for i, raw := range e.Calls {
		c, err := decodeCall(raw)
		if err != nil {
			return a, fmt.Errorf("call %d: %w", i+1, err)
		}
		a.calls = append(a.calls, c)
	}
	if u := or(e.Usage, p.defaults.Usage); u != nil {
		a.usage = llm.Usage(*u)
	}
	if a.latency, err = milliseconds("latency", or(e.Latency, p.defaults.Latency)); err != nil {
		return a, err
	}
	if a.delay, err = milliseconds("delay", or(e.Delay, p.defaults.Delay)); err != nil {
		return a, err
	}
	if a.rest, err = milliseconds("rest", &e.Rest); err != nil {
		return a, err
	}
	if c := or(e.Chunk, p.defaults.Chunk); c != nil {
		if *c < 0 {
			return a, errors.New(`"chunk" is a number of characters`)
		}
		a.chunk = *c
	}
	for i := range e.Chunks {
		if err := e.Chunks[i].check(len(a.calls)); err != nil {
			return a, fmt.Errorf("chunk %d: %w", i+1, err)
		}
	}
	if a.times, err = decodeRepeat(e.Repeat); err != nil {
		return a, err
	}
	switch e.Wait {
	case "":
	case "forever":
		a.hang = true
	default:
		return a, errors.New(`"wait" must be "forever"; a finite wait is "latency" in ms`)
	}
	if a.fail, err = decodeFailure(e.Error); err != nil {
		return a, err
	}
	return a, nil
}

func (c *chunk) check(calls int) error {
	switch c.Stream {
	case llm.StreamText, llm.StreamReasoning:
	case llm.StreamArgs:
		if c.Call < 0 || c.Call >= calls {
			return errors.New(`"call" is no position in "calls"`)
		}
	default:
		return errors.New(`"stream" must be "text", "reasoning" or "args"`)
	}
	if c.Size < 0 {
		return errors.New(`"size" is a number of bytes`)
	}
	_, err := milliseconds("after", &c.After)
	return err
}

func or[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

const maxDelay = 24 * time.Hour

func milliseconds(field string, ms *float64) (time.Duration, error) {
	if ms == nil {
		return 0, nil
	}
	if !(*ms >= 0 && *ms <= float64(maxDelay/time.Millisecond)) {
		return 0, fmt.Errorf("%q is a number of milliseconds, up to a day", field)
	}
	return time.Duration(*ms * float64(time.Millisecond)), nil
}

// decodeEntry reads one object of a script, or a bare string.
func decodeEntry(raw json.RawMessage) (*entry, error) {
	if raw[0] == '"' {
		e := &entry{}
		return e, json.Unmarshal(raw, &e.Text)
	}
	if raw[0] != '{' {
		return nil, errors.New("a script is a sequence of objects and strings, one after the other, without a list around them")
	}
	e := &entry{}
	return e, decode(raw, e)
}

// decode reads JSON strictly: an unknown field is an error. No error quotes a
// value.
func decode(raw json.RawMessage, into any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong) && wrong.Field != "":
		return fmt.Errorf("%q has the wrong type", wrong.Field)
	case errors.As(err, &wrong):
		return errors.New("an object is expected")
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

func decodeThinking(raw json.RawMessage) (event.Thinking, error) {
	if raw[0] == '"' {
		signature := "scripted"
		t := event.Thinking{Type: "thinking", Signature: &signature}
		return t, json.Unmarshal(raw, &t.Thinking)
	}
	var t event.Thinking
	if err := json.Unmarshal(raw, &t); err != nil {
		return t, errors.New("it must be a string or an object with type, thinking and signature")
	}
	switch t.Type {
	case "thinking", "redacted_thinking":
		return t, nil
	}
	return t, errors.New(`its type must be "thinking" or "redacted_thinking"`)
}

// decodeCall reads {TOOL: ARGUMENTS} or {"name", "arguments", "id"}.
func decodeCall(raw json.RawMessage) (call, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return call{}, errors.New("it must be an object: {TOOL: ARGUMENTS}")
	}
	var c call
	args := json.RawMessage("{}")
	if _, long := fields["name"]; long {
		var l struct {
			Name      string          `json:"name"`
			Arguments json.RawMessage `json:"arguments"`
			ID        string          `json:"id"`
		}
		if err := decode(raw, &l); err != nil {
			return c, err
		}
		c.name, c.id = l.Name, l.ID
		if l.Arguments != nil {
			args = l.Arguments
		}
	} else {
		if len(fields) != 1 {
			return c, errors.New("it must name one tool: {TOOL: ARGUMENTS}")
		}
		for name, value := range fields {
			c.name, args = name, value
		}
	}
	if c.name == "" {
		return c, errors.New("the tool has no name")
	}
	if args[0] == '"' {
		return c, json.Unmarshal(args, &c.arguments)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, args); err != nil {
		return c, err
	}
	c.arguments = compact.String()
	return c, nil
}

func decodeRepeat(raw json.RawMessage) (int, error) {
	if raw == nil {
		return 1, nil
	}
	if string(raw) == `"forever"` {
		return 0, nil
	}
	var n int
	if err := json.Unmarshal(raw, &n); err != nil || n < 1 {
		return 0, errors.New(`"repeat" must be a number from 1, or "forever"`)
	}
	return n, nil
}

// statuses are what providers answer with; 0 where there is no answer.
var statuses = map[llm.ErrorKind]int{
	llm.ErrAuth:          401,
	llm.ErrRateLimit:     429,
	llm.ErrContextWindow: 400,
	llm.ErrHistory:       400,
	llm.ErrContentPolicy: 400,
	llm.ErrBadRequest:    400,
	llm.ErrTimeout:       0,
	llm.ErrUnavailable:   503,
	llm.ErrNoResponse:    0,
}

// decodeFailure reads a kind, or an object that has one.
func decodeFailure(raw json.RawMessage) (*failure, error) {
	if raw == nil {
		return nil, nil
	}
	f := &failure{}
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &f.Kind); err != nil {
			return nil, err
		}
		f.Status = statuses[f.Kind]
	} else if err := decode(raw, f); err != nil {
		return nil, fmt.Errorf("error: %w", err)
	}
	if _, ok := statuses[f.Kind]; !ok {
		return nil, errors.New(`error: "kind" must be one of auth, rate_limit, context_window, malformed_history, content_policy, bad_request, timeout, unavailable, no_response`)
	}
	if f.AfterChunks < 0 || f.RetryAfter < 0 || f.RetryAfter > maxDelay.Seconds() {
		return nil, errors.New(`error: "after_chunks" and "retry_after" can't be negative`)
	}
	if f.Message == "" {
		f.Message = "the script says: " + string(f.Kind)
	}
	return f, nil
}
