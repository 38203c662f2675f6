package secret

import (
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// Values are values to hide. They are never forgotten: a value that was replaced
// or removed is still in the environment of shells that got it. The zero value
// has none; nil hides nothing. It may be used from any goroutine.
type Values struct {
	mu     sync.Mutex
	known  map[string]bool
	masker atomic.Pointer[masker]
}

// Hide hides the values from now on, those of them that are worth it: see
// [Registry.Mask].
func (v *Values) Hide(values ...string) {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	news := false
	for _, value := range values {
		if !worthHiding(value) || v.known[value] {
			continue
		}
		if v.known == nil {
			v.known = make(map[string]bool)
		}
		v.known[value], news = true, true
	}
	if news {
		v.masker.Store(newMasker(v.known))
	}
}

func (v *Values) all() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Collect(maps.Keys(v.known))
}

// Mask hides the values in a text.
func (v *Values) Mask(text string) string {
	if v == nil {
		return text
	}
	return v.masker.Load().mask(text)
}

// Writer hides the values in what is written to w. A value must not be spread
// over two writes; a record of a log is one.
func (v *Values) Writer(w io.Writer) io.Writer { return &writer{v, w} }

type writer struct {
	values *Values
	next   io.Writer
}

func (w *writer) Write(p []byte) (int, error) {
	if m := w.values.masker.Load(); m != nil && m.in(string(p)) {
		if _, err := io.WriteString(w.next, m.mask(string(p))); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	return w.next.Write(p)
}
