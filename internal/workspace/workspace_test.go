package workspace

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "a", "b")
	if _, err := Open(missing, false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of what is not there: %v", err)
	}
	w, err := Open(missing, true)
	if err != nil {
		t.Fatal(err)
	}
	if w.Root() != missing || w.URI() != ToURI(missing) {
		t.Errorf("root %s, URI %s", w.Root(), w.URI())
	}
	if w, err := Open(missing+"/../b/.", false); err != nil || w.Root() != missing {
		t.Errorf("%v, %v", w, err)
	}
	file := filepath.Join(dir, "file")
	write(t, file, "")
	for _, root := range []string{"", file, filepath.Join(file, "x")} {
		for _, create := range []bool{false, true} {
			if w, err := Open(root, create); err == nil {
				t.Errorf("Open(%q, %v) gave %s", root, create, w.Root())
			}
		}
	}
	t.Chdir(dir)
	if w, err := Open("a", false); err != nil || !filepath.IsAbs(w.Root()) || filepath.Base(w.Root()) != "a" {
		t.Errorf("relative: %v, %v", w, err)
	}
}

func TestJSON(t *testing.T) {
	w := mustOpen(t)
	raw, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	dir, _ := json.Marshal(w.Root())
	if want := `{"working_dir":` + string(dir) + `,"kind":"LocalWorkspace"}`; string(raw) != want {
		t.Errorf("JSON %s, want %s", raw, want)
	}
	for _, c := range []struct{ raw, want string }{
		{string(raw), w.Root()},
		{`{"working_dir":"relative/dir"}`, "relative/dir"},
		{`{"kind":"RemoteWorkspace","working_dir":"/x"}`, ""},
		{`{"kind":"LocalWorkspace"}`, ""},
		{`{"working_dir":7}`, ""},
		{`[]`, ""},
		{``, ""},
	} {
		got, err := ParseJSON([]byte(c.raw))
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("ParseJSON(%s) = %q, %v", c.raw, got, err)
		}
	}
}

func mustOpen(t testing.TB) *Local {
	t.Helper()
	w, err := Open(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
