// Package visualize shows a conversation on a terminal: a fold over what the
// server pushes (conversation/event, delta, stateChanged) into lines of text.
// It is the visualizer of OpenHands' LocalConversation, on the client's side of
// the wire.
//
// It knows no tool: an event's display says what was done, to what and how it
// ended. It does not read keys, decide anything or talk to a server. It starts
// no goroutine; a [View] belongs to one.
package visualize

import (
	"io"
	"path"
	"strings"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// Options say how a [View] prints.
type Options struct {
	// Name stands before what the agent says, for a run among several:
	// name_for_visualization of OpenHands. Empty prints none.
	Name string
	// Width of the terminal in columns; 80 if 0. Plain output does not use it.
	Width int
	// TTY chooses the layout for a terminal, with lines that are rewritten while
	// something runs. Without it output is plain: ASCII, one line per event.
	TTY bool
	// Color uses the 16 ANSI colours, bold and underline; only with TTY.
	Color bool
	// Workspace is the absolute path of the workspace: what lies in it is shown
	// relative to it.
	Workspace string
	// Thinking prints the model's reasoning in full, not only its first line.
	Thinking bool
}

// Header is what stands above a run.
type Header struct {
	// Version of the program.
	Version string
	// Folder is the name of the workspace's folder.
	Folder string
	// Model as configured, with or without its provider.
	Model string
	// Policy is the confirmation policy's JSON.
	Policy []byte
	// ID of the conversation and the shortest form of it that commands take.
	ID, Short string
}

// View prints one conversation. Errors of writing are kept, see [View.Err].
type View struct {
	options Options
	out     *writer
	print   renderer
	live    *live
	fold
}

// renderer is one of the two layouts.
type renderer interface {
	header(h Header)
	demoHeader(version, where string)
	user(text string)
	thought(took time.Duration, text string, whole bool)
	say(name, text string)
	plan(p plan)
	step(s *step)
	rejected(s *step, reason string, asked bool)
	note(text string)
	notice(text string)
	ask(a *asking)
	whole(a *event.Diff, path string)
	end(e *ending)
}

// New makes a view that prints to out. What is rewritten and notices go to
// status, which is the same terminal; it is not used when o.TTY is false.
func New(out, status io.Writer, o Options) *View {
	if o.Width <= 0 {
		o.Width = 80
	}
	o.Color = o.Color && o.TTY
	v := &View{options: o, out: &writer{w: out}}
	if o.TTY {
		v.live = &live{w: &writer{w: status}, width: o.Width, color: o.Color}
		v.print = &rich{paper{out: v.out, live: v.live, width: o.Width, color: o.Color}, ""}
	} else {
		v.print = &plain{out: v.out}
	}
	return v
}

// Err is the first error of writing to out, if there was one.
func (v *View) Err() error { return v.out.err }

// Resize tells that the terminal has another width now.
func (v *View) Resize(width int) {
	if r, ok := v.print.(*rich); ok && width > 0 {
		r.width = width
		v.live.resize(width)
	}
}

// Header prints what stands above a run.
func (v *View) Header(h Header) { v.print.header(h) }

// DemoHeader prints what stands above the demonstration.
func (v *View) DemoHeader(version, where string) { v.print.demoHeader(version, where) }

// Notice prints one line that is no part of the conversation, such as what
// Ctrl+C does now.
func (v *View) Notice(text string) { v.print.notice(text) }

// Tick rewrites the live lines; to be called a few times a second while a run
// goes on. now is the time on the user's clock.
func (v *View) Tick(now time.Time) {
	if v.live == nil {
		return
	}
	lines := v.liveLines(now)
	if len(lines) == 0 {
		v.live.clear()
		return
	}
	v.live.draw(lines)
}

// Still takes the live lines off the screen, until the next [View.Tick].
func (v *View) Still() {
	if v.live != nil {
		v.live.clear()
	}
}

// writer keeps the first error and stays silent after it.
type writer struct {
	w   io.Writer
	err error
}

func (w *writer) print(s string) {
	if w.err == nil {
		_, w.err = io.WriteString(w.w, s)
	}
}

// PolicyName is what people call a confirmation policy: "ask", "ask if risky"
// or "never ask".
func PolicyName(policy []byte) string {
	switch kind, _ := event.KindOf(policy); kind {
	case "AlwaysConfirm":
		return "ask"
	case "ConfirmRisky":
		return "ask if risky"
	case "NeverConfirm", "":
		return "never ask"
	default:
		return kind
	}
}

// modelName is the model without its provider.
func modelName(model string) string { return model[strings.LastIndexByte(model, '/')+1:] }

// relative shows a path below the workspace without the workspace.
func relative(root, p string) string {
	if root == "" {
		return p
	}
	if p == root {
		return base(root) + "/"
	}
	slashed := strings.ReplaceAll(p, `\`, "/")
	if rest, ok := strings.CutPrefix(slashed, strings.TrimSuffix(strings.ReplaceAll(root, `\`, "/"), "/")+"/"); ok && rest != "" {
		return path.Clean(rest)
	}
	return p
}
