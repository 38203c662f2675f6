package client

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxFrame is the largest frame that is read. It is twice what the server takes,
// as an answer may hold a page of events.
const maxFrame = 128 << 20

// readFrame reads the body of one frame: header lines, an empty line,
// Content-Length bytes. Header names are case-insensitive and unknown ones are
// passed over, as LSP has it. At a clean end of the stream the error is io.EOF.
func readFrame(r *bufio.Reader) ([]byte, error) {
	length := -1
	for first := true; ; first = false {
		l, err := readHeaderLine(r)
		if err != nil {
			if errors.Is(err, io.EOF) && (!first || l != "") {
				return nil, io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if l == "" {
			break
		}
		name, value, ok := strings.Cut(l, ":")
		if !ok {
			return nil, fmt.Errorf("the server wrote %q where a header belongs", shorten(l))
		}
		if !strings.EqualFold(strings.TrimSpace(name), "Content-Length") {
			continue
		}
		length, err = strconv.Atoi(strings.TrimSpace(value))
		if err != nil || length < 0 || length > maxFrame {
			return nil, fmt.Errorf("the server announced a frame of %q bytes", shorten(strings.TrimSpace(value)))
		}
	}
	if length < 0 {
		return nil, errors.New("the server sent a frame without Content-Length")
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	return body, nil
}

// readHeaderLine reads a line of at most 4 KiB, so that a program that is no
// server can't fill the memory.
func readHeaderLine(r *bufio.Reader) (string, error) {
	var b strings.Builder
	for b.Len() < 4096 {
		c, err := r.ReadByte()
		if err != nil {
			return b.String(), err
		}
		if c == '\n' {
			return strings.TrimSuffix(b.String(), "\r"), nil
		}
		b.WriteByte(c)
	}
	return "", fmt.Errorf("the server wrote %q where a header belongs", shorten(b.String()))
}

// appendFrame puts the header before a body.
func appendFrame(body []byte) []byte {
	frame := make([]byte, 0, len(body)+32)
	frame = fmt.Appendf(frame, "Content-Length: %d\r\n\r\n", len(body))
	return append(frame, body...)
}

func shorten(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}
