package agent

import (
	"bytes"
	"encoding/json"
	"regexp"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/secret"
	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// sealed seals the credentials in a field of an Agent: the keys of models, the
// logins of MCP servers, the secrets of an agent context. Where there is none
// the field comes back as it was.
func sealed(name string, raw json.RawMessage, seal func(string) string) json.RawMessage {
	v, ok := decode(raw)
	if !ok {
		return raw
	}
	s := sealer{seal: seal, mcp: name == "mcp_config"}
	if v = s.walk(v, "", named); !s.found {
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

// The rules for what is not below one of the members of [sealer.below].
func named(name string) bool {
	switch name {
	case "api_key", "aws_access_key_id", "aws_secret_access_key", "aws_session_token":
		return true
	}
	return false
}

func every(name string) bool {
	switch name {
	case "kind", "description", "url", "strategy", "header_name", "username":
		return false
	}
	return true
}

// reference is a text that names secrets and holds none: ${TOKEN}, Bearer ${TOKEN}.
var reference = regexp.MustCompile(`^((?i:bearer|basic|token) )?(\$\{[A-Za-z_][A-Za-z0-9_]*\})+$`)

type sealer struct {
	seal func(string) string
	// mcp tells that every header is a secret, as OpenHands has it for MCP servers.
	mcp   bool
	found bool
}

// below gives the rule that holds below a member; nil if none begins there.
func (s *sealer) below(name string) rule {
	switch name {
	case "env", "auth", "secrets":
		return every
	case "headers":
		if s.mcp {
			return every
		}
		return secret.IsSecretHeader
	case "extra_headers":
		return llm.SecretHeader
	}
	return nil
}

// walk seals the credentials in v, a member of that name.
func (s *sealer) walk(v any, name string, secret rule) any {
	switch v := v.(type) {
	case string:
		if v != "" && secret(name) && !(s.mcp && reference.MatchString(v)) {
			s.found = true
			return s.seal(v)
		}
	case []any:
		for i, item := range v {
			v[i] = s.walk(item, name, secret)
		}
	case map[string]any:
		for key, item := range v {
			inner := secret
			if r := s.below(key); r != nil {
				inner = r
			}
			v[key] = s.walk(item, key, inner)
		}
	}
	return v
}

// withOwn puts the credentials that the agent brought with it into its encoded
// model: those alone are the conversation's, the others are looked up each time.
func withOwn(encoded, own json.RawMessage) json.RawMessage {
	into, ok := decode(encoded)
	from, also := decode(own)
	model, isObject := into.(map[string]any)
	given, alsoObject := from.(map[string]any)
	if !ok || !also || !isObject || !alsoObject {
		return encoded
	}
	found := false
	take := func(into, from map[string]any, secret rule) {
		for name, v := range from {
			if text, ok := v.(string); ok && text != "" && text != llm.SecretMask && secret(name) {
				into[name], found = text, true
			}
		}
	}
	take(model, given, named)
	if headers, ok := given["extra_headers"].(map[string]any); ok {
		own, ok := model["extra_headers"].(map[string]any)
		if !ok {
			own = map[string]any{}
		}
		if take(own, headers, llm.SecretHeader); len(own) > 0 {
			model["extra_headers"] = own
		}
	}
	if !found {
		return encoded
	}
	out, err := json.Marshal(model)
	if err != nil {
		return encoded // what was decoded encodes
	}
	return out
}

// decode reads JSON whose numbers come out as they came in.
func decode(raw json.RawMessage) (v any, ok bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return v, d.Decode(&v) == nil
}

// hidden hides secrets in what the model is to read: an event that was stored
// before a secret was known holds it in clear.
func (l *LLM) hidden(messages []event.LLMMessage) []event.LLMMessage {
	mask := l.env.Mask
	if mask == nil {
		return messages
	}
	out := messages
	for i, m := range messages {
		changed := false
		text := func(s string) string {
			hidden := mask(s)
			changed = changed || hidden != s
			return hidden
		}
		content := make([]event.Content, len(m.Content))
		for j, part := range m.Content {
			part.Text = text(part.Text)
			content[j] = part
		}
		calls := make([]event.ToolCall, len(m.ToolCalls))
		for j, call := range m.ToolCalls {
			call.Arguments = text(call.Arguments)
			calls[j] = call
		}
		reasoning := text(m.ReasoningContent)
		if !changed {
			continue
		}
		if &out[0] == &messages[0] {
			out = append([]event.LLMMessage(nil), messages...)
		}
		m.Content, m.ToolCalls, m.ReasoningContent = content, calls, reasoning
		out[i] = m
	}
	return out
}
