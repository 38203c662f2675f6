package fileeditor

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/tool"
)

// Resources implements [tool.Resourcer]: calls on different files may run side by
// side.
func (t *Tool) Resources(action json.RawMessage) (keys []string) {
	for _, place := range t.Locations(action) {
		path := place.Path
		if target, err := filepath.EvalSymlinks(path); err == nil {
			path = target
		}
		keys = append(keys, "file:"+path)
	}
	return keys
}

// Locations implements [tool.Locator].
func (t *Tool) Locations(action json.RawMessage) []event.Location {
	a, err := arguments.Read(action)
	if err != nil || !filepath.IsAbs(a.Path) {
		return nil
	}
	return []event.Location{{Path: filepath.Clean(a.Path), Line: lineHint(&a)}}
}

// lineHint gives the line that the action itself names; 0 if none.
func lineHint(a *Action) int {
	switch {
	case a.Command == commandView && len(a.ViewRange) > 0 && a.ViewRange[0] > 0:
		return a.ViewRange[0]
	case a.Command == commandInsert && a.InsertLine != nil && *a.InsertLine >= 0:
		return *a.InsertLine + 1
	}
	return 0
}

var verbs = map[string]string{
	commandView: "Read", commandCreate: "Create", commandStrReplace: "Edit", commandInsert: "Edit", commandUndo: "Undo edit of",
}

// Describe implements [tool.Tool]. Before there is an observation the change is
// worked out from the file as it is now, where that can be done.
func (t *Tool) Describe(action, observation json.RawMessage) event.Display {
	d := event.Display{Kind: event.DisplayEdit, Status: tool.Status(observation)}
	a, err := arguments.Read(action)
	if err != nil {
		d.Title = Name
		return d
	}
	verb := verbs[a.Command]
	if verb == "" {
		verb = Name
	}
	d.Title = strings.TrimSpace(verb + " " + t.shown(a.Path))
	if a.Command == commandView {
		d.Kind = event.DisplayRead
	}
	d.Locations = t.Locations(action)
	if observation == nil {
		d.Diff = t.preview(&a)
	} else {
		t.outcome(&d, &a, observation)
	}
	if d.Diff != nil {
		d.Summary = diffSummary(d.Diff)
		if d.Diff.OldText != nil && d.Locations != nil {
			d.Locations[0].Line = firstChange(*d.Diff.OldText, d.Diff.NewText)
		}
	}
	return d
}

// outcome fills in what the observation tells.
func (t *Tool) outcome(d *event.Display, a *Action, observation json.RawMessage) {
	var obs Observation
	if json.Unmarshal(observation, &obs) != nil {
		return
	}
	text := event.TextOf(obs.Content)
	switch {
	case obs.IsError:
		d.Summary = tool.FirstLine(text)
	case a.Command == commandView:
		d.Summary = viewSummary(obs.Content, text)
	case obs.NewContent != nil:
		d.Diff = &event.Diff{Path: filepath.Clean(a.Path), OldText: obs.OldContent, NewText: *obs.NewContent}
	}
}

// shown gives a path as people read it: relative inside the workspace.
func (t *Tool) shown(path string) string {
	clean := filepath.Clean(path)
	if rel, err := filepath.Rel(t.root, clean); err == nil && filepath.IsLocal(rel) && filepath.IsAbs(clean) && rel != "." {
		return filepath.ToSlash(rel)
	}
	return path
}

// preview works out what an action would change; nil where it would fail, or
// changes nothing.
func (t *Tool) preview(a *Action) *event.Diff {
	if a.Command == commandView || !filepath.IsAbs(a.Path) {
		return nil
	}
	path := filepath.Clean(a.Path)
	if a.Command == commandCreate {
		if a.FileText == nil {
			return nil
		}
		return &event.Diff{Path: path, NewText: *a.FileText}
	}
	info, err := t.files.Stat(path)
	if err != nil || !info.Mode().IsRegular() || checkParameters(a, info) != nil {
		return nil
	}
	data, err := t.peek(path, info)
	if err != nil {
		return nil
	}
	doc, err := parse(data)
	if err != nil {
		return nil
	}
	before := doc.text
	if a.Command == commandUndo {
		v, ok := t.history.last(path)
		if !ok {
			return nil
		}
		if doc, err = parse(v.data); err != nil {
			return nil
		}
	} else if _, err := edit(a, doc); err != nil {
		return nil
	}
	return &event.Diff{Path: path, OldText: &before, NewText: doc.text}
}

// diffSummary counts the lines that a change adds and takes away: "+18 -7".
func diffSummary(d *event.Diff) string {
	if d.OldText == nil {
		return fmt.Sprintf("+%d -0", countLines(d.NewText))
	}
	added, removed := 0, 0
	for _, e := range udiff.Lines(*d.OldText, d.NewText) {
		added += countLines(e.New)
		removed += countLines((*d.OldText)[e.Start:e.End])
	}
	return fmt.Sprintf("+%d -%d", added, removed)
}

// firstChange gives the first line, counted from 1, that differs.
func firstChange(before, after string) int {
	line := 1
	for i := 0; i < len(before) && i < len(after) && before[i] == after[i]; i++ {
		if before[i] == '\n' {
			line++
		}
	}
	return line
}

// viewSummary counts what was shown of a file or a directory.
func viewSummary(content []event.Content, text string) string {
	if len(content) > 1 {
		return "image"
	}
	lines, paths := 0, 0
	for line := range strings.Lines(text) {
		number, _, ok := strings.Cut(strings.TrimLeft(line, " "), "\t")
		switch {
		case ok && number != "" && strings.Trim(number, "0123456789") == "":
			lines++
		case filepath.IsAbs(line):
			paths++
		}
	}
	switch {
	case lines > 0:
		return lineCount(lines)
	case paths > 0:
		return plural(paths-1, "entry", "entries")
	}
	return "empty"
}
