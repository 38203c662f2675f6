package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// Switch implements [conversation.Agent]. As in OpenHands a usage id that the
// conversation knows stands for the model that it has under it. An object without
// one gets its model's name for it, so that it never stands for another.
func (a *Agent) Switch(ctx context.Context, raw json.RawMessage) (install func(), err error) {
	usage := usageOf(raw)
	next := a.registry.get(usage)
	if next == nil {
		next = a.registry.make(usage, raw, nil)
	}
	if err := next.Ready(ctx); err != nil {
		return nil, err
	}
	if usage == "" {
		next = a.named(next)
	}
	return func() { a.install(a.registry.add(next)) }, nil
}

// named gives a model that was described without a usage id one that is free, or
// the model that was switched to before with the same configuration.
func (a *Agent) named(l *LLM) *LLM {
	cfg, _ := l.Config()
	for n := 1; ; n++ {
		id := cfg.Model
		if n > 1 {
			id = fmt.Sprintf("%s-%d", cfg.Model, n)
		}
		known := a.registry.get(id)
		if known == nil {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.usageID, l.cfg.UsageID = id, id
			return l
		}
		if other, ok := known.Config(); ok && known.of == nil {
			other.UsageID = cfg.UsageID
			if reflect.DeepEqual(other, cfg) {
				return known
			}
		}
	}
}

// install makes a model the agent's own. The condensers that had the one before
// follow it, and the copy for side questions is made anew when it is needed.
func (a *Agent) install(next *LLM) {
	a.mu.Lock()
	changed := a.llm != next
	a.llm = next
	a.mu.Unlock()
	if changed {
		a.registry.remove(askUsage)
		a.registerCondensers()
	}
}

// sameModel tells whether two llm objects differ in their usage ids and
// credentials at most.
func sameModel(a, b json.RawMessage) bool {
	x, y := essence(a), essence(b)
	return x != nil && reflect.DeepEqual(x, y)
}

func essence(raw json.RawMessage) map[string]any {
	var cfg llm.Config
	if json.Unmarshal(raw, &cfg) != nil || cfg.Model == "" {
		return nil
	}
	cfg.UsageID, cfg.APIKey = "", ""
	encoded, err := json.Marshal(cfg)
	if err != nil {
		return nil
	}
	var fields map[string]any
	if json.Unmarshal(encoded, &fields) != nil {
		return nil
	}
	for name, v := range fields {
		if v == nil || strings.HasPrefix(name, "aws_") && v == llm.SecretMask {
			delete(fields, name)
		}
	}
	return fields
}
