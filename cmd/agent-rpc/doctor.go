package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/config"
	"github.com/agent-rpc/agent-rpc/internal/visualize"
	"github.com/spf13/cobra"
)

func newDoctor() *cobra.Command {
	var asJSON, offline bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check what a run needs: model, key, server, tools, folders",
		Long: `Check what is configured, what can be reached and what is missing, and say how to
get it. Keys are never printed and never sent. The exit code is 1 when a run
would fail.`,
		Example: `  agent-rpc doctor
  agent-rpc doctor --offline
  agent-rpc doctor --json | jq -r '.checks[] | select(.status != "ok") | .remedy'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := newExamination()
			d.offline = offline
			r := d.examine(cmd.Context())
			var err error
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), r)
			} else {
				err = r.print(cmd.OutOrStdout(), lookOf(os.Stdout, false))
			}
			if err != nil {
				return &problem{"writing the output: " + err.Error(), "", exitError}
			}
			if !r.OK {
				return exitCode(exitError)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&offline, "offline", false, "do not open a connection to the model's server")
	return cmd
}

// Report is what `agent-rpc doctor --json` prints.
type Report struct {
	// OK tells that a run would work as far as can be seen.
	OK      bool    `json:"ok"`
	Version Version `json:"version"`
	Checks  []Check `json:"checks"`
}

// Check is one thing that was looked at.
type Check struct {
	Name string `json:"name"`
	// Status is "ok", "warning" (a run works, but not as well) or "error" (a run
	// would fail).
	Status string `json:"status"`
	// Detail is one line about what was found, Remedy one about what to do.
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
}

const (
	statusOK      = "ok"
	statusWarning = "warning"
	statusError   = "error"
)

func ok(name, detail string) Check { return Check{name, statusOK, detail, ""} }
func warning(name, detail, remedy string) Check {
	return Check{name, statusWarning, detail, remedy}
}
func failure(name, detail, remedy string) Check { return Check{name, statusError, detail, remedy} }

// examination holds what is looked at, so that a test can give it something
// else.
type examination struct {
	config   *config.Config
	lookPath func(string) (string, error)
	server   func(ctx context.Context) Check
	offline  bool
}

func (d *examination) examine(ctx context.Context) Report {
	r := Report{OK: true, Version: versionOf()}
	r.Checks = append(r.Checks, d.settings()...)
	r.Checks = append(r.Checks, d.model(ctx)...)
	r.Checks = append(r.Checks, d.conversations())
	r.Checks = append(r.Checks, d.tools()...)
	r.Checks = append(r.Checks, d.servers()...)
	r.Checks = append(r.Checks, d.server(ctx))
	for i := range r.Checks {
		c := &r.Checks[i]
		c.Detail, c.Remedy = clean(c.Detail), clean(c.Remedy)
		r.OK = r.OK && c.Status != statusError
	}
	return r
}

// print writes the report for people.
func (r *Report) print(w io.Writer, l look) error {
	marks := map[string]string{statusOK: "ok   ", statusWarning: "note ", statusError: "FAIL "}
	if l.tty {
		marks = map[string]string{statusOK: "✓", statusWarning: "!", statusError: "✗"}
	}
	colors := map[string]string{statusOK: "\x1b[32m", statusWarning: "\x1b[33m", statusError: "\x1b[31m"}
	rows := make([][]string, 0, len(r.Checks))
	for _, c := range r.Checks {
		rows = append(rows, []string{c.Name, c.Detail})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "agent-rpc %s, protocol %d, %s %s/%s\n\n", r.Version.Version, r.Version.Protocol, r.Version.Go, r.Version.OS, r.Version.Arch)
	failed := 0
	for i, row := range visualize.Table(rows) {
		c := r.Checks[i]
		mark := marks[c.Status]
		if l.color {
			mark = colors[c.Status] + mark + "\x1b[0m"
		}
		fmt.Fprintf(&b, "%s %s\n", mark, row)
		if c.Remedy != "" {
			fmt.Fprintf(&b, "%s %s\n", strings.Repeat(" ", len([]rune(marks[c.Status]))), c.Remedy)
		}
		if c.Status == statusError {
			failed++
		}
	}
	switch failed {
	case 0:
		b.WriteString("\nReady. Try: agent-rpc run \"Tell me what this project does\"\n")
	case 1:
		b.WriteString("\nA run would fail: one thing is missing. agent-rpc demo works without it.\n")
	default:
		fmt.Fprintf(&b, "\nA run would fail: %d things are missing. Without a model there is agent-rpc demo.\n", failed)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
