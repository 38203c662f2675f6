package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// measures are the rows of the table, or groups of them.
var measures = []struct {
	name    string
	measure func(*world) ([]figure, error)
}{
	{"start", start},
	{"memory", memory},
	{"steps", steps},
	{"streaming", streaming},
	{"calls", calls},
	{"history", history},
	{"throughput", throughput},
	{"neovim", neovim},
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// start measures from the start of the process to the answer to initialize.
func start(w *world) ([]figure, error) {
	const times = 50
	var took []time.Duration
	for range times {
		s, d, err := w.start("")
		if err != nil {
			return nil, err
		}
		took = append(took, d)
		if err := s.stop(); err != nil {
			return nil, err
		}
	}
	return []figure{{name: "start, until initialize is answered", value: ms(median(took)), unit: "ms", aim: 10}}, nil
}

// memory measures an idle server, and one with twenty conversations.
func memory(w *world) ([]figure, error) {
	s, _, err := w.start("")
	if err != nil {
		return nil, err
	}
	idle, own, err := s.memory()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // only Linux tells
	}
	if err != nil {
		return nil, err
	}
	for range 20 {
		id, err := s.create("")
		if err != nil {
			return nil, err
		}
		if err := s.turn(id, "Hi", nil); err != nil {
			return nil, err
		}
	}
	busy, _, err := s.memory()
	return []figure{
		{name: "memory after initialize", value: idle, unit: "MB", aim: 20},
		{name: "  of which is not the program's file", value: own, unit: "MB"},
		{name: "memory with 20 conversations of one turn", value: busy, unit: "MB", aim: 40},
	}, errors.Join(err, s.stop())
}

// steps measures from one action to the next: the tool works, its result is
// stored and sent, the model is asked, its action stored and sent.
func steps(w *world) ([]figure, error) {
	const times = 100
	step := func(call string) (time.Duration, error) {
		if err := w.play(fmt.Sprintf(`{"calls": [%s], "repeat": %d} "Done."`, call, times)); err != nil {
			return 0, err
		}
		s, _, err := w.start("")
		if err != nil {
			return 0, err
		}
		id, err := s.create(`"stuckDetection":false`)
		if err != nil {
			return 0, err
		}
		var took []time.Duration
		var last time.Time
		err = s.turn(id, "Go", func(m message) {
			if m.has(`"method":"conversation/event"`) && m.has(`"kind":"ActionEvent"`) {
				if !last.IsZero() {
					took = append(took, m.at.Sub(last))
				}
				last = m.at
			}
		})
		if err != nil {
			return 0, err
		}
		return median(took), s.stop()
	}
	shell, err := step(`{"terminal": {"command": "echo hello"}}`)
	if err != nil {
		return nil, err
	}
	file, err := step(`{"file_editor": {"command": "view", "path": "${workspace}/../model.script"}}`)
	return []figure{
		{name: "step with a shell command", value: ms(shell), unit: "ms", aim: 8},
		{name: "step that reads a file", value: ms(file), unit: "ms", aim: 4},
	}, err
}

// streaming counts what is sent of an answer that comes in many pieces.
func streaming(w *world) ([]figure, error) {
	const chunks = 5000
	if err := w.play(fmt.Sprintf(`{"text": %q, "chunk": 4, "delay": 1}`, strings.Repeat("word", chunks))); err != nil {
		return nil, err
	}
	s, _, err := w.start(`,"deltas":{}`)
	if err != nil {
		return nil, err
	}
	id, err := s.create("")
	if err != nil {
		return nil, err
	}
	n, size := 0, 0
	err = s.turn(id, "Go", func(m message) {
		if !m.has(`"method":"conversation/delta"`) {
			return
		}
		n++
		var d struct{ Params struct{ Text string } }
		if json.Unmarshal(m.body, &d) == nil {
			size += len(d.Params.Text)
		}
	})
	if err == nil && size != 4*chunks {
		err = fmt.Errorf("%d bytes came of %d", size, 4*chunks)
	}
	return []figure{{name: "notifications for 5,000 chunks in 5 s", value: float64(n), aim: 200}}, errors.Join(err, s.stop())
}

// calls measures how long a conversation with many tool calls takes to open.
func calls(w *world) ([]figure, error) {
	const times = 500
	if err := w.play(fmt.Sprintf(`{"calls": [{"file_editor": {"command": "view", "path": "${workspace}/../model.script"}}], "repeat": %d} "Done."`, times)); err != nil {
		return nil, err
	}
	s, _, err := w.start("")
	if err != nil {
		return nil, err
	}
	id, err := s.create(`"stuckDetection":false,"maxIterationPerRun":1000`)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.turn(id, "Go", nil), s.stop()); err != nil {
		return nil, err
	}
	first, _, _, err := w.load(id)
	return []figure{{name: "opening 500 tool calls: state and last page", value: ms(first), unit: "ms", aim: 30}}, err
}

// load opens a conversation in new processes: until the state and the last page
// are there, and until all of it is.
func (w *world) load(id string) (first, all time.Duration, events int, err error) {
	var firsts, alls []time.Duration
	for range 5 {
		s, _, err := w.start("")
		if err != nil {
			return 0, 0, 0, err
		}
		var opened struct {
			Conversation struct{ Cursor struct{ Seq int } }
		}
		begin := time.Now()
		if err := s.call(&opened, "conversation/open", `{"id":%q}`, id); err != nil {
			return 0, 0, 0, err
		}
		events = opened.Conversation.Cursor.Seq
		if err := s.call(nil, "conversation/events", `{"id":%q,"before":%d,"limit":100}`, id, events+1); err != nil {
			return 0, 0, 0, err
		}
		firsts = append(firsts, time.Since(begin))
		begin = time.Now()
		seen := 0
		for after, more := 0, true; more; {
			begins, err := s.request("conversation/events", fmt.Sprintf(`{"id":%q,"after":%d,"limit":500}`, id, after))
			if err == nil {
				err = s.until(func(m message) bool { return bytes.HasPrefix(m.body, []byte(begins)) })
			}
			if err != nil {
				return 0, 0, 0, err
			}
			// To decode the pages here would take longer than to make them there.
			n := bytes.Count(s.body, []byte(`{"seq":`))
			seen += n
			after += n
			more = bytes.Contains(s.body[max(0, len(s.body)-100):], []byte(`"next":`))
		}
		alls = append(alls, time.Since(begin))
		if seen != events {
			return 0, 0, 0, fmt.Errorf("the pages hold %d events of %d", seen, events)
		}
		if err := s.stop(); err != nil {
			return 0, 0, 0, err
		}
	}
	return median(firsts), median(alls), events, nil
}

// text makes an event of a message that is about 300 bytes long.
const text = "A message that makes an event as long as most are."

// history grows a conversation to 10,000 events: what an append costs at the
// beginning and at the end, and what it costs to open.
func history(w *world) ([]figure, error) {
	const events = 10000
	s, _, err := w.start("")
	if err != nil {
		return nil, err
	}
	id, err := s.create("")
	if err != nil {
		return nil, err
	}
	params := fmt.Sprintf(`{"id":%q,"message":%q}`, id, text)
	appends := func(n int) (time.Duration, error) {
		var took []time.Duration
		for range n {
			begin := time.Now()
			if err := s.call(nil, "conversation/sendMessage", params); err != nil {
				return 0, err
			}
			took = append(took, time.Since(begin))
		}
		return median(took), nil
	}
	const sample = 200
	early, err := appends(sample)
	if err != nil {
		return nil, err
	}
	if _, err := appends(events - 2*sample - 1); err != nil {
		return nil, err
	}
	late, err := appends(sample)
	if err != nil {
		return nil, err
	}
	if err := s.stop(); err != nil {
		return nil, err
	}
	first, all, n, err := w.load(id)
	if err == nil && n != events {
		err = fmt.Errorf("there are %d events", n)
	}
	return []figure{
		{name: "message appended, at 0 events", value: ms(early), unit: "ms"},
		{name: "message appended, at 10,000 events", value: ms(late), unit: "ms"},
		{name: "opening 10,000 events: state and last page", value: ms(first), unit: "ms", aim: 30},
		{name: "opening 10,000 events: all of them, in pages", value: ms(all), unit: "ms", aim: 300},
	}, err
}

// throughput measures how many events a second reach a client that reads.
func throughput(w *world) ([]figure, error) {
	const events, rounds = 5000, 20
	s, _, err := w.start("")
	if err != nil {
		return nil, err
	}
	id, err := s.create(`"persistenceDir":null`)
	if err != nil {
		return nil, err
	}
	params := fmt.Sprintf(`{"id":%q,"message":%q}`, id, text)
	for range events - 1 { // the first comes with the system prompt
		if err := s.call(nil, "conversation/sendMessage", params); err != nil {
			return nil, err
		}
	}
	var rates []float64
	size := 0
	for range rounds {
		begin := time.Now()
		if err := s.call(nil, "conversation/open", `{"id":%q,"since":"start"}`, id); err != nil {
			return nil, err
		}
		n := 0
		err := s.until(func(m message) bool {
			n++
			size = len(m.body)
			return n == events
		})
		if err != nil {
			return nil, err
		}
		rates = append(rates, events/time.Since(begin).Seconds())
	}
	return []figure{
		{name: fmt.Sprintf("events to a client that reads (%d bytes each)", size), value: median(rates), unit: "/s", aim: 300000, atLeast: true},
	}, s.stop()
}

// neovim measures typing in Neovim beside a conversation of 10,000 events, most of
// them of tool calls. Where the rig of its tests is not installed it says so.
func neovim(w *world) ([]figure, error) {
	out, err := exec.Command("scripts/rig-neovim", "--installed").Output()
	if err != nil {
		fmt.Printf("SKIP neovim: %s\n", strings.TrimSpace(strings.TrimPrefix(string(out), "reason=")))
		return nil, nil
	}
	_, after, _ := strings.Cut(string(out), "nvim012=")
	nvim, _, _ := strings.Cut(after, "\n")

	const answers, calls = 500, 10
	call := `{"file_editor": {"command": "view", "path": "${workspace}/file.txt"}}`
	script := fmt.Sprintf(`{"text": "I look at **it** again.", "calls": [%s], "repeat": %d} "Done."`,
		strings.TrimSuffix(strings.Repeat(call+",", calls), ","), answers)
	content := strings.Repeat("A line of a file that the agent reads.\n", 10)
	if err := errors.Join(w.play(script), os.WriteFile(filepath.Join(w.folder, "file.txt"), []byte(content), 0o644)); err != nil {
		return nil, err
	}
	s, _, err := w.start("")
	if err != nil {
		return nil, err
	}
	id, err := s.create(`"stuckDetection":false,"maxIterationPerRun":1000`)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.turn(id, "Go", nil), s.stop()); err != nil {
		return nil, err
	}

	answer := fmt.Sprintf(`{"for": "other", "text": "A summary.", "repeat": "forever"} {"text": %q, "chunk": 20, "delay": 10, "repeat": "forever"}`, strings.Repeat("Some words of a long answer. ", 20000))
	if err := w.play(answer); err != nil {
		return nil, err
	}
	plugin, err := filepath.Abs("editors/neovim")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(nvim, "--headless", "--clean", "-u", "tests/init.lua", "-l", "tests/bench.lua", w.folder, w.script)
	cmd.Dir, cmd.Stderr = plugin, os.Stderr
	cmd.Env = []string{"HOME=" + w.dir, "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "AGENT_RPC_BIN=" + w.program}
	if out, err = cmd.Output(); err != nil {
		return nil, err
	}
	var figures []figure
	for line := range strings.Lines(string(out)) {
		words := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		if len(words) != 4 {
			return nil, fmt.Errorf("bench.lua said %q", line)
		}
		f := figure{name: words[0], unit: words[2]}
		if _, err := fmt.Sscan(words[1]+" "+words[3], &f.value, &f.aim); err != nil {
			return nil, err
		}
		figures = append(figures, f)
	}
	return figures, nil
}
