package workspace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// GitState is a commit that a git work tree is held against. It only reads: the
// user's git, its index and its refs stay as they are.
type GitState struct {
	// Dir is the absolute path of the directory that is looked at: a workspace's
	// root, or a repository inside it.
	Dir string `json:"dir"`
	// Commit is the id of a commit or of the empty tree.
	Commit string `json:"commit"`
	// NoFilters are the settings that keep git from running the filters that the
	// repository's settings name.
	NoFilters []string `json:"noFilters,omitempty"`
}

func (s GitState) git() git { return git{s.Dir, s.NoFilters} }

// GitFile is a file that is not what it was in a [GitState].
type GitFile struct {
	// Path is absolute.
	Path string
	// Object is the id of its content then; "" for a file that git did not have.
	Object string
	// Executable tells that git had it as a program.
	Executable bool
}

// GitStates gives HEAD of the workspace and of the repositories inside it; none
// where the workspace is in no repository or there is no git.
func (w *Local) GitStates(ctx context.Context) ([]GitState, error) {
	return gitStates(ctx, w.root, maxNesting)
}

func gitStates(ctx context.Context, dir string, depth int) ([]GitState, error) {
	g := git{dir: dir}
	if err := g.check(ctx); err != nil {
		return nil, ctx.Err() // no repository, no git, or somebody else's: nothing to hold against
	}
	commit, err := g.explicitBase(ctx, "HEAD")
	if err != nil {
		return nil, err
	}
	off, err := g.noFilters(ctx)
	if err != nil {
		return nil, err
	}
	states := []GitState{{dir, commit, off}}
	if depth == 0 {
		return states, nil
	}
	_, nested, err := g.untracked(ctx)
	if err != nil {
		return nil, err
	}
	for _, inner := range nested {
		found, err := gitStates(ctx, filepath.Join(dir, filepath.FromSlash(inner)), depth-1)
		if err != nil {
			return nil, err
		}
		states = append(states, found...)
	}
	return states, nil
}

// noFilters gives settings that turn all filters off.
func (g git) noFilters(ctx context.Context) ([]string, error) {
	out, err := g.output(ctx, "config", "-z", "--name-only", "--get-regexp", `^filter\.`)
	var failed *GitCommandError
	if errors.As(err, &failed) && failed.ExitCode == 1 {
		return nil, nil // there are none
	}
	var off []string
	for _, name := range fields(out) {
		value := ""
		if strings.HasSuffix(name, ".required") {
			value = "false"
		}
		off = append(off, name+"="+value)
	}
	return off, err
}

// untracked gives the files that git neither has nor ignores, and the
// repositories right inside.
func (g git) untracked(ctx context.Context) (files, nested []string, err error) {
	out, err := g.output(ctx, "ls-files", "--others", "--exclude-standard", "-z")
	if err != nil {
		return nil, nil, err
	}
	nested = nestedRepositories(g.dir)
	for _, name := range fields(out) {
		if inner, ok := strings.CutSuffix(name, "/"); ok {
			// git shows a repository in place of the files in it.
			nested = append(nested, inner)
			continue
		}
		files = append(files, name)
	}
	slices.Sort(nested)
	return files, slices.Compact(nested), nil
}

// Changed gives the files that may differ from the state: those that git has and
// that were written since, and those that it neither has nor ignores. Symbolic
// links and repositories inside are left out.
func (s GitState) Changed(ctx context.Context) ([]GitFile, error) {
	g := s.git()
	out, err := g.output(ctx, "diff", "--raw", "-z", "--no-abbrev", "--relative", "--no-renames", "--no-ext-diff", s.Commit)
	if err != nil {
		return nil, err
	}
	var list []GitFile
	for f := fields(out); len(f) >= 2; f = f[2:] {
		// :<mode> <mode> <object> <object> <letter>
		meta := strings.Fields(f[0])
		if len(meta) != 5 {
			return nil, &GitCommandError{Args: []string{"diff"}, ExitCode: -1, Stderr: "unreadable output: " + f[0]}
		}
		object := meta[2]
		switch mode := strings.TrimPrefix(meta[0], ":"); {
		case strings.HasPrefix(mode, "100"):
		case strings.Trim(mode, "0") == "":
			object = ""
		default:
			continue // a link or a repository
		}
		list = append(list, GitFile{filepath.Join(s.Dir, filepath.FromSlash(f[1])), object, meta[0] == ":100755"})
	}
	files, _, err := g.untracked(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		list = append(list, GitFile{Path: filepath.Join(s.Dir, filepath.FromSlash(name))})
	}
	return list, nil
}

// Contents gives what files held in the state, by path, as git would check them
// out. Files without an object are left out, and those that a filter makes: it is
// a program that the repository's settings name.
func (s GitState) Contents(ctx context.Context, files []GitFile) (map[string][]byte, error) {
	contents := map[string][]byte{}
	filtered, err := s.filtered(ctx, files)
	if err != nil {
		return nil, err
	}
	// git tells the size of a content before its filters: what ends each is the
	// answer to a question about something that nothing is called.
	end := "no-" + uuid.NewString()
	var asked []GitFile
	var lines strings.Builder
	for _, f := range files {
		rel, err := filepath.Rel(s.Dir, f.Path)
		switch {
		case f.Object == "" || filtered[f.Path]:
		case err != nil:
			return nil, err
		case strings.ContainsRune(rel, '\n'): // which ends a line of the list
			out, err := s.git().output(ctx, "cat-file", "--filters", "--path="+filepath.ToSlash(rel), f.Object)
			if err != nil {
				return nil, err
			}
			contents[f.Path] = out
		default:
			asked = append(asked, f)
			fmt.Fprintf(&lines, "%s %s\n%s\n", f.Object, filepath.ToSlash(rel), end)
		}
	}
	if len(asked) == 0 {
		return contents, nil
	}
	out, err := s.git().feed(ctx, lines.String(), "cat-file", "--batch", "--filters")
	if err != nil {
		return nil, err
	}
	for _, f := range asked {
		// <object> <type> <size>\n<content>\n, or <object> missing\n
		answer, rest, ok := bytes.Cut(out, []byte(end+" missing\n"))
		head, content, _ := bytes.Cut(answer, []byte("\n"))
		if !ok || !bytes.HasPrefix(head, []byte(f.Object)) {
			return nil, errors.New("git cat-file: unreadable output")
		}
		if content, ok := bytes.CutSuffix(content, []byte("\n")); ok {
			contents[f.Path] = bytes.Clone(content)
		}
		out = rest
	}
	return contents, nil
}

// filtered tells which files have a filter.
func (s GitState) filtered(ctx context.Context, files []GitFile) (map[string]bool, error) {
	var names strings.Builder
	for _, f := range files {
		if rel, err := filepath.Rel(s.Dir, f.Path); err == nil && f.Object != "" {
			names.WriteString(filepath.ToSlash(rel) + "\x00")
		}
	}
	if names.Len() == 0 {
		return nil, nil
	}
	out, err := s.git().feed(ctx, names.String(), "check-attr", "-z", "--stdin", "filter")
	if err != nil {
		return nil, err
	}
	filtered := map[string]bool{}
	// <path> filter <value>
	for f := fields(out); len(f) >= 3; f = f[3:] {
		if f[2] != "unspecified" && f[2] != "unset" {
			filtered[filepath.Join(s.Dir, filepath.FromSlash(f[0]))] = true
		}
	}
	return filtered, nil
}
