package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/client"
	"github.com/agent-rpc/agent-rpc/internal/llm"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/visualize"
	"golang.org/x/term"
)

// session follows one run: it prints what comes, asks what must be asked, and
// turns Ctrl+C into pause and interrupt. Everything happens in the goroutine of
// [session.follow]; calls that could keep it waiting report to replies.
type session struct {
	client  *client.Client
	view    *visualize.View
	lines   *json.Encoder // of --json; nil without
	look    look          // of stdout
	live    bool          // lines are rewritten while something runs
	noColor bool

	info  protocol.Info
	run   string
	seq   int    // of the newest event printed
	brief string // the short id

	signals <-chan os.Signal
	stops   int // how often the user asked to stop
	replies chan error

	keyboard *keyboard // nil where nobody can answer
	approval *approval
	asked    map[string]bool
	// answer decides in place of a user who can't: the demonstration has one.
	answer func(protocol.Pending) string
	// ending is added to what is printed at the end.
	ending visualize.Ending
	// unpriced: it was said that a model's price is not known.
	unpriced bool
	// done is the terminal state's exit code, once there is one.
	done *int
}

func newSession(c *client.Client, info protocol.Info, asJSON, noColor bool) *session {
	s := &session{client: c, info: info, noColor: noColor, look: lookOf(os.Stdout, noColor), replies: make(chan error, 8), asked: map[string]bool{}, seq: info.Cursor.Seq}
	if asJSON {
		s.lines = json.NewEncoder(os.Stdout)
		s.lines.SetEscapeHTML(false)
		s.look = look{width: 80}
	}
	return s
}

// show makes the view.
func (s *session) show(o visualize.Options) {
	o.Workspace = client.Path(s.info.Workspace)
	out := io.Writer(os.Stdout)
	if s.lines != nil {
		out = io.Discard
	}
	s.live = s.look.tty && lookOf(os.Stderr, s.noColor).tty
	s.view = visualize.New(out, os.Stderr, o)
	s.view.State(s.info)
}

// header prints what stands above a run.
func (s *session) header(ctx context.Context) {
	s.view.Header(visualize.Header{
		Version: versionOf().Version, Folder: filepath.Base(client.Path(s.info.Workspace)),
		Model: s.info.Model, Policy: s.info.ConfirmationPolicy, ID: s.info.ID, Short: s.short(ctx),
	})
}

// short is the form of the id for commands that are shown.
func (s *session) short(ctx context.Context) string {
	if s.brief == "" {
		s.brief = shortOf(ctx, s.client, s.info.ID)
	}
	return s.brief
}

// follow goes on until the run ended or nobody can answer.
func (s *session) follow(ctx context.Context) error {
	if s.lines == nil && term.IsTerminal(int(os.Stderr.Fd())) {
		s.keyboard = openKeyboard(os.Stdin)
		defer s.keyboard.close()
	}
	defer s.stopAsking()
	// The first state may have told already that something waits.
	s.ask(ctx)
	const rate = 250 * time.Millisecond
	ticker := time.NewTicker(rate)
	defer ticker.Stop()
	for s.done == nil {
		if err := s.drain(ctx); err != nil {
			s.view.Still()
			return refusal(err)
		}
		if s.done != nil {
			break
		}
		select {
		case <-s.client.Ready():
		case now := <-ticker.C:
			if s.look.tty {
				s.view.Resize(widthOf(os.Stdout))
			}
			if s.live {
				s.view.Tick(now)
			}
		case sig := <-s.signals:
			if sig == syscall.SIGTERM || sig == syscall.SIGHUP {
				s.stops = max(s.stops, 1) // they don't ask to wait for the step
			}
			if err := s.stop(ctx); err != nil {
				return err
			}
		case keys, ok := <-s.approval.keys():
			s.typed(ctx, keys, ok)
		case <-s.approval.ready():
			s.approval.arm()
		case err := <-s.replies:
			if err != nil {
				s.view.Still()
				return refusal(err)
			}
		}
	}
	return s.finish(ctx)
}

// drain takes all that has come.
func (s *session) drain(ctx context.Context) error {
	for s.done == nil {
		n, ok, err := s.client.Take()
		if err != nil || !ok {
			return err
		}
		if err := s.take(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) take(ctx context.Context, n client.Notification) error {
	switch n.Method {
	case protocol.NotifyEvent:
		var e protocol.EventNotification
		if err := decode(n, &e); err != nil || e.ID != s.info.ID {
			return err
		}
		return s.event(ctx, e)
	case protocol.NotifyDelta:
		var d protocol.DeltaNotification
		if err := decode(n, &d); err != nil || d.ID != s.info.ID {
			return err
		}
		s.view.Delta(d)
	case protocol.NotifyStateChanged:
		var st protocol.StateChangedNotification
		if err := decode(n, &st); err != nil || st.ID != s.info.ID {
			return err
		}
		s.state(ctx, st.Info)
	case protocol.NotifyGap:
		var g protocol.GapNotification
		if err := decode(n, &g); err != nil || g.ID != s.info.ID {
			return err
		}
		return s.fetch(ctx, g.To)
	case protocol.NotifyShowMessage:
		var m protocol.ShowMessageNotification
		if err := decode(n, &m); err != nil {
			return err
		}
		s.view.Notice(m.Message)
	case protocol.NotifyRequestResolved:
		var r protocol.RequestResolvedNotification
		if err := decode(n, &r); err != nil || r.ID != s.info.ID {
			return err
		}
		if s.approval.open(r.RequestID) {
			s.stopAsking()
			fmt.Fprintln(os.Stderr)
			s.view.Notice("Answered elsewhere: " + r.Outcome)
		}
	}
	return nil
}

func decode(n client.Notification, v any) error {
	if err := json.Unmarshal(n.Params, v); err != nil {
		return fmt.Errorf("reading %s: %w", n.Method, err)
	}
	return nil
}

func (s *session) event(ctx context.Context, e protocol.EventNotification) error {
	if e.Seq <= s.seq {
		return nil // fetched already, after a gap
	}
	if e.Seq > s.seq+1 {
		if err := s.fetch(ctx, e.Seq-1); err != nil {
			return err
		}
	}
	s.seq = e.Seq
	s.view.Event(e)
	return s.line("event", e)
}

// fetch asks for events that were not sent.
func (s *session) fetch(ctx context.Context, to int) error {
	return s.client.Events(ctx, s.info.ID, s.seq, to, func(e protocol.SeqEvent) error {
		s.seq = e.Seq
		n := protocol.EventNotification{ID: s.info.ID, Epoch: s.info.Cursor.Epoch, Seq: e.Seq, Event: e.Event, Display: e.Display}
		s.view.Event(n)
		return s.line("event", n)
	})
}

// line prints a line of --json.
func (s *session) line(kind string, v any) error {
	if s.lines == nil {
		return nil
	}
	return s.lines.Encode(map[string]any{"type": kind, kind: v})
}

func (s *session) state(ctx context.Context, info protocol.Info) {
	s.info = info
	s.view.State(info)
	s.warnUnpriced()
	_ = s.line("state", info) // a reader that went away is told of by the result line
	if s.run == "" {
		s.run = info.RunID
	}
	if info.RunID != s.run {
		return
	}
	switch info.Status {
	case protocol.StatusRunning, protocol.StatusPausing:
		if s.approval != nil {
			s.stopAsking()
		}
	case protocol.StatusWaitingForConfirmation, protocol.StatusWaitingForInput:
		s.ask(ctx)
	case protocol.StatusIdle:
		// A run that was only accepted is idle still; one that was rejected is again.
		if info.StopReason != "" {
			s.end(exitInterrupted)
		}
	default:
		s.end(codeOf(info))
	}
}

// warnUnpriced says once that the budget can't hold what a model costs.
func (s *session) warnUnpriced() {
	if s.unpriced || s.info.MaxBudgetPerRun == 0 {
		return
	}
	for _, l := range s.info.LLMs {
		if l.Unpriced {
			s.unpriced = true
			s.notice(fmt.Sprintf("What %s costs is not known, so the budget of %s can't stop it. Set input_cost_per_token and output_cost_per_token.",
				l.Model, visualize.Cost(s.info.MaxBudgetPerRun)))
			return
		}
	}
}

func (s *session) end(code int) { s.done = &code }

// codeOf is the exit code of a terminal state.
func codeOf(info protocol.Info) int {
	switch info.StopReason {
	case protocol.StopFinished:
		return exitFinished
	case protocol.StopStuck:
		return exitStuck
	case protocol.StopMaxIterations, protocol.StopBudget:
		return exitLimit
	case protocol.StopPaused, protocol.StopInterrupted, protocol.StopRejected:
		return exitInterrupted
	case protocol.StopWaitingForConfirmation:
		return exitWaiting
	}
	switch info.Status {
	case protocol.StatusFinished:
		return exitFinished
	case protocol.StatusStuck:
		return exitStuck
	case protocol.StatusPaused:
		return exitInterrupted
	}
	return exitError
}

// stop is Ctrl+C: the first pauses, the second interrupts, the third leaves.
func (s *session) stop(ctx context.Context) error {
	s.view.Still()
	if s.approval != nil {
		waits := "It waits for approval still; nothing was run."
		if s.approval.answers != nil {
			waits = "The question waits still; nothing was answered."
		}
		s.stopAsking()
		fmt.Fprintln(os.Stderr)
		s.view.Notice(waits)
		s.end(exitInterrupted)
		return nil
	}
	s.stops++
	id := s.info.ID
	switch s.stops {
	case 1:
		what := "this step"
		if running := s.view.Running(); running != "" {
			what = strings.TrimSuffix(running, "…")
		}
		s.notice("Pausing after " + what + "… Ctrl+C again stops it now.")
		s.call(func() error { return s.client.Pause(ctx, id) })
	case 2:
		s.ending.During = s.view.Running()
		s.notice("Stopping…")
		s.call(func() error { return s.client.Interrupt(ctx, id) })
	default:
		_ = s.client.Abort() // it had its time
		return exitCode(exitInterrupted)
	}
	return nil
}

// notice tells the user something; with --json on stderr.
func (s *session) notice(text string) {
	if s.look.tty {
		s.view.Notice(text)
		return
	}
	visualize.New(os.Stderr, os.Stderr, lookOf(os.Stderr, s.noColor).options()).Notice(text)
}

func (s *session) call(f func() error) {
	go func() { s.replies <- f() }() // buffered: it never waits for the reader
}

// finish prints the ending.
func (s *session) finish(ctx context.Context) error {
	s.ending.Short = s.short(ctx)
	if s.info.Error != nil && s.info.Error.Classification.Kind == "auth" {
		if p := llm.Provider(s.info.Model, ""); p.KeyVar != "" {
			s.ending.Remedy = "Set " + p.KeyVar
		}
	}
	s.view.End(s.ending)
	r := s.view.Result()
	err := s.line("result", map[string]any{
		"conversationId": s.info.ID, "status": s.info.Status, "stopReason": s.info.StopReason, "exitCode": *s.done,
		"answer": r.Answer, "steps": r.Steps, "seconds": r.Seconds, "cost": r.Usage.Cost, "tokens": r.Usage.Tokens,
		"changes": notNil(r.Changes), "error": s.info.Error,
	})
	if err = errors.Join(err, s.view.Err()); err != nil {
		return &problem{"writing the output: " + err.Error(), "", exitError}
	}
	return exitCode(*s.done)
}

func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
