package rpc

import (
	"context"
	"log/slog"
	"strings"

	"github.com/agent-rpc/agent-rpc/internal/rpc/wire"
)

// levelOff is above every level: nothing is sent to the client.
const levelOff = slog.Level(100)

// clientLog writes records to stderr and, at the level of $/setTrace, to the
// client as window/logMessage.
type clientLog struct {
	next  slog.Handler
	out   *wire.Outbox
	level *slog.LevelVar
	mask  func(string) string
	attrs string
}

// Enabled implements [slog.Handler].
func (h *clientLog) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.level.Level() || h.next.Enabled(ctx, l)
}

// Handle implements [slog.Handler].
func (h *clientLog) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= h.level.Level() {
		var b strings.Builder
		b.WriteString(r.Message + h.attrs)
		r.Attrs(func(a slog.Attr) bool {
			b.WriteString(" " + a.String())
			return true
		})
		h.out.Send(encode("window/logMessage", struct {
			Type    int    `json:"type"`
			Message string `json:"message"`
		}{messageType(r.Level), h.mask(b.String())}))
	}
	if h.next.Enabled(ctx, r.Level) {
		return h.next.Handle(ctx, r)
	}
	return nil
}

// WithAttrs implements [slog.Handler].
func (h *clientLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	more := *h
	more.next = h.next.WithAttrs(attrs)
	for _, a := range attrs {
		more.attrs += " " + a.String()
	}
	return &more
}

// WithGroup implements [slog.Handler].
func (h *clientLog) WithGroup(name string) slog.Handler {
	more := *h
	more.next = h.next.WithGroup(name)
	return &more
}

// messageType is LSP's MessageType.
func messageType(l slog.Level) int {
	switch {
	case l >= slog.LevelError:
		return 1
	case l >= slog.LevelWarn:
		return 2
	case l >= slog.LevelInfo:
		return 3
	}
	return 4
}

// traceLevel is the level that a trace value of LSP asks for.
func traceLevel(value string) slog.Level {
	switch value {
	case "messages":
		return slog.LevelInfo
	case "verbose":
		return slog.LevelDebug
	}
	return levelOff
}
