package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"

	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// errorBodyLimit is how much of an error's body is read.
const errorBodyLimit = 64 << 10

// Refuse is a middleware for both SDKs: an answer with an error status becomes
// an [llm.Error] before the SDK tries to make sense of its body.
func (p *Peer) Refuse(req *http.Request, next func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	res, err := next(req)
	if err != nil || res.StatusCode < 400 {
		return res, err
	}
	// What can't be read is left out: the status says enough.
	body, _ := io.ReadAll(io.LimitReader(res.Body, errorBodyLimit))
	_ = res.Body.Close()
	return nil, p.Refused(res.StatusCode, body, res.Header)
}

// Refused makes the error of an answer with an error status, or of an error
// object inside a stream (status 0, header nil).
func (p *Peer) Refused(status int, body []byte, header http.Header) *llm.Error {
	said := words(body)
	if status == 0 {
		status = said.status
	}
	message := said.message
	if message == "" {
		message = http.StatusText(status)
	}
	if message == "" {
		message = "the server failed without a word"
	}
	if said.page {
		message = fmt.Sprintf("%s answered with a web page: %s", p.host(), message)
	}
	failed := &llm.Error{
		Kind:       llm.Classify(status, said.all),
		Provider:   p.Provider,
		Status:     status,
		Message:    llm.Scrub(message, p.Secrets...),
		RetryAfter: retryAfter(header),
	}
	switch {
	case failed.Kind == llm.ErrAuth:
		failed.Setting = p.Setting
	case status == http.StatusNotFound && (said.page || said.message == ""):
		failed.Message += "; check base_url (" + p.BaseURL + ")"
	}
	return failed
}

// NoKey is the error of a call that was not made because there is no key.
func (p *Peer) NoKey() *llm.Error {
	return &llm.Error{
		Kind:     llm.ErrAuth,
		Provider: p.Provider,
		Message:  "no API key: set " + p.Setting,
		Setting:  p.Setting,
	}
}

// NoResponse is the error of an answer that has nothing in it, or is not whole.
func (p *Peer) NoResponse(message string, cause error) *llm.Error {
	return &llm.Error{Kind: llm.ErrNoResponse, Provider: p.Provider, Message: message, Err: p.cause(cause)}
}

// Failed makes the error of a request that could not be sent, or of an answer
// that could not be read. The context's own error comes first.
func (p *Peer) Failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var known *llm.Error
	if errors.As(err, &known) {
		return known
	}
	failed := &llm.Error{Kind: llm.ErrUnavailable, Provider: p.Provider, Err: p.cause(err)}
	var (
		dns     *net.DNSError
		timeout net.Error
		cert    *tls.CertificateVerificationError
		record  tls.RecordHeaderError
		unknown x509.UnknownAuthorityError
		parse   *url.Error
	)
	switch {
	case errors.Is(err, errIdle), errors.Is(err, context.DeadlineExceeded):
		failed.Kind = llm.ErrTimeout
		failed.Message = fmt.Sprintf("%s sent nothing for %s", p.host(), p.Idle)
	case errors.As(err, &dns):
		failed.Message = fmt.Sprintf("can't find the host %s: check the network and base_url", dns.Name)
	case errors.Is(err, syscall.ECONNREFUSED), isRefused(err):
		failed.Message = fmt.Sprintf("nothing answers at %s%s", p.host(), p.remedy())
	case errors.As(err, &cert), errors.As(err, &unknown), errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		// The same handshake fails the same way again.
		failed.Kind = llm.ErrBadRequest
		failed.Message = fmt.Sprintf("no secure connection to %s: %v", p.host(), failed.Err)
	case errors.As(err, &timeout) && timeout.Timeout():
		failed.Kind = llm.ErrTimeout
		failed.Message = fmt.Sprintf("connecting to %s took too long", p.host())
	case errors.As(err, &parse) && parse.Op == "parse":
		failed.Kind = llm.ErrBadRequest
		failed.Message = fmt.Sprintf("base_url is not a URL: %v", failed.Err)
	default:
		failed.Message = fmt.Sprintf("talking to %s: %v", p.host(), failed.Err)
	}
	return failed
}

// cause keeps an error's text but not a secret in it.
func (p *Peer) cause(err error) error {
	if err == nil {
		return nil
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) && wrapped.Op != "parse" {
		err = wrapped.Err
	}
	if text := err.Error(); llm.Scrub(text, p.Secrets...) != text {
		return errors.New(llm.Scrub(text, p.Secrets...))
	}
	return err
}

// host is the server's host and port.
func (p *Peer) host() string {
	u, err := url.Parse(p.BaseURL)
	if err != nil || u.Host == "" {
		return "the server"
	}
	return u.Host
}

// remedy says what to do about a server that is not there.
func (p *Peer) remedy() string {
	switch {
	case p.Provider == "ollama" || p.Provider == "ollama_chat":
		return fmt.Sprintf(": is Ollama running at %s? (ollama serve)", p.BaseURL)
	case p.Provider == "lm_studio":
		return fmt.Sprintf(": is LM Studio's server running at %s? (lms server start)", p.BaseURL)
	case Local(p.BaseURL):
		return fmt.Sprintf(": is the model server running at %s?", p.BaseURL)
	}
	return ": check base_url and the network"
}

// Local tells whether the URL's host is this machine.
func Local(baseURL string) bool {
	u, err := url.Parse(baseURL)
	if err != nil {
		return false
	}
	host := strings.ToLower(u.Hostname())
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || host == "host.docker.internal" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && (addr.IsLoopback() || addr.IsUnspecified())
}

// isRefused knows a refused connection by its words, where the system's error
// number is not syscall.ECONNREFUSED (Windows has its own).
func isRefused(err error) bool {
	text := err.Error()
	return strings.Contains(text, "connection refused") || strings.Contains(text, "actively refused")
}
