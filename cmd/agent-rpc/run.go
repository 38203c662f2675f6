package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/client"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// runFlags are the flags of run.
type runFlags struct {
	resume   string
	maxSteps int
	budget   float64
	model    string
	profile  string
	policy   string
	json     bool
	thinking bool
	noColor  bool
	cwd      string
	name     string
	title    string
	record   string
	inMemory bool
}

func newRun() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   `run ["TASK"]`,
		Short: "Give the agent a task in this folder and watch it",
		Long: `Give the agent a task and print what it does. "-" reads the task from stdin.

Risky actions wait for your answer: y approves, n rejects and ends the run,
r rejects with a reason that the agent reads. Nothing is approved by default, by
Enter, by keys typed before the question, or where there is no terminal.
Where the agent asks you something, type your answer or its number; Esc declines.
Ctrl+C pauses at the next step, a second Ctrl+C stops at once.

Exit codes: 0 finished · 1 error · 2 wrong usage · 3 stuck · 4 step limit or
budget · 5 waiting for you · 130 paused, stopped or rejected by you.`,
		Example: `  agent-rpc run "Fix the failing test"
  git diff | agent-rpc run -                     the task from stdin
  agent-rpc run -c 7f3a "Now document it"        continue a conversation
  agent-rpc run -c 7f3a                          go on, or answer what it waits for
  agent-rpc run --policy never --json "…"        for scripts: JSON lines, no questions`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return &problem{"the task is more than one argument", `put it in quotes: agent-rpc run "` + strings.Join(args, " ") + `"`, exitUsage}
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTask(cmd, &f, args)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVarP(&f.resume, "continue", "c", "", "continue the conversation whose id begins with `ID`")
	flags.StringVar(&f.policy, "policy", "ask-if-risky", "`WHEN` to ask: ask, ask-if-risky (medium risk and above) or never")
	flags.StringVar(&f.model, "model", "", "the `MODEL` to use, such as anthropic/claude-sonnet-4-5 (default: as configured)")
	flags.StringVar(&f.profile, "profile", "", "the saved model of this `NAME` to use; agent-rpc profiles")
	flags.Float64Var(&f.budget, "max-budget", 0, "stop when the conversation has cost `USD`; 0 is no limit (default: as configured)")
	flags.IntVar(&f.maxSteps, "max-steps", 0, "stop after `N` steps (default 500)")
	flags.StringVar(&f.cwd, "cwd", "", "work in `FOLDER` (default: the current one)")
	flags.StringVar(&f.title, "title", "", "give the conversation a `TITLE`")
	flags.StringVar(&f.name, "name", "", "a `NAME` before what the agent says, to tell runs apart")
	flags.BoolVar(&f.thinking, "thinking", false, "print the model's thoughts in full")
	flags.BoolVar(&f.json, "json", false, "print JSON lines: events, states and a result")
	flags.BoolVar(&f.noColor, "no-color", false, "print without colour (so does NO_COLOR)")
	flags.StringVar(&f.record, "record", "", "record what the model answers to `FILE`, to replay it as replay/FILE")
	flags.BoolVar(&f.inMemory, "in-memory", false, "do not store the conversation")
	must(cmd.RegisterFlagCompletionFunc("continue", completeOne))
	must(cmd.RegisterFlagCompletionFunc("policy", cobra.FixedCompletions([]string{
		"ask\tbefore every action", "ask-if-risky\tat medium risk and above", "never\tnot at all",
	}, cobra.ShellCompDirectiveNoFileComp)))
	must(cmd.RegisterFlagCompletionFunc("model", completeModel))
	must(cmd.RegisterFlagCompletionFunc("profile", completeProfileFlag))
	must(cmd.MarkFlagDirname("cwd"))
	cmd.MarkFlagsMutuallyExclusive("continue", "in-memory")
	cmd.MarkFlagsMutuallyExclusive("model", "profile")
	return cmd
}

// must stops at a mistake in the tree of commands itself.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

var policies = map[string]string{
	"ask":          `{"kind":"AlwaysConfirm"}`,
	"ask-if-risky": `{"threshold":"MEDIUM","confirm_unknown":true,"kind":"ConfirmRisky"}`,
	"never":        `{"kind":"NeverConfirm"}`,
}

// analyzer is what docs/security.md recommends: the model's word, and what is
// known to be dangerous whatever the model says of it.
const analyzer = `{"kind":"EnsembleSecurityAnalyzer","analyzers":[{"kind":"LLMSecurityAnalyzer"},{"kind":"PatternSecurityAnalyzer"}]}`

func runTask(cmd *cobra.Command, f *runFlags, args []string) (err error) {
	if err := f.check(cmd); err != nil {
		return err
	}
	task, err := readTask(f, args)
	if err != nil {
		return err
	}
	folder, err := folderOf(f.cwd)
	if err != nil {
		return err
	}
	env, err := f.env()
	if err != nil {
		return err
	}
	signals, stopSignals := watchSignals()
	defer stopSignals()
	ctx, begun := untilSignal(cmd.Context(), signals)
	c, err := connectAs(ctx, folder, f.input(), env...)
	if err != nil {
		begun()
		return err
	}
	defer closing(c, &err)
	s, err := f.open(ctx, cmd, c, folder)
	if err == nil {
		err = f.begin(ctx, s, task)
	}
	begun()
	if err != nil {
		return err
	}
	s.header(cmd.Context())
	s.signals = signals
	return s.follow(cmd.Context())
}

func (f *runFlags) check(cmd *cobra.Command) error {
	if policies[f.policy] == "" {
		return &problem{fmt.Sprintf("--policy %q is not known", f.policy), "it is ask, ask-if-risky or never", exitUsage}
	}
	if cmd.Flags().Changed("max-steps") && f.maxSteps < 1 {
		return &problem{fmt.Sprintf("--max-steps %d is no number of steps", f.maxSteps), "give 1 or more", exitUsage}
	}
	if f.budget < 0 || math.IsNaN(f.budget) || math.IsInf(f.budget, 0) {
		return &problem{fmt.Sprintf("--max-budget %v is no amount", f.budget), "give an amount in USD, or 0 for no limit", exitUsage}
	}
	return nil
}

// input tells the server whether somebody is there to answer questions.
func (f *runFlags) input() *protocol.Flag {
	if f.json || !term.IsTerminal(int(os.Stdin.Fd())) || !term.IsTerminal(int(os.Stderr.Fd())) {
		return nil
	}
	return &protocol.Flag{}
}

// env is what the server's environment has beyond ours.
func (f *runFlags) env() ([]string, error) {
	if f.record == "" {
		return nil, nil
	}
	file, err := filepath.Abs(f.record)
	if err != nil {
		return nil, &problem{err.Error(), "give --record a full path", exitUsage}
	}
	return []string{recordVar + "=" + file}, nil
}

// open makes the conversation or opens the one to continue.
func (f *runFlags) open(ctx context.Context, cmd *cobra.Command, c *client.Client, folder string) (*session, error) {
	params, err := f.params(ctx, cmd, c, folder)
	if err != nil {
		return nil, err
	}
	created, err := c.Create(ctx, params)
	if err != nil {
		return nil, refusal(err)
	}
	s := newSession(c, created.Conversation, f.json, f.noColor)
	o := s.look.options()
	o.Name, o.Thinking = f.name, f.thinking
	s.show(o)
	return s, nil
}

// begin starts the run. A new conversation in which nothing could be started is
// not left behind.
func (f *runFlags) begin(ctx context.Context, s *session, task string) error {
	err := s.begin(ctx, task)
	if err != nil && f.resume == "" {
		_ = s.client.Delete(ctx, s.info.ID) // why it could not start is what matters
	}
	return err
}

// params are those of conversation/create. Of a conversation that is continued
// only what was asked for is changed.
func (f *runFlags) params(ctx context.Context, cmd *cobra.Command, c *client.Client, folder string) (protocol.CreateParams, error) {
	params := protocol.CreateParams{Title: f.title, Profile: f.profile}
	if f.resume != "" {
		id, err := resolve(ctx, c, f.resume)
		if err != nil {
			return params, err
		}
		params.ConversationID = id
	} else {
		params.Workspace = client.URI(folder)
	}
	if f.resume == "" || cmd.Flags().Changed("policy") {
		params.ConfirmationPolicy = json.RawMessage(policies[f.policy])
		// Without an analyzer every risk is unknown and everything would ask.
		params.SecurityAnalyzer = json.RawMessage(analyzer)
	}
	if f.maxSteps > 0 {
		params.MaxIterationPerRun = &f.maxSteps
	}
	if cmd.Flags().Changed("max-budget") {
		params.MaxBudgetPerRun = &f.budget
	}
	if f.model != "" {
		agent, err := json.Marshal(map[string]any{"llm": map[string]string{"model": f.model}})
		if err != nil {
			return params, err
		}
		params.Agent = agent
	}
	if f.inMemory {
		params.PersistenceDir = json.RawMessage("null")
	}
	return params, nil
}

// recordVar names the file to which the server records what the model answers.
const recordVar = "AGENT_RPC_RECORD"

// readTask gives the task; empty only where a conversation is continued.
func readTask(f *runFlags, args []string) (string, error) {
	task := ""
	if len(args) > 0 {
		task = args[0]
	}
	if task == "-" {
		const limit = 10 << 20
		text, err := io.ReadAll(io.LimitReader(os.Stdin, limit+1))
		if err != nil {
			return "", &problem{"reading the task from stdin: " + err.Error(), "", exitError}
		}
		if len(text) > limit {
			return "", &problem{"the task on stdin is larger than 10 MiB", "put it into a file and name the file in the task", exitUsage}
		}
		task = string(text)
	}
	if strings.TrimSpace(task) == "" && (f.resume == "" || len(args) > 0) {
		return "", &problem{"there is no task", `say what to do: agent-rpc run "Fix the failing test"`, exitUsage}
	}
	return strings.TrimSpace(task), nil
}

func folderOf(cwd string) (string, error) {
	folder, err := filepath.Abs(cwd)
	if err != nil {
		return "", &problem{"the current folder can't be found: " + err.Error(), "change to another folder, or give --cwd", exitError}
	}
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return "", &problem{folder + " is no folder", "give --cwd a folder that exists", exitUsage}
	}
	return folder, nil
}

// closing ends the server. What it says then only matters if nothing else went
// wrong.
func closing(c *client.Client, err *error) {
	if e := c.Close(); e != nil && *err == nil {
		*err = &problem{"ending the server: " + e.Error(), "agent-rpc doctor", exitError}
	}
}

// begin sends the task, or goes on with what there is.
func (s *session) begin(ctx context.Context, task string) error {
	switch waits := s.info.Status == protocol.StatusWaitingForConfirmation || s.info.Status == protocol.StatusWaitingForInput; {
	case task != "":
		sent, err := s.client.SendMessage(ctx, s.info.ID, task, true)
		if err != nil {
			return refusal(err)
		}
		s.run = sent.RunID
	case waits:
		s.run = s.info.RunID
	case s.info.Status == protocol.StatusFinished || s.info.Status == protocol.StatusIdle && s.info.Cursor.Seq == 0:
		return &problem{
			"there is nothing to go on with: the conversation is " + string(s.info.Status),
			"say what to do: agent-rpc run -c " + s.short(ctx) + ` "…"`, exitUsage,
		}
	default:
		started, err := s.client.Run(ctx, s.info.ID)
		if err != nil {
			return refusal(err)
		}
		s.run = started.RunID
	}
	return nil
}
