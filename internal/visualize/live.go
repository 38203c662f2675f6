package visualize

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// live is the block of lines at the bottom of the screen that is rewritten. No
// line of it is ever as wide as the terminal, so it never wraps by itself.
type live struct {
	w     *writer
	width int
	color bool
	drawn []int // columns of the lines on the screen
}

// draw puts the lines in place of those on the screen, in one write. The cursor
// stays at the end of the last one.
func (l *live) draw(lines []line) {
	var b strings.Builder
	b.WriteString(l.erase())
	l.drawn = l.drawn[:0]
	for i, row := range lines {
		row = row.cut(l.width - 1)
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(row.render(l.color))
		l.drawn = append(l.drawn, row.cols())
	}
	l.w.print(b.String())
}

// clear takes the lines off the screen.
func (l *live) clear() {
	if len(l.drawn) == 0 {
		return
	}
	l.w.print(l.erase())
	l.drawn = l.drawn[:0]
}

// erase goes up to the first line and deletes from there. A terminal that was
// made narrower has broken the lines: each then takes several rows.
func (l *live) erase() string {
	if len(l.drawn) == 0 {
		return ""
	}
	up := -1
	for _, cols := range l.drawn {
		up += max(1, (cols+l.width-1)/l.width)
	}
	if up > 0 {
		return fmt.Sprintf("\r\x1b[%dA\x1b[J", up)
	}
	return "\r\x1b[J"
}

func (l *live) resize(width int) { l.width = width }

// streams holds the ends of what is being streamed.
type streams struct {
	message string // the event that will replace the text
	text    string // the last line so far
}

func (s *streams) end(message string) {
	if s.message == message || s.message == "" {
		*s = streams{}
	}
}

// Delta takes a piece of an answer or of a command's output. It is only shown
// while it lasts; the event that replaces it is what stays.
func (v *View) Delta(n protocol.DeltaNotification) {
	switch n.Stream {
	case "text", "reasoning":
		if v.streams.message != n.Target.MessageID {
			v.streams = streams{message: n.Target.MessageID}
		}
		v.streams.text = lastLine(v.streams.text, n.Text)
	case "stdout":
		for _, c := range v.calls {
			if c.action.ToolCallID == n.Target.ToolCallID {
				c.output = lastLine(c.output, n.Text)
			}
		}
	}
}

// lastLine is the last line with text in it after more text came. It is bounded,
// as a command may print without line breaks for ever.
func lastLine(line, more string) string {
	text := line + more
	text = text[strings.LastIndexAny(strings.TrimRight(text, " \t\r\n"), "\r\n")+1:]
	for len(text) > 4096 {
		_, n := utf8.DecodeRuneInString(text[len(text)-4096:])
		text = text[len(text)-4096+n:]
	}
	return text
}

var spinner = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

// liveLines are what runs now, the last line it printed, and the status line;
// none while nothing runs.
func (v *View) liveLines(now time.Time) []line {
	if v.info.Status != protocol.StatusRunning && v.info.Status != protocol.StatusPausing {
		return nil
	}
	if v.started.IsZero() {
		v.started = now
	}
	turn := spinner[int(now.Sub(v.started)/(250*time.Millisecond))%len(spinner)]
	head := line{{turn, 1, blue}}.add(normal, " ")
	tail := v.streams.text
	if len(v.calls) > 0 {
		c := v.running()
		verb, object := v.subject(c, nil, c.action.ToolName)
		head = head.add(dim, verb).pad(verbColumns).add(normal, firstLine(object))
		tail = c.output
	} else {
		head = head.add(dim, "Thinking")
	}
	lines := []line{head}
	if tail = strings.TrimRight(stripColors(tail), " \t\r\n"); tail != "" {
		lines = append(lines, line{}.add(dim, "  │ ").add(dim, tail))
	}
	return append(lines, v.statusLine(now))
}

// running is the call that printed something, or the first: calls of a batch run
// one after the other.
func (v *View) running() *call {
	for i := len(v.calls) - 1; i >= 0; i-- {
		if v.calls[i].output != "" {
			return v.calls[i]
		}
	}
	return v.calls[0]
}

// statusLine drops what matters least until it fits; what it costs and how to
// stop it stay.
func (v *View) statusLine(now time.Time) line {
	used := v.used()
	stop := "Ctrl+C pause"
	if v.info.Status == protocol.StatusPausing {
		stop = "pausing · Ctrl+C stop"
	}
	step := fmt.Sprintf("step %d", v.steps+1)
	if len(v.calls) > 0 {
		step = fmt.Sprintf("step %d", v.steps)
	}
	parts := []string{step, Elapsed(now.Sub(v.started)), used.cost(), stop}
	if used.Window > 0 {
		parts = []string{parts[0], parts[1], parts[2], Count(used.Context) + " of " + Count(used.Window), parts[3]}
	}
	for _, leave := range []int{3, 1, 0} {
		l := line{}.add(dim, strings.Join(parts, " · "))
		if l.cols() < v.live.width || len(parts) <= 2 {
			return l
		}
		if leave == 3 && len(parts) < 5 {
			continue
		}
		parts = append(parts[:leave:leave], parts[leave+1:]...)
	}
	return line{}.add(dim, strings.Join(parts, " · "))
}

// used is what this view's run used so far.
func (v *View) used() Usage {
	u := UsageOf(v.info)
	if v.start != nil {
		u = u.since(*v.start)
	}
	return u
}

// Running is what runs now in a few words, such as "go test ./..."; empty while
// the model thinks.
func (v *View) Running() string {
	if len(v.calls) == 0 {
		return ""
	}
	c := v.running()
	_, object := v.subject(c, nil, c.action.ToolName)
	return line{}.add(normal, firstLine(object)).cut(40).render(false)
}
