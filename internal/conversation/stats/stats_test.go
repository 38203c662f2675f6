package stats_test

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/agent-rpc/agent-rpc/internal/conversation/stats"
)

func call(usage, model string, more func(*stats.Call)) stats.Call {
	c := stats.Call{
		UsageID: usage, Model: model, ResponseID: "msg_01",
		PromptTokens: 5210, CompletionTokens: 118, ContextWindow: 200000,
		Cost: 0.0123, Latency: 2410 * time.Millisecond, At: time.UnixMilli(1760000000250),
	}
	if more != nil {
		more(&c)
	}
	return c
}

// one is the example of a base_state.json with one call.
const one = `{"usage_to_metrics":{"agent":{"model_name":"anthropic/claude-x","accumulated_cost":0.0123,` +
	`"accumulated_token_usage":{"model":"anthropic/claude-x","prompt_tokens":5210,"completion_tokens":118,` +
	`"cache_read_tokens":0,"cache_write_tokens":0,"reasoning_tokens":0,"context_window":200000,` +
	`"per_turn_token":5328,"response_id":""},` +
	`"costs":[{"model":"anthropic/claude-x","cost":0.0123,"timestamp":1760000000.25}],` +
	`"response_latencies":[{"model":"anthropic/claude-x","latency":2.41,"response_id":"msg_01"}],` +
	`"token_usages":[{"model":"anthropic/claude-x","prompt_tokens":5210,"completion_tokens":118,"cache_read_tokens":0,` +
	`"cache_write_tokens":0,"reasoning_tokens":0,"context_window":200000,"per_turn_token":5328,"response_id":"msg_01"}]}}}`

func full(s *stats.Stats) string { return string(s.AppendJSON(nil)) }

func load(t testing.TB, raw string) *stats.Stats {
	t.Helper()
	var s stats.Stats
	if err := json.Unmarshal([]byte(raw), &s); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return &s
}

func check(t testing.TB, got, want string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestExample(t *testing.T) {
	var s stats.Stats
	check(t, full(&s), `{"usage_to_metrics":{}}`)
	s.Add(call("agent", "anthropic/claude-x", nil))
	check(t, full(&s), one)
	check(t, full(load(t, one)), one)
	check(t, string(s.AppendSnapshot([]byte("x"))), `x{"usage_to_metrics":{"agent":{"model_name":"anthropic/claude-x","accumulated_cost":0.0123,`+
		`"accumulated_token_usage":{"model":"anthropic/claude-x","prompt_tokens":5210,"completion_tokens":118,`+
		`"cache_read_tokens":0,"cache_write_tokens":0,"reasoning_tokens":0,"context_window":200000,"per_turn_token":5328,"response_id":""}}}}`)
	if raw, err := json.Marshal(&s); err != nil || string(raw) != one {
		t.Errorf("%s, %v", raw, err)
	}
}

func TestSums(t *testing.T) {
	var s stats.Stats
	s.Add(call("agent", "big", func(c *stats.Call) { c.Cost = 1; c.CacheReadTokens = 7; c.CacheWriteTokens = 8; c.ReasoningTokens = 9 }))
	s.Add(call("agent", "other", func(c *stats.Call) { c.Cost = 0.5; c.PromptTokens = 10; c.CompletionTokens = 1; c.ContextWindow = 100 }))
	s.Add(call("condenser", "small", func(c *stats.Call) {
		c.Cost = 0.25
		c.PromptTokens = 2
		c.CompletionTokens = 3
		c.ContextWindow = 300000
	}))

	agent, ok := s.Usage("agent")
	want := stats.Snapshot{ModelName: "big", AccumulatedCost: 1.5, AccumulatedTokenUsage: stats.TokenUsage{
		Model: "big", PromptTokens: 5220, CompletionTokens: 119, CacheReadTokens: 7, CacheWriteTokens: 8, ReasoningTokens: 9,
		ContextWindow: 200000, PerTurnToken: 11,
	}}
	if diff := cmp.Diff(want, agent); !ok || diff != "" {
		t.Error(diff)
	}
	want = stats.Snapshot{ModelName: "default", AccumulatedCost: 1.75, AccumulatedTokenUsage: stats.TokenUsage{
		Model: "default", PromptTokens: 5222, CompletionTokens: 122, CacheReadTokens: 7, CacheWriteTokens: 8, ReasoningTokens: 9,
		ContextWindow: 300000, PerTurnToken: 5,
	}}
	if diff := cmp.Diff(want, s.Combined()); diff != "" || s.TotalCost() != 1.75 {
		t.Error(diff)
	}
	if _, ok := s.Usage("nobody"); ok {
		t.Error("a bucket that was never used")
	}
}

func TestOddCalls(t *testing.T) {
	for name, c := range map[string]struct {
		call stats.Call
		want string
	}{
		"nothing known": {
			stats.Call{},
			`"default":{"model_name":"default","accumulated_cost":0,"costs":[],"response_latencies":[{"model":"default","latency":0,"response_id":""}],"token_usages":[]}`,
		},
		"less than nothing": {
			stats.Call{UsageID: "a", Model: "m", Cost: -1, Latency: -1, PromptTokens: -1, ContextWindow: -5},
			`"a":{"model_name":"m","accumulated_cost":0,"costs":[],"response_latencies":[{"model":"m","latency":0,"response_id":""}],"token_usages":[]}`,
		},
		"no number": {
			stats.Call{UsageID: "a", Model: "m", Cost: math.NaN()},
			`"a":{"model_name":"m","accumulated_cost":0,"costs":[],"response_latencies":[{"model":"m","latency":0,"response_id":""}],"token_usages":[]}`,
		},
		"too much": {
			stats.Call{UsageID: "a", Model: "m", Cost: math.Inf(1)},
			`"a":{"model_name":"m","accumulated_cost":0,"costs":[],"response_latencies":[{"model":"m","latency":0,"response_id":""}],"token_usages":[]}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var s stats.Stats
			s.Add(c.call)
			got := full(&s)
			if !json.Valid([]byte(got)) {
				t.Fatalf("no JSON: %s", got)
			}
			from := strings.Index(got, `"accumulated_token_usage"`)
			to := strings.Index(got, `"costs"`)
			check(t, got[:from]+got[to:], `{"usage_to_metrics":{`+c.want+`}}`)
		})
	}
}

func TestLoading(t *testing.T) {
	const usage = `"accumulated_token_usage":{"model":"m","prompt_tokens":0,"completion_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,` +
		`"reasoning_tokens":0,"context_window":0,"per_turn_token":0,"response_id":""}`
	for name, c := range map[string]struct{ in, want string }{
		"nothing": {`{}`, `{"usage_to_metrics":{}}`},
		"null":    {`null`, `{"usage_to_metrics":{}}`},
		"a list":  {`{"usage_to_metrics":[]}`, `{"usage_to_metrics":{}}`},
		"the order is kept": {
			`{"usage_to_metrics":{"z":{"model_name":"m"},"a":{"model_name":"m"},"z":{"model_name":"twice"}}}`,
			`{"usage_to_metrics":{"z":{"model_name":"m","accumulated_cost":0,` + usage + `,"costs":[],"response_latencies":[],"token_usages":[]},` +
				`"a":{"model_name":"m","accumulated_cost":0,` + usage + `,"costs":[],"response_latencies":[],"token_usages":[]}}}`,
		},
		"wrong types count as empty": {
			`{"usage_to_metrics":{"a":{"model_name":"m","accumulated_cost":null,"accumulated_token_usage":5,"costs":{},"response_latencies":null,"token_usages":"x"}}}`,
			`{"usage_to_metrics":{"a":{"model_name":"m","accumulated_cost":0,` + usage + `,"costs":[],"response_latencies":[],"token_usages":[]}}}`,
		},
		"histories are kept byte for byte": {
			`{"usage_to_metrics":{"a":{"model_name":"m","max_budget_per_task":5.5,"costs":[ {"cost":1.0, "later":"<&>"}, 1e-05 ]}}}`,
			`{"usage_to_metrics":{"a":{"model_name":"m","accumulated_cost":0,"max_budget_per_task":5.5,` + usage +
				`,"costs":[{"cost":1.0,"later":"<&>"},1e-05],"response_latencies":[],"token_usages":[]}}}`,
		},
	} {
		t.Run(name, func(t *testing.T) { check(t, full(load(t, c.in)), c.want) })
	}
	for _, bad := range []string{``, `[]`, `{`, `5`} {
		var s stats.Stats
		if err := json.Unmarshal([]byte(bad), &s); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// TestGoingOn holds that statistics that were stored and read again go on as if
// they had never been away.
func TestGoingOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var kept stats.Stats
		for range rapid.IntRange(0, 10).Draw(t, "calls") {
			c := stats.Call{
				UsageID:      rapid.SampledFrom([]string{"", "agent", "condenser", "ü\"<"}).Draw(t, "usage"),
				Model:        rapid.String().Draw(t, "model"),
				PromptTokens: rapid.IntRange(-1, 1e9).Draw(t, "prompt"),
				Cost:         rapid.Float64().Draw(t, "cost"),
				Latency:      time.Duration(rapid.Int64().Draw(t, "latency")),
				At:           time.Unix(rapid.Int64Range(0, 1<<40).Draw(t, "at"), 0),
			}
			again := new(stats.Stats)
			if err := json.Unmarshal(kept.AppendJSON(nil), again); err != nil {
				t.Fatalf("%v: %s", err, full(&kept))
			}
			kept.Add(c)
			again.Add(c)
			if diff := cmp.Diff(full(&kept), full(again)); diff != "" {
				t.Fatal(diff)
			}
			if diff := cmp.Diff(kept.Combined(), again.Combined()); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(one))
	f.Add([]byte(`{"usage_to_metrics":{"a":{"costs":[1,2]},"a":null}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var s stats.Stats
		if json.Unmarshal(raw, &s) != nil {
			return
		}
		s.Add(call("a", "m", nil))
		once := full(&s)
		if again := full(load(t, once)); again != once {
			t.Fatalf("not stable:\n%s\n%s", once, again)
		}
	})
}

// many is the statistics of n calls.
func many(n int) *stats.Stats {
	s := new(stats.Stats)
	for i := range n {
		s.Add(call("agent", "anthropic/claude-x", func(c *stats.Call) { c.ResponseID = "msg_" + strconv.Itoa(i) }))
	}
	return s
}

// BenchmarkStep is one call and the whole JSON after it.
func BenchmarkStep(b *testing.B) {
	for _, n := range []int{10, 10000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			start := full(many(n))
			var s *stats.Stats
			buf := make([]byte, 0, 2*len(start))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i%1000 == 0 { // so that the size stays about n
					b.StopTimer()
					s = load(b, start)
					b.StartTimer()
				}
				s.Add(call("agent", "anthropic/claude-x", nil))
				buf = s.AppendJSON(buf[:0])
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}

func BenchmarkAdd(b *testing.B) {
	var s stats.Stats
	b.ReportAllocs()
	for b.Loop() {
		s.Add(call("agent", "anthropic/claude-x", nil))
	}
}

func BenchmarkLoad(b *testing.B) {
	raw := full(many(10000))
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		load(b, raw)
	}
}
