package fileeditor

import (
	"crypto/sha256"
	"slices"
	"sync"
)

// How much can be undone: entries per file, and bytes over all files.
const (
	historyEntries = 10
	historyBytes   = 64 << 20
)

// version is what a file held before a change.
type version struct {
	path string
	data []byte
	// after is the hash of what the change made of the file.
	after [sha256.Size]byte
}

// history keeps the versions of all files in the order in which they were
// replaced. Safe for use by several goroutines. The zero value is empty.
type history struct {
	mu       sync.Mutex
	versions []version
	size     int
}

// push notes what a file held; the oldest versions make room for it.
func (h *history) push(path string, before, after []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.versions = append(h.versions, version{path, before, sha256.Sum256(after)})
	h.size += len(before)
	n := 0
	for _, v := range h.versions {
		if v.path == path {
			n++
		}
	}
	if n > historyEntries {
		h.remove(slices.IndexFunc(h.versions, func(v version) bool { return v.path == path }))
	}
	for h.size > historyBytes && len(h.versions) > 1 {
		h.remove(0)
	}
}

func (h *history) remove(i int) {
	h.size -= len(h.versions[i].data)
	h.versions = slices.Delete(h.versions, i, i+1)
}

// last gives the newest version of a file.
func (h *history) last(path string) (version, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := len(h.versions) - 1; i >= 0; i-- {
		if h.versions[i].path == path {
			return h.versions[i], true
		}
	}
	return version{}, false
}

// pop takes the newest version of a file away.
func (h *history) pop(path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := len(h.versions) - 1; i >= 0; i-- {
		if h.versions[i].path == path {
			h.remove(i)
			return
		}
	}
}

func (h *history) clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.versions, h.size = nil, 0
}
