package hook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

// exitBlocks is the exit code with which a command blocks. Any other but 0 is a
// failure, which blocks nothing.
const exitBlocks = 2

// command runs a command and reads its answer.
func (h *Hooks) command(ctx context.Context, d *Definition, call conversation.HookCall, input json.RawMessage, e *event.HookExecution) {
	env := append(
		workspace.Environ(h.deps.Private),
		"OPENHANDS_PROJECT_DIR="+h.env.Workspace,
		"OPENHANDS_SESSION_ID="+h.env.ConversationID,
		"OPENHANDS_EVENT_TYPE="+string(call.Type),
		"OPENHANDS_TOOL_NAME="+call.ToolName,
	)
	r, err := h.workspace.Execute(ctx, workspace.Command{Line: d.Command, Input: string(input), Timeout: d.timeout(), Env: env})
	e.ExitCode, e.Stdout, e.Stderr = r.ExitCode, r.Stdout, r.Stderr
	switch {
	case ctx.Err() != nil:
		e.Error = "it was ended: the run was interrupted, or the session is over"
		return
	case err != nil:
		e.Error = err.Error()
		return
	case r.TimeoutOccurred:
		e.Error = fmt.Sprintf("it was ended after %s, its timeout", d.timeout())
		return
	}
	e.Success = r.ExitCode == 0
	if !e.Success && r.ExitCode != exitBlocks {
		e.Error = fmt.Sprintf("it failed with exit code %d", r.ExitCode)
	}
	answer(r.Stdout).apply(e)
	if r.ExitCode == exitBlocks {
		e.Blocked = true
		if e.Reason == "" {
			e.Reason = strings.TrimSpace(r.Stderr)
		}
	}
	if e.Blocked && e.Reason == "" {
		e.Reason = "blocked by the hook " + d.title()
	}
}

// verdict is what a hook may say on its output.
type verdict struct {
	Decision string `json:"decision"`
	Reason   string `json:"reason"`
	Context  string `json:"additionalContext"`
	Continue *bool  `json:"continue"`
}

// answer reads the object that an output is; what is no object says nothing.
func answer(output string) (v verdict) {
	text := bytes.TrimSpace([]byte(output))
	if len(text) == 0 || text[0] != '{' {
		return verdict{}
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(text, &fields) != nil {
		return verdict{}
	}
	// A field of another type says nothing, and spoils nothing.
	_ = json.Unmarshal(fields["decision"], &v.Decision)
	_ = json.Unmarshal(fields["reason"], &v.Reason)
	_ = json.Unmarshal(fields["additionalContext"], &v.Context)
	_ = json.Unmarshal(fields["continue"], &v.Continue)
	return v
}

func (v verdict) denies() bool {
	return strings.EqualFold(v.Decision, "deny") || v.Continue != nil && !*v.Continue
}

func (v verdict) apply(e *event.HookExecution) {
	e.Blocked, e.Reason, e.AdditionalContext = v.denies(), v.Reason, v.Context
}
