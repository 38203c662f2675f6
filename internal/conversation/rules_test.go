package conversation_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// TestRules: a remembered approval covers the same action here, or in the whole
// workspace; a batch passes only if all of it is covered; it survives a restart
// and is over when it is forgotten.
func TestRules(t *testing.T) {
	always := conversation.Options{Policy: json.RawMessage(`{"kind":"AlwaysConfirm"}`)}
	play(t, always, func(r *rig) {
		approve := func(scope conversation.Scope) {
			t.Helper()
			if accepted, _, err := r.confirm(conversation.Confirmation{RequestID: r.requestID(), Approve: true, Remember: scope}); err != nil || !accepted {
				t.Fatalf("accepted %v, %v", accepted, err)
			}
		}
		r.ask("work")
		r.answer(do(call("make a")))
		approve(conversation.ScopeConversation)
		r.result("make a")
		r.answer(do(call("make  a # again")))
		r.result("make  a # again") // nobody was asked
		r.answer(do(call("make a"), call("make b")))
		r.status(conversation.WaitingForConfirmation, conversation.StopWaiting)
		approve(conversation.ScopeWorkspace)
		r.result("make a")
		r.result("make b")
		r.answer(do(call("make a && make b")))
		r.status(conversation.WaitingForConfirmation, conversation.StopWaiting)
		if _, _, err := r.confirm(conversation.Confirmation{RequestID: r.requestID(), Reason: "no"}); err != nil {
			t.Fatal(err)
		}
		r.answer(say("done"))
		if rules := r.info().Rules; len(rules) != 3 || rules[0].Scope != conversation.ScopeConversation || rules[2].Scope != conversation.ScopeWorkspace {
			t.Errorf("rules: %+v", rules)
		}

		r.reopen()
		r.ask("more")
		r.answer(do(call("make a"), call("make b")))
		r.result("make a")
		r.result("make b")
		r.answer(say("done"))

		// What holds for the workspace holds in another conversation.
		other, _, err := r.manager.Create(r.ctx, conversation.Options{Base: r.options.Base, Workspace: r.options.Workspace})
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan conversation.Info, 1)
		r.check(other.Info(func(i conversation.Info) { got <- i }))
		if rules := (<-got).Rules; len(rules) != 2 {
			t.Errorf("in another conversation: %+v", rules)
		}
		forgotten := make(chan conversation.Info, 1)
		r.check(r.c.Update(conversation.Update{Rules: []string{}}, func(i conversation.Info, err error) {
			if err != nil {
				t.Error(err)
			}
			forgotten <- i
		}))
		if rules := (<-forgotten).Rules; len(rules) != 0 {
			t.Errorf("after they were forgotten: %+v", rules)
		}
		r.ask("again")
		r.answer(do(call("make a")))
		r.status(conversation.WaitingForConfirmation, conversation.StopWaiting)
	})
}

// TestRulesThatCanNotBe: what is not to be remembered is refused, and nothing is
// decided by that.
func TestRulesThatCanNotBe(t *testing.T) {
	always := conversation.Options{
		Policy: json.RawMessage(`{"kind":"AlwaysConfirm"}`), Secrets: map[string]json.RawMessage{"TOKEN": json.RawMessage(`"hunter2-hunter2"`)},
	}
	for command, want := range map[string]string{
		"rm -rf out":           "high risk",
		"$X":                   "only known when it runs",
		"echo hunter2-hunter2": "holds a secret",
	} {
		t.Run(command, func(t *testing.T) {
			play(t, always, func(r *rig) {
				r.ask("work")
				r.answer(do(call(command)))
				if r.info().Pending[0].Memorable {
					t.Error("it is offered")
				}
				for _, answer := range []conversation.Confirmation{
					{Approve: true, Remember: conversation.ScopeConversation}, {Approve: true, Remember: "everywhere"}, {Remember: conversation.ScopeWorkspace},
				} {
					answer.RequestID = r.requestID()
					_, _, err := r.confirm(answer)
					if err == nil || answer.Approve && answer.Remember == conversation.ScopeConversation && !strings.Contains(err.Error(), want) {
						t.Errorf("%+v: %v, want %q", answer, err, want)
					}
				}
				r.status(conversation.WaitingForConfirmation, conversation.StopWaiting)
			})
		})
	}
}

// TestRulesDoNotCoverHighRisk: what the analyzer now calls HIGH is asked about,
// whatever was remembered.
func TestRulesDoNotCoverHighRisk(t *testing.T) {
	o := asking()
	o.Analyzer = json.RawMessage(`{"kind":"LLMSecurityAnalyzer"}`)
	play(t, o, func(r *rig) {
		r.ask("work")
		r.answer(do(risky("make", event.RiskMedium)))
		if _, _, err := r.confirm(conversation.Confirmation{RequestID: r.requestID(), Approve: true, Remember: conversation.ScopeConversation}); err != nil {
			t.Fatal(err)
		}
		r.result("make")
		r.answer(do(risky("make", event.RiskMedium)))
		r.result("make")
		r.answer(do(risky("make", event.RiskHigh)))
		if p := r.info().Pending; len(p) != 1 || p[0].Memorable || p[0].Actions[0].Risk != event.RiskHigh {
			t.Errorf("%+v", p)
		}
	})
}

// TestRulesThatAreNotKept: where a rule can't be stored nothing is decided.
func TestRulesThatAreNotKept(t *testing.T) {
	play(t, asking(), func(r *rig) {
		file := filepath.Join(r.options.Base, "agent_rpc_workspaces.json")
		r.check(os.WriteFile(file, []byte("{"), 0o600))
		r.ask("work")
		r.answer(do(call("make")))
		_, _, err := r.confirm(conversation.Confirmation{RequestID: r.requestID(), Approve: true, Remember: conversation.ScopeWorkspace})
		var persistence *conversation.PersistenceError
		if !errors.As(err, &persistence) || !strings.Contains(err.Error(), file) {
			t.Errorf("%v", err)
		}
		r.quiet()
		r.status(conversation.WaitingForConfirmation, conversation.StopWaiting)
	})
}
