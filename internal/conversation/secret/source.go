package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/secret/fernet"
)

// The kinds of sources. The first two are OpenHands'; a ClientSecret is asked
// for from the client when a command names it.
const (
	KindStatic = "StaticSecret"
	KindLookup = "LookupSecret"
	KindClient = "ClientSecret"
)

// maxValue bounds a value, in bytes: no program takes a longer variable, and what
// is hidden is kept in many forms.
const maxValue = 64 << 10

var errTooLong = fmt.Errorf("its value is longer than %d bytes", maxValue)

// source is where a value comes from, and the value once it is known. What
// follows the line belongs to the registry's lock.
type source struct {
	kind        string
	description string
	lookup      lookup
	// token is the value as it is stored where it can't be read, and locked tells
	// the same of a header.
	token  string
	locked bool
	// raw is written back as it is: it is of a kind that is not known here.
	raw json.RawMessage

	// value is the value that was given or got last.

	value string
	// ahead is when the value was last fetched before a command named it.
	ahead time.Time
	// flight is the fetching of the value that goes on; nil if none does.
	flight *flight
	// failure is why the value could not be got, when it failed; nil if it could.
	failure error
	failed  time.Time
}

// empty tells whether the source has no value and no way to one.
func (s *source) empty() bool {
	return s.kind == KindStatic && s.value == "" && s.token == ""
}

// unread tells whether the source is stored encrypted and can't be read.
func (s *source) unread() bool { return s.token != "" || s.locked }

// secrets are all that must be hidden: the value, and the headers that it is got
// with, unless they are as short as words.
func (s *source) secrets() []string {
	all := []string{s.value}
	for name, value := range s.lookup.Headers {
		if !IsSecretHeader(name) {
			continue
		}
		// A scheme such as Bearer is no secret, and the rest shows up without it.
		_, rest, _ := strings.Cut(value, " ")
		for _, part := range []string{value, rest} {
			if len(part) >= minHeader {
				all = append(all, part)
			}
		}
	}
	return all
}

// minHeader is the shortest header that is hidden, in bytes.
const minHeader = 8

// takeHeaders fills in the headers that are masked with those of the source
// before, if both ask the same server.
func (s *source) takeHeaders(old *source) {
	if s.kind != KindLookup {
		return
	}
	if old != nil && old.kind == KindLookup && old.lookup.URL == s.lookup.URL {
		for name, value := range s.lookup.Headers {
			if value == Mask {
				value = old.lookup.Headers[name]
				s.lookup.Headers[name], s.locked = value, s.locked || old.locked && fernet.IsToken(value)
			}
		}
	}
	s.dropMasks()
}

// dropMasks drops the headers that nothing is known of, as OpenHands does.
func (s *source) dropMasks() {
	maps.DeleteFunc(s.lookup.Headers, func(name, value string) bool { return IsSecretHeader(name) && known(value) == "" })
}

// parse reads what a caller gives: a string, a source, or null, which is nil. A
// token of the key stands for its value.
func (r *Registry) parse(raw json.RawMessage) (*source, error) {
	s, err := parse(raw)
	if err != nil || s == nil {
		return nil, err
	}
	if value, ok := r.vault.decrypt(s.value); ok {
		s.value = known(value)
	} else if r.vault.isKept(s.value) {
		s.value, s.token = "", s.value
	}
	for name, header := range s.lookup.Headers {
		if value, ok := r.vault.decrypt(header); ok {
			s.lookup.Headers[name] = value
		}
	}
	if len(s.value) > maxValue {
		return nil, errTooLong
	}
	if s.kind == KindLookup {
		return s, s.lookup.absolute(r.options.Server)
	}
	return s, nil
}

// parseStored reads a source of a base_state.json; nil if it is of no use. What
// can't be read here is kept, so that a registry that OpenHands wrote stays
// whole.
func (r *Registry) parseStored(raw json.RawMessage) *source {
	s, err := parse(raw)
	var unknown *KindError
	if errors.As(err, &unknown) && unknown.Kind != "" {
		return &source{kind: unknown.Kind, raw: raw}
	}
	if err != nil || s == nil || s.kind == KindLookup && s.lookup.absolute(r.options.Server) != nil {
		return nil
	}
	value, ok := r.vault.open(s.value)
	if ok {
		s.value = known(value)
	} else {
		s.value, s.token = "", s.value
	}
	for name, header := range s.lookup.Headers {
		value, ok := r.vault.open(header)
		s.lookup.Headers[name], s.locked = value, s.locked || !ok
	}
	s.dropMasks()
	return s
}

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
		lookup
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
		s.lookup = fields.lookup
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

// stored gives the source as it is written to disk, with a description that holds
// no value.
func (s *source) stored(seal func(string) string, description string) (json.RawMessage, error) {
	if s.raw != nil {
		return s.raw, nil
	}
	if s.kind == KindLookup {
		headers := maps.Clone(s.lookup.Headers)
		for name, value := range headers {
			if IsSecretHeader(name) {
				headers[name] = seal(value)
			}
		}
		if headers == nil {
			headers = map[string]string{}
		}
		return event.EncodeKind(struct {
			Description string            `json:"description,omitempty"`
			URL         string            `json:"url"`
			Headers     map[string]string `json:"headers"`
		}{description, s.lookup.URL, headers}, KindLookup)
	}
	// OpenHands knows no ClientSecret; a StaticSecret without a value keeps the
	// name.
	value := s.token
	if s.kind == KindStatic && s.value != "" {
		value = seal(s.value)
	}
	return event.EncodeKind(struct {
		Description string `json:"description,omitempty"`
		Value       string `json:"value,omitempty"`
	}{description, value}, KindStatic)
}

// known gives "" for what stands where a value is not known.
func known(value string) string {
	if strings.TrimSpace(value) == "" || value == Mask {
		return ""
	}
	return value
}

// secretHeaders are the words that OpenHands takes for the name of a header with
// a secret.
var secretHeaders = []string{"AUTHORIZATION", "COOKIE", "CREDENTIAL", "KEY", "PASSWORD", "SECRET", "SESSION", "TOKEN"}

// IsSecretHeader tells whether a header of this name carries a secret.
func IsSecretHeader(name string) bool {
	name = strings.ToUpper(name)
	for _, word := range secretHeaders {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
