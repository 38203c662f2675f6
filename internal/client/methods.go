package client

import (
	"context"
	"encoding/json"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
)

// call is Call with a result of one type.
func call[R any](ctx context.Context, c *Client, method string, params any) (R, error) {
	var r R
	err := c.Call(ctx, method, params, &r)
	return r, err
}

// Create is conversation/create.
func (c *Client) Create(ctx context.Context, p protocol.CreateParams) (protocol.CreateResult, error) {
	return call[protocol.CreateResult](ctx, c, protocol.MethodCreate, p)
}

// Open is conversation/open.
func (c *Client) Open(ctx context.Context, p protocol.OpenParams) (protocol.OpenResult, error) {
	return call[protocol.OpenResult](ctx, c, protocol.MethodOpen, p)
}

// List is conversation/list, all pages of it. A limit ends it early.
func (c *Client) List(ctx context.Context, p protocol.ListParams) ([]protocol.Info, error) {
	var all []protocol.Info
	for {
		page, err := call[protocol.ListResult](ctx, c, protocol.MethodList, p)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.Next == "" || page.Next == p.Cursor || p.Limit > 0 && len(all) >= p.Limit {
			return all, nil
		}
		p.Cursor = page.Next
	}
}

// State is conversation/state.
func (c *Client) State(ctx context.Context, id string) (protocol.Info, error) {
	return call[protocol.Info](ctx, c, protocol.MethodState, protocol.IDParams{ID: id})
}

// Events is conversation/events: all after one position up to and including
// another (0: to the end), handed over in order.
func (c *Client) Events(ctx context.Context, id string, after, to int, each func(protocol.SeqEvent) error) error {
	for {
		page, err := call[protocol.EventsResult](ctx, c, protocol.MethodEvents, protocol.EventsParams{ID: id, After: &after})
		if err != nil {
			return err
		}
		for _, e := range page.Events {
			if to > 0 && e.Seq > to {
				return nil
			}
			if err := each(e); err != nil {
				return err
			}
		}
		if page.Next == nil || *page.Next <= after {
			return nil
		}
		after = *page.Next
	}
}

// SendMessage is conversation/sendMessage with a message of text.
func (c *Client) SendMessage(ctx context.Context, id, text string, run bool) (protocol.SendMessageResult, error) {
	message, err := json.Marshal(text)
	if err != nil {
		return protocol.SendMessageResult{}, err
	}
	return call[protocol.SendMessageResult](ctx, c, protocol.MethodSendMessage, protocol.SendMessageParams{ID: id, Message: message, Run: run})
}

// Run is conversation/run; it returns at acceptance.
func (c *Client) Run(ctx context.Context, id string) (protocol.RunResult, error) {
	return call[protocol.RunResult](ctx, c, protocol.MethodRun, protocol.RunParams{ID: id})
}

// Pause is conversation/pause.
func (c *Client) Pause(ctx context.Context, id string) error {
	return c.Call(ctx, protocol.MethodPause, protocol.IDParams{ID: id}, nil)
}

// Interrupt is conversation/interrupt.
func (c *Client) Interrupt(ctx context.Context, id string) error {
	return c.Call(ctx, protocol.MethodInterrupt, protocol.IDParams{ID: id}, nil)
}

// Confirm is conversation/confirm.
func (c *Client) Confirm(ctx context.Context, p protocol.ConfirmParams) (protocol.ConfirmResult, error) {
	return call[protocol.ConfirmResult](ctx, c, protocol.MethodConfirm, p)
}

// Answer is conversation/answer.
func (c *Client) Answer(ctx context.Context, p protocol.AnswerParams) (protocol.AnswerResult, error) {
	return call[protocol.AnswerResult](ctx, c, protocol.MethodAnswer, p)
}

// Delete is conversation/delete.
func (c *Client) Delete(ctx context.Context, id string) error {
	return c.Call(ctx, protocol.MethodDelete, protocol.IDParams{ID: id}, nil)
}

// Models is agent/models.
func (c *Client) Models(ctx context.Context) (protocol.ModelsResult, error) {
	return call[protocol.ModelsResult](ctx, c, protocol.MethodModels, struct{}{})
}
