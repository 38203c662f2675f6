package mcp

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/mcp/mcptest"
	"github.com/agent-rpc/agent-rpc/internal/tool"
)

func TestMain(m *testing.M) {
	mcptest.Main()
	os.Exit(m.Run())
}

// mode is a server that the test binary itself is.
func mode(t *testing.T, name, mode string, env ...string) Config {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Name: name, Transport: stdio, Command: self, Env: map[string]string{mcptest.Variable: mode}}
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		c.Env[name] = value
	}
	return c
}

// open makes servers that end with the test.
func open(t *testing.T, o Options, list ...Config) *Servers {
	t.Helper()
	if o.Workspace == "" {
		o.Workspace = t.TempDir()
	}
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	s := New(list, o)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

// find gives the tool that models call by a name.
func find(t *testing.T, s *Servers, name string) tool.Tool {
	t.Helper()
	var names []string
	for _, made := range s.Tools(t.Context()) {
		if made.Definition().Name == name {
			return made
		}
		names = append(names, made.Definition().Name)
	}
	t.Fatalf("there is no tool %s among %v; news: %v", name, names, s.News())
	return nil
}

// run calls a tool.
func run(t *testing.T, s *Servers, name, args string) Observation {
	t.Helper()
	o, err := try(t.Context(), find(t, s, name), args, func(string) {}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func try(ctx context.Context, made tool.Tool, args string, output func(string), ask func(context.Context, tool.Question) (tool.Answer, error)) (Observation, error) {
	var o Observation
	action, err := made.Decode(json.RawMessage(args))
	if err != nil {
		return o, err
	}
	raw, err := made.Run(ctx, tool.Call{ID: "call", Action: action, Output: output, Ask: ask})
	if err != nil {
		return o, err
	}
	return o, json.Unmarshal(raw, &o)
}

func said(o Observation) string { return event.TextOf(o.Content) }

// until waits for what will come.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("there is still no %s", what)
		}
	}
}
