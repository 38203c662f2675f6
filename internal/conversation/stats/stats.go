// Package stats counts what the model calls of a conversation cost, in
// OpenHands' ConversationStats: one Metrics per usage id, each with the full
// history of costs, latencies and token usages.
//
// The histories are kept encoded, so writing them costs a copy, not an
// encoding. The package knows no prices and asks no model. It starts no
// goroutine, and a [Stats] belongs to one.
package stats

import (
	"encoding/json"
	"math"
	"strconv"
	"time"
)

// Call is what one answer of a model took.
type Call struct {
	// UsageID names the bucket: "agent", "condenser", …; "default" if empty.
	UsageID    string
	Model      string
	ResponseID string
	// The counts are tokens; ContextWindow is the model's, 0 if not known.
	PromptTokens     int
	CompletionTokens int
	CacheReadTokens  int
	CacheWriteTokens int
	ReasoningTokens  int
	ContextWindow    int
	// Cost is in USD; 0 if not known.
	Cost    float64
	Latency time.Duration
	At      time.Time
}

// TokenUsage is OpenHands' TokenUsage: of one answer, or accumulated.
type TokenUsage struct {
	Model            string `json:"model"`
	PromptTokens     int    `json:"prompt_tokens"`
	CompletionTokens int    `json:"completion_tokens"`
	CacheReadTokens  int    `json:"cache_read_tokens"`
	CacheWriteTokens int    `json:"cache_write_tokens"`
	ReasoningTokens  int    `json:"reasoning_tokens"`
	// ContextWindow is the largest seen.
	ContextWindow int `json:"context_window"`
	// PerTurnToken is the prompt and the completion of the newest answer.
	PerTurnToken int    `json:"per_turn_token"`
	ResponseID   string `json:"response_id"`
}

// add is OpenHands' addition: sums, but the larger window, the newer turn, and
// the model and response of the left side.
func (u *TokenUsage) add(v TokenUsage) {
	u.PromptTokens += v.PromptTokens
	u.CompletionTokens += v.CompletionTokens
	u.CacheReadTokens += v.CacheReadTokens
	u.CacheWriteTokens += v.CacheWriteTokens
	u.ReasoningTokens += v.ReasoningTokens
	u.ContextWindow = max(u.ContextWindow, v.ContextWindow)
	u.PerTurnToken = v.PerTurnToken
}

// Snapshot is OpenHands' MetricsSnapshot: Metrics without the histories.
type Snapshot struct {
	ModelName string `json:"model_name"`
	// AccumulatedCost is in USD.
	AccumulatedCost       float64    `json:"accumulated_cost"`
	MaxBudgetPerTask      *float64   `json:"max_budget_per_task,omitempty"`
	AccumulatedTokenUsage TokenUsage `json:"accumulated_token_usage"`
}

// defaultName is OpenHands' name for a model or a bucket without one.
const defaultName = "default"

// Stats are the statistics of one conversation. The zero value is empty.
type Stats struct {
	metrics []*metrics // in the order of their first use
}

// metrics is one bucket. The lists hold encoded elements with commas between
// them, without the brackets.
type metrics struct {
	usageID string
	Snapshot
	costs, latencies, usages []byte
}

func (s *Stats) find(usageID string) *metrics {
	for _, m := range s.metrics {
		if m.usageID == usageID {
			return m
		}
	}
	return nil
}

// Add counts one answer. Numbers that make no sense count as 0; a cost is
// listed only where there is one, tokens only where any were counted.
func (s *Stats) Add(c Call) {
	if c.UsageID == "" {
		c.UsageID = defaultName
	}
	if c.Model == "" {
		c.Model = defaultName
	}
	m := s.find(c.UsageID)
	if m == nil {
		m = &metrics{usageID: c.UsageID, Snapshot: Snapshot{
			ModelName:             c.Model,
			AccumulatedTokenUsage: TokenUsage{Model: c.Model},
		}}
		s.metrics = append(s.metrics, m)
	}
	m.latencies = appendElement(m.latencies, struct {
		Model      string  `json:"model"`
		Latency    float64 `json:"latency"`
		ResponseID string  `json:"response_id"`
	}{c.Model, max(0, c.Latency).Seconds(), c.ResponseID})
	if c.Cost > 0 && !math.IsInf(c.Cost, 0) {
		m.AccumulatedCost += c.Cost
		m.costs = appendElement(m.costs, struct {
			Model     string  `json:"model"`
			Cost      float64 `json:"cost"`
			Timestamp float64 `json:"timestamp"`
		}{c.Model, c.Cost, float64(c.At.UnixMicro()) / 1e6})
	}
	usage := TokenUsage{
		Model:            c.Model,
		PromptTokens:     max(0, c.PromptTokens),
		CompletionTokens: max(0, c.CompletionTokens),
		CacheReadTokens:  max(0, c.CacheReadTokens),
		CacheWriteTokens: max(0, c.CacheWriteTokens),
		ReasoningTokens:  max(0, c.ReasoningTokens),
	}
	if usage == (TokenUsage{Model: c.Model}) {
		return
	}
	usage.ContextWindow = max(0, c.ContextWindow)
	usage.PerTurnToken = usage.PromptTokens + usage.CompletionTokens
	usage.ResponseID = c.ResponseID
	m.AccumulatedTokenUsage.add(usage)
	m.usages = appendElement(m.usages, usage)
}

// TotalCost is the cost of all buckets in USD.
func (s *Stats) TotalCost() float64 {
	total := 0.0
	for _, m := range s.metrics {
		total += m.AccumulatedCost
	}
	return total
}

// Usage gives the snapshot of one bucket; false if nothing was counted there.
func (s *Stats) Usage(usageID string) (Snapshot, bool) {
	if m := s.find(usageID); m != nil {
		return m.Snapshot, true
	}
	return Snapshot{}, false
}

// Combined is the sum of all buckets, under the model name "default".
func (s *Stats) Combined() Snapshot {
	sum := Snapshot{ModelName: defaultName, AccumulatedTokenUsage: TokenUsage{Model: defaultName}}
	for _, m := range s.metrics {
		sum.AccumulatedCost += m.AccumulatedCost
		sum.AccumulatedTokenUsage.add(m.AccumulatedTokenUsage)
		if sum.MaxBudgetPerTask == nil {
			sum.MaxBudgetPerTask = m.MaxBudgetPerTask
		}
	}
	return sum
}

// AppendJSON appends the statistics with their whole histories, as they stand in
// base_state.json under "stats".
func (s *Stats) AppendJSON(dst []byte) []byte {
	return s.append(dst, true)
}

// AppendSnapshot appends the statistics without the histories, as they go over
// the wire.
func (s *Stats) AppendSnapshot(dst []byte) []byte {
	return s.append(dst, false)
}

// MarshalJSON is [Stats.AppendJSON].
func (s *Stats) MarshalJSON() ([]byte, error) { return s.AppendJSON(nil), nil }

func (s *Stats) append(dst []byte, histories bool) []byte {
	dst = append(dst, `{"usage_to_metrics":{`...)
	for i, m := range s.metrics {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendValue(dst, m.usageID)
		dst = append(dst, ':')
		dst = appendValue(dst, m.Snapshot)
		if histories {
			dst = dst[:len(dst)-1]
			dst = appendList(dst, "costs", m.costs)
			dst = appendList(dst, "response_latencies", m.latencies)
			dst = appendList(dst, "token_usages", m.usages)
			dst = append(dst, '}')
		}
	}
	return append(dst, `}}`...)
}

func appendList(dst []byte, name string, elements []byte) []byte {
	dst = append(dst, ',')
	dst = strconv.AppendQuote(dst, name)
	dst = append(dst, `:[`...)
	dst = append(dst, elements...)
	return append(dst, ']')
}

func appendElement(list []byte, v any) []byte {
	if len(list) > 0 {
		list = append(list, ',')
	}
	return appendValue(list, v)
}

// appendValue encodes values that always encode: strings and structs of strings
// and finite numbers.
func appendValue(dst []byte, v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		return append(dst, "null"...)
	}
	return append(dst, raw...)
}
