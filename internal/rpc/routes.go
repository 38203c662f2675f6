package rpc

import (
	"context"
	"encoding/json"

	"github.com/agent-rpc/agent-rpc/internal/rpc/protocol"
	"github.com/agent-rpc/agent-rpc/internal/rpc/router"
	"github.com/agent-rpc/agent-rpc/internal/rpc/wire"
)

// routes is the table of what is served. Requests on one conversation are taken
// in order unless their row says otherwise.
func (s *Server) routes(stream *wire.Stream) *router.Router {
	r := router.New(stream, router.Config{Errors: s.toError, Logger: s.log})
	inline := router.Options{Order: router.Inline}
	bypass := router.Options{Order: router.Bypass}
	early := router.Options{Order: router.Inline, Early: true}

	r.Register("initialize", early, func(_ context.Context, req *router.Request) error {
		return s.initialize(req.Params, func(result json.RawMessage) { req.Reply(result) })
	})
	notification(r, "initialized", inline, func(context.Context, protocol.Empty) {})
	accept(r, "shutdown", bypass, s.shutdownRequest)
	notification(r, "exit", early, s.exit)
	notification(r, "$/setTrace", inline, s.setTrace)
	notification(r, "window/workDoneProgress/cancel", inline, s.cancelProgress)
	notification(r, "workspace/didChangeWorkspaceFolders", inline, s.changeFolders)
	notification(r, "workspace/didChangeConfiguration", inline, func(context.Context, protocol.Empty) {})
	notification(r, "textDocument/didOpen", inline, s.didOpen)
	notification(r, "textDocument/didChange", inline, s.didChange)
	notification(r, "textDocument/didSave", inline, s.didSave)
	notification(r, "textDocument/didClose", inline, s.didClose)

	accept(r, "workspace/executeCommand", router.Options{}, s.executeCommand)
	accept(r, "textDocument/codeAction", bypass, s.codeAction)
	accept(r, "textDocument/hover", bypass, s.hover)

	accept(r, protocol.MethodPing, early, s.ping)
	accept(r, protocol.MethodTools, bypass, s.tools)
	accept(r, protocol.MethodModels, bypass, s.models)
	accept(r, protocol.MethodSkills, bypass, s.skills)

	accept(r, protocol.MethodCreate, router.Options{}, spoken(s, s.create))
	accept(r, protocol.MethodOpen, router.Options{}, spoken(s, s.open))
	accept(r, protocol.MethodList, bypass, spoken(s, s.list))
	accept(r, protocol.MethodState, router.Options{}, spoken(s, s.state))
	accept(r, protocol.MethodEvents, router.Options{}, spoken(s, s.events))
	accept(r, protocol.MethodFork, router.Options{}, spoken(s, s.fork))
	accept(r, protocol.MethodNavigate, router.Options{}, spoken(s, s.navigate))
	accept(r, protocol.MethodBranches, router.Options{}, spoken(s, s.branches))
	accept(r, protocol.MethodUnsend, router.Options{}, spoken(s, s.unsend))
	accept(r, protocol.MethodBlob, router.Options{}, s.blob)
	accept(r, protocol.MethodClose, router.Options{}, s.close)
	accept(r, protocol.MethodDelete, router.Options{}, s.delete)

	accept(r, protocol.MethodSendMessage, router.Options{}, spoken(s, s.sendMessage))
	accept(r, protocol.MethodRun, router.Options{}, spoken(s, s.run))
	accept(r, protocol.MethodPause, bypass, s.pause)
	accept(r, protocol.MethodInterrupt, bypass, s.interrupt)
	accept(r, protocol.MethodConfirm, bypass, s.confirm)
	accept(r, protocol.MethodAnswer, bypass, s.answer)
	accept(r, protocol.MethodRunTool, router.Options{}, s.runTool)
	accept(r, protocol.MethodRerunActions, router.Options{}, s.rerunActions)
	accept(r, protocol.MethodRejectPendingActions, router.Options{}, s.rejectPendingActions)

	accept(r, protocol.MethodSetConfirmationPolicy, router.Options{}, s.setConfirmationPolicy)
	accept(r, protocol.MethodSetSecurityAnalyzer, router.Options{}, s.setSecurityAnalyzer)
	accept(r, protocol.MethodUpdateSecrets, router.Options{}, s.updateSecrets)
	accept(r, protocol.MethodGenerateTitle, router.Options{}, s.generateTitle)
	accept(r, protocol.MethodCondense, router.Options{}, s.condense)
	accept(r, protocol.MethodAskAgent, router.Options{}, s.askAgent)
	accept(r, protocol.MethodSwitchModel, router.Options{}, s.switchModel)
	accept(r, protocol.MethodUpdate, router.Options{}, s.update)

	accept(r, protocol.MethodChanges, router.Options{}, s.changes)
	accept(r, protocol.MethodBaseline, router.Options{}, s.baseline)
	accept(r, protocol.MethodKeepChanges, router.Options{}, s.keepChanges)
	accept(r, protocol.MethodUndoChanges, router.Options{}, s.undoChanges)
	return r
}

// spoken notes that the client speaks our protocol, although it did not say so.
func spoken[P, R any](s *Server, h func(context.Context, P, func(R, error))) func(context.Context, P, func(R, error)) {
	return func(ctx context.Context, p P, reply func(R, error)) {
		s.spoken.Store(true)
		h(ctx, p, reply)
	}
}

// accept registers a handler that replies when it has accepted the request, or
// later; it may return before.
func accept[P, R any](r *router.Router, name string, o router.Options, h func(context.Context, P, func(R, error))) {
	router.Accept(r, name, o, func(ctx context.Context, p P, reply router.Reply[R]) error {
		h(ctx, p, func(result R, err error) { reply(result, err) })
		return nil
	})
}

func notification[P any](r *router.Router, name string, o router.Options, h func(context.Context, P)) {
	router.Notification(r, name, o, func(ctx context.Context, p P) error {
		h(ctx, p)
		return nil
	})
}
