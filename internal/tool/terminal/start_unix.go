//go:build linux || darwin

package terminal

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// bury takes leave of a shell that has ended and gives its last output.
func (t *terminal) bury(sh *shell) []byte {
	t.drop(fmt.Sprintf("had ended with exit code %d", sh.exitCode()))
	return overwrite(sh.screen.finish())
}

// drop ends the shell, if there is one. How it was lost goes into the next
// result.
func (t *terminal) drop(lost string) { t.dropWithin(endGrace, lost) }

func (t *terminal) dropWithin(grace time.Duration, lost string) {
	t.running, t.reads, t.lost = false, 0, lost
	if t.shell == nil {
		return
	}
	t.shell.close(grace)
	t.mu.Lock()
	t.shell = nil
	t.mu.Unlock()
}

// ready gives a shell that waits for a command, and what the model should know
// of it.
func (t *terminal) ready(ctx context.Context) (sh *shell, note string, err error) {
	if t.shell != nil && !t.shell.alive() {
		t.drop(fmt.Sprintf("had ended with exit code %d", t.shell.exitCode()))
	}
	if t.shell != nil {
		return t.shell, "", nil
	}
	startUp := true
	e, err := t.start(ctx, startUp)
	if err == nil && (e.kind == overtime || e.kind == died) && t.dialect == bash {
		// The user's start-up files hang, or end the shell.
		startUp = false
		e, err = t.start(ctx, startUp)
	}
	switch {
	case err != nil:
		return nil, "", err
	case e.kind == closed:
		return nil, "", errClosed
	case e.kind == interrupted:
		return nil, "", ctx.Err()
	case e.kind != completed:
		return nil, "", fmt.Errorf("the shell %s did not come up: it has to be bash, or a POSIX shell that expands parameters in its prompt", t.path)
	}
	t.shell.screen.take()
	t.shell.screen.dropLive()
	if t.lost != "" {
		note = fmt.Sprintf("[The shell %s. This command ran in a new one, started in %s: the working directory, variables, functions and jobs of the old one are gone.]\n", t.lost, t.dir)
		t.lost = ""
	}
	if !startUp {
		note += "[The user's start-up files for bash did not let the shell come up, so it runs without them.]\n"
	}
	return t.shell, note, nil
}

// start starts a shell and sets it up. When that does not complete, no shell is
// left.
func (t *terminal) start(ctx context.Context, startUp bool) (ending, error) {
	argv := []string{t.path, "-i"}
	if t.dialect == bash {
		argv = []string{t.path, "--noediting", "-i"}
		if !startUp {
			argv = []string{t.path, "--noediting", "--norc", "-i"}
		}
	}
	m := newMarks(randomWord())
	sh, err := t.launch(argv, m)
	if err != nil {
		return ending{}, err
	}
	if t.dialect == bash {
		// A shell that can't take it ends below.
		_ = sh.write(ctx, noEditing)
	}
	e, err := t.silent(ctx, sh, t.dialect.setup(m, t.dir), t.startLimit)
	if err != nil || e.kind != completed {
		t.drop(t.lost)
	}
	return e, err
}

// launch starts a shell, unless the tool was closed.
func (t *terminal) launch(argv []string, m marks) (*shell, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-t.closed:
		return nil, errClosed
	default:
	}
	sh, err := launch(argv, t.environ, t.dir, t.dialect, m)
	t.shell = sh
	return sh, err
}

// export puts the secrets that a command names into the shell's environment.
// Ending is nil when the command can go on.
func (t *terminal) export(ctx context.Context, sh *shell, vars map[string]string) (*ending, error) {
	script := export(vars)
	if script == "" {
		return nil, nil
	}
	e, err := t.silent(ctx, sh, script, t.startLimit)
	if err != nil {
		return nil, err
	}
	switch e.kind {
	case completed:
		return nil, nil
	case overtime:
		return nil, errors.New("the shell did not take the secrets that the command names")
	}
	return &e, nil
}

// secrets gives the secrets that a command names, and what the model should know
// of those that have no value.
func (t *terminal) secrets(ctx context.Context, command string) (vars map[string]string, note string) {
	if t.env.Secrets == nil {
		return nil, ""
	}
	vars, missing := t.env.Secrets(ctx, command)
	for _, why := range missing {
		note += fmt.Sprintf("[The secret %s. Its variable was not set.]\n", why)
	}
	return vars, note
}

// silent runs a script of ours; nobody sees its output.
func (t *terminal) silent(ctx context.Context, sh *shell, script string, limit time.Duration) (ending, error) {
	if err := sh.send(ctx, script); err != nil {
		return ending{}, fmt.Errorf("setting up the shell: %w", err)
	}
	e := t.await(ctx, sh, limits{total: limit, hasTotal: true}, nil)
	sh.screen.dropLive()
	return e, nil
}
