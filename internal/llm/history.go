package llm

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxToolText is how many characters of a tool's answer a model is shown.
const MaxToolText = 50_000

// CutMiddle shortens a text of more than limit characters: its head and its
// tail stay, with a notice between them that says how much is gone. The result
// has at most limit characters, and the head gets the odd one.
func CutMiddle(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	n := utf8.RuneCountInString(text)
	if n <= limit {
		return text
	}
	// The notice's own length depends on the number in it, so it is reckoned
	// with the largest one.
	notice := func(gone int) string { return fmt.Sprintf("\n[… %d characters left out …]\n", gone) }
	room := max(limit-utf8.RuneCountInString(notice(n)), 0)
	tail := room / 2
	head := room - tail
	return text[:runeOffset(text, head)] + notice(n-room) + text[runeOffset(text, n-tail):]
}

func runeOffset(text string, n int) int {
	for i := range text {
		if n == 0 {
			return i
		}
		n--
	}
	return len(text)
}

// ArgumentsObject gives a tool call's arguments as the JSON object that
// providers insist on in a history. Blank ones are {}; what is not an object,
// as when the answer was cut short, is kept as {"arguments": "TEXT"}.
func ArgumentsObject(arguments string) json.RawMessage {
	text := strings.TrimSpace(arguments)
	switch {
	case text == "":
		return json.RawMessage(`{}`)
	case text[0] == '{' && json.Valid([]byte(text)):
		return json.RawMessage(text)
	}
	wrapped, err := json.Marshal(map[string]string{"arguments": arguments})
	if err != nil {
		return json.RawMessage(`{}`)
	}
	return wrapped
}
