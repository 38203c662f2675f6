package view_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/view"
)

// chaos draws any sequence of events: ids repeat, results come early, twice or
// never, responses share ids, condensations tear anything apart.
func chaos(t *rapid.T) []event.Event {
	text := rapid.SampledFrom([]string{"", " ", "text", "more"})
	number := rapid.SampledFrom([]string{"", "1", "2", "3", "4"})
	arguments := rapid.SampledFrom([]string{"", "null", "{}", `{"a":1}`, `{"a":`, "[]", "5", `"x"`, " \n{} "})
	var log []event.Event
	var seen []string
	for i := range rapid.IntRange(0, 40).Draw(t, "length") {
		id := "e" + strconv.Itoa(i)
		if rapid.IntRange(0, 9).Draw(t, "reuse") == 0 && len(seen) > 0 {
			id = rapid.SampledFrom(seen).Draw(t, "id")
		}
		var e event.Event
		switch rapid.IntRange(0, 12).Draw(t, "kind") {
		case 0:
			e = system(id, text.Draw(t, "prompt"))
		case 1:
			role := rapid.SampledFrom([]event.Role{event.RoleUser, event.RoleAssistant, event.RoleSystem, event.RoleTool, ""}).Draw(t, "role")
			m := message(id, rapid.SampledFrom([]event.Source{event.SourceUser, event.SourceAgent, event.SourceEnvironment}).Draw(t, "source"), role, text.Draw(t, "text"))
			if rapid.Bool().Draw(t, "image") {
				m.ExtendedContent = []event.Content{event.Image("u"), event.Image()}
			}
			m.LLMMessage.ToolCalls = rapid.SampledFrom([][]event.ToolCall{nil, {{ID: "stray"}}}).Draw(t, "calls")
			e = m
		case 2, 3, 4, 5:
			a := action(number.Draw(t, "call"), number.Draw(t, "response"), text.Draw(t, "thought"))
			a.ToolCall.Arguments = arguments.Draw(t, "arguments")
			a.ToolCall.Name = text.Draw(t, "name")
			if rapid.IntRange(0, 3).Draw(t, "invalid") == 0 {
				a.Action = nil
			}
			if rapid.IntRange(0, 3).Draw(t, "thinking") == 0 {
				thinking(a)
			}
			e = a
		case 6, 7, 8:
			o := observation(number.Draw(t, "call"), text.Draw(t, "output"))
			o.ActionID = rapid.SampledFrom(append([]string{"", o.ActionID}, seen...)).Draw(t, "action")
			e = o
		case 9:
			e = failure(number.Draw(t, "call"), text.Draw(t, "error"))
		case 10:
			e = rejection(number.Draw(t, "call"), text.Draw(t, "reason"))
		case 11:
			e = rapid.SampledFrom([]event.Event{&event.Pause{}, &event.CondensationRequest{}, &event.Unknown{Name: "Later"}, &event.CondensationSummary{}}).Draw(t, "other")
		case 12:
			c := condensation("", text.Draw(t, "summary"), rapid.IntRange(-1, 45).Draw(t, "offset"))
			c.ForgottenEventIDs = rapid.SliceOfN(rapid.SampledFrom(append([]string{"nobody"}, seen...)), 0, 8).Draw(t, "forgotten")
			if rapid.Bool().Draw(t, "silent") {
				c.Summary = nil
			}
			e = c
		}
		// Actions and results come with ids that fit together; half of them lose
		// those.
		if e.Head().ID == "" || rapid.Bool().Draw(t, "rename") {
			e.Head().ID = id
		}
		seen = append(seen, e.Head().ID)
		log = append(log, e)
	}
	return log
}

func TestAnyLogGivesStrictMessages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := chaos(t)
		var v view.View
		type given struct {
			messages []event.LLMMessage
			script   string
		}
		var before []given
		for i, e := range log {
			v.Append(e)
			if !rapid.Bool().Draw(t, "ask") {
				continue
			}
			got := v.Messages(render)
			if err := strict(got); err != nil {
				t.Fatalf("after %d events: %v\n%s", i+1, err, script(got))
			}
			fresh := view.Rebuild(log[:i+1])
			if diff := cmp.Diff(fresh.Messages(render), got); diff != "" {
				t.Fatalf("after %d events: the view that grew differs from a new one (-new +grown):\n%s", i+1, diff)
			}
			if diff := cmp.Diff(ids(fresh.Events()), ids(v.Events())); diff != "" {
				t.Fatalf("after %d events: %s", i+1, diff)
			}
			before = append(before, given{got, script(got)})
		}
		for i, g := range before {
			if now := script(g.messages); now != g.script {
				t.Fatalf("the list given at %d was changed:\n%s\n%s", i, g.script, now)
			}
		}
	})
}

func TestAnyLogKeepsTheProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := chaos(t)
		v := view.Rebuild(log)
		cuts := v.Cuts()
		if cuts[0] != 0 || !slices.IsSorted(cuts) || cuts[len(cuts)-1] > v.Len() {
			t.Fatalf("cuts %v of %d", cuts, v.Len())
		}
		// Forgetting what is between two cuts tears nothing else away.
		from := rapid.SampledFrom(cuts).Draw(t, "from")
		to := rapid.SampledFrom(cuts).Draw(t, "to")
		events := v.Events()
		unique := make(map[string]int)
		for _, e := range events {
			unique[e.Head().ID]++
		}
		c := &event.Condensation{Meta: event.Meta{ID: "C"}}
		for _, e := range events[min(from, to):max(from, to)] {
			if unique[e.Head().ID] > 1 {
				t.Skip("ids that repeat can't be forgotten one by one")
			}
			c.ForgottenEventIDs = append(c.ForgottenEventIDs, e.Head().ID)
		}
		want := slices.Delete(slices.Clone(events), min(from, to), max(from, to))
		v.Append(c)
		if diff := cmp.Diff(ids(want), ids(v.Events())); diff != "" {
			t.Fatalf("cut %d to %d (-want +got):\n%s", from, to, diff)
		}
	})
}

// session draws what a real run logs, with condensations at any place, and
// tells which events stand and fall together.
func session(t *rapid.T) (log []event.Event, groups [][]string) {
	log = append(log, system("S", "s"), user("U", "u"))
	var seen []string
	var loop []string
	n := 0
	for turn := range rapid.IntRange(1, 12).Draw(t, "turns") {
		switch rapid.IntRange(0, 5).Draw(t, "what") {
		case 0:
			groups, loop = append(groups, loop), nil
			log = append(log, user(fmt.Sprint("U", turn), "u"))
			seen = append(seen, fmt.Sprint("U", turn))
		case 1:
			if len(seen) == 0 {
				continue
			}
			forgotten := rapid.SliceOfN(rapid.SampledFrom(seen), 0, 5).Draw(t, "forgotten")
			// What follows a loop that was torn is no part of it.
			if slices.ContainsFunc(loop, func(id string) bool { return slices.Contains(forgotten, id) }) {
				groups, loop = append(groups, loop), nil
			}
			log = append(log, &event.Condensation{Meta: event.Meta{ID: fmt.Sprint("C", turn)}, ForgottenEventIDs: forgotten})
		default:
			response := fmt.Sprint("r", turn)
			withThinking := rapid.Bool().Draw(t, "thinking")
			var batch []string
			calls := rapid.IntRange(1, 3).Draw(t, "calls")
			for i := range calls {
				a := action(strconv.Itoa(n+i), response)
				if i == 0 && withThinking {
					groups, loop = append(groups, loop), nil
					thinking(a)
				}
				log = append(log, a)
				batch = append(batch, a.ID)
			}
			for i := range calls {
				o := observation(strconv.Itoa(n+i), "o")
				log = append(log, o)
				batch = append(batch, o.ID)
			}
			n += calls
			groups = append(groups, batch)
			if loop != nil || withThinking {
				loop = append(loop, batch...)
			}
			seen = append(seen, batch...)
		}
	}
	return log, append(groups, loop)
}

func TestWhatBelongsTogetherStaysTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log, groups := session(t)
		v := view.Rebuild(log)
		present := make(map[string]bool)
		for _, e := range v.Events() {
			present[e.Head().ID] = true
		}
		for _, g := range groups {
			for _, id := range g {
				if present[id] != present[g[0]] {
					t.Fatalf("%v is torn: %s", g, ids(v.Events()))
				}
			}
		}
		// Nothing is lost that no condensation named, directly or by its group.
		forgotten := make(map[string]bool)
		for _, e := range log {
			if c, ok := e.(*event.Condensation); ok {
				for _, id := range c.ForgottenEventIDs {
					forgotten[id] = true
				}
			}
		}
		for again := true; again; {
			again = false
			for _, g := range groups {
				if !slices.ContainsFunc(g, func(id string) bool { return forgotten[id] }) {
					continue
				}
				for _, id := range g {
					if !forgotten[id] {
						forgotten[id], again = true, true
					}
				}
			}
		}
		for _, e := range log {
			if _, ok := e.(*event.Condensation); !ok && !forgotten[e.Head().ID] && !present[e.Head().ID] {
				t.Fatalf("%s is lost: %s", e.Head().ID, ids(v.Events()))
			}
		}
	})
}

func TestPendingIsUnmatched(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := chaos(t)
		var p view.Pending
		for i, e := range log {
			p.Append(e)
			var want []string
			for j, a := range log[:i+1] {
				if a, ok := a.(*event.Action); ok && a.Action != nil && !answered(a, log[j+1:i+1]) {
					want = append(want, a.ID)
				}
			}
			var got []string
			for _, a := range p.Actions() {
				got = append(got, a.ID)
			}
			if diff := cmp.Diff(want, got); diff != "" || p.Len() != len(want) {
				t.Fatalf("after %d events (-want +got):\n%s", i+1, diff)
			}
		}
	})
}

// answered is the rule as OpenHands words it.
func answered(a *event.Action, later []event.Event) bool {
	return slices.ContainsFunc(later, func(e event.Event) bool {
		switch e := e.(type) {
		case *event.Observation:
			return e.ActionID == a.ID
		case *event.UserReject:
			return e.ActionID == a.ID
		case *event.AgentError:
			return e.ToolCallID == a.ToolCallID
		}
		return false
	})
}

// long is a session of n steps of one call each.
func long(n int) []event.Event {
	log := []event.Event{system("S", "s"), user("U", "u")}
	for i := range n {
		log = append(log, step(i)...)
	}
	return log
}

func step(i int) []event.Event {
	n := strconv.Itoa(i)
	return []event.Event{action(n, "r"+n, "next"), observation(n, "src/a.go:3: foo()"), &event.StateUpdate{}}
}

// BenchmarkStep is one step of a conversation: three events, how much text there
// is now, and a request.
func BenchmarkStep(b *testing.B) {
	for _, n := range []int{10, 1000, 10000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			v := view.Rebuild(long(n))
			v.Weight(render)
			v.Messages(render)
			b.ReportAllocs()
			i := n
			for b.Loop() {
				for _, e := range step(i) {
					v.Append(e)
				}
				v.Weight(render)
				v.Messages(render)
				i++
			}
		})
	}
}

// BenchmarkRebuild opens a conversation and asks for its first request.
func BenchmarkRebuild(b *testing.B) {
	log := long(3000)
	b.ReportAllocs()
	for b.Loop() {
		view.Rebuild(log).Messages(render)
	}
}

// BenchmarkPending is the cost of keeping track of one step.
func BenchmarkPending(b *testing.B) {
	var p view.Pending
	events := step(1)
	b.ReportAllocs()
	for b.Loop() {
		for _, e := range events {
			p.Append(e)
		}
	}
}
