package config

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// Cipher turns a secret into what may be stored and back: OpenHands' Fernet tokens.
type Cipher interface {
	Encrypt(plain string) string
	Decrypt(token string) (string, error)
}

// SetCipher lets profiles hold encrypted secrets. open makes the cipher of the
// setting secret_key; without that setting a secret that is encrypted counts as
// absent. It must be called before the Config is used.
func (c *Config) SetCipher(open func(key string) Cipher) { c.openCipher = open }

// cipher is that of the setting secret_key; nil without one. Profiles have no say in
// it: they are read with it.
func (c *Config) cipher() Cipher {
	if c.openCipher == nil {
		return nil
	}
	sources, _ := c.sources() // what can't be read has no key
	key := llm.Secret(c.env(secretKeyVar))
	for i := len(sources) - 1; i >= 0 && key == ""; i-- {
		key = sources[i].top.secret("secret_key")
	}
	if key == "" {
		return nil
	}
	return c.openCipher(key.Reveal())
}

// profileFields are the fields of OpenHands' LLM in the order of its files.
var profileFields = []string{
	"model", "api_key", "provider_connection_id", "auth_type", "subscription_vendor", "base_url", "api_version",
	"aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_region_name", "aws_profile_name", "aws_role_name",
	"aws_session_name", "aws_bedrock_runtime_endpoint", "openrouter_site_url", "openrouter_app_name",
	"num_retries", "retry_multiplier", "retry_min_wait", "retry_max_wait", "timeout", "max_message_chars",
	"temperature", "top_p", "top_k", "max_input_tokens", "max_output_tokens", "model_canonical_name", "api_mode",
	"capability_overrides", "extra_headers", "input_cost_per_token", "output_cost_per_token", "ollama_base_url", "stream",
	"drop_params", "modify_params", "disable_vision", "disable_stop_word", "caching_prompt", "log_completions",
	"log_completions_folder", "custom_tokenizer", "native_tool_calling", "force_string_serializer", "inline_image_urls",
	"reasoning_effort", "reasoning_summary", "enable_encrypted_reasoning", "prompt_cache_retention",
	"extended_thinking_budget", "seed", "usage_id", "litellm_extra_body", "is_subscription",
}

// ProfileFields names the fields of OpenHands' LLM, in the order of its files.
func ProfileFields() []string { return slices.Clone(profileFields) }

// profileSecrets are those that hold credentials; the headers are another matter.
var profileSecrets = []string{"api_key", "aws_access_key_id", "aws_secret_access_key", "aws_session_token"}

const (
	profileVersion = 1
	profilesLock   = ".profiles.lock"
	lockPatience   = 30 * time.Second // as in OpenHands
)

// CheckProfile tells why a profile can't be used; nil if it can.
func (c *Config) CheckProfile(name string) error {
	_, err := c.profile(name)
	return err
}

// ShowProfile gives a profile as it is stored, with its secrets masked.
func (c *Config) ShowProfile(name string) (json.RawMessage, error) {
	path, err := c.profilePath(name)
	if err != nil {
		return nil, err
	}
	all, err := readProfile(path)
	if err != nil {
		return nil, err
	}
	for _, field := range profileSecrets {
		if all.text(field) != "" {
			all[field] = json.RawMessage(`"` + llm.SecretMask + `"`)
		}
	}
	if headers := headersOf(all); headers != nil {
		for header := range headers {
			if llm.SecretHeader(header) {
				headers[header] = llm.SecretMask
			}
		}
		all["extra_headers"] = encode(headers)
	}
	return encodeProfile(all), nil
}

// SaveProfile stores a model in OpenHands' format: the fields of an LLM object
// that are not null. In a profile that exists they take the place of those it has,
// and the others stay, known to us or not; a field that is null is taken out. A
// model of another provider leaves key, address and prices of the one before
// behind.
//
// Secrets are left out, as OpenHands does unless it is asked, and those that the
// file has stay as they are; withSecrets writes them, encrypted if the setting
// secret_key is there and in clear otherwise.
func (c *Config) SaveProfile(ctx context.Context, name string, llmObject json.RawMessage, withSecrets bool) error {
	path, err := c.profilePath(name)
	if err != nil {
		return err
	}
	given, err := objectOf(llmObject)
	if err != nil {
		return errors.New("profile " + name + ": " + err.Error())
	}
	for _, bad := range layerOf("profile "+name, fields{"llm": encode(given)}).check() {
		return &FieldError{Field: bad.path, Message: bad.message}
	}
	return c.locked(ctx, path, func(path string) error {
		all, err := readProfile(path)
		if errors.Is(err, fs.ErrNotExist) {
			all, err = fields{}, nil
		}
		if err != nil {
			return err
		}
		if model := given.text("model"); model != "" && all.text("model") != "" {
			before := llm.Provider(all.text("model"), all.text("base_url"))
			if before.Name != llm.Provider(model, given.text("base_url")).Name {
				for _, field := range bound {
					delete(all, field)
				}
			}
		}
		c.takeFields(all, given, withSecrets)
		if all.text("provider_connection_id") != "" {
			delete(all, "api_key") // both come from the connection
			delete(all, "base_url")
		}
		if all.text("model") == "" {
			return &FieldError{Field: "llm.model", Message: "a profile needs a model"}
		}
		return replaceFile(path, encodeProfile(all))
	})
}

// takeFields copies what is given.
func (c *Config) takeFields(all, given fields, withSecrets bool) {
	cipher := c.cipher()
	for name, raw := range given {
		switch {
		case name == "schema_version":
		case isNull(raw):
			delete(all, name)
		case slices.Contains(profileSecrets, name):
			secret := string(given.secret(name))
			if secret == "" || !withSecrets {
				continue
			}
			if cipher != nil {
				secret = cipher.Encrypt(secret)
			}
			all[name] = encode(secret)
		case name == "extra_headers":
			// OpenHands has no encryption for them.
			headers, kept := headersOf(given), headersOf(all)
			for header, value := range headers {
				if !llm.SecretHeader(header) || withSecrets && !llm.Unread(value) {
					continue
				}
				delete(headers, header)
				if old, ok := kept[header]; ok {
					headers[header] = old
				}
			}
			all[name] = encode(headers)
		default:
			all[name] = raw
		}
	}
}

// DeleteProfile removes a profile; one that does not exist is an error.
func (c *Config) DeleteProfile(ctx context.Context, name string) error {
	path, err := c.profilePath(name)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return noProfile(path, err)
	}
	return c.locked(ctx, path, func(string) error {
		if err := os.Remove(path); err != nil {
			return &FileError{Path: path, Message: reason(err), Remedy: "see that it can be removed", Err: err}
		}
		return nil
	})
}

func (c *Config) profilePath(name string) (string, error) {
	name = strings.TrimSuffix(name, ".json")
	if !profileName.MatchString(name) {
		return "", errors.New("profile: a name has up to 64 letters, digits, dots, dashes and underscores, and begins with a letter or a digit")
	}
	path := c.openHands("profiles", name+".json")
	if path == "" {
		return "", errors.New("profile: no home directory is known, so there is no place for profiles")
	}
	return path, nil
}

func noProfile(path string, err error) error {
	return &FileError{Path: path, Message: "there is no such profile", Remedy: "`agent-rpc profiles list` shows those there are", Err: err}
}

// readProfile reads all the fields of a profile but schema_version.
func readProfile(path string) (fields, error) {
	data, _, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noProfile(path, err)
	}
	if err != nil {
		return nil, &FileError{Path: path, Message: reason(err), Remedy: remedy, Err: err}
	}
	all := fields{}
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, jsonError(path, data, err)
	}
	var version int
	if raw, ok := all["schema_version"]; ok && json.Unmarshal(raw, &version) != nil || version > profileVersion {
		return nil, &FileError{Path: path, Message: "it was written by a newer OpenHands", Remedy: "save it again with the version you have, or update agent-rpc"}
	}
	delete(all, "schema_version")
	return all, nil
}

// encodeProfile writes the fields in OpenHands' order, then those that nobody
// knows, then the version.
func encodeProfile(all fields) []byte {
	var b bytes.Buffer
	put := func(name string, raw json.RawMessage) {
		if b.Len() == 0 {
			b.WriteByte('{')
		} else {
			b.WriteByte(',')
		}
		b.Write(encode(name))
		b.WriteByte(':')
		b.Write(raw)
	}
	for _, name := range profileFields {
		if raw, ok := all[name]; ok && !isNull(raw) {
			put(name, raw)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !slices.Contains(profileFields, name) && !isNull(all[name]) {
			put(name, all[name])
		}
	}
	put("schema_version", encode(profileVersion))
	b.WriteByte('}')
	var out bytes.Buffer
	if json.Indent(&out, b.Bytes(), "", "  ") != nil {
		return b.Bytes() // it was made of valid parts
	}
	out.WriteByte('\n')
	return out.Bytes()
}

func headersOf(f fields) map[string]string {
	var headers map[string]string
	_ = json.Unmarshal(f["extra_headers"], &headers) // checked before
	return headers
}

// encode is for values of ours, which always encode.
func encode(v any) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSpace(b.Bytes())
}

// locked runs change while no other program changes a profile. A profile that is
// a link is changed where it leads.
func (c *Config) locked(ctx context.Context, path string, change func(path string) error) error {
	dir := filepath.Dir(path)
	failed := func(err error) error {
		return &FileError{Path: dir, Message: reason(err), Remedy: "see that it can be written", Err: err}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return failed(err)
	}
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	lock := flock.New(filepath.Join(dir, profilesLock), flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))
	if ok, err := lock.TryLockContext(ctx, 20*time.Millisecond); !ok {
		if errors.Is(err, context.DeadlineExceeded) {
			err = errors.New("another program holds " + profilesLock)
		}
		return failed(err)
	}
	defer func() { _ = lock.Unlock() }() // the descriptor is closed in any case
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return change(path)
}

// replaceFile writes a file that is its owner's alone, at once or not at all.
func replaceFile(path string, data []byte) (err error) {
	defer func() {
		if err != nil {
			err = &FileError{Path: path, Message: reason(err), Remedy: "see that its folder can be written", Err: err}
		}
	}()
	f, err := os.CreateTemp(filepath.Dir(path), ".profile-*") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone after the rename
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
