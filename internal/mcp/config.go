package mcp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The transports.
const (
	stdio = "stdio"
	http  = "http"
	sse   = "sse"
)

// Config is one server as it is configured: OpenHands' MCPServer. Values may
// name variables as ${NAME}.
type Config struct {
	Name string
	// Transport is stdio, http (streamable) or sse.
	Transport string
	Command   string
	Args      []string
	Env       map[string]string
	// Cwd is relative to the workspace.
	Cwd     string
	URL     string
	Headers map[string]string
	// Secret names the headers that auth gave.
	Secret []string
	// Timeout is how long a call may go without an answer or news of its progress;
	// 0 for the default.
	Timeout  time.Duration
	Disabled bool
	// Origin says where a server comes from that the conversation's own agent does
	// not name: "settings", or a file.
	Origin string
	// Lost says that it has values that were not stored.
	Lost bool
	// Err says what is wrong with it; such a server does not start.
	Err error
}

// Reached is the command, or the URL without what may be secret in it. Arguments
// may be secret as well.
func (c *Config) Reached() string {
	if c.Transport == stdio {
		return c.Command
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host + u.Path
}

// Parse reads OpenHands' mcp_config: servers by name, or the same below
// "mcpServers", in the order of their names. What is wrong with one server is in
// its Err; the error says that the whole can't be read.
func Parse(raw json.RawMessage) ([]Config, error) {
	text := string(bytes.TrimSpace(raw))
	if text == "" || text == "null" || text == "[]" {
		return nil, nil
	}
	servers := map[string]json.RawMessage{}
	if err := json.Unmarshal(raw, &servers); err != nil {
		return nil, errors.New("must be an object of servers by name")
	}
	if inner, ok := servers["mcpServers"]; ok && !isServer(inner) {
		clear(servers)
		if text := string(bytes.TrimSpace(inner)); text != "null" && text != "[]" && json.Unmarshal(inner, &servers) != nil {
			return nil, errors.New("mcpServers must be an object of servers by name")
		}
	}
	var list []Config
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		c := Config{Name: name}
		c.Err = c.read(servers[name])
		list = append(list, c)
	}
	return list, nil
}

// isServer tells a server that is named mcpServers from the wrapper.
func isServer(raw json.RawMessage) bool {
	var s struct{ Command, URL json.RawMessage }
	if json.Unmarshal(raw, &s) != nil {
		return false
	}
	var text string
	return json.Unmarshal(s.Command, &text) == nil || json.Unmarshal(s.URL, &text) == nil
}

// Merge puts layers of servers on top of each other: a later server takes the
// place of an earlier one of the same name.
func Merge(layers ...[]Config) []Config {
	byName := map[string]Config{}
	for _, layer := range layers {
		for _, c := range layer {
			byName[c.Name] = c
		}
	}
	var list []Config
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		list = append(list, byName[name])
	}
	return list
}

// Check gives what is wrong with the first server that makes no sense.
func Check(list []Config) error {
	for _, c := range list {
		if c.Err != nil {
			return fmt.Errorf("%s: %w", c.Name, c.Err)
		}
	}
	return nil
}

// mask is what stands for a value that was not stored.
const mask = "**********"

func (c *Config) read(raw json.RawMessage) error {
	var s struct {
		URL       string            `json:"url"`
		Transport string            `json:"transport"`
		Type      string            `json:"type"`
		Command   string            `json:"command"`
		Args      []any             `json:"args"`
		Env       map[string]any    `json:"env"`
		Cwd       string            `json:"cwd"`
		Timeout   *float64          `json:"timeout"`
		Headers   map[string]string `json:"headers"`
		Auth      json.RawMessage   `json:"auth"`
		Enabled   *bool             `json:"enabled"`
		Disabled  bool              `json:"disabled"`
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		var t *json.UnmarshalTypeError
		if errors.As(err, &t) && t.Field != "" {
			return fmt.Errorf("%s must be of another type than %s", t.Field, t.Value)
		}
		return errors.New("must be an object")
	}
	c.Disabled = s.Disabled || s.Enabled != nil && !*s.Enabled
	c.URL, c.Command, c.Cwd = s.URL, s.Command, s.Cwd
	c.Headers, c.Env = map[string]string{}, map[string]string{}
	maps.Copy(c.Headers, s.Headers)
	for _, a := range s.Args {
		text, err := scalar(a)
		if err != nil {
			return errors.New("args must be a list of strings")
		}
		c.Args = append(c.Args, text)
	}
	for name, v := range s.Env {
		text, err := scalar(v)
		if err != nil {
			return fmt.Errorf("env: %s must be a string", name)
		}
		if c.Env[name] = text; text == mask {
			c.Lost = true
			delete(c.Env, name)
		}
	}
	maps.DeleteFunc(c.Headers, func(_, value string) bool {
		c.Lost = c.Lost || value == mask
		return value == mask
	})
	if s.Timeout != nil {
		if *s.Timeout < 0 || math.IsInf(*s.Timeout, 0) || *s.Timeout > 1e6 {
			return errors.New("timeout must be a number of seconds")
		}
		c.Timeout = time.Duration(*s.Timeout * float64(time.Second))
	}
	if err := c.choose(strings.ToLower(cmpOr(s.Transport, s.Type))); err != nil {
		return err
	}
	return c.authorize(s.Auth)
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// scalar gives a string, a number or a boolean as a string.
func scalar(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bool, float64:
		raw, err := json.Marshal(v)
		return string(raw), err
	}
	return "", errors.New("no string")
}

// sseURL is how fastmcp tells a server of the older transport by its URL.
var sseURL = regexp.MustCompile(`/sse(/|\?|&|$)`)

// choose finds the transport and checks that it has what it needs.
func (c *Config) choose(transport string) error {
	switch transport {
	case "":
		switch {
		case c.URL == "":
			c.Transport = stdio
		case sseURL.MatchString(c.URL):
			c.Transport = sse
		default:
			c.Transport = http
		}
	case stdio, sse:
		c.Transport = transport
	case http, "shttp", "streamable-http", "streamable_http", "streamablehttp":
		c.Transport = http
	default:
		return fmt.Errorf("transport %q is not known; there are stdio, http and sse", transport)
	}
	if c.Transport == stdio {
		if c.Command == "" {
			return errors.New("needs a command, or a url")
		}
		return nil
	}
	if c.URL == "" {
		return fmt.Errorf("needs a url: its transport is %s", c.Transport)
	}
	if u, err := url.Parse(c.URL); !strings.HasPrefix(c.URL, "${") && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		return errors.New("url must be an http or https URL")
	}
	return nil
}

// errOAuth is what a server gets that wants somebody to log in.
var errOAuth = errors.New("OAuth is not served here: give the server a token with auth {\"strategy\": \"bearer\", \"value\": …} or a header")

// authorize turns auth into headers.
func (c *Config) authorize(raw json.RawMessage) error {
	text := string(bytes.TrimSpace(raw))
	if text == "" || text == "null" || text == "{}" || text == "[]" {
		return nil
	}
	header := func(name, value string) error {
		c.Lost = c.Lost || value == mask
		if value == "" || value == mask {
			return nil
		}
		for given := range c.Headers {
			if strings.EqualFold(given, name) {
				return fmt.Errorf("auth and the header %s say the same; give one of them", name)
			}
		}
		c.Headers[name] = value
		c.Secret = append(c.Secret, name)
		return nil
	}
	var token string
	if json.Unmarshal(raw, &token) == nil {
		if token == "oauth" {
			return errOAuth
		}
		return header("Authorization", bearer(token))
	}
	var a struct {
		Strategy   string            `json:"strategy"`
		Kind       string            `json:"kind"`
		Value      string            `json:"value"`
		HeaderName string            `json:"header_name"`
		Username   string            `json:"username"`
		Password   string            `json:"password"`
		Headers    map[string]string `json:"headers"`
	}
	if json.Unmarshal(raw, &a) != nil {
		return errors.New("auth must be a token, or an object with a strategy")
	}
	switch cmpOr(a.Strategy, a.Kind) {
	case "none":
	case "bearer":
		return header("Authorization", bearer(a.Value))
	case "api_key":
		if a.HeaderName == "" || strings.EqualFold(a.HeaderName, "Authorization") {
			return header("Authorization", bearer(a.Value))
		}
		return header(a.HeaderName, a.Value)
	case "basic":
		if c.Lost = c.Lost || a.Password == mask; c.Lost {
			return nil
		}
		return header("Authorization", basicPrefix+a.Username+":"+a.Password)
	case "header":
		for _, name := range slices.Sorted(maps.Keys(a.Headers)) {
			if err := header(name, a.Headers[name]); err != nil {
				return err
			}
		}
	case "oauth2", "oauth":
		return errOAuth
	default:
		return fmt.Errorf("auth: strategy %q is not known; there are none, bearer, api_key, basic and header", cmpOr(a.Strategy, a.Kind))
	}
	return nil
}

// basicPrefix marks a login that is encoded when its variables are known.
const basicPrefix = "\x00basic "

func bearer(token string) string {
	if token == "" || token == mask || strings.HasPrefix(strings.ToLower(token), "bearer ") {
		return token
	}
	return "Bearer " + token
}
