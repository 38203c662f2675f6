package rpc_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const plainClient = `"processId":null,"rootUri":null,"workspaceFolders":[{"uri":"$ROOT","name":"p"}],"clientInfo":{"name":"plain"}`

// fetch sends a request and decodes its result.
func (s *session) fetch(method, params string, into any) {
	s.t.Helper()
	id := strconv.Itoa(s.request(method, s.expand(params)))
	m := s.look("the reply to "+method, func(m message) bool { return m.Method == "" && string(m.ID) == id })
	var reply struct {
		Result json.RawMessage
		Error  json.RawMessage
	}
	if err := json.Unmarshal(m.raw, &reply); err != nil || reply.Error != nil {
		s.t.Fatalf("%s: %s", method, m.raw)
	}
	if err := json.Unmarshal(reply.Result, into); err != nil {
		s.t.Fatal(err)
	}
}

// until waits for a condition of files.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// Only who has no commands of their own is given ours.
func TestPlainCapabilities(t *testing.T) {
	for block, want := range map[string]bool{``: true, `,"initializationOptions":{"agentRpc":{"versions":[1]}}`: false} {
		s := newSession(t)
		s.write(s.script, []byte(`"Done."`))
		s.start()
		var got struct {
			Capabilities map[string]json.RawMessage
		}
		s.fetch("initialize", `{`+plainClient+`,"capabilities":{}`+block+`}`, &got)
		for _, name := range []string{"executeCommandProvider", "codeActionProvider", "hoverProvider"} {
			if _, has := got.Capabilities[name]; has != want {
				t.Errorf("%q: %s is %s, wanted: %v", block, name, got.Capabilities[name], want)
			}
		}
		s.end()
	}
}

// Clients that know no CodeAction get Commands.
func TestPlainCommandLiterals(t *testing.T) {
	s := newSession(t)
	s.write(s.script, []byte(`"Done."`))
	s.write(filepath.Join(s.root, "a.txt"), []byte("agent: what is this?\n"))
	s.start()
	s.step(`request initialize {` + plainClient + `,"capabilities":{"textDocument":{"codeAction":{}}}}`)
	var got []struct {
		Title, Command, Kind string
		Arguments            []json.RawMessage
	}
	s.fetch("textDocument/codeAction", `{"textDocument":{"uri":"$ROOT/a.txt"},"range":{"start":{"line":0,"character":0},"end":{"line":0,"character":0}},"context":{"diagnostics":[]}}`, &got)
	if len(got) != 5 || got[0].Title != "Ask agent: what is this?" || got[0].Command != "agentRpc.send" || len(got[0].Arguments) != 1 || got[0].Kind != "" {
		t.Errorf("got %+v", got)
	}
	s.end()
}

// A message is written into a file, and sent when that is saved: also by an editor
// that does not tell us so.
func TestPlainPrompt(t *testing.T) {
	for name, show := range map[string]string{"shown": `,"window":{"showDocument":{"support":true}}`, "told": ``} {
		t.Run(name, func(t *testing.T) {
			s := newSession(t)
			s.write(s.script, []byte(`{"text": "I heard: ${last_user_message}", "repeat": "forever"}`))
			s.write(filepath.Join(s.root, "a.txt"), []byte("one\ntwo\n"))
			s.start()
			s.step(`request initialize {` + plainClient + `,"capabilities":{"workspace":{}` + show + `}}`)
			s.step(`request workspace/executeCommand {"command":"agentRpc.send","arguments":[{"uri":"$ROOT/a.txt","range":{"start":{"line":1,"character":0},"end":{"line":1,"character":0}}}]}`)
			if show != "" {
				s.step(`await window/showDocument`)
				s.step(`answer {"success":true}`)
			} else {
				s.step(`await Write your message into`)
			}
			prompts, err := filepath.Glob(filepath.Join(stateOf(s.base), "prompts", "*.md"))
			if err != nil || len(prompts) != 1 {
				t.Fatalf("prompts: %v (%v)", prompts, err)
			}
			head, err := os.ReadFile(prompts[0])
			if err != nil || !strings.Contains(string(head), "It is about line 2 of a.txt") {
				t.Errorf("the prompt says %q (%v)", head, err)
			}
			// Saved without a word it is not sent; then it is, once.
			s.write(prompts[0], head)
			s.step(`notify textDocument/didSave {"textDocument":{"uri":"file://` + prompts[0] + `"}}`)
			s.write(prompts[0], append(head, "\n  Count them.\n"...))
			if show != "" {
				s.step(`notify textDocument/didSave {"textDocument":{"uri":"file://` + prompts[0] + `"}}`)
			}
			s.step(`await Agent: I heard: Count them.`)
			s.write(prompts[0], append(head, "\n  Count them again.\n"...))
			s.step(`notify textDocument/didSave {"textDocument":{"uri":"file://` + prompts[0] + `"}}`)
			s.step(`request workspace/executeCommand {"command":"agentRpc.send","arguments":["And", "this?"]}`)
			s.step(`await Agent: I heard: And this?`)
			s.end()
			if seen := s.seen.String(); strings.Count(seen, `"message":"Agent: I heard`) != 2 {
				t.Errorf("it was not sent once:\n%s", seen)
			}
		})
	}
}

// A hover tells which step changed a line, also after the user typed, and where a
// command made the change.
func TestPlainHover(t *testing.T) {
	s := newSession(t)
	s.write(s.script, []byte(`
		{"calls": [{"file_editor": {"command": "str_replace", "path": "${workspace}/a.txt", "old_str": "two", "new_str": "zwei", "security_risk": "LOW"}}]}
		{"calls": [{"terminal": {"command": "echo made > b.txt", "security_risk": "LOW"}}]}
		"Done."
	`))
	s.write(filepath.Join(s.root, "a.txt"), []byte("one\ntwo\nthree\n"))
	s.write(filepath.Join(s.root, "b.txt"), []byte("old\n"))
	s.start()
	s.step(`request initialize {` + plainClient + `,"capabilities":{"textDocument":{"hover":{"contentFormat":["markdown"]}}}}`)
	s.step(`request workspace/executeCommand {"command":"agentRpc.send","arguments":["Translate"]}`)
	s.step(`await Agent: Done.`)
	hover := func(file string, line int) string {
		var got *struct {
			Contents struct{ Kind, Value string }
		}
		s.fetch("textDocument/hover", `{"textDocument":{"uri":"$ROOT/`+file+`"},"position":{"line":`+strconv.Itoa(line)+`,"character":0}}`, &got)
		if got == nil {
			return ""
		}
		return got.Contents.Value
	}
	if got := hover("a.txt", 1); !strings.HasPrefix(got, "Changed by the agent: **Edit a.txt**\n\nStep 1 of “Translate” · ") {
		t.Errorf("the line that was edited: %q", got)
	}
	for _, line := range []int{0, 2, 3, 99} {
		if got := hover("a.txt", line); got != "" {
			t.Errorf("line %d: %q", line, got)
		}
	}
	s.step(`notify textDocument/didOpen {"textDocument":{"uri":"$ROOT/a.txt","languageId":"text","version":1,"text":"one\nzwei\nthree\n"}}`)
	s.step(`notify textDocument/didChange {"textDocument":{"uri":"$ROOT/a.txt","version":2},"contentChanges":[{"range":{"start":{"line":0,"character":0},"end":{"line":0,"character":0}},"text":"zero\n"}]}`)
	if got := hover("a.txt", 1); got != "" {
		t.Errorf("the user's lines: %q", got)
	}
	if got := hover("a.txt", 2); !strings.Contains(got, "Edit a.txt") {
		t.Errorf("the line that moved: %q", got)
	}
	if got := hover("b.txt", 0); !strings.HasPrefix(got, "Changed by the agent: **Run echo made > b.txt**\n\nStep 2 of “Translate”") {
		t.Errorf("what a command changed: %q", got)
	}
	if got := hover("none.txt", 0); got != "" {
		t.Errorf("a file that is not there: %q", got)
	}
	s.end()
}

// The run's steps are its progress, and cancelling that stops it. The transcript
// follows, and holds the whole at the end.
func TestPlainProgress(t *testing.T) {
	s := newSession(t)
	s.write(s.script, []byte(`
		{"text": "I look.", "calls": [{"terminal": {"command": "until [ -e go ]; do sleep 0.01; done", "security_risk": "LOW"}}]}
		{"text": "Half a sent", "wait": "forever"}
	`))
	s.start()
	s.step(`request initialize {` + plainClient + `,"capabilities":{"window":{"workDoneProgress":true}}}`)
	s.step(`send workspace/executeCommand {"command":"agentRpc.send","arguments":["Look around"]}`)
	created := s.look("a token", func(m message) bool { return m.Method == "window/workDoneProgress/create" })
	var token struct{ Params struct{ Token string } }
	if err := json.Unmarshal(created.raw, &token); err != nil {
		t.Fatal(err)
	}
	s.step(`answer null`)
	s.step(`await "message":"Run until [ -e go ]`)
	transcripts := filepath.Join(stateOf(s.base), "transcripts", "*.md")
	page := func() string {
		names, err := filepath.Glob(transcripts)
		if err != nil || len(names) != 1 {
			return ""
		}
		raw, err := os.ReadFile(names[0])
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	until(t, "the transcript of a run that goes on", func() bool {
		return strings.Contains(page(), "I look.") && strings.Contains(page(), "*The agent is at work …*")
	})
	s.step(`file go now`)
	s.step(`await "message":"thinking"`)
	s.step(`notify window/workDoneProgress/cancel {"token":"` + token.Params.Token + `"}`)
	s.step(`await "kind":"end","message":"stopped"`)
	s.step(`await Agent stopped.`)
	s.end()
	got := page()
	for _, want := range []string{"# Look around\n", "## You\n\nLook around\n", "I look.", "Stopped by you", "`until [ -e go ]; do sleep 0.01; done`"} {
		if !strings.Contains(got, want) {
			t.Errorf("the transcript lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "at work") {
		t.Errorf("nothing goes on:\n%s", got)
	}
	names, _ := filepath.Glob(transcripts)
	if info, err := os.Stat(names[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the transcript: %v (%v)", info.Mode(), err)
	}
}

// What the methods of our protocol send goes to clients that call one, although
// they did not say that they would.
func TestPlainSpeaks(t *testing.T) {
	s := newSession(t)
	s.write(s.script, []byte(`{"text": "Hello.", "repeat": "forever"}`))
	s.start()
	s.step(`request initialize {` + plainClient + `,"capabilities":{}}`)
	s.step(`request workspace/executeCommand {"command":"agentRpc.send","arguments":["Hi"]}`)
	s.step(`await Agent: Hello.`)
	if seen := s.seen.String(); strings.Contains(seen, "conversation/") {
		t.Errorf("a client of plain LSP is sent what it does not know:\n%s", seen)
	}
	s.step(`request conversation/create {}`)
	s.step(`request conversation/sendMessage {"id":"$ID","message":"Hi","run":true}`)
	s.step(`await "stopReason":"finished"`)
	s.end()
}

// A message goes to the folder of its document, and there to the conversation used
// last; a command that could mean two conversations asks which.
func TestPlainFolders(t *testing.T) {
	s := newSession(t)
	s.write(s.script, []byte(`{"calls": [{"terminal": {"command": "until [ -e go ]; do sleep 0.01; done; pwd", "security_risk": "LOW"}}]}
		{"text": "In ${workspace}: ${last_tool_output}", "repeat": "forever"}`))
	for _, name := range []string{"one/a.txt", "one/inner/.git/HEAD", "one/inner/sub/b.txt", "elsewhere/.git/HEAD", "elsewhere/deep/c.txt"} {
		s.write(filepath.Join(s.root, name), []byte("text\n"))
	}
	s.start()
	s.step(`request initialize {"processId":null,"rootUri":null,"capabilities":{},"clientInfo":{"name":"plain"}}`)
	s.step(`request workspace/executeCommand {"command":"agentRpc.send","arguments":["Look"]}`)
	s.saw("Agent: there is no folder to work in: open a file of the project first")
	s.step(`notify workspace/didChangeWorkspaceFolders {"event":{"added":[{"uri":"$ROOT/one","name":"one"},{"uri":"$ROOT/one/inner","name":"inner"},{"uri":"vscode-remote://host/x","name":"x"}],"removed":[]}}`)
	about := func(file, text string) {
		t.Helper()
		s.step(`request workspace/executeCommand {"command":"agentRpc.send","arguments":[{"text":"` + text + `","uri":"$ROOT/` + file + `"}]}`)
	}
	about("one/inner/sub/b.txt", "Look inside")
	about("elsewhere/deep/c.txt", "Look elsewhere")
	// The newest document says which folder is meant; here nothing goes on.
	s.step(`notify textDocument/didOpen {"textDocument":{"uri":"$ROOT/one/a.txt","languageId":"text","version":1,"text":"text\n"}}`)
	s.step(`request workspace/executeCommand {"command":"agentRpc.pause"}`)
	s.saw("Agent: which one? Say it in the arguments: ")
	s.write(filepath.Join(s.root, "one/inner/go"), nil)
	s.step("await Agent: In " + s.root + "/one/inner: ")
	about("one/inner/sub/b.txt", "And now?")
	s.saw("Agent at work, going on with “Look inside”")
	s.step("await Agent: In " + s.root + "/one/inner: ")
	// Now only one goes on, and need not be named.
	s.step(`request workspace/executeCommand {"command":"agentRpc.interrupt"}`)
	s.step(`await Agent stopped.`)
	s.step(`request workspace/executeCommand {"command":"agentRpc.open","arguments":["look ELSEWHERE"]}`)
	s.step(`await The conversation is in `)
	s.end()
}

// In Emacs the return key takes the first answer: it is none.
func TestPlainEmacs(t *testing.T) {
	s := newSession(t)
	s.write(s.script, []byte(`{"calls": [{"terminal": {"command": "rm -rf build", "security_risk": "HIGH"}}]}`))
	s.start()
	s.step(`request initialize {"processId":null,"rootUri":"$ROOT","capabilities":{},"clientInfo":{"name":"Eglot"}}`)
	s.step(`request workspace/executeCommand {"command":"agentRpc.send","arguments":["Tidy up"]}`)
	s.step(`await "actions":[{"title":"Later"},{"title":"Approve"},{"title":"Reject"}]`)
	s.step(`answer {"title":"Later"}`)
	s.step(`await (approve or reject it with a code action)`)
	s.step(`request workspace/executeCommand {"command":"agentRpc.reject"}`)
	s.step(`await Rejected; the agent has stopped.`)
	s.end()
}

// saw looks for a text in what was seen.
func (s *session) saw(text string) {
	s.t.Helper()
	if !strings.Contains(s.seen.String(), text) {
		s.t.Errorf("nobody was told %q:\n%s", text, s.seen.String())
	}
}
