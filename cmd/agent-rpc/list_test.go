package main

import (
	"slices"
	"testing"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

func TestShort(t *testing.T) {
	for _, c := range []struct {
		id   string
		ids  []string
		want string
	}{
		{"7f3a19c2-1111", nil, "7f3a"},
		{"7f3a19c2-1111", []string{"7f3a19c2-1111", "9999"}, "7f3a"},
		{"7f3a19c2-1111", []string{"7f3a20"}, "7f3a1"},
		{"7f3a19c2-1111", []string{"7f3a19c2-1112"}, "7f3a19c21111"},
		{"7f", nil, "7f"},
		{"7f3a", []string{"7f3a19"}, "7f3a"},
	} {
		if got := short(c.id, c.ids); got != c.want {
			t.Errorf("short(%q, %q) = %q, want %q", c.id, c.ids, got, c.want)
		}
	}
}

func TestAge(t *testing.T) {
	now := time.Date(2026, 8, 22, 12, 0, 0, 0, time.UTC)
	for timestamp, want := range map[string]string{
		"2026-08-22T11:59:30.000Z":      "now",
		"2026-08-22T12:00:05.000Z":      "now",
		"2026-08-22T11:15:00.000Z":      "45m",
		"2026-08-21T09:00:00.000Z":      "27h",
		"2026-08-12T12:00:00.000Z":      "10d",
		"2026-01-02T12:00:00.000+00:00": "2026-01-02",
		"yesterday":                     "?",
	} {
		if got := age(timestamp, now); got != want {
			t.Errorf("age(%q) = %q, want %q", timestamp, got, want)
		}
	}
}

func TestIDChoices(t *testing.T) {
	now := time.Date(2026, 8, 22, 12, 0, 0, 0, time.UTC)
	list := []protocol.Info{
		{ID: "7f3a19c2-1111-4222-8333-944455556666", Title: "One", UpdatedAt: "2026-08-22T11:00:00Z"},
		{ID: "7f3a19c2-2222-4222-8333-944455556666", UpdatedAt: "2026-08-22T11:00:00Z"},
	}
	for typed, want := range map[string][]string{
		"":          {"7f3a19c21\tOne · 1h", "7f3a19c22\t(no title) · 1h"},
		"7F3A19C21": {"7f3a19c21\tOne · 1h"},
		"8":         nil,
	} {
		if got := idChoices(list, nil, typed, now); !slices.Equal(got, want) {
			t.Errorf("%q completes to %q, want %q", typed, got, want)
		}
	}
	if got := idChoices(list, []string{"7f3a19c21"}, "", now); len(got) != 1 {
		t.Errorf("an id is offered twice: %q", got)
	}
}

func TestStatusWords(t *testing.T) {
	for want, info := range map[string]protocol.Info{
		"finished":   {Status: protocol.StatusFinished, StopReason: protocol.StopFinished},
		"step limit": {Status: protocol.StatusError, StopReason: protocol.StopMaxIterations},
		"stopped":    {Status: protocol.StatusPaused, StopReason: protocol.StopInterrupted},
		"waiting":    {Status: protocol.StatusWaitingForConfirmation},
		"error":      {Status: protocol.StatusError, StopReason: protocol.StopError},
	} {
		if got := statusWords(info); got != want {
			t.Errorf("%+v is called %q, want %q", info, got, want)
		}
	}
}
