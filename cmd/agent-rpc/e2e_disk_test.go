//go:build linux

package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// fills are the ways to fill a disk under a server, and to make room again.
// mount, if there is one, comes before the server.
var fills = map[string]struct {
	mount func(t *testing.T, p *place) error
	set   func(h *host, full bool) error
}{
	// No file of the server may be longer than nothing.
	"a limit of the system": {nil, func(h *host, full bool) error {
		limit := unix.Rlimit{Cur: math.MaxUint64, Max: math.MaxUint64}
		if full {
			limit.Cur = 0
		}
		return unix.Prlimit(h.proc.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil)
	}},
	"a disk of its own": {func(t *testing.T, p *place) error {
		dir := filepath.Join(p.home, ".openhands")
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
			return err
		}
		t.Cleanup(func() {
			if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
		return nil
	}, func(h *host, full bool) error {
		ballast := filepath.Join(h.home, ".openhands", "ballast")
		if !full {
			return os.Remove(ballast)
		}
		f, err := os.Create(ballast)
		if err != nil {
			return err
		}
		for piece := make([]byte, 4096); err == nil; {
			_, err = f.Write(piece)
		}
		if errors.Is(err, unix.ENOSPC) {
			err = nil
		}
		return errors.Join(err, f.Close())
	}},
}

// stopAndGo is a command that says that it runs, and goes on when it may.
const stopAndGo = `echo began >> ran; echo > ${workspace}/began; cat ${workspace}/go; echo went >> ran`

// let lets stopAndGo go on.
func (p *place) let() {
	p.t.Helper()
	f, err := os.OpenFile(filepath.Join(p.folder, "go"), os.O_WRONLY, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	_ = f.Close() // it says no more
}

// TestFullDisk fills the disk while a command runs. What was told is stored, the
// run ends with an error that says what would help, nothing more is accepted, and
// with some room it goes on, in the same process and in the next one.
func TestFullDisk(t *testing.T) {
	for name, fill := range fills {
		for _, kill := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/killed %t", name, kill), func(t *testing.T) {
				p := newPlace(t, `{"when": "^Go on", "then": [{"calls": [{"terminal": {"command": "echo on >> ran"}}]}, "Done."]}
{"calls": [{"terminal": {"command": """`+stopAndGo+`"""}}]}`)
				if fill.mount != nil {
					if err := fill.mount(t, p); errors.Is(err, unix.EPERM) {
						t.Log("only root may mount a disk: the limit has to do")
						return
					} else if err != nil {
						t.Fatal(err)
					}
				}
				began := p.fifo("began")
				mkfifo(t, filepath.Join(p.folder, "go"))
				h := p.start()
				h.initialize("")
				id := h.create("")
				run := h.say(id, "Go")
				ended(t, began(), "the command")
				if err := fill.set(h, true); err != nil {
					t.Fatal(err)
				}
				p.let()
				i := h.settled(run)
				if i.Status != "error" || i.StopReason != "error" || i.Error == nil || i.Error.Code != "PersistenceError" || !strings.Contains(i.Error.Message, "free some disk space") {
					t.Errorf("the run ended as %+v %+v", i, i.Error)
				}
				toldIsStored(t, h.events(id), p.stored(id))
				if err := h.refused(-31011, "conversation/sendMessage", `{"id":%q,"message":"Go on","run":true}`, id); !strings.Contains(err.Message, "free some disk space") {
					t.Errorf("a message: %s", err)
				}
				if err := h.refused(-31011, "conversation/create", "{}"); !strings.Contains(err.Message, "free some disk space") {
					t.Errorf("another conversation: %s", err)
				}
				// What is there can be read.
				h.call(nil, "conversation/events", `{"id":%q}`, id)

				if kill {
					h.kill()
				}
				if err := fill.set(h, false); err != nil && !errors.Is(err, unix.ESRCH) {
					t.Fatal(err)
				}
				if kill {
					h = p.start()
					h.initialize("")
					if i := h.open(id); i.Status != "error" || i.RunID != run {
						t.Errorf("the run is stored as %+v", i)
					}
				}
				if i := h.settled(h.say(id, "Go on")); i.Status != "finished" {
					t.Errorf("the next run ended as %+v %+v", i, i.Error)
				}
				stored := p.stored(id)
				toldIsStored(t, h.events(id), stored)
				answered(t, stored)
				ranOnce(t, p, stored)
				h.shutdown()
				if left, _ := filepath.Glob(filepath.Join(p.conversation(id), ".agent-rpc-*")); len(left) > 0 {
					t.Errorf("half-written files are left: %v", left)
				}
			})
		}
	}
}

// startMeek starts the server without the right of root to write where it is
// forbidden.
func (p *place) startMeek() *host {
	p.t.Helper()
	started := make(chan *host)
	go func() {
		defer close(started)
		// The rights are the thread's; it ends with the goroutine.
		runtime.LockOSThread()
		for _, right := range []uintptr{unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH} {
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, right, 0, 0, 0); err != nil && !errors.Is(err, unix.EPERM) {
				p.t.Error(err)
				return
			}
		}
		started <- p.start()
	}()
	h := <-started
	if h == nil {
		p.t.FailNow()
	}
	return h
}

// forbid makes a folder unwritable; allow takes that back.
func forbid(t *testing.T, dir string) (allow func()) {
	t.Helper()
	set := func(mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
	}
	set(0o500)
	t.Cleanup(func() { set(0o700) })
	return func() { set(0o700) }
}

// TestReadOnlyFolder: where nothing may be written a conversation can be read, and
// whatever would change it is refused with the folder and the remedy.
func TestReadOnlyFolder(t *testing.T) {
	refused := func(t *testing.T, h *host, dir, method, params string, args ...any) {
		t.Helper()
		err := h.refused(-31011, method, params, args...)
		if !strings.Contains(err.Message, dir) || !strings.Contains(err.Message, "make the directory writable") {
			t.Errorf("%s: the error does not name %s and the remedy: %s", method, dir, err)
		}
	}
	t.Run("of all conversations", func(t *testing.T) {
		p, id := finished(t)
		dir := filepath.Dir(p.conversation(id))
		allow := forbid(t, dir)
		h := p.startMeek()
		h.initialize("")
		refused(t, h, dir, "conversation/create", "{}")
		// What is there is not in the way.
		if i := h.settled(h.say(id, "Go on")); i.Status != "finished" {
			t.Errorf("the run ended as %+v", i)
		}
		allow()
		h.create("")
		h.shutdown()
	})
	t.Run("of a conversation", func(t *testing.T) {
		p, id := finished(t)
		before := p.stored(id)
		events := filepath.Join(p.conversation(id), "events")
		allow := [](func()){forbid(t, events), forbid(t, p.conversation(id))}
		h := p.startMeek()
		h.initialize("")
		if i := h.state(id); i.Status != "finished" {
			t.Errorf("its state is %+v", i)
		}
		var opened struct{ To int }
		h.call(&opened, "conversation/open", `{"id":%q,"mode":"read","since":"start"}`, id)
		h.wait("the replay", func() bool { return len(h.came[id]) >= opened.To })
		toldIsStored(t, h.events(id), before)
		if opened.To != len(before) {
			t.Errorf("%d events are shown of %d", opened.To, len(before))
		}
		h.call(nil, "conversation/close", `{"id":%q}`, id)
		refused(t, h, p.conversation(id), "conversation/sendMessage", `{"id":%q,"message":"Go on","run":true}`, id)
		for _, f := range allow {
			f()
		}
		if i := h.settled(h.say(id, "Go on")); i.Status != "finished" {
			t.Errorf("the run ended as %+v", i)
		}
		h.shutdown()
	})
	t.Run("while a command runs", func(t *testing.T) {
		p := newPlace(t, `{"when": "^Go on", "then": ["Done."]} {"calls": [{"terminal": {"command": """`+stopAndGo+`"""}}]}`)
		began := p.fifo("began")
		mkfifo(t, filepath.Join(p.folder, "go"))
		h := p.startMeek()
		h.initialize("")
		id := h.create("")
		run := h.say(id, "Go")
		ended(t, began(), "the command")
		events := filepath.Join(p.conversation(id), "events")
		allow := forbid(t, events)
		p.let()
		i := h.settled(run)
		if i.Status != "error" || i.Error == nil || i.Error.Code != "PersistenceError" || !strings.Contains(i.Error.Message, events) || !strings.Contains(i.Error.Message, "make the directory writable") {
			t.Errorf("the run ended as %+v %+v", i, i.Error)
		}
		toldIsStored(t, h.events(id), p.stored(id))
		allow()
		if i := h.settled(h.say(id, "Go on")); i.Status != "finished" {
			t.Errorf("the next run ended as %+v", i)
		}
		answered(t, p.stored(id))
		ranOnce(t, p, p.stored(id))
		h.shutdown()
	})
}
