package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"
)

// Encode gives the event's JSON as it is stored and sent: one line, nulls left
// out, "kind" last.
func Encode(e Event) (json.RawMessage, error) {
	if u, ok := e.(*Unknown); ok {
		return u.Raw, nil
	}
	if d, ok := e.(defaulter); ok {
		e = d.withDefaults()
	}
	return EncodeKind(e, e.Kind())
}

// EncodeKind writes any object in OpenHands' polymorphic form: the fields of v
// (a struct or a map), then "kind".
func EncodeKind(v any, kind string) (json.RawMessage, error) {
	raw, err := marshal(v)
	if err != nil {
		return nil, err
	}
	if len(raw) < 2 || raw[0] != '{' {
		return nil, fmt.Errorf("%s does not encode as an object", kind)
	}
	raw = raw[:len(raw)-1]
	if len(raw) > 1 {
		raw = append(raw, ',')
	}
	raw = append(raw, `"kind":`...)
	raw = append(raw, mustQuote(kind)...)
	return append(raw, '}'), nil
}

// Decode reads one event. A kind that is not known gives an [Unknown], so that
// a conversation written by a newer OpenHands still opens.
func Decode(raw []byte) (Event, error) {
	kind, err := KindOf(raw)
	if err != nil {
		return nil, err
	}
	if kind == "" {
		return nil, fmt.Errorf("event has no kind")
	}
	e := New(kind)
	if e == nil {
		u := &Unknown{Name: kind, Raw: bytes.Clone(bytes.TrimSpace(raw))}
		if err := json.Unmarshal(raw, &u.Meta); err != nil {
			return nil, fmt.Errorf("decoding %s: %w", kind, err)
		}
		if u.ID == "" {
			return nil, fmt.Errorf("%s has no id", kind)
		}
		return u, nil
	}
	if err := json.Unmarshal(raw, e); err != nil {
		return nil, fmt.Errorf("decoding %s: %w", kind, err)
	}
	if e.Head().ID == "" {
		return nil, fmt.Errorf("%s has no id", kind)
	}
	if d, ok := e.(defaulter); ok {
		e = d.withDefaults()
	}
	return e, nil
}

// KindOf reads the discriminator of a polymorphic object; "" if it has none. It
// is quick where "kind" stands last, as OpenHands writes it, and does not check
// the rest of the object then.
func KindOf(raw []byte) (string, error) {
	raw = bytes.TrimSpace(raw)
	if kind := lastKind(raw); kind != "" {
		return kind, nil
	}
	var head struct {
		Kind string `json:"kind"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return "", err
	}
	return head.Kind, nil
}

// lastKind gives the value of "kind" where that is the last member of the
// object; "" where it is not, or where only a parser could tell.
func lastKind(raw []byte) string {
	const key = `"kind":`
	i := bytes.LastIndex(raw, []byte(key))
	if i <= 0 {
		return ""
	}
	// A quote that opens a key stands after a brace or a comma; the quote of
	// {"a\"kind": …} does not.
	before := bytes.TrimRight(raw[:i], " \t\r\n")
	if n := len(before); n == 0 || before[n-1] != ',' && before[n-1] != '{' {
		return ""
	}
	rest := bytes.TrimSpace(raw[i+len(key):])
	if n := len(rest); n < 2 || rest[n-1] != '}' {
		return ""
	}
	name := bytes.TrimSpace(rest[:len(rest)-1])
	if n := len(name); n < 3 || name[0] != '"' || name[n-1] != '"' {
		return ""
	}
	name = name[1 : len(name)-1]
	for _, c := range name {
		if c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return ""
		}
	}
	return string(name)
}

// New makes an empty event of the kind; nil if the kind is not known.
func New(kind string) Event {
	switch kind {
	case KindSystemPrompt:
		return new(SystemPrompt)
	case KindMessage:
		return new(Message)
	case KindAction:
		return new(Action)
	case KindObservation:
		return new(Observation)
	case KindUserReject:
		return new(UserReject)
	case KindAgentError:
		return new(AgentError)
	case KindCondensationSummary:
		return new(CondensationSummary)
	case KindCondensation:
		return new(Condensation)
	case KindCondensationRequest:
		return new(CondensationRequest)
	case KindPause:
		return new(Pause)
	case KindInterrupt:
		return new(Interrupt)
	case KindStateUpdate:
		return new(StateUpdate)
	case KindConversationError:
		return new(ConversationError)
	case KindStreamingDelta:
		return new(StreamingDelta)
	case KindHookExecution:
		return new(HookExecution)
	case KindToken:
		return new(Token)
	case KindLLMCompletionLog:
		return new(LLMCompletionLog)
	case KindACPToolCall:
		return new(ACPToolCall)
	}
	return nil
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// marshal is json.Marshal without HTML escaping.
func marshal(v any) ([]byte, error) {
	buf := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(buf)
	buf.Reset()
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.Clone(bytes.TrimSuffix(buf.Bytes(), []byte("\n"))), nil
}

func mustQuote(s string) []byte {
	b, _ := marshal(s) // a string always encodes
	return b
}
