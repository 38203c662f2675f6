package tool

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Factory makes the tools of one registry name for one conversation. One name
// may give several tools, or none where what they need is not there.
type Factory func(env Env) ([]Tool, error)

// Entry is one line of a [Registry].
type Entry struct {
	// Name is the registry name, "terminal"; "" for a tool that is only built in.
	Name string
	// Class is OpenHands' class name, "TerminalTool". Tool specs may use it too.
	Class string
	// Aliases are older names of the tool in specs, "BashTool".
	Aliases []string
	// BuiltIn says that include_default_tools may name the class.
	BuiltIn bool
	New     Factory
}

func (e *Entry) is(name string) bool {
	return name == e.Class || (e.Name != "" && name == e.Name) || slices.Contains(e.Aliases, name)
}

// Registry knows how tools are made. It never changes and is safe for use by
// several goroutines.
type Registry struct{ entries []Entry }

// NewRegistry makes a registry. It panics if two entries share a name, which is
// a mistake in the program.
func NewRegistry(entries ...Entry) *Registry {
	seen := map[string]bool{}
	for _, e := range entries {
		for name := range e.names() {
			if seen[name] {
				panic("two tools are registered as " + name)
			}
			seen[name] = true
		}
	}
	return &Registry{slices.Clone(entries)}
}

func (e *Entry) names() map[string]bool {
	names := map[string]bool{}
	for _, name := range append([]string{e.Name, e.Class}, e.Aliases...) {
		if name != "" {
			names[name] = true
		}
	}
	return names
}

// Names gives the registry names in order, for a list of what there is.
func (r *Registry) Names() []string {
	var names []string
	for _, e := range r.entries {
		if e.Name != "" {
			names = append(names, e.Name)
		}
	}
	return names
}

// Same tells whether two names in specs mean one tool.
func (r *Registry) Same(a, b string) bool {
	return a == b || slices.ContainsFunc(r.entries, func(e Entry) bool { return e.is(a) && e.is(b) })
}

// Has tells whether a spec of this name is one of the registry's.
func (r *Registry) Has(name string) bool {
	return slices.ContainsFunc(r.entries, func(e Entry) bool { return e.is(name) })
}

// BuiltIns gives the class names that include_default_tools may hold, in order.
func (r *Registry) BuiltIns() []string {
	var names []string
	for _, e := range r.entries {
		if e.BuiltIn {
			names = append(names, e.Class)
		}
	}
	return names
}

// Spec is a tool in an agent's settings: OpenHands' Tool.
type Spec struct {
	Name   string          `json:"name"`
	Params json.RawMessage `json:"params,omitempty"`
}

// DefaultBuiltIns are the built-in tools of an agent that names none.
var DefaultBuiltIns = []string{"FinishTool", "ThinkTool"}

// Selection says which tools a conversation has, as an agent's settings do.
type Selection struct {
	// Specs are the agent's tools.
	Specs []Spec
	// BuiltIns is include_default_tools; nil means [DefaultBuiltIns].
	BuiltIns []string
	// Filter is filter_tools_regex: a tool stays whose name it matches from the
	// start on. Built-in tools always stay. "" keeps all.
	Filter string
	// Extra are tools made elsewhere, such as those of MCP servers. They stand
	// between the agent's tools and the built-in ones, and are filtered too.
	Extra []Tool
}

// Open makes the tools of one conversation. Everything that is wrong with the
// selection is in the error, with the names that exist. On an error what was
// made is closed again; Extra stays the caller's.
func (r *Registry) Open(env Env, sel Selection) (*Set, error) {
	filter, err := compileFilter(sel.Filter)
	if err != nil {
		return nil, err
	}
	specs, builtIns, err := r.resolve(sel)
	if err != nil {
		return nil, err
	}
	var made, tools []Tool
	fail := func(err error) (*Set, error) {
		for _, t := range made {
			err = errors.Join(err, closeTool(t))
		}
		return nil, err
	}
	keep := func(t Tool) bool { return filter == nil || filter.MatchString(t.Definition().Name) }
	open := func(spec resolved, keep func(Tool) bool) error {
		env.Params = spec.params
		list, err := spec.entry.New(env)
		if err != nil {
			return fmt.Errorf("making tool %s: %w", spec.entry.title(), err)
		}
		for _, t := range list {
			if !keep(t) {
				err = errors.Join(err, closeTool(t))
				continue
			}
			made = append(made, t)
			tools = append(tools, t)
		}
		return err
	}
	for _, spec := range specs {
		if err := open(spec, keep); err != nil {
			return fail(err)
		}
	}
	for _, t := range sel.Extra {
		if keep(t) {
			tools = append(tools, t)
		}
	}
	for _, spec := range builtIns {
		if err := open(spec, func(Tool) bool { return true }); err != nil {
			return fail(err)
		}
	}
	set, err := NewSet(tools...)
	if err != nil {
		return fail(err)
	}
	return set, nil
}

type resolved struct {
	entry  *Entry
	params json.RawMessage
}

// resolve finds the entries of a selection.
func (r *Registry) resolve(sel Selection) (specs, builtIns []resolved, err error) {
	var errs []error
	for _, spec := range sel.Specs {
		name := strings.TrimSpace(spec.Name)
		if name == "" {
			errs = append(errs, errors.New("a tool has no name"))
			continue
		}
		i := slices.IndexFunc(r.entries, func(e Entry) bool { return e.is(name) })
		if i < 0 {
			errs = append(errs, fmt.Errorf("there is no tool %q; there are %s", name, strings.Join(r.Names(), ", ")))
			continue
		}
		params, err := specParams(spec.Params)
		if err != nil {
			errs = append(errs, fmt.Errorf("tool %s: %w", name, err))
			continue
		}
		specs = append(specs, resolved{&r.entries[i], params})
	}
	classes := sel.BuiltIns
	if classes == nil {
		classes = DefaultBuiltIns
	}
	for _, class := range classes {
		i := slices.IndexFunc(r.entries, func(e Entry) bool { return e.BuiltIn && e.Class == class })
		if i < 0 {
			errs = append(errs, fmt.Errorf("there is no built-in tool %q; there are %s", class, strings.Join(r.BuiltIns(), ", ")))
			continue
		}
		builtIns = append(builtIns, resolved{entry: &r.entries[i]})
	}
	return specs, builtIns, errors.Join(errs...)
}

func (e *Entry) title() string {
	if e.Name != "" {
		return e.Name
	}
	return e.Class
}

// specParams reads null and nothing as no parameters. An empty list is one that
// an editor written in Lua sends for an empty object.
func specParams(raw json.RawMessage) (json.RawMessage, error) {
	switch text := string(compact(raw)); text {
	case "", "null", "[]", "{}":
		return nil, nil
	default:
		if text[0] != '{' {
			return nil, errors.New("its params are not an object")
		}
		return raw, nil
	}
}

// Filter gives what tells whether filter_tools_regex keeps a tool of a name.
func Filter(pattern string) (func(name string) bool, error) {
	re, err := compileFilter(pattern)
	if err != nil {
		return nil, err
	}
	return func(name string) bool { return re == nil || re.MatchString(name) }, nil
}

// compileFilter anchors the pattern at the start, as Python's match does.
func compileFilter(pattern string) (*regexp.Regexp, error) {
	if pattern == "" {
		return nil, nil
	}
	re, err := regexp.Compile(`\A(?:` + pattern + `)`)
	if err != nil {
		return nil, fmt.Errorf("filter_tools_regex: %w", err)
	}
	return re, nil
}
