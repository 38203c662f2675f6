package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sourcegraph/jsonrpc2"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// message is any message that the server writes.
type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Code    int
		Message string
		Data    map[string]any
	} `json:"error"`
}

// String is what tables compare: "7 result {...}", "null error -32700",
// "method {...}".
func (m message) String() string {
	switch {
	case m.Method != "":
		return m.Method + " " + string(m.Params)
	case m.Error != nil:
		return fmt.Sprintf("%s error %d %v", m.ID, m.Error.Code, m.Error.Data["kind"])
	default:
		return fmt.Sprintf("%s result %s", m.ID, m.Result)
	}
}

var exactHeader = regexp.MustCompile(`^Content-Length: ([0-9]+)\r\n\r\n`)

// fataler is what testing.TB and rapid.T have in common.
type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

// parseOutput is strict: the header is exactly what the protocol says.
func parseOutput(t testing.TB, out []byte) []message {
	t.Helper()
	var all []message
	for len(out) > 0 {
		h := exactHeader.FindSubmatch(out)
		if h == nil {
			t.Fatalf("not a frame: %.80q", out)
		}
		n, err := strconv.Atoi(string(h[1]))
		if err != nil || len(h[0])+n > len(out) {
			t.Fatalf("a frame of %s bytes is cut: %.80q", h[1], out)
		}
		all = append(all, parseMessage(t, out[len(h[0]):len(h[0])+n]))
		out = out[len(h[0])+n:]
	}
	return all
}

func parseMessage(t fataler, body []byte) message {
	t.Helper()
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatalf("%v in %.200q", err, body)
	}
	if !bytes.HasPrefix(body, []byte(`{`)) || !bytes.Contains(body, []byte(`"jsonrpc":"2.0"`)) {
		t.Fatalf("not JSON-RPC 2.0: %.200q", body)
	}
	return m
}

func render(all []message) []string {
	lines := []string{}
	for _, m := range all {
		lines = append(lines, m.String())
	}
	return lines
}

func frameOf(body string) string {
	return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
}

func call(id, method string) string {
	return frameOf(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":%q}`, id, method))
}

// echo replies to each request with what it got.
type echo struct{ s *Stream }

func (e echo) Handle(_ context.Context, _ *jsonrpc2.Conn, req *jsonrpc2.Request) {
	if req.Notif {
		if err := e.s.Notify("noted/"+req.Method, req.Params); err != nil {
			panic(err)
		}
		return
	}
	var result any = req.Method
	if req.Params != nil {
		result = *req.Params
	}
	if err := e.s.Reply(req.ID, result); err != nil {
		panic(err)
	}
}

// exchange feeds the input to a connection and returns all that it wrote until
// the input ended.
func exchange(t testing.TB, input io.Reader, o StreamOptions, h func(*Stream) jsonrpc2.Handler) []byte {
	t.Helper()
	var written bytes.Buffer
	out := NewOutbox(&written, OutboxOptions{})
	s := NewStream(input, out, o)
	conn := s.Conn(t.Context(), h(s))
	<-conn.DisconnectNotify()
	if err := out.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-out.Done()
	return written.Bytes()
}

func check(t *testing.T, input string, want ...string) {
	t.Helper()
	out := exchange(t, strings.NewReader(input), StreamOptions{MaxFrameBytes: 100 << 10}, func(s *Stream) jsonrpc2.Handler { return echo{s} })
	if diff := cmp.Diff(want, render(parseOutput(t, out))); diff != "" {
		t.Errorf("answers to %.200q (-want +got):\n%s", input, diff)
	}
}
