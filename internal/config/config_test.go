package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// world is what a process finds around it.
type world struct {
	// files are below the home directory.
	files  map[string]string
	env    map[string]string
	client string
}

const settingsFile = ".config/agent-rpc/config.toml"

func (w world) config(t testing.TB) *Config {
	t.Helper()
	home := t.TempDir()
	for name, text := range w.files {
		path := filepath.Join(home, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := Load(func(name string) (string, bool) {
		value, ok := w.env[name]
		return strings.ReplaceAll(value, "$HOME", home), ok
	}, home)
	c.goos = "linux"
	if w.client != "" {
		if err := c.SetClient(json.RawMessage(w.client)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func settingsTOML(text string) map[string]string { return map[string]string{settingsFile: text} }

func openHands(text string) map[string]string {
	return map[string]string{".openhands/agent_settings.json": text}
}

func profile(name, text string) map[string]string {
	return map[string]string{".openhands/profiles/" + name + ".json": text}
}

func files(all ...map[string]string) map[string]string {
	joined := map[string]string{}
	for _, m := range all {
		maps.Copy(joined, m)
	}
	return joined
}

type env = map[string]string

func TestResolve(t *testing.T) {
	type want struct {
		model, base, key string
		setting          string // of AuthRequired
		err              string // a part of the message
	}
	tests := []struct {
		name    string
		world   world
		profile string
		agent   string
		want    want
	}{
		{"nothing", world{}, "", "", want{setting: "LLM_MODEL", err: "agent-rpc demo"}},
		{
			"one provider's key",
			world{env: env{"ANTHROPIC_API_KEY": "k"}},
			"", "",
			want{model: "anthropic/claude-sonnet-5", key: "k"},
		},
		{
			"another provider's key",
			world{env: env{"OPENROUTER_API_KEY": "k", "ANTHROPIC_API_KEY": " "}},
			"", "",
			want{model: "openrouter/anthropic/claude-sonnet-5", key: "k"},
		},
		{
			"keys of two providers",
			world{env: env{"ANTHROPIC_API_KEY": "k", "OPENAI_API_KEY": "k"}},
			"", "",
			want{setting: "LLM_MODEL", err: "ANTHROPIC_API_KEY, OPENAI_API_KEY"},
		},
		{"a key but no model", world{env: env{"LLM_API_KEY": "k"}}, "", "", want{key: "k", setting: "LLM_MODEL", err: "but no model"}},
		{
			"a server but no model",
			world{env: env{"LLM_BASE_URL": "http://localhost:1"}},
			"", "",
			want{base: "http://localhost:1", setting: "LLM_MODEL", err: "but no model"},
		},
		{
			"environment",
			world{env: env{"LLM_MODEL": "openai/m", "LLM_API_KEY": "k", "LLM_BASE_URL": "https://x.example/v1"}},
			"", "",
			want{model: "openai/m", base: "https://x.example/v1", key: "k"},
		},
		{
			"no key",
			world{env: env{"LLM_MODEL": "anthropic/m"}},
			"", "",
			want{model: "anthropic/m", setting: "ANTHROPIC_API_KEY", err: "set ANTHROPIC_API_KEY. `agent-rpc doctor`"},
		},
		{
			"no key for a server of one's own",
			world{env: env{"LLM_MODEL": "openai/m", "LLM_BASE_URL": "https://x.example/v1"}},
			"", "",
			want{model: "openai/m", base: "https://x.example/v1", setting: "LLM_API_KEY", err: "set LLM_API_KEY."},
		},
		{
			"the provider's key for a server of one's own",
			world{env: env{"LLM_MODEL": "openai/m", "LLM_BASE_URL": "https://x.example/v1", "OPENAI_API_KEY": "k"}},
			"", "",
			want{model: "openai/m", base: "https://x.example/v1", key: "k"},
		},
		{
			"the explicit key is first",
			world{env: env{"LLM_MODEL": "anthropic/m", "ANTHROPIC_API_KEY": "a", "LLM_API_KEY": "k"}},
			"", "",
			want{model: "anthropic/m", key: "k"},
		},
		{"ollama needs no key", world{env: env{"LLM_MODEL": "ollama/qwen3"}}, "", "", want{model: "ollama/qwen3"}},
		{
			"a local server needs no key",
			world{env: env{"LLM_MODEL": "openai/m", "LLM_BASE_URL": "http://127.0.0.1:8000/v1"}},
			"", "",
			want{model: "openai/m", base: "http://127.0.0.1:8000/v1"},
		},
		{"the scripted model needs no key", world{env: env{"LLM_MODEL": "scripted/demo"}}, "", "", want{model: "scripted/demo"}},
		{
			"a header stands in for the key",
			world{env: env{"LLM_MODEL": "openai/m", "LLM_EXTRA_HEADERS": `{"Authorization": "Bearer x"}`}},
			"", "",
			want{model: "openai/m"},
		},
		{
			"a provider nobody knows",
			world{env: env{"LLM_MODEL": "acme/m", "ACME_API_KEY": "k"}},
			"", "",
			want{model: "acme/m", err: "set LLM_BASE_URL"},
		},
		{"a name without a provider", world{env: env{"LLM_MODEL": "qwen3"}}, "", "", want{model: "qwen3", err: "the model qwen3 does not say whose it is"}},
		{
			"azure",
			world{env: env{"LLM_MODEL": "azure/m", "LLM_BASE_URL": "https://me.example/openai/v1", "AZURE_API_KEY": "k"}},
			"", "",
			want{model: "azure/m", base: "https://me.example/openai/v1", key: "k"},
		},
		{
			"azure without its address",
			world{env: env{"LLM_MODEL": "azure/m", "AZURE_API_KEY": "k"}},
			"", "",
			want{model: "azure/m", err: "set LLM_BASE_URL"},
		},
		{
			"a bad address",
			world{env: env{"LLM_MODEL": "openai/m", "LLM_BASE_URL": "localhost:1234"}},
			"", "",
			want{model: "openai/m", base: "localhost:1234", err: "must be an http or https URL"},
		},

		{
			"settings file",
			world{files: settingsTOML("[llm]\nmodel = 'openai/m'\napi_key = 'k'")},
			"", "",
			want{model: "openai/m", key: "k"},
		},
		{
			"camelCase and dotted keys",
			world{files: settingsTOML("llm.model = 'openai/m'\nllm.apiKey = 'k'\nllm.baseUrl = 'http://h.example'")},
			"", "",
			want{model: "openai/m", key: "k", base: "http://h.example"},
		},
		{
			"a settings file elsewhere",
			world{files: map[string]string{"my.toml": "[llm]\nmodel = 'ollama/m'"}, env: env{"AGENT_RPC_CONFIG": "~/my.toml"}},
			"", "",
			want{model: "ollama/m"},
		},
		{
			"a settings file elsewhere that is not there",
			world{env: env{"AGENT_RPC_CONFIG": "~/my.toml", "LLM_MODEL": "ollama/m"}},
			"", "",
			want{err: "there is no such file"},
		},
		{
			"XDG",
			world{files: map[string]string{"xdg/agent-rpc/config.toml": "llm.model = 'ollama/m'"}, env: env{"XDG_CONFIG_HOME": "$HOME/xdg"}},
			"", "",
			want{model: "ollama/m"},
		},
		{
			"OpenHands' own file",
			world{files: openHands(`{"llm": {"model": "openai/o", "api_key": "k", "base_url": "https://o.example"}, "tools": []}`)},
			"", "",
			want{model: "openai/o", key: "k", base: "https://o.example"},
		},
		{
			"OpenHands' own file with a masked key",
			world{files: openHands(`{"llm": {"model": "openai/o", "api_key": "**********"}}`), env: env{"OPENAI_API_KEY": "k"}},
			"", "",
			want{model: "openai/o", key: "k"},
		},
		{
			"an encrypted key is no key",
			world{files: openHands(`{"llm": {"model": "openai/o", "api_key": "gAAAAABx"}}`)},
			"", "",
			want{model: "openai/o", setting: "OPENAI_API_KEY", err: "needs a key"},
		},
		{
			"OpenHands' own file is broken, and all there is",
			world{files: openHands("{\n\n{")},
			"", "",
			want{setting: "LLM_MODEL", err: "line 3 is not valid JSON"},
		},
		{
			"OpenHands' own file is broken, but nobody needs it",
			world{files: openHands("[]"), env: env{"LLM_MODEL": "ollama/m"}},
			"", "",
			want{model: "ollama/m"},
		},

		{
			"file over OpenHands' file",
			world{files: files(settingsTOML("[llm]\nmodel = 'openai/f'"), openHands(`{"llm": {"model": "openai/o", "api_key": "k"}}`))},
			"", "",
			want{model: "openai/f", key: "k"},
		},
		{
			"environment over file",
			world{files: settingsTOML("[llm]\nmodel = 'openai/f'\napi_key = 'f'"), env: env{"LLM_MODEL": "openai/e"}},
			"", "",
			want{model: "openai/e", key: "f"},
		},
		{
			"client over environment",
			world{env: env{"LLM_MODEL": "openai/e", "LLM_API_KEY": "k"}, client: `{"llm": {"model": "openai/c"}}`},
			"", "",
			want{model: "openai/c", key: "k"},
		},
		{
			"agent over client",
			world{client: `{"llm": {"model": "openai/c", "apiKey": "k"}}`},
			"", `{"model": "openai/a"}`,
			want{model: "openai/a", key: "k"},
		},
		{
			"agent with its own key",
			world{env: env{"LLM_API_KEY": "k"}},
			"", `{"model": "openai/a", "api_key": "own", "base_url": "https://a.example"}`,
			want{model: "openai/a", key: "own", base: "https://a.example"},
		},
		{
			"a stored agent's key is looked up again",
			world{env: env{"ANTHROPIC_API_KEY": "k"}},
			"", `{"model": "anthropic/a", "api_key": "**********", "base_url": null}`,
			want{model: "anthropic/a", key: "k"},
		},
		{"an empty agent", world{env: env{"LLM_MODEL": "ollama/m"}}, "", ` [] `, want{model: "ollama/m"}},
		{
			"both spellings",
			world{client: `{"llm": {"apiKey": "a", "api_key": "b", "model": "openai/m"}}`},
			"", "",
			want{model: "openai/m", key: "b"},
		},
		{"half an agent", world{}, "", `[`, want{err: "agent.llm: must be an object"}},
		{"an agent that is none", world{}, "", `"x"`, want{err: "agent.llm: must be an object"}},
		{"an agent with a bad field", world{}, "", `{"model": 12}`, want{err: "agent.llm.model: must be a string"}},

		{
			"a key does not go to another provider",
			world{env: env{"LLM_MODEL": "anthropic/e", "LLM_API_KEY": "k"}},
			"", `{"model": "openai/a"}`,
			want{model: "openai/a", setting: "OPENAI_API_KEY", err: "belongs to another model, of anthropic"},
		},
		{
			"an address does not serve another provider",
			world{files: settingsTOML("[llm]\nmodel = 'ollama/q'\nbase_url = 'http://gpu.example:11434'"), env: env{"LLM_MODEL": "anthropic/e", "ANTHROPIC_API_KEY": "k"}},
			"", "",
			want{model: "anthropic/e", key: "k"},
		},
		{
			"no key goes where only the agent points",
			world{env: env{"LLM_MODEL": "openai/e", "LLM_API_KEY": "k", "OPENAI_API_KEY": "k2"}},
			"", `{"model": "openai/a", "base_url": "https://evil.example/v1"}`,
			want{model: "openai/a", base: "https://evil.example/v1", setting: "llm.api_key", err: "at evil.example, which your settings don't name"},
		},
		{
			"nor a key without a model",
			world{env: env{"LLM_API_KEY": "k"}},
			"", `{"model": "openai/a", "base_url": "https://evil.example/v1"}`,
			want{model: "openai/a", base: "https://evil.example/v1", setting: "llm.api_key", err: "don't name"},
		},
		{
			"nor a header",
			world{env: env{"LLM_MODEL": "openai/e", "LLM_EXTRA_HEADERS": `{"Authorization": "k"}`}},
			"", `{"base_url": "https://evil.example/v1"}`,
			want{model: "openai/e", base: "https://evil.example/v1", setting: "llm.api_key", err: "don't name"},
		},
		{
			"nor to an address in another field",
			world{env: env{"LLM_MODEL": "ollama/e", "LLM_API_KEY": "k"}},
			"", `{"ollama_base_url": "https://evil.example/v1"}`,
			want{model: "ollama/e"},
		},
		{
			"the agent points where the settings do",
			world{env: env{"LLM_MODEL": "openai/e", "LLM_API_KEY": "k", "LLM_BASE_URL": "https://x.example/v1"}},
			"", `{"base_url": "https://X.example/v2"}`,
			want{model: "openai/e", base: "https://X.example/v2", key: "k"},
		},
		{
			"the agent points to the provider itself",
			world{env: env{"OPENAI_API_KEY": "k"}},
			"", `{"model": "openai/a", "base_url": "https://api.openai.com/v1"}`,
			want{model: "openai/a", base: "https://api.openai.com/v1", key: "k"},
		},
		{
			"the agent points to this machine",
			world{env: env{"LLM_MODEL": "openai/e", "LLM_API_KEY": "k"}},
			"", `{"base_url": "http://localhost:1/v1"}`,
			want{model: "openai/e", base: "http://localhost:1/v1", key: "k"},
		},

		{
			"a profile in the settings stands below them",
			world{files: files(settingsTOML("profile = 'work'\n[llm]\nmodel = 'openai/f'"), profile("work", `{"model": "openai/p", "api_key": "p", "schema_version": 1}`))},
			"", "",
			want{model: "openai/f", key: "p"},
		},
		{
			"a profile in the environment stands above the file",
			world{
				files: files(settingsTOML("llm.model = 'openai/f'"), profile("work", `{"model": "openai/p", "api_key": "p"}`)),
				env:   env{"AGENT_RPC_PROFILE": "work"},
			},
			"", "",
			want{model: "openai/p", key: "p"},
		},
		{
			"the client's profile",
			world{files: profile("work", `{"model": "ollama/p"}`), client: `{"profile": "work"}`},
			"", "",
			want{model: "ollama/p"},
		},
		{
			"a conversation's profile is above the environment",
			world{files: profile("work", `{"model": "openai/p", "api_key": "p"}`), env: env{"LLM_MODEL": "anthropic/e", "LLM_API_KEY": "k"}},
			"work.json", "",
			want{model: "openai/p", key: "p"},
		},
		{
			"a linked profile",
			world{files: files(
				profile("work", `{"model": "openai/p", "provider_connection_id": "c2"}`),
				map[string]string{".openhands/provider-connections/provider_connections.json": `{"schema_version": 1, "connections": [{"id": "c1", "api_key": "no"}, {"id": "c2", "api_key": "yes", "base_url": "https://c.example"}]}`},
			)},
			"work", "",
			want{model: "openai/p", key: "yes", base: "https://c.example"},
		},
		{
			"a linked profile without its connection",
			world{files: files(
				profile("work", `{"model": "openai/p", "provider_connection_id": "c2"}`),
				map[string]string{".openhands/provider-connections/provider_connections.json": `{"connections": []}`},
			)},
			"work", "",
			want{err: "no connection for profile work"},
		},
		{"a profile that is not there", world{}, "work", "", want{err: "there is no such profile"}},
		{"a profile with a bad name", world{}, "../../etc/passwd", "", want{err: "a name has up to 64 letters"}},
		{"a profile of the future", world{files: profile("p", `{"schema_version": 2}`)}, "p", "", want{err: "newer OpenHands"}},
		{"a broken profile", world{files: profile("p", "{\n\"model\": }")}, "p", "", want{err: "p.json, line 2: this is not valid JSON; correct it"}},
		{"a profile with a bad field", world{files: profile("p", `{"temperature": "warm"}`)}, "p", "", want{err: "llm.temperature: must be a number"}},

		{
			"a broken settings file",
			world{files: settingsTOML("[llm]\nmodel = = 3"), env: env{"LLM_MODEL": "ollama/m"}},
			"", "",
			want{err: "config.toml, line 2: this is not valid TOML"},
		},
		{
			"a wrong type",
			world{files: settingsTOML("\n[llm]\n\ntemperature = 'warm'")},
			"", "",
			want{err: "config.toml, line 4: llm.temperature: must be a number; correct it or move the file away; `agent-rpc doctor` checks it"},
		},
		{
			"a wrong type in camelCase",
			world{files: settingsTOML("stuckDetection = 3")},
			"", "",
			want{err: "config.toml, line 1: stuck_detection: must be true or false"},
		},
		{"a number out of range", world{files: settingsTOML("max_iteration_per_run = 0")}, "", "", want{err: "line 1: max_iteration_per_run: must be at least 1"}},
		{"a threshold out of range", world{files: settingsTOML("stuck_detection_thresholds = {monologue = 0}")}, "", "", want{err: "stuck_detection_thresholds: monologue must be at least 1"}},
		{"a threshold that is none", world{files: settingsTOML("stuck_detection_thresholds = {talk = 3}")}, "", "", want{err: "stuck_detection_thresholds: has only action_observation"}},
		{"no time for a tool", world{files: settingsTOML("client_tool_timeout = 0")}, "", "", want{err: "client_tool_timeout: must be at least 1"}},
		{"a fraction", world{files: settingsTOML("max_iteration_per_run = 1.5")}, "", "", want{err: "must be a whole number"}},
		{"an endless number", world{files: settingsTOML("[llm]\ntemperature = inf")}, "", "", want{err: "a number must be finite"}},
		{"a section that is none", world{files: settingsTOML("llm = 'gpt'")}, "", "", want{err: "line 1: llm: must be an object"}},
		{"a bad tool", world{files: settingsTOML("[agent]\ntools = ['a', {params = {}}]")}, "", "", want{err: "line 2: agent.tools: a tool needs a name"}},
		{"a bad policy", world{files: settingsTOML("[confirmation_policy]\nthreshold = 'HIGH'")}, "", "", want{err: `line 1: confirmation_policy: must be the name of a kind`}},
		{"a folder in the place of the file", world{files: map[string]string{settingsFile + "/x": ""}}, "", "", want{err: "it is not a file"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.world.config(t)
			cfg, err := c.ResolveProfile(tt.profile, json.RawMessage(tt.agent))
			got := want{model: cfg.Model, base: cfg.BaseURL, key: cfg.APIKey.Reveal()}
			var auth *AuthRequired
			if errors.As(err, &auth) {
				got.setting = auth.Setting
				if !strings.Contains(auth.Message, "agent-rpc doctor") || !strings.Contains(auth.Message, "agent-rpc demo") {
					t.Errorf("no way on: %s", auth.Message)
				}
			}
			got.err = tt.want.err
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(want{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if tt.want.err == "" && err != nil || tt.want.err != "" && (err == nil || !strings.Contains(err.Error(), tt.want.err)) {
				t.Errorf("got %v, want %q", err, tt.want.err)
			}
		})
	}
}

func TestSettings(t *testing.T) {
	c := world{
		files: settingsTOML(`
			conversations_dir = "talks"
			record = "~/r.jsonl"
			allow_outside = true
			security_analyzer = "LLMSecurityAnalyzer"
			max_iteration_per_run = 20
			client_tool_timeout = 1.5
			stuck_detection_thresholds = { monologue = 5 }
			unknown = 1

			[llm]
			model = "openai/m"
			temperature = 1
			num_retries = 2
			top_k = 5.0
			reasoning_effort = "low"
			extra_headers = { X-Team = "a" }
			litellm_extra_body = { a = { b = [1, 2] } }
			api_mode = "chat"
			modle = "x"

			[agent]
			tools = ["terminal", { name = "grep", params = { a = 1 } }]
			include_default_tools = ["FinishTool"]
			tool_concurrency_limit = 4
			filter_tools_regex = "t.*"
			condenser = { kind = "NoOpCondenser" }

			[agent.system_prompt_kwargs]
			cli_mode = true

			[confirmation_policy]
			kind = "ConfirmRisky"
			threshold = "MEDIUM"
		`),
		env: env{
			"LLM_TEMPERATURE": "0.5", "LLM_CACHING_PROMPT": "off", "LLM_TIMEOUT": "12.5", "LLM_SEED": "x",
			"LLM_LITELLM_EXTRA_BODY": `{"a": 2}`, "AGENT_RPC_STUCK_DETECTION": "no", "LLM_NATIVE_TOOL_CALLING": "Yes",
		},
		client: `{"maxIterationPerRun": 30, "llm": {"numRetries": 7, "topP": 0.5, "seed": null}, "agent": {"systemPrompt": "Be kind."}}`,
	}.config(t)
	got, err := c.Settings()
	if err != nil {
		t.Fatal(err)
	}
	want := Settings{
		LLM: llm.Config{
			Model: "openai/m", Temperature: new(0.5), NumRetries: new(7), TopK: new(5.0), TopP: new(0.5), ReasoningEffort: "low",
			Timeout: new(12.5), CachingPrompt: new(false), NativeToolCalling: new(true),
			ExtraHeaders: map[string]string{"X-Team": "a"}, ExtraBody: map[string]any{"a": 2.0},
			Extra: map[string]json.RawMessage{"api_mode": json.RawMessage(`"chat"`), "modle": json.RawMessage(`"x"`)},
		},
		Agent: Agent{
			Tools:                []Tool{{Name: "terminal", Params: map[string]any{}}, {Name: "grep", Params: map[string]any{"a": 1.0}}},
			IncludeDefaultTools:  []string{"FinishTool"},
			FilterToolsRegex:     "t.*",
			SystemPrompt:         "Be kind.",
			SystemPromptKwargs:   map[string]any{"cli_mode": true},
			ToolConcurrencyLimit: 4,
			Condenser:            Kind(`{"kind":"NoOpCondenser"}`),
		},
		ConfirmationPolicy: Kind(`{"kind":"ConfirmRisky","threshold":"MEDIUM"}`),
		SecurityAnalyzer:   Kind(`{"kind":"LLMSecurityAnalyzer"}`),
		MaxIterationPerRun: 30,
		ClientToolTimeout:  1.5, StuckDetectionThresholds: Thresholds{"monologue": 5},
		ConversationsDir: filepath.Join(c.home, "talks"),
		AllowOutside:     true,
		Record:           filepath.Join(c.home, "r.jsonl"),
	}
	if !reflect.DeepEqual(want, got) {
		t.Errorf("want %s\ngot  %s", dump(want), dump(got))
	}
	path := c.Path()
	wantWarnings := []string{
		path + ": the setting llm.modle is not known",
		path + ": the setting unknown is not known",
		"LLM_SEED is left out: it must be a whole number",
	}
	if diff := cmp.Diff(wantWarnings, c.Warnings()); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func dump(s Settings) string {
	raw, err := json.Marshal(s)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

func TestSettingsByDefault(t *testing.T) {
	c := world{}.config(t)
	got, err := c.Settings()
	if err != nil {
		t.Fatal(err)
	}
	want := Settings{MaxIterationPerRun: 500, StuckDetection: true, ClientToolTimeout: 600, ConversationsDir: filepath.Join(c.home, ".openhands", "conversations")}
	if !reflect.DeepEqual(want, got) {
		t.Errorf("got %s", dump(got))
	}
	if w := c.Warnings(); len(w) > 0 {
		t.Errorf("warnings: %q", w)
	}
}

func TestABrokenFileLeavesTheRest(t *testing.T) {
	c := world{files: settingsTOML("allow_outside = true\nmax_iteration_per_run = 'many'"), env: env{"AGENT_RPC_MAX_ITERATION_PER_RUN": "3"}}.config(t)
	got, err := c.Settings()
	var fe *FileError
	if !errors.As(err, &fe) || fe.Line != 2 || fe.Path != c.Path() || fe.Remedy == "" {
		t.Errorf("got %v", err)
	}
	if got.AllowOutside || got.MaxIterationPerRun != 3 {
		t.Errorf("got %s", dump(got))
	}
	if c.ConversationsDir() != filepath.Join(c.home, ".openhands", "conversations") {
		t.Errorf("got %s", c.ConversationsDir())
	}
	// The mistake is mended; nothing needs a restart.
	if err := os.WriteFile(c.Path(), []byte("allow_outside = true"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Settings(); err != nil || !got.AllowOutside {
		t.Errorf("got %v, %s", err, dump(got))
	}
}

func TestSetClient(t *testing.T) {
	tests := []struct {
		name, raw string
		errs      []string
		limit     int
		model     string
	}{
		{"nothing", "", nil, 500, ""},
		{"null", "null", nil, 500, ""},
		{"an empty list, as Lua has it", "[ ]", nil, 500, ""},
		{"good ones", `{"max_iteration_per_run": 5, "llm": {"model": "ollama/m"}}`, nil, 5, "ollama/m"},
		{"empty sections, as Lua has them", `{"max_iteration_per_run": 5, "llm": [], "agent": []}`, nil, 5, ""},
		{
			"bad ones are left out", `{"maxIterationPerRun": 0, "allowOutside": "yes", "llm": {"model": "ollama/m", "temperature": {}}}`,
			[]string{"allow_outside: must be true or false", "max_iteration_per_run: must be at least 1", "llm.temperature: must be a number"},
			500, "ollama/m",
		},
		{"a bad section", `{"llm": "gpt", "max_iteration_per_run": 5}`, []string{"llm: must be an object"}, 5, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := world{}.config(t)
			err := c.SetClient(json.RawMessage(tt.raw))
			if (err != nil) != (tt.errs != nil) {
				t.Fatalf("got %v", err)
			}
			for _, want := range tt.errs {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %s", err, want)
				}
			}
			s, _ := c.Settings()
			if s.MaxIterationPerRun != tt.limit || s.LLM.Model != tt.model || s.AllowOutside {
				t.Errorf("got %s", dump(s))
			}
		})
	}
	c := world{client: `{"max_iteration_per_run": 5}`}.config(t)
	if err := c.SetClient(json.RawMessage(`"x"`)); err == nil {
		t.Error("a string was taken")
	}
	if s, _ := c.Settings(); s.MaxIterationPerRun != 5 {
		t.Error("what was there is lost")
	}
	if err := c.SetClient(nil); err != nil {
		t.Error(err)
	}
	if s, _ := c.Settings(); s.MaxIterationPerRun != 500 {
		t.Error("what was there stays")
	}
}

func TestConversationsDir(t *testing.T) {
	abs := func(path string) string {
		p, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	tests := []struct {
		name  string
		world world
		want  string // ~ is home
	}{
		{"by default", world{}, "~/.openhands/conversations"},
		{"a setting", world{files: settingsTOML(`conversations_dir = "~/talks"`)}, "~/talks"},
		{"a relative setting", world{files: settingsTOML(`conversations_dir = "talks"`)}, "~/talks"},
		{"the client's", world{files: settingsTOML(`conversations_dir = "a"`), client: `{"conversationsDir": "b"}`}, "~/b"},
		{"the variable", world{client: `{"conversationsDir": "b"}`, env: env{"OPENHANDS_CONVERSATIONS_DIR": "~/c"}}, "~/c"},
		{"a relative variable", world{env: env{"OPENHANDS_CONVERSATIONS_DIR": "c"}}, abs("c")},
		{"a name that begins with a tilde", world{files: settingsTOML(`conversations_dir = "~talks"`)}, "~/~talks"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.world.config(t)
			want := tt.want
			if rest, ok := strings.CutPrefix(want, "~/"); ok {
				want = filepath.Join(c.home, rest)
			}
			if got := c.ConversationsDir(); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if s, err := c.Settings(); err != nil || s.ConversationsDir != want {
				t.Errorf("the settings say %s, %v", s.ConversationsDir, err)
			}
		})
	}
}

func TestPathOnWindows(t *testing.T) {
	dir := t.TempDir()
	c := Load(func(name string) (string, bool) {
		return dir, name == "AppData"
	}, "/home/me")
	c.goos = "windows"
	if got := c.Path(); got != filepath.Join(dir, "agent-rpc", "config.toml") {
		t.Errorf("got %s", got)
	}
}

func TestWithoutAHome(t *testing.T) {
	c := Load(func(name string) (string, bool) { return "ollama/m", name == "LLM_MODEL" }, "")
	if cfg, err := c.Resolve(nil); err != nil || cfg.Model != "ollama/m" {
		t.Errorf("got %v, %v", cfg, err)
	}
	if c.Path() != "" || len(c.Profiles()) > 0 || c.ConversationsDir() != "" {
		t.Errorf("got %s and %s", c.Path(), c.ConversationsDir())
	}
}

func TestServerKeys(t *testing.T) {
	keys := world{}.config(t).ServerKeys()
	for _, name := range []string{"LLM_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY", "GEMINI_API_KEY", "LLM_AWS_SECRET_ACCESS_KEY"} {
		if !slices.Contains(keys, name) {
			t.Errorf("%s is not among them", name)
		}
	}
	for _, name := range []string{"HF_TOKEN", "ACME_API_KEY", "PATH", ""} {
		if slices.Contains(keys, name) {
			t.Errorf("%s is among them", name)
		}
	}
	if !slices.IsSorted(keys) {
		t.Error("not sorted")
	}
	for model, name := range map[string]string{"huggingface/m": "HF_TOKEN", "acme/m": "ACME_API_KEY"} {
		if keys := (world{env: env{"LLM_MODEL": model}}).config(t).ServerKeys(); !slices.Contains(keys, name) {
			t.Errorf("%s is not among those of %s", name, model)
		}
	}
}

func TestProfiles(t *testing.T) {
	c := world{files: files(
		profile("b", `{"model": "openai/b", "api_key": "k", "base_url": "https://b.example"}`),
		profile("a", `{"model": "openai/a", "api_key": "**********"}`),
		profile("broken", `{`),
		profile("-bad name", `{}`),
		map[string]string{".openhands/profiles/.profiles.lock": ""},
	)}.config(t)
	got := c.Profiles()
	if len(got) != 3 || got[2].Name != "broken" || got[2].Err == nil {
		t.Fatalf("got %+v", got)
	}
	want := []ProfileInfo{{Name: "a", Model: "openai/a"}, {Name: "b", Model: "openai/b", BaseURL: "https://b.example", APIKeySet: true}}
	if diff := cmp.Diff(want, got[:2]); diff != "" {
		t.Error(diff)
	}
}

func TestAKeyThatOthersCanRead(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes of Unix")
	}
	c := world{files: settingsTOML("[llm]\napi_key = 'k'")}.config(t)
	if w := c.Warnings(); len(w) > 0 {
		t.Errorf("got %q", w)
	}
	if err := os.Chmod(c.Path(), 0o644); err != nil {
		t.Fatal(err)
	}
	if w := c.Warnings(); len(w) != 1 || !strings.Contains(w[0], "chmod 600") {
		t.Errorf("got %q", w)
	}
}

const secret = "sk-sEcReT4242"

func TestSecretsStayInside(t *testing.T) {
	w := world{
		files: files(
			settingsTOML("[llm]\nmodel='openai/m'\napi_key='"+secret+"'\nbase_url='https://u:"+secret+"@x.example'\n[agent.mcp_config.s.env]\nK='"+secret+"'\n[agent.agent_context.secrets]\nA='"+secret+"'"),
			openHands(`{"llm": {"api_key": "`+secret+`", "temperature": "`+secret+`"}}`),
			profile("p", `{"model": "openai/m", "api_key": "`+secret+`"}`),
		),
		env:    env{"OPENAI_API_KEY": secret, "LLM_SEED": secret, "LLM_EXTRA_HEADERS": `{"Authorization": "` + secret + `"}`},
		client: `{"llm": {"api_key": "` + secret + `"}}`,
	}
	c := w.config(t)
	s, err := c.Settings()
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := c.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.APIKey.Reveal() != secret || !strings.Contains(string(s.Agent.MCPConfig.Reveal()), secret) || !strings.Contains(string(s.Agent.AgentContext.Reveal()), secret) {
		t.Fatal("the secrets did not arrive")
	}
	for _, v := range []any{s, &s, s.Agent, cfg, &cfg, c, c.Profiles(), c.Warnings(), c.ServerKeys()} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
			if got := fmt.Sprintf(format, v); strings.Contains(got, secret) {
				t.Errorf("%s of %T shows it: %s", format, v, got)
			}
		}
	}
	raw, err := json.Marshal(s.Agent)
	if err != nil || strings.Contains(string(raw), secret) {
		t.Errorf("JSON shows it: %s, %v", raw, err)
	}
	if raw, err := json.Marshal(cfg.APIKey); err != nil || strings.Contains(string(raw), secret) {
		t.Errorf("JSON shows it: %s, %v", raw, err)
	}
}

func TestErrorsHoldNoValues(t *testing.T) {
	for _, text := range []string{
		"api_key = " + secret,
		"api_key = '" + secret,
		`api_key = "` + secret,
		"api_key = '" + secret + "' x",
		"api_key = [" + secret + "]",
		"[llm]\napi_key = ['" + secret + "']",
		"[llm]\napi_key = 4242424242\n",
		"[llm]\napi_key = {a = '" + secret + "'}",
		"[llm]\ntemperature = '" + secret + "'",
		"[llm]\napi_key = '" + secret + "'\napi_key = '" + secret + "'",
		"[llm]\nmodel = \"\\q" + secret + "\"",
		"[agent]\ntools = ['a', 3, '" + secret + "']",
		"[agent]\nmcp_config = '" + secret + "'",
		"confirmation_policy = ['" + secret + "']",
		"a = 2026-13-41T" + secret,
		"a = 0x" + secret,
		secret,
		"'" + secret,
	} {
		c := world{files: settingsTOML(text)}.config(t)
		_, err := c.Settings()
		if err == nil {
			t.Errorf("no error for %q", text)
		} else if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "424242") {
			t.Errorf("%q gives %v", text, err)
		}
	}
	for _, raw := range []string{
		`{"llm": {"api_key": ["` + secret + `"]}}`, `{"llm": {"temperature": "` + secret + `"}}`, `{"llm": "` + secret + `"}`, `"` + secret + `"`, `{"agent": {"tools": [{"name": ["` + secret + `"]}]}}`, `{"llm": {"extra_headers": {"a": {"b": "` + secret + `"}}}}`, secret,
	} {
		c := world{}.config(t)
		if err := c.SetClient(json.RawMessage(raw)); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s gives %v", raw, err)
		}
		if _, err := c.Resolve(json.RawMessage(raw)); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s gives %v", raw, err)
		}
	}
}

func TestManyGoroutines(t *testing.T) {
	c := world{files: settingsTOML("[llm]\nmodel = 'ollama/m'")}.config(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				if err := c.SetClient(json.RawMessage(`{"llm": {"temperature": 1}}`)); err != nil {
					t.Error(err)
				}
				if _, err := c.Resolve(nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzTOML(f *testing.F) {
	f.Add("[llm]\nmodel = 'm'\ntemperature = 1\n[agent]\ntools = ['a']\nconfirmation_policy = 'X'")
	f.Add("llm = {a = 1}\n[[x]]")
	f.Add("api_key = ")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := parseTOML("f", []byte(text))
		if err != nil {
			if err.Message == "" || err.Remedy == "" || err.Line < 0 {
				t.Errorf("got %+v", err)
			}
			return
		}
		s := Settings{}
		l.apply(&s)
		mergeLLM([]*layer{l})
	})
}

func FuzzTOMLErrorsHoldNoValues(f *testing.F) {
	f.Add("[llm]\napi_key = ", "")
	f.Add("api_key = '", "\n")
	f.Fuzz(func(t *testing.T, before, after string) {
		_, err := parseTOML("f", []byte(before+secret+after))
		if err != nil && strings.Contains(err.Error(), secret) && !isKey(before) {
			t.Errorf("the value is shown: %v", err)
		}
	})
}

// isKey tells whether what follows may be the name of a setting rather than its
// value: names are shown.
func isKey(before string) bool {
	return !strings.HasPrefix(before, "[llm]\napi_key = ") && !strings.HasPrefix(before, "api_key = ")
}

func FuzzClient(f *testing.F) {
	f.Add(`{"llm": {"model": "m", "extraHeaders": {"a": "b"}}, "agent": {"tools": ["a"]}}`)
	f.Add(`[]`)
	f.Add(`[`)
	f.Fuzz(func(t *testing.T, raw string) {
		c := Load(func(string) (string, bool) { return "", false }, "")
		if err := c.SetClient(json.RawMessage(raw)); err != nil {
			return
		}
		if _, err := c.Settings(); err != nil {
			t.Error(err)
		}
		_, _ = c.Resolve(json.RawMessage(raw))
	})
}

func BenchmarkResolve(b *testing.B) {
	c := world{files: files(settingsTOML("[llm]\nmodel = 'openai/m'\napi_key = 'k'"), openHands(`{"llm": {"model": "openai/o"}}`))}.config(b)
	for b.Loop() {
		if _, err := c.Resolve(nil); err != nil {
			b.Fatal(err)
		}
	}
}
