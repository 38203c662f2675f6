package conversation_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// foreign writes events as the Python SDK does: it takes no lock of ours, and
// appends at the end of the directory.
func foreign(r *rig, events ...event.Event) {
	r.t.Helper()
	for _, e := range events {
		m := e.Head()
		if m.ID == "" {
			m.ID = uuid.NewString()
		}
		m.Timestamp = "2026-01-02T03:04:05.000006"
		names := r.log()
		if m.ParentID == "" && len(names) > 0 {
			m.ParentID = r.leaf()
		}
		raw, err := event.Encode(e)
		r.check(err)
		r.check(os.WriteFile(filepath.Join(r.dir(), "events", fmt.Sprintf("event-%05d-%s.json", len(names), m.ID)), raw, 0o600))
	}
}

func said(text string) *event.Message {
	return &event.Message{
		Meta:       event.Meta{Source: event.SourceUser},
		LLMMessage: event.LLMMessage{Role: event.RoleUser, Content: []event.Content{event.Text(text)}},
	}
}

func update() *event.StateUpdate {
	return &event.StateUpdate{Meta: event.Meta{Source: event.SourceEnvironment}, Key: "stats", Value: json.RawMessage(`1`)}
}

func TestEventsOfAnotherWriter(t *testing.T) {
	t.Run("before a message", func(t *testing.T) {
		talked(t, func(r *rig) {
			epoch := r.info().Cursor.Epoch
			foreign(r, said("from Python"), said("twice"))
			r.ask("from here")
			r.told(`user "from Python"`, `user "twice"`, `user "from here"`)
			r.reads(6, 3)
			if c := r.info().Cursor; c.Seq != 8 || c.Epoch != epoch {
				t.Errorf("cursor %+v", c)
			}
		})
	})
	t.Run("before the history was read", func(t *testing.T) {
		talked(t, func(r *rig) {
			r.reopen()
			foreign(r, said("from Python"))
			r.ask("from here")
			r.told(`user "from Python"`, `user "from here"`)
			r.reads(6, 2)
		})
	})
	t.Run("in the middle of a run", func(t *testing.T) {
		play(t, conversation.Options{}, func(r *rig) {
			r.ask("work")
			r.answer(do(call("a")))
			foreign(r, said("from Python"))
			r.result("a")
			r.told(`user "work"`, "call a", `user "from Python"`, "result a")
			r.answer(say("done"))
			r.status(conversation.Finished, conversation.StopFinished)
		})
	})
	t.Run("while closed", func(t *testing.T) {
		talked(t, func(r *rig) {
			epoch := r.info().Cursor.Epoch
			r.close()
			foreign(r, said("from Python"))
			r.reopen()
			if c := r.info().Cursor; c.Seq != 6 || c.Epoch != epoch {
				t.Errorf("cursor %+v", c)
			}
		})
	})
}

// reads checks what the model is asked: how many messages, and of how many parts
// the last one is made, for messages of the user in a row become one.
func (r *rig) reads(messages, parts int) {
	r.t.Helper()
	m := r.thinking().question.Messages
	if len(m) != messages || len(m[len(m)-1].Content) != parts {
		r.t.Errorf("the model reads %d messages, the last of %d parts; want %d and %d", len(m), len(m[len(m)-1].Content), messages, parts)
	}
}

// The agent-server of OpenHands logs changes of the state: they are no events of
// the conversation, and don't make a new epoch.
func TestStateUpdatesOfAnotherWriter(t *testing.T) {
	for _, closed := range []bool{false, true} {
		t.Run(fmt.Sprintf("closed %t", closed), func(t *testing.T) {
			talked(t, func(r *rig) {
				epoch := r.info().Cursor.Epoch
				if closed {
					r.close()
				}
				leaf := r.leaf()
				foreign(r, update())
				behind := said("from Python")
				behind.ParentID = leaf
				foreign(r, behind)
				if closed {
					r.reopen()
				}
				r.ask("from here")
				r.answer(say("done"))
				if c := r.info().Cursor; c.Seq != 8 || c.Epoch != epoch {
					t.Errorf("cursor %+v, want 8 events of epoch %d", c, epoch)
				}
				if page := r.page(conversation.Query{}); len(page.Records) != 8 || page.Records[5].Event.Head().ID != behind.ID {
					t.Errorf("%d events", len(page.Records))
				}
				r.reopen()
				if c := r.info().Cursor; c.Seq != 8 || c.Epoch != epoch {
					t.Errorf("after opening again: cursor %+v", c)
				}
			})
		})
	}
}

// Another program went back to the question and began a branch there.
func TestABranchOfAnotherWriter(t *testing.T) {
	for _, closed := range []bool{false, true} {
		t.Run(fmt.Sprintf("closed %t", closed), func(t *testing.T) {
			talked(t, func(r *rig) {
				epoch := r.info().Cursor.Epoch
				question := r.rec.events[1].Head().ID
				if closed {
					r.close()
				}
				other := said("another way")
				other.ParentID = question
				foreign(r, other)
				if closed {
					r.edit("base_state.json", func(s map[string]any) { s["leaf_event_id"] = other.ID })
					r.reopen()
				}
				r.ask("from here")
				r.reads(2, 3)
				if c := r.info().Cursor; c.Seq != 4 || c.Epoch == epoch {
					t.Errorf("cursor %+v, want 4 events of another epoch", c)
				}
				r.interrupt()
				n := r.info().Cursor
				r.reopen()
				if c := r.info().Cursor; c != n {
					t.Errorf("after opening again: cursor %+v, want %+v", c, n)
				}
			})
		})
	}
}

func TestADamagedEventOfAnotherWriter(t *testing.T) {
	talked(t, func(r *rig) {
		r.check(os.WriteFile(filepath.Join(r.dir(), "events", "event-00005-aaaaaaaa.json"), []byte(`{`), 0o600))
		for _, seq := range []int{7, 9, 11} {
			r.ask("from here")
			r.answer(say("done"))
			r.status(conversation.Finished, conversation.StopFinished)
			before := r.info().Cursor
			r.reopen()
			if c := r.info().Cursor; c.Seq != seq || c != before {
				t.Errorf("cursor %+v, was %+v, want %d events", c, before, seq)
			}
		}
	})
}
