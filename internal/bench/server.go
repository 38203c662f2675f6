package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// world is what the servers of one measurement share: a home, a folder to work
// in and a script.
type world struct {
	program, dir, folder, script string
	servers                      []*server
}

func newWorld(program, base string) (*world, error) {
	dir, err := os.MkdirTemp(base, "world-")
	if err != nil {
		return nil, err
	}
	w := &world{program: program, dir: dir, folder: filepath.Join(dir, "project"), script: filepath.Join(dir, "model.script")}
	return w, errors.Join(os.Mkdir(w.folder, 0o755), w.play(`"Hello."`))
}

// play sets the script of the servers that start from now on.
func (w *world) play(script string) error { return os.WriteFile(w.script, []byte(script), 0o644) }

// close ends the servers that are still there.
func (w *world) close() {
	for _, s := range w.servers {
		_ = s.in.Close()             // it may be closed
		_ = s.proc.Process.Kill()    // it may be gone
		_, _ = s.proc.Process.Wait() // nobody asks how it ended
	}
}

// message is a message of the server. The body is valid until the next one is
// read.
type message struct {
	body []byte
	at   time.Time
}

func (m message) has(text string) bool { return bytes.Contains(m.body, []byte(text)) }

// server is one process of the program. Messages are read when they are asked
// for; the pipe holds back the others, as an editor that is busy would.
type server struct {
	proc *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	body []byte
	id   int
}

// start starts a server and shakes hands; the time is from the start of the
// process to the answer.
func (w *world) start(options string) (*server, time.Duration, error) {
	s := &server{proc: exec.Command(w.program)}
	s.proc.Dir, s.proc.Stderr = w.folder, os.Stderr
	s.proc.Env = []string{"HOME=" + w.dir, "PATH=" + os.Getenv("PATH"), "LLM_MODEL=scripted/" + w.script}
	var err error
	if s.in, err = s.proc.StdinPipe(); err != nil {
		return nil, 0, err
	}
	out, err := s.proc.StdoutPipe()
	if err != nil {
		return nil, 0, err
	}
	s.out = bufio.NewReaderSize(out, 256<<10)
	hello := fmt.Sprintf(`{"processId":%d,"rootUri":null,"capabilities":{},"workspaceFolders":[{"uri":%q,"name":"project"}],
		"initializationOptions":{"agentRpc":{"versions":[1]%s}}}`, os.Getpid(), uri(w.folder), options)
	begin := time.Now()
	if err := s.proc.Start(); err != nil {
		return nil, 0, err
	}
	w.servers = append(w.servers, s)
	if err := s.call(nil, "initialize", hello); err != nil {
		return nil, 0, err
	}
	took := time.Since(begin)
	return s, took, s.send(`{"jsonrpc":"2.0","method":"initialized","params":{}}`)
}

func uri(path string) string {
	path = filepath.ToSlash(path)
	if runtime.GOOS == "windows" {
		path = "/" + path
	}
	return "file://" + path
}

func (s *server) send(body string) error {
	_, err := io.WriteString(s.in, "Content-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+body)
	return err
}

// request sends a request; the result is how its reply begins.
func (s *server) request(method, params string) (reply string, err error) {
	s.id++
	err = s.send(`{"jsonrpc":"2.0","id":` + strconv.Itoa(s.id) + `,"method":"` + method + `","params":` + params + `}`)
	return `{"jsonrpc":"2.0","id":` + strconv.Itoa(s.id) + `,`, err
}

// next reads the next message.
func (s *server) next() (message, error) {
	size := 0
	for {
		line, err := s.out.ReadSlice('\n')
		if err != nil {
			return message{}, fmt.Errorf("the server's output ended: %w", err)
		}
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" {
			break
		}
		if value, ok := strings.CutPrefix(text, "Content-Length: "); ok {
			if size, err = strconv.Atoi(value); err != nil {
				return message{}, err
			}
		}
	}
	if cap(s.body) < size {
		s.body = make([]byte, size)
	}
	s.body = s.body[:size]
	_, err := io.ReadFull(s.out, s.body)
	return message{s.body, time.Now()}, err
}

// until reads up to the first message that fits.
func (s *server) until(fits func(message) bool) error {
	for {
		m, err := s.next()
		if err != nil {
			return err
		}
		if fits(m) {
			return nil
		}
	}
}

// call sends a request, reads up to its reply and decodes it.
func (s *server) call(result any, method, params string, args ...any) error {
	if len(args) > 0 {
		params = fmt.Sprintf(params, args...)
	}
	begins, err := s.request(method, params)
	if err != nil {
		return err
	}
	var reply struct {
		Result json.RawMessage
		Error  json.RawMessage
	}
	err = s.until(func(m message) bool { return bytes.HasPrefix(m.body, []byte(begins)) })
	if err == nil {
		err = json.Unmarshal(s.body, &reply)
	}
	switch {
	case err != nil:
		return err
	case reply.Error != nil:
		return fmt.Errorf("%s: %s", method, reply.Error)
	case result == nil:
		return nil
	}
	return json.Unmarshal(reply.Result, result)
}

// create makes a conversation; params are the fields of its params.
func (s *server) create(params string) (id string, err error) {
	var result struct{ Conversation struct{ ID string } }
	err = s.call(&result, "conversation/create", "{"+params+"}")
	return result.Conversation.ID, err
}

// turn sends a message and reads up to the end of its run.
func (s *server) turn(id, text string, watch func(message)) error {
	if _, err := s.request("conversation/sendMessage", fmt.Sprintf(`{"id":%q,"message":%q,"run":true}`, id, text)); err != nil {
		return err
	}
	var end []byte
	err := s.until(func(m message) bool {
		if watch != nil {
			watch(m)
		}
		if m.has(`"method":"conversation/stateChanged"`) && m.has(`"stopReason":`) && m.has(id) {
			end = m.body
			return true
		}
		return false
	})
	if err == nil && !bytes.Contains(end, []byte(`"stopReason":"finished"`)) {
		return fmt.Errorf("the run ended as %s", end)
	}
	return err
}

// stop ends the server as a client should.
func (s *server) stop() error {
	if err := s.call(nil, "shutdown", "null"); err != nil {
		return err
	}
	if err := s.send(`{"jsonrpc":"2.0","method":"exit"}`); err != nil {
		return err
	}
	return s.proc.Wait()
}

// memory is what the process has in memory, its share of what it shares
// included, and what of that is not a part of a file, in MB.
func (s *server) memory() (all, own float64, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", s.proc.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		if len(words) != 3 || words[0] != "Pss:" && words[0] != "Pss_Anon:" {
			continue
		}
		kb, err := strconv.Atoi(words[1])
		if err != nil {
			return 0, 0, err
		}
		if words[0] == "Pss:" {
			all = float64(kb) / 1024
		} else {
			own = float64(kb) / 1024
		}
	}
	if all == 0 {
		err = errors.New("the system does not tell the memory of a process")
	}
	return all, own, err
}
