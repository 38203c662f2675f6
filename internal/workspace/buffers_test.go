package workspace

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

// editorDouble is an editor that makes the edits it is asked for, unless it is told
// otherwise.
type editorDouble struct {
	buffers *Buffers
	path    string
	// refuse is its answer; stale makes it say yes and do nothing.
	refuse error
	stale  bool
	asked  [][]Edit
}

func (e *editorDouble) Edit(_ context.Context, doc Document, edits []Edit) error {
	e.asked = append(e.asked, edits)
	if e.refuse != nil || e.stale {
		return e.refuse
	}
	e.buffers.Changed(e.path, doc.Version+1, func(text string) string { return applied(text, edits) })
	return nil
}

func (e *editorDouble) CanEdit() bool { return true }

func applied(text string, edits []Edit) string {
	for _, e := range slices.Backward(edits) {
		text = text[:e.Start] + e.Text + text[e.End:]
	}
	return text
}

// opened is a file that an editor has opened, with the text that is on the disk.
func opened(t *testing.T, text string) (*Buffers, *editorDouble) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.txt")
	write(t, path, text)
	e := &editorDouble{path: path}
	e.buffers = NewBuffers(e)
	e.buffers.Opened(path, Document{URI: ToURI(path), Version: 1, Text: text})
	return e.buffers, e
}

func (e *editorDouble) types(text string) {
	e.buffers.Changed(e.path, 2, func(string) string { return text })
}

func (e *editorDouble) reads(t *testing.T, want string) {
	t.Helper()
	if got, err := e.buffers.Read(e.path); err != nil || string(got) != want {
		t.Errorf("read %q, %v; want %q", got, err, want)
	}
}

// TestBuffersOneTruth: what is read is the buffer while it holds something that
// is not saved, and the disk otherwise.
func TestBuffersOneTruth(t *testing.T) {
	b, e := opened(t, "one\n")
	check := func(want string, unsaved bool) {
		t.Helper()
		e.reads(t, want)
		if got := b.Unsaved(e.path); got != unsaved {
			t.Errorf("unsaved is %v", got)
		}
	}
	check("one\n", false)
	e.types("two\n")
	check("two\n", true)
	write(t, e.path, "two\n")
	b.Saved(e.path)
	check("two\n", false)
	write(t, e.path, "three and more\n") // a command; the editor has not noticed yet
	check("three and more\n", false)
	e.types("two, and typed\n") // nor had it when the user went on
	check("two, and typed\n", true)
	if got := b.Behind(); !slices.Equal(got, []string{e.path}) {
		t.Errorf("behind: %v", got)
	}
	if got := b.Behind(); got != nil {
		t.Errorf("it was said already: %v", got)
	}
	e.types("three and more\n") // read anew
	check("three and more\n", false)
	e.types("four\n")
	b.Closed(e.path)
	check("three and more\n", false)
}

// TestBuffersAreKeptByPath: a link and the file it leads to are one document.
func TestBuffersAreKeptByPath(t *testing.T) {
	b, e := opened(t, "one\n")
	link := filepath.Join(filepath.Dir(e.path), "link")
	if err := os.Symlink(e.path, link); err != nil {
		t.Skip(err)
	}
	e.types("two\n")
	if got, err := b.Read(link); err != nil || string(got) != "two\n" {
		t.Errorf("read %q, %v", got, err)
	}
}

// TestBuffersWhatEditorsMakeOfFiles: none of these is an unsaved change.
func TestBuffersWhatEditorsMakeOfFiles(t *testing.T) {
	for file, text := range map[string]string{
		"\uFEFFmark\n":   "mark\n",
		"no end":         "no end\n",
		"a\r\nb\n":       "a\r\nb\r\n",
		"caf\xe9 latin1": "café latin1",
		"":               "",
	} {
		path := filepath.Join(t.TempDir(), "f")
		write(t, path, file)
		b := NewBuffers(nil)
		b.Opened(path, Document{Version: 1, Text: text})
		if b.Unsaved(path) {
			t.Errorf("%q opened as %q counts as unsaved", file, text)
		}
	}
	// What was never saved is a file all the same, once there is something in it.
	path := filepath.Join(t.TempDir(), "new")
	b := NewBuffers(nil)
	b.Opened(path, Document{Version: 1, Text: ""})
	if _, err := b.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty document that has no file: %v", err)
	}
	b.Changed(path, 2, func(string) string { return "typed" })
	if info, err := b.Stat(path); err != nil || info.Size() != 5 || info.Name() != "new" {
		t.Errorf("a document that has no file: %v, %v", info, err)
	}
}

// TestBuffersWrite: an unsaved document is changed by the editor and the file is
// left alone; everything else goes to the disk.
func TestBuffersWrite(t *testing.T) {
	b, e := opened(t, "a\nb\nc\nd\n")
	if err := b.Write(t.Context(), e.path, []byte("a\nb\nc\nd\ne\n")); err != nil || read(t, e.path) != "a\nb\nc\nd\ne\n" || e.asked != nil {
		t.Fatalf("a saved one: %v, the file holds %q, the editor was asked %v", err, read(t, e.path), e.asked)
	}
	e.types("A\nb\nc\nd\n")
	if err := b.Write(t.Context(), e.path, []byte("A\nb\nC\nd\nE\n")); err != nil {
		t.Fatal(err)
	}
	e.reads(t, "A\nb\nC\nd\nE\n")
	if read(t, e.path) != "a\nb\nc\nd\ne\n" {
		t.Errorf("the file holds %q", read(t, e.path))
	}
	if len(e.asked) != 1 || len(e.asked[0]) != 2 {
		t.Errorf("want one edit of two hunks, got %v", e.asked)
	}
	if err := b.Write(t.Context(), e.path, []byte("A\nb\nC\nd\nE\n")); err != nil || len(e.asked) != 1 {
		t.Errorf("nothing to change: %v, asked %d times", err, len(e.asked))
	}
	if err := b.Write(t.Context(), e.path, []byte("\xff\xfe")); err == nil || !strings.Contains(err.Error(), "is no text") {
		t.Errorf("bytes into a document: %v", err)
	}
	e.refuse = errors.New("read-only")
	if err := b.Write(t.Context(), e.path, []byte("x")); err == nil || !strings.Contains(err.Error(), "refused the edit: read-only") {
		t.Errorf("a refusal: %v", err)
	}
}

// TestBuffersEditThatIsNotShown: an editor that says yes and does nothing has not
// made the edit.
func TestBuffersEditThatIsNotShown(t *testing.T) {
	b, e := opened(t, "a\n")
	e.types("b\n")
	b.Unsaved(e.path)
	e.stale = true
	synctest.Test(t, func(t *testing.T) {
		if err := b.Write(t.Context(), e.path, []byte("c\n")); err == nil || !strings.Contains(err.Error(), "did not show the edit") {
			t.Errorf("got %v", err)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Write(ctx, e.path, []byte("c\n")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	e.reads(t, "b\n")
}

// TestBuffersUserTypesOn: the edit was made although the user typed right after
// it.
func TestBuffersUserTypesOn(t *testing.T) {
	b, e := opened(t, "a\n")
	e.types("b\n")
	typing := &typist{e}
	b.editor = typing
	if err := b.Write(t.Context(), e.path, []byte("c\n")); err != nil {
		t.Fatal(err)
	}
	e.reads(t, "c\nd\n")
}

type typist struct{ *editorDouble }

func (e *typist) Edit(ctx context.Context, doc Document, edits []Edit) error {
	if err := e.editorDouble.Edit(ctx, doc, edits); err != nil {
		return err
	}
	e.types("c\nd\n")
	return nil
}

// TestHunks: whatever the texts are, the edits make one of the other.
func TestHunks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOf(rapid.SampledFrom([]string{"a\n", "b\n", "\n", "ü", "🙂\r\n", "x"})).Draw(t, "lines"), "")
		})
		before, after := text.Draw(t, "before"), text.Draw(t, "after")
		if got := applied(before, hunks(before, after)); got != after {
			t.Errorf("%q → %q gives %q", before, after, got)
		}
	})
}
