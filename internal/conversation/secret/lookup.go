package secret

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// DefaultServer is where relative urls of lookups lead, as in OpenHands.
const DefaultServer = "http://127.0.0.1:8000"

// lookupLimit is how long a lookup may take, as in OpenHands.
const lookupLimit = 30 * time.Second

// lookup is the request whose answer's body is the value of a LookupSecret.
type lookup struct {
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
}

// absolute resolves the url against the server that relative ones lead to.
func (l *lookup) absolute(server string) error {
	if server == "" {
		server = DefaultServer
	}
	base, err := url.Parse(server)
	if err != nil {
		return errors.New("the server of relative urls is no URL")
	}
	u, err := base.Parse(l.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("field url of %s must be an http or https URL", KindLookup)
	}
	l.URL = u.String()
	return nil
}

// client follows no redirect: it would take the headers to another server.
var client = &http.Client{
	Timeout:       lookupLimit,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// fetch makes the request. Its errors hold nothing of the url's query, of the
// headers and of the answer.
func (l *lookup) fetch(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.URL, nil)
	if err != nil {
		return "", errors.New("its url can't be asked")
	}
	for name, value := range l.Headers {
		req.Header.Set(name, value)
	}
	at := req.URL.Scheme + "://" + req.URL.Host + req.URL.Path
	resp, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("%s does not answer: %w", at, cause(ctx, err))
	}
	defer func() { _ = resp.Body.Close() }() // read or given up
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return "", fmt.Errorf("%s answers with status %d", at, resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxValue+1))
	if err != nil {
		return "", fmt.Errorf("%s breaks off: %w", at, cause(ctx, err))
	}
	return string(body), nil
}

// cause is an error of the network without the url, whose query may hold a
// secret.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		if wrapped.Timeout() {
			return errors.New("it takes too long")
		}
		return wrapped.Err
	}
	return err
}
