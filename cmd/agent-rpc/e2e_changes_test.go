//go:build unix

package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// git runs git in the place's folder, with none of the user's settings.
func (p *place) git(args ...string) string {
	p.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "maintenance.auto=false"}, args...)...)
	cmd.Dir = p.folder
	cmd.Env = append(os.Environ(), "HOME="+p.home, "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull)
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return string(out)
}

func (p *place) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.folder, name), []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// changed gives what conversation/changes and the state tell.
func (h *host) changed(id, since string) string {
	h.t.Helper()
	var result struct {
		Files []struct {
			URI, Status          string
			Additions, Deletions int
		}
	}
	h.call(&result, "conversation/changes", `{"id":%q,"since":%q}`, id, since)
	var lines []string
	additions, deletions := 0, 0
	for _, f := range result.Files {
		lines = append(lines, fmt.Sprintf("%s %s +%d -%d", f.Status, filepath.Base(f.URI), f.Additions, f.Deletions))
		additions += f.Additions
		deletions += f.Deletions
	}
	if since == "kept" {
		var state struct {
			Changes struct{ Files, Additions, Deletions int }
		}
		h.call(&state, "conversation/state", `{"id":%q}`, id)
		if c := state.Changes; c.Files != len(lines) || c.Additions != additions || c.Deletions != deletions {
			h.t.Errorf("the state counts %+v, the list is %q", c, lines)
		}
	}
	return strings.Join(lines, ", ")
}

func (h *host) wantChanged(id, since, want string) {
	h.t.Helper()
	if got := h.changed(id, since); got != want {
		h.t.Errorf("changed since %s: %s; want: %s", since, got, want)
	}
}

// gitFiles gives all of the user's git, byte by byte.
func (p *place) gitFiles() map[string]string {
	p.t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(filepath.Join(p.folder, ".git"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path)
		files[path] = string(raw)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return files
}

// TestChangesOverAKill: what a run changed in a git repository before the server
// was killed in the middle of it is known to the next server, and can be taken
// back, without the user's own work; the next model call is told, and the user's
// git is as it was.
func TestChangesOverAKill(t *testing.T) {
	p := newPlace(t, `{"when": "^Go on", "then": [{"calls": [{"terminal": {"command": "echo later > later"}}]}, "Done."]}
{"calls": [{"file_editor": {"command": "str_replace", "path": "${workspace}/tracked", "old_str": "two", "new_str": "2"}}]}
{"calls": [{"terminal": {"command": "echo shell >> dirty; rm gone; echo new > new; echo done > marker; while test -e hold; do sleep 0.05; done"}}]}
`)
	p.git("init", "-q", "-b", "main")
	p.write("tracked", "one\ntwo\nthree\n")
	p.write("dirty", "committed\n")
	p.write("gone", "gone\n")
	p.write(".gitignore", "marker\nhold\n")
	p.write("hold", "")
	t.Cleanup(func() { _ = os.Remove(filepath.Join(p.folder, "hold")) }) // it is gone, unless the test failed
	p.git("add", "-A")
	p.git("commit", "-qm", "a commit")
	p.write("dirty", "committed\nthe user's\n")
	p.write("untracked", "the user's\n")
	before := p.gitFiles()

	h := p.start()
	h.initialize("")
	id := h.create("")
	h.say(id, "Go")
	h.wait("the command's work", func() bool {
		_, err := os.Stat(filepath.Join(p.folder, "marker"))
		return err == nil
	})
	const all = "modified dirty +1 -0, deleted gone +0 -1, added new +1 -0, modified tracked +1 -1"
	h.wantChanged(id, "run", all)
	h.kill()
	if err := os.Remove(filepath.Join(p.folder, "hold")); err != nil {
		t.Fatal(err)
	}

	h = p.start()
	h.initialize("")
	h.open(id)
	h.wantChanged(id, "kept", all)
	p.write("tracked", "one\n2\nthree\nthe user's\n")
	h.wantChanged(id, "kept", all)
	uri := func(name string) string { return "file://" + filepath.Join(p.folder, name) }
	var none struct{}
	h.call(&none, "conversation/keepChanges", `{"id":%q,"uri":%q}`, id, uri("new"))
	var undo struct {
		Undone    []struct{ URI string }
		Conflicts []struct{ URI, Reason string }
	}
	h.call(&undo, "conversation/undoChanges", `{"id":%q}`, id)
	if len(undo.Undone) != 3 || len(undo.Conflicts) != 0 {
		t.Errorf("undone: %+v", undo)
	}
	for name, want := range map[string]string{
		"tracked": "one\ntwo\nthree\nthe user's\n", "dirty": "committed\nthe user's\n", "gone": "gone\n", "untracked": "the user's\n", "new": "new\n",
	} {
		if got := readFile(t, filepath.Join(p.folder, name)); got != want {
			t.Errorf("%s holds %q, want %q", name, got, want)
		}
	}
	h.wantChanged(id, "kept", "")
	run := h.say(id, "Go on")
	if i := h.settled(run); i.StopReason != "finished" {
		t.Errorf("%+v", i)
	}
	h.wantChanged(id, "kept", "added later +1 -0")
	told := 0
	for _, raw := range p.stored(id) {
		if strings.Contains(string(raw), "The user took back changes") {
			told++
		}
	}
	if told != 1 {
		t.Errorf("the model was told %d times", told)
	}
	after := p.gitFiles()
	for path, was := range before {
		if after[path] != was {
			t.Errorf("%s changed", path)
		}
	}
	if len(after) != len(before) {
		t.Errorf("%d files in .git, there were %d", len(after), len(before))
	}
	h.call(&none, "conversation/delete", `{"id":%q}`, id)
	if _, err := os.Stat(p.conversation(id)); err == nil {
		t.Error("the conversation's folder is there after it was deleted")
	}
	h.shutdown()
}
