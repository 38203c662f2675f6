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
	"github.com/agent-rpc/agent-rpc/internal/conversation/secret"
	"github.com/agent-rpc/agent-rpc/internal/conversation/secret/fernet"
)

const hunter = "hunter2hunter2"

// keeping are the options of a conversation with a secret.
func keeping(o conversation.Options) conversation.Options {
	o.Secrets = map[string]json.RawMessage{"TOKEN": json.RawMessage(`"` + hunter + `"`)}
	return o
}

// saying is a call whose command holds the secret.
func saying(id string) *event.Action {
	a := call(id)
	a.Action = json.RawMessage(`{"command":"login ` + hunter + `","kind":"TestAction"}`)
	a.ToolCall.Arguments = `{"command":"login ` + hunter + `"}`
	return a
}

func (r *rig) updateSecrets(secrets string) []string {
	r.t.Helper()
	var m map[string]json.RawMessage
	r.check(json.Unmarshal([]byte(secrets), &m))
	var names []string
	r.check(r.c.UpdateSecrets(m, func(n []string, err error) { names = n; r.check(err) }))
	r.info() // when it is answered
	return names
}

// silent checks that the secret is in no file and nothing that was told.
func (r *rig) silent() {
	r.t.Helper()
	if raw := must(json.Marshal(r.info())); strings.Contains(string(raw), hunter) {
		r.t.Errorf("the state tells the secret: %s", raw)
	}
	r.check(filepath.WalkDir(r.dir(), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if raw := must(os.ReadFile(path)); strings.Contains(string(raw), hunter) {
			r.t.Errorf("%s tells the secret: %s", filepath.Base(path), raw)
		}
		return nil
	}))
}

// TestSaidSecretsAreUsed carries out a call as the model said it, and shows and
// stores it masked.
func TestSaidSecretsAreUsed(t *testing.T) {
	for name, o := range map[string]conversation.Options{"at once": {}, "approved": asking()} {
		t.Run(name, func(t *testing.T) {
			play(t, keeping(o), func(r *rig) {
				var judged string
				r.agent.where = func(a *event.Action) string { judged = string(a.Action); return "" }
				r.ask("go")
				r.answer(do(saying("a")))
				if name == "approved" {
					p := r.info().Pending[0].Actions[0]
					if got := string(p.Action.Action); strings.Contains(got, hunter) || !strings.Contains(got, secret.Hidden) {
						t.Errorf("the user is shown %s", got)
					}
					r.silent()
					if _, _, err := r.confirm(conversation.Confirmation{RequestID: r.requestID(), Approve: true}); err != nil {
						t.Fatal(err)
					}
				}
				w := r.acting()
				if got := string(w.action.Action); got != `{"command":"login `+hunter+`","kind":"TestAction"}` {
					t.Errorf("carried out: %s", got)
				}
				if !strings.Contains(judged, hunter) {
					t.Errorf("judged: %s", judged)
				}
				w.answers <- answer{event: observed(w.action, "in as "+hunter)}
				for _, m := range r.thinking().question.Messages {
					if raw := string(must(json.Marshal(m))); strings.Contains(raw, hunter) {
						t.Errorf("the model reads %s", raw)
					}
				}
				r.silent()
				if masked, ok := r.readJSON("agent_rpc.json")["masked"]; ok {
					t.Errorf("still noted: %v", masked)
				}
			})
		})
	}
}

// TestSaidSecretsAreLost with the process: the call that waited is not carried
// out with the mask in it.
func TestSaidSecretsAreLost(t *testing.T) {
	play(t, keeping(asking()), func(r *rig) {
		r.ask("go")
		r.answer(do(saying("a"), call("b")))
		if masked := r.readJSON("agent_rpc.json")["masked"]; len(masked.([]any)) != 1 {
			t.Errorf("noted: %v", masked)
		}
		r.reopen()
		if _, _, err := r.confirm(conversation.Confirmation{RequestID: r.requestID(), Approve: true}); err != nil {
			t.Fatal(err)
		}
		r.result("b")
		messages := r.thinking().question.Messages
		raw := string(must(json.Marshal(messages)))
		if !strings.Contains(raw, "name the secret's variable instead of its value") {
			t.Errorf("the model reads %s", raw)
		}
		if masked, ok := r.readJSON("agent_rpc.json")["masked"]; ok {
			t.Errorf("still noted: %v", masked)
		}
	})
}

func TestSecretsOutsideTheWorkspace(t *testing.T) {
	play(t, keeping(asking()), func(r *rig) {
		r.agent.where = func(*event.Action) string { return "/home/" + hunter }
		r.ask("go")
		r.answer(do(call("a")))
		if got := r.info().Pending[0].Reason; strings.Contains(got, hunter) || !strings.Contains(got, secret.Hidden) {
			t.Errorf("the reason is %q", got)
		}
		r.silent()
	})
}

// TestUpdateSecretsWhileRunning answers at once, and holds for the next command
// and for what the running one still prints.
func TestUpdateSecretsWhileRunning(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("go")
		r.answer(do(call("a")))
		w := r.acting()
		if diff := cmp.Diff([]string{"LATE", "TOKEN"}, r.updateSecrets(`{"TOKEN":"`+hunter+`","LATE":"x-late-x"}`)); diff != "" {
			t.Error(diff)
		}
		vars, missing := r.agent.env.Secrets(r.ctx, "echo $TOKEN")
		if diff := cmp.Diff(map[string]string{"TOKEN": hunter}, vars); diff != "" || missing != nil {
			t.Errorf("%s, %q", diff, missing)
		}
		if diff := cmp.Diff([]string{"TOKEN"}, r.updateSecrets(`{"LATE":null}`)); diff != "" {
			t.Error(diff)
		}
		w.answers <- answer{event: observed(w.action, "x-late-x "+hunter)}
		r.answer(say("done"))
		r.silent()
	})
}

func TestSystemPromptTellsOfSecrets(t *testing.T) {
	prepared(t, func(r *rig) {
		var told []secret.Info
		r.setUp = func(f *fake) {
			f.prompt = func(secrets []secret.Info) *event.SystemPrompt {
				told = secrets
				return &event.SystemPrompt{Meta: event.Meta{Source: event.SourceAgent}, SystemPrompt: event.Text("You are a test.")}
			}
		}
		r.options.Secrets = map[string]json.RawMessage{"B": json.RawMessage(`"x-value-x"`), "A": json.RawMessage(`{"kind":"ClientSecret","description":"of A"}`)}
		r.create()
		r.ask("go")
		want := []secret.Info{{Name: "A", Description: "of A", Kind: secret.KindClient}, {Name: "B", Kind: secret.KindStatic, Resolved: true}}
		if diff := cmp.Diff(want, told); diff != "" {
			t.Error(diff)
		}
		r.answer(say("done"))
	})
}

// TestClientSecretsAfterRestart are the client's again; OpenHands sees a
// StaticSecret.
func TestClientSecretsAfterRestart(t *testing.T) {
	prepared(t, func(r *rig) {
		var asked []string
		r.secrets.Client = func(_ context.Context, name string) (string, error) {
			asked = append(asked, name)
			return hunter, nil
		}
		r.options.Secrets = map[string]json.RawMessage{"TOKEN": json.RawMessage(`{"kind":"ClientSecret"}`)}
		r.create()
		for range 2 {
			if vars, _ := r.agent.env.Secrets(r.ctx, "echo $TOKEN"); vars["TOKEN"] != hunter {
				t.Errorf("%v", vars)
			}
			r.updateSecrets(`{}`)
			r.silent()
			registry := string(must(json.Marshal(r.state()["secret_registry"])))
			if want := `{"secret_sources":{"TOKEN":{"kind":"StaticSecret"}}}`; registry != want {
				t.Errorf("stored as %s", registry)
			}
			r.reopen()
		}
		if len(asked) != 2 {
			t.Errorf("asked for %q", asked)
		}
	})
}

// TestStoredWithAKey is read again with the key; without it nothing is lost.
func TestStoredWithAKey(t *testing.T) {
	key := fernet.FromSecret("k")
	prepared(t, func(r *rig) {
		r.options = keeping(r.options)
		r.secrets.Key = key
		r.create()
		r.silent()
		for _, k := range []*fernet.Key{key, nil, fernet.FromSecret("other"), key} {
			r.secrets.Key = k
			r.reopen()
			r.updateSecrets(`{}`) // stores the state
			vars, missing := r.agent.env.Secrets(r.ctx, "echo $TOKEN")
			if got := vars["TOKEN"]; k == key && got != hunter || k != key && (got != "" || len(missing) != 1) {
				t.Errorf("with %v: %v, %q", k, vars, missing)
			}
			r.silent()
		}
	})
}

// TestStoredAgent is opened with the key, and a mask that a caller gives in the
// place of a key means the one that is stored.
func TestStoredAgent(t *testing.T) {
	key := fernet.FromSecret("k")
	prepared(t, func(r *rig) {
		r.secrets.Key = key
		r.setUp = func(f *fake) { f.stored = true }
		r.create()
		// As another program left it.
		closed := func() {
			r.close()
			r.edit("base_state.json", func(s map[string]any) {
				s["agent"] = map[string]any{"llm": map[string]any{"model": "test/fake", "api_key": key.Encrypt(hunter)}, "kind": "Agent"}
			})
			r.manager = r.newManager()
		}
		closed()
		r.create()
		if got := string(r.agent.env.Spec); !strings.Contains(got, hunter) {
			t.Errorf("the agent is made of %s", got)
		}
		if got := r.agent.env.Seal(hunter); got == hunter || got == secret.Mask {
			t.Errorf("sealed as %s", got)
		}
		closed()
		r.options.Agent = json.RawMessage(`{"llm":{"model":"test/other","api_key":"**********"}}`)
		r.create()
		if got := string(r.agent.env.Spec); !strings.Contains(got, hunter) || !strings.Contains(got, "test/other") {
			t.Errorf("the agent is made of %s", got)
		}
	})
}

func TestSecretsOfTheAgentsContext(t *testing.T) {
	prepared(t, func(r *rig) {
		r.options = keeping(r.options)
		r.options.Agent = json.RawMessage(`{"agent_context":{"secrets":{"TOKEN":"other","MORE":{"kind":"StaticSecret","value":"x-more-x","description":"d"}}}}`)
		r.setUp = func(f *fake) { f.stored = true }
		r.create()
		vars, _ := r.agent.env.Secrets(r.ctx, "$TOKEN $MORE")
		if diff := cmp.Diff(map[string]string{"TOKEN": hunter, "MORE": "x-more-x"}, vars); diff != "" {
			t.Error(diff)
		}
		if value, err := r.agent.env.Secret(r.ctx, "MORE"); value != "x-more-x" || err != nil {
			t.Errorf("%q, %v", value, err)
		}
		if got := r.agent.env.Mask("x-more-x"); got != secret.Hidden {
			t.Error(got)
		}
		bad := r.options
		bad.ID, bad.Agent = "", json.RawMessage(`{"agent_context":{"secrets":{"A":5}}}`)
		var value *conversation.ValueError
		if _, _, err := r.manager.Create(r.ctx, bad); !errors.As(err, &value) || value.Field != "agent.agent_context.secrets" {
			t.Errorf("%v", err)
		}
	})
}
