// Package config finds the settings: which model, whose key, where things are
// stored. docs/configuration.md tells users the same.
//
// The sources, from the weakest to the strongest: what is built in, the file of
// OpenHands' command line (~/.openhands/agent_settings.json, its model only),
// our settings file, the environment, what the client sends, and for a model
// the profile and then the agent of the conversation. A profile that the
// settings name stands right below the source that names it.
//
// Nothing is read until it is asked for, and it is read anew each time: the
// files are small, and a mistake that the user mended needs no restart. A file
// that can't be understood never stops the server; its error, a *[FileError],
// comes when a model is needed.
//
// The package opens no connection and starts no goroutine. It writes nothing but
// profiles, and those only when it is asked to.
package config

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
)

// Config gives the settings of one process. It is safe for use by several
// goroutines.
type Config struct {
	lookupEnv  func(string) (string, bool)
	home       string
	goos       string
	client     atomic.Pointer[layer]
	openCipher func(key string) Cipher // nil: secrets are neither encrypted nor decrypted
}

// Load makes a Config that looks up variables with lookupEnv and files below
// home, the user's home directory. It reads nothing yet.
func Load(lookupEnv func(string) (string, bool), home string) *Config {
	return &Config{lookupEnv: lookupEnv, home: home, goos: runtime.GOOS}
}

// env is a variable's value; a blank one counts as unset.
func (c *Config) env(name string) string {
	value, ok := c.lookupEnv(name)
	if !ok {
		return ""
	}
	return strings.TrimSpace(value)
}

// SetClient takes the settings that a client sends: an object with the keys of
// the settings file, in snake_case or camelCase; null or an empty list is an
// empty object. They replace those it sent before. What can't be understood is
// left out, and the error names it.
func (c *Config) SetClient(raw json.RawMessage) error {
	fields, err := objectOf(raw)
	if err != nil {
		return errors.New("settings: " + err.Error())
	}
	l := layerOf("the client's settings", fields)
	errs := l.drop(l.check())
	c.client.Store(l)
	return errors.Join(errs...)
}

// Path is where the settings file is, whether it exists or not; "" if there is
// no home directory.
func (c *Config) Path() string {
	if path := c.env("AGENT_RPC_CONFIG"); path != "" {
		return c.expand(path)
	}
	dir := c.env("XDG_CONFIG_HOME")
	if c.goos == "windows" {
		dir = c.env("AppData")
	}
	if dir == "" || !filepath.IsAbs(dir) {
		if c.home == "" {
			return ""
		}
		dir = filepath.Join(c.home, ".config")
	}
	return filepath.Join(dir, "agent-rpc", "config.toml")
}

// StateDir is the folder for what can be made again, such as transcripts for
// editors: agent-rpc in XDG_STATE_HOME, else in ~/.local/state (LocalAppData on
// Windows); "" if that needs a home directory and there is none.
func (c *Config) StateDir() string {
	dir := c.env("XDG_STATE_HOME")
	if c.goos == "windows" {
		dir = c.env("LocalAppData")
	}
	if !filepath.IsAbs(dir) {
		if c.home == "" {
			return ""
		}
		dir = filepath.Join(c.home, ".local", "state")
	}
	return filepath.Join(dir, "agent-rpc")
}

// conversationsVar is OpenHands' own variable; it wins over every setting.
const conversationsVar = "OPENHANDS_CONVERSATIONS_DIR"

// secretKeyVar is OpenHands' own variable; it wins over every setting.
const secretKeyVar = "OH_SECRET_KEY"

// ConversationsDir is the absolute path of the folder of the conversations:
// OPENHANDS_CONVERSATIONS_DIR, else the setting, else ~/.openhands/conversations;
// "" if that needs a home directory and there is none.
func (c *Config) ConversationsDir() string {
	if dir := c.env(conversationsVar); dir != "" {
		return c.expand(dir)
	}
	s, _ := c.Settings() // with an error it holds what could be read
	if !filepath.IsAbs(s.ConversationsDir) {
		return ""
	}
	return s.ConversationsDir
}

// Home is the user's home directory; "" if there is none.
func (c *Config) Home() string { return c.home }

// Trusted tells whether a folder is one of the trusted workspaces or lies in one.
// Symbolic links are followed on both sides: a link in a trusted folder makes
// nothing else trusted.
func (c *Config) Trusted(workspace string) bool {
	s, _ := c.Settings() // with an error it holds what could be read
	real, err := filepath.EvalSymlinks(workspace)
	if err != nil {
		return false
	}
	for _, path := range s.TrustedWorkspaces {
		if path = c.absolute(path); path == "" {
			continue
		}
		trusted, err := filepath.EvalSymlinks(path)
		if err != nil {
			continue
		}
		rel, err := filepath.Rel(trusted, real)
		if err == nil && (rel == "." || filepath.IsLocal(rel)) {
			return true
		}
	}
	return false
}

// expand makes a path of the environment absolute; ~ is the home directory.
func (c *Config) expand(path string) string {
	path = c.expandHome(path)
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// expandHome makes a path of a file absolute: it is relative to the home
// directory, since an editor starts the server wherever it likes.
func (c *Config) expandHome(path string) string {
	rest, tilde := strings.CutPrefix(path, "~")
	if tilde && (rest == "" || rest[0] == '/' || rest[0] == '\\') {
		return filepath.Join(c.home, rest)
	}
	return path
}

func (c *Config) absolute(path string) string {
	path = c.expandHome(path)
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(c.home, path)
}

// openHands is a path below ~/.openhands; "" without a home directory.
func (c *Config) openHands(elem ...string) string {
	if c.home == "" {
		return ""
	}
	return filepath.Join(append([]string{c.home, ".openhands"}, elem...)...)
}
