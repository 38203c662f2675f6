package tool

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
)

// object is a JSON object that keeps the order of its members. Models write
// better calls when parameters stay where they were, and people read them
// better.
type object []member

type member struct {
	key   string
	value json.RawMessage
}

var errNotObject = errors.New("not a JSON object")

// parseObject reads an object. A key that comes twice keeps its first place and
// its last value.
func parseObject(raw []byte) (object, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	first, err := dec.Token()
	if err != nil {
		return nil, err
	}
	if first != json.Delim('{') {
		return nil, errNotObject
	}
	var obj object
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		obj.set(key.(string), value)
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	return obj, nil
}

func (o object) index(key string) int {
	return slices.IndexFunc(o, func(m member) bool { return m.key == key })
}

// get gives the value of key; nil if there is none.
func (o object) get(key string) json.RawMessage {
	if i := o.index(key); i >= 0 {
		return o[i].value
	}
	return nil
}

func (o object) has(key string) bool { return o.index(key) >= 0 }

func (o *object) set(key string, value json.RawMessage) {
	if i := o.index(key); i >= 0 {
		(*o)[i].value = value
		return
	}
	*o = append(*o, member{key, value})
}

func (o *object) setString(key, value string) { o.set(key, quote(value)) }

// text gives the value of key where it is a string.
func (o object) text(key string) (string, bool) {
	var s string
	raw := o.get(key)
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

// remove takes key out and gives its value; nil if there was none.
func (o *object) remove(key string) json.RawMessage {
	i := o.index(key)
	if i < 0 {
		return nil
	}
	value := (*o)[i].value
	*o = slices.Delete(*o, i, i+1)
	return value
}

func (o object) keys() []string {
	keys := make([]string, len(o))
	for i := range o {
		keys[i] = o[i].key
	}
	return keys
}

// encode writes the object on one line, each value as it came.
func (o object) encode() json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('{')
	for i := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(quote(o[i].key))
		b.WriteByte(':')
		b.Write(o[i].value)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// quote writes a JSON string without HTML escaping.
func quote(s string) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// compact writes a JSON value on one line; what is no JSON stays as it is.
func compact(raw json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return raw
	}
	return b.Bytes()
}

func isNull(raw json.RawMessage) bool { return string(bytes.TrimSpace(raw)) == "null" }
