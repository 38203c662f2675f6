package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

const (
	// readBuffer is the size of the input buffer, and the longest header line.
	readBuffer = 64 << 10
	// lineTail is what is kept of a longer line: enough for a header at its end.
	lineTail = 128
)

// frames cuts the input into message bodies. What is malformed is given to
// reject and skipped; it is told once, however many lines are lost with it.
type frames struct {
	r      *bufio.Reader
	max    int64 // bytes of a body
	reject func(*protocol.Error)

	lost bool   // skipping to the next Content-Length, already rejected
	body []byte // reused for bodies that fit
	line []byte // reused for lines that don't fit r
}

func newFrames(r io.Reader, limit int64, reject func(*protocol.Error)) *frames {
	return &frames{r: bufio.NewReaderSize(r, readBuffer), max: limit, reject: reject, body: make([]byte, readBuffer)}
}

// next returns the next body, valid until the following call. Its error is that
// of the input and final.
func (f *frames) next() ([]byte, error) {
	for {
		n, err := f.header()
		if err != nil {
			return nil, err
		}
		if n > f.max {
			f.reject(&protocol.Error{
				Code:    protocol.CodeInvalidRequest,
				Message: fmt.Sprintf("a message of %d bytes is over the limit of %d", n, f.max),
				Data:    map[string]any{"kind": "message_too_large", "maxFrameBytes": f.max},
			})
			if _, err := io.CopyN(io.Discard, f.r, n); err != nil {
				return nil, err
			}
			continue
		}
		body := f.body
		if n > int64(len(body)) {
			body = make([]byte, n)
		}
		body = body[:n]
		if _, err := io.ReadFull(f.r, body); err != nil {
			return nil, err
		}
		return body, nil
	}
}

// resync says that the last body did not parse: its length may have been wrong,
// so that what follows is quietly searched for a header.
func (f *frames) resync() { f.lost = true }

// header reads up to the blank line that ends a header and returns the length of
// the body.
func (f *frames) header() (int64, error) {
	length, open := int64(-1), false
	for {
		line, err := f.readLine()
		if err != nil {
			return 0, err
		}
		before, value, isLength := cutContentLength(line)
		switch {
		case isLength:
			// ParseUint takes no sign; 63 bits keep the length an int64.
			n, err := strconv.ParseUint(string(value), 10, 63)
			if err != nil {
				f.lost = false
				f.malformed("Content-Length %.40q is not a length", value)
				length, open = -1, false
				continue
			}
			if len(before) > 0 {
				f.malformed("%.40q stands before a header", before)
			}
			f.lost, length, open = false, int64(n), true
		case len(line) > 0 && !isHeader(line):
			f.malformed("%.40q is not a header line", line)
			length, open = -1, false
		case len(line) > 0:
			open = true
		case length >= 0:
			return length, nil
		case open:
			f.malformed("a header without Content-Length")
			open = false
		}
	}
}

func (f *frames) malformed(format string, args ...any) {
	if !f.lost {
		f.reject(&protocol.Error{Code: protocol.CodeParseError, Message: "malformed frame: " + fmt.Sprintf(format, args...)})
	}
	f.lost = true
}

// readLine returns the next line without its end, valid until the next read. Of
// a line that is longer than the buffer only the end is returned.
func (f *frames) readLine() ([]byte, error) {
	line, err := f.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		f.line = f.line[:0]
		for errors.Is(err, bufio.ErrBufferFull) {
			f.line = append(f.line, line[max(0, len(line)-lineTail):]...)
			f.line = f.line[max(0, len(f.line)-lineTail):]
			line, err = f.r.ReadSlice('\n')
		}
		f.line = append(f.line, line...)
		line = f.line
	}
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")), nil
}

var contentLength = []byte("content-length")

// cutContentLength finds the value of a Content-Length in a line. The last one
// counts, wherever it stands: a body whose length was announced too short leaves
// its rest in front of the next header, with no line end between.
func cutContentLength(line []byte) (before, value []byte, ok bool) {
	colon := bytes.LastIndexByte(line, ':')
	if colon < 0 {
		return nil, nil, false
	}
	name := bytes.TrimRight(line[:colon], " \t")
	at := len(name) - len(contentLength)
	if at < 0 || !bytes.EqualFold(name[at:], contentLength) {
		return nil, nil, false
	}
	return bytes.TrimSpace(name[:at]), bytes.TrimSpace(line[colon+1:]), true
}

// isHeader tells whether a line looks like "Name: value".
func isHeader(line []byte) bool {
	name, _, found := bytes.Cut(line, []byte(":"))
	for _, c := range name {
		if c <= ' ' || c >= 0x7f || bytes.IndexByte([]byte(`"(),/;<=>?@[\]{}`), c) >= 0 {
			return false
		}
	}
	return found && len(name) > 0
}
