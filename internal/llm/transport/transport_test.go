package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/llm"
)

func TestWords(t *testing.T) {
	for _, c := range []struct {
		body, message string
		status        int
		page          bool
	}{
		{`{"error":{"message":"no","type":"invalid_request_error","code":null}}`, "no", 0, false},
		{`{"error":{"message":"no quota","code":"insufficient_quota"}}`, "no quota (insufficient_quota)", 0, false},
		{`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, "Overloaded", 529, false},
		{`{"error":"model 'x' not found"}`, "model 'x' not found", 0, false},
		{`{"error":{"message":"Provider returned error","code":502,"metadata":{"raw":"upstream said no"}}}`, "Provider returned error: upstream said no", 502, false},
		{`[{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT"}}]`, "API key not valid.", 400, false},
		{`{"detail":"Not Found"}`, "Not Found", 0, false},
		{`{"detail":[{"loc":["body"],"msg":"field required","type":"missing"}]}`, "field required", 0, false},
		{`{"object":"error","message":"too long","code":"400"}`, "too long", 400, false},
		{`{"message":"Unauthorized"}`, "Unauthorized", 0, false},
		{`{"error":{"type":"api_error"}}`, "api_error", 0, false},
		{`{"error":{"message":"a\n\n  b"}}`, "a b", 0, false},
		{`"just text"`, "just text", 0, false},
		{`upstream connect error`, "upstream connect error", 0, false},
		{"<html>\n<title>\n502 Bad\tGateway </title><body>x</body>", "502 Bad Gateway", 0, true},
		{"<p>Please <b>log in</b></p>", "Please log in", 0, true},
		{"", "", 0, false},
		{"null", "", 0, false},
		{"{}", "", 0, false},
		{"\xff\xfe", "\uFFFD", 0, false},
	} {
		got := words([]byte(c.body))
		if got.message != c.message || got.status != c.status || got.page != c.page {
			t.Errorf("%s says %+v, want %q, %d, %v", c.body, got, c.message, c.status, c.page)
		}
	}
	if got := words([]byte(strings.Repeat("é", 5000))).message; len(got) > maxMessage+4 {
		t.Errorf("a message of %d bytes", len(got))
	}
}

func FuzzWords(f *testing.F) {
	f.Add([]byte(`{"error":{"message":"m","code":"c","metadata":{"raw":1}}}`))
	f.Add([]byte(`[[["x"]]]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if got := words(body); len(got.message) > maxMessage+4 || strings.ContainsAny(got.message, "\n\r") {
			t.Errorf("%q", got.message)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		name, value string
		want        time.Duration
	}{
		{"Retry-After", "7", 7 * time.Second},
		{"Retry-After", "0.5", 500 * time.Millisecond},
		{"Retry-After", "-3", 0},
		{"Retry-After", "NaN", 0},
		{"Retry-After", "1e300", 24 * 365 * time.Hour},
		{"Retry-After", "soon", 0},
		{"Retry-After", "Mon, 02 Jan 2006 15:04:05 GMT", 0},
		{"retry-after-ms", "250", 250 * time.Millisecond},
	} {
		h := http.Header{}
		h.Set(c.name, c.value)
		if got := retryAfter(h); got != c.want {
			t.Errorf("%s: %s is %v, want %v", c.name, c.value, got, c.want)
		}
	}
	h := http.Header{"Retry-After": {time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}}
	if got := retryAfter(h); got < 59*time.Minute || got > time.Hour {
		t.Errorf("a date in an hour is %v", got)
	}
}

func TestFailed(t *testing.T) {
	p := &Peer{Provider: "openai", BaseURL: "http://127.0.0.1:1/v1", Secrets: []string{"sk-secret"}, Idle: time.Second}
	get := func(url string) error {
		res, err := p.Client().Get(url)
		if err == nil {
			_ = res.Body.Close()
		}
		return err
	}
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	for _, c := range []struct {
		name string
		err  error
		kind llm.ErrorKind
		want string
	}{
		{"refused", get("http://127.0.0.1:1/"), llm.ErrUnavailable, "is the model server running"},
		{"no such host", fmt.Errorf("dial: %w", &net.DNSError{Err: "no such host", Name: "no-such-host.invalid", IsNotFound: true}), llm.ErrUnavailable, "can't find the host no-such-host.invalid"},
		{"unknown authority", get(secure.URL), llm.ErrBadRequest, "no secure connection"},
		{"not TLS", get(strings.Replace(plain.URL, "http:", "https:", 1)), llm.ErrBadRequest, "no secure connection"},
		{"end of file", io.ErrUnexpectedEOF, llm.ErrUnavailable, "talking to 127.0.0.1:1"},
		{"a secret", errors.New("bad header sk-secret"), llm.ErrUnavailable, "bad header **********"},
		{"ours", p.NoKey(), llm.ErrAuth, "no API key"},
		{"silence", errIdle, llm.ErrTimeout, "sent nothing for 1s"},
	} {
		failed, ok := p.Failed(t.Context(), c.err).(*llm.Error)
		if !ok || failed.Kind != c.kind || !strings.Contains(failed.Message, c.want) {
			t.Errorf("%s: %v became %#v", c.name, c.err, failed)
			continue
		}
		if failed.Err != nil && strings.Contains(failed.Err.Error(), "sk-secret") {
			t.Errorf("%s: the cause has the secret: %v", c.name, failed.Err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Failed(ctx, errIdle); err != context.Canceled {
		t.Errorf("a cancelled call failed with %v", err)
	}
}

// tripper answers with a body.
type tripper struct{ body io.ReadCloser }

func (t tripper) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Body: t.body}, nil
}

// A slow consumer is not a silent server: the clock runs only while reading.
func TestIdleCountsOnlyReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		defer func() { _ = server.Close() }()
		idle := &impatient{idle: time.Second, next: func() http.RoundTripper { return tripper{client} }}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://x", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := idle.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = server.Write([]byte("onetwo")) }()
		got := make([]byte, 3)
		for range 2 {
			time.Sleep(time.Minute) // in the bubble: no time passes outside
			if _, err := io.ReadFull(res.Body, got); err != nil {
				t.Fatal(err)
			}
		}
		if string(got) != "two" || context.Cause(res.Body.(*impatientBody).ctx) != nil {
			t.Errorf("read %q, cause %v", got, context.Cause(res.Body.(*impatientBody).ctx))
		}
		// And a silent server is one: the request is cancelled after a second.
		go func() { _, _ = res.Body.Read(got) }()
		start := time.Now()
		<-res.Body.(*impatientBody).ctx.Done()
		if d := time.Since(start); d != time.Second || context.Cause(res.Body.(*impatientBody).ctx) != errIdle {
			t.Errorf("cancelled after %v for %v", d, context.Cause(res.Body.(*impatientBody).ctx))
		}
		if err := res.Body.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestLocal(t *testing.T) {
	for url, want := range map[string]bool{
		"http://localhost:1/v1": true, "http://127.0.0.1": true, "http://127.9.9.9": true, "http://[::1]:8": true,
		"http://0.0.0.0:8000": true, "http://my.localhost": true, "http://192.168.1.2": false, "https://api.openai.com": false,
		"http://localhost.evil.org": false, "": false, "::": false,
	} {
		if Local(url) != want {
			t.Errorf("%s: local %v", url, !want)
		}
	}
}
