package store

import (
	"fmt"
	"slices"
	"strings"
)

// index is the order of the events as file names tell it.
type index struct {
	events []entry
	byID   map[string]int
	// orphans are the event files behind a gap: OpenHands ignores them.
	orphans  []string
	problems []Problem
}

type entry struct{ id, name string }

// Problem is something in events/ that was passed over.
type Problem struct {
	// File is the name in events/.
	File string
	// Text says what is the matter with it.
	Text string
}

func (p Problem) String() string { return p.File + ": " + p.Text }

// maxProblems bounds the list: a directory full of strange files is told once.
const maxProblems = 100

// newIndex orders the names of a directory. Indexes count from 0; at a gap the
// log ends. It reads no file.
func newIndex(names []string) *index {
	x := &index{}
	// A log without a gap has no index beyond the number of files.
	slots := make([]entry, len(names))
	for _, name := range names {
		i, id, ok := parseEventName(name)
		switch {
		case !ok:
			if !strings.HasPrefix(name, ".") {
				x.report(name, "not the name of an event; ignored")
			}
		case i >= len(slots):
			x.orphans = append(x.orphans, name)
		case slots[i].name == "":
			slots[i] = entry{id: id, name: name}
		default:
			first, second := slots[i], entry{id: id, name: name}
			if second.name < first.name {
				first, second = second, first
			}
			slots[i] = first
			x.report(second.name, "a second event with the index of "+first.name+"; ignored")
		}
	}
	n := slices.IndexFunc(slots, func(e entry) bool { return e.name == "" })
	if n < 0 {
		n = len(slots)
	}
	for _, e := range slots[n:] {
		if e.name != "" {
			x.orphans = append(x.orphans, e.name)
		}
	}
	slices.Sort(x.orphans)
	for _, name := range x.orphans {
		x.report(name, fmt.Sprintf("behind a gap: there is no event %d; ignored", n))
	}
	x.events = slots[:n:n]
	x.byID = make(map[string]int, n)
	for i, e := range x.events {
		if first, ok := x.byID[e.id]; ok {
			x.report(e.name, fmt.Sprintf("has the id of event %d; the id means the first", first))
			continue
		}
		x.byID[e.id] = i
	}
	slices.SortFunc(x.problems, func(a, b Problem) int { return strings.Compare(a.File, b.File) })
	return x
}

func (x *index) report(file, text string) {
	if len(x.problems) < maxProblems {
		x.problems = append(x.problems, Problem{File: file, Text: text})
	}
}

// differsFrom gives the first index at which two logs differ; their length when
// they are equal.
func (x *index) differsFrom(old *index) int {
	n := min(len(x.events), len(old.events))
	for i := range n {
		if x.events[i] != old.events[i] {
			return i
		}
	}
	return n
}
