package terminal

import (
	"bytes"
	"strconv"
	"strings"
)

// The shell frames what it prints before it reads a command, so that the end of
// a command is seen as it comes. OpenHands does the same with a JSON object
// between two fixed lines. Here the frame has a random word, because a command
// may print the fixed lines itself, and the fields are as they are, because a
// shell can't escape a directory's name as JSON without more work per prompt:
// plain expansions need no process, leave $? alone and do not show up in the
// trace of set -x.
const (
	frame     = '\x1e'
	separator = "\x1f"
	// seqVariable names the shell variable that holds the number of the last
	// command that was sent.
	seqVariable = "__agent_rpc_seq"
	// maxPrompt bounds what may stand between the marks. PATH is the longest part.
	maxPrompt = 64 << 10
)

// prompt is what the shell said of itself when it was ready for a command.
type prompt struct {
	// seq is the number of the command that ended.
	seq int
	// exitCode is -1 when it could not be read.
	exitCode int
	// pid is the last background process; -1 when there is none.
	pid int
	dir string
	// path is the shell's PATH.
	path string
}

// marks frame a prompt in the output of one shell.
type marks struct{ begin, end []byte }

func newMarks(word string) marks {
	return marks{
		begin: []byte(string(frame) + "###PS1BEGIN " + word + "###"),
		end:   []byte("###PS1END " + word + "###" + string(frame)),
	}
}

// ps1 gives the value of PS1 that prints prompts in these marks, in any POSIX
// shell that expands parameters in its prompt.
func (m marks) ps1() string {
	fields := []string{"${" + seqVariable + "-}", "$?", "${!-}", "${PWD-}", "${PATH-}"}
	return string(m.begin) + strings.Join(fields, separator) + string(m.end)
}

// parsePrompt reads what stood between the marks; ok is false where no command
// has a number like that.
func parsePrompt(body []byte) (p prompt, ok bool) {
	fields := strings.SplitN(string(body), separator, 5)
	if len(fields) != 5 {
		return prompt{}, false
	}
	seq, err := strconv.Atoi(fields[0])
	if err != nil {
		return prompt{}, false
	}
	number := func(s string) int {
		if n, err := strconv.Atoi(s); err == nil {
			return n
		}
		return -1
	}
	return prompt{seq: seq, exitCode: number(fields[1]), pid: number(fields[2]), dir: fields[3], path: fields[4]}, true
}

// scanner parts the bytes of a terminal into output and prompts. How they are
// cut into chunks makes no difference.
type scanner struct {
	marks marks
	// held is what can't be told yet: the start of a mark, or of a prompt.
	held   []byte
	inside bool
}

// feed gives the output in p to text and the prompts to ready, in their order.
// Bytes given to text are valid only during the call.
func (s *scanner) feed(p []byte, text func([]byte), ready func(prompt)) {
	if len(s.held) > 0 {
		p = append(s.held, p...)
		s.held = nil
	}
	for len(p) > 0 {
		if s.inside {
			rest, ok := s.prompt(p, ready)
			if !ok {
				return
			}
			p = rest
			continue
		}
		i := bytes.IndexByte(p, frame)
		if i < 0 {
			text(p)
			return
		}
		if i > 0 {
			text(p[:i])
			p = p[i:]
		}
		switch {
		case bytes.HasPrefix(p, s.marks.begin):
			p = p[len(s.marks.begin):]
			s.inside = true
		case bytes.HasPrefix(s.marks.begin, p):
			s.held = bytes.Clone(p)
			return
		default:
			text(p[:1])
			p = p[1:]
		}
	}
}

// prompt reads from p, which follows a begin mark, up to the end mark. It gives
// what follows, or false when more must come first.
func (s *scanner) prompt(p []byte, ready func(prompt)) (rest []byte, ok bool) {
	end := bytes.Index(p, s.marks.end)
	if end < 0 && len(p) < maxPrompt+len(s.marks.end) {
		s.held = bytes.Clone(p)
		return nil, false
	}
	s.inside = false
	if end < 0 || end > maxPrompt {
		// The end got lost: what follows is output again.
		return p, true
	}
	body := p[:end]
	// A second begin mark means that the first prompt was cut off.
	if i := bytes.LastIndex(body, s.marks.begin); i >= 0 {
		body = body[i+len(s.marks.begin):]
	}
	if parsed, ok := parsePrompt(body); ok {
		ready(parsed)
	}
	return p[end+len(s.marks.end):], true
}
