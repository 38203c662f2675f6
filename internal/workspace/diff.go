package workspace

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// GitDiff is a file before and after. Lines are joined with "\n" and the last
// one has no end, on both sides alike; "" where there is no text.
type GitDiff struct {
	Modified *string `json:"modified"`
	Original *string `json:"original"`
}

// maxDiffSize is the largest file, in bytes, that a diff is made of.
const maxDiffSize = 1 << 20

// GitDiff gives a file of the workspace as it is and as it was in a commit,
// which is chosen as for [Local.GitChanges]. Errors: [OutsideError],
// [GitPathError] for a file that is not there or larger than 1 MiB,
// [GitRepositoryError], [GitCommandError], or that of ctx.
func (w *Local) GitDiff(ctx context.Context, path, ref string) (GitDiff, error) {
	abs, err := w.Resolve(path)
	if err != nil {
		return GitDiff{}, err
	}
	modified, err := workTreeText(abs)
	if err != nil {
		return GitDiff{}, err
	}
	g := git{dir: filepath.Dir(abs)}
	if err := g.check(ctx); err != nil {
		return GitDiff{}, err
	}
	base, err := g.base(ctx, ref)
	if err != nil {
		return GitDiff{}, err
	}
	original, err := g.textAt(ctx, base, filepath.Base(abs))
	if err != nil {
		return GitDiff{}, err
	}
	return GitDiff{Modified: &modified, Original: &original}, nil
}

// workTreeText is the text that git would store of a file: of a symbolic link,
// where it leads.
func workTreeText(path string) (string, error) {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return "", &GitPathError{Path: path, Reason: "there is no such file"}
	case info.Mode()&os.ModeSymlink != 0:
		target, err := os.Readlink(path)
		return target, err
	case !info.Mode().IsRegular():
		return "", &GitPathError{Path: path, Reason: "it is not a regular file"}
	case info.Size() > maxDiffSize:
		return "", &GitPathError{Path: path, Reason: "it is larger than 1 MiB"}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", &GitPathError{Path: path, Reason: cause(err).Error()}
	}
	return lines(raw), nil
}

// textAt gives the text that a file in git's directory had in a commit, "" if it
// was not in it.
func (g git) textAt(ctx context.Context, base, name string) (string, error) {
	out, err := g.output(ctx, "ls-tree", "-z", base, "--", name)
	if err != nil {
		return "", err
	}
	// <mode> <type> <object>\t<name>
	entry, _, _ := strings.Cut(string(out), "\t")
	words := strings.Fields(entry)
	if len(words) != 3 || words[1] != "blob" {
		return "", nil
	}
	raw, err := g.output(ctx, "cat-file", "blob", words[2])
	if err != nil {
		return "", err
	}
	return lines(raw), nil
}

// lines gives text with one kind of line ends, "" for what is no UTF-8.
func lines(raw []byte) string {
	if !utf8.Valid(raw) {
		return ""
	}
	text := strings.ReplaceAll(string(raw), "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	return strings.TrimSuffix(text, "\n")
}
