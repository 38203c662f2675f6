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
	r.check(r.c.GenerateTitle(50, func(_ string, err error) { got <- err }))
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
				r.check(r.c.GenerateTitle(tt.length, func(s string, err error) { got = s; r.check(err) }))
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
		r.check(r.c.GenerateTitle(50, func(_ string, err error) { got = err }))
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
		r.check(r.c.GenerateTitle(50, func(s string, err error) { got = s; r.check(err) }))
		r.answer(say("hi"))
		r.status(conversation.Finished, conversation.StopFinished)
		close(release)
		synctest.Wait()
		if got != "Hello" || r.info().Title != "Hello" {
			t.Errorf("title %q", got)
		}
	})
}
