// Package transport is what the model adapters share below their wires: an HTTP
// client that gives up on a silent server, and the translation of everything
// that can go wrong on the way into [llm.Error].
//
// It knows no provider's messages and never retries. It starts no goroutine of
// its own; a timer may fire while a read is under way.
package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// Peer describes the server of a model, for its errors.
type Peer struct {
	// Provider is the model's prefix.
	Provider string
	// BaseURL is where requests go.
	BaseURL string
	// Setting is the environment variable that holds the key.
	Setting string
	// Secrets never appear in an error.
	Secrets []string
	// Idle is how long the server may stay silent; 0 means for ever.
	Idle time.Duration
}

// Client makes an HTTP client that fails with a timeout when the server sends
// nothing for the peer's idle time. All clients share their connections.
func (p *Peer) Client() *http.Client {
	return &http.Client{Transport: &impatient{idle: p.Idle, next: shared}, CheckRedirect: p.redirect}
}

// redirect follows a server to another path of its own. The key must not go to
// another host, and a request that turns into a GET has lost its question.
func (p *Peer) redirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) < 5 && req.Method == first.Method && req.URL.Host == first.URL.Host && req.URL.Scheme == first.URL.Scheme {
		return nil
	}
	to := *req.URL
	to.RawQuery, to.User = "", nil
	return &llm.Error{
		Kind:     llm.ErrBadRequest,
		Provider: p.Provider,
		Message:  fmt.Sprintf("%s sends requests on to %s: set base_url to where that leads", p.host(), to.String()),
	}
}

// shared is the pool of connections. Responses are never decompressed on the
// way: gzip would hold back a stream's events.
var shared = sync.OnceValue(func() http.RoundTripper {
	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t := base.Clone()
	t.DisableCompression = true
	t.MaxIdleConnsPerHost = 8
	return t
})

// errIdle is the cause of a request that was cut for silence.
var errIdle = errors.New("no answer in time")

type impatient struct {
	idle time.Duration
	// next is asked at the first request, not before.
	next func() http.RoundTripper
}

func (t *impatient) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.idle <= 0 {
		return t.next().RoundTrip(req)
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	timer := time.AfterFunc(t.idle, func() { cancel(errIdle) })
	res, err := t.next().RoundTrip(req.WithContext(ctx))
	timer.Stop()
	if err != nil {
		if errors.Is(context.Cause(ctx), errIdle) {
			err = errIdle
		}
		cancel(nil)
		return nil, err
	}
	res.Body = &impatientBody{ReadCloser: res.Body, ctx: ctx, cancel: cancel, timer: timer, idle: t.idle}
	return res, nil
}

// impatientBody runs its timer only while it waits for the server, so that a
// slow consumer is not taken for a silent server.
type impatientBody struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	idle   time.Duration
}

func (b *impatientBody) Read(p []byte) (int, error) {
	b.timer.Reset(b.idle)
	n, err := b.ReadCloser.Read(p)
	b.timer.Stop()
	if err != nil && !errors.Is(err, io.EOF) && errors.Is(context.Cause(b.ctx), errIdle) {
		err = errIdle
	}
	return n, err
}

func (b *impatientBody) Close() error {
	b.timer.Stop()
	b.cancel(nil)
	return b.ReadCloser.Close()
}
