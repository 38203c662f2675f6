package workspace

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// links makes a directory with a workspace "ws" and symbolic links in and
// around it.
func links(t testing.TB) (dir string, w *Local) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("symbolic links need a privilege on Windows")
	}
	dir = t.TempDir()
	write(t, filepath.Join(dir, "ws", "sub", "file"), "inside")
	write(t, filepath.Join(dir, "ws-other", "file"), "a name that begins alike")
	write(t, filepath.Join(dir, "out", "deep", "file"), "outside")
	for name, target := range map[string]string{
		"ws/to-sub":           "sub",
		"ws/to-file":          "sub/file",
		"ws/to-out":           "../out",
		"ws/to-out-abs":       filepath.Join(dir, "out"),
		"ws/to-nothing-in":    "sub/not-yet",
		"ws/to-nothing-out":   "../out/not-yet",
		"ws/to-nothing-deep":  "to-nothing-out",
		"ws/through":          "to-out/deep/../../ws/sub",
		"ws/out-and-back":     "../ws/sub",
		"ws/loop-a":           "loop-b",
		"ws/loop-b":           "loop-a",
		"ws/climb":            "to-out/deep/..",
		"out/back":            "../ws",
		"alias":               "ws",
		"ws/sub/up":           "..",
		"ws/sub/far-up":       "../../..",
		"ws/to-nothing-climb": "to-out/../../elsewhere",
	} {
		if err := os.Symlink(target, filepath.Join(dir, filepath.FromSlash(name))); err != nil {
			t.Fatal(err)
		}
	}
	w, err := Open(filepath.Join(dir, "ws"), false)
	if err != nil {
		t.Fatal(err)
	}
	return dir, w
}

var containsCases = []struct {
	path string // relative to the directory above the workspace, or to the workspace if it begins with ":"
	want bool
}{
	{":.", true},
	{":sub/file", true},
	{":sub/../sub/./file", true},
	{":new/dir/and/file", true},
	{":sub/file/below-a-file", true},
	{":..", false},
	{":../ws", true},
	{":../ws-other/file", false},
	{":../../../../../../../../../../etc/passwd", false},
	{"ws-other/file", false},
	{"ws-new", false},
	{"ws", true},
	{"ws/sub/..", true},
	{"out/deep/file", false},
	{".", false},
	{":to-sub/file", true},
	{":to-file", true},
	{":to-out/deep/file", false},
	{":to-out", false},
	{":to-out-abs/new", false},
	{":to-nothing-in", true},
	{":to-nothing-in/x/y", true},
	{":to-nothing-out", false},
	{":to-nothing-out/x", false},
	{":to-nothing-deep", false},
	{":to-nothing-climb", false},
	{":through/file", true},
	{":out-and-back/new", true},
	{":climb", false},
	{":loop-a", false},
	{":loop-a/x", false},
	{"out/back/sub/file", true},
	{"out/back/to-out/deep", false},
	{"alias/sub/new", true},
	{":sub/up/sub/up/sub/file", true},
	{":sub/far-up", false},
	{":sub/far-up/ws/sub", false}, // "far-up" is the parent of dir
}

func TestContains(t *testing.T) {
	dir, w := links(t)
	viaAlias, err := Open(filepath.Join(dir, "alias"), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range containsCases {
		path, inside := strings.CutPrefix(c.path, ":")
		if !inside {
			path = filepath.Join(dir, path)
		}
		for _, w := range []*Local{w, viaAlias} {
			if got := w.Contains(path); got != c.want {
				t.Errorf("Contains(%s) below %s is %v", c.path, filepath.Base(w.Root()), got)
			}
			abs, err := w.Resolve(path)
			var outside *OutsideError
			loops := strings.HasPrefix(c.path, ":loop")
			if (err == nil) != c.want || err != nil && errors.As(err, &outside) == loops {
				t.Errorf("Resolve(%s): %v", c.path, err)
			}
			if !loops && !filepath.IsAbs(abs) {
				t.Errorf("Resolve(%s) = %q", c.path, abs)
			}
		}
	}
	for _, bad := range []string{"", "a\x00b"} {
		if _, err := w.Resolve(bad); err == nil {
			t.Errorf("Resolve(%q) gave no error", bad)
		}
	}
}

func TestContainsInTheRootDirectory(t *testing.T) {
	w, err := Open(string(filepath.Separator), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/etc/passwd", "x"} {
		if !w.Contains(filepath.FromSlash(path)) {
			t.Errorf("%s lies outside", path)
		}
	}
}

// TestOtherNameOfTheRoot reaches the workspace under a name that no symbolic
// link explains, as on file systems that fold case.
func TestOtherNameOfTheRoot(t *testing.T) {
	w := mustOpen(t)
	write(t, filepath.Join(w.Root(), "sub", "file"), "")
	other := t.TempDir()
	w.real = filepath.Join(other, "..", filepath.Base(other), "WS")
	if err := os.Symlink(w.root, w.real); err != nil {
		t.Skip("no symbolic links here")
	}
	if !w.holds(filepath.Join(w.root, "sub", "file")) || !w.holds(filepath.Join(w.root, "new", "file")) {
		t.Error("the same directory under another name is not seen")
	}
	if w.holds(other) {
		t.Error("another directory is taken for the root")
	}
}

func TestRel(t *testing.T) {
	dir, _ := links(t)
	w, err := Open(filepath.Join(dir, "alias"), false)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"sub/file":                            "sub/file",
		".":                                   ".",
		filepath.Join(dir, "alias/sub/x y"):   "sub/x y",
		filepath.Join(dir, "ws/sub/file"):     "sub/file",
		filepath.Join(dir, "ws-other", "x"):   filepath.ToSlash(filepath.Join(dir, "ws-other", "x")),
		filepath.Join(dir, "alias", "..name"): "..name",
		"..":                                  filepath.ToSlash(dir),
	} {
		if got := w.Rel(path); got != want {
			t.Errorf("Rel(%s) = %s, want %s", path, got, want)
		}
	}
}

// FuzzContains compares with what the system does: where a path can be opened,
// it lies inside exactly if its real name does.
func FuzzContains(f *testing.F) {
	dir, w := links(f)
	for _, c := range containsCases {
		f.Add(strings.TrimPrefix(c.path, ":"))
	}
	real, err := filepath.EvalSymlinks(w.Root())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if path == "" || strings.ContainsRune(path, 0) {
			return
		}
		inside := w.Contains(path)
		abs := path
		if !filepath.IsAbs(abs) {
			abs = filepath.Join(w.Root(), path)
		}
		name, err := filepath.EvalSymlinks(filepath.Clean(abs))
		if err != nil {
			return
		}
		if want := name == real || strings.HasPrefix(name, real+string(filepath.Separator)); inside != want {
			t.Errorf("Contains(%q) is %v, but it is %s (%s)", path, inside, name, dir)
		}
	})
}
