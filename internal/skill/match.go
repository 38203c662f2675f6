package skill

import (
	"regexp"
	"strings"
)

// hasWord tells whether word stands in text as a token of its own: in any case,
// with no letter a to z and no digit next to it.
func hasWord(text, word string) bool {
	text, word = strings.ToLower(text), strings.ToLower(strings.TrimSpace(word))
	if word == "" {
		return false
	}
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return false
		}
		i += from
		end := i + len(word)
		if (i == 0 || !alphanumeric(text[i-1])) && (end == len(text) || !alphanumeric(text[end])) {
			return true
		}
		from = i + 1
	}
}

func alphanumeric(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

// asks tells whether the text calls for the skill: with one of its words, or with
// /NAME as its first word.
func (s *Skill) asks(text string) bool {
	for _, w := range s.Trigger.Words() {
		if hasWord(text, w) {
			return true
		}
	}
	first, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	first, _, _ = strings.Cut(first, "\n")
	return s.Command() && strings.EqualFold(first, "/"+s.Name)
}

// matches tells whether one of the rule's patterns fits a path, relative to the
// workspace, with slashes.
func (t *Trigger) matches(path string) bool {
	for _, pattern := range t.Paths {
		if glob(pattern).MatchString(path) {
			return true
		}
	}
	return false
}

// glob understands **, * and ? as gitignore does; a pattern without a slash fits
// at any depth.
func glob(pattern string) *regexp.Regexp {
	pattern = strings.TrimPrefix(pattern, "./")
	var b strings.Builder
	b.WriteString(`\A`)
	if anchored := strings.TrimPrefix(pattern, "/"); anchored != pattern {
		pattern = anchored
	} else if !strings.Contains(pattern, "/") {
		b.WriteString(`(?:.*/)?`)
	}
	for i := 0; i < len(pattern); i++ {
		switch rest := pattern[i:]; {
		case strings.HasPrefix(rest, "**/"):
			b.WriteString(`(?:.*/)?`)
			i += 2
		case strings.HasPrefix(rest, "**"):
			b.WriteString(`.*`)
			i++
		case rest[0] == '*':
			b.WriteString(`[^/]*`)
		case rest[0] == '?':
			b.WriteString(`[^/]`)
		default:
			n := 1
			for i+n < len(pattern) && pattern[i+n] != '*' && pattern[i+n] != '?' {
				n++
			}
			b.WriteString(regexp.QuoteMeta(pattern[i : i+n]))
			i += n - 1
		}
	}
	b.WriteString(`\z`)
	re, err := regexp.Compile(`(?s)` + b.String())
	if err != nil {
		return nothing // a pattern that is no UTF-8 fits no path
	}
	return re
}

var nothing = regexp.MustCompile(`\z.`)
