package terminal

import (
	"bytes"
	"unicode/utf8"
)

// cleaner turns the bytes that programs write to a terminal into text that can
// be read without one: UTF-8, lines that end with \n, colours (SGR sequences)
// kept, every other escape sequence taken out. The queries among those would
// make the terminal of whoever watches answer; the rest only moves a cursor. A
// lone \r stays: it means that the line starts over. How the bytes are cut into
// chunks makes no difference.
type cleaner struct {
	state state
	// seq is the start of an escape sequence or of a UTF-8 character.
	seq []byte
	// cr says that a \r was seen and what follows it decides its meaning.
	cr bool
}

type state uint8

const (
	ground       state = iota
	character          // in a UTF-8 character
	escape             // after ESC
	control            // in a CSI sequence
	stringText         // in an OSC, DCS, SOS, PM or APC string
	stringEscape       // after ESC in such a string
)

const (
	esc = 0x1b
	bel = 0x07
	can = 0x18
	sub = 0x1a
	// maxSequence bounds a control sequence; a longer one is binary rubbish.
	maxSequence = 64
)

// plain tells which bytes stay as they are.
var plain = func() (table [256]bool) {
	for b := 0x20; b < 0x7f; b++ {
		table[b] = true
	}
	table['\t'], table['\n'] = true, true
	return table
}()

// feed appends the clean text of p to dst.
func (c *cleaner) feed(dst, p []byte) []byte {
	for i := 0; i < len(p); {
		if c.state == ground && plain[p[i]] {
			end := i + 1
			for end < len(p) && plain[p[end]] {
				end++
			}
			if p[i] != '\n' {
				dst = c.startOver(dst)
			}
			c.cr = false // \r\n is one line end
			dst = append(dst, p[i:end]...)
			i = end
			continue
		}
		if c.step(&dst, p[i]) {
			i++
		}
	}
	return dst
}

// finish appends what the end of the stream decides and starts afresh: a cut
// character becomes U+FFFD, a cut sequence and a last \r mean nothing.
func (c *cleaner) finish(dst []byte) []byte {
	if c.state == character {
		dst = utf8.AppendRune(c.startOver(dst), utf8.RuneError)
	}
	*c = cleaner{seq: c.seq[:0]}
	return dst
}

// startOver appends the \r that was held back.
func (c *cleaner) startOver(dst []byte) []byte {
	if c.cr {
		c.cr = false
		dst = append(dst, '\r')
	}
	return dst
}

// step takes one byte that is not plain; false means that b must be looked at
// again in the new state.
func (c *cleaner) step(dst *[]byte, b byte) bool {
	switch c.state {
	case ground:
		switch {
		case b == esc:
			c.state = escape
		case b == '\r':
			c.cr = true
		case b >= utf8.RuneSelf:
			c.state = character
			c.seq = append(c.seq[:0], b)
			c.endCharacter(dst)
		}
		// Other control characters are dropped.
	case character:
		if utf8.RuneStart(b) {
			// The character was cut off.
			*dst = utf8.AppendRune(c.startOver(*dst), utf8.RuneError)
			c.state = ground
			return false
		}
		c.seq = append(c.seq, b)
		c.endCharacter(dst)
	case escape:
		switch {
		case b == '[':
			c.state = control
			c.seq = append(c.seq[:0], esc, '[')
		case bytes.IndexByte([]byte("]PX^_"), b) >= 0:
			c.state = stringText
		case b >= 0x20 && b < 0x30:
			// An intermediate byte, as in the choice of a character set.
		case b == esc:
		case b < 0x20 || b >= 0x7f:
			c.state = ground
			return false
		default:
			c.state = ground
		}
	case control:
		switch {
		case b >= 0x40 && b < 0x7f:
			c.seq = append(c.seq, b)
			if b == 'm' && isColour(c.seq) {
				*dst = append(c.startOver(*dst), c.seq...)
			}
			c.state = ground
		case b >= 0x20 && b < 0x40 && len(c.seq) < maxSequence:
			c.seq = append(c.seq, b)
		default:
			c.state = ground
			return false
		}
	case stringText:
		switch b {
		case esc:
			c.state = stringEscape
		case bel, can, sub:
			c.state = ground
		case '\n':
			// No string goes over a line: a stray introducer in binary output would
			// swallow everything after it.
			c.state = ground
			return false
		}
	case stringEscape:
		c.state = ground
		if b != '\\' {
			c.state = escape
			return false
		}
	}
	return true
}

// endCharacter appends the character in seq if it is whole, or if nothing can
// make it whole.
func (c *cleaner) endCharacter(dst *[]byte) {
	if !utf8.FullRune(c.seq) {
		return
	}
	r, size := utf8.DecodeRune(c.seq)
	c.state = ground
	if r >= 0x80 && r < 0xa0 {
		return // a control character: some terminals take U+009B for ESC [
	}
	*dst = utf8.AppendRune(c.startOver(*dst), r)
	// What is left of a broken character is broken too.
	for range len(c.seq) - size {
		*dst = utf8.AppendRune(*dst, utf8.RuneError)
	}
}

// isColour tells an SGR sequence from others that end with m, such as the ones
// that set or ask for keyboard modes.
func isColour(seq []byte) bool {
	for _, b := range seq[2 : len(seq)-1] {
		if (b < '0' || b > '9') && b != ';' && b != ':' {
			return false
		}
	}
	return true
}

// overwrite drops from each line what a lone \r let the program write over, so
// that of a progress bar only the last state is left.
func overwrite(s []byte) []byte {
	if bytes.IndexByte(s, '\r') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for line := range bytes.Lines(s) {
		end := len(bytes.TrimRight(line, "\r\n"))
		start := bytes.LastIndexByte(line[:end], '\r') + 1
		out = append(out, line[start:end]...)
		if line[len(line)-1] == '\n' {
			out = append(out, '\n')
		}
	}
	return out
}
