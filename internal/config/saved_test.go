package config

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/llm"
)

const everyField = `{
  "model": "azure/gpt-5", "api_key": "sk-12345678", "auth_type": "api_key", "subscription_vendor": "openai",
  "base_url": "https://own.example/v1", "api_version": "2025-01-01", "aws_access_key_id": "AKIA1234", "aws_secret_access_key": "aws-secret-1",
  "aws_session_token": "aws-token-1", "aws_region_name": "eu", "aws_profile_name": "p", "aws_role_name": "r", "aws_session_name": "s",
  "aws_bedrock_runtime_endpoint": "e", "openrouter_site_url": "u", "openrouter_app_name": "a", "num_retries": 5, "retry_multiplier": 8.0,
  "retry_min_wait": 8, "retry_max_wait": 64, "timeout": 300, "max_message_chars": 30000, "temperature": 0.5, "top_p": 1.0, "top_k": 40,
  "max_input_tokens": 1000, "max_output_tokens": 100, "model_canonical_name": "gpt-5", "api_mode": "auto", "capability_overrides": {},
  "extra_headers": {"Authorization": "Bearer abc12345", "X-Team": "a"}, "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06,
  "ollama_base_url": "http://o", "stream": false, "drop_params": true, "modify_params": true, "disable_vision": false,
  "disable_stop_word": false, "caching_prompt": true, "log_completions": false, "log_completions_folder": "logs", "custom_tokenizer": "t",
  "native_tool_calling": true, "force_string_serializer": false, "inline_image_urls": false, "reasoning_effort": "high",
  "reasoning_summary": "auto", "enable_encrypted_reasoning": true, "prompt_cache_retention": "24h", "extended_thinking_budget": 200000,
  "seed": 1, "usage_id": "default", "litellm_extra_body": {"z": 1, "a": [2]}, "is_subscription": false
}`

// reversed is a stand-in for OpenHands' cipher.
type reversed struct{ key string }

func (r reversed) Encrypt(plain string) string { return "gAAAAA" + r.key + plain }

func (r reversed) Decrypt(token string) (string, error) {
	plain, ok := strings.CutPrefix(token, "gAAAAA"+r.key)
	if !ok {
		return "", errors.New("not of this key")
	}
	return plain, nil
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A profile is written in OpenHands' form: its fields in its order, the secrets as
// asked, for its owner alone.
func TestSaveProfile(t *testing.T) {
	golden, err := os.ReadFile("testdata/profile.json")
	if err != nil {
		t.Fatal(err)
	}
	whole := strings.ReplaceAll(string(golden), "\r\n", "\n")
	without := whole
	for _, line := range strings.SplitAfter(whole, "\n") {
		for _, secret := range append([]string{"Authorization"}, profileSecrets...) {
			if strings.Contains(line, `"`+secret+`":`) {
				without = strings.Replace(without, line, "", 1)
			}
		}
	}
	sealed := whole
	for _, secret := range []string{"sk-12345678", "AKIA1234", "aws-secret-1", "aws-token-1"} {
		sealed = strings.Replace(sealed, secret, "gAAAAAkey1"+secret, 1)
	}
	for name, tt := range map[string]struct {
		with bool
		env  map[string]string
		want string
	}{
		"without secrets":             {false, nil, without},
		"without, though with a key":  {false, map[string]string{"OH_SECRET_KEY": "key1"}, without},
		"with them":                   {true, nil, whole},
		"with them, and with a key":   {true, map[string]string{"OH_SECRET_KEY": "key1"}, sealed},
		"with a key of the settings":  {true, map[string]string{"AGENT_RPC_SECRET_KEY": "key1"}, sealed},
		"a key that the profile uses": {true, map[string]string{"OH_SECRET_KEY": "key1", "AGENT_RPC_PROFILE": "all"}, sealed},
	} {
		t.Run(name, func(t *testing.T) {
			c := world{env: tt.env}.config(t)
			c.SetCipher(func(key string) Cipher { return reversed{key} })
			if err := c.SaveProfile(t.Context(), "all", json.RawMessage(everyField), tt.with); err != nil {
				t.Fatal(err)
			}
			path := c.openHands("profiles", "all.json")
			if diff := cmp.Diff(tt.want, read(t, path)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			for path, mode := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
				if info, err := os.Stat(path); err != nil || c.goos != "windows" && info.Mode().Perm() != mode {
					t.Errorf("%s has mode %v, want %v (%v)", path, info.Mode().Perm(), mode, err)
				}
			}
			if rest, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".profile-*")); len(rest) > 0 {
				t.Errorf("left behind: %v", rest)
			}
			cfg, err := c.ResolveProfile("all", nil)
			if tt.with && (err != nil || cfg.APIKey != "sk-12345678" || *cfg.Temperature != 0.5) {
				t.Errorf("read back: %v, %v", cfg, err)
			}
			shown, err := c.ShowProfile("all")
			if err != nil || strings.Contains(string(shown), "12345") || strings.Contains(string(shown), "aws-") ||
				tt.with != strings.Contains(string(shown), `"api_key": "`+llm.SecretMask+`"`) || !strings.Contains(string(shown), `"X-Team": "a"`) {
				t.Errorf("shown %v: %s", err, shown)
			}
		})
	}
}

// The fields of the golden file are those of OpenHands' LLM: those that we use and
// those that we carry.
func TestTheGoldenProfileIsWhole(t *testing.T) {
	var golden map[string]json.RawMessage
	if err := json.Unmarshal([]byte(read(t, "testdata/profile.json")), &golden); err != nil {
		t.Fatal(err)
	}
	for name := range llmFields() {
		if _, ok := golden[name]; !ok {
			t.Errorf("%s is not in it", name)
		}
	}
	for name := range openHandsFields {
		switch _, ok := golden[name]; {
		case name == "fallback_strategy": // which OpenHands does not write
		case name == "provider_connection_id": // which stands for key and address
		case !ok:
			t.Errorf("%s is not in it", name)
		}
	}
}

// What a profile has and nobody names stays, whoever wrote it.
func TestSaveOverAProfile(t *testing.T) {
	const before = `{"model":"openai/gpt-5","api_key":"sk-old-one","base_url":"https://own.example/v1","temperature":0.5,"new_field":{"b":1,"a":2},"schema_version":1}`
	for name, tt := range map[string]struct {
		given string
		with  bool
		want  string
	}{
		"a field":               {`{"temperature":0.25}`, false, `{"model":"openai/gpt-5","api_key":"sk-old-one","base_url":"https://own.example/v1","temperature":0.25,"new_field":{"b":1,"a":2},"schema_version":1}`},
		"a field less":          {`{"temperature":null}`, false, `{"model":"openai/gpt-5","api_key":"sk-old-one","base_url":"https://own.example/v1","new_field":{"b":1,"a":2},"schema_version":1}`},
		"a model":               {`{"model":"openai/gpt-5-mini","base_url":"https://own.example/v1","api_key":"sk-new-one"}`, false, `{"model":"openai/gpt-5-mini","api_key":"sk-old-one","base_url":"https://own.example/v1","temperature":0.5,"new_field":{"b":1,"a":2},"schema_version":1}`},
		"another provider":      {`{"model":"anthropic/claude-sonnet-5"}`, false, `{"model":"anthropic/claude-sonnet-5","temperature":0.5,"new_field":{"b":1,"a":2},"schema_version":1}`},
		"another key":           {`{"api_key":"sk-new-one"}`, true, `{"model":"openai/gpt-5","api_key":"sk-new-one","base_url":"https://own.example/v1","temperature":0.5,"new_field":{"b":1,"a":2},"schema_version":1}`},
		"a mask is no key":      {`{"api_key":"**********"}`, true, before},
		"a connection":          {`{"provider_connection_id":"c1"}`, false, `{"model":"openai/gpt-5","provider_connection_id":"c1","temperature":0.5,"new_field":{"b":1,"a":2},"schema_version":1}`},
		"a version is not ours": {`{"schema_version":9}`, false, before},
	} {
		t.Run(name, func(t *testing.T) {
			c := world{files: profile("work", before)}.config(t)
			path := c.openHands("profiles", "work.json")
			real := filepath.Join(t.TempDir(), "linked.json")
			if err := errors.Join(os.Rename(path, real), os.Symlink(real, path)); err != nil {
				t.Fatal(err)
			}
			if err := c.SaveProfile(t.Context(), "work.json", json.RawMessage(tt.given), tt.with); err != nil {
				t.Fatal(err)
			}
			var got, want any
			if err := errors.Join(json.Unmarshal([]byte(read(t, real)), &got), json.Unmarshal([]byte(tt.want), &want)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
				t.Error("the link was replaced")
			}
		})
	}
}

func TestSaveThatIsRefused(t *testing.T) {
	c := world{files: files(
		profile("newer", `{"model":"openai/a","schema_version":2}`), profile("broken", `{"model":`), profile("odd", `{"model":"openai/a","schema_version":"x"}`),
	)}.config(t)
	before := map[string]string{}
	for _, name := range []string{"newer", "broken", "odd"} {
		before[name] = read(t, c.openHands("profiles", name+".json"))
	}
	for _, tt := range []struct{ name, given, says string }{
		{"newer", `{"temperature":1}`, "newer OpenHands"},
		{"odd", `{"temperature":1}`, "newer OpenHands"},
		{"broken", `{"temperature":1}`, "not valid JSON"},
		{"fresh", `{"temperature":1}`, "needs a model"},
		{"fresh", `{"model":"openai/a","temperature":"hot-secret"}`, "llm.temperature: must be a number"},
		{"fresh", `[1]`, "must be an object"},
		{"../x", `{"model":"openai/a"}`, "a name has"},
		{".hidden", `{"model":"openai/a"}`, "a name has"},
		{"", `{"model":"openai/a"}`, "a name has"},
	} {
		err := c.SaveProfile(t.Context(), tt.name, json.RawMessage(tt.given), false)
		if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "hot-secret") {
			t.Errorf("%s %s: %v, want %q", tt.name, tt.given, err, tt.says)
		}
	}
	for name, text := range before {
		if got := read(t, c.openHands("profiles", name+".json")); got != text {
			t.Errorf("%s was changed: %s", name, got)
		}
	}
	if _, err := os.Stat(c.openHands("profiles", "fresh.json")); err == nil {
		t.Error("a profile that was refused is there")
	}
}

func TestDeleteProfile(t *testing.T) {
	c := world{files: profile("work", `{"model":"openai/a"}`)}.config(t)
	if err := c.DeleteProfile(t.Context(), "work"); err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteProfile(t.Context(), "work"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("deleted twice: %v", err)
	}
	if got := c.Profiles(); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

// Programs that save at the same time lose nothing of each other's.
func TestSaveAtTheSameTime(t *testing.T) {
	c := world{files: profile("work", `{"model":"openai/a"}`)}.config(t)
	fields := []string{"temperature", "top_p", "top_k", "seed", "timeout", "num_retries", "retry_min_wait", "retry_max_wait"}
	var wg sync.WaitGroup
	for _, name := range fields {
		wg.Go(func() {
			if err := c.SaveProfile(t.Context(), "work", json.RawMessage(`{"`+name+`":1}`), false); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	text := read(t, c.openHands("profiles", "work.json"))
	for _, name := range fields {
		if !strings.Contains(text, `"`+name+`": 1`) {
			t.Errorf("%s is lost: %s", name, text)
		}
	}
}
