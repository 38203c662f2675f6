package llm

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// scripted fails with each error in turn, then answers.
type scripted struct {
	errs  []error
	chunk bool
	asked []*Request
}

func (s *scripted) Complete(ctx context.Context, req *Request, stream func(Chunk)) (*Response, error) {
	s.asked = append(s.asked, req)
	if s.chunk && stream != nil {
		stream(Chunk{Stream: StreamText, Text: "a"})
	}
	if n := len(s.asked); n <= len(s.errs) {
		return nil, s.errs[n-1]
	}
	return &Response{ID: "ok"}, nil
}

func failure(kind ErrorKind) *Error { return &Error{Kind: kind, Provider: "p", Message: string(kind)} }

func repeat(err error, n int) []error {
	out := make([]error, n)
	for i := range out {
		out[i] = err
	}
	return out
}

func TestRetry(t *testing.T) {
	asked := func(d time.Duration) *Error {
		e := failure(ErrRateLimit)
		e.RetryAfter = d
		return e
	}
	spent := failure(ErrRateLimit)
	spent.Message = "You exceeded your current quota (insufficient_quota)"
	zero, one := 0.0, 1
	for _, c := range []struct {
		name  string
		cfg   Config
		errs  []error
		chunk bool
		// calls and took are what is expected, and whether the last error stays.
		calls int
		took  time.Duration
		ok    bool
	}{
		{"at once", Config{}, nil, true, 1, 0, true},
		{"second attempt", Config{}, repeat(failure(ErrUnavailable), 1), false, 2, 8 * time.Second, true},
		{"all attempts", Config{}, repeat(failure(ErrTimeout), 9), false, 5, (8 + 16 + 32 + 64) * time.Second, false},
		{"one attempt", Config{NumRetries: &one}, repeat(failure(ErrTimeout), 9), false, 1, 0, false},
		{"no response", Config{}, repeat(failure(ErrNoResponse), 2), false, 3, 24 * time.Second, true},
		{"asked to wait", Config{}, repeat(asked(3*time.Second), 2), false, 3, 6 * time.Second, true},
		{"asked to wait too long", Config{}, repeat(asked(time.Hour), 2), false, 1, 0, false},
		{"quota", Config{}, repeat(spent, 2), false, 1, 0, false},
		{"no waits", Config{RetryMinWait: &zero, RetryMaxWait: &zero}, repeat(failure(ErrUnavailable), 4), false, 5, 0, true},
		{"after a chunk", Config{}, repeat(failure(ErrNoResponse), 1), true, 1, 0, false},
		{"auth", Config{}, repeat(failure(ErrAuth), 1), false, 1, 0, false},
		{"bad request", Config{}, repeat(failure(ErrBadRequest), 1), false, 1, 0, false},
		{"context window", Config{}, repeat(failure(ErrContextWindow), 1), false, 1, 0, false},
		{"history", Config{}, repeat(failure(ErrHistory), 1), false, 1, 0, false},
		{"content policy", Config{}, repeat(failure(ErrContentPolicy), 1), false, 1, 0, false},
		{"wrapped", Config{}, repeat(fmt.Errorf("asking: %w", failure(ErrTimeout)), 1), false, 2, 8 * time.Second, true},
		{"not ours", Config{}, repeat(errors.New("other"), 1), false, 1, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{errs: c.errs, chunk: c.chunk}
				policy := c.cfg.Retry()
				var told time.Duration
				policy.Notify = func(attempt, attempts int, wait time.Duration, err error) {
					told += wait
					if attempt != len(s.asked) || attempts != policy.Attempts || err == nil {
						t.Errorf("told of attempt %d of %d, %v", attempt, attempts, err)
					}
				}
				start := time.Now()
				res, err := WithRetry(s, policy).Complete(t.Context(), &Request{}, func(Chunk) {})
				if (err == nil) != c.ok || (res != nil) != c.ok {
					t.Errorf("got %v, %v", res, err)
				}
				if len(s.asked) != c.calls || time.Since(start) != c.took || told != c.took {
					t.Errorf("%d calls in %v, told of %v; want %d in %v", len(s.asked), time.Since(start), told, c.calls, c.took)
				}
			})
		})
	}
}

func TestRetryWithoutListenerGoesOnAfterAChunk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{errs: repeat(failure(ErrNoResponse), 1), chunk: true}
		if _, err := WithRetry(s, (&Config{}).Retry()).Complete(t.Context(), &Request{}, nil); err != nil {
			t.Errorf("nobody saw the chunk, and yet: %v", err)
		}
	})
}

func TestRetryIsCancelledWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		policy := (&Config{}).Retry()
		policy.Notify = func(int, int, time.Duration, error) { time.AfterFunc(time.Second, cancel) }
		start := time.Now()
		_, err := WithRetry(&scripted{errs: repeat(failure(ErrTimeout), 9)}, policy).Complete(ctx, &Request{}, nil)
		if err != context.Canceled || time.Since(start) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

func TestRetryWarmsAColdModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		zero := 0.0
		cfg := Config{Temperature: &zero}
		s := &scripted{errs: repeat(failure(ErrNoResponse), 1)}
		if _, err := WithRetry(s, cfg.Retry()).Complete(t.Context(), &Request{}, nil); err != nil {
			t.Fatal(err)
		}
		if s.asked[0].Temperature != nil || s.asked[1].Temperature == nil || *s.asked[1].Temperature != 1 {
			t.Errorf("temperatures %v, %v", s.asked[0].Temperature, s.asked[1].Temperature)
		}
	})
}
