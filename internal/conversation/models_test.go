package conversation_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/stats"
)

func (r *rig) switchModel(llm string) (info conversation.Info, err error) {
	r.t.Helper()
	r.check(r.c.SwitchModel(r.ctx, json.RawMessage(llm), func(i conversation.Info, e error) { info, err = i, e }))
	synctest.Wait()
	return info, err
}

func (r *rig) storedModel() any {
	r.t.Helper()
	return r.state()["agent"].(map[string]any)["llm"].(map[string]any)["model"]
}

// A model is switched while a run goes on: it is stored and told, there is no
// event, and the run is not disturbed.
func TestSwitchModelWhileRunning(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("hello")
		w := r.thinking()
		r.rec.told()
		n := len(r.log())
		if info, err := r.switchModel(`{"model":"test/other"}`); err != nil || info.Status != conversation.Running {
			t.Fatalf("%s, %v", info.Status, err)
		}
		if got := r.storedModel(); got != "test/other" {
			t.Errorf("stored: %v", got)
		}
		if len(r.log()) != n || w.ctx.Err() != nil {
			t.Error("the switch is seen in the log, or broke the step")
		}
		w.answers <- answer{thought: say("hi")}
		r.status(conversation.Finished, conversation.StopFinished)
		r.reopen()
		if got := string(r.agent.env.Spec); !strings.Contains(got, "test/other") {
			t.Errorf("after opening again the agent is made of %s", got)
		}
	})
}

func TestSwitchModelThatCanNotBeUsed(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		before := r.storedModel()
		refused := errors.New("no key")
		for name, change := range map[string]func(context.Context) error{
			"refused": func(context.Context) error { return refused },
			"broken":  func(context.Context) error { panic("boom") },
		} {
			r.agent.change = change
			if _, err := r.switchModel(`{"model":"test/other"}`); err == nil || name == "refused" && !errors.Is(err, refused) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if r.storedModel() != before || r.agent.llm.Load() != nil {
			t.Error("it was switched all the same")
		}
	})
}

// A tool may switch the model: nothing waits for the step that it is a part of.
func TestAToolSwitchesTheModel(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		done := make(chan error, 1)
		r.agent.act = func(a *event.Action) event.Event {
			if err := r.c.SwitchModel(r.ctx, json.RawMessage(`{"model":"test/other"}`), func(_ conversation.Info, err error) { done <- err }); err != nil {
				t.Error(err)
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
			return observed(a, "switched")
		}
		r.ask("switch")
		r.answer(do(call("switch")))
		r.answer(say("done"))
		r.status(conversation.Finished, conversation.StopFinished)
		if got := r.storedModel(); got != "test/other" {
			t.Errorf("stored: %v", got)
		}
	})
}

func (r *rig) side(ctx context.Context, question string) (answer string, err error) {
	r.t.Helper()
	r.check(r.c.AskAgent(ctx, question, func(s string, e error) { answer, err = s, e }))
	synctest.Wait()
	return answer, err
}

func asideCost() stats.Call {
	c := cost()
	c.UsageID, c.Cost = "ask-agent-llm", 0.25
	return c
}

// A side question sees the history, leaves nothing behind and is paid for.
func TestAskAgent(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("fix it")
		r.answer(do(call("one"), call("two")))
		r.agent.ask = func(context.Context) (string, stats.Call, error) { return "Two commands.", asideCost(), nil }
		r.rec.told()
		n := len(r.log())
		got, err := r.side(r.ctx, "What goes on?")
		if err != nil || got != "Two commands." {
			t.Fatalf("%q, %v", got, err)
		}
		if q := r.agent.asked; !q.History || q.CacheKey != r.c.ID() || q.LLM != nil {
			t.Errorf("asked: %+v", q)
		}
		checkStrict(t, r.agent.asked.Messages)
		last := r.agent.asked.Messages[len(r.agent.asked.Messages)-1]
		if last.Role != event.RoleUser || !strings.Contains(last.Text(), "What goes on?") {
			t.Errorf("the question is %+v", last)
		}
		info := r.info()
		if len(r.log()) != n || info.Status != conversation.Running {
			t.Errorf("%d events more, status %s", len(r.log())-n, info.Status)
		}
		if !strings.Contains(string(info.Stats), `"ask-agent-llm":{"model_name":"test/fake","accumulated_cost":0.25`) {
			t.Errorf("stats: %s", info.Stats)
		}
		r.told()
		r.result("one")
		r.result("two")
		w := r.thinking()
		for _, m := range w.question.Messages {
			if strings.Contains(m.Text(), "What goes on?") {
				t.Error("the next step knows of the question")
			}
		}
		w.answers <- answer{thought: say("done")}
		r.status(conversation.Finished, conversation.StopFinished)
		r.reopen()
		if !strings.Contains(string(r.info().Stats), "ask-agent-llm") {
			t.Error("what it cost is forgotten")
		}
	})
}

// checkStrict checks what strict providers want: each call is answered right
// after the message that makes it.
func checkStrict(t *testing.T, messages []event.LLMMessage) {
	t.Helper()
	if len(messages) == 0 || messages[0].Role != event.RoleSystem {
		t.Fatalf("the first of %d messages is no system message", len(messages))
	}
	for i, m := range messages {
		for j, c := range m.ToolCalls {
			if at := i + 1 + j; at >= len(messages) || messages[at].Role != event.RoleTool || messages[at].ToolCallID != c.ID {
				t.Errorf("the call %s is not answered", c.ID)
			}
		}
	}
}

// The first question of a conversation may be one on the side: the agent knows
// what it is, and the log stays empty.
func TestAskAgentFirst(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.agent.ask = func(context.Context) (string, stats.Call, error) { return "A test.", asideCost(), nil }
		if got, err := r.side(r.ctx, "Who are you?"); err != nil || got != "A test." {
			t.Fatalf("%q, %v", got, err)
		}
		var roles []event.Role
		for _, m := range r.agent.asked.Messages {
			roles = append(roles, m.Role)
		}
		if diff := cmp.Diff([]event.Role{event.RoleSystem, event.RoleUser}, roles); diff != "" {
			t.Errorf("messages (-want +got):\n%s", diff)
		}
		if len(r.log()) != 0 || r.info().Status != conversation.Idle {
			t.Errorf("%d events, %s", len(r.log()), r.info().Status)
		}
	})
}

func TestAskAgentFails(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("hello")
		wrong := errors.New("the answer holds no text")
		var value *conversation.ValueError
		if _, err := r.side(r.ctx, " \n"); !errors.As(err, &value) || value.Field != "question" {
			t.Errorf("no question: %v", err)
		}
		r.agent.ask = func(context.Context) (string, stats.Call, error) { return "", asideCost(), wrong }
		if _, err := r.side(r.ctx, "What?"); !errors.Is(err, wrong) {
			t.Errorf("no answer: %v", err)
		}
		if !strings.Contains(string(r.info().Stats), `"accumulated_cost":0.25`) {
			t.Error("an answer without text costs nothing")
		}
		r.agent.ask = func(context.Context) (string, stats.Call, error) { panic("boom") }
		if _, err := r.side(r.ctx, "What?"); err == nil {
			t.Error("a panic is no error")
		}
		r.agent.render = func() { panic("boom") }
		r.answer(do(call("one")))
		r.result("one")
		if _, err := r.side(r.ctx, "What?"); err == nil {
			t.Error("a broken history is no error")
		}
	})
}

// Its request, or the end of the conversation, ends a question.
func TestAskAgentIsCancelled(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.agent.ask = func(ctx context.Context) (string, stats.Call, error) {
			<-ctx.Done()
			return "", stats.Call{}, ctx.Err()
		}
		ctx, cancel := context.WithCancel(r.ctx)
		var got []error
		ask := func(ctx context.Context) {
			r.check(r.c.AskAgent(ctx, "What?", func(_ string, err error) { got = append(got, err) }))
			synctest.Wait()
		}
		ask(ctx)
		cancel()
		synctest.Wait()
		if len(got) != 1 || !errors.Is(got[0], context.Canceled) {
			t.Fatalf("cancelled: %v", got)
		}
		ask(r.ctx)
		r.close()
		if len(got) != 2 || !errors.Is(got[1], conversation.ErrClosed) {
			t.Errorf("closed: %v", got)
		}
	})
}

func TestAskAgentMasksSecrets(t *testing.T) {
	play(t, conversation.Options{Secrets: map[string]json.RawMessage{"TOKEN": json.RawMessage(`"hunter22"`)}}, func(r *rig) {
		r.agent.ask = func(context.Context) (string, stats.Call, error) { return "It is hunter22.", asideCost(), nil }
		if got, _ := r.side(r.ctx, "What is the token?"); got != "It is <secret-hidden>." {
			t.Errorf("%q", got)
		}
	})
}

func usd(amount float64) *float64 { return &amount }

func costing(t *conversation.Thought, usageID string, amount float64) *conversation.Thought {
	t.Call.UsageID, t.Call.Cost = usageID, amount
	return t
}

// The budget is held against all models together, after a step.
func TestBudget(t *testing.T) {
	play(t, conversation.Options{MaxBudget: usd(0.5)}, func(r *rig) {
		r.agent.ask = func(context.Context) (string, stats.Call, error) { return "Nothing.", asideCost(), nil }
		r.ask("go")
		if _, err := r.side(r.ctx, "What goes on?"); err != nil {
			t.Fatal(err)
		}
		r.answer(costing(do(call("one")), "agent", 0.125))
		r.result("one")
		r.rec.told()
		r.answer(costing(do(call("two")), "condenser", 0.125))
		r.result("two")
		r.quiet()
		r.status(conversation.Failed, conversation.StopBudget)
		info := r.info()
		if e := info.Error; e == nil || e.Code != "MaxBudgetReached" || e.Classification != event.ClassQuota || !strings.Contains(e.Message, "$0.50") {
			t.Errorf("error %+v", e)
		}
		last := r.log()[len(r.log())-1]
		if raw := string(must(os.ReadFile(last))); !strings.Contains(raw, `"code":"MaxBudgetReached"`) || !strings.Contains(raw, `"kind":"ConversationErrorEvent"`) {
			t.Errorf("the last event is %s", raw)
		}

		// The reference makes one step more, and so does the next process.
		r.reopen()
		if got := r.info(); got.MaxBudget != 0.5 || got.StopReason != conversation.StopBudget {
			t.Errorf("after opening again: %v %s", got.MaxBudget, got.StopReason)
		}
		r.ask("go on")
		r.answer(do(call("three")))
		r.result("three")
		r.status(conversation.Failed, conversation.StopBudget)

		var raised conversation.Info
		r.check(r.c.Update(conversation.Update{MaxBudget: usd(0)}, func(i conversation.Info, err error) { raised = i; r.check(err) }))
		r.mustRun()
		if raised.MaxBudget != 0 {
			t.Errorf("the budget is %v", raised.MaxBudget)
		}
		r.answer(costing(do(call("four")), "agent", 7))
		r.result("four")
		r.answer(say("done"))
		r.status(conversation.Finished, conversation.StopFinished)
	})
}

// Where nobody knows what a model costs the log says so, once.
func TestABudgetThatNothingHolds(t *testing.T) {
	prepared(t, func(r *rig) {
		var log bytes.Buffer
		r.options.MaxBudget = usd(0.5)
		r.manager = conversation.NewManager(context.WithoutCancel(r.ctx), conversation.Config{
			Base: r.options.Base, Log: slog.New(slog.NewTextHandler(&log, nil)),
			NewAgent: func(env conversation.AgentEnv) (conversation.Agent, error) {
				return &fake{env: env, unpriced: true}, nil
			},
		})
		r.create()
		r.ask("go")
		r.answer(do(call("one")))
		r.result("one")
		r.answer(do(call("two")))
		r.result("two")
		r.answer(say("done"))
		r.status(conversation.Finished, conversation.StopFinished)
		if n := strings.Count(log.String(), "the budget can't stop it"); n != 1 {
			t.Errorf("it was said %d times:\n%s", n, log.String())
		}
	})
}

func TestFinishedWinsOverTheBudget(t *testing.T) {
	play(t, conversation.Options{MaxBudget: usd(0.5)}, func(r *rig) {
		r.ask("go")
		r.answer(costing(say("done"), "agent", 3))
		r.status(conversation.Finished, conversation.StopFinished)
		r.ask("more")
		r.answer(costing(do(call("finish")), "agent", 3))
		r.result("finish")
		r.status(conversation.Finished, conversation.StopFinished)
	})
}

// The calls that a run which is out of money left behind were never begun: the
// next run carries them out.
func TestTheBudgetAndAPause(t *testing.T) {
	play(t, conversation.Options{MaxBudget: usd(0.5)}, func(r *rig) {
		r.ask("go")
		w := r.thinking()
		r.pause()
		w.answers <- answer{thought: costing(do(call("one")), "agent", 1)}
		r.status(conversation.Failed, conversation.StopBudget)
		r.check(r.c.Update(conversation.Update{MaxBudget: usd(9)}, func(_ conversation.Info, err error) { r.check(err) }))
		r.mustRun()
		r.result("one")
	})
}

func TestABudgetThatMakesNoSense(t *testing.T) {
	prepared(t, func(r *rig) {
		r.options.MaxBudget = usd(-1)
		var value *conversation.ValueError
		if _, _, err := r.manager.Create(r.ctx, r.options); !errors.As(err, &value) || value.Field != "maxBudgetPerRun" {
			t.Errorf("create: %v", err)
		}
		r.options.MaxBudget = nil
		r.create()
		var err error
		r.check(r.c.Update(conversation.Update{MaxBudget: usd(-1)}, func(_ conversation.Info, e error) { err = e }))
		synctest.Wait()
		if !errors.As(err, &value) || value.Field != "maxBudgetPerRun" {
			t.Errorf("update: %v", err)
		}
	})
}

// What is given of an agent takes the place of what is stored, field by field,
// and a profile that of the stored model.
func TestTheAgentOnResume(t *testing.T) {
	const stored = `{"llm":{"model":"a/one","temperature":0.5},"tools":[{"name":"terminal"}],"system_prompt":"Be brief."}`
	for name, tt := range map[string]struct {
		agent, profile, want string
	}{
		"nothing":               {"", "", stored},
		"a model":               {`{"llm":{"model":"b/two"}}`, "", `{"llm":{"model":"b/two"},"tools":[{"name":"terminal"}],"system_prompt":"Be brief."}`},
		"a prompt":              {`{"system_prompt":null}`, "", `{"llm":{"model":"a/one","temperature":0.5},"tools":[{"name":"terminal"}],"system_prompt":null}`},
		"a profile":             {"", "fast", `{"llm":{"usage_id":"profile:fast"},"tools":[{"name":"terminal"}],"system_prompt":"Be brief."}`},
		"a profile and a field": {`{"llm":{"seed":1}}`, "fast", `{"llm":{"usage_id":"profile:fast","seed":1},"tools":[{"name":"terminal"}],"system_prompt":"Be brief."}`},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, conversation.Options{Agent: json.RawMessage(stored)}, func(r *rig) {
				r.close()
				r.manager = r.newManager()
				r.options.Agent, r.options.Profile = nil, tt.profile
				if tt.agent != "" {
					r.options.Agent = json.RawMessage(tt.agent)
				}
				r.create()
				var got, want any
				r.check(json.Unmarshal(r.agent.env.Spec, &got))
				r.check(json.Unmarshal([]byte(tt.want), &want))
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		})
	}
}

// A second create of an open conversation switches to the profile that it names.
func TestCreateAgainWithAProfile(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.options.Profile = "fast"
		c, created, err := r.manager.Create(r.ctx, r.options)
		if err != nil || created || c != r.c {
			t.Fatalf("created %t, %v", created, err)
		}
		if llm := r.agent.llm.Load(); llm == nil || string(*llm) != `{"usage_id":"profile:fast"}` {
			t.Error("it was not switched")
		}
	})
}

// Metrics of all usage ids survive, in OpenHands' form: whole on the disk, without
// the single calls in the state.
func TestStatsOfSeveralModels(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("go")
		r.answer(costing(do(call("one")), "agent", 0.5))
		r.result("one")
		r.answer(costing(say("done"), "profile:fast", 0.25))
		r.reopen()
		r.ask("again")
		r.answer(costing(say("done"), "agent", 0.5))
		metrics := r.state()["stats"].(map[string]any)["usage_to_metrics"].(map[string]any)
		total := 0.0
		for usage, calls := range map[string]int{"agent": 2, "profile:fast": 1} {
			m := metrics[usage].(map[string]any)
			total += m["accumulated_cost"].(float64)
			for _, list := range []string{"costs", "response_latencies", "token_usages"} {
				if n := len(m[list].([]any)); n != calls {
					t.Errorf("%s of %s: %d entries, want %d", list, usage, n, calls)
				}
			}
			if got := m["accumulated_token_usage"].(map[string]any)["prompt_tokens"]; got != float64(10*calls) {
				t.Errorf("tokens of %s: %v", usage, got)
			}
		}
		if total != 1.25 {
			t.Errorf("they cost %v", total)
		}
		if snapshot := string(r.info().Stats); !strings.Contains(snapshot, `"profile:fast"`) || strings.Contains(snapshot, "token_usages") {
			t.Errorf("the snapshot is %s", snapshot)
		}
		if llms := r.info().LLMs; !slices.Contains(llms, conversation.LLM{UsageID: "agent", Model: "test/fake"}) {
			t.Errorf("models %v", llms)
		}
	})
}
