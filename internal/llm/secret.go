package llm

import (
	"encoding/json"
	"strings"
)

// SecretMask is what OpenHands writes in place of a secret.
const SecretMask = "**********"

// Secret is a string that is never written out: it encodes as [SecretMask].
// The mask, a blank and null all decode as "", and so does a value that is still
// encrypted.
type Secret string

// Unread tells whether a stored text stands for a secret that is not known: it is
// the mask, or a Fernet token, which its reader would have replaced if it could.
func Unread(stored string) bool {
	return stored == SecretMask || strings.HasPrefix(stored, "gAAAAA")
}

// MarshalJSON writes the mask.
func (s Secret) MarshalJSON() ([]byte, error) {
	if s == "" {
		return []byte("null"), nil
	}
	return []byte(`"` + SecretMask + `"`), nil
}

// UnmarshalJSON reads the value.
func (s *Secret) UnmarshalJSON(data []byte) error {
	var value string
	if err := json.Unmarshal(data, &value); err != nil {
		return err
	}
	value = strings.TrimSpace(value)
	if Unread(value) {
		value = ""
	}
	*s = Secret(value)
	return nil
}

// String gives the mask, so that a secret can't be printed by accident.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return SecretMask
}

// GoString gives the mask too.
func (s Secret) GoString() string { return s.String() }

// Reveal gives the value itself.
func (s Secret) Reveal() string { return string(s) }

// Scrub replaces every secret in the text by the mask. Secrets of fewer than
// six bytes stay: they would tear ordinary words apart.
func Scrub(text string, secrets ...string) string {
	for _, s := range secrets {
		if len(s) >= 6 {
			text = strings.ReplaceAll(text, s, SecretMask)
		}
	}
	return text
}
