package router

import "context"

// Method registers a handler that gets its params decoded and replies with what
// it returns.
func Method[P, R any](r *Router, name string, o Options, h func(context.Context, P) (R, error)) {
	r.Register(name, o, func(ctx context.Context, req *Request) error {
		p, err := params[P](req)
		if err != nil {
			return err
		}
		result, err := h(ctx, p)
		if err != nil {
			return err
		}
		req.Reply(result)
		return nil
	})
}

// Reply answers a request with a result, or with err if it is not nil, and tells
// whether this was the answer: only the first one is. It may be called from any
// goroutine, also after the handler has returned.
type Reply[R any] func(result R, err error) bool

// Accept registers a handler that replies itself: when it has accepted the
// request, before it goes on and sends what must follow the reply; or later. A
// handler that returns an error has replied with it, unless it had before.
func Accept[P, R any](r *Router, name string, o Options, h func(ctx context.Context, p P, reply Reply[R]) error) {
	r.Register(name, o, func(ctx context.Context, req *Request) error {
		p, err := params[P](req)
		if err != nil {
			return err
		}
		return h(ctx, p, func(result R, err error) bool {
			if err != nil {
				return req.ReplyError(err)
			}
			return req.Reply(result)
		})
	})
}

// Notification registers a handler of a notification. A client that sends it as
// a request is answered null.
func Notification[P any](r *Router, name string, o Options, h func(context.Context, P) error) {
	r.Register(name, o, func(ctx context.Context, req *Request) error {
		p, err := params[P](req)
		if err != nil {
			return err
		}
		if err := h(ctx, p); err != nil {
			return err
		}
		req.Reply(nil)
		return nil
	})
}
