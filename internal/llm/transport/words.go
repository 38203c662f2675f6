package transport

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// said is what an error's body says, whatever its form.
type said struct {
	// message is for people: at most maxMessage bytes, one line.
	message string
	// all is message, type, code and what else there is, for classification.
	all string
	// status is a status that the body names; 0 if none.
	status int
	// page: the body is HTML.
	page bool
}

const maxMessage = 2000

// words reads an error's body: OpenAI's {"error": {…}}, Anthropic's, bare
// strings, FastAPI's {"detail": …}, Google's one-element list, HTML, or text.
func words(body []byte) said {
	text := strings.ToValidUTF8(string(bytes.TrimSpace(body)), "\uFFFD")
	var value any
	if json.Unmarshal(body, &value) != nil {
		if !strings.HasPrefix(text, "<") {
			return said{message: oneLine(text), all: text}
		}
		title := pageText(text)
		return said{message: oneLine(title), all: title, page: true}
	}
	s := said{all: text}
	s.read(value)
	s.message = oneLine(s.message)
	return s
}

// read finds the message within a decoded body.
func (s *said) read(value any) {
	switch v := value.(type) {
	case string:
		s.message = v
	case []any:
		if len(v) > 0 {
			s.read(v[0])
		}
	case map[string]any:
		for _, name := range []string{"error", "errors", "message", "detail", "msg", "error_message"} {
			inner, ok := v[name]
			if !ok || inner == nil {
				continue
			}
			s.read(inner)
			if s.message != "" {
				break
			}
		}
		s.details(v)
	}
}

// details adds what stands beside a message: its code, and the words of the
// server behind a router.
func (s *said) details(v map[string]any) {
	switch code := v["code"].(type) {
	case float64:
		if code >= 400 && code < 600 {
			s.status = int(code)
		}
	case string:
		if n, err := strconv.Atoi(code); err == nil {
			if n >= 400 && n < 600 {
				s.status = n
			}
		} else if code != "" && !strings.Contains(s.message, code) {
			s.message = strings.TrimSpace(s.message + " (" + code + ")")
		}
	}
	kind, _ := v["type"].(string)
	if kind == "overloaded_error" && s.status == 0 {
		s.status = 529
	}
	if s.message == "" && kind != "" && kind != "error" {
		s.message = kind
	}
	if meta, ok := v["metadata"].(map[string]any); ok {
		if raw, ok := meta["raw"].(string); ok && raw != "" {
			s.message += ": " + raw
		}
	}
}

var (
	titlePattern = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)
	tagPattern   = regexp.MustCompile(`(?s)<[^>]*>`)
)

// pageText is the title of an HTML page, or else its text.
func pageText(page string) string {
	if m := titlePattern.FindStringSubmatch(page); m != nil && strings.TrimSpace(m[1]) != "" {
		return m[1]
	}
	return tagPattern.ReplaceAllString(page, " ")
}

func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return text
}

// retryAfter reads how long the server asks to wait; 0 if it does not say.
func retryAfter(header http.Header) time.Duration {
	if ms, err := strconv.ParseFloat(header.Get("retry-after-ms"), 64); err == nil && ms > 0 {
		return span(ms, time.Millisecond)
	}
	value := header.Get("Retry-After")
	if s, err := strconv.ParseFloat(value, 64); err == nil {
		return span(s, time.Second)
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

// span is n units of time, kept within what a Duration can hold.
func span(n float64, unit time.Duration) time.Duration {
	const longest = 24 * 365 * time.Hour
	if !(n > 0) {
		return 0
	}
	if n*float64(unit) > float64(longest) {
		return longest
	}
	return time.Duration(n * float64(unit))
}
