package rpc

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/rpc/transcript"
)

// follower watches one conversation for an editor that knows plain LSP: it keeps
// the transcript, tells how runs end, and knows which step edited which file. It
// is a [conversation.Observer] and never waits.
type follower struct {
	plain        *plain
	conversation *conversation.Conversation
	file         *transcript.File

	mu         sync.Mutex
	epoch, seq int // the newest event that was taken
	steps      int
	response   string               // the model's answer of the newest step
	stepOf     map[string]int       // action id → step
	edits      map[string][]edit    // by real path, oldest first
	commands   []command            // that succeeded, oldest first
	asked      map[string]time.Time // when it came up, by request
	title      string
	err        *conversation.RunError
	// shows tells that the answer is to be shown when the run is over, unless the
	// user has typed since: typed is how often they had.
	shows bool
	typed int64
}

// edit is one step that edited a file; its texts are read again when asked for.
type edit struct {
	seq  int
	made step
}

// command is one step that ran a command.
type command struct{ made step }

// step is what a hover says of a step.
type step struct {
	number int
	title  string
	at     time.Time
}

// reset forgets everything; all events will come again.
func (f *follower) reset(epoch int) {
	f.epoch, f.seq, f.steps, f.response = epoch, 0, 0, ""
	f.stepOf, f.edits, f.commands, f.title = map[string]int{}, map[string][]edit{}, nil, ""
	f.file.Reset()
}

// Event implements [conversation.Observer].
func (f *follower) Event(epoch int, r conversation.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if epoch != f.epoch {
		f.reset(epoch)
	}
	if r.Seq != f.seq+1 {
		return // of a branch that is read again, see State
	}
	f.seq = r.Seq
	f.take(r)
	f.file.Event(protocol.EventNotification{
		ID: f.conversation.ID(), Epoch: epoch, Seq: r.Seq, Event: r.JSON, Display: r.Display, Replay: r.Replay,
	})
}

func (f *follower) take(r conversation.Record) {
	switch e := r.Event.(type) {
	case *event.Message:
		if e.Source == event.SourceAgent {
			f.count(e.LLMResponseID, e.ID)
		} else if f.title == "" && e.Source == event.SourceUser {
			f.title = short(firstLine(e.LLMMessage.Text()), 60)
		}
	case *event.Action:
		f.count(e.LLMResponseID, e.ID)
		f.stepOf[e.ID] = f.steps
	case *event.Observation:
		d := r.Display
		if d == nil || d.Status != event.StatusCompleted {
			return
		}
		made := step{f.stepOf[e.ActionID], d.Title, e.Time()}
		switch {
		case d.Diff != nil:
			key := realPath(d.Diff.Path)
			f.edits[key] = append(f.edits[key], edit{r.Seq, made})
		case d.Kind == event.DisplayExecute:
			f.commands = append(f.commands, command{made})
		}
	}
}

// count counts steps: the actions of one answer of the model are one.
func (f *follower) count(response, id string) {
	if response == "" {
		response = id
	}
	if response != f.response {
		f.response = response
		f.steps++
	}
}

// State implements [conversation.Observer].
func (f *follower) State(info conversation.Info, ended bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if info.Cursor.Epoch != f.epoch {
		f.reset(info.Cursor.Epoch)
		_ = f.conversation.Replay(f, conversation.Since{Start: true}, func(conversation.Opened) {}) // closed: it is over
	}
	if info.Title != "" {
		f.title = info.Title
	}
	f.err = info.Error
	f.file.State(toInfo(info), ended)
}

// Waiting implements [conversation.Observer].
func (f *follower) Waiting(p conversation.Pending) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.asked[p.RequestID]; !known {
		f.asked[p.RequestID] = time.Now()
	}
}

// Delta, Started and Resolved implement [conversation.Observer]; the subscription
// tells of them.
func (f *follower) Delta(conversation.Delta)         {}
func (f *follower) Started(string)                   {}
func (f *follower) Resolved(conversation.Resolution) {}

// Ended implements [conversation.Observer].
func (f *follower) Ended(o conversation.Outcome) {
	if o.Status == conversation.WaitingForConfirmation {
		return
	}
	f.mu.Lock()
	text, level := f.outcome(o), messageInfo
	if o.StopReason != conversation.StopFinished {
		level = messageWarning
	}
	if o.StopReason == conversation.StopError {
		level = messageError
	}
	show := f.shows && o.StopReason == conversation.StopFinished && f.typed == f.plain.typed.Load()
	f.shows = false
	f.mu.Unlock()
	f.plain.server.tell(level, text)
	if show {
		go f.plain.show(f, false)
	}
}

// outcome says in a line how a run ended.
func (f *follower) outcome(o conversation.Outcome) string {
	switch o.StopReason {
	case conversation.StopFinished:
		answer := f.file.Result().Answer
		line := plainText(firstLine(answer))
		if line == "" {
			return "Agent is done."
		}
		if line != strings.TrimSpace(answer) || utf8.RuneCountInString(line) > maxMessage {
			return "Agent: " + short(line, maxMessage) + " (" + commandOpen + " shows it all)"
		}
		return "Agent: " + line
	case conversation.StopPaused:
		return "Agent paused; " + commandSend + " goes on."
	case conversation.StopInterrupted:
		return "Agent stopped."
	case conversation.StopRejected:
		return "Rejected; the agent has stopped. " + commandSend + " tells it what to do instead."
	case conversation.StopMaxIterations:
		return "Agent stopped at the limit of steps; " + commandSend + " goes on."
	case conversation.StopBudget:
		return "Agent stopped: the conversation has cost what it may (max_budget_per_run)."
	case conversation.StopStuck:
		return "Agent stopped: it repeats itself. " + commandSend + " tells it what to try."
	}
	if f.err != nil {
		return "Agent failed: " + short(firstLine(f.err.Message), 2*maxMessage)
	}
	return "Agent stopped: " + string(o.StopReason)
}

// maxMessage is how many characters of an answer fit into a status line.
const maxMessage = 120

// name is what the conversation is called: its title, or how it began.
func (f *follower) name() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.title == "" {
		return f.conversation.ID()[:8]
	}
	return f.title
}

// editsOf gives the edits of a file.
func (f *follower) editsOf(path string) []edit {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.edits[realPath(path)])
}

// commandsRun gives the commands that succeeded.
func (f *follower) commandsRun() []command {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.commands)
}

// showWhenDone has the answer of the run shown.
func (f *follower) showWhenDone() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shows, f.typed = true, f.plain.typed.Load()
}

// realPath follows links where it can.
func realPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return filepath.Clean(path)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(line)
}

// short cuts a text to n characters.
func short(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return strings.TrimSpace(string([]rune(text)[:n-1])) + "…"
}

// plainText takes the marks of Markdown off a line for a status line.
func plainText(line string) string {
	line = strings.TrimLeft(line, "# ")
	return strings.NewReplacer("**", "", "`", "").Replace(line)
}

// tildePath shortens a path in the user's home.
func tildePath(path string) string {
	home, err := os.UserHomeDir()
	if err != nil || home == "" {
		return path
	}
	if rel, err := filepath.Rel(home, path); err == nil && filepath.IsLocal(rel) {
		return fmt.Sprintf("~%c%s", filepath.Separator, rel)
	}
	return path
}
