package wire

import (
	"bytes"
	"encoding/json"
)

// Notification encodes a notification. Params that are a json.RawMessage go in as
// they are, nil params are left out.
func Notification(method string, params any) ([]byte, error) {
	b := newBody()
	b.raw(`,"method":`)
	if err := b.value(method); err != nil {
		return nil, err
	}
	if params != nil {
		b.raw(`,"params":`)
		if err := b.value(params); err != nil {
			return nil, err
		}
	}
	return b.bytes(), nil
}

// response encodes a reply; member is "result" or "error".
func response(id json.RawMessage, member string, value any) ([]byte, error) {
	b := newBody()
	b.raw(`,"id":`)
	b.buf.Write(id)
	b.raw(`,"` + member + `":`)
	if err := b.value(value); err != nil {
		return nil, err
	}
	return b.bytes(), nil
}

// body builds a message.
type body struct{ buf bytes.Buffer }

func newBody() *body {
	b := new(body)
	b.raw(`{"jsonrpc":"2.0"`)
	return b
}

func (b *body) raw(s string) { b.buf.WriteString(s) }

func (b *body) value(v any) error {
	if raw, ok := v.(json.RawMessage); ok {
		if len(raw) == 0 {
			raw = null
		}
		b.buf.Write(raw)
		return nil
	}
	enc := json.NewEncoder(&b.buf)
	// Code is full of <, > and &, and no client puts a message into HTML unread.
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	b.buf.Truncate(b.buf.Len() - 1) // the encoder's newline
	return nil
}

func (b *body) bytes() []byte {
	b.raw(`}`)
	return b.buf.Bytes()
}

var null = json.RawMessage("null")
