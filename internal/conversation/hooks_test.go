package conversation_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// hooks are hooks whose every answer the test gives. A point has hooks if it
// stands in run.
type hooks struct {
	config json.RawMessage
	run    map[conversation.HookType]func(ctx context.Context, call conversation.HookCall) *event.HookExecution
	calls  []conversation.HookCall
	closed int
}

func (r *rig) newHooks(env conversation.HookEnv) (conversation.Hooks, error) {
	if strings.Contains(string(env.Config), "broken") {
		return nil, errors.New("it is broken")
	}
	h := r.hooks
	if h == nil {
		h = &hooks{}
	}
	h.config = env.Config
	return h, nil
}

func (h *hooks) Config() json.RawMessage          { return h.config }
func (h *hooks) Has(t conversation.HookType) bool { return h.run[t] != nil }
func (h *hooks) Close(context.Context)            { h.closed++ }
func (h *hooks) Run(ctx context.Context, call conversation.HookCall) []*event.HookExecution {
	h.calls = append(h.calls, call)
	e := h.run[call.Type](ctx, call)
	e.HookEventType = string(call.Type)
	return []*event.HookExecution{e}
}

// on makes hooks for the points, which all give e.
func on(e event.HookExecution, points ...conversation.HookType) *hooks {
	h := &hooks{run: map[conversation.HookType]func(context.Context, conversation.HookCall) *event.HookExecution{}}
	for _, t := range points {
		h.run[t] = func(context.Context, conversation.HookCall) *event.HookExecution { return new(e) }
	}
	return h
}

// hooked plays a test in a conversation with hooks.
func hooked(t *testing.T, h *hooks, test func(*rig)) {
	t.Helper()
	prepared(t, func(r *rig) {
		r.hooks = h
		r.create()
		test(r)
	})
}

// kinds gives the kinds of the log, short, with what tells hooks apart.
func kinds(r *rig) (list []string) {
	for _, e := range events(r) {
		name := strings.TrimSuffix(e.Kind(), "Event")
		switch e := e.(type) {
		case *event.HookExecution:
			name = "hook " + e.HookEventType
		case *event.Message:
			name = string(e.Source) + ": " + e.LLMMessage.Text()
		case *event.UserReject:
			name = "rejected by " + e.RejectionSource + ": " + e.RejectionReason
		}
		list = append(list, name)
	}
	return list
}

func logged(r *rig, want ...string) {
	r.t.Helper()
	if diff := cmp.Diff(want, kinds(r)); diff != "" {
		r.t.Errorf("the log (-want +got):\n%s", diff)
	}
}

var all = []conversation.HookType{
	conversation.SessionStart, conversation.UserPromptSubmit, conversation.PreToolUse, conversation.PostToolUse, conversation.Stop, conversation.SessionEnd,
}

func TestHooksOfAWholeConversation(t *testing.T) {
	h := on(event.HookExecution{Success: true}, all...)
	hooked(t, h, func(r *rig) {
		sent := r.ask("go")
		if sent.Disposition != "started" || sent.Seq != 0 || sent.RunID == "" {
			t.Errorf("sent %+v", sent)
		}
		r.answer(do(call("a"), invalid("b")))
		r.result("a")
		r.answer(do(call("finish")))
		r.result("finish")
		r.status(conversation.Finished, conversation.StopFinished)
		r.close()
		logged(
			r, "SystemPrompt", "hook SessionStart", "hook UserPromptSubmit", "user: go",
			"hook PreToolUse", "Action", "Action", "AgentError", "hook PostToolUse", "Observation",
			"hook PreToolUse", "Action", "hook PostToolUse", "Observation", "hook Stop", "hook SessionEnd",
		)
		var action *event.Action
		for _, e := range events(r) {
			switch e := e.(type) {
			case *event.HookExecution:
				if e.Source != event.SourceHook {
					t.Errorf("source %q", e.Source)
				}
				if e.HookEventType == string(conversation.UserPromptSubmit) && e.MessageID != sent.MessageID {
					t.Errorf("message id %q", e.MessageID)
				}
				if e.HookEventType == string(conversation.PostToolUse) && e.ActionID != action.ID {
					t.Errorf("action id %q, want %q", e.ActionID, action.ID)
				}
			case *event.Action:
				if e.Action != nil {
					action = e
				}
			case *event.Message:
				if e.Source == event.SourceUser && e.ID != sent.MessageID {
					t.Errorf("the message has the id %s", e.ID)
				}
			}
		}
		var seen []string
		for _, c := range h.calls {
			seen = append(seen, string(c.Type)+" "+c.ToolName+" "+c.Message)
		}
		if diff := cmp.Diff([]string{
			"SessionStart  ", "UserPromptSubmit  go", "PreToolUse terminal ", "PostToolUse terminal ", "PreToolUse finish ", "PostToolUse finish ",
			"Stop  agent_finished", "SessionEnd  ",
		}, seen); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
		if h.closed != 1 {
			t.Errorf("closed %d times", h.closed)
		}
		// A new process has a new session, and no second prompt.
		r.reopen()
		r.ask("more")
		r.answer(say("done"))
		if got := kinds(r)[16:]; !cmp.Equal(got, []string{"hook SessionStart", "hook UserPromptSubmit", "user: more", "agent: done", "hook Stop"}) {
			t.Errorf("after a restart: %q", got)
		}
	})
}

// A conversation that OpenHands began may have its prompt behind any number of
// hooks.
func TestPromptBehindHooks(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		start := func() *event.HookExecution {
			return &event.HookExecution{Meta: event.Meta{Source: event.SourceHook}, HookEventType: "SessionStart", HookCommand: "x", Success: true}
		}
		foreign(r, start(), start(), start(), start(), &event.SystemPrompt{Meta: event.Meta{Source: event.SourceAgent}, SystemPrompt: event.Text("Theirs.")})
		r.reopen()
		r.ask("x")
		r.answer(say("y"))
		n := 0
		for _, k := range kinds(r) {
			if k == "SystemPrompt" {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d prompts", n)
		}
	})
}

// Without a run the message waits for one: hooks can be interrupted.
func TestMessageWaitsForHooks(t *testing.T) {
	hooked(t, on(event.HookExecution{Success: true}, conversation.UserPromptSubmit), func(r *rig) {
		sent, err := r.send("one", "", false, conversation.Queue)
		if err != nil || sent.Disposition != "queued" || sent.RunID != "" {
			t.Fatalf("%+v, %v", sent, err)
		}
		if again, err := r.send("one", sent.MessageID, false, conversation.Queue); err != nil || again != sent {
			t.Errorf("again %+v, %v", again, err)
		}
		if i := r.info(); i.Status != conversation.Idle || len(i.Queued) != 1 || i.Cursor.Seq != 0 {
			t.Errorf("info %+v", i)
		}
		r.reopen() // it is not lost
		r.mustRun()
		r.answer(say("done"))
		logged(r, "SystemPrompt", "hook UserPromptSubmit", "user: one", "agent: done")
		r.ask("two")
		w := r.thinking()
		if _, err := r.send("three", "", false, conversation.Queue); err != nil {
			t.Fatal(err)
		}
		w.answers <- answer{thought: say("done two")}
		r.answer(say("done three"))
		r.status(conversation.Finished, conversation.StopFinished)
		if got := kinds(r)[4:]; !cmp.Equal(got, []string{"hook UserPromptSubmit", "user: two", "agent: done two", "hook UserPromptSubmit", "user: three", "agent: done three"}) {
			t.Errorf("%q", got)
		}
	})
}

// The model is not asked to answer a message that was taken back.
func TestMessageTakenBackFromHooks(t *testing.T) {
	h := on(event.HookExecution{Success: true}, conversation.UserPromptSubmit)
	hooked(t, h, func(r *rig) {
		seen := make(chan struct{})
		h.run[conversation.UserPromptSubmit] = func(context.Context, conversation.HookCall) *event.HookExecution {
			<-seen
			return &event.HookExecution{Success: true}
		}
		takeBack := func(id string) {
			t.Helper()
			if m, err := r.unsend(id); err != nil || m.ID != id {
				t.Fatalf("%+v, %v", m, err)
			}
			seen <- struct{}{}
		}
		sent, err := r.send("one", "", true, conversation.Queue)
		if err != nil || sent.Disposition != "started" {
			t.Fatalf("%+v, %v", sent, err)
		}
		takeBack(sent.MessageID)
		r.status(conversation.Paused, conversation.StopInterrupted)
		logged(r, "SystemPrompt", "hook UserPromptSubmit", "Interrupt")

		if _, err = r.send("two", "", true, conversation.Queue); err != nil {
			t.Fatal(err)
		}
		seen <- struct{}{}
		w := r.thinking()
		if sent, err = r.send("three", "", false, conversation.Queue); err != nil || sent.Disposition != "queued" {
			t.Fatalf("%+v, %v", sent, err)
		}
		w.answers <- answer{thought: say("done two")}
		r.info()
		takeBack(sent.MessageID)
		r.status(conversation.Finished, conversation.StopFinished)
		if got := kinds(r)[3:]; !cmp.Equal(got, []string{"hook UserPromptSubmit", "user: two", "agent: done two", "hook UserPromptSubmit"}) {
			t.Errorf("%q", got)
		}
	})
}

func TestBlockedMessage(t *testing.T) {
	h := on(event.HookExecution{Blocked: true, Reason: "no", AdditionalContext: "look here"}, conversation.UserPromptSubmit, conversation.Stop)
	hooked(t, h, func(r *rig) {
		sent := r.ask("bad")
		r.quiet()
		r.status(conversation.Finished, conversation.StopFinished)
		logged(r, "SystemPrompt", "hook UserPromptSubmit", "user: bad")
		m := events(r)[2].(*event.Message)
		if m.ID != sent.MessageID || !cmp.Equal(textsOf(m.ExtendedContent), []string{"look here"}) {
			t.Errorf("message %+v", m)
		}
		if got := r.state()["blocked_messages"]; !cmp.Equal(got, any(map[string]any{})) {
			t.Errorf("blocked messages %v", got)
		}
		// The next one is not blocked.
		delete(h.run, conversation.Stop)
		h.run[conversation.UserPromptSubmit] = func(context.Context, conversation.HookCall) *event.HookExecution {
			return &event.HookExecution{Success: true}
		}
		r.ask("good")
		r.answer(say("done"))
		r.status(conversation.Finished, conversation.StopFinished)
	})
}

func TestBlockedAction(t *testing.T) {
	for _, o := range []conversation.Options{{}, asking()} {
		h := on(event.HookExecution{Success: true}, conversation.PreToolUse)
		h.run[conversation.PreToolUse] = func(_ context.Context, call conversation.HookCall) *event.HookExecution {
			if strings.Contains(string(call.ToolInput), `"bad"`) {
				return &event.HookExecution{Blocked: true, Reason: "not that"}
			}
			return &event.HookExecution{Success: true}
		}
		prepared(t, func(r *rig) {
			r.hooks, r.options.Policy = h, o.Policy
			r.create()
			r.ask("go")
			r.answer(do(call("good"), call("bad")))
			if o.Policy != nil {
				// Nobody is asked about what is blocked.
				if pending := r.info().Pending; len(pending) != 1 || len(pending[0].Actions) != 1 || pending[0].Actions[0].Action.ToolCallID != "good" {
					t.Fatalf("pending %+v", pending)
				}
				r.mustRun()
			}
			r.result("good")
			r.answer(do(call("bad")))
			r.answer(say("done"))
			r.status(conversation.Finished, conversation.StopFinished)
			logged(
				r, "SystemPrompt", "user: go", "hook PreToolUse", "Action", "hook PreToolUse", "Action", "rejected by hook: not that", "Observation",
				"hook PreToolUse", "Action", "rejected by hook: not that", "agent: done",
			)
			if got := r.state()["blocked_actions"]; !cmp.Equal(got, any(map[string]any{})) {
				t.Errorf("blocked actions %v", got)
			}
		})
	}
}

// What another program blocked while it waited for the user stays blocked.
func TestBlockedElsewhere(t *testing.T) {
	play(t, asking(), func(r *rig) {
		r.ask("go")
		r.answer(do(call("a"), call("b")))
		actions := r.info().Pending[0].Actions
		r.close()
		r.edit("base_state.json", func(state map[string]any) {
			state["blocked_actions"] = map[string]any{actions[0].Action.ID: "not that", "x": 7}
		})
		r.manager = r.newManager()
		c, err := r.manager.Open(r.ctx, "", r.options.ID)
		r.check(err)
		r.use(c)
		r.mustRun()
		r.result("b")
		r.answer(say("done"))
		logged(r, "SystemPrompt", "user: go", "Action", "Action", "rejected by hook: not that", "Observation", "agent: done")
	})
}

func TestStopHooks(t *testing.T) {
	vetoes := 2
	h := on(event.HookExecution{}, conversation.Stop)
	h.run[conversation.Stop] = func(context.Context, conversation.HookCall) *event.HookExecution {
		if vetoes--; vetoes >= 0 {
			return &event.HookExecution{Blocked: true, Reason: "run the tests", AdditionalContext: []string{"", "make test"}[vetoes]}
		}
		return &event.HookExecution{Success: true}
	}
	hooked(t, h, func(r *rig) {
		r.ask("go")
		r.answer(say("one"))
		r.answer(say("two"))
		r.answer(say("three"))
		r.status(conversation.Finished, conversation.StopFinished)
		logged(
			r, "SystemPrompt", "user: go", "agent: one", "hook Stop", "environment: [Stop hook feedback] make test", "agent: two",
			"hook Stop", "environment: [Stop hook feedback] run the tests", "agent: three", "hook Stop",
		)
		// Nobody was told that it is finished before it was.
		ended := 0
		for _, told := range r.rec.told() {
			if strings.Contains(told, "finished") {
				ended++
			}
		}
		if ended == 0 {
			t.Error("nobody was told")
		}
		r.mustRun() // a run of a finished conversation asks the hooks, not the model
		r.quiet()
		r.status(conversation.Finished, conversation.StopFinished)
	})
}

// A hook that always says no ends with the limit of steps.
func TestStopHooksAtTheLimit(t *testing.T) {
	prepared(t, func(r *rig) {
		r.hooks, r.options.MaxIterations = on(event.HookExecution{Blocked: true, Reason: "never"}, conversation.Stop), 3
		r.create()
		r.ask("go")
		for range 3 {
			r.answer(say("done"))
		}
		r.status(conversation.Finished, conversation.StopFinished)
	})
}

// An interrupt, a pause and a close reach a hook, at every point where one holds
// the run up.
func TestInterruptDuringAHook(t *testing.T) {
	for _, point := range []conversation.HookType{
		conversation.SessionStart, conversation.UserPromptSubmit, conversation.PreToolUse, conversation.PostToolUse, conversation.Stop,
	} {
		t.Run(string(point), func(t *testing.T) {
			for _, how := range []string{"interrupt", "close", "pause"} {
				h := on(event.HookExecution{}, point)
				let := make(chan struct{})
				h.run[point] = func(ctx context.Context, _ conversation.HookCall) *event.HookExecution {
					select {
					case <-ctx.Done():
						return &event.HookExecution{ExitCode: -1, Error: "ended"}
					case <-let:
						return &event.HookExecution{Success: true}
					}
				}
				hooked(t, h, func(r *rig) {
					let = make(chan struct{}) // of the bubble
					r.ask("go")
					switch point {
					case conversation.PreToolUse:
						r.answer(do(call("a")))
					case conversation.PostToolUse:
						r.answer(do(call("a")))
						r.result("a")
					case conversation.Stop:
						r.answer(say("done"))
					}
					if i := r.info(); i.Status != conversation.Running || i.RunID == "" {
						t.Fatalf("%s: status %s", how, i.Status)
					}
					want, why := conversation.Paused, conversation.StopInterrupted
					switch how {
					case "interrupt":
						r.interrupt()
					case "close":
						r.reopen()
					case "pause":
						if r.pause() != conversation.Pausing {
							t.Error("not pausing")
						}
						close(let)
						if why = conversation.StopPaused; point == conversation.Stop {
							want, why = conversation.Finished, conversation.StopFinished
						}
					}
					r.status(want, why)
					// Nothing is lost, and the run goes on.
					h.run[point] = func(context.Context, conversation.HookCall) *event.HookExecution {
						return &event.HookExecution{Success: true}
					}
					if want == conversation.Finished {
						return
					}
					r.mustRun()
					if how == "pause" && point == conversation.PreToolUse {
						r.result("a")
					}
					r.answer(say("done"))
					r.status(conversation.Finished, conversation.StopFinished)
					n := 0
					for _, k := range kinds(r) {
						if k == "user: go" {
							n++
						}
					}
					if n != 1 {
						t.Errorf("%s: the message is there %d times: %q", how, n, kinds(r))
					}
				})
			}
		})
	}
}

// Hooks and what they say hold no secret.
func TestHooksSeeNoSecret(t *testing.T) {
	h := on(event.HookExecution{Success: true, Stdout: "it is hush-hush-hush", HookInput: json.RawMessage(`{"a":"hush-hush-hush"}`)}, conversation.PreToolUse, conversation.PostToolUse)
	prepared(t, func(r *rig) {
		r.hooks = h
		r.options.Secrets = map[string]json.RawMessage{"TOKEN": json.RawMessage(`"hush-hush-hush"`)}
		r.options.Hooks = json.RawMessage(`{"command":"hush-hush-hush"}`)
		r.create()
		r.ask("go")
		a := call("a")
		a.Action = json.RawMessage(`{"command":"echo hush-hush-hush","kind":"TestAction"}`)
		r.answer(do(a))
		w := r.acting()
		w.answers <- answer{event: observed(w.action, "hush-hush-hush")}
		r.answer(say("done"))
		for _, c := range h.calls {
			if strings.Contains(string(c.ToolInput)+string(c.ToolResponse), "hush-hush") {
				t.Errorf("%s sees %s %s", c.Type, c.ToolInput, c.ToolResponse)
			}
		}
		for _, e := range events(r) {
			if raw := string(must(event.Encode(e))); strings.Contains(raw, "hush-hush") {
				t.Errorf("stored: %s", raw)
			}
		}
		if raw := string(must(json.Marshal(r.state()))); strings.Contains(raw, "hush-hush") {
			t.Errorf("the state holds it: %s", raw)
		}
	})
}

func TestHookConfig(t *testing.T) {
	prepared(t, func(r *rig) {
		r.options.Hooks = json.RawMessage(`{"broken":1}`)
		_, _, err := r.manager.Create(r.ctx, r.options)
		var value *conversation.ValueError
		if !errors.As(err, &value) || value.Field != "hookConfig" {
			t.Fatalf("got %v", err)
		}
		r.options.Hooks = json.RawMessage(`{"stop":[1]}`)
		r.create()
		stored := func() any { return r.state()["hook_config"] }
		want := any(map[string]any{"stop": []any{1.0}})
		if !cmp.Equal(stored(), want) {
			t.Errorf("stored %v", stored())
		}
		r.reopen()
		if !cmp.Equal(stored(), want) {
			t.Errorf("after a restart %v", stored())
		}
		// What is stored and can't be read is kept, and the conversation opens.
		r.close()
		r.edit("base_state.json", func(state map[string]any) { state["hook_config"] = map[string]any{"broken": 1.0} })
		r.manager = r.newManager()
		c, err := r.manager.Open(r.ctx, "", r.options.ID)
		r.check(err)
		r.use(c)
		r.ask("go")
		r.answer(say("done"))
		if !cmp.Equal(stored(), any(map[string]any{"broken": 1.0})) {
			t.Errorf("kept %v", stored())
		}
	})
}

// Hooks that break block nothing.
func TestBrokenHooks(t *testing.T) {
	h := on(event.HookExecution{}, all...)
	for _, point := range all {
		h.run[point] = func(context.Context, conversation.HookCall) *event.HookExecution { panic("boom") }
	}
	hooked(t, h, func(r *rig) {
		r.ask("go")
		r.answer(do(call("a")))
		r.result("a")
		r.answer(say("done"))
		r.status(conversation.Finished, conversation.StopFinished)
		r.close()
		logged(r, "SystemPrompt", "user: go", "Action", "Observation", "agent: done")
	})
}

// A process that dies while a hook runs loses nothing: the message waits, and no
// call was stored that the hook has not seen.
func TestDeathDuringAHook(t *testing.T) {
	for _, point := range []conversation.HookType{conversation.SessionStart, conversation.UserPromptSubmit, conversation.PreToolUse, conversation.Stop} {
		t.Run(string(point), func(t *testing.T) {
			base := t.TempDir()
			h := on(event.HookExecution{}, point)
			h.run[point] = func(ctx context.Context, _ conversation.HookCall) *event.HookExecution {
				<-ctx.Done()
				return &event.HookExecution{ExitCode: -1, Error: "ended"}
			}
			hooked(t, h, func(r *rig) {
				r.ask("go")
				switch point {
				case conversation.PreToolUse:
					r.answer(do(call("a")))
				case conversation.Stop:
					r.answer(say("done"))
				}
				r.quiet()
				// What stands on disk now is all that another process finds.
				dead := r.dir()
				r.check(os.CopyFS(filepath.Join(base, filepath.Base(dead)), os.DirFS(dead)))
				r.close()
				r.options.Base, r.hooks = base, nil
				r.manager = r.newManager()
				c, err := r.manager.Open(r.ctx, "", r.options.ID)
				r.check(err)
				r.use(c)
				r.status(conversation.Failed, conversation.StopError)
				before := kinds(r)
				r.mustRun()
				r.answer(say("here"))
				r.status(conversation.Finished, conversation.StopFinished)
				want := map[conversation.HookType][]string{
					conversation.SessionStart:     {"user: go", "agent: here"},
					conversation.UserPromptSubmit: {"user: go", "agent: here"},
					conversation.PreToolUse:       {"agent: here"},
					conversation.Stop:             {"agent: here"},
				}[point]
				if got := kinds(r)[len(before):]; !cmp.Equal(got, want) {
					t.Errorf("before %q, after %q", before, got)
				}
			})
		})
	}
}
