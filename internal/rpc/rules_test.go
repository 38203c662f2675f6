package rpc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/llm"
)

// The ordering rules of the protocol, section 5, each over the real server.

// Rule 1: one writer; frames leave in the order in which they were queued.
func TestRule1FramesLeaveInTheirOrder(t *testing.T) {
	s, c := connected(t, "", "")
	id := s.create("{}")
	s.ask("conversation/sendMessage", `{"id":"`+id+`","message":"go","run":true}`)
	q := c.next(t)
	const n = 200
	first := s.request("agent/ping", "{}")
	for i := 1; i < n; i++ {
		if i == n/2 {
			q.say("done") // the events of the end fall among the replies
		}
		s.request("agent/ping", "{}")
	}
	s.answered(first + n - 1)
	s.await("the end", says("conversation/stateChanged", `"stopReason":"finished"`))
	last := first - 1
	for _, m := range s.all("", func([]message) bool { return true }) {
		var reply int
		if m.Method != "" || json.Unmarshal(m.ID, &reply) != nil || reply < first {
			continue
		}
		if reply != last+1 {
			t.Fatalf("reply %d came after %d", reply, last)
		}
		last = reply
	}
	s.end()
}

// Rule 2: seq has no gap within an epoch; disk before wire.
func TestRule2SeqHasNoGapAndDiskComesFirst(t *testing.T) {
	s, c := connected(t, "", "")
	var seqs []int
	s.onMessage = func(m message) {
		if m.Method != "conversation/event" {
			return
		}
		var p struct {
			Params struct {
				ID    string
				Seq   int
				Event json.RawMessage
			}
		}
		var head struct{ ID string }
		if json.Unmarshal(m.raw, &p) != nil || json.Unmarshal(p.Params.Event, &head) != nil {
			t.Errorf("an odd event: %s", m.raw)
			return
		}
		seqs = append(seqs, p.Params.Seq)
		name := fmt.Sprintf("event-%05d-%s.json", p.Params.Seq-1, head.ID)
		stored, err := os.ReadFile(filepath.Join(s.base, strings.ReplaceAll(p.Params.ID, "-", ""), "events", name))
		if err != nil || !bytes.Equal(stored, p.Params.Event) {
			t.Errorf("event %d is not on disk as it was sent (%v)", p.Params.Seq, err)
		}
	}
	id := s.create("{}")
	s.ask("conversation/sendMessage", `{"id":"`+id+`","message":"go","run":true}`)
	for i := range 10 {
		c.next(t).do(fmt.Sprint("call", i), "think", fmt.Sprintf(`{"thought":"<%d> & \u00fc"}`, i))
	}
	c.next(t).say("done")
	s.await("the end", says("conversation/stateChanged", `"stopReason":"finished"`))
	s.end()
	if len(seqs) != 23 {
		t.Errorf("%d events", len(seqs))
	}
	for i, seq := range seqs {
		if seq != i+1 {
			t.Fatalf("seqs %v", seqs)
		}
	}
}

// Rule 3: a response that introduces an id precedes every notification that
// names it.
func TestRule3ResponsesIntroduceIds(t *testing.T) {
	s, c := connected(t, "", "")
	go func() {
		for range 20 {
			(<-c.questions).say("done")
		}
	}()
	for range 20 {
		before := s.nextID
		id := s.create("{}")
		s.request("conversation/sendMessage", `{"id":"`+id+`","message":"go","run":true}`)
		sent := s.answered(before + 2)
		var ids struct{ MessageID, RunID string }
		s.result(sent, &ids)
		s.await("the end", says("conversation/stateChanged", `"stopReason":"finished"`, ids.RunID))
		for introduced, reply := range map[string]int{id: before + 1, ids.MessageID: before + 2, ids.RunID: before + 2} {
			named := s.index(func(m message) bool { return m.Method != "" && strings.Contains(string(m.raw), introduced) })
			if at := s.index(replies(reply)); introduced == "" || named < at {
				t.Fatalf("%s was named in message %d, before the reply, message %d", introduced, named, at)
			}
		}
	}
	s.end()
}

// Rule 4: for a run all its events, then the terminal state, then the end of the
// progress, then the replies that waited for it.
func TestRule4TheEndOfARun(t *testing.T) {
	ends := []struct {
		name string
		end  func(*session, *conductor, string)
		last func(message) bool
		why  string
	}{
		{"finished", func(_ *session, c *conductor, _ string) { c.next(t).say("done") }, says("conversation/event", `"done"`), "finished"},
		{"error", func(_ *session, c *conductor, _ string) {
			c.next(t).fail(&llm.Error{Kind: llm.ErrUnavailable, Provider: "test", Message: "down"})
		}, says("conversation/event", "ConversationErrorEvent"), "error"},
		{"interrupted", func(s *session, c *conductor, id string) {
			c.next(t)
			s.ask("conversation/interrupt", `{"id":"`+id+`"}`)
		}, says("conversation/event", "InterruptEvent"), "interrupted"},
	}
	for _, tt := range ends {
		t.Run(tt.name, func(t *testing.T) {
			s, c := connected(t, `"window":{"workDoneProgress":true}`, "")
			s.agree()
			id := s.create("{}")
			run := s.request("conversation/run", `{"id":"`+id+`","wait":true}`)
			s.await("the progress", says("$/progress", `"kind":"begin"`, `"cancellable":true`))
			tt.end(s, c, id)
			var outcome struct{ RunID, Status, StopReason string }
			s.result(s.answered(run), &outcome)
			if outcome.StopReason != tt.why || outcome.RunID == "" {
				t.Errorf("outcome %+v", outcome)
			}
			s.inOrder(
				says("$/progress", `"kind":"begin"`, outcome.RunID), tt.last,
				says("conversation/stateChanged", `"stopReason":"`+tt.why+`"`, outcome.RunID),
				says("$/progress", `"kind":"end"`, outcome.RunID),
				replies(run),
			)
			s.drained()
			if n := s.count(says("$/progress", `"kind":"end"`)); n != 1 {
				t.Errorf("%d ends of the progress", n)
			}
			s.end()
		})
	}
	t.Run("waiting is no end", func(t *testing.T) {
		s, c := connected(t, `"window":{"workDoneProgress":true}`, `,"confirmation":{}`)
		s.agree()
		id := s.create(`{"confirmationPolicy":{"kind":"AlwaysConfirm"}}`)
		run := s.request("conversation/run", `{"id":"`+id+`","wait":true}`)
		s.await("the progress", says("$/progress", `"kind":"begin"`))
		c.next(t).do("1", "task_tracker", `{"command":"view"}`)
		s.inOrder(says("conversation/event", "ActionEvent"), says("conversation/stateChanged", "waiting_for_confirmation"), replies(run))
		s.drained()
		if n := s.count(says("$/progress", `"kind":"end"`)); n != 0 {
			t.Errorf("the progress ended")
		}
		// A run approves, and is the same run.
		again := s.request("conversation/run", `{"id":"`+id+`","wait":true}`)
		c.next(t).say("done")
		s.inOrder(replies(run), says("conversation/requestResolved", `"via":"run"`), says("conversation/event", "ObservationEvent"),
			says("conversation/stateChanged", `"stopReason":"finished"`), says("$/progress", `"kind":"end"`), replies(again))
		s.end()
	})
}

// Rule 5: deltas of a thing precede its final event; and there are not many.
func TestRule5DeltasPrecedeTheirEvent(t *testing.T) {
	s, c := connected(t, "", `,"deltas":{"maxHz":30}`)
	id := s.create("{}")
	s.ask("conversation/sendMessage", `{"id":"`+id+`","message":"go","run":true}`)
	q := c.next(t)
	const chunks = 5000
	var text strings.Builder
	for i := range chunks {
		piece := fmt.Sprintf("%d ü, ", i)
		text.WriteString(piece)
		q.stream(llm.Chunk{Stream: llm.StreamText, Text: piece})
	}
	q.say(text.String())
	s.await("the end", says("conversation/stateChanged", `"stopReason":"finished"`))
	final := s.index(says("conversation/event", `"source":"agent"`, "MessageEvent"))
	var got strings.Builder
	n := 0
	for at, m := range s.all("", func([]message) bool { return true }) {
		if m.Method != "conversation/delta" {
			continue
		}
		var p struct {
			Params struct {
				Stream, Text string
				Offset       int
				Target       struct{ MessageID string }
			}
		}
		if err := json.Unmarshal(m.raw, &p); err != nil {
			t.Fatal(err)
		}
		n++
		if at > final {
			t.Errorf("a delta came after its event: %s", m.raw)
		}
		if p.Params.Offset != got.Len() {
			t.Errorf("a delta at %d, after %d bytes", p.Params.Offset, got.Len())
		}
		s.mu.Lock()
		if !strings.Contains(string(s.messages[final].raw), p.Params.Target.MessageID) {
			t.Errorf("a delta of %s, which is not the event", p.Params.Target.MessageID)
		}
		s.mu.Unlock()
		got.WriteString(p.Params.Text)
	}
	if got.String() != text.String() {
		t.Errorf("%d bytes of %d came", got.Len(), text.Len())
	}
	if n == 0 || n > 200 {
		t.Errorf("%d chunks became %d notifications", chunks, n)
	}
	s.end()
}

// held is a session in which the queue of one conversation stands still: a
// request of its is held up while a model is looked for.
func held(t *testing.T) (s *session, c *conductor, id string, free func()) {
	t.Helper()
	s, c = connected(t, "", "")
	id = s.create("{}")
	busy, release := make(chan struct{}), make(chan struct{})
	c.resolve = func(ctx context.Context, conversationID string) error {
		if conversationID != id {
			return nil
		}
		close(busy)
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.request("conversation/sendMessage", `{"id":"`+id+`","message":"held","run":true}`)
	<-busy
	return s, c, id, func() { c.resolve = nil; close(release) }
}

// Rule 6: requests on one conversation are taken first in, first out;
// conversations are independent of each other.
func TestRule6AQueuePerConversation(t *testing.T) {
	s, c, id, free := held(t)
	first := s.nextID
	for i := range 5 {
		s.request("conversation/sendMessage", fmt.Sprintf(`{"id":%q,"message":"message %d"}`, id, i))
	}
	other := s.create("{}")
	s.ask("conversation/sendMessage", `{"id":"`+other+`","message":"go","run":true}`)
	c.next(t).say("done")
	s.await("the end of the other", says("conversation/stateChanged", other, `"stopReason":"finished"`))
	if s.index(replies(first)) >= 0 || s.index(replies(first+1)) >= 0 {
		t.Error("the queue did not stand still")
	}
	free()
	question := c.next(t)
	s.await("the last message's reply", replies(first+5)) // or the run would be over before
	question.say("done")
	c.next(t).say("done with the messages")
	s.await("the end", says("conversation/stateChanged", id, `"stopReason":"finished"`))
	s.inOrder(replies(first), replies(first+1), replies(first+2), replies(first+3), replies(first+4), replies(first+5))
	s.inOrder(says("conversation/event", `"held"`), says("conversation/event", `"message 0"`), says("conversation/event", `"message 4"`))
	s.end()
}

// Rule 7: cancelRequest, interrupt, pause, confirm and what the editor tells of
// its documents never wait behind a queue.
func TestRule7WhatNeverWaits(t *testing.T) {
	s, c, id, free := held(t)
	behind := s.request("conversation/state", `{"id":"`+id+`"}`)
	s.send(`{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":{"uri":"file:///x","languageId":"go","version":1,"text":""}}}`)
	s.result(s.ask("conversation/interrupt", `{"id":"`+id+`"}`), &struct{}{})
	var paused struct{ Status string }
	s.result(s.ask("conversation/pause", `{"id":"`+id+`"}`), &paused)
	if paused.Status != "paused" {
		t.Errorf("pause: %+v", paused)
	}
	s.refused(s.ask("conversation/confirm", `{"id":"`+id+`","requestId":"none","decision":"reject"}`), -31010, "request_not_found")
	s.ask("conversation/list", "{}")
	if s.index(replies(behind)) >= 0 {
		t.Error("the queue did not stand still")
	}
	s.send(`{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":%d}}`, behind)
	s.refused(s.answered(behind), -32800, "")
	free()
	c.next(t).say("done")
	s.await("the end", says("conversation/stateChanged", `"stopReason":"finished"`))
	s.end()
}

// Rule 8: exactly one terminal state per run, also after a panic, a failed model
// call, or kill -9.
func TestRule8OneTerminalState(t *testing.T) {
	s, c := connected(t, "", "")
	id := s.create("{}")
	start := func() string {
		var ids struct{ RunID string }
		s.result(s.ask("conversation/run", `{"id":"`+id+`"}`), &ids)
		return ids.RunID
	}
	for name, end := range map[string]func(*question){
		"answer":    func(q *question) { q.do("1", "finish", `{"message":"done"}`) },
		"failure":   func(q *question) { q.fail(errors.New("down")) },
		"panic":     func(q *question) { q.answers <- func() (*llm.Response, error) { panic("boom") } },
		"nothing":   func(q *question) { q.answers <- func() (*llm.Response, error) { return nil, nil } },
		"interrupt": func(*question) { s.ask("conversation/interrupt", `{"id":"`+id+`"}`) },
	} {
		s.ask("conversation/sendMessage", `{"id":"`+id+`","message":"`+name+`"}`)
		run := start()
		end(c.next(t))
		terminal := func(m message) bool {
			return says("conversation/stateChanged", run, `"stopReason":"`)(m)
		}
		s.await("the terminal state after "+name, terminal)
		s.drained()
		s.ask("conversation/update", `{"id":"`+id+`","title":"`+name+`"}`)
		s.drained()
		if n := s.count(terminal); n != 1 {
			t.Errorf("%s: %d terminal states", name, n)
		}
	}
	// The process is killed in the middle of a run: what is on disk then is what
	// the next one finds.
	s.ask("conversation/sendMessage", `{"id":"`+id+`","message":"killed"}`)
	run := start()
	c.next(t)
	s.drained()
	dir := filepath.Join(s.base, strings.ReplaceAll(id, "-", ""))
	killed := newSession(t)
	killed.root, killed.models = s.root, c
	if err := os.CopyFS(filepath.Join(killed.base, filepath.Base(dir)), os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(killed.base, filepath.Base(dir), "agent-rpc.lock")); err != nil {
		t.Fatal(err)
	}
	s.end()
	for range 2 {
		killed.connect("", "")
		var opened struct {
			Conversation struct {
				Status, StopReason, RunID string
				Cursor                    struct{ Seq int }
			}
			To int
		}
		killed.result(killed.ask("conversation/open", `{"id":"`+id+`","since":"start"}`), &opened)
		if o := opened.Conversation; o.Status != "error" || o.StopReason != "error" || o.RunID != run {
			t.Errorf("after the kill: %+v, want an error of run %s", o, run)
		}
		killed.await("the last event", says("conversation/event", fmt.Sprintf(`"seq":%d,`, opened.To)))
		if n := killed.count(says("conversation/event", "ProcessEnded")); n != 1 {
			t.Errorf("%d errors of the kill", n)
		}
		if n := killed.count(says("conversation/event")); n != opened.To {
			t.Errorf("%d events, want %d", n, opened.To)
		}
		killed.end()
		killed.mu.Lock()
		killed.messages, killed.looked = nil, 0
		killed.mu.Unlock()
	}
}
