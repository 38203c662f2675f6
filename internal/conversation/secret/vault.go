package secret

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"

	"github.com/agent-rpc/agent-rpc/internal/conversation/secret/fernet"
)

// Mask is what OpenHands writes in place of a secret that it does not store.
const Mask = "**********"

// vault turns values into what stands for them on disk, and back: with a key
// into tokens, without one into [Mask]. What was found on disk and can't be read
// is kept as it is.
type vault struct {
	key *fernet.Key

	mu sync.Mutex
	// tokens are the tokens of values, so that what does not change is the same on
	// disk each time.
	tokens map[string]string
	// kept are the tokens that were found on disk and are not of this key.
	kept map[string]bool
}

// seal gives what stands on disk for a value.
func (v *vault) seal(value string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case value == "" || value == Mask || v.kept[value]:
		return value
	case v.key == nil:
		return Mask
	}
	token := v.tokens[value]
	if token == "" {
		token = v.key.Encrypt(value)
		v.remember(value, token)
	}
	return token
}

func (v *vault) remember(value, token string) {
	if v.tokens == nil {
		v.tokens = make(map[string]string)
	}
	v.tokens[value] = token
}

// open gives the value of what stands on disk. It is false for a token that
// can't be read, which is kept.
func (v *vault) open(stored string) (value string, ok bool) {
	if !fernet.IsToken(stored) {
		return stored, true
	}
	if value, ok := v.decrypt(stored); ok {
		return value, true
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.kept == nil {
		v.kept = make(map[string]bool)
	}
	v.kept[stored] = true
	return stored, false
}

// isKept tells whether a text is a token that was found on disk and can't be read.
func (v *vault) isKept(text string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.kept[text]
}

// decrypt reads a token of the key.
func (v *vault) decrypt(token string) (value string, ok bool) {
	if v.key == nil || !fernet.IsToken(token) {
		return "", false
	}
	value, err := v.key.Decrypt(token)
	if err != nil {
		return "", false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.remember(value, token)
	return value, true
}

// Seal gives what stands on disk for the value of a secret: a token with a key,
// [Mask] without; for a token that was found there and can't be read, itself.
func (r *Registry) Seal(value string) string { return r.vault.seal(value) }

// Unseal reads the tokens in JSON that was on disk. It tells how many can't be
// read; they stay, and [Registry.Seal] leaves them as they are.
func (r *Registry) Unseal(stored json.RawMessage) (opened json.RawMessage, unread int) {
	return eachString(stored, func(text string) string {
		value, ok := r.vault.open(text)
		if !ok {
			unread++
		}
		return value
	}), unread
}

// Fill puts what is stored in the place of every [Mask] in what is given: a mask
// stands for a value that the caller was not shown. The values of one server are
// not given to another: where a url, a base_url, a command or a model's provider
// differs, masks stay. Tokens of the key are read.
func (r *Registry) Fill(given, stored json.RawMessage) json.RawMessage {
	given = eachString(given, func(text string) string {
		if value, ok := r.vault.decrypt(text); ok {
			return value
		}
		return text
	})
	if !bytes.Contains(given, []byte(Mask)) || len(stored) == 0 {
		return given
	}
	into, ok := decode(given)
	from, also := decode(stored)
	if !ok || !also {
		return given
	}
	out, err := encode(fill(into, from))
	if err != nil {
		return given // what was decoded encodes
	}
	return out
}

func fill(into, from any) any {
	switch v := into.(type) {
	case string:
		if value, ok := from.(string); ok && v == Mask && value != "" {
			return value
		}
	case []any:
		if list, ok := from.([]any); ok && len(list) == len(v) {
			for i := range v {
				v[i] = fill(v[i], list[i])
			}
		}
	case map[string]any:
		object, ok := from.(map[string]any)
		if !ok || place(v) != place(object) {
			return into
		}
		for name, item := range v {
			if old, ok := object[name]; ok {
				v[name] = fill(item, old)
			}
		}
	}
	return into
}

// place tells where the secrets in an object go.
func place(object map[string]any) (p [4]string) {
	for i, name := range []string{"url", "base_url", "command", "model"} {
		p[i], _ = object[name].(string)
	}
	p[3], _, _ = strings.Cut(p[3], "/")
	return p
}

// eachString replaces the strings in JSON that could be tokens; the same comes
// back where nothing changes.
func eachString(raw json.RawMessage, replace func(string) string) json.RawMessage {
	if !bytes.Contains(raw, []byte("gAAAAA")) {
		return raw
	}
	v, ok := decode(raw)
	if !ok {
		return raw
	}
	var walk func(any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case string:
			return replace(v)
		case []any:
			for i := range v {
				v[i] = walk(v[i])
			}
		case map[string]any:
			for name := range v {
				v[name] = walk(v[name])
			}
		}
		return v
	}
	out, err := encode(walk(v))
	if err != nil {
		return raw // what was decoded encodes
	}
	return out
}

// decode reads JSON whose numbers come out as they came in.
func decode(raw []byte) (v any, ok bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return v, d.Decode(&v) == nil
}
