package mcp

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/agent-rpc/agent-rpc/internal/tool"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

// handshake is the version of MCP that is offered first: every server knows the
// way in which it begins. One that knows newer ones only is asked again.
const handshake = "2025-11-25"

// maxRestarts is how often in a row a server that died is started again without a
// call that succeeds in between.
const maxRestarts = 3

// server is one MCP server. Its connection comes and goes.
type server struct {
	owner    *Servers
	config   Config
	prefixed bool
	log      *slog.Logger

	// starting lets one start go on at a time.
	starting sync.Mutex
	// changed says that the tools are about to be listed again.
	changed atomic.Bool

	mu       sync.Mutex
	link     *link // nil: not connected
	closed   bool
	err      error // why it could not be started
	restarts int
	tools    []*Tool
	says     *sdk.InitializeResult
	calls    map[int64]*inflight
	last     int64
}

// link is one connection to a server.
type link struct {
	session *sdk.ClientSession
	process *process
	remote  *remote
	cancel  context.CancelFunc
	// gone is closed when the connection has ended.
	gone chan struct{}
	once sync.Once
}

// end ends the connection and what is behind it.
func (l *link) end() {
	l.once.Do(func() {
		go func() { _ = l.session.Close() }() // it may wait for a server that hangs; it ends with the process
		if l.process != nil {
			l.process.end()
		}
		if l.remote != nil {
			// Telling the server that the session is over takes a request.
			select {
			case <-l.gone:
			case <-time.After(closeWait):
			}
			l.remote.end()
		}
		l.cancel()
	})
}

// reason tells why a connection failed, in words for model and user.
func (l *link) reason(err error) error {
	if l.process != nil {
		select {
		case <-l.process.exited: // a moment later than its output
		case <-time.After(100 * time.Millisecond):
		}
		if text := l.process.epitaph(); text != "" {
			return errors.New(text)
		}
	}
	if l.remote != nil {
		err = l.remote.explain(err)
	}
	return err
}

// up connects to the server, if it is not connected.
func (s *server) up(ctx context.Context) error {
	s.starting.Lock()
	defer s.starting.Unlock()
	s.mu.Lock()
	connected, closed := s.link != nil, s.closed
	s.mu.Unlock()
	switch {
	case connected:
		return nil
	case closed:
		return errors.New("the conversation is closed")
	case s.config.Err != nil:
		s.fail(s.config.Err)
		return s.config.Err
	}
	c := s.config.expand(&expander{ctx: ctx, secret: s.owner.opts.Secret, hide: s.owner.opts.Hide})
	limited, cancel := context.WithTimeout(ctx, s.owner.opts.StartTimeout)
	defer cancel()
	l, err := s.connect(limited, &c, handshake)
	var answer *jsonrpc.Error
	if errors.As(err, &answer) {
		if again, newer := s.connect(limited, &c, ""); newer == nil {
			l, err = again, nil
		}
	}
	if err == nil {
		err = s.install(limited, l)
	}
	if err != nil {
		s.fail(err)
	}
	return err
}

func (s *server) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// connect starts or reaches the server and shakes hands. ctx bounds that alone.
func (s *server) connect(ctx context.Context, c *Config, version string) (*link, error) {
	life, cancel := context.WithCancel(context.WithoutCancel(s.owner.life))
	l := &link{cancel: cancel, gone: make(chan struct{})}
	var transport sdk.Transport
	var err error
	if c.Transport == stdio {
		l.process, err = s.launch(c)
		if err == nil {
			transport = l.process.transport()
		}
	} else if l.remote, err = newRemote(c); err == nil {
		transport = l.remote.transport(c.Transport)
	}
	if err != nil {
		cancel()
		return nil, err
	}
	type outcome struct {
		session *sdk.ClientSession
		err     error
	}
	connected := make(chan outcome, 1)
	client := s.client()
	go func() {
		var o sdk.ClientSessionOptions
		o.ProtocolVersion = version
		session, err := client.Connect(life, transport, &o)
		connected <- outcome{session, err}
	}()
	drop := func() {
		cancel()
		if l.process != nil {
			l.process.end()
		}
		if l.remote != nil {
			l.remote.end()
		}
	}
	var exited chan struct{}
	if l.process != nil {
		exited = l.process.exited
	}
	select {
	case o := <-connected:
		if o.err != nil {
			err := l.reason(o.err)
			drop()
			return nil, err
		}
		l.session = o.session
		go func() {
			_ = l.session.Wait() // why it ended is told by who notices
			close(l.gone)
		}()
		return l, nil
	case <-exited:
		err = errors.New(l.process.epitaph())
	case <-ctx.Done():
		err = ctx.Err()
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("it did not come up within %s", s.owner.opts.StartTimeout)
			if l.process != nil {
				err = fmt.Errorf("%w%s", err, l.process.said())
			}
			if l.remote != nil {
				err = l.remote.explain(err)
			}
		}
	}
	drop()
	return nil, err
}

func (s *server) launch(c *Config) (*process, error) {
	cmd := exec.Command(c.Command, c.Args...)
	cmd.Dir = s.owner.opts.Workspace
	if c.Cwd != "" {
		if cmd.Dir = c.Cwd; !filepath.IsAbs(c.Cwd) {
			cmd.Dir = filepath.Join(s.owner.opts.Workspace, c.Cwd)
		}
	}
	cmd.Env = s.owner.opts.Environ
	for name, value := range c.Env {
		cmd.Env = append(cmd.Env[:len(cmd.Env):len(cmd.Env)], name+"="+value)
	}
	p, err := launch(cmd, s.log)
	if errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("the command %s is not there: install it, or give its path", c.Command)
	}
	return p, err
}

// client makes the SDK's client of one connection.
func (s *server) client() *sdk.Client {
	client := sdk.NewClient(&sdk.Implementation{Name: "agent-rpc", Version: cmp.Or(s.owner.opts.Version, "dev")}, &sdk.ClientOptions{
		Logger:             slog.New(slog.DiscardHandler),
		Capabilities:       &sdk.ClientCapabilities{RootsV2: &sdk.RootCapabilities{}}, //nolint:staticcheck // servers of today ask for roots
		ElicitationHandler: s.elicit,
		ToolListChangedHandler: func(context.Context, *sdk.ToolListChangedRequest) {
			if !s.changed.Swap(true) { // one list is enough, however often it is said
				go s.relist() // the connection's reader is not to wait for an answer that it has to read
			}
		},
		//nolint:staticcheck // servers of today log in this way
		LoggingMessageHandler: func(_ context.Context, r *sdk.LoggingMessageRequest) {
			if text, err := json.Marshal(r.Params.Data); err == nil {
				s.log.Debug("mcp server", "level", string(r.Params.Level), "says", cut(string(text), 4096))
			}
		},
		ProgressNotificationHandler: func(_ context.Context, r *sdk.ProgressNotificationClientRequest) { s.progress(r.Params) },
	})
	//nolint:staticcheck // servers of today ask for roots
	client.AddRoots(&sdk.Root{URI: workspace.ToURI(s.owner.opts.Workspace), Name: filepath.Base(s.owner.opts.Workspace)})
	return client
}

// install lists the tools of a connection and makes it the server's.
func (s *server) install(ctx context.Context, l *link) error {
	tools, err := s.fetch(ctx, l.session)
	if err != nil {
		err = l.reason(err)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = fmt.Errorf("it did not list its tools within %s", s.owner.opts.StartTimeout)
		}
		l.end()
		return err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		l.end()
		return errors.New("the conversation is closed")
	}
	s.link, s.err, s.says = l, nil, l.session.InitializeResult()
	s.setTools(tools)
	s.mu.Unlock()
	go func() {
		<-l.gone
		s.lost(l)
	}()
	return nil
}

// lost forgets a connection that has ended.
func (s *server) lost(l *link) {
	s.mu.Lock()
	mine := s.link == l
	if mine {
		s.link = nil
	}
	s.mu.Unlock()
	l.end()
	if mine {
		s.log.Info("an MCP server's connection ended", "why", l.reason(errors.New("the connection was closed")))
	}
}

// maxTools bounds the tools of a server: a model can't choose among more.
const maxTools = 500

// fetch lists the tools of a server.
func (s *server) fetch(ctx context.Context, session *sdk.ClientSession) ([]*sdk.Tool, error) {
	if says := session.InitializeResult(); says != nil && says.Capabilities != nil && says.Capabilities.Tools == nil {
		return nil, nil // it has resources or prompts only
	}
	var list []*sdk.Tool
	for t, err := range session.Tools(ctx, nil) {
		if err != nil {
			return nil, err
		}
		if list = append(list, t); len(list) == maxTools {
			s.log.Warn("an MCP server has more tools than are used", "limit", maxTools)
			break
		}
	}
	return list, nil
}

// setTools makes tools of a list; those that did not change stay the same.
func (s *server) setTools(list []*sdk.Tool) {
	before := map[string]*Tool{}
	for _, t := range s.tools {
		before[t.name] = t
	}
	var tools []*Tool
	seen := map[string]bool{}
	for _, offered := range list {
		t, err := newTool(s, offered)
		switch {
		case err != nil:
			s.log.Warn("a tool of an MCP server is left out", "tool", offered.Name, "error", err)
			continue
		case seen[t.def.Name]:
			s.log.Warn("a tool of an MCP server is left out: another has its name", "tool", offered.Name)
			continue
		}
		seen[t.def.Name] = true
		if old := before[t.name]; old != nil && old.same(t) {
			t = old
		}
		tools = append(tools, t)
	}
	s.tools = tools
}

// relist lists the tools again.
func (s *server) relist() {
	s.starting.Lock()
	defer s.starting.Unlock()
	s.changed.Store(false)
	s.mu.Lock()
	l := s.link
	s.mu.Unlock()
	if l == nil {
		return
	}
	ctx, cancel := context.WithTimeout(s.owner.life, s.owner.opts.StartTimeout)
	defer cancel()
	list, err := s.fetch(ctx, l.session)
	if err != nil {
		s.log.Warn("an MCP server said that its tools changed and did not list them", "error", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link == l {
		s.setTools(list)
	}
}

func (s *server) list() []*Tool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tools
}

func (s *server) status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Status{Config: s.config, Err: s.err}
	for _, t := range s.tools {
		st.Tools = append(st.Tools, &t.def)
	}
	if s.says != nil {
		st.Protocol = s.says.ProtocolVersion
		if i := s.says.ServerInfo; i != nil {
			st.Server = strings.TrimSpace(i.Name + " " + i.Version)
		}
	}
	return st
}

// connected gives the connection, and starts a server again that has died.
func (s *server) connected(ctx context.Context) (*link, error) {
	s.mu.Lock()
	l, tries := s.link, s.restarts
	if l == nil {
		s.restarts++
	}
	s.mu.Unlock()
	if l != nil {
		return l, nil
	}
	if tries >= maxRestarts {
		return nil, fmt.Errorf("it has ended %d times in a row and is not started again", tries)
	}
	started := make(chan error, 1)
	go func() { started <- s.up(s.owner.life) }()
	select {
	case err := <-started:
		if err != nil {
			return nil, fmt.Errorf("it had ended and could not be started again: %w", err)
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link == nil {
		return nil, errors.New("it ended as soon as it was started again")
	}
	return s.link, nil
}

// close ends the server for good.
func (s *server) close() {
	s.mu.Lock()
	s.closed = true
	l := s.link
	s.mu.Unlock()
	if l != nil {
		l.end()
	}
	// A start that goes on ends with the servers' life.
	s.starting.Lock()
	s.starting.Unlock() //nolint:staticcheck // it is waited for, nothing else
}

// inflight is a call that goes on.
type inflight struct {
	ctx  context.Context
	call tool.Call
	// alive puts off the end of the call's time; waiting stops it while the user is
	// asked.
	alive   func()
	waiting func(bool)
}

func (s *server) begin(c *inflight) (token int64, end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	token = s.last
	s.calls[token] = c
	return token, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.calls, token)
	}
}

// progress shows how far a call is.
func (s *server) progress(p *sdk.ProgressNotificationParams) {
	var token int64
	switch v := p.ProgressToken.(type) {
	case int64:
		token = v
	case float64:
		token = int64(v)
	default:
		return
	}
	s.mu.Lock()
	c := s.calls[token]
	s.mu.Unlock()
	if c == nil {
		return
	}
	c.alive()
	text := fmt.Sprintf("[%v", p.Progress)
	if p.Total > 0 {
		text += fmt.Sprintf("/%v", p.Total)
	}
	text += "]"
	if p.Message != "" {
		text += " " + strings.ReplaceAll(cut(p.Message, 1000), "\n", " ")
	}
	c.call.Output(text + "\n")
}

// elicit puts a server's question to the user, in the name of the call that
// began last. Outside of a call nobody is asked.
func (s *server) elicit(ctx context.Context, r *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
	s.mu.Lock()
	var c *inflight
	for token := s.last; token > 0 && c == nil && len(s.calls) > 0; token-- {
		c = s.calls[token]
	}
	s.mu.Unlock()
	if c == nil || r.Params.Mode == "url" {
		s.log.Info("a question of an MCP server is declined", "mode", r.Params.Mode, "call", c != nil)
		return &sdk.ElicitResult{Action: "decline"}, nil
	}
	schema, err := json.Marshal(r.Params.RequestedSchema)
	if err != nil || r.Params.RequestedSchema == nil {
		schema = json.RawMessage(`{"type":"object","properties":{}}`)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	c.waiting(true)
	defer c.waiting(false)
	answer, err := c.call.Ask(ctx, tool.Question{Message: s.config.Name + ": " + r.Params.Message, Schema: schema})
	if err != nil {
		s.log.Info("a question of an MCP server was not answered", "error", err)
		return &sdk.ElicitResult{Action: "cancel"}, nil
	}
	result := &sdk.ElicitResult{Action: answer.Action}
	if len(answer.Content) > 0 && json.Unmarshal(answer.Content, &result.Content) != nil {
		result.Action = "cancel"
	}
	return result, nil
}
