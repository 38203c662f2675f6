package event

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Blob stands on the wire for a string of an event that is too long for a
// client.
type Blob struct {
	// Blob names the string: the id of the event, then its JSON pointer (RFC 6901).
	Blob string `json:"blob"`
	// Size is the length of the whole in bytes of UTF-8.
	Size int `json:"size"`
	// Head and Tail are how it begins and ends.
	Head string `json:"head"`
	Tail string `json:"tail"`
}

// maxShown is the most bytes of a head or a tail.
const maxShown = 4096

// Cut gives an event's JSON with a [Blob] in the place of each string of more
// than limit bytes. Everything else stays as it is, to the byte; where nothing is
// too long, what comes back is raw itself.
func Cut(raw json.RawMessage, id string, limit int) json.RawMessage {
	if len(raw) <= limit {
		return raw // escaped or not, no string in it is longer
	}
	var out []byte
	done := 0
	walk := walker{raw: raw, visit: func(pointer []byte, start, end int) {
		if end-start-2 <= limit {
			return
		}
		var text string
		if json.Unmarshal(raw[start:end], &text) != nil || len(text) <= limit {
			return
		}
		shown := min(limit/4, maxShown)
		cut, err := json.Marshal(Blob{id + string(pointer), len(text), head(text, shown), tail(text, shown)})
		if err != nil {
			return // strings and integers always encode
		}
		out = append(append(out, raw[done:start]...), cut...)
		done = end
	}}
	if !walk.value() || done == 0 {
		return raw
	}
	return append(out, raw[done:]...)
}

// head gives the first n bytes of a text, less where a character would be cut.
func head(text string, n int) string {
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// tail gives the last n bytes of a text, less where a character would be cut.
func tail(text string, n int) string {
	at := len(text) - n
	for at < len(text) && !utf8.RuneStart(text[at]) {
		at++
	}
	return text[at:]
}

// StringAt gives the string at a JSON pointer; false if there is none.
func StringAt(raw json.RawMessage, pointer string) (text string, ok bool) {
	walk := walker{raw: raw, visit: func(at []byte, start, end int) {
		if !ok && string(at) == pointer {
			ok = json.Unmarshal(raw[start:end], &text) == nil
		}
	}}
	return text, walk.value() && ok
}

// walker visits the strings of a JSON value, but for the keys of objects, with
// their places.
type walker struct {
	raw     []byte
	at      int
	pointer []byte
	visit   func(pointer []byte, start, end int)
}

// value walks over the value that begins at the place. It is false where the
// text is no JSON.
func (w *walker) value() bool {
	switch w.next() {
	case '{':
		return w.list('}', func(int) bool {
			start := w.at
			if w.next() != '"' || !w.text() {
				return false
			}
			var key string
			if json.Unmarshal(bytes.TrimSpace(w.raw[start:w.at]), &key) != nil || w.next() != ':' {
				return false
			}
			w.at++
			return w.below(escapePointer.Replace(key))
		})
	case '[':
		return w.list(']', func(i int) bool { return w.below(strconv.Itoa(i)) })
	case '"':
		start := w.at
		if !w.text() {
			return false
		}
		w.visit(w.pointer, start, w.at)
		return true
	case 0:
		return false
	}
	for w.at < len(w.raw) && !bytes.ContainsRune([]byte(",]} \t\r\n"), rune(w.raw[w.at])) {
		w.at++
	}
	return true
}

var escapePointer = strings.NewReplacer("~", "~0", "/", "~1")

// list walks over an object or an array; item walks over the ith of what it
// holds.
func (w *walker) list(end byte, item func(i int) bool) bool {
	w.at++
	if w.next() == end {
		w.at++
		return true
	}
	for i := 0; ; i++ {
		if !item(i) {
			return false
		}
		switch w.next() {
		case ',':
			w.at++
		case end:
			w.at++
			return true
		default:
			return false
		}
	}
}

// below walks over a value that is a part of the one that is walked over.
func (w *walker) below(name string) bool {
	n := len(w.pointer)
	w.pointer = append(append(w.pointer, '/'), name...)
	ok := w.value()
	w.pointer = w.pointer[:n]
	return ok
}

// text walks over a string.
func (w *walker) text() bool {
	for w.at++; w.at < len(w.raw); w.at++ {
		switch w.raw[w.at] {
		case '"':
			w.at++
			return true
		case '\\':
			w.at++
		}
	}
	return false
}

// next gives the next byte that is no space; 0 at the end.
func (w *walker) next() byte {
	for ; w.at < len(w.raw); w.at++ {
		switch b := w.raw[w.at]; b {
		case ' ', '\t', '\r', '\n':
		default:
			return b
		}
	}
	return 0
}
