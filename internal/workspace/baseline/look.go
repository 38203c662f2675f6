package baseline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"
	"unicode/utf8"

	"github.com/agent-rpc/agent-rpc/internal/workspace"
)

// What is copied at the start of a run, at most. Files beyond are known by size
// and time only: a change of one is told, and can't be taken back.
const (
	maxSize   = 4 << 20 // of one file, in bytes
	maxCopies = 2000
	maxCopied = 32 << 20 // of all, in bytes
	// maxText is the largest file that is shown line by line.
	maxText = 1 << 20
	// maxVisited bounds a walk through a folder that git does not know.
	maxVisited = 20_000
)

// budget is what may still be copied.
type budget struct{ files, bytes int }

func (b *budget) take(size int64) bool {
	if b.files < 1 || size > maxSize || int64(b.bytes) < size {
		return false
	}
	b.files--
	b.bytes -= int(size)
	return true
}

// copied keeps a file as it is, if the budget allows. One that is what it was at
// the last look is not read again.
func (t *Tracker) copied(path string, b *budget) entry {
	info, err := os.Lstat(path)
	if err == nil && !info.IsDir() && (!info.Mode().IsRegular() || !b.take(info.Size())) {
		return stamped(info)
	}
	for _, known := range []map[string]entry{t.m.After, t.m.Copies} {
		if e := known[path]; t.unchanged(path, e) {
			return e
		}
	}
	return t.now(path)
}

// now keeps a file as it is at this moment: as the editor has it, or the disk. A
// directory is no file.
func (t *Tracker) now(path string) entry {
	info, err := os.Lstat(path)
	switch {
	case err == nil && info.IsDir():
		return entry{Absent: true}
	case err == nil && (!info.Mode().IsRegular() || info.Size() > maxSize):
		return stamped(info)
	}
	data, readErr := t.files.Read(path)
	switch {
	case readErr != nil && err != nil:
		return entry{Absent: true}
	case readErr != nil:
		return stamped(info) // nobody may read it
	}
	var e entry
	if err == nil && !t.files.Unsaved(path) {
		e.Mode, e.Stamp = info.Mode().Perm(), settledStamp(info)
	}
	hash, putErr := t.blobs.put(data)
	if putErr != nil {
		t.log.Warn("a file can't be copied for the list of changes", "path", path, "error", putErr)
		if err == nil {
			return stamped(info)
		}
	}
	e.Hash = hash
	return e
}

func stamped(info fs.FileInfo) entry { return entry{Stamp: stampOf(info), Mode: info.Mode().Perm()} }

// unchanged tells without reading that a file is what it was.
func (t *Tracker) unchanged(path string, known entry) bool {
	if known.Stamp == "" || known.Hash == "" {
		return false
	}
	info, err := os.Lstat(path)
	return err == nil && stampOf(info) == known.Stamp && !t.files.Unsaved(path)
}

// settledTime is how old a file must be for its time to tell another state of it:
// the clocks of file systems are coarse.
const settledTime = 50 * time.Millisecond

// settledStamp is the stamp of a file that was copied, "" while it is too young.
func settledStamp(info fs.FileInfo) string {
	if time.Since(info.ModTime()) < settledTime {
		return ""
	}
	return stampOf(info)
}

func stampOf(info fs.FileInfo) string {
	return fmt.Sprintf("%d/%d/%s", info.Size(), info.ModTime().UnixNano(), info.Mode())
}

// look finds what changed since the run began and notes how it is now.
func (t *Tracker) look(ctx context.Context) error {
	t.touched.mu.Lock()
	maps.Copy(t.m.Touched, t.touched.files)
	t.touched.mu.Unlock()
	found := map[string]entry{} // how they were when the run began
	for _, s := range t.m.States {
		if err := t.lookInGit(ctx, s, found); err != nil {
			return err
		}
	}
	if len(t.m.States) == 0 {
		t.walk(ctx, func(path string, _ fs.FileInfo) {
			if _, known := t.m.Copies[path]; !known && t.m.Whole {
				found[path] = t.noted(path)
			}
		})
	}
	for _, m := range []map[string]entry{t.m.Copies, t.m.Touched, t.m.After} {
		for path := range m {
			if _, ok := found[path]; !ok {
				found[path] = t.noted(path)
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	after := map[string]entry{}
	for path, noted := range found {
		now := t.current(path, noted)
		if left, ok := t.m.After[path]; ok && t.unchanged(path, left) {
			now = left
		}
		if _, touched := t.m.Touched[path]; !touched {
			t.m.Copies[path] = noted
		}
		if !now.same(noted) || !now.same(t.base(path)) || !now.same(t.start(path)) {
			after[path] = now
		}
	}
	t.m.After = after
	return nil
}

// current is now for a file of which another state is known; one that was too
// large to copy is not copied later either.
func (t *Tracker) current(path string, known entry) entry {
	if t.unchanged(path, known) {
		return known
	}
	if known.Hash == "" && !known.Absent {
		if info, err := os.Lstat(path); err == nil && !info.IsDir() {
			return stamped(info)
		}
	}
	return t.now(path)
}

// lookInGit adds what git finds changed, with what it was.
func (t *Tracker) lookInGit(ctx context.Context, s workspace.GitState, found map[string]entry) error {
	changed, err := s.Changed(ctx)
	if err != nil {
		return err
	}
	var ask []workspace.GitFile
	for _, f := range changed {
		if e, ok := t.m.Copies[f.Path]; ok {
			found[f.Path] = e
		} else if f.Object != "" {
			ask = append(ask, f)
		} else if !vendored(s, f.Path) {
			found[f.Path] = entry{Absent: true}
		}
	}
	contents, err := s.Contents(ctx, ask)
	if err != nil && ctx.Err() == nil {
		// One of them may be too large; the others are worth having.
		contents = map[string][]byte{}
		for _, f := range ask {
			if one, err := s.Contents(ctx, []workspace.GitFile{f}); err == nil {
				contents[f.Path] = one[f.Path]
			}
		}
	}
	for _, f := range ask {
		data, ok := contents[f.Path]
		if !ok || len(data) > maxSize {
			if found[f.Path], ok = t.m.Touched[f.Path]; !ok {
				found[f.Path] = entry{Stamp: f.Object}
			}
			continue
		}
		var e entry
		if f.Executable {
			e.Mode = 0o755
		}
		if e.Hash, err = t.blobs.put(data); err != nil {
			return err
		}
		found[f.Path] = e
	}
	return ctx.Err()
}

// skipped are folders that hold what programs make: large, and not the user's.
var skipped = map[string]bool{
	".git": true, ".hg": true, ".svn": true, "node_modules": true, ".venv": true, "venv": true, "__pycache__": true,
	"target": true, "dist": true, "build": true, ".cache": true, ".gradle": true, ".next": true, ".tox": true,
}

// walk gives the files of a workspace that git does not know. whole is false
// where it stopped at a limit.
func (t *Tracker) walk(ctx context.Context, each func(path string, info fs.FileInfo)) (whole bool) {
	visited := 0
	whole = true
	err := filepath.WalkDir(t.ws.Root(), func(path string, d fs.DirEntry, err error) error {
		if visited++; visited > maxVisited || ctx.Err() != nil {
			whole = false
			return fs.SkipAll
		}
		switch {
		case err != nil:
			return nil // what can't be read can't be compared
		case d.IsDir() && path != t.ws.Root() && skipped[d.Name()]:
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		if info, err := d.Info(); err == nil {
			each(path, info)
		}
		return nil
	})
	return whole && err == nil
}

// vendored tells whether a file that git does not have lies in a folder that
// holds what package managers put there.
func vendored(s workspace.GitState, path string) bool {
	for dir := filepath.Dir(path); len(dir) > len(s.Dir); dir = filepath.Dir(dir) {
		switch filepath.Base(dir) {
		case "node_modules", ".venv", "venv", "__pycache__":
			return true
		}
	}
	return false
}

// copyAll copies the text files of a workspace that git does not know.
func (t *Tracker) copyAll(ctx context.Context, copies map[string]entry) (whole bool) {
	b := &budget{files: maxCopies, bytes: maxCopied}
	return t.walk(ctx, func(path string, info fs.FileInfo) {
		if looksText(path) {
			copies[path] = t.copied(path, b)
		} else {
			copies[path] = stamped(info)
		}
	})
}

// looksText looks at the beginning of a file.
func looksText(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // opened for reading: nothing to lose
	head := make([]byte, 8000)
	n, err := f.Read(head)
	return (err == nil || errors.Is(err, io.EOF)) && bytes.IndexByte(head[:n], 0) < 0
}

// isText tells whether a content can be shown line by line, and put together
// again of its lines.
func isText(data []byte) bool { return utf8.Valid(data) && bytes.IndexByte(data, 0) < 0 }
