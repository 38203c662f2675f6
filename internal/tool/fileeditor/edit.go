package fileeditor

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/tool"
)

// maxFile is the size in bytes up to which files are read.
const maxFile = 10 << 20

const advice = "Check that this is what you meant: no line twice, no line lost, the indentation right. Edit the file again if not."

func (t *Tool) carryOut(ctx context.Context, a *Action, path string, info fs.FileInfo) (*Observation, error) {
	switch a.Command {
	case commandView:
		return t.view(ctx, a, path, info)
	case commandCreate:
		return t.create(ctx, a, path)
	}
	data, err := t.read(path, info)
	if err != nil {
		return nil, err
	}
	doc, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s can't be edited: %w", a.Path, err)
	}
	if a.Command == commandUndo {
		return t.undo(ctx, a, path, data, doc)
	}
	before := doc.text
	e, err := edit(a, doc)
	if err != nil {
		return nil, err
	}
	after, err := doc.bytes()
	if err != nil {
		return nil, fmt.Errorf("%s was not changed: %w", a.Path, err)
	}
	if err := t.write(ctx, path, after); err != nil {
		return nil, err
	}
	t.history.push(path, data, after)
	text := fmt.Sprintf("%s was edited. The lines around the change:\n%s\n%s", a.Path, snippet(doc.text, e.first, e.last), advice)
	return &Observation{Result: tool.Success(text), PrevExist: true, OldContent: &before, NewContent: &doc.text}, nil
}

// edited are the lines, counted from 1, that are shown of an edited file.
type edited struct{ first, last int }

// edit changes the document as the action says, in memory.
func edit(a *Action, doc *document) (edited, error) {
	switch a.Command {
	case commandInsert:
		return insert(a, doc)
	case commandStrReplace:
		return strReplace(a, doc)
	}
	return edited{}, fmt.Errorf("there is no command %s", a.Command)
}

func strReplace(a *Action, doc *document) (edited, error) {
	// Carriage returns that the model wrote on purpose are meant as they are.
	if strings.Contains(*a.OldStr, "\r") && strings.Count(doc.raw, *a.OldStr) == 1 {
		at := strings.Index(doc.raw, *a.OldStr)
		line := strings.Count(unify(doc.raw[:at]), "\n") + 1
		doc.setRaw(doc.raw[:at] + *a.NewStr + doc.raw[at+len(*a.OldStr):])
		return around(line, *a.NewStr), nil
	}
	start, end, err := find(doc.text, unify(*a.OldStr), a)
	if err != nil {
		return edited{}, err
	}
	line := lineOf(doc.text, start)
	doc.replace(start, end, *a.NewStr)
	return around(line, *a.NewStr), nil
}

func around(line int, added string) edited {
	return edited{max(1, line-3), line + 4 + strings.Count(unify(added), "\n")}
}

// find gives the one place of old in text; without one, that of old without the
// white space around it.
func find(text, old string, a *Action) (start, end int, err error) {
	if old == "" {
		if text != "" {
			return 0, 0, fmt.Errorf("old_str is empty, which is found everywhere in %s; give the text to replace, or use insert", a.Path)
		}
		return 0, 0, nil
	}
	count := strings.Count(text, old)
	if count == 0 {
		if trimmed := strings.TrimSpace(old); trimmed != "" {
			old, count = trimmed, strings.Count(text, trimmed)
		}
	}
	switch count {
	case 0:
		return 0, 0, fmt.Errorf("nothing was replaced: %s does not contain old_str word for word, which is:\n%s", a.Path, clip(*a.OldStr))
	case 1:
		at := strings.Index(text, old)
		return at, at + len(old), nil
	}
	return 0, 0, fmt.Errorf("nothing was replaced: old_str occurs %d times in %s, in lines %v; take in more of the text around it to make it unique", count, a.Path, occurrences(text, old))
}

// occurrences gives the lines on which matches begin, each once.
func occurrences(text, old string) []int {
	var lines []int
	line, at := 1, 0
	for {
		i := strings.Index(text[at:], old)
		if i < 0 {
			return lines
		}
		line += strings.Count(text[at:at+i], "\n")
		if n := len(lines); n == 0 || lines[n-1] != line {
			lines = append(lines, line)
		}
		line += strings.Count(old, "\n")
		at += i + len(old)
	}
}

func insert(a *Action, doc *document) (edited, error) {
	at, n := *a.InsertLine, doc.lines()
	if at < 0 || at > n {
		return edited{}, fmt.Errorf("insert_line is %d, but must be from 0 to %d, the number of lines of %s", at, n, a.Path)
	}
	added := unify(*a.NewStr) + "\n"
	doc.insertAfter(at, added)
	return edited{max(1, at-3), at + 4 + strings.Count(added, "\n")}, nil
}

func (t *Tool) create(ctx context.Context, a *Action, path string) (*Observation, error) {
	data := []byte(*a.FileText)
	if len(data) > maxFile {
		return nil, tooLarge(a.Path, int64(len(data)))
	}
	if err := t.write(ctx, path, data); err != nil {
		return nil, err
	}
	t.history.push(path, data, data)
	return &Observation{Result: tool.Success(fmt.Sprintf("%s was created.", a.Path)), NewContent: a.FileText}, nil
}

func (t *Tool) undo(ctx context.Context, a *Action, path string, data []byte, doc *document) (*Observation, error) {
	v, ok := t.history.last(path)
	if !ok {
		return nil, fmt.Errorf("there is no edit of %s to undo", a.Path)
	}
	old, err := parse(v.data)
	if err != nil {
		return nil, err
	}
	if err := t.write(ctx, path, v.data); err != nil {
		return nil, err
	}
	t.history.pop(path)
	text := fmt.Sprintf("The latest edit of %s was undone.", a.Path)
	if sha256.Sum256(data) != v.after {
		text += " The file had been changed by something else since that edit; this change is undone too."
	}
	text += fmt.Sprintf(" The file is now:\n%s", snippet(old.text, 1, old.lines()))
	return &Observation{Result: tool.Success(text), PrevExist: true, OldContent: &doc.text, NewContent: &old.text}, nil
}

func (t *Tool) read(path string, info fs.FileInfo) ([]byte, error) {
	return readFrom(t.files, path, info)
}

// peek is read for what is only shown.
func (t *Tool) peek(path string, info fs.FileInfo) ([]byte, error) {
	if p, ok := t.files.(Peeker); ok {
		return readFrom(peeking{p}, path, info)
	}
	return t.read(path, info)
}

func readFrom(files interface{ Read(string) ([]byte, error) }, path string, info fs.FileInfo) ([]byte, error) {
	if info.Size() > maxFile {
		return nil, tooLarge(path, info.Size())
	}
	data, err := files.Read(path)
	if err != nil {
		return nil, fmt.Errorf("%s could not be read: %w", path, plain(err))
	}
	if len(data) > maxFile {
		return nil, tooLarge(path, int64(len(data)))
	}
	return data, nil
}

func (t *Tool) write(ctx context.Context, path string, data []byte) error {
	if t.touch != nil {
		t.touch(path)
	}
	if err := t.files.Write(ctx, path, data); err != nil {
		if errors.Is(err, ctx.Err()) {
			return err
		}
		return fmt.Errorf("%s could not be written: %w", path, plain(err))
	}
	return nil
}

func tooLarge(path string, size int64) error {
	return fmt.Errorf("%s is too large: it has %.1f MB, and at most %d MB can be handled", path, float64(size)/(1<<20), maxFile>>20)
}

// maxQuote bounds what an error quotes of old_str, in characters.
const maxQuote = 2000

func clip(text string) string {
	return tool.Truncation{Limit: maxQuote}.Apply(text)
}
