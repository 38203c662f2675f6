package workspace

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestWriteFile(t *testing.T) {
	w := mustOpen(t)
	for _, text := range []string{"one\n", "", strings.Repeat("long ", 100_000)} {
		if err := w.WriteFile("dir/new file.txt", []byte(text)); err != nil {
			t.Fatal(err)
		}
		got, err := w.ReadFile(filepath.Join(w.Root(), "dir", "new file.txt"))
		if err != nil || string(got) != text {
			t.Errorf("read %d bytes of %d, %v", len(got), len(text), err)
		}
	}
	wantNames(t, filepath.Join(w.Root(), "dir"), "new file.txt")
}

func TestWriteFileKeepsTheMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes of Unix")
	}
	w := mustOpen(t)
	for _, mode := range []fs.FileMode{0o600, 0o644, 0o755, 0o777} {
		path := filepath.Join(w.Root(), "script")
		write(t, path, "old")
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if err := w.WriteFile(path, []byte("new")); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != mode || read(t, path) != "new" {
			t.Errorf("mode %v became %v (%s)", mode, info.Mode(), read(t, path))
		}
	}
	// A new file gets what any program would give it.
	plain := filepath.Join(w.Root(), "plain")
	write(t, plain, "")
	if err := os.Chmod(plain, 0o666); err != nil {
		t.Fatal(err)
	}
	umasked, err := os.OpenFile(filepath.Join(w.Root(), "umasked"), os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	want, err := umasked.Stat()
	if err := errors.Join(err, umasked.Close()); err != nil {
		t.Fatal(err)
	}
	if err := w.WriteFile("fresh", nil); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(w.Root(), "fresh")); err != nil || info.Mode() != want.Mode() {
		t.Errorf("a new file has mode %v, want %v", info.Mode(), want.Mode())
	}
}

func TestWriteFileThroughLinks(t *testing.T) {
	dir, w := links(t)
	if err := w.WriteFile("to-file", []byte("changed")); err != nil {
		t.Fatal(err)
	}
	if err := w.WriteFile("to-nothing-in", []byte("made")); err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(dir, "ws", "sub", "file")); got != "changed" {
		t.Errorf("the target holds %q", got)
	}
	if got := read(t, filepath.Join(dir, "ws", "sub", "not-yet")); got != "made" {
		t.Errorf("the new target holds %q", got)
	}
	for _, link := range []string{"to-file", "to-nothing-in"} {
		if info, err := os.Lstat(filepath.Join(w.Root(), link)); err != nil || info.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("%s is no link any more: %v, %v", link, info.Mode(), err)
		}
	}
	if err := w.WriteFile("loop-a", nil); err == nil {
		t.Error("wrote through a loop of links")
	}
}

// TestWriteFileFails checks that what can't be written leaves everything as it
// was.
func TestWriteFileFails(t *testing.T) {
	w := mustOpen(t)
	write(t, filepath.Join(w.Root(), "dir", "file"), "old")
	for _, path := range []string{"dir", "dir/file/below", "dir/" + strings.Repeat("x", 300), "."} {
		if err := w.WriteFile(path, []byte("new")); err == nil {
			t.Errorf("wrote %.20s", path)
		}
	}
	boom := errors.New("boom")
	path := filepath.Join(w.Root(), "dir", "file")
	err := replace(path, func(f *os.File) error {
		_, err := f.WriteString("ne")
		return errors.Join(err, boom)
	})
	if err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("replace: %v", err)
	}
	if got := read(t, path); got != "old" {
		t.Errorf("the file holds %q", got)
	}
	wantNames(t, filepath.Join(w.Root(), "dir"), "file")
}

func TestReadFile(t *testing.T) {
	w := mustOpen(t)
	if _, err := w.ReadFile("none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
	if _, err := w.ReadFile("."); !errors.Is(err, ErrNotRegular) {
		t.Errorf("a directory: %v", err)
	}
}

func TestTransfer(t *testing.T) {
	w := mustOpen(t)
	elsewhere := t.TempDir()
	source := filepath.Join(elsewhere, "source")
	write(t, source, "content")
	past := time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)
	if err := errors.Join(os.Chmod(source, 0o750), os.Chtimes(source, past, past)); err != nil {
		t.Fatal(err)
	}
	check := func(r FileOperationResult, path string) {
		t.Helper()
		if !r.Success || r.Error != "" || r.FileSize == nil || *r.FileSize != 7 {
			t.Fatalf("result %+v", r)
		}
		info, err := os.Stat(path)
		if err != nil || !info.ModTime().Equal(past) || read(t, path) != "content" {
			t.Errorf("%s: %v, %v", path, info.ModTime(), err)
		}
		if runtime.GOOS != "windows" && info.Mode().Perm() != 0o750 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
	}
	for range 2 { // the second time it overwrites
		r := w.Upload(source, "a/b/copy")
		check(r, filepath.Join(w.Root(), "a", "b", "copy"))
		if r.SourcePath != source || r.DestinationPath != "a/b/copy" {
			t.Errorf("paths %+v", r)
		}
	}
	back := filepath.Join(elsewhere, "new", "back")
	check(w.Download("a/b/copy", back), back)

	for name, r := range map[string]FileOperationResult{
		"no source":    w.Upload(filepath.Join(elsewhere, "none"), "x"),
		"a directory":  w.Upload(elsewhere, "x"),
		"onto a dir":   w.Upload(source, "a"),
		"onto itself":  w.Upload(filepath.Join(w.Root(), "a", "b", "copy"), "a/b/copy"),
		"none to send": w.Download("none", filepath.Join(elsewhere, "x")),
	} {
		if r.Success || r.Error == "" || r.FileSize != nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if got := read(t, filepath.Join(w.Root(), "a", "b", "copy")); got != "content" {
		t.Errorf("copying a file onto itself left %q", got)
	}
}

func wantNames(t testing.TB, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s holds %q, want %q", dir, got, want)
	}
}
