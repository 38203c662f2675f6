package openai

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/ssestream"
	"github.com/openai/openai-go/v3/responses"

	"github.com/agent-rpc/agent-rpc/internal/llm"
	"github.com/agent-rpc/agent-rpc/internal/llm/transport"
)

// responder speaks the Responses API, statelessly: nothing is kept at the
// server, and reasoning travels back and forth encrypted.
type responder struct {
	Options
	service responses.ResponseService
}

func (m *responder) Complete(ctx context.Context, req *llm.Request, stream func(llm.Chunk)) (*llm.Response, error) {
	if m.NeedsKey && m.Key == "" {
		return nil, m.Peer.NoKey()
	}
	traits := m.Traits()
	params := m.params(req, traits)
	start := time.Now()
	var res *http.Response
	if _, err := m.service.New(ctx, params, option.WithResponseBodyInto(&res)); err != nil {
		return nil, m.Peer.Failed(ctx, err)
	}
	defer func() { _ = res.Body.Close() }()

	a := newItems(stream)
	if err := m.read(ctx, res, a); err != nil {
		return nil, err
	}
	answer := a.response()
	answer.Latency = time.Since(start)
	answer.Usage.ContextWindow = traits.ContextWindow
	answer.Usage.Cost = m.cost(answer.Usage, res.Header, traits)
	return answer, nil
}

func (m *responder) read(ctx context.Context, res *http.Response, a *items) error {
	form, err := m.Peer.Form(res)
	if err != nil {
		return m.cut(ctx, a.empty(), err)
	}
	switch form {
	case transport.FormStream:
		return m.readStream(ctx, res, a)
	case transport.FormEmpty:
		return m.cut(ctx, true, nil)
	}
	body, err := m.Peer.ReadAll(res)
	if err != nil {
		return m.cut(ctx, a.empty(), err)
	}
	var whole responseObject
	if form == transport.FormOther || json.Unmarshal(body, &whole) != nil || !isSet(whole.Error) && whole.Output == nil {
		return m.Peer.NotAnAnswer(res.StatusCode, body)
	}
	if isSet(whole.Error) {
		return m.Peer.Refused(0, body, res.Header)
	}
	a.end(&whole)
	return m.verdict(a)
}

func (m *responder) readStream(ctx context.Context, res *http.Response, a *items) error {
	events := ssestream.NewDecoder(res)
	for !a.done && events.Next() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		data := bytes.TrimSpace(events.Event().Data)
		if len(data) == 0 || bytes.HasPrefix(data, []byte("[DONE]")) {
			continue
		}
		var e responseEvent
		if err := json.Unmarshal(data, &e); err != nil {
			return m.cut(ctx, a.empty(), err)
		}
		switch {
		case e.Type == "error" || isSet(e.Error):
			return m.Peer.Refused(0, data, res.Header)
		case e.Type == "response.failed" && e.Response != nil:
			return m.Peer.Refused(0, e.Response.Error, res.Header)
		}
		a.add(&e)
	}
	if !a.done {
		return m.cut(ctx, a.empty(), events.Err())
	}
	return m.verdict(a)
}

func (m *responder) verdict(a *items) error {
	if a.finish == "content_filter" && a.empty() {
		return &llm.Error{
			Kind:     llm.ErrContentPolicy,
			Provider: m.Peer.Provider,
			Message:  "the answer was withheld (content_filter)",
		}
	}
	return nil
}
