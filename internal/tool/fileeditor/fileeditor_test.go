package fileeditor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/tool"
	"github.com/agent-rpc/agent-rpc/internal/tool/tooltest"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

func TestSuite(t *testing.T) {
	dir := t.TempDir()
	args := func(command, file, rest string) string {
		return fmt.Sprintf(`{"command":%q,"path":%q%s}`, command, filepath.Join(dir, file), rest)
	}
	tooltest.Run(t, tooltest.Suite{
		New: func(t *testing.T) tool.Tool {
			write(t, filepath.Join(dir, "a.txt"), "one\ntwo\nthree\n")
			_ = os.Remove(filepath.Join(dir, "new.txt")) // it is there only after a create
			return New(dir, Options{})
		},
		Args: []string{
			args("view", "a.txt", ""),
			args("view", "a.txt", `,"view_range":[1,2]`),
			args("view", "", ""),
			args("create", "new.txt", `,"file_text":"x\n"`),
			args("str_replace", "a.txt", `,"old_str":"two","new_str":"2"`),
			args("insert", "a.txt", `,"insert_line":1,"new_str":"x"`),
		},
	})
}

// fixture is a workspace with some files.
type fixture struct {
	t    testing.TB
	dir  string
	tool *Tool
}

func newFixture(t testing.TB, opts Options) *fixture {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{t, dir, New(dir, opts)}
}

func (f *fixture) path(name string) string { return filepath.Join(f.dir, name) }

func (f *fixture) write(name, content string) { write(f.t, f.path(name), content) }

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) read(name string) string {
	f.t.Helper()
	data, err := os.ReadFile(f.path(name))
	if err != nil {
		f.t.Fatal(err)
	}
	return string(data)
}

// action encodes an action whose path is made absolute unless it begins with
// "=".
func (f *fixture) action(args map[string]any) json.RawMessage {
	f.t.Helper()
	if path, ok := args["path"].(string); ok {
		if rest, plain := strings.CutPrefix(path, "="); plain {
			args["path"] = rest
		} else {
			args["path"] = f.path(path)
		}
	}
	raw, err := json.Marshal(args)
	if err != nil {
		f.t.Fatal(err)
	}
	action, err := f.tool.Decode(raw)
	if err != nil {
		f.t.Fatal(err)
	}
	return action
}

func (f *fixture) run(args map[string]any) (Observation, string) {
	f.t.Helper()
	raw, err := f.tool.Run(context.Background(), tool.Call{Action: f.action(args)})
	if err != nil {
		f.t.Fatal(err)
	}
	var obs Observation
	if err := json.Unmarshal(raw, &obs); err != nil {
		f.t.Fatal(err)
	}
	return obs, strings.ReplaceAll(event.TextOf(obs.Content), f.dir, "DIR")
}

type args = map[string]any

func TestErrors(t *testing.T) {
	tests := []struct {
		name string
		args args
		// path says that the observation names the path: the arguments were good.
		path bool
		want string
	}{
		{"relative", args{"command": "view", "path": "=a.txt"}, false, "the path a.txt is not absolute; did you mean DIR/a.txt?"},
		{"relative and missing", args{"command": "view", "path": "=x/y"}, false, "the path x/y is not absolute; begin it with DIR"},
		{"home", args{"command": "view", "path": "=~/a.txt"}, false, "the path ~/a.txt does not exist: ~ is not expanded here"},
		{"empty path", args{"command": "view", "path": "="}, false, "parameter path is empty"},
		{"missing", args{"command": "view", "path": "none"}, false, "the path DIR/none does not exist"},
		{"below a file", args{"command": "view", "path": "a.txt/x"}, false, "the path DIR/a.txt/x can't be reached"},
		{"zero byte", args{"command": "view", "path": "a\x00b"}, false, "can't be reached: invalid argument"},
		{"edit of a missing file", args{"command": "str_replace", "path": "none", "old_str": "a", "new_str": "b"}, false, "does not exist"},
		{"create over a file", args{"command": "create", "path": "a.txt", "file_text": ""}, false, "DIR/a.txt exists already"},
		{"create over a directory", args{"command": "create", "path": "", "file_text": ""}, false, "DIR exists already"},
		{"create without a directory", args{"command": "create", "path": "no/x", "file_text": ""}, false, "the directory DIR/no does not exist"},
		{"create below a file", args{"command": "create", "path": "a.txt/x", "file_text": ""}, false, "can't be reached"},
		{"create without text", args{"command": "create", "path": "x"}, false, "command create needs parameter file_text"},
		{"directory", args{"command": "insert", "path": "", "insert_line": 0, "new_str": ""}, false, "DIR is a directory; only view works"},
		{"view_range of a directory", args{"command": "view", "path": "", "view_range": []int{1, 2}}, false, "view_range works on files only"},
		{"str_replace without old_str", args{"command": "str_replace", "path": "a.txt", "new_str": "b"}, false, "command str_replace needs parameter old_str"},
		{"str_replace without anything", args{"command": "str_replace", "path": "a.txt"}, false, "needs parameter old_str and new_str"},
		{"str_replace without new_str", args{"command": "str_replace", "path": "a.txt", "old_str": "b"}, false, "needs parameter new_str"},
		{"same", args{"command": "str_replace", "path": "a.txt", "old_str": "b", "new_str": "b"}, false, "old_str and new_str are the same"},
		{"insert without line", args{"command": "insert", "path": "a.txt", "new_str": "b"}, false, "command insert needs parameter insert_line"},
		{"insert without text", args{"command": "insert", "path": "a.txt", "insert_line": 1}, false, "command insert needs parameter new_str"},

		{"not found", args{"command": "str_replace", "path": "a.txt", "old_str": "none\nthere", "new_str": "b"}, true, "DIR/a.txt does not contain old_str word for word, which is:\nnone\nthere"},
		{"white space", args{"command": "str_replace", "path": "blank.txt", "old_str": " \n", "new_str": "b"}, true, "does not contain old_str"},
		{"several", args{"command": "str_replace", "path": "a.txt", "old_str": "o", "new_str": "0"}, true, "old_str occurs 3 times in DIR/a.txt, in lines [1 2];"},
		{"several trimmed", args{"command": "str_replace", "path": "a.txt", "old_str": " o ", "new_str": "0"}, true, "old_str occurs 3 times"},
		{"several over lines", args{"command": "str_replace", "path": "rows.txt", "old_str": "a\nb\n", "new_str": "0"}, true, "occurs 2 times in DIR/rows.txt, in lines [2 5];"},
		{"empty old_str", args{"command": "str_replace", "path": "a.txt", "old_str": "", "new_str": "0"}, true, "old_str is empty"},
		{"insert beyond", args{"command": "insert", "path": "a.txt", "insert_line": 4, "new_str": "b"}, true, "insert_line is 4, but must be from 0 to 3"},
		{"range of one", args{"command": "view", "path": "a.txt", "view_range": []int{1}}, true, "view_range must be two numbers, the first and the last line, but has 1"},
		{"range from 0", args{"command": "view", "path": "a.txt", "view_range": []int{0, 2}}, true, "view_range begins at line 0, but must begin at 1 to 3"},
		{"range from beyond", args{"command": "view", "path": "a.txt", "view_range": []int{4, 5}}, true, "view_range begins at line 4"},
		{"range backwards", args{"command": "view", "path": "a.txt", "view_range": []int{2, 1}}, true, "view_range ends at line 1, before it begins at line 2"},
		{"range to -2", args{"command": "view", "path": "a.txt", "view_range": []int{2, -2}}, true, "view_range ends at line -2"},
		{"range of an empty file", args{"command": "view", "path": "empty.txt", "view_range": []int{1, 1}}, true, "DIR/empty.txt is empty"},
		{"binary", args{"command": "view", "path": "app"}, true, "DIR/app can't be viewed: this is a binary file"},
		{"binary edit", args{"command": "str_replace", "path": "app", "old_str": "ELF", "new_str": "x"}, true, "DIR/app can't be edited: this is a binary file"},
		{"large", args{"command": "view", "path": "large.txt"}, true, "DIR/large.txt is too large: it has 10.5 MB, and at most 10 MB"},
		{"large edit", args{"command": "undo_edit", "path": "large.txt"}, true, "too large"},
		{"large create", args{"command": "create", "path": "x", "file_text": strings.Repeat("x", 10<<20+1)}, true, "too large"},
		{"nothing to undo", args{"command": "undo_edit", "path": "a.txt"}, true, "there is no edit of DIR/a.txt to undo"},
		{"character without a place", args{"command": "str_replace", "path": "latin1.txt", "old_str": "caf", "new_str": "→"}, true, "DIR/latin1.txt was not changed: the file is encoded as windows-1252, which has no character '→' (U+2192)"},
	}
	f := newFixture(t, Options{})
	files := map[string]string{
		"a.txt": "one\ntwo o\nthree\n", "rows.txt": "x\na\nb\n\na\nb\n", "empty.txt": "", "blank.txt": "abc", "app": "\x7fELF\x00\x01",
		"large.txt": strings.Repeat("0123456789abcde\n", 11<<16-1<<15), "latin1.txt": "caf\xe9\n",
	}
	for name, content := range files {
		f.write(name, content)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f.t = t
			obs, text := f.run(tt.args)
			if !obs.IsError || !strings.Contains(text, tt.want) {
				t.Errorf("is_error %v, text %s", obs.IsError, text)
			}
			if (obs.Path != "") != tt.path || obs.Command != tt.args["command"] || !obs.PrevExist || obs.OldContent != nil || obs.NewContent != nil {
				t.Errorf("observation %+v", obs)
			}
		})
	}
	f.t = t
	for name, content := range files {
		if f.read(name) != content {
			t.Errorf("%s was changed by a call that failed", name)
		}
	}
	entries, err := os.ReadDir(f.dir)
	if err != nil || len(entries) != len(files) {
		t.Errorf("files left behind: %v, %v", entries, err)
	}
}

func TestView(t *testing.T) {
	long := strings.Repeat("0123456789abcdefghi\n", 1000)
	tests := []struct {
		name, file, content string
		viewRange           []int
		want                string
	}{
		{"whole", "a", "one\ntwo\n", nil, "The content of DIR/a, as `cat -n` shows it:\n     1\tone\n     2\ttwo\n"},
		{"no line break at the end", "a", "one\n\ntwo", nil, "The content of DIR/a, as `cat -n` shows it:\n     1\tone\n     2\t\n     3\ttwo\n"},
		{"CRLF", "a", "one\r\ntwo\r\n", nil, "The content of DIR/a, as `cat -n` shows it:\n     1\tone\n     2\ttwo\n"},
		{"empty range", "a", "one\n", []int{}, "The content of DIR/a, as `cat -n` shows it:\n     1\tone\n"},
		{"range", "a", "1\n2\n3\n4\n", []int{2, 3}, "The content of DIR/a, as `cat -n` shows it:\n     2\t2\n     3\t3\n"},
		{"range to the end", "a", "1\n2\n3\n", []int{2, -1}, "The content of DIR/a, as `cat -n` shows it:\n     2\t2\n     3\t3\n"},
		{"range beyond the end", "a", "1\n2\n", []int{2, 9}, "NOTE: line 9 is beyond the end of the file, which has 2 lines; it is shown to its end.\nThe content of DIR/a, as `cat -n` shows it:\n     2\t2\n"},
		{"empty", "a", "", nil, "The file DIR/a is empty."},
		{"UTF-16", "a", "\xff\xfeh\x00\xe9\x00", nil, "The content of DIR/a, as `cat -n` shows it:\n     1\thé\n"},
		{"broken UTF-8", "a", "é ü ö\n\xff\n", nil, "The content of DIR/a, as `cat -n` shows it:\n     1\té ü ö\n     2\t\uFFFD\n"},
		{"SVG", "a.svg", "<svg/>", nil, "The content of DIR/a.svg, as `cat -n` shows it:\n     1\t<svg/>\n"},
		{"long", "a", long, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, Options{})
			f.write(tt.file, tt.content)
			call := args{"command": "view", "path": tt.file}
			if tt.viewRange != nil {
				call["view_range"] = tt.viewRange
			}
			obs, text := f.run(call)
			if obs.IsError || obs.Path != f.path(tt.file) || !obs.PrevExist || obs.OldContent != nil {
				t.Errorf("observation %+v", obs)
			}
			if tt.want != "" && text != tt.want {
				t.Errorf("got %q\nwant %q", text, tt.want)
			}
			if tt.want == "" {
				for _, part := range []string{"     1\t0123", "<response clipped>", "  1000\t0123456789abcdefghi\n"} {
					if !strings.Contains(text, part) {
						t.Errorf("no %q in %q", part, text)
					}
				}
			}
		})
	}
}

func TestViewImage(t *testing.T) {
	f := newFixture(t, Options{})
	f.write("a.PNG", "\x89PNG\r\n\x1a\n\x00")
	obs, text := f.run(args{"command": "view", "path": "a.PNG"})
	if len(obs.Content) != 2 || text != "The image DIR/a.PNG:" || !slices.Equal(obs.Content[1].ImageURLs, []string{"data:image/png;base64,iVBORw0KGgoA"}) {
		t.Errorf("observation %+v", obs)
	}
}

func TestViewDir(t *testing.T) {
	f := newFixture(t, Options{})
	for _, dir := range []string{"b/c/d", ".git", "z", "a/.hidden"} {
		if err := os.MkdirAll(f.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"m.txt", ".env", "b/x.go", "b/c/deep.go", "a/.env"} {
		f.write(file, "")
	}
	want := "The files and directories in DIR, 2 levels deep, without hidden ones:\nDIR/\nDIR/a/\nDIR/b/\nDIR/b/c/\nDIR/b/x.go\nDIR/m.txt\nDIR/z/\n" +
		"\n2 hidden entries of this directory are not shown; `ls -la DIR` shows them.\n"
	if runtime.GOOS != "windows" {
		if err := os.Symlink(f.path("b"), f.path("link")); err != nil {
			t.Fatal(err)
		}
		want = strings.Replace(want, "DIR/m.txt", "DIR/link/\nDIR/link/c/\nDIR/link/x.go\nDIR/m.txt", 1)
	}
	if _, text := f.run(args{"command": "view", "path": ""}); text != filepath.FromSlash(want) {
		t.Errorf("got %s\nwant %s", text, want)
	}
	for i := range 2000 {
		f.write(fmt.Sprintf("z/file-%04d", i), "")
	}
	if _, text := f.run(args{"command": "view", "path": ""}); !strings.Contains(text, dirNotice) || len(text) > maxShown+500 {
		t.Errorf("a long list: %d bytes", len(text))
	}
}

func TestEdit(t *testing.T) {
	const tail = "\n" + advice
	tests := []struct {
		name, content string
		args          args
		want          string
		text          string
	}{
		{
			"replace", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n",
			args{"command": "str_replace", "old_str": "6\n", "new_str": "six\nsix\n"},
			"1\n2\n3\n4\n5\nsix\nsix\n7\n8\n9\n10\n11\n12\n",
			"     3\t3\n     4\t4\n     5\t5\n     6\tsix\n     7\tsix\n     8\t7\n     9\t8\n    10\t9\n    11\t10\n    12\t11\n" + tail,
		},
		{"delete", "a\nb\nc\n", args{"command": "str_replace", "old_str": "b\n", "new_str": ""}, "a\nc\n", "     1\ta\n     2\tc\n" + tail},
		{"delete all", "a\n", args{"command": "str_replace", "old_str": "a\n", "new_str": ""}, "", ""},
		{"trimmed", "x = 1\n", args{"command": "str_replace", "old_str": "\n  x = 1\n\n", "new_str": "x = 2"}, "x = 2\n", "     1\tx = 2\n" + tail},
		{"into an empty file", "", args{"command": "str_replace", "old_str": "", "new_str": "a\n"}, "a\n", ""},
		{"CRLF", "a\r\nb\r\n", args{"command": "str_replace", "old_str": "a\nb", "new_str": "x\ny\nz"}, "x\r\ny\r\nz\r\n", ""},
		{"carriage returns on purpose", "a\r\nb\nc\n", args{"command": "str_replace", "old_str": "a\r\nb", "new_str": "a\nb"}, "a\nb\nc\n", ""},
		{"carriage returns that are not there", "a\nb\n", args{"command": "str_replace", "old_str": "a\r\nb", "new_str": "x\r\ny"}, "x\ny\n", ""},
		{"mark", "\xef\xbb\xbfa\n", args{"command": "str_replace", "old_str": "a", "new_str": "ä"}, "\xef\xbb\xbfä\n", ""},
		{"windows-1252", "caf\xe9\n", args{"command": "str_replace", "old_str": "café", "new_str": "“naïve”"}, "\x93na\xefve\x94\n", ""},
		{"UTF-16", "\xff\xfea\x00\r\x00\n\x00", args{"command": "insert", "insert_line": 1, "new_str": "é"}, "\xff\xfea\x00\r\x00\n\x00\xe9\x00\r\x00\n\x00", ""},
		{"insert at the top", "a\nb\n", args{"command": "insert", "insert_line": 0, "new_str": "x\ny"}, "x\ny\na\nb\n", "     1\tx\n     2\ty\n     3\ta\n     4\tb\n" + tail},
		{"insert at the end", "a\nb", args{"command": "insert", "insert_line": 2, "new_str": "x"}, "a\nb\nx\n", ""},
		{"insert ends with a line break", "a\nb\n", args{"command": "insert", "insert_line": 1, "new_str": "x\n"}, "a\nx\n\nb\n", ""},
		{"insert into nothing", "", args{"command": "insert", "insert_line": 0, "new_str": ""}, "\n", ""},
		{"HTML", "<a>\n", args{"command": "str_replace", "old_str": "<a>", "new_str": "<b> & c"}, "<b> & c\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, Options{})
			f.write("f", tt.content)
			tt.args["path"] = "f"
			action := f.action(tt.args)
			preview := f.tool.Describe(action, nil)
			tt.args["path"] = "f"
			obs, text := f.run(tt.args)
			if obs.IsError || !strings.HasPrefix(text, "DIR/f was edited. ") || !strings.Contains(text, tt.text) {
				t.Errorf("text %q, want %q", text, tt.text)
			}
			if got := f.read("f"); got != tt.want {
				t.Errorf("file %q, want %q", got, tt.want)
			}
			if obs.Path != f.path("f") || !obs.PrevExist || obs.OldContent == nil || obs.NewContent == nil {
				t.Fatalf("observation %+v", obs)
			}
			before, err1 := parse([]byte(tt.content))
			after, err2 := parse([]byte(tt.want))
			if err1 != nil || err2 != nil || *obs.OldContent != before.text || *obs.NewContent != after.text {
				t.Errorf("old %q, new %q", *obs.OldContent, *obs.NewContent)
			}
			raw, err := json.Marshal(obs)
			if err != nil {
				t.Fatal(err)
			}
			done := f.tool.Describe(action, raw)
			done.Status = event.StatusPending
			if diff := cmp.Diff(preview, done); diff != "" {
				t.Errorf("what was shown before and after differ:\n%s", diff)
			}

			undone, text := f.run(args{"command": "undo_edit", "path": "f"})
			if undone.IsError || f.read("f") != tt.content || *undone.OldContent != after.text || *undone.NewContent != before.text {
				t.Errorf("undo: %s, file %q", text, f.read("f"))
			}
		})
	}
}

func TestCreate(t *testing.T) {
	f := newFixture(t, Options{})
	obs, text := f.run(args{"command": "create", "path": "new.txt", "file_text": "a\r\nb"})
	if text != "DIR/new.txt was created." || f.read("new.txt") != "a\r\nb" || obs.PrevExist || obs.OldContent != nil || *obs.NewContent != "a\r\nb" {
		t.Errorf("%s %+v", text, obs)
	}
	if obs, _ = f.run(args{"command": "undo_edit", "path": "new.txt"}); obs.IsError || f.read("new.txt") != "a\r\nb" {
		t.Errorf("undo of a create: %+v", obs)
	}
	if obs, _ := f.run(args{"command": "create", "path": "empty.txt", "file_text": ""}); obs.IsError || f.read("empty.txt") != "" {
		t.Errorf("%+v", obs)
	}
}

func TestUndoDepth(t *testing.T) {
	f := newFixture(t, Options{})
	f.write("f", "0")
	f.write("other", "x")
	f.run(args{"command": "str_replace", "path": "other", "old_str": "x", "new_str": "y"})
	for i := range 12 {
		f.run(args{"command": "str_replace", "path": "f", "old_str": fmt.Sprint(i), "new_str": fmt.Sprint(i + 1)})
	}
	for i := range historyEntries {
		if obs, text := f.run(args{"command": "undo_edit", "path": "f"}); obs.IsError || f.read("f") != fmt.Sprint(11-i) {
			t.Fatalf("undo %d: %s", i, text)
		}
	}
	if _, text := f.run(args{"command": "undo_edit", "path": "f"}); !strings.Contains(text, "no edit of DIR/f to undo") {
		t.Errorf("an eleventh undo: %s", text)
	}
	if obs, _ := f.run(args{"command": "undo_edit", "path": "other"}); obs.IsError || f.read("other") != "x" {
		t.Error("the history of one file pushed out that of another")
	}
}

func TestUndoTellsOfForeignChange(t *testing.T) {
	f := newFixture(t, Options{})
	f.write("f", "a\n")
	f.run(args{"command": "str_replace", "path": "f", "old_str": "a", "new_str": "b"})
	f.write("f", "b\nmine\n")
	obs, text := f.run(args{"command": "undo_edit", "path": "f"})
	if f.read("f") != "a\n" || !strings.Contains(text, "changed by something else since") || *obs.OldContent != "b\nmine\n" {
		t.Errorf("%s %+v", text, obs)
	}
}

func TestHistoryBytes(t *testing.T) {
	var h history
	big := make([]byte, historyBytes/4)
	for _, path := range []string{"a", "b", "c", "d", "e"} {
		h.push(path, big, nil)
	}
	if _, ok := h.last("a"); ok || h.size != historyBytes {
		t.Errorf("size %d, a kept %v", h.size, ok)
	}
	h.push("huge", make([]byte, historyBytes+1), nil)
	if _, ok := h.last("huge"); !ok || len(h.versions) != 1 {
		t.Error("the newest version must stay")
	}
	h.pop("huge")
	h.pop("huge")
	if h.size != 0 || len(h.versions) != 0 {
		t.Errorf("%d bytes left", h.size)
	}
}

func TestDescribe(t *testing.T) {
	f := newFixture(t, Options{})
	f.write("a.txt", "one\ntwo\nthree\n")
	one, replaced := "one\ntwo\nthree\n", "one\n2\nthree\n"
	tests := []struct {
		name string
		args args
		run  bool
		want event.Display
	}{
		{"view", args{"command": "view", "path": "a.txt"}, true, event.Display{Kind: "read", Title: "Read a.txt", Status: "completed", Summary: "3 lines", Locations: []event.Location{{Path: f.path("a.txt")}}}},
		{"view of one line", args{"command": "view", "path": "a.txt", "view_range": []int{2, 2}}, true, event.Display{Kind: "read", Title: "Read a.txt", Status: "completed", Summary: "1 line", Locations: []event.Location{{Path: f.path("a.txt"), Line: 2}}}},
		{"view to come", args{"command": "view", "path": "a.txt"}, false, event.Display{Kind: "read", Title: "Read a.txt", Status: "pending", Locations: []event.Location{{Path: f.path("a.txt")}}}},
		{"view of a directory", args{"command": "view", "path": ""}, true, event.Display{Kind: "read", Title: "Read " + f.dir, Status: "completed", Summary: "1 entry", Locations: []event.Location{{Path: f.dir}}}},
		{"outside", args{"command": "view", "path": "=" + filepath.Dir(f.dir) + "/none"}, true, event.Display{Kind: "read", Title: "Read " + filepath.Dir(f.dir) + "/none", Status: "failed", Summary: "the path " + filepath.Dir(f.dir) + "/none does not exist", Locations: []event.Location{{Path: filepath.Dir(f.dir) + "/none"}}}},
		{"relative", args{"command": "view", "path": "=a.txt"}, false, event.Display{Kind: "read", Title: "Read a.txt", Status: "pending"}},
		{"replace to come", args{"command": "str_replace", "path": "a.txt", "old_str": "two", "new_str": "2"}, false, event.Display{Kind: "edit", Title: "Edit a.txt", Status: "pending", Summary: "+1 -1", Locations: []event.Location{{Path: f.path("a.txt"), Line: 2}}, Diff: &event.Diff{Path: f.path("a.txt"), OldText: &one, NewText: replaced}}},
		{"replace that will fail", args{"command": "str_replace", "path": "a.txt", "old_str": "none", "new_str": "2"}, false, event.Display{Kind: "edit", Title: "Edit a.txt", Status: "pending", Locations: []event.Location{{Path: f.path("a.txt")}}}},
		{"create to come", args{"command": "create", "path": "sub/x", "file_text": "a\nb"}, false, event.Display{Kind: "edit", Title: "Create sub/x", Status: "pending", Summary: "+2 -0", Locations: []event.Location{{Path: f.path("sub/x")}}, Diff: &event.Diff{Path: f.path("sub/x"), NewText: "a\nb"}}},
		{"undo of nothing", args{"command": "undo_edit", "path": "a.txt"}, false, event.Display{Kind: "edit", Title: "Undo edit of a.txt", Status: "pending", Locations: []event.Location{{Path: f.path("a.txt")}}}},
		{"replace", args{"command": "str_replace", "path": "a.txt", "old_str": "two", "new_str": "2"}, true, event.Display{Kind: "edit", Title: "Edit a.txt", Status: "completed", Summary: "+1 -1", Locations: []event.Location{{Path: f.path("a.txt"), Line: 2}}, Diff: &event.Diff{Path: f.path("a.txt"), OldText: &one, NewText: replaced}}},
		{"undo to come", args{"command": "undo_edit", "path": "a.txt"}, false, event.Display{Kind: "edit", Title: "Undo edit of a.txt", Status: "pending", Summary: "+1 -1", Locations: []event.Location{{Path: f.path("a.txt"), Line: 2}}, Diff: &event.Diff{Path: f.path("a.txt"), OldText: &replaced, NewText: one}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			action := f.action(tt.args)
			var observation json.RawMessage
			if tt.run {
				var err error
				if observation, err = f.tool.Run(t.Context(), tool.Call{Action: action}); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(tt.want, f.tool.Describe(action, observation)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAllowOutside(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("making symbolic links needs a privilege")
	}
	f := newFixture(t, Options{AllowOutside: func(path string) error { return errors.New("not allowed: " + filepath.Base(path)) }})
	other := newFixture(t, Options{})
	other.write("secret", "x\n")
	f.write("inside", "x\n")
	if err := os.Symlink(other.dir, f.path("out")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"inside": true, "sub/../inside": true, "=" + other.path("secret"): false, "out/secret": false, "../x": false,
	} {
		obs, text := f.run(args{"command": "view", "path": path})
		if obs.IsError == want || (!want && !strings.Contains(text, "not allowed")) {
			t.Errorf("%s: %s", path, text)
		}
	}
	if obs, text := f.run(args{"command": "create", "path": "out/new", "file_text": ""}); !obs.IsError || !strings.Contains(text, "not allowed") {
		t.Error("a file was created outside through a link")
	}
}

// memory is an editor's buffer before the disk.
type memory struct {
	workspace.Disk
	path, content string
	err           error
}

func (m *memory) Read(path string) ([]byte, error) {
	if path == m.path {
		return []byte(m.content), nil
	}
	return m.Disk.Read(path)
}

func (m *memory) Write(ctx context.Context, path string, data []byte) error {
	if path != m.path {
		return m.Disk.Write(ctx, path, data)
	}
	if m.err != nil {
		return m.err
	}
	m.content = string(data)
	return nil
}

func TestFilesOverlay(t *testing.T) {
	m := &memory{content: "unsaved\n"}
	f := newFixture(t, Options{Files: m})
	m.path = f.path("f")
	f.write("f", "saved\n")
	if obs, text := f.run(args{"command": "str_replace", "path": "f", "old_str": "unsaved", "new_str": "changed"}); obs.IsError {
		t.Fatal(text)
	}
	if m.content != "changed\n" || f.read("f") != "saved\n" {
		t.Errorf("buffer %q, disk %q", m.content, f.read("f"))
	}
	m.err = errors.New("the editor refused the edit")
	obs, text := f.run(args{"command": "undo_edit", "path": "f"})
	if !obs.IsError || !strings.Contains(text, "DIR/f could not be written: the editor refused the edit") {
		t.Error(text)
	}
	m.err = nil
	if obs, text = f.run(args{"command": "undo_edit", "path": "f"}); obs.IsError || m.content != "unsaved\n" {
		t.Errorf("an undo that failed can't be tried again: %s", text)
	}
	if entry := Entry(Options{}); entry.Name != Name || entry.BuiltIn {
		t.Errorf("entry %+v", entry)
	}
}

func TestPlainErrors(t *testing.T) {
	if got := plain(&fs.PathError{Op: "open", Path: "/x", Err: fs.ErrPermission}); got != fs.ErrPermission {
		t.Error(got)
	}
}
