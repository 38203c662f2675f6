package conversation_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// TestBranchesModel grows random trees: it talks, goes to any event, forks at any
// and opens anew, and holds the conversation to a model that is a map from event
// to parent. The model of the agent reads what the branch says, whether it grew
// event by event or was read from the disk.
func TestBranchesModel(t *testing.T) {
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(bubbled{t}, func(rt *rapid.T) {
			base, err := os.MkdirTemp(root, "")
			if err != nil {
				rt.Fatal(err)
			}
			defer func() { _ = os.RemoveAll(base) }() // the test's directory goes too
			off := false
			r := newRig(rt, t.Context(), base, conversation.Options{StuckDetection: &off})
			m := &branchModel{rig: r, parent: map[string]string{}, text: map[string]string{}, epoch: 1}
			r.setUp = m.setUp
			defer r.end()
			r.create()
			// A step costs a few syncs to the disk: few steps, and many trees.
			moves := map[string]func(*rapid.T){"talk": m.talk, "navigate": m.navigate, "fork": m.fork, "reopen": m.reopen}
			for _, move := range rapid.SliceOfN(rapid.SampledFrom([]string{"talk", "talk", "navigate", "navigate", "fork", "reopen"}), 1, 14).Draw(rt, "moves") {
				moves[move](rt)
				m.check(rt)
			}
		})
	})
}

type branchModel struct {
	rig *rig

	parent map[string]string // "" for the first of a branch
	order  []string          // as on disk
	text   map[string]string // of messages
	head   string
	epoch  int

	said  int
	calls int      // that the agent is to make before it answers
	read  []string // the texts that it read last
}

// setUp makes an agent that answers at once.
func (m *branchModel) setUp(f *fake) {
	f.think = func(q conversation.Question) (*conversation.Thought, error) {
		m.read = nil
		for _, msg := range q.Messages {
			if msg.Role == event.RoleUser || msg.Role == event.RoleAssistant {
				for _, c := range msg.Content {
					m.read = append(m.read, c.Text)
				}
			}
		}
		if m.calls > 0 {
			m.calls--
			return do(call(fmt.Sprintf("call%d", m.said))), nil
		}
		m.said++
		return say(fmt.Sprintf("answer %d", m.said)), nil
	}
	f.act = func(a *event.Action) event.Event { return observed(a, "done") }
}

func (m *branchModel) path(id string) (path []string) {
	for ; id != ""; id = m.parent[id] {
		path = append(path, id)
	}
	slices.Reverse(path)
	return path
}

func (m *branchModel) any(t *rapid.T) string {
	return rapid.SampledFrom(append([]string{""}, m.order...)).Draw(t, "event")
}

// learn takes in what was appended, which the model can't know the ids of.
func (m *branchModel) learn() {
	page := m.rig.page(conversation.Query{})
	for _, rec := range page.Records[len(m.path(m.head)):] {
		id := rec.Event.Head().ID
		m.parent[id], m.head = m.head, id
		m.order = append(m.order, id)
		if msg, ok := rec.Event.(*event.Message); ok {
			m.text[id] = msg.LLMMessage.Text()
		}
	}
}

func (m *branchModel) talk(t *rapid.T) {
	m.calls = rapid.IntRange(0, 1).Draw(t, "calls")
	m.said++
	text := fmt.Sprintf("question %d", m.said)
	m.rig.ask(text)
	m.rig.status(conversation.Finished, conversation.StopFinished)
	before := len(m.order)
	m.learn()
	if m.order[len(m.order)-1] != m.head || len(m.order) < before+2 {
		t.Fatalf("%d events came of it", len(m.order)-before)
	}
	var want []string
	for _, id := range m.path(m.parent[m.head]) {
		if text, ok := m.text[id]; ok {
			want = append(want, text)
		}
	}
	read := slices.DeleteFunc(m.read, func(text string) bool { return text == "" })
	if diff := cmp.Diff(want, read); diff != "" {
		t.Fatalf("the model reads (-want +got):\n%s", diff)
	}
}

func (m *branchModel) navigate(t *rapid.T) {
	to := m.any(t)
	info := m.rig.mustNavigate(to)
	if to != m.head {
		m.epoch++
		if info.Status != conversation.Idle {
			t.Fatalf("status %s", info.Status)
		}
	}
	m.head = to
}

func (m *branchModel) fork(t *rapid.T) {
	from := m.any(t)
	source, files := m.rig.options.ID, len(m.rig.log())
	f := m.rig.mustFork(conversation.ForkOptions{From: from})
	m.epoch = 1
	if from != "" {
		path := m.path(from)
		parent := map[string]string{}
		for _, id := range path {
			parent[id] = m.parent[id]
		}
		m.parent, m.order, m.head = parent, path, from
	} else if len(f.log()) < files {
		t.Fatalf("%d files, the source has %d", len(f.log()), files)
	}
	r := m.rig
	if len(r.log()) != files {
		t.Fatalf("the source has %d files, had %d", len(r.log()), files)
	}
	if from == "" && rapid.Bool().Draw(t, "stay") {
		// What is done to the fork does not matter to the source.
		f.ask("aside")
		r.check(r.manager.Delete(r.ctx, "", f.options.ID))
		m.epoch = r.info().Cursor.Epoch
		return
	}
	r.check(r.manager.Delete(r.ctx, "", source))
	f.setUp = r.setUp
	*r = *f
	m.learn() // the answers to calls that stood open
}

func (m *branchModel) reopen(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "without a sidecar") == 0 {
		m.rig.close()
		m.rig.check(os.Remove(filepath.Join(m.rig.dir(), "agent_rpc.json")))
		m.epoch = 1
	}
	m.rig.reopen()
}

func (m *branchModel) check(t *rapid.T) {
	if got, want := m.rig.branch(), m.path(m.head); !slices.Equal(got, want) {
		t.Fatalf("the branch is %q, want %q", got, want)
	}
	info := m.rig.info()
	if want := (conversation.Cursor{Epoch: m.epoch, Seq: len(m.path(m.head))}); info.Cursor != want {
		t.Fatalf("cursor %+v, want %+v", info.Cursor, want)
	}
	var names []string
	for _, name := range m.rig.log() {
		names = append(names, strings.TrimSuffix(filepath.Base(name)[len("event-00000-"):], ".json"))
	}
	if !slices.Equal(names, m.order) {
		t.Fatalf("on disk are %q, want %q", names, m.order)
	}
	// What opens it without opening it says the same.
	listed, _, err := m.rig.newManager().List(m.rig.ctx, conversation.Filter{Base: m.rig.options.Base})
	if err != nil || len(listed) != 1 || listed[0].Cursor != info.Cursor {
		t.Fatalf("listed %+v, %v; want cursor %+v", listed, err, info.Cursor)
	}
	inner := map[string]bool{}
	for _, p := range m.parent {
		inner[p] = true
	}
	var want []conversation.Branch
	active := m.path(m.head)
	for _, id := range m.order {
		if id != m.head && inner[id] {
			continue
		}
		path := m.path(id)
		shared := 0
		for shared < min(len(path), len(active)) && path[shared] == active[shared] {
			shared++
		}
		want = append(want, conversation.Branch{EventID: id, Seq: len(path), Shared: shared, Active: id == m.head})
		if got := idsOf(m.rig.page(conversation.Query{Branch: id})); !slices.Equal(got, path) {
			t.Fatalf("the branch of %s is %q, want %q", id, got, path)
		}
	}
	if diff := cmp.Diff(want, m.rig.branches()); diff != "" {
		t.Fatalf("branches (-want +got):\n%s", diff)
	}
}
