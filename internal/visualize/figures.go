package visualize

import (
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// Duration writes how long a step took: 2.1s, 12s, 4m12s, 1h04m.
func Duration(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1fs", max(d, 0).Seconds())
	}
	return Elapsed(d)
}

// Elapsed is [Duration] in whole seconds.
func Elapsed(d time.Duration) string {
	s := int(max(d, 0) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	default:
		return fmt.Sprintf("%dh%02dm", s/3600, s%3600/60)
	}
}

// Cost writes an amount in US dollars.
func Cost(usd float64) string {
	if usd > 0 && usd < 0.01 {
		return "<$0.01"
	}
	return fmt.Sprintf("$%.2f", max(usd, 0))
}

// Count writes a number of tokens: 940, 9.4k, 58k, 1.2M.
func Count(n int) string {
	switch {
	case n < 1000:
		return strconv.Itoa(max(n, 0))
	case n < 9950:
		return fmt.Sprintf("%.1fk", float64(n)/1000)
	case n < 999_500:
		return fmt.Sprintf("%dk", (n+500)/1000)
	default:
		return fmt.Sprintf("%.1fM", float64(n)/1e6)
	}
}

// Usage is what OpenHands' ConversationStats add up to.
type Usage struct {
	// Cost is in USD. Unpriced tells that it lacks what a model cost whose price
	// nobody knows.
	Cost     float64 `json:"cost"`
	Unpriced bool    `json:"unpriced,omitempty"`
	// Tokens counts what went to the model and what came from it.
	Tokens int `json:"tokens"`
	// Context and Window are the size of the last request with its answer and the
	// model's limit, in tokens; 0 if unknown.
	Context int `json:"context,omitempty"`
	Window  int `json:"window,omitempty"`
}

// UsageOf adds up the statistics of a conversation; what can't be read counts
// nothing.
func UsageOf(info protocol.Info) Usage {
	var s struct {
		Metrics map[string]struct {
			Cost  float64 `json:"accumulated_cost"`
			Usage struct {
				Prompt     int `json:"prompt_tokens"`
				Completion int `json:"completion_tokens"`
				Window     int `json:"context_window"`
				PerTurn    int `json:"per_turn_token"`
			} `json:"accumulated_token_usage"`
		} `json:"usage_to_metrics"`
	}
	if json.Unmarshal(info.Stats, &s) != nil {
		return Usage{}
	}
	names := make([]string, 0, len(s.Metrics))
	for name := range s.Metrics {
		names = append(names, name)
	}
	sort.Strings(names)
	var u Usage
	agents := ""
	for i, l := range info.LLMs {
		u.Unpriced = u.Unpriced || l.Unpriced
		if i == 0 {
			agents = l.UsageID
		}
	}
	for _, name := range names {
		m := s.Metrics[name]
		u.Cost += m.Cost
		u.Tokens += m.Usage.Prompt + m.Usage.Completion
		// The context that fills up is the agent's own; the other buckets are side
		// requests such as the condenser's.
		own := name == agents || agents == "" && (name == "agent" || name == "default")
		if own || u.Window == 0 && len(names) == 1 {
			u.Context, u.Window = m.Usage.PerTurn, m.Usage.Window
		}
	}
	return u
}

// cost writes what is known of the cost.
func (u Usage) cost() string {
	switch {
	case !u.Unpriced:
		return Cost(u.Cost)
	case u.Cost == 0:
		return "cost unknown"
	}
	return "over " + Cost(u.Cost)
}

// since is what was used after an earlier point of the same conversation.
func (u Usage) since(start Usage) Usage {
	u.Cost = max(u.Cost-start.Cost, 0)
	u.Tokens = max(u.Tokens-start.Tokens, 0)
	return u
}

// plural writes "1 step", "2 steps".
func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + one + "s"
}
