//go:build unix

package hook

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// made makes the hooks of a conversation in a folder of its own.
func made(t *testing.T, config string, change ...func(*Deps, *conversation.HookEnv)) (h *Hooks, root string) {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	deps := Deps{Log: slog.New(slog.DiscardHandler), Private: []string{"SERVER_KEY"}}
	env := conversation.HookEnv{ConversationID: "the-id", Workspace: root}
	if config != "" {
		env.Config = json.RawMessage(config)
	}
	for _, f := range change {
		f(&deps, &env)
	}
	h, err = New(deps, env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close(context.Background()) })
	return h, root
}

// command is the config of one command for every call of a tool.
func command(line string, more ...string) string {
	raw, _ := json.Marshal(line) // a string
	return `{"PreToolUse":[{"hooks":[{"command":` + string(raw) + strings.Join(more, "") + `}]}]}`
}

var call = conversation.HookCall{Type: conversation.PreToolUse, ToolName: "terminal", ToolInput: json.RawMessage(`{"command":"ls","kind":"TerminalAction"}`)}

func TestParseConfig(t *testing.T) {
	for _, tt := range []struct{ raw, err string }{
		{`{}`, ""},
		{`[]`, ""},
		{`{"hooks":{"Stop":[{"matcher":"*","hooks":[{"command":"x"}]}],"pre_tool_use":[]}}`, ""},
		{`{"session_start":null,"session_end":{},"stop":[{"hooks":[{"type":"prompt","prompt":"p","timeout":0.5}]}]}`, ""},
		{`7`, "must be an object"},
		{`{"hooks":[7]}`, "hooks: must be an object"},
		{`{"hooks":{},"stop":[]}`, "beside hooks"},
		{`{"Stop":[],"stop":[]}`, "stop and Stop are the same"},
		{`{"on_stop":[]}`, "on_stop is not known; there are pre_tool_use"},
		{`{"stop":[{"hooks":[{"command":"x"}],"when":1}]}`, `unknown field "when"`},
		{`{"stop":[{"hooks":[{"command":"x","cwd":"y"}]}]}`, `unknown field "cwd"`},
		{`{"stop":[{"hooks":[{"command":" "}]}]}`, "stop: must be a list of {matcher, hooks}: a hook of type command needs a command"},
		{`{"stop":[{"hooks":[{"type":"prompt"}]}]}`, "needs a prompt"},
		{`{"stop":[{"hooks":[{"type":"magic","command":"x"}]}]}`, `not "magic"`},
		{`{"stop":[{"hooks":[{"type":"agent","prompt":"x","async":true}]}]}`, "only a command can be async"},
		{`{"stop":[{"hooks":[{"command":"x","timeout":0}]}]}`, "timeout"},
		{`{"stop":[{"hooks":[{"command":"x","max_iterations":0}]}]}`, "max_iterations"},
		{`{"pre_tool_use":[{"matcher":"(","hooks":[]}]}`, "no regular expression"},
	} {
		_, err := ParseConfig(json.RawMessage(tt.raw))
		if (tt.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: got %v, want %q", tt.raw, err, tt.err)
		}
	}
}

func TestStoredConfig(t *testing.T) {
	h, _ := made(t, `{"hooks":{"Stop":[{"hooks":[{"command":"x"}]}]}}`)
	want := `{"pre_tool_use":[],"post_tool_use":[],"user_prompt_submit":[],"session_start":[],"session_end":[],` +
		`"stop":[{"matcher":"*","hooks":[{"type":"command","command":"x","tools":[],"timeout":60,"max_iterations":3,"async":false}]}]}`
	if got := string(h.Config()); got != want {
		t.Errorf("got %s", got)
	}
	again, err := ParseConfig(h.Config())
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := json.Marshal(again); err != nil || string(raw) != want {
		t.Errorf("again: %s, %v", raw, err)
	}
	if !h.Has(conversation.Stop) || h.Has(conversation.PreToolUse) {
		t.Error("the wrong points have hooks")
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add(`{"hooks":{"Stop":[{"matcher":"/a|b/","hooks":[{"command":"x","async":true}]}]}}`)
	f.Fuzz(func(t *testing.T, raw string) {
		c, err := ParseConfig(json.RawMessage(raw))
		if err != nil {
			return
		}
		stored, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseConfig(stored); err != nil {
			t.Errorf("what is stored can't be read: %v", err)
		}
	})
}

func TestMatcher(t *testing.T) {
	for _, tt := range []struct {
		matcher, tool string
		want          bool
	}{
		{"*", "terminal", true},
		{"", "terminal", true},
		{"terminal", "terminal", true},
		{"terminal", "terminal2", false},
		{"term.*", "terminal", true},
		{"/term/", "terminal", false},
		{"/term.*|think/", "think", true},
		{"a|b", "ab", false},
		{"terminal", "", true},
	} {
		m := Matcher{Matcher: tt.matcher}
		if err := m.compile(); err != nil {
			t.Fatal(err)
		}
		if got := m.fits(tt.tool); got != tt.want {
			t.Errorf("%q and %q: %v", tt.matcher, tt.tool, got)
		}
	}
}

// What a command says with its exit code and its output.
func TestVerdicts(t *testing.T) {
	for _, tt := range []struct {
		line string
		want event.HookExecution
	}{
		{"true", event.HookExecution{Success: true}},
		{"echo hi; echo no >&2", event.HookExecution{Success: true, Stdout: "hi\n", Stderr: "no\n"}},
		{"echo no >&2; exit 2", event.HookExecution{Blocked: true, ExitCode: 2, Stderr: "no\n", Reason: "no"}},
		{"exit 2", event.HookExecution{Blocked: true, ExitCode: 2, Reason: "blocked by the hook exit 2"}},
		{"echo no >&2; exit 1", event.HookExecution{ExitCode: 1, Stderr: "no\n", Error: "it failed with exit code 1"}},
		{"kill -9 $$", event.HookExecution{ExitCode: 137, Error: "it failed with exit code 137"}},
		{"/no/such/program 2>/dev/null", event.HookExecution{ExitCode: 127, Error: "it failed with exit code 127"}},
		{`echo '{"decision":"deny","reason":"because"}'`, event.HookExecution{Success: true, Blocked: true, Reason: "because", Stdout: `{"decision":"deny","reason":"because"}` + "\n"}},
		{`printf '{"continue":false}'`, event.HookExecution{Success: true, Blocked: true, Reason: `blocked by the hook printf '{"continue":false}'`, Stdout: `{"continue":false}`}},
		{`printf '{"decision":"allow","additionalContext":"look"}'`, event.HookExecution{Success: true, AdditionalContext: "look", Stdout: `{"decision":"allow","additionalContext":"look"}`}},
		{`printf '{"decision":7,"reason":"x"}'`, event.HookExecution{Success: true, Reason: "x", Stdout: `{"decision":7,"reason":"x"}`}},
		{`printf '["deny"]'`, event.HookExecution{Success: true, Stdout: `["deny"]`}},
		{`printf '{"decision":"deny"'`, event.HookExecution{Success: true, Stdout: `{"decision":"deny"`}},
		{`printf '{"reason":"json"}'; echo text >&2; exit 2`, event.HookExecution{Blocked: true, ExitCode: 2, Reason: "json", Stdout: `{"reason":"json"}`, Stderr: "text\n"}},
	} {
		h, _ := made(t, command(tt.line))
		got := h.Run(t.Context(), call)
		if len(got) != 1 {
			t.Fatalf("%s: %d events", tt.line, len(got))
		}
		got[0].HookInput = nil
		tt.want.HookEventType, tt.want.HookCommand, tt.want.ToolName = "PreToolUse", tt.line, "terminal"
		if diff := cmp.Diff(&tt.want, got[0]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.line, diff)
		}
	}
}

func TestInputAndEnvironment(t *testing.T) {
	t.Setenv("SERVER_KEY", "not for hooks")
	t.Setenv("LLM_API_KEY", "nor this")
	h, root := made(t, command(`cat; echo; pwd; echo $OPENHANDS_PROJECT_DIR $OPENHANDS_SESSION_ID $OPENHANDS_EVENT_TYPE $OPENHANDS_TOOL_NAME "[$SERVER_KEY$LLM_API_KEY]"`))
	e := h.Run(t.Context(), call)[0]
	input := `{"event_type":"PreToolUse","tool_name":"terminal","tool_input":{"command":"ls","kind":"TerminalAction"},"session_id":"the-id","working_dir":"` + root + `","metadata":{}}`
	want := input + "\n" + root + "\n" + root + " the-id PreToolUse terminal []\n"
	if e.Stdout != want || string(e.HookInput) != input {
		t.Errorf("got %s\ninput %s", e.Stdout, e.HookInput)
	}
	for _, tt := range []struct {
		call conversation.HookCall
		want string
	}{
		{conversation.HookCall{Type: conversation.UserPromptSubmit}, `"event_type":"UserPromptSubmit","message":"",`},
		{conversation.HookCall{Type: conversation.SessionEnd}, `"event_type":"SessionEnd","session_id"`},
		{conversation.HookCall{Type: conversation.PostToolUse, ToolName: "x", ToolInput: json.RawMessage(`{}`), ToolResponse: json.RawMessage(`{"a":1}`)}, `"tool_input":{},"tool_response":{"a":1},`},
	} {
		if got := string(h.input(tt.call)); !strings.Contains(got, tt.want) {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

// A command need not read, however much there is, and its output is cut.
func TestLargeTexts(t *testing.T) {
	h, _ := made(t, command(`yes | head -c 200000`))
	large := call
	large.ToolInput = json.RawMessage(`{"text":"` + strings.Repeat("x", 1<<20) + `"}`)
	e := h.Run(t.Context(), large)[0]
	if !e.Success || len(e.Stdout) != maxText || e.HookInput != nil {
		t.Errorf("success %v, %d characters, input of %d", e.Success, len(e.Stdout), len(e.HookInput))
	}
}

// Hooks run in order, and where blocking has a meaning the first that blocks is
// the last.
func TestChain(t *testing.T) {
	hooks := `[{"matcher":"terminal","hooks":[{"command":"echo 1"},{"command":"exit 2"}]},{"matcher":"other","hooks":[{"command":"echo other"}]},{"hooks":[{"command":"echo 3"}]}]`
	h, _ := made(t, `{"PreToolUse":`+hooks+`,"PostToolUse":`+hooks+`}`)
	run := func(t1 conversation.HookType) (list []string) {
		c := call
		c.Type = t1
		for _, e := range h.Run(t.Context(), c) {
			list = append(list, e.HookCommand)
		}
		return list
	}
	if diff := cmp.Diff([]string{"echo 1", "exit 2"}, run(conversation.PreToolUse)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"echo 1", "exit 2", "echo 3"}, run(conversation.PostToolUse)); diff != "" {
		t.Error(diff)
	}
	if got := run(conversation.Stop); got != nil {
		t.Errorf("ran %q", got)
	}
}

// sleeper writes its pid and its child's, and stays.
const sleeper = `sleep 1000 & echo $! $$ > pids; wait`

// pids waits for the sleeper's pids.
func pids(t *testing.T, root string) (list []int) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		raw, err := os.ReadFile(filepath.Join(root, "pids"))
		if fields := strings.Fields(string(raw)); err == nil && strings.HasSuffix(string(raw), "\n") && len(fields) == 2 {
			for _, f := range fields {
				pid, err := strconv.Atoi(f)
				if err != nil {
					t.Fatal(err)
				}
				list = append(list, pid)
			}
			return list
		}
		select {
		case <-t.Context().Done():
		case <-time.After(time.Millisecond):
		}
	}
	t.Fatal("the hook did not start")
	return nil
}

func gone(t *testing.T, list []int) {
	t.Helper()
	for _, pid := range list {
		deadline := time.Now().Add(20 * time.Second)
		for {
			err := syscall.Kill(pid, 0)
			if errors.Is(err, syscall.ESRCH) || zombie(pid) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("process %d goes on: %v", pid, err)
			}
			<-time.After(time.Millisecond)
		}
	}
}

// zombie tells that a process has ended and nobody has asked for it: its parent
// was killed, and whoever inherits it has not come to it.
func zombie(pid int) bool {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	_, after, ok := strings.Cut(string(raw), ") ")
	return err == nil && ok && strings.HasPrefix(after, "Z")
}

func TestTimeout(t *testing.T) {
	h, root := made(t, command(sleeper, `,"timeout":0.5`))
	e := h.Run(t.Context(), call)[0]
	if e.Success || e.Blocked || e.ExitCode != -1 || e.Error != "it was ended after 500ms, its timeout" {
		t.Errorf("got %+v", e)
	}
	gone(t, pids(t, root))
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	h, root := made(t, command(sleeper))
	done := make(chan []*event.HookExecution)
	go func() { done <- h.Run(ctx, call) }()
	list := pids(t, root)
	cancel()
	got := <-done
	if len(got) != 1 || got[0].Success || got[0].Blocked || got[0].ExitCode != -1 || !strings.Contains(got[0].Error, "interrupted") {
		t.Errorf("got %+v", got)
	}
	gone(t, list)
	if got := h.Run(ctx, call); len(got) != 0 {
		t.Errorf("%d hooks ran after it", len(got))
	}
}

// An async hook holds nothing up, and ends with the session.
func TestAsync(t *testing.T) {
	h, root := made(t, command(sleeper, `,"async":true`))
	ctx, cancel := context.WithCancel(t.Context())
	e := h.Run(ctx, call)[0]
	cancel() // the step is over
	if !e.Success || e.Blocked || e.Error != "" {
		t.Errorf("got %+v", e)
	}
	list := pids(t, root)
	for _, pid := range list {
		if err := syscall.Kill(pid, 0); err != nil {
			t.Errorf("%d: %v", pid, err)
		}
	}
	h.Close(t.Context())
	gone(t, list)
	if e := h.Run(t.Context(), call)[0]; e.Success || e.ExitCode != -1 || !strings.Contains(e.Error, "closing") {
		t.Errorf("after the end: %+v", e)
	}
}

func TestFiles(t *testing.T) {
	var warned []string
	write := func(root, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(root, ".openhands"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(File(root), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	home := t.TempDir()
	write(home, command("echo home"))
	trusting := func(d *Deps, _ *conversation.HookEnv) {
		d.Files = func(workspace string) []string { return []string{File(workspace), File(home)} }
		d.Warn = func(text string) { warned = append(warned, text) }
	}
	commands := func(h *Hooks) (list []string) {
		for _, e := range h.Run(t.Context(), call) {
			list = append(list, e.HookCommand)
		}
		return list
	}
	h, _ := made(t, "", trusting)
	if diff := cmp.Diff([]string{"echo home"}, commands(h)); diff != "" || h.Config() != nil {
		t.Errorf("%s config %s", diff, h.Config())
	}
	h, root := made(t, "", trusting)
	write(root, command("echo project"))
	if diff := cmp.Diff([]string{"echo project"}, commands(h)); diff != "" {
		t.Error(diff)
	}
	h, root = made(t, "{}", trusting)
	write(root, command("echo project"))
	if got := commands(h); got != nil {
		t.Errorf("beside hooks of its own: %q", got)
	}
	h, root = made(t, "")
	write(root, command("echo project"))
	if got := commands(h); got != nil {
		t.Errorf("without trust: %q", got)
	}
	h, root = made(t, "", trusting)
	write(root, `{"oops":1}`)
	if got := commands(h); got != nil || len(warned) != 1 || !strings.Contains(warned[0], "oops is not known") {
		t.Errorf("ran %q, warned %q", got, warned)
	}
}

func TestPrompt(t *testing.T) {
	for _, tt := range []struct {
		reply string
		err   error
		want  event.HookExecution
	}{
		{`{"decision":"allow","reason":"fine"}`, nil, event.HookExecution{Success: true, Reason: "fine"}},
		{"Sure:\n```json\n{\"decision\": \"DENY\", \"reason\": \"no\"}\n```", nil, event.HookExecution{Success: true, Blocked: true, Reason: "no"}},
		{`{"decision":"deny"}`, nil, event.HookExecution{Success: true, Blocked: true, Reason: "blocked by the hook Is it safe?"}},
		{"I don't know", nil, event.HookExecution{Error: "the model did not decide; nothing was blocked"}},
		{"", errors.New("no key"), event.HookExecution{ExitCode: -1, Error: "the model did not answer: no key"}},
	} {
		var asked []event.LLMMessage
		h, _ := made(t, `{"PreToolUse":[{"hooks":[{"type":"prompt","prompt":"Is it safe?"}]}]}`, func(_ *Deps, env *conversation.HookEnv) {
			env.Ask = func(_ context.Context, messages []event.LLMMessage) (string, error) {
				asked = messages
				return tt.reply, tt.err
			}
		})
		got := h.Run(t.Context(), call)[0]
		if len(asked) != 2 || !strings.HasPrefix(asked[1].Text(), "Is it safe?\n") || !strings.Contains(asked[1].Text(), `"command":"ls"`) {
			t.Errorf("asked %+v", asked)
		}
		got.HookInput = nil
		tt.want.HookEventType, tt.want.HookCommand, tt.want.ToolName, tt.want.Stdout = "PreToolUse", "Is it safe?", "terminal", tt.reply
		if diff := cmp.Diff(&tt.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.reply, diff)
		}
	}
}

// Nothing claims to have been checked that was not.
func TestNotRun(t *testing.T) {
	h, _ := made(t, `{"PreToolUse":[{"hooks":[{"type":"agent","prompt":"Look around."},{"type":"prompt","prompt":"Is it safe?","name":"safety"}]}]}`)
	for _, e := range h.Run(t.Context(), call) {
		if e.Success || e.Blocked || e.ExitCode != -1 || !strings.Contains(e.Error, "nothing was checked") {
			t.Errorf("got %+v", e)
		}
	}
}
