package scripted

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/llm"
)

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
