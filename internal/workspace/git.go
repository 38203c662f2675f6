package workspace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// GitRepositoryError says that a directory is in no git repository.
type GitRepositoryError struct{ Path string }

func (e *GitRepositoryError) Error() string { return e.Path + " is not in a git repository" }

// GitPathError says why git has nothing to show of a file.
type GitPathError struct {
	Path   string
	Reason string
}

func (e *GitPathError) Error() string { return e.Path + ": " + e.Reason }

// GitCommandError says that git failed.
type GitCommandError struct {
	// Args are the command's words, without "git".
	Args     []string
	ExitCode int
	Stderr   string
}

func (e *GitCommandError) Error() string {
	text := strings.TrimSpace(e.Stderr)
	if text == "" {
		text = fmt.Sprintf("exit code %d", e.ExitCode)
	}
	return fmt.Sprintf("git %s: %s", e.Args[0], text)
}

// gitTimeout is the longest that one git command may take.
const gitTimeout = 30 * time.Second

// maxGitOutput bounds what is kept of a git command: far more than a list of
// changes that anyone can read.
const maxGitOutput = 64 << 20

// git runs git in the directory dir.
type git struct {
	dir string
	// settings are put over those of the repository, each as "name=value".
	settings []string
}

// output gives what git wrote. Paths in it are raw and end with a zero byte
// where the command has -z.
func (g git) output(ctx context.Context, args ...string) ([]byte, error) {
	return g.feed(ctx, "", args...)
}

// feed is output with something to read for git.
func (g git) feed(ctx context.Context, stdin string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, gitTimeout, fmt.Errorf("git %s took more than %s", args[0], gitTimeout))
	defer cancel()
	// Without diff.autoRefreshIndex=false "git diff" rewrites the user's index, and
	// no lock option keeps it from that.
	words := []string{
		"--no-pager", "--no-optional-locks", "--literal-pathspecs",
		"-c", "diff.autoRefreshIndex=false", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false",
	}
	for _, s := range g.settings {
		words = append(words, "-c", s)
	}
	cmd := exec.Command("git", append(words, args...)...)
	cmd.Dir = g.dir
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = gitEnviron()
	stdout, stderr := &capped{limit: maxGitOutput}, newExcerpt(64<<10)
	state, err := run(ctx, cmd, stdout, stderr)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return nil, &GitCommandError{Args: args, ExitCode: -1, Stderr: "there is no git on the PATH"}
	case err != nil:
		return nil, err
	case stdout.over:
		return nil, &GitCommandError{Args: args, ExitCode: -1, Stderr: fmt.Sprintf("more than %d bytes of output", maxGitOutput)}
	case !state.Success():
		return nil, &GitCommandError{Args: args, ExitCode: state.ExitCode(), Stderr: stderr.String()}
	}
	return stdout.Bytes(), nil
}

// line gives one line of output; "" where git says no with exit code 1, as it
// does for a revision that does not exist.
func (g git) line(ctx context.Context, args ...string) (string, error) {
	out, err := g.output(ctx, args...)
	var failed *GitCommandError
	if errors.As(err, &failed) && failed.ExitCode == 1 {
		return "", nil
	}
	return strings.TrimSpace(string(out)), err
}

// gitEnviron is the environment without the variables that would lead git to
// another repository (we may have been started by a hook), and with those that
// keep it from writing, asking and using the network.
func gitEnviron() []string {
	env := slices.DeleteFunc(environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_NAMESPACE", "GIT_COMMON_DIR",
			"GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_EXTERNAL_DIFF", "GIT_DIFF_OPTS",
			"GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS":
			return true
		}
		return strings.HasPrefix(name, "GIT_TRACE")
	})
	return append(env, "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=none", "LC_ALL=C")
}

// capped keeps what is written up to a limit.
type capped struct {
	bytes.Buffer
	limit int
	over  bool
}

func (c *capped) Write(p []byte) (int, error) {
	if c.Len()+len(p) > c.limit {
		c.over = true
		return len(p), nil
	}
	return c.Buffer.Write(p)
}

// check gives a [GitRepositoryError] where git finds no repository, and what
// else git may say against one, such as that somebody else owns it.
func (g git) check(ctx context.Context) error {
	if _, err := os.Stat(g.dir); err != nil {
		return &GitRepositoryError{Path: g.dir}
	}
	out, err := g.output(ctx, "rev-parse", "--is-inside-work-tree")
	var failed *GitCommandError
	none := errors.As(err, &failed) && strings.Contains(failed.Stderr, "not a git repository")
	if none || strings.TrimSpace(string(out)) == "false" {
		return &GitRepositoryError{Path: g.dir}
	}
	return err
}

// isRepository tells whether dir has a .git: a directory, or a file in a linked
// work tree and a submodule.
func isRepository(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, ".git"))
	return err == nil
}

// fields splits output of -z.
func fields(out []byte) []string {
	if len(out) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

// Project gives the innermost git work tree that dir lies in, and dir itself where
// there is none.
func Project(dir string) string {
	for at := filepath.Clean(dir); ; at = filepath.Dir(at) {
		if isRepository(at) {
			return at
		}
		if at == filepath.Dir(at) {
			return dir
		}
	}
}
