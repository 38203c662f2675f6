package workspace

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// repository is a real git repository in a temporary directory.
type repository struct {
	t   testing.TB
	dir string
}

func newRepository(t testing.TB, dir string, args ...string) *repository {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git here")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r := &repository{t: t, dir: dir}
	r.git(append([]string{"init", "-q", "-b", "main"}, args...)...)
	return r
}

func (r *repository) git(args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "protocol.file.allow=always"}, args...)...)
	cmd.Dir = r.dir
	cmd.Env = append(gitEnviron(), "GIT_ALLOW_PROTOCOL=file", "GIT_NO_LAZY_FETCH=0", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull)
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r *repository) write(name, text string) {
	r.t.Helper()
	write(r.t, filepath.Join(r.dir, filepath.FromSlash(name)), text)
}

func (r *repository) commit(files ...string) string {
	r.t.Helper()
	for i := 0; i+1 < len(files); i += 2 {
		r.write(files[i], files[i+1])
	}
	r.git("add", "-A")
	r.git("commit", "-q", "--allow-empty", "-m", "a commit")
	return r.git("rev-parse", "HEAD")
}

// touch makes a file look changed without changing it.
func (r *repository) touch(name string) {
	r.t.Helper()
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(r.dir, filepath.FromSlash(name)), past, past); err != nil {
		r.t.Fatal(err)
	}
}

func (r *repository) remove(name string) {
	r.t.Helper()
	if err := os.Remove(filepath.Join(r.dir, filepath.FromSlash(name))); err != nil {
		r.t.Fatal(err)
	}
}

// wantChanges checks the changes below a directory, each "STATUS path", and
// that asking for them changed nothing of git's.
func (r *repository) wantChanges(below, ref string, want ...string) {
	r.t.Helper()
	before := snapshot(r.t, r.dir)
	w, err := Open(filepath.Join(r.dir, below), false)
	if err != nil {
		r.t.Fatal(err)
	}
	changes, err := w.GitChanges(context.Background(), ref)
	if err != nil {
		r.t.Errorf("GitChanges(%q): %v", ref, err)
		return
	}
	var got []string
	for _, c := range changes {
		got = append(got, string(c.Status)+" "+c.Path)
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("changes %q\nwant %q", got, want)
	}
	if after := snapshot(r.t, r.dir); !maps.Equal(before, after) {
		r.t.Errorf("asking git changed its files: %v", differing(before, after))
	}
}

// snapshot has the content and the time of every file in every .git below dir.
func snapshot(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !strings.Contains(path, ".git") {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		files[path] = info.ModTime().String()
		if info.Mode().IsRegular() {
			files[path] += read(t, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func differing(a, b map[string]string) []string {
	var names []string
	for name := range maps.Keys(b) {
		if a[name] != b[name] {
			names = append(names, name)
		}
	}
	return names
}

func TestGitChanges(t *testing.T) {
	r := newRepository(t, t.TempDir())
	// Before the first commit all is new.
	r.write("a", "1\n")
	r.write("staged", "1\n")
	r.git("add", "staged")
	r.wantChanges("", "", "ADDED a", "ADDED staged")
	r.wantChanges("", "HEAD", "ADDED a", "ADDED staged")

	r.commit("same", "1\n", "deleted", "1\n", "staged-deleted", "1\n", "moved", "a long text that git would know again\n",
		"sub/x", "1\n", "mode", "1\n", ".gitignore", "*.log\n", "unstaged", "1\n")
	r.wantChanges("", "")
	r.write("a", "2\n")
	r.write("staged", "2\n")
	r.git("add", "staged")
	r.write("both", "2\n")
	r.git("add", "both")
	r.write("both", "3\n")
	r.remove("deleted")
	r.git("rm", "-q", "staged-deleted")
	r.git("mv", "moved", "moved to")
	r.write("ignored.log", "")
	r.write("sub/new", "")
	r.write("new dir/one", "")
	r.touch("same")
	want := []string{
		"UPDATED a", "ADDED both", "DELETED deleted", "DELETED moved", "ADDED moved to", "ADDED new dir/one",
		"UPDATED staged", "DELETED staged-deleted", "ADDED sub/new",
	}
	if runtime.GOOS != "windows" {
		if err := os.Chmod(filepath.Join(r.dir, "mode"), 0o755); err != nil {
			t.Fatal(err)
		}
		want = slices.Insert(want, 3, "UPDATED mode")
	}
	r.wantChanges("", "", want...)
	r.wantChanges("", "HEAD", want...)
	// A workspace below the top sees its own part.
	r.wantChanges("sub", "", "ADDED new")
}

func TestGitChangesNames(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("names of Unix")
	}
	names := []string{" lead", "a b", "b\nc", "d\te", "ä", "q\"u'o\\te", ":(glob)*", "-dash", "日本", "ü/x y", "*"}
	slices.Sort(names)
	r := newRepository(t, t.TempDir())
	r.commit("base", "")
	var added, updated []string
	for _, name := range names {
		r.write(name, "1")
		added = append(added, "ADDED "+name)
		updated = append(updated, "UPDATED "+name)
	}
	r.wantChanges("", "", added...)
	r.commit()
	for _, name := range names {
		r.touch(name)
	}
	r.wantChanges("", "")
	for _, name := range names {
		r.write(name, "2")
	}
	r.wantChanges("", "", updated...)
	for _, name := range names {
		wantDiff(t, r, name, "", "1", "2")
	}
}

// TestGitChangesTouched has files whose time changed and whose content, as git
// stores it, did not.
func TestGitChangesTouched(t *testing.T) {
	r := newRepository(t, t.TempDir())
	r.commit(".gitattributes", "*.txt text\n*.crlf text eol=crlf\n", "sub/lines.txt", "1\n2\n", "sub/w.crlf", "1\r\n2\r\n", "sub/real", "1\n", "link-target", "")
	if runtime.GOOS != "windows" {
		if err := os.Symlink("link-target", filepath.Join(r.dir, "sub", "link")); err != nil {
			t.Fatal(err)
		}
	}
	r.commit()
	r.write("sub/lines.txt", "1\r\n2\r\n") // stored with \n
	r.write("sub/w.crlf", "1\r\n2\r\n")
	r.touch("sub/w.crlf")
	r.touch("link-target")
	r.write("sub/real", "2\n")
	if runtime.GOOS != "windows" {
		r.remove("sub/link")
		if err := os.Symlink("link-target", filepath.Join(r.dir, "sub", "link")); err != nil {
			t.Fatal(err)
		}
	}
	r.wantChanges("", "", "UPDATED sub/real")
	r.wantChanges("sub", "", "UPDATED real")
	if runtime.GOOS != "windows" {
		r.remove("sub/link")
		if err := os.Symlink("link-targex", filepath.Join(r.dir, "sub", "link")); err != nil {
			t.Fatal(err)
		}
		r.wantChanges("sub", "", "UPDATED link", "UPDATED real")
		wantDiff(t, r, "sub/link", "", "link-target", "link-targex")
	}
}

func TestGitChangesConflict(t *testing.T) {
	r := newRepository(t, t.TempDir())
	r.commit("file", "base\n")
	r.git("checkout", "-q", "-b", "other")
	r.commit("file", "theirs\n")
	r.git("checkout", "-q", "main")
	r.commit("file", "ours\n")
	cmd := exec.Command("git", "-c", "user.name=x", "-c", "user.email=x@example.com", "merge", "-q", "other")
	cmd.Dir = r.dir
	if err := cmd.Run(); err == nil {
		t.Fatal("the merge went well")
	}
	r.wantChanges("", "", "UPDATED file")
}

func TestGitBase(t *testing.T) {
	origin := newRepository(t, filepath.Join(t.TempDir(), "origin"))
	first := origin.commit("shared", "1\n")

	clone := func(t *testing.T) *repository {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "clone")
		origin.git("clone", "-q", origin.dir, dir)
		return &repository{t: t, dir: dir}
	}
	t.Run("origin has the branch", func(t *testing.T) {
		r := clone(t)
		r.commit("mine", "1\n")
		r.wantChanges("", "", "ADDED mine")
		r.wantChanges("", "HEAD")
		r.wantChanges("", first, "ADDED mine")
		r.wantChanges("", "main~1", "ADDED mine")
	})
	t.Run("clean and equal to origin", func(t *testing.T) {
		r := clone(t)
		r.write("untracked", "")
		r.wantChanges("", "", "ADDED untracked")
		r.write("shared", "2\n")
		r.wantChanges("", "", "UPDATED shared", "ADDED untracked")
	})
	t.Run("a branch that origin lacks", func(t *testing.T) {
		r := clone(t)
		r.git("checkout", "-q", "-b", "feature")
		r.commit("mine", "1\n")
		r.wantChanges("", "", "ADDED mine")
	})
	t.Run("a branch that was pushed", func(t *testing.T) {
		r := clone(t)
		r.git("checkout", "-q", "-b", "pushed")
		tip := r.commit("one", "1\n")
		r.git("update-ref", "refs/remotes/origin/pushed", tip)
		// All of the branch is seen while nothing is ahead of origin.
		r.wantChanges("", "", "ADDED one")
		r.write("one", "2\n")
		r.wantChanges("", "", "UPDATED one")
		r.commit("two", "1\n")
		r.wantChanges("", "", "UPDATED one", "ADDED two")
	})
	t.Run("no head", func(t *testing.T) {
		r := clone(t)
		r.git("checkout", "-q", "--detach")
		r.commit("mine", "1\n")
		r.wantChanges("", "", "ADDED mine")
	})
	t.Run("an unborn branch", func(t *testing.T) {
		r := clone(t)
		r.git("checkout", "-q", "--orphan", "fresh")
		r.write("shared", "2\n")
		r.wantChanges("", "", "UPDATED shared")
	})
	t.Run("unrelated to origin", func(t *testing.T) {
		r := clone(t)
		r.git("checkout", "-q", "--orphan", "fresh")
		r.commit("shared", "2\n")
		r.wantChanges("", "", "UPDATED shared")
	})
	t.Run("no remote, a branch from main", func(t *testing.T) {
		r := newRepository(t, t.TempDir())
		r.commit("a", "1\n")
		r.git("checkout", "-q", "-b", "feature")
		r.commit("b", "1\n")
		r.write("c", "")
		r.wantChanges("", "", "ADDED b", "ADDED c")
		// main went on: it is no ancestor any more.
		r.git("stash", "-q", "-u")
		r.git("checkout", "-q", "main")
		r.commit("d", "1\n")
		r.git("checkout", "-q", "feature")
		r.wantChanges("", "")
	})
	t.Run("no remote, master", func(t *testing.T) {
		r := newRepository(t, t.TempDir())
		r.commit("a", "1\n")
		r.git("branch", "-m", "main", "master")
		r.git("checkout", "-q", "-b", "feature")
		r.commit("b", "1\n")
		r.wantChanges("", "", "ADDED b")
	})
	t.Run("bad refs", func(t *testing.T) {
		r := newRepository(t, t.TempDir())
		r.commit("a", "1\n")
		w, err := Open(r.dir, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, ref := range []string{"nosuch", "-x", "--all", "HEAD:a", "a b", "x\n", "HEAD~9", "--output=" + filepath.Join(r.dir, "made")} {
			var failed *GitCommandError
			if changes, err := w.GitChanges(t.Context(), ref); !errors.As(err, &failed) {
				t.Errorf("ref %q: %v, %v", ref, changes, err)
			}
		}
		wantNames(t, r.dir, ".git", "a")
	})
}

func TestGitNested(t *testing.T) {
	r := newRepository(t, t.TempDir())
	r.commit("a", "1\n", "nested-not/x", "1\n")
	nested := newRepository(t, filepath.Join(r.dir, "nested"))
	nested.commit("in", "1\n")
	nested.write("in", "2\n")
	nested.write("deep/new", "")
	deep := newRepository(t, filepath.Join(r.dir, "dir", "deep repo"))
	deep.commit("y", "1\n")
	deep.write("y", "2\n")
	r.write("nested-not/x", "2\n")
	if err := os.MkdirAll(filepath.Join(r.dir, "broken", ".git"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.write("broken/file", "")
	r.wantChanges("", "", "ADDED broken/file", "UPDATED dir/deep repo/y", "UPDATED nested-not/x", "ADDED nested/deep/new", "UPDATED nested/in")

	// A submodule: its .git is a file.
	sub := newRepository(t, t.TempDir())
	sub.commit("s", "1\n")
	r = newRepository(t, t.TempDir())
	r.git("submodule", "--quiet", "add", sub.dir, "sub")
	r.commit()
	r.wantChanges("", "")
	r.write("sub/s", "2\n")
	r.write("sub/t", "2\n")
	r.wantChanges("", "", "UPDATED sub/s", "ADDED sub/t")

	// A linked work tree.
	linked := filepath.Join(t.TempDir(), "linked")
	nested.git("worktree", "add", "-q", linked)
	l := &repository{t: t, dir: linked}
	l.write("in", "3\n")
	l.wantChanges("", "HEAD", "UPDATED in")
}

func TestGitSHA256(t *testing.T) {
	r := newRepository(t, t.TempDir(), "--object-format=sha256")
	r.write("a", "1\n")
	r.wantChanges("", "", "ADDED a")
	r.commit()
	r.touch("a")
	r.wantChanges("", "")
	r.write("a", "2\n")
	r.wantChanges("", "", "UPDATED a")
	wantDiff(t, r, "a", "", "1", "2")
}

// TestGitFromAHook has the variables around that git sets for hooks.
func TestGitFromAHook(t *testing.T) {
	other := newRepository(t, t.TempDir())
	other.commit("other", "1\n")
	r := newRepository(t, t.TempDir())
	r.commit("a", "1\n")
	r.write("a", "2\n")
	t.Setenv("GIT_DIR", filepath.Join(other.dir, ".git"))
	t.Setenv("GIT_WORK_TREE", other.dir)
	t.Setenv("GIT_INDEX_FILE", filepath.Join(other.dir, ".git", "index"))
	r.wantChanges("", "", "UPDATED a")
}

// TestGitRunsNoPrograms has settings in the repository that name programs.
func TestGitRunsNoPrograms(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a program for Unix")
	}
	r := newRepository(t, t.TempDir())
	r.commit(".gitattributes", "* diff=x\n", "a", "1\n")
	trap := filepath.Join(r.dir, ".git", "trap")
	marker := filepath.Join(r.dir, ".git", "ran")
	if err := os.WriteFile(trap, []byte("#!/bin/sh\ntouch '"+marker+"'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, setting := range []string{"core.fsmonitor", "diff.external", "diff.x.command", "diff.x.textconv", "core.pager", "alias.diff"} {
		r.git("config", setting, trap)
	}
	r.write("a", "2\n")
	r.wantChanges("", "", "UPDATED a")
	wantDiff(t, r, "a", "", "1", "2")
	if _, err := os.Stat(marker); err == nil {
		t.Error("a program of the repository's settings ran")
	}
}

// TestGitFetchesNothing has a partial clone, which git completes from its origin
// when it needs an object.
func TestGitFetchesNothing(t *testing.T) {
	origin := newRepository(t, t.TempDir())
	origin.git("config", "uploadpack.allowFilter", "true")
	first := origin.commit("a", "1\n")
	origin.commit("a", "2\n")
	r := &repository{t: t, dir: filepath.Join(t.TempDir(), "partial")}
	origin.git("clone", "-q", "--filter=blob:none", "file://"+filepath.ToSlash(origin.dir), r.dir)
	r.write("a", "3\n")
	r.wantChanges("", first, "UPDATED a")
	r.wantChanges("", "", "UPDATED a")
	wantDiff(t, r, "a", "HEAD", "2", "3")
	before := snapshot(t, r.dir)
	w, err := Open(r.dir, false)
	if err != nil {
		t.Fatal(err)
	}
	var failed *GitCommandError
	if d, err := w.GitDiff(t.Context(), "a", first); !errors.As(err, &failed) {
		t.Errorf("the text of a commit that is not here: %+v, %v", d, err)
	}
	if after := snapshot(t, r.dir); !maps.Equal(before, after) {
		t.Errorf("git fetched: %v", differing(before, after))
	}
}

func TestGitErrors(t *testing.T) {
	w := mustOpen(t)
	write(t, filepath.Join(w.Root(), "file"), "")
	var none *GitRepositoryError
	if _, err := w.GitChanges(t.Context(), ""); !errors.As(err, &none) {
		t.Errorf("no repository: %v", err)
	}
	if _, err := w.GitDiff(t.Context(), "file", ""); !errors.As(err, &none) {
		t.Errorf("no repository: %v", err)
	}
	r := newRepository(t, filepath.Join(w.Root(), "repo"))
	r.commit("a", "1\n")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	inside, err := Open(r.dir, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := inside.GitChanges(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	bare := newRepository(t, t.TempDir(), "--bare")
	b, err := Open(bare.dir, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.GitChanges(t.Context(), ""); !errors.As(err, &none) {
		t.Errorf("a bare repository: %v", err)
	}
	if err := os.RemoveAll(r.dir); err != nil {
		t.Fatal(err)
	}
	if _, err := inside.GitChanges(t.Context(), ""); !errors.As(err, &none) {
		t.Errorf("a directory that is gone: %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	var failed *GitCommandError
	if _, err := w.GitChanges(t.Context(), ""); !errors.As(err, &failed) {
		t.Errorf("no git: %v", err)
	}
}

func TestGitDiff(t *testing.T) {
	r := newRepository(t, t.TempDir())
	r.commit("a.txt", "one\ntwo\n", "sub/b", "  lead\n\n", "crlf", "x\r\ny\r\n", "bin", "\xff\x00", "gone", "1\n", "empty", "")
	wantDiff(t, r, "a.txt", "", "one\ntwo", "one\ntwo")
	r.write("a.txt", "one\n2\n")
	wantDiff(t, r, "a.txt", "", "one\ntwo", "one\n2")
	wantDiff(t, r, filepath.Join(r.dir, "a.txt"), "HEAD", "one\ntwo", "one\n2")
	wantDiff(t, r, "sub/b", "", "  lead\n", "  lead\n")
	wantDiff(t, r, "crlf", "", "x\ny", "x\ny")
	wantDiff(t, r, "bin", "", "", "")
	wantDiff(t, r, "empty", "", "", "")
	r.write("new", "fresh")
	wantDiff(t, r, "new", "", "", "fresh")
	r.write("a.txt/../nested/f", "1\n")
	nested := newRepository(t, filepath.Join(r.dir, "nested"))
	nested.commit()
	nested.write("f", "2\n")
	wantDiff(t, r, "nested/f", "", "1", "2")

	w, err := Open(r.dir, false)
	if err != nil {
		t.Fatal(err)
	}
	r.remove("gone")
	r.write("big", strings.Repeat("x", maxDiffSize+1))
	for _, path := range []string{"gone", "never", "sub", "big"} {
		var bad *GitPathError
		if _, err := w.GitDiff(t.Context(), path, ""); !errors.As(err, &bad) {
			t.Errorf("%s: %v", path, err)
		}
	}
	var outside *OutsideError
	if _, err := w.GitDiff(t.Context(), "../x", ""); !errors.As(err, &outside) {
		t.Errorf("outside: %v", err)
	}
	var failed *GitCommandError
	if _, err := w.GitDiff(t.Context(), "a.txt", "nosuch"); !errors.As(err, &failed) {
		t.Errorf("no such commit: %v", err)
	}
}

func TestGitJSON(t *testing.T) {
	text := ""
	raw, err := json.Marshal([]any{GitChange{Status: GitAdded, Path: "a"}, GitDiff{Modified: &text}})
	if want := `[{"status":"ADDED","path":"a"},{"modified":"","original":null}]`; err != nil || string(raw) != want {
		t.Errorf("%s, %v", raw, err)
	}
}

func wantDiff(t testing.TB, r *repository, path, ref, original, modified string) {
	t.Helper()
	w, err := Open(r.dir, false)
	if err != nil {
		t.Fatal(err)
	}
	d, err := w.GitDiff(context.Background(), path, ref)
	if err != nil {
		t.Errorf("GitDiff(%q): %v", path, err)
		return
	}
	if *d.Original != original || *d.Modified != modified {
		t.Errorf("GitDiff(%q): %q → %q, want %q → %q", path, *d.Original, *d.Modified, original, modified)
	}
}

func BenchmarkGitChanges(b *testing.B) {
	r := newRepository(b, b.TempDir())
	var files []string
	for i := range 2000 {
		files = append(files, filepath.Join("dir", string(rune('a'+i%26)), "file"+string(rune('a'+i/26%26))+string(rune('a'+i/676))), "text\n")
	}
	r.commit(files...)
	r.write("dir/a/new", "")
	w, err := Open(r.dir, false)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if changes, err := w.GitChanges(b.Context(), ""); err != nil || len(changes) != 1 {
			b.Fatal(changes, err)
		}
	}
}
