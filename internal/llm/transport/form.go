package transport

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// Form is what the body of a successful answer turned out to be.
type Form int

// The forms of a body. What it says in its first byte counts, not its content
// type: compatible servers get that wrong.
const (
	FormEmpty Form = iota
	FormStream
	FormJSON
	FormOther
)

// bodyLimit is how much of an answer that is not a stream is read.
const bodyLimit = 64 << 20

// Form looks at the first byte of the body and leaves the body whole. A stream
// gets a blank line at its end, since the SDKs' decoders drop a last event that
// is not followed by one.
func (p *Peer) Form(res *http.Response) (Form, error) {
	r := bufio.NewReaderSize(res.Body, 16<<10)
	form := FormOther
	for {
		b, err := r.ReadByte()
		if err == io.EOF {
			return FormEmpty, nil
		}
		if err != nil {
			return FormEmpty, err
		}
		// Blank lines and a byte order mark may come first.
		if strings.IndexByte(" \t\r\n\xEF\xBB\xBF", b) >= 0 {
			continue
		}
		switch b {
		case '{', '[':
			form = FormJSON
		case ':', 'd', 'e', 'i', 'r':
			form = FormStream
		}
		if err := r.UnreadByte(); err != nil {
			return FormEmpty, err
		}
		break
	}
	var whole io.Reader = r
	if form == FormStream {
		whole = io.MultiReader(r, strings.NewReader("\n\n"))
	}
	res.Body = body{whole, res.Body}
	return form, nil
}

type body struct {
	io.Reader
	io.Closer
}

// ReadAll reads a body that is not a stream.
func (p *Peer) ReadAll(res *http.Response) ([]byte, error) {
	return io.ReadAll(io.LimitReader(res.Body, bodyLimit))
}

// NotAnAnswer is the error of a successful status with a body that no model
// server sends, as when base_url points at a web page.
func (p *Peer) NotAnAnswer(status int, body []byte) *llm.Error {
	what := oneLine(words(bytes.TrimSpace(body)).message)
	if len(what) > 200 {
		what = strings.ToValidUTF8(what[:200], "") + "…"
	}
	return &llm.Error{
		Kind:     llm.ErrBadRequest,
		Provider: p.Provider,
		Status:   status,
		Message: llm.Scrub(fmt.Sprintf("%s does not speak this model API (%q): check base_url (%s)",
			p.host(), what, p.BaseURL), p.Secrets...),
	}
}
