package llm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

// Config is OpenHands' LLM object: how to reach a model. Fields that we don't
// use are kept in Extra, so that a stored agent stays whole.
type Config struct {
	Model   string `json:"model"`
	APIKey  Secret `json:"api_key,omitempty"`
	BaseURL string `json:"base_url,omitempty"`
	// UsageID names the bucket of the statistics; "default" if empty.
	UsageID string `json:"usage_id,omitempty"`
	// NumRetries counts attempts, as in OpenHands; 5 if nil.
	NumRetries *int `json:"num_retries,omitempty"`
	// RetryMultiplier, RetryMinWait and RetryMaxWait are seconds.
	RetryMultiplier *float64 `json:"retry_multiplier,omitempty"`
	RetryMinWait    *float64 `json:"retry_min_wait,omitempty"`
	RetryMaxWait    *float64 `json:"retry_max_wait,omitempty"`
	// Timeout is in seconds, for the whole wait for one attempt's next byte;
	// 300 if nil.
	Timeout            *float64          `json:"timeout,omitempty"`
	Temperature        *float64          `json:"temperature,omitempty"`
	TopP               *float64          `json:"top_p,omitempty"`
	TopK               *float64          `json:"top_k,omitempty"`
	MaxInputTokens     *int              `json:"max_input_tokens,omitempty"`
	MaxOutputTokens    *int              `json:"max_output_tokens,omitempty"`
	ReasoningEffort    string            `json:"reasoning_effort,omitempty"`
	ThinkingBudget     *int              `json:"extended_thinking_budget,omitempty"`
	CachingPrompt      *bool             `json:"caching_prompt,omitempty"`
	DisableVision      *bool             `json:"disable_vision,omitempty"`
	NativeToolCalling  *bool             `json:"native_tool_calling,omitempty"`
	Seed               *int              `json:"seed,omitempty"`
	InputCostPerToken  *float64          `json:"input_cost_per_token,omitempty"`
	OutputCostPerToken *float64          `json:"output_cost_per_token,omitempty"`
	ExtraHeaders       map[string]string `json:"extra_headers,omitzero"`
	ExtraBody          map[string]any    `json:"litellm_extra_body,omitzero"`
	// Extra holds the fields of the object that are not named above.
	Extra map[string]json.RawMessage `json:"-"`
}

// IdleTimeout is how long one attempt may go without a byte.
func (c *Config) IdleTimeout() time.Duration {
	if c.Timeout == nil || *c.Timeout <= 0 {
		return 300 * time.Second
	}
	return seconds(*c.Timeout)
}

// MarshalJSON writes the object with its extra fields. Nothing secret is
// written in clear: the keys and the headers that carry credentials are masked.
func (c Config) MarshalJSON() ([]byte, error) {
	type plain Config
	p := plain(c)
	p.ExtraHeaders = maskHeaders(p.ExtraHeaders)
	head, err := json.Marshal(p)
	if err != nil || len(c.Extra) == 0 {
		return head, err
	}
	var b bytes.Buffer
	b.Write(head[:len(head)-1])
	for _, name := range slices.Sorted(maps.Keys(c.Extra)) {
		if configFields()[name] {
			continue
		}
		value := c.Extra[name]
		switch {
		case len(value) == 0:
			continue
		case secretFields[name]:
			var s Secret
			if json.Unmarshal(value, &s) != nil || s != "" {
				value = json.RawMessage(`"` + SecretMask + `"`)
			}
		}
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, ",%s:%s", key, value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// UnmarshalJSON reads the object; what it does not know goes to Extra, unless
// it is null.
func (c *Config) UnmarshalJSON(data []byte) error {
	type plain Config
	var p plain
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	for name, value := range all {
		if configFields()[name] || string(value) == "null" {
			delete(all, name)
		}
	}
	if len(all) > 0 {
		p.Extra = all
	}
	// A masked header would be refused by the server; without it the error
	// names what is missing.
	maps.DeleteFunc(p.ExtraHeaders, func(_, value string) bool { return Unread(value) })
	*c = Config(p)
	return nil
}

// ExtraString is the extra field of the name if it is a string, else "".
func (c *Config) ExtraString(name string) string {
	var s string
	if json.Unmarshal(c.Extra[name], &s) != nil {
		return ""
	}
	return s
}

// secretFields are the fields of OpenHands' LLM that hold credentials which we
// carry but don't use.
var secretFields = map[string]bool{
	"aws_access_key_id":     true,
	"aws_secret_access_key": true,
	"aws_session_token":     true,
}

// SecretHeader tells whether a header of this name carries a credential.
func SecretHeader(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"authorization", "cookie", "credential", "key", "password", "secret", "session", "token"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

func maskHeaders(headers map[string]string) map[string]string {
	masked := maps.Clone(headers)
	for name, value := range masked {
		if value != "" && SecretHeader(name) {
			masked[name] = SecretMask
		}
	}
	return masked
}

// configFields is the set of JSON names that Config has fields for.
var configFields = sync.OnceValue(func() map[string]bool {
	names := map[string]bool{}
	t := reflect.TypeFor[Config]()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name != "-" {
			names[name] = true
		}
	}
	return names
})

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
