// Package catalog knows models: how long their windows are, what they cost and
// what they can do. The figures are catwalk's, built into the binary; nothing is
// fetched.
//
// The catalog is decoded at the first question, not at start-up. Users' own
// figures come from their config and are not known here. The package starts no
// goroutine.
package catalog

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"charm.land/catwalk/pkg/catwalk"
	"charm.land/catwalk/pkg/embedded"
)

// Info is what is known of a model.
type Info struct {
	// ID is the model's name at its provider, as on the wire.
	ID string
	// Provider is the prefix by which a config names the provider.
	Provider string
	// ContextWindow and MaxOutput are in tokens; 0 if not known. MaxOutput is
	// what catwalk asks for by default: the model may be able to give more.
	ContextWindow, MaxOutput int
	// Input, Output, CacheRead and CacheWrite are USD per million tokens.
	Input, Output, CacheRead, CacheWrite float64
	Vision, Reasoning                    bool
	// Efforts are the reasoning efforts that can be asked for; nil if none.
	Efforts []string
	// DefaultEffort is the effort of a request that names none.
	DefaultEffort string
}

// Model is the name that a config takes: PROVIDER/ID.
func (i *Info) Model() string { return i.Provider + "/" + i.ID }

// prefixes maps catwalk's provider ids to the prefixes of configs, where the
// two differ. Providers that can't be reached by a prefix keep their id.
var prefixes = map[catwalk.InferenceProvider]string{
	catwalk.InferenceProviderVercel:           "vercel_ai_gateway",
	catwalk.InferenceProviderFireworks:        "fireworks_ai",
	catwalk.InferenceProviderVertexAI:         "vertex_ai",
	catwalk.InferenceProviderAlibabaSingapore: "dashscope",
}

// makers are asked, in this order, for a model whose prefix does not say whose
// it is: they price their own models, others resell them.
var makers = []string{
	"openai", "anthropic", "gemini", "deepseek", "xai", "moonshot", "minimax", "zai",
	"dashscope", "groq", "cerebras", "openrouter",
}

type index struct {
	all []Info
	// exact finds by "provider/id", loose by "provider/" and the id without its
	// date and its maker.
	exact, loose map[string]*Info
}

// load decodes the catalog once.
var load = sync.OnceValue(func() *index { return build(embedded.GetAll()) })

func build(providers []catwalk.Provider) *index {
	x := &index{exact: map[string]*Info{}, loose: map[string]*Info{}}
	for _, p := range providers {
		prefix, ok := prefixes[p.ID]
		if !ok {
			prefix = string(p.ID)
		}
		for i := range p.Models {
			x.all = append(x.all, info(prefix, &p.Models[i]))
		}
	}
	slices.SortStableFunc(x.all, func(a, b Info) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.ID, b.ID))
	})
	for i := range x.all {
		m := &x.all[i]
		x.exact[strings.ToLower(m.Model())] = m
		key := m.Provider + "/" + plain(m.ID)
		// Of several dates the latest stands, since the list is in order.
		x.loose[key] = m
	}
	return x
}

func info(provider string, m *catwalk.Model) Info {
	i := Info{
		ID:            m.ID,
		Provider:      provider,
		ContextWindow: int(m.ContextWindow),
		MaxOutput:     int(m.DefaultMaxTokens),
		Input:         m.CostPer1MIn,
		Output:        m.CostPer1MOut,
		Vision:        m.SupportsImages,
		Reasoning:     m.CanReason,
		Efforts:       m.ReasoningLevels,
		DefaultEffort: m.DefaultReasoningEffort,
	}
	i.CacheRead, i.CacheWrite = cachePrices(m)
	return i
}

// cachePrices tells what reading from and writing to the cache costs. catwalk
// means "in, cached" for writing and "out, cached" for reading, but a part of
// its tables has the price of reading in the first place. Reading is never
// dearer than fresh input, writing never cheaper; where nothing fits the cache
// is taken to save and to cost nothing.
func cachePrices(m *catwalk.Model) (read, write float64) {
	read, write = m.CostPer1MIn, m.CostPer1MIn
	for _, price := range []float64{m.CostPer1MOutCached, m.CostPer1MInCached} {
		if price > 0 && price < read {
			read = price
		}
	}
	if m.CostPer1MInCached > write {
		write = m.CostPer1MInCached
	}
	return read, write
}

// Lookup finds a model by the name that a config has for it: "PROVIDER/NAME",
// or a bare name. A date or "-latest" at the end of either name is no matter,
// and a provider that the catalog does not know, such as a proxy, is passed
// over in favour of the model's maker.
func Lookup(model string) (Info, bool) {
	x := load()
	model = strings.ToLower(model)
	if m := x.at(model); m != nil {
		return *m, true
	}
	provider, name, prefixed := strings.Cut(model, "/")
	if !prefixed {
		name = model
	}
	if local[provider] {
		return Info{}, false
	}
	// A proxy's name may have the maker in it: "litellm_proxy/anthropic/claude…".
	if m := x.at(name); prefixed && m != nil {
		return *m, true
	}
	name = name[strings.LastIndexByte(name, '/')+1:]
	for _, maker := range makers {
		if m := x.at(maker + "/" + name); m != nil {
			return *m, true
		}
	}
	return Info{}, false
}

// local are the providers whose models cost nothing and have the window that
// the user gave them, whatever the catalog says of models of that name.
var local = map[string]bool{"ollama": true, "ollama_chat": true, "lm_studio": true, "llamafile": true}

func (x *index) at(model string) *Info {
	if m := x.exact[model]; m != nil {
		return m
	}
	provider, name, ok := strings.Cut(model, "/")
	if !ok {
		return nil
	}
	return x.loose[provider+"/"+plain(name)]
}

// plain is a model's name without what varies: case, its maker's prefix, a
// date, "latest", and whether a version is written with a dot.
func plain(name string) string {
	name = strings.ToLower(name)
	name = name[strings.LastIndexByte(name, '/')+1:]
	name = strings.TrimSuffix(name, "-latest")
	if i := strings.LastIndexByte(name, '-'); i > 0 && isDate(name[i+1:]) {
		name = name[:i]
	}
	// OpenAI writes dates as 2024-08-06.
	if n := len(name); n > 11 && name[n-11] == '-' && isDate(strings.ReplaceAll(name[n-10:], "-", "")) {
		name = name[:n-11]
	}
	return strings.ReplaceAll(name, ".", "-")
}

func isDate(s string) bool {
	if len(s) != 8 || !strings.HasPrefix(s, "20") {
		return false
	}
	return strings.Trim(s, "0123456789") == ""
}

// All lists every model, by provider and id. The list is the caller's.
func All() []Info { return slices.Clone(load().all) }
