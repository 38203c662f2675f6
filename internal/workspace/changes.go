package workspace

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// GitStatus is what became of a file.
type GitStatus string

// The statuses. OpenHands knows GitMoved and never gives it; neither do we: a
// renamed file is one deleted and one added.
const (
	GitMoved   GitStatus = "MOVED"
	GitAdded   GitStatus = "ADDED"
	GitDeleted GitStatus = "DELETED"
	GitUpdated GitStatus = "UPDATED"
)

// GitChange is one changed file.
type GitChange struct {
	Status GitStatus `json:"status"`
	// Path is relative to the workspace, with slashes.
	Path string `json:"path"`
}

// maxNesting bounds how deep repositories in repositories are followed.
const maxNesting = 8

// GitChanges tells what in the workspace differs from a commit: in the index,
// in the work tree, and files that are neither tracked nor ignored. Without a
// ref it is the commit that a pull request would start from, as far as that is
// known without the network, chosen as OpenHands does. The list is sorted by
// path. Repositories inside the workspace are listed with it,
// each against its own base; one that git can't read is left out. Errors:
// [GitRepositoryError], [GitCommandError], or that of ctx.
func (w *Local) GitChanges(ctx context.Context, ref string) ([]GitChange, error) {
	changes, err := gitChanges(ctx, w.root, ref, maxNesting)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(changes, func(a, b GitChange) int { return strings.Compare(a.Path, b.Path) })
	return changes, nil
}

func gitChanges(ctx context.Context, dir, ref string, depth int) ([]GitChange, error) {
	g := git{dir: dir}
	if err := g.check(ctx); err != nil {
		return nil, err
	}
	base, err := g.base(ctx, ref)
	if err != nil {
		return nil, err
	}
	changes, err := g.tracked(ctx, base)
	if err != nil {
		return nil, err
	}
	files, nested, err := g.untracked(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		changes[name] = GitAdded
	}
	for _, inner := range nested {
		if depth == 0 {
			break
		}
		found, err := gitChanges(ctx, filepath.Join(dir, filepath.FromSlash(inner)), "", depth-1)
		if ctx.Err() != nil {
			return nil, err
		}
		if err != nil {
			// The outer repository's changes are worth having all the same.
			continue
		}
		for name := range changes {
			if name == inner || strings.HasPrefix(name, inner+"/") {
				delete(changes, name)
			}
		}
		for _, c := range found {
			changes[path.Join(inner, c.Path)] = c.Status
		}
	}
	list := make([]GitChange, 0, len(changes))
	for name, status := range changes {
		list = append(list, GitChange{Status: status, Path: name})
	}
	return list, nil
}

// tracked gives what became of the files that git knows. A rename is a deletion
// and an addition.
func (g git) tracked(ctx context.Context, base string) (map[string]GitStatus, error) {
	out, err := g.output(ctx, "diff", "--raw", "-z", "--no-abbrev", "--relative", "--no-renames", "--no-ext-diff", base)
	if err != nil {
		return nil, err
	}
	changes := map[string]GitStatus{}
	touched := map[string]string{}
	for f := fields(out); len(f) >= 2; f = f[2:] {
		// :<mode> <mode> <object> <object> <letter>
		meta, name := strings.Fields(f[0]), f[1]
		if len(meta) != 5 {
			return nil, &GitCommandError{Args: []string{"diff"}, ExitCode: -1, Stderr: "unreadable output: " + f[0]}
		}
		switch meta[4][0] {
		case 'A':
			changes[name] = GitAdded
		case 'D':
			changes[name] = GitDeleted
		default:
			changes[name] = GitUpdated
		}
		sameMode := strings.TrimPrefix(meta[0], ":") == meta[1]
		if meta[4] == "M" && sameMode && strings.Trim(meta[3], "0") == "" {
			touched[name] = meta[2]
		}
	}
	if len(touched) == 0 {
		return changes, nil
	}
	for name, object := range g.hashes(ctx, touched) {
		if touched[name] == object {
			// Written or checked out again with the same content.
			delete(changes, name)
		}
	}
	return changes, nil
}

// hashes gives the ids that git would store files of the work tree under, as
// far as they can be read. It stores nothing.
func (g git) hashes(ctx context.Context, files map[string]string) map[string]string {
	ids := map[string]string{}
	// git reads the list from the top of the work tree.
	prefix, err := g.output(ctx, "rev-parse", "--show-prefix")
	if err != nil {
		return ids
	}
	top := strings.TrimSuffix(string(prefix), "\n")
	var names []string
	var list strings.Builder
	for name, object := range files {
		path := filepath.Join(g.dir, filepath.FromSlash(name))
		info, err := os.Lstat(path)
		switch {
		case err != nil:
		case info.Mode()&os.ModeSymlink != 0:
			if target, err := os.Readlink(path); err == nil {
				ids[name] = blobID(target, len(object))
			}
		case info.Mode().IsRegular():
			names = append(names, name)
			list.WriteString(quote(top+name) + "\n")
		}
	}
	if len(names) == 0 {
		return ids
	}
	// git has the filters and line ends of the repository.
	out, err := g.feed(ctx, list.String(), "hash-object", "--stdin-paths")
	if err != nil {
		// One of them can't be read: all count as changed.
		return ids
	}
	for i, id := range strings.Fields(string(out)) {
		if i < len(names) {
			ids[names[i]] = id
		}
	}
	return ids
}

// blobID is git's id of a text, in SHA-1 or SHA-256 by its length in hex.
func blobID(text string, hexLen int) string {
	blob := fmt.Appendf(nil, "blob %d\x00%s", len(text), text)
	if hexLen == 2*sha256.Size {
		return fmt.Sprintf("%x", sha256.Sum256(blob))
	}
	return fmt.Sprintf("%x", sha1.Sum(blob))
}

// quote writes a path as git reads it from a list of lines.
func quote(name string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(name) {
		switch c := name[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, "\\%03o", c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// nestedRepositories gives the directories right below dir that are repositories
// of their own.
func nestedRepositories(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && e.Name() != ".git" && isRepository(filepath.Join(dir, e.Name())) {
			names = append(names, e.Name())
		}
	}
	return names
}
