package store

import (
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Read gives the JSON of event i: [ErrRange] if there is none, [CorruptError]
// if its file is damaged.
func (s *Store) Read(i int) ([]byte, error) {
	s.mu.RLock()
	closed := s.closed
	inside := i >= 0 && i < len(s.index.events)
	var e entry
	if inside {
		e = s.index.events[i]
	}
	s.mu.RUnlock()
	if closed {
		return nil, ErrClosed
	}
	if !inside {
		return nil, fmt.Errorf("reading event %d: %w", i, ErrRange)
	}
	return s.readEntry(e)
}

// Observation opens a file in which a tool saved what is too long for an event.
// The error is [fs.ErrNotExist] where there is none, and [fs.ErrInvalid] for a
// name that leads elsewhere.
func (s *Store) Observation(name string) (*os.File, error) {
	if s.Dir() == "" {
		return nil, fs.ErrNotExist
	}
	if name == "" || strings.HasPrefix(name, ".") || strings.ContainsAny(name, "/\\\x00") || !filepath.IsLocal(name) {
		return nil, fs.ErrInvalid
	}
	dir, err := os.OpenRoot(filepath.Join(s.Dir(), observationsDir))
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }() // what was opened in it stays open
	switch info, err := dir.Lstat(name); {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fs.ErrInvalid
	}
	return dir.Open(name)
}

// Range gives the events from index from up to, not including, to, in order;
// bounds beyond the log are cut. An error stands for one damaged event and does
// not end the iteration. Files are read as the loop gets to them, some ahead
// and several at a time.
func (s *Store) Range(from, to int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		s.mu.RLock()
		closed := s.closed
		events := s.index.events
		s.mu.RUnlock()
		if closed {
			yield(nil, ErrClosed)
			return
		}
		events = events[:max(0, min(to, len(events)))]
		events = events[max(0, min(from, len(events))):]
		// The first reads are few: many loops want the first event only.
		for size := 1; len(events) > 0; size = min(2*size, maxBatch) {
			batch := events[:min(size, len(events))]
			events = events[len(batch):]
			for _, r := range s.readBatch(batch) {
				if !yield(r.raw, r.err) {
					return
				}
			}
		}
	}
}

const (
	maxBatch = 128
	// readers is small: from the page cache a read is all processor, and from a
	// disk a few at a time are enough to keep it busy.
	readers = 4
)

type result struct {
	raw []byte
	err error
}

func (s *Store) readBatch(batch []entry) []result {
	results := make([]result, len(batch))
	read := func(first, step int) {
		for i := first; i < len(batch); i += step {
			results[i].raw, results[i].err = s.readEntry(batch[i])
		}
	}
	if len(batch) < 2*readers {
		read(0, 1)
		return results
	}
	var wg sync.WaitGroup
	for w := range readers {
		wg.Go(func() { read(w, readers) })
	}
	wg.Wait()
	return results
}

func (s *Store) readEntry(e entry) ([]byte, error) {
	path := filepath.Join(s.Dir(), eventsDir, e.name)
	raw, err := s.dir.readEvent(e.name)
	if err != nil {
		return nil, missing(path, err)
	}
	return whole(path, raw)
}
