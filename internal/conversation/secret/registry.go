// Package secret holds the secrets of a conversation: OpenHands' SecretRegistry.
// It tells which of them a command names and gets their values: they are there,
// behind a URL, or with the client. It writes them to disk encrypted, or without
// their values, and hides the values in whatever leaves the process: in texts, in
// encoded events, in streams that cut a value in two.
//
// A [Registry] may be used from any goroutine; a [Stream] belongs to one. A
// goroutine per lookup runs only while [Registry.Variables] or [Registry.Value]
// does.
package secret

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/agent-rpc/agent-rpc/internal/conversation/secret/fernet"
)

// Registry is the secrets of one conversation. The zero value has none, stores
// no values and knows no client.
type Registry struct {
	options Options
	vault   vault
	values  Values

	mu      sync.Mutex
	sources map[string]*source
}

// Options are what a registry needs to get values and to store them.
type Options struct {
	// Key encrypts the values on disk; without it they are not stored. // optional
	Key *fernet.Key
	// Client asks the client for the value of a ClientSecret. It gives up when ctx
	// ends; its error says why there is no value. // optional
	Client func(ctx context.Context, name string) (string, error)
	// Server is where relative urls of lookups lead; [DefaultServer] if empty. // optional
	Server string
	// Values gets all values that the registry hides, for what is of no one
	// conversation, such as the log. // optional
	Values *Values
	// Hide are values to hide that are not of any secret, such as the key's text.
	// // optional
	Hide []string
}

// New makes an empty registry.
func New(o Options) *Registry {
	r := &Registry{options: o}
	r.vault.key = o.Key
	r.hide(o.Hide...)
	return r
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
// replaces one that has or can get a value, nor a masked header one that is
// known. If anything is wrong nothing is changed; the error names the secret,
// never its value.
func (r *Registry) Update(secrets map[string]json.RawMessage) error {
	parsed, err := r.parseAll(secrets)
	if err != nil {
		return err
	}
	r.merge(parsed)
	return nil
}

// Adopt takes over what another registry holds, and hides what it hides.
func (r *Registry) Adopt(other *Registry) {
	sources := make(map[string]*source)
	other.mu.Lock()
	for name, s := range other.sources {
		adopted := *s
		sources[name] = &adopted
	}
	other.mu.Unlock()
	r.merge(sources)
	r.hide(other.values.all()...)
}

// Seed sets those of the secrets that are not there or have no value and no way
// to one: those of an agent's context.
func (r *Registry) Seed(secrets map[string]json.RawMessage) error {
	parsed, err := r.parseAll(secrets)
	if err != nil {
		return err
	}
	r.mu.Lock()
	maps.DeleteFunc(parsed, func(name string, s *source) bool {
		old := r.sources[name]
		return s == nil || old != nil && !old.empty()
	})
	r.mu.Unlock()
	r.merge(parsed)
	return nil
}

func (r *Registry) parseAll(secrets map[string]json.RawMessage) (map[string]*source, error) {
	parsed := make(map[string]*source, len(secrets))
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		if strings.TrimSpace(name) == "" {
			return nil, fmt.Errorf("a secret has no name")
		}
		s, err := r.parse(secrets[name])
		if err != nil {
			return nil, fmt.Errorf("secret %s: %w", name, err)
		}
		parsed[name] = s
	}
	return parsed, nil
}

// Load reads what [Registry.MarshalJSON] or OpenHands wrote to base_state.json.
// Kinds that are not known and values that can't be read are kept as they are.
// Values already known are not replaced by masks. clients names the secrets that
// are the client's: on disk they are StaticSecrets without a value.
func (r *Registry) Load(raw json.RawMessage, clients []string) error {
	var stored struct {
		Sources map[string]json.RawMessage `json:"secret_sources"`
	}
	if err := json.Unmarshal(raw, &stored); err != nil {
		return fmt.Errorf("reading secrets: %w", err)
	}
	parsed := make(map[string]*source, len(stored.Sources))
	for name, raw := range stored.Sources {
		s := r.parseStored(raw)
		if s == nil || strings.TrimSpace(name) == "" {
			continue
		}
		if s.empty() && slices.Contains(clients, name) {
			s.kind = KindClient
		}
		parsed[name] = s
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
	var values []string
	for name, s := range parsed {
		old := r.sources[name]
		switch {
		case s == nil:
			delete(r.sources, name)
		case old != nil && s.empty() && !old.empty():
		default:
			s.takeHeaders(old)
			r.sources[name] = s
			values = append(values, s.secrets()...)
		}
	}
	r.hide(values...)
}

func (r *Registry) hide(values ...string) {
	r.values.Hide(values...)
	r.options.Values.Hide(values...)
}

// Hide hides values that are not of any secret, such as a model's key.
func (r *Registry) Hide(values ...string) { r.hide(values...) }

// Names are the names of all secrets, sorted.
func (r *Registry) Names() []string {
	return r.names(func(string, *source) bool { return true })
}

// Clients are the names of the secrets that are the client's, sorted.
func (r *Registry) Clients() []string {
	return r.names(func(_ string, s *source) bool { return s.kind == KindClient })
}

// Unread are the names of the secrets that are stored encrypted and can't be
// read, sorted.
func (r *Registry) Unread() []string {
	return r.names(func(_ string, s *source) bool { return s.unread() })
}

// names are the names of the secrets that are wanted, sorted.
func (r *Registry) names(wanted func(name string, s *source) bool) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for name, s := range r.sources {
		if wanted(name, s) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Infos tells of all secrets what may be told, sorted by name.
func (r *Registry) Infos() []Info {
	r.mu.Lock()
	defer r.mu.Unlock()
	var infos []Info
	for name, s := range r.sources {
		infos = append(infos, Info{name, s.description, s.kind, s.value != ""})
	}
	slices.SortFunc(infos, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return infos
}

// MarshalJSON writes the registry as it stands in base_state.json: values sealed,
// and only kinds that OpenHands knows.
func (r *Registry) MarshalJSON() ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	stored := make(map[string]json.RawMessage, len(r.sources))
	for name, s := range r.sources {
		raw, err := s.stored(r.vault.seal, r.Mask(s.description))
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
