package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// AuthRequired says that a model can't be called before somebody sets
// something.
type AuthRequired struct {
	// Provider is the model's; "" if no model is chosen.
	Provider string
	// Setting is what to set: "ANTHROPIC_API_KEY", "LLM_MODEL".
	Setting string
	// Message says it to the user.
	Message string
}

func (e *AuthRequired) Error() string { return e.Message }

// FieldError is a field of an llm object that makes no sense.
type FieldError struct {
	Field   string // "agent.llm.temperature"
	Message string // without the value
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Message }

const whereToLook = "`agent-rpc doctor` shows what is set, `agent-rpc demo` needs no key."

// Resolve gives the model of a conversation. agentLLM is the llm object of its
// agent, or nil; a key that it lacks is looked up again. If nothing names a
// model, the key of exactly one provider chooses that provider's default.
//
// The error is an *[AuthRequired] if a model or its key is missing: the config
// is whole then but for that. It is a *[FileError] if a file can't be used.
func (c *Config) Resolve(agentLLM json.RawMessage) (llm.Config, error) {
	return c.ResolveProfile("", agentLLM)
}

// ResolveProfile is [Config.Resolve] for a conversation that names a profile,
// which is stronger than all settings but the agent's own; "" names none.
func (c *Config) ResolveProfile(profile string, agentLLM json.RawMessage) (llm.Config, error) {
	layers, err := c.layers()
	if err != nil {
		return llm.Config{}, err
	}
	if profile != "" {
		l, err := c.profile(profile)
		if err != nil {
			return llm.Config{}, err
		}
		layers = append(layers, l)
	}
	l := layerOf("the conversation's agent", fields{"llm": agentLLM})
	for _, bad := range l.check() {
		return llm.Config{}, &FieldError{Field: "agent." + bad.path, Message: bad.message}
	}
	l.foreign = true
	return c.complete(mergeLLM(append(layers, l)))
}

// merged is the model that the layers give together.
type merged struct {
	config llm.Config
	// foreign tells that base_url is of the agent alone: it leads to a server
	// that no setting names, and no key of the settings may go there.
	foreign bool
	// left is the provider whose key was left behind for another's model; "" if
	// none was.
	left string
	// warnings of all layers: a file that was left out may be why nothing is set.
	warnings []string
}

// bound are the fields that belong to one provider's server. A stronger layer
// that names a model of another provider leaves those of the weaker ones
// behind.
var bound = []string{"api_key", "base_url", "extra_headers", "litellm_extra_body", "input_cost_per_token", "output_cost_per_token"}

// entrusted are the fields that may hold secrets.
var entrusted = []string{"api_key", "extra_headers", "litellm_extra_body"}

// mergeLLM puts the layers together, the weakest first.
func mergeLLM(layers []*layer) merged {
	var (
		m     merged
		all   = fields{}
		known []string // the base URLs that settings name
	)
	for _, l := range layers {
		m.warnings = append(m.warnings, l.warnings...)
		model, base := l.llm.text("model"), l.llm.text("base_url")
		if l.foreign && base == "" {
			base = l.llm.text("ollama_base_url")
		}
		if before := all.text("model"); model != "" && before != "" {
			owner := llm.Provider(before, all.text("base_url")).Name
			if owner != llm.Provider(model, base).Name {
				if all.secret("api_key") != "" {
					m.left = owner
				}
				for _, name := range bound {
					delete(all, name)
				}
			}
		}
		if base != "" && l.foreign {
			if model == "" {
				model = all.text("model")
			}
			known = append(known, llm.Provider(model, "").DefaultBaseURL)
			if !llm.Local(base) && !slices.ContainsFunc(known, func(url string) bool { return llm.SameHost(url, base) }) {
				for _, name := range entrusted {
					delete(all, name)
				}
				m.foreign = true
			}
		} else if base != "" {
			known = append(known, base)
		}
		for name, raw := range l.llm {
			if blank(name, l.llm) {
				continue
			}
			all[name] = raw
		}
	}
	m.config = decodeLLM(all)
	return m
}

// blank tells that a field says nothing: an empty text, or a key that was
// masked.
func blank(name string, f fields) bool {
	if name == "api_key" {
		return f.secret(name) == ""
	}
	var s string
	return json.Unmarshal(f[name], &s) == nil && strings.TrimSpace(s) == ""
}

// decodeLLM makes the config of checked fields.
func decodeLLM(all fields) llm.Config {
	var cfg llm.Config
	for name, raw := range all {
		if _, known := llmFields()[name]; known {
			_ = assign(&cfg, name, raw) // checked before
			continue
		}
		if cfg.Extra == nil {
			cfg.Extra = map[string]json.RawMessage{}
		}
		cfg.Extra[name] = raw
	}
	cfg.Model = strings.TrimSpace(cfg.Model)
	cfg.BaseURL = strings.TrimSpace(cfg.BaseURL)
	cfg.APIKey = all.secret("api_key")
	maps.DeleteFunc(cfg.ExtraHeaders, func(_, value string) bool { return llm.Unread(value) })
	return cfg
}

// complete chooses the model if none is named, and finds the key.
func (c *Config) complete(m merged) (llm.Config, error) {
	cfg := m.config
	if cfg.Model == "" {
		if err := c.choose(&cfg, m.warnings); err != nil {
			return cfg, err
		}
	}
	if err := checkBaseURL(cfg.BaseURL); err != nil {
		return cfg, err
	}
	p := llm.Provider(cfg.Model, cfg.BaseURL)
	if p.Name == "" {
		return cfg, &FieldError{"agent.llm.model", fmt.Sprintf("the model %s does not say whose it is: write PROVIDER/NAME, for instance ollama/%[1]s, or set LLM_BASE_URL (base_url in the settings) for a compatible server", cfg.Model)}
	}
	if p.DefaultBaseURL == "" && cfg.BaseURL == "" && p.Name != "scripted" && p.Name != "replay" {
		return cfg, &FieldError{"agent.llm.base_url", fmt.Sprintf("the model %s needs the address of its server: set LLM_BASE_URL (base_url in the settings); a compatible server's model is openai/NAME", cfg.Model)}
	}
	if cfg.APIKey != "" || hasCredential(cfg.ExtraHeaders) {
		return cfg, nil
	}
	if m.foreign {
		if !p.NeedsKey {
			return cfg, nil
		}
		return cfg, &AuthRequired{
			Provider: p.Name,
			Setting:  "llm.api_key",
			Message: fmt.Sprintf("The conversation's agent asks for %s at %s, which your settings don't name, so none of your keys is sent there. "+
				"Set base_url to it in the settings if you trust it, or give its api_key with the agent. %s", cfg.Model, host(cfg.BaseURL), whereToLook),
		}
	}
	// A key for the provider itself also serves where the settings lead its
	// models through another server, as LiteLLM has it.
	variables := []string{p.KeyVar, llm.Provider(cfg.Model, "").KeyVar}
	for _, name := range variables {
		if name == "" || name == llm.AnyKeyVar {
			continue // LLM_API_KEY was merged, or was left behind for its provider
		}
		if key := c.env(name); key != "" {
			cfg.APIKey = llm.Secret(key)
			return cfg, nil
		}
	}
	if !p.NeedsKey {
		return cfg, nil
	}
	note := ""
	if m.left != "" {
		note = fmt.Sprintf(" The key that is set belongs to another model, of %s.", m.left)
	}
	return cfg, &AuthRequired{
		Provider: p.Name,
		Setting:  p.KeyVar,
		Message:  fmt.Sprintf("The model %s needs a key: set %s.%s %s", cfg.Model, p.KeyVar, note, whereToLook),
	}
}

// choose takes the default model of the one provider that has a key.
func (c *Config) choose(cfg *llm.Config, warnings []string) error {
	var models, variables []string
	for _, p := range llm.Providers() {
		if p.DefaultModel != "" && c.env(p.KeyVar) != "" {
			models = append(models, p.DefaultModel)
			variables = append(variables, p.KeyVar)
		}
	}
	missing := &AuthRequired{Setting: "LLM_MODEL"}
	switch {
	case cfg.APIKey != "" || cfg.BaseURL != "":
		missing.Message = "A key or a server is set, but no model: set LLM_MODEL (llm.model in the settings), for instance to anthropic/claude-sonnet-5, or to openai/NAME for a compatible server."
	case len(models) == 1:
		cfg.Model = models[0]
		return nil
	case len(models) > 1:
		missing.Message = fmt.Sprintf("There are keys for several providers (%s), but no model is chosen: set LLM_MODEL, for instance to %s.",
			strings.Join(variables, ", "), models[0])
	default:
		missing.Message = "No model is configured: set ANTHROPIC_API_KEY, OPENAI_API_KEY or another provider's key, or LLM_MODEL with its key; a local server needs only LLM_MODEL=ollama/NAME."
	}
	missing.Message += " " + whereToLook
	for _, w := range warnings {
		missing.Message += " Note: " + w + "."
	}
	return missing
}

func checkBaseURL(raw string) error {
	if raw == "" {
		return nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return &FieldError{"agent.llm.base_url", "base_url (LLM_BASE_URL) must be an http or https URL"}
	}
	return nil
}

// host is the server of a URL, without what else may stand in it.
func host(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "another server"
	}
	return u.Host
}

// hasCredential tells whether a header stands in for the key.
func hasCredential(headers map[string]string) bool {
	for name, value := range headers {
		name = strings.ToLower(name)
		if value != "" && (strings.Contains(name, "authorization") || strings.Contains(name, "key") || strings.Contains(name, "token")) {
			return true
		}
	}
	return false
}

// ServerKeys names the environment variables that hold the server's own keys,
// sorted: the shell of a conversation must not have them. A variable that other
// programs share, as HF_TOKEN, is among them only if it is the model's.
func (c *Config) ServerKeys() []string {
	names := map[string]bool{
		llm.AnyKeyVar:               true,
		"LLM_AWS_ACCESS_KEY_ID":     true,
		"LLM_AWS_SECRET_ACCESS_KEY": true,
		"LLM_AWS_SESSION_TOKEN":     true,
		"LLM_EXTRA_HEADERS":         true,
		secretKeyVar:                true,
		"AGENT_RPC_SECRET_KEY":      true,
	}
	for _, p := range llm.Providers() {
		if strings.HasSuffix(p.KeyVar, "_API_KEY") {
			names[p.KeyVar] = true
		}
	}
	if s, _ := c.Settings(); s.LLM.Model != "" {
		if p := llm.Provider(s.LLM.Model, ""); p.KeyVar != "" {
			names[p.KeyVar] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// openHandsFields are the fields of OpenHands' LLM that our config keeps
// without using them.
var openHandsFields = map[string]bool{
	"provider_connection_id": true, "auth_type": true, "subscription_vendor": true, "is_subscription": true,
	"api_version": true, "aws_access_key_id": true, "aws_secret_access_key": true, "aws_session_token": true,
	"aws_region_name": true, "aws_profile_name": true, "aws_role_name": true, "aws_session_name": true,
	"aws_bedrock_runtime_endpoint": true, "openrouter_site_url": true, "openrouter_app_name": true,
	"max_message_chars": true, "model_canonical_name": true, "api_mode": true, "capability_overrides": true,
	"ollama_base_url": true, "stream": true, "drop_params": true, "modify_params": true,
	"disable_stop_word": true, "log_completions": true, "log_completions_folder": true,
	"custom_tokenizer": true, "force_string_serializer": true, "inline_image_urls": true,
	"reasoning_summary": true, "enable_encrypted_reasoning": true, "prompt_cache_retention": true,
	"fallback_strategy": true, "schema_version": true,
}
