package tool

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// Status gives the status for [event.Display] of a call whose observation is
// given; nil means that there is none yet.
func Status(observation json.RawMessage) string {
	if observation == nil {
		return event.StatusPending
	}
	var r struct {
		IsError bool `json:"is_error"`
	}
	if json.Unmarshal(observation, &r) != nil || r.IsError {
		return event.StatusFailed
	}
	return event.StatusCompleted
}

// maxLine bounds [FirstLine], in characters.
const maxLine = 120

// FirstLine gives the first line of a text that has any, for a summary; a long
// one is cut.
func FirstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	line = strings.TrimSpace(line)
	if len(line) <= maxLine || utf8.RuneCountInString(line) <= maxLine {
		return line
	}
	return firstRunes(line, maxLine-1) + "…"
}
