package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agent-rpc/agent-rpc/internal/client/clienttest"
	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	switch os.Getenv("CLIENT_TEST_CHILD") {
	case "peer":
		os.Exit((&clienttest.Peer{Play: hello}).Serve(os.Stdin, os.Stdout))
	case "dies":
		os.Stderr.WriteString("first words\nagent-rpc: the disk is full\n")
		os.Exit(7)
	case "talks":
		os.Stdout.WriteString("Welcome to the wrong program!\n")
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	case "deaf":
		select {}
	}
	goleak.VerifyTestMain(m)
}

func hello(r *clienttest.Run) {
	r.User()
	r.State(protocol.StatusRunning, "")
	r.Act("1", "ls", "LOW")
	r.Delta("1", "a.go\n")
	r.Done("1", "ls", "a.go\n", "1 line", false)
	r.Say("Hello.")
	r.State(protocol.StatusFinished, protocol.StopFinished)
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// connect joins a client and a peer by a pipe.
func connect(t *testing.T, p *clienttest.Peer) *Client {
	t.Helper()
	ours, theirs := net.Pipe()
	served := make(chan struct{})
	go func() {
		defer close(served)
		p.Serve(theirs, theirs)
		_ = theirs.Close()
	}()
	c := New(ours)
	if err := c.Initialize(testContext(t), Hello{Name: "test", Folder: "/tmp/x y"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
		<-served
	})
	return c
}

// untilFinished gives the methods of all notifications up to the terminal state.
func untilFinished(t *testing.T, c *Client) []string {
	t.Helper()
	var methods []string
	for {
		n, err := c.Next(testContext(t))
		if err != nil {
			t.Fatal(err)
		}
		methods = append(methods, n.Method)
		var s protocol.StateChangedNotification
		if n.Method == protocol.NotifyStateChanged {
			if err := json.Unmarshal(n.Params, &s); err != nil {
				t.Fatal(err)
			}
			if s.Status == protocol.StatusFinished {
				return methods
			}
		}
	}
}

func checkRun(t *testing.T, c *Client) {
	t.Helper()
	ctx := testContext(t)
	created, err := c.Create(ctx, protocol.CreateParams{Workspace: URI("/tmp/x y")})
	if err != nil {
		t.Fatal(err)
	}
	id := created.Conversation.ID
	sent, err := c.SendMessage(ctx, id, "hi", true)
	if err != nil || sent.Disposition != "started" {
		t.Fatalf("sendMessage: %+v, %v", sent, err)
	}
	want := []string{protocol.NotifyEvent, protocol.NotifyStateChanged, protocol.NotifyEvent, protocol.NotifyDelta, protocol.NotifyEvent, protocol.NotifyEvent, protocol.NotifyStateChanged}
	if diff := cmp.Diff(want, untilFinished(t, c)); diff != "" {
		t.Errorf("notifications (-want +got):\n%s", diff)
	}
	var seqs []int
	err = c.Events(ctx, id, 1, 3, func(e protocol.SeqEvent) error { seqs = append(seqs, e.Seq); return nil })
	if err != nil || !slices.Equal(seqs, []int{2, 3}) {
		t.Errorf("events 2 to 3: %v, %v", seqs, err)
	}
	seqs = nil
	if err := c.Events(ctx, id, 0, 0, func(e protocol.SeqEvent) error { seqs = append(seqs, e.Seq); return nil }); err != nil || len(seqs) != 4 {
		t.Errorf("all events: %v, %v", seqs, err)
	}
	list, err := c.List(ctx, protocol.ListParams{})
	if err != nil || len(list) != 1 || list[0].ID != id {
		t.Errorf("list: %v, %v", list, err)
	}
	if err := c.Delete(ctx, id); err != nil {
		t.Error(err)
	}
	_, err = c.State(ctx, id)
	var refused *protocol.Error
	if !errors.As(err, &refused) || refused.Code != protocol.CodeConversationNotFound || refused.Data["kind"] != "conversation_not_found" {
		t.Errorf("state of a deleted conversation: %v", err)
	}
}

func TestOverAPipe(t *testing.T) { checkRun(t, connect(t, &clienttest.Peer{Play: hello})) }

func TestHandshake(t *testing.T) {
	p := &clienttest.Peer{}
	connect(t, p)
	var params struct {
		RootURI string `json:"rootUri"`
		Options struct {
			AgentRPC map[string]any `json:"agentRpc"`
		} `json:"initializationOptions"`
	}
	if err := json.Unmarshal(p.Got()[0].Params, &params); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"versions": []any{1.0}}
	if diff := cmp.Diff(want, params.Options.AgentRPC); diff != "" || params.RootURI != "file:///tmp/x%20y" {
		t.Errorf("initialize: root %q, options (-want +got):\n%s", params.RootURI, diff)
	}
}

// start runs this test's own binary as the server.
func start(t *testing.T, role string) *Client {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c, err := Start(Command{Path: self, Env: append(os.Environ(), "CLIENT_TEST_CHILD="+role)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestChild(t *testing.T) {
	c := start(t, "peer")
	if err := c.Initialize(testContext(t), Hello{Name: "test"}); err != nil {
		t.Fatal(err)
	}
	checkRun(t, c)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if code := c.child.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the server ended with %d", code)
	}
	if err := c.Call(testContext(t), "agent/ping", nil, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("a call after Close: %v", err)
	}
}

func TestChildThatFails(t *testing.T) {
	for role, want := range map[string]string{
		"dies":  "exit status 7: agent-rpc: the disk is full",
		"talks": `"Welcome to the wrong program!" where a header belongs`,
	} {
		c := start(t, role)
		err := c.Initialize(testContext(t), Hello{Name: "test"})
		if !errors.Is(err, ErrClosed) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", role, err, want)
		}
		if _, err := c.Next(testContext(t)); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: Next: %v", role, err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("%s: closing: %v", role, err)
		}
	}
	if _, err := Start(Command{Path: filepath.Join(t.TempDir(), "nothing")}); err == nil {
		t.Error("a program that does not exist was started")
	}
}

func TestDeafChildIsKilled(t *testing.T) {
	c := start(t, "deaf")
	if err := c.child.stop(0); err == nil || !strings.Contains(err.Error(), "was killed") {
		t.Errorf("stop: %v", err)
	}
	<-c.done
}

func TestAbort(t *testing.T) {
	c := start(t, "peer")
	if err := c.Abort(); err != nil {
		t.Errorf("a server that listens was killed: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("closing after aborting: %v", err)
	}
	c = start(t, "deaf")
	if err := c.Abort(); err == nil {
		t.Error("a server that does not listen ended by itself")
	}
}

// The child is killed with what it started.
func TestGroupIsKilled(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the test needs a POSIX shell")
	}
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no sh")
	}
	c, err := Start(Command{Path: shell, Args: []string{"-c", "sh -c 'exec sleep 1000' & wait"}})
	if err != nil {
		t.Fatal(err)
	}
	// The grandchild holds the pipe of stdout: the stream ends when both are gone.
	_ = c.child.stop(0)
	<-c.done
}

func TestCancel(t *testing.T) {
	hold := make(chan struct{})
	p := &clienttest.Peer{Refuse: func(method string) *protocol.Error {
		if method == protocol.MethodModels {
			<-hold
		}
		return nil
	}}
	c := connect(t, p)
	ctx, cancel := context.WithCancel(testContext(t))
	called := make(chan error)
	go func() { called <- c.Call(ctx, protocol.MethodModels, nil, nil) }()
	cancel()
	// The peer may not read while it holds the request, so it is let go first.
	close(hold)
	if err := <-called; !errors.Is(err, context.Canceled) {
		var refused *protocol.Error
		if !errors.As(err, &refused) {
			t.Errorf("a cancelled call: %v", err)
		}
	}
}

func TestRequestsOfTheServer(t *testing.T) {
	ours, theirs := net.Pipe()
	c := New(ours)
	defer func() { _ = ours.Close(); <-c.done }()
	r := bufio.NewReader(theirs)
	for _, q := range []struct{ frame, want string }{
		{`{"jsonrpc":"2.0","id":"a","method":"conversation/requestConfirmation","params":{}}`, `{"jsonrpc":"2.0","id":"a","result":null}`},
		{`{"jsonrpc":"2.0","id":7,"method":"workspace/configuration","params":{"items":[{},{}]}}`, `{"jsonrpc":"2.0","id":7,"result":[null,null]}`},
		{
			`{"jsonrpc":"2.0","id":8,"method":"conversation/secretValue","params":{}}`,
			`{"jsonrpc":"2.0","id":8,"error":{"code":-32601,"message":"conversation/secretValue is not served by this client","data":{"kind":"method_not_found","retryable":false}}}`,
		},
	} {
		if _, err := theirs.Write(appendFrame([]byte(q.frame))); err != nil {
			t.Fatal(err)
		}
		got, err := clienttest.ReadFrame(r)
		if err != nil || string(got) != q.want {
			t.Errorf("%s\n got %s, %v\nwant %s", q.frame, got, err, q.want)
		}
	}
}

func TestReadFrame(t *testing.T) {
	for in, want := range map[string]string{
		"Content-Length: 2\r\n\r\n{}":             "{}",
		"content-length:2\nContent-Type: x\n\n{}": "{}",
		"":                            "error: EOF",
		"Content-Len":                 "error: unexpected EOF",
		"Content-Length: 3\r\n\r\n{}": "error: unexpected EOF",
		"Content-Length: 2\r\n":       "error: unexpected EOF",
		"Content-Length: -1\r\n\r\n":  `error: the server announced a frame of "-1" bytes`,
		"Content-Length: 99999999999999999999\r\n\r\n": `error: the server announced a frame of "99999999999999999999" bytes`,
		"X: 1\r\n\r\n":            "error: the server sent a frame without Content-Length",
		"hello\n":                 `error: the server wrote "hello" where a header belongs`,
		strings.Repeat("x", 9000): `error: the server wrote "` + strings.Repeat("x", 60) + `…" where a header belongs`,
		string(appendFrame([]byte(`{"a":"ü"}`))) + "Content-Len": `{"a":"ü"}`,
	} {
		body, err := readFrame(bufio.NewReader(strings.NewReader(in)))
		got := string(body)
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != want {
			t.Errorf("readFrame(%.40q) = %q, want %q", in, got, want)
		}
	}
}

// What a server writes is read or refused, and a frame we write is read back.
func FuzzReadFrame(f *testing.F) {
	f.Add([]byte("Content-Length: 2\r\n\r\n{}"))
	f.Add([]byte("content-length:2\nX:y\n\n{}Content-Length: 5\r\n\r\n12345"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bufio.NewReader(strings.NewReader(string(data)))
		for {
			body, err := readFrame(r)
			if err != nil {
				break
			}
			again, err := readFrame(bufio.NewReader(strings.NewReader(string(appendFrame(body)))))
			if err != nil || string(again) != string(body) {
				t.Fatalf("%q came back as %q, %v", body, again, err)
			}
		}
	})
}

func TestURI(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the paths of this table are POSIX paths")
	}
	for path, uri := range map[string]string{
		"/a/b":         "file:///a/b",
		"/a b/ü#?%.go": "file:///a%20b/%C3%BC%23%3F%25.go",
	} {
		if got := URI(path); got != uri {
			t.Errorf("URI(%q) = %q, want %q", path, got, uri)
		}
		if got := Path(uri); got != path {
			t.Errorf("Path(%q) = %q, want %q", uri, got, path)
		}
	}
	if got := Path("file:///C:/x"); got != "C:/x" {
		t.Errorf("a drive: %q", got)
	}
	if got := Path("untitled:x"); got != "untitled:x" {
		t.Errorf("another scheme: %q", got)
	}
}
