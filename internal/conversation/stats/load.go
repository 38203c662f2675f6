package stats

import (
	"bytes"
	"encoding/json"
	"errors"
)

// UnmarshalJSON reads what [Stats.AppendJSON] or OpenHands wrote. Elements of
// the histories are kept as they are written; a field that is absent or of
// another type counts as empty. Only what is no JSON object is an error.
func (s *Stats) UnmarshalJSON(data []byte) error {
	if !json.Valid(data) {
		return errors.New("reading statistics: not valid JSON")
	}
	data = bytes.TrimSpace(data)
	*s = Stats{}
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	if data[0] != '{' {
		return errors.New("reading statistics: not an object")
	}
	for name, value := range members(data) {
		if name != "usage_to_metrics" {
			continue
		}
		for usageID, raw := range members(value) {
			if s.find(usageID) == nil {
				s.metrics = append(s.metrics, read(usageID, raw))
			}
		}
	}
	return nil
}

func read(usageID string, raw []byte) *metrics {
	m := &metrics{usageID: usageID}
	for name, value := range members(raw) {
		switch name {
		case "model_name":
			readInto(value, &m.ModelName)
		case "accumulated_cost":
			readInto(value, &m.AccumulatedCost)
		case "max_budget_per_task":
			readInto(value, &m.MaxBudgetPerTask)
		case "accumulated_token_usage":
			readInto(value, &m.AccumulatedTokenUsage)
		case "costs":
			m.costs = elements(value)
		case "response_latencies":
			m.latencies = elements(value)
		case "token_usages":
			m.usages = elements(value)
		}
	}
	if m.ModelName == "" {
		m.ModelName = defaultName
	}
	if m.AccumulatedTokenUsage.Model == "" {
		m.AccumulatedTokenUsage.Model = m.ModelName
	}
	return m
}

// readInto sets to what raw holds, and leaves it alone where that is of another
// type.
func readInto[T any](raw []byte, to *T) {
	var v T
	if json.Unmarshal(raw, &v) == nil {
		*to = v
	}
}

// elements gives the inside of an encoded list, in one line; nothing if raw is
// no list.
func elements(raw []byte) []byte {
	if raw[0] != '[' {
		return nil
	}
	if bytes.ContainsAny(raw, " \t\r\n") {
		var line bytes.Buffer
		if json.Compact(&line, raw) != nil {
			return nil
		}
		raw = line.Bytes()
	}
	return bytes.Clone(raw[1 : len(raw)-1])
}
