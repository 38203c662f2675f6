package conversation

import (
	"context"
	"sync"
)

// mailbox hands functions to the conversation's goroutine, first in, first out.
// Posting never blocks.
type mailbox struct {
	mu     sync.Mutex
	items  []func(context.Context)
	wake   chan struct{} // holds one token while items may be waiting
	closed bool
}

func newMailbox() *mailbox { return &mailbox{wake: make(chan struct{}, 1)} }

// post adds f; false if the mailbox is shut.
func (m *mailbox) post(f func(context.Context)) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.items = append(m.items, f)
	select {
	case m.wake <- struct{}{}:
	default:
	}
	return true
}

// take gives all that waits.
func (m *mailbox) take() []func(context.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	items := m.items
	m.items = nil
	return items
}

// shut refuses what comes from now on and gives what still waits.
func (m *mailbox) shut() []func(context.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	items := m.items
	m.items = nil
	return items
}
