//go:build linux || darwin

package terminal

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/tool"
)

// A call that is cancelled has to be over within a second, and with Close after
// it within one and a half: that is how long the whole program has to end.
const (
	// interruptGrace is how long a command has to end after C-c.
	interruptGrace = 500 * time.Millisecond
	// killGrace is how long the shell has to come back after its program was
	// killed.
	killGrace = 100 * time.Millisecond
)

// idleVariable holds after how many seconds without a word from us the machine
// around this program is stopped; OpenHands' runtimes set it.
const idleVariable = "OH_RUNTIME_IDLE_TIMEOUT_SECONDS"

// terminal is the tool of one conversation. The fields below mu belong to
// whoever calls Run; calls come one at a time.
type terminal struct {
	env     tool.Env
	dir     string
	path    string
	dialect dialect
	environ []string
	// user and host are what the observations say of them.
	user, host string
	// noChange is how long a command may print nothing.
	noChange time.Duration
	// longest is the most that a timeout may be; 0 is no limit.
	longest time.Duration
	// grace is how long a command has to end after C-c.
	grace time.Duration
	// startLimit is how long the start-up files may take.
	startLimit time.Duration

	// closed is closed when the tool is.
	closed  chan struct{}
	closing sync.Once

	// mu guards shell: Close reads it while a call runs.
	mu    sync.Mutex
	shell *shell

	// running tells that the last command was not seen to end.
	running bool
	// reads counts the results that the running command gave so far.
	reads int
	// lost says how the last shell ended, when nobody asked for it.
	lost string
}

// New makes the terminal of one conversation. It starts no process: the shell
// comes with the first command. Params of the environment are no_change_timeout_seconds,
// shell_path, env, terminal_type and username, as in OpenHands. The shell must
// be there; the working directory is looked for at the first command.
func New(env tool.Env, opts Options) (tool.Tool, error) {
	return newTerminal(env.Workspace.Root(), env, opts)
}

func newTerminal(dir string, env tool.Env, opts Options) (*terminal, error) {
	p, err := readParams(env.Params)
	if err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	path, d, err := p.findShell()
	if err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	inherited := opts.Environ
	if inherited == nil {
		inherited = os.Environ()
	}
	t := &terminal{
		env:        env,
		dir:        dir,
		path:       path,
		dialect:    d,
		environ:    environ(inherited, opts.Private, p.Env, dir),
		noChange:   p.noChange(),
		grace:      interruptGrace,
		startLimit: 15 * time.Second,
		closed:     make(chan struct{}),
	}
	if idle, err := strconv.ParseFloat(lookup(inherited, idleVariable), 64); err == nil && idle > 0 {
		t.longest = seconds(idle * 0.9)
	}
	if u, err := user.Current(); err == nil {
		t.user = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		t.host, _, _ = strings.Cut(host, ".")
	}
	return t, nil
}

func (t *terminal) Definition() *tool.Definition { return &definition }

func (t *terminal) Decode(args json.RawMessage) (json.RawMessage, error) {
	return arguments.Decode(args)
}

func (t *terminal) Run(ctx context.Context, call tool.Call) (json.RawMessage, error) {
	action, err := arguments.Read(call.Action)
	if err != nil {
		return nil, err
	}
	o, err := t.run(ctx, action, call.Output)
	if err != nil {
		return nil, err
	}
	return event.EncodeKind(o, observationKind)
}

func (t *terminal) Render(observation json.RawMessage) []event.Content { return render(observation) }

func (t *terminal) Describe(action, observation json.RawMessage) event.Display {
	return describe(action, observation)
}

// Close ends the shell with all that runs in it. A call that runs comes back
// with an error.
func (t *terminal) Close() error {
	t.closing.Do(func() { close(t.closed) })
	t.mu.Lock()
	sh := t.shell
	t.mu.Unlock()
	if sh != nil {
		sh.close(endGrace)
	}
	return nil
}
