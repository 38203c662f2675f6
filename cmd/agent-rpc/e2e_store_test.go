//go:build unix

package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTwoProcesses: a conversation has one writer. A second process is told who
// holds it, may read it meanwhile, and can write when the first is gone.
func TestTwoProcesses(t *testing.T) {
	p := newPlace(t, `{"calls": [{"terminal": {"command": "echo once >> ran"}}]} "Done." "More."`)
	first := p.start()
	first.initialize("")
	id := first.create("")
	first.settled(first.say(id, "Go"))
	stored := p.stored(id)

	second := p.start()
	second.initialize("")
	locked := func(method, params string, args ...any) {
		t.Helper()
		err := second.refused(-31003, method, params, args...)
		by, _ := err.Data["lockedBy"].(map[string]any)
		if pid, _ := by["pid"].(float64); int(pid) != first.proc.Process.Pid {
			t.Errorf("%s: locked by %v, which is pid %d", method, err.Data["lockedBy"], first.proc.Process.Pid)
		}
		if err.Data["kind"] != "locked" {
			t.Errorf("%s: %s", method, err)
		}
	}
	locked("conversation/open", `{"id":%q}`, id)
	locked("conversation/create", `{"conversationId":%q}`, id)
	locked("conversation/sendMessage", `{"id":%q,"message":"Me too"}`, id)
	locked("conversation/run", `{"id":%q}`, id)
	locked("conversation/delete", `{"id":%q}`, id)

	// Reading.
	if i := second.state(id); i.LockedBy == nil || i.LockedBy.PID != first.proc.Process.Pid || i.Status != "finished" {
		t.Errorf("the state of a conversation that another process holds: %+v", i)
	}
	var opened struct{ To int }
	second.call(&opened, "conversation/open", `{"id":%q,"mode":"read","since":"start"}`, id)
	second.wait("the replay", func() bool { return len(second.came[id]) >= opened.To })
	toldIsStored(t, second.events(id), stored)
	if opened.To != len(stored) {
		t.Errorf("reading shows %d events of %d", opened.To, len(stored))
	}
	second.refused(-31003, "conversation/sendMessage", `{"id":%q,"message":"Me too"}`, id)

	// The first goes on undisturbed, and a reader sees it.
	if i := first.settled(first.say(id, "Go on")); i.Status != "finished" {
		t.Errorf("the run ended as %+v", i)
	}
	var page struct{ Events []json.RawMessage }
	second.call(&page, "conversation/events", `{"id":%q}`, id)
	if len(page.Events) != len(p.stored(id)) {
		t.Errorf("a reader sees %d events of %d", len(page.Events), len(p.stored(id)))
	}

	// However the first ends, its lock is gone.
	first.kill()
	second.call(nil, "conversation/open", `{"id":%q,"mode":"write"}`, id)
	if i := second.state(id); i.LockedBy != nil || i.Status != "finished" {
		t.Errorf("after the first process is gone: %+v", i)
	}
	second.call(nil, "conversation/sendMessage", `{"id":%q,"message":"My turn"}`, id)
	third := p.start()
	third.initialize("")
	third.refused(-31003, "conversation/open", `{"id":%q}`, id)
	second.call(nil, "conversation/close", `{"id":%q}`, id)
	third.call(nil, "conversation/open", `{"id":%q}`, id)
	third.shutdown()
	second.shutdown()
	ranOnce(t, p, p.stored(id))
}

// TestBareEnvironment: whatever is missing in the environment, the server starts
// and works, or says in an error what it needs.
func TestBareEnvironment(t *testing.T) {
	shell := os.Getenv("PATH")
	check := func(name string, change func(p *place), options string, works bool) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, `{"calls": [{"terminal": {"command": "echo it $((40+2))"}}]} "Done."`)
			change(p)
			h := p.start()
			h.initialize("")
			if dir := h.stateDir; !filepath.IsAbs(dir) || strings.HasPrefix(dir, p.folder) {
				t.Errorf("conversations are stored in %q", dir)
			}
			f := h.try("conversation/create", "{%s}", options)
			if f.Error != nil {
				if works || f.Error.Message == "" || f.Error.Code == -32603 {
					t.Errorf("create: %s", f.Error)
				}
				t.Logf("create: %s", f.Error)
				h.shutdown()
				return
			}
			var created struct{ Conversation info }
			if err := json.Unmarshal(f.Result, &created); err != nil {
				t.Fatal(err)
			}
			id := created.Conversation.ID
			if i := h.settled(h.say(id, "Go")); i.Status != "finished" {
				t.Errorf("the run ended as %+v %+v", i, i.Error)
			}
			said := false
			for _, e := range h.events(id) {
				said = said || strings.Contains(string(e.Event), "it 42")
			}
			if !said {
				t.Error("the command did not run")
			}
			h.shutdown()
		})
	}
	without := func(names ...string) func(*place) {
		return func(p *place) {
			for _, name := range names {
				delete(p.env, name)
			}
		}
	}
	with := func(set map[string]string) func(*place) {
		return func(p *place) { maps.Copy(p.env, set) }
	}
	check("nothing but PATH and HOME", with(map[string]string{"PATH": shell}), "", true)
	check("no PATH", without("PATH"), "", false) // there is no shell then
	// Nothing is stored here: it would be in the real home.
	check("no HOME", without("HOME"), `"persistenceDir":null`, true)
	check("a HOME that is relative", with(map[string]string{"HOME": "home"}), `"persistenceDir":null`, true)
	check("a HOME that is not there yet", func(p *place) { p.env["HOME"] = filepath.Join(p.home, "new") }, "", true)
	check("a HOME that is a file", func(p *place) { p.env["HOME"] = p.script }, "", false)
	check("an odd SHELL", with(map[string]string{"SHELL": "/no/such/shell"}), "", true)
	check("an odd TERM", with(map[string]string{"TERM": "nonsense"}), "", true)
	check("another language", with(map[string]string{"LANG": "xx_YY.nonsense", "LC_ALL": "tr_TR.UTF-8"}), "", true)
	check("no folder for temporary files", with(map[string]string{"TMPDIR": "/no/such/tmp"}), "", true)
	check("an odd level of logs", with(map[string]string{"AGENT_RPC_LOG": "shout"}), "", true)
}

// TestBrokenSettings: a mistake in the settings file is told when a model is
// needed, with the file and the line, and can be corrected without a restart.
func TestBrokenSettings(t *testing.T) {
	p := newPlace(t, `"Done."`)
	file := filepath.Join(p.home, "config.toml")
	if err := os.WriteFile(file, []byte("= nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.env["AGENT_RPC_CONFIG"] = file
	h := p.start()
	h.initialize("")
	id := h.create("")
	f := h.try("conversation/sendMessage", `{"id":%q,"message":"Go","run":true}`, id)
	if f.Error == nil || !strings.Contains(f.Error.Message, file+", line 1") {
		t.Errorf("with a broken settings file: %s", f.Error)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if i := h.settled(h.say(id, "Go")); i.Status != "finished" {
		t.Errorf("the run ended as %+v %+v", i, i.Error)
	}
	h.shutdown()
}

// TestStateDirThatCanNotBeWritten: the error names what is wrong, and the server
// goes on.
func TestStateDirThatCanNotBeWritten(t *testing.T) {
	p := newPlace(t, `"Done."`)
	file := filepath.Join(p.home, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p.env["OPENHANDS_CONVERSATIONS_DIR"] = filepath.Join(file, "conversations")
	h := p.start()
	h.initialize("")
	err := h.refused(-31011, "conversation/create", "{}")
	if !strings.Contains(err.Message, file) {
		t.Errorf("the error does not name %s: %s", file, err)
	}
	id := h.create(`"persistenceDir":null`)
	if i := h.settled(h.say(id, "Go")); i.Status != "finished" {
		t.Errorf("the run ended as %+v", i)
	}
	h.shutdown()
}
