//go:build linux || darwin

package terminal

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/tool"
)

var errClosed = errors.New("the terminal is closed")

// run carries out one action.
func (t *terminal) run(ctx context.Context, a Action, out func(string)) (Observation, error) {
	command := a.Command
	if !a.IsInput {
		command = strings.TrimSpace(command)
	}
	if a.Reset && a.IsInput {
		return Observation{}, &tool.ArgumentError{Message: "reset and is_input can't go together: a reset ends the program that would get the input"}
	}
	if problem := t.problem(command, a); problem != "" {
		return refusal(command, problem), nil
	}
	if a.Reset {
		return t.reset(ctx, command, a, out)
	}
	if t.running {
		return t.goOn(ctx, command, a, out)
	}
	switch {
	case a.IsInput:
		return refusal(command, "No command is running that could take input. Run a command first, without is_input."), nil
	case command == "":
		return refusal(command, "No command is running, so there is no more output to wait for."), nil
	}
	return t.begin(ctx, command, a, nil, "", out)
}

// problem tells why an action can't be carried out whatever the terminal does.
func (t *terminal) problem(command string, a Action) string {
	if a.IsInput || command == "" {
		return ""
	}
	if problem := literalProblem(command); problem != "" {
		return problem
	}
	if t.longest > 0 && a.Timeout != nil && seconds(*a.Timeout) > t.longest {
		return fmt.Sprintf("A timeout of %s seconds is too long, so nothing was run: this machine is stopped when it seems idle. "+
			"Use at most %s seconds, or run the command in the background and look at its output from time to time.",
			decimal(*a.Timeout), decimal(t.longest.Seconds()))
	}
	return severalProblem(command)
}

// reset throws the shell away and, if there is one, runs the command in a new
// one.
func (t *terminal) reset(ctx context.Context, command string, a Action, out func(string)) (Observation, error) {
	t.drop("")
	done := fmt.Sprintf("The terminal was reset. The shell is new, in %s; nothing of the old one is left.", t.dir)
	if command == "" {
		o := Observation{Result: tool.Success(done), Command: "[RESET]", Metadata: noMetadata()}
		zero := 0
		o.ExitCode = &zero
		return o, nil
	}
	o, err := t.begin(ctx, command, a, []byte(done+"\n\n"), "", out)
	o.Command = "[RESET] " + o.Command
	return o, err
}

// begin runs a command in a shell that waits for one. Before is what the
// result says before the output, prefix what it says before that.
func (t *terminal) begin(ctx context.Context, command string, a Action, before []byte, prefix string, out func(string)) (Observation, error) {
	r := report{command: command, before: before, prefix: prefix}
	sh, note, err := t.ready(ctx)
	if ctx.Err() != nil {
		return t.interrupted(r, gone(codeInterrupted, nil), "the command did not begin"), nil
	}
	if err != nil {
		return Observation{}, err
	}
	r.prefix += note
	// What background processes printed since the last command.
	if printed := overwrite(sh.screen.take()); len(bytes.TrimSpace(printed)) > 0 {
		r.prefix += "[The output begins with what was printed after the last command had ended.]\n"
		r.before = append(append(r.before, bytes.TrimRight(printed, "\n")...), '\n')
	}
	if stop, err := t.export(ctx, sh, command); err != nil || stop != nil {
		if err != nil {
			return Observation{}, err
		}
		return t.conclude(ctx, sh, *stop, r, a, out)
	}
	if err := sh.send(ctx, command); err != nil {
		return Observation{}, fmt.Errorf("sending the command to the shell: %w", err)
	}
	t.running, t.reads = true, 0
	return t.follow(ctx, sh, r, a, out)
}

// goOn is for the time when a command was not seen to end: it reads more, sends
// input, or finds that it has ended.
func (t *terminal) goOn(ctx context.Context, command string, a Action, out func(string)) (Observation, error) {
	sh := t.shell
	r := report{command: strings.TrimSpace(command)}
	if t.reads > 0 {
		r.prefix = "[This is the output of the earlier command since the last result.]\n"
	}
	isInput := a.IsInput && command != "" || bareKey(command)
	if !sh.alive() {
		// The shell ended with the command in it; a new one takes the next.
		if command != "" && !isInput {
			left := t.bury(sh)
			return t.begin(ctx, command, a, left, "", out)
		}
		return t.follow(ctx, sh, r, a, out)
	}
	if command == "" {
		return t.follow(ctx, sh, r, a, out)
	}
	end := sh.screen.takeEnd()
	switch {
	case end != nil && isInput:
		r.note = " It had ended before the input came; the input was not sent."
		return t.completed(r, end), nil
	case end != nil:
		t.running = false
		left := overwrite(end.output)
		note := fmt.Sprintf("[The earlier command has ended meanwhile, with exit code %d.]\n", end.prompt.exitCode)
		if len(bytes.TrimSpace(left)) > 0 {
			note = fmt.Sprintf("[The earlier command has ended meanwhile, with exit code %d; the output begins with the rest of its output.]\n", end.prompt.exitCode)
			left = append(bytes.TrimRight(left, "\n"), '\n')
		} else {
			left = nil
		}
		return t.begin(ctx, command, a, left, note, out)
	case !isInput:
		o := t.observe(r, sh.screen.take(), noMetadata(), fmt.Sprintf("\n[The earlier command is still running, so %q was not run. %s]", firstLine(r.command), choices))
		o.IsError = true
		t.reads++
		return o, nil
	}
	sequence, name, isKey := key(command)
	if !isKey {
		sequence = typed(command)
	} else if strings.HasPrefix(name, "CTRL+") {
		r.note = " " + name + " was sent."
	}
	if sequence == string(rune(interruptKey)) && sh.takesKeys() {
		sh.interrupt(ctx, syscall.SIGINT)
		return t.follow(ctx, sh, r, a, out)
	}
	if err := sh.write(ctx, sequence); err != nil {
		if errors.Is(err, errInputFull) {
			return refusal(r.command, "The running program does not read its input; part of it may wait in the terminal."), nil
		}
		return Observation{}, fmt.Errorf("sending input: %w", err)
	}
	return t.follow(ctx, sh, r, a, out)
}

// follow waits for the command in sh and reports on it.
func (t *terminal) follow(ctx context.Context, sh *shell, r report, a Action, out func(string)) (Observation, error) {
	sh.screen.touch()
	limit := limits{quiet: t.noChange}
	if a.Timeout != nil {
		limit = limits{total: seconds(*a.Timeout), hasTotal: true}
	}
	return t.conclude(ctx, sh, t.await(ctx, sh, limit, out), r, a, out)
}

// conclude makes the observation for how waiting for a command ended.
func (t *terminal) conclude(ctx context.Context, sh *shell, e ending, r report, a Action, out func(string)) (Observation, error) {
	switch e.kind {
	case completed:
		return t.completed(r, e.completion), nil
	case quiet:
		t.reads++
		return t.observe(r, sh.screen.take(), noMetadata(),
			fmt.Sprintf("\n[No new output for %s seconds; the command is still running. %s]", decimal(t.noChange.Seconds()), choices)), nil
	case overtime:
		t.reads++
		return t.observe(r, sh.screen.take(), noMetadata(),
			fmt.Sprintf("\n[The %s seconds are over; the command is still running. %s]", decimal(*a.Timeout), choices)), nil
	case interrupted:
		return t.stop(context.WithoutCancel(ctx), sh, r, out)
	case died:
		return t.died(sh, r), nil
	}
	return Observation{}, errClosed
}

const choices = "An empty command waits for more; is_input sends it text or a key such as C-c, C-d or C-z; timeout waits longer; reset ends it with the shell."

// completed reports a command that ended.
func (t *terminal) completed(r report, end *completion) Observation {
	t.running = false
	p := end.prompt
	suffix := "\n[The command ended; its exit code is not known.%s]"
	if p.exitCode != unknownCode {
		suffix = fmt.Sprintf("\n[The command ended with exit code %d.", p.exitCode) + "%s]"
	}
	return t.observe(r, end.output, t.metadata(p), fmt.Sprintf(suffix, r.note))
}

// stop interrupts the running command: C-c, after the grace SIGKILL, and if the
// shell does not come back then either, the shell goes too.
func (t *terminal) stop(ctx context.Context, sh *shell, r report, out func(string)) (Observation, error) {
	sh.interrupt(ctx, syscall.SIGINT)
	e := t.await(ctx, sh, limits{total: t.grace, hasTotal: true}, out)
	how := "the command ended at C-c"
	// What is killed may be one of several programs of the command.
	for range 2 {
		if e.kind == overtime {
			how = "the command did not end at C-c and was killed"
			sh.interrupt(ctx, syscall.SIGKILL)
			e = t.await(ctx, sh, limits{total: t.grace / 4, hasTotal: true}, out)
		}
	}
	switch e.kind {
	case completed:
		t.running = false
		return t.interrupted(r, e.completion, how), nil
	case died:
		return t.died(sh, r), nil
	case closed:
		return Observation{}, errClosed
	}
	output := sh.screen.take()
	t.drop("was killed, as the command in it could not be stopped otherwise")
	return t.interrupted(r, gone(codeKilled, output), "the command could not be stopped otherwise and was killed with the shell"), nil
}

// The exit codes that shells give to commands that SIGINT or SIGKILL ended.
const (
	codeInterrupted = 130
	codeKilled      = 137
)

// gone is the end of a command of which no prompt told.
func gone(code int, output []byte) *completion {
	return &completion{prompt: prompt{exitCode: code, pid: -1}, output: output}
}

// interrupted reports a command that was stopped, or one that did not begin.
func (t *terminal) interrupted(r report, end *completion, how string) Observation {
	return t.observe(r, end.output, t.metadata(end.prompt), "\n[Interrupted: "+how+".]")
}

// died reports that the shell ended while a command ran in it.
func (t *terminal) died(sh *shell, r report) Observation {
	code := sh.exitCode()
	output := t.bury(sh)
	m := noMetadata()
	m.ExitCode = code
	return t.observe(r, output, m, fmt.Sprintf("\n[The shell itself ended, with exit code %d. "+
		"The next command starts a new one in %s, without this one's working directory and environment.]", code, t.dir))
}

// bury takes leave of a shell that has ended and gives its last output.
func (t *terminal) bury(sh *shell) []byte {
	t.drop(fmt.Sprintf("had ended with exit code %d", sh.exitCode()))
	return overwrite(sh.screen.finish())
}

// drop ends the shell, if there is one. How it was lost goes into the next
// result.
func (t *terminal) drop(lost string) {
	t.running, t.reads, t.lost = false, 0, lost
	if t.shell == nil {
		return
	}
	t.shell.close()
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

// export puts the secrets that the command names into the shell's environment.
// Ending is nil when the command can go on.
func (t *terminal) export(ctx context.Context, sh *shell, command string) (*ending, error) {
	if t.env.Secrets == nil {
		return nil, nil
	}
	vars := t.env.Secrets(command)
	script := export(vars)
	if script == "" {
		return nil, nil
	}
	for _, value := range vars {
		t.hide(value)
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

// silent runs a script of ours; nobody sees its output.
func (t *terminal) silent(ctx context.Context, sh *shell, script string, limit time.Duration) (ending, error) {
	if err := sh.send(ctx, script); err != nil {
		return ending{}, fmt.Errorf("setting up the shell: %w", err)
	}
	e := t.await(ctx, sh, limits{total: limit, hasTotal: true}, nil)
	sh.screen.dropLive()
	return e, nil
}

// report is what the observation of a call says besides the command's output.
type report struct {
	command string
	// before is output of before.
	before []byte
	prefix string
	// note goes into the suffix of a command that ended.
	note string
}

// observe makes the observation of a call that ran something. Its exit code is
// that of m.
func (t *terminal) observe(r report, output []byte, m Metadata, suffix string) Observation {
	m.Prefix, m.Suffix = r.prefix, suffix
	code := m.ExitCode
	o := Observation{Command: r.command, ExitCode: &code, Metadata: m}
	text := string(append(r.before, overwrite(output)...))
	if t.env.Mask != nil {
		text = t.env.Mask(text)
	}
	for _, secret := range t.hidden {
		text = strings.ReplaceAll(text, secret, hiddenSecret)
	}
	o.setOutput(text, t.env.Dir)
	return o
}

// metadata is what a prompt tells.
func (t *terminal) metadata(p prompt) Metadata {
	return Metadata{
		ExitCode:          p.exitCode,
		PID:               p.pid,
		Username:          t.user,
		Hostname:          t.host,
		WorkingDir:        strings.ToValidUTF8(p.dir, "\uFFFD"),
		PyInterpreterPath: strings.ToValidUTF8(pythonPath(p), "\uFFFD"),
	}
}

// pythonPath finds python as the shell would.
func pythonPath(p prompt) string {
	if p.path == "" {
		return ""
	}
	for _, dir := range filepath.SplitList(p.path) {
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(p.dir, dir)
		}
		path := filepath.Join(dir, "python")
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}

const (
	hiddenSecret = "<secret-hidden>"
	// minSecret is the shortest secret, in bytes, that is hidden: a shorter one
	// stands in any text.
	minSecret = 4
)

// hide makes later results hide a secret. They do so although the caller masks
// too: a secret that is cut in two where the output is shortened would be
// found by nobody, and the whole output is saved to a file.
func (t *terminal) hide(secret string) {
	if len(secret) < minSecret {
		return
	}
	for _, known := range t.hidden {
		if known == secret {
			return
		}
	}
	t.hidden = append(t.hidden, secret)
	// A secret that holds another one is hidden whole.
	sort.Slice(t.hidden, func(i, j int) bool { return len(t.hidden[i]) > len(t.hidden[j]) })
}

// randomWord gives a word that no program prints by chance.
func randomWord() string { return rand.Text() }

func decimal(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
