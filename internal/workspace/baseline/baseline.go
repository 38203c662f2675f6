// Package baseline knows what the files of a workspace looked like before an
// agent changed them: what changed since, whatever changed it, and how to keep it
// or take it back. It implements [conversation.Changes].
//
// In a git work tree the baseline is HEAD and copies of the few files that differ
// from it; it costs what is dirty, not what is large. Elsewhere it is copies of
// text files, within limits. It only reads the user's git. What somebody else
// changes while no run goes on is theirs: it is never taken back, and where it
// touches the same lines it is a conflict.
//
// It starts no goroutine.
package baseline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

// Files is where files are read and written: workspace.Buffers, so that what the
// user sees in the editor is what counts.
type Files interface {
	Read(path string) ([]byte, error)
	// Unsaved tells whether Read gives other text than the disk.
	Unsaved(path string) bool
	Replace(ctx context.Context, path string, data []byte) error
}

// dirName is the directory in a conversation's own, and manifestName the file in
// it that is no content.
const (
	dirName      = "agent_rpc_changes"
	manifestName = "manifest.json"
)

// Tracker implements [conversation.Changes] for one conversation.
type Tracker struct {
	ws    *workspace.Local
	files Files
	log   *slog.Logger

	blobs   blobs
	touched touched

	mu     sync.Mutex
	loaded bool
	// died tells that the process that began the run in the manifest is gone.
	died   bool
	m      manifest
	saved  []byte // the manifest as it is on disk
	counts map[[2]string]conversation.ChangeCount
}

// touched are the files that tools are about to write. It has a lock of its own: a
// tool does not wait while git looks.
type touched struct {
	mu      sync.Mutex
	running bool
	files   map[string]entry
}

// manifest is what is stored of a baseline; paths are absolute.
type manifest struct {
	Version int `json:"version"`
	// Run is the newest run, and Running tells that it changes files right now:
	// what changes is the agent's.
	Run     string `json:"run,omitempty"`
	Running bool   `json:"running,omitempty"`
	// States and Copies are how the workspace was at the newest Begin. What is in
	// Copies is not looked up in git.
	States []workspace.GitState `json:"states,omitempty"`
	Copies map[string]entry     `json:"copies"`
	// Whole tells that a file outside git that has no copy was not there.
	Whole bool `json:"whole,omitempty"`
	// Touched are files as tools found them, for those that nothing else knows of.
	Touched map[string]entry `json:"touched"`
	// Base is what stands before the newest Begin: the older state of files whose
	// changes were not kept, or the newer one of those that were. Start is the older
	// state where the newest run began before that.
	Base  map[string]entry `json:"base"`
	Start map[string]entry `json:"start"`
	// After is what the agent left of the files that it changed.
	After map[string]entry `json:"after"`
}

func newManifest() manifest {
	return manifest{
		Version: 1, Copies: map[string]entry{}, Touched: map[string]entry{}, Base: map[string]entry{},
		Start: map[string]entry{}, After: map[string]entry{},
	}
}

// entry is a file at one moment.
type entry struct {
	Hash   string      `json:"hash,omitempty"` // of a content that was copied
	Mode   fs.FileMode `json:"mode,omitempty"`
	Absent bool        `json:"absent,omitempty"`
	// Stamp tells another state of a file without reading it.
	Stamp string `json:"stamp,omitempty"`
}

// same tells whether a file is what it was.
func (e entry) same(o entry) bool {
	if e.Absent || o.Absent {
		return e.Absent == o.Absent
	}
	if e.Hash == "" || o.Hash == "" {
		return e.Stamp == o.Stamp
	}
	return e.Hash == o.Hash
}

// New makes the tracker of a conversation; what is stored of it is read when it
// is needed.
func New(ws *workspace.Local, files Files, env conversation.ChangesEnv, log *slog.Logger) *Tracker {
	t := &Tracker{ws: ws, files: files, log: log.With("conversation", env.ConversationID), m: newManifest()}
	if t.counts = map[[2]string]conversation.ChangeCount{}; env.Dir != "" {
		t.blobs.dir = filepath.Join(env.Dir, dirName)
	}
	if env.Mask != nil {
		t.blobs.secret = func(data []byte) bool { text := string(data); return env.Mask(text) != text }
	}
	return t
}

// load reads what is stored.
func (t *Tracker) load() {
	if t.loaded || t.blobs.dir == "" {
		return
	}
	t.loaded = true
	raw, err := os.ReadFile(filepath.Join(t.blobs.dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	m := newManifest()
	if err == nil {
		err = json.Unmarshal(raw, &m)
	}
	if err == nil && m.Version != 1 {
		err = fmt.Errorf("version %d is not known", m.Version)
	}
	if err != nil {
		t.log.Warn("what is stored of the changes can't be read and begins anew", "error", err)
		return
	}
	t.m, t.saved, t.died = m, raw, m.Running
}

// Begin implements [conversation.Changes]. What was changed before and nobody
// kept stays a change, without what the user did to it since.
func (t *Tracker) Begin(ctx context.Context, run string) (conversation.ChangeCount, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.load()
	if err := t.settle(ctx); err != nil {
		return conversation.ChangeCount{}, err
	}
	next := newManifest()
	next.Run, next.Running = run, true
	for path, left := range t.m.After {
		now := t.current(path, left)
		before := t.theirs(t.base(path), left, now)
		if before.same(now) {
			continue
		}
		next.Base[path], next.After[path] = before, now
		if run == t.m.Run {
			if start := t.theirs(t.start(path), left, now); !start.same(now) {
				next.Start[path] = start
			}
		}
	}
	var err error
	if next.States, err = t.ws.GitStates(ctx); err != nil {
		return conversation.ChangeCount{}, err
	}
	if len(next.States) == 0 {
		next.Whole = t.copyAll(ctx, next.Copies)
	}
	b := &budget{files: maxCopies, bytes: maxCopied}
	for _, s := range next.States {
		changed, err := s.Changed(ctx)
		if err != nil {
			return conversation.ChangeCount{}, err
		}
		for _, f := range changed {
			if f.Object != "" || !vendored(s, f.Path) {
				next.Copies[f.Path] = t.copied(f.Path, b)
			}
		}
	}
	for path, now := range next.After {
		if _, ok := next.Copies[path]; !ok {
			next.Copies[path] = now // it is in a commit by now, or ignored
		}
	}
	if err := ctx.Err(); err != nil {
		return conversation.ChangeCount{}, err
	}
	t.m = next
	t.touched.mu.Lock()
	t.touched.running, t.touched.files = true, map[string]entry{}
	t.touched.mu.Unlock()
	return t.count(), t.save()
}

// theirs puts into a state before a change what somebody else did after it, so
// that it is no change of the agent's.
func (t *Tracker) theirs(before, left, now entry) entry {
	if now.same(left) || before.same(now) {
		return before
	}
	b, ok1 := t.text(before)
	l, ok2 := t.text(left)
	n, ok3 := t.text(now)
	if !ok1 || !ok2 || !ok3 || now.Absent {
		return now
	}
	text := folded(b, n, hunksOf(b, l, n))
	if text == "" && before.Absent {
		return before
	}
	return t.textEntry(text, now)
}

// textEntry keeps a text in place of another state of the same file.
func (t *Tracker) textEntry(text string, like entry) entry {
	hash, err := t.blobs.put([]byte(text))
	if err != nil {
		t.log.Warn("a file can't be copied for the list of changes", "error", err)
		return like
	}
	return entry{Hash: hash, Mode: like.Mode}
}

// key is the one name of a file: the workspace may be reached through links.
func (t *Tracker) key(path string) string {
	if rel := filepath.FromSlash(t.ws.Rel(path)); !filepath.IsAbs(rel) {
		return filepath.Join(t.ws.Root(), rel)
	}
	return filepath.Clean(path)
}

// Touch implements [conversation.Changes].
func (t *Tracker) Touch(path string) {
	path = t.key(path)
	t.touched.mu.Lock()
	defer t.touched.mu.Unlock()
	if _, known := t.touched.files[path]; !known && t.touched.running {
		t.touched.files[path] = t.now(path)
	}
}

// Count implements [conversation.Changes].
func (t *Tracker) Count(ctx context.Context) (conversation.ChangeCount, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.catchUp(ctx); err != nil {
		return conversation.ChangeCount{}, err
	}
	return t.count(), t.save()
}

// End implements [conversation.Changes].
func (t *Tracker) End(ctx context.Context) (conversation.ChangeCount, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.load()
	if err := t.settle(ctx); err != nil {
		return conversation.ChangeCount{}, err
	}
	return t.count(), nil
}

// settle ends a run, if one changes files.
func (t *Tracker) settle(ctx context.Context) error {
	if !t.m.Running {
		return nil
	}
	if err := t.look(ctx); err != nil {
		return err
	}
	t.m.Running, t.died = false, false
	t.touched.mu.Lock()
	t.touched.running = false
	t.touched.mu.Unlock()
	return t.save()
}

// catchUp looks what a run has changed by now; one whose process died is ended.
func (t *Tracker) catchUp(ctx context.Context) error {
	t.load()
	switch {
	case t.died:
		return t.settle(ctx)
	case t.m.Running:
		return t.look(ctx)
	}
	return nil
}

// List implements [conversation.Changes].
func (t *Tracker) List(ctx context.Context, run bool) ([]conversation.FileChange, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.catchUp(ctx); err != nil {
		return nil, err
	}
	list := []conversation.FileChange{}
	for _, f := range t.described(run) {
		if f.renamedTo == "" {
			list = append(list, f.FileChange)
		}
	}
	return list, t.save()
}

// Before implements [conversation.Changes].
func (t *Tracker) Before(ctx context.Context, path string) (data []byte, exists bool, err error) {
	path = t.key(path)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.catchUp(ctx); err != nil {
		return nil, false, err
	}
	before := t.base(path)
	if _, changed := t.m.After[path]; !changed {
		if _, err := t.ws.Resolve(path); err != nil {
			return nil, false, err
		}
		before = t.now(path)
	}
	switch {
	case before.Absent:
		return nil, false, nil
	case before.Hash == "":
		return nil, true, conversation.ErrNotCopied
	}
	if data, err = t.blobs.get(before.Hash); errors.Is(err, fs.ErrNotExist) {
		err = conversation.ErrNotCopied
	}
	return data, true, err
}

// Keep implements [conversation.Changes].
func (t *Tracker) Keep(ctx context.Context, path string, hunks []string) (conversation.ChangeCount, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.catchUp(ctx); err != nil {
		return conversation.ChangeCount{}, err
	}
	files, lost, err := t.chosen(path, hunks)
	if err != nil {
		return conversation.ChangeCount{}, err
	}
	if len(lost) > 0 {
		return conversation.ChangeCount{}, &conversation.ValueError{Field: "hunks", Message: lost[0] + " is no change of this file any more; list the changes again"}
	}
	for _, f := range files {
		if t.m.Base[f.Path] = f.left; !f.all(hunks) {
			t.m.Base[f.Path] = t.textEntry(kept(f.texts[0], f.hunks, named(hunks)), f.left)
		}
	}
	return t.count(), t.save()
}

// Undo implements [conversation.Changes].
func (t *Tracker) Undo(ctx context.Context, path string, hunks []string) (conversation.UndoResult, conversation.ChangeCount, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var o conversation.UndoResult
	if err := t.catchUp(ctx); err != nil {
		return o, conversation.ChangeCount{}, err
	}
	files, lost, err := t.chosen(path, hunks)
	if err != nil {
		return o, conversation.ChangeCount{}, err
	}
	for _, id := range lost {
		o.Conflicts = append(o.Conflicts, conversation.Conflict{Path: t.key(path), Hunk: id, Reason: "it is no change of this file any more"})
	}
	for i := range files {
		if err := t.undo(ctx, &files[i], hunks, &o); err != nil {
			o.Conflicts = append(o.Conflicts, conversation.Conflict{Path: files[i].Path, Reason: err.Error()})
		}
	}
	return o, t.count(), t.save()
}

// chosen gives all changed files, or one with the other side of its renaming. Of
// hunks, which are of one file, those that are not there are given in lost.
func (t *Tracker) chosen(path string, hunks []string) (files []file, lost []string, err error) {
	files = t.described(false)
	if path == "" {
		return files, nil, nil
	}
	path = t.key(path)
	files = slices.DeleteFunc(files, func(f file) bool { return f.Path != path && f.OldPath != path && f.renamedTo != path })
	if len(files) == 0 {
		return nil, nil, &conversation.ValueError{Field: "uri", Message: "nothing is changed in " + path}
	}
	for _, id := range hunks {
		if !slices.ContainsFunc(files[0].hunks, func(h hunk) bool { return h.ID == id }) {
			lost = append(lost, id)
		}
	}
	if len(hunks) > 0 && len(lost) == len(hunks) {
		return nil, lost, nil
	}
	return files, lost, nil
}

func all(string) bool { return true }

func named(hunks []string) func(string) bool {
	if len(hunks) == 0 {
		return all
	}
	return func(id string) bool { return slices.Contains(hunks, id) }
}

// errChanged says why a file as a whole is not taken back.
var errChanged = errors.New("it was changed since the agent left it")

func (t *Tracker) undo(ctx context.Context, f *file, hunks []string, o *conversation.UndoResult) error {
	if f.now.same(f.left) && f.all(hunks) {
		if err := t.restore(ctx, f); err != nil {
			return err
		}
		t.left(f, f.before)
		o.Undone = append(o.Undone, conversation.Undone{Path: f.Path})
		return nil
	}
	if f.Binary || f.left.Absent || f.now.Absent {
		return errChanged
	}
	text, undone := reverted(f.texts[0], f.texts[2], f.hunks, named(hunks))
	for _, h := range f.hunks {
		if h.conflict && named(hunks)(h.ID) {
			o.Conflicts = append(o.Conflicts, conversation.Conflict{Path: f.Path, Hunk: h.ID, Reason: "the same lines were changed since the agent left them"})
		}
	}
	if len(undone) == 0 {
		return nil
	}
	if err := t.replace(ctx, f, []byte(text)); err != nil {
		return err
	}
	ids := func(id string) bool {
		return slices.ContainsFunc(undone, func(h conversation.Hunk) bool { return h.ID == id })
	}
	left, _ := reverted(f.texts[0], f.texts[1], hunksOf(f.texts[0], f.texts[1], f.texts[1]), ids)
	if len(undone) == len(f.hunks) {
		undone = nil
		t.left(f, f.before)
	} else {
		t.left(f, t.textEntry(left, f.left))
	}
	o.Undone = append(o.Undone, conversation.Undone{Path: f.Path, Hunks: undone})
	return nil
}

// left notes what is left of the agent's changes of a file after an undo, which is
// no change of the run's.
func (t *Tracker) left(f *file, left entry) {
	if start := t.start(f.Path); !start.same(f.before) {
		t.m.Start[f.Path] = t.theirs(start, f.left, left)
	}
	if t.m.After[f.Path] = left; left.same(f.before) {
		delete(t.m.After, f.Path)
	}
}

// restore makes a file that is as the agent left it what it was.
func (t *Tracker) restore(ctx context.Context, f *file) error {
	switch {
	case f.before.Absent && t.now(f.Path).same(f.now):
		return os.Remove(f.Path)
	case f.before.Absent:
		return errChanged
	case f.before.Hash == "":
		return conversation.ErrNotCopied
	}
	data, err := t.blobs.get(f.before.Hash)
	if errors.Is(err, fs.ErrNotExist) {
		return conversation.ErrNotCopied
	}
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o777); err != nil {
		return err
	}
	if err := t.replace(ctx, f, data); err != nil {
		return err
	}
	if f.now.Absent && f.before.Mode != 0 {
		return os.Chmod(f.Path, f.before.Mode)
	}
	return nil
}

// replace gives a file another content, unless it changed right now.
func (t *Tracker) replace(ctx context.Context, f *file, data []byte) error {
	if !t.current(f.Path, f.now).same(f.now) {
		return errChanged
	}
	return t.files.Replace(ctx, f.Path, data)
}

// base is what a file was before the changes that are not kept.
func (t *Tracker) base(path string) entry {
	if e, ok := t.m.Base[path]; ok {
		return e
	}
	return t.noted(path)
}

// start is what a file was when the newest run began.
func (t *Tracker) start(path string) entry {
	if e, ok := t.m.Start[path]; ok {
		return e
	}
	return t.noted(path)
}

// noted is what a changed file was at the newest Begin.
func (t *Tracker) noted(path string) entry {
	if e, ok := t.m.Copies[path]; ok {
		return e
	}
	if e, ok := t.m.Touched[path]; ok {
		return e
	}
	return entry{Absent: true}
}

// save stores the manifest and forgets the copies that nothing needs.
func (t *Tracker) save() error {
	t.touched.mu.Lock()
	defer t.touched.mu.Unlock() // what a tool copies right now must not be forgotten
	maps.Copy(t.m.Touched, t.touched.files)
	raw, err := json.Marshal(t.m)
	if err != nil || bytes.Equal(raw, t.saved) {
		return err
	}
	used := map[string]bool{manifestName: true}
	for _, m := range []map[string]entry{t.m.Copies, t.m.Touched, t.m.Base, t.m.Start, t.m.After} {
		for e := range maps.Values(m) {
			used[e.Hash] = true
		}
	}
	if t.blobs.dir != "" {
		if err := t.blobs.write(manifestName, raw); err != nil {
			return err
		}
	}
	t.saved = raw
	return t.blobs.keep(used)
}

// text gives a file's text; no file is an empty one.
func (t *Tracker) text(e entry) (string, bool) {
	if e.Absent {
		return "", true
	}
	if e.Hash == "" {
		return "", false
	}
	data, err := t.blobs.get(e.Hash)
	if err != nil || len(data) > maxText || !isText(data) {
		return "", false
	}
	return string(data), true
}
