package tool

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// ClippedNotice stands where the middle of a text was taken out, when the
// caller has nothing better to say.
const ClippedNotice = "\n<response clipped><NOTE>The middle of this text was left out because it is too long.</NOTE>\n"

// Truncation is how a text that is too long for a model loses its middle. It
// follows the shared truncation of the OpenHands tools: the head and the tail
// stay, a notice stands between them.
type Truncation struct {
	// Limit is the most characters (code points) that may stay, the notice
	// included; zero or less means no limit.
	Limit int
	// Notice replaces the middle; [ClippedNotice] if empty.
	Notice string
	// Dir is where the whole text is saved when it is cut; "" saves nothing. It
	// is made when it is needed.
	Dir string
	// Prefix begins the name of the saved file: "terminal" gives
	// terminal_output_<hash>.txt.
	Prefix string
}

// Apply gives text within the limit. With a Dir the whole text is saved there
// and the notice names the file and the line, counted from 1, where the cut
// begins; a text that can't be saved is cut all the same.
func (t Truncation) Apply(text string) string {
	// Bytes are never fewer than characters: most texts end here.
	if t.Limit <= 0 || len(text) <= t.Limit {
		return text
	}
	total := utf8.RuneCountInString(text)
	if total <= t.Limit {
		return text
	}
	notice := t.Notice
	if notice == "" {
		notice = ClippedNotice
	}
	noticeLen := utf8.RuneCountInString(notice)
	if noticeLen >= t.Limit {
		return firstRunes(notice, t.Limit)
	}
	head := (t.Limit - noticeLen + 1) / 2
	if t.Dir != "" {
		if path, err := t.save(text); err == nil {
			line := strings.Count(firstRunes(text, head), "\n") + 1
			notice = fmt.Sprintf("\n<response clipped><NOTE>The middle of this text was left out because it is too long. "+
				"The whole text is saved in %s; what is missing begins at its line %d.</NOTE>\n", path, line)
			noticeLen = utf8.RuneCountInString(notice)
			if noticeLen >= t.Limit {
				return firstRunes(notice, t.Limit)
			}
		}
	}
	remaining := t.Limit - noticeLen
	head = min(head, remaining)
	return firstRunes(text, head) + notice + lastRunes(text, remaining-head)
}

// save writes text once: the name is made of its hash, so a file that is there
// already holds the same text.
func (t Truncation) save(text string) (string, error) {
	sum := sha256.Sum256([]byte(text))
	path := filepath.Join(t.Dir, t.Prefix+"_output_"+hex.EncodeToString(sum[:4])+".txt")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(t.Dir, 0o700); err != nil {
		return "", err
	}
	// A reader never sees half a file under the final name.
	tmp, err := os.CreateTemp(t.Dir, ".saving-*")
	if err != nil {
		return "", err
	}
	_, err = tmp.WriteString(text)
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name()) // the first error is the one that matters
		return "", err
	}
	return path, nil
}

// firstRunes gives the first n characters of s.
func firstRunes(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// lastRunes gives the last n characters of s.
func lastRunes(s string, n int) string {
	i := len(s)
	for ; n > 0 && i > 0; n-- {
		_, size := utf8.DecodeLastRuneInString(s[:i])
		i -= size
	}
	return s[i:]
}
