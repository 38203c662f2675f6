package visualize

import (
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

func (v *View) failed(e *ending, in Ending, run string) {
	e.mark, e.style, e.word = "✗", red, "error"
	code, message, class := "", "", event.ClassUnknown
	switch {
	case v.info.Error != nil:
		code, message, class = v.info.Error.Code, v.info.Error.Message, v.info.Error.Classification
	case v.failure != nil:
		code, message, class = v.failure.Code, v.failure.Detail, v.failure.Classification
	}
	var detail string
	e.what, detail = explain(code, message, class)
	e.facts = nil
	if detail != "" {
		e.details = append(e.details, detail)
	}
	remedy := in.Remedy
	if remedy == "" {
		remedy = remedies[class.Kind]
	}
	if remedy == "" {
		remedy = "go on"
	}
	switch class.UserAction {
	case "settings":
		e.details = append(e.details, "Nothing was changed in this step. "+remedy+", or: agent-rpc doctor")
		e.next = nil
	default:
		e.next = []string{remedy + ": " + run}
	}
}

var remedies = map[string]string{
	"auth":       "Set the key of this model",
	"quota":      "Raise the limit of the account or use another model",
	"config":     "Change the settings of the model",
	"rate_limit": "try again in a while",
	"transient":  "try again",
}

var failures = map[string]string{
	"auth":       "The model refused the key",
	"quota":      "The account's quota is used up",
	"rate_limit": "The model takes no more requests for now",
	"config":     "The model refused the request",
	"transient":  "The model could not be reached",
	"internal":   "The run failed inside agent-rpc",
}

// Compiled when a run fails, not when the program starts.
var httpStatus = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([\w.-]+): (.*?)(?: \(HTTP (\d{3})\))?$`)
})

// explain puts an error into words: what happened, and the provider's own text
// if that says more.
func explain(code, message string, class event.Classification) (what, detail string) {
	what, known := failures[class.Kind]
	if !known {
		switch {
		case code == "MaxIterationsReached":
			what = "Step limit reached"
		case message != "":
			return firstLine(message), rest(message)
		case code != "":
			return "The run failed: " + code, ""
		default:
			return "The run failed", ""
		}
	}
	if m := httpStatus().FindStringSubmatch(strings.TrimSpace(message)); m != nil && m[3] != "" {
		return fmt.Sprintf("%s (%s, %s)", what, providerName(m[1]), m[3]), m[2]
	}
	return what, strings.TrimSpace(message)
}

// rest is what follows the first line.
func rest(s string) string {
	_, after, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(after)
}

func providerName(id string) string {
	switch id {
	case "openai":
		return "OpenAI"
	case "openrouter":
		return "OpenRouter"
	}
	if id == "" {
		return id
	}
	return strings.ToUpper(id[:1]) + id[1:]
}
