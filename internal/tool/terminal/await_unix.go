//go:build linux || darwin

package terminal

import (
	"context"
	"time"
)

// limits say how long to wait for a command.
type limits struct {
	// quiet is how long it may print nothing; only without total.
	quiet time.Duration
	// total is how long it may run.
	total    time.Duration
	hasTotal bool
}

// ending is how waiting for a command ended.
type ending struct {
	kind endingKind
	// completion is set when the command completed.
	completion *completion
}

type endingKind int

const (
	completed   endingKind = iota
	quiet                  // nothing was printed for too long
	overtime               // the total time is over
	interrupted            // the call's context ended
	died                   // the shell ended
	closed                 // the tool was closed
)

// lastOutput is how long the output of a shell that has ended may take to come
// in while another process still has the terminal open.
const lastOutput = 100 * time.Millisecond

// await waits for the awaited command of sh and gives its output to out, if
// there is one, as it comes.
func (t *terminal) await(ctx context.Context, sh *shell, l limits, out func(string)) ending {
	begin := time.Now()
	left := func() time.Duration {
		if l.hasTotal {
			return l.total - time.Since(begin)
		}
		return l.quiet - time.Since(sh.screen.quiet())
	}
	show := func() {
		if out == nil {
			return
		}
		if text := sh.screen.takeLive(); text != "" {
			out(text)
		}
	}
	timer := time.NewTimer(left())
	defer timer.Stop()
	for {
		end := sh.screen.takeEnd()
		show()
		if end != nil {
			return ending{kind: completed, completion: end}
		}
		if sh.screen.takeStale() {
			// An empty line makes the shell print a new prompt and change nothing. It
			// fails only when the shell has gone, which is seen below.
			_ = sh.write(ctx, "\n")
		}
		select {
		case <-sh.screen.changed:
		case <-timer.C:
			wait := left()
			switch {
			case wait > 0:
				timer.Reset(wait)
			case l.hasTotal:
				return ending{kind: overtime}
			default:
				return ending{kind: quiet}
			}
		case <-sh.exited:
			timer.Reset(lastOutput)
			select {
			case <-sh.drained:
			case <-timer.C:
			}
			show()
			return ending{kind: died}
		case <-ctx.Done():
			return ending{kind: interrupted}
		case <-t.closed:
			return ending{kind: closed}
		}
	}
}
