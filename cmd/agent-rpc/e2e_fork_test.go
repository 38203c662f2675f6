//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestKillInAFork kills the server at random moments of a fork. What is listed
// afterwards is whole, nothing else is left after the next fork, and the source is
// what it was.
func TestKillInAFork(t *testing.T) {
	const events = 2000
	random := moments(t)
	p := newPlace(t, `"Done."`)
	h := p.start()
	h.initialize("")
	id := h.create("")
	h.settled(h.say(id, "Go"))
	h.shutdown()
	grow(t, p, id, events)
	before := p.stored(id)

	base := filepath.Dir(p.conversation(id))
	midway := 0
	for range kills(t, 5) {
		h := p.start()
		h.initialize("")
		after := random.IntN(events)
		h.send("conversation/fork", fmt.Sprintf(`{"id":%q}`, id))
		for deadline := time.Now().Add(limit); ; {
			if n, there := forked(t, base); there && n >= after || conversations(t, base) > 1 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("nothing was forked")
			}
		}
		h.kill()
		if _, there := forked(t, base); there {
			midway++
		}

		h = p.start()
		h.initialize("")
		for _, i := range h.list() {
			if i.ID == id {
				continue
			}
			if got := h.open(i.ID); got.Cursor.Seq != events || got.Status != "idle" || len(p.stored(i.ID)) != events {
				t.Errorf("a fork has %d events of %d, and %d files", got.Cursor.Seq, events, len(p.stored(i.ID)))
			}
			h.call(nil, "conversation/delete", `{"id":%q}`, i.ID)
		}
		var made struct{ Conversation info }
		h.call(&made, "conversation/fork", `{"id":%q}`, id)
		if made.Conversation.Cursor.Seq != events {
			t.Errorf("the next fork has %d events", made.Conversation.Cursor.Seq)
		}
		if _, there := forked(t, base); there {
			t.Error("what the killed process left is still there")
		}
		h.call(nil, "conversation/delete", `{"id":%q}`, made.Conversation.ID)
		h.shutdown()
	}
	if midway == 0 {
		t.Error("no kill came in the middle of a fork")
	}
	now := p.stored(id)
	if len(now) != len(before) {
		t.Fatalf("the source has %d events, had %d", len(now), len(before))
	}
	for i := range now {
		if string(now[i]) != string(before[i]) {
			t.Errorf("event %d of the source is %s, was %s", i, now[i], before[i])
		}
	}
}

// grow adds messages to a conversation until it has n events, as another program
// would.
func grow(t *testing.T, p *place, id string, n int) {
	t.Helper()
	dir := filepath.Join(p.conversation(id), "events")
	stored := p.stored(id)
	var last struct{ ID string }
	if err := json.Unmarshal(stored[len(stored)-1], &last); err != nil {
		t.Fatal(err)
	}
	for i := len(stored); i < n; i++ {
		next := fmt.Sprintf("%08d-1111-4111-8111-111111111111", i)
		text := fmt.Sprintf(`{"id":%q,"timestamp":"2026-01-02T03:04:05.000006","source":"user","parent_id":%q,`+
			`"llm_message":{"role":"user","content":[{"cache_prompt":false,"type":"text","text":"%d"}],"thinking_blocks":[]},`+
			`"activated_skills":[],"extended_content":[],"kind":"MessageEvent"}`, next, last.ID, i)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("event-%05d-%s.json", i, next)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		last.ID = next
	}
}

// forked tells how many events a fork that is not done has.
func forked(t *testing.T, base string) (events int, there bool) {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(base, ".forking-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		names, err := os.ReadDir(filepath.Join(dir, "events"))
		if err == nil {
			return len(names), true
		}
	}
	return 0, len(dirs) > 0
}

// conversations counts the folders that would be listed.
func conversations(t *testing.T, base string) (n int) {
	t.Helper()
	names, err := os.ReadDir(base)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.HasPrefix(name.Name(), ".") {
			n++
		}
	}
	return n
}

// list gives the stored conversations.
func (h *host) list() []info {
	h.t.Helper()
	var result struct{ Items []info }
	h.call(&result, "conversation/list", `{}`)
	return result.Items
}
