// Package secret holds the secrets of a conversation: OpenHands' SecretRegistry.
// It tells which of them a command names, writes them to disk without their
// values, and hides the values in whatever leaves the process: in texts, in
// encoded events, in streams that cut a value in two.
//
// It does not fetch anything: where a value comes from a URL or from the client,
// the conversation gets it and says so with [Registry.Resolve]. It starts no
// goroutine. A [Registry] may be used from any goroutine; a [Stream] belongs to
// one.
package secret

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Registry is the secrets of one conversation. The zero value has none.
type Registry struct {
	mu      sync.RWMutex
	sources map[string]*source
	// values are all values that were ever known. A value that was replaced or
	// removed is still in the environment of shells that got it.
	values map[string]bool

	masker atomic.Pointer[masker]
}

// Info is what may be told of a secret.
type Info struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Kind is OpenHands' class name, or ClientSecret.
	Kind string `json:"-"`
	// Resolved tells whether the value is known.
	Resolved bool `json:"-"`
}

// Update sets secrets by name. A value is a JSON string, a SecretSource, or null,
// which removes the secret. A source without a value ("", the mask, null) never
// replaces one that has or can get a value. If anything is wrong nothing is
// changed; the error names the secret, never its value.
func (r *Registry) Update(secrets map[string]json.RawMessage) error {
	parsed := make(map[string]*source, len(secrets))
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		if strings.TrimSpace(name) == "" {
			return fmt.Errorf("a secret has no name")
		}
		s, err := parse(secrets[name])
		if err != nil {
			return fmt.Errorf("secret %s: %w", name, err)
		}
		parsed[name] = s
	}
	r.merge(parsed)
	return nil
}

// Load reads what [Registry.MarshalJSON] or OpenHands wrote to base_state.json.
// Kinds that are not known are kept as they are and have no value. Values
// already known are not replaced by masks.
func (r *Registry) Load(raw json.RawMessage) error {
	var stored struct {
		Sources map[string]json.RawMessage `json:"secret_sources"`
	}
	if err := json.Unmarshal(raw, &stored); err != nil {
		return fmt.Errorf("reading secrets: %w", err)
	}
	parsed := make(map[string]*source, len(stored.Sources))
	for name, raw := range stored.Sources {
		if s := parseStored(raw); s != nil && strings.TrimSpace(name) != "" {
			parsed[name] = s
		}
	}
	r.merge(parsed)
	return nil
}

// merge takes the sources in; nil removes.
func (r *Registry) merge(parsed map[string]*source) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sources == nil {
		r.sources = make(map[string]*source)
	}
	for name, s := range parsed {
		old := r.sources[name]
		switch {
		case s == nil:
			delete(r.sources, name)
		case old != nil && s.empty() && !old.empty():
		default:
			r.sources[name] = s
			r.remember(s.value)
		}
	}
}

// Resolve gives a secret its value; "" forgets the value but goes on hiding it.
// It tells whether there is such a secret.
func (r *Registry) Resolve(name, value string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.sources[name]
	if old == nil {
		return false
	}
	s := *old
	s.value = value
	r.sources[name] = &s
	r.remember(value)
	return true
}

// remember hides the value from now on. The caller holds the lock.
func (r *Registry) remember(value string) {
	if !worthHiding(value) || r.values[value] {
		return
	}
	if r.values == nil {
		r.values = make(map[string]bool)
	}
	r.values[value] = true
	r.masker.Store(newMasker(slices.Collect(maps.Keys(r.values))))
}

// Names are the names of all secrets, sorted.
func (r *Registry) Names() []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Sorted(maps.Keys(r.sources))
}

// Infos tells of all secrets what may be told, sorted by name.
func (r *Registry) Infos() []Info {
	return r.infos(func(string) bool { return true })
}

// Named tells of the secrets that a command names: their name stands anywhere in
// it, in any case.
func (r *Registry) Named(command string) []Info {
	command = strings.ToLower(command)
	return r.infos(func(name string) bool { return strings.Contains(command, strings.ToLower(name)) })
}

func (r *Registry) infos(wanted func(name string) bool) []Info {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var infos []Info
	for name, s := range r.sources {
		if wanted(name) {
			infos = append(infos, Info{name, s.description, s.kind, s.value != ""})
		}
	}
	slices.SortFunc(infos, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return infos
}

// ForCommand gives the environment variables for a command: the secrets that it
// names, where the value is known and the name can be a variable's. It is nil
// where there are none.
func (r *Registry) ForCommand(command string) map[string]string {
	var env map[string]string
	for _, info := range r.Named(command) {
		if value := r.value(info.Name); value != "" && isVariable(info.Name) {
			if env == nil {
				env = make(map[string]string)
			}
			env[info.Name] = value
		}
	}
	return env
}

// Value gives the value of a secret; false if it is not known.
func (r *Registry) Value(name string) (string, bool) {
	value := r.value(name)
	return value, value != ""
}

func (r *Registry) value(name string) string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if s := r.sources[name]; s != nil {
		return s.value
	}
	return ""
}

// Lookup gives the request that fetches a LookupSecret; false for other secrets.
func (r *Registry) Lookup(name string) (Lookup, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if s := r.sources[name]; s != nil && s.kind == KindLookup {
		return Lookup{s.lookup.URL, maps.Clone(s.lookup.Headers)}, true
	}
	return Lookup{}, false
}

// MarshalJSON writes the registry as it stands in base_state.json: no values, and
// only kinds that OpenHands knows.
func (r *Registry) MarshalJSON() ([]byte, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	stored := make(map[string]json.RawMessage, len(r.sources))
	for name, s := range r.sources {
		raw, err := s.stored()
		if err != nil {
			return nil, fmt.Errorf("writing secret %s: %w", name, err)
		}
		stored[name] = raw
	}
	return encode(map[string]any{"secret_sources": stored})
}

// String tells the names only, so that no value is printed by accident.
func (r *Registry) String() string { return fmt.Sprintf("secrets %v", r.Names()) }

// GoString is [Registry.String].
func (r *Registry) GoString() string { return r.String() }

// isVariable tells whether a shell takes the name for a variable.
func isVariable(name string) bool {
	for i, c := range name {
		if c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
