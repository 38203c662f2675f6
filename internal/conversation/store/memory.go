package store

import (
	"bytes"
	"io/fs"
	"maps"
	"slices"
	"sync"
)

// memory is a directory that is never written to disk.
type memory struct {
	mu     sync.Mutex
	events map[string][]byte
	files  map[string][]byte
}

func newMemory() *memory {
	return &memory{events: map[string][]byte{}, files: map[string][]byte{}}
}

func (m *memory) path() string { return "" }

func (m *memory) lock() (*guard, error) { return &guard{}, nil }

func (m *memory) mark() {}

func (m *memory) eventNames() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.events)), nil
}

func (m *memory) readEvent(name string) ([]byte, error) { return m.get(m.events, name) }

func (m *memory) writeEvent(name string, raw []byte) error { return m.put(m.events, name, raw) }

// setAside has nothing to do: a log in memory has no gap.
func (m *memory) setAside([]string) error { return nil }

func (m *memory) load(name string) ([]byte, error) { return m.get(m.files, name) }

func (m *memory) save(name string, raw []byte) error { return m.put(m.files, name, raw) }

func (m *memory) sync() error { return nil }

func (m *memory) stop() {}

func (m *memory) close() error { return nil }

func (m *memory) get(files map[string][]byte, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	raw, ok := files[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return bytes.Clone(raw), nil
}

func (m *memory) put(files map[string][]byte, name string, raw []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	files[name] = bytes.Clone(raw)
	return nil
}
