package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
)

// Conversations hold what people said and what was in their files: private.
const (
	dirMode  = 0o700
	fileMode = 0o600
)

// disk is a conversation's directory.
type disk struct {
	root   string
	events string
	// owner is nil when the store is opened to read.
	owner   *flock.Flock
	stopped atomic.Bool
	// marked is the time that mark gave to events/; zero when it is not known.
	marked time.Time

	pending pending
}

func openDisk(root string, mode Mode) (*disk, error) {
	d := &disk{root: root, events: filepath.Join(root, eventsDir)}
	if mode == ReadOnly {
		if info, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
			return nil, ErrNotFound
		} else if err != nil {
			return nil, err
		}
		return d, nil
	}
	owner, err := takeOwnership(root)
	if err != nil {
		return nil, err
	}
	d.owner = owner
	d.pending.add(filepath.Dir(root))
	if err := d.sweep(); err != nil {
		return nil, errors.Join(err, owner.Unlock())
	}
	return d, nil
}

// sweep removes what a killed process left half-written. Nobody else writes
// these names while we own the directory.
func (d *disk) sweep() error {
	names, err := readNames(d.root)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, tempPrefix) && strings.HasSuffix(name, tempSuffix) {
			if err := os.Remove(filepath.Join(d.root, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return &WriteError{Path: filepath.Join(d.root, name), Err: err}
			}
		}
	}
	return nil
}

// removeEmpty removes a directory that holds no more than what opening makes.
func (d *disk) removeEmpty() {
	names, err := readNames(d.root)
	if err != nil || slices.ContainsFunc(names, func(name string) bool { return name != eventsDir && name != ownerLock }) {
		return
	}
	// Each is only removed where it is empty, and what stays is not listed.
	_ = os.Remove(filepath.Join(d.events, appendLock))
	if os.Remove(d.events) == nil && os.Remove(filepath.Join(d.root, ownerLock)) == nil {
		_ = os.Remove(d.root)
	}
}

func (d *disk) path() string { return d.root }

func (d *disk) exists(name string) bool {
	_, err := os.Stat(filepath.Join(d.root, name))
	return err == nil
}

func (d *disk) eventNames() ([]string, error) {
	names, err := readNames(d.events)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return names, err
}

func (d *disk) readEvent(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(d.events, name))
}

func (d *disk) load(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(d.root, name))
}

func (d *disk) writeEvent(name string, raw []byte) error {
	if err := d.replace(filepath.Join(d.events, name), raw); err != nil {
		return err
	}
	d.mark()
	return nil
}

func (d *disk) save(name string, raw []byte) error {
	return d.replace(filepath.Join(d.root, name), raw)
}

// replace writes beside the place, outside events/ where a reader could take
// the half for the whole, and renames into it.
func (d *disk) replace(path string, raw []byte) error {
	temp := filepath.Join(d.root, tempName())
	err := writeFile(temp, raw)
	if err == nil {
		err = rename(temp, path)
	}
	if err != nil {
		// What can't be removed now goes when the directory is next opened.
		_ = os.Remove(temp)
		return &WriteError{Path: path, Err: cause(err)}
	}
	d.pending.add(path)
	d.pending.add(filepath.Dir(path))
	return nil
}

func writeFile(path string, raw []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	// Some file systems tell of a full disk only here.
	return errors.Join(err, f.Close())
}

func (d *disk) setAside(names []string) error {
	dir := filepath.Join(d.root, orphansDir)
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return &WriteError{Path: dir, Err: cause(err)}
	}
	for _, name := range names {
		if err := rename(filepath.Join(d.events, name), filepath.Join(dir, name)); err != nil {
			return &WriteError{Path: filepath.Join(dir, name), Err: cause(err)}
		}
	}
	d.pending.add(dir)
	d.pending.add(d.root)
	return nil
}

// mark gives events/ a modification time of our own. A file that another
// program creates or renames there sets it to the time of day, which is never
// ours: clocks of file systems tick in steps of up to two seconds, and ours
// lies three seconds back.
func (d *disk) mark() {
	d.marked = time.Time{}
	if d.owner == nil {
		return
	}
	if err := os.Chtimes(d.events, time.Time{}, time.Now().Add(-3*time.Second)); err != nil {
		// Without a mark each append rereads the directory: slower, as safe.
		return
	}
	// The file system rounds.
	if info, err := os.Stat(d.events); err == nil {
		d.marked = info.ModTime()
	}
}

const (
	// appendWait is as long as OpenHands waits.
	appendWait = 30 * time.Second
	// pollFirst and pollMost bound the pauses between two tries for a lock. There
	// is no portable way to wait for one with a limit.
	pollFirst = 100 * time.Microsecond
	pollMost  = 10 * time.Millisecond
)

// lock takes OpenHands' lock of the event log. The file is opened anew each
// time and compared with what is at its path: some versions of the Python
// library that OpenHands locks with remove the file when they unlock it, and a
// lock on the removed one excludes nobody.
func (d *disk) lock() (*guard, error) {
	if d.owner == nil {
		return &guard{changed: true}, nil
	}
	path := filepath.Join(d.events, appendLock)
	deadline := time.Now().Add(appendWait)
	for pause := pollFirst; ; pause = min(2*pause, pollMost) {
		l := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(fileMode))
		ok, err := l.TryLock()
		if err != nil {
			return nil, &WriteError{Path: path, Err: cause(err)}
		}
		if ok && isAt(l, path) {
			info, err := os.Stat(d.events)
			changed := err != nil || d.marked.IsZero() || !info.ModTime().Equal(d.marked)
			return &guard{changed: changed, unlock: l.Unlock}, nil
		}
		if ok {
			_ = l.Unlock()
			continue
		}
		if d.stopped.Load() {
			return nil, ErrClosed
		}
		if time.Now().After(deadline) {
			return nil, &BusyError{Path: path}
		}
		time.Sleep(pause)
	}
}

// isAt tells whether a locked file is the one at path.
func isAt(l *flock.Flock, path string) bool {
	locked, err := l.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(locked, there)
}

func (d *disk) sync() error { return d.pending.flush() }

func (d *disk) stop() { d.stopped.Store(true) }

func (d *disk) close() error {
	if d.owner == nil {
		return nil
	}
	return d.owner.Unlock()
}

// pending is what was written and not flushed.
type pending struct {
	mu    sync.Mutex
	paths map[string]struct{}
}

func (p *pending) add(path string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.paths == nil {
		p.paths = map[string]struct{}{}
	}
	p.paths[path] = struct{}{}
}

// flushers is how many files are flushed at a time: journaling file systems
// gather what comes together into one commit.
const flushers = 8

func (p *pending) flush() error {
	p.mu.Lock()
	paths := p.paths
	p.paths = nil
	p.mu.Unlock()

	queue := make(chan string, len(paths))
	for path := range paths {
		queue <- path
	}
	close(queue)
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		errs []error
	)
	for range min(flushers, len(paths)) {
		wg.Go(func() {
			for path := range queue {
				if err := syncPath(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
					p.add(path)
					mu.Lock()
					errs = append(errs, &WriteError{Path: path, Err: cause(err)})
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if len(errs) > 1 {
		return fmt.Errorf("%w (and %d more)", errs[0], len(errs)-1)
	}
	return errors.Join(errs...)
}

func readNames(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	names, err := f.Readdirnames(-1)
	return names, errors.Join(err, f.Close())
}

// cause takes off the path that a WriteError tells itself.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	var link *os.LinkError
	if errors.As(err, &link) {
		return link.Err
	}
	return err
}

// tempName is one name only: writes come one at a time.
func tempName() string { return tempPrefix + strconv.Itoa(os.Getpid()) + tempSuffix }
