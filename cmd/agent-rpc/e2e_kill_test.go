//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// kills is how often the server is killed in each of the tests: a few times, or
// as often as AGENT_RPC_KILLS says.
func kills(t *testing.T, few int) int {
	text := os.Getenv("AGENT_RPC_KILLS")
	if text == "" {
		return few
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("AGENT_RPC_KILLS is no number of kills: %q", text)
	}
	return n
}

// moments draws the moments of the kills. The seed is told, so that a failure
// can be looked for again with AGENT_RPC_KILLS_SEED.
func moments(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("AGENT_RPC_KILLS_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("AGENT_RPC_KILLS_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// TestKillBusyConversation kills the server at random moments of a busy run,
// and in part of the cases once more while it recovers. After that nothing that
// was told is lost, nothing was run twice, the run has ended once or asks what it
// asked, and the conversation goes on with a history that a strict provider takes.
func TestKillBusyConversation(t *testing.T) {
	random := moments(t)
	var seen sync.Map // kinds of events
	t.Cleanup(func() {
		for _, kind := range []string{"Condensation", "HookExecutionEvent", "AgentErrorEvent", "ObservationEvent", "ConversationErrorEvent"} {
			if _, ok := seen.Load(kind); !ok {
				t.Errorf("no conversation had a %s: they were not busy", kind)
			}
		}
	})
	for n := range kills(t, 50) {
		after := random.IntN(busyEvents + 1)
		// Most moments are while the tools work, which takes some milliseconds; some
		// are while the model speaks, which takes some tens.
		delay := time.Duration(random.IntN(1000)) * time.Microsecond
		switch random.IntN(4) {
		case 0:
			delay *= 6
		case 1:
			delay *= 40
		}
		again := time.Duration(-1)
		if random.IntN(3) == 0 {
			again = time.Duration(random.IntN(4000)) * time.Microsecond
		}
		t.Run(fmt.Sprintf("%d/after %d events and %s", n, after, delay), func(t *testing.T) {
			t.Parallel()
			for _, raw := range killBusy(t, after, delay, again) {
				seen.Store(kindOf(t, raw).Kind, true)
			}
		})
	}
}

// killBusy gives what is stored in the end.
func killBusy(t *testing.T, after int, delay, again time.Duration) [][]byte {
	p, model := busyPlace(t)
	start := func() *host {
		h := p.start()
		h.answers(`{"action":"accept","content":{"answer":"Do."}}`)
		h.initialize(`"deltas":{"maxHz":1000},"input":{}`)
		return h
	}
	h := start()
	id := h.create(busyOptions)
	run := h.say(id, "Go")
	steered := h.send("conversation/sendMessage", fmt.Sprintf(`{"id":%q,"message":"By the way","whenBusy":"steer"}`, id))
	h.wait("the moment of the kill", func() bool { return len(h.came[id]) >= after })
	<-time.After(delay) // the moment lies between two events too
	h.kill()
	told := h.events(id)
	wasOver := endsOf(h, id)
	if n := len(wasOver); n > 1 {
		t.Errorf("the run ended %d times before the kill", n)
	}
	disk := p.stored(id)
	toldIsStored(t, told, disk)
	h.mu.Lock()
	taken := h.replies[steered] != nil
	h.mu.Unlock()
	t.Logf("killed after %d events, %d were told; %d calls were open, %d runs over", len(disk), len(told),
		count(t, disk, "ActionEvent")-count(t, disk, "ObservationEvent"), len(wasOver))

	if again >= 0 {
		h = p.start()
		h.initialize("")
		h.send("conversation/open", fmt.Sprintf(`{"id":%q,"since":"start"}`, id))
		<-time.After(again)
		h.kill()
		toldIsStored(t, told, p.stored(id))
		toldIsStored(t, h.events(id), p.stored(id))
	}

	h = start()
	i := h.open(id)
	// "Go" may be in the queue as well: it waits there for its hooks.
	waiting := 0
	for _, q := range i.Queued {
		if bytes.Contains(q.Message, []byte("By the way")) {
			waiting++
		}
	}
	if n := waiting + mentions(p.stored(id), "By the way"); n > 1 || taken && n != 1 {
		t.Errorf("the message that came while it was busy (taken %t) is there %d times", taken, n)
	}
	if i.Status == "waiting_for_input" && i.RunID == run && len(wasOver) == 0 {
		i = h.settled(run) // the question is asked again, and answered
		if i.Status != "finished" {
			t.Errorf("after the answer the run is %+v (error %+v)", i, i.Error)
		}
	}
	switch {
	case len(wasOver) == 1:
		if i.Status != wasOver[0].Status || i.StopReason != wasOver[0].StopReason || i.RunID != run {
			t.Errorf("the run ended as %+v and is stored as %+v", wasOver[0], i)
		}
	case i.Status == "finished" && i.StopReason == "finished" && i.RunID == run:
		// It ended on disk, and the kill came before that was told.
	case i.Status != "error" || i.StopReason != "error" || i.RunID != run || i.Error == nil || i.Error.Code != "ProcessEnded":
		t.Errorf("after the kill the run is %+v (error %+v)", i, i.Error)
	}
	if i.Cursor.Seq < len(disk) {
		t.Errorf("%d events were stored, %d are there", len(disk), i.Cursor.Seq)
	}
	recovered := p.stored(id)
	if len(recovered) != i.Cursor.Seq {
		t.Errorf("seq is %d, stored are %d", i.Cursor.Seq, len(recovered))
	}
	if n := count(t, recovered, "ConversationErrorEvent"); i.Status == "error" && n != 1 || i.Status != "error" && n != 0 {
		t.Errorf("%d events tell of the error of a run that is %s", n, i.Status)
	}
	toldIsStored(t, told, recovered)
	toldIsStored(t, h.events(id), recovered)
	if len(h.events(id)) != len(recovered) {
		t.Errorf("%d events are replayed of %d", len(h.events(id)), len(recovered))
	}
	answered(t, recovered)
	ranOnce(t, p, recovered)

	model.after()
	next := h.say(id, "Go on")
	if next == run {
		t.Errorf("the new run has the id of the old one")
	}
	if end := h.settled(next); end.Status != "finished" {
		t.Errorf("the new run ended as %+v", end)
	}
	whole := p.stored(id)
	if !bytes.Equal(bytes.Join(whole[:len(recovered)], nil), bytes.Join(recovered, nil)) {
		t.Error("the history changed behind the recovery")
	}
	toldIsStored(t, h.events(id), whole)
	if len(h.events(id)) != len(whole) {
		t.Errorf("%d events came of %d", len(h.events(id)), len(whole))
	}
	answered(t, whole)
	ranOnce(t, p, whole)
	h.shutdown()
	if left, _ := filepath.Glob(filepath.Join(p.conversation(id), ".agent-rpc-*")); len(left) > 0 {
		t.Errorf("half-written files are left: %v", left)
	}
	return whole
}

// mentions counts the messages with a text.
func mentions(events [][]byte, text string) (n int) {
	for _, raw := range events {
		if bytes.Contains(raw, []byte(`"kind":"MessageEvent"`)) && bytes.Contains(raw, []byte(text)) {
			n++
		}
	}
	return n
}

// endsOf gives the states in which runs of a conversation ended, as they
// came.
func endsOf(h *host, id string) (ends []info) {
	for _, f := range h.all(func(f *frame) bool { return f.Method == "conversation/stateChanged" }) {
		var i info
		if err := json.Unmarshal(f.Params, &i); err != nil {
			h.t.Error(err)
		}
		if i.ID == id && i.StopReason != "" && i.RunID != "" {
			ends = append(ends, i)
		}
	}
	return ends
}

// toldIsStored checks that what was on the wire is on disk, byte for byte.
func toldIsStored(t *testing.T, told map[int]wireEvent, stored [][]byte) {
	t.Helper()
	for seq, e := range told {
		if seq < 1 || seq > len(stored) {
			t.Errorf("event %d was told and is not stored; %d are", seq, len(stored))
		} else if !bytes.Equal(e.Event, stored[seq-1]) {
			t.Errorf("event %d differs:\n  told   %s\n  stored %s", seq, e.Event, stored[seq-1])
		}
	}
}

func count(t *testing.T, events [][]byte, kind string) (n int) {
	t.Helper()
	for _, raw := range events {
		if kindOf(t, raw).Kind == kind {
			n++
		}
	}
	return n
}

// ranOnce checks, by the lines that the commands left, that none was run twice
// and that those with a result were run.
func ranOnce(t *testing.T, p *place, events [][]byte) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(p.folder, "ran"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	lines := map[string]int{}
	for line := range strings.Lines(string(data)) {
		lines[strings.TrimSpace(line)]++
	}
	for line, n := range lines {
		if n > 1 {
			t.Errorf("the command behind %q was run %d times", line, n)
		}
	}
	commands := map[string]string{} // by id of the action
	for _, raw := range events {
		var e struct {
			ID       string
			Kind     string
			ActionID string `json:"action_id"`
			Action   struct{ Command string }
		}
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatal(err)
		}
		switch e.Kind {
		case "ActionEvent":
			commands[e.ID] = e.Action.Command
		case "ObservationEvent":
			words := strings.Fields(commands[e.ActionID])
			for i, word := range words {
				if word == "echo" && i+2 < len(words) && words[i+2] == ">>" && lines[words[i+1]] != 1 {
					t.Errorf("%q has a result and left %d lines %q", commands[e.ActionID], lines[words[i+1]], words[i+1])
				}
			}
		}
	}
}

// TestKillWhileWaiting: what waits for confirmation still waits in the next
// process, with the same request id, and is carried out once when it is
// approved.
func TestKillWhileWaiting(t *testing.T) {
	script := `
{"calls": [{"terminal": {"command": "echo first >> ran"}}, {"terminal": {"command": "echo second >> ran"}}]}
{"calls": [{"terminal": {"command": "echo third >> ran"}}]}
"Done."`
	random := moments(t)
	for n := range kills(t, 8) {
		delay := time.Duration(random.IntN(4000)) * time.Microsecond
		t.Run(fmt.Sprintf("%d/after %s", n, delay), func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, script)
			h := p.start()
			h.initialize("")
			id := h.create(`"confirmationPolicy":{"kind":"AlwaysConfirm"}`)
			run := h.say(id, "Go")
			i := h.settled(run)
			for _, step := range []string{"first", "third"} {
				if i.Status != "waiting_for_confirmation" || len(i.Pending) != 1 || i.RunID != run || i.Pending[0].RunID != run {
					t.Fatalf("before the %s command: %+v", step, i)
				}
				request := i.Pending[0].RequestID
				before := p.stored(id)
				<-time.After(delay)
				h.kill()

				h = p.start()
				h.initialize(`"confirmation":{}`)
				i = h.open(id)
				if i.Status != "waiting_for_confirmation" || i.StopReason != "waiting_for_confirmation" || len(i.Pending) != 1 || i.RunID != run {
					t.Fatalf("after the kill: %+v", i)
				}
				if i.Pending[0].RequestID != request || i.Pending[0].RunID != run {
					t.Errorf("request %s of run %s is %+v after the kill", request, run, i.Pending[0])
				}
				// The bell rings again.
				h.await("the request for confirmation", func(f *frame) bool {
					return f.Method == "conversation/requestConfirmation" && strings.Contains(string(f.Params), request)
				})
				if after := p.stored(id); !bytes.Equal(bytes.Join(after, nil), bytes.Join(before, nil)) {
					t.Error("opening a conversation that waits changed its history")
				}
				var confirmed struct{ Accepted bool }
				h.call(&confirmed, "conversation/confirm", `{"id":%q,"requestId":%q,"decision":"approve"}`, id, request)
				if !confirmed.Accepted {
					t.Fatal("the approval is not accepted")
				}
				i = h.settled(run)
			}
			if i.Status != "finished" {
				t.Errorf("the run ended as %+v", i)
			}
			ranOnce(t, p, p.stored(id))
			answered(t, p.stored(id))
			h.shutdown()
		})
	}
}

// TestKillAtTheAnswer kills the server the moment that it has accepted
// something. What it accepted is not forgotten.
func TestKillAtTheAnswer(t *testing.T) {
	for n := range kills(t, 8) {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, `{"text": "Thinking", "wait": "forever"}`)
			h := p.start()
			h.initialize("")
			id := h.create("")
			run := h.say(id, "Go")
			h.kill()
			h = p.start()
			h.initialize("")
			if i := h.open(id); i.RunID != run || i.Status != "error" || i.StopReason != "error" {
				t.Errorf("the run %s was started, and after the kill the state is %+v", run, i)
			}
			if n := count(t, p.stored(id), "MessageEvent"); n != 1 {
				t.Errorf("%d messages are stored", n)
			}

			// A message that is queued.
			run = h.say(id, "Go")
			var sent struct{ MessageID, Disposition string }
			h.call(&sent, "conversation/sendMessage", `{"id":%q,"message":"And then this"}`, id)
			h.kill()
			if sent.Disposition != "queued" {
				t.Fatalf("the message is %+v", sent)
			}
			h = p.start()
			h.initialize("")
			if i := h.open(id); i.RunID != run || len(i.Queued) != 1 || i.Queued[0].MessageID != sent.MessageID {
				t.Errorf("the message %s was queued, and after the kill the state is %+v", sent.MessageID, i)
			}

			// A change of the settings.
			h.call(nil, "conversation/setConfirmationPolicy", `{"id":%q,"policy":{"kind":"AlwaysConfirm"}}`, id)
			h.kill()
			h = p.start()
			h.initialize("")
			var i struct{ ConfirmationPolicy struct{ Kind string } }
			h.call(&i, "conversation/state", `{"id":%q}`, id)
			if i.ConfirmationPolicy.Kind != "AlwaysConfirm" {
				t.Errorf("the policy was set, and after the kill it is %+v", i)
			}
			h.shutdown()
		})
	}
}
