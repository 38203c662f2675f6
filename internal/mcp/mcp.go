// Package mcp makes tools of what MCP servers offer: it starts or reaches the
// servers that a conversation's agent names, lists their tools and carries out
// calls, through the official SDK, which no other package knows.
//
// A server that fails, hangs or dies is a result for the model and a line for the
// user; it never fails the conversation. Servers start at the first step of a
// conversation, side by side, and end with it.
//
// Per server there is a goroutine that starts it, those of the SDK's connection,
// and for one that is a command those that wait for its end and follow its stderr.
// All of them end with [Servers.Close].
package mcp

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/tool"
)

// Options is what servers need of the conversation and the program.
type Options struct {
	// Workspace is the root that servers are told of, and where commands run.
	Workspace string
	// Dir is the conversation's directory; "" when it is kept in memory.
	Dir string
	// Environ is the environment of commands.
	Environ []string
	// Version is the program's.
	Version string
	// Secret gives the value of a secret that a configuration names, Secrets the
	// variables that the arguments of a call name; both may be nil.
	Secret  func(ctx context.Context, name string) (string, error)
	Secrets func(ctx context.Context, text string) (vars map[string]string, missing []string)
	// Hide makes the program hide values, Mask hides them in a text; may be nil.
	Hide func(values ...string)
	Mask func(text string) string
	// Warn tells the user at once; may be nil.
	Warn func(text string)
	Log  *slog.Logger
	// StartTimeout is how long a server has to come up, CallTimeout how long a call
	// may go without a sign of life, where the configuration does not say; 30 s and
	// 300 s if they are zero.
	StartTimeout, CallTimeout time.Duration
}

// Servers are the MCP servers of one conversation. They are safe for use by
// several goroutines.
type Servers struct {
	opts    Options
	servers []*server
	life    context.Context
	end     context.CancelFunc
	start   sync.Once
	done    chan struct{} // closed when each has come up or failed

	mu   sync.Mutex
	news []string
}

// New makes the servers of a conversation and starts none. Those that are
// disabled are left out.
func New(list []Config, o Options) *Servers {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Hide == nil {
		o.Hide = func(...string) {}
	}
	if o.StartTimeout == 0 {
		o.StartTimeout = 30 * time.Second
	}
	if o.CallTimeout == 0 {
		o.CallTimeout = 300 * time.Second
	}
	s := &Servers{opts: o, done: make(chan struct{})}
	s.life, s.end = context.WithCancel(context.Background())
	list = slices.DeleteFunc(slices.Clone(list), func(c Config) bool { return c.Disabled })
	for _, c := range list {
		s.servers = append(s.servers, &server{
			owner: s, config: c, prefixed: len(list) > 1,
			log: o.Log.With("mcp", c.Name), calls: map[int64]*inflight{},
		})
	}
	return s
}

// Len is how many servers there are.
func (s *Servers) Len() int { return len(s.servers) }

// Tools gives the tools of all servers. The first time it starts them, and it
// waits until each has come up, has failed or is out of time, or ctx ends; it
// gives what is there.
func (s *Servers) Tools(ctx context.Context) []tool.Tool {
	s.start.Do(func() {
		var starting sync.WaitGroup
		for _, srv := range s.servers {
			starting.Go(func() {
				err := srv.up(s.life)
				if err == nil || s.life.Err() != nil {
					return
				}
				text := fmt.Sprintf("The MCP server %q could not be started: %v. Its tools are not there.", srv.config.Name, err)
				if srv.config.Lost {
					text += " Values of its env, headers or auth were not kept over a restart: give them again, as ${NAME} of a secret or the environment, or set OH_SECRET_KEY."
				}
				s.tell(text)
			})
		}
		go func() {
			starting.Wait()
			close(s.done)
		}()
	})
	select {
	case <-s.done:
	case <-ctx.Done():
	}
	return s.Known()
}

// Known gives the tools that are known now; it starts nothing.
func (s *Servers) Known() []tool.Tool {
	var all []tool.Tool
	for _, srv := range s.servers {
		for _, t := range srv.list() {
			all = append(all, t)
		}
	}
	return all
}

// News gives what the model should be told of the servers, each once.
func (s *Servers) News() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	news := s.news
	s.news = nil
	return news
}

// tell says to the user now, and to the model at its next step, what is wrong.
func (s *Servers) tell(text string) {
	if s.opts.Mask != nil {
		text = s.opts.Mask(text)
	}
	s.opts.Log.Warn("mcp", "problem", text)
	if s.opts.Warn != nil {
		s.opts.Warn(text)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.news = append(s.news, text)
}

// Close ends all servers and their processes. It returns when they ended, or ctx
// ends. It may be called twice.
func (s *Servers) Close(ctx context.Context) error {
	s.end()
	var closing sync.WaitGroup
	for _, srv := range s.servers {
		closing.Go(srv.close)
	}
	ended := make(chan struct{})
	go func() {
		closing.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("closing MCP servers: %w", ctx.Err())
	}
}

// Status is what is known of a server after it was tried.
type Status struct {
	Config Config
	// Server and Protocol are what it says of itself.
	Server, Protocol string
	Tools            []*tool.Definition
	Err              error
}

// Statuses tells of each server how it came up.
func (s *Servers) Statuses() []Status {
	var all []Status
	for _, srv := range s.servers {
		all = append(all, srv.status())
	}
	return all
}

// saved is the folder for texts that are too long.
func (o *Options) saved() string {
	if o.Dir == "" {
		return ""
	}
	return filepath.Join(o.Dir, "observations")
}
