package rpc

import (
	"strings"
	"unicode/utf8"
)

// position is LSP's place in a document: a line, and units of the negotiated
// encoding from its beginning.
type position struct {
	Line      int `json:"line"`
	Character int `json:"character"`
}

type textRange struct {
	Start position `json:"start"`
	End   position `json:"end"`
}

// positions translates between places of LSP and byte offsets: lines end with
// "\n", "\r\n" or "\r", characters count UTF-16 code units, or bytes where utf8
// is set.
type positions struct{ utf8 bool }

// offset gives the byte offset of a place. As LSP says, a character behind the
// end of its line is the end; a line behind the last is the end of the text.
func (p positions) offset(text string, at position) int {
	start := 0
	for range at.Line {
		_, next := endOfLine(text, start)
		if next == start || next == len(text) && !endsLine(text) {
			return len(text)
		}
		start = next
	}
	end, _ := endOfLine(text, start)
	if p.utf8 {
		offset := min(start+max(at.Character, 0), end)
		for offset > start && offset < end && !utf8.RuneStart(text[offset]) {
			offset-- // inside a character
		}
		return offset
	}
	for units := 0; start < end && units < at.Character; {
		r, size := utf8.DecodeRuneInString(text[start:end])
		units += unitsOf(r)
		start += size
	}
	return start
}

// at gives the place of a byte offset.
func (p positions) at(text string, offset int) position {
	line, start := 0, 0
	for {
		end, next := endOfLine(text, start)
		if offset <= end || next == start || next == len(text) && !endsLine(text) {
			break
		}
		if offset < next {
			offset = end // between "\r" and "\n"
			break
		}
		line, start = line+1, next
	}
	if p.utf8 {
		return position{line, offset - start}
	}
	units := 0
	for _, r := range text[start:offset] {
		units += unitsOf(r)
	}
	return position{line, units}
}

// span gives the range of two byte offsets.
func (p positions) span(text string, start, end int) textRange {
	return textRange{p.at(text, start), p.at(text, end)}
}

// endOfLine gives where the line that begins at start ends, and where the next
// one begins; both are the end of the text for the last line.
func endOfLine(text string, start int) (end, next int) {
	i := strings.IndexAny(text[start:], "\r\n")
	if i < 0 {
		return len(text), len(text)
	}
	end = start + i
	if strings.HasPrefix(text[end:], "\r\n") {
		return end, end + 2
	}
	return end, end + 1
}

func endsLine(text string) bool {
	return strings.HasSuffix(text, "\n") || strings.HasSuffix(text, "\r")
}

// unitsOf counts the UTF-16 code units of a character.
func unitsOf(r rune) int {
	if r > 0xFFFF {
		return 2
	}
	return 1
}
