package scripted

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/llm"
)

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
