package rpc_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/agent-rpc/agent-rpc/internal/agent"
	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/rpc"
)

var update = flag.Bool("update", false, "write what was seen into the transcripts")

// TestTranscripts plays whole sessions over the real server, agent, tools and
// store. A transcript is a txtar archive: model.script for the scripted model,
// NAME.script for the model scripted/NAME, which is the profile NAME too, files for
// the workspace, the session, and what was seen.
//
// A line of the session is one of
//
//	request METHOD PARAMS    sends a request and waits for its reply
//	send METHOD PARAMS       sends a request and does not wait
//	notify METHOD PARAMS     sends a notification
//	answer RESULT            answers the oldest open request of the server
//	refuse CODE              refuses it
//	await TEXT               waits for a message that contains TEXT
//	file NAME TEXT           writes a file of the workspace
//	restart                  ends the connection and starts a new server
//
// $ID stands for the id of the first conversation, $ROOT for the workspace's
// URI, $REQUEST for the newest requestId.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			playTranscript(t, file)
		})
	}
}

// TestNoFolderForConversations: where nothing can be stored, a conversation that
// is to be stored is refused, and one in memory works.
func TestNoFolderForConversations(t *testing.T) {
	s := newSession(t)
	base := s.base
	s.base = ""
	s.write(s.script, []byte(`"Done."`))
	s.start()
	s.base = base // which shows it as $BASE
	s.step(`request initialize {"processId":null,"rootUri":null,"capabilities":{},"workspaceFolders":[{"uri":"$ROOT","name":"p"}],"initializationOptions":{"agentRpc":{"versions":[1]}}}`)
	s.step(`request conversation/list {}`)
	s.step(`request conversation/create {}`)
	if seen := s.seen.String(); !strings.Contains(seen, `"code":-31011`) || !strings.Contains(seen, "OPENHANDS_CONVERSATIONS_DIR") {
		t.Errorf("create without a folder:\n%s", seen)
	}
	s.step(`request conversation/create {"persistenceDir":null}`)
	s.step(`request conversation/sendMessage {"id":"$ID","message":"Go","run":true}`)
	s.step(`await "stopReason":"finished"`)
	s.end()
}

func playTranscript(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := newSession(t)
	var script, want string
	for _, f := range archive.Files {
		switch f.Name {
		case "session":
			script = string(f.Data)
		case "want":
			want = string(f.Data)
		case "model.script":
			s.write(s.script, f.Data)
		default:
			dir := s.root
			if filepath.Ext(f.Name) == ".script" { // of another model
				dir = filepath.Dir(s.script)
			}
			s.write(filepath.Join(dir, f.Name), f.Data)
		}
	}
	s.start()
	for _, line := range strings.Split(script, "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			s.step(line)
		}
	}
	s.end()
	got := s.seen.String()
	if got == want {
		return
	}
	if !*update {
		t.Errorf("%s differs (go test -update writes it):\n%s", file, diff(want, got))
		return
	}
	archive.Files = append(archive.Files[:0:0], archive.Files...)
	for i, f := range archive.Files {
		if f.Name == "want" {
			archive.Files = append(archive.Files[:i], archive.Files[i+1:]...)
			break
		}
	}
	archive.Files = append(archive.Files, txtar.File{Name: "want", Data: []byte(got)})
	if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// session is a client of a server in this process, over pipes.
type session struct {
	t                  *testing.T
	root, base, script string
	defaults           conversation.Options
	// models are what the agents ask; the script if nil.
	models agent.Models
	// onMessage, if not nil, is called with each message as it comes.
	onMessage func(message)

	in     io.WriteCloser
	code   chan int
	read   chan struct{} // closed when the server's stream ended
	nextID int
	id     string // of the first conversation
	asked  string // the newest requestId
	seen   bytes.Buffer
	// state and changes are those of the newest stateChanged.
	state, changes string
	names          map[string]string

	mu       sync.Mutex
	arrived  *sync.Cond
	messages []message // in order, not yet looked at first
	looked   int
	open     []json.RawMessage // ids of the server's requests without answer
	ended    bool
}

type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	raw    []byte
}

func newSession(t *testing.T) *session {
	s := &session{t: t, root: filepath.Join(t.TempDir(), "project"), base: filepath.Join(t.TempDir(), "conversations"), names: map[string]string{}}
	s.script = filepath.Join(t.TempDir(), "model.script")
	s.arrived = sync.NewCond(&s.mu)
	if err := os.MkdirAll(s.root, 0o755); err != nil {
		t.Fatal(err)
	}
	real, err := filepath.EvalSymlinks(s.root)
	if err != nil {
		t.Fatal(err)
	}
	s.root = real
	return s
}

func (s *session) write(path string, data []byte) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *session) start() {
	toServer, in := io.Pipe()
	out, fromServer := io.Pipe()
	s.in, s.code, s.ended = in, make(chan int, 1), false
	log := io.Discard
	if testing.Verbose() {
		log = testLog{s.t}
	}
	models := s.models
	if models == nil {
		models = scriptModels{s.script}
	}
	cfg := rpc.Config{
		Name: "agent-rpc", Version: "test", Backend: testBackend(models, s.base, s.defaults),
		Log: slog.NewTextHandler(log, nil),
	}
	go func() {
		code := rpc.Serve(s.t.Context(), toServer, fromServer, cfg)
		_ = toServer.Close()
		_ = fromServer.Close()
		s.code <- code
	}()
	s.read = make(chan struct{})
	go func() {
		defer close(s.read)
		s.receive(out)
	}()
}

type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Logf("server: %s", bytes.TrimSpace(p))
	return len(p), nil
}

func (s *session) receive(out io.Reader) {
	r := bufio.NewReader(out)
	for {
		n := 0
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				s.mu.Lock()
				s.ended = true
				s.arrived.Broadcast()
				s.mu.Unlock()
				return
			}
			if line = strings.TrimSpace(line); line == "" {
				break
			}
			if v, ok := strings.CutPrefix(line, "Content-Length: "); ok {
				n, _ = strconv.Atoi(v)
			}
		}
		body := make([]byte, n)
		if _, err := io.ReadFull(r, body); err != nil {
			return
		}
		m := message{raw: body}
		if err := json.Unmarshal(body, &m); err != nil {
			s.t.Errorf("the server sent no JSON: %q", body)
		}
		if s.onMessage != nil {
			s.onMessage(m)
		}
		s.mu.Lock()
		s.messages = append(s.messages, m)
		if m.Method != "" && m.ID != nil {
			s.open = append(s.open, m.ID)
		}
		s.arrived.Broadcast()
		s.mu.Unlock()
	}
}

// look writes down the messages up to the first that fits.
func (s *session) look(what string, fits func(message) bool) message {
	s.t.Helper()
	timer := time.AfterFunc(30*time.Second, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ended = true
		s.arrived.Broadcast()
	})
	defer timer.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for s.looked < len(s.messages) {
			m := s.messages[s.looked]
			s.looked++
			s.note(m)
			if fits(m) {
				return m
			}
		}
		if s.ended {
			s.t.Fatalf("waited in vain for %s; seen:\n%s", what, s.seen.String())
		}
		s.arrived.Wait()
	}
}

func (s *session) step(line string) {
	s.t.Helper()
	verb, rest, _ := strings.Cut(line, " ")
	rest = s.expand(rest)
	fmt.Fprintf(&s.seen, "> %s\n", line)
	switch verb {
	case "request", "send":
		method, params, _ := strings.Cut(rest, " ")
		id := s.request(method, params)
		if verb == "request" {
			want := strconv.Itoa(id)
			m := s.look("the reply to "+method, func(m message) bool { return m.Method == "" && string(m.ID) == want })
			s.learn(m)
		}
	case "notify":
		method, params, _ := strings.Cut(rest, " ")
		s.send(`{"jsonrpc":"2.0","method":%q,"params":%s}`, method, orEmpty(params))
	case "answer":
		s.mu.Lock()
		id := s.open[0]
		s.open = s.open[1:]
		s.mu.Unlock()
		s.send(`{"jsonrpc":"2.0","id":%s,"result":%s}`, id, rest)
	case "refuse":
		s.mu.Lock()
		id := s.open[0]
		s.open = s.open[1:]
		s.mu.Unlock()
		s.send(`{"jsonrpc":"2.0","id":%s,"error":{"code":%s,"message":"no"}}`, id, rest)
	case "await":
		s.look(rest, func(m message) bool { return strings.Contains(string(m.raw), rest) })
	case "file":
		name, text, _ := strings.Cut(rest, " ")
		s.write(filepath.Join(s.root, name), []byte(text))
	case "restart":
		s.end()
		s.mu.Lock()
		s.messages, s.looked, s.open = nil, 0, nil
		s.mu.Unlock()
		s.start()
	default:
		s.t.Fatalf("the session has no verb %q", verb)
	}
}

func orEmpty(params string) string {
	if params == "" {
		return "{}"
	}
	return params
}

func (s *session) expand(text string) string {
	return strings.NewReplacer("$ID", s.id, "$ROOT", "file://"+s.root, "$REQUEST", s.asked).Replace(text)
}

func (s *session) request(method, params string) int {
	s.nextID++
	s.send(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, s.nextID, method, orEmpty(params))
	return s.nextID
}

func (s *session) send(format string, args ...any) {
	if err := s.frame(fmt.Sprintf(format, args...)); err != nil {
		s.t.Fatal("the server does not read:", err)
	}
}

func (s *session) frame(body string) error {
	_, err := fmt.Fprintf(s.in, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return err
}

func (s *session) learn(m message) {
	var reply struct {
		Result struct {
			Conversation struct{ ID string }
		}
	}
	if json.Unmarshal(m.raw, &reply) == nil && s.id == "" {
		s.id = reply.Result.Conversation.ID
	}
}

var requestID = regexp.MustCompile(`"requestId":"([^"]+)"`)

// note writes a message down, with what differs from run to run named.
func (s *session) note(m message) {
	if found := requestID.FindSubmatch(m.raw); found != nil {
		s.asked = string(found[1])
	}
	var v map[string]any
	if err := json.Unmarshal(m.raw, &v); err != nil {
		s.t.Fatal(err)
	}
	delete(v, "jsonrpc")
	if !passing(v) && !s.again(v) {
		fmt.Fprintf(&s.seen, "< %s\n", s.normal(summary(v)))
	}
}

// again tells of a state that differs from the one before in the count of changes
// only, where that is not written down.
func (s *session) again(v map[string]any) bool {
	if v["method"] != "conversation/stateChanged" {
		return false
	}
	info := maps.Clone(v["params"].(map[string]any))
	delete(info, "runId")
	state, changes := s.state, s.changes
	s.state, s.changes = brief(info), fmt.Sprint(info["changes"])
	return s.state == state && s.changes != changes
}

// passing tells what comes when it comes: states on the way, which collapse,
// and what no order is promised for.
func passing(v map[string]any) bool {
	switch v["method"] {
	case "$/cancelRequest", "conversation/listChanged", "conversation/delta":
		return true
	case "conversation/stateChanged":
		return v["params"].(map[string]any)["stopReason"] == nil
	}
	return false
}

// summary leaves out what every state repeats.
func summary(v map[string]any) string {
	if p, ok := v["params"].(map[string]any); ok {
		switch v["method"] {
		case "conversation/stateChanged":
			return "state " + brief(p)
		case "conversation/event":
			e := p["event"].(map[string]any)
			for _, k := range []string{"timestamp", "parent_id", "tools", "system_prompt", "dynamic_context"} {
				delete(e, k)
			}
			forgetMachine(e)
		}
	}
	if r, ok := v["result"].(map[string]any); ok {
		if c, ok := r["conversation"].(map[string]any); ok {
			r["conversation"] = brief(c)
		}
		if events, ok := r["events"].([]any); ok {
			for _, e := range events {
				event := e.(map[string]any)["event"].(map[string]any)
				for _, k := range []string{"timestamp", "parent_id", "tools", "system_prompt", "dynamic_context"} {
					delete(event, k)
				}
				forgetMachine(event)
			}
		}
		if r["capabilities"] != nil {
			return "initialized"
		}
		forgetMachine(r)
		if results, ok := r["results"].([]any); ok {
			for _, one := range results {
				forgetMachine(one.(map[string]any))
			}
		}
		if items, ok := r["items"].([]any); ok {
			for i := range items {
				items[i] = brief(items[i].(map[string]any))
			}
		}
		if r["maxIterationPerRun"] != nil {
			v["result"] = brief(r)
		}
	}
	raw, _ := json.Marshal(v)
	return string(raw)
}

// forgetMachine leaves out what an observation of the terminal says of the
// machine.
func forgetMachine(e map[string]any) {
	o, _ := e["observation"].(map[string]any)
	delete(o, "full_output_save_dir")
	metadata, _ := o["metadata"].(map[string]any)
	for _, k := range []string{"pid", "username", "hostname", "py_interpreter_path"} {
		delete(metadata, k)
	}
}

func brief(info map[string]any) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v", info["status"])
	for _, k := range []string{"stopReason", "runId", "title", "error"} {
		if info[k] != nil {
			raw, _ := json.Marshal(info[k])
			fmt.Fprintf(&b, " %s=%s", k, raw)
		}
	}
	if c, ok := info["cursor"].(map[string]any); ok {
		fmt.Fprintf(&b, " seq=%v", c["seq"])
		if c["epoch"] != 1.0 {
			fmt.Fprintf(&b, " epoch=%v", c["epoch"])
		}
	}
	if llms, ok := info["llms"].([]any); ok && len(llms) > 0 {
		if own := llms[0].(map[string]any); own["usageId"] != "agent" {
			fmt.Fprintf(&b, " llm=%v as %v", own["model"], own["usageId"])
		}
	}
	// They are counted beside the run; how far at other moments depends on the machine.
	if n, ok := info["changes"].(map[string]any); ok && n["files"] != 0.0 && info["stopReason"] == "finished" {
		fmt.Fprintf(&b, " changes=%v +%v -%v", n["files"], n["additions"], n["deletions"])
	}
	for _, k := range []string{"pending", "queued", "rules"} {
		if list, ok := info[k].([]any); ok && len(list) > 0 {
			fmt.Fprintf(&b, " %s=%d", k, len(list))
		}
	}
	return b.String()
}

var (
	uuids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	times = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z?`)
	// Where a line is cut depends on how long the paths of the test are.
	cut = regexp.MustCompile(`\S*…"`)
	// Files of ours, named after an id or the time.
	files = regexp.MustCompile(`([0-9a-f]{32}|agent-\d{8}-\d{6}(-\d+)?)\.md`)
	pids  = regexp.MustCompile(`("pid":)"?\d+"?`)
)

func (s *session) normal(text string) string {
	text = strings.ReplaceAll(text, s.root, "$DIR")
	text = strings.ReplaceAll(text, s.base, "$BASE")
	text = strings.ReplaceAll(text, stateOf(s.base), "$STATE")
	text = files.ReplaceAllString(text, "$$FILE.md")
	text = cut.ReplaceAllString(text, `…"`)
	text = times.ReplaceAllString(text, "$$TIME")
	text = pids.ReplaceAllString(text, "${1}0")
	return uuids.ReplaceAllStringFunc(text, func(id string) string {
		if s.names[id] == "" {
			s.names[id] = fmt.Sprintf("$U%d", len(s.names)+1)
		}
		return s.names[id]
	})
}

// end shuts the server down as a client does and checks its exit code.
func (s *session) end() {
	s.t.Helper()
	id := strconv.Itoa(s.request("shutdown", "null"))
	s.look("the reply to shutdown", func(m message) bool { return m.Method == "" && string(m.ID) == id })
	s.send(`{"jsonrpc":"2.0","method":"exit"}`)
	if code := <-s.code; code != 0 {
		s.t.Errorf("exit code %d after shutdown", code)
	}
	<-s.read
}

func diff(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	var b strings.Builder
	for i := range max(len(w), len(g)) {
		a, c := "", ""
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			c = g[i]
		}
		if a != c {
			fmt.Fprintf(&b, "line %d\n-%s\n+%s\n", i+1, a, c)
			if b.Len() > 4000 {
				return b.String() + "…"
			}
		}
	}
	return b.String()
}
