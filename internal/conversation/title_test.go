package conversation_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/stats"
)

// titleInTheMaking asks for a title of a model that never answers.
func titleInTheMaking(r *rig) (asked chan struct{}, got chan error) {
	asked, got = make(chan struct{}), make(chan error, 1)
	r.agent.ask = func(ctx context.Context) (string, stats.Call, error) {
		close(asked)
		<-ctx.Done()
		return "", stats.Call{}, ctx.Err()
	}
	r.check(r.c.GenerateTitle(50, nil, func(_ string, err error) { got <- err }))
	return asked, got
}

func TestGenerateTitle(t *testing.T) {
	tests := []struct {
		name, message, reply string
		err                  error
		length               int
		want                 string
	}{
		{"of the model", "Please fix the build", "🐛 Fix the build", nil, 50, "🐛 Fix the build"},
		{"too long", "Please", strings.Repeat("x", 60), nil, 20, strings.Repeat("x", 17) + "..."},
		{"failed", "Please fix the build", "", errors.New("overloaded"), 50, "Please fix the build"},
		{"empty", "Please fix the build of everything", "  ", nil, 10, "Please ..."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, conversation.Options{}, func(r *rig) {
				r.agent.ask = func(context.Context) (string, stats.Call, error) {
					if tt.err != nil {
						return "", stats.Call{}, tt.err
					}
					call := cost()
					call.UsageID = "title"
					return tt.reply, call, nil
				}
				if _, err := r.send(tt.message, "", false, conversation.Queue); err != nil {
					t.Fatal(err)
				}
				n := len(r.log())
				var got string
				r.check(r.c.GenerateTitle(tt.length, nil, func(s string, err error) { got = s; r.check(err) }))
				synctest.Wait()
				info := r.info()
				if got != tt.want || info.Title != tt.want || info.Tags["title"] != tt.want {
					t.Errorf("title %q, in the state %q %v, want %q", got, info.Title, info.Tags, tt.want)
				}
				if len(r.log()) != n {
					t.Error("a title is no event")
				}
				if counted := strings.Contains(string(info.Stats), `"title"`); counted != (tt.err == nil) {
					t.Errorf("stats: %s", info.Stats)
				}
				r.reopen()
				if got := r.info().Title; got != tt.want {
					t.Errorf("after opening again: %q", got)
				}
			})
		})
	}
}

func TestNoTitleWithoutAMessage(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		var got error
		r.check(r.c.GenerateTitle(50, nil, func(_ string, err error) { got = err }))
		synctest.Wait()
		var state *conversation.StateError
		if !errors.As(got, &state) || state.Status != conversation.Idle {
			t.Errorf("got %v", got)
		}
	})
}

// A title is made beside a run, and neither waits for the other.
func TestATitleWhileRunning(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("hello")
		release := make(chan struct{})
		r.agent.ask = func(context.Context) (string, stats.Call, error) {
			<-release
			return "Hello", stats.Call{}, nil
		}
		var got string
		r.check(r.c.GenerateTitle(50, nil, func(s string, err error) { got = s; r.check(err) }))
		r.answer(say("hi"))
		r.status(conversation.Finished, conversation.StopFinished)
		close(release)
		synctest.Wait()
		if got != "Hello" || r.info().Title != "Hello" {
			t.Errorf("title %q", got)
		}
	})
}

// named answers every title request.
func named(r *rig, title string) {
	r.agent.ask = func(context.Context) (string, stats.Call, error) {
		call := cost()
		call.UsageID = "title"
		return title, call, nil
	}
}

// With AutoTitle the first run that finishes names the conversation, told as a
// state and as a change of the list, and only once.
func TestAutoTitle(t *testing.T) {
	prepared(t, func(r *rig) {
		on, lists := true, 0
		r.options.AutoTitle = &on
		r.manager = conversation.NewManager(context.WithoutCancel(r.ctx), conversation.Config{
			Base: r.options.Base, Log: discard, OnChange: func() { lists++ },
			NewAgent: func(env conversation.AgentEnv) (conversation.Agent, error) { return &fake{env: env}, nil },
		})
		r.create()
		named(r, "🐛 Fix the build")
		r.ask("Please fix the build")
		r.thinking()
		r.interrupt()
		if title := r.info().Title; title != "" {
			t.Fatalf("a run that was interrupted gave the title %q", title)
		}
		r.mustRun()
		before := lists
		r.answer(say("done"))
		if i := r.info(); i.Title != "🐛 Fix the build" || i.Status != conversation.Finished || !strings.Contains(string(i.Stats), `"title"`) {
			t.Errorf("title %q, status %s, stats %s", i.Title, i.Status, i.Stats)
		}
		if lists != before+2 {
			t.Errorf("the list changed %d times, want once for the run and once for the title", lists-before)
		}
		if state := r.rec.last; state.Title != "🐛 Fix the build" || state.RunID != "" {
			t.Errorf("the newest state has the title %q and the run %q", state.Title, state.RunID)
		}
		named(r, "Another")
		r.ask("more")
		r.answer(say("done"))
		if title := r.info().Title; title != "🐛 Fix the build" {
			t.Errorf("it was named again: %q", title)
		}
	})
}

// A title that takes long delays nothing, does not replace one that was given
// meanwhile, and ends with the conversation.
func TestAutoTitleInTheBackground(t *testing.T) {
	on := true
	play(t, conversation.Options{AutoTitle: &on}, func(r *rig) {
		release := make(chan struct{})
		r.agent.ask = func(ctx context.Context) (string, stats.Call, error) {
			select {
			case <-release:
				return "Late", stats.Call{}, nil
			case <-ctx.Done():
				return "", stats.Call{}, ctx.Err()
			}
		}
		r.ask("hello")
		r.answer(say("hi"))
		r.status(conversation.Finished, conversation.StopFinished)
		r.ask("and now?")
		r.answer(say("nothing"))
		r.status(conversation.Finished, conversation.StopFinished)
		mine := "Mine"
		r.check(r.c.Update(conversation.Update{Title: &mine}, func(_ conversation.Info, err error) { r.check(err) }))
		close(release)
		synctest.Wait()
		if title := r.info().Title; title != "Mine" {
			t.Errorf("title %q", title)
		}
		none := ""
		r.check(r.c.Update(conversation.Update{Title: &none}, func(_ conversation.Info, err error) { r.check(err) }))
		r.agent.ask = func(ctx context.Context) (string, stats.Call, error) {
			<-ctx.Done()
			return "", stats.Call{}, ctx.Err()
		}
		r.ask("hello again")
		r.answer(say("hi"))
		r.reopen()
		if i := r.info(); i.Title != "" || !i.AutoTitle {
			t.Errorf("title %q, wanted %t", i.Title, i.AutoTitle)
		}
		named(r, "At last")
		r.ask("once more")
		r.answer(say("hi"))
		if title := r.info().Title; title != "At last" {
			t.Errorf("title %q", title)
		}
	})
}

// Without a model the text itself gives the title; a broken agent gives none, and
// breaks no run.
func TestAutoTitleFails(t *testing.T) {
	on := true
	for name, ask := range map[string]func(context.Context) (string, stats.Call, error){
		"refused": func(context.Context) (string, stats.Call, error) { return "", stats.Call{}, errors.New("overloaded") },
		"broken":  func(context.Context) (string, stats.Call, error) { panic("boom") },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, conversation.Options{AutoTitle: &on}, func(r *rig) {
				r.agent.ask = ask
				r.ask("hello")
				r.answer(say("hi"))
				r.status(conversation.Finished, conversation.StopFinished)
				if title := r.info().Title; title != "hello" {
					t.Errorf("title %q", title)
				}
			})
		})
	}
}

// The caller's model is asked; what is wrong with its description is an error, and
// one that does not answer is not.
func TestGenerateTitleWithAModel(t *testing.T) {
	play(t, conversation.Options{}, func(r *rig) {
		r.ask("hello")
		generate := func() (title string, err error) {
			r.check(r.c.GenerateTitle(50, []byte(`{"model":"test/small"}`), func(s string, e error) { title, err = s, e }))
			synctest.Wait()
			return title, err
		}
		named(r, "Greeting")
		if got, err := generate(); got != "Greeting" || err != nil || string(r.agent.asked.LLM) != `{"model":"test/small"}` {
			t.Errorf("%q, %v, asked %s", got, err, r.agent.asked.LLM)
		}
		wrong := &conversation.ValueError{Field: "llm.temperature", Message: "must be a number"}
		r.agent.ask = func(context.Context) (string, stats.Call, error) { return "", stats.Call{}, wrong }
		if got, err := generate(); got != "" || !errors.Is(err, wrong) || r.info().Title != "Greeting" {
			t.Errorf("%q, %v", got, err)
		}
		r.agent.ask = func(context.Context) (string, stats.Call, error) { return "", stats.Call{}, errors.New("no key") }
		if got, err := generate(); got != "hello" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}
