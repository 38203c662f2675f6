package secret

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Mask hides all values that were ever known in a text; also where they are
// escaped for JSON, once or twice, quoted for a shell, escaped for a URL or
// written in base64 (those of eight bytes or more). Values that overlap become
// one [Hidden]. Values of one or two characters and bare booleans are not hidden.
// Without secrets it allocates nothing.
func (r *Registry) Mask(text string) string { return r.values.masker.Load().mask(text) }

// MaskJSON hides the values in the strings of an encoded event, so that it stays
// the event that it is: numbers, literals and what an event is known by (ids,
// kinds, roles, names of tools, signatures) are left alone, keys too unless they
// look like no name. The arguments of a tool call, JSON in a string, stay JSON;
// a number among them that is a value becomes a string. The same slice comes back where nothing is hidden; it is never written to.
func (r *Registry) MaskJSON(raw []byte) []byte {
	m := r.values.masker.Load()
	if m == nil {
		return raw
	}
	out, ok := m.maskJSON(raw, true)
	if !ok {
		// No JSON: nothing of it can break.
		if !m.in(string(raw)) {
			return raw
		}
		return []byte(m.mask(string(raw)))
	}
	return out
}

// frame is an object or a list that is open.
type frame struct {
	object bool
	// key is what stands between the quotes of the current element's key; a list
	// has that of the list itself.
	key []byte
}

// maskJSON hides the values in an event, or in JSON of which nothing is known.
// It gives false if raw is not JSON as far as it looks.
func (m *masker) maskJSON(raw []byte, isEvent bool) ([]byte, bool) {
	var out []byte
	copied := 0 // raw[:copied] is in out
	replace := func(begin, end int, by []byte) {
		out = append(append(out, raw[copied:begin]...), by...)
		copied = end
	}
	var few [16]frame
	open := few[:0]
	for i := 0; i < len(raw); {
		switch raw[i] {
		case '{', '[':
			f := frame{object: raw[i] == '{'}
			if n := len(open); !f.object && n > 0 {
				f.key = open[n-1].key
			}
			open = append(open, f)
			i++
		case '}', ']':
			if len(open) == 0 {
				return nil, false
			}
			open = open[:len(open)-1]
			i++
		case '"':
			end := stringEnd(raw, i)
			if end < 0 {
				return nil, false
			}
			isKey := nextByte(raw, end) == ':'
			if isKey {
				if len(open) == 0 || !open[len(open)-1].object {
					return nil, false
				}
				open[len(open)-1].key = raw[i+1 : end-1]
			}
			if m.inString(raw[i+1 : end-1]) {
				hidden, ok := m.maskString(raw[i:end], open, isKey, isEvent)
				if !ok {
					return nil, false
				}
				if hidden != nil {
					replace(i, end, hidden)
				}
			}
			i = end
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			end := i + 1
			for end < len(raw) && strings.IndexByte("+-.0123456789eE", raw[end]) >= 0 {
				end++
			}
			if !isEvent && m.inString(raw[i:end]) {
				replace(i, end, quote(Hidden))
			}
			i = end
		default:
			i++
		}
	}
	if len(open) > 0 {
		return nil, false
	}
	if out == nil {
		return raw, true
	}
	return append(out, raw[copied:]...), true
}

// maskString hides the values in a quoted string; nil if it is to stay.
func (m *masker) maskString(quoted []byte, open []frame, isKey, isEvent bool) ([]byte, bool) {
	var text string
	if json.Unmarshal(quoted, &text) != nil {
		return nil, false
	}
	if isKey && isWord(text) || !isKey && isEvent && isIdentity(open, text) {
		return nil, true
	}
	masked := ""
	if isEvent && !isKey && len(open) > 0 && string(open[len(open)-1].key) == "arguments" {
		masked = m.maskArguments(text)
	}
	if masked == "" {
		masked = m.mask(text)
	}
	if masked == text {
		return nil, true
	}
	return quote(masked), true
}

// maskArguments hides the values in the arguments of a call; "" if these are no
// JSON object or list.
func (m *masker) maskArguments(text string) string {
	inner := bytes.TrimSpace([]byte(text))
	if len(inner) == 0 || inner[0] != '{' && inner[0] != '[' || !json.Valid(inner) {
		return ""
	}
	hidden, ok := m.maskJSON(inner, false)
	if !ok {
		return ""
	}
	return string(hidden)
}

// isIdentity tells whether a value is what an event, a call or a part of a
// message is known by. It errs on the side of hiding: names that may hold
// anything inside a tool's own JSON count only where they look like a word.
func isIdentity(open []frame, value string) bool {
	n := len(open)
	if n == 0 {
		return false
	}
	key := string(open[n-1].key)
	if n == 1 || n == 2 && !open[1].object {
		switch key {
		case "id", "timestamp", "source", "parent_id", "kind", "tool_name", "tool_call_id", "action_id", "message_id",
			"llm_response_id", "security_risk", "rejection_source", "hook_event_type", "forgotten_event_ids":
			return true
		}
	}
	switch key {
	case "kind", "type", "role", "user_action", "action_type", "observation_type":
		return isWord(value)
	case "image_urls":
		return strings.HasPrefix(value, "data:")
	case "id", "name", "origin", "responses_item_id":
		return within(open, "tool_call", "tool_calls")
	case "tool_call_id":
		return n == 2 && string(open[0].key) == "llm_message"
	case "signature", "data":
		return within(open, "thinking_blocks")
	case "encrypted_content":
		return within(open, "responses_reasoning_item")
	}
	return false
}

// within tells whether the innermost object is the event's value of one of the
// keys, or an element of the list that is; or that of the event's message. A
// tool's own JSON may have the same keys: those don't count.
func within(open []frame, keys ...string) bool {
	if string(open[0].key) == "llm_message" {
		open = open[1:]
	}
	if n := len(open); n != 2 && (n != 3 || open[1].object) {
		return false
	}
	return slices.Contains(keys, string(open[0].key))
}

// isWord tells whether a text is made of letters and underscores only, as names
// of fields and kinds are and values of secrets hardly ever.
func isWord(text string) bool {
	for i := range len(text) {
		if c := text[i]; c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// stringEnd gives the end of the string that begins at i; -1 if it has none.
func stringEnd(raw []byte, i int) int {
	for i++; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return -1
}

// nextByte gives the byte after blanks; 0 at the end.
func nextByte(raw []byte, i int) byte {
	for ; i < len(raw); i++ {
		if c := raw[i]; c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c
		}
	}
	return 0
}

func quote(text string) []byte {
	quoted, _ := encode(text) // a string always encodes
	return quoted
}

// encode is json.Marshal without HTML escaping.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// inString tells whether any form stands in the text of a string, given what is
// between its quotes. It unescapes as it goes, without a copy.
func (m *masker) inString(inner []byte) bool {
	at := int32(0)
	for i := 0; i < len(inner); i++ {
		c := inner[i]
		if c != '\\' {
			if at == 0 {
				at = m.root[c]
			} else {
				at = m.step(at, c)
			}
			if m.nodes[at].found > 0 {
				return true
			}
			continue
		}
		r, size := unescape(inner[i:])
		i += size - 1
		var buf [utf8.UTFMax]byte
		for _, b := range utf8.AppendRune(buf[:0], r) {
			if at = m.step(at, b); m.nodes[at].found > 0 {
				return true
			}
		}
	}
	return false
}

// unescape reads the escape that raw begins with, and tells its length.
func unescape(raw []byte) (rune, int) {
	if len(raw) < 2 {
		return utf8.RuneError, 1
	}
	switch raw[1] {
	case 'n':
		return '\n', 2
	case 't':
		return '\t', 2
	case 'r':
		return '\r', 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'u':
		r := hex4(raw[2:])
		if !utf16.IsSurrogate(r) {
			return r, 6
		}
		if len(raw) >= 12 && raw[6] == '\\' && raw[7] == 'u' {
			if whole := utf16.DecodeRune(r, hex4(raw[8:])); whole != utf8.RuneError {
				return whole, 12
			}
		}
		return utf8.RuneError, 6
	}
	return rune(raw[1]), 2
}

func hex4(raw []byte) rune {
	if len(raw) < 4 {
		return utf8.RuneError
	}
	var r rune
	for _, c := range raw[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return utf8.RuneError
		}
		r = r<<4 | rune(c)
	}
	return r
}
