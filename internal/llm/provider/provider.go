// Package provider opens models: it finds the adapter, the server and the key
// that a config means, from the prefix of the model's name as LiteLLM has it.
//
// It doesn't look for keys, neither in the environment nor elsewhere: the config
// has them, and [KeyVar] says where one would look. Opening does not connect,
// and loads the catalog only at the first call. The package starts no goroutine.
package provider

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/llm"
	"github.com/agent-rpc/agent-rpc/internal/llm/anthropic"
	"github.com/agent-rpc/agent-rpc/internal/llm/openai"
	"github.com/agent-rpc/agent-rpc/internal/llm/transport"
)

// Options are what the process adds to a config. The zero value will do.
type Options struct {
	// Builtin are models that need no server, by prefix: "scripted" makes
	// "scripted/NAME" and plain "scripted". They are used as they are, without
	// retries.
	Builtin map[string]func(llm.Config) (llm.Model, error)
	// OnRetry is called before each wait for another attempt, from the goroutine
	// that called Complete.
	OnRetry func(attempt, attempts int, wait time.Duration, err error)
	// UserAgent is sent to every server; the SDK's own if "".
	UserAgent string
}

// Open makes the model of the config. Keys are not asked for here: a call
// without one that needs it fails with [llm.ErrAuth]. A name that can't be
// placed is an [llm.Error] of kind [llm.ErrBadRequest].
func Open(cfg llm.Config, opts Options) (llm.Model, error) {
	name := strings.TrimSpace(cfg.Model)
	prefix, _, _ := strings.Cut(name, "/")
	if build := opts.Builtin[prefix]; build != nil {
		return build(cfg)
	}
	r, err := resolve(&cfg)
	if err != nil {
		return nil, err
	}
	peer := transport.Peer{
		Provider: r.prefix,
		BaseURL:  r.base,
		Setting:  cmp.Or(KeyVar(cfg), llm.AnyKeyVar),
		Secrets:  secrets(&cfg),
		Idle:     cfg.IdleTimeout(),
	}
	traits := sync.OnceValue(func() llm.Traits { return traitsOf(&cfg, r) })
	var m llm.Model
	if r.vendor.anthropic {
		m = anthropic.New(anthropic.Options{
			Model: r.model, Peer: peer, Key: cfg.APIKey.Reveal(), NeedsKey: NeedsKey(cfg),
			Config: cfg, Traits: traits, UserAgent: opts.UserAgent,
		})
	} else {
		m = openai.New(openai.Options{
			Model: r.model, Peer: peer, Key: cfg.APIKey.Reveal(), NeedsKey: NeedsKey(cfg),
			Config: cfg, Traits: traits, Responses: usesResponses(&cfg, r), Dialect: r.dialect(&cfg), UserAgent: opts.UserAgent,
		})
	}
	policy := cfg.Retry()
	policy.Notify = opts.OnRetry
	return llm.WithRetry(m, policy), nil
}

// Name is the provider that the config's model belongs to: the prefix of its
// name, or the guess where it has none; "" if it can't be placed.
func Name(cfg llm.Config) string {
	r, err := resolve(&cfg)
	if err != nil {
		prefix, _, _ := strings.Cut(strings.TrimSpace(cfg.Model), "/")
		return prefix
	}
	return r.prefix
}

// KeyVar is the environment variable that holds the key for the config's
// server; "" if it takes none. Where base_url leads elsewhere than to the
// provider itself it is LLM_API_KEY.
func KeyVar(cfg llm.Config) string {
	r, err := resolve(&cfg)
	switch {
	case err != nil:
		return ""
	case r.custom:
		return llm.AnyKeyVar
	}
	return r.info.KeyVar
}

// NeedsKey tells whether a call can't succeed without a key. Local servers need
// none, and neither does a config whose headers carry a credential.
func NeedsKey(cfg llm.Config) bool {
	r, err := resolve(&cfg)
	if err != nil || r.info.KeyVar == "" || transport.Local(r.base) {
		return false
	}
	for name, value := range cfg.ExtraHeaders {
		if value != "" && llm.SecretHeader(name) {
			return false
		}
	}
	return true
}

// route is where the requests for a model go.
type route struct {
	prefix string
	info   llm.ProviderInfo
	vendor vendor
	// model is the name on the wire.
	model string
	base  string
	// custom: the config has its own base URL.
	custom bool
}

func resolve(cfg *llm.Config) (route, error) {
	name := strings.TrimSpace(cfg.Model)
	if name == "" {
		return route{}, refuse("", "no model is set: give one as PROVIDER/NAME, for instance anthropic/claude-sonnet-4-5 (LLM_MODEL)")
	}
	prefix, rest, _ := strings.Cut(name, "/")
	info, known := llm.ProviderNamed(prefix)
	r := route{prefix: prefix, info: info, model: rest}
	base := strings.TrimRight(strings.TrimSpace(cfg.BaseURL), "/")
	if !known {
		r.prefix, r.model = llm.GuessProvider(name), name
		// A server's own names may have slashes in them: meta-llama/Llama-3.
		if r.prefix == "" && base != "" {
			r.prefix = "openai"
		}
		if r.prefix == "" || strings.Contains(name, "/") && base == "" {
			return route{}, unknown(name, prefix)
		}
		r.info, _ = llm.ProviderNamed(r.prefix)
	}
	r.vendor = vendors[r.prefix]
	if r.model == "" {
		return route{}, refuse(prefix, fmt.Sprintf("model %q has no name after its prefix", name))
	}
	if prefix == "ollama" || prefix == "ollama_chat" {
		if own := cfg.ExtraString("ollama_base_url"); base == "" && own != "" {
			base = strings.TrimRight(own, "/")
		}
	}
	if base == "" {
		base = r.info.DefaultBaseURL
	} else {
		r.custom = r.info.DefaultBaseURL != ""
		u, err := url.Parse(base)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return route{}, refuse(r.prefix, fmt.Sprintf("base_url %q is not an http or https URL", base))
		}
		if u.Path == "" && r.info.DefaultBaseURL != "" && sameHost(u, r.info.DefaultBaseURL) {
			base, r.custom = r.info.DefaultBaseURL, false
		} else if u.Path == "" {
			base += r.vendor.ownPath
		}
	}
	if base == "" {
		return route{}, refuse(r.prefix, fmt.Sprintf("model %q needs a base_url (LLM_BASE_URL)", name))
	}
	if r.prefix == "azure" && !strings.Contains(base, "/openai") {
		base += "/openai/deployments/" + url.PathEscape(r.model)
	}
	r.base = base
	return r, nil
}

func sameHost(u *url.URL, base string) bool {
	v, err := url.Parse(base)
	return err == nil && strings.EqualFold(u.Host, v.Host)
}

func unknown(name, prefix string) error {
	if instead, ok := elsewhere[prefix]; ok {
		return refuse(prefix, fmt.Sprintf("models of %s/ can't be reached directly: use %s", prefix, instead))
	}
	var known []string
	for _, p := range llm.Providers() {
		known = append(known, p.Name)
	}
	return refuse("", fmt.Sprintf("model %q does not say whose it is: write PROVIDER/NAME with one of %s, or set base_url for an OpenAI-compatible server",
		name, strings.Join(known, ", ")))
}

func refuse(provider, message string) error {
	if provider == "" {
		provider = "llm"
	}
	return &llm.Error{Kind: llm.ErrBadRequest, Provider: provider, Message: message}
}

// dialect is the vendor's, with what the config adds to it.
func (r *route) dialect(cfg *llm.Config) openai.Dialect {
	d := r.vendor.dialect
	switch r.prefix {
	case "openai":
		d.CacheKey = !r.custom
	case "azure":
		if strings.Contains(r.base, "/deployments/") {
			version := cfg.ExtraString("api_version")
			if version == "" {
				version = "2024-12-01-preview"
			}
			d.Query = map[string]string{"api-version": version}
		}
	case "openrouter":
		d.Headers = map[string]string{
			"HTTP-Referer": cfg.ExtraString("openrouter_site_url"),
			"X-Title":      cfg.ExtraString("openrouter_app_name"),
		}
		if d.Headers["X-Title"] == "" {
			d.Headers["X-Title"] = "agent-rpc"
		}
		maps.DeleteFunc(d.Headers, func(_, value string) bool { return value == "" })
	}
	return d
}

// secrets are what must not appear in an error.
func secrets(cfg *llm.Config) []string {
	out := []string{cfg.APIKey.Reveal()}
	for name, value := range cfg.ExtraHeaders {
		if llm.SecretHeader(name) {
			out = append(out, value, strings.TrimPrefix(value, "Bearer "))
		}
	}
	return out
}
