package secret

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// How long is waited for values, and after how long one that failed is tried
// again.
const (
	// clientLimit is long: the user may have to unlock a store.
	clientLimit = 2 * time.Minute
	// aheadLimit bounds the wait for lookups that no command has named yet.
	aheadLimit = 5 * time.Second
	retryAfter = time.Minute
)

// The reasons why there is no value.
var (
	errUnknown  = errors.New("there is no such secret")
	errNoValue  = errors.New("it has no value; values are not kept over a restart without a key, so it must be given again")
	errUnread   = errors.New("it is stored encrypted, and can't be read without the key that it was stored with")
	errKind     = errors.New("its kind is not known here")
	errNoClient = errors.New("no client is there that could be asked")
	errEmpty    = errors.New("its value is empty")
)

// flight is the fetching of a value that goes on.
type flight struct {
	done  chan struct{}
	value string
	err   error
}

// Variables gives the environment variables for a command: the secrets whose
// name stands anywhere in it, in any case, and can be a variable's. The value of
// a LookupSecret is fetched anew each time, that of a ClientSecret asked for
// once. missing says of each secret without a value why, a line each; a value
// that could not be got is tried again after a minute.
//
// Lookups that were never fetched are fetched too, so that their values are
// hidden; the client is asked for nothing that the command does not name.
func (r *Registry) Variables(ctx context.Context, command string) (vars map[string]string, missing []string) {
	command = strings.ToLower(command)
	named := r.names(func(name string, _ *source) bool {
		return isVariable(name) && strings.Contains(command, strings.ToLower(name))
	})
	lookups := r.names(func(name string, s *source) bool {
		if s.kind != KindLookup || slices.Contains(named, name) {
			return s.kind == KindLookup
		}
		if s.value != "" || time.Since(s.ahead) < retryAfter {
			return false
		}
		s.ahead = time.Now()
		return true
	})
	type result struct {
		value string
		err   error
	}
	var mu sync.Mutex
	results := make(map[string]result, len(named))
	get := func(ctx context.Context, name string) {
		value, err := r.Value(ctx, name)
		mu.Lock()
		defer mu.Unlock()
		results[name] = result{value, err}
	}
	var fetching sync.WaitGroup
	for _, name := range lookups {
		fetching.Go(func() {
			ctx := ctx
			if !slices.Contains(named, name) {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, aheadLimit)
				defer cancel()
			}
			get(ctx, name)
		})
	}
	// One question after the other: the user answers them.
	for _, name := range named {
		if !slices.Contains(lookups, name) {
			get(ctx, name)
		}
	}
	fetching.Wait()
	for _, name := range named {
		if got := results[name]; got.err != nil {
			missing = append(missing, fmt.Sprintf("%s: %v", name, got.err))
		} else {
			if vars == nil {
				vars = make(map[string]string)
			}
			vars[name] = got.value
		}
	}
	return vars, missing
}

// Value gives the value of a secret, as [Registry.Variables] does; never an empty
// one. The error says why there is none, and holds no value.
func (r *Registry) Value(ctx context.Context, name string) (string, error) {
	for {
		r.mu.Lock()
		s := r.sources[name]
		if s == nil {
			r.mu.Unlock()
			return "", errUnknown
		}
		if value, known, err := s.known(); known {
			r.mu.Unlock()
			return value, err
		}
		f := s.flight
		mine := f == nil
		if mine {
			f = &flight{done: make(chan struct{})}
			s.flight = f
		}
		r.mu.Unlock()
		if mine {
			f.value, f.err = r.fetch(ctx, name, s)
			r.landed(ctx, s, f)
			return f.value, f.err
		}
		select {
		case <-f.done:
			if f.err == nil {
				return f.value, nil
			}
			// Unless whoever fetched it gave up, it is known now that it failed.
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// fetch gets a value from where it is.
func (r *Registry) fetch(ctx context.Context, name string, s *source) (value string, err error) {
	if s.kind == KindLookup {
		value, err = s.lookup.fetch(ctx)
	} else {
		ctx, cancel := context.WithTimeoutCause(ctx, clientLimit, errors.New("the client did not answer in time"))
		defer cancel()
		value, err = r.options.ask(ctx, name)
		if err != nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
	}
	switch {
	case err != nil:
		return "", err
	case known(value) == "":
		return "", errEmpty
	case len(value) > maxValue:
		return "", errTooLong
	}
	return value, nil
}

func (o *Options) ask(ctx context.Context, name string) (string, error) {
	if o.Client == nil {
		return "", errNoClient
	}
	return o.Client(ctx, name)
}

// landed notes how a fetch ended. It hides the value although the source may
// have been replaced meanwhile: it went out of somebody's hands.
func (r *Registry) landed(ctx context.Context, s *source, f *flight) {
	r.hide(f.value)
	r.mu.Lock()
	defer r.mu.Unlock()
	s.flight = nil
	switch {
	case f.err == nil:
		s.value, s.failure = f.value, nil
	case ctx.Err() == nil:
		s.failure, s.failed = f.err, time.Now()
	}
	close(f.done)
}

// known gives what is known of a source's value without fetching it: the value,
// or why there is none.
func (s *source) known() (value string, known bool, err error) {
	switch {
	case s.kind == KindLookup && s.unread():
		return "", true, errUnread
	case s.failure != nil && time.Since(s.failed) < retryAfter:
		return "", true, s.failure
	case s.kind == KindLookup:
		return "", false, nil
	case s.value != "":
		return s.value, true, nil
	case s.kind == KindClient:
		return "", false, nil
	case s.unread():
		return "", true, errUnread
	case s.raw != nil:
		return "", true, errKind
	}
	return "", true, errNoValue
}

// isVariable tells whether a shell takes the name for a variable.
func isVariable(name string) bool {
	for i, c := range name {
		if c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
