package router

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sourcegraph/jsonrpc2"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/rpc/wire"
)

// The limits of protocol.md, section 6, unless [Config] says otherwise.
const (
	MaxWaiting      = 64
	MaxWaitingTotal = 1024
)

// retryAfterMs is what a client that was refused is asked to wait: a queue moves
// on within one request.
const retryAfterMs = 200

// The methods of the lifecycle, as LSP 3.18 names them.
const (
	methodInitialize = "initialize"
	methodShutdown   = "shutdown"
	methodExit       = "exit"
)

// Cancel is how a protocol takes a request back: a notification, and the name of
// its param that holds the request's id.
type Cancel struct{ Method, ID string }

// cancelLSP is that of LSP 3.18.
var cancelLSP = Cancel{"$/cancelRequest", "id"}

// Config is optional, all of it.
type Config struct {
	// MaxWaiting limits the requests that wait on one conversation; 64 if 0.
	MaxWaiting int
	// MaxWaitingTotal limits those that wait anywhere, and those that run past
	// the queues; 1,024 if 0.
	MaxWaitingTotal int
	// Errors gives the errors of the packages behind the handlers their codes; it
	// returns nil for those it does not know. A *protocol.Error needs no help.
	Errors func(error) *protocol.Error
	// Logger gets panics with their stack, and at debug level what was ignored;
	// none if nil.
	Logger *slog.Logger
	// Cancel is LSP's if it is empty.
	Cancel Cancel
}

// Order says when a request is taken.
type Order int

const (
	// Queued requests on one conversation are taken first in, first out: the next
	// when the handler of the one before has returned. Those that name no
	// conversation share a queue of their own.
	Queued Order = iota
	// Bypass requests are taken at once, each in a goroutine of its own.
	Bypass
	// Inline requests are taken at once in the reader's goroutine, in the order in
	// which they came. Their handlers must not block, and so not [Router.Call].
	Inline
)

// Options are how a method is served.
type Options struct {
	Order Order
	// Early methods are legal before initialize.
	Early bool
	// Key names the queue of a request; nil takes the conversation in params.id
	// or params.conversationId.
	Key func(params json.RawMessage) string
}

// Handler serves one request or notification. It may return before it has
// replied, and reply from elsewhere later. If it returns an error that is the
// reply, unless there was one. ctx ends when the request is cancelled, or when
// it has returned and replied.
type Handler func(ctx context.Context, req *Request) error

type method struct {
	Options
	handle Handler
}

type phase int

const (
	fresh        phase = iota // initialize is expected
	initializing              // its handler runs
	ready
	shut // after shutdown
)

// Router is the jsonrpc2.Handler of one client.
type Router struct {
	stream  *wire.Stream
	config  Config
	log     *slog.Logger
	methods map[string]method // not changed once connected

	conn      *jsonrpc2.Conn
	connected chan struct{} // closed when conn is set
	calls     atomic.Uint64 // the last id of ours

	mu       sync.Mutex
	phase    phase
	draining bool
	queues   map[string][]*Request // what waits, for each queue whose goroutine runs
	waiting  int                   // in all queues
	bypass   int                   // running past the queues
	open     map[*Request]struct{} // taken in, not returned or not answered
	byID     map[string][]*Request // not answered, by the client's id
	active   int                   // waiting or running
	idle     chan struct{}         // closed when active comes to 0, if someone waits
}

// New makes a router without methods that answers through stream.
func New(stream *wire.Stream, c Config) *Router {
	if c.MaxWaiting == 0 {
		c.MaxWaiting = MaxWaiting
	}
	if c.MaxWaitingTotal == 0 {
		c.MaxWaitingTotal = MaxWaitingTotal
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Cancel.Method == "" {
		c.Cancel = cancelLSP
	}
	return &Router{
		stream: stream, config: c, log: c.Logger,
		methods:   map[string]method{},
		connected: make(chan struct{}),
		queues:    map[string][]*Request{},
		open:      map[*Request]struct{}{},
		byID:      map[string][]*Request{},
	}
}

// Register adds a method, before Connect. A name that is taken panics.
func (r *Router) Register(name string, o Options, h Handler) {
	if _, ok := r.methods[name]; ok {
		panic("router: " + name + " is registered twice")
	}
	r.methods[name] = method{o, h}
}

// Connect starts to read. The connection ends with the input or with ctx, once;
// requests that were taken in by then go on: see [Router.Shutdown].
func (r *Router) Connect(ctx context.Context) *jsonrpc2.Conn {
	r.conn = r.stream.Conn(ctx, r)
	close(r.connected)
	return r.conn
}

// Handle implements jsonrpc2.Handler. Unless the method is [Inline] it returns
// at once.
func (r *Router) Handle(ctx context.Context, _ *jsonrpc2.Conn, in *jsonrpc2.Request) {
	q := &Request{Method: in.Method, router: r, id: in.ID, notification: in.Notif}
	if in.Params != nil {
		q.Params = *in.Params
	}
	if q.notification && q.Method == r.config.Cancel.Method {
		r.cancelRequest(q.Params)
		return
	}
	if !q.notification {
		raw, _ := r.stream.ID(in.ID)
		q.rawID = string(raw)
	}
	m, err := r.admit(q)
	if err != nil {
		r.refuse(q, err)
		return
	}
	// The end of the input must not cut short what was asked before it.
	ctx, q.cancel = context.WithCancel(context.WithoutCancel(ctx))
	q.run = func() { r.run(ctx, m.handle, q) }
	switch m.Order {
	case Inline:
		r.take(q)
		q.run()
	case Bypass:
		if err = r.takeBypass(q); err == nil {
			go q.run()
		}
	default:
		key := m.Key
		if key == nil {
			key = conversationKey
		}
		err = r.enqueue(key(q.Params), q)
	}
	if err != nil {
		q.cancel()
		r.refuse(q, err)
	}
}

// admit looks the method up and tells whether it is legal now.
func (r *Router) admit(q *Request) (method, *protocol.Error) {
	m, known := r.methods[q.Method]
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case q.Method == methodExit && known:
		return m, nil
	case r.phase == shut:
		return m, refusal(protocol.CodeInvalidRequest, "the server is shut down")
	case r.draining:
		return m, refusal(protocol.CodeDraining, "the server is shutting down")
	case q.Method == methodInitialize && known && r.phase != fresh:
		return m, refusal(protocol.CodeInvalidRequest, "the server is already initialized")
	case r.phase < ready && q.Method != methodInitialize && !m.Early:
		return m, refusal(protocol.CodeServerNotInitialized, "the server is not initialized")
	case !known:
		return m, refusal(protocol.CodeMethodNotFound, fmt.Sprintf("method %q is not served", q.Method))
	case q.notification && (q.Method == methodInitialize || q.Method == methodShutdown):
		return m, refusal(protocol.CodeInvalidRequest, "it is a request, not a notification")
	}
	return m, nil
}

// refuse answers a request that is not taken in. A notification has no answer.
func (r *Router) refuse(q *Request, e *protocol.Error) {
	if q.notification {
		r.log.Debug("ignored a notification", "method", q.Method, "reason", e.Message)
		return
	}
	if err := r.stream.ReplyError(q.id, e); err != nil {
		r.log.Debug("a reply was not sent", "method", q.Method, "error", err)
	}
}

// run calls a handler and sees its request through.
func (r *Router) run(ctx context.Context, h Handler, q *Request) {
	// One that is cancelled by now has not begun and does nothing at all.
	if ctx.Err() == nil {
		if err := r.guard(ctx, h, q); err != nil && !q.ReplyError(err) {
			r.log.Debug("a handler failed after its reply", "method", q.Method, "error", err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if q.bypass {
		r.bypass--
	}
	r.returned(q)
}

// guard turns a panic of a handler into an error.
func (r *Router) guard(ctx context.Context, h Handler, q *Request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("a handler panicked", "method", q.Method, "panic", p, "stack", string(debug.Stack()))
			err = internal(q.Method)
		}
	}()
	return h(ctx, q)
}

func (r *Router) take(q *Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken(q)
}

func (r *Router) takeBypass(q *Request) *protocol.Error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bypass >= r.config.MaxWaitingTotal {
		return overloaded()
	}
	r.bypass++
	q.bypass = true
	r.taken(q)
	return nil
}

// The methods below are called with the lock held.

// taken notes a request that is taken in: it will be run, or unqueued.
func (r *Router) taken(q *Request) {
	r.active++
	r.open[q] = struct{}{}
	if q.notification {
		q.claimed, q.answered = true, true
		return
	}
	r.byID[q.rawID] = append(r.byID[q.rawID], q)
	switch q.Method {
	case methodInitialize:
		r.phase = initializing
	case methodShutdown:
		r.phase = shut
	}
}

// returned notes that a request's handler has returned, or will never run.
func (r *Router) returned(q *Request) {
	q.returned = true
	r.settle(q)
	r.active--
	if r.active == 0 && r.idle != nil {
		close(r.idle)
		r.idle = nil
	}
}

// claim lets one caller answer a request; ok tells whether with a result.
func (r *Router) claim(q *Request, ok bool) bool {
	if q.claimed {
		return false
	}
	q.claimed = true
	r.byID[q.rawID] = slices.DeleteFunc(r.byID[q.rawID], func(other *Request) bool { return other == q })
	if len(r.byID[q.rawID]) == 0 {
		delete(r.byID, q.rawID)
	}
	if q.Method == methodInitialize && r.phase == initializing {
		// Before the reply leaves: the client may go on as soon as it has it.
		r.phase = fresh
		if ok {
			r.phase = ready
		}
	}
	return true
}

// answered notes that the answer to a request is queued.
func (r *Router) answered(q *Request) {
	q.answered = true
	r.settle(q)
}

// settle lets go of a request that has returned and is answered.
func (r *Router) settle(q *Request) {
	if q.returned && q.answered {
		delete(r.open, q)
		q.cancel()
	}
}
