package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// The kinds of sources. The first two are OpenHands'; a ClientSecret is asked
// for from the client when a command names it.
const (
	KindStatic = "StaticSecret"
	KindLookup = "LookupSecret"
	KindClient = "ClientSecret"
)

// mask is what OpenHands writes in place of a secret.
const mask = "**********"

// encrypted is how a value begins that OpenHands wrote with a cipher.
const encrypted = "gAAAAA"

// Lookup is the request whose answer's body is the value of a LookupSecret.
type Lookup struct {
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
}

// source is where a value comes from, and the value once it is known. It is not
// changed once it is in a registry.
type source struct {
	kind        string
	description string
	value       string
	lookup      Lookup
	// raw is written back as it is: a kind or a value that can't be read here.
	raw json.RawMessage
}

// empty tells whether the source has no value and no way to one.
func (s *source) empty() bool { return s.kind == KindStatic && s.value == "" && s.raw == nil }

// parse reads what a caller gives: a string, a source, or null, which is nil.
func parse(raw json.RawMessage) (*source, error) {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0 || bytes.Equal(raw, []byte("null")):
		return nil, nil
	case raw[0] == '"':
		var value string
		if err := json.Unmarshal(raw, &value); err != nil {
			return nil, errors.New("not a valid JSON string")
		}
		return &source{kind: KindStatic, value: known(value)}, nil
	case raw[0] != '{':
		return nil, errors.New("must be a string, a secret source or null")
	}
	return parseObject(raw)
}

func parseObject(raw json.RawMessage) (*source, error) {
	var fields struct {
		Kind        string  `json:"kind"`
		Description string  `json:"description"`
		Value       *string `json:"value"`
		Lookup
	}
	if err := json.Unmarshal(raw, &fields); err != nil {
		// The error of encoding/json may quote the value.
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return nil, fmt.Errorf("field %s is of the wrong type", wrong.Field)
		}
		return nil, errors.New("not a valid JSON object")
	}
	s := &source{kind: fields.Kind, description: fields.Description}
	switch fields.Kind {
	case KindStatic:
		if fields.Value != nil {
			s.value = known(*fields.Value)
		}
	case KindLookup:
		if strings.TrimSpace(fields.URL) == "" {
			return nil, fmt.Errorf("%s has no url", KindLookup)
		}
		s.lookup = fields.Lookup
		maps.DeleteFunc(s.lookup.Headers, func(name, value string) bool { return isSecretHeader(name) && known(value) == "" })
	case KindClient:
	default:
		return nil, &KindError{fields.Kind}
	}
	return s, nil
}

// KindError says that a source's kind is missing or not known.
type KindError struct{ Kind string }

func (e *KindError) Error() string {
	known := strings.Join([]string{KindStatic, KindLookup, KindClient}, ", ")
	if e.Kind == "" {
		return "secret source has no kind; known kinds: " + known
	}
	return fmt.Sprintf("secret source of kind %q is not known; known kinds: %s", e.Kind, known)
}

// parseStored reads a source of a base_state.json; nil if it is of no use. What
// can't be read here is kept, so that a registry that OpenHands wrote stays
// whole.
func parseStored(raw json.RawMessage) *source {
	s, err := parse(raw)
	var unknown *KindError
	if errors.As(err, &unknown) && unknown.Kind != "" {
		return &source{kind: unknown.Kind, raw: raw}
	}
	if err != nil || s == nil {
		return nil
	}
	if s.kind == KindStatic && strings.HasPrefix(s.value, encrypted) {
		s.value, s.raw = "", raw
	}
	return s
}

// stored gives the source as it is written to disk.
func (s *source) stored() (json.RawMessage, error) {
	if s.raw != nil {
		return s.raw, nil
	}
	if s.kind == KindLookup {
		headers := maps.Clone(s.lookup.Headers)
		for name := range headers {
			if isSecretHeader(name) {
				headers[name] = mask
			}
		}
		if headers == nil {
			headers = map[string]string{}
		}
		return event.EncodeKind(struct {
			Description string            `json:"description,omitempty"`
			URL         string            `json:"url"`
			Headers     map[string]string `json:"headers"`
		}{s.description, s.lookup.URL, headers}, KindLookup)
	}
	// OpenHands knows no ClientSecret; a StaticSecret without a value keeps the
	// name.
	value := ""
	if s.kind == KindStatic && s.value != "" {
		value = mask
	}
	return event.EncodeKind(struct {
		Description string `json:"description,omitempty"`
		Value       string `json:"value,omitempty"`
	}{s.description, value}, KindStatic)
}

// known gives "" for what stands where a value is not known.
func known(value string) string {
	if strings.TrimSpace(value) == "" || value == mask {
		return ""
	}
	return value
}

// secretHeaders are the words that OpenHands takes for the name of a header with
// a secret.
var secretHeaders = []string{"AUTHORIZATION", "COOKIE", "CREDENTIAL", "KEY", "PASSWORD", "SECRET", "SESSION", "TOKEN"}

func isSecretHeader(name string) bool {
	name = strings.ToUpper(name)
	for _, word := range secretHeaders {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
