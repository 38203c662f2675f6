package catalog

import (
	"testing"

	"charm.land/catwalk/pkg/embedded"
)

func TestLookup(t *testing.T) {
	for _, c := range []struct {
		model string
		// want is the entry that is found; "" for none.
		want string
	}{
		{"openai/gpt-4o", "openai/gpt-4o"},
		{"gpt-4o", "openai/gpt-4o"},
		{"openai/gpt-4o-2024-08-06", "openai/gpt-4o"},
		{"OpenAI/GPT-4o", "openai/gpt-4o"},
		{"anthropic/claude-sonnet-4-5", "anthropic/claude-sonnet-4-5-20250929"},
		{"anthropic/claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4-5-20250929"},
		{"anthropic/claude-sonnet-4-5-latest", "anthropic/claude-sonnet-4-5-20250929"},
		{"claude-sonnet-4.5", "anthropic/claude-sonnet-4-5-20250929"},
		{"openrouter/anthropic/claude-sonnet-4.5", "openrouter/anthropic/claude-sonnet-4.5"},
		{"openhands/claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4-5-20250929"},
		{"litellm_proxy/anthropic/claude-sonnet-4-5", "anthropic/claude-sonnet-4-5-20250929"},
		{"gemini/gemini-2.5-pro", "gemini/gemini-2.5-pro"},
		{"ollama/gpt-oss-120b", ""},
		{"openai/no-such-model", ""},
		{"", ""},
		{"/", ""},
		{"anthropic/", ""},
	} {
		got, ok := Lookup(c.model)
		if ok != (c.want != "") || ok && got.Model() != c.want {
			t.Errorf("%q found %q, want %q", c.model, got.Model(), c.want)
		}
	}
}

// The cache's prices stand in catwalk's table in more than one way.
func TestPrices(t *testing.T) {
	for _, c := range []struct {
		model                     string
		in, out, cached, cacheing float64
	}{
		{"anthropic/claude-sonnet-4-5", 3, 15, 0.3, 3.75},
		{"openai/gpt-4o", 2.5, 10, 1.25, 2.5},
		{"openai/gpt-5", 1.25, 10, 0.125, 1.25},
	} {
		got, _ := Lookup(c.model)
		if got.Input != c.in || got.Output != c.out || got.CacheRead != c.cached || got.CacheWrite != c.cacheing {
			t.Errorf("%s costs %+v, want %+v", c.model, got, c)
		}
	}
	for _, m := range All() {
		if m.CacheRead > m.Input || m.CacheWrite < m.Input || m.Input < 0 || m.Output < 0 {
			t.Errorf("%s: %+v", m.Model(), m)
		}
	}
}

func TestAll(t *testing.T) {
	all := All()
	if len(all) < 500 {
		t.Errorf("only %d models", len(all))
	}
	for i, m := range all {
		if m.ID == "" || m.Provider == "" {
			t.Errorf("entry %d is %+v", i, m)
		}
		if found, ok := Lookup(m.Model()); !ok || found.Provider != m.Provider {
			t.Errorf("%s is not found by its own name", m.Model())
		}
	}
	all[0].ID = "changed"
	if All()[0].ID == "changed" {
		t.Error("the list is not the caller's own")
	}
}

// BenchmarkLoad is what the first question costs.
func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		build(embedded.GetAll())
	}
}

func BenchmarkLookup(b *testing.B) {
	Lookup("openai/gpt-4o")
	b.ReportAllocs()
	for b.Loop() {
		Lookup("litellm_proxy/anthropic/claude-sonnet-4-5")
	}
}
