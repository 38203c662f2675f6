package conversation_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/store"
)

func TestStateOnDisk(t *testing.T) {
	off := false
	play(t, conversation.Options{
		MaxIterations: 7, StuckDetection: &off, Policy: json.RawMessage(`{"threshold":"LOW","confirm_unknown":false,"kind":"ConfirmRisky"}`),
		Analyzer: json.RawMessage(`{"kind":"LLMSecurityAnalyzer"}`), Tags: map[string]string{"team": "core"}, Title: "Build",
		Secrets: map[string]json.RawMessage{"TOKEN": json.RawMessage(`"hunter2hunter2"`)},
	}, func(r *rig) {
		r.ask("work")
		r.answer(say("done"))
		check := func() {
			t.Helper()
			s := r.state()
			want := map[string]any{
				"id": r.c.ID(), "persistence_dir": r.dir(), "max_iterations": 7.0, "stuck_detection": false, "execution_status": "finished",
				"head_is_empty": false, "leaf_event_id": r.leaf(),
			}
			for k, v := range want {
				if s[k] != v {
					t.Errorf("%s: %v, want %v", k, s[k], v)
				}
			}
			for k, v := range map[string]string{
				"workspace":           `{"kind":"LocalWorkspace","working_dir":"/workspace"}`,
				"confirmation_policy": `{"confirm_unknown":false,"kind":"ConfirmRisky","threshold":"LOW"}`,
				"security_analyzer":   `{"kind":"LLMSecurityAnalyzer"}`,
				"tags":                `{"team":"core","title":"Build"}`,
				"agent":               `{"kind":"Agent","llm":{"model":"test/fake"}}`,
				"blocked_actions":     `{}`, "agent_state": `{}`, "activated_knowledge_skills": `[]`,
			} {
				if got := string(must(json.Marshal(s[k]))); got != v {
					t.Errorf("%s: %s, want %s", k, got, v)
				}
			}
		}
		check()
		r.reopen()
		check()
		info := r.info()
		if info.MaxIterations != 7 || info.Title != "Build" || info.Tags["team"] != "core" || info.Workspace != "/workspace" {
			t.Errorf("info: %+v", info)
		}
	})
}

// leaf is the id of the newest event file.
func (r *rig) leaf() string {
	names := r.log()
	name := filepath.Base(names[len(names)-1])
	return strings.TrimSuffix(name[len("event-00000-"):], ".json")
}

// crash makes the disk look as after kill -9 in the given status: what is on
// disk is copied while the run goes on.
func crash(r *rig) {
	r.t.Helper()
	synctest.Wait()
	copied := filepath.Join(r.options.Base, "copied")
	r.check(os.CopyFS(copied, os.DirFS(r.dir())))
	r.close()
	r.check(os.RemoveAll(r.dir()))
	r.check(os.Rename(copied, r.dir()))
	r.check(os.Remove(filepath.Join(r.dir(), "agent-rpc.lock")))
	r.rec.told()
	r.reopen()
}

func TestRecoveryAfterACrash(t *testing.T) {
	tests := []struct {
		name  string
		o     conversation.Options
		until func(*rig)
		added []string
		want  conversation.Status
		why   conversation.StopReason
	}{
		{"thinking", conversation.Options{}, func(r *rig) { r.ask("work") }, []string{"error ProcessEnded"}, conversation.Failed, conversation.StopError},
		{
			"pausing",
			conversation.Options{},
			func(r *rig) { r.ask("work"); r.pause() },
			[]string{"error ProcessEnded"},
			conversation.Failed, conversation.StopError,
		},
		{"acting", conversation.Options{}, func(r *rig) {
			r.ask("work")
			r.answer(do(call("a"), call("b"), call("c")))
			r.result("a")
		}, []string{"failed b", "failed c", "error ProcessEnded"}, conversation.Failed, conversation.StopError},
		{"waiting", asking(), func(r *rig) { r.ask("work"); r.answer(do(call("a"))) }, nil, conversation.WaitingForConfirmation, conversation.StopWaiting},
		{"finished", conversation.Options{}, func(r *rig) { r.ask("work"); r.answer(say("done")) }, nil, conversation.Finished, conversation.StopFinished},
		{
			"paused with open calls",
			conversation.Options{},
			func(r *rig) { r.ask("work"); r.pause(); r.answer(do(call("a"))) }, nil,
			conversation.Paused, conversation.StopPaused,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, tt.o, func(r *rig) {
				tt.until(r)
				n := len(r.log())
				run := r.info().RunID
				crash(r)
				r.status(tt.want, tt.why)
				if again := r.info().RunID; again != run {
					t.Errorf("run %s, was %s", again, run)
				}
				page := r.page(conversation.Query{After: &n})
				var added []string
				for _, rec := range page.Records {
					switch e := rec.Event.(type) {
					case *event.AgentError:
						added = append(added, "failed "+e.ToolCallID)
					case *event.ConversationError:
						added = append(added, "error "+e.Code)
					default:
						added = append(added, e.Kind())
					}
				}
				if strings.Join(added, ", ") != strings.Join(tt.added, ", ") {
					t.Errorf("added %q, want %q", added, tt.added)
				}
				// A second look adds nothing.
				r.reopen()
				r.status(tt.want, tt.why)
				if again := len(r.log()); again != n+len(tt.added) {
					t.Errorf("opening once more added %d events", again-n-len(tt.added))
				}
				r.quiet()
				if tt.want == conversation.Failed {
					r.mustRun()
					r.answer(say("going on"))
					r.status(conversation.Finished, conversation.StopFinished)
				}
			})
		})
	}
}

// The process died after a queued message had become an event and before the
// queue was written without it.
func TestAQueuedMessageThatWasSent(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		sent := r.ask("work")
		r.answer(say("done"))
		r.close()
		for _, list := range []string{"queue", "steering"} {
			r.edit("agent_rpc.json", func(s map[string]any) {
				s[list] = []any{map[string]any{"messageId": sent.MessageID, "message": map[string]any{"role": "user", "content": []any{}}}}
			})
		}
		r.reopen()
		if n := len(r.info().Queued); n != 0 {
			t.Errorf("%d messages wait", n)
		}
		r.ask("more")
		r.told(`user "more"`)
		r.answer(say("done"))
		r.status(conversation.Finished, conversation.StopFinished)
	})
}

func (r *rig) page(q conversation.Query) (page conversation.Page) {
	r.t.Helper()
	var err error
	r.check(r.c.Events(q, func(p conversation.Page, e error) { page, err = p, e }))
	synctest.Wait()
	r.check(err)
	return page
}

// Another program wrote the state last: only it counts.
func TestAStaleSidecar(t *testing.T) {
	tests := []struct {
		status string
		want   conversation.Status
		why    conversation.StopReason
	}{
		{"idle", conversation.Idle, ""},
		{"paused", conversation.Paused, conversation.StopPaused},
		{"error", conversation.Failed, conversation.StopError},
		{"stuck", conversation.Stuck, conversation.StopStuck},
		{"waiting_for_confirmation", conversation.Idle, ""}, // nothing is open
	}
	for _, tt := range tests {
		t.Run(tt.status, func(t *testing.T) {
			play(t, conversation.Options{}, func(r *rig) {
				r.ask("work")
				r.answer(say("done"))
				r.close()
				r.edit("base_state.json", func(s map[string]any) { s["execution_status"] = tt.status })
				r.reopen()
				r.status(tt.want, tt.why)
			})
		})
	}
	t.Run("no error of a run before", func(t *testing.T) {
		play(t, conversation.Options{}, func(r *rig) {
			r.ask("work")
			r.thinking().answers <- answer{err: errors.New("no")}
			r.info()
			r.close()
			r.edit("base_state.json", func(s map[string]any) { s["execution_status"] = "finished" })
			r.reopen()
			r.status(conversation.Finished, conversation.StopFinished)
			if e := r.info().Error; e != nil {
				t.Errorf("error: %+v", e)
			}
		})
	})
}

func TestWithoutASidecar(t *testing.T) {
	tests := []struct {
		name string
		lose func(path string) error
	}{
		{"missing", os.Remove},
		{"empty", func(path string) error { return os.WriteFile(path, nil, 0o600) }},
		{"no JSON", func(path string) error { return os.WriteFile(path, []byte(`{"version":`), 0o600) }},
		{"of a later version", func(path string) error { return os.WriteFile(path, []byte(`{"version":99}`), 0o600) }},
		{"of another shape", func(path string) error { return os.WriteFile(path, []byte(`{"version":"1","queue":{}}`), 0o600) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			waiting(t, func(r *rig) {
				id := r.requestID()
				r.close()
				r.check(tt.lose(filepath.Join(r.dir(), "agent_rpc.json")))
				r.reopen()
				r.status(conversation.WaitingForConfirmation, conversation.StopWaiting)
				// The request's id is made of the actions'.
				if again := r.requestID(); again != id {
					t.Errorf("request %s, was %s", again, id)
				}
				if info := r.info(); info.RunID == "" || info.CreatedAt.IsZero() || info.Cursor.Seq != 4 {
					t.Errorf("info: %+v", info)
				}
				r.mustRun()
				r.result("a")
				r.result("b")
				r.answer(say("done"))
				r.status(conversation.Finished, conversation.StopFinished)
			})
		})
	}
}

func TestADamagedState(t *testing.T) {
	for _, text := range []string{"", "{", `[]`, `{"id":5}`, `{"id":"3c2a0d43-4f75-4d9e-9a3e-2b6ad0d9f3a1"}`} {
		t.Run(text, func(t *testing.T) {
			play(t, conversation.Options{}, func(r *rig) {
				r.close()
				path := filepath.Join(r.dir(), "base_state.json")
				r.check(os.WriteFile(path, []byte(text), 0o600))
				_, err := r.newManager().Open(r.ctx, "", r.options.ID)
				var p *conversation.PersistenceError
				if !errors.As(err, &p) {
					t.Errorf("got %v, want a PersistenceError", err)
				}
				if raw, _ := os.ReadFile(path); string(raw) != text {
					t.Errorf("the damaged file was changed to %s", raw)
				}
			})
		})
	}
}

// talked makes a conversation of five events: prompt, question, call, result,
// answer.
func talked(t *testing.T, test func(*rig)) {
	t.Helper()
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("work")
		r.answer(do(call("a")))
		r.result("a")
		r.answer(say("done"))
		r.rec.told()
		test(r)
	})
}

func TestADamagedEvent(t *testing.T) {
	for _, text := range []string{"", `{"kind":"MessageEv`, `[]`} {
		t.Run(text, func(t *testing.T) {
			talked(t, func(r *rig) {
				r.close()
				r.check(os.WriteFile(r.log()[2], []byte(text), 0o600))
				// It opens, and says what is wrong where the event is needed.
				r.reopen()
				r.status(conversation.Finished, conversation.StopFinished)
				var p *conversation.PersistenceError
				if _, err := r.send("more", "", true, conversation.Queue); !errors.As(err, &p) {
					t.Errorf("a message: %v", err)
				}
				var err error
				r.check(r.c.Events(conversation.Query{}, func(_ conversation.Page, e error) { err = e }))
				r.quiet()
				if !errors.As(err, &p) {
					t.Errorf("a page: %v", err)
				}
				two := 2
				if n := len(r.page(conversation.Query{Limit: two}).Records); n != 2 {
					t.Errorf("%d events before the damage", n)
				}
			})
		})
	}
}

// A power failure leaves the newest files empty, or half of them: the log ends
// before them, its cursors are of another epoch, and it goes on there.
func TestADamagedEnd(t *testing.T) {
	for _, text := range []string{"", "\x00\x00", `{"kind":"MessageEv`, `[]`} {
		for n := range 5 {
			t.Run(fmt.Sprintf("%q in the last %d", text, n+1), func(t *testing.T) {
				talked(t, func(r *rig) {
					before := r.info().Cursor
					r.close()
					log := r.log()
					for _, path := range log[4-n:] {
						r.check(os.WriteFile(path, []byte(text), 0o600))
					}
					r.reopen()
					c := r.info().Cursor
					if c.Seq != 4-n || c.Epoch == before.Epoch {
						t.Errorf("cursor %+v, was %+v", c, before)
					}
					if got := len(r.page(conversation.Query{}).Records); got != 4-n {
						t.Errorf("%d events", got)
					}
					r.ask("more")
					r.quietActs() // what became of the call is not known
					r.answer(say("done"))
					r.status(conversation.Finished, conversation.StopFinished)
					told := r.info().Cursor
					if told.Epoch != c.Epoch || told.Seq <= c.Seq+1 {
						t.Errorf("cursor %+v, was %+v", told, c)
					}
					// What is damaged stays where it is, and what came after it counts.
					for _, path := range log[4-n:] {
						if raw, err := os.ReadFile(path); err != nil || string(raw) != text {
							t.Errorf("%s holds %q, %v", path, raw, err)
						}
					}
					r.reopen()
					if again := r.info().Cursor; again != told {
						t.Errorf("cursor %+v after opening again, was %+v", again, told)
					}
					r.ask("and more")
					r.answer(say("done"))
				})
			})
		}
	}
}

// A crash in the middle of a run and a damaged event together: it opens all the
// same, and says so.
func TestADamagedEventOfARun(t *testing.T) {
	for _, status := range []string{"running", "waiting_for_confirmation"} {
		t.Run(status, func(t *testing.T) {
			talked(t, func(r *rig) {
				r.close()
				n := len(r.log())
				r.check(os.WriteFile(r.log()[2], []byte(`{`), 0o600))
				r.edit("base_state.json", func(s map[string]any) { s["execution_status"] = status })
				r.reopen()
				r.status(conversation.Failed, conversation.StopError)
				if e := r.info().Error; e == nil || e.Code != "PersistenceError" || !strings.Contains(e.Message, "event") {
					t.Errorf("error: %+v", e)
				}
				if len(r.log()) != n {
					t.Errorf("%d events, were %d", len(r.log()), n)
				}
			})
		})
	}
}

// A gap ends the log; what lies behind it is set aside at the first append.
func TestAGapInTheLog(t *testing.T) {
	talked(t, func(r *rig) {
		epoch := r.info().Cursor.Epoch
		r.close()
		r.check(os.Remove(r.log()[3]))
		r.reopen()
		if c := r.info().Cursor; c.Seq != 3 || c.Epoch == epoch {
			t.Errorf("cursor %+v, want 3 events of another epoch", c)
		}
		if n := len(r.page(conversation.Query{}).Records); n != 3 {
			t.Errorf("%d events", n)
		}
		// The call that lost its result is not carried out again unasked.
		r.ask("more")
		r.quietActs()
	})
}

func TestOldReleases(t *testing.T) {
	t.Run("agent_status", func(t *testing.T) {
		play(t, asking(), func(r *rig) {
			r.ask("work")
			r.answer(do(call("a")))
			r.close()
			r.check(os.Remove(filepath.Join(r.dir(), "agent_rpc.json")))
			r.edit("base_state.json", func(s map[string]any) {
				s["agent_status"] = s["execution_status"]
				for _, k := range []string{"execution_status", "leaf_event_id", "last_user_message_id", "tags", "agent_state", "head_is_empty"} {
					delete(s, k)
				}
			})
			r.reopen()
			r.status(conversation.WaitingForConfirmation, conversation.StopWaiting)
			s := r.state()
			if s["execution_status"] != "waiting_for_confirmation" || s["agent_status"] != nil {
				t.Errorf("state: %v", s)
			}
		})
	})
	t.Run("secrets_manager", func(t *testing.T) {
		play(t, conversation.Options{Secrets: map[string]json.RawMessage{"TOKEN": json.RawMessage(`"hunter2hunter2"`)}}, func(r *rig) {
			r.close()
			r.edit("base_state.json", func(s map[string]any) {
				s["secrets_manager"] = s["secret_registry"]
				delete(s, "secret_registry")
			})
			r.reopen()
			var names []string
			r.check(r.c.UpdateSecrets(nil, func(n []string, err error) { names = n; r.check(err) }))
			r.quiet()
			if len(names) != 1 || names[0] != "TOKEN" {
				t.Errorf("secrets: %q", names)
			}
		})
	})
	t.Run("events without parents", func(t *testing.T) {
		talked(t, func(r *rig) {
			r.close()
			r.check(os.Remove(filepath.Join(r.dir(), "agent_rpc.json")))
			for _, name := range r.log() {
				var e map[string]any
				r.check(json.Unmarshal(must(os.ReadFile(name)), &e))
				delete(e, "parent_id")
				r.check(os.WriteFile(name, must(json.Marshal(e)), 0o600))
			}
			r.edit("base_state.json", func(s map[string]any) { delete(s, "leaf_event_id") })
			r.reopen()
			if c := r.info().Cursor; c.Seq != 5 {
				t.Errorf("cursor %+v", c)
			}
			r.ask("more")
			r.answer(say("done"))
			r.reopen()
			if c := r.info().Cursor; c.Seq != 7 {
				t.Errorf("cursor %+v", c)
			}
		})
	})
}

// What OpenHands stores and we only carry along survives.
func TestWhatWeDoNotUseIsKept(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.close()
		kept := map[string]any{
			"activated_knowledge_skills": []any{"git"}, "activated_path_rules": []any{"x"}, "invoked_skills": []any{"y"},
			"blocked_actions": map[string]any{"a": "b"}, "blocked_messages": map[string]any{"c": "d"}, "agent_state": map[string]any{"e": 1.0},
			"hook_config": map[string]any{"stop": []any{}}, "security_analyzer": map[string]any{"kind": "GraySwanAnalyzer"},
		}
		r.edit("base_state.json", func(s map[string]any) {
			for k, v := range kept {
				s[k] = v
			}
		})
		r.reopen()
		r.ask("work")
		r.answer(say("done"))
		s := r.state()
		for k, v := range kept {
			if got, want := string(must(json.Marshal(s[k]))), string(must(json.Marshal(v))); got != want {
				t.Errorf("%s: %s, want %s", k, got, want)
			}
		}
	})
}

func TestCreateOrResume(t *testing.T) {
	play(t, conversation.Options{
		MaxIterations: 7, Policy: json.RawMessage(always), Tags: map[string]string{"a": "1", "b": "2"}, Title: "Old", Agent: json.RawMessage(`{"kind":"Agent","x":1}`),
	}, func(r *rig) {
		old := r.options
		reopened := func(o conversation.Options) conversation.Info {
			t.Helper()
			r.close()
			r.manager = r.newManager()
			o.ID, o.Base = old.ID, old.Base
			c, fresh, err := r.manager.Create(r.ctx, o)
			r.check(err)
			if fresh {
				t.Error("it is told to be new")
			}
			r.use(c)
			return r.info()
		}
		// What is absent is kept.
		i := reopened(conversation.Options{})
		if i.MaxIterations != 7 || string(i.ConfirmationPolicy) != always || i.Tags["a"] != "1" || i.Title != "Old" || i.Workspace != "/workspace" ||
			string(r.agent.env.Spec) != `{"kind":"Agent","x":1}` {
			t.Errorf("kept: %+v, agent %s", i, r.agent.env.Spec)
		}
		// What is given wins.
		i = reopened(conversation.Options{
			MaxIterations: 9, Policy: json.RawMessage(never), Tags: map[string]string{"a": "3"}, Title: "New", Workspace: "/elsewhere",
			Agent: json.RawMessage(`{"kind":"Agent","x":2}`),
		})
		if i.MaxIterations != 9 || string(i.ConfirmationPolicy) != never || i.Tags["a"] != "3" || i.Tags["b"] != "2" || i.Title != "New" ||
			i.Workspace != "/elsewhere" || string(r.agent.env.Spec) != `{"kind":"Agent","x":2}` {
			t.Errorf("given: %+v, agent %s", i, r.agent.env.Spec)
		}
		// Of one that is open too; without an agent, which can't be changed there.
		c, fresh, err := r.manager.Create(r.ctx, conversation.Options{ID: strings.ReplaceAll(old.ID, "-", ""), Base: old.Base, MaxIterations: 11})
		if err != nil || fresh || c != r.c {
			t.Errorf("an open one: %v, fresh %t", err, fresh)
		}
		if i := r.info(); i.MaxIterations != 11 || i.Tags["a"] != "3" {
			t.Errorf("given to an open one: %+v", i)
		}
	})
}

// A value that is not right changes nothing, wherever it stands among others.
func TestABadValueChangesNothing(t *testing.T) {
	bad := map[string]conversation.Options{
		"confirmationPolicy": {MaxIterations: 9, Policy: json.RawMessage(`{"kind":"Odd"}`)},
		"securityAnalyzer":   {MaxIterations: 9, Policy: json.RawMessage(always), Analyzer: json.RawMessage(`{"kind":"Odd"}`)},
		"secrets": {
			MaxIterations: 9, Policy: json.RawMessage(always), Tags: map[string]string{"a": "2"},
			Secrets: map[string]json.RawMessage{"GOOD": json.RawMessage(`"valuevalue"`), "BAD": json.RawMessage(`5`)},
		},
		"tags": {
			MaxIterations: 9, Policy: json.RawMessage(always), Tags: map[string]string{"a": "2", "Bad": "x"},
			Secrets: map[string]json.RawMessage{"GOOD": json.RawMessage(`"valuevalue"`)},
		},
		"maxIterationPerRun": {MaxIterations: -1, Policy: json.RawMessage(always)},
	}
	for field, o := range bad {
		t.Run(field, func(t *testing.T) {
			play(t, conversation.Options{Tags: map[string]string{"a": "1"}}, func(r *rig) {
				before := r.info()
				o.ID, o.Base = r.options.ID, r.options.Base
				_, _, err := r.manager.Create(r.ctx, o)
				var value *conversation.ValueError
				if !errors.As(err, &value) || value.Field != field {
					t.Errorf("got %v", err)
				}
				after := r.info()
				if after.MaxIterations != before.MaxIterations || string(after.ConfirmationPolicy) != string(before.ConfirmationPolicy) ||
					after.Tags["a"] != "1" || len(after.Tags) != 1 {
					t.Errorf("it became %+v", after)
				}
				var names []string
				r.check(r.c.UpdateSecrets(nil, func(n []string, err error) { names = n; r.check(err) }))
				r.quiet()
				if len(names) != 0 {
					t.Errorf("secrets: %q", names)
				}
				// Nor for one that is new: none is left behind.
				o.ID = uuid.NewString()
				o.Workspace = "/workspace"
				if _, _, err := r.manager.Create(r.ctx, o); !errors.As(err, &value) {
					t.Errorf("a new one: %v", err)
				}
				if list, err := store.List(r.options.Base); err != nil || len(list) != 1 {
					t.Errorf("%d conversations, %v", len(list), err)
				}
			})
		})
	}
}

func TestSecretsAreMasked(t *testing.T) {
	const value = "hunter2hunter2"
	play(t, conversation.Options{Secrets: map[string]json.RawMessage{"TOKEN": json.RawMessage(`"` + value + `"`)}}, func(r *rig) {
		r.ask("use " + value)
		if _, err := r.send("queued "+value, "", false, conversation.Queue); err != nil {
			t.Fatal(err)
		}
		if q := r.info().Queued; strings.Contains(q[0].Message.Text(), value) {
			t.Errorf("what waits tells the secret: %+v", q)
		}
		model := r.thinking()
		for _, piece := range []string{"it is hunter2", "hunter2, I", " say"} {
			model.question.Stream(conversation.Piece{Stream: conversation.StreamText, Text: piece})
		}
		model.answers <- answer{thought: do(call("a"))}
		w := r.acting()
		w.output("hunter2hun")
		w.output("ter2")
		w.answers <- answer{event: observed(w.action, "got "+value)}
		r.thinking().answers <- answer{err: errors.New("refused " + value)}
		r.status(conversation.Failed, conversation.StopError)
		if e := r.info().Error; strings.Contains(e.Message, value) {
			t.Errorf("the error tells the secret: %s", e.Message)
		}
		for _, line := range r.rec.told() {
			if strings.Contains(line, "hunter2") {
				t.Errorf("told %s", line)
			}
		}
		r.check(filepath.WalkDir(r.dir(), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			if raw := must(os.ReadFile(path)); strings.Contains(string(raw), value) {
				t.Errorf("%s tells the secret: %s", filepath.Base(path), raw)
			}
			return nil
		}))
	})
}
