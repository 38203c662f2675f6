package client

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// Command says how to start a server.
type Command struct {
	// Path of the program and its arguments.
	Path string
	Args []string
	// Dir is where it starts; the client's own folder if empty.
	Dir string
	// Env replaces the environment unless it is nil.
	Env []string
	// Tap is told of every message, in JSON, from the goroutine that reads or
	// writes it; nil for nobody.
	Tap func(sent bool, body []byte)
}

// Start starts a server as a child process, in a process group of its own so
// that the terminal's Ctrl+C is not for it, and makes a client of its stdin and
// stdout. What it writes to stderr is kept for error messages.
func Start(cmd Command) (*Client, error) {
	c := &child{cmd: exec.Command(cmd.Path, cmd.Args...), ended: make(chan struct{})}
	c.cmd.Dir, c.cmd.Env = cmd.Dir, cmd.Env
	c.cmd.Stderr = &c.words
	// A grandchild that keeps stderr open must not keep us.
	c.cmd.WaitDelay = time.Second
	ownGroup(c.cmd)
	// Pipes of our own rather than StdoutPipe: Wait would close that one while the
	// reader may still be at it.
	childIn, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	out, childOut, err := os.Pipe()
	if err != nil {
		closeAll(in, childIn)
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	c.cmd.Stdin, c.cmd.Stdout = childIn, childOut
	err = c.cmd.Start()
	closeAll(childIn, childOut)
	if err != nil {
		closeAll(in, out)
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	c.in, c.out = in, out
	go func() {
		c.waitErr = c.cmd.Wait()
		close(c.ended)
	}()
	return newClient(&duplex{out, in}, c, cmd.Tap), nil
}

// child is a server process.
type child struct {
	cmd     *exec.Cmd
	in, out *os.File
	words   lastWords
	ended   chan struct{} // closed when the process is gone
	waitErr error         // to be read after ended
}

// explain says why the stream of the child ended: its exit status and the last
// line it wrote to stderr.
func (c *child) explain(cause error) error {
	if cause != nil && !errors.Is(cause, io.ErrUnexpectedEOF) {
		return cause // it goes on, but not in our language
	}
	select {
	case <-c.ended:
	case <-time.After(exitTime):
		if cause != nil {
			return cause
		}
		return errors.New("the server closed its output but goes on")
	}
	if c.waitErr == nil && cause == nil {
		return nil
	}
	said := c.words.last()
	switch {
	case c.waitErr == nil:
		return cause
	case said != "":
		return fmt.Errorf("the server ended with %w: %s", c.waitErr, said)
	default:
		return fmt.Errorf("the server ended with %w", c.waitErr)
	}
}

// stop closes the server's stdin, which ends it, and kills it and its group if
// it is not gone in time.
func (c *child) stop(patience time.Duration) error {
	_ = c.in.Close() // it may be closed already
	timer := time.NewTimer(patience)
	defer timer.Stop()
	var err error
	select {
	case <-c.ended:
	case <-timer.C:
		err = fmt.Errorf("the server did not end within %s and was killed", patience)
		killGroup(c.cmd.Process)
		<-c.ended
	}
	_ = c.out.Close()
	return err
}

// closeAll closes pipes that hold nothing yet, or that are the child's now.
func closeAll(files ...*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// duplex makes one stream of two pipes.
type duplex struct {
	io.Reader
	in *os.File
}

func (d *duplex) Write(p []byte) (int, error) { return d.in.Write(p) }
func (d *duplex) Close() error                { return d.in.Close() }

// lastWords keeps the end of what a process wrote.
type lastWords struct {
	mu   sync.Mutex
	text []byte
}

const lastWordsSize = 8 << 10

func (l *lastWords) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	if over := len(l.text) - lastWordsSize; over > 0 {
		l.text = append(l.text[:0], l.text[over:]...)
	}
	return len(p), nil
}

// last is the last line that is not empty.
func (l *lastWords) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := strings.TrimSpace(string(l.text))
	return strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
}

// LastWords gives the last lines that the child wrote to stderr; empty without
// a child.
func (c *Client) LastWords() string {
	if c.child == nil {
		return ""
	}
	c.child.words.mu.Lock()
	defer c.child.words.mu.Unlock()
	return string(c.child.words.text)
}
