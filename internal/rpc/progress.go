package rpc

import (
	"sync"

	"github.com/agent-rpc/agent-rpc/internal/conversation"
	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
)

// progress shows each run as a work-done progress of LSP, which the client may
// cancel. The token is the run's id.
type progress struct {
	server       *Server
	conversation *conversation.Conversation

	mu    sync.Mutex
	runID string // the run that goes on
	shown bool   // begin was sent for it
	// doing is the newest step, which is told once the run is shown.
	doing string
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
	p.runID, p.shown, p.doing = runID, false, "thinking"
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
		if p.runID != runID {
			// It is over by now. Editors show a token from its creation on, until its end.
			p.send(runID, progressValue{Kind: "begin", Title: "Agent"})
			p.send(runID, progressValue{Kind: "end"})
		} else {
			p.shown = true
			p.send(runID, progressValue{Kind: "begin", Title: "Agent", Cancellable: true, Message: p.doing})
		}
	}()
}

func (p *progress) end(o conversation.Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server.progress.Delete(o.RunID)
	if p.shown && p.runID == o.RunID {
		p.send(o.RunID, progressValue{Kind: "end", Message: endings[o.StopReason]})
	}
	p.runID, p.shown = "", false
}

// report tells what the agent does now.
func (p *progress) report(r conversation.Record) {
	doing := ""
	switch r.Event.(type) {
	case *event.Action:
		if r.Display != nil {
			doing = r.Display.Title
		}
	case *event.Observation, *event.AgentError, *event.UserReject:
		doing = "thinking"
	}
	if doing != "" {
		p.say(doing)
	}
}

func (p *progress) say(doing string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.runID == "" || p.doing == doing {
		return
	}
	p.doing = doing
	if p.shown {
		p.send(p.runID, progressValue{Kind: "report", Message: doing})
	}
}

// endings are the stop reasons in words.
var endings = map[conversation.StopReason]string{
	conversation.StopFinished:      "finished",
	conversation.StopPaused:        "paused",
	conversation.StopInterrupted:   "stopped",
	conversation.StopWaiting:       "waits for your approval",
	conversation.StopMaxIterations: "stopped at the limit of steps",
	conversation.StopBudget:        "stopped at the limit of costs",
	conversation.StopStuck:         "stopped: it repeats itself",
	conversation.StopRejected:      "stopped: rejected",
	conversation.StopError:         "failed",
}

func (p *progress) send(token string, v progressValue) {
	p.server.out.Send(encode("$/progress", progressParams{token, v}))
}
