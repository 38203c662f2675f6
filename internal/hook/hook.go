package hook

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"unicode/utf8"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

// Deps are what all hooks need.
type Deps struct {
	// Files are hooks.json files for a conversation that has no hooks of its own;
	// the first that is there counts. nil if there are none, or if the workspace is
	// not trusted.
	Files func(workspace string) []string
	// Private are the environment variables that hooks don't see.
	Private []string
	// Warn tells the user that a file can't be used; may be nil.
	Warn func(text string)
	Log  *slog.Logger
}

// Hooks implements [conversation.Hooks].
type Hooks struct {
	deps      Deps
	env       conversation.HookEnv
	given     json.RawMessage // the config as it is stored
	workspace *workspace.Local

	loading sync.Once
	config  Config

	mu         sync.Mutex
	closed     bool
	background sync.WaitGroup
	cancels    map[int]context.CancelFunc
	started    int
}

// New makes the hooks of a conversation. Files are read when a hook may run for
// the first time.
func New(deps Deps, env conversation.HookEnv) (*Hooks, error) {
	ws, err := workspace.Open(env.Workspace, false)
	if err != nil {
		return nil, err
	}
	h := &Hooks{deps: deps, env: env, workspace: ws, cancels: map[int]context.CancelFunc{}}
	if env.Config == nil {
		return h, nil
	}
	config, err := ParseConfig(env.Config)
	if err != nil {
		return nil, err
	}
	h.loading.Do(func() { h.config = config })
	h.given, err = json.Marshal(config)
	return h, err
}

// load reads the files, unless the conversation has hooks of its own.
func (h *Hooks) load() Config {
	h.loading.Do(func() {
		if h.deps.Files == nil {
			return
		}
		for _, path := range h.deps.Files(h.env.Workspace) {
			config, err := readFile(path)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				continue
			case err != nil && h.deps.Warn != nil:
				h.deps.Warn("The hooks of " + path + " don't run: " + err.Error())
			}
			h.config = config
			return
		}
	})
	return h.config
}

const maxFile = 1 << 20

func readFile(path string) (Config, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, errors.New("it is not a file of up to 1 MiB")
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return ParseConfig(raw)
}

// File is where hooks are kept below a folder.
func File(folder string) string { return filepath.Join(folder, ".openhands", "hooks.json") }

// Config implements [conversation.Hooks].
func (h *Hooks) Config() json.RawMessage { return h.given }

// Has implements [conversation.Hooks].
func (h *Hooks) Has(t conversation.HookType) bool { return len(h.load()[t]) > 0 }

// blocks tells whether a hook of the point can stop what happens.
func blocks(t conversation.HookType) bool {
	return t == conversation.PreToolUse || t == conversation.UserPromptSubmit || t == conversation.Stop
}

// Run implements [conversation.Hooks].
func (h *Hooks) Run(ctx context.Context, call conversation.HookCall) []*event.HookExecution {
	var list []*event.HookExecution
	input := h.input(call)
	for _, m := range h.load()[call.Type] {
		if !m.fits(call.ToolName) {
			continue
		}
		for i := range m.Hooks {
			if ctx.Err() != nil {
				return list
			}
			e := h.run(ctx, &m.Hooks[i], call, input)
			list = append(list, e)
			if e.Blocked && blocks(call.Type) {
				return list
			}
		}
	}
	return list
}

// hookInput is what a hook reads: OpenHands' HookEvent.
type hookInput struct {
	EventType    conversation.HookType `json:"event_type"`
	ToolName     string                `json:"tool_name,omitempty"`
	ToolInput    json.RawMessage       `json:"tool_input,omitempty"`
	ToolResponse json.RawMessage       `json:"tool_response,omitempty"`
	Message      *string               `json:"message,omitempty"`
	SessionID    string                `json:"session_id"`
	WorkingDir   string                `json:"working_dir"`
	Metadata     struct{}              `json:"metadata"`
}

func (h *Hooks) input(call conversation.HookCall) json.RawMessage {
	in := hookInput{
		EventType: call.Type, ToolName: call.ToolName, ToolInput: call.ToolInput, ToolResponse: call.ToolResponse,
		SessionID: h.env.ConversationID, WorkingDir: h.env.Workspace,
	}
	if call.Type == conversation.UserPromptSubmit || call.Message != "" {
		in.Message = &call.Message
	}
	raw, err := json.Marshal(in)
	if err != nil {
		h.deps.Log.Error("the input of hooks", "conversation", h.env.ConversationID, "error", err) // an action that is no JSON
		return json.RawMessage("{}")
	}
	return raw
}

// run runs one hook.
func (h *Hooks) run(ctx context.Context, d *Definition, call conversation.HookCall, input json.RawMessage) *event.HookExecution {
	e := &event.HookExecution{HookEventType: string(call.Type), HookCommand: d.title(), ToolName: call.ToolName}
	if len(input) <= maxText {
		e.HookInput = input
	}
	switch {
	case d.Type == typePrompt:
		h.ask(ctx, d, input, e)
	case d.Type == typeAgent:
		e.ExitCode, e.Error = -1, "hooks of type agent are not run here; nothing was checked"
	case d.Async:
		h.start(ctx, d, call, input, e)
	default:
		h.command(ctx, d, call, input, e)
	}
	for _, text := range []*string{&e.Stdout, &e.Stderr, &e.Reason, &e.AdditionalContext, &e.Error} {
		*text = cut(*text)
	}
	return e
}

// maxText is OpenHands' limit for the texts of an event, in characters.
const maxText = 50_000

func cut(text string) string {
	if len(text) <= maxText || utf8.RuneCountInString(text) <= maxText {
		return text
	}
	return string([]rune(text)[:maxText])
}

// start runs a command in the background; what it does is not waited for.
func (h *Hooks) start(ctx context.Context, d *Definition, call conversation.HookCall, input json.RawMessage, e *event.HookExecution) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		e.ExitCode, e.Error = -1, "the conversation is closing; the hook was not started"
		return
	}
	// It outlives the step, and ends with its time or the session.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	h.started++
	id := h.started
	h.cancels[id] = cancel
	h.background.Go(func() {
		defer cancel()
		var done event.HookExecution
		h.command(ctx, d, call, input, &done)
		if done.Error != "" || done.ExitCode != 0 {
			h.deps.Log.Info("a hook in the background", "conversation", h.env.ConversationID, "exit", done.ExitCode, "error", done.Error)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.cancels, id)
	})
	e.Success = true
}

// Close implements [conversation.Hooks].
func (h *Hooks) Close(ctx context.Context) {
	h.mu.Lock()
	h.closed = true
	for _, cancel := range h.cancels {
		cancel()
	}
	h.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		h.background.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done(): // they are killed; what they left behind may hold a pipe a moment longer
	}
}
