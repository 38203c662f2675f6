package terminal

import "strings"

// namedKeys are the keys that is_input knows by name, and what a terminal sends
// for them. Return sends \r, as a keyboard does: the terminal makes \n of it
// unless the program asked for every key as it is.
var namedKeys = map[string]string{
	"ENTER": "\r",
	"TAB":   "\t",
	"BS":    "\x7f",
	"ESC":   "\x1b",
	"UP":    "\x1b[A",
	"DOWN":  "\x1b[B",
	"RIGHT": "\x1b[C",
	"LEFT":  "\x1b[D",
	"HOME":  "\x1b[H",
	"END":   "\x1b[F",
	"PGUP":  "\x1b[5~",
	"PGDN":  "\x1b[6~",
}

// key gives the bytes of a key that is named by text: one of namedKeys or a
// control key, in any case. The name is how a result speaks of it.
func key(text string) (bytes, name string, ok bool) {
	name = strings.ToUpper(strings.TrimSpace(text))
	if bytes, ok := namedKeys[name]; ok {
		return bytes, name, true
	}
	if letter, ok := controlKey(name); ok {
		return string(rune(letter & 0x1f)), "CTRL+" + string(rune(letter)), true
	}
	return "", "", false
}

// controlKey gives the letter of C-x, CTRL-x or CTRL+x.
func controlKey(name string) (letter byte, ok bool) {
	for _, prefix := range []string{"C-", "CTRL-", "CTRL+"} {
		rest, found := strings.CutPrefix(name, prefix)
		if found && len(rest) == 1 && rest[0] >= 'A' && rest[0] <= 'Z' {
			return rest[0], true
		}
	}
	return 0, false
}

// bareKey tells a control key that is meant as one although is_input is not
// set: C- and one letter.
func bareKey(command string) bool {
	name := strings.ToUpper(command)
	_, ok := controlKey(name)
	return ok && len(name) == 3
}

// typed gives the bytes for text that is typed and sent with Return, which may
// stand at its end as a newline.
func typed(text string) string {
	text = strings.NewReplacer("\r\n", "\r", "\n", "\r").Replace(text)
	return strings.TrimSuffix(text, "\r") + "\r"
}
