package agent

import (
	"bytes"
	"encoding/json"

	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// masked hides the credentials in a part of an Agent that is only carried along:
// the key of a condenser's model, the logins of MCP servers, the secrets of an
// agent context. Where there is none the part comes back as it was.
func masked(raw json.RawMessage) json.RawMessage {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber() // a number must come out as it came in
	var v any
	if d.Decode(&v) != nil {
		return raw
	}
	v, found := mask(v, "", named)
	if !found {
		return raw
	}
	out, err := json.Marshal(v)
	if err != nil {
		return raw // what was decoded encodes
	}
	return out
}

// rule tells from its name whether a string is a credential.
type rule func(name string) bool

// The rules, and the members below which another one holds.
var (
	named rule = func(name string) bool {
		switch name {
		case "api_key", "aws_access_key_id", "aws_secret_access_key", "aws_session_token":
			return true
		}
		return false
	}
	every rule = func(name string) bool { return name != "kind" && name != "description" && name != "url" }
	below      = map[string]rule{
		"env": every, "auth": every, "secrets": every, "headers": llm.SecretHeader, "extra_headers": llm.SecretHeader,
	}
)

// mask hides the credentials in v, a member of that name, and tells whether there
// were any.
func mask(v any, name string, secret rule) (hidden any, found bool) {
	switch v := v.(type) {
	case string:
		if v != "" && secret(name) {
			return llm.SecretMask, true
		}
	case []any:
		for i, item := range v {
			h, ok := mask(item, name, secret)
			v[i], found = h, found || ok
		}
	case map[string]any:
		for key, item := range v {
			inner := secret
			if r := below[key]; r != nil {
				inner = r
			}
			h, ok := mask(item, key, inner)
			v[key], found = h, found || ok
		}
	}
	return v, found
}
