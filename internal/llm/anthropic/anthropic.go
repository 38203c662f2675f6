// Package anthropic speaks Anthropic's Messages API, to Anthropic and to servers
// that offer the same.
//
// The SDK builds and sends the request; the events are read here, so that
// thinking blocks and their signatures stay as they came to the byte. The
// package does not retry and does not look for keys. It starts no goroutine.
package anthropic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	sdk "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/anthropics/anthropic-sdk-go/packages/ssestream"

	"github.com/agent-rpc/agent-rpc/internal/llm"
	"github.com/agent-rpc/agent-rpc/internal/llm/transport"
)

// Options is what New needs to know.
type Options struct {
	// Model is the name on the wire. // required
	Model string
	// Peer is the server; requests go to BaseURL/v1/messages. // required
	Peer transport.Peer
	// Key is sent as x-api-key; "" sends none.
	Key string
	// NeedsKey: without a key a call fails before anything is sent.
	NeedsKey bool
	Config   llm.Config
	// Traits is asked at each call, so that it may load the catalog late. // required
	Traits func() llm.Traits
	// UserAgent is sent as such if not "".
	UserAgent string
}

type model struct {
	Options
	client sdk.Client
}

// interleaved lets a model think between tool calls.
const interleaved = "interleaved-thinking-2025-05-14"

// New makes the model. It neither reads the environment nor connects.
func New(o Options) llm.Model {
	base := strings.TrimSuffix(strings.TrimRight(o.Peer.BaseURL, "/"), "/v1")
	opts := []option.RequestOption{
		option.WithHTTPClient(o.Peer.Client()),
		option.WithBaseURL(base),
		option.WithMaxRetries(0),
		option.WithMiddleware(o.Peer.Refuse),
		option.WithHeader("Accept", "text/event-stream"),
		option.WithJSONSet("stream", true),
	}
	if o.Key != "" {
		opts = append(opts, option.WithAPIKey(o.Key))
	}
	if o.UserAgent != "" {
		opts = append(opts, option.WithHeader("User-Agent", o.UserAgent))
	}
	for name, value := range o.Config.ExtraHeaders {
		opts = append(opts, option.WithHeader(name, value))
	}
	for name, value := range o.Config.ExtraBody {
		opts = append(opts, option.WithJSONSet(name, value))
	}
	// Not sdk.NewClient: it would look for keys in the environment and on disk.
	return &model{Options: o, client: sdk.Client{Options: opts}}
}

func (m *model) Complete(ctx context.Context, req *llm.Request, stream func(llm.Chunk)) (*llm.Response, error) {
	if m.NeedsKey && m.Key == "" {
		return nil, m.Peer.NoKey()
	}
	traits := m.Traits()
	params := m.params(req, traits)
	var opts []option.RequestOption
	if params.Thinking.OfEnabled != nil {
		opts = append(opts, option.WithHeader("anthropic-beta", m.betas(interleaved)))
	}
	start := time.Now()
	var res *http.Response
	if err := m.client.Post(ctx, "v1/messages", params, &res, opts...); err != nil {
		return nil, m.Peer.Failed(ctx, err)
	}
	defer func() { _ = res.Body.Close() }()

	a := newAssembler(stream)
	if err := m.read(ctx, res, a); err != nil {
		return nil, err
	}
	answer := a.response()
	answer.Latency = time.Since(start)
	answer.Usage.ContextWindow = traits.ContextWindow
	answer.Usage.Cost = traits.Prices.Cost(answer.Usage)
	return answer, nil
}

// betas adds one to what the user's headers ask for.
func (m *model) betas(beta string) string {
	for name, value := range m.Config.ExtraHeaders {
		if strings.EqualFold(name, "anthropic-beta") && value != "" {
			return value + "," + beta
		}
	}
	return beta
}

// read feeds the body to the assembler until the answer is whole.
func (m *model) read(ctx context.Context, res *http.Response, a *assembler) error {
	form, err := m.Peer.Form(res)
	if err != nil {
		return m.cut(ctx, a, err)
	}
	switch form {
	case transport.FormStream:
		return m.readStream(ctx, res, a)
	case transport.FormEmpty:
		return m.cut(ctx, a, nil)
	}
	body, err := m.Peer.ReadAll(res)
	if err != nil {
		return m.cut(ctx, a, err)
	}
	var whole message
	if form == transport.FormOther || json.Unmarshal(body, &whole) != nil {
		return m.Peer.NotAnAnswer(res.StatusCode, body)
	}
	switch whole.Type {
	case "error":
		return m.Peer.Refused(0, body, res.Header)
	case "message":
		a.whole(&whole)
		return m.verdict(a)
	}
	return m.Peer.NotAnAnswer(res.StatusCode, body)
}

func (m *model) readStream(ctx context.Context, res *http.Response, a *assembler) error {
	events := ssestream.NewDecoder(res)
	for !a.done && events.Next() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// The type within the data counts: some servers leave out the event line.
		data := bytes.TrimSpace(events.Event().Data)
		if len(data) == 0 || bytes.HasPrefix(data, []byte("[DONE]")) {
			continue
		}
		var e streamEvent
		if err := json.Unmarshal(data, &e); err != nil {
			return m.cut(ctx, a, err)
		}
		if e.Type == "error" {
			return m.Peer.Refused(0, data, res.Header)
		}
		a.add(&e)
	}
	if !a.done && a.stop == "" {
		return m.cut(ctx, a, events.Err())
	}
	return m.verdict(a)
}

// cut is the error of a stream that ended before the answer did.
func (m *model) cut(ctx context.Context, a *assembler, cause error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if cause != nil {
		var failed *llm.Error
		if errors.As(m.Peer.Failed(ctx, cause), &failed) && failed.Kind == llm.ErrTimeout {
			return failed
		}
	}
	if len(a.blocks) == 0 {
		return m.Peer.NoResponse("the server answered with nothing", cause)
	}
	return m.Peer.NoResponse("the stream was cut", cause)
}

// verdict tells whether a whole answer is one.
func (m *model) verdict(a *assembler) error {
	switch a.stop {
	case "refusal":
		// What came before a refusal is not to be used, says Anthropic.
		message := "the model declined to answer (refusal)"
		if a.explanation != "" {
			message += ": " + a.explanation
		}
		return &llm.Error{Kind: llm.ErrContentPolicy, Provider: m.Peer.Provider, Message: llm.Scrub(message, m.Peer.Secrets...)}
	case "model_context_window_exceeded":
		if len(a.blocks) == 0 {
			return &llm.Error{Kind: llm.ErrContextWindow, Provider: m.Peer.Provider, Message: "the context window is full"}
		}
	}
	return nil
}
