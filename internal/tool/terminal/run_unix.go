//go:build linux || darwin

package terminal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

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
	vars, note := t.secrets(ctx, command)
	if ctx.Err() != nil {
		return t.interrupted(r, gone(codeInterrupted, nil), "the command did not begin"), nil
	}
	r.prefix += note
	// What background processes printed since the last command.
	if printed := overwrite(sh.screen.take()); len(bytes.TrimSpace(printed)) > 0 {
		r.prefix += "[The output begins with what was printed after the last command had ended.]\n"
		r.before = append(append(r.before, bytes.TrimRight(printed, "\n")...), '\n')
	}
	if live := sh.screen.takeLive(); live != "" {
		out(live)
	}
	if stop, err := t.export(ctx, sh, vars); err != nil || stop != nil {
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
			e = t.await(ctx, sh, limits{total: killGrace, hasTotal: true}, out)
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
	t.dropWithin(0, "was killed, as the command in it could not be stopped otherwise")
	return t.interrupted(r, gone(codeKilled, output), "the command could not be stopped otherwise and was killed with the shell"), nil
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
