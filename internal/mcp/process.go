package mcp

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

// How long a process has to end by itself once its input is closed, and after it
// was asked to. Together they fit into the time that closing a conversation may
// take.
const (
	closeWait = 250 * time.Millisecond
	termWait  = 200 * time.Millisecond
	killWait  = time.Second
	// lastWords is how long stderr is read after the process has ended.
	lastWords = 200 * time.Millisecond
)

// maxMessage bounds a message of a server, in bytes.
const maxMessage = 16 << 20

// process is a server that was started as a command, in a group of its own.
type process struct {
	cmd    *exec.Cmd
	group  *workspace.Group
	stdin  *os.File
	stdout *os.File
	guard  func() // ends the guard
	// exited is closed when the command has ended; state is set then.
	exited chan struct{}
	state  *os.ProcessState

	stderr tail
	noise  noise
}

// launch starts a command with pipes.
func launch(cmd *exec.Cmd, log *slog.Logger) (*process, error) {
	inRead, inWrite, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	outRead, outWrite, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, inRead.Close(), inWrite.Close())
	}
	errRead, errWrite, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, inRead.Close(), inWrite.Close(), outRead.Close(), outWrite.Close())
	}
	p := &process{cmd: cmd, stdin: inWrite, stdout: outRead, exited: make(chan struct{})}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = inRead, outWrite, errWrite
	p.group, err = workspace.StartGroup(cmd)
	// The child has its own copies.
	_, _, _ = inRead.Close(), outWrite.Close(), errWrite.Close()
	if err != nil {
		return nil, errors.Join(err, inWrite.Close(), outRead.Close(), errRead.Close())
	}
	p.guard = guard(cmd.Process.Pid)
	p.noise.log = log
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		p.follow(errRead, log)
	}()
	go func() {
		_ = cmd.Wait() // how it ended is in its state
		p.state = cmd.ProcessState
		// What it left behind would hold its output open.
		p.group.Kill()
		// Its last words say why; what left its group may hold the pipe for longer.
		select {
		case <-followed:
		case <-time.After(lastWords):
			_ = errRead.Close() // ends the following
		}
		close(p.exited)
	}()
	return p, nil
}

// follow logs what the server writes to stderr and keeps the end of it.
func (p *process) follow(from *os.File, log *slog.Logger) {
	defer func() { _ = from.Close() }() // it was read only
	r := bufio.NewReaderSize(from, 4096)
	for {
		line, err := r.ReadSlice('\n')
		if text := strings.TrimRight(string(line), "\r\n"); text != "" {
			p.stderr.add(text)
			log.Debug("mcp server", "stderr", text)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// transport speaks MCP with the process.
func (p *process) transport() sdk.Transport {
	return &sdk.IOTransport{Reader: &messages{p: p, r: bufio.NewReaderSize(p.stdout, 64<<10)}, Writer: p.stdin}
}

// end ends the process and all that is left of its group: politely, and then not.
func (p *process) end() {
	defer p.group.Close()
	defer p.guard()
	_ = p.stdin.Close() // it may be closed already
	defer func() { _ = p.stdout.Close() }()
	wait := func(d time.Duration) bool {
		select {
		case <-p.exited:
			return true
		case <-time.After(d):
			return false
		}
	}
	if !wait(closeWait) {
		if p.group.Terminate(); !wait(termWait) {
			p.group.Kill()
			wait(killWait)
		}
	}
}

// epitaph tells how the process ended and what it said last; "" while it runs.
func (p *process) epitaph() string {
	select {
	case <-p.exited:
	default:
		return ""
	}
	text := "its process ended"
	if p.state != nil {
		text += " (" + p.state.String() + ")"
	}
	return text + p.said()
}

// said is what the server wrote that was no MCP.
func (p *process) said() string {
	var text string
	if first := p.noise.first(); first != "" {
		text = fmt.Sprintf("; on stdout it wrote what is no MCP: %q", first)
	}
	if last := p.stderr.text(); last != "" {
		text += "; on stderr it wrote last: " + last
	}
	return text
}

// messages reads what a process writes and lets messages through only: servers
// print greetings, and a debugger's line must not end the connection.
type messages struct {
	p    *process
	r    *bufio.Reader
	rest []byte
}

func (m *messages) Read(b []byte) (int, error) {
	for len(m.rest) == 0 {
		line, err := m.line()
		if len(line) > 0 && json.Valid(line) && bytes.HasPrefix(line, []byte("{")) {
			m.rest = append(line, '\n')
		} else if len(line) > 0 {
			m.p.noise.add(string(line))
		}
		if err != nil && len(m.rest) == 0 {
			return 0, err
		}
	}
	n := copy(b, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

// line reads a line without blanks around it.
func (m *messages) line() ([]byte, error) {
	var line []byte
	for {
		part, err := m.r.ReadSlice('\n')
		if len(line)+len(part) > maxMessage {
			m.p.noise.add(fmt.Sprintf("a line of more than %d MiB", maxMessage>>20))
			return nil, errors.New("a message is too long")
		}
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return bytes.TrimSpace(line), err
		}
	}
}

// Close implements [io.Closer]. The pipe is closed when the process has ended.
func (m *messages) Close() error { return nil }

var _ io.ReadCloser = (*messages)(nil)

// tail keeps the last lines.
type tail struct {
	mu    sync.Mutex
	lines []string
}

const (
	tailLines = 5
	tailLine  = 300
)

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines = append(t.lines, cut(line, tailLine)); len(t.lines) > tailLines {
		t.lines = t.lines[1:]
	}
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, " / ")
}

// noise counts what is no message, and keeps the first of it.
type noise struct {
	log *slog.Logger
	mu  sync.Mutex
	one string
	n   int
}

// maxNoise is how many lines of it are logged.
const maxNoise = 20

func (n *noise) add(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.n++; n.n == 1 {
		n.one = cut(line, tailLine)
	}
	if n.n <= maxNoise {
		n.log.Debug("mcp server: no message", "line", cut(line, tailLine))
	}
}

func (n *noise) first() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.one
}

// cut gives the beginning of a text, whole characters only.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return strings.ToValidUTF8(text, "\uFFFD")
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}
