// Package openai speaks chat completions, OpenAI's own and those of the many
// servers that are compatible with it, and OpenAI's Responses API.
//
// The SDK builds and sends the request; what comes back is read here, by an
// assembler that forgives what compatible servers get wrong. The package does
// not retry and does not look for keys. It starts no goroutine.
package openai

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/ssestream"
	"github.com/openai/openai-go/v3/responses"

	"github.com/agent-rpc/agent-rpc/internal/llm"
	"github.com/agent-rpc/agent-rpc/internal/llm/transport"
)

// Options is what New needs to know.
type Options struct {
	// Model is the name on the wire. // required
	Model string
	// Peer is the server; requests go to BaseURL/chat/completions. // required
	Peer transport.Peer
	// Key is sent as a bearer token; "" sends none.
	Key string
	// NeedsKey: without a key a call fails before anything is sent.
	NeedsKey bool
	Config   llm.Config
	// Traits is asked at each call, so that it may load the catalog late. // required
	Traits func() llm.Traits
	// Responses: requests go to BaseURL/responses instead, in that API's form.
	Responses bool
	Dialect   Dialect
	// UserAgent is sent as such if not "".
	UserAgent string
}

// Dialect is how a compatible server differs from OpenAI's own.
type Dialect struct {
	// MaxTokens: the cap on the answer is called max_tokens.
	MaxTokens bool
	// NoStreamOptions: stream_options is refused; usage comes without asking.
	NoStreamOptions bool
	// CacheKey: prompt_cache_key is understood.
	CacheKey bool
	// LiteLLM: the server is its proxy. Anthropic's thinking blocks pass through,
	// and requests of a conversation are told apart by a header.
	LiteLLM bool
	// Signatures: tool calls carry signatures of the thoughts behind them, which
	// must come back with them, as with Gemini.
	Signatures bool
	// Headers are sent unless the config has others of the name.
	Headers map[string]string
	// Query is added to the URL.
	Query map[string]string
	// KeyHeader carries the key in place of a bearer token.
	KeyHeader string
}

type model struct {
	Options
	chat sdk.ChatCompletionService
	// signed holds the extra content of tool calls by call id, while the model
	// lives: the history has no place for it.
	signed sync.Map
}

// New makes the model. It neither reads the environment nor connects.
func New(o Options) llm.Model {
	opts := []option.RequestOption{
		option.WithHTTPClient(o.Peer.Client()),
		option.WithBaseURL(o.Peer.BaseURL),
		option.WithMaxRetries(0),
		option.WithMiddleware(o.Peer.Refuse),
		option.WithHeader("Accept", "text/event-stream"),
		option.WithJSONSet("stream", true),
	}
	switch {
	case o.Key == "":
	case o.Dialect.KeyHeader != "":
		opts = append(opts, option.WithHeader(o.Dialect.KeyHeader, o.Key))
	default:
		opts = append(opts, option.WithAPIKey(o.Key))
	}
	if o.UserAgent != "" {
		opts = append(opts, option.WithHeader("User-Agent", o.UserAgent))
	}
	for name, value := range o.Dialect.Headers {
		opts = append(opts, option.WithHeader(name, value))
	}
	for name, value := range o.Dialect.Query {
		opts = append(opts, option.WithQuery(name, value))
	}
	for name, value := range o.Config.ExtraHeaders {
		opts = append(opts, option.WithHeader(name, value))
	}
	if o.Responses {
		return &responder{Options: o, service: responses.NewResponseService(opts...)}
	}
	return &model{Options: o, chat: sdk.NewChatCompletionService(opts...)}
}

func (m *model) Complete(ctx context.Context, req *llm.Request, stream func(llm.Chunk)) (*llm.Response, error) {
	if m.NeedsKey && m.Key == "" {
		return nil, m.Peer.NoKey()
	}
	traits := m.Traits()
	params := m.params(req, traits)
	start := time.Now()
	// The SDK's own decoding of the body is left out: compatible servers break it.
	var res *http.Response
	opts := []option.RequestOption{option.WithResponseBodyInto(&res)}
	if m.Dialect.LiteLLM && req.CacheKey != "" {
		opts = append(opts, option.WithHeader("x-litellm-session-id", req.CacheKey))
	}
	if _, err := m.chat.New(ctx, params, opts...); err != nil {
		return nil, m.Peer.Failed(ctx, err)
	}
	defer func() { _ = res.Body.Close() }()

	a := newAssembler(stream)
	if err := m.read(ctx, res, a); err != nil {
		return nil, err
	}
	answer := a.response()
	if m.Dialect.Signatures {
		for _, c := range a.calls {
			if c.extra != nil {
				m.signed.Store(c.id, c.extra)
			}
		}
	}
	answer.Latency = time.Since(start)
	answer.Usage.ContextWindow = traits.ContextWindow
	answer.Usage.Cost = m.cost(answer.Usage, res.Header, traits)
	return answer, nil
}

// read feeds the body to the assembler until the answer is whole.
func (m *model) read(ctx context.Context, res *http.Response, a *assembler) error {
	form, err := m.Peer.Form(res)
	if err != nil {
		return m.cut(ctx, a.empty(), err)
	}
	switch form {
	case transport.FormStream:
		return m.readStream(ctx, res, a)
	case transport.FormEmpty:
		return m.cut(ctx, a.empty(), nil)
	}
	body, err := m.Peer.ReadAll(res)
	if err != nil {
		return m.cut(ctx, a.empty(), err)
	}
	if form == transport.FormOther {
		return m.Peer.NotAnAnswer(res.StatusCode, body)
	}
	c, err := decodeChunk(body)
	switch {
	case err != nil:
		return m.Peer.NotAnAnswer(res.StatusCode, body)
	case c.failed():
		return m.Peer.Refused(0, body, res.Header)
	}
	a.add(c)
	a.done = true
	return m.verdict(a)
}

func (m *model) readStream(ctx context.Context, res *http.Response, a *assembler) error {
	events := ssestream.NewDecoder(res)
	for !a.done && events.Next() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		event := events.Event()
		data := bytes.TrimSpace(event.Data)
		switch {
		case len(data) == 0:
			continue
		case bytes.HasPrefix(data, []byte("[DONE]")):
			a.done = true
			continue
		}
		c, err := decodeChunk(data)
		switch {
		case err != nil:
			return m.cut(ctx, a.empty(), err)
		case c.failed() || event.Type == "error":
			return m.Peer.Refused(0, data, res.Header)
		}
		a.add(c)
	}
	if err := events.Err(); err != nil && !a.whole() {
		return m.cut(ctx, a.empty(), err)
	}
	if !a.whole() {
		return m.cut(ctx, a.empty(), nil)
	}
	return m.verdict(a)
}

// verdict tells whether a whole answer is one.
func (m *model) verdict(a *assembler) error {
	switch {
	case !a.sawChoice:
		return m.Peer.NoResponse("the server answered without a choice", nil)
	case a.finish == "content_filter" && a.text.Len() == 0 && len(a.calls) == 0:
		return &llm.Error{
			Kind:     llm.ErrContentPolicy,
			Provider: m.Peer.Provider,
			Message:  "the answer was withheld (content_filter)",
		}
	}
	return nil
}

// cut is the error of a stream that ended before the answer did.
func (o *Options) cut(ctx context.Context, empty bool, cause error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if cause != nil {
		var failed *llm.Error
		if errors.As(o.Peer.Failed(ctx, cause), &failed) && failed.Kind == llm.ErrTimeout {
			return failed
		}
	}
	if empty {
		return o.Peer.NoResponse("the server answered with nothing", cause)
	}
	return o.Peer.NoResponse("the stream was cut", cause)
}

// cost is what the answer cost, as far as anyone says: the user's own prices,
// then the server's figure, then the catalog.
func (o *Options) cost(u llm.Usage, header http.Header, traits llm.Traits) float64 {
	if o.Config.InputCostPerToken != nil && o.Config.OutputCostPerToken != nil {
		return traits.Prices.Cost(u)
	}
	if u.Cost > 0 {
		return u.Cost
	}
	if said, err := strconv.ParseFloat(header.Get("x-litellm-response-cost"), 64); err == nil && said > 0 {
		return said
	}
	return traits.Prices.Cost(u)
}
