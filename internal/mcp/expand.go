package mcp

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"strings"
)

// variable is a reference: ${NAME} or ${NAME:-default}.
var variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}`)

// expander fills in variables: from the conversation's secrets, else from the
// environment, else with what stands behind ":-". What is not known stays.
type expander struct {
	ctx    context.Context
	secret func(ctx context.Context, name string) (string, error)
	hide   func(values ...string)
}

func (e *expander) text(text string) string {
	if !strings.Contains(text, "${") {
		return text
	}
	return variable.ReplaceAllStringFunc(text, func(ref string) string {
		parts := variable.FindStringSubmatch(ref)
		if e.secret != nil {
			if value, err := e.secret(e.ctx, parts[1]); err == nil {
				return value
			}
		}
		if value, ok := os.LookupEnv(parts[1]); ok && value != "" {
			if secretName(parts[1]) {
				e.hide(value)
			}
			return value
		}
		if strings.Contains(ref, ":-") {
			return parts[2]
		}
		return ref
	})
}

// expand gives a server with its variables filled in, and hides its secrets from
// now on.
func (c Config) expand(e *expander) Config {
	c.Command, c.Cwd, c.URL = e.text(c.Command), e.text(c.Cwd), e.text(c.URL)
	args := make([]string, len(c.Args))
	for i, a := range c.Args {
		args[i] = e.text(a)
	}
	c.Args, c.Env, c.Headers = args, maps.Clone(c.Env), maps.Clone(c.Headers)
	for name, value := range c.Env {
		if c.Env[name] = e.text(value); secretName(name) {
			e.hide(c.Env[name])
		}
	}
	for name, value := range c.Headers {
		value = e.text(value)
		if login, ok := strings.CutPrefix(value, basicPrefix); ok {
			_, password, _ := strings.Cut(login, ":")
			encoded := base64.StdEncoding.EncodeToString([]byte(login))
			e.hide(password, encoded)
			value = "Basic " + encoded
		}
		c.Headers[name] = value
		if !plainHeader(name) {
			_, token, found := strings.Cut(value, " ")
			if !found {
				token = value
			}
			e.hide(value, token)
		}
	}
	return c
}

// secretName tells whether a variable of this name holds a secret, by OpenHands'
// words.
func secretName(name string) bool {
	name = strings.ToUpper(name)
	for _, word := range []string{"AUTHORIZATION", "COOKIE", "CREDENTIAL", "KEY", "PASSWORD", "SECRET", "SESSION", "TOKEN"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// plainHeader tells of headers that are no secrets.
func plainHeader(name string) bool {
	switch strings.ToLower(name) {
	case "accept", "accept-language", "content-type", "user-agent", "origin", "referer":
		return true
	}
	return false
}

// argument is a reference to a secret in an argument of a call: $NAME as well.
var argument = regexp.MustCompile(`\$(?:\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|([A-Za-z_][A-Za-z0-9_]*))`)

// fill puts the values of secrets into the strings of arguments. Only secrets of
// the conversation count, never the environment: a model writes arguments.
func fill(args json.RawMessage, vars map[string]string) json.RawMessage {
	if len(vars) == 0 {
		return args
	}
	var v any
	d := json.NewDecoder(strings.NewReader(string(args)))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return args
	}
	var walk func(any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case string:
			return argument.ReplaceAllStringFunc(v, func(ref string) string {
				parts := argument.FindStringSubmatch(ref)
				if value, ok := vars[parts[1]+parts[3]]; ok {
					return value
				}
				return ref
			})
		case []any:
			for i := range v {
				v[i] = walk(v[i])
			}
		case map[string]any:
			for name := range v {
				v[name] = walk(v[name])
			}
		}
		return v
	}
	out, err := json.Marshal(walk(v))
	if err != nil {
		return args // what was decoded encodes
	}
	return out
}
