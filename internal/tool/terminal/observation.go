package terminal

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/tool"
)

// maxShown is the most characters of one result that a model reads.
const maxShown = 30_000

// unknownCode is the exit code of a command that still runs, or that is not
// known.
const unknownCode = -1

// Observation is a TerminalObservation of OpenHands.
type Observation struct {
	tool.Result
	Command string `json:"command"`
	// ExitCode is nil when nothing was run, -1 while the command runs.
	ExitCode *int `json:"exit_code,omitempty"`
	// Timeout is never true, as in OpenHands.
	Timeout  bool     `json:"timeout"`
	Metadata Metadata `json:"metadata"`
	// FullOutputSaveDir is where output that was cut is saved whole.
	FullOutputSaveDir string `json:"full_output_save_dir,omitempty"`
}

// Metadata is a CmdOutputMetadata of OpenHands: what the shell's prompt said
// after the command.
type Metadata struct {
	ExitCode          int    `json:"exit_code"`
	PID               int    `json:"pid"`
	Username          string `json:"username,omitempty"`
	Hostname          string `json:"hostname,omitempty"`
	WorkingDir        string `json:"working_dir,omitempty"`
	PyInterpreterPath string `json:"py_interpreter_path,omitempty"`
	// Prefix and Suffix are notes for the model around the output.
	Prefix string `json:"prefix"`
	Suffix string `json:"suffix"`
}

// refusal is the observation of a call that ran nothing.
func refusal(command, why string) Observation {
	return Observation{Result: tool.Failure(why), Command: command, Metadata: noMetadata()}
}

func noMetadata() Metadata { return Metadata{ExitCode: unknownCode, PID: -1} }

// setOutput puts output into o, cut to what a model reads together with the
// notes. dir is the conversation's directory, where the whole is saved if it is
// cut; "" for none.
func (o *Observation) setOutput(output, dir string) {
	output = strings.TrimRight(output, " \t\r\n")
	o.Content = []event.Content{event.Text("")}
	notes := 0
	for _, part := range o.render() {
		notes += utf8.RuneCountInString(part.Text)
	}
	cut := tool.Truncation{Limit: max(maxShown-notes, 1), Prefix: "terminal"}
	if dir != "" && output != "" {
		o.FullOutputSaveDir = filepath.Join(dir, "observations")
		cut.Dir = o.FullOutputSaveDir
	}
	o.Content[0].Text = cut.Apply(output)
}

// render gives the observation as a model reads it.
func (o *Observation) render() []event.Content {
	var b strings.Builder
	b.WriteString(o.Metadata.Prefix)
	b.WriteString(event.TextOf(o.Content))
	b.WriteString(o.Metadata.Suffix)
	if o.Metadata.WorkingDir != "" {
		fmt.Fprintf(&b, "\n[Working directory: %s]", o.Metadata.WorkingDir)
	}
	if o.Metadata.PyInterpreterPath != "" {
		fmt.Fprintf(&b, "\n[Python interpreter: %s]", o.Metadata.PyInterpreterPath)
	}
	if o.Metadata.ExitCode != unknownCode {
		fmt.Fprintf(&b, "\n[Exit code: %d]", o.Metadata.ExitCode)
	}
	// Only an observation that another program stored can be too long here.
	text := tool.Truncation{Limit: maxShown}.Apply(b.String())
	return tool.Result{Content: []event.Content{event.Text(text)}, IsError: o.IsError}.Render()
}

// render is [tool.Tool]'s Render.
func render(observation json.RawMessage) []event.Content {
	o := Observation{Metadata: noMetadata()}
	if err := json.Unmarshal(observation, &o); err != nil {
		return tool.Render(observation)
	}
	return o.render()
}
