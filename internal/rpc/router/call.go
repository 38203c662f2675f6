package router

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sourcegraph/jsonrpc2"
)

// Call sends a request to the client and waits for its result, which is decoded
// as by [Decode] into the value that result points to (null leaves it alone),
// unless result is nil. If ctx ends first the client gets a $/cancelRequest and
// the caller the error of ctx. A refusal of the client is a *jsonrpc2.Error, a
// connection that ended jsonrpc2.ErrClosed. All calls of a connection must go
// through here: the ids would collide. It must not be called by an [Inline]
// handler.
func (r *Router) Call(ctx context.Context, method string, params, result any) error {
	select {
	case <-r.connected:
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return fmt.Errorf("calling %s: %w", method, context.Cause(ctx))
	}
	id := r.calls.Add(1)
	call, err := r.conn.DispatchCall(ctx, method, params, jsonrpc2.PickID(jsonrpc2.ID{Num: id}))
	if err != nil {
		return fmt.Errorf("calling %s: %w", method, err)
	}
	var raw json.RawMessage
	err = call.Wait(ctx, &raw)
	if err != nil && ctx.Err() != nil {
		r.cancelCall(id)
	}
	if err != nil {
		return fmt.Errorf("calling %s: %w", method, err)
	}
	if result == nil || string(raw) == "null" {
		return nil
	}
	if err := Decode(raw, result); err != nil {
		// Not wrapped: it would become the answer to a request with good params.
		return fmt.Errorf("calling %s: the result is malformed: %v", method, err) //nolint:errorlint // it must not pass for bad params of the client's
	}
	return nil
}

func (r *Router) cancelCall(id uint64) {
	if err := r.stream.Notify(r.config.Cancel.Method, map[string]uint64{r.config.Cancel.ID: id}); err != nil {
		r.log.Debug("a call was not cancelled", "error", err)
	}
}

// Refused tells whether the client refused a call with the given code.
func Refused(err error, code int64) bool {
	var refusal *jsonrpc2.Error
	return errors.As(err, &refusal) && refusal.Code == code
}
