package stats

import (
	"encoding/json"
	"iter"
)

// members gives the members of an object in the order in which they are
// written; of any other value there are none. The JSON must be valid: histories
// are long, and encoding/json would read them several times over.
func members(object []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		i := skipSpace(object, 0)
		if object[i] != '{' {
			return
		}
		for i = skipSpace(object, i+1); object[i] != '}'; i = skipSpace(object, i) {
			if object[i] == ',' {
				i++
				continue
			}
			end := skipValue(object, i)
			var name string
			if json.Unmarshal(object[i:end], &name) != nil {
				return
			}
			i = skipSpace(object, skipSpace(object, end)+1) // over the colon
			end = skipValue(object, i)
			if !yield(name, object[i:end:end]) {
				return
			}
			i = end
		}
	}
}

func skipSpace(raw []byte, i int) int {
	for i < len(raw) && (raw[i] == ' ' || raw[i] == '\t' || raw[i] == '\r' || raw[i] == '\n') {
		i++
	}
	return i
}

// skipValue gives the end of the value that begins at i.
func skipValue(raw []byte, i int) int {
	depth := 0
	for i < len(raw) {
		switch raw[i] {
		case '"':
			i = skipString(raw, i)
			if depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth <= 0 {
				if depth < 0 { // the end of what a number stands in
					return i
				}
				return i + 1
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return i
}

func skipString(raw []byte, i int) int {
	for i++; raw[i] != '"'; i++ {
		if raw[i] == '\\' {
			i++
		}
	}
	return i + 1
}
