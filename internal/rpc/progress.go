package rpc

import (
	"sync"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
)

// progress shows each run as a work-done progress of LSP, which the client may
// cancel. The token is the run's id.
type progress struct {
	server       *Server
	conversation *conversation.Conversation

	mu    sync.Mutex
	runID string // the run that goes on
	shown bool   // begin was sent for it
}

type progressParams struct {
	Token string        `json:"token"`
	Value progressValue `json:"value"`
}

type progressValue struct {
	Kind        string `json:"kind"`
	Title       string `json:"title,omitempty"`
	Cancellable bool   `json:"cancellable,omitempty"`
	Message     string `json:"message,omitempty"`
}

// begin asks the client for a token and shows the run once it agreed, in a
// goroutine that ends with the client's answer.
func (p *progress) begin(runID string) {
	if !p.server.client.Load().workDoneProgress {
		return
	}
	p.mu.Lock()
	p.runID, p.shown = runID, false
	p.mu.Unlock()
	p.server.progress.Store(runID, p.conversation)
	go func() {
		params := struct {
			Token string `json:"token"`
		}{runID}
		if err := p.server.call(p.server.life, "window/workDoneProgress/create", params, nil); err != nil {
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.runID == runID {
			p.shown = true
			p.send(runID, progressValue{Kind: "begin", Title: "Agent", Cancellable: true})
		}
	}()
}

func (p *progress) end(o conversation.Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server.progress.Delete(o.RunID)
	if p.shown && p.runID == o.RunID {
		p.send(o.RunID, progressValue{Kind: "end", Message: string(o.StopReason)})
	}
	p.runID, p.shown = "", false
}

func (p *progress) send(token string, v progressValue) {
	p.server.out.Send(encode("$/progress", progressParams{token, v}))
}
