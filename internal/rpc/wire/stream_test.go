package wire

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/sourcegraph/jsonrpc2"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

func TestStream(t *testing.T) {
	const (
		parse   = "null error -32700 parse_error"
		invalid = "null error -32600 invalid_request"
		ok      = `9 result "ok"`
	)
	next := call("9", "ok") // what follows must be answered
	long := strings.Repeat("x", 200<<10)
	for name, tt := range map[string]struct {
		in   string
		want []string
	}{
		"a request": {call("1", "m"), []string{`1 result "m"`}},
		"params as they came": {
			frameOf(`{"id":1,"method":"m","params":{"b":1.50,"a":"<&>","a":[ ]}}`),
			[]string{`1 result {"b":1.50,"a":"<&>","a":[ ]}`},
		},
		"null params":       {frameOf(`{"id":1,"method":"m","params":null}`), []string{`1 result null`}},
		"a notification":    {frameOf(`{"jsonrpc":"2.0","method":"n","params":[1]}`), []string{`noted/n [1]`}},
		"escapes in method": {frameOf(`{"id":1,"method":"a\u0062\n"}`), []string{`1 result "ab\n"`}},
		"white space":       {frameOf(" {\n \"id\" : 1 , \"method\" : \"m\" } \r\n"), []string{`1 result "m"`}},

		"header in lower case":      {strings.ToLower(frameOf(`{"id":1,"method":"m"}`)), []string{`1 result "m"`}},
		"no space in header":        {"Content-Length:21\r\n\r\n" + `{"id":1,"method":"m"}`, []string{`1 result "m"`}},
		"much space in header":      {"Content-Length \t: \t 21 \r\n\r\n" + `{"id":1,"method":"m"}`, []string{`1 result "m"`}},
		"LF alone":                  {"Content-Length: 21\n\n" + `{"id":1,"method":"m"}`, []string{`1 result "m"`}},
		"other headers":             {"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: 21\r\nX-Y: z\r\n\r\n" + `{"id":1,"method":"m"}`, []string{`1 result "m"`}},
		"blank lines before header": {"\r\n\n\r\n" + next, []string{ok}},

		"length no number":       {"Content-Length: abc\r\n\r\n" + `{"id":1,"method":"m"}` + next, []string{parse, ok}},
		"length empty":           {"Content-Length:\r\n\r\n" + next, []string{parse, ok}},
		"length negative":        {"Content-Length: -5\r\n\r\n" + next, []string{parse, ok}},
		"length with plus":       {"Content-Length: +5\r\n\r\n" + next, []string{parse, ok}},
		"length fractional":      {"Content-Length: 5.0\r\n\r\n" + next, []string{parse, ok}},
		"length over 64 bits":    {"Content-Length: 99999999999999999999999\r\n\r\n" + next, []string{parse, ok}},
		"length over int64":      {"Content-Length: 9223372036854775808\r\n\r\n" + next, []string{parse, ok}},
		"two bad lengths":        {"Content-Length: x\r\n\r\n{}Content-Length: y\r\n\r\n{}" + next, []string{parse, parse, ok}},
		"length zero":            {"Content-Length: 0\r\n\r\n" + next, []string{parse, ok}},
		"no length":              {"Content-Type: x\r\n\r\n" + `{"id":1,"method":"m"}` + next, []string{parse, ok}},
		"no header":              {`{"id":1,"method":"m"}` + "\n" + next, []string{parse, ok}},
		"many lines of rubbish":  {"one\ntwo: 2\n\nthree\n{}\n" + next, []string{parse, ok}},
		"a long line of rubbish": {long + "\r\n" + next, []string{parse, ok}},
		"a long line, glued":     {long + next, []string{parse, ok}},
		"length too short":       {"Content-Length: 10\r\n\r\n" + `{"id":1,"method":"m"}` + next, []string{parse, ok}},
		"length too long":        {"Content-Length: 25\r\n\r\n" + `{"id":1,"method":"m"}` + next + next, []string{parse, ok}},
		"trailing bytes":         {call("1", "m") + "xyz" + next, []string{`1 result "m"`, parse, ok}},
		"trailing line end":      {call("1", "m") + "\r\n" + next, []string{`1 result "m"`, ok}},
		"headers after rubbish":  {"rubbish\nContent-Length: 21\r\nContent-Type: x\r\n\r\n" + `{"id":1,"method":"m"}` + next, []string{parse, `1 result "m"`, ok}},

		"broken JSON":     {frameOf(`{"id":1,"method":`) + next, []string{parse, ok}},
		"no JSON":         {frameOf(`hello`) + next, []string{parse, ok}},
		"two values":      {frameOf(`{"id":1,"method":"m"}{}`) + next, []string{parse, ok}},
		"too deep":        {frameOf(strings.Repeat("[", 50_000)) + next, []string{parse, ok}},
		"a batch":         {frameOf(`[{"id":1,"method":"m"},{"id":2,"method":"m"}]`) + next, []string{invalid, ok}},
		"an empty batch":  {frameOf(`[]`) + next, []string{invalid, ok}},
		"a string":        {frameOf(`"m"`) + next, []string{invalid, ok}},
		"a number":        {frameOf(`1`) + next, []string{invalid, ok}},
		"null":            {frameOf(`null`) + next, []string{invalid, ok}},
		"neither":         {frameOf(`{"jsonrpc":"2.0"}`) + next, []string{invalid, ok}},
		"neither, id":     {frameOf(`{"id":5}`) + next, []string{"5 error -32600 invalid_request", ok}},
		"both":            {frameOf(`{"id":5,"method":"m","result":1}`) + next, []string{"5 error -32600 invalid_request", ok}},
		"method a number": {frameOf(`{"id":"a","method":1}`) + next, []string{`"a" error -32600 invalid_request`, ok}},
		"method null":     {frameOf(`{"method":null}`) + next, []string{invalid, ok}},
		"names by case":   {frameOf(`{"ID":1,"Method":"m"}`) + next, []string{invalid, ok}},

		"too large": {
			frameOf(`{"id":1,"method":"`+long+`"}`) + next,
			[]string{"null error -32600 message_too_large", ok},
		},
		"over the read buffer": {
			frameOf(`{"id":1,"method":"m","params":"`+long[:90<<10]+`"}`) + next,
			[]string{`1 result "` + long[:90<<10] + `"`, ok},
		},

		"id null":       {frameOf(`{"id":null,"method":"m"}`) + next, []string{invalid, ok}},
		"id an object":  {frameOf(`{"id":{"a":1},"method":"m"}`) + next, []string{invalid, ok}},
		"id an array":   {frameOf(`{"id":[1],"method":"m"}`) + next, []string{invalid, ok}},
		"id a boolean":  {frameOf(`{"id":true,"method":"m"}`) + next, []string{invalid, ok}},
		"id not UTF-8":  {frameOf("{\"id\":\"\xff\",\"method\":\"m\"}") + next, []string{"\"\ufffd\" result \"m\"", ok}},
		"id negative":   {call("-3", "m"), []string{`-3 result "m"`}},
		"id fractional": {call("1.5", "m") + call("1.0", "m"), []string{`1.5 result "m"`, `1.0 result "m"`}},
		"id exponent":   {call("1E+2", "m"), []string{`1E+2 result "m"`}},
		"id huge":       {call("123456789012345678901234567890", "m"), []string{`123456789012345678901234567890 result "m"`}},
		"id zero":       {call("0", "m"), []string{`0 result "m"`}},
		"id a string":   {call(`"a\u00e9\/"`, "m") + call(`""`, "m") + call(`"1"`, "m"), []string{`"a\u00e9\/" result "m"`, `"" result "m"`, `"1" result "m"`}},

		"a reply to nothing":       {frameOf(`{"id":0,"result":1}`) + frameOf(`{"id":null,"error":{"code":1,"message":"x"}}`) + frameOf(`{"result":1}`) + next, []string{ok}},
		"params not UTF-8":         {frameOf("{\"id\":1,\"method\":\"m\",\"params\":\"a\xffb\"}") + next, []string{"1 result \"a\ufffdb\"", ok}},
		"method not UTF-8":         {frameOf("{\"id\":1,\"method\":\"m\xff\"}") + next, []string{"1 result \"m\ufffd\"", ok}},
		"input ends in a header":   {"Content-Le", []string{}},
		"input ends before a body": {"Content-Length: 21\r\n", []string{}},
		"input ends in a body":     {next + "Content-Length: 21\r\n\r\n{", []string{ok}},
	} {
		t.Run(name, func(t *testing.T) { check(t, tt.in, tt.want...) })
	}
}

// TestStreamTooLargeNotBuffered: a message over the limit takes no memory.
func TestStreamTooLargeNotBuffered(t *testing.T) {
	const size = 256 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	in := io.MultiReader(
		strings.NewReader("Content-Length: "+strconv.Itoa(size)+"\r\n\r\n"),
		io.LimitReader(spaces{}, size),
		strings.NewReader(call("1", "m")),
	)
	out := exchange(t, in, StreamOptions{}, func(s *Stream) jsonrpc2.Handler { return echo{s} })
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
		t.Errorf("skipping took %d bytes", n)
	}
	want := []string{"null error -32600 message_too_large", `1 result "m"`}
	if diff := cmp.Diff(want, render(parseOutput(t, out))); diff != "" {
		t.Error(diff)
	}
}

type spaces struct{}

func (spaces) Read(p []byte) (int, error) { return len(p), nil }

// TestStreamByteByByte cuts the input at every place.
func TestStreamByteByByte(t *testing.T) {
	in := call("1", "a") + "rubbish" + frameOf(`[]`) + call(`"é"`, "b")
	out := exchange(t, iotest.OneByteReader(strings.NewReader(in)), StreamOptions{}, func(s *Stream) jsonrpc2.Handler { return echo{s} })
	want := []string{`1 result "a"`, "null error -32700 parse_error", "null error -32600 invalid_request", `"é" result "b"`}
	if diff := cmp.Diff(want, render(parseOutput(t, out))); diff != "" {
		t.Error(diff)
	}
}

// TestStreamHeaderAcrossBuffers: rubbish of any length does not hide the header
// that is glued to it.
func TestStreamHeaderAcrossBuffers(t *testing.T) {
	next := call("9", "ok")
	for n := readBuffer - len(next); n <= readBuffer+1; n++ {
		check(t, strings.Repeat("x", n)+next, "null error -32700 parse_error", `9 result "ok"`)
	}
}

// TestStreamReadError: only the input ends the connection.
func TestStreamReadError(t *testing.T) {
	in := io.MultiReader(strings.NewReader(call("1", "a")), iotest.ErrReader(errors.New("broken")))
	out := exchange(t, in, StreamOptions{}, func(s *Stream) jsonrpc2.Handler { return echo{s} })
	if diff := cmp.Diff([]string{`1 result "a"`}, render(parseOutput(t, out))); diff != "" {
		t.Error(diff)
	}
}

type handlerFunc func(context.Context, *jsonrpc2.Conn, *jsonrpc2.Request)

func (f handlerFunc) Handle(ctx context.Context, c *jsonrpc2.Conn, r *jsonrpc2.Request) { f(ctx, c, r) }

// TestStreamLibraryReplies: replies of the library itself carry the client's id.
func TestStreamLibraryReplies(t *testing.T) {
	in := call(`"x"`, "good") + call("-1.5", "bad") + call("7", "plain")
	out := exchange(t, strings.NewReader(in), StreamOptions{}, func(*Stream) jsonrpc2.Handler {
		return jsonrpc2.HandlerWithError(func(_ context.Context, _ *jsonrpc2.Conn, req *jsonrpc2.Request) (any, error) {
			switch req.Method {
			case "good":
				return map[string]int{"a": 1}, nil
			case "bad":
				return nil, &jsonrpc2.Error{Code: 5, Message: "m"}
			}
			return nil, nil
		})
	})
	want := []string{`"x" result {"a":1}`, `-1.5 error 5 <nil>`, `7 result null`}
	if diff := cmp.Diff(want, render(parseOutput(t, out))); diff != "" {
		t.Error(diff)
	}
}

// TestStreamDuplicateIDs: two requests in flight with one id get a reply each,
// their own, and never a second.
func TestStreamDuplicateIDs(t *testing.T) {
	var first *jsonrpc2.Request
	out := exchange(t, strings.NewReader(call("1", "a")+call("1", "b")), StreamOptions{}, func(s *Stream) jsonrpc2.Handler {
		return handlerFunc(func(ctx context.Context, c *jsonrpc2.Conn, req *jsonrpc2.Request) {
			if first == nil {
				first = req
				return
			}
			for _, r := range []*jsonrpc2.Request{req, first} {
				if raw, ok := s.ID(r.ID); !ok || string(raw) != "1" {
					t.Errorf("the id of %s is %s", r.Method, raw)
				}
				if err := s.Reply(r.ID, r.Method); err != nil {
					t.Error(err)
				}
			}
			if err := s.Reply(req.ID, "again"); !errors.Is(err, ErrAnswered) {
				t.Errorf("second reply: %v", err)
			}
			if err := c.Reply(ctx, req.ID, "again"); !errors.Is(err, ErrAnswered) {
				t.Errorf("second reply through the library: %v", err)
			}
			if _, ok := s.ID(req.ID); ok {
				t.Error("the id outlives the reply")
			}
		})
	})
	if diff := cmp.Diff([]string{`1 result "b"`, `1 result "a"`}, render(parseOutput(t, out))); diff != "" {
		t.Error(diff)
	}
}

// TestStreamReplyNotEncodable: a result that has no JSON leaves the request open.
func TestStreamReplyNotEncodable(t *testing.T) {
	out := exchange(t, strings.NewReader(call("1", "a")), StreamOptions{}, func(s *Stream) jsonrpc2.Handler {
		return handlerFunc(func(_ context.Context, _ *jsonrpc2.Conn, req *jsonrpc2.Request) {
			if err := s.Reply(req.ID, make(chan int)); err == nil || errors.Is(err, ErrAnswered) {
				t.Errorf("replying with a channel: %v", err)
			}
			if err := s.ReplyError(req.ID, &protocol.Error{Code: protocol.CodeInternalError, Message: "<x>"}); err != nil {
				t.Error(err)
			}
		})
	})
	if diff := cmp.Diff([]string{`1 error -32603 internal_error`}, render(parseOutput(t, out))); diff != "" {
		t.Error(diff)
	}
}

// TestStreamCalls: our own requests get the client's replies, however it writes
// the id, and a malformed reply is an error of the one call.
func TestStreamCalls(t *testing.T) {
	for name, tt := range map[string]struct {
		reply string // %ID% is the id of our request
		want  string
		fails bool
	}{
		"a result":            {reply: `{"jsonrpc":"2.0","id":%ID%,"result":{"a":1}}`, want: `{"a":1}`},
		"null":                {reply: `{"id":%ID%,"result":null}`, want: `null`},
		"the id with a point": {reply: `{"id":%ID%.0,"result":2}`, want: `2`},
		"error null":          {reply: `{"id":%ID%,"result":3,"error":null}`, want: `3`},
		"only error null":     {reply: `{"id":%ID%,"error":null}`, want: `null`},
		"an error":            {reply: `{"id":%ID%,"error":{"code":-32800,"message":"no"}}`, fails: true},
		"both":                {reply: `{"id":%ID%,"result":null,"error":{"code":1,"message":"no"}}`, fails: true},
		"error a string":      {reply: `{"id":%ID%,"error":"no"}`, fails: true},
		"error code a string": {reply: `{"id":%ID%,"error":{"code":"x"}}`, fails: true},
		"neither":             {reply: `{"id":%ID%}`, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			toServer, clientWrites := io.Pipe()
			clientReads, fromServer := io.Pipe()
			out := NewOutbox(fromServer, OutboxOptions{})
			s := NewStream(toServer, out, StreamOptions{})
			conn := s.Conn(t.Context(), echo{s})
			client := newFrames(clientReads, 1<<20, func(e *protocol.Error) { t.Error(e) })

			// The first call stays open: a reply must not reach it by mistake.
			other, err := conn.DispatchCall(t.Context(), "other", nil)
			if err != nil {
				t.Fatal(err)
			}
			readMessage(t, client)
			type outcome struct {
				result json.RawMessage
				err    error
			}
			done := make(chan outcome)
			go func() {
				var o outcome
				o.err = conn.Call(t.Context(), "ask", map[string]int{"x": 1}, &o.result)
				done <- o
			}()
			m := readMessage(t, client)
			if m.String() != `ask {"x":1}` {
				t.Errorf("the request is %s", m)
			}
			reply := strings.ReplaceAll(tt.reply, "%ID%", string(m.ID))
			// A second reply must find nothing.
			if _, err := io.WriteString(clientWrites, frameOf(reply)+frameOf(`{"id":`+string(m.ID)+`,"result":"second"}`)+call("1", "sync")); err != nil {
				t.Fatal(err)
			}
			o := <-done
			if (o.err != nil) != tt.fails || string(o.result) != tt.want {
				t.Errorf("got %s, %v", o.result, o.err)
			}
			if got := readMessage(t, client).String(); got != `1 result "sync"` {
				t.Errorf("after the reply came %s", got)
			}
			if n := len(s.ids.ours); n != 1 {
				t.Errorf("%d of our requests are open, want the first alone", n)
			}
			if err := clientWrites.Close(); err != nil {
				t.Fatal(err)
			}
			<-conn.DisconnectNotify()
			if err := other.Wait(t.Context(), nil); !errors.Is(err, jsonrpc2.ErrClosed) {
				t.Errorf("the open call got %v", err)
			}
			if err := out.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func readMessage(t *testing.T, f *frames) message {
	t.Helper()
	body, err := f.next()
	if err != nil {
		t.Fatal(err)
	}
	return parseMessage(t, body)
}

// TestStreamClosedOutbox: a reply that can't be written says so.
func TestStreamClosedOutbox(t *testing.T) {
	out := NewOutbox(io.Discard, OutboxOptions{})
	s := NewStream(strings.NewReader(call("1", "a")), out, StreamOptions{})
	if err := out.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	conn := s.Conn(t.Context(), handlerFunc(func(_ context.Context, _ *jsonrpc2.Conn, req *jsonrpc2.Request) {
		got <- s.Reply(req.ID, "late")
	}))
	if err := <-got; !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	<-conn.DisconnectNotify()
}

var lengths = regexp.MustCompile(`(?i)content-length[ \t]*:[ \t]*([0-9]+)`)

// FuzzStream: whatever came before, a request after enough line ends to fill any
// announced body is answered once.
func FuzzStream(f *testing.F) {
	for _, seed := range []string{
		"", "rubbish", "Content-Length: 3\r\n\r\n{}", "Content-Length: -1\n\n[]", "content-length: 9999\r\n\r\n",
		"Content-Length: 2\r\nContent-Length: 7\r\n\r\n{\"id\":1}", "a:b\r\n\r\n", "\xff\xfe\r", call("1", "m"),
		frameOf(`{"id":[],"method":"m"}`), frameOf(`[1]`), frameOf(`{"id":0,"result":{}}`), frameOf(`{"id":1,"method":"m","result":1}`),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 1 << 12
		filler, recovers := 0, true
		for _, m := range lengths.FindAllSubmatch(data, -1) {
			if n, err := strconv.ParseUint(string(m[1]), 10, 63); err == nil {
				filler = max(filler, int(n))
				recovers = recovers && n < 1<<16
			}
		}
		in := string(data)
		if recovers {
			in += "\n" + strings.Repeat("\n", filler) + "\n" + call(`"the last"`, "fuzz")
		}
		out := exchange(t, strings.NewReader(in), StreamOptions{MaxFrameBytes: limit}, func(s *Stream) jsonrpc2.Handler { return echo{s} })
		all := render(parseOutput(t, out))
		if recovers && (len(all) == 0 || all[len(all)-1] != `"the last" result "fuzz"`) {
			t.Errorf("the request after %q was not answered: %q", data, slices.Clip(all))
		}
	})
}
