//go:build unix

package store

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The tests below need a second process, which can be killed, which has its own
// locks and its own limits: this test binary again, in one of these roles.
const roleEnv, baseEnv = "STORE_TEST_ROLE", "STORE_TEST_BASE"

var roles = map[string]func(base string) error{
	"append":  roleAppend,
	"hold":    roleHold,
	"foreign": roleForeign,
	"block":   roleBlock,
	"limited": roleLimited,
	"delete":  roleDelete,
}

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		if err := roles[role](os.Getenv(baseEnv)); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", role, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child is a process in a role. It ends when its stdin does.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.Closer
	lines *bufio.Scanner
}

func start(t *testing.T, role, base string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	// The race detector's runtime would make each child wait for a second.
	cmd.Env = append(os.Environ(), roleEnv+"="+role, baseEnv+"="+base, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: cmd, stdin: stdin, lines: bufio.NewScanner(stdout)}
	t.Cleanup(c.kill)
	return c
}

// line waits for the child to say something.
func (c *child) line() string {
	c.t.Helper()
	if !c.lines.Scan() {
		c.t.Fatalf("the child ended: %v", c.lines.Err())
	}
	return c.lines.Text()
}

func (c *child) kill() {
	if c.cmd.ProcessState == nil {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	}
}

// end lets the child finish and checks that it was content.
func (c *child) end() {
	c.t.Helper()
	_ = c.stdin.Close()
	for c.lines.Scan() {
		c.t.Log(c.lines.Text())
	}
	if err := c.cmd.Wait(); err != nil {
		c.t.Errorf("the child: %v", err)
	}
}

// roleAppend appends until it is killed and says the index of each event.
func roleAppend(base string) error {
	s, err := Open(base, convID, ReadWrite)
	if err != nil {
		return err
	}
	for {
		i := s.Len()
		if _, err := s.Append(eventID(i), []byte(body(i))); err != nil {
			return err
		}
		if err := s.SaveState(fmt.Appendf(nil, `{"n":%d}`, i)); err != nil {
			return err
		}
		fmt.Println(i)
	}
}

// TestKill kills a process in the middle of its appends, again and again: the
// lock is free, every file whole, no event lost that was said to be written.
func TestKill(t *testing.T) {
	base := t.TempDir()
	before := 0
	for round := range 8 {
		c := start(t, "append", base)
		last := ""
		for range 20 + 7*round {
			last = c.line()
		}
		c.kill()
		said, err := strconv.Atoi(last)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Open(base, convID, ReadWrite)
		if err != nil {
			t.Fatal(err)
		}
		if s.Len() <= said || s.Len() <= before {
			t.Errorf("%d events, but the child wrote event %d", s.Len(), said)
		}
		before = s.Len()
		wantLog(t, s, s.Len())
		if p := s.Problems(); len(p) > 0 {
			t.Errorf("problems: %v", p)
		}
		if _, err := s.LoadState(); err != nil {
			t.Error(err)
		}
		for _, f := range tree(t, s.Dir()) {
			if strings.HasSuffix(f, tempSuffix) {
				t.Errorf("left behind: %s", f)
			}
		}
		appendN(t, s, 1)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// roleHold holds the conversation until its stdin ends.
func roleHold(base string) error {
	s, err := Open(base, convID, ReadWrite)
	if err != nil {
		return err
	}
	if _, err := s.Append(eventID(0), []byte(body(0))); err != nil {
		return err
	}
	fmt.Println("held")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return s.Close()
}

func TestHeldByAnotherProcess(t *testing.T) {
	base := t.TempDir()
	c := start(t, "hold", base)
	c.line()
	var locked *LockedError
	if _, err := Open(base, convID, ReadWrite); !errors.As(err, &locked) || locked.PID != c.cmd.Process.Pid {
		t.Errorf("Open: %v", err)
	}
	locked = nil
	if err := Delete(base, convID); !errors.As(err, &locked) || locked.PID != c.cmd.Process.Pid {
		t.Errorf("Delete: %v", err)
	}
	if h, err := Owner(base, convID); err != nil || h == nil || h.PID != c.cmd.Process.Pid {
		t.Errorf("Owner: %v, %v", h, err)
	}
	r, err := Open(base, convID, ReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	wantLog(t, r, 1)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	c.kill()
	if h, err := Owner(base, convID); err != nil || h != nil {
		t.Errorf("Owner after the kill: %v, %v", h, err)
	}
	if err := Delete(base, convID); err != nil {
		t.Errorf("Delete after the kill: %v", err)
	}
	wantTree(t, base)
}

const foreignEvents = 120

// roleForeign appends as OpenHands' Python SDK does: it locks .eventlog.lock
// with flock, counts the files, and writes in place. Every other time it
// removes the lock file, as some versions of the Python library do.
func roleForeign(base string) error {
	dir, err := Path(base, convID)
	if err != nil {
		return err
	}
	events := filepath.Join(dir, "events")
	lockPath := filepath.Join(events, ".eventlog.lock")
	for i := range foreignEvents {
		f, err := lockForeign(lockPath)
		if err != nil {
			return err
		}
		names, err := readNames(events)
		if err != nil {
			return err
		}
		n := len(newIndex(names).events)
		raw := fmt.Sprintf(`{"foreign":%d,"index":%d}`, i, n)
		name := filepath.Join(events, fmt.Sprintf("event-%05d-f0f0f0f0-%04d.json", n, i))
		out, err := os.Create(name)
		if err != nil {
			return err
		}
		// In two pieces, so that a reader without the lock would see a half.
		for _, part := range []string{raw[:5], raw[5:]} {
			if _, err := out.WriteString(part); err != nil {
				return err
			}
		}
		if err := out.Close(); err != nil {
			return err
		}
		if i%2 == 1 {
			if err := os.Remove(lockPath); err != nil {
				return err
			}
		}
		if err := f.Close(); err != nil {
			return err
		}
		fmt.Println(n)
	}
	return nil
}

func lockForeign(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
		if err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
			return nil, err
		}
		var st syscall.Stat_t
		if err := syscall.Fstat(int(f.Fd()), &st); err != nil {
			return nil, err
		}
		if st.Nlink > 0 {
			return f, nil
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
}

// TestTwoWriters lets a Python-like program and us append at the same time.
func TestTwoWriters(t *testing.T) {
	base := t.TempDir()
	s := mustOpen(t, base)
	c := start(t, "foreign", base)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.end()
	}()
	written, known := map[string]int{}, 0
	running := true
	for i := 0; running || i < foreignEvents; i++ {
		id := fmt.Sprintf("00000000-%08d", i)
		for {
			n, err := s.Append(id, fmt.Appendf(nil, `{"ours":%d}`, i))
			var changed *ChangedError
			if errors.As(err, &changed) {
				if changed.From != known || changed.Len <= known {
					t.Fatalf("we knew %d events: %v", known, err)
				}
				for _, err := range s.Range(changed.From, changed.Len) {
					if err != nil {
						t.Fatal(err)
					}
				}
				known = changed.Len
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if n != known {
				t.Fatalf("event written at %d, we knew %d", n, known)
			}
			known++
			written[id] = n
			break
		}
		select {
		case <-ended:
			running = false
		default:
		}
	}
	if _, err := s.Refresh(); err != nil {
		t.Fatal(err)
	}
	if s.Len() != len(written)+foreignEvents || len(s.Problems()) > 0 {
		t.Errorf("%d events of ours and %d foreign ones gave %d; problems %v", len(written), foreignEvents, s.Len(), s.Problems())
	}
	for id, n := range written {
		if i, ok := s.Index(id); !ok || i != n {
			t.Errorf("event %s was written at %d and is at %d, %v", id, n, i, ok)
		}
	}
	for _, err := range s.Range(0, s.Len()) {
		if err != nil {
			t.Error(err)
		}
	}
}

// roleBlock holds the lock of the event log until its stdin ends and writes an
// event before it lets go.
func roleBlock(base string) error {
	dir, err := Path(base, convID)
	if err != nil {
		return err
	}
	f, err := lockForeign(filepath.Join(dir, "events", ".eventlog.lock"))
	if err != nil {
		return err
	}
	fmt.Println("blocked")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	name := filepath.Join(dir, "events", eventName(0, eventID(0)))
	return errors.Join(os.WriteFile(name, []byte(body(0)), 0o600), f.Close())
}

func TestAppendWaits(t *testing.T) {
	base := t.TempDir()
	s := mustOpen(t, base)
	c := start(t, "block", base)
	c.line()
	appended := make(chan error)
	go func() {
		_, err := s.Append(eventID(0), []byte(body(0)))
		appended <- err
	}()
	// Reading does not wait with it.
	if s.Len() != 0 {
		t.Errorf("Len is %d", s.Len())
	}
	c.end()
	// An append that did not wait would have come first.
	var changed *ChangedError
	if err := <-appended; !errors.As(err, &changed) || changed.Len != 1 {
		t.Errorf("Append: %v", err)
	}
	appendN(t, s, 1)
	wantLog(t, s, 2)
}

func TestCloseEndsAWait(t *testing.T) {
	base := t.TempDir()
	s := mustOpen(t, base)
	c := start(t, "block", base)
	c.line()
	appended := make(chan error)
	go func() {
		_, err := s.Append(eventID(0), []byte(body(0)))
		appended <- err
	}()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-appended; !errors.Is(err, ErrClosed) {
		t.Errorf("Append: %v", err)
	}
	c.end()
}

// roleLimited may write no file beyond 600 bytes, so that writes fail half-way
// as on a full disk.
func roleLimited(base string) error {
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 600, Max: 600}); err != nil {
		return err
	}
	s, err := Open(base, convID, ReadWrite)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	if _, err := s.Append(eventID(0), []byte(body(0))); err != nil {
		return err
	}
	if err := s.SaveState([]byte(`{"old":1}`)); err != nil {
		return err
	}
	big := []byte(`"` + strings.Repeat("x", 10_000) + `"`)
	var write *WriteError
	if _, err := s.Append(eventID(1), big); !errors.As(err, &write) || !strings.Contains(write.Error(), "disk space") {
		return fmt.Errorf("appending too much gave: %w", err)
	}
	if err := s.SaveState(big); !errors.As(err, &write) {
		return fmt.Errorf("saving too much gave: %w", err)
	}
	// A small one still goes, at the same index.
	if n, err := s.Append(eventID(1), []byte(body(1))); err != nil || n != 1 {
		return fmt.Errorf("then event %d: %w", n, err)
	}
	return nil
}

func TestFullDisk(t *testing.T) {
	base := t.TempDir()
	start(t, "limited", base).end()
	s := mustOpen(t, base)
	wantLog(t, s, 2)
	if raw, err := s.LoadState(); err != nil || string(raw) != `{"old":1}` {
		t.Errorf("state %s, %v", raw, err)
	}
	wantTree(t, s.Dir(), "agent-rpc.lock", "base_state.json",
		"events/.eventlog.lock", "events/"+eventName(0, eventID(0)), "events/"+eventName(1, eventID(1)))
}

// roleDelete deletes the conversation over and over.
func roleDelete(base string) error {
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	fmt.Println("deleting")
	for {
		select {
		case <-ended:
			return nil
		default:
		}
		var locked *LockedError
		if err := Delete(base, convID); err != nil && !errors.As(err, &locked) {
			return err
		}
	}
}

// TestDeletedUnderneath opens while another process deletes: who gets the lock
// has that of a directory which is there, and keeps it.
func TestDeletedUnderneath(t *testing.T) {
	base := t.TempDir()
	c := start(t, "delete", base)
	c.line()
	opened := 0
	for deadline := time.Now().Add(20 * time.Second); opened < 100; {
		s, err := Open(base, convID, ReadWrite)
		var locked *LockedError
		if errors.As(err, &locked) && time.Now().Before(deadline) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		opened++
		if n := s.Len(); n != 0 && n != 2 {
			t.Errorf("opened half a conversation: %d events", n)
		}
		appendN(t, s, 2-s.Len())
		wantLog(t, s, 2)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	c.end()
}
