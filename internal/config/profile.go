package config

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// ProfileInfo is a saved model of OpenHands.
type ProfileInfo struct {
	Name    string
	Model   string
	BaseURL string
	// APIKeySet tells whether the profile holds a key that can be read.
	APIKeySet bool
	// Err is why the profile can't be used; nil if it can.
	Err error
}

var profileName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Profiles lists the saved models, sorted by name.
func (c *Config) Profiles() []ProfileInfo {
	entries, err := os.ReadDir(c.openHands("profiles"))
	if err != nil {
		return nil
	}
	var all []ProfileInfo
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok || !profileName.MatchString(name) {
			continue
		}
		info := ProfileInfo{Name: name}
		l, err := c.profile(name)
		if err != nil {
			info.Err = err
		} else {
			info.Model = l.llm.text("model")
			info.BaseURL = l.llm.text("base_url")
			info.APIKeySet = l.llm.secret("api_key") != ""
		}
		all = append(all, info)
	}
	return all
}

// profile reads a saved model. OpenHands' schema: the fields of an LLM and
// schema_version 1; a linked profile takes key and base_url from a connection.
func (c *Config) profile(name string) (*layer, error) {
	path, err := c.profilePath(name)
	if err != nil {
		return nil, err
	}
	all, err := readProfile(path)
	if err != nil {
		return nil, err
	}
	if cipher := c.cipher(); cipher != nil {
		for _, field := range profileSecrets {
			if plain, err := cipher.Decrypt(all.text(field)); err == nil {
				all[field] = encode(plain) // else it counts as absent, as in OpenHands
			}
		}
	}
	l := layerOf("profile "+strings.TrimSuffix(name, ".json"), fields{"llm": encode(all)})
	for _, bad := range l.check() {
		return nil, &FileError{Path: path, Message: bad.Error(), Remedy: remedy, Err: bad}
	}
	if id := l.llm.text("provider_connection_id"); id != "" {
		if err := c.connect(l, id); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// connect takes key and base_url of a linked profile from its connection.
func (c *Config) connect(l *layer, id string) error {
	path := c.openHands("provider-connections", "provider_connections.json")
	data, _, err := readFile(path)
	if err != nil {
		return &FileError{Path: path, Message: l.name + " needs a connection from it, but " + reason(err), Remedy: "save the profile again in OpenHands", Err: err}
	}
	var file struct {
		Connections []fields `json:"connections"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return jsonError(path, data, err)
	}
	for _, connection := range file.Connections {
		if connection.text("id") != id {
			continue
		}
		for _, name := range []string{"api_key", "base_url"} {
			delete(l.llm, name)
			if raw, ok := connection[name]; ok && !isNull(raw) {
				l.llm[name] = raw
			}
		}
		return nil
	}
	return &FileError{Path: path, Message: "it has no connection for " + l.name, Remedy: "save the profile again in OpenHands"}
}

func jsonError(path string, data []byte, err error) error {
	fe := &FileError{Path: filepath.Clean(path), Message: "this is not what OpenHands writes", Remedy: remedy}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		fe.Line = 1 + strings.Count(string(data[:min(max(syntax.Offset-1, 0), int64(len(data)))]), "\n")
		fe.Message = "this is not valid JSON"
	}
	return fe
}
