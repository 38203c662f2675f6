package fileeditor

import (
	"bytes"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// charset is a character encoding. Its zero value is UTF-8, in which bytes that
// are no UTF-8 are kept as they are.
type charset struct {
	name string
	enc  encoding.Encoding
}

func (c charset) decode(data []byte) (string, error) {
	if c.enc == nil {
		return string(data), nil
	}
	text, err := c.enc.NewDecoder().Bytes(data)
	if err != nil {
		return "", errBinary
	}
	return string(text), nil
}

func (c charset) encode(text string) ([]byte, error) {
	if c.enc == nil {
		return []byte(text), nil
	}
	data, err := c.enc.NewEncoder().Bytes([]byte(text))
	if err == nil {
		return data, nil
	}
	for _, r := range text {
		if _, err := c.enc.NewEncoder().String(string(r)); err != nil {
			return nil, &unencodableError{r, c.name}
		}
	}
	return nil, err
}

// keeps tells whether data comes back byte for byte from its text. Without that
// an edit would change bytes far from it.
func (c charset) keeps(data []byte) bool {
	if c.enc == nil {
		return true
	}
	text, err := c.decode(data)
	if err != nil {
		return false
	}
	again, err := c.enc.NewEncoder().String(text)
	return err == nil && again == string(data)
}

var (
	utf8Charset  = charset{name: "UTF-8"}
	utf16LE      = charset{"UTF-16LE", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)}
	utf16BE      = charset{"UTF-16BE", unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)}
	utf32LE      = charset{"UTF-32LE", utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)}
	utf32BE      = charset{"UTF-32BE", utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)}
	latin1       = charset{"ISO-8859-1", charmap.ISO8859_1}
	markedByMark = []struct {
		mark    string
		charset charset
	}{
		// UTF-32LE begins with the mark of UTF-16LE and so comes first.
		{"\xff\xfe\x00\x00", utf32LE},
		{"\x00\x00\xfe\xff", utf32BE},
		{"\xef\xbb\xbf", utf8Charset},
		{"\xff\xfe", utf16LE},
		{"\xfe\xff", utf16BE},
	}
)

// sniffed is how much of a file tells whether it is text.
const sniffed = 1024

// detect finds a file's encoding and its byte order mark. Whatever it finds
// gives the same bytes back.
func detect(data []byte) (charset, []byte, error) {
	for _, m := range markedByMark {
		if rest, ok := bytes.CutPrefix(data, []byte(m.mark)); ok && m.charset.keeps(rest) {
			return m.charset, data[:len(m.mark)], nil
		}
	}
	if bytes.IndexByte(data[:min(len(data), sniffed)], 0) >= 0 {
		if cs, ok := utf16Without(data); ok {
			return cs, nil, nil
		}
		return charset{}, nil, errBinary
	}
	valid, broken := countSequences(data)
	controls := controlShare(data)
	if broken == 0 {
		if controls > 0.3 {
			return charset{}, nil, errBinary
		}
		return utf8Charset, nil, nil
	}
	if controls > 0.02 || bytes.IndexByte(data, 0) >= 0 {
		return charset{}, nil, errBinary
	}
	if valid > broken {
		// UTF-8 with a few broken bytes, which nothing else would show better.
		return utf8Charset, nil, nil
	}
	return guessLegacy(data), nil, nil
}

// countSequences counts the multi-byte sequences of UTF-8, and the bytes that
// belong to none.
func countSequences(data []byte) (valid, broken int) {
	if utf8.Valid(data) {
		return 0, 0
	}
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && size == 1:
			broken++
		case size > 1:
			valid++
		}
		data = data[size:]
	}
	return valid, broken
}

// controlShare gives the share of control characters in the beginning of a file
// that no text has.
func controlShare(data []byte) float64 {
	head := data[:min(len(data), sniffed)]
	n := 0
	for _, c := range head {
		if (c < 0x20 && (c < '\b' || c > '\r') && c != 0x1b) || c == 0x7f {
			n++
		}
	}
	return float64(n) / float64(max(len(head), 1))
}

// utf16Without recognises UTF-16 without a mark by the zero bytes of its ASCII
// characters, which all stand on the same side.
func utf16Without(data []byte) (charset, bool) {
	if len(data)%2 != 0 {
		return charset{}, false
	}
	var zeros [2]int
	head := data[:min(len(data), sniffed)]
	for i, c := range head {
		if c == 0 {
			zeros[i%2]++
		}
	}
	pairs := len(head) / 2
	for side, cs := range []charset{utf16BE, utf16LE} {
		if zeros[side]*2 >= pairs && zeros[1-side] == 0 && cs.keeps(data) {
			text, err := cs.decode(data)
			return cs, err == nil && controlShare([]byte(text)) < 0.02
		}
	}
	return charset{}, false
}
