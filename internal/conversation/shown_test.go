package conversation_test

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// showing is an agent that shows the skill "s" with a message, and the rule "r"
// and the invoked skill "i" with an observation, once each.
func showing(f *fake) {
	f.enrich = func(e event.Event, a *event.Action, shown conversation.Shown) (added conversation.Enrichment) {
		add := func(list *[]string, known []string, name string) {
			if !slices.Contains(known, name) {
				*list = append(*list, name)
				added.Content = append(added.Content, event.Text("text of "+name))
			}
		}
		switch e.(type) {
		case *event.Message:
			add(&added.Shown.Skills, shown.Skills, "s")
		case *event.Observation:
			add(&added.Shown.Rules, shown.Rules, "r of "+a.ToolCallID)
			add(&added.Shown.Invoked, shown.Invoked, "i")
		}
		return added
	}
}

// What the agent shows goes into the event and its name into the state, which
// survives the process.
func TestShownOnce(t *testing.T) {
	prepared(t, func(r *rig) {
		r.setUp = showing
		r.create()
		r.ask("one")
		r.answer(do(call("a"), call("b")))
		r.result("a")
		r.result("b")
		r.answer(say("done"))
		check := func() {
			t.Helper()
			state := r.state()
			for field, want := range map[string][]any{
				"activated_knowledge_skills": {"s"}, "activated_path_rules": {"r of a", "r of b"}, "invoked_skills": {"i"},
			} {
				if diff := cmp.Diff(any(want), state[field]); diff != "" {
					t.Errorf("%s (-want +got):\n%s", field, diff)
				}
			}
		}
		check()
		r.reopen()
		r.ask("two")
		r.answer(say("done"))
		check()
		var texts, skills [][]string
		for _, e := range events(r) {
			switch e := e.(type) {
			case *event.Message:
				texts = append(texts, textsOf(e.ExtendedContent))
				skills = append(skills, e.ActivatedSkills)
			case *event.Observation:
				texts = append(texts, textsOf(e.ExtendedContent))
			}
		}
		if diff := cmp.Diff([][]string{{"text of s"}, {"text of r of a", "text of i"}, {"text of r of b"}, nil, nil, nil}, texts); diff != "" {
			t.Errorf("extended content (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([][]string{{"s"}, {}, {}, {}}, skills); diff != "" {
			t.Errorf("activated skills (-want +got):\n%s", diff)
		}
	})
}

// The model reads what was added, after a restart too.
func TestTheModelReadsWhatIsShown(t *testing.T) {
	prepared(t, func(r *rig) {
		r.setUp = showing
		r.create()
		r.ask("one")
		w := r.thinking()
		last := w.question.Messages[len(w.question.Messages)-1]
		if diff := cmp.Diff([]string{"one", "text of s"}, textsOf(last.Content)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// An agent that breaks here loses its addition, not the message.
func TestBrokenEnrichment(t *testing.T) {
	prepared(t, func(r *rig) {
		r.setUp = func(f *fake) {
			f.enrich = func(event.Event, *event.Action, conversation.Shown) conversation.Enrichment { panic("boom") }
		}
		r.create()
		r.ask("one")
		r.answer(do(call("a")))
		r.result("a")
		r.answer(say("done"))
		r.status(conversation.Finished, conversation.StopFinished)
	})
}

func textsOf(parts []event.Content) (texts []string) {
	for _, p := range parts {
		texts = append(texts, p.Text)
	}
	return texts
}

// events reads the log.
func events(r *rig) (all []event.Event) {
	r.t.Helper()
	for _, name := range r.log() {
		all = append(all, must(event.Decode(must(os.ReadFile(name)))))
	}
	return all
}

// The tool for skills comes and goes with the skills, whether an agent names it or
// not.
func TestTheToolForSkillsIsNotMissed(t *testing.T) {
	prepared(t, func(r *rig) {
		r.options.Agent = json.RawMessage(`{"include_default_tools":["FinishTool","InvokeSkillTool"]}`)
		r.create()
		r.close()
		r.manager = r.newManager()
		r.options.Agent = json.RawMessage(`{"include_default_tools":["FinishTool"]}`)
		r.create()
	})
}
