package workspace

import (
	"context"
	"strings"
)

// base gives the commit (or the empty tree) that changes are told against. A ref
// that is given must name a commit, but for HEAD before the first one. Without
// it the choice is OpenHands': what the user would see in a pull request.
func (g git) base(ctx context.Context, ref string) (string, error) {
	if ref != "" {
		return g.explicitBase(ctx, ref)
	}
	head, err := g.commit(ctx, "HEAD")
	if err != nil {
		return "", err
	}
	branch, err := g.line(ctx, "symbolic-ref", "--quiet", "--short", "HEAD")
	if err != nil {
		return "", err
	}
	for _, choose := range []func(ctx context.Context, head, branch string) (string, error){
		g.upstreamBase, g.defaultBase, g.localBase,
	} {
		if base, err := choose(ctx, head, branch); err != nil || base != "" {
			return base, err
		}
	}
	if head != "" {
		return head, nil
	}
	return g.emptyTree(ctx)
}

func (g git) explicitBase(ctx context.Context, ref string) (string, error) {
	commit, err := g.commit(ctx, ref)
	if err != nil || commit != "" {
		return commit, err
	}
	if ref == "HEAD" {
		return g.emptyTree(ctx)
	}
	return "", &GitCommandError{Args: []string{"rev-parse", ref}, ExitCode: 1, Stderr: "no such commit: " + ref}
}

// upstreamBase is origin's copy of the current branch, unless there is nothing
// to see against it.
func (g git) upstreamBase(ctx context.Context, head, branch string) (string, error) {
	if branch == "" {
		return "", nil
	}
	upstream, err := g.commit(ctx, "refs/remotes/origin/"+branch)
	if err != nil || upstream == "" || upstream != head {
		return upstream, err
	}
	dirty, err := g.output(ctx, "status", "--porcelain", "-z", "--untracked-files=no")
	if err != nil || len(dirty) > 0 {
		return upstream, err
	}
	return "", nil
}

// defaultBase is where the current branch left origin's default branch, as far
// as is known here: asking origin would use the network.
func (g git) defaultBase(ctx context.Context, head, _ string) (string, error) {
	ref, err := g.line(ctx, "symbolic-ref", "--quiet", "refs/remotes/origin/HEAD")
	if err != nil || ref == "" {
		return "", err
	}
	tip, err := g.commit(ctx, ref)
	if err != nil || tip == "" || head == "" {
		return tip, err
	}
	fork, err := g.line(ctx, "merge-base", head, tip)
	if err != nil || fork != "" {
		return fork, err
	}
	return tip, nil
}

// localBase is the local main branch that the current one grew from. It counts
// only where origin has no default branch.
func (g git) localBase(ctx context.Context, head, branch string) (string, error) {
	if head == "" {
		return "", nil
	}
	for _, name := range []string{"main", "master"} {
		tip, err := g.commit(ctx, "refs/heads/"+name)
		if err != nil {
			return "", err
		}
		if tip == "" {
			continue
		}
		if name == branch {
			return "", nil
		}
		fork, err := g.line(ctx, "merge-base", head, tip)
		if err != nil || fork != tip {
			return "", err
		}
		return tip, nil
	}
	return "", nil
}

// commit gives the commit that a name means, "" if none.
func (g git) commit(ctx context.Context, name string) (string, error) {
	if strings.HasPrefix(name, "-") || strings.ContainsAny(name, "\x00\n") {
		return "", nil
	}
	return g.line(ctx, "rev-parse", "--verify", "--quiet", name+"^{commit}")
}

// emptyTree is the id of the tree without entries, which depends on the hash the
// repository uses. It is not written: git knows it without an object.
func (g git) emptyTree(ctx context.Context) (string, error) {
	return g.line(ctx, "hash-object", "-t", "tree", "--stdin")
}
