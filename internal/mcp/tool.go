package mcp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/tool"
)

// The kinds of the JSON, which are OpenHands' class names.
const (
	Kind            = "MCPToolDefinition"
	ActionKind      = "MCPToolAction"
	ObservationKind = "MCPToolObservation"
)

// Tool is one tool of a server.
type Tool struct {
	server *server
	name   string // the server's own
	def    tool.Definition
	args   *tool.DataArguments
}

var badName = regexp.MustCompile(`[^A-Za-z0-9_-]`)

// maxName is what providers allow.
const maxName = 64

// nameOf makes the name that models call a tool by: the server's, behind the name
// of the server where there are several. Providers know letters, digits, _ and -
// only, and 64 of them.
func nameOf(server, name string, prefixed bool) string {
	if prefixed {
		name = server + "_" + name
	}
	clean := badName.ReplaceAllString(name, "_")
	if len(clean) > maxName {
		sum := sha256.Sum256([]byte(name))
		clean = clean[:maxName-9] + "_" + hex.EncodeToString(sum[:4])
	}
	return clean
}

func newTool(s *server, t *sdk.Tool) (*Tool, error) {
	if t.Name == "" {
		return nil, errors.New("it has no name")
	}
	input, err := json.Marshal(t.InputSchema)
	if err != nil || bytes.Equal(input, []byte("null")) {
		input = json.RawMessage(`{"type":"object","properties":{}}`)
	}
	var schema map[string]json.RawMessage
	if json.Unmarshal(input, &schema) != nil {
		return nil, errors.New("its schema is no object")
	}
	delete(schema, "$schema")
	schema["type"] = json.RawMessage(`"object"`)
	if input, err = json.Marshal(schema); err != nil {
		return nil, err
	}
	made := &Tool{server: s, name: t.Name, args: tool.NewDataArguments(ActionKind, input)}
	made.def = tool.Definition{
		Name: nameOf(s.config.Name, t.Name, s.prefixed), Kind: Kind, Title: t.Title, Description: t.Description,
		ActionKind: ActionKind, ObservationKind: ObservationKind, Input: input, Annotations: annotations(t.Annotations),
	}
	if strings.TrimSpace(made.def.Description) == "" {
		made.def.Description = "The tool " + t.Name + " of the MCP server " + s.config.Name + "."
	}
	_, err = tool.ModelSchema(&made.def)
	return made, err
}

// annotations gives the hints with MCP's defaults.
func annotations(a *sdk.ToolAnnotations) *tool.Annotations {
	made := &tool.Annotations{DestructiveHint: true, OpenWorldHint: true}
	if a == nil {
		return made
	}
	made.Title, made.ReadOnlyHint, made.IdempotentHint = a.Title, a.ReadOnlyHint, a.IdempotentHint
	if a.DestructiveHint != nil {
		made.DestructiveHint = *a.DestructiveHint
	}
	if a.OpenWorldHint != nil {
		made.OpenWorldHint = *a.OpenWorldHint
	}
	return made
}

// same tells whether two tools are offered in the same way.
func (t *Tool) same(other *Tool) bool {
	a, b := t.def, other.def
	return a.Name == b.Name && a.Title == b.Title && a.Description == b.Description && *a.Annotations == *b.Annotations && bytes.Equal(a.Input, b.Input)
}

// Definition implements [tool.Tool].
func (t *Tool) Definition() *tool.Definition { return &t.def }

// Decode implements [tool.Tool].
func (t *Tool) Decode(args json.RawMessage) (json.RawMessage, error) { return t.args.Decode(args) }

// Resources implements [tool.Resourcer]: calls that only read may run beside
// anything.
func (t *Tool) Resources(json.RawMessage) []string {
	if t.def.ReadOnly() {
		return nil
	}
	return []string{"tool:" + t.def.Name}
}

// Run implements [tool.Tool].
func (t *Tool) Run(ctx context.Context, call tool.Call) (json.RawMessage, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	args, err := t.args.Read(call.Action)
	if err != nil {
		return nil, err
	}
	if secrets := t.server.owner.opts.Secrets; secrets != nil && bytes.ContainsRune(args, '$') {
		vars, _ := secrets(ctx, string(args))
		args = fill(args, vars)
	}
	result, err := t.carryOut(ctx, call, args)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		result = tool.Failure(fmt.Sprintf("The MCP server %q: %v", t.server.config.Name, err))
	}
	return event.EncodeKind(Observation{result, t.def.Name}, ObservationKind)
}

// carryOut makes the call. Its error is for the model.
func (t *Tool) carryOut(ctx context.Context, call tool.Call, args json.RawMessage) (tool.Result, error) {
	s := t.server
	for again := false; ; again = true {
		l, err := s.connected(ctx)
		if err != nil {
			return tool.Result{}, err
		}
		result, err := t.attempt(ctx, l, call, args)
		if errors.Is(err, sdk.ErrSessionMissing) && !again {
			s.lost(l) // the server forgot the session, and has not taken the call
			continue
		}
		if err == nil {
			s.mu.Lock()
			s.restarts = 0
			s.mu.Unlock()
		}
		return result, err
	}
}

// attempt makes the call over one connection.
func (t *Tool) attempt(ctx context.Context, l *link, call tool.Call, args json.RawMessage) (tool.Result, error) {
	s := t.server
	limit := s.config.Timeout
	if limit == 0 {
		limit = s.owner.opts.CallTimeout
	}
	calling, cancel := context.WithCancel(ctx)
	defer cancel()
	clock := newClock(limit, cancel)
	defer clock.stop()
	token, end := s.begin(&inflight{ctx: calling, call: call, alive: clock.reset, waiting: clock.wait})
	defer end()

	params := &sdk.CallToolParams{Name: t.name, Arguments: args}
	params.SetProgressToken(token)
	type outcome struct {
		result *sdk.CallToolResult
		err    error
	}
	answered := make(chan outcome, 1)
	go func() {
		r, err := l.session.CallTool(calling, params)
		answered <- outcome{r, err}
	}()
	var o outcome
	select {
	case o = <-answered:
	case <-calling.Done():
		// A server that does not read its input would hold up the call.
		o.err = calling.Err()
	}
	var refused *jsonrpc.Error
	switch {
	case ctx.Err() != nil:
		return tool.Result{}, ctx.Err()
	case clock.over():
		return tool.Result{}, fmt.Errorf("it has not answered %s within %s; it was told to stop, and the call may have had effects", t.name, limit)
	case o.err == nil:
		return resultOf(t.name, o.result, s.owner.opts.saved(), s.owner.opts.Mask), nil
	case errors.Is(o.err, sdk.ErrSessionMissing):
		return tool.Result{}, o.err
	case errors.As(o.err, &refused):
		return tool.Result{}, fmt.Errorf("it refused the call: %s", refused.Message)
	}
	why := l.reason(o.err)
	s.lost(l)
	return tool.Result{}, fmt.Errorf("the call failed and may have had effects: %w. The server is started again at the next call", why)
}

// Render implements [tool.Tool].
func (t *Tool) Render(observation json.RawMessage) []event.Content { return tool.Render(observation) }

// Describe implements [tool.Tool].
func (t *Tool) Describe(_, observation json.RawMessage) event.Display {
	d := event.Display{Kind: event.DisplayOther, Status: tool.Status(observation)}
	title := cmpOr(cmpOr(t.def.Title, t.def.Annotations.Title), t.name)
	d.Title = tool.FirstLine(t.server.config.Name + ": " + strings.Join(strings.Fields(title), " "))
	if t.def.ReadOnly() {
		d.Kind = event.DisplayRead
	}
	var r tool.Result
	if json.Unmarshal(observation, &r) == nil {
		d.Summary = tool.FirstLine(strings.ReplaceAll(event.TextOf(r.Content), "\r", "\n"))
	}
	return d
}

// Close implements [tool.Tool]. The server is closed by [Servers.Close].
func (t *Tool) Close() error { return nil }

// clock ends a call that gives no sign of life for a time.
type clock struct {
	limit time.Duration

	mu    sync.Mutex
	timer *time.Timer
	waits int
	ended bool
}

func newClock(limit time.Duration, end func()) *clock {
	c := &clock{limit: limit}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer = time.AfterFunc(limit, func() {
		c.mu.Lock()
		c.ended = c.waits == 0
		over := c.ended
		c.mu.Unlock()
		if over {
			end()
		}
	})
	return c
}

func (c *clock) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended && c.waits == 0 {
		c.timer.Reset(c.limit)
	}
}

// wait stops the clock while somebody else is waited for.
func (c *clock) wait(begins bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if begins {
		c.waits++
		c.timer.Stop()
		return
	}
	if c.waits--; c.waits == 0 && !c.ended {
		c.timer.Reset(c.limit)
	}
}

func (c *clock) stop() { c.timer.Stop() }

func (c *clock) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}
