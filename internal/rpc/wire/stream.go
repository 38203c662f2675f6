package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"unicode/utf8"

	"github.com/sourcegraph/jsonrpc2"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// MaxFrameBytes is the longest message that a client may send, unless
// [StreamOptions] say otherwise.
const MaxFrameBytes = 64 << 20

// ErrAnswered is the error of a second reply to one request.
var ErrAnswered = errors.New("the request is already answered")

// StreamOptions are optional, all of them.
type StreamOptions struct {
	// MaxFrameBytes limits a message of the client; [MaxFrameBytes] if 0.
	MaxFrameBytes int64
	// Logger gets what a client sent in vain, at debug level; none if nil.
	Logger *slog.Logger
	// Lines takes a message from each line instead of from behind a header: the
	// transport of ACP.
	Lines bool
}

// Stream is the jsonrpc2.ObjectStream between a client and the library. It reads
// messages from a reader and writes through an [Outbox], so that writing never
// blocks.
//
// The envelope is JSON-RPC 2.0 with the framing of LSP 3.18: a Content-Length
// header, no batches. Header lines may end in LF alone. What does not parse is
// answered -32700 with id null, what is no message -32600, and reading goes on.
type Stream struct {
	in     source
	closer io.Closer
	out    *Outbox
	ids    *ids
	log    *slog.Logger
	params *json.RawMessage // of the message read last
}

// NewStream makes a stream that reads from r and writes to out. Closing the
// stream closes r if it can be closed, and leaves out alone.
func NewStream(r io.Reader, out *Outbox, o StreamOptions) *Stream {
	if o.MaxFrameBytes == 0 {
		o.MaxFrameBytes = MaxFrameBytes
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Stream{out: out, ids: newIDs(), log: o.Logger}
	s.closer, _ = r.(io.Closer)
	reject := func(e *protocol.Error) { s.reject(nil, e) }
	if o.Lines {
		s.in = newLines(r, o.MaxFrameBytes, reject)
	} else {
		s.in = newFrames(r, o.MaxFrameBytes, reject)
	}
	return s
}

// Conn starts the library's connection over the stream, with its reader. h gets
// requests whose Params are the bytes that the client sent, and whose ID is a
// number that stands for the client's own: see [Stream.ID].
func (s *Stream) Conn(ctx context.Context, h jsonrpc2.Handler) *jsonrpc2.Conn {
	return jsonrpc2.NewConn(ctx, s, handler{s, h}, jsonrpc2.SetLogger(libraryLog{s.log}))
}

// ID is the client's own id of a request that waits for its reply, as it came.
func (s *Stream) ID(id jsonrpc2.ID) (json.RawMessage, bool) { return s.ids.raw(id.Num) }

// Reply answers a request, once: a second reply gets [ErrAnswered]. Unlike
// jsonrpc2.Conn.Reply it encodes the result once, and works when the input has
// ended. If the result can't be encoded the request is not answered.
func (s *Stream) Reply(id jsonrpc2.ID, result any) error {
	return s.reply(id, "result", result)
}

// ReplyError answers a request with an error, once.
func (s *Stream) ReplyError(id jsonrpc2.ID, e *protocol.Error) error {
	return s.reply(id, "error", e)
}

func (s *Stream) reply(id jsonrpc2.ID, member string, value any) error {
	raw, ok := s.ids.raw(id.Num)
	if !ok {
		return ErrAnswered
	}
	body, err := response(raw, member, value)
	if err != nil {
		return fmt.Errorf("encoding a reply: %w", err)
	}
	if _, ok := s.ids.answer(id.Num); !ok {
		return ErrAnswered
	}
	return s.out.send(body)
}

// Notify sends a notification that must not be lost.
func (s *Stream) Notify(method string, params any) error {
	body, err := Notification(method, params)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", method, err)
	}
	return s.out.send(body)
}

// ReadObject implements jsonrpc2.ObjectStream; v is the library's message.
func (s *Stream) ReadObject(v any) error {
	for {
		frame, err := s.in.next()
		if err != nil {
			return err
		}
		if msg := s.accept(frame); msg != nil {
			if err := json.Unmarshal(msg, v); err != nil {
				return fmt.Errorf("handing a message to the library: %w", err)
			}
			return nil
		}
	}
}

// accept turns a frame into a message that the library understands, or answers
// the frame itself and returns nil.
func (s *Stream) accept(frame []byte) []byte {
	// encoding/json lets bytes that are not UTF-8 pass in what stays raw, and it
	// would come back to a client that may not read it.
	if !utf8.Valid(frame) {
		frame = bytes.ToValidUTF8(frame, []byte(string(utf8.RuneError)))
	}
	var m map[string]json.RawMessage
	err := json.Unmarshal(frame, &m)
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		s.in.resync()
		s.reject(nil, &protocol.Error{Code: protocol.CodeParseError, Message: fmt.Sprintf("malformed JSON: %v at byte %d", err, syntax.Offset)})
		return nil
	}
	if err != nil || m == nil {
		s.invalid(nil, "a message must be one object; batches are not served")
		return nil
	}
	_, hasMethod := m["method"]
	_, hasResult := m["result"]
	_, hasError := m["error"]
	switch {
	case hasMethod && !hasResult && !hasError:
		return s.acceptRequest(m)
	case !hasMethod && (hasResult || hasError):
		return s.acceptResponse(m)
	case hasMethod:
		s.invalid(m["id"], "a message is a request or a response, not both")
		return nil
	}
	if n, ok := s.ids.answered(m["id"]); ok {
		return failed(n, "the reply has neither a result nor an error")
	}
	s.invalid(m["id"], "a message needs a method, a result or an error")
	return nil
}

func (s *Stream) acceptRequest(m map[string]json.RawMessage) []byte {
	method := m["method"]
	if method[0] != '"' {
		s.invalid(m["id"], "the method must be a string")
		return nil
	}
	id, isCall := m["id"]
	if isCall && !validID(id) {
		s.invalid(nil, "an id must be a number or a string")
		return nil
	}
	s.params = nil
	if params, ok := m["params"]; ok {
		s.params = &params
	}
	// The library would decode and encode the params twice: they go round it.
	msg := append([]byte(`{"method":`), method...)
	if isCall {
		msg = append(msg, `,"id":`...)
		msg = strconv.AppendUint(msg, s.ids.receive(id), 10)
	}
	return append(msg, '}')
}

// acceptResponse never answers: an error that answers a reply would be taken for
// the reply to something else.
func (s *Stream) acceptResponse(m map[string]json.RawMessage) []byte {
	n, ok := s.ids.answered(m["id"])
	if !ok {
		s.log.Debug("a reply to no request", "id", string(m["id"]), "error", string(m["error"]))
		return nil
	}
	msg := strconv.AppendUint([]byte(`{"id":`), n, 10)
	if e, ok := m["error"]; ok && string(e) != "null" {
		if err := json.Unmarshal(e, new(jsonrpc2.Error)); err != nil {
			return failed(n, "the reply has a malformed error: "+string(e))
		}
		msg = append(append(msg, `,"error":`...), e...)
		return append(msg, '}')
	}
	result, ok := m["result"]
	if !ok {
		result = null
	}
	msg = append(append(msg, `,"result":`...), result...)
	return append(msg, '}')
}

// failed is the reply that the library gets in place of one that it could not
// read, so that whoever waits for it is told.
func failed(n uint64, why string) []byte {
	text, _ := json.Marshal(why) // a string always encodes
	return fmt.Appendf(nil, `{"id":%d,"error":{"code":%d,"message":%s}}`, n, protocol.CodeInvalidRequest, text)
}

func (s *Stream) invalid(id json.RawMessage, why string) {
	s.reject(id, &protocol.Error{Code: protocol.CodeInvalidRequest, Message: why})
}

func (s *Stream) reject(id json.RawMessage, e *protocol.Error) {
	s.log.Debug("rejected a message", "error", e.Message)
	if !validID(id) {
		id = null
	}
	body, err := response(id, "error", e)
	if err != nil {
		s.log.Error("encoding an error reply", "error", err)
		return
	}
	s.out.Send(body)
}

// WriteObject implements jsonrpc2.ObjectStream. It queues the message and never
// blocks; its error is that of the outbox, or [ErrAnswered].
func (s *Stream) WriteObject(obj any) error {
	data, err := json.Marshal(obj)
	if err != nil {
		return err
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	id, hasID := m["id"]
	n, err := strconv.ParseUint(string(id), 10, 64)
	if hasID && err != nil {
		return fmt.Errorf("the id %s is not a number", id)
	}
	if _, isRequest := m["method"]; isRequest {
		if hasID {
			s.ids.send(n)
		}
		return s.out.send(data)
	}
	if e, ok := m["error"]; ok {
		return s.reply(jsonrpc2.ID{Num: n}, "error", e)
	}
	return s.reply(jsonrpc2.ID{Num: n}, "result", m["result"])
}

// Close implements jsonrpc2.ObjectStream: it ends the reading.
func (s *Stream) Close() error {
	if s.closer == nil {
		return nil
	}
	return s.closer.Close()
}

// handler gives requests their params back: the library calls it in the reader's
// goroutine, before it reads on.
type handler struct {
	s *Stream
	h jsonrpc2.Handler
}

func (h handler) Handle(ctx context.Context, conn *jsonrpc2.Conn, req *jsonrpc2.Request) {
	req.Params = h.s.params
	h.h.Handle(ctx, conn, req)
}

type libraryLog struct{ log *slog.Logger }

func (l libraryLog) Printf(format string, args ...any) { l.log.Debug(fmt.Sprintf(format, args...)) }
