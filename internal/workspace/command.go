package workspace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
)

// Command is a command line to run.
type Command struct {
	// Line is for /bin/sh -c (cmd.exe /C on Windows).
	Line string
	// Dir is the directory, relative to the root; the root if empty.
	Dir string
	// Input is what the command reads.
	Input string
	// Timeout is 30 s if zero; negative for none.
	Timeout time.Duration
	// Env is the whole environment; nil for this process's own without the keys
	// that are only ours.
	Env []string
}

// CommandResult is what a command did, in OpenHands' JSON.
type CommandResult struct {
	Command string `json:"command"`
	// ExitCode is -1 when the command was ended, 128 and the signal's number when
	// a signal ended it.
	ExitCode int `json:"exit_code"`
	// Stdout and Stderr are cut in the middle when longer than 1 MiB.
	Stdout          string `json:"stdout"`
	Stderr          string `json:"stderr"`
	TimeoutOccurred bool   `json:"timeout_occurred"`
}

const (
	defaultTimeout = 30 * time.Second
	maxOutput      = 1 << 20
)

// privateVariables are the environment variables that no command sees.
var privateVariables = []string{"SESSION_API_KEY", "LLM_API_KEY"}

// Execute runs a command in a shell of its own and waits for it. When the time is over or ctx ends, it is killed with all that it
// started, and what it wrote until then is kept; what it left behind in the
// background is killed when it ends itself. The error is that of ctx, or says
// that the command could not be started; a command that fails is no error.
func (w *Local) Execute(ctx context.Context, c Command) (CommandResult, error) {
	r := CommandResult{Command: c.Line, ExitCode: -1}
	cmd := shell(c.Line)
	cmd.Dir = w.abs(c.Dir)
	cmd.Env = c.Env
	if c.Env == nil {
		cmd.Env = environ()
	}
	if c.Input != "" {
		cmd.Stdin = strings.NewReader(c.Input)
		cmd.WaitDelay = pipeGrace // it may leave without reading, and something behind that holds the pipe
	}
	timeout := c.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	limited := ctx
	if timeout > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	stdout, stderr := newExcerpt(maxOutput), newExcerpt(maxOutput)
	state, err := run(limited, cmd, stdout, stderr)
	r.Stdout, r.Stderr = stdout.String(), stderr.String()
	switch {
	case err == nil:
		r.ExitCode = state.ExitCode()
		if signal, ok := signalled(state); ok {
			r.ExitCode = 128 + signal
		}
		return r, nil
	case ctx.Err() != nil:
		return r, ctx.Err()
	case limited.Err() != nil:
		r.TimeoutOccurred = true
		return r, nil
	}
	return r, fmt.Errorf("running a command in %s: %w", cmd.Dir, err)
}

func environ() []string { return Environ(nil) }

// Environ is this process's environment without the variables that no command
// sees, and without private.
func Environ(private []string) []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(privateVariables, name) || slices.Contains(private, name)
	})
}

// pipeGrace is how long output is read after a command ended, for what left its
// process group and still holds the pipe.
const pipeGrace = time.Second

// run runs a command as a process group of its own, which does not outlive it.
// When ctx ends first, it kills the group and gives ctx's error.
func run(ctx context.Context, cmd *exec.Cmd, stdout, stderr io.Writer) (*os.ProcessState, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	outPipe, outEnd, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	errPipe, errEnd, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, outPipe.Close(), outEnd.Close())
	}
	cmd.Stdout, cmd.Stderr = outEnd, errEnd
	group, err := startGroup(cmd)
	// The child has its own copies.
	_, _ = outEnd.Close(), errEnd.Close()
	if err != nil {
		return nil, errors.Join(err, outPipe.Close(), errPipe.Close())
	}
	defer group.close()
	var reading sync.WaitGroup
	drain := func(pipe *os.File, to io.Writer) {
		// Ends with the last writer, or at the deadline below.
		_, _ = io.Copy(to, pipe)
	}
	reading.Go(func() { drain(outPipe, stdout) })
	reading.Go(func() { drain(errPipe, stderr) })
	waited := make(chan error, 1)
	go func() { waited <- cmd.Wait() }()

	ended := false
	select {
	case err = <-waited:
	case <-ctx.Done():
		ended = true
		group.kill()
		err = <-waited
	}
	// What the command left in the background goes with it.
	group.kill()
	for _, pipe := range []*os.File{outPipe, errPipe} {
		// Pipes on Windows know no deadline; there the kill has closed them.
		_ = pipe.SetReadDeadline(time.Now().Add(pipeGrace))
	}
	reading.Wait()
	_, _ = outPipe.Close(), errPipe.Close()
	if ended {
		return cmd.ProcessState, ctx.Err()
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		return nil, err
	}
	return cmd.ProcessState, nil
}

// excerpt keeps the beginning and the end of what is written to it.
type excerpt struct {
	half    int
	head    []byte
	tail    []byte // a ring once it is full
	next    int    // where the ring goes on
	omitted int
}

func newExcerpt(limit int) *excerpt { return &excerpt{half: limit / 2} }

func (e *excerpt) Write(p []byte) (int, error) {
	n := len(p)
	if room := e.half - len(e.head); room > 0 {
		k := min(room, len(p))
		e.head = append(e.head, p[:k]...)
		p = p[k:]
	}
	if over := len(p) - e.half; over > 0 {
		// Everything in the ring would be overwritten.
		e.omitted += over + len(e.tail)
		e.tail, e.next = append(e.tail[:0], p[over:]...), 0
		return n, nil
	}
	if room := e.half - len(e.tail); room > 0 {
		k := min(room, len(p))
		e.tail = append(e.tail, p[:k]...)
		p = p[k:]
	}
	e.omitted += len(p)
	for len(p) > 0 {
		k := copy(e.tail[e.next:], p)
		e.next = (e.next + k) % e.half
		p = p[k:]
	}
	return n, nil
}

func (e *excerpt) String() string {
	var b strings.Builder
	b.Write(e.head)
	if e.omitted > 0 {
		fmt.Fprintf(&b, "\n[… %d bytes left out …]\n", e.omitted)
	}
	b.Write(e.tail[e.next:])
	b.Write(e.tail[:e.next])
	return b.String()
}
