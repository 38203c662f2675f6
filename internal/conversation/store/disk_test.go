package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofrs/flock"
)

func TestLayout(t *testing.T) {
	base := t.TempDir()
	s := mustOpen(t, base)
	dir := filepath.Join(base, "6f1c2a349b774f0e8a510c4d5e6f7a8b")
	if s.Dir() != dir {
		t.Errorf("Dir is %s, want %s", s.Dir(), dir)
	}
	appendN(t, s, 2)
	if err := s.SaveState([]byte(`{"s":1}`)); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveSidecar([]byte(`{"x":1}`)); err != nil {
		t.Fatal(err)
	}
	wantTree(t, dir,
		"agent-rpc.lock", "agent_rpc.json", "base_state.json",
		"events/.eventlog.lock",
		"events/event-00000-"+eventID(0)+".json", "events/event-00001-"+eventID(1)+".json")
	if raw := readFile(t, filepath.Join(dir, "events", "event-00001-"+eventID(1)+".json")); raw != body(1) {
		t.Errorf("the file holds %s", raw)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	again := mustOpen(t, base)
	wantLog(t, again, 2)
	if !again.Existed() {
		t.Error("Existed is false after a reopen")
	}
	if raw, err := again.LoadState(); err != nil || string(raw) != `{"s":1}` {
		t.Errorf("state %s, %v", raw, err)
	}
}

func TestReadOnly(t *testing.T) {
	base := t.TempDir()
	if _, err := Open(base, convID, ReadOnly); !errors.Is(err, ErrNotFound) {
		t.Errorf("Open of what is not there: %v", err)
	}
	wantTree(t, base)

	w := mustOpen(t, base)
	if _, err := Open(base, convID, ReadOnly); !errors.Is(err, ErrNotFound) {
		t.Errorf("Open of what was never begun: %v", err)
	}
	appendN(t, w, 2)
	r, err := Open(base, convID, ReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	appendN(t, w, 1)
	wantLog(t, r, 2)
	if from, err := r.Refresh(); err != nil || from != 2 {
		t.Errorf("Refresh: %d, %v", from, err)
	}
	wantLog(t, r, 3)
	if _, err := r.Append(eventID(3), []byte("{}")); !errors.Is(err, ErrReadOnly) {
		t.Errorf("Append: %v", err)
	}
	if err := r.SaveState([]byte("{}")); !errors.Is(err, ErrReadOnly) {
		t.Errorf("SaveState: %v", err)
	}
	if err := errors.Join(r.Sync(), r.Close(), r.Close()); err != nil {
		t.Error(err)
	}
	// The reader's end is not the writer's.
	if h, err := Owner(base, convID); err != nil || h == nil {
		t.Errorf("Owner: %v, %v", h, err)
	}
	wantLog(t, w, 3)
}

// TestStrangeFiles opens directories as OpenHands, a sync tool or a power
// failure may leave them.
func TestStrangeFiles(t *testing.T) {
	const a, b, c = "aaaaaaaa", "bbbbbbbb", "cccccccc"
	for _, tc := range []struct {
		name     string
		files    []string
		ids      []string
		problems []string
	}{
		{name: "in order", files: []string{"event-00000-" + a, "event-00001-" + b}, ids: []string{a, b}},
		{name: "not from zero", files: []string{"event-00001-" + a}, problems: []string{"event-00001-" + a + ".json: behind a gap: there is no event 0; ignored"}},
		{
			name: "gap", files: []string{"event-00000-" + a, "event-00002-" + b, "event-00003-" + c}, ids: []string{a},
			problems: []string{
				"event-00002-" + b + ".json: behind a gap: there is no event 1; ignored",
				"event-00003-" + c + ".json: behind a gap: there is no event 1; ignored",
			},
		},
		{
			name: "far behind", files: []string{"event-00000-" + a, "event-987654321-" + b}, ids: []string{a},
			problems: []string{"event-987654321-" + b + ".json: behind a gap: there is no event 1; ignored"},
		},
		{
			name: "same id", files: []string{"event-00000-" + a, "event-00001-" + b, "event-00002-" + a}, ids: []string{a, b, a},
			problems: []string{"event-00002-" + a + ".json: has the id of event 0; the id means the first"},
		},
		{
			name: "same index", files: []string{"event-00000-" + b, "event-00000-" + a}, ids: []string{a},
			problems: []string{"event-00000-" + b + ".json: a second event with the index of event-00000-" + a + ".json; ignored"},
		},
		{name: "wide index", files: []string{"event-0000000-" + a, "event-000001-" + b}, ids: []string{a, b}},
		{
			name:  "other names",
			files: []string{"event-00000-" + a, "event-0001-" + b, "event-00001-xyz", "event-00001-abc", "note", "event-99999999999999999999-" + c},
			ids:   []string{a},
			problems: []string{
				"event-00001-abc.json: not the name of an event; ignored",
				"event-00001-xyz.json: not the name of an event; ignored",
				"event-0001-" + b + ".json: not the name of an event; ignored",
				"event-99999999999999999999-" + c + ".json: not the name of an event; ignored",
				"note.json: not the name of an event; ignored",
			},
		},
		{name: "hidden names", files: []string{".DS_Store", "event-00000-" + a}, ids: []string{a}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			base := t.TempDir()
			events := makeEvents(t, base)
			for _, f := range tc.files {
				writeTest(t, filepath.Join(events, f+".json"), "{}")
			}
			s := mustOpen(t, base)
			var ids, problems []string
			for i := range s.Len() {
				ids = append(ids, s.ID(i))
			}
			for _, p := range s.Problems() {
				problems = append(problems, p.String())
			}
			if !slices.Equal(ids, tc.ids) {
				t.Errorf("ids %q, want %q", ids, tc.ids)
			}
			if !slices.Equal(problems, tc.problems) {
				t.Errorf("problems %q\nwant %q", problems, tc.problems)
			}
			if i, ok := s.Index(a); slices.Contains(tc.ids, a) && (!ok || i != slices.Index(tc.ids, a)) {
				t.Errorf("id %s found at %d, %v", a, i, ok)
			}
			for i := range s.Len() {
				if _, err := s.Read(i); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestProblemsAreBounded(t *testing.T) {
	var names []string
	for i := range 5000 {
		names = append(names, "event-0000x-"+eventID(i))
	}
	if n := len(newIndex(names).problems); n != maxProblems {
		t.Errorf("%d problems, want %d", n, maxProblems)
	}
}

// TestGapIsFilled appends at a gap: what was behind it must not come back as
// events after ours, and must not be lost.
func TestGapIsFilled(t *testing.T) {
	base := t.TempDir()
	events := makeEvents(t, base)
	writeTest(t, filepath.Join(events, "event-00000-"+eventID(0)+".json"), body(0))
	writeTest(t, filepath.Join(events, "event-00002-bbbbbbbb.json"), `"two"`)
	writeTest(t, filepath.Join(events, "event-00003-cccccccc.json"), `"three"`)
	s := mustOpen(t, base)
	appendN(t, s, 3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantLog(t, mustOpen(t, base), 4)
	if got := readFile(t, filepath.Join(s.Dir(), "events.orphaned", "event-00002-bbbbbbbb.json")); got != `"two"` {
		t.Errorf("the orphan holds %s", got)
	}
	if got := readFile(t, filepath.Join(s.Dir(), "events.orphaned", "event-00003-cccccccc.json")); got != `"three"` {
		t.Errorf("the orphan holds %s", got)
	}
}

func TestDamagedEvents(t *testing.T) {
	base := t.TempDir()
	s := mustOpen(t, base)
	appendN(t, s, 7)
	name := func(i int) string { return filepath.Join(s.Dir(), "events", eventName(i, eventID(i))) }
	writeTest(t, name(1), "")
	writeTest(t, name(2), body(2)[:20])
	writeTest(t, name(3), body(3)+body(3))
	writeTest(t, name(4), "\x00\x00\x00\x00")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = mustOpen(t, base)
	if err := os.Remove(name(5)); err != nil {
		t.Fatal(err)
	}
	i := 0
	for raw, err := range s.Range(0, 7) {
		_, readErr := s.Read(i)
		if i == 0 || i == 6 {
			if err != nil || readErr != nil || string(raw) != body(i) {
				t.Errorf("event %d: %s, %v, %v", i, raw, err, readErr)
			}
		} else {
			for _, err := range []error{err, readErr} {
				var corrupt *CorruptError
				if !errors.As(err, &corrupt) || corrupt.Path != name(i) {
					t.Errorf("event %d: %v", i, err)
				}
			}
		}
		i++
	}
	if i != 7 {
		t.Errorf("Range gave %d events", i)
	}

	writeTest(t, filepath.Join(s.Dir(), "base_state.json"), `{"id":`)
	var corrupt *CorruptError
	if _, err := s.LoadState(); !errors.As(err, &corrupt) {
		t.Errorf("LoadState: %v", err)
	}
}

func TestTempFilesAreSwept(t *testing.T) {
	base := t.TempDir()
	s := mustOpen(t, base)
	appendN(t, s, 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	writeTest(t, filepath.Join(s.Dir(), ".agent-rpc-4711.tmp"), `{"ha`)
	writeTest(t, filepath.Join(s.Dir(), "observations.txt"), "not ours")
	mustOpen(t, base)
	wantTree(t, s.Dir(), "agent-rpc.lock", "events/.eventlog.lock", "events/"+eventName(0, eventID(0)), "observations.txt")
}

// TestFailedWrites puts something in the way of each write; nothing may change.
func TestFailedWrites(t *testing.T) {
	base := t.TempDir()
	s := mustOpen(t, base)
	appendN(t, s, 1)
	if err := s.SaveState([]byte(`{"old":1}`)); err != nil {
		t.Fatal(err)
	}
	// A directory in the place of the temporary file: nothing can be written.
	temp := filepath.Join(s.Dir(), tempName())
	if err := os.MkdirAll(filepath.Join(temp, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	before := tree(t, filepath.Join(s.Dir(), "events"))
	var write *WriteError
	if _, err := s.Append(eventID(1), []byte(body(1))); !errors.As(err, &write) || write.Remedy() == "" {
		t.Errorf("Append: %v", err)
	}
	if err := s.SaveState([]byte(`{"new":1}`)); !errors.As(err, &write) {
		t.Errorf("SaveState: %v", err)
	}
	if after := tree(t, filepath.Join(s.Dir(), "events")); !slices.Equal(before, after) {
		t.Errorf("events/ was %q, is %q", before, after)
	}
	wantLog(t, s, 1)
	if raw, _ := s.LoadState(); string(raw) != `{"old":1}` {
		t.Errorf("state is %s", raw)
	}
	if err := os.RemoveAll(temp); err != nil {
		t.Fatal(err)
	}

	// A directory in the place of the event: the rename fails.
	blocked := filepath.Join(s.Dir(), "events", eventName(1, eventID(1)), "x")
	if err := os.MkdirAll(blocked, 0o700); err != nil {
		t.Fatal(err)
	}
	s.index.events = s.index.events[:1]
	s.dir.mark()
	if _, err := s.Append(eventID(1), []byte(body(1))); !errors.As(err, &write) {
		t.Errorf("Append: %v", err)
	}
	if _, err := os.Stat(filepath.Join(s.Dir(), tempName())); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a temporary file is left: %v", err)
	}
	if err := os.RemoveAll(filepath.Dir(blocked)); err != nil {
		t.Fatal(err)
	}
	appendN(t, s, 2)
	wantLog(t, s, 3)

	// The directory is gone altogether.
	if err := os.RemoveAll(s.Dir()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(eventID(3), []byte(body(3))); !errors.As(err, &write) || !strings.Contains(err.Error(), "removed") {
		t.Errorf("Append: %v", err)
	}
}

func TestOpenWhereNothingCanBeMade(t *testing.T) {
	base := filepath.Join(t.TempDir(), "file")
	writeTest(t, base, "in the way")
	var write *WriteError
	if _, err := Open(base, convID, ReadWrite); !errors.As(err, &write) {
		t.Errorf("Open: %v", err)
	}
}

// TestForeignAppend writes as the Python SDK does, between our appends.
func TestForeignAppend(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	appendN(t, s, 2)
	foreign := func(i int) {
		writeTest(t, filepath.Join(s.Dir(), "events", eventName(i, eventID(i))), body(i))
	}
	foreign(2)
	foreign(3)
	var changed *ChangedError
	if _, err := s.Append(eventID(9), []byte(body(9))); !errors.As(err, &changed) || changed.From != 2 || changed.Len != 4 {
		t.Fatalf("Append: %v", err)
	}
	wantLog(t, s, 4)
	appendN(t, s, 1)
	wantLog(t, s, 5)

	foreign(5)
	if from, err := s.Refresh(); err != nil || from != 5 {
		t.Errorf("Refresh: %d, %v", from, err)
	}
	appendN(t, s, 1)
	wantLog(t, s, 7)

	// A log that lost its end or had an event replaced is told too.
	if err := os.Remove(filepath.Join(s.Dir(), "events", eventName(6, eventID(6)))); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(eventID(6), []byte(body(6))); !errors.As(err, &changed) || changed.From != 6 || changed.Len != 6 {
		t.Errorf("Append: %v", err)
	}
	appendN(t, s, 1)
	wantLog(t, s, 7)

	// A change that is none for the log, such as a lock file, is no error.
	writeTest(t, filepath.Join(s.Dir(), "events", ".other.lock"), "")
	appendN(t, s, 1)
	wantLog(t, s, 8)
}

// TestAppendLooksOnce counts directory reads: an append without foreign writers
// must not read the directory.
func TestAppendLooksOnce(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	counter := &countingDir{directory: s.dir}
	s.dir = counter
	appendN(t, s, 50)
	if counter.reads != 0 {
		t.Errorf("50 appends read the directory %d times", counter.reads)
	}
	writeTest(t, filepath.Join(s.Dir(), "events", ".touched"), "")
	appendN(t, s, 50)
	if counter.reads != 1 {
		t.Errorf("after one foreign change the directory was read %d times", counter.reads)
	}
}

type countingDir struct {
	directory
	reads int
}

func (d *countingDir) eventNames() ([]string, error) {
	d.reads++
	return d.directory.eventNames()
}

func TestSync(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	d := s.dir.(*disk)
	appendN(t, s, 20)
	if err := s.SaveState([]byte("{}")); err != nil {
		t.Fatal(err)
	}
	// 20 events, the state, events/, the directory and its parent.
	if n := len(d.pending.paths); n != 24 {
		t.Errorf("%d paths wait to be flushed, want 24", n)
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	if n := len(d.pending.paths); n != 0 {
		t.Errorf("%d paths wait after Sync", n)
	}
	appendN(t, s, 1)
	if err := os.Remove(filepath.Join(s.Dir(), "events", eventName(20, eventID(20)))); err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(); err != nil {
		t.Errorf("Sync of a file that is gone: %v", err)
	}
}

func TestLocked(t *testing.T) {
	base := t.TempDir()
	if h, err := Owner(base, convID); h != nil || err != nil {
		t.Errorf("Owner of nothing: %v, %v", h, err)
	}
	s := mustOpen(t, base)
	var locked *LockedError
	if _, err := Open(base, strings.ReplaceAll(convID, "-", ""), ReadWrite); !errors.As(err, &locked) || locked.PID != os.Getpid() || locked.Host == "" {
		t.Errorf("second Open: %v", err)
	}
	if h, err := Owner(base, convID); err != nil || h == nil || h.PID != os.Getpid() {
		t.Errorf("Owner: %v, %v", h, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if h, err := Owner(base, convID); h != nil || err != nil {
		t.Errorf("Owner after Close: %v, %v", h, err)
	}
	mustOpen(t, base)
}

// TestLookingNeverLocksOut opens and closes while others keep asking for the
// owner.
func TestLookingNeverLocksOut(t *testing.T) {
	base := t.TempDir()
	done := make(chan struct{})
	ended := make(chan error)
	for range 3 {
		go func() {
			var errs error
			for {
				select {
				case <-done:
					ended <- errs
					return
				default:
				}
				if _, err := Owner(base, convID); err != nil {
					errs = err
				}
			}
		}()
	}
	for range 200 {
		s, err := Open(base, convID, ReadWrite)
		if err != nil {
			t.Error(err)
			break
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	close(done)
	for range 3 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// TestBusy has somebody hold the lock of the event log for ever. The clock is
// not the real one.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, t.TempDir())
		l := flock.New(filepath.Join(s.Dir(), "events", ".eventlog.lock"))
		if ok, err := l.TryLock(); !ok || err != nil {
			t.Fatal(ok, err)
		}
		began := time.Now()
		var busy *BusyError
		if _, err := s.Append(eventID(0), []byte("{}")); !errors.As(err, &busy) {
			t.Errorf("Append: %v", err)
		}
		if waited := time.Since(began); waited < 30*time.Second || waited > 31*time.Second {
			t.Errorf("waited %v", waited)
		}
		if err := l.Unlock(); err != nil {
			t.Fatal(err)
		}
		appendN(t, s, 1)
	})
}

func TestListAndDelete(t *testing.T) {
	base := filepath.Join(t.TempDir(), "conversations")
	if list, err := List(base); list != nil || err != nil {
		t.Errorf("List of nothing: %v, %v", list, err)
	}
	if err := Delete(base, convID); err != nil {
		t.Errorf("Delete of nothing: %v", err)
	}
	ids := []string{"00000000-0000-4000-8000-000000000001", convID, "ffffffff-ffff-4fff-8fff-ffffffffffff"}
	for _, id := range ids {
		s, err := Open(base, id, ReadWrite)
		if err != nil {
			t.Fatal(err)
		}
		if id == convID {
			// Lost its state.
			appendN(t, s, 1)
		} else if err := s.SaveState([]byte("{}")); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	never, err := Open(base, "11111111-1111-4111-8111-111111111111", ReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	if err := never.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", "notes", ".deleted-old", ids[0]} {
		if err := os.MkdirAll(filepath.Join(base, name, "events"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	list, err := List(base)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		got = append(got, e.ID)
		if dir, _ := Path(base, e.ID); dir != e.Dir || time.Since(e.Updated()) > time.Minute {
			t.Errorf("entry %+v", e)
		}
	}
	if !slices.Equal(got, ids) {
		t.Errorf("List gave %q, want %q", got, ids)
	}

	for range 2 {
		if err := Delete(base, ids[2]); err != nil {
			t.Error(err)
		}
	}
	// One that this process itself has open may go.
	own := mustOpen(t, base)
	if err := Delete(base, convID); err != nil {
		t.Error(err)
	}
	if err := own.Close(); err != nil {
		t.Error(err)
	}
	wantTree(t, base, "00000000000040008000000000000001/agent-rpc.lock", "00000000000040008000000000000001/base_state.json",
		"00000000000040008000000000000001/events/.eventlog.lock",
		"11111111111141118111111111111111/agent-rpc.lock", "11111111111141118111111111111111/events/.eventlog.lock")
	var bad *IDError
	for _, id := range []string{"", "..", "../x", convID + "/..", strings.Repeat("z", 32)} {
		if err := Delete(base, id); !errors.As(err, &bad) {
			t.Errorf("Delete(%q): %v", id, err)
		}
	}
}

func makeEvents(t testing.TB, base string) string {
	t.Helper()
	dir, err := Path(base, convID)
	if err != nil {
		t.Fatal(err)
	}
	events := filepath.Join(dir, "events")
	if err := os.MkdirAll(events, 0o700); err != nil {
		t.Fatal(err)
	}
	return events
}

func writeTest(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// tree lists the files below dir with slashes.
func tree(t testing.TB, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		files = append(files, filepath.ToSlash(rel))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func wantTree(t testing.TB, dir string, want ...string) {
	t.Helper()
	if got := tree(t, dir); !slices.Equal(got, want) {
		t.Errorf("files %q\nwant %q", got, want)
	}
}

func TestExists(t *testing.T) {
	base := t.TempDir()
	const id = "0f8fad5b-d9cb-469f-a165-70867728950e"
	if Exists(base, id) || Exists(filepath.Join(base, "none"), id) || Exists(base, "../x") || Exists("", id) {
		t.Error("what is not there exists")
	}
	s, err := Open(base, id, ReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	if Exists(base, id) {
		t.Error("a directory without a state is a conversation")
	}
	if err := s.SaveState([]byte("{}")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if !Exists(base, id) || !Exists(base, strings.ReplaceAll(id, "-", "")) {
		t.Error("a stored conversation does not exist")
	}
}
