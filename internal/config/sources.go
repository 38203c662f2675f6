package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// layers gives what each source says and the profile that one of them names, the
// weakest first. With an error it gives those that could be read.
func (c *Config) layers() ([]*layer, error) {
	all, err := c.sources()
	for i := len(all) - 1; i >= 0; i-- {
		name := all[i].top.text("profile")
		if name == "" {
			continue
		}
		profile, perr := c.profile(name)
		if perr != nil {
			return all, errors.Join(err, fmt.Errorf("%s: %w", all[i].name, perr))
		}
		return append(all[:i:i], append([]*layer{profile}, all[i:]...)...), err
	}
	return all, err
}

// sources gives the layers without profiles.
func (c *Config) sources() ([]*layer, error) {
	var all []*layer
	if l := c.openHandsFile(); l != nil {
		all = append(all, l)
	}
	file, err := c.file()
	if file != nil {
		all = append(all, file)
	}
	all = append(all, c.environment())
	if l := c.client.Load(); l != nil {
		all = append(all, l)
	}
	return all, err
}

// FileError is a file of settings that can't be used.
type FileError struct {
	Path string
	// Line counts from 1; 0 if the whole file is meant.
	Line int
	// Message says what is wrong and Remedy what to do. Neither holds a value.
	Message string
	Remedy  string
	Err     error
}

func (e *FileError) Error() string {
	at := e.Path
	if e.Line > 0 {
		at = fmt.Sprintf("%s, line %d", e.Path, e.Line)
	}
	return fmt.Sprintf("%s: %s; %s", at, e.Message, e.Remedy)
}

func (e *FileError) Unwrap() error { return e.Err }

const remedy = "correct it or move the file away; `agent-rpc doctor` checks it"

// file reads the settings file. nil if there is none.
func (c *Config) file() (*layer, error) {
	path := c.Path()
	data, mode, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) && c.env("AGENT_RPC_CONFIG") == "" || path == "" {
		return nil, nil
	}
	if err != nil {
		return nil, &FileError{Path: path, Message: reason(err), Remedy: remedy, Err: err}
	}
	l, ferr := parseTOML(path, data)
	if ferr != nil {
		return nil, ferr
	}
	if (l.llm.secret("api_key") != "" || l.top.secret("secret_key") != "") && c.goos != "windows" && mode.Perm()&0o077 != 0 {
		l.warnings = append(l.warnings, fmt.Sprintf("%s holds a key and others can read it: chmod 600 %s", path, path))
	}
	return l, nil
}

// parseTOML reads a settings file.
func parseTOML(path string, data []byte) (*layer, *FileError) {
	var tree map[string]any
	if _, err := toml.Decode(string(data), &tree); err != nil {
		fe := &FileError{Path: path, Message: "this is not valid TOML", Remedy: remedy}
		var bad toml.ParseError
		if errors.As(err, &bad) {
			fe.Line = bad.Position.Line
			if hint := withoutValues(bad.Message, lineAt(data, fe.Line)); hint != "" {
				fe.Message += ": " + hint
			}
		}
		return nil, fe
	}
	object := fields{}
	for name, value := range tree {
		raw, err := json.Marshal(value)
		if err != nil {
			return nil, &FileError{Path: path, Line: keyLine(data, name), Message: name + ": a number must be finite", Remedy: remedy}
		}
		object[name] = raw
	}
	l := layerOf(path, object)
	for _, bad := range l.check() {
		return nil, &FileError{Path: path, Line: keyLine(data, l.spelled(bad.path)), Message: bad.Error(), Remedy: remedy, Err: bad}
	}
	return l, nil
}

// spelled is the path of a setting as the source writes it.
func (l *layer) spelled(path string) string {
	section, _, ok := strings.Cut(path, ".")
	if !ok {
		return l.written[path]
	}
	return l.written[section] + "." + l.written[path]
}

// openHandsFile reads the model of OpenHands' command line; nil if it has none.
// A file that can't be read is only warned of: it is not ours.
func (c *Config) openHandsFile() *layer {
	path := c.openHands("agent_settings.json")
	data, _, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) || path == "" {
		return nil
	}
	l := layerOf(path, nil)
	var agent struct {
		LLM json.RawMessage `json:"llm"`
	}
	if err == nil {
		err = json.Unmarshal(data, &agent)
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			err = fmt.Errorf("line %d is not valid JSON", 1+strings.Count(string(data[:max(syntax.Offset-1, 0)]), "\n"))
		} else if err != nil {
			err = errors.New("it does not hold an agent")
		}
	} else {
		err = errors.New(reason(err))
	}
	if err != nil {
		l.warnings = append(l.warnings, fmt.Sprintf("%s is left out: %v", path, err))
		return l
	}
	l = layerOf(path, fields{"llm": agent.LLM})
	// What we don't use and what counts its statistics is the other program's.
	for name := range l.llm {
		if _, known := llmFields()[name]; !known || name == "usage_id" {
			delete(l.llm, name)
		}
	}
	l.warnings = nil
	for _, err := range l.drop(l.check()) {
		l.warnings = append(l.warnings, err.Error())
	}
	return l
}

// environment reads LLM_NAME for each field of a model, and AGENT_RPC_NAME for
// each other setting that fits in a variable.
func (c *Config) environment() *layer {
	l := layerOf("the environment", nil)
	for name, t := range llmFields() {
		c.variable(l, "LLM_"+strings.ToUpper(name), func(text string) error {
			raw, err := fromText(t, text)
			if err == nil {
				err = assign(&llm.Config{}, name, raw)
			}
			if err == nil {
				l.llm[name] = raw
			}
			return err
		})
	}
	for name, t := range settingsFields() {
		if name == "llm" || name == "agent" || name == "conversations_dir" {
			continue
		}
		c.variable(l, "AGENT_RPC_"+strings.ToUpper(name), func(text string) error {
			if name == "record" {
				text = c.expand(text)
			}
			raw, err := fromText(t, text)
			if err == nil {
				err = assign(&Settings{}, name, raw)
			}
			if err == nil {
				l.top[name] = raw
			}
			return err
		})
	}
	return l
}

// variable hands a variable that is set to read, and warns of its error.
func (c *Config) variable(l *layer, name string, read func(string) error) {
	text := c.env(name)
	if text == "" {
		return
	}
	if err := read(text); err != nil {
		l.warnings = append(l.warnings, fmt.Sprintf("%s is left out: it %v", name, err))
	}
}

const maxFile = 1 << 20

// readFile reads a small regular file.
func readFile(path string) ([]byte, fs.FileMode, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, errors.New("it is not a file")
	}
	if info.Size() > maxFile {
		return nil, 0, errors.New("it is larger than 1 MiB")
	}
	data, err := os.ReadFile(path)
	return data, info.Mode(), err
}

// reason is an error of the file system without the path, which stands before
// it.
func reason(err error) string {
	var pe *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file"
	case errors.As(err, &pe):
		return "it can't be read: " + pe.Err.Error()
	}
	return err.Error()
}

func lineAt(data []byte, n int) string {
	lines := strings.Split(string(data), "\n")
	if n < 1 || n > len(lines) {
		return ""
	}
	return lines[n-1]
}

// withoutValues gives a message of the TOML parser, or "" if it quotes the line
// that it is about: a key may stand there.
func withoutValues(message, line string) string {
	for _, word := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\"'=[]{},", r) }) {
		if len(word) >= 3 && strings.Contains(message, word) {
			return ""
		}
	}
	return message
}

// keyLine finds the line of a setting in TOML: "llm.temperature" as a key of
// [llm], or dotted. 0 if it is not found.
func keyLine(data []byte, path string) int {
	section := ""
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(strings.SplitN(strings.Trim(line, "["), "]", 2)[0], " \t\"'")
			if section == path || strings.HasPrefix(section, path+".") {
				return i + 1
			}
			section += "."
			continue
		}
		key, _, ok := strings.Cut(line, "=")
		key = section + strings.Trim(key, " \t\"'")
		if ok && (key == path || strings.HasPrefix(key, path+".") || strings.HasPrefix(path, key+".")) {
			return i + 1
		}
	}
	return 0
}
