package baseline

import (
	"maps"
	"slices"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
)

// file is a change with the states that it lies between.
type file struct {
	conversation.FileChange
	before, left, now entry
	texts             [3]string // before, left, now, where it is text
	hunks             []hunk
	// renamedTo is where a deleted file went, under which it is listed.
	renamedTo string
}

// changed gives the files that the agent changed and that are not what they were,
// sorted by path; with run only what changed since the newest run began.
func (t *Tracker) changed(run bool) []file {
	files := []file{}
	for _, path := range slices.Sorted(maps.Keys(t.m.After)) {
		f := file{before: t.base(path), left: t.m.After[path]}
		if run {
			f.before = t.start(path)
		}
		if f.before.same(f.left) {
			continue
		}
		if f.now = f.left; !t.m.Running && !t.unchanged(path, f.left) {
			f.now = t.current(path, f.left)
		}
		if f.before.same(f.now) {
			continue // somebody else took it back
		}
		switch f.Path = path; {
		case f.before.Absent:
			f.Status = conversation.FileAdded
		case f.now.Absent:
			f.Status = conversation.FileDeleted
		default:
			f.Status = conversation.FileModified
		}
		files = append(files, f)
	}
	pairRenames(files)
	return files
}

// pairRenames makes one renamed file of a deleted and an added one of the same
// content.
func pairRenames(files []file) {
	added := map[string][]*file{}
	for i := range files {
		if f := &files[i]; f.Status == conversation.FileAdded && f.now.Hash != "" {
			added[f.now.Hash] = append(added[f.now.Hash], f)
		}
	}
	for i := range files {
		from := &files[i]
		if from.Status != conversation.FileDeleted || len(added[from.before.Hash]) == 0 {
			continue
		}
		to := added[from.before.Hash][0]
		added[from.before.Hash] = added[from.before.Hash][1:]
		to.Status, to.OldPath, from.renamedTo = conversation.FileRenamed, from.Path, to.Path
	}
}

// described gives what [Tracker.changed] gives, with lines.
func (t *Tracker) described(run bool) []file {
	files := t.changed(run)
	for i := range files {
		t.describe(&files[i])
	}
	return files
}

func (t *Tracker) describe(f *file) {
	f.Hunks = []conversation.Hunk{}
	if f.Status != conversation.FileRenamed {
		n := t.lines(f.before, f.left)
		f.Additions, f.Deletions = n.Additions, n.Deletions
	}
	for i, e := range []entry{f.before, f.left, f.now} {
		text, ok := t.text(e)
		if !ok {
			f.Binary = true
			return
		}
		f.texts[i] = text
	}
	if f.Status == conversation.FileRenamed {
		return
	}
	f.hunks = hunksOf(f.texts[0], f.texts[1], f.texts[2])
	for _, h := range f.hunks {
		f.Hunks = append(f.Hunks, h.Hunk)
	}
}

// all tells whether these hunks, or all where none is named, are the whole change.
func (f *file) all(hunks []string) bool {
	return len(hunks) == 0 || len(f.hunks) > 0 && !slices.ContainsFunc(f.hunks, func(h hunk) bool { return !slices.Contains(hunks, h.ID) })
}

// count counts what is changed and not kept.
func (t *Tracker) count() (n conversation.ChangeCount) {
	for _, f := range t.changed(false) {
		if f.renamedTo != "" {
			continue
		}
		n.Files++
		if f.Status != conversation.FileRenamed {
			c := t.lines(f.before, f.left)
			n.Additions += c.Additions
			n.Deletions += c.Deletions
		}
	}
	return n
}

// maxCounts bounds the counts that are remembered.
const maxCounts = 4096

// lines counts the lines of one change; it remembers what it has counted.
func (t *Tracker) lines(before, left entry) (n conversation.ChangeCount) {
	key := [2]string{before.Hash, left.Hash}
	if n, ok := t.counts[key]; ok {
		return n
	}
	b, ok1 := t.text(before)
	l, ok2 := t.text(left)
	if ok1 && ok2 {
		for _, r := range regions(b, l) {
			n.Deletions += r.a.len()
			n.Additions += r.b.len()
		}
	}
	if len(t.counts) > maxCounts {
		clear(t.counts)
	}
	t.counts[key] = n
	return n
}
