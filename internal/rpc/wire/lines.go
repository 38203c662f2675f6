package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// source cuts the input into message bodies.
type source interface {
	// next returns the next body, valid until the following call. Its error is that
	// of the input and final.
	next() ([]byte, error)
	// resync is told that the last body was no JSON.
	resync()
}

// lines takes a message from each line: the stdio transport of ACP. Blank lines
// are skipped, and a last line needs no end.
type lines struct {
	r      *bufio.Reader
	max    int64
	reject func(*protocol.Error)
}

func newLines(r io.Reader, limit int64, reject func(*protocol.Error)) *lines {
	return &lines{bufio.NewReaderSize(r, readBuffer), limit, reject}
}

func (l *lines) next() ([]byte, error) {
	for {
		line, size, err := l.line()
		if size > l.max {
			l.reject(&protocol.Error{
				Code:    protocol.CodeInvalidRequest,
				Message: fmt.Sprintf("a message of %d bytes is over the limit of %d", size, l.max),
				Data:    map[string]any{"kind": "message_too_large", "maxFrameBytes": l.max},
			})
			line = nil
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return line, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// line reads up to the end of a line and counts its bytes; what is over the limit
// is counted and not kept.
func (l *lines) line() (line []byte, size int64, err error) {
	for {
		part, err := l.r.ReadSlice('\n')
		if size += int64(len(part)); size <= l.max {
			line = append(line, part...)
		} else {
			line = nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, size, err
		}
	}
}

// resync has nothing to do: the next line is the next message.
func (l *lines) resync() {}
