package llm

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		status int
		text   string
		want   ErrorKind
	}{
		// The order of the rules.
		{400, "prompt is too long; invalid api key", ErrContextWindow},
		{429, "the request exceeds the available context size", ErrContextWindow},
		{500, "litellm.ContextWindowExceededError: too much", ErrContextWindow},
		// What compatible servers say.
		{400, `{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}`, ErrContextWindow},
		{500, "Context size has been exceeded.", ErrContextWindow},
		{400, "Trying to keep the first 6269 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens", ErrContextWindow},
		{400, "The number of tokens to keep from the initial prompt is greater than the context length.", ErrContextWindow},
		{400, "the input length exceeds the context length", ErrContextWindow},
		{400, "The decoder prompt (length 88049) is longer than the maximum model length of 32768.", ErrContextWindow},
		{400, "The input (691793 tokens) is longer than the model's context length (540000 tokens).", ErrContextWindow},
		{422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens", ErrContextWindow},
		{400, "This model's maximum prompt length is 131072 but the request contains 537812 tokens.", ErrContextWindow},
		{400, "Input tokens exceed the configured limit of 272000 tokens.", ErrContextWindow},
		{400, "Prompt exceeds max length", ErrContextWindow},
		{400, "too many tokens: total number of tokens in the prompt cannot exceed 4081", ErrContextWindow},
		{400, "prompt token count of 70000 exceeds the limit of 64000; model_max_prompt_tokens_exceeded", ErrContextWindow},
		{400, "max_tokens must be at least 1", ErrBadRequest},
		{400, "unexpected `tool_use_id` found in `tool_result` blocks; unauthorized", ErrHistory},
		{400, "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'", ErrHistory},
		{400, "Please ensure that the number of function response parts is equal to the number of function call parts", ErrHistory},
		{400, "Messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.", ErrHistory},
		{401, "", ErrAuth},
		{403, "", ErrAuth},
		{400, "API key not valid. Please pass a valid API key. INVALID_ARGUMENT", ErrAuth},
		{500, "unauthorized upstream", ErrUnavailable},
		{403, "Your chosen model requires moderation and your input was flagged", ErrContentPolicy},
		{429, "unauthorized number of requests", ErrRateLimit},
		{429, "", ErrRateLimit},
		{408, "", ErrTimeout},
		{504, "", ErrTimeout},
		{500, "", ErrUnavailable},
		{502, "", ErrUnavailable},
		{503, "content policy service is down", ErrUnavailable},
		{529, "overloaded_error", ErrUnavailable},
		{400, "blocked by the content management policy", ErrContentPolicy},
		{400, "rate limit must be positive", ErrBadRequest},
		{402, "insufficient credits", ErrBadRequest},
		{404, "", ErrBadRequest},
		{422, "extra inputs are not permitted", ErrBadRequest},
		// Inside a stream there is no status.
		{0, "Overloaded", ErrUnavailable},
		{0, "Rate limit reached for gpt", ErrRateLimit},
		{0, "insufficient_quota", ErrRateLimit},
		{0, "upstream request timed out", ErrTimeout},
		{0, "invalid_request_error: bad field", ErrBadRequest},
		{0, "something odd", ErrUnavailable},
	} {
		if got := Classify(c.status, c.text); got != c.want {
			t.Errorf("%d %q is %s, want %s", c.status, c.text, got, c.want)
		}
	}
}

// The phrases are compared with text in lower case.
func TestPhrasesAreLowerCase(t *testing.T) {
	for _, r := range rules {
		for _, p := range r.phrases {
			if p != strings.ToLower(p) {
				t.Errorf("%q never matches", p)
			}
		}
	}
}

func TestEveryKindHasACode(t *testing.T) {
	codes := map[string]ErrorKind{}
	for _, k := range []ErrorKind{
		ErrAuth, ErrRateLimit, ErrContextWindow, ErrHistory, ErrContentPolicy, ErrBadRequest, ErrTimeout, ErrUnavailable, ErrNoResponse,
	} {
		code := (&Error{Kind: k}).Code()
		if other, taken := codes[code]; taken || code == "LLMError" {
			t.Errorf("%s has the code %s, as has %s", k, code, other)
		}
		codes[code] = k
	}
}

func TestCutMiddle(t *testing.T) {
	for _, c := range []struct {
		text  string
		limit int
	}{
		{strings.Repeat("a", 100), 100},
		{strings.Repeat("é", 100), 100},
		{"H" + strings.Repeat("a", 200) + "T", 100},
		{"H" + strings.Repeat("é\u20ac𝄞", 200) + "T", 101},
		{"H" + strings.Repeat("x", 70_000) + "T", MaxToolText},
	} {
		got := CutMiddle(c.text, c.limit)
		n := utf8.RuneCountInString(c.text)
		switch {
		case n <= c.limit && got != c.text:
			t.Errorf("a text of %d was cut to %d", n, c.limit)
		case n <= c.limit:
		case !utf8.ValidString(got) || utf8.RuneCountInString(got) > c.limit ||
			got[0] != 'H' || got[len(got)-1] != 'T' || !strings.Contains(got, "left out"):
			t.Errorf("%d characters became %d: %q", n, utf8.RuneCountInString(got), got)
		}
	}
}

func TestArgumentsObject(t *testing.T) {
	for in, want := range map[string]string{
		``: `{}`, ` `: `{}`, `{}`: `{}`, ` {"a": 1} `: `{"a": 1}`,
		`{"a": 1`: `{"arguments":"{\"a\": 1"}`, `[1]`: `{"arguments":"[1]"}`, `"x"`: `{"arguments":"\"x\""}`,
	} {
		if got := ArgumentsObject(in); string(got) != want || !json.Valid(got) {
			t.Errorf("%q became %s, want %s", in, got, want)
		}
	}
}

func TestScrub(t *testing.T) {
	if got := Scrub("key sk-123456, short ab", "sk-123456", "ab", ""); got != "key "+SecretMask+", short ab" {
		t.Errorf("got %q", got)
	}
}

func TestCost(t *testing.T) {
	p := Prices{Input: 1, Output: 10, CacheRead: 0.1, CacheWrite: 2}
	if got := p.Cost(Usage{PromptTokens: 100, CacheReadTokens: 50, CacheWriteTokens: 10, CompletionTokens: 3}); got != 40+5+20+30 {
		t.Errorf("got %v", got)
	}
	// A server whose prompt leaves out what it read from the cache.
	if got := p.Cost(Usage{PromptTokens: 10, CacheReadTokens: 50}); got != 5 {
		t.Errorf("got %v", got)
	}
}
