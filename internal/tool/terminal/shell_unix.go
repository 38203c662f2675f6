//go:build linux || darwin

package terminal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

const (
	rows    = 200
	columns = 256
	// interruptKey is C-c.
	interruptKey = 0x03
	// writeLimit is how long a program may leave its input unread before a write
	// to it fails.
	writeLimit = 5 * time.Second
	// endGrace is how long processes have to end by themselves, killLimit how long
	// to be gone after they were killed.
	endGrace  = 350 * time.Millisecond
	killLimit = 350 * time.Millisecond
	// shellBusy is how long the shell must have had the terminal to count as busy
	// itself, programSettled how long a program to be itself.
	shellBusy      = 50 * time.Millisecond
	programSettled = 20 * time.Millisecond
	// interruptLimit is how long one interrupt may look for something to signal.
	interruptLimit = 500 * time.Millisecond
)

// shell is one running shell on a terminal of its own. Two goroutines serve it:
// one reads the terminal, one waits for the process.
type shell struct {
	dialect dialect
	screen  *screen
	pid     int
	// drained is closed when nothing more can be read from the terminal.
	drained chan struct{}
	// exited is closed when the process has ended; state is set then.
	exited chan struct{}
	state  *os.ProcessState

	master *os.File
	// modes are the terminal's modes when the shell reads a command.
	modes unix.Termios
	// seq is the number of the last command that was sent.
	seq int

	family *family
	end    sync.Once
}

// launch starts argv in dir on a new terminal.
func launch(argv, environ []string, dir string, d dialect, m marks) (*shell, error) {
	mark := familyVariable + "=" + randomWord()
	master, slave, err := pty.Open()
	if err != nil {
		return nil, fmt.Errorf("opening a terminal: %w", err)
	}
	defer func() { _ = slave.Close() }() // the shell has its own copy
	modes, err := prepare(master, slave)
	if err == nil {
		master, err = pollable(master)
	}
	if err != nil {
		_ = master.Close() // the first error is the one that matters
		return nil, fmt.Errorf("setting up a terminal: %w", err)
	}
	s := &shell{
		dialect: d,
		screen:  newScreen(m),
		drained: make(chan struct{}),
		exited:  make(chan struct{}),
		master:  master,
		modes:   *modes,
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.Dir, cmd.Env = dir, append(slices.Clip(environ), mark)
	cmd.SysProcAttr = attributes()
	started := make(chan error, 1)
	go s.wait(cmd, started)
	if err := <-started; err != nil {
		_ = master.Close() // the first error is the one that matters
		if _, gone := os.Stat(dir); gone != nil {
			err = gone // the system's own error names the shell, not the folder
		}
		return nil, fmt.Errorf("starting the shell: %w", err)
	}
	s.pid = cmd.Process.Pid
	s.family = newFamily(s.pid, mark)
	go s.read()
	return s, nil
}

// prepare sets the size and the modes of a new terminal. It does not echo: what
// is typed is known already, and an echo would have to be taken out of the
// output again. It does not make \r\n of \n, and ^S does not stop it. All else
// is as on any terminal, so that C-c is a signal and programs read whole lines.
func prepare(master, slave *os.File) (*unix.Termios, error) {
	if err := pty.Setsize(master, &pty.Winsize{Rows: rows, Cols: columns}); err != nil {
		return nil, err
	}
	modes, err := unix.IoctlGetTermios(int(slave.Fd()), getTermios)
	if err != nil {
		return nil, err
	}
	modes.Lflag &^= unix.ECHO | unix.ECHOE | unix.ECHOK | unix.ECHONL | unix.ECHOCTL | unix.ECHOKE
	modes.Lflag |= unix.ICANON | unix.ISIG | unix.IEXTEN
	modes.Oflag &^= unix.ONLCR
	modes.Iflag &^= unix.IXON | unix.IXOFF
	modes.Iflag |= unix.ICRNL
	adjust(modes)
	return modes, unix.IoctlSetTermios(int(slave.Fd()), setTermios, modes)
}

// wait starts the shell and waits for its end. Both are on one thread that does
// nothing else: the hang-up at the end of the starting thread (see attributes)
// must not come while this program lives.
func (s *shell) wait(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := withDefaultSignals(cmd.Start)
	started <- err
	if err != nil {
		return
	}
	_ = cmd.Wait() // the state tells how it ended
	s.state = cmd.ProcessState
	close(s.exited)
}

// read brings the terminal's bytes to the screen until no process has it open.
func (s *shell) read() {
	defer close(s.drained)
	buf := make([]byte, 64<<10)
	for {
		n, err := s.master.Read(buf)
		if n > 0 {
			s.screen.feed(buf[:n])
		}
		// Linux says EIO where others say EOF.
		if err != nil {
			return
		}
	}
}

// send runs script as the next command. It does not stop half-way: half a
// command would be taken for another one.
func (s *shell) send(ctx context.Context, script string) error {
	// A program may have left the terminal in modes of its own.
	if err := s.restoreModes(); err != nil {
		return err
	}
	s.seq++
	s.screen.expect(s.seq)
	return s.write(context.WithoutCancel(ctx), s.dialect.line(s.seq, script))
}

func (s *shell) restoreModes() error {
	return s.control(func(fd int) error {
		modes, err := unix.IoctlGetTermios(fd, getTermios)
		if err != nil || *modes == s.modes {
			return err
		}
		return unix.IoctlSetTermios(fd, setTermios, &s.modes)
	})
}

// control calls f with the terminal's descriptor.
func (s *shell) control(f func(fd int) error) error {
	conn, err := s.master.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	if err := conn.Control(func(fd uintptr) { result = f(int(fd)) }); err != nil {
		return err
	}
	return result
}

var errInputFull = errors.New("the program does not read its input")

// write types text. A program that reads nothing makes the terminal full after
// some kilobytes: then it fails.
func (s *shell) write(ctx context.Context, text string) error {
	// macOS has no deadline here; there the goroutine stays until the terminal
	// takes the text or closes.
	_ = s.master.SetWriteDeadline(time.Now().Add(writeLimit))
	done := make(chan error, 1)
	go func() {
		_, err := s.master.WriteString(text)
		done <- err
	}()
	timer := time.NewTimer(writeLimit + time.Second)
	defer timer.Stop()
	select {
	case err := <-done:
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return errInputFull
		}
		return err
	case <-timer.C:
		return errInputFull
	case <-s.exited:
		return nil // whoever waits for the command sees that
	case <-ctx.Done():
		// Nothing more may come when the program has ended.
		if s.master.SetWriteDeadline(time.Now()) == nil {
			<-done //nolint:errcheck // whoever waits for the command sees why
		}
		return nil
	}
}

// foreground gives the process group that has the terminal.
func (s *shell) foreground() (pgid int, err error) {
	err = s.control(func(fd int) error {
		pgid, err = unix.IoctlGetInt(fd, unix.TIOCGPGRP)
		return err
	})
	if err == nil && pgid <= 1 {
		err = errors.New("no process group has the terminal")
	}
	return pgid, err
}

// takesKeys tells whether C-c and its like are signals now, and not input for a
// program that wants every key.
func (s *shell) takesKeys() bool {
	takes := false
	_ = s.control(func(fd int) error { // no terminal, no keys
		modes, err := unix.IoctlGetTermios(fd, getTermios)
		takes = err == nil && modes.Lflag&unix.ISIG != 0 && modes.Cc[unix.VINTR] == interruptKey
		return err
	})
	return takes
}

// interrupt sends the running program a signal, as C-c does, or interrupts the
// shell where that is what is busy. Two moments are bad for that. A shell that
// is about to start a program would go back to its prompt, and the program then
// takes the terminal from it for good. And a program that was just started may
// not be itself yet: it is a copy of the shell, and the signal would be lost. So
// either is left alone until it has had the terminal for a while. Each program
// gets one signal: many take a second C-c as an order not to tidy up.
func (s *shell) interrupt(ctx context.Context, program syscall.Signal) {
	begin := time.Now()
	holder, since := 0, begin
	signalled := 0
	// The system does not tell when the terminal changes hands.
	for !s.screen.hasEnded() && s.alive() {
		pgid, err := s.foreground()
		now := time.Now()
		if err != nil || now.Sub(begin) >= interruptLimit {
			break
		}
		if pgid != holder {
			holder, since = pgid, now
		}
		held := now.Sub(since)
		switch {
		case pgid == s.pid && held >= shellBusy:
			s.interruptShell(ctx)
			return
		case pgid == s.pid:
		case held >= programSettled:
			_ = syscall.Kill(-pgid, program) // it may be gone
			return
		case now.Sub(begin) >= shellBusy && pgid != signalled:
			// One short program follows the other.
			_ = syscall.Kill(-pgid, program) // as above
			signalled = pgid
		}
		time.Sleep(500 * time.Microsecond)
	}
}

// interruptShell interrupts a shell that is busy itself, or has not read yet
// what was sent: C-c takes that back.
func (s *shell) interruptShell(ctx context.Context) {
	s.screen.expectAny()
	if s.takesKeys() && s.write(ctx, string(rune(interruptKey))) == nil {
		return
	}
	_ = syscall.Kill(s.pid, syscall.SIGINT) // it may be gone
}

// alive tells whether the shell still runs.
func (s *shell) alive() bool {
	select {
	case <-s.exited:
		return false
	default:
		return true
	}
}

// exitCode is the code of a shell that has exited; as shells do, 128 and the
// signal's number where a signal ended it.
func (s *shell) exitCode() int {
	if status, ok := s.state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return s.state.ExitCode()
}

// close ends the shell with all that runs in it, and its goroutines. What does
// not end by itself within the grace is killed; what can't be killed is left
// after twice killLimit.
func (s *shell) close(grace time.Duration) {
	s.end.Do(func() {
		s.family.end(grace)
		_ = s.master.Close() // nothing is written any more
		limit := time.NewTimer(killLimit)
		defer limit.Stop()
		for _, done := range []chan struct{}{s.exited, s.drained} {
			select {
			case <-done:
			case <-limit.C:
				return // a process that can't be killed; the system will end it
			}
		}
	})
}
