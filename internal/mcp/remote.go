package mcp

import (
	"errors"
	"fmt"
	nethttp "net/http"
	"net/url"
	"strings"
	"sync/atomic"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// remote is the way to a server behind a URL. It remembers the status of an
// answer that refused.
type remote struct {
	origin  *url.URL
	headers map[string]string
	base    *nethttp.Transport
	refused atomic.Int32
	oauth   atomic.Bool
}

func newRemote(c *Config) (*remote, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" {
		return nil, errors.New("url is no URL")
	}
	base, ok := nethttp.DefaultTransport.(*nethttp.Transport)
	if !ok {
		base = &nethttp.Transport{Proxy: nethttp.ProxyFromEnvironment}
	}
	return &remote{origin: u, headers: c.Headers, base: base.Clone()}, nil
}

// RoundTrip implements [nethttp.RoundTripper].
func (r *remote) RoundTrip(req *nethttp.Request) (*nethttp.Response, error) {
	if req.URL.Scheme == r.origin.Scheme && req.URL.Host == r.origin.Host {
		req = req.Clone(req.Context())
		for name, value := range r.headers {
			req.Header.Set(name, value)
		}
	}
	resp, err := r.base.RoundTrip(req)
	if err == nil && (resp.StatusCode == nethttp.StatusUnauthorized || resp.StatusCode == nethttp.StatusForbidden) {
		r.refused.Store(int32(resp.StatusCode))
		if strings.Contains(strings.Join(resp.Header.Values("WWW-Authenticate"), " "), "resource_metadata") {
			r.oauth.Store(true)
		}
	}
	return resp, err
}

func (r *remote) transport(kind string) sdk.Transport {
	client := &nethttp.Client{Transport: r}
	if kind == sse {
		return &sdk.SSEClientTransport{Endpoint: r.origin.String(), HTTPClient: client, MaxEventSize: maxMessage}
	}
	return &sdk.StreamableClientTransport{Endpoint: r.origin.String(), HTTPClient: client, MaxRetries: 2}
}

// explain tells of an error what the user can do about it.
func (r *remote) explain(err error) error {
	status := r.refused.Load()
	switch {
	case status == 0:
		return err
	case r.oauth.Load():
		return fmt.Errorf("the server answered %d and wants a login: %w", status, errOAuth)
	}
	return fmt.Errorf("the server answered %d: give it a token with auth or headers", status)
}

func (r *remote) end() { r.base.CloseIdleConnections() }
