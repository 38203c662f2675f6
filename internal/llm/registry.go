package llm

import (
	"fmt"
	"slices"
	"sync"
)

// Registry names the models of a conversation by usage id: "default",
// "condenser", "profile:NAME". It is safe for use by several goroutines.
type Registry struct {
	mu     sync.Mutex
	models map[string]Model
	added  func(usageID string, m Model)
}

// NewRegistry makes an empty registry. added is called after each Add, outside
// the lock; it may be nil.
func NewRegistry(added func(usageID string, m Model)) *Registry {
	return &Registry{models: map[string]Model{}, added: added}
}

// Add registers the model. A usage id that is taken is an error: two models
// would be counted as one.
func (r *Registry) Add(usageID string, m Model) error {
	r.mu.Lock()
	_, taken := r.models[usageID]
	if !taken {
		r.models[usageID] = m
	}
	r.mu.Unlock()
	if taken {
		return fmt.Errorf("a model with usage id %q is registered already", usageID)
	}
	if r.added != nil {
		r.added(usageID, m)
	}
	return nil
}

// Get gives the model of the usage id.
func (r *Registry) Get(usageID string) (Model, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, ok := r.models[usageID]
	if !ok {
		return nil, fmt.Errorf("no model with usage id %q", usageID)
	}
	return m, nil
}

// Remove forgets the usage id; one that is not known is no error.
func (r *Registry) Remove(usageID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.models, usageID)
}

// List gives the usage ids in order.
func (r *Registry) List() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := make([]string, 0, len(r.models))
	for id := range r.models {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
