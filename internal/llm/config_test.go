package llm

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// stored is an LLM object as OpenHands writes it, with everything it has that
// we don't.
const stored = `{
 "model":"anthropic/claude-sonnet-4-5","api_key":"sk-real","base_url":"https://example.org",
 "auth_type":"api_key","openrouter_site_url":"https://docs.example.org","openrouter_app_name":"OpenHands",
 "num_retries":5,"retry_multiplier":8.0,"retry_min_wait":8,"retry_max_wait":64,"timeout":300,"max_message_chars":30000,
 "max_input_tokens":200000,"max_output_tokens":64000,"api_mode":"auto","capability_overrides":{"supports_vision":true,"n":[1,{"a":null}]},
 "stream":true,"drop_params":true,"modify_params":true,"disable_stop_word":false,"caching_prompt":false,
 "log_completions":false,"log_completions_folder":"logs/completions","native_tool_calling":true,
 "reasoning_effort":"high","enable_encrypted_reasoning":true,"prompt_cache_retention":"24h",
 "extended_thinking_budget":200000,"usage_id":"default","litellm_extra_body":{},"is_subscription":false,
 "aws_access_key_id":"AKIA-1","aws_secret_access_key":"aws-secret-2","aws_session_token":"aws-token-3","aws_region_name":"eu",
 "extra_headers":{"X-Team":"blue","Authorization":"Bearer header-secret-4","x-api-key":"header-secret-5"},
 "a_field_of_tomorrow":{"deep":[1.50,"é\u2028"]},"seed":7,"temperature":0.0,"top_k":40.0
}`

func TestConfigRoundTrip(t *testing.T) {
	var c Config
	if err := json.Unmarshal([]byte(stored), &c); err != nil {
		t.Fatal(err)
	}
	if c.APIKey.Reveal() != "sk-real" || *c.Temperature != 0 || *c.CachingPrompt || c.ExtraString("aws_region_name") != "eu" {
		t.Errorf("read as %+v", c)
	}
	out, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"sk-real", "AKIA-1", "aws-secret-2", "aws-token-3", "header-secret-4", "header-secret-5"} {
		if strings.Contains(string(out), secret) || strings.Contains(fmt.Sprintf("%v %+v", c.APIKey, c.APIKey), secret) {
			t.Errorf("%s is written in clear", secret)
		}
	}
	var want, got map[string]any
	if err := json.Unmarshal([]byte(stored), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"api_key", "aws_access_key_id", "aws_secret_access_key", "aws_session_token"} {
		want[name] = SecretMask
	}
	headers := want["extra_headers"].(map[string]any)
	headers["Authorization"], headers["x-api-key"] = SecretMask, SecretMask
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	// What was written and read again has no mask for a key, and loses nothing more.
	var again Config
	if err := json.Unmarshal(out, &again); err != nil {
		t.Fatal(err)
	}
	if again.APIKey != "" {
		t.Errorf("the mask became the key %q", again.APIKey.Reveal())
	}
	if diff := cmp.Diff(map[string]string{"X-Team": "blue"}, again.ExtraHeaders); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(len(c.Extra), len(again.Extra)); diff != "" {
		t.Errorf("extra fields (-want +got):\n%s", diff)
	}
}

func TestSecret(t *testing.T) {
	for in, want := range map[string]string{
		`"sk-1"`: "sk-1", `" sk-1 "`: "sk-1", `null`: "", `""`: "", `"  "`: "", `"**********"`: "",
		`"gAAAAABmFernetToken"`: "",
	} {
		var c Config
		if err := json.Unmarshal([]byte(`{"model":"m","api_key":`+in+`}`), &c); err != nil {
			t.Errorf("%s: %v", in, err)
		}
		if c.APIKey.Reveal() != want {
			t.Errorf("%s read as %q, want %q", in, c.APIKey.Reveal(), want)
		}
	}
	s := Secret("sk-secret")
	if got := fmt.Sprintf("%v %s %q %#v %+v", s, s, s, s, struct{ K Secret }{s}); strings.Contains(got, "sk-secret") {
		t.Errorf("printed as %s", got)
	}
}

func TestConfigRefusesWrongTypes(t *testing.T) {
	for _, in := range []string{`{"model":1}`, `{"timeout":"soon"}`, `[]`, `{"extra_headers":[1]}`} {
		if err := json.Unmarshal([]byte(in), &Config{}); err == nil {
			t.Errorf("%s was taken", in)
		}
	}
}

func TestConfigDefaults(t *testing.T) {
	var c Config
	if err := json.Unmarshal([]byte(`{"model":"m","timeout":null,"num_retries":null}`), &c); err != nil {
		t.Fatal(err)
	}
	if c.IdleTimeout() != 300*time.Second {
		t.Errorf("timeout %v", c.IdleTimeout())
	}
	want := Retry{Attempts: 5, Multiplier: 8 * time.Second, Min: 8 * time.Second, Max: 64 * time.Second}
	if got := c.Retry(); got.Attempts != want.Attempts || got.Multiplier != want.Multiplier || got.Min != want.Min || got.Max != want.Max {
		t.Errorf("retry %+v", got)
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(stored))
	f.Add([]byte(`{"model":"m","MODEL":"n","x":null,"":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var c Config
		if json.Unmarshal(data, &c) != nil {
			return
		}
		c.APIKey = "sk-planted-secret"
		out, err := json.Marshal(c)
		if err != nil {
			t.Fatalf("%v after %s", err, data)
		}
		if !json.Valid(out) || strings.Contains(string(out), "sk-planted-secret") {
			t.Fatalf("%s became %s", data, out)
		}
		var again Config
		if err := json.Unmarshal(out, &again); err != nil {
			t.Fatalf("%s can't be read again: %v", out, err)
		}
	})
}
