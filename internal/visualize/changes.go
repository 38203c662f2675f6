package visualize

import "github.com/agent-rpc/agent-rpc/internal/conversation/event"

// Change is what a run did to one file, as far as its edits tell: what a
// command changed is not in it.
type Change struct {
	// Path as it is shown: relative to the workspace where it is inside.
	Path string `json:"path"`
	// Status is "added", "modified" or "deleted".
	Status    string `json:"status"`
	Additions int    `json:"additions"`
	Deletions int    `json:"deletions"`
}

// changes collects the first and the last content of every file edited.
type changes struct {
	order []string
	files map[string]*event.Diff
	gone  map[string]bool
}

func (c *changes) add(d *event.Diff, deleted bool) {
	if c.files == nil {
		c.files, c.gone = map[string]*event.Diff{}, map[string]bool{}
	}
	known, ok := c.files[d.Path]
	if !ok {
		first := *d
		c.files[d.Path] = &first
		c.order = append(c.order, d.Path)
	} else {
		known.NewText = d.NewText
	}
	c.gone[d.Path] = deleted
}

// list gives the files whose content is not what it was, in the order of their
// first change.
func (c *changes) list(show func(path string) string) []Change {
	var out []Change
	for _, path := range c.order {
		d := c.files[path]
		change := Change{Path: show(path), Status: "modified"}
		change.Additions, change.Deletions = countDiff(d)
		switch {
		case c.gone[path] && d.OldText == nil:
			continue
		case c.gone[path]:
			change.Status = "deleted"
		case d.OldText == nil:
			change.Status = "added"
		case *d.OldText == d.NewText:
			continue
		}
		out = append(out, change)
	}
	return out
}
