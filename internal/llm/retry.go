package llm

import (
	"context"
	"errors"
	"math"
	"strings"
	"time"
)

// Retry says how often and how patiently a failed call is repeated.
type Retry struct {
	// Attempts counts the first one too; less than 1 counts as 1.
	Attempts int
	// Multiplier, Min and Max shape the wait before attempt n+1:
	// Multiplier·2^(n−1), kept between Min and Max.
	Multiplier, Min, Max time.Duration
	// Cold: the model is asked at temperature 0. When it answers nothing the
	// next attempt is made at 1, since it would answer nothing again.
	Cold bool
	// Notify is called before each wait, from the calling goroutine; may be nil.
	// The attempt that failed counts from 1.
	Notify func(attempt, attempts int, wait time.Duration, err error)
}

// longestRetryAfter is how long a provider may make a run wait. One that asks
// for more is not asked again: the user should know instead.
const longestRetryAfter = 5 * time.Minute

// Retry gives the policy that the config asks for, with OpenHands' defaults:
// five attempts, waits of 8, 16, 32 and 64 s.
func (c *Config) Retry() Retry {
	r := Retry{Attempts: 5, Multiplier: 8 * time.Second, Min: 8 * time.Second, Max: 64 * time.Second}
	if c.NumRetries != nil {
		r.Attempts = *c.NumRetries
	}
	set := func(d *time.Duration, s *float64) {
		if s != nil && *s >= 0 {
			*d = seconds(*s)
		}
	}
	r.Cold = c.Temperature != nil && *c.Temperature == 0
	set(&r.Multiplier, c.RetryMultiplier)
	set(&r.Min, c.RetryMinWait)
	set(&r.Max, c.RetryMaxWait)
	return r
}

// Wait is the pause after the attempt, counted from 1, that failed with err.
func (r Retry) Wait(attempt int, err *Error) time.Duration {
	if err.RetryAfter > 0 {
		return err.RetryAfter
	}
	wait := float64(r.Multiplier) * math.Pow(2, float64(attempt-1))
	return time.Duration(min(max(wait, float64(r.Min)), float64(r.Max)))
}

// WithRetry repeats the model's calls that fail with a retryable [Error], as
// long as no chunk of the answer was handed out. Cancelling the context ends a
// wait at once.
func WithRetry(m Model, policy Retry) Model { return &retrying{m, policy} }

type retrying struct {
	model  Model
	policy Retry
}

func (r *retrying) Complete(ctx context.Context, req *Request, stream func(Chunk)) (*Response, error) {
	shown := false
	watch := stream
	if stream != nil {
		watch = func(c Chunk) {
			shown = true
			stream(c)
		}
	}
	for attempt := 1; ; attempt++ {
		res, err := r.model.Complete(ctx, req, watch)
		var failed *Error
		if err == nil || !errors.As(err, &failed) {
			return res, err
		}
		if shown || attempt >= r.policy.Attempts || !failed.Retryable() || hopeless(failed) {
			return nil, err
		}
		wait := r.policy.Wait(attempt, failed)
		if r.policy.Notify != nil {
			r.policy.Notify(attempt, r.policy.Attempts, wait, err)
		}
		if err := pause(ctx, wait); err != nil {
			return nil, err
		}
		if r.policy.Cold && failed.Kind == ErrNoResponse {
			warmer, one := *req, 1.0
			warmer.Temperature = &one
			req = &warmer
		}
	}
}

// hopeless tells whether waiting can't help although the kind of the failure is
// one that passes.
func hopeless(err *Error) bool {
	if err.RetryAfter > longestRetryAfter {
		return true
	}
	if err.Kind != ErrRateLimit {
		return false
	}
	text := strings.ToLower(err.Message)
	for _, phrase := range spentPhrases {
		if strings.Contains(text, phrase) {
			return true
		}
	}
	return false
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
