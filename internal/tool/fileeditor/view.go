package fileeditor

import (
	"context"
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/tool"
)

// maxShown bounds what is shown of a file or a directory, in characters.
const maxShown = 16000

const (
	fileNotice = "\n<response clipped><NOTE>The middle of this file is left out because it is too long. Find the lines you need with a search, then view them with view_range.</NOTE>\n"
	dirNotice  = "\n<response clipped><NOTE>The middle of this list is left out because it is too long. List the directories one by one instead.</NOTE>\n"
)

var imageTypes = map[string]string{
	".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp", ".bmp": "image/bmp",
}

func (t *Tool) view(ctx context.Context, a *Action, path string, info fs.FileInfo) (*Observation, error) {
	var result tool.Result
	var err error
	mime := imageTypes[strings.ToLower(filepath.Ext(path))]
	switch {
	case info.IsDir():
		result, err = viewDir(ctx, a, path)
	case mime != "":
		result, err = t.viewImage(a, path, info, mime)
	default:
		result, err = t.viewText(a, path, info)
	}
	if err != nil {
		return nil, err
	}
	return &Observation{Result: result, PrevExist: true}, nil
}

func (t *Tool) viewImage(a *Action, path string, info fs.FileInfo, mime string) (tool.Result, error) {
	data, err := t.read(path, info)
	if err != nil {
		return tool.Result{}, err
	}
	url := "data:" + mime + ";base64," + base64.StdEncoding.EncodeToString(data)
	return tool.Result{Content: []event.Content{
		event.Text(fmt.Sprintf("The image %s:", a.Path)),
		event.Image(url),
	}}, nil
}

func (t *Tool) viewText(a *Action, path string, info fs.FileInfo) (tool.Result, error) {
	data, err := t.read(path, info)
	if err != nil {
		return tool.Result{}, err
	}
	doc, err := parse(data)
	if err != nil {
		return tool.Result{}, fmt.Errorf("%s can't be viewed: %w", a.Path, err)
	}
	n := doc.lines()
	first, last := 1, n
	note := ""
	if len(a.ViewRange) > 0 {
		if first, last, err = viewRange(a, n); err != nil {
			return tool.Result{}, err
		}
		if last > n {
			note = fmt.Sprintf("NOTE: line %d is beyond the end of the file, which has %s; it is shown to its end.\n", last, lineCount(n))
			last = n
		}
	}
	if n == 0 {
		return tool.Success(fmt.Sprintf("The file %s is empty.", a.Path)), nil
	}
	return tool.Success(note + header(a.Path) + snippet(doc.text, first, last)), nil
}

func header(path string) string {
	return fmt.Sprintf("The content of %s, as `cat -n` shows it:\n", path)
}

// viewRange gives the first and the last line that are asked for; the last may
// be beyond the end.
func viewRange(a *Action, n int) (first, last int, err error) {
	if len(a.ViewRange) != 2 {
		return 0, 0, fmt.Errorf("view_range must be two numbers, the first and the last line, but has %d", len(a.ViewRange))
	}
	first, last = a.ViewRange[0], a.ViewRange[1]
	if n == 0 {
		return 0, 0, fmt.Errorf("the file %s is empty: there is no line to view", a.Path)
	}
	if first < 1 || first > n {
		return 0, 0, fmt.Errorf("view_range begins at line %d, but must begin at 1 to %d, the number of lines of %s", first, n, a.Path)
	}
	if last == -1 {
		return first, n, nil
	}
	if last < first {
		return 0, 0, fmt.Errorf("view_range ends at line %d, before it begins at line %d; -1 means the end of the file", last, first)
	}
	return first, last, nil
}

// snippet numbers the lines from first to last. As in OpenHands the limit is for
// the text without its numbers; unlike there the lines behind a cut keep their
// own numbers.
func snippet(text string, first, last int) string {
	last = min(last, countLines(text))
	start := lineStart(text, first)
	part := text[start:]
	part = part[:lineStart(part, last-first+2)]
	part = strings.ToValidUTF8(strings.TrimSuffix(part, "\n"), "\uFFFD")
	shown := tool.Truncation{Limit: maxShown, Notice: fileNotice}.Apply(part)
	head, tail, cut := strings.Cut(shown, fileNotice)
	if !cut || shown == part {
		return numbered(part, first)
	}
	return numbered(head, first) + fileNotice[1:] + numbered(tail, last-strings.Count(tail, "\n"))
}

// numbered puts before each line its number, right-aligned in six columns, and
// a tab.
func numbered(text string, first int) string {
	var b strings.Builder
	b.Grow(len(text) + 8*(strings.Count(text, "\n")+1))
	for n := first; ; n++ {
		line, rest, more := strings.Cut(text, "\n")
		digits := strconv.Itoa(n)
		for range 6 - len(digits) {
			b.WriteByte(' ')
		}
		b.WriteString(digits)
		b.WriteByte('\t')
		b.WriteString(line)
		b.WriteByte('\n')
		if !more {
			return b.String()
		}
		text = rest
	}
}

// viewDir lists a directory two levels deep, without hidden entries.
func viewDir(ctx context.Context, a *Action, path string) (tool.Result, error) {
	children, err := os.ReadDir(path)
	if err != nil {
		return tool.Result{}, fmt.Errorf("the directory %s could not be read: %w", a.Path, plain(err))
	}
	var b strings.Builder
	line := func(path string, dir bool) {
		b.WriteString(path)
		if dir && !os.IsPathSeparator(path[len(path)-1]) {
			b.WriteByte('/')
		}
		b.WriteByte('\n')
	}
	line(path, true)
	hidden := 0
	for _, child := range children {
		if err := ctx.Err(); err != nil {
			return tool.Result{}, err
		}
		if strings.HasPrefix(child.Name(), ".") {
			hidden++
			continue
		}
		childPath := filepath.Join(path, child.Name())
		line(childPath, isDir(childPath, child))
		if !isDir(childPath, child) {
			continue
		}
		grandchildren, err := os.ReadDir(childPath)
		if err != nil {
			continue // a directory that can't be read has been named, at least
		}
		for _, g := range grandchildren {
			if p := filepath.Join(childPath, g.Name()); !strings.HasPrefix(g.Name(), ".") {
				line(p, isDir(p, g))
			}
		}
	}
	text := fmt.Sprintf("The files and directories in %s, 2 levels deep, without hidden ones:\n", a.Path) +
		tool.Truncation{Limit: maxShown, Notice: dirNotice}.Apply(b.String())
	if hidden > 0 {
		text += fmt.Sprintf("\n%d hidden entries of this directory are not shown; `ls -la %s` shows them.\n", hidden, a.Path)
	}
	return tool.Success(strings.ToValidUTF8(text, "\uFFFD")), nil
}

// isDir follows links, and asks the file system only where it must.
func isDir(path string, entry fs.DirEntry) bool {
	if entry.Type()&fs.ModeSymlink == 0 {
		return entry.IsDir()
	}
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func lineCount(n int) string { return plural(n, "line", "lines") }

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
