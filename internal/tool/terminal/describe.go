package terminal

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// maxTitle is the most characters of a command that a title shows.
const maxTitle = 200

// describe is [tool.Tool]'s Describe. The first word of a title is what is
// done, the rest to what.
func describe(action, observation json.RawMessage) event.Display {
	d := event.Display{Kind: event.DisplayExecute, Title: "Run", Status: event.StatusPending}
	if a, err := arguments.Read(action); err == nil {
		d.Title = title(a)
	}
	if observation == nil {
		return d
	}
	o := Observation{Metadata: noMetadata()}
	if err := json.Unmarshal(observation, &o); err != nil {
		d.Status, d.Summary = event.StatusFailed, "unreadable result"
		return d
	}
	d.Status, d.Summary = outcome(o)
	return d
}

func title(a Action) string {
	command := firstLine(a.Command)
	switch {
	case a.Reset && command == "":
		return "Reset the terminal"
	case a.IsInput && command != "":
		return "Send " + command
	case command == "":
		return "Wait for output"
	}
	return "Run " + command
}

func outcome(o Observation) (status, summary string) {
	switch {
	case o.ExitCode == nil && o.IsError:
		return event.StatusFailed, "not run"
	case o.IsError && *o.ExitCode == unknownCode:
		return event.StatusFailed, "not run: another command is still running"
	case o.ExitCode == nil:
		return event.StatusCompleted, ""
	case *o.ExitCode == unknownCode:
		return event.StatusCompleted, "still running"
	case o.IsError || *o.ExitCode != 0:
		return event.StatusFailed, fmt.Sprintf("exit %d", *o.ExitCode)
	}
	return event.StatusCompleted, ""
}

// firstLine gives the first line that is not blank, and … where it is not all.
func firstLine(text string) string {
	text = strings.TrimSpace(text)
	line, _, more := strings.Cut(text, "\n")
	line = strings.TrimRight(line, " \t\r")
	if runes := []rune(line); len(runes) > maxTitle {
		line, more = string(runes[:maxTitle]), true
	}
	if more {
		line += " …"
	}
	return line
}
