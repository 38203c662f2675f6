package visualize

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/google/go-cmp/cmp"
)

// screen is a terminal as far as a view uses one: text, line feeds, going up
// and deleting to the end.
type screen struct {
	rows     [][]rune
	row, col int
	width    int
}

func (s *screen) Write(p []byte) (int, error) {
	text := string(p)
	for text != "" {
		if rest, ok := strings.CutPrefix(text, "\x1b["); ok {
			end := strings.IndexFunc(rest, func(r rune) bool { return r >= '@' && r <= '~' })
			if end < 0 {
				return 0, fmt.Errorf("sequence is cut: %q", text)
			}
			switch rest[end] {
			case 'm':
			case 'A':
				n := 1
				if _, err := fmt.Sscanf(rest[:end], "%d", &n); err != nil {
					return 0, err
				}
				s.row -= n
				if s.row < 0 {
					return 0, fmt.Errorf("went above the first row")
				}
			case 'J':
				s.rows = append(s.rows[:s.row:s.row], s.rows[s.row][:min(s.col, len(s.rows[s.row]))])
			default:
				return 0, fmt.Errorf("unknown sequence %q", rest[:end+1])
			}
			text = rest[end+1:]
			continue
		}
		var r rune
		for _, r = range text {
			break
		}
		text = text[len(string(r)):]
		for len(s.rows) <= s.row+1 {
			s.rows = append(s.rows, nil)
		}
		switch r {
		case '\n':
			s.row, s.col = s.row+1, 0
		case '\r':
			s.col = 0
		default:
			if s.col+columns(r) > s.width {
				return 0, fmt.Errorf("row %d is too wide: %q", s.row, string(s.rows[s.row]))
			}
			if s.col < len(s.rows[s.row]) {
				return 0, fmt.Errorf("wrote over %q", string(s.rows[s.row]))
			}
			s.rows[s.row] = append(s.rows[s.row], r)
			s.col += columns(r)
		}
	}
	return len(p), nil
}

func (s *screen) String() string {
	var b strings.Builder
	for _, r := range s.rows {
		b.WriteString(strings.TrimRight(string(r), " ") + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// live plays a story and shows the screen after each tick that the story asks
// for.
func checkLive(t *testing.T, width int, tell func(s *story, look func(want string))) {
	t.Helper()
	s, scr := newStory(t), &screen{width: width}
	clock := time.Unix(1000, 0)
	look := func(want string) {
		s.do(func(v *View) {
			t.Helper()
			v.Tick(clock)
			clock = clock.Add(250 * time.Millisecond)
			v.Tick(clock)
			if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), scr.String()); diff != "" {
				t.Errorf("screen (-want +got):\n%s", diff)
			}
		})
	}
	tell(s, look)
	v := New(scr, scr, Options{TTY: true, Color: true, Width: width, Workspace: root})
	s.play(v)
	if err := v.Err(); err != nil {
		t.Error(err)
	}
	if v.live.w.err != nil {
		t.Error(v.live.w.err)
	}
}

func TestLiveLines(t *testing.T) {
	checkLive(t, 60, func(s *story, look func(string)) {
		s.user("Test it")
		look(`
> Test it
`)
		s.spent(0.42, 10, 10, 38000).state(protocol.StatusRunning, "")
		look(`
> Test it
⠙ Thinking
step 1 · 0s · $0.00 · 38k of 200k · Ctrl+C pause
`)
		s.delta("reasoning", "event-2", "Let me see.\nFirst ").delta("reasoning", "event-2", "the tests")
		look(`
> Test it
⠹ Thinking
  │ First the tests
step 1 · 0s · $0.00 · 38k of 200k · Ctrl+C pause
`)
		_, call := s.act(act{kind: "execute", title: "go test ./a/very/long/path/to/a/package/that/does/not/fit/..."})
		s.delta("stdout", call, "=== RUN TestA\n").delta("stdout", call, "\x1b[32mok\x1b[0m \x1b]0;x\x07")
		look(`
> Test it
⠸ Run     go test ./a/very/long/path/to/a/package/that/doe…
  │ ok \x1b]0;x\x07
step 1 · 0s · $0.00 · 38k of 200k · Ctrl+C pause
`)
		s.state(protocol.StatusPausing, "")
		look(`
> Test it
⠼ Run     go test ./a/very/long/path/to/a/package/that/doe…
  │ ok \x1b]0;x\x07
step 1 · 1s · $0.00 · 38k of 200k · pausing · Ctrl+C stop
`)
		s.result(call, event.Display{Kind: "execute", Title: "go test", Status: "completed"}, "", nil)
		s.state(protocol.StatusPaused, protocol.StopPaused)
		look(`
> Test it

✓ Run     go test
`)
		s.do(end)
		look(`
> Test it

✓ Run     go test

■ Paused · step 1 · 0s · $0.00
  go on: agent-rpc run -c 7f3a
`)
	})
}

// What is left out when the terminal is narrow is never the cost or how to stop.
func TestStatusLineNarrow(t *testing.T) {
	for width, want := range map[int]string{
		60: "step 1 · 0s · $0.00 · 38k of 200k · Ctrl+C pause",
		40: "step 1 · 0s · $0.00 · Ctrl+C pause",
		34: "step 1 · $0.00 · Ctrl+C pause",
		24: "$0.00 · Ctrl+C pause",
	} {
		s := newStory(t).spent(0, 1, 1, 38000).state(protocol.StatusRunning, "")
		v := New(&screen{width: width}, &screen{width: width}, Options{TTY: true, Width: width})
		s.play(v)
		v.started = time.Unix(0, 0)
		if got := v.statusLine(v.started).render(false); got != want {
			t.Errorf("width %d: %q, want %q", width, got, want)
		}
	}
}

func TestLiveAfterResize(t *testing.T) {
	l := &live{w: &writer{w: &strings.Builder{}}, width: 40}
	l.draw([]line{line{}.add(normal, strings.Repeat("x", 39)), line{}.add(normal, "y")})
	l.resize(20)
	if got, want := l.erase(), "\r\x1b[2A\x1b[J"; got != want {
		t.Errorf("erase after the terminal was halved: %q, want %q", got, want)
	}
}

func TestLastLine(t *testing.T) {
	for _, c := range []struct{ line, more, want string }{
		{"", "a", "a"},
		{"a", "b", "ab"},
		{"a", "\n", "a\n"},
		{"a\n", "b", "b"},
		{"a", "\nb\n\n", "b\n\n"},
		{"10%", "\r20%", "20%"},
		{"", strings.Repeat("x", 9000) + "é", strings.Repeat("x", 4093) + "é"},
	} {
		if got := lastLine(c.line, c.more); got != c.want {
			t.Errorf("lastLine(%q, %.20q) = %.20q, want %.20q", c.line, c.more, got, c.want)
		}
	}
}
