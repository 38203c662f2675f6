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
	if f, ok := e.(interface{ fill() }); ok {
		f.fill()
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
		u := &Unknown{Name: kind, Raw: bytes.Clone(raw)}
		if err := json.Unmarshal(raw, &u.Meta); err != nil {
			return nil, fmt.Errorf("decoding %s: %w", kind, err)
		}
		return u, nil
	}
	if err := json.Unmarshal(raw, e); err != nil {
		return nil, fmt.Errorf("decoding %s: %w", kind, err)
	}
	if e.Head().ID == "" {
		return nil, fmt.Errorf("%s has no id", kind)
	}
	if f, ok := e.(interface{ fill() }); ok {
		f.fill()
	}
	return e, nil
}

// KindOf reads the discriminator of a polymorphic object. It is quick where
// "kind" stands last, as OpenHands writes it.
func KindOf(raw []byte) (string, error) {
	raw = bytes.TrimSpace(raw)
	if i := bytes.LastIndex(raw, []byte(`"kind":`)); i > 0 {
		rest := bytes.TrimSpace(raw[i+len(`"kind":`):])
		if n := len(rest); n > 3 && rest[0] == '"' && rest[n-1] == '}' {
			name := bytes.TrimSpace(rest[:n-1])
			if m := len(name); m > 2 && name[m-1] == '"' && bytes.IndexAny(name[1:m-1], `"\{}`) < 0 {
				return string(name[1 : m-1]), nil
			}
		}
	}
	var head struct {
		Kind string `json:"kind"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return "", err
	}
	return head.Kind, nil
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

// The fill methods set what OpenHands gives a default, so that a list is never
// written as null.

func (e *SystemPrompt) fill() { e.Tools = orEmpty(e.Tools) }

func (e *Message) fill() {
	e.ActivatedSkills = orEmpty(e.ActivatedSkills)
	e.ExtendedContent = orEmpty(e.ExtendedContent)
}

func (e *Action) fill() {
	e.Thought = orEmpty(e.Thought)
	e.ThinkingBlocks = orEmpty(e.ThinkingBlocks)
	if e.SecurityRisk == "" {
		e.SecurityRisk = RiskUnknown
	}
	if bytes.Equal(e.Action, []byte("null")) {
		e.Action = nil
	}
}

func (e *Observation) fill() { e.ExtendedContent = orEmpty(e.ExtendedContent) }

func (e *UserReject) fill() {
	if e.RejectionSource == "" {
		e.RejectionSource = "user"
	}
}

func (e *AgentError) fill() { e.Classification.fill() }

func (e *ConversationError) fill() { e.Classification.fill() }

func (e *Condensation) fill() { e.ForgottenEventIDs = orEmpty(e.ForgottenEventIDs) }

func (e *Token) fill() {
	e.PromptTokenIDs = orEmpty(e.PromptTokenIDs)
	e.ResponseTokenIDs = orEmpty(e.ResponseTokenIDs)
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
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
