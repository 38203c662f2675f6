package skill

import "strings"

// Inline replaces the commands of a skill's text, !`command`, by what run gives
// for them. Code blocks and code spans are left alone, and \!`command` stands for
// itself.
func Inline(text string, run func(command string) string) string {
	if !strings.Contains(text, "!`") {
		return text
	}
	var b strings.Builder
	fence := ""
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		switch {
		case fence != "":
			if strings.HasPrefix(trimmed, fence) && strings.Trim(trimmed, fence[:1]) == "" {
				fence = ""
			}
			b.WriteString(line)
			continue
		case strings.HasPrefix(trimmed, "```"), strings.HasPrefix(trimmed, "~~~"):
			fence = trimmed[:len(trimmed)-len(strings.TrimLeft(trimmed, trimmed[:1]))]
			b.WriteString(line)
			continue
		}
		inlineLine(&b, line, run)
	}
	return b.String()
}

func inlineLine(b *strings.Builder, line string, run func(string) string) {
	for i := 0; i < len(line); {
		rest := line[i:]
		switch {
		case strings.HasPrefix(rest, "\\!`"):
			end := strings.IndexByte(rest[3:], '`')
			if end < 0 {
				b.WriteString(rest)
				return
			}
			b.WriteString(rest[1 : 3+end+1])
			i += 3 + end + 1
		case strings.HasPrefix(rest, "!`") && (i == 0 || !wordByte(line[i-1])):
			end := strings.IndexByte(rest[2:], '`')
			if end < 1 {
				b.WriteString(rest)
				return
			}
			b.WriteString(run(rest[2 : 2+end]))
			i += 2 + end + 1
		case rest[0] == '`':
			ticks := rest[:len(rest)-len(strings.TrimLeft(rest, "`"))]
			end := strings.Index(rest[len(ticks):], ticks)
			if end < 0 {
				b.WriteString(ticks)
				i += len(ticks)
				continue
			}
			n := 2*len(ticks) + end
			b.WriteString(rest[:n])
			i += n
		default:
			b.WriteByte(rest[0])
			i++
		}
	}
}

func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
