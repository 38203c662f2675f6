package conversation

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// Changes knows what a conversation's runs changed in the workspace and nobody
// kept, whatever made the change. Package baseline implements it; cmd plugs it in.
// Its methods may be called from several goroutines; those with a context may take
// as long as git does.
type Changes interface {
	// Begin notes how the workspace is. From then on until End what changes is the
	// run's. One that goes on after an End has the same id.
	Begin(ctx context.Context, runID string) (ChangeCount, error)
	// Touch notes how a file is before a tool writes it.
	Touch(path string)
	// Count looks at what changed so far.
	Count(ctx context.Context) (ChangeCount, error)
	// End looks once more: what changes from then on is somebody else's.
	End(ctx context.Context) (ChangeCount, error)
	// List gives the changed files, sorted by path; with run only what changed
	// since the newest run began.
	List(ctx context.Context, run bool) ([]FileChange, error)
	// Before gives what a file held before its changes; exists is false if there was
	// none. Its error is [ErrNotCopied] where that is not known.
	Before(ctx context.Context, path string) (data []byte, exists bool, err error)
	// Keep takes changes for good: of one file, or of all where path is ""; of its
	// hunks only those that are named, if any are.
	Keep(ctx context.Context, path string, hunks []string) (ChangeCount, error)
	// Undo takes changes back, chosen as for Keep. What somebody else changed since
	// is never overwritten: it is a conflict.
	Undo(ctx context.Context, path string, hunks []string) (UndoResult, ChangeCount, error)
}

// NewChanges makes the [Changes] of a conversation. It must be quick, start
// nothing and read nothing.
type NewChanges func(env ChangesEnv) (Changes, error)

// ChangesEnv is what a conversation gives its [Changes].
type ChangesEnv struct {
	ConversationID string
	// Workspace is the absolute path of the workspace's root.
	Workspace string
	// Dir is the conversation's directory; "" when it is kept in memory.
	Dir string
	// Mask hides the values of secrets: what it changes is not to be stored.
	Mask func(text string) string
}

// ErrNotCopied says that nobody has what a file held.
var ErrNotCopied = errors.New("what the file held before is not known: it was too large, one of too many, or held a secret, which is not stored")

// ChangeStatus is what became of a file.
type ChangeStatus string

// The statuses of files.
const (
	FileAdded    ChangeStatus = "added"
	FileModified ChangeStatus = "modified"
	FileDeleted  ChangeStatus = "deleted"
	FileRenamed  ChangeStatus = "renamed"
)

// FileChange is one file that is not what it was.
type FileChange struct {
	// Path is absolute, and so is OldPath, which only a renamed file has.
	Path    string
	OldPath string
	Status  ChangeStatus
	// Additions and Deletions count lines.
	Additions int
	Deletions int
	// Binary tells that the file has no hunks: it is no text, or too large.
	Binary bool
	Hunks  []Hunk
}

// Hunk is one change of a text: the lines from OldStart on (counted from 1) are
// replaced. Where one side has no lines its start is the line before.
type Hunk struct {
	// ID is made of what the hunk changes, so that it stays while other hunks come
	// and go.
	ID       string
	OldStart int
	OldLines int
	// NewStart and NewLines are where the hunk is in the file as it is now.
	NewStart int
	NewLines int
	// Text is the lines that go, each after "-", and those that come, after "+".
	Text string
}

// ChangeCount counts what changed and nobody kept.
type ChangeCount struct {
	Files     int `json:"files"`
	Additions int `json:"additions"`
	Deletions int `json:"deletions"`
}

// UndoResult tells what became of an undo.
type UndoResult struct {
	Undone    []Undone
	Conflicts []Conflict
}

// Undone is a file that is what it was again, or with Hunks one of which these
// were taken back.
type Undone struct {
	Path  string
	Hunks []Hunk
}

// Conflict is what was not taken back, and why: one hunk, or the whole file where
// Hunk is "".
type Conflict struct {
	Path   string
	Hunk   string
	Reason string
}

// tracking is how far the look at the workspace is. It belongs to the
// conversation's goroutine. The looks come one after the other; a failure of one
// is logged and fails nothing.
type tracking struct {
	changes Changes // nil where nobody looks
	// last is closed when the newest look is done, ready when the newest Begin is.
	last, ready chan struct{}
	// stop ends the tracking of what goes on; nil while nothing does.
	stop func()
	// count is what the newest look found, if it counted.
	count atomic.Pointer[ChangeCount]
	// counting tells that a Count goes on or was made right now, again that there
	// is more to count.
	counting, again bool
}

func (c *Conversation) makeChanges(e env) (err error) {
	if e.newChanges != nil {
		c.track.changes, err = e.newChanges(ChangesEnv{ConversationID: c.id, Workspace: c.workspace, Dir: c.store.Dir(), Mask: c.secrets.Mask})
	}
	return err
}

// touchFile is the agent's Touch.
func (c *Conversation) touchFile(path string) {
	if c.track.changes != nil {
		_ = c.guard("the look at a file", func() { c.track.changes.Touch(path) }) // logged
	}
}

// countEvery is how often a run's changes are counted at most: git looks at the
// whole work tree for it.
const countEvery = 500 * time.Millisecond

// looker looks something up, and may give a new count.
type looker = func(context.Context) (*ChangeCount, error)

func counting(f func(context.Context) (ChangeCount, error)) looker {
	return func(ctx context.Context) (*ChangeCount, error) {
		n, err := f(ctx)
		return &n, err
	}
}

// look has something looked up behind the looks before it, in a goroutine of its
// own, and hands the outcome to then: in the conversation's goroutine, or with
// [ErrClosed] where that has ended.
func (c *Conversation) look(ctx context.Context, do looker, then func(error)) {
	before, done := c.track.last, make(chan struct{})
	c.track.last = done
	go func() {
		defer close(done)
		if before != nil {
			<-before
		}
		var n *ChangeCount
		var err error
		if broken := c.guard("the list of changes", func() { n, err = do(ctx) }); broken != nil {
			err = broken
		}
		if err == nil && n != nil {
			c.track.count.Store(n)
		}
		told := c.post(func(context.Context) {
			if c.closing {
				err = ErrClosed
			} else if err == nil && n != nil {
				c.counted(*n)
			}
			then(err)
		})
		if told != nil {
			then(told)
		}
	}()
}

// counted takes a new count.
func (c *Conversation) counted(n ChangeCount) {
	if c.side.Changes != n {
		c.side.Changes = n
		c.touch()
	}
}

// logLook is for looks that nobody waits for.
func (c *Conversation) logLook(what string) func(error) {
	return func(err error) {
		if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, ErrClosed) {
			c.log.Warn(what, "conversation", c.id, "error", err)
		}
	}
}

// beginChanges notes how the workspace is, unless it is noted already, while the
// model thinks; the tools wait for it.
func (c *Conversation) beginChanges(ctx context.Context) {
	t := &c.track
	if t.changes == nil || t.stop != nil || c.run == nil {
		return
	}
	runID := c.run.id
	t.stop = func() {
		t.stop, t.again = nil, false
		c.look(ctx, counting(t.changes.End), c.logLook("looking at what a run changed"))
	}
	ready := make(chan struct{})
	t.ready = ready
	c.look(ctx, counting(func(ctx context.Context) (ChangeCount, error) {
		defer close(ready)
		return t.changes.Begin(ctx, runID)
	}), c.logLook("noting how the workspace is before a run"))
}

// endChanges ends the tracking: the run ended, or waits.
func (c *Conversation) endChanges() {
	if stop := c.track.stop; stop != nil {
		stop()
	}
}

// awaitChanges takes what the looks that go on find, before the conversation
// closes.
func (c *Conversation) awaitChanges(ctx context.Context) {
	if c.track.last == nil {
		return
	}
	select {
	case <-c.track.last:
	case <-ctx.Done():
	}
	if n := c.track.count.Load(); n != nil {
		c.counted(*n)
	}
}

// countChanges counts what tools may have changed, beside the run and not more
// often than [countEvery].
func (c *Conversation) countChanges(ctx context.Context) {
	t := &c.track
	switch {
	case t.stop == nil:
		return
	case t.counting:
		t.again = true
		return
	}
	t.counting = true
	told := c.logLook("counting what a run changed")
	c.look(ctx, counting(t.changes.Count), func(err error) {
		told(err)
		time.AfterFunc(countEvery, func() {
			_ = c.post(func(ctx context.Context) { // closed: nobody is left to be told
				t.counting = false
				if t.again {
					t.again = false
					c.countChanges(ctx)
				}
			})
		})
	})
}

// finish ends a run whose agent is done, when it is known what its tools changed:
// the terminal state tells it.
func (c *Conversation) finish(ctx context.Context) {
	if c.track.stop == nil || !c.run.acted {
		c.end(Finished, StopFinished)
		return
	}
	c.endChanges()
	seen := c.track.last
	c.setStatus(Running) // it is not over yet
	c.begin(ctx, func(ctx context.Context, _ *phase) func(context.Context) {
		select {
		case <-seen:
		case <-ctx.Done():
		}
		return func(ctx context.Context) {
			if c.run.interrupting {
				c.interrupted()
				return
			}
			c.run.acted = false
			c.setStatus(Finished)
			c.advance(ctx)
		}
	})
}

// Changes lists what the agent changed. Since says since when: with a seq that
// the newest run holds, or without one and with run, since that run began; else
// since changes were kept last.
func (c *Conversation) Changes(since ChangesSince, reply func([]FileChange, error)) error {
	var list []FileChange
	return c.askChanges(func(err error) { reply(list, err) }, func() (looker, error) {
		run := since.Run
		if since.Seq != nil {
			if *since.Seq < 0 || *since.Seq > c.history.len() {
				return nil, &ValueError{"since", fmt.Sprintf("there is no seq %d; the newest is %d", *since.Seq, c.history.len())}
			}
			run = *since.Seq >= c.side.RunFrom && c.side.RunID != ""
		}
		return func(ctx context.Context) (*ChangeCount, error) {
			all, err := c.track.changes.List(ctx, false)
			if err != nil {
				return nil, err
			}
			count := sum(all)
			if list = all; run {
				list, err = c.track.changes.List(ctx, true)
			}
			for i := range list {
				for j := range list[i].Hunks {
					h := &list[i].Hunks[j]
					h.Text = c.secrets.Mask(h.Text)
				}
			}
			return &count, err
		}, nil
	})
}

// ChangesSince says since when changes are listed.
type ChangesSince struct {
	Run bool
	Seq *int
}

func sum(list []FileChange) ChangeCount {
	n := ChangeCount{Files: len(list)}
	for _, f := range list {
		n.Additions += f.Additions
		n.Deletions += f.Deletions
	}
	return n
}

// Baseline gives what a file held before its changes, with secrets masked where
// it is text; exists is false if there was none.
func (c *Conversation) Baseline(path string, reply func(data []byte, exists bool, err error)) error {
	var data []byte
	var exists bool
	return c.askChanges(func(err error) { reply(data, exists, err) }, func() (looker, error) {
		return func(ctx context.Context) (_ *ChangeCount, err error) {
			data, exists, err = c.track.changes.Before(ctx, path)
			if text := string(data); err == nil && c.secrets.Mask(text) != text {
				data = []byte(c.secrets.Mask(text))
			}
			return nil, err
		}, nil
	})
}

// KeepChanges takes changes for good: all, those of the file at path, or of
// those the hunks that are named.
func (c *Conversation) KeepChanges(path string, hunks []string, reply func(error)) error {
	return c.askChanges(reply, func() (looker, error) {
		return counting(func(ctx context.Context) (ChangeCount, error) { return c.track.changes.Keep(ctx, path, hunks) }), nil
	})
}

// UndoChanges takes changes back, chosen as for KeepChanges. The model is told
// before it is asked the next time.
func (c *Conversation) UndoChanges(path string, hunks []string, reply func(UndoResult, error)) error {
	var result UndoResult
	return c.askChanges(func(err error) {
		if err == nil {
			c.noteUndone(result.Undone)
		}
		reply(result, err)
	}, func() (looker, error) {
		return counting(func(ctx context.Context) (n ChangeCount, err error) {
			result, n, err = c.track.changes.Undo(ctx, path, hunks)
			return n, err
		}), nil
	})
}

// askChanges is a verb about changes: prepare runs in the conversation's
// goroutine and gives what is to be looked up.
func (c *Conversation) askChanges(reply func(error), prepare func() (looker, error)) error {
	return c.request(reply, func(ctx context.Context) {
		if c.track.changes == nil {
			reply(&StateError{Status: c.status, Message: "changes are not looked after here"})
			return
		}
		do, err := prepare()
		if err != nil {
			reply(err)
			return
		}
		c.look(ctx, do, func(err error) {
			if err == nil {
				_ = c.secure() // logged
			}
			reply(err)
		})
	})
}

// undone is what the model has to be told before it is asked again.
type undone struct {
	// ID will be that of the event, so that it is told once.
	ID    string   `json:"id"`
	Lines []string `json:"lines"`
}

// maxUndone bounds what the model is shown of the hunks of one file, in bytes.
const maxUndone = 2000

// noteUndone notes for the model what was taken back.
func (c *Conversation) noteUndone(files []Undone) {
	for _, f := range files {
		path := f.Path
		if rel, err := filepath.Rel(c.workspace, path); err == nil && filepath.IsLocal(rel) {
			path = filepath.ToSlash(rel)
		}
		line := path + ": all of it"
		if len(f.Hunks) > 0 {
			var b strings.Builder
			for _, h := range f.Hunks {
				fmt.Fprintf(&b, "\n@@ -%d,%d @@\n%s", h.OldStart, h.OldLines, h.Text)
			}
			text := strings.TrimSuffix(b.String(), "\n")
			if len(text) > maxUndone {
				text = strings.ToValidUTF8(text[:maxUndone], "") + "\n[cut]"
			}
			line = path + ", these parts:" + text
		}
		line = c.secrets.Mask(line)
		if c.side.Undone == nil {
			c.side.Undone = &undone{ID: uuid.NewString()}
		}
		if !slices.Contains(c.side.Undone.Lines, line) {
			c.side.Undone.Lines = append(c.side.Undone.Lines, line)
		}
		c.touch()
	}
	_ = c.secure() // logged
}

// tellUndone tells the model what was taken back since it was asked last.
func (c *Conversation) tellUndone() error {
	u := c.side.Undone
	if u == nil {
		return nil
	}
	e := nudge("The user took back changes that you made to files:\n\n- " + strings.Join(u.Lines, "\n- ") +
		"\n\nThe files are without them now. Read a file again before you edit it, and don't make these changes again unless the user asks for it.")
	e.Meta = event.Meta{ID: u.ID, Source: event.SourceEnvironment}
	if err := c.appendAll(e); err != nil {
		return err
	}
	c.side.Undone = nil
	c.touch()
	return nil
}
