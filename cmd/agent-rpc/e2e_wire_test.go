//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// A program that is started with AGENT_RPC_TEST_NOISE prints at SIGUSR1 in every
// way that a library might, and panics at SIGUSR2 where nothing catches it.
const noise = "AGENT_RPC_TEST_NOISE"

func init() {
	hooks = append(hooks, func() {
		if os.Getenv(noise) == "" {
			return
		}
		signals := make(chan os.Signal, 2)
		signal.Notify(signals, syscall.SIGUSR1, syscall.SIGUSR2)
		go func() {
			for s := range signals {
				if s == syscall.SIGUSR2 {
					panic("noise: a panic")
				}
				fmt.Println("noise: fmt.Println")
				print("noise: print\n")
				log.SetOutput(os.Stdout)
				log.Print("noise: log.Print")
				_, _ = syscall.Write(1, []byte("Content-Length: 2\r\n\r\nnoise: descriptor 1")) // the test looks for it
			}
		}()
	})
}

// TestStdoutIsProtocolOnly: whatever prints, stdout stays a sequence of frames;
// the host fails at anything else.
func TestStdoutIsProtocolOnly(t *testing.T) {
	p := newPlace(t, `
{"text": "Printing.", "chunk": 1, "calls": [
	{"terminal": {"command": "echo plain; echo error >&2; printf 'Content-Length: 7\r\n\r\n{}'; echo tty > /dev/tty"}},
	{"terminal": {"command": "bash -c 'echo grandchild; echo more >&2'"}},
	{"file_editor": {"command": "create", "path": "${workspace}/a.txt", "file_text": "Content-Length: 5\r\n\r\n"}},
	{"terminal": {"command": 5}},
	{"nosuchtool": {}},
	{"terminal": "{not json"}]}
{"calls": [{"finish": {"message": "Printed."}}]}`)
	p.env["AGENT_RPC_LOG"], p.env[noise] = "debug", "1"
	h := p.start()
	h.initialize(`"deltas":{"maxHz":1000},"confirmation":{}`)
	h.notify("$/setTrace", `{"value":"verbose"}`)
	id := h.create("")
	for range 5 {
		if err := h.proc.Process.Signal(syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
	}
	for _, said := range []string{"noise: fmt.Println", "noise: print", "noise: log.Print", "noise: descriptor 1"} {
		h.wait(said+" on stderr", func() bool { return strings.Contains(h.logs.String(), said) })
	}
	if i := h.settled(h.say(id, "Print")); i.Status != "finished" {
		t.Errorf("the run ended as %+v", i)
	}
	h.call(nil, "agent/ping", "{}")
	if err := h.proc.Process.Signal(syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	if code := h.exit(); code != 2 {
		t.Errorf("exit code %d after a panic", code)
	}
	if !strings.Contains(h.logs.String(), "noise: a panic") {
		t.Errorf("the panic is not on stderr:\n%s", h.logs.String())
	}
}

// malformed gives inputs that are no messages, and the codes of the errors that
// they are answered with. Each ends at a line end or a frame's end.
func malformed() map[string]malformedInput {
	return map[string]malformedInput{
		"an empty line":               {"\r\n", nil},
		"empty lines":                 {"\n\n\r\n\n", nil},
		"words":                       {"hello there\r\n", nil},
		"bytes":                       {"\x00\x01\xfe\xff\x80\r\n", nil},
		"a long line":                 {strings.Repeat("x", 1<<20) + "\n", nil},
		"many headers":                {strings.Repeat("X-Header: y\r\n", 10000) + "\r\n", nil},
		"JSON without a header":       {`{"jsonrpc":"2.0","id":1,"method":"agent/ping"}` + "\r\n", nil},
		"a length that is a word":     {"Content-Length: many\r\n\r\n", []int{-32700}},
		"a length below zero":         {"Content-Length: -1\r\n\r\n", []int{-32700}},
		"a length that overflows":     {"Content-Length: 99999999999999999999\r\n\r\n", []int{-32700}},
		"no length":                   {"Content-Type: application/json\r\n\r\n", nil},
		"nothing":                     {framed(""), []int{-32700}},
		"half an object":              {framed(`{"jsonrpc":"2.0","id":1,`), []int{-32700}},
		"two objects":                 {framed(`{"jsonrpc":"2.0","id":1,"method":"agent/ping"}{}`), []int{-32700}},
		"bytes in a frame":            {framed("\xff\xfe\x00"), []int{-32700}},
		"no UTF-8 in a string":        {framed("{\"jsonrpc\":\"2.0\",\"id\":\"\xff\",\"method\":\"no/such\"}"), nil},
		"half a surrogate":            {framed(`{"jsonrpc":"2.0","id":77,"method":"\ud800"}`), nil},
		"a number":                    {framed("5"), []int{-32600}},
		"a string":                    {framed(`"x"`), []int{-32600}},
		"null":                        {framed("null"), []int{-32600}},
		"an empty object":             {framed("{}"), []int{-32600}},
		"an empty batch":              {framed("[]"), []int{-32600}},
		"a batch":                     {framed(`[{"jsonrpc":"2.0","id":1,"method":"agent/ping"},{"jsonrpc":"2.0","id":2,"method":"agent/ping"}]`), []int{-32600}},
		"deep arrays":                 {framed(strings.Repeat("[", 200000)), nil},
		"deep objects":                {framed(strings.Repeat(`{"a":`, 200000)), nil},
		"deep params":                 {framed(`{"jsonrpc":"2.0","id":1234,"method":"agent/ping","params":{"a":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}}`), nil},
		"an id that is null":          {framed(`{"jsonrpc":"2.0","id":null,"method":"agent/ping"}`), []int{-32600}},
		"an id that is an object":     {framed(`{"jsonrpc":"2.0","id":{},"method":"agent/ping"}`), []int{-32600}},
		"an id that is an array":      {framed(`{"jsonrpc":"2.0","id":[1],"method":"agent/ping"}`), []int{-32600}},
		"an id that is a boolean":     {framed(`{"jsonrpc":"2.0","id":true,"method":"agent/ping"}`), []int{-32600}},
		"a method that is a number":   {framed(`{"jsonrpc":"2.0","id":1,"method":5}`), nil},
		"params that are a string":    {framed(`{"jsonrpc":"2.0","id":1235,"method":"conversation/list","params":"x"}`), nil},
		"a reply to nothing":          {framed(`{"jsonrpc":"2.0","id":4711,"result":{}}`), nil},
		"an error to nothing":         {framed(`{"jsonrpc":"2.0","id":"x","error":{"code":1,"message":"m"}}`), nil},
		"an error that is a string":   {framed(`{"jsonrpc":"2.0","id":1,"error":"m"}`), nil},
		"a result and an error":       {framed(`{"jsonrpc":"2.0","id":1,"result":1,"error":{"code":1,"message":"m"}}`), nil},
		"an unknown notification":     {framed(`{"jsonrpc":"2.0","method":"no/such"}`), nil},
		"a cancellation of nothing":   {framed(`{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":99}}`), nil},
		"a cancellation of what":      {framed(`{"jsonrpc":"2.0","method":"$/cancelRequest","params":5}`), nil},
		"an unknown document":         {framed(`{"jsonrpc":"2.0","method":"textDocument/didChange","params":{"textDocument":5}}`), nil},
		"a frame that is too large":   {framed(strings.Repeat(" ", 64<<20) + "{}"), []int{-32600}},
		"a second initialize":         {framed(`{"jsonrpc":"2.0","id":1236,"method":"initialize","params":{}}`), nil},
		"a length that is given late": {"X: y\r\nContent-Length: 2\r\n\r\n[]", []int{-32600}},
	}
}

type malformedInput struct {
	input string
	codes []int // nil for whatever the server says
}

func framed(body string) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body) }

// TestMalformedInput: every input that is no message leaves the server at work,
// and gets the error that the protocol names.
func TestMalformedInput(t *testing.T) {
	h := newPlace(t, "").start()
	h.initialize("")
	for name, m := range malformed() {
		t.Run(name, func(t *testing.T) {
			unnamed := func() (codes []int) {
				for _, f := range h.all(func(f *frame) bool { return f.Method == "" && string(f.ID) == "null" }) {
					codes = append(codes, f.Error.Code)
				}
				return codes
			}
			before := len(unnamed())
			h.t = t
			h.write(m.input)
			h.call(nil, "agent/ping", "{}")
			got := unnamed()[before:]
			if m.codes != nil && fmt.Sprint(got) != fmt.Sprint(m.codes) {
				t.Errorf("answered with %v, want %v", got, m.codes)
			}
		})
	}
	h.t = t
	// Other spellings of a header are none of these.
	for _, header := range []string{"content-length: %d\r\n\r\n", "CONTENT-LENGTH:%d\n\n", "Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length:  %d \r\n\r\n"} {
		h.mu.Lock()
		h.nextID++
		id := strconv.Itoa(h.nextID)
		h.mu.Unlock()
		body := `{"jsonrpc":"2.0","id":` + id + `,"method":"agent/ping"}`
		h.write(fmt.Sprintf(header, len(body)) + body)
		if f := h.reply(id); f.Error != nil {
			t.Errorf("%q: %s", header, f.Error)
		}
	}
	h.shutdown()
}

// TestTruncatedInput: the end of stdin inside a frame is an end of stdin.
func TestTruncatedInput(t *testing.T) {
	for _, input := range []string{"Content-Len", "Content-Length: 100\r\n", "Content-Length: 100\r\n\r\n{", ""} {
		h := newPlace(t, "").start()
		h.initialize("")
		h.write(input)
		_ = h.in.Close() // this is what is tested
		if code := h.exit(); code != 1 {
			t.Errorf("%q: exit code %d", input, code)
		}
	}
}

// TestOddParams calls every method with params of every wrong shape; each gets
// an answer.
func TestOddParams(t *testing.T) {
	p := newPlace(t, `"Hi."`)
	h := p.start()
	h.initialize("")
	id := h.create("")
	shapes := []string{
		"null", "{}", "[]", "[1,2]", `"x"`, "5", "true", "1e400",
		`{"id":null}`, `{"id":5}`, `{"id":{}}`, `{"id":[]}`, `{"id":""}`, `{"id":"../../etc/passwd"}`, `{"id":"` + strings.Repeat("a", 70000) + `"}`,
		`{"id":"00000000-0000-4000-8000-000000000000"}`,
		fmt.Sprintf(`{"id":%q,"message":5,"limit":-1,"after":-5,"before":1e30,"kinds":5,"since":{"epoch":"x"},"mode":"x"}`, id),
		fmt.Sprintf(`{"id":%q,"message":{"role":"system","content":5},"policy":{"kind":"No"},"analyzer":5,"secrets":5,"tags":5,"title":5}`, id),
		fmt.Sprintf(`{"id":%q,"message":[{"type":"image"}],"policy":[],"secrets":{"A":{"kind":"No"}},"tags":{"A b":"c"},"decision":"maybe"}`, id),
		fmt.Sprintf(`{"id":%q,"requestId":5,"decision":5,"reason":5,"maxLength":-5}`, id),
		fmt.Sprintf(`{"id":%q,"after":99999,"limit":501,"maxLength":1000000}`, id),
		`{"workspace":"http://example.com/x"}`, `{"workspace":5}`, `{"workspace":"file:///no/such/folder/anywhere"}`, `{"workspace":"relative"}`,
		`{"conversationId":"x"}`, `{"persistenceDir":5}`, `{"persistenceDir":"relative"}`, `{"agent":5}`, `{"agent":{"llm":5}}`, `{"agent":{"tools":5}}`,
		`{"maxIterationPerRun":-1}`, `{"mcpServers":{"a":{}}}`, `{"profile":"x"}`, `{"tags":{"` + strings.Repeat("a", 300) + `":"b"}}`,
	}
	for _, m := range protocol.Methods() {
		for _, shape := range shapes {
			if m.Name == protocol.MethodDelete && strings.Contains(shape, id) {
				continue // that one would be obeyed
			}
			f := h.try(m.Name, "%s", shape)
			if f.Error == nil && len(f.Result) == 0 {
				t.Errorf("%s %.80s: neither result nor error: %s", m.Name, shape, f.raw)
			}
			if f.Error != nil {
				if f.Error.Code == -32603 {
					t.Errorf("%s %.80s: %s", m.Name, shape, f.Error)
				}
				if kind, _ := f.Error.Data["kind"].(string); kind == "" && f.Error.Code > -32700 {
					t.Errorf("%s %.80s: an error without a kind: %s", m.Name, shape, f.raw)
				}
			}
		}
	}
	h.refused(-32601, "no/such", "{}")
	h.shutdown()
}

// TestSlowReader: a client that stops reading while a conversation produces more
// than fits into the queue loses nothing that it can't ask for.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	p := newPlace(t, `
{"text": "I speak while nobody listens.", "chunk": 1, "calls": [{"think": {"thought": "Does anybody listen?"}}]}
{"calls": [{"terminal": {"command": "echo > ${workspace}/done"}}]}
"Done."`)
	done := p.fifo("done")
	h := p.start()
	h.initialize(`"deltas":{},"maxEventBytes":100000000`)
	id := h.create(`"persistenceDir":null`)
	h.hold()
	large := strings.Repeat("listen! ", 1<<17)
	var begin string
	for i := range 42 {
		begin = h.send("conversation/sendMessage", fmt.Sprintf(`{"id":%q,"message":%q,"run":%v}`, id, large, i == 41))
	}
	ended(t, done(), "the command at the end of the run")
	h.release()
	var sent struct{ RunID string }
	if err := json.Unmarshal(h.reply(begin).Result, &sent); err != nil {
		t.Fatal(err)
	}
	end := h.settled(sent.RunID)
	if end.Status != "finished" {
		t.Fatalf("the run ended as %+v", end)
	}

	// Events and gaps follow each other without a hole and without a repetition;
	// what the gaps leave out is there for the asking.
	next, missed := 1, 0
	h.mu.Lock()
	frames := h.frames
	h.mu.Unlock()
	for _, f := range frames {
		var e struct{ Seq, After, To int }
		switch f.Method {
		case "conversation/event":
			if err := json.Unmarshal(f.Params, &e); err != nil {
				t.Fatal(err)
			}
			if e.Seq != next {
				t.Fatalf("event %d came where %d was due", e.Seq, next)
			}
			next++
		case "conversation/gap":
			if err := json.Unmarshal(f.Params, &e); err != nil {
				t.Fatal(err)
			}
			if e.After != next-1 || e.To <= e.After {
				t.Fatalf("a gap after %d to %d came where %d was due", e.After, e.To, next)
			}
			for seq := e.After; seq < e.To; {
				var page struct{ Events []struct{ Seq int } }
				h.call(&page, "conversation/events", `{"id":%q,"after":%d,"before":%d,"maxBytes":4000000}`, id, seq, e.To+1)
				if len(page.Events) == 0 {
					t.Fatalf("there is no event after %d", seq)
				}
				for _, e := range page.Events {
					seq++
					missed++
					if e.Seq != seq {
						t.Fatalf("event %d is on the page where %d was due", e.Seq, seq)
					}
				}
			}
			next = e.To + 1
		}
	}
	if next != end.Cursor.Seq+1 {
		t.Errorf("events and gaps lead to %d, the run ended at %d", next-1, end.Cursor.Seq)
	}
	if missed == 0 {
		t.Error("nothing was left out: this was no slow reader")
	}

	h.shutdown()
}

// TestSlowReaderMemory: what a client does not read costs the server no more
// than its queue.
func TestSlowReaderMemory(t *testing.T) {
	t.Parallel()
	p := newPlace(t, `
{"calls": [{"terminal": {"command": "echo > ${workspace}/done"}}]}
"Done."`)
	done := p.fifo("done")
	h := p.start()
	h.initialize(`"maxEventBytes":100000000`)
	id := h.create("")
	large := strings.Repeat("listen! ", 1<<17)
	for range 8 {
		h.call(nil, "conversation/sendMessage", `{"id":%q,"message":%q}`, id, large)
	}
	before := memory(t, h)
	h.hold()
	// The history is 8 MB, and this asks for it forty-five times.
	var opened []string
	for range 45 {
		opened = append(opened, h.send("conversation/open", fmt.Sprintf(`{"id":%q,"since":"start"}`, id)))
	}
	last := h.send("conversation/sendMessage", fmt.Sprintf(`{"id":%q,"message":"Go","run":true}`, id))
	ended(t, done(), "the command")
	after := memory(t, h)
	t.Logf("memory %d MB, %d MB while nobody read", before>>20, after>>20)
	limit := 200 << 20
	if raceEnabled {
		limit += 80 << 20 // it keeps notes of all memory
	}
	if after > before+limit {
		t.Errorf("memory grew from %d to %d MB while nobody read", before>>20, after>>20)
	}
	h.release()
	for _, id := range opened {
		if f := h.reply(id); f.Error != nil {
			t.Errorf("open: %s", f.Error)
		}
	}
	var sent struct{ RunID string }
	if err := json.Unmarshal(h.reply(last).Result, &sent); err != nil {
		t.Fatal(err)
	}
	if end := h.settled(sent.RunID); end.Status != "finished" {
		t.Errorf("the run ended as %+v", end)
	}
	h.shutdown()
}

// memory is the most that the server ever had in memory, in bytes; 0 where the
// system does not tell.
func memory(t *testing.T, h *host) int {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(h.proc.Process.Pid), "status"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if words := strings.Fields(line); len(words) == 3 && words[0] == "VmHWM:" {
			kb, err := strconv.Atoi(words[1])
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatal("the system does not tell how much memory the server has")
	return 0
}
