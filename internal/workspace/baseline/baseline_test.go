package baseline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

// noEditor is an editor that has nothing open.
type noEditor struct{}

func (noEditor) Edit(context.Context, workspace.Document, []workspace.Edit) error {
	return errors.New("no editor")
}

func (noEditor) CanEdit() bool { return false }

// rig is a workspace with a tracker. Its verbs are what the agent, the user and a
// client do.
type rig struct {
	*Tracker
	t         testing.TB
	dir, kept string
	runs      int
	mask      func(string) string
}

// newRig makes a workspace: a git repository unless plain.
func newRig(t testing.TB, plain bool) *rig {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, dir: filepath.Join(dir, "project"), kept: filepath.Join(dir, "conversation")}
	for _, d := range []string{r.dir, r.kept} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if !plain {
		r.git("init", "-q", "-b", "main")
	}
	r.restart()
	return r
}

// restart is what a new process has.
func (r *rig) restart() {
	r.t.Helper()
	ws, err := workspace.Open(r.dir, false)
	if err != nil {
		r.t.Fatal(err)
	}
	r.Tracker = New(ws, workspace.NewBuffers(noEditor{}), conversation.ChangesEnv{Dir: r.kept, Mask: r.mask}, slog.New(slog.DiscardHandler))
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, filepath.FromSlash(name)) }

// write writes pairs of name and content; "-" as the content removes the file.
func (r *rig) write(files ...string) {
	r.t.Helper()
	for i := 0; i+1 < len(files); i += 2 {
		path := r.path(files[i])
		var err error
		if files[i+1] == "-" {
			err = os.Remove(path)
		} else if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
			err = os.WriteFile(path, []byte(files[i+1]), 0o644)
		}
		if err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) read(name, want string) {
	r.t.Helper()
	got, err := os.ReadFile(r.path(name))
	if want == "-" {
		if !errors.Is(err, os.ErrNotExist) {
			r.t.Errorf("%s is there: %q, %v", name, got, err)
		}
		return
	}
	if err != nil || string(got) != want {
		r.t.Errorf("%s holds %q, %v; want %q", name, got, err, want)
	}
}

func (r *rig) git(args ...string) string { return r.gitIn(r.dir, args...) }

func (r *rig) gitIn(dir string, args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "maintenance.auto=false"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull)
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r *rig) commit(files ...string) {
	r.t.Helper()
	r.write(files...)
	r.git("add", "-A")
	r.git("commit", "-q", "--allow-empty", "-m", "a commit")
}

// begin starts a run, end ends it; run is both with what a shell would do between.
func (r *rig) begin() {
	r.t.Helper()
	r.runs++
	r.resume()
}

func (r *rig) resume() {
	r.t.Helper()
	if _, err := r.Begin(r.t.Context(), fmt.Sprint("run ", r.runs)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) end() {
	r.t.Helper()
	if _, err := r.End(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) run(files ...string) {
	r.t.Helper()
	r.begin()
	r.write(files...)
	r.end()
}

// edit is what a file tool does.
func (r *rig) edit(name, text string) {
	r.t.Helper()
	r.Touch(r.path(name))
	r.write(name, text)
}

// shown gives changes as text: "M a.txt +1 -1".
func (r *rig) shown(list []conversation.FileChange) string {
	var lines []string
	for _, f := range list {
		rel, err := filepath.Rel(r.dir, f.Path)
		if err != nil {
			r.t.Fatal(err)
		}
		line := strings.ToUpper(string(f.Status[:1])) + " " + filepath.ToSlash(rel)
		if f.OldPath != "" {
			old, _ := filepath.Rel(r.dir, f.OldPath)
			line += " from " + filepath.ToSlash(old)
		}
		if f.Additions+f.Deletions > 0 {
			line += fmt.Sprintf(" +%d -%d", f.Additions, f.Deletions)
		}
		if f.Binary {
			line += " binary"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func (r *rig) list(run bool) []conversation.FileChange {
	r.t.Helper()
	list, err := r.List(r.t.Context(), run)
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}

// want compares what is changed and not kept; the count must tell the same.
func (r *rig) want(want ...string) {
	r.t.Helper()
	list := r.list(false)
	if got := r.shown(list); got != strings.Join(want, "\n") {
		r.t.Errorf("changes:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
	sum := conversation.ChangeCount{Files: len(list)}
	for _, f := range list {
		sum.Additions += f.Additions
		sum.Deletions += f.Deletions
	}
	if n, err := r.Count(r.t.Context()); err != nil || n != sum {
		r.t.Errorf("counted %+v, %v; the list has %+v", n, err, sum)
	}
}

func (r *rig) wantRun(want ...string) {
	r.t.Helper()
	if got := r.shown(r.list(true)); got != strings.Join(want, "\n") {
		r.t.Errorf("changes of the run:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
}

func (r *rig) before(name, want string) {
	r.t.Helper()
	data, exists, err := r.Before(r.t.Context(), r.path(name))
	if err != nil || exists != (want != "-") || exists && string(data) != want {
		r.t.Errorf("%s was %q, %v, %v; want %q", name, data, exists, err, want)
	}
}

// undo takes back a file, or all for "", and wants so many conflicts.
func (r *rig) undo(name string, conflicts int, hunks ...string) conversation.UndoResult {
	r.t.Helper()
	if name != "" {
		name = r.path(name)
	}
	o, _, err := r.Undo(r.t.Context(), name, hunks)
	if err != nil || len(o.Conflicts) != conflicts {
		r.t.Errorf("undo %s: %+v, %v; want %d conflicts", name, o, err, conflicts)
	}
	return o
}

func (r *rig) keep(name string, hunks ...string) {
	r.t.Helper()
	if name != "" {
		name = r.path(name)
	}
	if _, err := r.Keep(r.t.Context(), name, hunks); err != nil {
		r.t.Error(err)
	}
}

// each runs a test in a repository, and in a folder that git does not know.
func each(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Run("git", func(t *testing.T) {
		r := newRig(t, false)
		r.commit("unrelated", "x\n")
		test(t, r)
	})
	t.Run("plain", func(t *testing.T) { test(t, newRig(t, true)) })
}

const lines = "1\n2\n3\n4\n5\n6\n7\n8\n9\n"

func TestChanges(t *testing.T) {
	each(t, func(_ *testing.T, r *rig) {
		r.write("a", lines, "gone", "x\n", "moved", "y\nz\n", "sub/dirty", "mine\n", "bin", "\x00\x01", "same", "s\n")
		r.want()
		r.begin()
		r.want()
		r.write("a", "one\n2\n3\n4\n5\n6\n7\n8\n", "gone", "-", "moved", "-", "sub/new/moved", "y\nz\n", "added", "1\n2", "bin", "\x00\x02\x03", "same", "s\n")
		r.edit("sub/dirty", "mine\nits\n")
		r.want("M a +1 -2", "A added +2 -0", "M bin binary", "D gone +0 -1", "M sub/dirty +1 -0", "R sub/new/moved from moved")
		r.end()
		r.restart()
		r.want("M a +1 -2", "A added +2 -0", "M bin binary", "D gone +0 -1", "M sub/dirty +1 -0", "R sub/new/moved from moved")
		r.wantRun("M a +1 -2", "A added +2 -0", "M bin binary", "D gone +0 -1", "M sub/dirty +1 -0", "R sub/new/moved from moved")
		r.before("a", lines)
		r.before("added", "-")
		r.before("gone", "x\n")
		r.before("same", "s\n")
		r.undo("sub/new/moved", 0)
		r.read("moved", "y\nz\n")
		r.read("sub/new/moved", "-")
		if len(r.m.States) == 0 {
			// Outside git what is no text is not copied.
			r.undo("", 1)
			r.read("bin", "\x00\x02\x03")
			r.want("M bin binary")
		} else {
			r.undo("", 0)
			r.read("bin", "\x00\x01")
			r.want()
		}
		r.read("a", lines)
		r.read("gone", "x\n")
		r.read("added", "-")
		r.read("sub/dirty", "mine\n")
	})
}

func TestHunksOfAFile(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.write("a", lines)
		r.run("a", "one\n2\n3\n4\nfour and a half\n5\n6\n7\n9\n")
		h := r.list(false)[0].Hunks
		if len(h) != 3 || h[0].Text != "-1\n+one\n" || h[1].Text != "+four and a half\n" || h[2].Text != "-8\n" {
			t.Fatalf("hunks: %+v", h)
		}
		if h[1].OldStart != 4 || h[1].OldLines != 0 || h[1].NewStart != 5 || h[1].NewLines != 1 || h[2].OldStart != 8 || h[2].NewStart != 8 || h[2].NewLines != 0 {
			t.Errorf("places: %+v", h)
		}
		r.keep("a", h[1].ID)
		r.want("M a +1 -2")
		r.before("a", "1\n2\n3\n4\nfour and a half\n5\n6\n7\n8\n9\n")
		if o := r.undo("a", 0, h[0].ID); len(o.Undone) != 1 || len(o.Undone[0].Hunks) != 1 || o.Undone[0].Hunks[0].ID != h[0].ID {
			t.Errorf("undone: %+v", o)
		}
		r.read("a", "1\n2\n3\n4\nfour and a half\n5\n6\n7\n9\n")
		r.want("M a +0 -1")
		if o := r.undo("a", 1, h[0].ID); len(o.Undone) != 0 || o.Conflicts[0].Hunk != h[0].ID {
			t.Errorf("undone twice: %+v", o)
		}
		if _, err := r.Keep(t.Context(), r.path("a"), []string{h[0].ID}); err == nil {
			t.Error("a hunk that is not there was kept")
		}
		if o := r.undo("a", 0, h[2].ID, h[2].ID); len(o.Undone) != 1 || len(o.Undone[0].Hunks) != 0 {
			t.Errorf("the last one: %+v", o)
		}
		r.read("a", "1\n2\n3\n4\nfour and a half\n5\n6\n7\n8\n9\n")
		r.want()
		var value *conversation.ValueError
		if _, _, err := r.Undo(t.Context(), r.path("a"), nil); !errors.As(err, &value) || value.Field != "uri" {
			t.Errorf("undo of nothing: %v", err)
		}
	})
}

// TestUserEdits: what the user does between and after runs is never the agent's.
func TestUserEdits(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.write("a", lines, "b", lines, "mine", "m\n")
		r.run("a", "agent\n"+lines, "b", strings.Replace(lines, "5", "agent", 1), "new", "n1\nn2\n")
		r.write("a", "agent\n"+lines+"user\n", "b", strings.Replace(lines, "5", "user", 1), "new", "n1\nuser\nn2\n", "mine", "user\n", "other", "user\n")
		r.want("M a +1 -0", "M b +1 -1", "A new +2 -0")
		if o := r.undo("b", 1); o.Conflicts[0].Hunk == "" || len(o.Undone) != 0 {
			t.Errorf("a line that both changed: %+v", o)
		}
		r.undo("new", 1)
		r.read("new", "n1\nuser\nn2\n")
		// The next run begins with that.
		r.run("a", "agent\n"+lines+"user\nagain\n")
		r.want("M a +2 -0", "A new +2 -0"[:0]+"M new +2 -0")
		r.wantRun("M a +1 -0")
		r.before("new", "user\n")
		r.undo("", 0)
		r.read("a", lines+"user\n")
		r.read("b", strings.Replace(lines, "5", "user", 1))
		r.read("new", "user\n")
		r.read("mine", "user\n")
		r.read("other", "user\n")
		r.want()
	})
}

// TestWaiting: a run that waits and goes on is one run, and what the user does
// meanwhile is theirs.
func TestWaiting(t *testing.T) {
	each(t, func(_ *testing.T, r *rig) {
		r.write("a", lines)
		r.run("older", "o\n")
		r.run("a", "agent\n"+lines)
		r.write("a", "agent\n"+lines+"user\n", "b", "user\n")
		r.restart()
		r.resume()
		r.write("c", "agent\n")
		r.wantRun("M a +1 -0", "A c +1 -0")
		r.want("M a +1 -0", "A c +1 -0", "A older +1 -0")
		r.undo("a", 0)
		r.read("a", lines+"user\n")
		r.undo("older", 0)
		r.end()
		r.wantRun("A c +1 -0")
		r.want("A c +1 -0")
	})
}

// TestUndoOfOlderChanges: what is taken back in a run is no change of that run.
func TestUndoOfOlderChanges(t *testing.T) {
	each(t, func(_ *testing.T, r *rig) {
		r.write("a", lines)
		r.run("a", "agent\n"+lines, "b", "b\n")
		r.begin()
		r.write("a", "agent\n"+lines+"again\n")
		r.want("M a +2 -0", "A b +1 -0")
		r.wantRun("M a +1 -0")
		r.undo("a", 0, r.list(false)[0].Hunks[0].ID)
		r.undo("b", 0)
		r.wantRun("M a +1 -0")
		r.end()
		r.wantRun("M a +1 -0")
		r.want("M a +1 -0")
		r.read("a", lines+"again\n")
	})
}

func TestKeep(t *testing.T) {
	each(t, func(_ *testing.T, r *rig) {
		r.write("a", lines, "gone", "x\n")
		r.run("a", "agent\n"+lines, "gone", "-", "new", "n\n")
		r.keep("gone")
		r.want("M a +1 -0", "A new +1 -0")
		r.keep("")
		r.want()
		r.before("a", "agent\n"+lines)
		r.before("gone", "-")
		r.run("a", "agent\n"+lines+"more\n")
		r.restart()
		r.want("M a +1 -0")
		r.undo("", 0)
		r.read("a", "agent\n"+lines)
		r.read("new", "n\n")
	})
}

// TestKilled: what a run changed before its process died is the agent's, what
// comes after the first look is not.
func TestKilled(t *testing.T) {
	each(t, func(_ *testing.T, r *rig) {
		r.write("a", lines)
		r.begin()
		r.edit("a", "agent\n"+lines)
		r.restart()
		r.want("M a +1 -0")
		r.write("a", "agent\n"+lines+"user\n")
		r.want("M a +1 -0")
		r.undo("", 0)
		r.read("a", lines+"user\n")
		r.begin()
		r.write("b", "b\n")
		r.restart()
		r.run("c", "c\n")
		r.want("A b +1 -0", "A c +1 -0")
		r.wantRun("A c +1 -0")
	})
}

func TestDamagedManifest(t *testing.T) {
	r := newRig(t, true)
	r.run("a", "a\n")
	for _, text := range []string{"{", `{"version":2}`, `{"version":1,"after":[]}`, ""} {
		if err := os.WriteFile(filepath.Join(r.kept, dirName, manifestName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r.restart()
		r.want()
	}
	r.run("b", "b\n")
	r.want("A b +1 -0")
}

// TestCopiesAreForgotten: no content stays that nothing needs.
func TestCopiesAreForgotten(t *testing.T) {
	r := newRig(t, false)
	r.commit("a", "1\n")
	contents := func() int {
		entries, err := os.ReadDir(filepath.Join(r.kept, dirName))
		if err != nil {
			t.Fatal(err)
		}
		return len(entries) - 1
	}
	for i := range 5 {
		r.run("a", fmt.Sprint(i, "\n"))
	}
	if n := contents(); n != 3 { // at first, at the newest start, and now
		t.Errorf("%d contents", n)
	}
	r.keep("")
	r.git("commit", "-qam", "a commit")
	r.begin()
	r.end()
	if n := contents(); n != 0 {
		t.Errorf("%d contents of nothing", n)
	}
}

// TestDeletedConversation: the folder of a conversation that is gone does not come
// back.
func TestDeletedConversation(t *testing.T) {
	r := newRig(t, true)
	r.write("a", "1\n")
	r.begin()
	if err := os.RemoveAll(r.kept); err != nil {
		t.Fatal(err)
	}
	r.write("a", "2\n")
	if _, err := r.End(t.Context()); err == nil {
		t.Error("stored in a folder that is gone")
	}
	if _, err := os.Stat(r.kept); err == nil {
		t.Error("the folder is back")
	}
}

// TestSecrets: what holds a secret is not stored, and can be taken back until the
// process ends.
func TestSecrets(t *testing.T) {
	r := newRig(t, true)
	r.mask = func(text string) string { return strings.ReplaceAll(text, "sesame", "***") }
	r.restart()
	r.write("a", "sesame\n", "b", "open sesame\n")
	r.run("a", "sesame\nagent\n", "b", "open sesame\nagent\n", "c", "c sesame\n")
	r.want("M a +1 -0", "M b +1 -0", "A c +1 -0")
	r.undo("a", 0)
	r.read("a", "sesame\n")
	for path, text := range snapshot(t, r.kept) {
		if strings.Contains(text, "sesame") {
			t.Errorf("%s holds the secret", path)
		}
	}
	r.restart()
	r.want("M b binary", "A c +1 -0")
	if _, exists, err := r.Before(t.Context(), r.path("b")); !exists || !errors.Is(err, conversation.ErrNotCopied) {
		t.Errorf("%v, %v", exists, err)
	}
	r.undo("", 1)
	r.read("b", "open sesame\nagent\n")
	r.read("c", "-")
}

func TestInMemory(t *testing.T) {
	r := newRig(t, true)
	r.kept = ""
	r.restart()
	r.write("a", lines)
	r.run("a", lines+"agent\n")
	r.want("M a +1 -0")
	r.undo("", 0)
	r.read("a", lines)
}

// TestGit has what only repositories have.
func TestGit(t *testing.T) {
	check := func(name string, test func(t *testing.T, r *rig)) {
		t.Run(name, func(t *testing.T) { test(t, newRig(t, false)) })
	}
	check("no commits yet", func(_ *testing.T, r *rig) {
		r.write("staged", "s\n", "a", "1\n")
		r.git("add", "staged")
		r.run("staged", "t\n", "a", "2\n", "b", "b\n")
		r.want("M a +1 -1", "A b +1 -0", "M staged +1 -1")
		r.undo("", 0)
		r.read("staged", "s\n")
		r.read("a", "1\n")
	})
	check("a commit during the run", func(_ *testing.T, r *rig) {
		r.commit("a", "1\n", "b", "1\n")
		r.begin()
		r.write("a", "2\n", "c", "c\n")
		r.git("add", "-A")
		r.git("commit", "-qm", "the agent's")
		r.write("b", "2\n")
		r.want("M a +1 -1", "M b +1 -1", "A c +1 -0")
		r.end()
		r.run()
		r.want("M a +1 -1", "M b +1 -1", "A c +1 -0")
		r.wantRun()
		r.undo("", 0)
		r.read("a", "1\n")
		r.read("c", "-")
	})
	check("another branch", func(_ *testing.T, r *rig) {
		r.commit("a", "1\n")
		r.git("checkout", "-qb", "side")
		r.commit("a", "2\n", "b", "b\n")
		r.begin()
		r.git("checkout", "-q", "main")
		r.want("M a +1 -1", "D b +0 -1")
		r.git("checkout", "-q", "side")
		r.end()
		r.want()
	})
	check("ignored files", func(_ *testing.T, r *rig) {
		r.commit(".gitignore", "*.log\nout/\n")
		r.write("x.log", "mine\n")
		r.begin()
		r.write("y.log", "shell\n", "out/z", "shell\n")
		r.edit("x.log", "tool\n")
		r.edit("out/tool", "tool\n")
		r.want("A out/tool +1 -0", "M x.log +1 -1")
		r.undo("", 0)
		r.read("x.log", "mine\n")
		r.read("out/tool", "-")
		r.read("out/z", "shell\n")
	})
	check("nested repositories", func(_ *testing.T, r *rig) {
		r.commit("a", "1\n")
		r.write("inner/b", "1\n", "inner/deep/c", "1\n")
		for _, dir := range []string{r.path("inner/deep"), r.path("inner")} {
			r.gitIn(dir, "init", "-q")
			r.gitIn(dir, "add", "-A")
			r.gitIn(dir, "commit", "-qm", "a commit")
		}
		r.write("inner/d", "dirty\n")
		r.run("a", "2\n", "inner/b", "2\n", "inner/deep/c", "-", "inner/d", "more\n", "inner/new", "n\n")
		r.want("M a +1 -1", "M inner/b +1 -1", "M inner/d +1 -1", "D inner/deep/c +0 -1", "A inner/new +1 -0")
		r.undo("", 0)
		r.read("inner/deep/c", "1\n")
		r.read("inner/d", "dirty\n")
	})
	check("below the top of the work tree", func(_ *testing.T, r *rig) {
		r.commit("sub/a", "1\n", "b", "1\n")
		r.dir = r.path("sub")
		r.restart()
		r.run("a", "2\n", "../b", "2\n", "n", "n\n")
		r.want("M a +1 -1", "A n +1 -0")
		r.undo("", 0)
		r.read("a", "1\n")
	})
	check("a program comes back as one", func(t *testing.T, r *rig) {
		if runtime.GOOS == "windows" {
			t.Skip("there are no modes")
		}
		r.write("tool", "#!/bin/sh\n")
		if err := os.Chmod(r.path("tool"), 0o755); err != nil {
			t.Fatal(err)
		}
		r.commit()
		r.run("tool", "-")
		r.undo("", 0)
		if info, err := os.Stat(r.path("tool")); err != nil || info.Mode().Perm()&0o100 == 0 {
			t.Errorf("%v, %v", info, err)
		}
	})
	check("names", func(_ *testing.T, r *rig) {
		if runtime.GOOS == "windows" {
			return
		}
		names := []string{"a b", "ü", "-x", "a\"b", "a\nb", ":(top)c"}
		for _, n := range names {
			r.write(n, "1\n")
		}
		r.commit()
		r.begin()
		for _, n := range names {
			r.write(n, "2\n")
		}
		r.end()
		r.undo("", 0)
		for _, n := range names {
			r.read(n, "1\n")
		}
		r.want()
	})
	check("line ends of the checkout", func(_ *testing.T, r *rig) {
		r.commit("a", "1\n2\n3\n")
		r.git("config", "core.autocrlf", "true")
		r.write("a", "-")
		r.git("checkout", "a")
		r.read("a", "1\r\n2\r\n3\r\n")
		r.run("a", "1\r\nagent\r\n3\r\n")
		r.want("M a +1 -1")
		r.before("a", "1\r\n2\r\n3\r\n")
		r.undo("", 0)
		r.read("a", "1\r\n2\r\n3\r\n")
	})
	check("a filter is a program, and is not run", func(t *testing.T, r *rig) {
		r.commit("a", "1\n", "b", "1\n")
		r.write(".gitattributes", "* filter=x\n")
		marker := r.path("ran")
		for _, key := range []string{"smudge", "clean", "process"} {
			r.git("config", "filter.x."+key, "touch '"+filepath.ToSlash(marker)+"'; cat")
		}
		r.begin()
		r.write("a", "22\n")
		r.edit("b", "22\n")
		r.end()
		r.want("M a binary", "M b +1 -1")
		if _, _, err := r.Before(t.Context(), r.path("a")); !errors.Is(err, conversation.ErrNotCopied) {
			t.Errorf("what a filter would make: %v", err)
		}
		r.undo("", 1)
		r.read("a", "22\n")
		r.read("b", "1\n")
		r.read("ran", "-")
	})
	check("package folders that nobody ignores", func(_ *testing.T, r *rig) {
		r.commit("a", "1\n", "node_modules/tracked", "1\n")
		r.run("node_modules/x/y", "y\n", "node_modules/tracked", "2\n")
		r.want("M node_modules/tracked +1 -1")
	})
	check("too large to copy", func(t *testing.T, r *rig) {
		large := strings.Repeat("x", maxSize+1)
		r.write("large", large)
		r.run("large", large+"y")
		r.want("M large binary")
		if _, exists, err := r.Before(t.Context(), r.path("large")); !exists || !errors.Is(err, conversation.ErrNotCopied) {
			t.Errorf("%v, %v", exists, err)
		}
		r.undo("", 1)
		r.read("large", large+"y")
		r.keep("")
		r.want()
	})
	check("no git any more", func(t *testing.T, r *rig) {
		r.commit("a", "1\n")
		r.run("a", "2\n")
		if err := os.RemoveAll(r.path(".git")); err != nil {
			t.Fatal(err)
		}
		r.want("M a +1 -1")
		r.run("b", "b\n")
		r.want("M a +1 -1", "A b +1 -0")
		r.undo("", 0)
		r.read("a", "1\n")
	})
}

// TestGitIsOnlyRead: all that belongs to the user's git stays as it is, byte by
// byte.
func TestGitIsOnlyRead(t *testing.T) {
	r := newRig(t, false)
	r.commit("a", lines, "b", lines)
	r.write("staged", "s\n")
	r.git("add", "staged")
	r.write("a", lines+"mine\n")
	before := snapshot(t, r.path(".git"))
	r.run("a", "agent\n"+lines+"mine\n", "b", "-", "c", "c\n")
	r.keep("c")
	r.undo("", 0)
	r.run()
	r.restart()
	r.want()
	after := snapshot(t, r.path(".git"))
	for path, was := range before {
		if after[path] != was {
			t.Errorf("%s changed", path)
		}
	}
	if len(after) != len(before) {
		t.Errorf("%d files in .git, there were %d", len(after), len(before))
	}
}

func snapshot(t *testing.T, dir string) map[string]string {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			data, readErr := os.ReadFile(path)
			info, statErr := d.Info()
			if err = errors.Join(readErr, statErr); err == nil {
				files[path] = fmt.Sprint(info.ModTime(), info.Mode(), string(data))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestLimitsOutsideGit: what is beyond the limits is told, and not taken back.
func TestLimitsOutsideGit(t *testing.T) {
	r := newRig(t, true)
	r.write("a", "1\n", "node_modules/x", "1\n")
	for i := range maxCopies + 1 {
		r.write(fmt.Sprintf("z/%05d", i), "1\n")
	}
	last := fmt.Sprintf("z/%05d", maxCopies)
	r.run("a", "2\n", "node_modules/x", "2\n", last, "22\n")
	r.want("M a +1 -1", "M "+last+" binary")
	r.undo("", 1)
	r.read("a", "1\n")
	r.read(last, "22\n")
}

// TestCancelled: git ends with the context, and nothing is taken for granted.
func TestCancelled(t *testing.T) {
	r := newRig(t, false)
	r.commit("a", "1\n")
	r.run("a", "2\n")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Begin(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("begin: %v", err)
	}
	r.want("M a +1 -1")
	r.begin()
	if _, err := r.End(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("end: %v", err)
	}
	r.write("a", "3\n")
	r.end()
	r.want("M a +1 -1")
	r.before("a", "1\n")
}

func benchRig(b *testing.B) *rig {
	r := newRig(b, false)
	for i := range 10_000 {
		r.write(fmt.Sprintf("d%03d/f%05d", i/100, i), fmt.Sprintln(i))
	}
	r.commit()
	r.write("d000/f00000", "dirty\n", "untracked", "u\n")
	return r
}

func BenchmarkBegin10k(b *testing.B) {
	r := benchRig(b)
	for b.Loop() {
		r.begin()
		b.StopTimer()
		r.end()
		b.StartTimer()
	}
}

func BenchmarkCount10k(b *testing.B) {
	r := benchRig(b)
	r.begin()
	r.write("d001/f00100", "changed\n", "new", "n\n")
	for b.Loop() {
		if _, err := r.Count(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
