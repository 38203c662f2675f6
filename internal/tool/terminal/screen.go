package terminal

import (
	"sync"
	"time"
)

// maxLive bounds the output that waits for whoever watches; when they are
// slower than the command, they miss the oldest.
const maxLive = 64 << 10

// screen is where the reader of a shell's terminal leaves what it read, and
// where a call finds it: the output since somebody looked, and how the command
// that was sent ended. Safe for use by several goroutines.
type screen struct {
	// changed gets a value when there is something new.
	changed chan struct{}

	mu    sync.Mutex
	scan  scanner
	clean cleaner
	// scratch is reused for clean text.
	scratch []byte
	// output is what came since it was taken.
	output buffer
	// live is the same for whoever watches; missed says that some was dropped.
	live   []byte
	missed bool
	// want is the command whose end is awaited; 0 when none is.
	want int
	// any lets every prompt end it: after C-c the shell may be back without
	// having begun with the command.
	any bool
	// latest is the last prompt, and stale says that it came a second time.
	latest prompt
	stale  bool
	// ended is how it ended; nil until it did, and once that was taken.
	ended *completion
	// last is when the terminal last printed anything, or a command was sent.
	last time.Time
}

// completion is a prompt that ended a command, with the output before it that
// nobody had taken.
type completion struct {
	prompt prompt
	output []byte
}

func newScreen(m marks) *screen {
	return &screen{changed: make(chan struct{}, 1), scan: scanner{marks: m}}
}

// feed takes what was read from the terminal.
func (s *screen) feed(p []byte) {
	s.mu.Lock()
	s.last = time.Now()
	s.scan.feed(p, s.print, s.ready)
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default: // it is known already that there is something new
	}
}

func (s *screen) print(p []byte) {
	s.scratch = s.clean.feed(s.scratch[:0], p)
	s.keep(s.scratch)
}

func (s *screen) ready(p prompt) {
	s.keep(s.clean.finish(s.scratch[:0]))
	// Another number is the prompt after a line that a program left unread and
	// the shell took for a command: the one that was sent is still to come, or
	// has ended before. The very same prompt as before may also come after our
	// command: where a quote in it was left open, bash prints its last prompt
	// again instead of a new one.
	switch {
	case s.want == 0:
	case p.seq == s.want || s.any:
		s.want, s.any = 0, false
		s.ended = &completion{prompt: p, output: s.output.take()}
	case p == s.latest:
		s.stale = true
	}
	s.latest = p
}

func (s *screen) keep(p []byte) {
	s.output.write(p)
	s.live = append(s.live, p...)
	if over := len(s.live) - maxLive; over > 0 {
		s.missed = true
		s.live = append(s.live[:0], s.live[over:]...)
	}
}

// expect makes the prompt of command seq the one that is awaited.
func (s *screen) expect(seq int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.want, s.any, s.stale, s.ended, s.last = seq, false, false, nil, time.Now()
}

// expectAny makes any prompt end the awaited command.
func (s *screen) expectAny() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.any = s.want != 0
}

// touch starts the time without output anew.
func (s *screen) touch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = time.Now()
}

// take gives the output since the last time.
func (s *screen) take() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.output.take()
}

// finish gives the output since the last time when no more will come.
func (s *screen) finish() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep(s.clean.finish(nil))
	return s.output.take()
}

// takeLive gives what whoever watches has not seen.
func (s *screen) takeLive() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	live := s.live
	note := ""
	if s.missed {
		note = "\n[output that came too fast is not shown here]\n"
		live = trimStart(live)
	}
	text := note + string(live)
	s.live, s.missed = s.live[:0], false
	return text
}

// dropLive forgets what nobody has to see.
func (s *screen) dropLive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live, s.missed = s.live[:0], false
}

// takeEnd gives how the awaited command ended; nil while it did not.
func (s *screen) takeEnd() *completion {
	s.mu.Lock()
	defer s.mu.Unlock()
	end := s.ended
	s.ended = nil
	return end
}

// hasEnded tells whether the awaited command has ended.
func (s *screen) hasEnded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.want == 0
}

// takeStale tells, once, that the shell printed an old prompt while the end of a
// command is awaited.
func (s *screen) takeStale() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	stale := s.stale
	s.stale = false
	return stale && s.want != 0
}

// quiet tells since when nothing was printed.
func (s *screen) quiet() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}
