package tool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Set is the tools of one conversation. It never changes after [NewSet], and is
// safe for use by several goroutines.
type Set struct {
	tools   []Tool
	names   []string
	byName  map[string]int
	byKind  map[string][]int
	schemas []json.RawMessage
	params  []parameters
}

// NewSet makes a set of tools in the given order, which is the order in which
// the model sees them. Two tools of one name are an error.
func NewSet(tools ...Tool) (*Set, error) {
	s := &Set{byName: map[string]int{}, byKind: map[string][]int{}}
	var errs []error
	for _, t := range tools {
		def := t.Definition()
		if _, ok := s.byName[def.Name]; ok {
			errs = append(errs, fmt.Errorf("two tools are named %q", def.Name))
			continue
		}
		schema, err := ModelSchema(def)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		s.byName[def.Name] = len(s.tools)
		s.byKind[def.ActionKind] = append(s.byKind[def.ActionKind], len(s.tools))
		s.tools = append(s.tools, t)
		s.names = append(s.names, def.Name)
		s.schemas = append(s.schemas, schema)
		s.params = append(s.params, parametersOf(def))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return s, nil
}

// All gives the tools in order.
func (s *Set) All() []Tool { return slices.Clone(s.tools) }

// Names gives the names of the tools in order.
func (s *Set) Names() []string { return slices.Clone(s.names) }

// Definitions gives the definitions of the tools in order.
func (s *Set) Definitions() []*Definition {
	defs := make([]*Definition, len(s.tools))
	for i, t := range s.tools {
		defs[i] = t.Definition()
	}
	return defs
}

// ByName finds the tool that models call by this name.
func (s *Set) ByName(name string) (Tool, bool) {
	i, ok := s.byName[name]
	if !ok {
		return nil, false
	}
	return s.tools[i], true
}

// ByActionKind finds the tool by the kind of its actions. It finds none where
// several tools share a kind, as those of MCP servers do.
func (s *Set) ByActionKind(kind string) (Tool, bool) {
	at := s.byKind[kind]
	if len(at) != 1 {
		return nil, false
	}
	return s.tools[at[0]], true
}

// Schema gives the schema that the model sees of the named tool, see
// [ModelSchema]; nil if there is no such tool.
func (s *Set) Schema(name string) json.RawMessage {
	i, ok := s.byName[name]
	if !ok {
		return nil
	}
	return s.schemas[i]
}

// Close closes all tools at once and joins their errors, in order. It returns
// when the context ends, and its error names the tools that were still closing.
func (s *Set) Close(ctx context.Context) error {
	done := make([]chan error, len(s.tools))
	for i, t := range s.tools {
		done[i] = make(chan error, 1)
		go func() { done[i] <- closeTool(t) }()
	}
	var errs []error
	for i := range done {
		if err := wait(ctx, done[i]); err != nil {
			errs = append(errs, fmt.Errorf("closing tool %s: %w", s.names[i], err))
		}
	}
	return errors.Join(errs...)
}

// wait gives the result that comes before the context ends, or is there when it
// has ended.
func wait(ctx context.Context, done <-chan error) error {
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	default:
		return ctx.Err()
	}
}

func closeTool(t Tool) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return t.Close()
}
