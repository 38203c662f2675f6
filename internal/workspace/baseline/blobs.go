package baseline

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// blobs keeps contents by their hash: in a directory, or in memory without one.
// What holds a secret stays in memory, so it is not known to the next process. The
// directory is made with the first, and never the one around it: that may
// have been deleted with its conversation.
type blobs struct {
	dir    string
	secret func(data []byte) bool

	mu     sync.Mutex
	memory map[string][]byte
}

// put keeps a content and gives its hash.
func (b *blobs) put(data []byte) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	sum := sha256.Sum256(data)
	hash := hex.EncodeToString(sum[:])
	if _, known := b.memory[hash]; known {
		return hash, nil
	}
	if b.dir == "" || b.secret != nil && b.secret(data) {
		if b.memory == nil {
			b.memory = map[string][]byte{}
		}
		b.memory[hash] = data
		return hash, nil
	}
	if _, err := os.Stat(filepath.Join(b.dir, hash)); err == nil {
		return hash, nil
	}
	return hash, b.write(hash, data)
}

// write replaces a file of ours, whole or not at all.
func (b *blobs) write(name string, data []byte) error {
	if err := os.Mkdir(b.dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	path := filepath.Join(b.dir, name)
	temp := path + ".tmp"
	err := os.WriteFile(temp, data, 0o600)
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp) // the first error says more
	}
	return err
}

func (b *blobs) get(hash string) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if data, ok := b.memory[hash]; ok {
		return data, nil
	}
	if b.dir == "" {
		return nil, fs.ErrNotExist
	}
	return os.ReadFile(filepath.Join(b.dir, filepath.Base(hash)))
}

// keep forgets all contents but those.
func (b *blobs) keep(used map[string]bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for hash := range b.memory {
		if !used[hash] {
			delete(b.memory, hash)
		}
	}
	if b.dir == "" {
		return nil
	}
	entries, err := os.ReadDir(b.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if !used[e.Name()] {
			err = errors.Join(err, os.Remove(filepath.Join(b.dir, e.Name())))
		}
	}
	return err
}
