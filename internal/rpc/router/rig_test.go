package router

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/sourcegraph/jsonrpc2"
	"go.uber.org/goleak"

	"github.com/agent-rpc/agent-rpc/internal/rpc/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a router with a client at the other end of two pipes.
type rig struct {
	*Router
	t    *testing.T
	out  *wire.Outbox
	conn *jsonrpc2.Conn
	in   *io.PipeWriter
	logs *bytes.Buffer

	mu     sync.Mutex
	got    []string
	lastID json.RawMessage // of a request of the server
}

// play runs a test in a bubble, where waiting for the router to have nothing left
// to do needs no clock. The router is initialized unless the test says otherwise.
func play(t *testing.T, c Config, register func(*rig), test func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, c, register)
		r.send(request(`"init"`, "initialize", `{}`))
		r.expect(`"init" {}`)
		test(r)
		r.close()
	})
}

func newRig(t *testing.T, c Config, register func(*rig)) *rig {
	serverIn, clientOut := io.Pipe()
	clientIn, serverOut := io.Pipe()
	r := &rig{t: t, in: clientOut, logs: new(bytes.Buffer)}
	c.Logger = slog.New(slog.NewTextHandler(r.logs, nil))
	r.out = wire.NewOutbox(serverOut, wire.OutboxOptions{})
	r.Router = New(wire.NewStream(serverIn, r.out, wire.StreamOptions{}), c)
	r.Register("initialize", Options{Order: Inline}, reply(struct{}{}))
	register(r)
	go func() {
		<-r.out.Done()
		_ = serverOut.Close() // never fails
	}()
	go r.collect(clientIn)
	r.conn = r.Connect(t.Context())
	return r
}

// collect reads what the server sends until it ends.
func (r *rig) collect(in io.Reader) {
	frames := textproto.NewReader(bufio.NewReader(in))
	for {
		header, err := frames.ReadMIMEHeader()
		if err != nil {
			return
		}
		n, err := strconv.Atoi(header.Get("Content-Length"))
		if err != nil {
			panic(err)
		}
		body := make([]byte, n)
		if _, err := io.ReadFull(frames.R, body); err != nil {
			panic(err)
		}
		r.add(body)
	}
}

func (r *rig) add(body []byte) {
	var m struct {
		ID             json.RawMessage
		Method         string
		Params, Result json.RawMessage
		Error          *struct {
			Code    int
			Message string
			Data    struct {
				Kind         string
				Retryable    *bool
				RetryAfterMs int
			}
		}
	}
	if err := json.Unmarshal(body, &m); err != nil {
		panic(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	line := ""
	switch {
	case m.Method != "":
		line = strings.TrimSpace(m.Method + " " + string(m.Params))
		if m.ID != nil {
			r.lastID = m.ID
		}
	case m.Error != nil:
		line = fmt.Sprintf("%s error %d", m.ID, m.Error.Code)
		if m.Error.Data.Kind == "" || m.Error.Data.Retryable == nil || (m.Error.Code == -31008) != (m.Error.Data.RetryAfterMs > 0) {
			line += fmt.Sprintf(" with bad data %s", body)
		}
	default:
		line = fmt.Sprintf("%s %s", m.ID, m.Result)
	}
	r.got = append(r.got, line)
}

// send writes frames to the server.
func (r *rig) send(frames ...string) {
	r.t.Helper()
	for _, f := range frames {
		if _, err := io.WriteString(r.in, f); err != nil {
			r.t.Fatal(err)
		}
	}
}

// expect waits until nothing happens any more and compares all that the client
// got since the last time.
func (r *rig) expect(want ...string) {
	r.t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if diff := cmp.Diff(want, r.got); diff != "" {
		r.t.Errorf("the client got (-want +got):\n%s", diff)
	}
	r.got = nil
}

// close ends the input and sees that nothing is left.
func (r *rig) close() {
	r.t.Helper()
	if err := r.in.Close(); err != nil {
		r.t.Error(err)
	}
	<-r.conn.DisconnectNotify()
	if err := r.Shutdown(r.t.Context()); err != nil {
		r.t.Error(err)
	}
	if err := r.out.Close(r.t.Context()); err != nil {
		r.t.Error(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.got) > 0 {
		r.t.Errorf("left over: %q", r.got)
	}
	r.Router.mu.Lock()
	defer r.Router.mu.Unlock()
	if n := len(r.open) + len(r.byID) + len(r.queues) + r.waiting + r.bypass + r.active; n != 0 {
		r.t.Errorf("the router keeps %d things", n)
	}
}

func frame(body string) string {
	return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
}

func request(id, method, params string) string {
	return frame(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":%q,"params":%s}`, id, method, params))
}

func notification(method, params string) string {
	return frame(fmt.Sprintf(`{"jsonrpc":"2.0","method":%q,"params":%s}`, method, params))
}

func cancel(id string) string { return notification("$/cancelRequest", `{"id":`+id+`}`) }

// reply is a handler that replies and returns.
func reply(result any) Handler {
	return func(_ context.Context, req *Request) error {
		req.Reply(result)
		return nil
	}
}

func fail(err error) Handler {
	return func(context.Context, *Request) error { return err }
}

// gate is a handler that tells when it begins and goes on when it is let go.
type gate struct {
	r    *rig
	free chan struct{}
}

func newGate(r *rig) *gate { return &gate{r, make(chan struct{})} }

func (g *gate) handle(ctx context.Context, req *Request) error {
	g.r.mark("begin " + req.rawID)
	select {
	case <-g.free:
	case <-ctx.Done():
		g.r.mark("cancelled " + req.rawID)
		return ctx.Err()
	}
	req.Reply(req.Method)
	return nil
}

// mark sends a line to the client, where it stands in the order of everything
// else.
func (r *rig) mark(line string) {
	body, err := wire.Notification(line, nil)
	if err != nil {
		panic(err)
	}
	r.out.Send(body)
}
