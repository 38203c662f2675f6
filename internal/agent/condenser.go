package agent

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/condenser"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/stats"
	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// summarizer is an LLMSummarizingCondenser of the agent.
type summarizer struct {
	rules   condenser.Rules
	usageID string
	llm     json.RawMessage // nil for the agent's own model
}

// summarizers gives those of a condenser: itself, those of a pipeline, or none.
// Kinds that are not known do nothing.
func summarizers(raw json.RawMessage) ([]summarizer, error) {
	if raw == nil {
		return nil, nil
	}
	var c struct {
		Kind       string            `json:"kind"`
		LLM        json.RawMessage   `json:"llm"`
		Condensers []json.RawMessage `json:"condensers"`
	}
	if err := json.Unmarshal(raw, &c); err != nil || c.Kind == "" {
		return nil, &condenser.FieldError{Field: "kind", Message: `must be given: "` + condenser.KindSummarizing + `", "` + condenser.KindNoOp + `" or "` + condenser.KindPipeline + `"`}
	}
	switch c.Kind {
	case condenser.KindSummarizing:
		rules, err := condenser.ParseRules(raw)
		if err != nil {
			return nil, err
		}
		s := summarizer{rules: rules, usageID: cmp.Or(usageOf(c.LLM), condenserUsage), llm: c.LLM}
		if follows(s.llm) {
			s.llm = nil
		}
		return []summarizer{s}, nil
	case condenser.KindPipeline:
		var all []summarizer
		for i, part := range c.Condensers {
			some, err := summarizers(part)
			var field *condenser.FieldError
			if errors.As(err, &field) {
				return nil, &condenser.FieldError{Field: fmt.Sprintf("condensers[%d].%s", i, field.Field), Message: field.Message}
			}
			all = append(all, some...)
		}
		return all, nil
	}
	return nil, nil
}

// storedCondenser is a condenser as OpenHands stores it, with everything that it
// needs there. own is the agent's llm object; the credentials of both are sealed.
func storedCondenser(raw, own json.RawMessage) json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return raw
	}
	var kind string
	_ = json.Unmarshal(fields["kind"], &kind) // was read before
	var order []string
	switch kind {
	case condenser.KindSummarizing:
		order = []string{
			"llm", "max_size", "max_tokens", "keep_first", "minimum_progress",
			"hard_context_reset_max_retries", "hard_context_reset_context_scaling",
		}
		if llm := fields["llm"]; follows(llm) {
			fields["llm"] = underUsage(own, cmp.Or(usageOf(llm), condenserUsage))
		}
		rules, err := condenser.ParseRules(raw)
		if err != nil {
			return raw // it was refused before
		}
		maps.Copy(fields, members(rules))
	case condenser.KindPipeline:
		parts := []json.RawMessage{}
		_ = json.Unmarshal(fields["condensers"], &parts) // was read before
		for i := range parts {
			parts[i] = storedCondenser(parts[i], own)
		}
		fields["condensers"] = encoded(parts)
	default:
		return raw
	}
	return object(fields, order, kind)
}

// follows tells that a condenser has no model of its own but the agent's, whichever
// that is: it names none, or the usage id alone.
func follows(llm json.RawMessage) bool {
	var fields map[string]json.RawMessage
	if json.Unmarshal(llm, &fields) != nil {
		return absent(llm)
	}
	delete(fields, "usage_id")
	return len(fields) == 0
}

// following takes the model out of each condenser that has the agent's, as one has
// that was stored: it follows when the agent gets another one.
func following(raw, own json.RawMessage) json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return raw
	}
	found := false
	if llm := fields["llm"]; sameModel(llm, own) {
		fields["llm"], found = encoded(map[string]string{"usage_id": cmp.Or(usageOf(llm), condenserUsage)}), true
	}
	var parts []json.RawMessage
	if json.Unmarshal(fields["condensers"], &parts) == nil {
		for i, part := range parts {
			parts[i] = following(part, own)
			found = found || !bytes.Equal(parts[i], part)
		}
		fields["condensers"] = encoded(parts)
	}
	if !found {
		return raw
	}
	return encoded(fields)
}

func members(rules condenser.Rules) map[string]json.RawMessage {
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(encoded(rules), &fields) // an object of numbers
	if rules.MaxTokens == 0 {
		delete(fields, "max_tokens")
	}
	return fields
}

// underUsage gives an llm object another usage id.
func underUsage(raw json.RawMessage, usageID string) json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil || fields == nil {
		fields = map[string]json.RawMessage{}
	}
	fields["usage_id"] = encoded(usageID)
	return encoded(fields)
}

func absent(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) == 0 || bytes.Equal(raw, []byte("null"))
}

// Condensers implements [conversation.Agent].
func (a *Agent) Condensers() []conversation.Condenser {
	list := make([]conversation.Condenser, 0, len(a.condensers))
	for _, s := range a.condensers {
		list = append(list, conversation.Condenser{
			Rules: s.rules,
			Summarize: func(ctx context.Context, question []event.LLMMessage) (string, stats.Call, error) {
				resp, call, err := a.condenserLLM(s).Complete(ctx, &llm.Request{Messages: question}, nil)
				if err != nil {
					return "", call, asFailure(err)
				}
				return resp.Message.Text(), call, nil
			},
		})
	}
	return list
}

// registerCondensers gives the condensers their models, without opening any.
func (a *Agent) registerCondensers() {
	for _, s := range a.condensers {
		a.condenserLLM(s)
	}
}

// condenserLLM is the model of a condenser. One that has none of its own has the
// agent's, whichever that is now.
func (a *Agent) condenserLLM(s summarizer) *LLM {
	if known := a.registry.get(s.usageID); s.llm == nil && known != nil && known.of != nil && known.of != a.own() {
		a.registry.remove(s.usageID)
	}
	return a.LLM(s.usageID, s.llm)
}
