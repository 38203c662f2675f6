package view_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/view"
)

func TestEvents(t *testing.T) {
	thought := thinking(action("1", "r1"))
	for name, c := range map[string]struct {
		log  []event.Event
		want string
	}{
		"nothing": {},
		"what a model does not know of is left out": {
			[]event.Event{
				system("S", "s"), user("U", "u"), &event.Pause{Meta: event.Meta{ID: "P"}},
				&event.StateUpdate{Meta: event.Meta{ID: "X"}}, &event.ConversationError{Meta: event.Meta{ID: "Y"}}, agent("M", "m"),
			},
			"S U M",
		},
		"a condensation forgets and puts its summary in": {
			[]event.Event{system("S", "s"), user("U", "u"), action("1", "r1"), observation("1", "o"), user("V", "v"), condensation("C", "sum", 2, "A1", "O1")},
			"S U C-summary V",
		},
		"the offset counts after the drop": {
			[]event.Event{user("U", "u"), user("V", "v"), user("W", "w"), condensation("C", "sum", 1, "U", "V")},
			"W C-summary",
		},
		"an offset beyond the end appends": {
			[]event.Event{user("U", "u"), condensation("C", "sum", 9, "U")},
			"C-summary",
		},
		"an offset before the start is the start": {
			[]event.Event{user("U", "u"), condensation("C", "sum", -9)},
			"C-summary U",
		},
		"no summary without an offset": {
			[]event.Event{user("U", "u"), user("V", "v"), &event.Condensation{Meta: event.Meta{ID: "C"}, ForgottenEventIDs: []string{"U"}, Summary: new(string)}},
			"V",
		},
		"a condensation may forget an earlier summary": {
			[]event.Event{user("U", "u"), condensation("C", "one", 0, "U"), user("V", "v"), condensation("D", "two", 0, "C-summary", "V")},
			"D-summary",
		},
		"1: a call has one result, the first": {
			[]event.Event{user("U", "u"), action("1", "r1"), failure("1", "interrupted"), observation("1", "late")},
			"U A1 E1",
		},
		"2: a batch goes as a whole": {
			[]event.Event{user("U", "u"), action("1", "r1"), action("2", "r1"), observation("1", "o"), observation("2", "o"), condensation("C", "s", 1, "A1")},
			"U C-summary",
		},
		"2: responses with the same id are not one batch": {
			[]event.Event{user("U", "u"), action("1", ""), observation("1", "o"), action("2", ""), observation("2", "o"), condensation("C", "s", 1, "A1", "O1")},
			"U C-summary A2 O2",
		},
		"3: a call whose result was forgotten goes": {
			[]event.Event{user("U", "u"), action("1", "r1"), observation("1", "o"), condensation("C", "s", 1, "O1")},
			"U C-summary",
		},
		"3: a result whose call was forgotten goes": {
			[]event.Event{user("U", "u"), action("1", "r1"), observation("1", "o"), condensation("C", "s", 1, "A1")},
			"U C-summary",
		},
		"3: a result without a call is left out": {
			[]event.Event{user("U", "u"), observation("1", "o"), failure("2", "e"), rejection("3", "r")},
			"U",
		},
		"3: a call that waits stays": {
			[]event.Event{user("U", "u"), action("1", "r1"), condensation("C", "s", 0)},
			"C-summary U A1",
		},
		"4: a tool loop goes as a whole": {
			[]event.Event{
				user("U", "u"), thought, observation("1", "o"), action("2", "r2"), observation("2", "o"), user("V", "v"),
				condensation("C", "s", 1, "A1", "O1"),
			},
			"U C-summary V",
		},
		"4: thinking starts a new loop": {
			[]event.Event{user("U", "u"), thought, observation("1", "o"), thinking(action("2", "r2")), observation("2", "o"), condensation("C", "s", 1, "A1", "O1")},
			"U C-summary A2 O2",
		},
		"4: what follows a forgotten loop stays": {
			[]event.Event{
				user("U", "u"), thought, observation("1", "o"), condensation("C", "s", 1, "A1", "O1"), action("2", "r2"), observation("2", "o"),
				condensation("D", "s", 1),
			},
			"U D-summary C-summary A2 O2",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ids(view.Rebuild(c.log).Events()); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestCondensationRequested(t *testing.T) {
	var v view.View
	v.Append(user("U", "u"))
	for _, c := range []struct {
		e    event.Event
		want bool
	}{
		{user("V", "v"), false},
		{&event.CondensationRequest{}, true},
		{user("W", "w"), true},
		{condensation("C", "s", 0), false},
	} {
		if v.Append(c.e); v.CondensationRequested() != c.want {
			t.Errorf("after %s: %t", c.e.Kind(), !c.want)
		}
	}
}

func TestCuts(t *testing.T) {
	for name, c := range map[string]struct {
		log  []event.Event
		want []int
	}{
		"nothing":  {nil, []int{0}},
		"messages": {[]event.Event{user("U", "u"), user("V", "v")}, []int{0, 1, 2}},
		"calls": {
			[]event.Event{user("U", "u"), action("1", "r1"), observation("1", "o"), action("2", "r2"), observation("2", "o")},
			[]int{0, 1, 3, 5},
		},
		"a batch": {
			[]event.Event{action("1", "r1"), action("2", "r1"), observation("1", "o"), observation("2", "o"), user("U", "u")},
			[]int{0, 4, 5},
		},
		"a message inside a batch": {
			[]event.Event{action("1", "r1"), user("U", "u"), observation("1", "o"), user("V", "v")},
			[]int{0, 3, 4},
		},
		"a call that waits": {
			[]event.Event{user("U", "u"), action("1", "r1"), user("V", "v")},
			[]int{0, 1},
		},
		"a tool loop": {
			[]event.Event{thinking(action("1", "r1")), observation("1", "o"), action("2", "r2"), observation("2", "o"), user("U", "u")},
			[]int{0, 4, 5},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, view.Rebuild(c.log).Cuts()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestUnmatched(t *testing.T) {
	for name, c := range map[string]struct {
		log  []event.Event
		want string
	}{
		"no events":                {nil, ""},
		"not answered":             {[]event.Event{action("1", "r1"), action("2", "r1")}, "A1 A2"},
		"answered":                 {[]event.Event{action("1", "r1"), action("2", "r1"), observation("1", "o")}, "A2"},
		"rejected":                 {[]event.Event{action("1", "r1"), rejection("1", "no")}, ""},
		"failed":                   {[]event.Event{action("1", "r1"), failure("1", "e")}, ""},
		"another call failed":      {[]event.Event{action("1", "r1"), failure("2", "e")}, "A1"},
		"another call answered":    {[]event.Event{action("1", "r1"), observation("2", "o")}, "A1"},
		"not valid":                {[]event.Event{invalid(action("1", "r1"), "{")}, ""},
		"a result before the call": {[]event.Event{observation("1", "o"), action("1", "r1")}, "A1"},
	} {
		t.Run(name, func(t *testing.T) {
			var list []event.Event
			for _, a := range view.Unmatched(c.log) {
				list = append(list, a)
			}
			if got := ids(list); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
