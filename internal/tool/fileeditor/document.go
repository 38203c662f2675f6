package fileeditor

import (
	"bytes"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/aymanbagabas/go-udiff"
)

// document is a text file: its text as the model sees it, and what it takes to
// write it back so that every byte outside an edit stays what it was.
type document struct {
	charset charset
	// bom is the byte order mark the file begins with, if any.
	bom []byte
	// raw is the decoded content with its own line endings.
	raw string
	// text is raw with "\n" for every line ending.
	text string
	// crlf holds the offsets in text of the line breaks that are two bytes in raw.
	crlf []int
	// lf and cr count the line breaks that are a lone "\n" and a lone "\r".
	lf, cr int
}

var errBinary = errors.New("this is a binary file, not text")

// parse reads a file's bytes. Its error says that they are no text.
func parse(data []byte) (*document, error) {
	cs, bom, err := detect(data)
	if err != nil {
		return nil, err
	}
	raw, err := cs.decode(data[len(bom):])
	if err != nil {
		return nil, err
	}
	d := &document{charset: cs, bom: bom}
	d.setRaw(raw)
	return d, nil
}

func (d *document) setRaw(raw string) {
	d.raw, d.text, d.crlf, d.lf, d.cr = raw, raw, nil, 0, 0
	if strings.IndexByte(raw, '\r') < 0 {
		d.lf = strings.Count(raw, "\n")
		return
	}
	var b strings.Builder
	b.Grow(len(raw))
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '\r' && i+1 < len(raw) && raw[i+1] == '\n':
			d.crlf = append(d.crlf, b.Len())
			b.WriteByte('\n')
			i++
		case c == '\r':
			d.cr++
			b.WriteByte('\n')
		default:
			if c == '\n' {
				d.lf++
			}
			b.WriteByte(c)
		}
	}
	d.text = b.String()
}

// bytes gives what is written to disk. Its error names a character that the
// file's encoding has no place for.
func (d *document) bytes() ([]byte, error) {
	body, err := d.charset.encode(d.raw)
	if err != nil {
		return nil, err
	}
	return append(bytes.Clone(d.bom), body...), nil
}

// rawOffset gives the place in raw of a place in text.
func (d *document) rawOffset(at int) int { return at + sort.SearchInts(d.crlf, at) }

// mixed tells whether the file has line endings of more than one kind.
func (d *document) mixed() bool {
	kinds := 0
	for _, n := range []int{len(d.crlf), d.lf, d.cr} {
		if n > 0 {
			kinds++
		}
	}
	return kinds > 1
}

// eolAt gives the line ending that stands at a "\n" of text.
func (d *document) eolAt(at int) string {
	switch i := d.rawOffset(at); {
	case d.raw[i] == '\n':
		return "\n"
	case i+1 < len(d.raw) && d.raw[i+1] == '\n' && sort.SearchInts(d.crlf, at+1) > sort.SearchInts(d.crlf, at):
		return "\r\n"
	}
	return "\r"
}

// eolFor gives the line ending for text put in place of [start, end): that of
// the first line it replaces, else of the line before, else of the line after,
// else of new files.
func (d *document) eolFor(start, end int) string {
	if i := strings.IndexByte(d.text[start:end], '\n'); i >= 0 {
		return d.eolAt(start + i)
	}
	if i := strings.LastIndexByte(d.text[:start], '\n'); i >= 0 {
		return d.eolAt(i)
	}
	if i := strings.IndexByte(d.text[end:], '\n'); i >= 0 {
		return d.eolAt(end + i)
	}
	return "\n"
}

// replace puts replacement in place of [start, end) of text. In a file of mixed
// line endings the lines that both have keep theirs.
func (d *document) replace(start, end int, replacement string) {
	replacement = unify(replacement)
	if !d.mixed() {
		eol := d.eolFor(start, end)
		d.splice(d.rawOffset(start), d.rawOffset(end), strings.ReplaceAll(replacement, "\n", eol))
		return
	}
	edits := udiff.Lines(d.text[start:end], replacement)
	// From the last to the first, so that offsets stay right; raw is not read
	// again before the next one is placed in front of it.
	type change struct {
		start, end int
		text       string
	}
	changes := make([]change, len(edits))
	for i, e := range edits {
		from, to := start+e.Start, start+e.End
		changes[i] = change{d.rawOffset(from), d.rawOffset(to), strings.ReplaceAll(e.New, "\n", d.eolFor(from, to))}
	}
	raw := d.raw
	for i := len(changes) - 1; i >= 0; i-- {
		c := changes[i]
		raw = concat(concat(raw[:c.start], c.text), raw[c.end:])
	}
	d.setRaw(raw)
}

// splice puts s in place of [start, end) of raw, as it is.
func (d *document) splice(start, end int, s string) {
	d.setRaw(concat(concat(d.raw[:start], s), d.raw[end:]))
}

// concat joins two pieces of raw text so that a lone "\r" and a lone "\n" do not
// become one line ending.
func concat(a, b string) string {
	if strings.HasSuffix(a, "\r") && strings.HasPrefix(b, "\n") {
		return a + "\n" + b
	}
	return a + b
}

// insertAfter puts lines after the n-th line, counted from 1; 0 is the top.
func (d *document) insertAfter(n int, lines string) {
	at := lineStart(d.text, n+1)
	if at > 0 && d.text[at-1] != '\n' {
		// The last line has no end yet; without one the new lines would run into it.
		d.replaceVerbatim(at, d.eolFor(at, at))
		at = len(d.text)
	}
	d.replaceVerbatim(at, strings.ReplaceAll(unify(lines), "\n", d.eolFor(at, at)))
}

func (d *document) replaceVerbatim(at int, s string) {
	i := d.rawOffset(at)
	d.splice(i, i, s)
}

// lines counts the lines; a last line without an end counts.
func (d *document) lines() int { return countLines(d.text) }

func countLines(text string) int {
	n := strings.Count(text, "\n")
	if text != "" && !strings.HasSuffix(text, "\n") {
		n++
	}
	return n
}

// lineStart gives the offset at which the n-th line begins, counted from 1; the
// end of text if there are fewer.
func lineStart(text string, n int) int {
	at := 0
	for ; n > 1; n-- {
		i := strings.IndexByte(text[at:], '\n')
		if i < 0 {
			return len(text)
		}
		at += i + 1
	}
	return at
}

// lineOf gives the line, counted from 1, that an offset of text is on.
func lineOf(text string, at int) int { return strings.Count(text[:at], "\n") + 1 }

// unify makes every line ending "\n".
func unify(s string) string {
	if strings.IndexByte(s, '\r') < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}

// unencodableError says that the file's encoding lacks a character.
type unencodableError struct {
	r       rune
	charset string
}

func (e *unencodableError) Error() string {
	return fmt.Sprintf("the file is encoded as %s, which has no character %q (U+%04X); write it without that character, or convert the file first",
		e.charset, e.r, e.r)
}
