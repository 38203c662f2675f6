// Package client is a small client of the protocol of agent-rpc, for the
// command line: it starts the server as a child process (or takes any stream),
// does the handshake of LSP, makes typed calls and hands out what the server
// pushes, in order.
//
// It knows nothing of terminals and does not retry. It opens no files and
// answers no question of the server by itself: a request for confirmation gets
// "shown, still pending", everything else "method not found".
//
// A client starts one goroutine that reads until the stream ends; with a child
// process two more belong to it, one for its stderr and one that waits for it.
// [Client.Close] waits for all of them.
package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// Notification is what the server pushed: an event, a delta, a state.
type Notification struct {
	Method string
	Params json.RawMessage
}

// Client is a connection to a server. Calls may come from several goroutines.
type Client struct {
	stream io.ReadWriteCloser
	child  *child // nil without one
	tap    func(sent bool, body []byte)

	writing sync.Mutex

	mu      sync.Mutex
	nextID  int
	waiting map[int]chan<- reply
	queue   []Notification
	wake    chan struct{} // holds a token while queue is not empty or the stream ended
	err     error         // why the stream ended

	done chan struct{} // closed when the reader is gone
	// Server is what initialize answered.
	Server protocol.ServerOptions
	// Version is the server's own version.
	Version string
}

type reply struct {
	result json.RawMessage
	err    error
}

// ErrClosed says that the connection is gone; what ended it is wrapped beside
// it.
var ErrClosed = errors.New("the connection to the server is closed")

type closedError struct{ cause error }

func (e *closedError) Error() string   { return e.cause.Error() }
func (e *closedError) Unwrap() []error { return []error{ErrClosed, e.cause} }

// New makes a client of a stream. The handshake is not done; see
// [Client.Initialize].
func New(stream io.ReadWriteCloser) *Client { return newClient(stream, nil, nil) }

func newClient(stream io.ReadWriteCloser, c *child, tap func(sent bool, body []byte)) *Client {
	client := &Client{
		stream: stream, child: c, tap: tap,
		waiting: map[int]chan<- reply{}, wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	go client.read()
	return client
}

type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *wireError      `json:"error"`
}

type wireError struct {
	Code    protocol.Code  `json:"code"`
	Message string         `json:"message"`
	Data    map[string]any `json:"data"`
}

func (c *Client) read() {
	defer close(c.done)
	r := bufio.NewReaderSize(c.stream, 64<<10)
	for {
		body, err := readFrame(r)
		if err == nil {
			if c.tap != nil {
				c.tap(false, body)
			}
			err = c.handle(body)
		}
		if err != nil {
			c.end(err)
			return
		}
	}
}

func (c *Client) handle(body []byte) error {
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		return fmt.Errorf("the server sent what is no JSON-RPC: %w", err)
	}
	hasID := len(m.ID) > 0 && !bytes.Equal(m.ID, []byte("null"))
	switch {
	case m.Method != "" && hasID:
		return c.answer(m)
	case m.Method != "":
		c.push(Notification{m.Method, m.Params})
	case hasID:
		id, err := strconv.Atoi(string(m.ID))
		if err != nil {
			return nil // an answer to nothing we asked
		}
		r := reply{result: m.Result}
		if m.Error != nil {
			r.err = &protocol.Error{Code: m.Error.Code, Message: m.Error.Message, Data: m.Error.Data}
		}
		c.mu.Lock()
		waiting := c.waiting[id]
		delete(c.waiting, id)
		c.mu.Unlock()
		if waiting != nil {
			waiting <- r
		}
	case m.Error != nil:
		// The server could not read something we sent. There is no request to tell.
		c.push(Notification{Method: "error", Params: body})
	}
	return nil
}

// answer replies to a request of the server.
func (c *Client) answer(m message) error {
	type out struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Result  any             `json:"result,omitempty"`
		Error   *protocol.Error `json:"error,omitempty"`
	}
	r := out{JSONRPC: "2.0", ID: m.ID}
	switch m.Method {
	case protocol.RequestConfirmation, protocol.RequestInput, "window/workDoneProgress/create", "window/showMessageRequest":
		r.Result = json.RawMessage("null")
	case "workspace/configuration":
		var p struct {
			Items []json.RawMessage `json:"items"`
		}
		_ = json.Unmarshal(m.Params, &p) // a request without items gets an empty answer
		r.Result = make([]*struct{}, len(p.Items))
	default:
		r.Error = &protocol.Error{Code: protocol.CodeMethodNotFound, Message: m.Method + " is not served by this client"}
	}
	return c.write(r)
}

func (c *Client) push(n Notification) {
	c.mu.Lock()
	c.queue = append(c.queue, n)
	c.mu.Unlock()
	c.signal()
}

func (c *Client) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// end lets everything that waits know that the stream is over.
func (c *Client) end(err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) {
		err = nil
	}
	if c.child != nil {
		err = c.child.explain(err)
	}
	if err == nil {
		err = ErrClosed
	} else {
		err = &closedError{err}
	}
	c.mu.Lock()
	c.err = err
	waiting := c.waiting
	c.waiting = nil
	c.mu.Unlock()
	for _, w := range waiting {
		w <- reply{err: err}
	}
	c.signal()
}

// Next gives the next notification in the order in which the server sent them.
// The error is that of the context, or one that wraps [ErrClosed] when the
// stream is over and all is read.
func (c *Client) Next(ctx context.Context) (Notification, error) {
	for {
		if n, ok, err := c.take(); ok || err != nil {
			return n, err
		}
		select {
		case <-ctx.Done():
			return Notification{}, ctx.Err()
		case <-c.wake:
		}
	}
}

// Ready tells, by a token, that [Client.Take] may have something.
func (c *Client) Ready() <-chan struct{} { return c.wake }

// Take gives the next notification without waiting; ok is false if there is
// none for now.
func (c *Client) Take() (n Notification, ok bool, err error) { return c.take() }

func (c *Client) take() (Notification, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) > 0 {
		n := c.queue[0]
		c.queue[0] = Notification{}
		c.queue = c.queue[1:]
		return n, true, nil
	}
	if c.err != nil {
		c.signal() // the next one who asks must learn of it too
		return Notification{}, false, c.err
	}
	return Notification{}, false, nil
}

// Call makes a request and decodes its result, unless result is nil. An error
// reply is a *protocol.Error. When the context ends first the server is told to
// stop answering.
func (c *Client) Call(ctx context.Context, method string, params, result any) error {
	got := make(chan reply, 1)
	c.mu.Lock()
	if c.waiting == nil {
		err := c.err
		c.mu.Unlock()
		return err
	}
	c.nextID++
	id := c.nextID
	c.waiting[id] = got
	c.mu.Unlock()

	if err := c.write(request{"2.0", &id, method, params}); err != nil {
		c.mu.Lock()
		delete(c.waiting, id)
		c.mu.Unlock()
		return c.explainWrite(method, err)
	}
	select {
	case <-ctx.Done():
		_ = c.Notify("$/cancelRequest", map[string]int{"id": id}) // the call has failed already
		return ctx.Err()
	case r := <-got:
		if r.err != nil {
			return r.err
		}
		if result == nil {
			return nil
		}
		if err := json.Unmarshal(r.result, result); err != nil {
			return fmt.Errorf("reading the answer to %s: %w", method, err)
		}
		return nil
	}
}

// explainWrite waits for the reader to find out why the server is gone: its exit
// status and last words say more than a broken pipe.
func (c *Client) explainWrite(method string, err error) error {
	if c.child != nil {
		<-c.done
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.err
	}
	return fmt.Errorf("sending %s: %w", method, err)
}

type request struct {
	JSONRPC string `json:"jsonrpc"`
	ID      *int   `json:"id,omitempty"`
	Method  string `json:"method"`
	Params  any    `json:"params,omitempty"`
}

// Notify sends a notification.
func (c *Client) Notify(method string, params any) error {
	return c.write(request{"2.0", nil, method, params})
}

func (c *Client) write(m any) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if c.tap != nil {
		c.tap(true, body)
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	_, err = c.stream.Write(appendFrame(body))
	return err
}
